//! An authorization server and a store that answer as they are told, and one log of what they were asked, in order.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex};

use bearward_issuer::{
    ClientAuth, Discovery, Fetch, FetchError, Fetched, FixedCredential, Form, JsonRequest, KnownMetadata,
    OauthClient, fetch::Fetching,
};
use bearward_store::{
    Expected, Listing, Memory, Place, Purpose, Record, SecretBytes, Store, StoreError, Storing,
};
use bearward_token::{ClientSecret, Endpoint, ManualClock};
use http::{HeaderMap, HeaderValue, StatusCode};
use tokio::sync::Notify;

use crate::TokenRequest;

pub(crate) type Log = Arc<Mutex<Vec<String>>>;

/// Where requests and writes hang, while they do.
type Hold = Mutex<Option<Arc<Notify>>>;

/// A server with one login, whose refresh token can be spent once.
#[derive(Default)]
pub(crate) struct Server {
    pub(crate) log: Log,
    /// The refresh token that it takes.
    live: Mutex<String>,
    issued: Mutex<u64>,
    /// Instead of what it would answer.
    answers: Mutex<VecDeque<(u16, String)>>,
    /// What it answers to a revocation: 200, unless told otherwise; none: it offers none.
    revocation: Mutex<Option<(u16, String, Option<&'static str>)>>,
    pub(crate) keeps_refresh_tokens: Mutex<bool>,
    pub(crate) is_down: Mutex<bool>,
    hold: Hold,
    /// Everything that it was shown: URLs, names, values.
    pub(crate) shown: Mutex<Vec<(String, Form)>>,
}

impl Server {
    pub(crate) fn new(live: &str) -> Arc<Self> {
        let server = Self::default();
        *server.live.lock().unwrap() = live.into();
        server.revokes_with(200, "");
        Arc::new(server)
    }

    pub(crate) fn takes(&self, refresh_token: &str) {
        *self.live.lock().unwrap() = refresh_token.into();
    }

    pub(crate) fn answers(&self, status: u16, body: &str) {
        self.answers.lock().unwrap().push_back((status, body.into()));
    }

    pub(crate) fn revokes_with(&self, status: u16, body: &str) {
        *self.revocation.lock().unwrap() = Some((status, body.into(), None));
    }

    pub(crate) fn revokes_after(&self, retry_after: &'static str) {
        *self.revocation.lock().unwrap() = Some((429, String::new(), Some(retry_after)));
    }

    pub(crate) fn offers_no_revocation(&self) {
        *self.revocation.lock().unwrap() = None;
    }

    pub(crate) fn hold(&self) -> Arc<Notify> {
        self.hold.lock().unwrap().insert(Arc::default()).clone()
    }

    pub(crate) fn let_go(&self) {
        if let Some(hold) = self.hold.lock().unwrap().take() {
            hold.notify_waiters();
        }
    }

    /// What was logged since the last time.
    pub(crate) fn log(&self) -> Vec<String> {
        std::mem::take(&mut *self.log.lock().unwrap())
    }

    /// How often something was logged that begins so.
    pub(crate) fn count(&self, beginning: &str) -> usize {
        self.log.lock().unwrap().iter().filter(|line| line.starts_with(beginning)).count()
    }

    /// What `client` asks it for.
    pub(crate) fn request(self: &Arc<Self>, clock: &Arc<ManualClock>) -> TokenRequest {
        let discovery = Discovery::new(self.clone(), clock.clone());
        let secret = Arc::new(FixedCredential(ClientSecret::new("client-secret")));
        TokenRequest {
            metadata: KnownMetadata::new("https://as.example".parse().unwrap(), discovery, clock.clone()),
            token_endpoint: Some("https://as.example/token".parse().unwrap()),
            client: OauthClient::new("client", ClientAuth::SecretPost, secret, self.clone(), clock.clone()),
            audience: None,
            resource: None,
            scopes: Default::default(),
            extra: Vec::new(),
        }
    }

    fn token(&self, form: &Form) -> (u16, String) {
        let presented = value(form, "refresh_token").or(value(form, "subject_token")).unwrap_or_default();
        // What it is for, where that is said, stands behind each.
        let aim = value(form, "resource").map(|resource| format!("@{resource}")).unwrap_or_default();
        self.log.lock().unwrap().push(format!("spend {presented}{aim}"));
        if let Some(answer) = self.answers.lock().unwrap().pop_front() {
            return answer;
        }
        let mut live = self.live.lock().unwrap();
        if presented != *live {
            return (400, r#"{"error":"invalid_grant"}"#.into());
        }
        let mut issued = self.issued.lock().unwrap();
        *issued += 1;
        let mut body = serde_json::json!({
            "access_token": format!("access-{issued}{aim}"), "token_type": "Bearer", "expires_in": 3600,
        });
        if !*self.keeps_refresh_tokens.lock().unwrap() {
            *live = format!("refresh-{issued}");
            body["refresh_token"] = live.as_str().into();
        }
        (200, body.to_string())
    }

    fn revoke(&self, form: &Form) -> (u16, String, Option<&'static str>) {
        let [token, hint] = ["token", "token_type_hint"].map(|name| value(form, name).unwrap_or_default());
        self.log.lock().unwrap().push(format!("revoke {hint} {token}"));
        self.revocation.lock().unwrap().clone().unwrap()
    }
}

pub(crate) fn value(form: &Form, name: &str) -> Option<String> {
    form.fields.iter().find(|(known, _)| *known == name).map(|(_, value)| value.clone())
}

fn fetched((status, body, retry_after): (u16, String, Option<&'static str>)) -> Fetched {
    let mut headers = HeaderMap::new();
    headers.extend(retry_after.map(|text| (http::header::RETRY_AFTER, HeaderValue::from_static(text))));
    Fetched { status: StatusCode::from_u16(status).unwrap(), headers, body: body.into() }
}

impl Fetch for Server {
    fn get<'a>(&'a self, url: &'a Endpoint, _: Option<HeaderValue>) -> Fetching<'a> {
        Box::pin(async move {
            if *self.is_down.lock().unwrap() {
                self.log.lock().unwrap().push("nobody answers".into());
                return Err(FetchError::Connect { url: url.to_string(), reason: "down".into() });
            }
            let mut document = serde_json::json!({"issuer": "https://as.example"});
            if self.revocation.lock().unwrap().is_some() {
                document["revocation_endpoint"] = "https://as.example/revoke".into();
            }
            Ok(fetched((200, document.to_string(), None)))
        })
    }

    fn post<'a>(&'a self, url: &'a Endpoint, form: Form) -> Fetching<'a> {
        self.shown.lock().unwrap().push((url.to_string(), form.clone()));
        Box::pin(async move {
            if *self.is_down.lock().unwrap() {
                self.log.lock().unwrap().push("nobody answers".into());
                return Err(FetchError::Connect { url: url.to_string(), reason: "down".into() });
            }
            let answer = match url.as_str().ends_with("/revoke") {
                true => self.revoke(&form),
                false => {
                    let (status, body) = self.token(&form);
                    (status, body, None)
                }
            };
            let hold = self.hold.lock().unwrap().clone();
            if let Some(hold) = hold {
                hold.notified().await;
            }
            Ok(fetched(answer))
        })
    }

    fn post_json<'a>(&'a self, _: &'a Endpoint, _: JsonRequest) -> Fetching<'a> {
        unreachable!("nothing is asked in JSON here")
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Server")
    }
}

pub(crate) fn memory(clock: &Arc<ManualClock>) -> Arc<dyn Store> {
    Arc::new(Memory::new(100, clock.clone()))
}

/// A store that fails, hangs, and answers late.
#[derive(Debug)]
pub(crate) struct Scripted {
    inner: Arc<dyn Store>,
    pub(crate) log: Mutex<Log>,
    fails: Mutex<bool>,
    hangs: Mutex<bool>,
    /// Writes, and never says so.
    pub(crate) is_mute: Mutex<bool>,
    holds_puts: Hold,
}

impl Scripted {
    pub(crate) fn new(inner: Arc<dyn Store>) -> Arc<Self> {
        Arc::new(Self {
            inner,
            log: Mutex::default(),
            fails: Mutex::default(),
            hangs: Mutex::default(),
            is_mute: Mutex::default(),
            holds_puts: Mutex::default(),
        })
    }

    /// Into the server's log, so that one order is seen.
    pub(crate) fn beside(self: Arc<Self>, server: &Server) -> Arc<Self> {
        *self.log.lock().unwrap() = server.log.clone();
        self
    }

    pub(crate) fn fail(&self, fails: bool) {
        *self.fails.lock().unwrap() = fails;
    }

    pub(crate) fn hang(&self, hangs: bool) {
        *self.hangs.lock().unwrap() = hangs;
    }

    pub(crate) fn hold_puts(&self) -> Arc<Notify> {
        self.holds_puts.lock().unwrap().insert(Arc::default()).clone()
    }

    /// Puts that come from now on do not hang.
    pub(crate) fn let_go(&self) {
        *self.holds_puts.lock().unwrap() = None;
    }

    async fn ask(&self, what: String) -> Result<(), StoreError> {
        self.log.lock().unwrap().lock().unwrap().push(what);
        if *self.hangs.lock().unwrap() {
            std::future::pending::<()>().await;
        }
        match *self.fails.lock().unwrap() {
            true => {
                Err(StoreError::DiskFull { path: "/state".into(), reason: "no space left on device".into() })
            }
            false => Ok(()),
        }
    }
}

impl Store for Scripted {
    fn get<'a>(&'a self, place: &'a Place) -> Storing<'a, Option<Record>> {
        Box::pin(async move {
            if *self.hangs.lock().unwrap() {
                std::future::pending::<()>().await;
            }
            self.inner.get(place).await
        })
    }

    fn put<'a>(
        &'a self,
        place: &'a Place,
        secret: SecretBytes,
        expires_at: Option<u64>,
        expected: Expected,
    ) -> Storing<'a, u64> {
        let text = String::from_utf8_lossy(secret.expose()).into_owned();
        Box::pin(async move {
            let hold = self.holds_puts.lock().unwrap().clone();
            if let Some(hold) = hold {
                hold.notified().await;
            }
            // What stands behind the fingerprint.
            let at = text.find("refresh-").map_or("", |at| &text[at..]);
            self.ask(format!("write {at}")).await?;
            let version = self.inner.put(place, secret, expires_at, expected).await?;
            if *self.is_mute.lock().unwrap() {
                std::future::pending::<()>().await;
            }
            Ok(version)
        })
    }

    fn remove<'a>(&'a self, place: &'a Place) -> Storing<'a, ()> {
        Box::pin(async move {
            self.ask("remove".into()).await?;
            self.inner.remove(place).await
        })
    }

    fn list(&self, purpose: Purpose) -> Storing<'_, Listing> {
        self.inner.list(purpose)
    }
}
