//! Client authentication at the token, introspection and revocation endpoints (RFC 6749 §2.3, RFC 7523).

use axum::http::{HeaderMap, header};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde_json::Value;

use super::ServerState;
use super::claims::Claims;
use super::clients::{Client, ClientAuth};
use super::token::{Params, TokenError};

const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// Longest life of a client assertion, in seconds.
const MAX_ASSERTION_LIFE: u64 = 600;

impl ServerState {
    /// The client that makes a request, authenticated in exactly the way it is registered for.
    pub(super) fn authenticate(&self, headers: &HeaderMap, params: &Params) -> Result<&Client, TokenError> {
        let invalid = || TokenError::InvalidClient;
        let basic = basic_credentials(headers)?;
        let id = match &basic {
            Some((id, _)) => id.clone(),
            None => match (params.one("client_id"), params.one("client_assertion")) {
                (Some(id), _) => id.to_owned(),
                (None, Some(assertion)) => unverified_issuer(assertion).ok_or_else(invalid)?,
                (None, None) => return Err(invalid()),
            },
        };
        let client = self.clients.get(&id).ok_or_else(invalid)?;
        let is_proven = match &client.auth {
            ClientAuth::SecretBasic(secret) => basic.is_some_and(|(_, given)| given == *secret),
            ClientAuth::SecretPost(secret) => basic.is_none() && params.one("client_secret") == Some(secret),
            ClientAuth::PrivateKeyJwt(jwk) => basic.is_none() && self.assertion_proves(client, jwk, params),
            ClientAuth::Public => basic.is_none() && params.one("client_secret").is_none(),
        };
        if is_proven { Ok(client) } else { Err(invalid()) }
    }

    /// RFC 7523 §3: signed by the client's key, for us, fresh, never seen before.
    fn assertion_proves(&self, client: &Client, jwk: &Value, params: &Params) -> bool {
        let (Some(kind), Some(assertion)) =
            (params.one("client_assertion_type"), params.one("client_assertion"))
        else {
            return false;
        };
        let claims = serde_json::from_value(jwk.clone()).ok().and_then(|jwk| verify_jwt(assertion, &jwk));
        let Some(claims) = claims.filter(|_| kind == ASSERTION_TYPE) else { return false };
        let text = |name: &str| claims.get(name).and_then(Value::as_str);
        let audiences = [self.issuer(), self.at("/token")];
        let is_for_us = match claims.get("aud") {
            Some(Value::Array(all)) => {
                all.iter().filter_map(Value::as_str).any(|aud| audiences.iter().any(|ours| ours == aud))
            }
            Some(Value::String(aud)) => audiences.contains(aud),
            _ => false,
        };
        let now = self.now();
        let exp = claims.get("exp").and_then(Value::as_u64).unwrap_or(0);
        let is_fresh = exp > now && exp <= now + MAX_ASSERTION_LIFE;
        let is_own = text("iss") == Some(&client.id) && text("sub") == Some(&client.id);
        let Some(jti) = text("jti") else { return false };
        is_for_us && is_fresh && is_own && self.memory().used_assertions.insert(jti.to_owned())
    }
}

/// RFC 6749 §2.3.1: both halves are form-encoded before they are joined and base64-encoded.
fn basic_credentials(headers: &HeaderMap) -> Result<Option<(String, String)>, TokenError> {
    let Some(value) = headers.get(header::AUTHORIZATION) else { return Ok(None) };
    let invalid = || TokenError::InvalidClient;
    let encoded = value.to_str().ok().and_then(|text| text.strip_prefix("Basic ")).ok_or_else(invalid)?;
    let decoded =
        STANDARD.decode(encoded).ok().and_then(|bytes| String::from_utf8(bytes).ok()).ok_or_else(invalid)?;
    let (id, secret) = decoded.split_once(':').ok_or_else(invalid)?;
    Ok(Some((form_decode(id), form_decode(secret))))
}

fn form_decode(text: &str) -> String {
    // A lone value is a form with one name and no value; `=` inside is encoded, so it cannot split.
    form_urlencoded::parse(text.as_bytes()).next().map(|(name, _)| name.into_owned()).unwrap_or_default()
}

fn unverified_issuer(assertion: &str) -> Option<String> {
    let claims: Claims = jsonwebtoken::dangerous::insecure_decode_claims(assertion).ok()?;
    claims.get("iss")?.as_str().map(str::to_owned)
}

/// The claims of a JWT whose signature fits a public key. Times and names are the caller's to judge.
pub(super) fn verify_jwt(token: &str, jwk: &Jwk) -> Option<Claims> {
    let algorithm = jsonwebtoken::decode_header(token).ok()?.alg;
    let fits = match &jwk.algorithm {
        jsonwebtoken::jwk::AlgorithmParameters::RSA(_) => algorithm == Algorithm::RS256,
        jsonwebtoken::jwk::AlgorithmParameters::EllipticCurve(_) => algorithm == Algorithm::ES256,
        jsonwebtoken::jwk::AlgorithmParameters::OctetKeyPair(_) => algorithm == Algorithm::EdDSA,
        _ => false,
    };
    let mut validation = Validation::new(algorithm);
    validation.validate_exp = false;
    validation.validate_aud = false;
    validation.required_spec_claims.clear();
    let key = DecodingKey::from_jwk(jwk).ok().filter(|_| fits)?;
    jsonwebtoken::decode::<Claims>(token, &key, &validation).ok().map(|data| data.claims)
}
