//! ID tokens: who has signed in, as an issuer tells its client (OpenID Connect Core §3.1.3.7).

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::digest;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bearward_observe::Rejection;
use bearward_token::{AccessToken, Clock};
use serde_json::{Map, Value};
use subtle::ConstantTimeEq;

use crate::bearer::Unverified;
use crate::jwt::Jwt;
use crate::keys::Algorithm;
use crate::verify::{TrustedIssuer, signature_of};

/// Verifies the ID tokens of one issuer for one client.
pub struct IdTokens {
    issuer: Arc<TrustedIssuer>,
    client: String,
    clock: Arc<dyn Clock>,
}

/// What an ID token must answer to.
#[derive(Clone, Copy)]
pub struct Asked<'a> {
    /// What was sent with the request for the login; a token that does not repeat it is another login's.
    pub nonce: &'a str,
    /// The access token that came with it; `at_hash` must fit where it is there.
    pub access_token: &'a AccessToken,
}

/// Who has signed in.
#[derive(Debug, Clone, PartialEq)]
pub struct SignedIn {
    /// `sub`.
    pub subject: String,
    /// `sid`: the session at the issuer, for a logout that comes from there.
    pub session_id: Option<String>,
    /// All verified claims.
    pub claims: Map<String, Value>,
}

impl IdTokens {
    /// For tokens that `issuer` gives the client with this id.
    pub fn new(issuer: Arc<TrustedIssuer>, client: impl Into<String>, clock: Arc<dyn Clock>) -> Self {
        Self { issuer, client: client.into(), clock }
    }

    /// Verifies one. Waits when its key is unknown and a fetch of newer keys is due.
    ///
    /// # Errors
    /// The first check that fails. A nonce that is another login's is [`Rejection::Claims`].
    pub async fn verify(&self, token: &str, asked: Asked<'_>) -> Result<SignedIn, Rejection> {
        let jwt = Jwt::parse(Unverified::new(token))?;
        if jwt.claims.get("iss").and_then(Value::as_str) != Some(self.issuer.issuer.as_str()) {
            return Err(Rejection::Issuer);
        }
        if !self.issuer.algorithms.contains(&jwt.algorithm) {
            return Err(Rejection::Algorithm);
        }
        // An access token or a logout token says of itself that it is one.
        if jwt.typ.as_deref().is_some_and(|typ| !typ.eq_ignore_ascii_case("JWT")) {
            return Err(Rejection::TokenType);
        }
        signature_of(&jwt, &self.issuer).await?;
        self.issuer.expectations.check_time(&jwt.claims, self.clock.unix_ms())?;
        self.is_for_us(&jwt.claims)?;
        answers(&jwt.claims, jwt.algorithm, asked)?;
        let text = |name: &str| jwt.claims.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
        let subject = text("sub").ok_or(Rejection::Claims)?.to_owned();
        let session_id = text("sid").map(str::to_owned);
        Ok(SignedIn { subject, session_id, claims: jwt.claims.into_map() })
    }

    /// With several audiences, or a party that is named, that party must be us.
    fn is_for_us(&self, claims: &Map<String, Value>) -> Result<(), Rejection> {
        let is_us = |value: &Value| value.as_str() == Some(&self.client);
        let (is_ours, has_others) = match claims.get("aud") {
            Some(Value::Array(all)) => (all.iter().any(is_us), all.len() > 1),
            Some(one) => (is_us(one), false),
            None => (false, false),
        };
        if !is_ours {
            return Err(Rejection::Audience);
        }
        match claims.get("azp") {
            Some(party) if is_us(party) => Ok(()),
            None if !has_others => Ok(()),
            _ => Err(Rejection::AuthorizedParty),
        }
    }
}

fn answers(claims: &Map<String, Value>, algorithm: Algorithm, asked: Asked<'_>) -> Result<(), Rejection> {
    let nonce = claims.get("nonce").and_then(Value::as_str).unwrap_or_default();
    if !bool::from(nonce.as_bytes().ct_eq(asked.nonce.as_bytes())) {
        return Err(Rejection::Claims);
    }
    match claims.get("at_hash") {
        None => Ok(()),
        Some(hash) if hash.as_str().is_some_and(|hash| hash == at_hash(algorithm, asked.access_token)) => {
            Ok(())
        }
        Some(_) => Err(Rejection::Claims),
    }
}

/// The left half of the access token's hash, by the hash that the signature uses (§3.1.3.6).
fn at_hash(algorithm: Algorithm, token: &AccessToken) -> String {
    let by = match algorithm {
        Algorithm::RS384 | Algorithm::PS384 | Algorithm::ES384 => &digest::SHA384,
        Algorithm::RS512 | Algorithm::PS512 | Algorithm::EdDSA => &digest::SHA512,
        _ => &digest::SHA256,
    };
    let hash = digest::digest(by, token.expose().as_bytes());
    let half = hash.as_ref().len() / 2;
    URL_SAFE_NO_PAD.encode(hash.as_ref().get(..half).unwrap_or_default())
}

impl fmt::Debug for IdTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "IdTokens({} for {})", self.issuer.issuer, self.client)
    }
}

#[cfg(test)]
mod tests;
