//! Who calls the server in these tests: sends forms, reads answers, walks through the login page.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use bearward_testbed::authorization_server::{AuthorizationServer, Builder, Client, ClientAuth, User};
use bearward_token::ManualClock;
use http::StatusCode;
use serde_json::Value;
use url::Url;

pub(crate) const API: &str = "https://api.example.com";
pub(crate) const OTHER_API: &str = "https://other.example.com";
pub(crate) const CALLBACK: &str = "https://app.example.com/callback";
/// The pair of RFC 7636 appendix B.
pub(crate) const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
pub(crate) const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

/// An answer's status and JSON; `null` for what is none.
pub(crate) type Answer = (StatusCode, Value);

pub(crate) struct Visitor {
    pub(crate) server: AuthorizationServer,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) http: reqwest::Client,
}

/// `gateway` with its secret in the header, `app` that signs users in, `alice`.
pub(crate) async fn visitor() -> Visitor {
    visitor_of(|builder| builder).await
}

/// The same, with more said about the server.
pub(crate) async fn visitor_of(more: impl FnOnce(Builder) -> Builder) -> Visitor {
    let clock = Arc::new(ManualClock::at_unix_ms(1_800_000_000_000));
    let gateway = Client::new("gateway", ClientAuth::SecretBasic("a secret: +&%".into()));
    let app = Client::new("app", ClientAuth::Public).redirect_uri(CALLBACK).audiences(&[API, OTHER_API]);
    let builder = AuthorizationServer::builder()
        .clock(clock.clone())
        .client(gateway)
        .client(app)
        .user(User::new("alice", "wonderland").claim("org_id", "acme"));
    let server = more(builder).start().await.unwrap();
    let http = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none());
    Visitor { server, clock, http: http.build().unwrap() }
}

impl Visitor {
    pub(crate) async fn get(&self, path: &str) -> Answer {
        read(self.http.get(format!("{}{path}", self.server.origin())).send().await.unwrap()).await
    }

    /// To the token endpoint, without a header.
    pub(crate) async fn token(&self, form: &[(&str, &str)]) -> Answer {
        self.post("/token", None, form).await
    }

    /// To the token endpoint as `gateway`.
    pub(crate) async fn gateway(&self, form: &[(&str, &str)]) -> Answer {
        self.post("/token", Some(("gateway", "a secret: +&%")), form).await
    }

    pub(crate) async fn post(
        &self,
        path: &str,
        basic: Option<(&str, &str)>,
        form: &[(&str, &str)],
    ) -> Answer {
        let mut request = self.http.post(format!("{}{path}", self.server.origin()));
        if let Some((id, secret)) = basic {
            // RFC 6749 §2.3.1: each half is form-encoded first.
            let encode = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
            let pair = STANDARD.encode(format!("{}:{}", encode(id), encode(secret)));
            request = request.header("authorization", format!("Basic {pair}"));
        }
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let request = request.header("content-type", "application/x-www-form-urlencoded").body(body);
        read(request.send().await.unwrap()).await
    }

    /// Signs `alice` in for `app`; where the browser is sent.
    pub(crate) async fn sign_in(&self, more: &[(&str, &str)]) -> Url {
        let answer = self.log_in("alice", "wonderland", more).await;
        Url::parse(answer.headers()["location"].to_str().unwrap()).unwrap()
    }

    pub(crate) async fn log_in(
        &self,
        name: &str,
        password: &str,
        more: &[(&str, &str)],
    ) -> reqwest::Response {
        let form = [("username", name), ("password", password)];
        let form = form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let request = self.http.post(self.authorize_url(more));
        request.header("content-type", "application/x-www-form-urlencoded").body(form).send().await.unwrap()
    }

    /// A good authorization request, some parameters replaced; an empty one is left out.
    pub(crate) fn authorize_url(&self, more: &[(&str, &str)]) -> Url {
        let usual = [
            ("response_type", "code"),
            ("client_id", "app"),
            ("redirect_uri", CALLBACK),
            ("scope", "openid offline_access notes:read"),
            ("resource", API),
            ("state", "xyz"),
            ("nonce", "n-1"),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
        ];
        let kept = usual.into_iter().filter(|(name, _)| more.iter().all(|(other, _)| other != name));
        let all = kept.chain(more.iter().copied()).filter(|(_, value)| !value.is_empty());
        let mut url = Url::parse(&format!("{}/authorize", self.server.issuer())).unwrap();
        url.query_pairs_mut().extend_pairs(all);
        url
    }

    /// `app` exchanges a code, some parameters replaced.
    pub(crate) async fn redeem(&self, code: &str, more: &[(&str, &str)]) -> Answer {
        let usual = [
            ("grant_type", "authorization_code"),
            ("client_id", "app"),
            ("redirect_uri", CALLBACK),
            ("code_verifier", VERIFIER),
            ("code", code),
        ];
        let kept = usual.into_iter().filter(|(name, _)| more.iter().all(|(other, _)| other != name));
        let form: Vec<_> = kept.chain(more.iter().copied()).collect();
        self.token(&form).await
    }

    /// The whole way, from the login page to the tokens.
    pub(crate) async fn signed_in(&self) -> Value {
        let code = query(&self.sign_in(&[]).await, "code").unwrap();
        let (status, tokens) = self.redeem(&code, &[]).await;
        assert_eq!(status, 200, "{tokens}");
        tokens
    }

    /// Whether the server still takes a token for good.
    pub(crate) async fn is_active(&self, token: &str) -> bool {
        let gateway = Some(("gateway", "a secret: +&%"));
        let (status, answer) = self.post("/introspect", gateway, &[("token", token)]).await;
        assert_eq!(status, 200, "{answer}");
        answer["active"].as_bool().unwrap()
    }
}

pub(crate) async fn read(answer: reqwest::Response) -> Answer {
    let status = answer.status();
    let bytes = answer.bytes().await.unwrap();
    (status, serde_json::from_slice(&bytes).unwrap_or(Value::Null))
}

/// A parameter of a URL's query.
pub(crate) fn query(url: &Url, name: &str) -> Option<String> {
    url.query_pairs().find(|(known, _)| known == name).map(|(_, value)| value.into_owned())
}

/// A token's claims, unverified.
pub(crate) fn claims(token: &Value) -> Value {
    part(token, 1)
}

/// A token's header.
pub(crate) fn header(token: &Value) -> Value {
    part(token, 0)
}

fn part(token: &Value, at: usize) -> Value {
    let part = token.as_str().unwrap().split('.').nth(at).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

/// Asserts a refusal of the token endpoint.
#[track_caller]
pub(crate) fn refused(answer: &Answer, error: &str) {
    let status = if error == "invalid_client" { 401 } else { 400 };
    assert_eq!((answer.0.as_u16(), answer.1["error"].as_str()), (status, Some(error)), "{answer:?}");
}
