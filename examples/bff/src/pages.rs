//! What a user sees: who is signed in, a button for the agent, what the agent was told, and a way out.

use std::net::SocketAddr;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{ConnectInfo, FromRef, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, COOKIE};
use axum::http::{HeaderMap, Method, Uri};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::{any, get, post};
use bearward_client::SessionCookie;
use maud::{DOCTYPE, Markup, html};
use serde_json::Value;
use tower_http::csrf::CsrfLayer;

use crate::Settings;
use crate::agent::{Agent, Told};
use crate::forward::{Bearward, forward};

/// Nothing but what comes from here.
const POLICY: &str = "default-src 'self'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'";
const STYLE: &str = "body{font:1.05rem/1.5 system-ui,sans-serif;max-width:44rem;margin:8vh auto;padding:0 1rem}\
    button,.button{font:inherit;padding:.4rem .9rem;border:1px solid #555;border-radius:.3rem;background:#fff;\
    color:#000;text-decoration:none}td,th{text-align:left;vertical-align:top;padding:.3rem .8rem .3rem 0}\
    .good{color:#176b2c}.bad{color:#a01818}code{overflow-wrap:anywhere}";
/// Signing out needs a header that no form can send, so that no other site's page can.
const SCRIPT: &str = "document.querySelector('#out')?.addEventListener('click', async () => {\
    const answer = await fetch('/auth/logout', {method: 'POST', headers: {'X-CSRF': '1'}});\
    const said = await answer.json();\
    location.assign(said.endSession ?? '/');\
    });";

#[derive(Debug, Clone)]
struct Site {
    agent: Agent,
    bearward: Bearward,
    cookie: String,
}

impl FromRef<Site> for Bearward {
    fn from_ref(site: &Site) -> Self {
        site.bearward.clone()
    }
}

/// All pages, and the way on to Bearward.
///
/// # Errors
/// When there is no TLS on this machine.
pub fn router(agent: Agent, settings: &Settings) -> Result<Router, reqwest::Error> {
    let http = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build()?;
    let bearward = Bearward { base: settings.bearward.clone(), http };
    let site = Site { agent, bearward, cookie: settings.cookie.clone() };
    let script = async || ([(CONTENT_TYPE, "text/javascript")], SCRIPT);
    let style = async || ([(CONTENT_TYPE, "text/css")], STYLE);
    let router = Router::new()
        .route("/", get(home))
        // A page of another site must not make the agent work.
        .route("/agent", post(ask).layer(CsrfLayer::new()))
        .route("/agent", get(async || Redirect::to("/")))
        .route("/app.js", get(script))
        .route("/app.css", get(style))
        .route("/auth/logout", post(sign_out))
        .route("/auth/{*path}", any(forward));
    Ok(router.with_state(site))
}

async fn home(State(site): State<Site>, headers: HeaderMap) -> Response {
    match site.user(&headers).await {
        Some(user) => page(&signed_in(&user, None)),
        None => page(&signed_out()),
    }
}

async fn ask(State(site): State<Site>, headers: HeaderMap) -> Response {
    let (Some(user), Some(cookie)) = (site.user(&headers).await, site.session(&headers)) else {
        return Redirect::to("/").into_response();
    };
    let told = site.agent.ask_everybody(&cookie).await;
    page(&signed_in(&user, Some(&told)))
}

/// Bearward ends the session; the agent forgets what it got by it.
async fn sign_out(
    State(site): State<Site>,
    from: ConnectInfo<SocketAddr>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let cookie = site.session(&headers);
    let answer = forward(State(site.bearward), from, method, uri, headers, body).await;
    if let Some(cookie) = cookie.filter(|_| answer.status().is_success()) {
        site.agent.forget(&cookie).await;
    }
    answer
}

impl Site {
    /// Who is signed in, as Bearward says.
    async fn user(&self, headers: &HeaderMap) -> Option<String> {
        let mut asks = self.bearward.http.get(format!("{}/auth/session", self.bearward.base));
        for cookie in headers.get_all(COOKIE) {
            asks = asks.header(COOKIE, cookie);
        }
        let said: Value = serde_json::from_slice(&asks.send().await.ok()?.bytes().await.ok()?).ok()?;
        said.get("authenticated").filter(|yes| **yes == Value::Bool(true))?;
        let name = said.get("name").and_then(Value::as_str).or(said.get("subject")?.as_str());
        name.map(str::to_owned)
    }

    /// The cookie of the user's session, for the agent.
    fn session(&self, headers: &HeaderMap) -> Option<SessionCookie> {
        let lines = headers.get_all(COOKIE).iter().filter_map(|line| line.to_str().ok());
        let mut pairs = lines.flat_map(|line| line.split(';')).map(str::trim);
        let own = pairs.find(|pair| pair.split_once('=').is_some_and(|(name, _)| name == self.cookie))?;
        SessionCookie::new(own).ok()
    }
}

fn signed_out() -> Markup {
    html! {
        h1 { "Your agent waits" }
        p { "Sign in once: it then calls its MCP providers as you, and you never sign in there." }
        p { a .button #in href="/auth/login?returnTo=/" { "Sign in" } }
    }
}

fn signed_in(user: &str, told: Option<&[Told]>) -> Markup {
    html! {
        h1 { "Hello, " span #user { (user) } }
        form method="post" action="/agent" { button #ask { "Let the agent call its providers" } }
        @if let Some(told) = told {
            table #told {
                tr { th { "provider" } th { "what happened" } }
                @for Told { provider, outcome } in told {
                    tr id=(provider) {
                        td { (provider) }
                        @match outcome {
                            Ok(said) => td .good { "called as you: " code { (said) } },
                            Err(why) => td .bad { "not called: " (why) },
                        }
                    }
                }
            }
        }
        p { button #out { "Sign out" } }
    }
}

/// Kept by nobody: whoever presses the back button after signing out must not see it.
fn page(content: &Markup) -> Response {
    let document = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width";
                title { "An application with an agent" }
                link rel="stylesheet" href="/app.css";
            }
            body { (content) script src="/app.js" {} }
        }
    };
    let headers = [(CACHE_CONTROL, "no-store"), (CONTENT_SECURITY_POLICY, POLICY)];
    (headers, Html(document.into_string())).into_response()
}
