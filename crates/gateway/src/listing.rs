//! Shows a caller only the tools, prompts and resources that it may use: cuts the lists in answers, whole or streamed.
//!
//! A list comes in a JSON answer, or as an event of a stream, be it the stream of the request itself or another one
//! that replays it; so every answer is looked at, and only what holds a list is touched.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bearward_guard::message::Call;
use bearward_guard::{Guard, Verified};
use bytes::{Bytes, BytesMut};
use http::header::{ACCEPT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Response};
use http_body_util::BodyExt;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use serde_json::{Map, Value};

use crate::body::{self, Body, BodyError};

/// Longest answer or event that is looked at; beyond it nothing can be said about it, so it is not passed on.
const MAX_LIST: usize = 16 * 1024 * 1024;

/// A list in a result: its member, the member of an entry that names it, and the call that uses it.
const LISTS: [(&str, &str, &str); 4] = [
    ("tools", "name", "tools/call"),
    ("prompts", "name", "prompts/get"),
    ("resources", "uri", "resources/read"),
    ("resourceTemplates", "uriTemplate", "resources/read"),
];

/// Cuts lists for one caller.
#[derive(Debug, Clone)]
pub struct Cut {
    guard: Arc<Guard>,
    caller: Verified,
}

/// Makes an upstream answer in a form that can be looked at.
pub fn ask_plainly(headers: &mut HeaderMap) {
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
}

/// What an answer is.
#[derive(Debug, Clone, Copy)]
enum Form {
    Json,
    Events,
    Other,
}

impl Form {
    fn of(headers: &HeaderMap) -> Self {
        let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or("");
        let kind = kind.split(';').next().unwrap_or("").trim();
        if kind.eq_ignore_ascii_case("text/event-stream") {
            Self::Events
        } else if kind.eq_ignore_ascii_case("application/json") {
            Self::Json
        } else {
            Self::Other
        }
    }
}

impl Cut {
    /// For a caller that a guard has let in; `None` where no rule hangs on names.
    pub fn new(guard: &Arc<Guard>, caller: &Verified) -> Option<Self> {
        let is_needed = guard.settings().policy.has_names();
        is_needed.then(|| Self { guard: guard.clone(), caller: caller.clone() })
    }

    /// The answer with its lists cut.
    ///
    /// # Errors
    /// When the answer breaks off, or is too long to be looked at.
    pub async fn apply(self, answer: Response<Body>) -> Result<Response<Body>, BodyError> {
        match Form::of(answer.headers()) {
            Form::Events => {
                let (mut head, body) = answer.into_parts();
                head.headers.remove(CONTENT_LENGTH);
                Ok(Response::from_parts(head, Events::new(body, self).boxed_unsync()))
            }
            Form::Json => {
                let (mut head, body) = answer.into_parts();
                let collected = collect(body).await?;
                let text = self.text(&collected).map_or(collected, Bytes::from);
                head.headers.remove(CONTENT_LENGTH);
                Ok(Response::from_parts(head, body::full(text)))
            }
            Form::Other => Ok(answer),
        }
    }

    /// A JSON text with its lists cut; `None` when there is nothing to cut, and the text stays as it is.
    fn text(&self, text: &[u8]) -> Option<Vec<u8>> {
        let mut message: Value = serde_json::from_slice(text).ok()?;
        let messages = match &mut message {
            Value::Array(batch) => batch.as_mut_slice(),
            message => std::slice::from_mut(message),
        };
        let mut is_changed = false;
        for message in messages {
            is_changed |= self.message(message);
        }
        is_changed.then(|| serde_json::to_vec(&message).ok()).flatten()
    }

    fn message(&self, message: &mut Value) -> bool {
        let Some(Value::Object(result)) = message.get_mut("result") else { return false };
        let mut is_changed = false;
        for (list, key, method) in LISTS {
            is_changed |= self.list(result, list, key, method);
        }
        is_changed
    }

    fn list(&self, result: &mut Map<String, Value>, list: &str, key: &str, method: &str) -> bool {
        let Some(Value::Array(entries)) = result.get_mut(list) else { return false };
        let before = entries.len();
        entries.retain(|entry| match entry.get(key).and_then(Value::as_str) {
            Some(name) => self.may_use(method, name),
            None => false,
        });
        entries.len() != before
    }

    fn may_use(&self, method: &str, name: &str) -> bool {
        let call = Call { method: Some(method.to_owned()), name: Some(name.to_owned()) };
        self.guard.permits(&self.caller, &[call]).is_ok()
    }
}

/// Not `http_body_util`'s `Limited`: its conversion of errors keeps a future from moving between threads.
async fn collect(mut body: Body) -> Result<Bytes, BodyError> {
    let mut collected = BytesMut::new();
    while let Some(frame) = body.frame().await {
        match frame {
            Ok(frame) => collected.extend_from_slice(frame.data_ref().unwrap_or(&Bytes::new())),
            Err(error) => return Err(error),
        }
        if collected.len() > MAX_LIST {
            return Err("an answer of the upstream is too long to be looked at".into());
        }
    }
    Ok(collected.freeze())
}

/// An event stream whose lists are cut, event by event. Nothing waits longer than for the end of its own event.
struct Events {
    body: Body,
    cut: Cut,
    /// The beginning of an event whose end has not come.
    open: BytesMut,
    ready: VecDeque<Bytes>,
    is_over: bool,
}

impl Events {
    fn new(body: Body, cut: Cut) -> Self {
        Self { body, cut, open: BytesMut::new(), ready: VecDeque::new(), is_over: false }
    }

    fn take(&mut self, data: &[u8]) -> Result<(), BodyError> {
        self.open.extend_from_slice(data);
        while let Some(end) = end_of_event(&self.open) {
            let event = self.open.split_to(end).freeze();
            self.ready.push_back(self.cut.event(event));
        }
        if self.open.len() > MAX_LIST {
            return Err("an event of the upstream is too long to be looked at".into());
        }
        Ok(())
    }
}

impl Cut {
    /// One event, its blank line included.
    fn event(&self, event: Bytes) -> Bytes {
        let Ok(text) = std::str::from_utf8(&event) else { return event };
        let lines = || text.split_inclusive('\n').map(|line| line.trim_end_matches(['\r', '\n']));
        let value = |line: &str| {
            line.strip_prefix("data:").map(|data| data.strip_prefix(' ').unwrap_or(data).to_owned())
        };
        let data: Vec<String> = lines().filter_map(value).collect();
        if data.is_empty() {
            return event;
        }
        let Some(cut) = self.text(data.join("\n").as_bytes()) else { return event };
        let others = lines().filter(|line| !line.starts_with("data:") && !line.is_empty());
        let mut rewritten: String = others.map(|line| format!("{line}\n")).collect();
        // JSON on one line, as `serde_json` writes it.
        rewritten.push_str(&format!("data: {}\n\n", String::from_utf8_lossy(&cut)));
        Bytes::from(rewritten)
    }
}

/// The length of the first whole event: up to its blank line. Lines end with LF, CR LF or CR.
fn end_of_event(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    let mut is_line_empty = false;
    while let Some(&byte) = bytes.get(at) {
        let ends = match byte {
            b'\n' => 1,
            // A CR at the very end may be half of a CR LF.
            b'\r' => match bytes.get(at + 1) {
                Some(b'\n') => 2,
                Some(_) => 1,
                None => return None,
            },
            _ => {
                is_line_empty = false;
                at += 1;
                continue;
            }
        };
        at += ends;
        if is_line_empty {
            return Some(at);
        }
        is_line_empty = true;
    }
    None
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
                    Ok(data) => self.take(&data)?,
                    Err(trailers) => return Poll::Ready(Some(Ok(trailers))),
                },
                Some(Err(error)) => {
                    self.is_over = true;
                    return Poll::Ready(Some(Err(error)));
                }
                None => {
                    self.is_over = true;
                    // What has no end is no event (HTML standard, server-sent events).
                    self.open.clear();
                }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_ends_with_its_blank_line_whatever_ends_its_lines() {
        for (text, end) in [
            ("data: a\n\ndata: b\n\n", Some(9)),
            ("data: a\r\n\r\nx", Some(11)),
            ("data: a\r\rx", Some(9)),
            ("data: a\ndata: b\n\n", Some(17)),
            ("data: a\n", None),
            ("data: a\n\r", None),
            ("data: a\r\n\r", None),
            (": ping\n\n", Some(8)),
            ("\n", None),
            ("", None),
        ] {
            assert_eq!(end_of_event(text.as_bytes()), end, "{text:?}");
        }
    }
}
