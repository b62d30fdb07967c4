//! Signed tenant headers, as the API that trusts them verifies them: `{prefix}-Tenant-ID`,
//! `{prefix}-Timestamp` in Unix milliseconds, and `{prefix}-Signature`, the lower-case hex HMAC-SHA256 of
//! `{tenant}:{timestamp}`.

use std::sync::Arc;

use aws_lc_rs::hmac;
use axum::http::HeaderMap;
use bearward_token::Clock;

use super::verify::Refusal;

/// How far the timestamp may be off, into the past and into the future, in milliseconds.
const WINDOW_MS: u64 = 300_000;

/// What the headers must be like.
#[derive(Debug)]
pub(super) struct TenantCheck {
    id: String,
    timestamp: String,
    signature: String,
    key: hmac::Key,
    clock: Arc<dyn Clock>,
}

impl TenantCheck {
    pub(super) fn new(prefix: &str, secret: &str, clock: Arc<dyn Clock>) -> Self {
        Self {
            id: format!("{prefix}-Tenant-ID"),
            timestamp: format!("{prefix}-Timestamp"),
            signature: format!("{prefix}-Signature"),
            key: hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()),
            clock,
        }
    }

    /// The tenant that the headers prove.
    pub(super) fn tenant(&self, headers: &HeaderMap) -> Result<String, Refusal> {
        let get = |name| only(headers, name).filter(|value| !value.is_empty()).ok_or(Refusal::NoTenant);
        let (tenant, at, signature) = (get(&self.id)?, get(&self.timestamp)?, get(&self.signature)?);
        // What is signed is the text of the number, so another spelling of it is another text.
        let said: u64 = at.parse().map_err(|_| Refusal::StaleTenant)?;
        if said.abs_diff(self.clock.unix_ms()) > WINDOW_MS {
            return Err(Refusal::StaleTenant);
        }
        let signature = lower_hex(signature).ok_or(Refusal::BadTenantSignature)?;
        // Constant time.
        hmac::verify(&self.key, format!("{tenant}:{at}").as_bytes(), &signature)
            .map_err(|_| Refusal::BadTenantSignature)?;
        Ok(tenant.to_owned())
    }
}

/// A header's value, if it is there once.
fn only<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    values.next().filter(|_| values.next().is_none())?.to_str().ok()
}

fn lower_hex(text: &str) -> Option<Vec<u8>> {
    let lower = !text.bytes().any(|byte| byte.is_ascii_uppercase());
    lower.then(|| hex::decode(text).ok()).flatten()
}

#[cfg(test)]
mod tests;
