//! Requests that go further than most need.

use super::Flags;
use crate::grant::{AddressClass, Http, HttpPattern, address_class, line::http_options};

impl Flags<'_> {
    pub(super) fn http(&mut self, http: &Http) {
        let options = http_options(http);
        http.allow.iter().for_each(|pattern| self.pattern(http, pattern, &options));
        http.allow.iter().for_each(|pattern| self.private(http, pattern));
    }

    /// Addresses that are not public.
    fn private(&mut self, http: &Http, pattern: &HttpPattern) {
        for address in &http.private {
            let (first, alone) = address.first();
            let class = address_class(first);
            let reason = match class {
                AddressClass::Metadata => "a cloud's metadata service: it gives this machine's credentials to who asks",
                AddressClass::Loopback => "it reaches what listens on this machine alone",
                _ if alone => "it reaches an address that is not public, behind whatever guards that network",
                _ => "it reaches a whole network that is not public",
            };
            let old = pattern.to_string();
            let narrower = match alone {
                true => Vec::new(),
                false => {
                    let others = http.private.iter().copied().filter(|own| own != address).collect();
                    let options = http_options(&Http { private: others, ..http.clone() });
                    vec![self.revoke("http", &old), self.grant("http", &format!("{old}{options} private=<address>"))]
                }
            };
            self.push("private-address", format!("granted http {old} private={address} ({class})"), reason, narrower);
        }
    }

    fn pattern(&mut self, http: &Http, pattern: &HttpPattern, options: &str) {
        let old = pattern.to_string();
        let what = format!("granted http {old}");
        let instead = |flags: &Self, new: String| vec![flags.revoke("http", &old), flags.grant("http", &format!("{new}{options}"))];
        if pattern.is_of_any_host() {
            let narrower = instead(self, pattern.with_host_to_fill());
            match &http.secret {
                Some(secret) => {
                    let reason = format!("the secret `{}` goes to every host that matches, whoever runs it", secret.name);
                    self.push("secret-to-any-host", what.clone(), reason, narrower);
                }
                None => self.push("any-host", what.clone(), "it reaches hosts that nobody named", narrower),
            }
        }
        if pattern.sends() && pattern.is_of_any_path() {
            let narrower = instead(self, pattern.with_path_to_fill());
            let reason = "whatever it knows can be sent to any path of the host, anybody's account there included";
            self.push("sends-anywhere", what.clone(), reason, narrower);
        } else if pattern.is_of_any_method() {
            let narrower = instead(self, pattern.only_get().to_string());
            self.push("any-method", what.clone(), "`*` is every method, those too that change and remove", narrower);
        }
        if pattern.is_in_the_clear() {
            let narrower = instead(self, pattern.with_tls().to_string());
            let reason = "without TLS, everybody on the way can read and change it";
            self.push("in-the-clear", what, reason, narrower);
        }
    }
}
