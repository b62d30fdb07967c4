use serde_json::json;

use super::*;

const NOW: u64 = 1_800_000_000;

fn expectations() -> Expectations {
    Expectations::for_audiences(vec!["https://a.example/mcp".into(), "other".into()])
}

/// Somebody.
pub(crate) fn principal() -> Principal {
    check(&json!({})).unwrap()
}

/// The outcome for good claims with some replaced; `null` takes one out.
fn check(changes: &Value) -> Result<Principal, Rejection> {
    check_at(changes, NOW * 1000)
}

fn check_at(changes: &Value, unix_ms: u64) -> Result<Principal, Rejection> {
    let mut claims = json!({"sub": "alice", "aud": "other", "exp": NOW + 60});
    let claims = claims.as_object_mut().unwrap();
    for (name, value) in changes.as_object().unwrap() {
        match value {
            Value::Null => claims.remove(name),
            value => claims.insert(name.clone(), value.clone()),
        };
    }
    expectations().check(
        &"https://idp.example".parse().unwrap(),
        &Map::new(),
        claims.clone().into(),
        Kind::Jwt,
        unix_ms,
    )
}

// SPEC JW-4
#[test]
fn the_audience_is_one_of_ours_as_text_or_in_an_array() {
    for good in [
        json!({"aud": "other"}),
        json!({"aud": ["x", "https://a.example/mcp"]}),
        json!({"aud": null, "resource": "other"}),
        json!({"aud": null, "resource": ["x", "other"]}),
    ] {
        assert!(check(&good).is_ok(), "{good}");
    }
    for bad in [
        json!({"aud": null}),
        json!({"aud": "https://a.example/mcp/"}),
        json!({"aud": "OTHER"}),
        json!({"aud": []}),
        json!({"aud": [["other"]]}),
        json!({"aud": {"other": true}}),
        json!({"aud": 7}),
        json!({"aud": ""}),
        json!({"aud": "x", "resource": "other"}),
    ] {
        assert_eq!(check(&bad).unwrap_err(), Rejection::Audience, "{bad}");
    }
}

// SPEC JW-4, JW-5; HARD 25
#[test]
fn dates_are_judged_with_the_skew_to_the_millisecond_and_fractions_count() {
    let ms = NOW * 1000;
    let exp = |exp: Value, at| check_at(&json!({"exp": exp}), at).err();
    assert_eq!(exp(json!(NOW), ms + 29_999), None);
    assert_eq!(exp(json!(NOW), ms + 30_000), Some(Rejection::Expired));
    assert_eq!(exp(json!(NOW as f64 + 0.5), ms + 30_499), None);
    assert_eq!(exp(json!(NOW as f64 + 0.5), ms + 30_500), Some(Rejection::Expired));
    for name in ["nbf", "iat"] {
        let from = |at| check_at(&json!({"exp": NOW + 600, name: NOW}), at).err();
        assert_eq!(from(ms - 30_000), None, "{name}");
        assert_eq!(from(ms - 30_001), Some(Rejection::NotYetValid), "{name}");
    }
    for bad in [json!(null), json!("1800000060"), json!(-1), json!(1e300), json!([NOW]), json!(true)] {
        assert_eq!(check(&json!({"exp": bad})).unwrap_err(), Rejection::Claims, "{bad}");
    }
    assert_eq!(check(&json!({"nbf": "soon"})).unwrap_err(), Rejection::Claims);
    assert_eq!(check(&json!({"exp": 253_402_300_799u64})).unwrap().expires_at, 253_402_300_799);
}

#[test]
fn the_subject_is_a_text_and_is_there() {
    for bad in [json!(null), json!(""), json!(7), json!(["alice"])] {
        assert_eq!(check(&json!({"sub": bad})).unwrap_err(), Rejection::Claims, "{bad}");
    }
}

// SPEC JW-4
#[test]
fn an_id_token_is_no_access_token() {
    for member in ["nonce", "at_hash", "c_hash"] {
        assert_eq!(check(&json!({member: "x"})).unwrap_err(), Rejection::TokenType, "{member}");
    }
}

#[test]
fn the_principal_is_what_the_claims_say() {
    let all = json!({"client_id": "c", "azp": "z", "org_id": "acme", "sid": "s", "jti": "j", "scope": "a b"});
    let principal = check(&all).unwrap();
    assert_eq!((&*principal.subject, principal.client.as_deref()), ("alice", Some("c")));
    assert_eq!(principal.tenant.as_deref(), Some("acme"));
    assert_eq!((principal.session_id.as_deref(), principal.token_id.as_deref()), (Some("s"), Some("j")));
    assert_eq!(principal.scopes.to_string(), "a b");
    let other = check(&json!({"azp": "z", "scp": ["x", "y", 7], "roles": ["admin"]})).unwrap();
    assert_eq!(other.roles, [Arc::from("admin")]);
    let both = check(&json!({"scope": "a  b", "scp": "c"})).unwrap();
    assert_eq!(both.scopes.to_string(), "a b c");
    assert_eq!(other.client.as_deref(), Some("z"));
    assert_eq!(other.scopes.to_string(), "x y");
    for odd in [json!({"client_id": 7}), json!({"org_id": 7}), json!({"org_id": ["acme"]})] {
        assert_eq!(check(&odd).unwrap_err(), Rejection::Claims, "{odd}");
    }
}

#[test]
fn the_type_is_compared_without_case_and_with_or_without_its_prefix() {
    for good in ["at+jwt", "AT+JWT", "application/at+jwt", "Application/AT+jwt", "JWT", "jwt"] {
        assert!(expectations().check_type(Some(good)).is_ok(), "{good}");
    }
    for bad in [
        None,
        Some(""),
        Some("at"),
        Some("logout+jwt"),
        Some("application/"),
        Some("text/at+jwt"),
        Some("ääääääääjwt"),
    ] {
        assert_eq!(expectations().check_type(bad), Err(Rejection::TokenType), "{bad:?}");
    }
}

// SPEC RS-5
#[test]
fn without_an_audience_an_opaque_token_of_a_named_client_may_pass_and_a_jwt_never() {
    let mut expected = expectations();
    let passes = |expected: &Expectations, kind, claims: Value| {
        let issuer = "https://idp.example".parse().unwrap();
        let Value::Object(claims) = claims else { unreachable!() };
        expected.check(&issuer, &Map::new(), claims.into(), kind, NOW * 1000).map(|_| ())
    };
    let lacking = || json!({"sub": "alice", "client_id": "c1", "exp": NOW + 60});
    expected.authorized_parties = vec!["c1".into()];
    assert_eq!(passes(&expected, Kind::Opaque, lacking()), Err(Rejection::Audience));
    expected.may_lack_audience = true;
    assert_eq!(passes(&expected, Kind::Opaque, lacking()), Ok(()));
    assert_eq!(passes(&expected, Kind::Jwt, lacking()), Err(Rejection::Audience));
    expected.authorized_parties.clear();
    assert_eq!(passes(&expected, Kind::Opaque, lacking()), Err(Rejection::Audience));
}

#[test]
fn a_token_that_is_bound_to_a_key_is_no_bearer_token() {
    let expected = expectations();
    let issuer = "https://idp.example".parse().unwrap();
    for bound in [json!({"jkt": "x"}), json!({"x5t#S256": "x"}), json!({}), json!(null)] {
        let claims = json!({"sub": "alice", "aud": expected.audiences[0], "exp": NOW + 60, "cnf": bound});
        let Value::Object(claims) = claims else { unreachable!() };
        let judged = expected.check(&issuer, &Map::new(), claims.into(), Kind::Jwt, NOW * 1000);
        assert_eq!(judged.map(|_| ()), Err(Rejection::KeyBound));
    }
}
