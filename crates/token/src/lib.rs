//! The words of Bearward as types.
//!
//! Everything that the other crates speak about stands here once: secrets that cannot be printed,
//! the principal behind a verified token, scopes, places on the network that a token may be sent to,
//! moments after which a token is dead, and the clock that decides it. Nothing here does I/O.

pub mod claims;
pub mod clock;
pub mod expiry;
pub mod jws;
pub mod origin;
pub mod place;
pub mod principal;
pub mod scope;
pub mod secret;
pub mod share;
pub mod strict_json;

pub use claims::Claims;
pub use clock::{Clock, ManualClock, SystemClock};
pub use expiry::Expiry;
pub use jws::{JwsError, JwsKey};
pub use origin::{Authority, Origin};
pub use place::{Endpoint, Issuer, PlaceError, Resource};
pub use principal::Principal;
pub use scope::{Scope, ScopeError, ScopeSet};
pub use secret::{AccessToken, ClientSecret, Fingerprint, IdToken, RefreshToken, SealingKey};
pub use share::Share;
