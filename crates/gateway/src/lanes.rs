//! Connections to plain HTTP/1.1 servers, kept open between requests.

use std::collections::HashMap;
use std::error::Error;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, Weak};
use std::time::Duration;

use foldhash::fast::RandomState;
use http::header::{ACCEPT, HOST};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Method, Request, Uri};
use hyper::body::{Body as _, Incoming};
use hyper_util::client::legacy::connect::HttpConnector;
use memchr::memmem;
use tower_service::Service;

use crate::answer::Answered;
use crate::bare_stream::{BareStream, Framing};
use crate::body::{self, Body};
use crate::lane::{Answer, Fault, Lane};
use crate::outbox::Outbox;

/// How often kept connections are looked at.
const LOOK: Duration = Duration::from_secs(20);
/// Nobody has used it through so many looks: it is closed.
const UNUSED_LOOKS: u64 = 3;

/// All of them. Cheap to clone; clones share them.
#[derive(Debug, Clone)]
pub(crate) struct Lanes {
    connector: HttpConnector,
    kept: Arc<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    /// By authority.
    places: RwLock<HashMap<Box<str>, Arc<Place>, RandomState>>,
    is_looked_after: AtomicBool,
    outbox: Outbox,
}

/// One server.
#[derive(Debug)]
pub(crate) struct Place {
    host: HeaderValue,
    /// Free lanes, the one used last at the end, each with the look before which it was used.
    free: Mutex<Vec<(Lane, u64)>>,
    looks: AtomicU64,
}

/// Why there is no answer.
#[derive(Debug)]
pub(crate) enum LaneError {
    /// No connection could be made.
    Connect(Box<dyn Error + Send + Sync>),
    /// No answer in time.
    Late,
    /// It broke before an answer's head was complete.
    Broken(Box<dyn Error + Send + Sync>),
}

impl Lanes {
    pub(crate) fn new(connector: HttpConnector) -> Self {
        Self { connector, kept: Arc::default() }
    }

    /// Sends a request to the server that its URI names. One that could not leave, since a kept connection was closed
    /// behind meanwhile, leaves by another one.
    ///
    /// # Errors
    /// As [`LaneError`] says; [`LaneError::Late`] when it has waited for `limit`.
    pub(crate) async fn send(
        &self,
        mut request: Box<Request<Body>>,
        to: &Uri,
        limit: Duration,
    ) -> Result<Answered, LaneError> {
        let place = self.place(to)?;
        // Only a host and a path go into a request's head (RFC 9112 §3.2.1).
        let path = to.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
        *request.uri_mut() = Uri::from(path);
        request.headers_mut().entry(HOST).or_insert_with(|| place.host.clone());
        // Nothing of such a request can be on its way still when its answer comes.
        let is_bare = request.method() == Method::GET
            && request.body().is_end_stream()
            && wants_events(request.headers());
        loop {
            let (mut lane, is_used) = match place.free_lane() {
                Some(lane) => (lane, true),
                None => (Box::pin(self.connect(to)).await?, false),
            };
            match lane.send(request, limit, is_bare).await {
                Ok(answer) => {
                    let events = if is_bare { Framing::of_events(&answer) } else { None };
                    return Ok(Box::new(answer.map(|incoming| read(lane, incoming, place, events))));
                }
                Err(Fault::Late) => return Err(LaneError::Late),
                Err(Fault::Broken(mut error)) => match error.take_message() {
                    Some(unsent) if is_used => request = Box::new(unsent),
                    _ => return Err(LaneError::Broken(error.into_error().into())),
                },
            }
        }
    }

    async fn connect(&self, to: &Uri) -> Result<Lane, LaneError> {
        self.look_after();
        let mut connector = self.connector.clone();
        let stream = connector.call(to.clone()).await.map_err(|error| LaneError::Connect(error.into()))?;
        Lane::new(stream, &self.kept.outbox).await.map_err(|error| LaneError::Broken(error.into()))
    }

    fn place(&self, to: &Uri) -> Result<Arc<Place>, LaneError> {
        let authority = to.authority().ok_or_else(|| LaneError::Connect("the URI names no server".into()))?;
        let known = self.kept.places.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(place) = known.get(authority.as_str()) {
            return Ok(place.clone());
        }
        drop(known);
        let host = host_of(authority).map_err(|error| LaneError::Connect(error.into()))?;
        let mut places = self.kept.places.write().unwrap_or_else(PoisonError::into_inner);
        let new = || Arc::new(Place { host, free: Mutex::default(), looks: AtomicU64::new(0) });
        Ok(places.entry(authority.as_str().into()).or_insert_with(new).clone())
    }

    /// One task looks after all that is kept, for as long as somebody can use it.
    fn look_after(&self) {
        if !self.kept.is_looked_after.swap(true, Ordering::Relaxed) {
            tokio::spawn(look_after(Arc::downgrade(&self.kept)));
        }
    }
}

/// What an answer says, read from its lane. One of `events` takes no more of it than its connection.
fn read(lane: Lane, incoming: Incoming, place: Arc<Place>, events: Option<Framing>) -> Body {
    let lane = match events {
        Some(framing) => match lane.into_stream() {
            Ok((stream, read)) => return body::other(BareStream::new(stream, &read, framing)),
            Err(ended) => ended,
        },
        None => lane,
    };
    body::on_lane(Answer::new(incoming, lane, place))
}

fn wants_events(headers: &HeaderMap) -> bool {
    let is_there = |value: &HeaderValue| memmem::find(value.as_bytes(), b"text/event-stream").is_some();
    headers.get_all(ACCEPT).iter().any(is_there)
}

async fn look_after(kept: Weak<Kept>) {
    loop {
        tokio::time::sleep(LOOK).await;
        let Some(kept) = kept.upgrade() else { return };
        let mut places = kept.places.write().unwrap_or_else(PoisonError::into_inner);
        places.retain(|_, place| place.look() || Arc::strong_count(place) > 1);
    }
}

impl Place {
    /// A lane that can carry a request. The one used last first, so that those which are not needed are found unused.
    fn free_lane(&self) -> Option<Lane> {
        loop {
            let (mut lane, _) = self.free.lock().unwrap_or_else(PoisonError::into_inner).pop()?;
            if lane.is_still_free() {
                return Some(lane);
            }
        }
    }

    /// Keeps a free lane for the next request.
    pub(crate) fn keep(&self, lane: Lane) {
        let look = self.looks.load(Ordering::Relaxed);
        self.free.lock().unwrap_or_else(PoisonError::into_inner).push((lane, look));
    }

    /// Closes lanes that nobody has used for long, or that were closed behind; false when none is left.
    fn look(&self) -> bool {
        let look = self.looks.fetch_add(1, Ordering::Relaxed);
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        free.retain_mut(|(lane, used)| look.saturating_sub(*used) < UNUSED_LOOKS && lane.is_still_free());
        !free.is_empty()
    }
}

/// `Host` for a server: without what RFC 9110 §4.2.4 keeps out of it.
fn host_of(authority: &http::uri::Authority) -> Result<HeaderValue, http::header::InvalidHeaderValue> {
    match authority.port_u16() {
        None | Some(80) => HeaderValue::from_str(authority.host()),
        Some(port) => HeaderValue::try_from(format!("{}:{port}", authority.host())),
    }
}

#[cfg(test)]
mod tests;
