//! Who is calling, for the upstream: verified claims as headers, and a signed assertion of who it is.
//!
//! Headers are for servers that trust the network between; the assertion is for those that do not, or that want more
//! than a text. Neither is ever taken from outside: see [`crate::headers::Reserved`] (HARD 27, HARD 28).

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::rand;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bearward_guard::ClaimPath;
use bearward_token::{Clock, Principal, Scope};
use http::{HeaderMap, HeaderName, HeaderValue};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde_json::{Map, Value, json};

use crate::signing::{SigningError, SigningKeys};

/// Carries the assertion.
pub const ASSERTION: HeaderName = HeaderName::from_static("x-bearward-identity");
/// Its type: it is nobody's access token (RFC 8725 §3.11).
pub const ASSERTION_TYPE: &str = "bearward-identity+jwt";
/// The longest that an assertion may live.
pub const MAX_LIFETIME: Duration = Duration::from_secs(60);

/// What a header's value cannot hold as it is; `%` too, so that decoding is always right, and `,`, which separates.
const ESCAPED: &AsciiSet = &CONTROLS.add(b'%').add(b',');

/// What an upstream is told of its callers.
#[derive(Debug, Default)]
pub struct Identity {
    /// Which claim stands in which header.
    pub headers: Vec<(HeaderName, ClaimPath)>,
    /// The assertion, if one is wanted.
    pub assertion: Option<Assertion>,
}

/// How the assertion is made.
#[derive(Debug)]
pub struct Assertion {
    /// Sign it.
    pub keys: Arc<SigningKeys>,
    /// `iss`: this server's public URL.
    pub issuer: String,
    /// `aud`: the upstream.
    pub audience: String,
    /// How long it lives; cut to [`MAX_LIFETIME`].
    pub lifetime: Duration,
}

impl Identity {
    /// Adds what the upstream is told of `caller`. A claim that the token does not have is no header.
    ///
    /// # Errors
    /// When the assertion cannot be signed: then the request must not leave.
    pub fn tell(
        &self,
        headers: &mut HeaderMap,
        caller: &Principal,
        clock: &dyn Clock,
    ) -> Result<(), SigningError> {
        for (name, path) in &self.headers {
            let value = path.find(&caller.claims).and_then(|claim| HeaderValue::try_from(text(claim)).ok());
            if let Some(value) = value {
                headers.insert(name.clone(), value);
            }
        }
        if let Some(assertion) = &self.assertion {
            let jwt = assertion.sign(caller, clock)?;
            let mut value = HeaderValue::try_from(jwt).map_err(|_| SigningError::Failed)?;
            value.set_sensitive(true);
            headers.insert(ASSERTION, value);
        }
        Ok(())
    }
}

impl Assertion {
    fn sign(&self, caller: &Principal, clock: &dyn Clock) -> Result<String, SigningError> {
        let now = clock.unix_seconds();
        let mut id = [0; 16];
        rand::fill(&mut id).map_err(|_| SigningError::Failed)?;
        let scope: Vec<_> = caller.scopes.iter().map(Scope::as_str).collect();
        let claims = json!({
            "iss": self.issuer,
            "aud": self.audience,
            "sub": caller.subject,
            "iat": now,
            "exp": now + self.lifetime.min(MAX_LIFETIME).as_secs(),
            "jti": URL_SAFE_NO_PAD.encode(id),
            // Subjects are unique within their issuer alone.
            "idp": caller.issuer.as_str(),
            "client_id": caller.client,
            "tenant": caller.tenant,
            "sid": caller.session_id,
            "scope": scope.join(" "),
            "roles": caller.roles,
        });
        let Value::Object(claims) = claims else { return Err(SigningError::Failed) };
        let claims: Map<_, _> = claims.into_iter().filter(|(_, value)| !value.is_null()).collect();
        self.keys.sign(ASSERTION_TYPE, &claims)
    }
}

/// A claim as a header's value: texts percent-encoded where a header cannot hold them, lists separated by commas,
/// anything else as JSON.
fn text(claim: &Value) -> String {
    match claim {
        Value::String(text) => escaped(text),
        Value::Array(items) => items.iter().map(text_of_item).collect::<Vec<_>>().join(","),
        other => escaped(&other.to_string()),
    }
}

fn text_of_item(item: &Value) -> String {
    match item {
        Value::String(text) => escaped(text),
        other => escaped(&other.to_string()),
    }
}

fn escaped(text: &str) -> String {
    utf8_percent_encode(text, ESCAPED).to_string()
}

#[cfg(test)]
mod tests;
