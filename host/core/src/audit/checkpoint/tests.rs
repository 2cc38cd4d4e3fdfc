use super::*;
use crate::{Kind, audit::leaf_hash, clock::Timestamp};

fn signer(byte: u8) -> Signer {
    Signer::from_seed(&[byte; 32]).expect("a key")
}

fn checkpoint() -> Checkpoint {
    let mut tree = Tree::default();
    tree.push(leaf_hash(b"one"));
    Checkpoint::new(EpochId::new(Timestamp(1_780_000_000_000), 7), &tree)
}

/// The key and the note of the example in the documentation of Go's `note`, where the format comes from.
#[test]
fn a_published_note_has_the_signature_that_is_expected() {
    let text = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
    let key: PublicKey = text.parse().expect("a key");
    assert_eq!(key.to_string(), text);
    let body = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n".to_owned();
    let text = "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=";
    let signatures = vec![("PeterNeumann".to_owned(), BASE64_STANDARD.decode(text).expect("base64"))];
    let note = SignedCheckpoint { checkpoint: checkpoint(), body, signatures };
    assert_eq!(note.signed_by(std::slice::from_ref(&key)), Some(&key));
}

#[test]
fn a_checkpoint_has_three_lines_and_a_signature_of_its_key() {
    let key = signer(1);
    let text = key.sign(&checkpoint());
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines.len(), 5, "{text}");
    assert!(lines[0].starts_with("remit-audit/epoch_") && lines[1] == "1" && lines[3].is_empty(), "{text}");
    let read: SignedCheckpoint = text.parse().expect("a checkpoint");
    assert_eq!(read.checkpoint, checkpoint());
    let keys = [signer(2).public_key().clone(), key.public_key().clone()];
    assert_eq!(read.signed_by(&keys), keys.get(1));
    assert_eq!(read.signed_by(&keys[..1]), None, "another key did not sign it");
}

#[test]
fn whatever_is_changed_in_a_checkpoint_nobody_signed_it() {
    let key = signer(1);
    let keys = [key.public_key().clone()];
    let text = key.sign(&checkpoint());
    let accepted = |text: &str| text.parse::<SignedCheckpoint>().is_ok_and(|read| read.signed_by(&keys).is_some());
    assert!(accepted(&text));
    for (index, byte) in text.bytes().enumerate().filter(|(_, byte)| byte.is_ascii()) {
        let mut other = text.clone().into_bytes();
        other[index] = if byte == b'A' { b'B' } else { b'A' };
        assert!(!accepted(&String::from_utf8(other).expect("text")), "byte {index} of {text}");
    }
    assert!(!accepted(&text.replacen("\n1\n", "\n01\n", 1)));
}

#[test]
fn what_is_no_checkpoint_is_refused() {
    for text in ["", "\n\n", "remit-audit/epoch_x\n1\n\n", "other/log\n1\nAAAA\n\n\u{2014} a b\n"] {
        assert_eq!(text.parse::<SignedCheckpoint>().expect_err("a refusal").kind, Kind::Invalid, "{text:?}");
    }
    let long = "x".repeat(AUDIT_CHECKPOINT_MAX_BYTES as usize + 1);
    assert_eq!(long.parse::<SignedCheckpoint>().expect_err("a refusal").kind, Kind::Limit);
}

#[test]
fn a_key_is_read_as_it_is_printed_and_mistakes_in_it_are_seen() {
    let key = signer(3).public_key().clone();
    let text = key.to_string();
    assert_eq!(text.parse::<PublicKey>().expect("a key"), key);
    for wrong in ["", "remit-audit", "a+b+c", &text.replace("remit-audit", "remit-other"), &text[..text.len() - 4]] {
        assert_eq!(wrong.parse::<PublicKey>().expect_err("a refusal").kind, Kind::Invalid, "{wrong}");
    }
    assert!(Signer::from_seed(&[1; 31]).is_err());
}
