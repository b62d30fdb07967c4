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
pub mod mode;

pub use choice::{Choice, Decided, Level, Levels};
pub use context::{with_reuse_authorizer, with_reuse_authorizer_mode};
pub use mode::Mode;
