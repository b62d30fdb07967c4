//! A browser with an application's page, and the application.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, header};
use bearward_broker::{Application, Brokered, By, CookieRules, Lives, Providers, Sessions, Unended, router};
use bearward_guard::Revocations;
use bearward_guard::limits::{LimitSettings, Limits, Rate};
use bearward_observe::{Denial, Observer};
use bearward_store::Memory;
use bearward_supply::{Label, Target, Wanted};
use bearward_token::{Clock, SystemClock};
use cookie::SameSite;
use http_body_util::BodyExt;
use serde_json::Value;
use tower::ServiceExt;
use url::Url;

use crate::breaking::Breaking;
use crate::scene::{CALENDAR, CONTACTS, MCP, Scene, scene};

/// So many sign-ins an address may begin at once.
pub(crate) const ATTEMPTS: NonZeroU32 = NonZeroU32::new(5).unwrap();
pub(crate) const HOME: &str = "https://app.example.com";

/// A browser with the application's cookies, on one of its pages.
pub(crate) struct Page {
    pub(crate) scene: Scene,
    pub(crate) app: Router,
    pub(crate) cookies: Vec<(String, String)>,
    pub(crate) observer: Observer,
    pub(crate) store: Arc<Breaking>,
    /// Where refresh tokens are.
    pub(crate) tokens: Arc<Breaking>,
    pub(crate) application: Arc<Application>,
    pub(crate) revocations: Arc<Revocations>,
}

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: axum::http::HeaderMap,
    pub(crate) body: Value,
    pub(crate) text: String,
}

/// What is not as usual.
pub(crate) struct Setup {
    /// Other origins of the application.
    pub(crate) origins: &'static [&'static str],
    /// What it waits for its issuer by.
    pub(crate) patience: Arc<dyn Clock>,
    /// What is asked for at the sign-in.
    pub(crate) scopes: &'static str,
}

impl Default for Setup {
    fn default() -> Self {
        let scopes = "openid offline_access mcp calendar";
        Self { origins: &[], patience: Arc::new(SystemClock::new()), scopes }
    }
}

pub(crate) async fn page() -> Page {
    page_of(Setup::default()).await
}

pub(crate) async fn page_of(Setup { origins, patience, scopes }: Setup) -> Page {
    let mut scene = scene().await;
    scene.login.scopes = scopes.parse().unwrap();
    let clock = Arc::new(SystemClock::new());
    let [store, kept] = [(), ()].map(|()| Arc::new(Breaking::new(Memory::new(100, clock.clone()))));
    let issuer = scene.issuer.issuer().parse().unwrap();
    let (own_issuer, exchange) = (scene.login.request.metadata.issuer().clone(), Box::new(scene.exchange()));
    let lives = Lives { idle: Duration::from_secs(3600), absolute: Duration::from_secs(8 * 3600) };
    let brokered = |name: &str, denial| Brokered {
        name: name.into(),
        audience: MCP.into(),
        denial,
        scopes: "mcp calendar".parse().unwrap(),
        by: By::Login,
        wanted: Wanted::default(),
    };
    let by_refresh = |name: &str, audience: &str| Brokered {
        audience: audience.into(),
        by: By::Refresh {
            label: Label::new(name, &Observer::new()),
            target: Target { resource: Some(audience.into()), ..Target::default() },
        },
        ..brokered(name, None)
    };
    let exchanged = Brokered {
        audience: CONTACTS.into(),
        by: By::Exchange { issuer: own_issuer, exchange },
        ..brokered("exchanged", None)
    };
    let (tokens, observer) = (scene.session_tokens_in(kept.clone()), Observer::new());
    let Scene { issuer: server, login, for_contacts, browser, http } = scene;
    let limit = Rate { count: ATTEMPTS, per: Duration::from_secs(60), burst: ATTEMPTS };
    let limit = LimitSettings { failures_per_address: Some(limit), ..LimitSettings::default() };
    let revocations = Arc::new(Revocations::new(clock.clone()));
    let application = Arc::new(Application {
        login,
        sessions: Sessions::new(store.clone(), clock.clone(), issuer, "app", lives, revocations.clone()),
        tokens,
        providers: Providers::new(vec![
            brokered("tools", None),
            brokered("other-audience", Some(Denial::AudienceNotAllowed)),
            brokered("foreign", Some(Denial::AuthorityMismatch)),
            brokered("nowhere", Some(Denial::OriginNotAllowed)),
            Brokered { scopes: "a b c d e".parse().unwrap(), ..brokered("many-scopes", None) },
            by_refresh("calendar", CALENDAR),
            by_refresh("contacts", CONTACTS),
            by_refresh("unknown", "https://unknown.example.com"),
            exchanged,
        ]),
        session_cookie: CookieRules::secure("session", SameSite::Lax),
        browser_cookie: CookieRules::secure("login", SameSite::Lax),
        session_life: lives.absolute,
        after_logout: Some(HOME.into()),
        home: HOME.into(),
        origins: origins.iter().map(|origin| (*origin).to_owned()).collect(),
        attempts_from: Limits::new(&limit, clock),
        unended: Unended::default(),
        observer: observer.clone(),
        clock: patience,
    });
    let app = router(application.clone());
    // What remains of the scene: the issuer, and who plays the browser there.
    let login = crate::scene::scene().await.login;
    let scene = Scene { issuer: server, login, for_contacts, browser, http };
    Page {
        scene,
        app: app.unwrap(),
        cookies: Vec::new(),
        observer,
        store,
        tokens: kept,
        application,
        revocations,
    }
}

impl Page {
    pub(crate) async fn send(&mut self, request: Request<Body>) -> Answer {
        let (mut head, body) = request.into_parts();
        let cookies: Vec<_> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        if !cookies.is_empty() && !head.headers.contains_key(header::COOKIE) {
            head.headers.insert(header::COOKIE, cookies.join("; ").parse().unwrap());
        }
        let answer = self.app.clone().oneshot(Request::from_parts(head, body)).await.unwrap();
        let (head, body) = answer.into_parts();
        for set in head.headers.get_all(header::SET_COOKIE) {
            let (name, value) = set.to_str().unwrap().split(';').next().unwrap().split_once('=').unwrap();
            self.cookies.retain(|(known, _)| known != name);
            if !value.is_empty() {
                self.cookies.push((name.to_owned(), value.to_owned()));
            }
        }
        let bytes = body.collect().await.unwrap().to_bytes();
        let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        Answer { status: head.status.as_u16(), headers: head.headers, body, text }
    }

    pub(crate) async fn get(&mut self, path: &str) -> Answer {
        self.send(Request::get(path).header("host", "app.example.com").body(Body::empty()).unwrap()).await
    }

    /// As the application's own page does it.
    pub(crate) async fn post(&mut self, path: &str, body: &Value) -> Answer {
        self.send(own(path, body)).await
    }

    /// Goes to the issuer, signs in there, and comes back.
    pub(crate) async fn sign_in(&mut self, return_to: &str) -> Answer {
        let back = self.come_back_from_issuer(return_to).await;
        self.get(&back).await
    }

    /// The same, up to the address that the issuer sends the browser back to.
    pub(crate) async fn come_back_from_issuer(&mut self, return_to: &str) -> String {
        let gone = self.get(&format!("/auth/login?returnTo={return_to}")).await;
        assert_eq!(gone.status, 303, "{}", gone.body);
        let at = gone.headers[header::LOCATION].to_str().unwrap().to_owned();
        let form = self.scene.http.post(at).header("content-type", "application/x-www-form-urlencoded");
        let answer = form.body("username=alice&password=wonderland").send().await.unwrap();
        let back = Url::parse(answer.headers()["location"].to_str().unwrap()).unwrap();
        format!("/auth/callback?{}", back.query().unwrap())
    }
}

pub(crate) fn own(path: &str, body: &Value) -> Request<Body> {
    let request = Request::post(path).header("host", "app.example.com").header("origin", HOME);
    let request = request.header("sec-fetch-site", "same-origin").header("x-csrf", "1");
    request.header("content-type", "application/json").body(Body::from(body.to_string())).unwrap()
}

pub(crate) fn problem(answer: &Answer) -> (u16, &str) {
    assert_eq!(answer.headers[header::CONTENT_TYPE], "application/problem+json", "{}", answer.body);
    let kind = answer.body["type"].as_str().unwrap();
    (answer.status, kind.strip_prefix("urn:bearward:problem:").unwrap())
}
