#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on fails")]

use bearward_token::{ManualClock, ScopeSet};

use super::*;

const NOW: u64 = 1_800_000_000;

fn caller(claims: &Value) -> Principal {
    Principal {
        issuer: "https://idp.example.com".parse().unwrap(),
        subject: "alice".into(),
        client: Some("desktop".into()),
        tenant: None,
        scopes: ["mcp", "notes:write"].iter().map(|scope| scope.parse().unwrap()).collect::<ScopeSet>(),
        roles: vec!["admin".into()],
        session_id: None,
        token_id: None,
        expires_at: NOW + 300,
        issued_at: None,
        claims: Arc::new(claims.as_object().unwrap().clone().into()),
    }
}

fn told(identity: &Identity, claims: &Value) -> HeaderMap {
    let mut headers = HeaderMap::new();
    identity.tell(&mut headers, &caller(claims), &ManualClock::at_unix_ms(NOW * 1000)).unwrap();
    headers
}

#[test]
fn claims_become_headers_that_can_be_read_back() {
    let by = |path: &str| Identity {
        headers: vec![(HeaderName::from_static("x-who"), path.parse().unwrap())],
        assertion: None,
    };
    for (claims, path, expected) in [
        (json!({"email": "alice@example.com"}), "email", Some("alice@example.com")),
        (json!({"name": "Zoë, 100 %"}), "name", Some("Zo%C3%AB%2C 100 %25")),
        (json!({"name": "a\r\nX-Admin: 1"}), "name", Some("a%0D%0AX-Admin: 1")),
        (json!({"realm": {"roles": ["a", "b,c"]}}), "/realm/roles", Some("a,b%2Cc")),
        (json!({"level": 3, "ok": true}), "level", Some("3")),
        (json!({"level": 3, "ok": true}), "ok", Some("true")),
        (json!({"org": {"id": "o"}}), "org", Some(r#"{"id":"o"}"#)),
        (json!({}), "email", None),
        (json!({"email": null}), "email", None),
    ] {
        let headers = told(&by(path), &claims);
        assert_eq!(headers.get("x-who").map(|value| value.to_str().unwrap()), expected, "{claims}");
    }
}

#[test]
fn the_assertion_says_who_calls_for_one_upstream_and_one_minute() {
    let clock: Arc<dyn Clock> = Arc::new(ManualClock::at_unix_ms(NOW * 1000));
    let assertion = Assertion {
        keys: Arc::new(SigningKeys::own(clock).unwrap()),
        issuer: "https://mcp.example.com".into(),
        audience: "http://127.0.0.1:3000/mcp".into(),
        lifetime: Duration::from_secs(3600),
    };
    let identity = Identity { headers: Vec::new(), assertion: Some(assertion) };
    let headers = told(&identity, &json!({}));
    let value = &headers[ASSERTION];
    assert!(value.is_sensitive());
    let part = |n: usize| {
        let text = value.to_str().unwrap().split('.').nth(n).unwrap();
        serde_json::from_slice::<Value>(&URL_SAFE_NO_PAD.decode(text).unwrap()).unwrap()
    };
    assert_eq!(part(0)["typ"], "bearward-identity+jwt");
    let mut claims = part(1);
    let id = claims["jti"].take();
    assert_eq!(
        claims,
        json!({
            "iss": "https://mcp.example.com", "aud": "http://127.0.0.1:3000/mcp", "sub": "alice",
            "iat": NOW, "exp": NOW + 60, "jti": null, "idp": "https://idp.example.com",
            "client_id": "desktop", "scope": "mcp notes:write", "roles": ["admin"],
        })
    );
    let again = told(&identity, &json!({}));
    assert_ne!(again[ASSERTION], *value, "{id} is used once");
}
