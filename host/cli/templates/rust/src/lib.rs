/// What the tool takes; each comment here is read by the model that calls it.
#[remit::data]
struct Greet {
    /// Whom to greet.
    name: String,
}

/// Greets somebody.
#[remit::tool(read)]
fn greet(args: Greet) -> Result<String, remit::Error> {
    Ok(format!("Hello, {}!", args.name))
}

remit::plugin!(greet);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn greets() {
        assert_eq!(greet(Greet { name: "Ada".into() }).unwrap(), "Hello, Ada!");
    }
}
