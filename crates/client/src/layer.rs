//! Reuse before any HTTP client that is a `tower` service.
//!
//! A client behind it that follows redirects must not carry `Authorization` or cookies to another origin; tower-http's
//! `FollowRedirect` does not by its standard policy. One before it asks anew for every hop, and each is judged by itself.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{Request, Response, Uri};
use http_body_util::{Empty, Full};
use tower_layer::Layer;
use tower_service::Service;
use url::Url;

use crate::context;
use crate::reuse::{Reuse, ReuseError, is_refusal};

/// Attaches the user's login to every request, and repeats one that was refused with another token, once.
#[derive(Debug, Clone)]
pub struct ReuseLayer(Reuse);

/// What [`ReuseLayer`] makes of a client.
#[derive(Debug, Clone)]
pub struct ReuseService<S> {
    inner: S,
    reuse: Reuse,
}

/// A body that may be sent twice.
pub trait Replay: Sized {
    /// The same once more; `None` for one that can be sent once, which is then not sent again.
    fn replay(&self) -> Option<Self>;
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum LayerError<E> {
    /// The request did not leave.
    #[error(transparent)]
    Reuse(#[from] ReuseError),
    /// It names no absolute URL, so nobody can say where a token would go.
    #[error("a request for a provider names its whole URL; this one's is `{0}`")]
    NotAbsolute(String),
    /// The client's own error.
    #[error(transparent)]
    Client(E),
}

impl ReuseLayer {
    /// For requests to one provider.
    pub fn new(reuse: Reuse) -> Self {
        Self(reuse)
    }
}

impl<S> Layer<S> for ReuseLayer {
    type Service = ReuseService<S>;

    fn layer(&self, inner: S) -> ReuseService<S> {
        ReuseService { inner, reuse: self.0.clone() }
    }
}

impl<S, B, A> Service<Request<B>> for ReuseService<S>
where
    S: Service<Request<B>, Response = Response<A>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Send,
    B: Replay + Send + 'static,
    A: Send + 'static,
{
    type Response = Response<A>;
    type Error = LayerError<S::Error>;
    type Future = Pin<Box<dyn Future<Output = Result<Response<A>, LayerError<S::Error>>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx).map_err(LayerError::Client)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        // The one that is ready, and not its copy.
        let fresh = self.inner.clone();
        let ready = std::mem::replace(&mut self.inner, fresh);
        let sending = Sending { client: ready, reuse: self.reuse.clone() };
        // What the caller's task says is heard here: the future may be polled elsewhere.
        let said = context::of(request.extensions());
        Box::pin(sending.send(request, said))
    }
}

struct Sending<S> {
    client: S,
    reuse: Reuse,
}

impl<S> Sending<S> {
    async fn send<B, A>(
        mut self,
        mut request: Request<B>,
        said: crate::Choice,
    ) -> Result<Response<A>, LayerError<S::Error>>
    where
        S: Service<Request<B>, Response = Response<A>>,
        B: Replay,
    {
        if request.headers().contains_key(AUTHORIZATION) {
            // The program speaks for itself.
            return self.client.call(request).await.map_err(LayerError::Client);
        }
        let uri = request.uri().to_string();
        let destination = Url::parse(&uri).ok().filter(|url| is_as_written(url, request.uri()));
        let Some(destination) = destination else { return Err(LayerError::NotAbsolute(uri)) };
        let carried = self.reuse.prepare(&destination, said).await?;
        let again = copy(&request);
        carried.put_on(request.headers_mut());
        let answer = self.client.call(request).await.map_err(LayerError::Client)?;
        if !is_refusal(answer.status()) {
            return Ok(answer);
        }
        // Also for a body that cannot be sent again: the next request then has a token that works.
        let other = self.reuse.after_refusal(&destination, said, &carried).await;
        let (Some(other), Some(mut again)) = (other.filter(|other| !other.is_nothing()), again) else {
            return Ok(answer);
        };
        other.put_on(again.headers_mut());
        std::future::poll_fn(|cx| self.client.poll_ready(cx)).await.map_err(LayerError::Client)?;
        let answer = self.client.call(again).await.map_err(LayerError::Client)?;
        self.reuse.settled(&carried, &other, is_refusal(answer.status()));
        Ok(answer)
    }
}

/// Whether the host that is judged is the one that the client will connect to: `0177.0.0.1` and `127.1` are read as another
/// one than they are written.
fn is_as_written(judged: &Url, sent: &Uri) -> bool {
    judged.host_str().zip(sent.host()).is_some_and(|(judged, sent)| judged.eq_ignore_ascii_case(sent))
}

fn copy<B: Replay>(request: &Request<B>) -> Option<Request<B>> {
    let mut copy = Request::new(request.body().replay()?);
    *copy.method_mut() = request.method().clone();
    *copy.uri_mut() = request.uri().clone();
    *copy.version_mut() = request.version();
    *copy.headers_mut() = request.headers().clone();
    *copy.extensions_mut() = request.extensions().clone();
    Some(copy)
}

macro_rules! by_cloning {
    ($($body:ty),*) => {$(
        impl Replay for $body {
            fn replay(&self) -> Option<Self> {
                Some(self.clone())
            }
        }
    )*};
}
by_cloning!((), Bytes, String, Vec<u8>, Full<Bytes>, Empty<Bytes>);
