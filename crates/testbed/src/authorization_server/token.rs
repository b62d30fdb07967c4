//! The token endpoint: reads the form, authenticates the client, hands over to the grant.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::claims::Issued;
use super::{ServerState, Shared};

/// A form's parameters; a name may stand several times.
#[derive(Debug, Default)]
pub(super) struct Params(Vec<(String, String)>);

impl Params {
    pub(super) fn parse(form: &[u8]) -> Self {
        Self(form_urlencoded::parse(form).into_owned().collect())
    }

    /// The value of a parameter that stands once and is not empty (RFC 6749 §3.2).
    pub(super) fn one<'a>(&'a self, name: &str) -> Option<&'a str> {
        let mut values = self.all(name);
        values.next().filter(|value| !value.is_empty() && values.next().is_none())
    }

    /// True when a parameter that may stand once stands twice (RFC 6749 §3.2).
    fn has_repeated(&self) -> bool {
        const REPEATABLE: [&str; 2] = ["resource", "audience"];
        let mut names: Vec<_> = self.0.iter().map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        names
            .windows(2)
            .any(|pair| pair.first() == pair.last() && pair.first().is_some_and(|n| !REPEATABLE.contains(n)))
    }

    /// All values of a parameter.
    pub(super) fn all<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// RFC 8707 `resource`, any number, and the older `audience`.
    pub(super) fn audiences(&self) -> Vec<String> {
        self.all("resource")
            .chain(self.all("audience"))
            .filter(|a| !a.is_empty())
            .map(str::to_owned)
            .collect()
    }
}

/// The error codes of RFC 6749 §5.2 and its extensions.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(clippy::enum_variant_names, reason = "the RFC's own names")]
pub(super) enum TokenError {
    InvalidRequest(&'static str),
    InvalidClient,
    InvalidGrant(&'static str),
    UnauthorizedClient,
    UnsupportedGrantType,
    InvalidScope,
    /// RFC 8707 §2.
    InvalidTarget,
}

impl IntoResponse for TokenError {
    fn into_response(self) -> Response {
        let (code, description) = match self {
            Self::InvalidRequest(why) => ("invalid_request", why),
            Self::InvalidClient => ("invalid_client", "client authentication failed"),
            Self::InvalidGrant(why) => ("invalid_grant", why),
            Self::UnauthorizedClient => ("unauthorized_client", "the client may not use this grant type"),
            Self::UnsupportedGrantType => ("unsupported_grant_type", "the grant type is not supported"),
            Self::InvalidScope => ("invalid_scope", "the client may not have this scope"),
            Self::InvalidTarget => ("invalid_target", "the client may not have a token for this resource"),
        };
        let is_client = code == "invalid_client";
        let status = if is_client { StatusCode::UNAUTHORIZED } else { StatusCode::BAD_REQUEST };
        let mut answer =
            (status, Json(json!({"error": code, "error_description": description}))).into_response();
        answer.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if is_client {
            answer
                .headers_mut()
                .insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"token\""));
        }
        answer
    }
}

/// What a grant gives.
pub(super) struct TokenResponse {
    pub(super) issued: Issued,
    pub(super) scope: String,
    /// Members beside the usual: `refresh_token`, `id_token`, `issued_token_type`.
    pub(super) more: Map<String, Value>,
}

/// `POST /token`.
pub(super) async fn endpoint(State(server): State<Shared>, headers: HeaderMap, form: Bytes) -> Response {
    let params = Params::parse(&form);
    let grant_type = params.one("grant_type").unwrap_or("").to_owned();
    server.counts.grant_asked(&grant_type);
    match server.grant(&grant_type, &headers, &params) {
        Ok(response) => {
            server.counts.token_issued(&grant_type);
            server.answer(response)
        }
        Err(error) => error.into_response(),
    }
}

impl ServerState {
    fn grant(
        &self,
        grant_type: &str,
        headers: &HeaderMap,
        params: &Params,
    ) -> Result<TokenResponse, TokenError> {
        if params.has_repeated() {
            return Err(TokenError::InvalidRequest("a parameter stands twice"));
        }
        let client = self.authenticate(headers, params)?;
        if !client.grants.is_empty() && !client.grants.iter().any(|allowed| allowed == grant_type) {
            return Err(TokenError::UnauthorizedClient);
        }
        match grant_type {
            "client_credentials" => self.client_credentials(client, params),
            "authorization_code" => self.authorization_code(client, params),
            "refresh_token" => self.refresh_token(client, params),
            "urn:ietf:params:oauth:grant-type:token-exchange" => self.token_exchange(client, params),
            "" => Err(TokenError::InvalidRequest("grant_type is missing")),
            _ => Err(TokenError::UnsupportedGrantType),
        }
    }

    /// RFC 6749 §5.1, bent as the faults say.
    fn answer(&self, response: TokenResponse) -> Response {
        let shape = self.faults.shape();
        let mut document = response.more;
        document.insert("access_token".into(), response.issued.token.into());
        document.insert("token_type".into(), "Bearer".into());
        if !shape.omit_expires_in {
            let stated = shape.expires_in.unwrap_or_else(|| response.issued.expires_in.into());
            document.insert("expires_in".into(), stated);
        }
        if !response.scope.is_empty() {
            document.insert("scope".into(), response.scope.into());
        }
        let mut answer = Json(Value::Object(document)).into_response();
        answer.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        answer
    }
}
