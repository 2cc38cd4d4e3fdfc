//! Who acts: principals, their roles, and the context that every call carries.

mod context;
mod principal;
mod role;

pub use context::{Context, TurnPlace};
pub use principal::{Principal, PrincipalKind};
pub use role::Role;
