use proptest::prelude::*;

use super::*;

fn key(client: &str, audience: Option<&str>, resource: Option<&str>, scopes: &str) -> KeyParts {
    KeyParts {
        scopes: scopes.parse().unwrap(),
        audience: audience.map(Into::into),
        resource: resource.map(Into::into),
        ..KeyParts::new("https://as.example".parse().unwrap(), client, "client_credentials")
    }
}

// HARD 4
#[test]
fn parts_cannot_flow_into_each_other_and_order_of_scopes_does_not_matter() {
    assert_ne!(key("a|b", Some("c"), None, "").digest(), key("a", Some("b|c"), None, "").digest());
    assert_ne!(key("a", Some("b"), None, "").digest(), key("a", None, Some("b"), "").digest());
    assert_ne!(key("a", Some(""), None, "").digest(), key("a", None, None, "").digest());
    assert_ne!(key("a", None, None, "x y").digest(), key("a", None, None, "x:y").digest());
    assert_eq!(key("a", None, None, "x y").digest(), key("a", None, None, "y x").digest());
    assert_ne!(key("a", None, None, "X").digest(), key("a", None, None, "x").digest());
}

// HARD 3
#[test]
fn a_token_that_is_had_in_another_way_is_another_token() {
    let plain = key("a", None, None, "");
    let posted = KeyParts { client_auth: "client_secret_post", ..plain.clone() };
    let elsewhere = KeyParts { token_endpoint: Some("https://as.example/token".into()), ..plain.clone() };
    let other_secret = KeyParts { credential: Some(Fingerprint::of("secret")), ..plain.clone() };
    let extra = |pairs: &[(&str, &str)]| {
        let pairs = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        KeyParts { extra: pairs.collect(), ..plain.clone() }
    };
    let (one, other_value, two) =
        (extra(&[("a", "b")]), extra(&[("a", "c")]), extra(&[("a", "b"), ("", "")]));
    let scoped = KeyParts { scopes: "a b".parse().unwrap(), ..plain.clone() };
    assert_ne!(one.digest(), scoped.digest());
    let delegated = KeyParts { actor: Some(plain.digest()), ..plain.clone() };
    assert_ne!(delegated.digest(), KeyParts { actor: Some(scoped.digest()), ..plain.clone() }.digest());
    for other in [delegated, posted, elsewhere, other_secret, one, other_value, two, scoped] {
        assert_ne!(plain.digest(), other.digest(), "{other:?}");
    }
}

fn any_key() -> impl Strategy<Value = KeyParts> {
    let text = "[ab|,]{0,3}";
    let scopes = proptest::collection::vec("[ab|,]{1,2}", 0..3).prop_map(|list| list.join(" "));
    (text, proptest::option::of(text), proptest::option::of(text), proptest::option::of(text), scopes)
        .prop_map(|(client, tenant, audience, resource, scopes)| KeyParts {
            tenant,
            ..key(&client, audience.as_deref(), resource.as_deref(), &scopes)
        })
}

proptest! {
    // HARD 3, HARD 4
    #[test]
    fn two_keys_have_one_encoding_only_when_they_are_equal(a in any_key(), b in any_key()) {
        prop_assert_eq!(a == b, a.encode() == b.encode());
    }
}

// HARD 3, SPEC CL-6
#[test]
fn another_authorization_server_starts_afresh_also_where_tokens_are_kept() {
    let parts = key("gateway", None, Some("https://api.example/v1"), "read");
    let moved = KeyParts { issuer: "https://as.example/".parse().unwrap(), ..parts.clone() };
    let (here, there) = (TokenKey::from(parts), TokenKey::from(moved));
    assert_ne!(here, there);
    let place = |key| crate::shelf::place(key, bearward_store::Purpose::AccessToken);
    assert_ne!(place(&here).id(), place(&there).id());
}
