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
    let document = ProtectedResource::new(
        &resource("http://127.0.0.1:8080"),
        &issuers,
        &scopes,
        &Description::default(),
    );
    assert_eq!(
        serde_json::to_value(&document).unwrap(),
        json!({
            "resource": "http://127.0.0.1:8080",
            "authorization_servers": ["https://idp.example", "https://idp.example/"],
            "scopes_supported": ["mcp"],
            "bearer_methods_supported": ["header"],
        })
    );
    let least = ProtectedResource::new(
        &resource("https://a.example"),
        [],
        &ScopeSet::default(),
        &Description::default(),
    );
    assert_eq!(
        serde_json::to_value(&least).unwrap(),
        json!({"resource": "https://a.example", "authorization_servers": [], "bearer_methods_supported": ["header"]})
    );
}

// SPEC RS-1, RFC 9728 §2.1
#[test]
fn a_described_resource_says_all_of_it_in_every_language() {
    let texts = |pairs: &[(&str, &str)]| {
        pairs.iter().map(|(language, text)| ((*language).to_owned(), (*text).to_owned())).collect::<Texts>()
    };
    let description = Description {
        name: texts(&[("", "Notes"), ("de", "Notizen")]),
        documentation: texts(&[("", "https://a.example/docs")]),
        policy: texts(&[("", "https://a.example/policy")]),
        terms: texts(&[("", "https://a.example/terms")]),
        authorization_details: vec!["payment".into()],
        jwks_uri: Some("https://a.example/.well-known/jwks.json".into()),
    };
    let document =
        ProtectedResource::new(&resource("https://a.example"), [], &ScopeSet::default(), &description);
    assert_eq!(
        serde_json::to_value(&document).unwrap(),
        json!({
            "resource": "https://a.example",
            "authorization_servers": [],
            "jwks_uri": "https://a.example/.well-known/jwks.json",
            "bearer_methods_supported": ["header"],
            "authorization_details_types_supported": ["payment"],
            "resource_name": "Notes",
            "resource_name#de": "Notizen",
            "resource_documentation": "https://a.example/docs",
            "resource_policy_uri": "https://a.example/policy",
            "resource_tos_uri": "https://a.example/terms",
        })
    );
}
