//! The endpoints, as a browser's page calls them.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, header};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bearward_broker::{
    Application, Brokered, By, CameFrom, CookieRules, Lives, ProblemKind, Providers, Sessions, router,
};
use bearward_guard::Revocations;
use bearward_guard::limits::{LimitSettings, Limits, Rate};
use bearward_observe::{Denial, Observer};
use bearward_store::{Memory, Store};
use bearward_supply::{Label, Target, Wanted};
use bearward_testbed::authorization_server::{Fault, Place};
use bearward_token::{Fingerprint, SystemClock};
use cookie::SameSite;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;
use url::Url;

use crate::scene::{CALENDAR, CONTACTS, MCP, Scene, scene};

/// So many sign-ins an address may begin at once.
const ATTEMPTS: NonZeroU32 = NonZeroU32::new(5).unwrap();
const HOME: &str = "https://app.example.com";

/// A browser with the application's cookies, on one of its pages.
struct Page {
    scene: Scene,
    app: Router,
    cookies: Vec<(String, String)>,
    observer: Observer,
    store: Arc<Memory>,
    application: Arc<Application>,
    revocations: Arc<Revocations>,
}

struct Answer {
    status: u16,
    headers: axum::http::HeaderMap,
    body: Value,
    text: String,
}

async fn page() -> Page {
    page_with(&[]).await
}

/// Whose application has other origins.
async fn page_with(origins: &[&str]) -> Page {
    let scene = scene().await;
    let clock = Arc::new(SystemClock::new());
    let store = Arc::new(Memory::new(100, clock.clone()));
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
    let (tokens, observer) = (scene.session_tokens(), Observer::new());
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
        attempts_from: Limits::new(&limit, clock.clone()),
        observer: observer.clone(),
        clock,
    });
    let app = router(application.clone());
    // What remains of the scene: the issuer, and who plays the browser there.
    let login = crate::scene::scene().await.login;
    let scene = Scene { issuer: server, login, for_contacts, browser, http };
    Page { scene, app: app.unwrap(), cookies: Vec::new(), observer, store, application, revocations }
}

impl Page {
    async fn send(&mut self, request: Request<Body>) -> Answer {
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

    async fn get(&mut self, path: &str) -> Answer {
        self.send(Request::get(path).header("host", "app.example.com").body(Body::empty()).unwrap()).await
    }

    /// As the application's own page does it.
    async fn post(&mut self, path: &str, body: &Value) -> Answer {
        self.send(own(path, body)).await
    }

    /// Goes to the issuer, signs in there, and comes back.
    async fn sign_in(&mut self, return_to: &str) -> Answer {
        let gone = self.get(&format!("/auth/login?returnTo={return_to}")).await;
        assert_eq!(gone.status, 303, "{}", gone.body);
        let at = gone.headers[header::LOCATION].to_str().unwrap().to_owned();
        let form = self.scene.http.post(at).header("content-type", "application/x-www-form-urlencoded");
        let answer = form.body("username=alice&password=wonderland").send().await.unwrap();
        let back = Url::parse(answer.headers()["location"].to_str().unwrap()).unwrap();
        self.get(&format!("/auth/callback?{}", back.query().unwrap())).await
    }
}

fn own(path: &str, body: &Value) -> Request<Body> {
    let request = Request::post(path).header("host", "app.example.com").header("origin", HOME);
    let request = request.header("sec-fetch-site", "same-origin").header("x-csrf", "1");
    request.header("content-type", "application/json").body(Body::from(body.to_string())).unwrap()
}

fn problem(answer: &Answer) -> (u16, &str) {
    assert_eq!(answer.headers[header::CONTENT_TYPE], "application/problem+json", "{}", answer.body);
    let kind = answer.body["type"].as_str().unwrap();
    (answer.status, kind.strip_prefix("urn:bearward:problem:").unwrap())
}

#[tokio::test]
async fn a_user_signs_in_gets_tokens_and_signs_out() {
    let mut page = page().await;
    assert_eq!(page.get("/auth/session").await.body, json!({"authenticated": false}));
    let back = page.sign_in("/notes?id=1").await;
    assert_eq!((back.status, &back.headers[header::LOCATION]), (303, &"/notes?id=1".parse().unwrap()));
    let session = page.get("/auth/session").await;
    assert_eq!(session.body, json!({"authenticated": true, "subject": "alice", "name": "Alice"}));
    let given = page.post("/auth/broker/exchange", &json!({"provider": "tools"})).await;
    assert_eq!((given.status, &given.body["audience"]), (200, &MCP.into()));
    let token = given.body["access_token"].as_str().unwrap().to_owned();
    assert!(token.starts_with("ey") && given.body["expires_in"].as_u64().unwrap() > 3000);

    let cookies = page.cookies.clone();
    let out = page.post("/auth/logout", &json!({})).await;
    assert_eq!((out.status, &out.body["authenticated"]), (200, &false.into()));
    let elsewhere = Url::parse(out.body["endSession"].as_str().unwrap()).unwrap();
    assert!(elsewhere.as_str().starts_with(&page.scene.issuer.issuer()), "{elsewhere}");
    assert!(elsewhere.query_pairs().any(|(name, back)| name == "post_logout_redirect_uri" && back == HOME));
    assert!(!elsewhere.as_str().contains("ey"), "no token in a URL");
    assert!(page.cookies.is_empty());
    page.cookies = cookies;
    let replayed = page.post("/auth/broker/exchange", &json!({"provider": "tools"})).await;
    assert_eq!(problem(&replayed), (401, "login-required"), "the old cookie opens nothing (HARD 30)");
}

/// The claims of a token that was given.
fn claims(answer: &Answer) -> Value {
    let token = answer.body["access_token"].as_str().unwrap();
    let payload = URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap();
    serde_json::from_slice(&payload).unwrap()
}

// HARD 3, HARD 31
#[tokio::test]
async fn one_sign_in_gives_each_provider_a_token_for_itself_and_one_that_is_refused_harms_no_other() {
    let mut page = page().await;
    page.sign_in("/").await;
    for (provider, audience) in [("calendar", CALENDAR), ("tools", MCP), ("contacts", CONTACTS)] {
        let unknown = page.post("/auth/broker/exchange", &json!({"provider": "unknown"})).await;
        assert_eq!(problem(&unknown).1, "provider-refused");
        let given = page.post("/auth/broker/exchange", &json!({"provider": provider})).await;
        assert_eq!((given.status, &given.body["audience"]), (200, &audience.into()), "{provider}");
        assert_eq!((&claims(&given)["aud"], &claims(&given)["sub"]), (&audience.into(), &"alice".into()));
    }
    let wish = json!({"provider": "calendar", "scopes": ["calendar"]});
    let less = page.post("/auth/broker/exchange", &wish).await;
    assert_eq!((&claims(&less)["scope"], &claims(&less)["aud"]), (&"calendar".into(), &CALENDAR.into()));
    let more = json!({"provider": "calendar", "scopes": ["offline_access"]});
    assert_eq!(problem(&page.post("/auth/broker/exchange", &more).await), (403, "scope-not-allowed"));
    let again = page.post("/auth/broker/exchange", &json!({"provider": "calendar"})).await;
    assert_eq!(claims(&again)["scope"], "calendar mcp", "less for one is not less for the next");
    let counts = page.scene.issuer.counts().snapshot();
    assert_eq!(counts.issued["refresh_token"], 3, "calendar twice, contacts once");
}

// HARD 14
#[tokio::test]
async fn a_logout_ends_what_every_provider_was_given_by_refresh_and_by_exchange() {
    let mut page = page().await;
    page.sign_in("/").await;
    for provider in ["tools", "calendar", "contacts", "exchanged"] {
        let given = page.post("/auth/broker/exchange", &json!({"provider": provider})).await;
        assert_eq!(given.status, 200, "{provider}: {}", given.body);
    }
    let cookies = page.cookies.clone();
    page.post("/auth/logout", &json!({})).await;
    let told = page.scene.issuer.counts().snapshot().at(Place::Revocation);
    assert_eq!(told, 5, "the refresh token and four access tokens");
    page.cookies = cookies;
    for provider in ["tools", "calendar", "contacts", "exchanged"] {
        let replayed = page.post("/auth/broker/exchange", &json!({"provider": provider})).await;
        assert_eq!(problem(&replayed), (401, "login-required"), "{provider}");
    }
}

#[tokio::test]
async fn a_stale_complaint_costs_nothing_and_a_true_one_one_refresh() {
    let mut page = page().await;
    page.sign_in("/").await;
    let first = page.post("/auth/broker/exchange", &json!({"provider": "tools"})).await;
    let first = first.body["access_token"].as_str().unwrap().to_owned();
    let complain = |about: &str| json!({"provider": "tools", "rejected": Fingerprint::of(about).to_hex()});
    for stale in [complain("another token"), json!({"provider": "tools"})] {
        let answer = page.post("/auth/broker/refresh", &stale).await;
        assert_eq!(answer.body["access_token"], first.as_str());
    }
    assert_eq!(page.scene.refreshes(), 0);
    let newer = page.post("/auth/broker/refresh", &complain(&first)).await;
    assert_ne!(newer.body["access_token"], first.as_str());
    page.post("/auth/broker/refresh", &complain(&first)).await;
    assert_eq!(page.scene.refreshes(), 1);
}

// HARD 29
#[tokio::test]
async fn what_a_page_of_another_site_could_send_is_refused_before_any_token_work() {
    let mut page = page().await;
    page.sign_in("/").await;
    let body = json!({"provider": "tools"});
    let changed = |change: &dyn Fn(&mut axum::http::HeaderMap), path: &str| {
        let mut request = own(path, &body);
        change(request.headers_mut());
        request
    };
    type Change = Box<dyn Fn(&mut axum::http::HeaderMap)>;
    let set = |name: &'static str, value: &'static str| -> Change {
        Box::new(move |headers| drop(headers.insert(name, value.parse().unwrap())))
    };
    let cases: [(&str, Change); 6] = [
        ("no mark", Box::new(|headers| drop(headers.remove("x-csrf")))),
        ("a wrong mark", set("x-csrf", "true")),
        ("two marks", Box::new(|headers| assert!(headers.append("x-csrf", "1".parse().unwrap())))),
        ("cross-site", set("sec-fetch-site", "cross-site")),
        ("same-site", set("sec-fetch-site", "same-site")),
        (
            "a foreign origin",
            Box::new(|headers| {
                headers.remove("sec-fetch-site");
                headers.insert("origin", "https://evil.example".parse().unwrap());
            }),
        ),
    ];
    for path in ["/auth/broker/exchange", "/auth/broker/refresh", "/auth/logout"] {
        for (what, change) in &cases {
            let answer = page.send(changed(change, path)).await;
            assert_eq!(problem(&answer), (403, "csrf-rejected"), "{path}: {what}");
        }
    }
    for path in ["/auth/session", "/auth/broker/peek?provider=tools"] {
        let request = Request::get(path).header("sec-fetch-site", "cross-site").body(Body::empty()).unwrap();
        assert_eq!(problem(&page.send(request).await), (403, "csrf-rejected"), "{path}");
    }
    assert!(
        page.get("/auth/session").await.body["authenticated"].as_bool().unwrap(),
        "nobody was signed out"
    );
}

// HARD 31
#[tokio::test]
async fn each_bad_request_has_a_problem_of_its_own() {
    let mut page = page().await;
    let tools = json!({"provider": "tools"});
    let nobody = page.post("/auth/broker/exchange", &tools).await;
    assert_eq!(problem(&nobody), (401, "login-required"));
    for path in ["//evil.example", "https://evil.example", "/%5Cevil.example", "%2F%2Fevil.example"] {
        let answer = page.get(&format!("/auth/login?returnTo={path}")).await;
        assert_eq!(problem(&answer), (400, "return-to-not-allowed"), "{path}");
    }
    assert_eq!(problem(&page.get("/auth/callback?code=x&state=y").await), (400, "state-mismatch"));
    page.sign_in("/").await;
    let cases = [
        (json!({"provider": "none"}), (404, "unknown-provider")),
        (json!({"provider": "other-audience"}), (403, "audience-not-allowed")),
        (json!({"provider": "foreign"}), (403, "authority-mismatch")),
        (json!({"provider": "nowhere"}), (403, "origin-not-allowed")),
        (json!({"provider": "x".repeat(20_000)}), (400, "invalid-request")),
        (json!({"provider": "tools", "scopes": ["admin"]}), (403, "scope-not-allowed")),
        (json!({"provider": "tools", "scopes": ["a b"]}), (403, "scope-not-allowed")),
        (json!({"provider": "tools", "audience": "x"}), (400, "invalid-request")),
        (json!({}), (400, "invalid-request")),
        (json!("tools"), (400, "invalid-request")),
    ];
    for (body, expected) in cases {
        assert_eq!(problem(&page.post("/auth/broker/exchange", &body).await), expected, "{body}");
    }
    assert_eq!(problem(&page.get("/auth/else").await), (404, "not-found"));
    let wrong = page.get("/auth/broker/exchange").await;
    assert_eq!(
        (problem(&wrong), &wrong.headers["allow"]),
        ((405, "method-not-allowed"), &"POST".parse().unwrap())
    );
    let rejected = json!({"provider": "tools", "rejected": "xyz"});
    assert_eq!(problem(&page.post("/auth/broker/refresh", &rejected).await), (400, "invalid-request"));
    for kind in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""] {
        let mut request = own("/auth/broker/exchange", &tools);
        request.headers_mut().insert("content-type", kind.parse().unwrap());
        assert_eq!(problem(&page.send(request).await), (415, "unsupported-content-type"), "{kind}");
    }
    let session = page.cookies.iter().find(|(name, _)| name == "__Host-session").unwrap().clone();
    let mut doubled = own("/auth/broker/exchange", &tools);
    let planted = format!("{0}={1}; {0}=planted-by-a-parent-domain", session.0, session.1);
    doubled.headers_mut().insert(header::COOKIE, planted.parse().unwrap());
    assert_eq!(problem(&page.send(doubled).await), (401, "session-ambiguous"));
}

// HARD 29
#[tokio::test]
async fn a_peek_shows_no_token_and_changes_nothing() {
    let mut page = page().await;
    let about = "/auth/broker/peek?provider=tools";
    assert_eq!(page.get(about).await.body, json!({"authenticated": false, "provider": "tools"}));
    page.sign_in("/").await;
    page.post("/auth/broker/exchange", &json!({"provider": "tools"})).await;
    let before = page.scene.issuer.counts().snapshot();
    let peeked = page.get(about).await;
    assert_eq!((&peeked.body["authenticated"], &peeked.body["subject"]), (&true.into(), &"alice".into()));
    assert!(peeked.body["expiresIn"].as_u64().unwrap() > 3000);
    assert_eq!(peeked.body["canRefresh"], true);
    assert!(!peeked.body.to_string().contains("ey"), "{}", peeked.body);
    assert_eq!(page.scene.issuer.counts().snapshot(), before);
    assert_eq!(problem(&page.get("/auth/broker/peek").await), (400, "invalid-request"));
}

// HARD 29
#[tokio::test]
async fn nothing_that_is_answered_is_kept_by_anybody_on_the_way() {
    let mut page = page().await;
    let mut answers = vec![page.sign_in("/").await, page.get("/auth/session").await];
    answers.push(page.get("/auth/broker/peek?provider=tools").await);
    answers.push(page.get("/auth/login").await);
    answers.push(page.get("/auth/callback").await);
    answers.push(page.get("/auth/openapi.json").await);
    answers.push(page.get("/auth/else").await);
    answers.push(page.post("/auth/broker/exchange", &json!({"provider": "tools"})).await);
    answers.push(page.post("/auth/broker/exchange", &json!({"provider": "none"})).await);
    answers.push(page.post("/auth/logout", &json!({})).await);
    for answer in answers {
        assert_eq!(answer.headers[header::CACHE_CONTROL], "no-store", "{}", answer.body);
    }
}

#[tokio::test]
async fn the_document_describes_every_endpoint_and_every_problem() {
    let mut page = page().await;
    let document = page.get("/auth/openapi.json").await;
    assert_eq!(document.headers[header::CONTENT_TYPE], "application/json");
    let paths = document.body["paths"].as_object().unwrap();
    for path in paths.keys() {
        let known = page.get(path).await.status;
        assert_ne!(known, 404, "{path}");
    }
    assert_eq!(paths.len(), 8);
    let told = document.body.to_string();
    for kind in ProblemKind::ALL {
        assert!(told.contains(kind.as_str()), "{}", kind.as_str());
    }
}

#[tokio::test]
async fn pages_of_configured_origins_may_ask_with_the_cookie_and_no_others() {
    let other = "https://admin.example.com";
    let mut page = page_with(&[other]).await;
    page.sign_in("/").await;
    let from = |origin: &str, method: &str| {
        let request = Request::builder().method(method).uri("/auth/session").header("origin", origin);
        let request = request.header("sec-fetch-site", "same-site");
        let asks = request.header("access-control-request-method", "GET");
        asks.header("access-control-request-headers", "x-csrf").body(Body::empty()).unwrap()
    };
    let shown = page.send(from(other, "GET")).await;
    assert_eq!((shown.status, &shown.headers["access-control-allow-origin"]), (200, &other.parse().unwrap()));
    assert_eq!(shown.headers["access-control-allow-credentials"], "true");
    let asked = page.send(from(other, "OPTIONS")).await;
    assert!(asked.headers["access-control-allow-headers"].to_str().unwrap().contains("x-csrf"));
    let foreign = page.send(from("https://evil.example", "GET")).await;
    assert_eq!(problem(&foreign), (403, "csrf-rejected"));
    assert!(!foreign.headers.contains_key("access-control-allow-origin"));
    let asked = page.send(from("https://evil.example", "OPTIONS")).await;
    assert!(!asked.headers.contains_key("access-control-allow-origin"));
}

#[tokio::test]
async fn a_person_who_cannot_go_on_sees_words_and_a_way_to_begin_again_and_nothing_of_what_came() {
    let mut page = page().await;
    for path in ["/auth/callback?code=x&state=<script>", "/auth/login?returnTo=//evil.example"] {
        let path = path.replace('<', "%3C").replace('>', "%3E");
        let asks = |accept| Request::get(&path).header("accept", accept).body(Body::empty()).unwrap();
        let browser = page.send(asks("text/html,application/xhtml+xml")).await;
        assert_eq!(browser.status, 400);
        assert!(browser.headers[header::CONTENT_TYPE].to_str().unwrap().starts_with("text/html"));
        assert!(
            browser.headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap().contains("default-src 'none'")
        );
        assert!(
            browser.text.contains("href=\"/auth/login\"") && !browser.text.contains("script"),
            "{}",
            browser.text
        );
        let program = page.send(asks("application/json")).await;
        assert_eq!(program.headers[header::CONTENT_TYPE], "application/problem+json");
    }
}

#[tokio::test]
async fn nobody_can_begin_sign_ins_without_end_and_nobody_else_is_held_up_by_who_tries() {
    let mut page = page().await;
    let begin = |address: [u8; 4]| {
        let mut request = Request::get("/auth/login").body(Body::empty()).unwrap();
        request.extensions_mut().insert(CameFrom(address.into()));
        request
    };
    for _ in 0..ATTEMPTS.get() {
        assert_eq!(page.send(begin([192, 0, 2, 1])).await.status, 303);
    }
    let mut last = page.send(begin([192, 0, 2, 1])).await;
    if last.status == 303 {
        last = page.send(begin([192, 0, 2, 1])).await;
    }
    assert_eq!(problem(&last), (429, "too-many-attempts"));
    assert!(last.headers[header::RETRY_AFTER].to_str().unwrap().parse::<u64>().unwrap() >= 1);
    assert_eq!(page.send(begin([192, 0, 2, 2])).await.status, 303);
}

#[tokio::test]
async fn every_token_that_is_given_and_every_denial_is_counted() {
    let mut page = page().await;
    page.sign_in("/").await;
    let first = page.post("/auth/broker/exchange", &json!({"provider": "tools"})).await;
    let rejected = Fingerprint::of(first.body["access_token"].as_str().unwrap()).to_hex();
    page.post("/auth/broker/refresh", &json!({"provider": "tools", "rejected": rejected})).await;
    page.post("/auth/broker/exchange", &json!({"provider": "foreign"})).await;
    let metrics = page.observer.metrics().render().unwrap();
    for line in [
        "auth_token_broker_exchange_total{provider=\"tools\",outcome=\"success\"} 1",
        "auth_token_broker_refresh_total{provider=\"tools\",outcome=\"success\"} 1",
        "auth_guard_denied_total{provider=\"foreign\",reason=\"auth_authority_mismatch\"} 1",
    ] {
        assert!(metrics.contains(line), "{line}\n{metrics}");
    }
}

#[tokio::test]
async fn who_wishes_for_fewer_scopes_gets_a_token_with_these_and_no_others_however_it_is_had() {
    let mut page = page().await;
    page.sign_in("/").await;
    for provider in ["tools", "calendar", "exchanged"] {
        for (scopes, expected) in [(json!(["calendar"]), "calendar"), (json!(["mcp"]), "mcp")] {
            let wish = json!({"provider": provider, "scopes": scopes});
            let given = page.post("/auth/broker/exchange", &wish).await;
            assert_eq!(given.status, 200, "{provider}: {}", given.body);
            let token = given.body["access_token"].as_str().unwrap();
            let payload = URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap();
            let claims: Value = serde_json::from_slice(&payload).unwrap();
            assert_eq!(claims["scope"], expected, "{provider}");
        }
    }
    // The login itself has lost nothing by it.
    let whole = page.post("/auth/broker/exchange", &json!({"provider": "calendar"})).await;
    assert_eq!(whole.status, 200, "{}", whole.body);
}

// HARD 29
#[tokio::test]
async fn a_page_elsewhere_that_says_so_by_its_origin_alone_sees_nothing_either() {
    let mut page = page().await;
    page.sign_in("/").await;
    for path in ["/auth/session", "/auth/broker/peek?provider=tools"] {
        let request =
            Request::get(path).header("origin", "https://evil.example").body(Body::empty()).unwrap();
        assert_eq!(problem(&page.send(request).await), (403, "csrf-rejected"), "{path}");
    }
    // A proxy that changes `Host` does not make the application's own page a stranger's.
    let mut own_page = own("/auth/broker/exchange", &json!({"provider": "tools"}));
    own_page.headers_mut().insert("host", "127.0.0.1:8080".parse().unwrap());
    own_page.headers_mut().remove("sec-fetch-site");
    assert_eq!(page.send(own_page).await.status, 200);
}

// HARD 14
#[tokio::test]
async fn who_signs_out_is_signed_out_whatever_else_stands_beside_the_cookie() {
    for beside in ["city=Z\u{fc}rich", "__Host-session=planted-by-somebody"] {
        let mut page = page().await;
        page.sign_in("/").await;
        let (name, session) = page.cookies.iter().find(|(name, _)| name == "__Host-session").unwrap().clone();
        let mut out = own("/auth/logout", &json!({}));
        let cookies = [beside.as_bytes(), format!("; {name}={session}").as_bytes()].concat();
        out.headers_mut().insert(header::COOKIE, axum::http::HeaderValue::from_bytes(&cookies).unwrap());
        assert_eq!(page.send(out).await.status, 200, "{beside}");
        assert_eq!(page.get("/auth/session").await.body, json!({"authenticated": false}), "{beside}");
        assert!(page.scene.issuer.counts().snapshot().at(Place::Revocation) >= 1, "{beside}");
    }
    let mut nobody = own("/auth/logout", &json!({}));
    nobody.headers_mut().insert(header::COOKIE, "__Host-session=planted".parse().unwrap());
    assert_eq!(problem(&page().await.send(nobody).await), (401, "session-ambiguous"), "nothing was ended");
}

#[tokio::test]
async fn a_logout_of_nobody_costs_nothing() {
    let mut page = page().await;
    page.sign_in("/").await;
    let before = page.store.list(bearward_store::Purpose::Session).await.unwrap().places.len();
    let own_cookies = page.cookies.clone();
    for _ in 0..50 {
        let mut out = own("/auth/logout", &json!({}));
        let made_up = format!("__Host-session={}", bearward_broker::random::Secret::new().unwrap().expose());
        out.headers_mut().insert(header::COOKIE, made_up.parse().unwrap());
        assert_eq!(page.send(out).await.status, 200);
    }
    assert_eq!(page.store.list(bearward_store::Purpose::Session).await.unwrap().places.len(), before);
    assert_eq!(page.scene.issuer.counts().snapshot().at(Place::Revocation), 0);
    page.cookies = own_cookies;
    assert!(page.get("/auth/session").await.body["authenticated"].as_bool().unwrap());
}

#[tokio::test]
async fn a_session_whose_token_is_not_taken_for_an_exchange_any_more_gets_another_one_first() {
    let mut page = page().await;
    page.sign_in("/").await;
    page.post("/auth/broker/exchange", &json!({"provider": "tools"})).await;
    let refused =
        Fault::Status { status: 400, body: json!({"error": "invalid_grant"}).to_string(), retry_after: None };
    page.scene.issuer.faults().next(Place::Token, 1, refused);
    let given = page.post("/auth/broker/exchange", &json!({"provider": "exchanged"})).await;
    assert_eq!(given.status, 200, "{}", given.body);
    assert_eq!(page.scene.refreshes(), 1);
}

#[tokio::test]
async fn a_session_that_its_issuer_ended_is_cleaned_up_also_when_its_cookie_never_comes_again() {
    use bearward_guard::revocation::{Revocation, Source};
    let mut page = page().await;
    page.sign_in("/").await;
    page.post("/auth/broker/exchange", &json!({"provider": "tools"})).await;
    assert_eq!(page.application.sweep().await, 0);
    assert!(page.get("/auth/session").await.body["authenticated"].as_bool().unwrap(), "what is open stays");
    let before = SystemClock::new();
    let issued_before = Some(bearward_token::Clock::unix_seconds(&before) + 60);
    let issuer = Some(page.scene.issuer.issuer());
    let ended = Revocation { issuer, sub: Some("alice".into()), issued_before, ..Revocation::default() };
    page.revocations.add(Source::Logout, &ended).unwrap();
    assert_eq!(page.application.sweep().await, 1);
    assert!(page.scene.issuer.counts().snapshot().at(Place::Revocation) >= 1);
    assert_eq!(page.application.sweep().await, 0);
}
