//! Who acts: principals, their roles, and the context that every call carries.

mod context;
pub mod key;
mod principal;
mod role;

#[cfg(test)]
mod tests;

pub use context::{Context, TurnPlace};
pub use principal::{Principal, PrincipalKind};
pub use role::Role;
