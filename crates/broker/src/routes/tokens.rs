//! Where a program asks for tokens with the user's cookie: exchange, refresh, peek.

use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, QueryRejection};
use axum::extract::{Query, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use bearward_observe::Event;
use bearward_supply::{Failure, Supplied, SupplyError};
use bearward_token::Fingerprint;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use super::{App, Application, unavailable};
use crate::answer::document;
use crate::cookies::Presented;
use crate::problem::{Problem, ProblemKind};
use crate::providers::{Brokered, SignedIn};

/// Refusals that are about this server's client.
const OURS: [&str; 2] = ["invalid_client", "unauthorized_client"];

/// A body, if it is short enough and came.
type Sent = Result<Bytes, BytesRejection>;

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

/// `POST /auth/broker/exchange`.
pub(super) async fn exchange(State(app): App, headers: HeaderMap, body: Sent) -> Result<Response, Problem> {
    let Wish { provider, scopes } = read(&headers, body)?;
    let (cookie, session) = app.entered(&headers).await?;
    let provider = app.provider(&provider)?;
    let scopes = app.providers.allowed(provider, &cookie, &scopes)?;
    let login = app.tokens.of(&cookie, &session.subject);
    let token = provider.token(SignedIn { session: &session, login: &login }, scopes.as_ref()).await;
    let token = token.map(|(_, token)| token);
    let failure = token.as_ref().err().map(|error| error.failure.outcome());
    app.observer.emit(Event::BrokerExchanged { provider: provider.name.clone(), failure });
    Ok(app.give(&token.map_err(|error| no_token(&error))?, provider))
}

/// `POST /auth/broker/refresh`.
pub(super) async fn refresh(State(app): App, headers: HeaderMap, body: Sent) -> Result<Response, Problem> {
    let Complaint { provider, scopes, rejected } = read(&headers, body)?;
    let invalid =
        || Problem::new(ProblemKind::InvalidRequest).detail("`rejected` is the SHA-256 of a token, in hex");
    let rejected = rejected.map(|hex| Fingerprint::from_hex(&hex).ok_or_else(invalid)).transpose()?;
    let (cookie, session) = app.entered(&headers).await?;
    let provider = app.provider(&provider)?;
    let scopes = app.providers.allowed(provider, &cookie, &scopes)?;
    let login = app.tokens.of(&cookie, &session.subject);
    let token = async {
        let given = provider.token(SignedIn { session: &session, login: &login }, scopes.as_ref());
        let (handle, current) = given.await?;
        // A complaint about another token than the current one is answered with that, and costs nothing.
        if rejected != Some(current.token().fingerprint()) {
            return Ok(current);
        }
        let newer = handle.instead_of(&current, &provider.wanted).await?;
        Ok(newer.unwrap_or(current))
    };
    let token: Result<Supplied, SupplyError> = token.await;
    let failure = token.as_ref().err().map(|error| error.failure.outcome());
    app.observer.emit(Event::BrokerRefreshed { provider: provider.name.clone(), failure });
    Ok(app.give(&token.map_err(|error| no_token(&error))?, provider))
}

#[derive(Deserialize)]
pub(super) struct About {
    provider: String,
}

/// `GET /auth/broker/peek`.
pub(super) async fn peek(
    State(app): App,
    about: Result<Query<About>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let Query(About { provider }) =
        about.map_err(|_| Problem::new(ProblemKind::InvalidRequest).detail("say which: `?provider=NAME`"))?;
    // Who is not signed in learns nothing of what there is.
    let nobody = || Ok(document(json!({"authenticated": false, "provider": provider})));
    let Presented::One(cookie) = app.session_cookie.presented(&headers) else { return nobody() };
    let Some(session) = app.sessions.look(&cookie).await.map_err(unavailable)? else { return nobody() };
    let found = app.providers.find(&provider);
    let provider = found.ok_or_else(|| Problem::new(ProblemKind::UnknownProvider))?;
    if let Some(denial) = provider.denial {
        return Err(Problem::new(denial.into()));
    }
    let login = app.tokens.of(&cookie, &session.subject);
    let left = provider.known(SignedIn { session: &session, login: &login }).map(|left| left.as_secs());
    Ok(document(json!({
        "authenticated": true,
        "subject": session.subject,
        "provider": &*provider.name,
        "audience": provider.audience,
        "expiresIn": left,
        "expiresAt": left.map(|left| app.clock.unix_seconds() + left),
        "canRefresh": login.can_refresh().await,
    })))
}

impl Application {
    /// A provider that sessions may have tokens for.
    fn provider(&self, name: &str) -> Result<&Brokered, Problem> {
        let found = self.providers.find(name);
        let provider = found.ok_or_else(|| Problem::new(ProblemKind::UnknownProvider))?;
        match provider.denial {
            None => Ok(provider),
            Some(reason) => {
                self.observer.emit(Event::GuardDenied { provider: provider.name.clone(), reason });
                Err(Problem::new(reason.into()))
            }
        }
    }

    fn give(&self, token: &Supplied, provider: &Brokered) -> Response {
        document(json!({
            "access_token": token.token().expose(),
            "token_type": "Bearer",
            "expires_in": token.expires_in(&*self.clock).as_secs(),
            "audience": provider.audience,
        }))
    }
}

fn read<T: DeserializeOwned>(headers: &HeaderMap, body: Sent) -> Result<T, Problem> {
    let mut kinds = headers.get_all(CONTENT_TYPE).iter();
    // Of two nobody knows which another reader goes by.
    let kind = kinds.next().filter(|_| kinds.next().is_none());
    let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if !kind.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/json") {
        return Err(Problem::new(ProblemKind::UnsupportedContentType));
    }
    let body = body.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => Problem::new(ProblemKind::BodyTooLarge),
        _ => Problem::new(ProblemKind::InvalidRequest).detail("the body broke off"),
    })?;
    serde_json::from_slice(&body).map_err(|_| {
        Problem::new(ProblemKind::InvalidRequest).detail("write `{\"provider\": \"NAME\", \"scopes\": []}`")
    })
}

fn no_token(error: &SupplyError) -> Problem {
    tracing::info!(%error, "a session gets no token");
    let problem = match *error.failure {
        Failure::ReauthRequired { .. } | Failure::LoggedOut => Problem::new(ProblemKind::LoginRequired),
        // Our own client is not taken, or its secret is not to be had: nothing that a user could mend.
        Failure::Refused { ref code, .. } if OURS.contains(&code.as_str()) => {
            Problem::new(ProblemKind::Unavailable)
        }
        Failure::Credential { .. } | Failure::Store { .. } => Problem::new(ProblemKind::Unavailable),
        Failure::Refused { .. } => Problem::new(ProblemKind::ProviderRefused),
        _ => Problem::new(ProblemKind::IssuerUnavailable),
    };
    match error.retry_after {
        Some(after) if problem.kind == ProblemKind::IssuerUnavailable => problem.retry_after(after),
        _ => problem,
    }
}
