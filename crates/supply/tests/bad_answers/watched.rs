//! The network of these tests: the real one, with a look at what is under way on it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bearward_issuer::fetch::Fetching;
use bearward_issuer::{Fetch, Form, HttpFetch, JsonRequest};
use bearward_token::Endpoint;
use http::HeaderValue;
use tokio::sync::Notify;

/// Counts what is sent, and knows when all of it has been answered or given up.
#[derive(Debug)]
pub(crate) struct Watched {
    network: HttpFetch,
    posts: AtomicU64,
    under_way: Arc<UnderWay>,
}

#[derive(Debug, Default)]
struct UnderWay {
    count: AtomicU64,
    ended: Notify,
}

/// One request. It has ended when this is dropped, which is also how it is given up.
struct One(Arc<UnderWay>);

impl One {
    fn new(all: &Arc<UnderWay>) -> Self {
        all.count.fetch_add(1, Ordering::SeqCst);
        Self(all.clone())
    }
}

impl Drop for One {
    fn drop(&mut self) {
        self.0.count.fetch_sub(1, Ordering::SeqCst);
        self.0.ended.notify_one();
    }
}

impl Watched {
    pub(crate) fn new() -> Self {
        let network = HttpFetch::new().unwrap();
        Self { network, posts: AtomicU64::new(0), under_way: Arc::default() }
    }

    /// Token requests so far.
    pub(crate) fn posts(&self) -> u64 {
        self.posts.load(Ordering::SeqCst)
    }

    pub(crate) fn is_quiet(&self) -> bool {
        self.under_way.count.load(Ordering::SeqCst) == 0
    }

    /// Until a request has ended.
    pub(crate) async fn ended(&self) {
        self.under_way.ended.notified().await;
    }

    fn watch<'a>(&self, fetching: Fetching<'a>) -> Fetching<'a> {
        let one = One::new(&self.under_way);
        Box::pin(async move {
            let _one = one;
            fetching.await
        })
    }
}

impl Fetch for Watched {
    fn get<'a>(&'a self, url: &'a Endpoint, authorization: Option<HeaderValue>) -> Fetching<'a> {
        self.watch(self.network.get(url, authorization))
    }

    fn post<'a>(&'a self, url: &'a Endpoint, form: Form) -> Fetching<'a> {
        self.posts.fetch_add(1, Ordering::SeqCst);
        self.watch(self.network.post(url, form))
    }

    fn post_json<'a>(&'a self, url: &'a Endpoint, request: JsonRequest) -> Fetching<'a> {
        self.watch(self.network.post_json(url, request))
    }
}
