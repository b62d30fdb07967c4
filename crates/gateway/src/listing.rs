//! Shows a caller only the tools, prompts and resources that it may use: cuts the lists in answers, whole or streamed.
//!
//! ```text
//! answer ─┬─ event stream ─ splitter ─ event ─┬─ messages ─ passed on
//!         ├─ JSON ────────────────────────────┘
//!         └─ anything else ─ refused, where it could hold a list
//! ```
//! A list comes in a JSON answer, or as an event of a stream, be it the stream of the request itself or another one
//! that replays it; so every answer is looked at, and only what holds a list is touched. The one exception is a JSON
//! answer to calls that are answered by no list. What cannot be looked at does not pass.

mod event;
mod events;
mod messages;
mod splitter;

use std::sync::Arc;

use bearward_guard::message::Call;
use bearward_guard::{Guard, Verified, fields};
use bytes::{Bytes, BytesMut};
use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, IF_RANGE, RANGE};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use http_body_util::BodyExt;

use crate::answer::Answered;
use crate::body::{self, Body, BodyError};
use crate::listing::events::Events;
use crate::listing::messages::Unclear;

/// Longest answer or event that is looked at; beyond it nothing can be said about it, so it is not passed on.
const MAX_LIST: usize = 16 * 1024 * 1024;

/// A list in a result.
#[derive(Debug, PartialEq, Eq)]
struct List {
    /// Its member.
    member: &'static str,
    /// The member of an entry that names it.
    key: &'static str,
    /// The call that uses it.
    method: &'static str,
}

const LISTS: [List; 4] = [
    List { member: "tools", key: "name", method: "tools/call" },
    List { member: "prompts", key: "name", method: "prompts/get" },
    List { member: "resources", key: "uri", method: "resources/read" },
    List { member: "resourceTemplates", key: "uriTemplate", method: "resources/read" },
];

/// Cuts lists for one caller.
#[derive(Debug, Clone)]
pub struct Cut {
    guard: Arc<Guard>,
    caller: Verified,
    /// Whether the answer itself may hold one; a stream may, whatever was asked, for it may replay another answer.
    may_answer_with_list: bool,
}

/// Methods whose results hold no list of what there is.
const WITHOUT_LIST: [&str; 4] = ["tools/call", "prompts/get", "resources/read", "completion/complete"];

/// Why an answer is not passed on.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    /// It broke off.
    #[error("an answer of the upstream broke off")]
    Broken(#[source] BodyError),
    /// It, or one event of it, is longer than what is looked at.
    #[error(
        "an answer or event of the upstream is longer than {MAX_LIST} bytes, too long to look for lists in it"
    )]
    TooLong,
    /// It is compressed although that was not asked for, a part of something, or neither JSON nor an event stream.
    #[error(
        "an answer of the upstream is neither plain JSON nor a plain event stream, and could hold a list"
    )]
    Form,
    /// Its JSON is none.
    #[error(transparent)]
    Unclear(#[from] Unclear),
}

/// Makes an upstream answer in a form that can be looked at: not compressed, and whole. Parts of an answer would be
/// what the caller makes of it (RFC 9110 §14).
pub fn ask_plainly(headers: &mut HeaderMap) {
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    headers.remove(RANGE);
    headers.remove(IF_RANGE);
}

impl Cut {
    /// For a caller that a guard has let in; `None` where no rule is about what lists show, or where the guard does
    /// not enforce for this caller: one that only observes changes nothing.
    /// `calls` is what was asked, as far as it was read.
    pub fn new(guard: &Arc<Guard>, caller: &Verified, calls: &[Call]) -> Option<Self> {
        let policy = &guard.settings().policy;
        let is_needed =
            LISTS.iter().any(|list| policy.has_rules_for(list.method)) && guard.enforces_for(caller);
        let may_answer_with_list = Self::may_answer_with_list(calls);
        is_needed.then(|| Self { guard: guard.clone(), caller: caller.clone(), may_answer_with_list })
    }

    fn may_answer_with_list(calls: &[Call]) -> bool {
        let has_none = |call: &Call| call.method.as_deref().is_some_and(|m| WITHOUT_LIST.contains(&m));
        calls.is_empty() || !calls.iter().all(has_none)
    }

    /// The answer with its lists cut.
    ///
    /// # Errors
    /// When the answer breaks off, or cannot be looked at. One without success passes as it is where it is no JSON.
    pub async fn apply(self, answer: Answered) -> Result<Answered, Unreadable> {
        let form = Form::of(&answer);
        if form == Form::Json && !self.may_answer_with_list {
            return Ok(answer);
        }
        // Boxed: most answers need no more than that.
        Box::pin(self.rewrite(form, *answer)).await.map(Box::new)
    }

    async fn rewrite(self, form: Form, answer: Response<Body>) -> Result<Response<Body>, Unreadable> {
        let (mut head, body) = answer.into_parts();
        let body = match form {
            Form::Events => body::other(Events::new(body, self)),
            Form::Json => {
                let text = collect(body).await?;
                match self.text(&text) {
                    Ok(cut) => body::full(cut.map_or(text, Bytes::from)),
                    // Somebody's error page; no client takes a result from it.
                    Err(_) if !head.status.is_success() => body::full(text),
                    Err(unclear) => return Err(unclear.into()),
                }
            }
            Form::Other if !head.status.is_success() => return Ok(Response::from_parts(head, body)),
            // Its status says all (MCP, Streamable HTTP); some servers write a word of courtesy into it.
            Form::Other if head.status == StatusCode::ACCEPTED => {
                collect(body).await?;
                head.headers.remove(CONTENT_ENCODING);
                body::empty()
            }
            Form::Other => nothing_of(body).await?,
        };
        head.headers.remove(CONTENT_LENGTH);
        Ok(Response::from_parts(head, body))
    }

    /// A JSON text with its lists cut; `None` when there is nothing to cut, and the text stays as it is.
    fn text(&self, text: &[u8]) -> Result<Option<String>, Unclear> {
        // Those whose entries some rule is about.
        let policy = &self.guard.settings().policy;
        let lists: Vec<_> = LISTS.iter().filter(|list| policy.has_rules_for(list.method)).collect();
        messages::cut(text, &lists, &|list, name| self.may_use(list, name))
    }

    /// One event with its lists cut; `None` when it could not be looked at. Others of its stream are not to blame.
    fn event(&self, event: Bytes) -> Option<Bytes> {
        let cut = event::cut(event, |data| self.text(data));
        cut.inspect_err(|error| {
            tracing::warn!(guard = %self.guard.settings().name, %error, "an event from behind was left out");
        })
        .ok()
    }

    fn may_use(&self, list: &List, name: &str) -> bool {
        let call = Call { method: Some(list.method.to_owned()), name: Some(name.to_owned()) };
        self.guard.permits(&self.caller, &[call]).is_ok()
    }
}

/// What an answer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Json,
    Events,
    /// What we cannot read, or what one client might read so and another one so.
    Other,
}

impl Form {
    fn of(answer: &Response<Body>) -> Self {
        let headers = answer.headers();
        let Ok(Some(kind)) = fields::only(headers, &CONTENT_TYPE) else { return Self::Other };
        if answer.status() == StatusCode::PARTIAL_CONTENT || !is_plain(headers) {
            return Self::Other;
        }
        if kind == "application/json" {
            return Self::Json;
        }
        let kind = kind.to_str().unwrap_or("").to_ascii_lowercase();
        let kind = kind.split(';').next().unwrap_or("").trim();
        match kind.split_once('/') {
            Some(("text", "event-stream")) => Self::Events,
            // RFC 6839 §3.1
            Some((_, subtype)) if subtype == "json" || subtype.ends_with("+json") => Self::Json,
            _ => Self::Other,
        }
    }
}

fn is_plain(headers: &HeaderMap) -> bool {
    headers.get_all(CONTENT_ENCODING).iter().all(|coding| {
        let mut codings = coding.to_str().unwrap_or("?").split(',').map(str::trim);
        codings.all(|coding| coding.is_empty() || coding.eq_ignore_ascii_case("identity"))
    })
}

/// Not `http_body_util`'s `Limited`: its conversion of errors keeps a future from moving between threads.
async fn collect(mut body: Body) -> Result<Bytes, Unreadable> {
    let mut collected = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(Unreadable::Broken)?;
        collected.extend_from_slice(frame.data_ref().unwrap_or(&Bytes::new()));
        if collected.len() > MAX_LIST {
            return Err(Unreadable::TooLong);
        }
    }
    Ok(collected.freeze())
}

/// A body that must be empty.
async fn nothing_of(mut body: Body) -> Result<Body, Unreadable> {
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(Unreadable::Broken)?;
        if frame.data_ref().is_some_and(|data| !data.is_empty()) {
            return Err(Unreadable::Form);
        }
    }
    Ok(body::empty())
}

#[cfg(test)]
mod tests;
