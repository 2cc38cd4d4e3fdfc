//! The one form of a URL that is decided on, resolved, connected to and sent.

use url::Url;

use crate::{Error, Result, limit::URL_MAX_BYTES, plugin::text::visible};

/// Reads the URL of a request and writes it canonically: host in lower case and punycode without a final dot, IPv4 in decimal,
/// default port left out, `.` and `..` resolved.
///
/// # Errors
/// `invalid` for what is no `http` or `https` URL, holds user information, a fragment, white space, a backslash or a control
/// character, or is longer than [`URL_MAX_BYTES`].
pub fn canonical_url(text: &str) -> Result<Url> {
    let refuse = |why: &str| Error::invalid(format!("`{}` is not the URL of a request: {why}", visible(text, 160)));
    if text.len() > URL_MAX_BYTES {
        return Err(refuse(&format!("it is longer than {URL_MAX_BYTES} bytes")));
    }
    if text.contains(|c: char| c.is_whitespace() || c.is_control() || c == '\\') {
        return Err(refuse("it holds white space, a control character or a backslash"));
    }
    let mut url = Url::parse(text).map_err(|cause| refuse(&cause.to_string()))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(refuse("only `http` and `https` are spoken").hint("write `https://…`"));
    }
    // The parser drops an empty user name, so the text is asked too.
    let authority = text.split_once("//").map_or("", |(_, rest)| rest.split(['/', '?', '#']).next().unwrap_or_default());
    if authority.contains('@') || !url.username().is_empty() || url.password().is_some() {
        return Err(refuse("it holds user information").hint("grant a secret that the host attaches instead"));
    }
    if url.fragment().is_some() {
        return Err(refuse("it holds a fragment, which is never sent").hint("leave out what follows `#`"));
    }
    let host = url.host_str().unwrap_or_default();
    let bare = host.strip_suffix('.').unwrap_or(host).to_owned();
    if bare.split('.').any(str::is_empty) {
        return Err(refuse("a label of its host is empty"));
    }
    if bare != host {
        url.set_host(Some(&bare)).map_err(|cause| refuse(&cause.to_string()))?;
    }
    Ok(url)
}

/// [`canonical_url`] from the parts of a request, as a guest gives them; `target` is path and query.
///
/// # Errors
/// Those of [`canonical_url`], and `invalid` for a target that does not start with `/` (`http://other/`, `*`, `//`-less
/// authority forms) and for an authority that is more than a host and a port.
pub fn request_url(scheme: &str, authority: &str, target: &str) -> Result<Url> {
    if authority.is_empty() || authority.contains(['/', '?', '#', '@', '\\']) {
        return Err(Error::invalid(format!("`{}` is not an authority", visible(authority, 96)))
            .hint("send a host and, where it is not the scheme's, a port"));
    }
    if !target.is_empty() && !target.starts_with('/') {
        return Err(Error::invalid(format!("`{}` is not a request target", visible(target, 96))).hint("send a path that starts with `/`"));
    }
    if scheme != "http" && scheme != "https" {
        return Err(Error::invalid(format!("`{}` is not a scheme of requests", visible(scheme, 32))).hint("send `http` or `https`"));
    }
    canonical_url(&format!("{scheme}://{authority}{target}"))
}
