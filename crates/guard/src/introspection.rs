//! The ways to ask about an opaque token: RFC 7662, and Clerk's own.

use std::sync::Arc;

use bearward_issuer::{Fetch, Fetched, Form, JsonRequest, KnownMetadata, OauthClient, SharedCredential};
use bearward_token::{AccessToken, Endpoint};
use http::{HeaderMap, StatusCode};
use serde_json::{Map, Value, json};

use crate::opaque::{Describe, DescribeError, Described, Describing};

/// By token introspection (RFC 7662), as an authenticated client.
#[derive(Debug)]
pub struct Introspection {
    /// Who issues the tokens.
    pub metadata: KnownMetadata,
    /// Where to ask; discovered when left out.
    pub endpoint: Option<Endpoint>,
    /// As whom.
    pub client: OauthClient,
}

/// By the backend API of Clerk, with its secret key. Each kind of token has an endpoint of its own.
#[derive(Debug)]
pub struct ClerkVerify {
    /// The API's base, such as `https://api.clerk.com/v1`.
    pub api: Endpoint,
    /// The secret key.
    pub secret_key: SharedCredential,
    /// Sends.
    pub fetch: Arc<dyn Fetch>,
}

/// What Clerk's opaque tokens begin with, where they are verified, and under which name they are sent.
pub const CLERK_KINDS: [(&str, &str, &str); 3] = [
    ("oat_", "/oauth_applications/access_tokens/verify", "access_token"),
    ("mt_", "/m2m_tokens/verify", "token"),
    ("ak_", "/api_keys/verify", "secret"),
];

impl Introspection {
    async fn ask(&self, token: &AccessToken) -> Result<Described, DescribeError> {
        let endpoint = match &self.endpoint {
            Some(endpoint) => endpoint.clone(),
            None => self.metadata.get().await.map_err(told)?.introspection_endpoint().map_err(told)?,
        };
        let fields =
            vec![("token", token.expose().to_owned()), ("token_type_hint", "access_token".to_owned())];
        let form = Form::of(fields);
        let issuer = self.metadata.issuer();
        let answered = self.client.post(issuer, &endpoint, &form).await.map_err(told);
        described(&answered.inspect_err(|_| self.metadata.doubt())?.answer, issuer.as_str())
    }
}

/// RFC 7662 §2.2.
fn described(answer: &Fetched, issuer: &str) -> Result<Described, DescribeError> {
    if answer.status != StatusCode::OK {
        return Err(refused(answer.status));
    }
    let Ok(Value::Object(mut claims)) = serde_json::from_slice(&answer.body) else {
        return Err(DescribeError("the answer is no JSON object".into()));
    };
    match claims.remove("active") {
        Some(Value::Bool(false)) => return Ok(Described::Inactive),
        Some(Value::Bool(true)) => {}
        _ => return Err(DescribeError("the answer does not say whether the token is `active`".into())),
    }
    // A token that is bound to a key is none that a bearer may use.
    let kind = claims.get("token_type").and_then(Value::as_str).unwrap_or("Bearer");
    let is_ours = claims.get("iss").and_then(Value::as_str).is_none_or(|named| named == issuer);
    if !kind.eq_ignore_ascii_case("bearer") || !is_ours || claims.contains_key("cnf") {
        return Ok(Described::Inactive);
    }
    if !claims.contains_key("sub")
        && let Some(client) = claims.get("client_id").cloned()
    {
        // A client that speaks for itself need not be named twice.
        claims.insert("sub".into(), client);
    }
    Ok(Described::Active(claims))
}

impl ClerkVerify {
    async fn ask(&self, token: &AccessToken) -> Result<Described, DescribeError> {
        let kind = CLERK_KINDS.iter().find(|(prefix, ..)| token.expose().starts_with(prefix));
        let Some((_, path, name)) = kind else { return Ok(Described::Inactive) };
        let url: Endpoint =
            format!("{}{path}", self.api.as_str().trim_end_matches('/')).parse().map_err(told)?;
        let key = self.secret_key.current().await.map_err(told)?;
        let authorization = key.bearer().map_err(told)?;
        let body = json!({ *name: token.expose() });
        let request = JsonRequest { body, headers: HeaderMap::new(), authorization: Some(authorization) };
        let answer = self.fetch.post_json(&url, request).await.map_err(told)?;
        clerk_described(&answer)
    }
}

/// 404 is Clerk's way to say that it does not know a token.
fn clerk_described(answer: &Fetched) -> Result<Described, DescribeError> {
    match answer.status {
        StatusCode::OK => {}
        StatusCode::NOT_FOUND => return Ok(Described::Inactive),
        status => return Err(refused(status)),
    }
    let Ok(Value::Object(token)) = serde_json::from_slice::<Value>(&answer.body) else {
        return Err(DescribeError("the answer is no JSON object".into()));
    };
    let says = |name: &str| token.get(name).and_then(Value::as_bool);
    if says("revoked") != Some(false) || says("expired") != Some(false) {
        return Ok(Described::Inactive);
    }
    // A machine chooses its tokens' custom claims by itself: they stay below a name of their own, where nothing looks
    // for who somebody is (HARD 28).
    let mut claims = Map::new();
    for (name, from) in [
        ("sub", "subject"),
        ("client_id", "client_id"),
        ("aud", "aud"),
        ("jti", "id"),
        ("scope", "scopes"),
        ("org_id", "org_id"),
        ("claims", "claims"),
    ] {
        if let Some(value) = token.get(from).filter(|value| !value.is_null()) {
            claims.insert(name.into(), value.clone());
        }
    }
    if !claims.contains_key("client_id")
        && let Some(subject) = claims.get("sub").cloned()
    {
        // Machines and keys have no client: they are their own.
        claims.insert("client_id".into(), subject);
    }
    if let Some(expiration) = token.get("expiration").and_then(Value::as_f64) {
        claims.insert("exp".into(), json!(seconds(expiration)));
    }
    Ok(Described::Active(claims))
}

/// Clerk's times are milliseconds in some answers and seconds in others; no date of this century is both.
fn seconds(time: f64) -> f64 {
    const MILLISECONDS_FROM: f64 = 1e11;
    if time >= MILLISECONDS_FROM { time / 1000.0 } else { time }
}

impl Describe for Introspection {
    fn describe(&self, token: &AccessToken) -> Describing<'_> {
        let token = token.clone();
        Box::pin(async move { self.ask(&token).await })
    }
}

impl Describe for ClerkVerify {
    fn describe(&self, token: &AccessToken) -> Describing<'_> {
        let token = token.clone();
        Box::pin(async move { self.ask(&token).await })
    }
}

fn refused(status: StatusCode) -> DescribeError {
    let advice = match status.as_u16() {
        401 | 403 => ": check the client's credential",
        429 => ": it is asked too often",
        _ => "",
    };
    DescribeError(format!("it answered with status {}{advice}", status.as_u16()))
}

fn told(error: impl std::fmt::Display) -> DescribeError {
    DescribeError(error.to_string())
}

#[cfg(test)]
mod tests;
