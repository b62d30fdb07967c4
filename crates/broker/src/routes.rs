//! The endpoints.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, RawQuery, State};
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use axum::middleware::from_fn_with_state;
use axum::response::Response;
use axum::routing::{get, post};
use bearward_supply::{Failure, Handle, SupplyError};
use bearward_token::{Clock, Fingerprint};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::answer::{document, keeping, redirect};
use crate::attempt::LIFE;
use crate::cookies::{CookieRules, Presented};
use crate::login::Login;
use crate::problem::{Problem, ProblemKind};
use crate::providers::{Brokered, Providers};
use crate::random::Secret;
use crate::return_to::ReturnTo;
use crate::same_site;
use crate::session_tokens::SessionTokens;
use crate::sessions::{Entered, Session, SessionError, Sessions};

/// The endpoints, described (OpenAPI 3.1).
pub const OPENAPI: &str = include_str!("openapi.json");

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
    pub session_life: std::time::Duration,
    /// Where the issuer sends the browser back to after a logout there, exactly as it is registered.
    pub after_logout: Option<String>,
    /// Other origins of the application, whose pages may ask.
    pub origins: Vec<String>,
    /// Time.
    pub clock: Arc<dyn Clock>,
}

type App = State<Arc<Application>>;

/// The endpoints below `/auth`.
///
/// # Errors
/// When one of `origins` is no origin.
pub fn router(application: Application) -> Result<Router, String> {
    let (csrf, cors) = (same_site::layer(&application.origins)?, same_site::cors(&application.origins)?);
    let trusted: Arc<[String]> = application.origins.clone().into();
    let asked = Router::new()
        .route("/auth/session", get(session))
        .route("/auth/logout", post(log_out))
        .route("/auth/broker/exchange", post(exchange))
        .route("/auth/broker/refresh", post(refresh))
        .route("/auth/broker/peek", get(peek))
        .layer(from_fn_with_state(trusted, same_site::check))
        .layer(csrf);
    let asked = match cors {
        Some(cors) => asked.layer(cors),
        None => asked,
    };
    let visited = Router::new()
        .route("/auth/login", get(log_in))
        .route("/auth/callback", get(callback))
        .route("/auth/openapi.json", get(async || ([(CONTENT_TYPE, "application/json")], OPENAPI)));
    Ok(asked.merge(visited).with_state(Arc::new(application)))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Where {
    return_to: Option<String>,
}

async fn log_in(
    State(app): App,
    asked: Result<Query<Where>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let invalid =
        |_| Problem::new(ProblemKind::InvalidRequest).detail("`returnTo` stands once, or not at all");
    let Query(Where { return_to }) = asked.map_err(invalid)?;
    let return_to = return_to.map_or_else(|| Ok(ReturnTo::root()), |text| text.parse());
    let return_to = return_to.map_err(|_| Problem::new(ProblemKind::ReturnToNotAllowed))?;
    // Kept over several attempts, so that tabs in which somebody signs in at once do not end each other's.
    let browser = match app.browser_cookie.presented(&headers) {
        Presented::One(browser) => browser,
        _ => Secret::new().map_err(|_| Problem::new(ProblemKind::Unavailable))?,
    };
    let issuer = app.login.begin(return_to, &browser).await?;
    Ok(redirect(&issuer, [app.browser_cookie.set(&browser, LIFE)]))
}

async fn callback(
    State(app): App,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let Presented::One(browser) = app.browser_cookie.presented(&headers) else {
        return Err(Problem::new(ProblemKind::StateMismatch));
    };
    let completed = app.login.complete(&query.unwrap_or_default(), &browser).await?;
    let before = match app.session_cookie.presented(&headers) {
        Presented::One(before) => Some(before),
        _ => None,
    };
    if let Some(before) = &before {
        app.end_tokens(before).await;
    }
    let cookie = app.sessions.begin(completed.session, before.as_ref()).await.map_err(unavailable)?;
    let begun = app.tokens.begin(&cookie, completed.refresh_token, completed.granted, completed.sent).await;
    begun.map_err(|failure| {
        tracing::warn!(%failure, "a sign-in cannot be kept");
        Problem::new(ProblemKind::Unavailable)
    })?;
    let set = app.session_cookie.set(&cookie, app.session_life);
    Ok(redirect(completed.return_to.as_str(), [set]))
}

async fn session(State(app): App, headers: HeaderMap) -> Result<Response, Problem> {
    let session = match app.session_cookie.presented(&headers) {
        Presented::One(cookie) => app.sessions.look(&cookie).await.map_err(unavailable)?,
        _ => None,
    };
    Ok(document(match session {
        Some(session) => json!({"authenticated": true, "subject": session.subject, "name": session.name}),
        None => json!({"authenticated": false}),
    }))
}

async fn log_out(State(app): App, headers: HeaderMap) -> Result<Response, Problem> {
    if let Presented::One(cookie) = app.session_cookie.presented(&headers) {
        app.sessions.end(&cookie).await.map_err(unavailable)?;
        app.end_tokens(&cookie).await;
    }
    let clear = [app.session_cookie.clear(), app.browser_cookie.clear()];
    let end_session = app.login.end_session(app.after_logout.as_deref()).await;
    Ok(keeping(document(json!({"authenticated": false, "endSession": end_session})), clear))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wish {
    provider: String,
    #[serde(default)]
    scopes: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Complaint {
    provider: String,
    #[serde(default)]
    scopes: Vec<String>,
    /// SHA-256 of the token that a provider refused, in hex.
    rejected: Option<String>,
}

async fn exchange(State(app): App, headers: HeaderMap, body: Bytes) -> Result<Response, Problem> {
    let Wish { provider, scopes } = read(&headers, &body)?;
    let (handle, provider) = app.tokens_for(&headers, &provider, &scopes).await?;
    let token = handle.ensure_access(&provider.wanted).await.map_err(|error| no_token(&error))?;
    Ok(app.give(&token, provider))
}

async fn refresh(State(app): App, headers: HeaderMap, body: Bytes) -> Result<Response, Problem> {
    let Complaint { provider, scopes, rejected } = read(&headers, &body)?;
    let invalid =
        || Problem::new(ProblemKind::InvalidRequest).detail("`rejected` is the SHA-256 of a token, in hex");
    let rejected = rejected.map(|hex| Fingerprint::from_hex(&hex).ok_or_else(invalid)).transpose()?;
    let (handle, provider) = app.tokens_for(&headers, &provider, &scopes).await?;
    let current = handle.ensure_access(&provider.wanted).await.map_err(|error| no_token(&error))?;
    // A complaint about another token than the current one is answered with that, and costs nothing.
    if rejected != Some(current.token().fingerprint()) {
        return Ok(app.give(&current, provider));
    }
    let newer = handle.instead_of(&current, &provider.wanted).await.map_err(|error| no_token(&error))?;
    Ok(app.give(&newer.unwrap_or(current), provider))
}

#[derive(Deserialize)]
struct About {
    provider: String,
}

async fn peek(
    State(app): App,
    about: Result<Query<About>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let Query(About { provider }) =
        about.map_err(|_| Problem::new(ProblemKind::InvalidRequest).detail("say which: `?provider=NAME`"))?;
    let provider = app.providers.find(&provider)?;
    let Presented::One(cookie) = app.session_cookie.presented(&headers) else {
        return Ok(document(json!({"authenticated": false, "provider": &*provider.name})));
    };
    let Some(session) = app.sessions.look(&cookie).await.map_err(unavailable)? else {
        return Ok(document(json!({"authenticated": false, "provider": &*provider.name})));
    };
    let left = app.tokens.known(&cookie).map(|left| left.as_secs());
    Ok(document(json!({
        "authenticated": true,
        "subject": session.subject,
        "provider": &*provider.name,
        "audience": provider.audience,
        "expiresIn": left,
        "canRefresh": app.tokens.can_refresh(&cookie).await,
    })))
}

impl Application {
    /// The way to the token that a request with these headers may have.
    async fn tokens_for(
        &self,
        headers: &HeaderMap,
        provider: &str,
        scopes: &[String],
    ) -> Result<(Handle, &Brokered), Problem> {
        let (cookie, session) = self.entered(headers).await?;
        let provider = self.providers.find(provider)?;
        let scopes = provider.allowed(scopes)?;
        let handle = self.providers.handle(provider, &session, &self.tokens, &cookie, &scopes).await;
        Ok((handle.map_err(|error| no_token(&error))?, provider))
    }

    async fn entered(&self, headers: &HeaderMap) -> Result<(Secret, Session), Problem> {
        let cookie = match self.session_cookie.presented(headers) {
            Presented::One(cookie) => cookie,
            Presented::Nothing => return Err(Problem::new(ProblemKind::LoginRequired)),
            Presented::Wrong => return Err(Problem::new(ProblemKind::SessionAmbiguous)),
        };
        match self.sessions.enter(&cookie).await.map_err(unavailable)? {
            Entered::Open(session) => return Ok((cookie, session)),
            Entered::Nothing => {}
            Entered::Ended => {
                self.sessions.end(&cookie).await.map_err(unavailable)?;
                self.end_tokens(&cookie).await;
            }
        }
        Err(Problem::new(ProblemKind::LoginRequired))
    }

    async fn end_tokens(&self, cookie: &Secret) {
        if let Err(error) = self.tokens.end(cookie).await {
            tracing::warn!(%error, "a session has ended, and its tokens are not revoked");
        }
    }

    fn give(&self, token: &bearward_supply::Supplied, provider: &Brokered) -> Response {
        document(json!({
            "access_token": token.token().expose(),
            "token_type": "Bearer",
            "expires_in": token.expires_in(&*self.clock).as_secs(),
            "audience": provider.audience,
        }))
    }
}

fn read<T: DeserializeOwned>(headers: &HeaderMap, body: &[u8]) -> Result<T, Problem> {
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if !kind.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/json") {
        return Err(Problem::new(ProblemKind::UnsupportedContentType));
    }
    if body.len() > MAX_BODY {
        return Err(Problem::new(ProblemKind::InvalidRequest).detail("the body is too long"));
    }
    serde_json::from_slice(body).map_err(|_| {
        Problem::new(ProblemKind::InvalidRequest).detail("write `{\"provider\": \"NAME\", \"scopes\": []}`")
    })
}

fn no_token(error: &SupplyError) -> Problem {
    tracing::info!(%error, "a session gets no token");
    match *error.failure {
        Failure::ReauthRequired { .. } | Failure::LoggedOut => Problem::new(ProblemKind::LoginRequired),
        Failure::Refused { .. } => Problem::new(ProblemKind::ProviderRefused),
        _ => Problem::new(ProblemKind::IssuerUnavailable),
    }
}

#[allow(clippy::needless_pass_by_value, reason = "for `map_err`")]
fn unavailable(error: SessionError) -> Problem {
    tracing::warn!(%error, "nothing is known of a session");
    Problem::new(ProblemKind::Unavailable)
}
