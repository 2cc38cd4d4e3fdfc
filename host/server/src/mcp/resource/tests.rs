use super::*;

#[test]
fn an_address_is_one_of_three_or_none() {
    let id = "ses_01hzzzzzzzzzzzzzzzzzzzzzzz";
    let digest = "ab".repeat(32);
    assert_eq!(Address::read(&format!("remit://session/{id}")), Some(Address::Timeline(id.parse().expect("an id"))));
    assert!(matches!(Address::read(&format!("remit://session/{id}/state")), Some(Address::State(_))));
    assert!(matches!(Address::read(&format!("remit://session/{id}/output/{digest}")), Some(Address::Output(..))));
    for wrong in ["", "remit://session/", "remit://session/x", "file:///etc/passwd", "remit://session/../..", "remit://sessions/x"] {
        assert_eq!(Address::read(wrong), None, "{wrong}");
    }
    for rest in ["/", "/State", "/state/", "/output/", "/output/zz", "/output/../state"] {
        assert_eq!(Address::read(&format!("remit://session/{id}{rest}")), None, "{rest}");
    }
}
