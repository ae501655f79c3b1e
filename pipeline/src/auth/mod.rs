//! Who asks: roles, and the tokens and sessions by which somebody is known. Shared by the API, the
//! console and the intake.
//!
//! What is deliberately absent: accounts with passwords. People are known by a token, to an OpenID
//! issuer, or to a proxy in front.

pub mod role;
pub mod keyring;
pub mod oidc;

pub use keyring::{Keyring, KeyringError, Token, Unread};
pub use role::{Access, Caller, Means, Role};
