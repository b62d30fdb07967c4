//! A user's login at a provider, from the request to the broker and back.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on fails"
)]

#[cfg(feature = "rmcp")]
mod mcp_client;
#[cfg(feature = "reqwest")]
mod redirects;
mod scene;
#[cfg(feature = "rmcp")]
mod wire;

use bearward_client::context::ReuseExt;
use bearward_client::layer::Replay;
use bearward_client::{
    Broker, Choice, Mode, SessionCookie, with_reuse_authorizer, with_reuse_authorizer_mode,
};
use bearward_supply::Label;
use bearward_token::{Authority, Fingerprint};
use http::Request;
use http::header::AUTHORIZATION;
use serde_json::json;

use scene::{COOKIE_TEXT, Scene, TOOLS, bearer, names};

#[tokio::test]
async fn a_request_carries_the_users_token_and_many_at_once_cost_one_exchange() {
    let scene = Scene::new();
    let all = (0..20).map(|_| scene.post(TOOLS));
    assert!(futures_util::future::join_all(all).await.iter().all(|status| *status == Ok(200)));
    assert_eq!(scene.authorizations(), vec![bearer(1); 20]);
    let asked = scene.broker.asked.lock().unwrap().clone();
    let body = json!({"provider": "tools", "scopes": ["mcp"]});
    assert_eq!(asked, [("https://app.example.com/auth/broker/exchange".to_owned(), body)]);
    let headers = scene.broker.headers.lock().unwrap().clone();
    assert_eq!(
        (&headers["x-csrf"], &headers["cookie"]),
        (&"1".parse().unwrap(), &COOKIE_TEXT.parse().unwrap())
    );
    assert!(headers["cookie"].is_sensitive());
}

// HARD 15
#[tokio::test]
async fn a_refused_token_is_replaced_through_the_broker_and_the_request_repeated_once() {
    for refusal in [401, 419] {
        let scene = Scene::new();
        let mut events = scene.observer.follow();
        scene.refuses_next(&[refusal]);
        assert_eq!(scene.post(TOOLS).await, Ok(200));
        assert_eq!(scene.authorizations(), [bearer(1), bearer(2)]);
        let complaint = scene.broker.asked.lock().unwrap()[1].1["rejected"].clone();
        assert_eq!(complaint, Fingerprint::of("token-1").to_hex());
        assert_eq!(scene.asked(), ["exchange", "refresh"]);
        assert_eq!(
            names(&mut events),
            [
                "token_broker_exchange",
                "auth_header_bearer_first",
                "auth_retry_401",
                "token_broker_refresh",
                "auth_header_bearer_first",
                "auth_retry_success"
            ]
        );
    }
}

// HARD 15
#[tokio::test]
async fn a_provider_that_refuses_for_good_costs_one_refresh_and_the_caller_gets_its_word() {
    let scene = Scene::new();
    scene.refuses_next(&[401; 100]);
    for _ in 0..20 {
        assert_eq!(scene.post(TOOLS).await, Ok(401));
    }
    assert_eq!(scene.asked(), ["exchange", "refresh"], "the next is due in half a minute");
    assert!(scene.arrived().len() <= 21, "one retry, once");
}

/// A body that is gone once it was sent.
struct Stream(&'static str);

impl Replay for Stream {
    fn replay(&self) -> Option<Self> {
        None
    }
}

impl AsRef<[u8]> for Stream {
    fn as_ref(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

// HARD 15
#[tokio::test]
async fn a_body_that_cannot_be_sent_again_is_not_and_the_next_request_has_another_token() {
    let scene = Scene::new();
    scene.refuses_next(&[401]);
    let stream = || Request::post(TOOLS).body(Stream("upload")).unwrap();
    assert_eq!(scene.send(stream()).await, Ok(401));
    assert_eq!(scene.authorizations(), [bearer(1)]);
    assert_eq!(scene.send(stream()).await, Ok(200));
    assert_eq!(scene.authorizations(), [bearer(2)]);
}

#[tokio::test]
async fn where_reuse_is_off_requests_leave_as_they_would_without_us() {
    let mut scene = Scene::new();
    scene.provider.choice.reuse = None;
    let mut events = scene.observer.follow();
    scene.refuses_next(&[401]);
    assert_eq!(scene.post(TOOLS).await, Ok(401));
    assert_eq!((scene.authorizations(), scene.asked().len()), (vec![None], 0));
    assert_eq!(names(&mut events), ["auth_guard_denied"]);
    let error =
        scene.reuse().build_auth_header(&TOOLS.parse().unwrap(), Choice::default()).await.unwrap_err();
    assert!(error.to_string().contains("auth_reuse_disabled"), "{error}");
}

#[tokio::test]
async fn what_a_guard_denies_does_not_leave_and_the_broker_is_not_asked() {
    type Change = fn(&mut Scene);
    let cases: [(Change, &str, &str); 4] = [
        (|scene| scene.provider.origins.clear(), TOOLS, "auth_origin_not_allowed"),
        (
            |scene| scene.provider.origins = vec!["http://127.0.0.1:3000".parse().unwrap()],
            "http://127.0.0.1:3000/mcp",
            "auth_scheme_blocked",
        ),
        (
            |scene| scene.provider.authority = Authority::of_issuer("https://other.example".parse().unwrap()),
            TOOLS,
            "auth_authority_mismatch",
        ),
        (|scene| scene.provider.audiences = vec!["mcp:other".into()], TOOLS, "auth_audience_not_allowed"),
    ];
    for (change, url, reason) in cases {
        let mut scene = Scene::new();
        change(&mut scene);
        let error = scene.post(url).await.unwrap_err();
        assert!(error.contains(reason), "{error}");
        assert_eq!((scene.arrived().len(), scene.asked().len()), (0, 0), "{reason}");
    }
}

#[tokio::test]
async fn cookie_first_sends_the_cookie_home_and_a_token_once_that_was_refused() {
    let mut scene = Scene::new();
    scene.provider.choice.mode = Some(Mode::CookieFirst);
    scene.provider.origins.push("https://app.example.com".parse().unwrap());
    let cookie = Some(COOKIE_TEXT.to_owned());
    assert_eq!(scene.post("https://app.example.com/mcp").await, Ok(200));
    assert_eq!(scene.arrived(), [(None, cookie.clone(), "call".to_owned())]);
    assert_eq!(scene.asked().len(), 0, "no token where the cookie will do");
    scene.refuses_next(&[401]);
    assert_eq!(scene.post("https://app.example.com/mcp").await, Ok(200));
    let call = || "call".to_owned();
    assert_eq!(scene.arrived(), [(None, cookie, call()), (bearer(1), None, call())]);
    // The same authority at another origin: the cookie stays at home, the token may go.
    scene.refuses_next(&[419]);
    assert_eq!(scene.post(TOOLS).await, Ok(200));
    assert_eq!(scene.arrived(), [(None, None, call()), (bearer(1), None, call())]);
}

#[tokio::test]
async fn cookie_first_sends_nothing_where_a_guard_says_no() {
    let mut scene = Scene::new();
    scene.provider.choice.mode = Some(Mode::CookieFirst);
    scene.provider.authority = Authority::of_issuer("https://other.example".parse().unwrap());
    scene.refuses_next(&[401]);
    assert_eq!(scene.post(TOOLS).await, Ok(401));
    assert_eq!((scene.arrived(), scene.asked().len()), (vec![(None, None, "call".to_owned())], 0));
}

#[tokio::test]
async fn the_requests_own_word_beats_every_other() {
    let mut scene = Scene::new();
    scene.provider.choice.reuse = Some(false);
    scene.levels.env = Choice { reuse: Some(false), mode: Some(Mode::CookieFirst) };
    let around =
        with_reuse_authorizer(true, with_reuse_authorizer_mode(Mode::BearerFirst, scene.post(TOOLS)));
    assert_eq!(around.await, Ok(200));
    assert_eq!(scene.authorizations(), [bearer(1)]);
    let request = Request::post(TOOLS).body(String::new()).unwrap().with_reuse_authorizer(true);
    let request = request.with_reuse_authorizer_mode(Mode::BearerFirst);
    assert_eq!(scene.send(request).await, Ok(200));
    assert_eq!(scene.authorizations(), [bearer(1)]);
    assert_eq!(scene.post(TOOLS).await, Ok(200));
    assert_eq!(scene.authorizations(), [None]);
}

#[tokio::test]
async fn a_program_that_says_who_it_is_by_itself_is_left_alone() {
    let scene = Scene::new();
    let request = Request::post(TOOLS).header(AUTHORIZATION, "Bearer its-own").body(String::new()).unwrap();
    scene.refuses_next(&[401]);
    assert_eq!(scene.send(request).await, Ok(401));
    assert_eq!((scene.authorizations(), scene.asked().len()), (vec![Some("Bearer its-own".into())], 0));
}

#[tokio::test]
async fn a_session_that_is_over_is_told_before_a_byte_is_sent() {
    let scene = Scene::new();
    let problem = json!({"type": "https://bearward.dev/problems/login-required", "status": 401});
    scene.broker.next.lock().unwrap().push_back((401, problem));
    let error = scene.post(TOOLS).await.unwrap_err();
    assert!(error.contains("session is over") && error.contains("log in again"), "{error}");
    let other = Scene::new();
    let problem = json!({"type": "https://bearward.dev/problems/audience-not-allowed", "detail": "secret"});
    other.broker.next.lock().unwrap().push_back((403, problem));
    let error = other.post(TOOLS).await.unwrap_err();
    assert!(error.contains("audience-not-allowed") && !error.contains("secret"), "{error}");
    assert_eq!(scene.arrived().len() + other.arrived().len(), 0);
}

// HARD 20
#[tokio::test]
async fn neither_token_nor_cookie_is_shown() {
    let scene = Scene::new();
    scene.post(TOOLS).await.unwrap();
    let reuse = scene.reuse();
    let attached = reuse.build_auth_header(&TOOLS.parse().unwrap(), Choice::default()).await.unwrap();
    let shown = format!("{reuse:?} {attached:?}");
    assert!(!shown.contains("token-1") && !shown.contains("opaque-and-secret"), "{shown}");
}

#[tokio::test]
async fn two_users_never_share_a_token() {
    use bearward_client::{Broker, SessionCookie};
    use bearward_supply::Label;
    let scene = Scene::new();
    let broker = Broker::new(
        "https://app.example.com/auth/broker",
        scene.broker.clone(),
        std::sync::Arc::new(bearward_token::SystemClock::new()),
        scene.observer.clone(),
    )
    .unwrap();
    let label = Label::new("tools", &scene.observer);
    let mut tokens = Vec::new();
    for cookie in ["s=alice", "s=bob", "s=alice"] {
        let cookie = SessionCookie::new(cookie).unwrap();
        let handle = broker.handle(&scene.manager, &label, &cookie, &scene.provider, &Default::default());
        tokens.push(handle.ensure_access(&Default::default()).await.unwrap().token().expose().to_owned());
    }
    assert_eq!(tokens, ["token-1", "token-2", "token-1"]);
}

// HARD 15
#[tokio::test]
async fn a_token_that_is_refused_after_the_cookie_is_not_sent_again() {
    let mut scene = Scene::new();
    scene.provider.choice.mode = Some(Mode::CookieFirst);
    for expected in [bearer(1), bearer(2)] {
        scene.refuses_next(&[401, 401]);
        assert_eq!(scene.post(TOOLS).await, Ok(401));
        assert_eq!(scene.authorizations(), [None, expected]);
    }
    assert_eq!(scene.asked(), ["exchange", "refresh"]);
    // A destination that refuses everything costs no more than one in half a minute.
    scene.refuses_next(&[401, 401]);
    assert_eq!(scene.post(TOOLS).await, Ok(401));
    assert_eq!(scene.asked(), Vec::<String>::new());
}

#[tokio::test]
async fn a_token_that_the_broker_gives_for_another_audience_goes_nowhere() {
    let given = |audience: &str| json!({"access_token": "given", "token_type": "Bearer", "expires_in": 3600, "audience": audience});
    let mut scene = Scene::new();
    scene.provider.audiences = vec!["mcp:tools".into(), "mcp:other".into()];
    scene.broker.next.lock().unwrap().push_back((200, given("mcp:admin")));
    let error = scene.post(TOOLS).await.unwrap_err();
    assert!(error.contains("another audience"), "{error}");
    assert_eq!(scene.arrived().len(), 0);
    for fine in ["mcp:tools", "mcp:other"] {
        let audiences = std::mem::take(&mut scene.provider.audiences);
        scene = Scene::new();
        scene.provider.audiences = audiences;
        scene.broker.next.lock().unwrap().push_back((200, given(fine)));
        assert_eq!(scene.post(TOOLS).await, Ok(200), "{fine}");
    }
}

#[tokio::test]
async fn a_host_that_is_judged_by_another_spelling_than_it_is_sent_to_gets_nothing() {
    for (url, is_fine) in [
        ("http://127.0.0.1:3000/mcp", true),
        ("http://127.0.0.1.:3000/mcp", false),
        ("http://2130706433:3000/mcp", false),
        ("http://0x7f.1:3000/mcp", false),
        ("http://0177.0.0.1:3000/mcp", false),
    ] {
        let mut scene = Scene::new();
        scene.provider.allow_insecure = true;
        scene.provider.origins = vec!["http://127.0.0.1:3000".parse().unwrap()];
        assert_eq!(scene.post(url).await.is_ok(), is_fine, "{url}");
        assert_eq!(scene.arrived().len(), usize::from(is_fine), "{url}");
    }
}

// HARD 16
#[tokio::test]
async fn what_an_issuer_does_to_one_users_session_holds_nobody_else_up() {
    let scene = Scene::new();
    let clock = std::sync::Arc::new(bearward_token::SystemClock::new());
    let base = "https://app.example.com/auth/broker";
    let broker = Broker::new(base, scene.broker.clone(), clock, scene.observer.clone()).unwrap();
    let label = Label::new("tools", &scene.observer);
    let ask = async |cookie: &str| {
        let cookie = SessionCookie::new(cookie).unwrap();
        let handle = broker.handle(&scene.manager, &label, &cookie, &scene.provider, &"mcp".parse().unwrap());
        handle.ensure_access(&Default::default()).await.map(|given| given.token().expose().to_owned())
    };
    for (nth, (status, word)) in
        [(503, "issuer-unavailable"), (403, "too-many-scope-sets")].iter().enumerate()
    {
        let problem = json!({"type": format!("urn:bearward:problem:{word}"), "status": status});
        scene.broker.next.lock().unwrap().push_back((*status, problem));
        // What passes is tried again, and what does not is an answer.
        assert_eq!(ask(&format!("s=mallory-{nth}")).await.is_ok(), *status == 503, "{word}");
        let alice = ask(&format!("s=alice-{nth}")).await;
        assert!(alice.is_ok(), "{word}: {:?}", alice.map_err(|error| (error.to_string(), error.retry_after)));
    }
    // What it says of itself does.
    let unavailable = json!({"type": "urn:bearward:problem:unavailable", "status": 503});
    scene.broker.next.lock().unwrap().push_back((503, unavailable));
    assert!(ask("s=carol").await.is_err());
    assert!(ask("s=dave").await.is_err());
}
