use super::*;

fn through_question_mark(error: io::Error) -> Error {
    let fail = || -> Result<()> { Err(error)? };
    fail().unwrap_err()
}

#[test]
fn io_errors_keep_their_meaning() {
    assert_eq!(through_question_mark(io::ErrorKind::PermissionDenied.into()).kind(), ErrorKind::Denied);
    assert_eq!(through_question_mark(io::ErrorKind::TimedOut.into()).kind(), ErrorKind::Unavailable);
    assert_eq!(through_question_mark(io::ErrorKind::NotFound.into()).kind(), ErrorKind::Failed);
}

#[derive(Debug)]
struct Outer(io::Error);

impl Display for Outer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the page cannot be saved")
    }
}

impl StdError for Outer {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(&self.0)
    }
}

#[test]
fn the_chain_of_causes_is_named_and_the_kind_found_in_it() {
    let error = Error::from(Outer(io::Error::new(io::ErrorKind::PermissionDenied, "read-only")));
    assert_eq!((error.kind(), error.message()), (ErrorKind::Denied, "the page cannot be saved: read-only"));
}

#[test]
fn what_was_tried_comes_first_and_the_kind_stays() {
    let error = Err::<(), _>(Error::denied("no right")).context("cannot read `a`").unwrap_err();
    assert_eq!((error.kind(), error.to_string().as_str()), (ErrorKind::Denied, "cannot read `a`: no right"));
}
