//! Servers that no one here wrote, each as a process on a free loopback port.

pub mod conforming;
pub mod everything;
pub mod oidc_provider;

pub use conforming::Conforming;
pub use everything::Everything;
pub use oidc_provider::OidcProvider;
