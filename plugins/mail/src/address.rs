//! Who a mail goes to: `ada@example.com` or `Ada Lovelace <ada@example.com>`.

use remit::{Error, Result};

use crate::message::encode_text;

/// Characters that a name may hold only in quotes.
const SPECIALS: &str = "()<>[]:;@\\,.\"";

/// Writes an address as it stands in a header.
///
/// # Errors
///
/// `InvalidArguments` where it is no single address.
pub fn header(address: &str) -> Result<String> {
    let refuse = || Error::invalid_arguments(format!("`{address}` is no address such as `ada@example.com` or `Ada <ada@example.com>`"));
    let (name, bare) = match address.trim().strip_suffix('>') {
        Some(rest) => rest.rsplit_once('<').ok_or_else(refuse)?,
        None => ("", address.trim()),
    };
    let (local, domain) = bare.split_once('@').ok_or_else(refuse)?;
    let plain = |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_graphic() && (c == '.' || !SPECIALS.contains(c)));
    if !plain(local) || !plain(domain) {
        return Err(refuse());
    }
    Ok(match name.trim().trim_matches('"') {
        "" => bare.to_owned(),
        name => format!("{} <{bare}>", display(name)),
    })
}

fn display(name: &str) -> String {
    if !name.is_ascii() {
        return encode_text(name);
    }
    if name.chars().any(|c| SPECIALS.contains(c)) {
        return format!("\"{}\"", name.replace('\\', "\\\\").replace('"', "\\\""));
    }
    name.to_owned()
}
