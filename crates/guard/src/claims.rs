//! What a token's claims must say before anyone is let in (RFC 7519 §4.1, RFC 9068 §4, SPEC JW-4).

use std::sync::Arc;
use std::time::Duration;

use bearward_observe::Rejection;
use bearward_token::{Issuer, Principal, ScopeSet};
use serde_json::{Map, Value};

/// The latest moment a `NumericDate` may name: the end of the year 9999. What lies beyond is no date.
const LAST_SECOND: f64 = 253_402_300_799.0;

/// Members that only an ID token carries (OpenID Connect Core §2): it speaks to the client, not to us.
const ID_TOKEN_MEMBERS: [&str; 3] = ["nonce", "at_hash", "c_hash"];

/// What one issuer's tokens must say.
#[derive(Debug, Clone)]
pub struct Expectations {
    /// `aud` (or `resource`) holds one of these.
    pub audiences: Vec<String>,
    /// Accepted `typ` header values, compared without case and without a leading `application/`.
    pub types: Vec<String>,
    /// How far the issuer's clock may be off; at most 60 s.
    pub skew: Duration,
    /// The claim that names the caller's organization.
    pub tenant_claim: String,
}

impl Expectations {
    /// The strict defaults: these audiences, `at+jwt` or `JWT`, 30 s of skew, tenant in `org_id`.
    pub fn for_audiences(audiences: Vec<String>) -> Self {
        Self {
            audiences,
            types: vec!["at+jwt".into(), "JWT".into()],
            skew: Duration::from_secs(30),
            tenant_claim: "org_id".into(),
        }
    }

    /// The `typ` header must be one of ours.
    pub(crate) fn check_type(&self, typ: Option<&str>) -> Result<(), Rejection> {
        let typ = typ.ok_or(Rejection::TokenType)?;
        let bare = match typ.get(..12) {
            Some(prefix) if prefix.eq_ignore_ascii_case("application/") => typ.get(12..).unwrap_or(""),
            _ => typ,
        };
        let known = self.types.iter().any(|accepted| accepted.eq_ignore_ascii_case(bare));
        if known { Ok(()) } else { Err(Rejection::TokenType) }
    }

    /// Judges the claims at `unix_ms`. The signature has been verified, the issuer is the one whose
    /// expectations these are.
    pub(crate) fn check(
        &self,
        issuer: &Issuer,
        claims: Map<String, Value>,
        unix_ms: u64,
    ) -> Result<Principal, Rejection> {
        let expires_at = self.check_time(&claims, unix_ms)?;
        if !self.is_for_us(&claims) {
            return Err(Rejection::Audience);
        }
        if ID_TOKEN_MEMBERS.iter().any(|member| claims.contains_key(*member)) {
            return Err(Rejection::TokenType);
        }
        let subject = text(&claims, "sub")?.filter(|s| !s.is_empty()).ok_or(Rejection::Claims)?;
        let client = match text(&claims, "client_id")? {
            Some(client) => Some(client),
            None => text(&claims, "azp")?,
        };
        Ok(Principal {
            issuer: issuer.clone(),
            subject,
            client,
            tenant: claims.get(&self.tenant_claim).and_then(Value::as_str).map(Arc::from),
            scopes: scopes(&claims),
            session_id: text(&claims, "sid")?,
            token_id: text(&claims, "jti")?,
            expires_at,
            claims: Arc::new(claims),
        })
    }

    /// `exp` required; `nbf` and `iat` when present; all with the skew, to the millisecond.
    /// A token dies *at* `exp + skew` and lives *from* `nbf - skew` on.
    fn check_time(&self, claims: &Map<String, Value>, unix_ms: u64) -> Result<u64, Rejection> {
        let now = unix_ms as f64 / 1000.0;
        let skew = self.skew.as_secs_f64();
        let exp = date(claims, "exp")?.ok_or(Rejection::Claims)?;
        if now >= exp + skew {
            return Err(Rejection::Expired);
        }
        for name in ["nbf", "iat"] {
            if date(claims, name)?.is_some_and(|from| now < from - skew) {
                return Err(Rejection::NotYetValid);
            }
        }
        // In range by `date`, so the conversion keeps the whole seconds.
        Ok(exp as u64)
    }

    /// RFC 7519 §4.1.3: `aud` is a string or an array of strings, and a token with another audience is not for us
    /// whatever else it says. Some issuers name the resource in `resource` instead, in the same two shapes.
    fn is_for_us(&self, claims: &Map<String, Value>) -> bool {
        let is_ours = |value: &Value| value.as_str().is_some_and(|s| self.audiences.iter().any(|a| a == s));
        match claims.get("aud").or_else(|| claims.get("resource")) {
            Some(Value::Array(values)) => values.iter().any(is_ours),
            Some(value) => is_ours(value),
            None => false,
        }
    }
}

/// `scope` (RFC 8693 §4.2) or `scp`, each a space-separated string or an array.
fn scopes(claims: &Map<String, Value>) -> ScopeSet {
    match claims.get("scope").or_else(|| claims.get("scp")) {
        Some(Value::String(list)) => ScopeSet::from_token(list),
        Some(Value::Array(list)) => {
            list.iter().filter_map(Value::as_str).filter_map(|scope| scope.parse().ok()).collect()
        }
        _ => ScopeSet::default(),
    }
}

fn text(claims: &Map<String, Value>, name: &str) -> Result<Option<Arc<str>>, Rejection> {
    match claims.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.as_str().into())),
        Some(_) => Err(Rejection::Claims),
    }
}

/// A `NumericDate`: seconds since the epoch, possibly with a fraction (RFC 7519 §2).
fn date(claims: &Map<String, Value>, name: &str) -> Result<Option<f64>, Rejection> {
    match claims.get(name) {
        None => Ok(None),
        Some(value) => match value.as_f64() {
            Some(seconds) if (0.0..=LAST_SECOND).contains(&seconds) => Ok(Some(seconds)),
            _ => Err(Rejection::Claims),
        },
    }
}

#[cfg(test)]
mod tests;
