use super::*;

const MINUTE: Duration = Duration::from_secs(60);

#[test]
fn what_was_sealed_opens_for_the_same_request_alone() {
    let seal = Seal::new([7; 32]);
    let sealed = seal.seal(b"user:ada tool", b"step 1", MINUTE);
    assert_eq!(seal.open(b"user:ada tool", &sealed).as_deref(), Some(b"step 1".as_slice()));
    assert_eq!(seal.open(b"user:bob tool", &sealed), None);
    assert_eq!(Seal::new([8; 32]).open(b"user:ada tool", &sealed), None);
}

#[test]
fn a_changed_or_old_seal_does_not_open() {
    let seal = Seal::new([7; 32]);
    let sealed = seal.seal(b"a", b"step 1", MINUTE);
    assert_eq!(seal.open(b"a", &format!("{sealed}-TAMPERED")), None);
    assert_eq!(seal.open(b"a", ""), None);
    let old = seal.seal(b"a", b"step 1", Duration::ZERO);
    // It holds in the millisecond in which it was made.
    assert!((0..10_000_000).any(|_| seal.open(b"a", &old).is_none()));
}
