//! Who calls the notes API: its own verification, written without Bearward's crates, so that it can
//! disagree with them.

use std::sync::Arc;

use aws_lc_rs::hmac;
use axum::Json;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bearward_token::Clock;
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::Deserialize;
use serde_json::json;
use tokio::sync::Mutex;

use super::Seen;

/// How far the timestamp of tenant headers may be off, in milliseconds.
const WINDOW_MS: u64 = 300_000;

/// A verified caller.
#[derive(Debug, Clone)]
pub(super) struct Caller {
    pub(super) subject: String,
    pub(super) tenant: String,
    token_sha256: String,
}

impl Caller {
    pub(super) fn seen(&self) -> Seen {
        let Self { subject, tenant, token_sha256 } = self.clone();
        Seen { subject, tenant, token_sha256 }
    }
}

/// Why a caller is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    NoToken,
    BadToken,
    NoTenant,
    StaleTenant,
    BadTenantSignature,
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let (status, error, message) = match self {
            Self::NoToken => (StatusCode::UNAUTHORIZED, "no_token", "a bearer token is required"),
            Self::BadToken => (StatusCode::UNAUTHORIZED, "bad_token", "the token is not valid for this API"),
            Self::NoTenant => (StatusCode::FORBIDDEN, "no_tenant", "signed tenant headers are required"),
            Self::StaleTenant => {
                (StatusCode::FORBIDDEN, "stale_tenant", "the tenant headers are too old or too new")
            }
            Self::BadTenantSignature => {
                (StatusCode::FORBIDDEN, "bad_tenant", "the tenant headers are not signed by us")
            }
        };
        let mut answer = (status, Json(json!({"error": error, "message": message}))).into_response();
        if status == StatusCode::UNAUTHORIZED {
            answer.headers_mut().insert(header::WWW_AUTHENTICATE, header::HeaderValue::from_static("Bearer"));
        }
        answer
    }
}

/// What the API demands.
#[derive(Debug)]
pub(super) struct Checks {
    issuer: String,
    audience: String,
    prefix: String,
    tenant_key: hmac::Key,
    clock: Arc<dyn Clock>,
    client: reqwest::Client,
    keys: Mutex<JwkSet>,
}

#[derive(Deserialize)]
struct Claims {
    sub: String,
}

impl Checks {
    pub(super) fn new(
        issuer: String,
        audience: String,
        prefix: String,
        tenant_secret: &str,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let tenant_key = hmac::Key::new(hmac::HMAC_SHA256, tenant_secret.as_bytes());
        let client = reqwest::Client::new();
        Self {
            issuer,
            audience,
            prefix,
            tenant_key,
            clock,
            client,
            keys: Mutex::new(JwkSet { keys: Vec::new() }),
        }
    }

    pub(super) async fn caller(&self, headers: &HeaderMap) -> Result<Caller, Refusal> {
        let value = headers
            .get(header::AUTHORIZATION)
            .and_then(|value| value.to_str().ok())
            .ok_or(Refusal::NoToken)?;
        let token = value.strip_prefix("Bearer ").ok_or(Refusal::NoToken)?;
        let subject = self.subject(token).await.ok_or(Refusal::BadToken)?;
        let tenant = self.tenant(headers)?;
        let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, token.as_bytes());
        Ok(Caller { subject, tenant, token_sha256: hex::encode(hash) })
    }

    async fn subject(&self, token: &str) -> Option<String> {
        let kid = jsonwebtoken::decode_header(token).ok()?.kid?;
        let key = self.key(&kid).await?;
        let mut validation = Validation::new(Algorithm::RS256);
        validation.set_audience(&[&self.audience]);
        validation.set_issuer(&[&self.issuer]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        validation.validate_nbf = true;
        validation.leeway = 5;
        jsonwebtoken::decode::<Claims>(token, &key, &validation).ok().map(|data| data.claims.sub)
    }

    /// A key by its id; an unknown one makes it look at the issuer again.
    async fn key(&self, kid: &str) -> Option<DecodingKey> {
        let mut keys = self.keys.lock().await;
        if keys.find(kid).is_none() {
            *keys = self.fetch_keys().await?;
        }
        DecodingKey::from_jwk(keys.find(kid)?).ok()
    }

    async fn fetch_keys(&self) -> Option<JwkSet> {
        #[derive(Deserialize)]
        struct Metadata {
            jwks_uri: String,
        }
        let url = format!("{}/.well-known/openid-configuration", self.issuer.trim_end_matches('/'));
        let get = |url: String| async move { self.client.get(url).send().await.ok()?.bytes().await.ok() };
        let metadata: Metadata = serde_json::from_slice(&get(url).await?).ok()?;
        serde_json::from_slice(&get(metadata.jwks_uri).await?).ok()
    }

    fn tenant(&self, headers: &HeaderMap) -> Result<String, Refusal> {
        let get = |part: &str| {
            let mut values = headers.get_all(format!("{}-{part}", self.prefix)).iter();
            values.next().filter(|_| values.next().is_none()).and_then(|value| value.to_str().ok())
        };
        let (Some(tenant), Some(at), Some(signature)) =
            (get("Tenant-ID"), get("Timestamp"), get("Signature"))
        else {
            return Err(Refusal::NoTenant);
        };
        let said: u64 = at.parse().map_err(|_| Refusal::NoTenant)?;
        if said.abs_diff(self.clock.unix_ms()) > WINDOW_MS {
            return Err(Refusal::StaleTenant);
        }
        let signature = hex::decode(signature).map_err(|_| Refusal::BadTenantSignature)?;
        hmac::verify(&self.tenant_key, format!("{tenant}:{at}").as_bytes(), &signature)
            .map_err(|_| Refusal::BadTenantSignature)?;
        Ok(tenant.to_owned())
    }
}
