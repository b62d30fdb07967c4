//! Each vendor's tokens at a guard with its preset, over real sockets: those that open it, what the server behind learns
//! of who calls, and those that are refused, each for its own reason.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on fails"
)]

use std::sync::Arc;

use axum::routing::get;
use axum::{Json, Router};
use bearward_testbed::served::Served;
use bearward_testbed::{Algorithm, SigningKey, TokenBuilder};
use bearward_tests::stage::{Plan, Stage};
use http::StatusCode;
use serde_json::{Value, json};

/// A vendor in front of whose guard one stands.
struct Scene {
    stage: Stage,
    issuer: &'static str,
    key: Arc<SigningKey>,
    _keys: Served,
}

impl Scene {
    /// `entry` is the issuer's in the configuration, but for its keys, which this scene publishes.
    async fn new(issuer: &'static str, entry: &str) -> Self {
        let key = Arc::new(SigningKey::generate_as(Algorithm::Rs256, "key-1"));
        let jwks = json!({"keys": [key.public_jwk()]});
        let router = Router::new().route("/keys", get(move || async move { Json(jwks) }));
        let keys = Served::start("127.0.0.1:0".parse().unwrap(), router).await.unwrap();
        let guard = format!(
            "  - resource: ORIGIN/vendor
    upstream: {{url: 'MCP'}}
    identity: {{headers: {{X-Sub: sub}}, assertion: true}}
    issuers:
      - {{{entry}, jwks: {{url: 'http://{}/keys'}}}}",
            keys.address()
        );
        let stage = Stage::with(Plan { guard, ..Plan::default() }).await;
        Self { stage, issuer, key, _keys: keys }
    }

    fn resource(&self) -> String {
        self.stage.resource.replace("/mcp", "/vendor")
    }

    /// A token with this header and these claims; `iss`, `aud` and the times are added where they are not said, and
    /// `null` leaves one out.
    fn token(&self, header: &Value, claims: &Value) -> String {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
        let bare = ["sub", "client_id", "jti"];
        let token = TokenBuilder::new(self.issuer, self.key.clone(), now).audience(&self.resource());
        let token = bare.into_iter().fold(token, TokenBuilder::without).without_header("typ");
        let token = header
            .as_object()
            .unwrap()
            .iter()
            .fold(token, |token, (name, value)| token.header(name, value.clone()));
        claims
            .as_object()
            .unwrap()
            .iter()
            .fold(token, |token, (name, value)| match value {
                Value::Null => token.without(name),
                value => token.claim(name, value.clone()),
            })
            .build()
    }

    async fn present(&self, token: &str) -> StatusCode {
        let request =
            self.stage.http.post(self.resource()).bearer_auth(token).body(bearward_tests::stage::INIT);
        let request = request.header("content-type", "application/json");
        request.header("accept", "application/json, text/event-stream").send().await.unwrap().status()
    }

    /// What the server behind learns of the caller, where the token opens the guard.
    async fn opens(&self, header: &Value, claims: &Value) -> Value {
        assert_eq!(self.present(&self.token(header, claims)).await, 200, "{header} {claims}");
        let received = self.stage.mcp.received();
        let assertion = received.last().unwrap()["x-bearward-identity"].to_str().unwrap().to_owned();
        let payload = assertion.split('.').nth(1).unwrap();
        let bytes =
            base64::Engine::decode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, payload).unwrap();
        let mut told: Value = serde_json::from_slice(&bytes).unwrap();
        for name in ["iss", "aud", "iat", "exp", "jti"] {
            told.as_object_mut().unwrap().remove(name);
        }
        told
    }

    /// With some claims or the header changed it is refused, for this reason and for no other.
    async fn refuses(&self, header: &Value, claims: &Value, change: &Value, reason: &str) {
        let mut changed = claims.clone();
        changed.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        let before = self.refused_for(reason).await;
        let status = self.present(&self.token(header, &changed)).await;
        let expected = if reason == "subject" { 403 } else { 401 };
        assert_eq!(status, expected, "{change}");
        assert_eq!(self.refused_for(reason).await, before + 1, "{change}: for `{reason}`");
    }

    async fn refused_for(&self, reason: &str) -> u64 {
        let line = format!("auth_requests_total{{guard=\"{}\",outcome=\"{reason}\"}} ", self.resource());
        let metrics = self.stage.metrics().await;
        metrics.lines().find_map(|text| text.strip_prefix(&line)?.parse().ok()).unwrap_or(0)
    }
}

#[tokio::test]
async fn tokens_of_clerk_open_its_guard_and_each_other_kind_is_refused_for_its_own_reason() {
    let issuer = "https://clerk.example.com";
    let entry =
        format!("issuer: '{issuer}', preset: clerk, template: mcp-access, allowedSubjects: [user_1, mch_1]");
    let scene = Scene::new(issuer, &entry).await;
    let header = json!({"typ": "JWT", "cat": "cl_B7d4PD222AAA"});
    let template = json!({
        "sub": "user_1", "sid": "sess_1", "org_id": "org_1", "org_role": "org:admin", "azp": "https://app.example.com",
        "jti": "j1", "mcp": {"template": "mcp-access", "scopes": ["mcp", "notes:write"]},
    });
    assert_eq!(
        scene.opens(&header, &template).await,
        json!({"sub": "user_1", "idp": issuer, "sid": "sess_1", "tenant": "org_1", "client_id": "https://app.example.com",
               "scope": "mcp notes:write", "roles": ["org:admin"]})
    );
    let machine = json!({"sub": "mch_1", "template": "mcp-access", "mcp": null});
    scene.opens(&json!({"typ": "JWT", "cat": "cl_B7d4PD333AAA"}), &machine).await;
    let session = json!({"typ": "JWT", "cat": "cl_B7d4PD111AAA"});
    scene.refuses(&session, &template, &json!({}), "required_claim").await;
    for (change, reason) in [
        (json!({"mcp": {"template": "other"}}), "required_claim"),
        (json!({"mcp": null}), "required_claim"),
        (json!({"aud": null}), "audience"),
        (json!({"aud": "https://other.example.com"}), "audience"),
        (json!({"sub": "user_2"}), "subject"),
        (json!({"iss": "https://clerk.example.com/"}), "issuer"),
        (json!({"exp": 1}), "expired"),
    ] {
        scene.refuses(&header, &template, &change, reason).await;
    }
}

#[tokio::test]
async fn tokens_of_auth0_open_its_guard_and_each_other_kind_is_refused_for_its_own_reason() {
    let issuer = "https://acme.us.auth0.com/";
    let entry = format!(
        "issuer: '{issuer}', preset: auth0, requiredClaims: {{'https://example.com/plan': [pro, team]}}, roleClaims: ['https://example.com/roles']"
    );
    let scene = Scene::new(issuer, &entry).await;
    let header = json!({"typ": "JWT"});
    let machine = json!({"sub": "abc@clients", "azp": "abc", "gty": "client-credentials", "scope": "mcp",
                         "https://example.com/plan": "pro"});
    assert_eq!(
        scene.opens(&header, &machine).await,
        json!({"sub": "abc@clients", "idp": issuer, "client_id": "abc", "scope": "mcp", "roles": []})
    );
    let user = json!({"sub": "auth0|1", "azp": "web", "org_id": "org_1", "scope": "openid mcp", "permissions": ["notes:write"],
                      "aud": [scene.resource(), "https://acme.us.auth0.com/userinfo"],
                      "https://example.com/plan": "team", "https://example.com/roles": ["admin"]});
    assert_eq!(
        scene.opens(&json!({"typ": "at+jwt"}), &user).await,
        json!({"sub": "auth0|1", "idp": issuer, "client_id": "web", "tenant": "org_1",
               "scope": "mcp notes:write openid", "roles": ["admin"]})
    );
    for (change, reason) in [
        (json!({"https://example.com/plan": "free"}), "required_claim"),
        (json!({"https://example.com/plan": null}), "required_claim"),
        (json!({"aud": "https://acme.us.auth0.com/userinfo"}), "audience"),
        (json!({"iss": "https://acme.us.auth0.com"}), "issuer"),
        (json!({"nonce": "n"}), "token_type"),
    ] {
        scene.refuses(&header, &user, &change, reason).await;
    }
}

#[tokio::test]
async fn tokens_of_keycloak_open_its_guard_and_each_other_kind_is_refused_for_its_own_reason() {
    let issuer = "https://sso.example.com/realms/acme";
    let entry = format!("issuer: '{issuer}', preset: keycloak, authorizedParties: [inspector]");
    let scene = Scene::new(issuer, &entry).await;
    let header = json!({"typ": "JWT"});
    let access = json!({
        "sub": "f:1:alice", "typ": "Bearer", "azp": "inspector", "sid": "s1", "jti": "onrtac:1", "acr": "1",
        "aud": [scene.resource(), "account"], "realm_access": {"roles": ["mcp-user"]}, "scope": "openid mcp",
        "resource_access": {"account": {"roles": ["view-profile"]}}, "preferred_username": "alice",
    });
    assert_eq!(
        scene.opens(&header, &access).await,
        json!({"sub": "f:1:alice", "idp": issuer, "client_id": "inspector", "sid": "s1", "scope": "mcp openid",
               "roles": ["mcp-user"]})
    );
    for (change, reason) in [
        (json!({"typ": "ID"}), "required_claim"),
        (json!({"typ": "Refresh"}), "required_claim"),
        (json!({"azp": "account-console"}), "authorized_party"),
        (json!({"azp": null}), "authorized_party"),
        (json!({"aud": "account"}), "audience"),
        (json!({"iss": "https://sso.example.com/realms/other"}), "issuer"),
        (json!({"cnf": {"jkt": "x"}}), "key_bound"),
    ] {
        scene.refuses(&header, &access, &change, reason).await;
    }
}

#[tokio::test]
async fn tokens_of_entra_open_its_guard_and_each_other_kind_is_refused_for_its_own_reason() {
    const TENANT: &str = "72f988bf-86f1-41af-91ab-2d7cd011db47";
    let second = "https://login.microsoftonline.com/72f988bf-86f1-41af-91ab-2d7cd011db47/v2.0";
    let first = "https://sts.windows.net/72f988bf-86f1-41af-91ab-2d7cd011db47/";
    let entry = format!("preset: entra, tenants: [{TENANT}], audience: ['ORIGIN/vendor', 'api://notes']");
    let scene = Scene::new(second, &entry).await;
    let header = json!({"typ": "JWT"});
    let user = json!({"sub": "pairwise", "oid": "o1", "azp": "client", "azpacr": "0", "scp": "mcp notes.write", "tid": TENANT,
                      "ver": "2.0", "uti": "u"});
    assert_eq!(
        scene.opens(&header, &user).await,
        json!({"sub": "pairwise", "idp": second, "client_id": "client", "tenant": TENANT, "scope": "mcp notes.write",
               "roles": []})
    );
    let machine = json!({"iss": first, "aud": "api://notes", "sub": "o2", "oid": "o2", "appid": "client", "appidacr": "1",
                         "roles": ["Mcp.Read"], "tid": TENANT, "ver": "1.0", "idtyp": "app"});
    assert_eq!(
        scene.opens(&header, &machine).await,
        json!({"sub": "o2", "idp": first, "client_id": "client", "tenant": TENANT, "scope": "", "roles": ["Mcp.Read"]})
    );
    let other = "f8cdef31-a31e-4b4a-93e4-5f571e91255a";
    for (change, reason) in [
        (json!({"iss": format!("https://login.microsoftonline.com/{other}/v2.0"), "tid": other}), "issuer"),
        (json!({"iss": "https://login.microsoftonline.com/common/v2.0"}), "issuer"),
        (json!({"tid": other}), "required_claim"),
        (json!({"tid": null}), "required_claim"),
        (json!({"ver": "3.0"}), "required_claim"),
        // An ID token of the same registration, and a program that was given no right.
        (json!({"azp": null, "preferred_username": "alice@example.com"}), "required_claim"),
        (json!({"scp": null}), "required_claim"),
        (json!({"aud": "00000003-0000-0000-c000-000000000000"}), "audience"),
    ] {
        scene.refuses(&header, &user, &change, reason).await;
    }
}

#[tokio::test]
async fn tokens_of_okta_open_its_guard_and_each_other_kind_is_refused_for_its_own_reason() {
    let issuer = "https://acme.okta.com/oauth2/default";
    let scene = Scene::new(issuer, &format!("issuer: '{issuer}', preset: okta")).await;
    // No `typ`, as Okta writes it.
    let header = json!({});
    let access = json!({"ver": 1, "jti": "AT.x", "cid": "0oa1", "uid": "00u1", "scp": ["openid", "mcp"], "auth_time": 1,
                        "sub": "alice@example.com", "groups": ["Everyone"]});
    assert_eq!(
        scene.opens(&header, &access).await,
        json!({"sub": "alice@example.com", "idp": issuer, "client_id": "0oa1", "scope": "mcp openid", "roles": ["Everyone"]})
    );
    for (change, reason) in [
        (json!({"jti": "ID.x"}), "required_claim"),
        (json!({"jti": null}), "required_claim"),
        (json!({"aud": "api://default"}), "audience"),
        (json!({"iss": "https://acme.okta.com"}), "issuer"),
    ] {
        scene.refuses(&header, &access, &change, reason).await;
    }
    scene.refuses(&json!({"typ": "okta-internal-at+jwt"}), &access, &json!({}), "token_type").await;
}

#[tokio::test]
async fn tokens_of_oidc_open_its_guard_and_each_other_kind_is_refused_for_its_own_reason() {
    let issuer = "https://idp.example.com";
    let scene = Scene::new(issuer, &format!("issuer: '{issuer}', preset: oidc")).await;
    let header = json!({"typ": "at+jwt"});
    let access = json!({"sub": "alice", "client_id": "desktop", "scope": "mcp", "jti": "j"});
    assert_eq!(
        scene.opens(&header, &access).await,
        json!({"sub": "alice", "idp": issuer, "client_id": "desktop", "scope": "mcp", "roles": []})
    );
    for (change, reason) in [
        (json!({"sub": null}), "claims"),
        (json!({"at_hash": "x"}), "token_type"),
        (json!({"nbf": 4_000_000_000_u64}), "not_yet_valid"),
        (json!({"aud": []}), "audience"),
    ] {
        scene.refuses(&header, &access, &change, reason).await;
    }
    scene.refuses(&json!({}), &access, &json!({}), "token_type").await;
}
