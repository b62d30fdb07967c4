//! An event stream whose lists are cut, event by event. Nothing waits longer than for the end of its own event.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame, SizeHint};

use crate::body::{Body, BodyError};
use crate::listing::splitter::Splitter;
use crate::listing::{Cut, MAX_LIST, Unreadable};

/// What has no end when the stream ends is no event (HTML standard §9.2.6), and is left out.
pub(super) struct Events {
    body: Body,
    cut: Cut,
    splitter: Splitter,
    ready: VecDeque<Bytes>,
    is_over: bool,
}

impl Events {
    pub(super) fn new(body: Body, cut: Cut) -> Self {
        Self { body, cut, splitter: Splitter::new(), ready: VecDeque::new(), is_over: false }
    }

    fn take(&mut self, data: &[u8]) -> Result<(), Unreadable> {
        self.splitter.push(data);
        while let Some(event) = self.splitter.next_event() {
            self.ready.extend(self.cut.event(event));
        }
        if self.splitter.waiting() > MAX_LIST { Err(Unreadable::TooLong) } else { Ok(()) }
    }

    fn fail(&mut self, error: BodyError) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        self.is_over = true;
        // Dropping the upstream's body ends its request too (SPEC PX-6).
        self.body = crate::body::empty();
        Poll::Ready(Some(Err(error)))
    }
}

impl HttpBody for Events {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Poll::Ready(Some(Ok(Frame::data(event))));
            }
            if self.is_over {
                return Poll::Ready(None);
            }
            match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => {
                        if let Err(error) = self.take(&data) {
                            return self.fail(error.into());
                        }
                    }
                    Err(trailers) => return Poll::Ready(Some(Ok(trailers))),
                },
                Some(Err(error)) => return self.fail(error),
                None => self.is_over = true,
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.is_over && self.ready.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}
