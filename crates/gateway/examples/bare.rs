//! A forwarder on the libraries and the allocator that Bearward's gateway is made with, and nothing else: about what a request
//! costs there before anybody looks at it. `cargo xtask bench --proxy` measures it beside the others. It is a plain release,
//! without the counts of `cargo xtask dist`, and keeps its connections in hyper-util's pool, where the gateway has lanes
//! (docs/adr/0021).
//!
//! `bare ADDRESS UPSTREAM`, for example `bare 127.0.0.1:9300 127.0.0.1:9000`.

use std::error::Error;
use std::net::SocketAddr;

use http::uri::{Authority, Scheme};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpListener;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<_> = std::env::args().skip(1).collect();
    let [address, upstream] = &words[..] else { return Err("usage: bare ADDRESS UPSTREAM".into()) };
    forward(address.parse()?, upstream.parse()?).await
}

/// Until it is stopped. One thread; connections to the upstream are kept.
async fn forward(address: SocketAddr, upstream: Authority) -> Result<(), Box<dyn Error>> {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    let client = Client::builder(TokioExecutor::new()).build::<_, Incoming>(connector);
    let listener = TcpListener::bind(address).await?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let (client, upstream) = (client.clone(), upstream.clone());
        let service = service_fn(move |request| pass_on(client.clone(), request, upstream.clone()));
        tokio::spawn(async move {
            let served = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
            if let Err(error) = served.await {
                eprintln!("bare: {error}");
            }
        });
    }
}

async fn pass_on(
    client: Client<HttpConnector, Incoming>,
    mut request: Request<Incoming>,
    upstream: Authority,
) -> Result<Response<Incoming>, hyper_util::client::legacy::Error> {
    let mut parts = std::mem::take(request.uri_mut()).into_parts();
    (parts.scheme, parts.authority) = (Some(Scheme::HTTP), Some(upstream));
    // What is no URI then becomes `/`.
    *request.uri_mut() = Uri::from_parts(parts).unwrap_or_default();
    client.request(request).await
}
