//! Headers and body must say the same (SPEC PX-2): since 2026-07-28 a request names its method and what it is applied
//! to in headers as well, and something between the caller and the server may have decided by them.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderName};

use crate::fields::{self, Several};
use crate::message::Call;
use crate::revision::{PROTOCOL_VERSION, is_stateless};

/// The JSON-RPC error code of a request whose headers and body disagree.
pub const DISAGREEMENT_CODE: i64 = -32020;

const METHOD: HeaderName = HeaderName::from_static("mcp-method");
const NAME: HeaderName = HeaderName::from_static("mcp-name");

/// Methods that are applied to something that has a name.
const NAMED: [&str; 3] = ["tools/call", "resources/read", "prompts/get"];

/// Headers and body disagree, or a header is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the headers of the request do not say what its body says")]
pub struct Disagreement;

/// Compares. Requests of older revisions have no such headers, and what they send of them counts for nothing.
///
/// # Errors
/// [`Disagreement`].
pub fn check(headers: &HeaderMap, calls: &[Call]) -> Result<(), Disagreement> {
    if !only(headers, &PROTOCOL_VERSION)?.is_some_and(is_stateless) {
        return Ok(());
    }
    let [call] = calls else { return Err(Disagreement) };
    if only(headers, &METHOD)? != call.method.as_deref() {
        return Err(Disagreement);
    }
    let is_named = call.method.as_deref().is_some_and(|method| NAMED.contains(&method));
    let said = only(headers, &NAME)?.map(decoded).transpose()?;
    let agrees = match said {
        Some(said) => call.name.as_deref() == Some(said.as_str()) || (!is_named && call.name.is_none()),
        None => !is_named,
    };
    if agrees { Ok(()) } else { Err(Disagreement) }
}

/// A header's value; one that stands twice says two things.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, Disagreement> {
    let value = fields::only(headers, name).map_err(|Several| Disagreement)?;
    value.map(|value| value.to_str().map(str::trim).map_err(|_| Disagreement)).transpose()
}

/// A name that no header can carry comes as `=?base64?…?=`.
fn decoded(value: &str) -> Result<String, Disagreement> {
    let Some(encoded) = value.strip_prefix("=?base64?").and_then(|rest| rest.strip_suffix("?=")) else {
        return Ok(value.to_owned());
    };
    let bytes = STANDARD.decode(encoded).map_err(|_| Disagreement)?;
    String::from_utf8(bytes).map_err(|_| Disagreement)
}

#[cfg(test)]
mod tests;
