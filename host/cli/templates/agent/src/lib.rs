use remit::durable::{self, Question};
use remit::state;

/// What the agent takes.
#[remit::data]
struct Greet {
    /// Whom to greet.
    name: String,
}

/// Greets somebody once a person agreed, and counts the greetings of its session.
#[remit::agent]
fn {{crate}}(input: Greet) -> Result<String, remit::Error> {
    let question = Question::new(format!("Greet {}?", input.name), "A greeting cannot be taken back.");
    if !durable::approve(question).is_approved() {
        return Ok("Nobody was greeted.".into());
    }
    let count = state::get::<u32>("count")?.unwrap_or(0) + 1;
    state::put("count", &count)?;
    Ok(format!("Hello, {}! Greetings so far: {count}.", input.name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use remit::durable::Decision;

    #[test]
    fn greets_whom_a_person_agreed_to() {
        remit::testing::decide(Decision::Approved(None));
        assert_eq!({{crate}}(Greet { name: "Ada".into() }).unwrap(), "Hello, Ada! Greetings so far: 1.");
        remit::testing::decide(Decision::Denied(None));
        assert_eq!({{crate}}(Greet { name: "Ben".into() }).unwrap(), "Nobody was greeted.");
    }
}
