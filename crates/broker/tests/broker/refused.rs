//! What is refused, how that is said, and who hears of it.

use axum::body::Body;
use axum::http::{Request, header};
use bearward_broker::{CameFrom, ProblemKind};
use serde_json::json;

use crate::page::*;

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
        (json!({"provider": "x".repeat(20_000)}), (413, "body-too-large")),
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
    let mut two = own("/auth/broker/exchange", &tools);
    two.headers_mut().append("content-type", "text/plain".parse().unwrap());
    assert_eq!(problem(&page.send(two).await), (415, "unsupported-content-type"));
    let session = page.cookies.iter().find(|(name, _)| name == "__Host-session").unwrap().clone();
    let mut doubled = own("/auth/broker/exchange", &tools);
    let planted = format!("{0}={1}; {0}=planted-by-a-parent-domain", session.0, session.1);
    doubled.headers_mut().insert(header::COOKIE, planted.parse().unwrap());
    assert_eq!(problem(&page.send(doubled).await), (401, "session-ambiguous"));
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
    const OTHER: &str = "https://admin.example.com";
    let mut page = page_of(Setup { origins: &[OTHER], ..Setup::default() }).await;
    page.sign_in("/").await;
    let from = |origin: &str, method: &str| {
        let request = Request::builder().method(method).uri("/auth/session").header("origin", origin);
        let request = request.header("sec-fetch-site", "same-site");
        let asks = request.header("access-control-request-method", "GET");
        asks.header("access-control-request-headers", "x-csrf").body(Body::empty()).unwrap()
    };
    let shown = page.send(from(OTHER, "GET")).await;
    assert_eq!((shown.status, &shown.headers["access-control-allow-origin"]), (200, &OTHER.parse().unwrap()));
    assert_eq!(shown.headers["access-control-allow-credentials"], "true");
    let asked = page.send(from(OTHER, "OPTIONS")).await;
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

#[tokio::test]
async fn nobody_makes_the_issuer_work_by_asking_for_every_set_of_scopes_there_is() {
    let mut page = page().await;
    page.sign_in("/").await;
    let sets = (1..31_u8).map(|set| {
        let chosen = ["a", "b", "c", "d", "e"].iter().enumerate().filter(|(nth, _)| set & (1 << nth) != 0);
        chosen.map(|(_, scope)| *scope).collect::<Vec<_>>()
    });
    let mut last = None;
    for scopes in sets.take(17) {
        let wish = json!({"provider": "many-scopes", "scopes": scopes});
        last = Some(page.post("/auth/broker/exchange", &wish).await);
    }
    let last = last.unwrap();
    assert_eq!(problem(&last), (403, "too-many-scope-sets"));
    assert!(!last.headers.contains_key(header::RETRY_AFTER), "no waiting helps");
    assert_eq!(page.scene.refreshes(), 16);
    let usual = page.post("/auth/broker/exchange", &json!({"provider": "tools"})).await;
    assert_eq!(usual.status, 200, "what is not narrowed is not counted");
}
