//! Redirects: each hop is a request of its own, which the host decides afresh.

use remit::Error;
use remit::http::{Request, Response};
use url::Url;

use crate::address;

/// Most redirects.
pub const HOPS_MAX: usize = 5;

/// Headers that say nothing of the caller; only these follow to another origin.
const CARRIED: [&str; 3] = ["accept", "accept-language", "user-agent"];

/// The last response, and how it was reached.
#[derive(Debug)]
pub struct Arrival {
    /// What was requested last.
    pub url: Url,
    /// What came back.
    pub response: Response,
    /// The URLs that redirected, in order.
    pub passed: Vec<String>,
}

/// Gets `url`, following at most [`HOPS_MAX`] redirects.
///
/// # Errors
/// `failed` after too many redirects, `invalid-arguments` when one leads to what cannot be fetched, else what `send` answers.
pub fn follow(
    mut url: Url,
    mut headers: Vec<(String, String)>,
    mut send: impl FnMut(Request) -> Result<Response, Error>,
) -> Result<Arrival, Error> {
    let mut passed = Vec::new();
    loop {
        let request = headers.iter().fold(remit::http::get(url.as_str()), |request, (name, value)| request.header(name, value));
        let response = send(request)?;
        let Some(target) = target(&url, &response)? else {
            return Ok(Arrival { url, response, passed });
        };
        if passed.len() == HOPS_MAX {
            return Err(Error::failed(format!("`{url}` redirects once more after {HOPS_MAX} redirects; get `{target}` if that is wanted")));
        }
        if target.origin() != url.origin() {
            headers.retain(|(name, _)| CARRIED.contains(&name.as_str()));
        }
        passed.push(String::from(std::mem::replace(&mut url, target)));
    }
}

/// Where a response leads, if it is a redirect.
fn target(url: &Url, response: &Response) -> Result<Option<Url>, Error> {
    if !matches!(response.status, 301 | 302 | 303 | 307 | 308) {
        return Ok(None);
    }
    let Some(location) = response.header("location") else { return Ok(None) };
    let target =
        url.join(location).map_err(|error| Error::failed(format!("`{url}` redirects to `{location}`, which is not a URL: {error}")))?;
    address::accept(target).map(Some).map_err(|error| error.context(format!("`{url}` redirects to `{location}`")))
}
