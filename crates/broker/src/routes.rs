//! The endpoints.

mod signing_in;
mod tokens;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::header::{ALLOW, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderName};
use axum::middleware::{from_fn_with_state, map_response};
use axum::routing::{MethodRouter, get, post};
use bearward_guard::limits::Limits;
use bearward_observe::Observer;
use bearward_token::{Clock, Fingerprint, Issuer};

use crate::answer::unstored;
use crate::cookies::{CookieRules, Presented};
use crate::login::Login;
use crate::problem::{Problem, ProblemKind};
use crate::providers::Providers;
use crate::random::Secret;
use crate::same_site::{self, Pages};
use crate::session_tokens::SessionTokens;
use crate::sessions::{Entered, Session, SessionError, Sessions};
use crate::unended::Unended;

/// The endpoints, described (OpenAPI 3.1).
pub const OPENAPI: &str = include_str!("openapi.json");
const COOKIE_IN_OPENAPI: &str = "__Host-session";

/// Nobody who signs out waits longer for an issuer that is slow.
const PATIENCE: Duration = Duration::from_secs(2);

/// Longest body, in bytes: a name and some scopes.
const MAX_BODY: usize = 16 * 1024;

/// All there is of one application.
#[derive(Debug)]
pub struct Application {
    /// How users sign in.
    pub login: Login,
    /// Who has.
    pub sessions: Sessions,
    /// Their tokens.
    pub tokens: SessionTokens,
    /// What they may get tokens for.
    pub providers: Providers,
    /// The session's cookie.
    pub session_cookie: CookieRules,
    /// The cookie that a browser has while somebody signs in.
    pub browser_cookie: CookieRules,
    /// How long the session's cookie is kept: as long as the session can live.
    pub session_life: Duration,
    /// Where the issuer sends the browser back to after a logout there, exactly as it is registered.
    pub after_logout: Option<String>,
    /// The application's own origin, as browsers write it.
    pub home: String,
    /// Other origins of the application, whose pages may ask.
    pub origins: Vec<String>,
    /// How often an address may begin to sign in, as `failures_per_address`.
    pub attempts_from: Limits,
    /// Sessions that have ended, and whose tokens are still to be: none at the start.
    pub unended: Unended,
    /// Told of every token that is given, and of every denial.
    pub observer: Observer,
    /// Time.
    pub clock: Arc<dyn Clock>,
}

/// The address that a request came from, as whoever serves these endpoints knows it: an extension of the request.
#[derive(Debug, Clone, Copy)]
pub struct CameFrom(pub IpAddr);

type App = State<Arc<Application>>;

/// The endpoints below `/auth`.
///
/// # Errors
/// When one of `origins` is no origin.
pub fn router(application: Arc<Application>) -> Result<Router, String> {
    let cors = same_site::cors(&application.origins)?;
    let home = std::iter::once(&application.home).chain(&application.origins);
    let trusted: Vec<String> = home.cloned().collect();
    let csrf = same_site::layer(&trusted)?;
    // Before anything that a method does; a method that does nothing is told so.
    let pages = Pages { home: application.home.clone(), others: application.origins.clone() };
    let check = from_fn_with_state(Arc::new(pages), same_site::check);
    let guarded =
        |method: MethodRouter<Arc<Application>>| method.route_layer(check.clone()).route_layer(csrf.clone());
    let asked = Router::new()
        .route("/auth/session", guarded(get(signing_in::session)))
        .route("/auth/logout", guarded(post(signing_in::log_out)))
        .route("/auth/broker/exchange", guarded(post(tokens::exchange)))
        .route("/auth/broker/refresh", guarded(post(tokens::refresh)))
        .route("/auth/broker/peek", guarded(get(tokens::peek)))
        .method_not_allowed_fallback(wrong_method);
    let asked = match cors {
        Some(cors) => asked.layer(cors),
        None => asked,
    };
    let visited = Router::new()
        // What only looks (`HEAD`) begins no sign-in and spends no code.
        .route("/auth/login", get(signing_in::log_in).head(only_get))
        .route("/auth/callback", get(signing_in::callback).head(only_get))
        .route("/auth/openapi.json", get(document))
        .method_not_allowed_fallback(wrong_method);
    let all = asked.merge(visited);
    let all = all.fallback(async || Problem::new(ProblemKind::NotFound));
    Ok(all.layer(DefaultBodyLimit::max(MAX_BODY)).layer(map_response(unstored)).with_state(application))
}

/// The description, with the session's cookie as it is called here.
async fn document(State(app): App) -> ([(HeaderName, &'static str); 1], String) {
    ([(CONTENT_TYPE, "application/json")], OPENAPI.replace(COOKIE_IN_OPENAPI, app.session_cookie.name()))
}

async fn only_get() -> ([(HeaderName, &'static str); 1], Problem) {
    ([(ALLOW, "GET")], Problem::new(ProblemKind::MethodNotAllowed))
}

async fn wrong_method() -> Problem {
    Problem::new(ProblemKind::MethodNotAllowed)
}

impl Application {
    /// Who signs users in.
    pub fn issuer(&self) -> &Issuer {
        self.login.request.metadata.issuer()
    }

    /// The session that a request's cookie opens.
    async fn entered(self: &Arc<Self>, headers: &HeaderMap) -> Result<(Secret, Session), Problem> {
        let cookie = match self.session_cookie.presented(headers) {
            Presented::One(cookie) => cookie,
            Presented::Nothing => return Err(Problem::new(ProblemKind::LoginRequired)),
            Presented::Wrong => return Err(Problem::new(ProblemKind::SessionAmbiguous)),
        };
        match self.sessions.enter(&cookie).await.map_err(unavailable)? {
            Entered::Open(session) => return Ok((cookie, session)),
            Entered::Nothing => {}
            Entered::Ended => self.end(&cookie).await?,
        }
        Err(Problem::new(ProblemKind::LoginRequired))
    }

    /// Ends a session, if there is one, and its login with it; how the issuer hears of that is waited for a moment only.
    pub(crate) async fn end(self: &Arc<Self>, cookie: &Secret) -> Result<(), Problem> {
        if !self.sessions.end(cookie).await.map_err(unavailable)? {
            return Ok(());
        }
        let (app, session) = (self.clone(), cookie.fingerprint());
        let ending = tokio::spawn(async move { app.end_login(&session).await });
        tokio::select! {
            _ = ending => {}
            () = self.clock.sleep(PATIENCE) => {}
        }
        Ok(())
    }

    /// Ends what is over and whose cookie does not come any more, with its tokens here and at the issuer; how many those
    /// were. To be called now and then.
    pub async fn sweep(&self) -> usize {
        let over = self.sessions.over().await.unwrap_or_else(|error| {
            tracing::warn!(%error, "sessions that are over are not cleaned up");
            Vec::new()
        });
        for session in &over {
            match self.sessions.end_by(session).await {
                Ok(true) => self.end_login(session).await,
                Ok(false) => {}
                Err(error) => tracing::warn!(%error, "a session that is over is not cleaned up"),
            }
        }
        for session in self.unended.take() {
            self.end_login(&session).await;
        }
        over.len()
    }

    pub(crate) async fn end_login(&self, session: &Fingerprint) {
        if let Err(error) = self.tokens.end(session).await {
            tracing::warn!(%error, "a session has ended, and its tokens are not; that is tried again within the hour");
            self.unended.add(*session);
        }
    }
}

#[allow(clippy::needless_pass_by_value, reason = "for `map_err`")]
fn unavailable(error: SessionError) -> Problem {
    tracing::warn!(%error, "nothing is known of a session");
    Problem::new(ProblemKind::Unavailable)
}
