//! A compact JWS taken apart, its header judged before anything is verified (RFC 7515, SPEC JW-1, JW-5).

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bearward_observe::Rejection;
use bearward_token::{Claims, strict_json};
use serde_json::{Map, Value};

use crate::bearer::{MAX_TOKEN_BYTES, Unverified};
use crate::keys::{Algorithm, algorithm_named};

/// Header members that would let a token choose its own key or its own reading (RFC 8725 §3.10).
const REFUSED_MEMBERS: [&str; 6] = ["crit", "b64", "jwk", "jku", "x5u", "x5c"];

/// A token's parts: header judged, claims read, signature not yet verified.
pub(crate) struct Jwt<'a> {
    pub(crate) algorithm: Algorithm,
    pub(crate) kid: Option<String>,
    pub(crate) typ: Option<String>,
    pub(crate) header: Map<String, Value>,
    pub(crate) claims: Claims,
    /// What was signed: header and payload as they were sent.
    pub(crate) message: &'a [u8],
    /// The signature, base64url.
    pub(crate) signature: &'a str,
}

impl<'a> Jwt<'a> {
    /// Takes a token apart in one bounded pass.
    pub(crate) fn parse(token: Unverified<'a>) -> Result<Self, Rejection> {
        let text = token.as_str();
        if text.len() > MAX_TOKEN_BYTES {
            return Err(Rejection::TooLarge);
        }
        let (message, signature) = text.rsplit_once('.').ok_or(Rejection::Malformed)?;
        let (header, payload) = message.split_once('.').ok_or(Rejection::Malformed)?;
        if payload.contains('.') || signature.is_empty() {
            return Err(if signature.is_empty() { Rejection::Signature } else { Rejection::Malformed });
        }
        let header = strict_json::object(&part(header)?).map_err(|_| Rejection::Malformed)?;
        if REFUSED_MEMBERS.iter().any(|member| header.contains_key(*member)) {
            return Err(Rejection::Malformed);
        }
        let algorithm = text_member(&header, "alg")?.ok_or(Rejection::Malformed)?;
        let algorithm = algorithm_named(&algorithm).ok_or(Rejection::Algorithm)?;
        Ok(Self {
            algorithm,
            kid: text_member(&header, "kid")?,
            typ: text_member(&header, "typ")?,
            header,
            claims: Claims::read(part(payload)?).map_err(|_| Rejection::Malformed)?,
            message: message.as_bytes(),
            signature,
        })
    }
}

fn part(encoded: &str) -> Result<Vec<u8>, Rejection> {
    URL_SAFE_NO_PAD.decode(encoded).map_err(|_| Rejection::Malformed)
}

fn text_member(header: &Map<String, Value>, name: &str) -> Result<Option<String>, Rejection> {
    match header.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(Rejection::Malformed),
    }
}

#[cfg(test)]
mod tests;
