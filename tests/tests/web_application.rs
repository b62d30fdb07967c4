//! The sample web application in a real browser: sign in once, let the agent call, twenty tabs, other sites, sign out.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on fails"
)]

use axum::Router;
use axum::response::Html;
use axum::routing::get;
use bearward::demo::web::{PASSWORD, USER, WebWorld};
use bearward_tests::browser::{Browser, SameSite};
use bearward_tests::tools::BrowserPrograms;
use serde_json::Value;
use tokio::net::TcpListener;

const COOKIE: &str = "dev-session";

struct Scene {
    world: WebWorld,
    browser: Browser,
}

impl Scene {
    /// `None`: there is no browser on this machine.
    async fn new(test: &str) -> Option<Self> {
        let programs = BrowserPrograms::find(test)?;
        Some(Self { world: WebWorld::start(None).await.unwrap(), browser: Browser::start(&programs).await })
    }

    async fn home(&self) {
        self.browser.goto(&format!("{}/", self.world.application)).await;
    }

    async fn sign_in(&self) {
        self.home().await;
        self.browser.click("#in").await;
        self.browser.wait_for("input[name=username]").await;
        self.browser.fill("input[name=username]", USER).await;
        self.browser.fill("input[name=password]", PASSWORD).await;
        self.browser.click("button").await;
        self.browser.wait_for("#user").await;
    }

    async fn is_signed_in(&self) -> bool {
        self.home().await;
        let session = self.browser.eval("return (await fetch('/auth/session')).json()").await;
        session["authenticated"] == true
    }

    fn refreshes(&self) -> u64 {
        self.world.issuer.counts().snapshot().grant("refresh_token")
    }
}

#[tokio::test]
async fn who_signs_in_once_has_an_agent_that_calls_as_them_and_no_page_ever_holds_a_token() {
    let name = "who_signs_in_once_has_an_agent_that_calls_as_them_and_no_page_ever_holds_a_token";
    let Some(scene) = Scene::new(name).await else { return };
    let Scene { world, browser } = &scene;
    scene.sign_in().await;
    assert_eq!(browser.text("#user").await, "Alice");
    assert!(browser.url().await.starts_with(&world.application));
    for turn in 1..=2 {
        browser.click("#ask").await;
        browser.wait_for("#told").await;
        for provider in ["#calendar", "#documents"] {
            let told = browser.text(provider).await;
            assert!(
                told.contains("called as you") && told.contains("x-user: alice"),
                "{turn} {provider}: {told}"
            );
            assert!(
                told.contains("authorization: –") && told.contains("cookie: –"),
                "{turn} {provider}: {told}"
            );
        }
        let refused = browser.text("#partner").await;
        assert!(refused.contains("auth_authority_mismatch"), "{turn}: {refused}");
    }
    assert_eq!(world.partner.received().len(), 0, "no byte left for the other authority");
    // Two of the session's own kind, however often the agent calls: the sign-in's, and the other provider's.
    let asked = world.issuer.counts().snapshot();
    assert_eq!((asked.grant("authorization_code"), asked.grant("refresh_token")), (1, 1));

    let cookies = browser.cookies().await;
    let session = cookies.iter().find(|cookie| cookie.name == COOKIE).unwrap();
    assert!(session.http_only && session.path == "/" && session.same_site == SameSite::Lax, "{session:?}");
    let seen = browser
        .eval("return [document.cookie, document.documentElement.outerHTML, localStorage.length]")
        .await;
    assert_eq!((&seen[0], &seen[2]), (&"".into(), &0.into()));
    let page = seen[1].as_str().unwrap();
    assert!(world.issuer.counts().secrets().iter().all(|secret| !page.contains(secret.as_str())));
    assert!(!page.contains(&session.value));
}

// HARD 32
#[tokio::test]
async fn twenty_tabs_that_need_another_token_at_once_cost_one_refresh_and_sign_nobody_out() {
    let name = "twenty_tabs_that_need_another_token_at_once_cost_one_refresh_and_sign_nobody_out";
    let Some(scene) = Scene::new(name).await else { return };
    let browser = &scene.browser;
    scene.sign_in().await;
    // Each waits for the word, and then says that the same token was refused.
    let wait = "
        const ask = (what, body) => fetch('/auth/broker/' + what, {
            method: 'POST', headers: {'X-CSRF': '1', 'Content-Type': 'application/json'}, body: JSON.stringify(body)});
        const token = (await (await ask('exchange', {provider: 'calendar'})).json()).access_token;
        const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(token)));
        const rejected = [...digest].map(byte => byte.toString(16).padStart(2, '0')).join('');
        const word = new BroadcastChannel('word');
        window.told = new Promise(done => word.onmessage = async () => {
            const answer = await ask('refresh', {provider: 'calendar', rejected});
            const said = await answer.json();
            done({status: answer.status, changed: said.access_token !== token, token: said.access_token});
        });
        return token;";
    let first = browser.tab().await;
    let mut tabs = Vec::new();
    for _ in 0..20 {
        let tab = browser.open_tab().await;
        browser.switch_to(&tab).await;
        scene.home().await;
        browser.eval(wait).await;
        tabs.push(tab);
    }
    assert_eq!(scene.refreshes(), 0);
    browser.switch_to(&first).await;
    browser.eval("new BroadcastChannel('word').postMessage('now'); return 1").await;
    let mut given = Vec::new();
    for tab in &tabs {
        browser.switch_to(tab).await;
        let told = browser.eval("return window.told").await;
        assert_eq!((&told["status"], &told["changed"]), (&200.into(), &true.into()), "{}", told["status"]);
        given.push(told["token"].clone());
    }
    assert!(given.iter().all(|token| *token == given[0]), "all have the same");
    assert_eq!(scene.refreshes(), 1);
    assert!(scene.is_signed_in().await);
}

/// Pages elsewhere that try everything a page can: on another site, and on another origin of the same site, where the
/// browser sends the cookie along.
async fn elsewhere(target: &str) -> [String; 2] {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let forms = ["logout", "broker/exchange", "broker/refresh"].map(|path| {
        let id = path.replace('/', "-");
        format!("<form method=post action='{target}/auth/{path}' id='{id}'><button>x</button></form>")
    });
    let links = ["session", "broker/peek?provider=calendar"].map(|path| {
        let id = path.split('?').next().unwrap().replace('/', "-");
        format!("<a href='{target}/auth/{path}' id='{id}'>x</a>")
    });
    let agent = format!("<form method=post action='{target}/agent' id='agent'><button>x</button></form>");
    let page = format!("<!doctype html><title>evil</title>{agent}{}{}", forms.join(""), links.join(" "));
    let router = Router::new().route("/", get(async move || Html(page)));
    tokio::spawn(async move { axum::serve(listener, router).await });
    // Another name of the same machine is another site; another port is not.
    [format!("http://localhost:{port}/"), format!("http://127.0.0.1:{port}/")]
}

// HARD 29
#[tokio::test]
async fn a_page_of_another_site_gets_nothing_done_with_the_users_cookie() {
    let Some(scene) = Scene::new("a_page_of_another_site_gets_nothing_done_with_the_users_cookie").await
    else {
        return;
    };
    let world = &scene.world;
    scene.sign_in().await;
    let before = world.issuer.counts().snapshot();
    for evil in elsewhere(&world.application).await {
        nothing_gets_done_from(&scene, &evil).await;
    }
    assert_eq!(world.issuer.counts().snapshot(), before, "no token work");
    assert!([&world.calendar, &world.documents].iter().all(|server| server.received().is_empty()));
    assert!(scene.is_signed_in().await);
}

async fn nothing_gets_done_from(Scene { world, browser }: &Scene, evil: &str) {
    for way in ["agent", "logout", "broker-exchange", "broker-refresh", "session", "broker-peek"] {
        browser.goto(evil).await;
        browser
            .click(&match way {
                "session" | "broker-peek" => format!("#{way}"),
                form => format!("#{form} button"),
            })
            .await;
        browser.wait_for("body").await;
        let said = browser.text("body").await;
        let refused = if way == "agent" { "http error 403" } else { "csrf-rejected" };
        assert!(said.to_lowercase().contains(refused), "{way} from {evil}: {said}");
    }
    // What a script can do: each is refused by the browser or by Bearward, and none of them is answered.
    browser.goto(evil).await;
    let script = "
        const target = TARGET, outcomes = [];
        for (const path of ['logout', 'broker/exchange', 'broker/refresh', 'session', 'broker/peek?provider=calendar'])
            for (const method of ['POST', 'GET'])
                for (const headers of [{}, {'X-CSRF': '1'}, {'Content-Type': 'application/json'}]) {
                    const body = method === 'POST' ? JSON.stringify({provider: 'calendar'}) : undefined;
                    const asked = fetch(`${target}/auth/${path}`, {method, headers, body, credentials: 'include'});
                    outcomes.push(await asked.then(async answer => await answer.text(), error => 'blocked'));
                }
        return outcomes;"
        .replace("TARGET", &serde_json::to_string(&world.application).unwrap());
    let outcomes = browser.eval(&script).await;
    assert_eq!(outcomes.as_array().unwrap().len(), 30);
    assert!(outcomes.as_array().unwrap().iter().all(|outcome| outcome == "blocked"), "{outcomes}");
}

// HARD 30
#[tokio::test]
async fn after_signing_out_neither_the_back_button_nor_the_old_cookie_brings_anything_back() {
    let name = "after_signing_out_neither_the_back_button_nor_the_old_cookie_brings_anything_back";
    let Some(scene) = Scene::new(name).await else { return };
    let Scene { world, browser } = &scene;
    scene.sign_in().await;
    browser.click("#ask").await;
    browser.wait_for("#told").await;
    let old = browser.cookies().await.into_iter().find(|cookie| cookie.name == COOKIE).unwrap();
    browser.click("#out").await;
    // By way of the issuer, whose session ends as well.
    browser.wait_for("#in").await;
    assert!(browser.cookies().await.iter().all(|cookie| cookie.name != COOKIE));
    browser.back().await;
    let shown = browser.eval("return document.querySelector('#user')?.textContent ?? null").await;
    assert_eq!(shown, Value::Null, "what was private is not shown again");
    scene.home().await;
    browser.set_cookie(old).await;
    assert!(!scene.is_signed_in().await);
    assert!(
        world.issuer.counts().snapshot().at(bearward_testbed::authorization_server::Place::Revocation) >= 1
    );
}
