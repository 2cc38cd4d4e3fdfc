//! The chain of digests.

use super::*;

fn line(seq: u64, ms: u64, text: &str) -> Line {
    Line { seq, at: at(ms), text: text.to_owned() }
}

fn chain(lines: &[Line]) -> Link {
    lines.iter().fold([0; 32], |before, line| link(&before, line))
}

/// The digests of journals that are on disk never change.
#[test]
fn the_first_link_is_the_digest_of_zeros_and_the_record() {
    let found = link(&[0; 32], &line(3, 5, "abc"));
    let hex: String = found.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hex, "07c2ff97fbc1d03b1cc50e0ec278a8f6c8708e0bdade82507e518476579cb93f");
}

#[test]
fn another_number_time_text_place_or_history_makes_another_link() {
    let journal = [line(0, 10, "a"), line(1, 11, "b"), line(2, 12, "c")];
    let whole = chain(&journal);
    let changed = |change: &dyn Fn(&mut Vec<Line>)| {
        let mut lines = journal.to_vec();
        change(&mut lines);
        chain(&lines)
    };
    assert_eq!(changed(&|_| {}), whole);
    for (what, link) in [
        ("a number", changed(&|lines| lines[1].seq = 7)),
        ("a time", changed(&|lines| lines[1].at = at(12))),
        ("a text", changed(&|lines| lines[1].text = "B".to_owned())),
        ("an order", changed(&|lines| lines.swap(0, 1))),
        ("a record less", changed(&|lines| drop(lines.remove(1)))),
        ("a record more", changed(&|lines| lines.push(line(3, 13, "")))),
        (
            "a text that moved over the border of two records",
            changed(&|lines| {
                lines[0].text.clear();
                lines[1].text = "ab".to_owned();
            }),
        ),
    ] {
        assert_ne!(link, whole, "{what}");
    }
    assert_ne!(link(&[1; 32], &journal[0]), link(&[0; 32], &journal[0]), "another history");
}
