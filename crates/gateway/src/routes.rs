//! Finds who handles a request on the public listener: a guard, its metadata document, or nobody.

use std::future::Future;
use std::net::IpAddr;
use std::sync::Arc;

use bearward_guard::metadata::WELL_KNOWN;
use bearward_guard::security_event::Receiver;
use http::request::Parts;
use http::{Method, Request, Response, StatusCode};
use hyper::body::Incoming;

use crate::answer::Asked;
use crate::body::Body;
use crate::documents::Documents;
use crate::inbound::Inbound;
use crate::pages::Pages;
use crate::{receiver, shape};

/// All guards of one listener.
#[derive(Debug)]
pub struct Routes {
    /// Longest path first, so that the nearest guard wins.
    guards: Vec<(String, Arc<Inbound>)>,
    events: Receiver,
    documents: Documents,
    pages: Option<Pages>,
}

impl Routes {
    /// Routes to these guards, each by the path of its resource, what issuers tell to `events`, and the rest below
    /// [`crate::pages::BELOW`] to `pages`, where there are any.
    pub fn new(
        guards: impl IntoIterator<Item = Inbound>,
        events: Receiver,
        documents: Documents,
        pages: Option<Pages>,
    ) -> Self {
        let mut guards: Vec<_> = guards
            .into_iter()
            .map(|inbound| {
                let path = inbound.guard.settings().resource.path().trim_end_matches('/').to_owned();
                (path, Arc::new(inbound))
            })
            .collect();
        guards.sort_by_key(|(path, _)| std::cmp::Reverse(path.len()));
        Self { guards, events, documents, pages }
    }

    /// Handles one request.
    pub fn handle(
        self: Arc<Self>,
        request: Request<Incoming>,
        peer: Option<IpAddr>,
    ) -> impl Future<Output = Response<Body>> + Send {
        // Taken apart before, so that the future has room for it once.
        let (mut head, body) = request.into_parts();
        async move { self.route(&mut head, body, peer).await }
    }

    async fn route(&self, head: &mut Parts, body: Incoming, peer: Option<IpAddr>) -> Response<Body> {
        let path = head.uri.path();
        if let Err(wrong) = shape::check(head).and_then(|()| shape::check_path(path)) {
            return Asked::new(&head.method).misshapen(wrong);
        }
        if path.starts_with(WELL_KNOWN) {
            return self.metadata(path, &head.method);
        }
        if let Some(answer) = self.documents.jwks(path, &head.method) {
            return answer;
        }
        if let Some(kind) = receiver::kind_of(path).filter(|_| !self.events.is_empty()) {
            return Box::pin(receiver::handle(&self.events, kind, whole(head, body))).await;
        }
        if let Some(pages) = self.pages.as_ref().filter(|pages| pages.have(path)) {
            return Box::pin(pages.handle(whole(head, body), peer)).await;
        }
        match self.guard_of(path) {
            Some((inbound, rest)) => {
                let rest = rest.to_owned();
                *inbound.handle(head, body, &rest, peer).await
            }
            None => {
                Asked::new(&head.method).error(StatusCode::NOT_FOUND, "There is no resource at this path")
            }
        }
    }

    /// The guard whose path is a prefix of this one at a segment's end, and what is left.
    ///
    /// A path that differs from a guard's by case alone is nobody's: a server behind that ignores case would let
    /// it past the nearer guard.
    fn guard_of<'a>(&self, path: &'a str) -> Option<(&Inbound, &'a str)> {
        let nearest = self.guards.iter().find_map(|(prefix, inbound)| {
            let (begin, rest) = path.split_at_checked(prefix.len())?;
            let is_below = begin.eq_ignore_ascii_case(prefix) && (rest.is_empty() || rest.starts_with('/'));
            is_below.then_some((begin == prefix, inbound, rest))
        });
        let (is_exact, inbound, rest) = nearest?;
        // A trailing slash alone is the resource itself.
        let rest = if rest == "/" { "" } else { rest };
        is_exact.then_some((&**inbound, rest))
    }

    /// RFC 9728 §3: at the resource's own path, and at the root when there is one resource only (SPEC RS-1).
    fn metadata(&self, path: &str, method: &Method) -> Response<Body> {
        let by_path = self.guards.iter().find(|(_, inbound)| inbound.guard.metadata_path() == path);
        let only = || self.guards.first().filter(|_| path == WELL_KNOWN && self.guards.len() == 1);
        let Some((_, inbound)) = by_path.or_else(only) else {
            return Asked::plain()
                .error(StatusCode::NOT_FOUND, "There is no resource with this metadata path");
        };
        self.documents.metadata(&inbound.guard, method)
    }
}

/// A request that is put together again, for who wants all of it.
fn whole(head: &mut Parts, body: Incoming) -> Request<Incoming> {
    let mut request = Request::new(body);
    *request.method_mut() = head.method.clone();
    *request.uri_mut() = std::mem::take(&mut head.uri);
    *request.version_mut() = head.version;
    *request.headers_mut() = std::mem::take(&mut head.headers);
    *request.extensions_mut() = std::mem::take(&mut head.extensions);
    request
}
