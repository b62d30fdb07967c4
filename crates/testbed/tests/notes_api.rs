//! The notes API, as what calls it meets it: a good token and good tenant headers, and each bad one.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on fails")]

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::hmac;
use bearward_testbed::authorization_server::AuthorizationServer;
use bearward_testbed::keys::{Algorithm, SigningKey};
use bearward_testbed::mint::TokenBuilder;
use bearward_testbed::notes::NotesApi;
use bearward_token::{Clock, ManualClock};
use serde_json::{Value, json};

const AUDIENCE: &str = "https://notes.example.com";
const SECRET: &str = "tenant signing secret";

struct Stage {
    issuer: AuthorizationServer,
    api: NotesApi,
    clock: Arc<ManualClock>,
    http: reqwest::Client,
}

impl Stage {
    async fn new() -> Self {
        let clock = Arc::new(ManualClock::at_unix_ms(1_800_000_000_000));
        let issuer = AuthorizationServer::builder().clock(clock.clone()).start().await.unwrap();
        let api = NotesApi::builder(&issuer.issuer(), AUDIENCE);
        let api = api.tenant_prefix("X-TB").tenant_secret(SECRET).clock(clock.clone()).start().await.unwrap();
        Self { issuer, api, clock, http: reqwest::Client::builder().no_proxy().build().unwrap() }
    }

    fn token(&self) -> TokenBuilder {
        self.issuer.token_for(AUDIENCE)
    }

    /// Headers as they should be, signed now for a tenant.
    fn tenant(&self, tenant: &str) -> [(&'static str, String); 3] {
        let at = self.clock.unix_ms().to_string();
        let signature = sign(SECRET, &format!("{tenant}:{at}"));
        [("x-tb-tenant-id", tenant.into()), ("x-tb-timestamp", at), ("x-tb-signature", signature)]
    }

    async fn list(&self, token: &str, headers: &[(&str, String)]) -> (u16, Value) {
        let request = self.http.get(format!("{}/notes", self.api.url())).bearer_auth(token);
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, value));
        read(request).await
    }
}

async fn read(request: reqwest::RequestBuilder) -> (u16, Value) {
    let answer = request.send().await.unwrap();
    let status = answer.status().as_u16();
    (status, serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap_or(Value::Null))
}

fn sign(secret: &str, message: &str) -> String {
    hex::encode(hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()), message.as_bytes()))
}

#[tokio::test]
async fn each_tenant_has_its_own_notes() {
    let stage = Stage::new().await;
    let token = stage.token().build();
    let mut add = stage.http.post(format!("{}/notes", stage.api.url())).bearer_auth(&token);
    for (name, value) in stage.tenant("acme") {
        add = add.header(name, value);
    }
    let note = json!({"title": "a", "text": "b"});
    let (status, _) = read(add.header("content-type", "application/json").body(note.to_string())).await;
    assert_eq!(status, 201);
    assert_eq!(stage.list(&token, &stage.tenant("acme")).await, (200, json!([note])));
    assert_eq!(stage.list(&token, &stage.tenant("other")).await, (200, json!([])));
    let tenants: Vec<_> = stage.api.seen().into_iter().map(|seen| seen.tenant).collect();
    assert_eq!(tenants, ["acme", "acme", "other"]);
}

#[tokio::test]
async fn each_bad_token_is_refused_for_its_own_reason() {
    let stage = Stage::new().await;
    let tenant = stage.tenant("acme");
    assert_eq!(stage.list(&stage.token().build(), &tenant).await.0, 200);
    let es256 = Arc::new(SigningKey::generate(Algorithm::Es256));
    let now = stage.clock.unix_seconds();
    for (token, error) in [
        (String::new(), "no_token"),
        ("garbage".into(), "bad_token"),
        (stage.issuer.token_for("https://other.example").build(), "bad_token"),
        (stage.token().claim("iss", "https://other.example").build(), "bad_token"),
        (stage.token().forged_with(Arc::new(SigningKey::generate(Algorithm::Rs256))).build(), "bad_token"),
        (TokenBuilder::new(&stage.issuer.issuer(), es256, now).audience(AUDIENCE).build(), "bad_token"),
        (stage.token().unsigned().build(), "bad_token"),
        (stage.token().signed_with_public_key_as_secret().build(), "bad_token"),
        (stage.token().without("exp").build(), "bad_token"),
        (stage.token().without("sub").build(), "bad_token"),
        (stage.token().claim("nbf", now + 60).build(), "bad_token"),
        (stage.token().claim("exp", now - 6).build(), "expired_token"),
    ] {
        let (status, answer) = match token.as_str() {
            "" => read(stage.http.get(format!("{}/notes", stage.api.url()))).await,
            token => stage.list(token, &tenant).await,
        };
        assert_eq!((status, answer["error"].as_str()), (401, Some(error)), "{token}");
    }
}

#[tokio::test]
async fn each_bad_set_of_tenant_headers_is_refused_for_its_own_reason() {
    let stage = Stage::new().await;
    let token = stage.token().build();
    let good = stage.tenant("acme");
    let at = good[1].1.clone();
    let with = |index: usize, value: String| {
        let mut bent = good.clone();
        bent[index].1 = value;
        bent
    };
    for (headers, error) in [
        (good[..2].to_vec(), "no_tenant"),
        (good[1..].to_vec(), "no_tenant"),
        (with(0, "other".into()).to_vec(), "bad_tenant"),
        (with(1, (stage.clock.unix_ms() - 1).to_string()).to_vec(), "bad_tenant"),
        (with(2, sign("another secret", &format!("acme:{at}"))).to_vec(), "bad_tenant"),
        (with(2, good[2].1.to_uppercase()).to_vec(), "bad_tenant"),
        (with(1, "yesterday".into()).to_vec(), "stale_tenant"),
    ] {
        let (status, answer) = stage.list(&token, &headers).await;
        assert_eq!((status, answer["error"].as_str()), (403, Some(error)), "{headers:?}");
    }
    stage.clock.advance(Duration::from_millis(300_000));
    assert_eq!(stage.list(&token, &good).await.0, 200);
    stage.clock.advance(Duration::from_millis(1));
    assert_eq!(stage.list(&token, &good).await.1["error"], "stale_tenant");
}

#[tokio::test]
async fn keys_that_are_new_since_the_start_are_found() {
    let stage = Stage::new().await;
    let tenant = stage.tenant("acme");
    assert_eq!(stage.list(&stage.token().build(), &tenant).await.0, 200);
    stage.issuer.keys().rotate(Algorithm::Rs256);
    assert_eq!(stage.list(&stage.token().build(), &tenant).await.0, 200);
}

#[tokio::test]
async fn a_refusal_on_demand_strikes_as_often_as_asked() {
    let stage = Stage::new().await;
    let (token, tenant) = (stage.token().build(), stage.tenant("acme"));
    stage.api.refuse_next(2, http::StatusCode::UNAUTHORIZED);
    let mut statuses = Vec::new();
    for _ in 0..3 {
        statuses.push(stage.list(&token, &tenant).await.0);
    }
    assert_eq!(statuses, [401, 401, 200]);
}

#[tokio::test]
async fn an_echo_measures_what_came() {
    let stage = Stage::new().await;
    let mut echo = stage.http.post(format!("{}/echo", stage.api.url())).bearer_auth(stage.token().build());
    for (name, value) in stage.tenant("acme") {
        echo = echo.header(name, value);
    }
    let (_, answer) = read(echo.body("hello")).await;
    let sha256 = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
    assert_eq!(answer, json!({"length": 5, "sha256": sha256, "contentLength": "5"}));
}
