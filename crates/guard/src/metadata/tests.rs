use serde_json::json;

use super::*;

fn resource(text: &str) -> Resource {
    text.parse().unwrap()
}

// SPEC RS-1, RFC 9728 §3.1
#[test]
fn the_well_known_prefix_goes_before_the_resources_own_path() {
    for (text, path) in [
        ("https://a.example", ""),
        ("https://a.example/", ""),
        ("https://a.example/mcp", "/mcp"),
        ("https://a.example/mcp/", "/mcp/"),
        ("https://a.example:8443/v1/mcp", "/v1/mcp"),
    ] {
        assert_eq!(well_known_path(&resource(text)), format!("{WELL_KNOWN}{path}"), "{text}");
    }
    assert_eq!(
        well_known_url(&resource("https://a.example:8443/v1/mcp")),
        "https://a.example:8443/.well-known/oauth-protected-resource/v1/mcp"
    );
}

// SPEC RS-1, RS-2, RS-7
#[test]
fn the_document_says_what_was_configured_byte_for_byte_and_never_offline_access() {
    let issuers: [Issuer; 2] =
        ["https://idp.example".parse().unwrap(), "https://idp.example/".parse().unwrap()];
    let scopes = ScopeSet::from_token("mcp offline_access");
    let document = ProtectedResource::new(&resource("http://127.0.0.1:8080"), &issuers, &scopes);
    assert_eq!(
        serde_json::to_value(&document).unwrap(),
        json!({
            "resource": "http://127.0.0.1:8080",
            "authorization_servers": ["https://idp.example", "https://idp.example/"],
            "scopes_supported": ["mcp"],
            "bearer_methods_supported": ["header"],
        })
    );
    let least = ProtectedResource::new(&resource("https://a.example"), [], &ScopeSet::default());
    assert_eq!(
        serde_json::to_value(&least).unwrap(),
        json!({"resource": "https://a.example", "authorization_servers": [], "bearer_methods_supported": ["header"]})
    );
}
