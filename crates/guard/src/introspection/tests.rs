use bytes::Bytes;
use http::HeaderMap;

use super::*;

fn answer(status: u16, body: &str) -> Fetched {
    Fetched {
        status: StatusCode::from_u16(status).unwrap(),
        headers: HeaderMap::new(),
        body: Bytes::copy_from_slice(body.as_bytes()),
    }
}

fn rfc(status: u16, body: &Value) -> Result<Described, DescribeError> {
    described(&answer(status, &body.to_string()), "https://idp.example")
}

fn active(result: Result<Described, DescribeError>) -> Value {
    match result.unwrap() {
        Described::Active(claims) => Value::Object(claims),
        Described::Inactive => Value::Null,
    }
}

// RFC 7662 §2.2
#[test]
fn a_live_token_is_described_and_anything_doubtful_is_not_live() {
    let good = json!({"active": true, "sub": "alice", "scope": "a", "exp": 1, "token_type": "bearer", "iss": "https://idp.example"});
    assert_eq!(active(rfc(200, &good))["sub"], "alice");
    assert_eq!(active(rfc(200, &json!({"active": true, "client_id": "c"})))["sub"], "c");
    for dead in [
        json!({"active": false, "sub": "alice"}),
        json!({"active": true, "sub": "a", "iss": "https://other.example"}),
        json!({"active": true, "sub": "a", "token_type": "DPoP"}),
        json!({"active": true, "sub": "a", "cnf": {"jkt": "x"}}),
    ] {
        assert_eq!(rfc(200, &dead), Ok(Described::Inactive), "{dead}");
    }
}

#[test]
fn an_answer_that_says_nothing_is_a_failure_and_no_refusal() {
    for (status, body) in [
        (200, json!({})),
        (200, json!({"active": "true"})),
        (200, json!([])),
        (401, json!({})),
        (500, json!({"active": true})),
    ] {
        assert!(rfc(status, &body).is_err(), "{status} {body}");
    }
    assert!(described(&answer(200, "<html>"), "x").is_err());
    assert!(rfc(401, &json!({})).unwrap_err().to_string().contains("credential"));
}

#[test]
fn each_kind_of_clerks_tokens_is_read() {
    let oauth = json!({"object": "clerk_idp_oauth_access_token", "id": "oat_1", "client_id": "client_1", "subject": "user_1",
        "scopes": ["read", "write"], "revoked": false, "revocation_reason": null, "expired": false, "expiration": 1_900_000_000});
    let read = |body: &Value| clerk_described(&answer(200, &body.to_string()));
    let claims = active(read(&oauth));
    assert_eq!(
        (&claims["sub"], &claims["client_id"], &claims["scope"]),
        (&json!("user_1"), &json!("client_1"), &json!(["read", "write"]))
    );
    assert_eq!(claims["exp"], 1_900_000_000.0);
    let bound =
        active(read(&json!({"id": "oat_1", "client_id": "client_1", "subject": "user_1", "scopes": [],
        "aud": ["https://mcp.example.com/mcp"], "revoked": false, "expired": false, "expiration": null})));
    assert_eq!(bound["aud"], json!(["https://mcp.example.com/mcp"]));
    for (name, value) in [
        ("revoked", json!(true)),
        ("expired", json!(true)),
        ("revoked", json!(null)),
        ("expired", json!("no")),
    ] {
        let mut dead = oauth.clone();
        dead[name] = value;
        assert_eq!(read(&dead), Ok(Described::Inactive), "{dead}");
    }
    assert_eq!(clerk_described(&answer(404, "{}")), Ok(Described::Inactive));
    assert!(clerk_described(&answer(401, "{}")).is_err() && clerk_described(&answer(200, "[]")).is_err());
}

// HARD 28
#[test]
fn a_machine_is_its_own_client_and_does_not_choose_who_it_is() {
    let custom = json!({"sub": "user_1", "client_id": "client_1", "org_id": "org_1", "scope": "admin", "aud": "x", "azp": "y",
        "org_role": "org:admin", "sid": "s", "plan": "pro"});
    let machine = json!({"id": "mt_1", "subject": "mch_1", "scopes": ["mch_2"], "claims": custom, "revoked": false,
        "expired": false, "expiration": 1_900_000_000_000_u64});
    let claims = active(clerk_described(&answer(200, &machine.to_string())));
    let expected = json!({"sub": "mch_1", "client_id": "mch_1", "jti": "mt_1", "scope": ["mch_2"], "claims": custom,
        "exp": 1_900_000_000.0});
    assert_eq!(claims, expected, "what it says of itself is below `claims`, for whoever looks there");
}
