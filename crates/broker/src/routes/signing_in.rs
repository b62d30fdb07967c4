//! Where a browser goes itself: to the issuer and back, and where the page asks who is there and signs out.

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, RawQuery, State};
use axum::http::HeaderMap;
use axum::response::Response;
use axum::{Extension, body::Body};
use serde::Deserialize;
use serde_json::json;

use super::{App, CameFrom, unavailable};
use crate::answer::{document, keeping, redirect};
use crate::attempt::LIFE;
use crate::cookies::Presented;
use crate::page::in_browser;
use crate::problem::{Problem, ProblemKind};
use crate::random::Secret;
use crate::return_to::ReturnTo;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Where {
    return_to: Option<String>,
}

/// `GET /auth/login`.
pub(super) async fn log_in(
    State(app): App,
    from: Option<Extension<CameFrom>>,
    asked: Result<Query<Where>, QueryRejection>,
    headers: HeaderMap,
) -> Response<Body> {
    let gone = leave(&app, from.map(|Extension(CameFrom(address))| address), asked, &headers).await;
    gone.unwrap_or_else(|problem| in_browser(&problem, &headers))
}

async fn leave(
    app: &super::Application,
    from: Option<std::net::IpAddr>,
    asked: Result<Query<Where>, QueryRejection>,
    headers: &HeaderMap,
) -> Result<Response, Problem> {
    let invalid =
        |_| Problem::new(ProblemKind::InvalidRequest).detail("`returnTo` stands once, or not at all");
    let Query(Where { return_to }) = asked.map_err(invalid)?;
    let return_to = return_to.map_or_else(|| Ok(ReturnTo::root()), |text| text.parse());
    let return_to = return_to.map_err(|_| Problem::new(ProblemKind::ReturnToNotAllowed))?;
    if let Some(address) = from {
        // Each attempt is remembered for some minutes: nobody may fill that with theirs.
        app.attempts_from.check_address(address).map_err(|exceeded| {
            Problem::new(ProblemKind::TooManyAttempts).retry_after(exceeded.retry_after)
        })?;
        app.attempts_from.failed(address);
    }
    // Kept over several attempts, so that tabs in which somebody signs in at once do not end each other's.
    let browser = match app.browser_cookie.presented(headers) {
        Presented::One(browser) => browser,
        _ => Secret::new().map_err(|_| Problem::new(ProblemKind::Unavailable))?,
    };
    let issuer = app.login.begin(return_to, &browser).await?;
    Ok(redirect(&issuer, [app.browser_cookie.set(&browser, LIFE)]))
}

/// `GET /auth/callback`.
pub(super) async fn callback(
    State(app): App,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response<Body> {
    let back = come_back(&app, &query.unwrap_or_default(), &headers).await;
    back.unwrap_or_else(|problem| in_browser(&problem, &headers))
}

async fn come_back(app: &super::Application, query: &str, headers: &HeaderMap) -> Result<Response, Problem> {
    let Presented::One(browser) = app.browser_cookie.presented(headers) else {
        return Err(Problem::new(ProblemKind::StateMismatch));
    };
    let completed = app.login.complete(query, &browser).await?;
    let before = match app.session_cookie.presented(headers) {
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

/// `GET /auth/session`.
pub(super) async fn session(State(app): App, headers: HeaderMap) -> Result<Response, Problem> {
    let session = match app.session_cookie.presented(&headers) {
        Presented::One(cookie) => app.sessions.look(&cookie).await.map_err(unavailable)?,
        _ => None,
    };
    Ok(document(match session {
        Some(session) => json!({"authenticated": true, "subject": session.subject, "name": session.name}),
        None => json!({"authenticated": false}),
    }))
}

/// `POST /auth/logout`.
pub(super) async fn log_out(State(app): App, headers: HeaderMap) -> Result<Response, Problem> {
    if let Presented::One(cookie) = app.session_cookie.presented(&headers) {
        app.sessions.end(&cookie).await.map_err(unavailable)?;
        app.end_tokens(&cookie).await;
    }
    let clear = [app.session_cookie.clear(), app.browser_cookie.clear()];
    let end_session = app.login.end_session(app.after_logout.as_deref()).await;
    Ok(keeping(document(json!({"authenticated": false, "endSession": end_session})), clear))
}
