//! A web application whose agent calls MCP providers with the login of its user.
//!
//! ```text
//! browser ─► this application ─► /auth/… goes on to Bearward, which signs users in and keeps their sessions
//!                  └─ the agent ─► Bearward: a token for the user's cookie ─► MCP providers
//! ```
//! It never sees a password, keeps no session, and has no secret of its own. What one would copy into an application of one's
//! own is [`agent`]: everything else is pages.

pub mod agent;
mod forward;
pub mod pages;

use std::net::SocketAddr;

use bearward_client::Provider;
use bearward_token::Authority;
use tokio::net::TcpListener;

pub use agent::Agent;

/// What the application must be told.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where Bearward listens, without a slash behind: `http://127.0.0.1:8080`.
    pub bearward: String,
    /// What the session's cookie is called: `__Host-session`, or `dev-session` on plain-HTTP loopback.
    pub cookie: String,
    /// Where its users sign in.
    pub authority: Authority,
    /// What its agent calls.
    pub providers: Vec<Called>,
}

/// An MCP provider that the agent calls.
#[derive(Debug, Clone)]
pub struct Called {
    /// What it is called here and at Bearward, whose tokens it takes, and where they may go.
    pub provider: Provider,
    /// Its MCP endpoint.
    pub url: String,
}

/// Serves it until `stop` completes.
///
/// # Errors
/// When the settings cannot be used, or the listener fails.
pub async fn serve(
    listener: TcpListener,
    settings: Settings,
    stop: impl Future<Output = ()> + Send + 'static,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let agent = Agent::new(&settings)?;
    let pages = pages::router(agent, &settings)?.into_make_service_with_connect_info::<SocketAddr>();
    axum::serve(listener, pages).with_graceful_shutdown(stop).await?;
    Ok(())
}
