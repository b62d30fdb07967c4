//! The sidecar: `/{provider}/…` leaves for that provider with its token attached; `GET /token/{provider}` hands the token
//! out, where the provider is configured so.
//!
//! For a program that used a static token: it changes its base URL and nothing else. Whoever can reach the
//! listener can use the tokens, so it is bound to loopback or a unix socket, and it takes no request that a
//! web page could have caused.

use std::collections::HashMap;
use std::sync::Arc;

use bearward_observe::AuditTrail;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_LENGTH};
use http::request::Parts;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use hyper::body::{Body as HttpBody, Incoming};
use serde_json::json;

use crate::answer::{Asked, document_answer};
use crate::body::{self, Body};
use crate::browser::{BrowserRules, is_from_browser};
use crate::forward::{Again, ForwardError, Forwarder, Outgoing, Payload};
use crate::headers::{self, Reserved};
use crate::provider::{AttachError, Provider};
use crate::record::Record;
use crate::shape;

/// Bodies up to this many bytes are kept for one retry; longer ones are streamed and sent once.
const REPLAY_LIMIT: u64 = 256 * 1024;

/// What the audit trail calls this listener, in place of a guard.
const SIDECAR: &str = "sidecar";

/// The first path segment behind which tokens are handed out.
const TOKEN: &str = "token";

const NO_URL: &str =
    "This provider has no `url` in the configuration: it is not called through this listener";
const NO_CALLER: &str = "This provider's tenant is a claim of the caller, and calls to this listener have no \
                         caller: configure a constant tenant";

/// All providers, by name.
#[derive(Debug)]
pub struct Egress {
    providers: HashMap<Arc<str>, Arc<Provider>>,
    browser: BrowserRules,
    reserved: Reserved,
    forwarder: Forwarder,
    audit: Option<AuditTrail>,
}

impl Egress {
    /// `browser` says which host names the listener goes by; `audit` is told of every token that leaves.
    pub fn new(
        providers: impl IntoIterator<Item = Arc<Provider>>,
        browser: BrowserRules,
        reserved: Reserved,
        forwarder: Forwarder,
        audit: Option<AuditTrail>,
    ) -> Self {
        let providers = providers.into_iter().map(|provider| (provider.name.clone(), provider)).collect();
        Self { providers, browser, reserved, forwarder, audit }
    }

    /// Handles one request.
    pub async fn handle(&self, request: Request<Incoming>) -> Response<Body> {
        let (head, incoming) = request.into_parts();
        let asked = Asked::plain();
        if let Err(wrong) = shape::check(&head) {
            return asked.misshapen(wrong);
        }
        if is_from_browser(&head.headers) || self.browser.check(&head.uri, &head.headers).is_err() {
            return asked.error(
                StatusCode::FORBIDDEN,
                "This listener serves programs on this machine, not web pages",
            );
        }
        if let Some(answer) = self.hand_out(&head).await {
            return answer;
        }
        let (name, rest) = split_provider(head.uri.path());
        let Some(provider) = self.providers.get(name) else {
            return asked.error(StatusCode::NOT_FOUND, &self.unknown_provider());
        };
        let Some(target) = &provider.target else { return asked.error(StatusCode::NOT_FOUND, NO_URL) };
        let Ok(uri) = target.join(rest, head.uri.query()) else {
            return asked.error(StatusCode::BAD_REQUEST, "The request path is not allowed");
        };
        let seen = self.audit.as_ref().map(|trail| (trail, head.method.clone(), head.headers.clone()));
        let credential = provider.credential(&head.headers, None, &*self.forwarder.clock).await;
        let (outgoing, again) = match self.outgoing(head, incoming).await {
            Ok(outgoing) => outgoing,
            Err(error) => return asked.bad_body(error),
        };
        let forwarded = match credential {
            Ok(credential) => {
                let answer = self
                    .forwarder
                    .forward(outgoing, &uri, || again?.request(), Some(&credential), None)
                    .await;
                if let Some((trail, method, headers)) = &seen {
                    let status = answer.as_ref().ok().map(|answer| answer.status());
                    Record::new(Some(*trail), SIDECAR, (method, headers), None).departed(&credential, status);
                }
                answer
            }
            Err(error) => {
                if let Some((trail, method, headers)) = &seen {
                    Record::new(Some(*trail), SIDECAR, (method, headers), None).stayed(&provider.name);
                }
                Err(error.into())
            }
        };
        match forwarded {
            Ok(mut answer) => {
                headers::clean_response(answer.headers_mut());
                *answer
            }
            Err(error) => {
                let cause = std::error::Error::source(&error).map(ToString::to_string);
                tracing::warn!(provider = %provider.name, %error, cause, "no usable answer from the provider");
                match &error {
                    ForwardError::Attach(AttachError::NoTenant { .. }) => {
                        asked.error(StatusCode::INTERNAL_SERVER_ERROR, NO_CALLER)
                    }
                    error => asked.failure(error),
                }
            }
        }
    }

    /// The token itself, for a program that cannot send its requests through here. `None`: that is not asked for.
    ///
    /// What is handed out is bound to one audience: an API that is shown it can use it nowhere else. A program that says
    /// for what it wants it (`?audience=`) gets it for that and nothing else.
    async fn hand_out(&self, head: &Parts) -> Option<Response<Body>> {
        let (first, rest) = split_provider(head.uri.path());
        let provider = self.providers.get(rest.strip_prefix('/')?).filter(|_| first == TOKEN)?;
        let audience = provider.handed_out_for.as_deref()?;
        let asked = Asked::plain();
        if head.method != Method::GET {
            let mut answer = asked.error(StatusCode::METHOD_NOT_ALLOWED, "A token is asked for by GET");
            answer.headers_mut().insert(ALLOW, HeaderValue::from_static("GET"));
            return Some(answer);
        }
        let query = head.uri.query().unwrap_or_default();
        let wanted = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "audience");
        if wanted.is_some_and(|(_, wanted)| wanted != audience) {
            return Some(asked.error(StatusCode::FORBIDDEN, "This provider's token is for another audience"));
        }
        let clock = &*self.forwarder.clock;
        let token = match provider.credential(&head.headers, None, clock).await {
            Ok(credential) => credential.token().await.inspect(|_| {
                let about = (&head.method, &head.headers);
                Record::new(self.audit.as_ref(), SIDECAR, about, None).handed_out(&credential);
            }),
            Err(error) => Err(error),
        };
        Some(match token {
            Ok(token) => {
                let mut answer = document_answer(&json!({
                    "access_token": token.token().expose(),
                    "token_type": "Bearer",
                    "expires_in": token.known_to_expire_in(clock).map(|left| left.as_secs()),
                    "audience": audience,
                }));
                answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
                answer
            }
            Err(error) => {
                tracing::warn!(provider = %provider.name, %error, "no token to hand out");
                asked.failure(&error.into())
            }
        })
    }

    /// A request as it leaves, and the same once more, where that can be.
    async fn outgoing(
        &self,
        head: Parts,
        incoming: Incoming,
    ) -> Result<(Outgoing, Option<Again>), body::CollectError> {
        let length = incoming.size_hint().exact();
        let (method, mut headers) = (head.method, head.headers);
        headers::clean_request(&mut headers, &self.reserved);
        if length.is_some_and(|length| length <= REPLAY_LIMIT) {
            let body = body::collect(incoming, REPLAY_LIMIT as usize).await?;
            let again = Again::of(&method, &headers, &body);
            return Ok((Outgoing::new(method, headers, Payload::Collected(body)), Some(again)));
        }
        if let Some(length) = length {
            // Known lengths stay known: some APIs refuse chunked uploads.
            headers.insert(CONTENT_LENGTH, length.into());
        }
        Ok((Outgoing::new(method, headers, Payload::Streamed(incoming)), None))
    }

    fn unknown_provider(&self) -> String {
        let mut names: Vec<_> = self.providers.keys().map(AsRef::as_ref).collect();
        names.sort_unstable();
        format!("No such provider: the first path segment must be one of: {}", names.join(", "))
    }
}

/// `/name/rest` → `name`, `/rest`.
fn split_provider(path: &str) -> (&str, &str) {
    let path = path.strip_prefix('/').unwrap_or(path);
    path.find('/').map_or((path, ""), |at| path.split_at(at))
}

#[cfg(test)]
mod tests {
    use super::split_provider;

    #[test]
    fn the_first_segment_names_the_provider_and_the_rest_is_kept_as_it_is() {
        assert_eq!(split_provider("/notes/v1//x"), ("notes", "/v1//x"));
        assert_eq!(split_provider("/notes"), ("notes", ""));
        assert_eq!(split_provider("/notes/"), ("notes", "/"));
        assert_eq!(split_provider("/"), ("", ""));
    }
}
