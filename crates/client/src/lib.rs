//! For programs that call MCP providers: the application's login carries its agents.
//!
//! ```text
//! request ─► reuse (seven levels) ─► guards ─► token of the session ─► request with its header
//!                                                    ▲                      │ 401 or 419
//!                                                    └── a newer one ◄──────┘ once
//! ```

pub mod choice;
pub mod context;
#[cfg(feature = "clap")]
pub mod flags;
pub mod layer;
#[cfg(feature = "rmcp")]
pub mod mcp;
#[cfg(feature = "reqwest")]
pub mod middleware;
pub mod mode;
pub mod provider;
pub mod reuse;
pub mod session;

pub use choice::{Choice, Decided, Level, Levels};
pub use context::{with_reuse_authorizer, with_reuse_authorizer_mode};
pub use layer::ReuseLayer;
pub use mode::Mode;
pub use provider::Provider;
pub use reuse::{Application, Attached, ClientOptions, Reuse, ReuseError};
pub use session::{Broker, SessionCookie};
