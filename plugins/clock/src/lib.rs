//! A first tool.

/// Whom to greet.
#[remit::data]
struct Greet {
    /// The name to greet.
    name: String,
}

/// Greets somebody.
#[remit::tool(read)]
fn greet(args: Greet) -> Result<String, remit::Error> {
    Ok(format!("Hello, {}!", args.name))
}

remit::plugin!(greet);
