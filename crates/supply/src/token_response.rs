//! Reads what a token endpoint answers (RFC 6749 §5), strictly and without ever repeating it.

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
/// for it usually is a proxy's page or half an answer (HARD 7).
pub fn read(answered: &Answered, unix_ms: u64) -> Result<Answer, Failure> {
    let answer = &answered.answer;
    let quota = Quota::read(&answer.headers, unix_ms);
    if answer.status.is_success() {
        let mut read = success(&answer.body, unix_ms)?;
        read.granted.credential = Some(answered.credential);
        read.granted.quota = quota;
        return Ok(read);
    }
    let error: OAuthError = serde_json::from_slice(&answer.body).unwrap_or_default();
    // Who says only when the quota begins anew asks for as long a pause.
    let retry_after = answer.retry_after(unix_ms).or_else(|| quota?.spent_for());
    match answer.status {
        StatusCode::TOO_MANY_REQUESTS => Err(Failure::RateLimited { retry_after }),
        // Auth0 and others answer a spent quota with another status and this code.
        _ if error.says("too_many_requests") || error.says("slow_down") => {
            Err(Failure::RateLimited { retry_after })
        }
        status if status.is_client_error() && status != StatusCode::REQUEST_TIMEOUT => {
            Err(error.refusal(status))
        }
        _ if error.says("temporarily_unavailable") => {
            Err(Failure::Unavailable { status: answer.status.as_u16(), retry_after })
        }
        status => Err(Failure::Unavailable { status: status.as_u16(), retry_after }),
    }
}

fn success(body: &[u8], unix_ms: u64) -> Result<Answer, Failure> {
    #[derive(Deserialize)]
    struct TokenResponse {
        access_token: String,
        token_type: String,
        expires_in: Option<Value>,
        id_token: Option<String>,
        refresh_token: Option<String>,
        issued_token_type: Option<String>,
    }
    let bad = |reason| Failure::BadResponse { reason };
    let response: TokenResponse = serde_json::from_slice(body)
        .map_err(|_| bad("it is not a JSON object with `access_token` and `token_type`"))?;
    if !response.token_type.eq_ignore_ascii_case("bearer") {
        return Err(bad("its token_type is not Bearer"));
    }
    let token = response.access_token;
    if token.is_empty() || token.len() > MAX_TOKEN_BYTES || !token.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(bad("its access_token is empty, too long, or holds characters that no header can carry"));
    }
    let lifetime = lifetime(response.expires_in.as_ref(), &token);
    let id_token = response.id_token.and_then(|text| {
        let lifetime = left_of_jwt(&text, unix_ms / 1000)?;
        Some(GrantedId { token: IdToken::new(text), lifetime })
    });
    Ok(Answer {
        granted: Granted { id_token, ..Granted::new(AccessToken::new(token), lifetime) },
        refresh_token: response.refresh_token.filter(|token| !token.is_empty()).map(RefreshToken::new),
        issued_token_type: response.issued_token_type,
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

    fn refusal(&self, status: StatusCode) -> Failure {
        let code = self.error.as_ref().and_then(Value::as_str).filter(|code| is_code(code));
        let code = code.map_or_else(|| format!("status {}", status.as_u16()), str::to_owned);
        Failure::Refused { advice: advice(&code), code }
    }
}

/// RFC 6749 §5.2's characters, and short: nothing else of a body is ever shown.
fn is_code(code: &str) -> bool {
    (1..=64).contains(&code.len()) && code.bytes().all(|b| b.is_ascii_lowercase() || b == b'_' || b == b'-')
}

fn advice(code: &str) -> &'static str {
    match code {
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
        _ => "look at the authorization server's log",
    }
}

#[cfg(test)]
mod tests;
