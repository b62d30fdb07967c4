//! The backend-for-frontend: users sign in at their issuer once, and their session's cookie opens everything else.
//!
//! ```text
//! browser ─► /auth/login ─► issuer ─► /auth/callback ─► session (a record here, a random cookie there)
//! browser ─► /auth/broker/… with the cookie ─► a token for one provider
//! ```
//! No token ever stands in a cookie, a URL or a page.

mod answer;
pub mod attempt;
pub mod attempts;
pub mod cookies;
pub mod login;
mod logins;
mod narrowed;
mod packed;
mod page;
pub mod problem;
pub mod providers;
pub mod random;
pub mod return_to;
pub mod routes;
mod same_site;
pub mod session_tokens;
pub mod sessions;
mod unended;

pub use attempt::Attempt;
pub use attempts::Attempts;
pub use cookie::SameSite;
pub use cookies::{CookieRules, Presented};
pub use login::{Completed, Login};
pub use logins::ProviderLogins;
pub use problem::{Problem, ProblemKind};
pub use providers::{Brokered, By, Providers};
pub use return_to::ReturnTo;
pub use routes::{Application, CameFrom, router};
pub use session_tokens::{SessionLogin, SessionTokens};
pub use sessions::{Entered, Lives, Session, Sessions};
pub use unended::Unended;
