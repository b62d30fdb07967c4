//! A port that ought to speak TLS and cannot be trusted, or cannot speak it.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::PrivatePkcs8KeyDer;

/// The head of a TLS record that holds a `ServerHello`, and nothing behind it.
const HALF_A_HELLO: [u8; 9] = [22, 3, 3, 0, 122, 2, 0, 0, 118];

/// What is wrong with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BadTls {
    /// Its certificate was signed by itself, a moment ago.
    SelfSigned,
    /// It closes the connection in the middle of its first message.
    ClosesMidHandshake,
}

/// A port with bad TLS on loopback. Closed when dropped.
#[derive(Debug)]
pub struct BadTlsPort {
    address: SocketAddr,
    seen: Arc<Seen>,
    task: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct Seen {
    connections: AtomicU64,
    bytes: AtomicU64,
}

impl BadTlsPort {
    /// On a free port.
    ///
    /// # Errors
    /// When no port can be bound, or no certificate made.
    pub async fn start(wrong: BadTls) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let (address, seen) = (listener.local_addr()?, Arc::new(Seen::default()));
        let acceptor = match wrong {
            BadTls::SelfSigned => Some(self_signed()?),
            BadTls::ClosesMidHandshake => None,
        };
        let task = tokio::spawn(accept_for_ever(listener, acceptor, seen.clone()));
        Ok(Self { address, seen, task })
    }

    /// `https://127.0.0.1:port`.
    pub fn origin(&self) -> String {
        format!("https://{}", self.address)
    }

    /// How often somebody connected.
    pub fn connections(&self) -> u64 {
        self.seen.connections.load(Ordering::SeqCst)
    }

    /// How much of requests it was shown: nothing, if its peers are careful.
    pub fn request_bytes(&self) -> u64 {
        self.seen.bytes.load(Ordering::SeqCst)
    }
}

impl Drop for BadTlsPort {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn self_signed() -> io::Result<TlsAcceptor> {
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).map_err(io::Error::other)?;
    let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key.into())
        .map_err(io::Error::other)?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

async fn accept_for_ever(listener: TcpListener, acceptor: Option<TlsAcceptor>, seen: Arc<Seen>) {
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        seen.connections.fetch_add(1, Ordering::SeqCst);
        // One after the other is enough for a port that nobody stays at. A peer that goes away is the aim.
        let _ = match &acceptor {
            Some(acceptor) => serve(acceptor, stream, &seen).await,
            None => break_off(stream).await,
        };
    }
}

async fn serve(acceptor: &TlsAcceptor, stream: TcpStream, seen: &Seen) -> io::Result<()> {
    let mut stream = acceptor.accept(stream).await?;
    let mut shown = [0; 4096];
    loop {
        match stream.read(&mut shown).await? {
            0 => return Ok(()),
            read => seen.bytes.fetch_add(read as u64, Ordering::SeqCst),
        };
    }
}

async fn break_off(mut stream: TcpStream) -> io::Result<()> {
    let mut hello = [0; 4096];
    let _ = stream.read(&mut hello).await?;
    stream.write_all(&HALF_A_HELLO).await?;
    stream.shutdown().await
}
