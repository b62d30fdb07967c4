//! Signed tenant headers: tells an API which tenant a request is for, in a way that only we can say it.
//!
//! `{prefix}-Tenant-ID`, `{prefix}-Timestamp` (Unix ms) and `{prefix}-Signature`, the lower-case hex
//! HMAC-SHA256 of `{tenant}:{timestamp}`. The form is given by the APIs that verify it; it binds neither
//! method nor path nor body, so it must travel over TLS or loopback alone.

use std::time::Duration;

use aws_lc_rs::hmac;
use bearward_token::ClientSecret;
use http::{HeaderMap, HeaderName, HeaderValue};

/// How far a verifier lets the timestamp lie from its own clock, in either direction.
pub const WINDOW: Duration = Duration::from_secs(300);

/// Longest tenant name, in bytes.
const MAX_TENANT: usize = 256;

/// Signs and verifies with one key and one prefix.
#[derive(Debug)]
pub struct TenantSigner {
    names: [HeaderName; 3],
    key: hmac::Key,
}

/// Why a request's tenant headers do not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TenantError {
    /// One is missing, stands twice, or is malformed.
    #[error("the tenant headers are missing or malformed")]
    Malformed,
    /// Outside of [`WINDOW`].
    #[error("the tenant headers' timestamp is more than 300 s off")]
    Stale,
    /// The signature is not ours.
    #[error("the tenant headers' signature does not hold")]
    Signature,
}

/// A prefix that makes no header name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` cannot begin a header name: use letters, digits and hyphens")]
pub struct PrefixError(String);

/// True for a name that the headers can carry: 1 to 256 visible ASCII characters.
pub fn is_tenant(name: &str) -> bool {
    (1..=MAX_TENANT).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_graphic())
}

impl TenantSigner {
    /// A signer for headers that begin with `prefix`.
    ///
    /// # Errors
    /// When no header name can begin so.
    pub fn new(prefix: &str, secret: &ClientSecret) -> Result<Self, PrefixError> {
        let name =
            |part: &str| format!("{prefix}-{part}").parse().map_err(|_| PrefixError(prefix.to_owned()));
        if prefix.is_empty() {
            return Err(PrefixError(String::new()));
        }
        Ok(Self {
            names: [name("Tenant-ID")?, name("Timestamp")?, name("Signature")?],
            key: hmac::Key::new(hmac::HMAC_SHA256, secret.expose().as_bytes()),
        })
    }

    /// The three headers for a tenant at a moment; `None` for a tenant that is empty, longer than 256
    /// bytes, or holds anything but visible ASCII.
    ///
    /// A `:` within is harmless: the timestamp behind the last one holds digits alone.
    pub fn sign(&self, tenant: &str, unix_ms: u64) -> Option<[(HeaderName, HeaderValue); 3]> {
        if !is_tenant(tenant) {
            return None;
        }
        let signature = hex::encode(hmac::sign(&self.key, message(tenant, unix_ms).as_bytes()));
        let [id, timestamp, signed] = self.names.clone();
        Some([
            (id, HeaderValue::try_from(tenant).ok()?),
            (timestamp, HeaderValue::from(unix_ms)),
            (signed, HeaderValue::try_from(signature).ok()?),
        ])
    }

    /// The tenant that a request is for. Compares in constant time; a timestamp exactly 300 s off holds.
    ///
    /// # Errors
    /// As [`TenantError`] says.
    pub fn verify<'a>(&self, headers: &'a HeaderMap, unix_ms: u64) -> Result<&'a str, TenantError> {
        let [tenant, timestamp, signature] =
            [0, 1, 2].map(|at| self.names.get(at).and_then(|n| only(headers, n)));
        let (Some(tenant), Some(timestamp), Some(signature)) = (tenant, timestamp, signature) else {
            return Err(TenantError::Malformed);
        };
        let said: u64 = timestamp.parse().map_err(|_| TenantError::Malformed)?;
        let is_canonical = said.to_string() == timestamp && is_tenant(tenant);
        let signature = hex::decode(signature).ok().filter(|_| is_canonical).ok_or(TenantError::Malformed)?;
        if u128::from(said.abs_diff(unix_ms)) > WINDOW.as_millis() {
            return Err(TenantError::Stale);
        }
        hmac::verify(&self.key, message(tenant, said).as_bytes(), &signature)
            .map_err(|_| TenantError::Signature)?;
        Ok(tenant)
    }
}

fn message(tenant: &str, unix_ms: u64) -> String {
    format!("{tenant}:{unix_ms}")
}

fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    values.next().filter(|_| values.next().is_none())?.to_str().ok()
}

#[cfg(test)]
mod tests;
