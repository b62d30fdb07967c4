//! The user's session at the application's broker, as the source of their tokens.
//!
//! ```text
//! Handle ─ fresh: from memory
//!        ├─ due, or none: POST …/exchange {provider, scopes}
//!        └─ refused:      POST …/refresh  {provider, scopes, rejected}
//! ```
//! The token manager in front makes one request of many, asks ahead of time, and leaves a broker alone that fails.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bearward_issuer::{Fetch, Fetched, JsonRequest};
use bearward_observe::{Denial, Event, Observer};
use bearward_supply::grant::Requesting;
use bearward_supply::{Failure, Grant, Granted, Handle, KeyParts, Label, TokenKey, TokenManager, Wanted};
use bearward_token::{AccessToken, Clock, Endpoint, Fingerprint, Issuer, PlaceError, Scope, ScopeSet};
use http::header::COOKIE;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde::Deserialize;
use serde_json::json;

use crate::provider::Provider;

/// The grant's name, in configuration and keys.
pub const NAME: &str = "session";

/// Time that a token should have left, unless told otherwise: clamped to half of its life.
pub const MIN_TTL: Duration = Duration::from_secs(30 * 60);
/// The same for ID tokens.
pub const MIN_TTL_ID: Duration = Duration::from_secs(10 * 60);

/// Says to the broker that no other site's page sends this (HARD 29).
const CSRF: HeaderName = HeaderName::from_static("x-csrf");

/// An application's broker.
#[derive(Debug, Clone)]
pub struct Broker {
    /// Its address, as who issues: a gate of its own leaves it alone when it fails.
    issuer: Issuer,
    exchange: Endpoint,
    refresh: Endpoint,
    fetch: Arc<dyn Fetch>,
    clock: Arc<dyn Clock>,
    observer: Observer,
}

/// The cookie of one user's session, as a browser sends it. `Debug` shows a fingerprint.
#[derive(Clone)]
pub struct SessionCookie(HeaderValue);

/// No header can carry the cookie.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a session's cookie is `name=value`, in visible ASCII")]
pub struct CookieError;

impl SessionCookie {
    /// `name=value`.
    ///
    /// # Errors
    /// When it is not that.
    pub fn new(text: &str) -> Result<Self, CookieError> {
        let is_pair = text.split_once('=').is_some_and(|(name, value)| !name.is_empty() && !value.is_empty());
        let is_one = !text.bytes().any(|byte| matches!(byte, b';' | b',' | b' ') || !byte.is_ascii_graphic());
        let mut value = HeaderValue::try_from(text).map_err(|_| CookieError)?;
        value.set_sensitive(true);
        (is_pair && is_one).then_some(Self(value)).ok_or(CookieError)
    }

    /// The header's value, marked sensitive.
    pub(crate) fn value(&self) -> &HeaderValue {
        &self.0
    }

    fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(self.0.to_str().unwrap_or_default())
    }
}

impl Broker {
    /// The one at `base`, the address above `exchange` and `refresh`, such as `https://app.example.com/auth/broker`.
    /// `fetch` sends, `clock` dates answers, `observer` is told of what was asked.
    ///
    /// # Errors
    /// When that is no address that a cookie may be sent to.
    pub fn new(
        base: &str,
        fetch: Arc<dyn Fetch>,
        clock: Arc<dyn Clock>,
        observer: Observer,
    ) -> Result<Self, PlaceError> {
        let below = |what| format!("{}/{what}", base.trim_end_matches('/')).parse();
        let (exchange, refresh) = (below("exchange")?, below("refresh")?);
        Ok(Self { issuer: base.parse()?, exchange, refresh, fetch, clock, observer })
    }

    /// The way to a user's token for a provider. Users and providers share nothing; all who ask with the same cookie share
    /// one request.
    pub fn handle(
        &self,
        manager: &TokenManager,
        label: &Label,
        cookie: &SessionCookie,
        provider: &Provider,
        scopes: &ScopeSet,
    ) -> Handle {
        let key = self.key(cookie, provider, scopes);
        manager.on_use(label, &key, || {
            Arc::new(SessionGrant {
                broker: self.clone(),
                cookie: cookie.clone(),
                provider: provider.clone(),
                scopes: scopes.clone(),
                refused: Mutex::default(),
            })
        })
    }

    fn key(&self, cookie: &SessionCookie, provider: &Provider, scopes: &ScopeSet) -> TokenKey {
        TokenKey::from(KeyParts {
            subject_token: Some(cookie.fingerprint()),
            scopes: scopes.clone(),
            audience: Some(provider.audience.to_string()),
            ..KeyParts::new(self.issuer.clone(), &*provider.name, NAME)
        })
    }

    async fn post(
        &self,
        url: &Endpoint,
        cookie: &SessionCookie,
        body: serde_json::Value,
    ) -> Result<(Granted, Option<String>), Failure> {
        let headers =
            HeaderMap::from_iter([(COOKIE, cookie.value().clone()), (CSRF, HeaderValue::from_static("1"))]);
        let answer = self.fetch.post_json(url, JsonRequest { body, headers, authorization: None }).await?;
        read(&answer, self.clock.unix_ms())
    }
}

/// What is wanted of a session's tokens.
pub fn wanted() -> Wanted {
    Wanted { min_ttl: MIN_TTL, min_ttl_id: MIN_TTL_ID, ..Wanted::default() }
}

#[derive(Debug)]
struct SessionGrant {
    broker: Broker,
    cookie: SessionCookie,
    provider: Provider,
    scopes: ScopeSet,
    /// The token that a destination refused, until another has come.
    refused: Mutex<Option<Fingerprint>>,
}

impl SessionGrant {
    async fn ask(&self) -> Result<Granted, Failure> {
        let refused = *self.refused();
        let scopes: Vec<_> = self.scopes.iter().map(Scope::as_str).collect();
        let provider = &*self.provider.name;
        let (url, body) = match &refused {
            Some(refused) => {
                let body = json!({"provider": provider, "scopes": scopes, "rejected": refused.to_hex()});
                (&self.broker.refresh, body)
            }
            None => (&self.broker.exchange, json!({"provider": provider, "scopes": scopes})),
        };
        let granted = self.broker.post(url, &self.cookie, body).await;
        let granted = granted.and_then(|(granted, audience)| self.of_audience(granted, audience.as_deref()));
        let failure = granted.as_ref().err().map(Failure::outcome);
        let provider = self.provider.name.clone();
        self.broker.observer.emit(match refused {
            Some(_) => Event::BrokerRefreshed { provider, failure },
            None => Event::BrokerExchanged { provider, failure },
        });
        let granted = granted?;
        // A complaint that came meanwhile is about another token.
        let mut current = self.refused();
        if *current == refused {
            *current = None;
        }
        Ok(granted)
    }

    /// What a token is for is said by who gives it, and not only by who asks.
    fn of_audience(&self, granted: Granted, audience: Option<&str>) -> Result<Granted, Failure> {
        if audience.is_none_or(|audience| self.provider.is_for(audience)) {
            return Ok(granted);
        }
        let (provider, reason) = (self.provider.name.clone(), Denial::AudienceNotAllowed);
        self.broker.observer.emit(Event::GuardDenied { provider, reason });
        let advice = "its token is for another audience than this program's provider of that name";
        Err(Failure::Refused { code: "audience-not-allowed".into(), advice })
    }

    fn refused(&self) -> std::sync::MutexGuard<'_, Option<Fingerprint>> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Grant for SessionGrant {
    fn request(&self) -> Requesting<'_> {
        Box::pin(self.ask())
    }

    fn credential_version(&self) -> Option<Fingerprint> {
        None
    }

    fn refused(&self, access: &AccessToken) {
        *SessionGrant::refused(self) = Some(access.fingerprint());
    }
}

/// Reads a broker's answer: a token, and what it is for.
fn read(answer: &Fetched, unix_ms: u64) -> Result<(Granted, Option<String>), Failure> {
    #[derive(Deserialize)]
    struct Given {
        access_token: String,
        token_type: String,
        expires_in: f64,
        audience: Option<String>,
    }
    if !answer.status.is_success() {
        return Err(refusal(answer, unix_ms));
    }
    let bad = |reason| Failure::BadResponse { reason };
    let given: Given = serde_json::from_slice(&answer.body).map_err(|_| bad("it is no broker's answer"))?;
    let token = given.access_token;
    if !given.token_type.eq_ignore_ascii_case("bearer") {
        return Err(bad("its token_type is not Bearer"));
    }
    if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(bad("its access_token is empty, or holds characters that no header can carry"));
    }
    let lifetime = Duration::try_from_secs_f64(given.expires_in.max(0.0));
    let lifetime = lifetime.map_err(|_| bad("its expires_in is no time"))?;
    Ok((Granted::new(AccessToken::new(token), lifetime), given.audience))
}

/// A problem document (RFC 9457), by what can be done about it.
fn refusal(answer: &Fetched, unix_ms: u64) -> Failure {
    #[derive(Deserialize, Default)]
    #[serde(default)]
    struct Problem {
        r#type: String,
    }
    let problem: Problem = serde_json::from_slice(&answer.body).unwrap_or_default();
    let retry_after = answer.retry_after(unix_ms);
    match answer.status {
        StatusCode::UNAUTHORIZED => {
            Failure::ReauthRequired { reason: "the application's session is over".into() }
        }
        StatusCode::TOO_MANY_REQUESTS => Failure::RateLimited { retry_after },
        status if status.is_client_error() => {
            Failure::Refused { code: code(&problem.r#type, status), advice: "look at the application's log" }
        }
        // What its issuer does to one session says nothing of others, who are not held back by it.
        status if problem.r#type.ends_with(":issuer-unavailable") => {
            Failure::Unavailable { status: status.as_u16(), retry_after: None }
        }
        status => Failure::Unavailable { status: status.as_u16(), retry_after },
    }
}

/// The last word of a problem's type; nothing else of an answer is ever shown.
fn code(problem: &str, status: StatusCode) -> String {
    let word = problem.rsplit(['/', ':']).next().unwrap_or_default();
    let is_word = (1..=64).contains(&word.len())
        && word.bytes().all(|b| b.is_ascii_lowercase() || b == b'-' || b == b'_');
    if is_word { word.to_owned() } else { format!("status {}", status.as_u16()) }
}

impl fmt::Debug for SessionCookie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SessionCookie({:?})", self.fingerprint())
    }
}
