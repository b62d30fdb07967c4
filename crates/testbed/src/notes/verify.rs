//! Who calls the notes API: its own verification, written without Bearward's crates, so that it can
//! disagree with them. Time alone is shared.

use std::io;
use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use axum::Json;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bearward_token::Clock;
use jsonwebtoken::{Algorithm, Validation};
use serde::Deserialize;
use serde_json::json;

use super::Seen;
use super::keys::IssuerKeys;
use super::tenant::TenantCheck;

/// How far the issuer's clock may be off, in seconds.
const SKEW_S: f64 = 5.0;

/// What the API demands.
#[derive(Debug)]
pub(super) struct Checks {
    pub(super) token: TokenCheck,
    pub(super) tenant: TenantCheck,
}

/// A verified caller.
#[derive(Debug, Clone)]
pub(super) struct Caller {
    pub(super) subject: String,
    pub(super) tenant: String,
    token_sha256: String,
}

/// Why a caller is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    NoToken,
    BadToken,
    ExpiredToken,
    NoTenant,
    StaleTenant,
    BadTenantSignature,
}

impl Checks {
    pub(super) async fn caller(&self, headers: &HeaderMap) -> Result<Caller, Refusal> {
        let token = bearer(headers).ok_or(Refusal::NoToken)?;
        let subject = self.token.subject(token).await?;
        let tenant = self.tenant.tenant(headers)?;
        let token_sha256 = hex::encode(digest(&SHA256, token.as_bytes()));
        Ok(Caller { subject, tenant, token_sha256 })
    }
}

impl Caller {
    pub(super) fn seen(&self) -> Seen {
        let Self { subject, tenant, token_sha256 } = self.clone();
        Seen { subject, tenant, token_sha256 }
    }
}

/// The one bearer token; two headers are none.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let value = values.next().filter(|_| values.next().is_none())?;
    value.to_str().ok()?.strip_prefix("Bearer ")
}

/// Verifies tokens of one issuer for one audience.
#[derive(Debug)]
pub(super) struct TokenCheck {
    keys: IssuerKeys,
    validation: Validation,
    clock: Arc<dyn Clock>,
}

#[derive(Deserialize)]
struct Claims {
    sub: String,
    exp: f64,
    nbf: Option<f64>,
}

impl TokenCheck {
    pub(super) fn new(issuer: String, audience: String, clock: Arc<dyn Clock>) -> io::Result<Self> {
        let mut validation = Validation::new(Algorithm::RS256);
        validation.set_audience(&[audience]);
        validation.set_issuer(&[&issuer]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        // The library would ask the machine what time it is; `within_lifetime` asks the clock.
        validation.validate_exp = false;
        validation.validate_nbf = false;
        Ok(Self { keys: IssuerKeys::new(issuer, clock.clone())?, validation, clock })
    }

    async fn subject(&self, token: &str) -> Result<String, Refusal> {
        let kid = jsonwebtoken::decode_header(token).ok().and_then(|header| header.kid);
        let key = self.keys.key(&kid.ok_or(Refusal::BadToken)?).await.ok_or(Refusal::BadToken)?;
        let claims = jsonwebtoken::decode::<Claims>(token, &key, &self.validation)
            .map_err(|_| Refusal::BadToken)?
            .claims;
        self.within_lifetime(&claims)?;
        Ok(claims.sub)
    }

    fn within_lifetime(&self, claims: &Claims) -> Result<(), Refusal> {
        // Seconds since 1970 are far below 2^53, where the conversion would begin to lose any.
        let now = self.clock.unix_seconds() as f64;
        if claims.exp + SKEW_S <= now {
            return Err(Refusal::ExpiredToken);
        }
        match claims.nbf {
            Some(nbf) if nbf > now + SKEW_S => Err(Refusal::BadToken),
            _ => Ok(()),
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let (status, error, message) = match self {
            Self::NoToken => (StatusCode::UNAUTHORIZED, "no_token", "a bearer token is required"),
            Self::BadToken => (StatusCode::UNAUTHORIZED, "bad_token", "the token is not valid for this API"),
            Self::ExpiredToken => (StatusCode::UNAUTHORIZED, "expired_token", "the token has expired"),
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
            answer.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        answer
    }
}
