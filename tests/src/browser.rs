//! A real browser, headless Chromium, as a test drives it: pages, forms, scripts, tabs and cookies.
//!
//! Some of what Bearward promises only a browser can show: which cookies a page may read, what a request from another
//! site says of itself, what twenty tabs of one person do at once.
//!
//! ```text
//! test ──WebDriver──▶ chromedriver ──▶ Chromium ──▶ server of the test
//! ```
//!
//! What does not go as it should panics, with the page that the browser was at: this is test code.

mod cookie;
mod driver;

use std::fmt::Display;
use std::future::Future;
use std::path::Path;
use std::time::Duration;

use fantoccini::elements::Element;
use fantoccini::wd::WindowHandle;
use fantoccini::{Client, Locator};
use serde_json::Value;
use tokio::time::{Instant, sleep, timeout};

pub use self::cookie::{Cookie, SameSite};
use self::driver::Driver;
use crate::tools::BrowserPrograms;

/// How long one command may take. Longer than the driver's own limits, so that it can say what it was waiting for.
const COMMAND: Duration = Duration::from_secs(40);
/// How long [`Browser::wait_for`] waits.
const WAIT: Duration = Duration::from_secs(10);
/// Between two looks whether something is there.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// A browser with a profile of its own, at first with one empty tab. It is gone when this is dropped.
#[derive(Debug)]
pub struct Browser {
    client: Client,
    driver: Driver,
}

/// A tab of one browser.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tab(WindowHandle);

impl Browser {
    /// Starts it.
    ///
    /// # Panics
    /// When it does not start, with what the driver printed.
    pub async fn start(programs: &BrowserPrograms) -> Self {
        let (driver, client) = Driver::start(programs).await;
        let browser = Self { client, driver };
        // What it opens by itself is another thing in each version.
        browser.goto("about:blank").await;
        browser
    }

    /// Opens the page and waits until it is loaded.
    pub async fn goto(&self, url: &str) {
        self.command(&format!("open {url}"), self.client.goto(url)).await;
    }

    /// Where the tab is.
    pub async fn url(&self) -> String {
        self.command("tell its URL", self.client.current_url()).await.into()
    }

    /// The title of the page.
    pub async fn title(&self) -> String {
        self.command("tell its title", self.client.title()).await
    }

    /// The text that a person sees in the first element that fits.
    pub async fn text(&self, css: &str) -> String {
        let element = self.element(css).await;
        self.on_page(&format!("tell the text of {css}"), element.text()).await
    }

    /// Types `text` into the field, in place of what stood there.
    pub async fn fill(&self, css: &str, text: &str) {
        let element = self.element(css).await;
        self.on_page(&format!("clear {css}"), element.clear()).await;
        self.on_page(&format!("type into {css}"), element.send_keys(text)).await;
    }

    /// Clicks on the first element that fits. The page to which that leads is loaded when the next command is answered.
    pub async fn click(&self, css: &str) {
        let element = self.element(css).await;
        self.on_page(&format!("click on {css}"), element.click()).await;
    }

    /// Waits until an element that fits is in the page, seen or not.
    pub async fn wait_for(&self, css: &str) {
        let deadline = Instant::now() + WAIT;
        while self.find(css).await.is_none() {
            if Instant::now() > deadline {
                panic!("no {css} within {} s {}", WAIT.as_secs(), self.page().await);
            }
            sleep(LOOK_AGAIN).await;
        }
    }

    /// Presses the back button.
    pub async fn back(&self) {
        self.command("go back", self.client.back()).await;
    }

    /// Runs the body of an async function in the page, and waits for what it returns; `undefined` is null.
    ///
    /// The page's own policy for scripts does not hold for it, but what it does, such as `fetch`, is under the page's.
    pub async fn eval(&self, body: &str) -> Value {
        let script = format!("return (async () => {{\n{body}\n}})()");
        self.on_page(&format!("run `{body}`"), self.client.execute(&script, Vec::new())).await
    }

    /// Opens an empty tab in the same profile. Commands go on to the tab that they went to before.
    pub async fn open_tab(&self) -> Tab {
        let opened = self.command("open a tab", self.client.new_window(true)).await;
        Tab(opened.handle)
    }

    /// The tab that commands go to.
    pub async fn tab(&self) -> Tab {
        Tab(self.command("tell its tab", self.client.window()).await)
    }

    /// Commands go to `tab` from now on.
    pub async fn switch_to(&self, tab: &Tab) {
        self.command("switch to a tab", self.client.switch_to_window(tab.0.clone())).await;
    }

    /// The cookies that a request for this page would carry, those that no script may read among them.
    pub async fn cookies(&self) -> Vec<Cookie> {
        let cookies = self.command("tell its cookies", self.client.get_all_cookies()).await;
        cookies.into_iter().map(Cookie::from).collect()
    }

    /// Sets a cookie as if this page's server had.
    pub async fn set_cookie(&self, cookie: Cookie) {
        self.on_page(&format!("set {cookie:?}"), self.client.add_cookie(cookie.into())).await;
    }

    /// Deletes the cookies that [`cookies`](Self::cookies) lists.
    pub async fn delete_cookies(&self) {
        self.command("delete its cookies", self.client.delete_all_cookies()).await;
    }

    /// Where its profile is, and everything else that it writes.
    pub fn folder(&self) -> &Path {
        self.driver.folder()
    }

    async fn element(&self, css: &str) -> Element {
        match self.find(css).await {
            Some(element) => element,
            None => panic!("no {css} {}", self.page().await),
        }
    }

    async fn find(&self, css: &str) -> Option<Element> {
        match within(self.client.find(Locator::Css(css))).await {
            Ok(element) => Some(element),
            Err(Failed::Command(error)) if error.is_no_such_element() => None,
            Err(error) => self.give_up(&format!("look for {css}"), error),
        }
    }

    /// A command about the browser.
    async fn command<T, E: Display>(&self, what: &str, command: impl Future<Output = Result<T, E>>) -> T {
        within(command).await.unwrap_or_else(|error| self.give_up(what, error))
    }

    /// A command about what is in the page, which is what a reader of the failure then wants to see.
    async fn on_page<T, E: Display>(&self, what: &str, command: impl Future<Output = Result<T, E>>) -> T {
        match within(command).await {
            Ok(answer) => answer,
            Err(error) => panic!("the browser could not {what}: {error}\n{}", self.page().await),
        }
    }

    /// Where the tab is and what a person sees there, as well as it can be told.
    async fn page(&self) -> String {
        const TEXT: &str = "return document.body ? document.body.innerText : ''";
        let url = within(self.client.current_url()).await;
        let url = url.map_or_else(|error| format!("a URL that cannot be told: {error}"), String::from);
        let text = within(self.client.execute(TEXT, Vec::new())).await;
        let text = text.map_or_else(|error| error.to_string(), |text| text.as_str().unwrap_or("").to_owned());
        format!("at {url}, which says:\n{text}")
    }

    fn give_up(&self, what: &str, error: impl Display) -> ! {
        panic!("the browser could not {what}: {error}\n{}", self.driver.output())
    }
}

/// Why a command has no answer.
#[derive(Debug, thiserror::Error)]
enum Failed<E: Display> {
    #[error("{0}")]
    Command(E),
    #[error("no answer within {} s", COMMAND.as_secs())]
    Late,
}

async fn within<T, E: Display>(command: impl Future<Output = Result<T, E>>) -> Result<T, Failed<E>> {
    let answer = timeout(COMMAND, command).await.map_err(|_| Failed::Late)?;
    answer.map_err(Failed::Command)
}
