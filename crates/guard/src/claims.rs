//! What a token's claims must say before anyone is let in (RFC 7519 §4.1, RFC 9068 §4, SPEC JW-4).

use std::sync::Arc;
use std::time::Duration;

use bearward_observe::Rejection;
use bearward_token::{Claims, Issuer, Principal};
use serde_json::{Map, Value};

use crate::claim_path::ClaimPath;
use crate::demand::Demand;

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
    /// An opaque token whose issuer names no audience at all is accepted, and then only with
    /// [`Expectations::authorized_parties`]. A JWT without one never is.
    pub may_lack_audience: bool,
    /// A token without `typ` is accepted as well.
    pub may_lack_type: bool,
    /// How far the issuer's clock may be off; at most 60 s.
    pub skew: Duration,
    /// The programs that may act; empty: any.
    pub authorized_parties: Vec<String>,
    /// The subjects that may come in; empty: all.
    pub subjects: Vec<String>,
    /// Where the caller's organization stands; the first that is there counts.
    pub tenants: Vec<ClaimPath>,
    /// Where the program that acts stands; the first that is there counts.
    pub clients: Vec<ClaimPath>,
    /// Where scopes stand; all of them count.
    pub scopes: Vec<ClaimPath>,
    /// Where roles stand; all of them count.
    pub roles: Vec<ClaimPath>,
    /// What a token must say besides: each of these.
    pub demands: Vec<Demand>,
    /// And a JWT, of each of these lists, one at least.
    pub demands_any: Vec<Vec<Demand>>,
}

impl Expectations {
    /// The strict defaults: these audiences, `at+jwt` or `JWT`, 30 s of skew, tenant in `org_id`.
    pub fn for_audiences(audiences: Vec<String>) -> Self {
        Self {
            audiences,
            types: vec!["at+jwt".into(), "JWT".into()],
            may_lack_audience: false,
            may_lack_type: false,
            skew: Duration::from_secs(30),
            authorized_parties: Vec::new(),
            subjects: Vec::new(),
            tenants: vec![ClaimPath::member("org_id")],
            clients: vec![ClaimPath::member("client_id"), ClaimPath::member("azp")],
            scopes: vec![ClaimPath::member("scope"), ClaimPath::member("scp")],
            roles: vec![ClaimPath::member("roles")],
            demands: Vec::new(),
            demands_any: Vec::new(),
        }
    }

    /// The `typ` header must be one of ours.
    pub(crate) fn check_type(&self, typ: Option<&str>) -> Result<(), Rejection> {
        let Some(typ) = typ else {
            return if self.may_lack_type { Ok(()) } else { Err(Rejection::TokenType) };
        };
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
        header: &Map<String, Value>,
        claims: Claims,
        kind: Kind,
        unix_ms: u64,
    ) -> Result<Principal, Rejection> {
        let expires_at = self.check_time(&claims, unix_ms)?;
        if !self.is_for_us(&claims, kind) {
            return Err(Rejection::Audience);
        }
        if ID_TOKEN_MEMBERS.iter().any(|member| claims.contains_key(*member)) {
            return Err(Rejection::TokenType);
        }
        // Bound to a key (RFC 7800), and nobody has proven to hold it: in a bearer's hand it is stolen.
        if claims.contains_key("cnf") {
            return Err(Rejection::KeyBound);
        }
        let subject = text(&claims, "sub")?.filter(|s| !s.is_empty()).ok_or(Rejection::Claims)?;
        if !self.subjects.is_empty() && !self.subjects.iter().any(|allowed| **allowed == *subject) {
            return Err(Rejection::Subject);
        }
        let client = first_text(&self.clients, &claims)?;
        self.check_party(client.as_deref())?;
        self.check_demands(header, &claims, kind)?;
        Ok(Principal {
            issuer: issuer.clone(),
            subject,
            client,
            tenant: first_text(&self.tenants, &claims)?,
            scopes: self
                .scopes
                .iter()
                .filter_map(|path| path.find(&claims))
                .flat_map(words)
                .filter_map(|word| word.parse().ok())
                .collect(),
            roles: self
                .roles
                .iter()
                .filter_map(|path| path.find(&claims))
                .flat_map(words)
                .map(Arc::from)
                .collect(),
            session_id: text(&claims, "sid")?,
            token_id: text(&claims, "jti")?,
            expires_at,
            issued_at: date(&claims, "iat")?.map(|seconds| seconds as u64),
            claims: Arc::new(claims.packed()),
        })
    }

    /// The program that acts must be one of those that may, if any are named (RFC 9068 §2.2, OpenID Connect `azp`).
    fn check_party(&self, client: Option<&str>) -> Result<(), Rejection> {
        let is_allowed = self.authorized_parties.is_empty()
            || client.is_some_and(|client| self.authorized_parties.iter().any(|party| party == client));
        if is_allowed { Ok(()) } else { Err(Rejection::AuthorizedParty) }
    }

    fn check_demands(
        &self,
        header: &Map<String, Value>,
        claims: &Map<String, Value>,
        kind: Kind,
    ) -> Result<(), Rejection> {
        let is_met = |demand: &Demand| demand.is_met(header, claims);
        let one_of_each = || self.demands_any.iter().all(|any| any.iter().any(is_met));
        let are_met = self.demands.iter().all(is_met) && (kind == Kind::Opaque || one_of_each());
        if are_met { Ok(()) } else { Err(Rejection::RequiredClaim) }
    }

    /// `exp` required; `nbf` and `iat` when present; all with the skew, to the millisecond.
    /// A token dies *at* `exp + skew` and lives *from* `nbf - skew` on.
    pub(crate) fn check_time(&self, claims: &Map<String, Value>, unix_ms: u64) -> Result<u64, Rejection> {
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
    pub(crate) fn is_for_us(&self, claims: &Map<String, Value>, kind: Kind) -> bool {
        let is_ours = |value: &Value| value.as_str().is_some_and(|s| self.audiences.iter().any(|a| a == s));
        match claims.get("aud").or_else(|| claims.get("resource")) {
            Some(Value::Array(values)) => values.iter().any(is_ours),
            Some(value) => is_ours(value),
            None => kind == Kind::Opaque && self.may_lack_audience && !self.authorized_parties.is_empty(),
        }
    }
}

/// What kind of token claims are of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// It says them itself.
    Jwt,
    /// Its issuer said them.
    Opaque,
}

/// The first of these places that holds something. It must be text: another program could read a number or a list as
/// another name.
fn first_text(places: &[ClaimPath], claims: &Map<String, Value>) -> Result<Option<Arc<str>>, Rejection> {
    match places.iter().find_map(|place| place.find(claims)) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.as_str().into())),
        Some(_) => Err(Rejection::Claims),
    }
}

/// The words of a text that is separated by spaces (RFC 8693 §4.2), or the texts of a list.
fn words(value: &Value) -> Vec<&str> {
    match value {
        Value::String(list) => list.split(' ').filter(|word| !word.is_empty()).collect(),
        Value::Array(list) => list.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
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
pub(crate) mod tests;
