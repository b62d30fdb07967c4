//! One HTTP/1.1 connection to a server behind, driven by whoever uses it.
//!
//! hyper's connections are usually given tasks of their own, which then hand each request and each piece of an answer to
//! and fro. Here the task that waits for the answer drives the connection as well: one task less to wake, and none that
//! lies about while an event stream is open (ADR 21).

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};
use hyper::client::conn::TrySendError;
use hyper::client::conn::http1::{Connection, SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::unconstrained;

use crate::alarm::Alarm;
use crate::body::{Body, BodyError};
use crate::hearing::{Ear, Hearing};
use crate::lanes::Place;
use crate::outbox::{Outbox, Posted};
use crate::relay::Relay;
use crate::wire::Wire;

type Stream = TokioIo<Wire<Hearing<Posted>>>;

/// How long a server may take to read the rest of a request that it has answered already.
pub(crate) const REST_TIMEOUT: Duration = Duration::from_secs(60);

/// A connection that carries one request at a time.
pub(crate) struct Lane(Box<Ends>);

/// What we hold of it.
struct Ends {
    sender: SendRequest<Body>,
    driver: Driver,
    ear: Ear,
    /// Set with its first request.
    alarm: Option<Alarm>,
}

/// Why an answer has not come.
pub(crate) enum Fault {
    /// Not in time.
    Late,
    /// With the request in it where nothing of it has left.
    Broken(Box<TrySendError<Request<Body>>>),
}

/// What reads and writes.
struct Driver {
    /// `None` once it has ended: what waited in it is told so when it is dropped, and may leave by another one.
    connection: Option<Pin<Box<Connection<Stream, Body>>>>,
    /// What it sets off itself is seen to at once.
    relay: Relay,
}

impl Lane {
    pub(crate) async fn new(stream: TokioIo<TcpStream>, outbox: &Outbox) -> Result<Self, hyper::Error> {
        let (ear, relay) = (Ear::default(), Relay::new());
        let stream = Posted::new(stream.into_inner(), outbox, &relay.waker);
        let stream = TokioIo::new(Wire::new(Hearing::new(stream, ear.clone()), &relay));
        let (sender, connection) = handshake(stream).await?;
        let driver = Driver { connection: Some(Box::pin(connection)), relay };
        Ok(Self(Box::new(Ends { sender, driver, ear, alarm: None })))
    }

    /// Sends a request and waits for the head of its answer, at most `limit`. Where that is `listened` to,
    /// [`Lane::into_stream`] can follow.
    ///
    /// # Errors
    /// As [`Fault`] says.
    pub(crate) async fn send(
        &mut self,
        request: Box<Request<Body>>,
        limit: Duration,
        listened: bool,
    ) -> Result<Response<Incoming>, Fault> {
        let Ends { sender, driver, ear, alarm } = &mut *self.0;
        ear.listen(listened);
        let alarm = match alarm {
            Some(alarm) => {
                alarm.set(limit, &driver.relay.waker);
                alarm
            }
            none => none.insert(Alarm::new(limit, &driver.relay.waker)),
        };
        let mut answer = pin!(sender.try_send_request(*request));
        poll_fn(|cx| match driver.drive_until(cx, |cx| answer.as_mut().poll(cx)) {
            Poll::Ready(answered) => Poll::Ready(answered.map_err(|error| Fault::Broken(Box::new(error)))),
            Poll::Pending if alarm.is_over(&driver.relay.waker) => Poll::Ready(Err(Fault::Late)),
            Poll::Pending => Poll::Pending,
        })
        .await
    }

    /// Whether it can carry a request: not where the last one has not quite ended, where the server has closed it, or has
    /// said what nobody asked for.
    pub(crate) fn is_free(&mut self) -> bool {
        let Ends { sender, driver, .. } = &mut *self.0;
        let nobody = &mut Context::from_waker(Waker::noop());
        let look = poll_fn(|cx| driver.drive_until(cx, |_| Poll::<()>::Pending));
        // Also where the task has used up its turn, in which a socket tells nothing.
        let _ = pin!(unconstrained(look)).poll(nobody);
        !driver.is_over() && sender.is_ready()
    }

    /// Completes when it can carry a request, or never will: a server may answer before it has read all that was sent.
    /// True when it can.
    async fn until_free(&mut self) -> bool {
        let Ends { sender, driver, .. } = &mut *self.0;
        poll_fn(|cx| {
            let free =
                |_: &mut Context<'_>| if sender.is_ready() { Poll::Ready(true) } else { Poll::Pending };
            match driver.drive_until(cx, free) {
                Poll::Pending if driver.is_over() => Poll::Ready(false),
                polled => polled,
            }
        })
        .await
    }

    /// Gives up HTTP on it: the connection, and what has come on it behind the head of the answer. The request must have
    /// been taken as a whole, and nothing of the body been read.
    ///
    /// # Errors
    /// The lane, where the connection has ended already, or not all that came is known.
    pub(crate) fn into_stream(mut self) -> Result<(Posted, Vec<u8>), Self> {
        let Some(read) = self.0.ear.behind_the_head() else { return Err(self) };
        let Some(connection) = self.0.driver.connection.take() else { return Err(self) };
        let stream = Pin::into_inner(connection).into_parts().io.into_inner().into_inner().into_inner();
        stream.written();
        Ok((stream, read))
    }

    /// The same of one that was free, for which it is enough to look where something has happened since.
    pub(crate) fn is_still_free(&mut self) -> bool {
        !self.0.driver.relay.was_woken() || self.is_free()
    }
}

impl Driver {
    fn is_over(&self) -> bool {
        self.connection.is_none()
    }

    /// Goes on with what there is to read and to write until that makes something ready. That the connection ended with an
    /// error is told to who waits for an answer.
    fn drive_until<T>(
        &mut self,
        cx: &mut Context<'_>,
        mut ready: impl FnMut(&mut Context<'_>) -> Poll<T>,
    ) -> Poll<T> {
        let Self { connection, relay } = self;
        relay.poll(cx, |cx| {
            let polled = ready(cx);
            if polled.is_ready() {
                return polled;
            }
            if connection.as_mut().is_some_and(|connection| connection.as_mut().poll(cx).is_ready()) {
                *connection = None;
            }
            ready(cx)
        })
    }
}

impl fmt::Debug for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lane").field("is_over", &self.0.driver.is_over()).finish_non_exhaustive()
    }
}

/// An answer's body. Its lane is free for the next request when it has ended; dropped before, it takes the connection along,
/// so that the server learns of it (SPEC PX-6).
#[derive(Debug)]
pub(crate) struct Answer {
    incoming: Incoming,
    lane: Option<(Lane, Arc<Place>)>,
}

impl Answer {
    pub(crate) fn new(incoming: Incoming, lane: Lane, place: Arc<Place>) -> Self {
        lane.0.ear.listen(false);
        let mut answer = Self { incoming, lane: Some((lane, place)) };
        if answer.incoming.is_end_stream() {
            answer.ended();
        }
        answer
    }

    fn ended(&mut self) {
        let Some((mut lane, place)) = self.lane.take() else { return };
        if lane.is_free() {
            place.keep(lane);
        } else if !lane.0.driver.is_over() {
            // What is left of the request goes on, though nobody waits for it.
            tokio::spawn(async move {
                let rest = tokio::time::timeout(REST_TIMEOUT, lane.until_free()).await;
                if matches!(rest, Ok(true)) && lane.is_free() {
                    place.keep(lane);
                }
            });
        }
    }
}

impl HttpBody for Answer {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let Self { incoming, lane } = &mut *self;
        let polled = match lane {
            Some((lane, _)) => lane.0.driver.drive_until(cx, |cx| Pin::new(&mut *incoming).poll_frame(cx)),
            None => Pin::new(incoming).poll_frame(cx),
        };
        match &polled {
            Poll::Ready(Some(Err(_))) => self.lane = None,
            Poll::Ready(None) => self.ended(),
            // Nobody asks for what follows trailers, which is nothing.
            Poll::Ready(Some(Ok(frame))) if frame.is_trailers() || self.incoming.is_end_stream() => {
                self.ended();
            }
            _ => {}
        }
        polled.map_err(BodyError::from)
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}
