//! How received headers are shown: every name, the values that are no secret, the others as hashes.

use std::collections::BTreeMap;

use aws_lc_rs::digest::{SHA256, digest};
use axum::http::HeaderMap;

/// Each header's name with its value, several values joined by `, ` (RFC 9110 §5.3).
///
/// A secret is shown as `sha256:` and the hash in hex; with a scheme in front, as in `Authorization`, as
/// the scheme and the hash of what follows it, which for a bearer token is the token's own hash.
pub(super) fn shown(headers: &HeaderMap) -> BTreeMap<String, String> {
    let show = |name: &str| {
        let values = headers.get_all(name).iter().map(|value| show(name, value.as_bytes()));
        values.collect::<Vec<_>>().join(", ")
    };
    headers.keys().map(|name| (name.to_string(), show(name.as_str()))).collect()
}

/// Whether a header's value must not be shown. Rather too many than one too few.
pub(super) fn is_secret(name: &str) -> bool {
    let kinds = ["authorization", "cookie", "token", "secret", "signature", "assertion", "api-key", "csrf"];
    kinds.iter().any(|kind| name.contains(kind))
}

fn show(name: &str, value: &[u8]) -> String {
    if !is_secret(name) {
        return String::from_utf8_lossy(value).into_owned();
    }
    let text = std::str::from_utf8(value).unwrap_or_default();
    match text.split_once(' ') {
        Some((scheme, credentials)) if name.ends_with("authorization") => {
            format!("{scheme} {}", hash(credentials.as_bytes()))
        }
        _ => hash(value),
    }
}

fn hash(secret: &[u8]) -> String {
    format!("sha256:{}", hex::encode(digest(&SHA256, secret)))
}

#[cfg(test)]
mod tests;
