use super::*;

fn principal(name: &str) -> Principal {
    name.parse().expect("a principal")
}

#[test]
fn who_asks_too_often_waits_and_nobody_else_does() {
    let (pace, ada, now) = (Arc::new(Pace::default()), principal("user:ada"), Timestamp(1_000));
    let let_in = (0..2 * MCP_RATE_BURST).filter(|_| pace.take(&ada, now).is_ok()).count();
    assert_eq!(let_in, MCP_RATE_BURST as usize);
    assert_eq!(pace.take(&ada, now).map(drop), Err(TooMuch(1000 / u64::from(MCP_RATE_PER_SECOND))));
    assert!(pace.take(&principal("user:bob"), now).is_ok());
    assert!(pace.take(&ada, Timestamp(1_100)).is_ok());
}

#[test]
fn who_has_too_much_running_is_let_in_again_when_some_of_it_has_ended() {
    let (pace, ada, now) = (Arc::new(Pace::default()), principal("user:ada"), Timestamp(1_000));
    let mut running: Vec<Place> = (0..MCP_REQUESTS_PER_PRINCIPAL_MAX).map(|_| pace.take(&ada, now).expect("room")).collect();
    assert_eq!(pace.take(&ada, now).map(drop), Err(TooMuch(1000)));
    assert!(pace.take(&principal("user:bob"), now).is_ok());
    running.pop();
    assert!(pace.take(&ada, now).is_ok());
}
