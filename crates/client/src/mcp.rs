//! Reuse for `rmcp`'s Streamable HTTP client.
//!
//! `StreamableHttpClientTransport::with_client(McpClient::new(…)?, config)`. The transport sends from a task of its own, so
//! what [`crate::with_reuse_authorizer`] says around a call is not heard here; the client's own options are. A 419 that comes
//! with a JSON-RPC error is an answer to `rmcp`, and no refusal: its status is not told.

use std::collections::HashMap;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use http::header::{AUTHORIZATION, COOKIE};
use http::{HeaderName, HeaderValue};
use reqwest::{Client, ClientBuilder};
use rmcp::model::ClientJsonRpcMessage;
use rmcp::transport::streamable_http_client::{
    SseError, StreamableHttpClient, StreamableHttpError, StreamableHttpPostResponse,
};
use sse_stream::Sse;
use url::Url;

use crate::context;
use crate::middleware::at_home;
use crate::reuse::{Attached, Reuse, ReuseError, beside};

/// An HTTP client for MCP that carries the user's login to one provider. Its redirects stay with the origin that was asked.
#[derive(Debug, Clone)]
pub struct McpClient {
    http: Client,
    reuse: Reuse,
}

/// Why a message did not arrive.
#[derive(Debug, thiserror::Error)]
pub enum McpError {
    /// It did not leave.
    #[error(transparent)]
    Reuse(#[from] ReuseError),
    /// The provider's address is none.
    #[error("`{0}` is no URL")]
    NotAUrl(String),
    /// The HTTP client's own error.
    #[error(transparent)]
    Http(reqwest::Error),
    /// What this version of the transport says and ours does not know.
    #[error("{0}")]
    Transport(String),
}

type Events = BoxStream<'static, Result<Sse, SseError>>;
type Headers = HashMap<HeaderName, HeaderValue>;
type Outcome<T> = Result<T, StreamableHttpError<reqwest::Error>>;
type Lifted<T> = Result<T, StreamableHttpError<McpError>>;

impl McpClient {
    /// A client out of `builder`; see [`crate::middleware::client`] for what of it does not count.
    ///
    /// # Errors
    /// As [`ClientBuilder::build`].
    pub fn new(reuse: Reuse, builder: ClientBuilder) -> Result<Self, reqwest::Error> {
        Ok(Self { http: at_home(builder).build()?, reuse })
    }

    /// Sends with what the login gives, and once more when that was refused.
    async fn carry<T>(
        &self,
        uri: &str,
        own: Option<String>,
        headers: Headers,
        send: impl Fn(Option<String>, Headers) -> BoxFuture<'static, Outcome<T>> + Send + Sync,
    ) -> Lifted<T> {
        if own.is_some() || headers.contains_key(&AUTHORIZATION) {
            // The program speaks for itself.
            return send(own, headers).await.map_err(lift);
        }
        let wrong = |error| StreamableHttpError::Client(error);
        let destination = Url::parse(uri).map_err(|_| wrong(McpError::NotAUrl(uri.to_owned())))?;
        let said = context::of(&http::Extensions::new());
        let carried = self.reuse.prepare(&destination, said).await.map_err(|error| wrong(error.into()))?;
        let (token, with_cookie) = parts(&carried, headers.clone());
        let outcome = send(token, with_cookie).await;
        if !outcome.as_ref().err().is_some_and(is_refusal) {
            return outcome.map_err(lift);
        }
        let other = self.reuse.after_refusal(&destination, said, &carried).await;
        let Some(other) = other.filter(|other| !other.is_nothing()) else { return outcome.map_err(lift) };
        let (token, headers) = parts(&other, headers);
        let outcome = send(token, headers).await;
        self.reuse.settled(&carried, &other, outcome.as_ref().err().is_some_and(is_refusal));
        outcome.map_err(lift)
    }

    /// A message; without `most`, events are as long as the transport has it by default.
    async fn post(
        &self,
        uri: Arc<str>,
        message: ClientJsonRpcMessage,
        session: Option<Arc<str>>,
        own: Option<String>,
        headers: Headers,
        most: Option<usize>,
    ) -> Lifted<StreamableHttpPostResponse> {
        let (http, address) = (self.http.clone(), uri.clone());
        let send = move |token, headers| -> BoxFuture<'static, _> {
            let (http, uri, message, session) =
                (http.clone(), address.clone(), message.clone(), session.clone());
            Box::pin(async move {
                match most {
                    None => http.post_message(uri, message, session, token, headers).await,
                    Some(most) => {
                        http.post_message_with_max_sse_event_size(uri, message, session, token, headers, most)
                            .await
                    }
                }
            })
        };
        self.carry(&uri, own, headers, send).await
    }

    /// A stream of events; `most` as for [`McpClient::post`].
    async fn get(
        &self,
        uri: Arc<str>,
        session: Option<Arc<str>>,
        last: Option<String>,
        own: Option<String>,
        headers: Headers,
        most: Option<usize>,
    ) -> Lifted<Events> {
        let (http, address) = (self.http.clone(), uri.clone());
        let send = move |token, headers| -> BoxFuture<'static, _> {
            let (http, uri, session, last) = (http.clone(), address.clone(), session.clone(), last.clone());
            Box::pin(async move {
                match most {
                    None => http.get_stream(uri, session, last, token, headers).await,
                    Some(most) => {
                        http.get_stream_with_max_sse_event_size(uri, session, last, token, headers, most)
                            .await
                    }
                }
            })
        };
        self.carry(&uri, own, headers, send).await
    }
}

impl StreamableHttpClient for McpClient {
    type Error = McpError;

    async fn post_message(
        &self,
        uri: Arc<str>,
        message: ClientJsonRpcMessage,
        session_id: Option<Arc<str>>,
        auth_header: Option<String>,
        custom_headers: Headers,
    ) -> Lifted<StreamableHttpPostResponse> {
        self.post(uri, message, session_id, auth_header, custom_headers, None).await
    }

    async fn post_message_with_max_sse_event_size(
        &self,
        uri: Arc<str>,
        message: ClientJsonRpcMessage,
        session_id: Option<Arc<str>>,
        auth_header: Option<String>,
        custom_headers: Headers,
        max_sse_event_size: usize,
    ) -> Lifted<StreamableHttpPostResponse> {
        self.post(uri, message, session_id, auth_header, custom_headers, Some(max_sse_event_size)).await
    }

    async fn delete_session(
        &self,
        uri: Arc<str>,
        session_id: Arc<str>,
        auth_header: Option<String>,
        custom_headers: Headers,
    ) -> Lifted<()> {
        let http = self.http.clone();
        let address = uri.clone();
        let send = move |token, headers| -> BoxFuture<'static, _> {
            let (http, uri, session) = (http.clone(), address.clone(), session_id.clone());
            Box::pin(async move { http.delete_session(uri, session, token, headers).await })
        };
        self.carry(&uri, auth_header, custom_headers, send).await
    }

    async fn get_stream(
        &self,
        uri: Arc<str>,
        session_id: Option<Arc<str>>,
        last_event_id: Option<String>,
        auth_header: Option<String>,
        custom_headers: Headers,
    ) -> Lifted<Events> {
        self.get(uri, session_id, last_event_id, auth_header, custom_headers, None).await
    }

    async fn get_stream_with_max_sse_event_size(
        &self,
        uri: Arc<str>,
        session_id: Option<Arc<str>>,
        last_event_id: Option<String>,
        auth_header: Option<String>,
        custom_headers: Headers,
        max_sse_event_size: usize,
    ) -> Lifted<Events> {
        self.get(uri, session_id, last_event_id, auth_header, custom_headers, Some(max_sse_event_size)).await
    }
}

/// The token as the transport wants it, and the headers with the cookie.
fn parts(carried: &Attached, mut headers: Headers) -> (Option<String>, Headers) {
    match carried {
        Attached::Bearer { token, .. } => (Some(token.token().expose().to_owned()), headers),
        Attached::Cookie(cookie) => {
            let own = headers.remove(&COOKIE);
            headers.insert(COOKIE, beside(own.as_ref(), cookie));
            (None, headers)
        }
        Attached::Nothing => (None, headers),
    }
}

/// The transport tells of some refusals by an error of its own, and of others in words alone.
fn is_refusal(error: &StreamableHttpError<reqwest::Error>) -> bool {
    match error {
        StreamableHttpError::AuthRequired(_) => true,
        StreamableHttpError::Client(error) => error.status().is_some_and(crate::reuse::is_refusal),
        StreamableHttpError::UnexpectedServerResponse(said) => {
            said.starts_with("HTTP 401") || said.starts_with("HTTP 419")
        }
        _ => false,
    }
}

/// The same error of a client that has more of them.
fn lift(error: StreamableHttpError<reqwest::Error>) -> StreamableHttpError<McpError> {
    use StreamableHttpError as E;
    match error {
        E::Sse(error) => E::Sse(error),
        E::Io(error) => E::Io(error),
        E::Client(error) => E::Client(McpError::Http(error)),
        E::HttpStatus(error) => E::HttpStatus(error),
        E::UnexpectedEndOfStream => E::UnexpectedEndOfStream,
        E::UnexpectedServerResponse(said) => E::UnexpectedServerResponse(said),
        E::ResponseBodyTooLarge { max_size } => E::ResponseBodyTooLarge { max_size },
        E::UnexpectedContentType(kind) => E::UnexpectedContentType(kind),
        E::ServerDoesNotSupportSse => E::ServerDoesNotSupportSse,
        E::ServerDoesNotSupportDeleteSession => E::ServerDoesNotSupportDeleteSession,
        E::TokioJoinError(error) => E::TokioJoinError(error),
        E::Deserialize(error) => E::Deserialize(error),
        E::TransportChannelClosed => E::TransportChannelClosed,
        E::MissingSessionIdInResponse => E::MissingSessionIdInResponse,
        E::AuthRequired(error) => E::AuthRequired(error),
        E::InsufficientScope(error) => E::InsufficientScope(error),
        E::ReservedHeaderConflict(name) => E::ReservedHeaderConflict(name),
        E::SessionExpired => E::SessionExpired,
        E::SessionRecoveryTimeout => E::SessionRecoveryTimeout,
        E::ReinitializationFailed(error) => E::ReinitializationFailed(error),
        E::ControlRequestTimeout => E::ControlRequestTimeout,
        other => E::Client(McpError::Transport(other.to_string())),
    }
}
