//! The browser of the tests itself: what it shows of a page, keeps of an answer and says of a request, and that it goes.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on fails"
)]

use std::env;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};

use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{Html, IntoResponse};
use axum::routing::{get, post};
use axum::{Form, Router};
use bearward_tests::browser::{Browser, Cookie, SameSite};
use bearward_tests::stage::eventually;
use bearward_tests::tools::BrowserPrograms;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

#[tokio::test]
async fn a_form_is_sent_and_the_cookie_of_its_answer_is_hidden_from_scripts_alone() {
    let test = "a_form_is_sent_and_the_cookie_of_its_answer_is_hidden_from_scripts_alone";
    let Some(programs) = BrowserPrograms::find(test) else { return };
    let (site, browser) = (Site::start().await, Browser::start(&programs).await);
    browser.goto(&site.url("/")).await;
    assert_eq!(browser.title().await, "Who are you?");
    browser.fill("#name", "Bob").await;
    browser.fill("#name", "Alice").await;
    browser.click("button").await;
    browser.wait_for("#greeting").await;
    assert_eq!(browser.text("#greeting").await, "Hello, Alice");
    assert_eq!(browser.url().await, site.url("/hello"));
    let session = Cookie { http_only: true, same_site: SameSite::Strict, ..site.cookie("session", "Alice") };
    let seen = site.cookie("seen", "yes");
    let mut cookies = browser.cookies().await;
    cookies.sort_by(|one, other| one.name.cmp(&other.name));
    assert_eq!(cookies, [seen, session]);
    assert_eq!(browser.eval("return document.cookie").await, "seen=yes");
}

#[tokio::test]
async fn the_back_button_leads_to_the_page_before() {
    let Some(programs) = BrowserPrograms::find("the_back_button_leads_to_the_page_before") else { return };
    let (site, browser) = (Site::start().await, Browser::start(&programs).await);
    browser.goto(&site.url("/")).await;
    browser.goto(&site.url("/strict")).await;
    assert_eq!(browser.text("h1").await, "Nothing may run here");
    browser.back().await;
    assert_eq!(browser.url().await, site.url("/"));
    assert_eq!(browser.title().await, "Who are you?");
}

#[tokio::test]
async fn a_page_of_another_site_says_so_with_its_request_and_has_no_cookie_to_send() {
    let test = "a_page_of_another_site_says_so_with_its_request_and_has_no_cookie_to_send";
    let Some(programs) = BrowserPrograms::find(test) else { return };
    let (site, other) = (Site::start().await, Site::start().await);
    let browser = Browser::start(&programs).await;
    browser.goto(&site.url("/")).await;
    browser.set_cookie(site.cookie("session", "Alice")).await;
    let call = format!(
        "return fetch('{}', {{method: 'POST', credentials: 'include'}}).then(answer => answer.status, error => error.name)",
        site.url("/called")
    );
    assert_eq!(browser.eval(&call).await, 204);
    // Another host and another port: another site to every rule that a browser has.
    let elsewhere = format!("http://localhost:{}", other.address.port());
    browser.goto(&format!("{elsewhere}/")).await;
    assert_eq!(browser.eval(&call).await, "TypeError", "an answer that the page may not read");
    let said = |origin: &str, site: &str, cookie: Option<&str>| Said {
        origin: Some(origin.into()),
        site: Some(site.into()),
        cookie: cookie.map(String::from),
    };
    let own = said(&site.url(""), "same-origin", Some("session=Alice"));
    assert_eq!(site.said(), [own, said(&elsewhere, "cross-site", None)]);
}

#[tokio::test]
async fn twenty_tabs_each_run_their_own_script() {
    let Some(programs) = BrowserPrograms::find("twenty_tabs_each_run_their_own_script") else { return };
    let (site, browser) = (Site::start().await, Browser::start(&programs).await);
    let first = browser.tab().await;
    let mut tabs = Vec::new();
    for number in 0..20 {
        let tab = browser.open_tab().await;
        browser.switch_to(&tab).await;
        browser.goto(&site.url("/")).await;
        // Not awaited here: each goes on while the next one begins.
        let start = format!("window.answer = fetch('/echo?text={number}').then(answer => answer.text())");
        assert_eq!(browser.eval(&start).await, Value::Null);
        tabs.push(tab);
    }
    for (number, tab) in tabs.iter().enumerate() {
        browser.switch_to(tab).await;
        assert_eq!(browser.eval("return await window.answer").await, number.to_string());
    }
    browser.switch_to(&first).await;
    assert_eq!(browser.url().await, "about:blank");
}

#[tokio::test]
async fn cookies_are_set_and_deleted_and_another_browser_has_none_of_them() {
    let test = "cookies_are_set_and_deleted_and_another_browser_has_none_of_them";
    let Some(programs) = BrowserPrograms::find(test) else { return };
    let (site, browser) = (Site::start().await, Browser::start(&programs).await);
    let another = Browser::start(&programs).await;
    browser.goto(&site.url("/")).await;
    another.goto(&site.url("/")).await;
    for cookie in [
        site.cookie("plain", "1"),
        Cookie { http_only: true, same_site: SameSite::Strict, ..site.cookie("strict", "2") },
        Cookie { secure: true, same_site: SameSite::None, ..site.cookie("open", "3") },
    ] {
        browser.set_cookie(cookie.clone()).await;
        assert_eq!(browser.cookies().await, [cookie]);
        assert_eq!(another.cookies().await, []);
        browser.delete_cookies().await;
        assert_eq!(browser.cookies().await, []);
    }
}

#[tokio::test]
async fn a_test_may_run_scripts_in_a_page_that_may_run_none() {
    let Some(programs) = BrowserPrograms::find("a_test_may_run_scripts_in_a_page_that_may_run_none") else {
        return;
    };
    let (site, browser) = (Site::start().await, Browser::start(&programs).await);
    browser.goto(&site.url("/strict")).await;
    assert_eq!(browser.text("h1").await, "Nothing may run here", "the page's own script did not run");
    let answer =
        browser.eval("const one = await Promise.resolve(1); return {one, title: document.title}").await;
    assert_eq!(answer, json!({"one": 1, "title": "Strict"}));
    let call = "return fetch('/echo?text=1').then(() => 'sent', error => error.name)";
    assert_eq!(browser.eval(call).await, "TypeError", "what a script does is under the page's policy");
}

#[tokio::test]
async fn when_a_test_panics_it_says_at_which_page_and_its_browser_is_gone() {
    let test = "when_a_test_panics_it_says_at_which_page_and_its_browser_is_gone";
    let Some(programs) = BrowserPrograms::find(test) else { return };
    let site = Site::start().await;
    let url = site.url("/strict");
    for step in ["missing", "script"] {
        let browser = Browser::start(&programs).await;
        let folder = browser.folder().to_owned();
        assert!(is_running(&folder), "it is looked for in the right way");
        let at = url.clone();
        let failing = tokio::spawn(async move {
            browser.goto(&at).await;
            match step {
                "missing" => drop(browser.text("#missing").await),
                _ => drop(browser.eval("throw new Error('out of order')").await),
            }
        });
        let panic = failing.await.unwrap_err().into_panic();
        let words = panic.downcast_ref::<String>().unwrap();
        let expected = if step == "missing" { "no #missing" } else { "out of order" };
        for part in [expected, &url, "Nothing may run here"] {
            assert!(words.contains(part), "{part} is not in: {words}");
        }
        assert!(!is_running(&folder));
        assert!(!folder.exists());
    }
}

/// As when a test takes too long and its runner kills it.
#[tokio::test]
async fn when_a_tests_process_ends_at_once_its_browser_is_gone_too() {
    const ENDS: &str = "BEARWARD_TEST_ENDS_AT_ONCE";
    let test = "when_a_tests_process_ends_at_once_its_browser_is_gone_too";
    let Some(programs) = BrowserPrograms::find(test) else { return };
    if env::var_os(ENDS).is_some() {
        let browser = Browser::start(&programs).await;
        println!("\nfolder:{}", browser.folder().display());
        std::process::abort();
    }
    let mut itself = Command::new(env::current_exe().unwrap());
    let output = itself.args(["--exact", test, "--nocapture"]).env(ENDS, "yes").output().unwrap();
    let output = String::from_utf8_lossy(&output.stdout);
    let folder = output.lines().find_map(|line| line.strip_prefix("folder:")).expect(&output);
    let folder = Path::new(folder);
    eventually("the browser is gone", || async { !is_running(folder) }).await;
    std::fs::remove_dir_all(folder).unwrap();
}

/// Whether a process was started with this folder among its arguments, as Chromium's are with its profile.
fn is_running(folder: &Path) -> bool {
    let processes = Command::new("ps").args(["-A", "-o", "args"]).output().unwrap();
    String::from_utf8_lossy(&processes.stdout).contains(folder.to_str().unwrap())
}

/// A server on loopback with some pages. Stops when dropped.
struct Site {
    address: SocketAddr,
    called: Called,
    task: JoinHandle<()>,
}

type Called = Arc<Mutex<Vec<Said>>>;

/// What a request says of where it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Said {
    origin: Option<String>,
    site: Option<String>,
    cookie: Option<String>,
}

impl Site {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let called = Called::default();
        let router = Router::new()
            .route("/", get(async || Html(FORM)))
            .route("/hello", post(hello))
            .route(
                "/strict",
                get(async || ([("content-security-policy", "default-src 'none'")], Html(STRICT))),
            )
            .route("/echo", get(async |Query(text): Query<Text>| text.text))
            .route("/called", post(record))
            .with_state(Arc::clone(&called));
        let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { address, called, task }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    fn cookie(&self, name: &str, value: &str) -> Cookie {
        Cookie::new(&self.address.ip().to_string(), name, value)
    }

    fn said(&self) -> Vec<Said> {
        self.called.lock().unwrap().clone()
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.task.abort();
    }
}

const FORM: &str = "<!doctype html><title>Who are you?</title>
<form method=post action=/hello><input id=name name=text><button>Send</button></form>";

const STRICT: &str = "<!doctype html><title>Strict</title><h1>Nothing may run here</h1>
<script>document.querySelector('h1').textContent = 'It ran'</script>";

#[derive(Deserialize)]
struct Text {
    text: String,
}

async fn hello(Form(name): Form<Text>) -> impl IntoResponse {
    let session = format!("session={}; Path=/; HttpOnly; SameSite=Strict", name.text);
    let cookies = [("set-cookie", session), ("set-cookie", "seen=yes; Path=/".into())];
    let page = format!("<!doctype html><p id=greeting>Hello, {}</p>", name.text);
    (axum::response::AppendHeaders(cookies), Html(page))
}

async fn record(State(called): State<Called>, headers: HeaderMap) -> StatusCode {
    let header = |name| headers.get(name).map(|value| value.to_str().unwrap().to_owned());
    let said = Said { origin: header("origin"), site: header("sec-fetch-site"), cookie: header("cookie") };
    called.lock().unwrap().push(said);
    StatusCode::NO_CONTENT
}
