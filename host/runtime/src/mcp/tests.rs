use super::*;

fn entry(uri: &str) -> ResourceEntry {
    ResourceEntry { uri: uri.to_owned(), name: "one".to_owned(), title: None, description: None, mime_type: None }
}

#[test]
fn a_template_covers_what_fits_it_and_nothing_beyond() {
    let one = entry("test://template/{id}/data");
    assert!(one.is_template());
    assert!(one.covers("test://template/123/data"));
    for other in ["test://template//data", "test://template/1/2/data", "test://template/1/data/more", "test://template/1", "x"] {
        assert!(!one.covers(other), "{other}");
    }
    assert!(entry("note:{year}-{month}").covers("note:2026-07"));
    assert!(!entry("note:{year}-{month}").covers("note:2026-"));
    assert!(!entry("note:{year").covers("note:{year"));
}

#[test]
fn a_plain_uri_covers_itself_alone() {
    let one = entry("test://static-text");
    assert!(!one.is_template());
    assert!(one.covers("test://static-text"));
    assert!(!one.covers("test://static-text/"));
}

#[test]
fn a_round_with_too_much_state_or_too_many_answers_is_refused() {
    use remit_core::limit::MCP_QUESTIONS_MAX;
    let round = |state: usize, answers: usize| Round {
        state: Some(vec![0; state]),
        answers: vec![("key".to_owned(), Reply::Declined); answers],
        ..Round::default()
    };
    assert!(round(MCP_STATE_MAX_BYTES, MCP_QUESTIONS_MAX).check().is_ok());
    assert!(round(MCP_STATE_MAX_BYTES + 1, 0).check().is_err());
    assert!(round(0, MCP_QUESTIONS_MAX + 1).check().is_err());
}
