//! What the server says of itself: OpenID Connect Discovery and RFC 8414, one document for both; its keys.

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use serde_json::json;

use super::Shared;

/// Every address where a client may look for the document of an issuer with this path (RFC 8414 §3, §5).
pub(super) fn paths(issuer_path: &str) -> Vec<String> {
    let mut paths = vec![
        format!("/.well-known/oauth-authorization-server{issuer_path}"),
        format!("/.well-known/openid-configuration{issuer_path}"),
    ];
    if !issuer_path.is_empty() {
        paths.push(format!("{issuer_path}/.well-known/openid-configuration"));
    }
    paths
}

/// `GET` of any of them.
pub(super) async fn document(State(server): State<Shared>) -> impl IntoResponse {
    Json(json!({
        "issuer": server.issuer(),
        "authorization_endpoint": server.at("/authorize"),
        "token_endpoint": server.at("/token"),
        "jwks_uri": server.at("/jwks.json"),
        "userinfo_endpoint": server.at("/userinfo"),
        "introspection_endpoint": server.at("/introspect"),
        "revocation_endpoint": server.at("/revoke"),
        "end_session_endpoint": server.at("/logout"),
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": [
            "authorization_code", "client_credentials", "refresh_token",
            "urn:ietf:params:oauth:grant-type:token-exchange",
        ],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256", "ES256", "EdDSA"],
        "token_endpoint_auth_methods_supported":
            ["client_secret_basic", "client_secret_post", "private_key_jwt", "none"],
        "token_endpoint_auth_signing_alg_values_supported": ["RS256", "ES256", "EdDSA"],
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": true,
        "scopes_supported": ["openid", "profile", "offline_access"],
        "claims_supported": ["sub", "iss", "aud", "exp", "iat", "nonce", "at_hash"],
    }))
}

/// `GET` of the key set.
pub(super) async fn jwks(State(server): State<Shared>) -> impl IntoResponse {
    ([(header::CACHE_CONTROL, "public, max-age=300")], Json(server.keys.jwks()))
}
