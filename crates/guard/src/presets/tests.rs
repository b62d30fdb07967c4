use bearward_observe::Rejection;
use bearward_token::Principal;
use serde_json::{Map, Value, json};

use super::*;

const NOW: u64 = 1_800_000_000;
const RESOURCE: &str = "https://mcp.example.com/mcp";

/// A vendor's token, as its documents show it, at a guard with its preset.
struct Sample {
    expectations: Expectations,
    header: Value,
    claims: Value,
}

impl Sample {
    fn of(preset: Preset, header: Value, claims: Value) -> Self {
        Self { expectations: preset.expectations(vec![RESOURCE.into()]), header, claims }
    }

    fn present(&self) -> Result<Principal, Rejection> {
        self.present_with(&json!({}), &json!({}))
    }

    /// With some members of header and claims replaced; `null` takes one out.
    fn present_with(&self, header: &Value, claims: &Value) -> Result<Principal, Rejection> {
        let (header, claims) = (bent(&self.header, header), bent(&self.claims, claims));
        self.expectations.check_type(header.get("typ").and_then(Value::as_str))?;
        self.expectations.check(
            &"https://idp.example.com".parse().unwrap(),
            &header,
            claims.into(),
            crate::claims::Kind::Jwt,
            NOW * 1000,
        )
    }

    fn refuses_claims(&self, claims: &Value) -> Rejection {
        self.present_with(&json!({}), claims).expect_err(&claims.to_string())
    }
}

fn bent(good: &Value, changes: &Value) -> Map<String, Value> {
    let mut members = good.as_object().unwrap().clone();
    for (name, value) in changes.as_object().unwrap() {
        match value {
            Value::Null => members.remove(name),
            value => members.insert(name.clone(), value.clone()),
        };
    }
    members
}

fn clerk_template() -> Sample {
    Sample::of(
        Preset::Clerk,
        json!({"alg": "RS256", "cat": "cl_B7d4PD222AAA", "kid": "ins_1", "typ": "JWT"}),
        json!({"sub": "user_1", "sid": "sess_1", "org_id": "org_1", "org_role": "org:admin", "azp": "https://app.example.com",
               "aud": RESOURCE, "exp": NOW + 60, "nbf": NOW, "iat": NOW, "jti": "j",
               "mcp": {"template": "mcp-access", "scopes": ["mcp", "notes:write"]}}),
    )
}

#[test]
fn a_template_token_of_clerk_is_read_with_its_own_mcp_claim() {
    let principal = clerk_template().present().unwrap();
    assert_eq!((&*principal.subject, principal.session_id.as_deref()), ("user_1", Some("sess_1")));
    assert_eq!(
        (principal.tenant.as_deref(), principal.client.as_deref()),
        (Some("org_1"), Some("https://app.example.com"))
    );
    assert_eq!(principal.scopes.to_string(), "mcp notes:write");
    assert_eq!(principal.roles, [std::sync::Arc::from("org:admin")]);
}

#[test]
fn a_session_token_of_clerk_in_its_second_version_is_read_and_needs_an_audience_like_any_other() {
    let session = Sample::of(
        Preset::Clerk,
        json!({"alg": "RS256", "cat": "cl_B7d4PD111AAA", "kid": "ins_1", "typ": "JWT"}),
        json!({"sub": "user_1", "sid": "sess_1", "v": 2, "fva": [7, -1], "o": {"id": "org_1", "rol": "admin", "slg": "acme"},
               "aud": RESOURCE, "exp": NOW + 60, "nbf": NOW, "iat": NOW}),
    );
    assert_eq!(session.present().unwrap().tenant.as_deref(), Some("org_1"));
    assert_eq!(session.refuses_claims(&json!({"aud": null})), Rejection::Audience);
}

#[test]
fn with_a_template_configured_only_its_tokens_come_in_wherever_they_name_it() {
    let mut sample = clerk_template();
    sample.expectations.demand_clerk_template("mcp-access");
    assert!(sample.present().is_ok());
    for good in [json!({"mcp": null, "template": "mcp-access"}), json!({"mcp": null, "tpl": "mcp-access"})] {
        assert!(sample.present_with(&json!({}), &good).is_ok(), "{good}");
    }
    for bad in [
        json!({"mcp": null}),
        json!({"mcp": {"template": "other"}}),
        json!({"mcp": null, "template": "mcp-access2"}),
        json!({"mcp": null, "template": true}),
    ] {
        assert_eq!(sample.refuses_claims(&bad), Rejection::RequiredClaim, "{bad}");
    }
    let session = json!({"cat": "cl_B7d4PD111AAA"});
    assert_eq!(sample.present_with(&session, &json!({})).unwrap_err(), Rejection::RequiredClaim);
    // A name is no pattern.
    let mut any = clerk_template();
    any.expectations.demand_clerk_template("*");
    assert!(any.present().is_err());
}

#[test]
fn named_subjects_alone_come_in() {
    let mut sample = clerk_template();
    sample.expectations.subjects = vec!["user_1".into(), "user_2".into()];
    assert!(sample.present().is_ok());
    assert_eq!(sample.refuses_claims(&json!({"sub": "user_3"})), Rejection::Subject);
}

#[test]
fn a_machine_of_auth0_and_a_user_with_permissions_are_read() {
    let sample = Sample::of(
        Preset::Auth0,
        json!({"alg": "RS256", "typ": "JWT", "kid": "k"}),
        json!({"iss": "https://t.us.auth0.com/", "sub": "abc@clients", "aud": RESOURCE, "iat": NOW, "exp": NOW + 60,
               "azp": "abc", "scope": "mcp", "gty": "client-credentials",
               "https://example.com/roles": ["admin"]}),
    );
    let machine = sample.present().unwrap();
    assert_eq!((&*machine.subject, machine.client.as_deref()), ("abc@clients", Some("abc")));
    let user = json!({"sub": "auth0|1", "gty": null, "permissions": ["notes:write"], "org_id": "org_1"});
    let user = sample.present_with(&json!({}), &user).unwrap();
    assert_eq!((user.scopes.to_string(), user.tenant.as_deref()), ("mcp notes:write".into(), Some("org_1")));
    // Their RFC 9068 profile.
    assert!(sample.present_with(&json!({"typ": "at+jwt"}), &json!({"client_id": "abc"})).is_ok());
    let mut namespaced = sample;
    let roles = "https://example.com/roles".parse().unwrap();
    namespaced.expectations.demands.push(Demand::claim(roles, [Pattern::new("admin")]));
    assert!(namespaced.present().is_ok());
    assert_eq!(
        namespaced.refuses_claims(&json!({"https://example.com/roles": ["user"]})),
        Rejection::RequiredClaim
    );
}

#[test]
fn an_access_token_of_keycloak_is_told_from_its_id_and_refresh_tokens() {
    let sample = Sample::of(
        Preset::Keycloak,
        json!({"alg": "RS256", "typ": "JWT", "kid": "k"}),
        json!({"exp": NOW + 60, "iat": NOW, "jti": "trtcc:1", "aud": [RESOURCE, "account"], "sub": "f:1:alice", "typ": "Bearer",
               "azp": "inspector", "sid": "s", "realm_access": {"roles": ["offline_access", "mcp-user"]},
               "resource_access": {"account": {"roles": ["view-profile"]}}, "scope": "openid mcp"}),
    );
    let principal = sample.present().unwrap();
    assert_eq!(
        (principal.client.as_deref(), principal.scopes.to_string()),
        (Some("inspector"), "mcp openid".into())
    );
    assert!(principal.roles.iter().any(|role| &**role == "mcp-user"));
    for typ in [json!("ID"), json!("Refresh"), json!(null), json!("bearer")] {
        assert_eq!(sample.refuses_claims(&json!({"typ": typ})), Rejection::RequiredClaim, "{typ}");
    }
    let mut party = sample;
    party.expectations.authorized_parties = vec!["inspector".into()];
    assert!(party.present().is_ok());
    for azp in [json!("other"), json!(null)] {
        assert_eq!(party.refuses_claims(&json!({"azp": azp})), Rejection::AuthorizedParty, "{azp}");
    }
}

#[test]
fn both_versions_of_entras_tokens_are_read_and_name_their_tenant() {
    let second = Sample::of(
        Preset::Entra,
        json!({"alg": "RS256", "typ": "JWT", "kid": "k"}),
        json!({"aud": RESOURCE, "iat": NOW, "nbf": NOW, "exp": NOW + 60, "azp": "client", "azpacr": "0", "oid": "o", "sub": "s",
               "scp": "mcp notes.write", "tid": "9188040d-6c67-4c5b-b112-36a304b66dad", "ver": "2.0", "uti": "u"}),
    );
    let user = second.present().unwrap();
    assert_eq!((user.client.as_deref(), user.scopes.to_string()), (Some("client"), "mcp notes.write".into()));
    assert_eq!(user.tenant.as_deref(), Some("9188040d-6c67-4c5b-b112-36a304b66dad"));
    let first = json!({"azp": null, "appid": "client", "appidacr": "1", "scp": null, "roles": ["Mcp.Read"], "ver": "1.0", "idtyp": "app"});
    let machine = second.present_with(&json!({"x5t": "k"}), &first).unwrap();
    assert_eq!((machine.client.as_deref(), machine.scopes.is_empty()), (Some("client"), true));
    assert_eq!(machine.roles, [std::sync::Arc::from("Mcp.Read")]);
    for bad in [
        json!({"tid": null}),
        json!({"tid": ""}),
        json!({"ver": null}),
        json!({"ver": "3.0"}),
        // An ID token; a program that nobody gave any right.
        json!({"azp": null, "scp": null, "roles": ["Mcp.Read"]}),
        json!({"azp": null}),
        json!({"scp": null}),
        json!({"scp": "", "roles": []}),
    ] {
        assert_eq!(second.refuses_claims(&bad), Rejection::RequiredClaim, "{bad}");
    }
}

#[test]
fn an_access_token_of_okta_has_no_type_and_says_what_it_is_by_its_id() {
    let sample = Sample::of(
        Preset::Okta,
        json!({"kid": "k", "alg": "RS256"}),
        json!({"ver": 1, "jti": "AT.x", "aud": RESOURCE, "iat": NOW, "exp": NOW + 60, "cid": "0oa1", "uid": "00u1",
               "scp": ["openid", "mcp"], "auth_time": NOW, "sub": "alice@example.com", "groups": ["Everyone"]}),
    );
    let principal = sample.present().unwrap();
    assert_eq!(
        (principal.client.as_deref(), principal.scopes.to_string()),
        (Some("0oa1"), "mcp openid".into())
    );
    assert_eq!(sample.refuses_claims(&json!({"jti": "ID.x"})), Rejection::RequiredClaim);
    assert_eq!(sample.refuses_claims(&json!({"jti": null})), Rejection::RequiredClaim);
    assert!(sample.present_with(&json!({"typ": "logout+jwt"}), &json!({})).is_err());
    let strict = Sample { expectations: Preset::Oidc.expectations(vec![RESOURCE.into()]), ..sample };
    assert_eq!(strict.present().unwrap_err(), Rejection::TokenType, "elsewhere a type is needed");
}

#[test]
fn no_preset_signs_with_a_shared_secret() {
    for (name, preset) in Preset::ALL {
        let algorithms = preset.algorithms();
        assert!(!algorithms.is_empty(), "{name}");
        let symmetric = [Algorithm::HS256, Algorithm::HS384, Algorithm::HS512];
        assert!(algorithms.iter().all(|algorithm| !symmetric.contains(algorithm)), "{name}");
    }
}
