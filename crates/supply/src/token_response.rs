//! Reads what a token endpoint answers (RFC 6749 §5), strictly and without ever repeating it.

use std::time::Duration;

use bearward_issuer::Fetched;
use bearward_issuer::oauth_client::Answered;
use bearward_token::{AccessToken, IdToken, RefreshToken};
use http::StatusCode;
use serde::Deserialize;
use serde_json::Value;

use crate::error::Failure;
use crate::grant::{Granted, GrantedId};
use crate::lifetime::{left_of_jwt, lifetime};
use crate::quota::Quota;

/// Longest token taken, in bytes: what fits in a header of any server.
const MAX_TOKEN_BYTES: usize = 16 * 1024;

/// Codes that ask for less, and codes by which a server says that the fault is its own.
const LIMITED: [&str; 2] = ["too_many_requests", "slow_down"];
const IN_TROUBLE: [&str; 2] = ["temporarily_unavailable", "server_error"];

/// What an answer holds.
#[derive(Debug)]
pub struct Answer {
    /// The token.
    pub granted: Granted,
    /// A new refresh token; `None`: the old one stays (SPEC CL-7).
    pub refresh_token: Option<RefreshToken>,
    /// What kind of token it is, where the grant makes the server say so (RFC 8693 §2.2.1).
    pub issued_token_type: Option<String>,
}

/// The token in an answer, or why there is none.
///
/// # Errors
/// By status and OAuth error code; see [`Failure`]. A 200 that holds no sound token is a passing failure,
/// for it usually is a proxy's page or half an answer (HARD 7), unless it holds an OAuth error: some servers send
/// those with 200.
pub fn read(answered: &Answered, unix_ms: u64) -> Result<Answer, Failure> {
    let Answered { answer, credential } = answered;
    let quota = Quota::read(&answer.headers, unix_ms);
    // Who says only when the quota begins anew asks for as long a pause.
    let retry_after = answer.retry_after(unix_ms).or_else(|| quota.as_ref()?.spent_for());
    let error = || serde_json::from_slice::<OAuthError>(&answer.body).unwrap_or_default();
    if !answer.status.is_success() {
        return Err(error().failure(answer.status, retry_after));
    }
    let mut read = success(answer, unix_ms).map_err(|bad| {
        let error = error();
        if error.is_known() { error.failure(answer.status, retry_after) } else { bad }
    })?;
    read.granted.credential = Some(*credential);
    read.granted.quota = quota;
    Ok(read)
}

fn success(answer: &Fetched, unix_ms: u64) -> Result<Answer, Failure> {
    let body = &answer.body;
    #[derive(Deserialize)]
    struct TokenResponse {
        access_token: String,
        token_type: String,
        expires_in: Option<Value>,
        id_token: Option<Value>,
        refresh_token: Option<Value>,
        issued_token_type: Option<Value>,
    }
    // Of what a grant does not need, nothing makes its answer a bad one.
    let text = |member: Option<Value>| match member {
        Some(Value::String(text)) if !text.is_empty() => Some(text),
        _ => None,
    };
    let bad = |reason| Failure::BadResponse { reason };
    if answer.status == StatusCode::PARTIAL_CONTENT {
        return Err(bad("it is a part of an answer that nobody asked to have in parts (status 206)"));
    }
    const NO_OBJECT: &str = "it is not a JSON object with `access_token` and `token_type`";
    // A list of the right length would be read as an object's members in their order.
    if !body.trim_ascii_start().starts_with(b"{") {
        return Err(bad(NO_OBJECT));
    }
    let response: TokenResponse = serde_json::from_slice(body).map_err(|_| bad(NO_OBJECT))?;
    if !response.token_type.eq_ignore_ascii_case("bearer") {
        return Err(bad("its token_type is not Bearer"));
    }
    let token = response.access_token;
    if token.is_empty() || token.len() > MAX_TOKEN_BYTES || !token.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(bad("its access_token is empty, too long, or holds characters that no header can carry"));
    }
    let lifetime = lifetime(response.expires_in.as_ref(), &token, answer.dated());
    let id_token = text(response.id_token).and_then(|text| {
        let lifetime = left_of_jwt(&text, unix_ms / 1000)?;
        Some(GrantedId { token: IdToken::new(text), lifetime })
    });
    Ok(Answer {
        granted: Granted { id_token, ..Granted::new(AccessToken::new(token), lifetime) },
        refresh_token: text(response.refresh_token).map(RefreshToken::new),
        issued_token_type: text(response.issued_token_type),
    })
}

/// RFC 6749 §5.2, and Auth0's `{statusCode, error, message, errorCode}`.
#[derive(Default, Deserialize)]
#[serde(default)]
struct OAuthError {
    error: Option<Value>,
    #[serde(rename = "errorCode")]
    error_code: Option<Value>,
}

impl OAuthError {
    fn says(&self, code: &str) -> bool {
        [&self.error, &self.error_code].into_iter().flatten().any(|value| value.as_str() == Some(code))
    }

    /// True for what RFC 6749 §5.2 and its extensions name, whatever the status.
    fn is_known(&self) -> bool {
        LIMITED.iter().chain(&IN_TROUBLE).any(|code| self.says(code))
            || self.code().is_some_and(|code| advice(code).is_some())
    }

    /// What an answer with this error and status is.
    fn failure(&self, status: StatusCode, retry_after: Option<Duration>) -> Failure {
        // Auth0 and others answer a spent quota with another status than 429.
        if status == StatusCode::TOO_MANY_REQUESTS || LIMITED.iter().any(|code| self.says(code)) {
            return Failure::RateLimited { retry_after };
        }
        let is_at_fault = (status.is_client_error() || status.is_success())
            && !is_of_the_way(status, self.code())
            && !IN_TROUBLE.iter().any(|code| self.says(code));
        if !is_at_fault {
            return Failure::Unavailable { status: status.as_u16(), retry_after };
        }
        let code = self.code().map_or_else(|| format!("status {}", status.as_u16()), str::to_owned);
        Failure::Refused { advice: advice(&code).unwrap_or("look at the authorization server's log"), code }
    }

    /// The error's code, where it is one.
    fn code(&self) -> Option<&str> {
        self.error.as_ref().and_then(Value::as_str).filter(|code| is_code(code))
    }
}

/// What answers where the token endpoint should: an ingress that is being changed, a proxy that has lost its way. Passing,
/// unless it speaks OAuth.
fn is_of_the_way(status: StatusCode, code: Option<&str>) -> bool {
    const OF_THE_WAY: [StatusCode; 5] = [
        StatusCode::NOT_FOUND,
        StatusCode::METHOD_NOT_ALLOWED,
        StatusCode::REQUEST_TIMEOUT,
        StatusCode::MISDIRECTED_REQUEST,
        StatusCode::TOO_EARLY,
    ];
    code.is_none() && OF_THE_WAY.contains(&status)
}

/// RFC 6749 §5.2's characters, and short: nothing else of a body is ever shown.
fn is_code(code: &str) -> bool {
    (1..=64).contains(&code.len()) && code.bytes().all(|b| b.is_ascii_lowercase() || b == b'_' || b == b'-')
}

fn advice(code: &str) -> Option<&'static str> {
    Some(match code {
        "invalid_client" => {
            "check clientId and clientSecret, and how the client is registered to authenticate"
        }
        "unauthorized_client" => "allow this grant type for the client at the authorization server",
        "access_denied" => {
            "grant the client access to this audience at the authorization server, and check its secret"
        }
        "invalid_scope" => "ask only for scopes that the client may have",
        "invalid_target" => {
            "check `audience` and `resource`: the authorization server does not know them for this client"
        }
        "unsupported_grant_type" => "the authorization server does not offer this grant",
        "invalid_request" => {
            "check `audience`, `resource` and `scopes`, and whether the server wants the other client authentication"
        }
        "invalid_grant" => "what was to be exchanged is expired, revoked or another client's",
        _ => return None,
    })
}

#[cfg(test)]
mod tests;
