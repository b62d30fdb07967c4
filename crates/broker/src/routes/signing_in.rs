//! Where a browser goes itself: to the issuer and back, and where the page asks who is there and signs out.

use std::sync::Arc;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, RawQuery, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use axum::{Extension, body::Body};
use serde::Deserialize;
use serde_json::json;

use super::{App, Application, CameFrom, unavailable};
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
    app: &Application,
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
    let (query, came_with) = (query.unwrap_or_default(), headers.clone());
    // A code is spent once: what it brings is kept, also for a browser that does not wait.
    let back = finished(async move { come_back(&app, &query, &came_with).await }).await;
    back.unwrap_or_else(|problem| in_browser(&problem, &headers))
}

async fn come_back(app: &Arc<Application>, query: &str, headers: &HeaderMap) -> Result<Response, Problem> {
    let Presented::One(browser) = app.browser_cookie.presented(headers) else {
        return Err(Problem::new(ProblemKind::StateMismatch));
    };
    // First, for nothing that comes may be lost for want of it.
    let cookie = Secret::new().map_err(|_| Problem::new(ProblemKind::Unavailable))?;
    let completed = app.login.complete(query, &browser).await?;
    let begun = app.tokens.begin(&cookie, completed.refresh_token, completed.granted, completed.sent).await;
    begun.map_err(|failure| {
        tracing::warn!(%failure, "a sign-in cannot be kept");
        Problem::new(ProblemKind::Unavailable)
    })?;
    if let Err(error) = app.sessions.begin_as(&cookie, completed.session).await {
        app.end_login(&cookie.fingerprint()).await;
        return Err(unavailable(error));
    }
    // What the browser had before opens nothing any more, whoever planted that; nor the new one, where that fails.
    for before in app.session_cookie.all_presented(headers) {
        if let Err(problem) = app.end(&before).await {
            app.end(&cookie).await?;
            return Err(problem);
        }
    }
    let set = app.session_cookie.set(&cookie, app.session_life);
    Ok(redirect(completed.return_to.as_str(), [set]))
}

/// Goes on to its end, also when nobody waits for it any more.
async fn finished(
    work: impl Future<Output = Result<Response, Problem>> + Send + 'static,
) -> Result<Response, Problem> {
    tokio::spawn(work).await.unwrap_or_else(|_| Err(Problem::new(ProblemKind::Unavailable)))
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
    finished(async move { sign_out(&app, &headers).await }).await
}

/// Ends every session whose cookie came: which of several is the user's own nobody knows.
async fn sign_out(app: &Arc<Application>, headers: &HeaderMap) -> Result<Response, Problem> {
    let cookies = app.session_cookie.all_presented(headers);
    for cookie in &cookies {
        app.end(cookie).await?;
    }
    let clear = [app.session_cookie.clear(), app.browser_cookie.clear()];
    if cookies.is_empty() && app.session_cookie.presented(headers) == Presented::Wrong {
        let problem = Problem::new(ProblemKind::SessionAmbiguous).detail("no session was ended");
        return Ok(keeping(problem.into_response(), clear));
    }
    let end_session = app.login.end_session(app.after_logout.as_deref()).await;
    Ok(keeping(document(json!({"authenticated": false, "endSession": end_session})), clear))
}
