use std::sync::{Arc, atomic::Ordering};

use tokio::io::{AsyncReadExt as _, BufReader};

use super::Lines;

/// Reads `text` in pieces of `piece` bytes with a bound of 4 for a line; tells what came through, and whether the bound was exceeded.
fn read(text: &str, piece: usize) -> (String, bool) {
    let exceeded = Arc::default();
    let mut lines = Lines::new(BufReader::with_capacity(piece, text.as_bytes()), 4, Arc::clone(&exceeded));
    let mut out = String::new();
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let ended = runtime.block_on(lines.read_to_string(&mut out));
    assert_eq!(ended.is_err(), exceeded.load(Ordering::Acquire));
    (out, ended.is_err())
}

#[test]
fn lines_within_the_bound_pass_and_a_longer_one_ends_it() {
    for piece in [1, 2, 3, 7] {
        let text = "abc\n\nabc\nab";
        assert_eq!(read(text, piece), (text.to_owned(), false), "{piece}");
        assert!(read("abc\nabcd\n", piece).1, "{piece}");
        assert!(read("abcde", piece).1, "{piece}");
    }
}
