use std::collections::VecDeque;

use bearward_token::{ClientSecret, ManualClock};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue};

use super::*;
use crate::client_auth::{CredentialSource, Reading};
use crate::fetch::{Fetching, JsonRequest};

/// Lets in those that come with a secret that it knows.
#[derive(Debug, Default)]
struct Server {
    knows: Mutex<Vec<&'static str>>,
    /// Something in between answers instead.
    instead: Mutex<Option<(u16, &'static str)>>,
    /// What it was shown, in order.
    shown: Mutex<VecDeque<String>>,
}

impl Fetch for Server {
    fn get<'a>(&'a self, _: &'a Endpoint, _: Option<HeaderValue>) -> Fetching<'a> {
        unreachable!("nothing is read here")
    }

    fn post<'a>(&'a self, _: &'a Endpoint, form: Form) -> Fetching<'a> {
        let secret = form.fields.iter().find(|(name, _)| *name == "client_secret").unwrap().1.clone();
        let is_known = self.knows.lock().unwrap().contains(&secret.as_str());
        self.shown.lock().unwrap().push_back(secret);
        let (status, body) = if is_known { (200, "{}") } else { (400, r#"{"error":"invalid_client"}"#) };
        let (status, body) = self.instead.lock().unwrap().unwrap_or((status, body));
        let (status, headers) = (StatusCode::from_u16(status).unwrap(), HeaderMap::new());
        Box::pin(async move { Ok(Fetched { status, headers, body: Bytes::from_static(body.as_bytes()) }) })
    }

    fn post_json<'a>(&'a self, _: &'a Endpoint, _: JsonRequest) -> Fetching<'a> {
        unreachable!("nothing is asked here")
    }
}

/// A secret that somebody changes, or makes unreadable.
#[derive(Debug, Default)]
struct Changing {
    known: Mutex<Option<&'static str>>,
    /// What takes its place when it is doubted.
    in_store: Mutex<Option<&'static str>>,
}

impl CredentialSource for Changing {
    fn current(&self) -> Reading<'_> {
        let secret = self.known.lock().unwrap().ok_or(CredentialError("gone".into()));
        Box::pin(async { Ok(Credential { secret: ClientSecret::new(secret?) }) })
    }

    fn version(&self) -> Option<Fingerprint> {
        self.known.lock().unwrap().map(Fingerprint::of)
    }

    fn doubt(&self) {
        if let Some(newer) = self.in_store.lock().unwrap().take() {
            *self.known.lock().unwrap() = Some(newer);
        }
    }
}

struct Scene {
    server: Arc<Server>,
    secret: Arc<Changing>,
    client: OauthClient,
}

impl Scene {
    fn new() -> Self {
        let (server, secret) = (Arc::new(Server::default()), Arc::new(Changing::default()));
        let clock = Arc::new(ManualClock::at_unix_ms(0));
        let client = OauthClient::new("c", ClientAuth::SecretPost, secret.clone(), server.clone(), clock);
        Self { server, secret, client }
    }

    fn secret_is(&self, secret: Option<&'static str>) {
        *self.secret.known.lock().unwrap() = secret;
    }

    fn store_has(&self, secret: &'static str) {
        *self.secret.in_store.lock().unwrap() = Some(secret);
    }

    fn server_knows(&self, secrets: &[&'static str]) {
        *self.server.knows.lock().unwrap() = secrets.to_vec();
    }

    /// The status, and what the server was shown for it.
    async fn ask(&self) -> Result<(u16, Vec<String>), ClientError> {
        let (issuer, url) =
            ("https://a.example".parse().unwrap(), "https://a.example/token".parse().unwrap());
        let answered = self.client.post(&issuer, &url, &Form::default()).await?;
        Ok((answered.answer.status.as_u16(), self.server.shown.lock().unwrap().drain(..).collect()))
    }
}

fn shown(status: u16, secrets: &[&str]) -> Result<(u16, Vec<String>), ClientError> {
    Ok((status, secrets.iter().map(|secret| (*secret).to_owned()).collect()))
}

// HARD 7
#[tokio::test]
async fn a_new_secret_is_used_at_once_and_the_old_one_until_the_server_knows_the_new() {
    let scene = Scene::new();
    scene.secret_is(Some("old"));
    scene.server_knows(&["old"]);
    assert_eq!(scene.ask().await, shown(200, &["old"]));
    // The store has the new one first.
    scene.secret_is(Some("new"));
    assert_eq!(scene.ask().await, shown(200, &["new", "old"]));
    scene.server_knows(&["old", "new"]);
    assert_eq!(scene.ask().await, shown(200, &["new"]));
    // Once the new one has worked the old one is gone for good.
    scene.server_knows(&["old"]);
    assert_eq!(scene.ask().await, shown(400, &["new"]));
}

// HARD 7
#[tokio::test]
async fn what_is_no_answer_of_the_server_does_not_make_a_new_secret_one_that_worked() {
    for instead in ["<html>maintenance", "", r#"{"access_to"#, "[]", r#"{"error":"server_error"}"#] {
        let scene = Scene::new();
        scene.secret_is(Some("old"));
        scene.server_knows(&["old"]);
        assert_eq!(scene.ask().await, shown(200, &["old"]));
        scene.secret_is(Some("new"));
        *scene.server.instead.lock().unwrap() = Some((200, instead));
        assert_eq!(scene.ask().await, shown(200, &["new"]));
        *scene.server.instead.lock().unwrap() = None;
        assert_eq!(scene.ask().await, shown(200, &["new", "old"]), "{instead}");
    }
}

// HARD 7
#[tokio::test]
async fn a_refusal_with_status_200_is_a_refusal() {
    let scene = Scene::new();
    scene.secret_is(Some("old"));
    scene.server_knows(&["old"]);
    assert_eq!(scene.ask().await, shown(200, &["old"]));
    scene.secret_is(Some("new"));
    *scene.server.instead.lock().unwrap() = Some((200, r#"{"error":"invalid_client"}"#));
    assert_eq!(scene.ask().await, shown(200, &["new", "old"]));
}

#[tokio::test]
async fn a_secret_that_never_worked_is_no_second_choice_and_a_wrong_one_is_shown_once() {
    let scene = Scene::new();
    scene.secret_is(Some("wrong"));
    scene.server_knows(&["right"]);
    assert_eq!(scene.ask().await, shown(400, &["wrong"]));
    scene.secret_is(Some("right"));
    assert_eq!(scene.ask().await, shown(200, &["right"]));
}

#[tokio::test]
async fn a_secret_that_cannot_be_read_for_a_moment_does_not_stop_what_works() {
    let scene = Scene::new();
    scene.secret_is(None);
    scene.server_knows(&["one"]);
    assert_eq!(scene.ask().await, Err(ClientError::Credential(CredentialError("gone".into()))));
    scene.secret_is(Some("one"));
    assert_eq!(scene.ask().await, shown(200, &["one"]));
    scene.secret_is(None);
    assert_eq!(scene.ask().await, shown(200, &["one"]));
}

// HARD 7
#[tokio::test]
async fn what_is_refused_is_looked_up_again_so_that_a_server_may_know_a_new_secret_first() {
    let scene = Scene::new();
    scene.secret_is(Some("old"));
    scene.server_knows(&["old"]);
    assert_eq!(scene.ask().await, shown(200, &["old"]));
    scene.store_has("new");
    scene.server_knows(&["new"]);
    assert_eq!(scene.ask().await, shown(200, &["old", "new"]));
    assert_eq!(scene.ask().await, shown(200, &["new"]));
}

#[tokio::test]
async fn a_server_that_takes_nothing_is_shown_each_version_once() {
    let scene = Scene::new();
    scene.secret_is(Some("first"));
    scene.server_knows(&["first"]);
    assert_eq!(scene.ask().await, shown(200, &["first"]));
    scene.secret_is(Some("second"));
    scene.store_has("third");
    scene.server_knows(&[]);
    assert_eq!(scene.ask().await, shown(400, &["second", "third", "first"]));
    assert_eq!(scene.ask().await, shown(400, &["third", "first"]));
}
