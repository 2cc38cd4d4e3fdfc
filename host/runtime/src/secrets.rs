//! Where a host finds secrets when an application brings no source of its own.

use std::collections::BTreeMap;

use remit_core::{
    Error, Result,
    secret::{ExposeSecret as _, Found, Place, SecretSource, SecretString, Wanted},
};

/// No secret is set.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoSecrets;

impl SecretSource for NoSecrets {
    fn secret(&self, _: &Wanted<'_>) -> Result<Found> {
        Ok(Found::Unset)
    }
}

/// Secrets from variables named `REMIT_SECRET_<NAME>`: the name in upper case, `-` as `_`. They are every project's and every
/// principal's, and go wherever a grant says.
#[derive(Debug, Clone, Default)]
pub struct EnvSecrets(BTreeMap<String, SecretString>);

impl EnvSecrets {
    /// What every such variable starts with.
    pub const PREFIX: &'static str = "REMIT_SECRET_";

    /// Takes the secrets out of `variables`, usually `std::env::vars()`.
    pub fn new(variables: impl IntoIterator<Item = (String, String)>) -> Self {
        let secrets = variables.into_iter().filter(|(name, value)| name.starts_with(Self::PREFIX) && !value.is_empty());
        Self(secrets.map(|(name, value)| (name, SecretString::from(value))).collect())
    }

    /// The variable that holds the secret `name`.
    pub fn variable(name: &str) -> String {
        format!("{}{}", Self::PREFIX, name.to_ascii_uppercase().replace('-', "_"))
    }

    /// The secret `name`, where it is set.
    pub fn get(&self, name: &str) -> Option<&SecretString> {
        self.0.get(&Self::variable(name))
    }
}

impl SecretSource for EnvSecrets {
    fn secret(&self, wanted: &Wanted<'_>) -> Result<Found> {
        Ok(self.get(wanted.name).map_or(Found::Unset, |value| Found::Value(value.clone())))
    }
}

/// The secret that is `wanted`.
///
/// # Errors
/// `denied` when it is not set or may go elsewhere only; those of the source.
pub(crate) fn ask(source: &dyn SecretSource, wanted: &Wanted<'_>) -> Result<SecretString> {
    let name = wanted.name;
    let found = source.secret(wanted).inspect_err(|error| {
        tracing::error!(secret = name, %error, internal = error.internal, "a secret could not be read");
    })?;
    match found {
        Found::Value(value) if !value.expose_secret().is_empty() => Ok(value),
        Found::Value(_) | Found::Unset => Err(Error::denied(format!("the secret `{name}` is not set"))),
        Found::Elsewhere => Err(Error::denied(match wanted.place {
            Place::Url(url) => {
                format!("the secret `{name}` may not go to {}: it is bound to other destinations", url.origin().ascii_serialization())
            }
            Place::Process(_) => format!("the secret `{name}` may not be given to a process: it is bound to other destinations"),
        })),
    }
}
