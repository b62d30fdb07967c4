//! A broker, a provider, and a client with a user's session between them.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use bearward_client::reuse::Parts;
use bearward_client::{
    Application, Broker, Choice, ClientOptions, Levels, Provider, Reuse, ReuseLayer, SessionCookie,
};
use bearward_issuer::fetch::Fetching;
use bearward_issuer::{Fetch, Fetched, Form, JsonRequest};
use bearward_observe::{Event, Observer};
use bearward_supply::{Label, TokenManager};
use bearward_token::{Authority, Clock, Endpoint, SystemClock};
use bytes::Bytes;
use http::header::{AUTHORIZATION, COOKIE};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use serde_json::{Value, json};
use tower::{Service, ServiceExt, service_fn};

pub(crate) const ISSUER: &str = "https://idp.example.com/realms/acme";
pub(crate) const TOOLS: &str = "https://tools.example.com/mcp";
pub(crate) const COOKIE_TEXT: &str = "__Host-session=opaque-and-secret";

/// Gives `token-1`, `token-2` …, and remembers what it was asked.
#[derive(Debug, Default)]
pub(crate) struct FakeBroker {
    given: AtomicU64,
    /// Which endpoint, and with what.
    pub(crate) asked: Mutex<Vec<(String, Value)>>,
    pub(crate) headers: Mutex<HeaderMap>,
    /// Before what it would answer by itself.
    pub(crate) next: Mutex<VecDeque<(u16, Value)>>,
}

impl Fetch for FakeBroker {
    fn get<'a>(&'a self, _: &'a Endpoint, _: Option<HeaderValue>) -> Fetching<'a> {
        unreachable!("a broker is asked by POST")
    }

    fn post<'a>(&'a self, _: &'a Endpoint, _: Form) -> Fetching<'a> {
        unreachable!("a broker takes JSON")
    }

    fn post_json<'a>(&'a self, url: &'a Endpoint, request: JsonRequest) -> Fetching<'a> {
        self.asked.lock().unwrap().push((url.to_string(), request.body));
        *self.headers.lock().unwrap() = request.headers;
        let (status, body) = self.next.lock().unwrap().pop_front().unwrap_or_else(|| {
            let nth = self.given.fetch_add(1, Ordering::SeqCst) + 1;
            (200, json!({"access_token": format!("token-{nth}"), "token_type": "Bearer", "expires_in": 3600}))
        });
        let answer = Fetched {
            status: StatusCode::from_u16(status).unwrap(),
            headers: match status {
                429.. => {
                    HeaderMap::from_iter([(http::header::RETRY_AFTER, HeaderValue::from_static("3600"))])
                }
                _ => HeaderMap::new(),
            },
            body: Bytes::from(body.to_string()),
        };
        Box::pin(async {
            tokio::task::yield_now().await;
            Ok(answer)
        })
    }
}

/// What arrived at the provider: its `Authorization`, cookie and body.
pub(crate) type Arrived = (Option<String>, Option<String>, String);

/// A provider that takes what it is told to take.
#[derive(Debug, Default)]
pub(crate) struct Destination {
    pub(crate) arrived: Mutex<Vec<Arrived>>,
    /// The statuses of its next answers; then 200.
    pub(crate) next: Mutex<VecDeque<u16>>,
}

pub(crate) struct Scene {
    pub(crate) broker: Arc<FakeBroker>,
    pub(crate) destination: Arc<Destination>,
    pub(crate) observer: Observer,
    pub(crate) manager: TokenManager,
    pub(crate) provider: Provider,
    pub(crate) levels: Levels,
    /// Where the application's cookie is at home.
    pub(crate) home: String,
    clock: Arc<dyn Clock>,
}

impl Scene {
    /// One in which everything holds.
    pub(crate) fn new() -> Self {
        let (clock, observer): (Arc<dyn Clock>, _) = (Arc::new(SystemClock::new()), Observer::new());
        Self {
            broker: Arc::default(),
            destination: Arc::default(),
            manager: TokenManager::new(clock.clone(), observer.clone(), 1),
            provider: Provider {
                name: "tools".into(),
                authority: Authority::of_issuer(ISSUER.parse().unwrap()),
                origins: vec!["https://tools.example.com".parse().unwrap()],
                audience: "mcp:tools".into(),
                audiences: Vec::new(),
                allow_insecure: false,
                choice: Choice { reuse: Some(true), mode: None },
            },
            levels: Levels::default(),
            home: "https://app.example.com".to_owned(),
            observer,
            clock,
        }
    }

    pub(crate) fn reuse(&self) -> Reuse {
        let cookie = SessionCookie::new(COOKIE_TEXT).unwrap();
        let broker = Broker::new(
            "https://app.example.com/auth/broker",
            self.broker.clone(),
            self.clock.clone(),
            self.observer.clone(),
        );
        let label = Label::new("tools", &self.observer);
        let tokens =
            broker.unwrap().handle(&self.manager, &label, &cookie, &self.provider, &"mcp".parse().unwrap());
        let home = self.home.parse().unwrap();
        Reuse::new(Parts {
            application: Application {
                authority: Authority::of_issuer(ISSUER.parse().unwrap()),
                cookie: Some((home, cookie)),
            },
            provider: self.provider.clone(),
            tokens,
            wanted: bearward_client::session::wanted(),
            levels: self.levels,
            options: ClientOptions::default(),
            clock: self.clock.clone(),
            observer: self.observer.clone(),
        })
    }

    /// Sends a request through the layer: the status, or the error's text.
    pub(crate) async fn send<B>(&self, request: Request<B>) -> Result<u16, String>
    where
        B: bearward_client::layer::Replay + AsRef<[u8]> + Send + 'static,
    {
        let destination = self.destination.clone();
        let client = service_fn(move |request: Request<B>| {
            let destination = destination.clone();
            async move { Ok::<_, Infallible>(destination.answer(&request)) }
        });
        let mut service = tower_layer::Layer::layer(&ReuseLayer::new(self.reuse()), client);
        let answer = service.ready().await.unwrap().call(request).await;
        answer.map(|answer: Response<()>| answer.status().as_u16()).map_err(|error| error.to_string())
    }

    /// The same for a POST that can be sent again.
    pub(crate) async fn post(&self, url: &str) -> Result<u16, String> {
        self.send(Request::post(url).body("call".to_owned()).unwrap()).await
    }

    /// What arrived since the last time.
    pub(crate) fn arrived(&self) -> Vec<Arrived> {
        std::mem::take(&mut *self.destination.arrived.lock().unwrap())
    }

    /// The `Authorization` of what arrived since the last time.
    pub(crate) fn authorizations(&self) -> Vec<Option<String>> {
        self.arrived().into_iter().map(|(authorization, ..)| authorization).collect()
    }

    /// Which endpoints of the broker were asked since the last time.
    pub(crate) fn asked(&self) -> Vec<String> {
        let asked = std::mem::take(&mut *self.broker.asked.lock().unwrap());
        asked.into_iter().map(|(url, _)| url.rsplit('/').next().unwrap().to_owned()).collect()
    }

    pub(crate) fn refuses_next(&self, statuses: &[u16]) {
        self.destination.next.lock().unwrap().extend(statuses);
    }
}

/// The names of all events so far.
pub(crate) fn names(follower: &mut bearward_observe::Follower) -> Vec<&'static str> {
    let mut names = Vec::new();
    while let Ok(event) = follower.try_recv() {
        if !matches!(event, Event::TokenFetched { .. } | Event::FlightJoined { .. }) {
            names.push(event.name());
        }
    }
    names
}

pub(crate) fn bearer(nth: u64) -> Option<String> {
    Some(format!("Bearer token-{nth}"))
}

impl Destination {
    fn answer<B: AsRef<[u8]>>(&self, request: &Request<B>) -> Response<()> {
        let text = |name| request.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
        let body = String::from_utf8(request.body().as_ref().to_vec()).unwrap();
        self.arrived.lock().unwrap().push((text(AUTHORIZATION), text(COOKIE), body));
        let status = self.next.lock().unwrap().pop_front().unwrap_or(200);
        Response::builder().status(status).body(()).unwrap()
    }
}
