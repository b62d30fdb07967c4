//! Whether a request goes on: who calls, in whose session, and what for.
//!
//! Every decision is counted by the guard and, where there is an audit trail, written down.

use std::net::IpAddr;
use std::time::Duration;

use bearward_guard::fields;
use bearward_guard::message::Call;
use bearward_guard::{Mode, Refusal, Refused, Verified, agreement, message};
use bearward_observe::Rejection;
use bytes::Bytes;
use http::header::{ALLOW, CONTENT_ENCODING, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};
use hyper::body::Incoming;

use crate::answer::{Answered, Asked};
use crate::body::{self, Body};
use crate::inbound::Inbound;
use crate::record::Record;

const NO_SUCH_METHOD: &str = "This is not a method of the revision of MCP that is spoken here";
const NOT_PLAIN_JSON: &str =
    "The body must be sent as `Content-Type: application/json`, in UTF-8 and not compressed";

/// A request that goes on.
pub(crate) struct Admitted<'a> {
    /// When it had come, on the monotonic clock.
    pub(crate) received: Duration,
    /// Who calls; `None` where the guard is off, or only observes somebody that it would refuse.
    pub(crate) caller: Option<Verified>,
    /// The whole body.
    pub(crate) bytes: Bytes,
    /// What it asks for, where that was judged.
    pub(crate) calls: Vec<Call>,
    /// For what the audit trail says of what leaves.
    pub(crate) record: Record<'a>,
}

impl Inbound {
    /// Judges from where a page calls (SPEC RS-10); tells why it would be refused where the guard only observes.
    pub(crate) fn judge_place(
        &self,
        head: &Parts,
        address: Option<IpAddr>,
    ) -> Result<Option<Rejection>, Answered> {
        let Err(reason) = self.browser.check(&head.uri, &head.headers) else { return Ok(None) };
        if self.guard.settings().mode == Mode::Off {
            return Ok(Some(reason));
        }
        let is_enforced = self.guard.enforces_from(address);
        self.guard.rejected(reason, is_enforced);
        if !is_enforced {
            return Ok(Some(reason));
        }
        self.record(head, address).refused(reason, true);
        let asked = Asked::new(&head.method);
        Err(Box::new(asked.error(StatusCode::FORBIDDEN, "This origin or host is not allowed here")))
    }

    /// Judges the HTTP method (SPEC PX-1). Of what is no method of MCP nobody knows what a server behind makes.
    pub(crate) fn judge_method(&self, head: &Parts, address: Option<IpAddr>) -> Result<(), Answered> {
        if self.revisions.allow(head) || !self.guard.enforces_from(address) {
            return Ok(());
        }
        let mut answer = Asked::plain().error(StatusCode::METHOD_NOT_ALLOWED, NO_SUCH_METHOD);
        answer.headers_mut().insert(ALLOW, HeaderValue::from_static(self.revisions.methods()));
        Err(Box::new(answer))
    }

    /// Judges a request; what is refused is answered here.
    pub(crate) async fn judge<'a>(
        &'a self,
        asked: &Asked,
        head: &Parts,
        incoming: Incoming,
        address: Option<IpAddr>,
        unwelcome: Option<Rejection>,
    ) -> Result<Admitted<'a>, Answered> {
        let received = self.forwarder.clock.monotonic();
        let mut record = self.record(head, address);
        if let Some(reason) = unwelcome {
            record.refused(reason, false);
        }
        let caller = self.identify(received, asked, head, address, &mut record).await?;
        if let Some(caller) = &caller
            && !self.sessions.allows(&head.headers, caller)
        {
            let not_found = || asked.error(StatusCode::NOT_FOUND, "Session not found");
            self.reject(Rejection::ForeignSession, caller, &mut record, not_found)?;
        }
        let bytes = match body::collect(incoming, self.max_body).await {
            Ok(bytes) => bytes,
            Err(error) => {
                self.guard.rejected(Rejection::Body, true);
                record.refused(Rejection::Body, true);
                return Err(Box::new(asked.bad_body(error)));
            }
        };
        let mut calls = Vec::new();
        match &caller {
            Some(caller) if head.method == Method::POST => {
                calls = self.judge_calls(asked, head, &bytes, caller, &mut record)?;
            }
            Some(caller) if !bytes.is_empty() => {
                let no_body = || asked.error(StatusCode::BAD_REQUEST, "Only a POST has a body here");
                self.reject(Rejection::Body, caller, &mut record, no_body)?;
            }
            // Nobody is judged here; what would be refused is still worth knowing.
            None if record.is_kept() => record.asks_for(&message::read(&bytes).unwrap_or_default()),
            _ => {}
        }
        if record.allowed() && caller.is_some() {
            self.guard.accepted();
        }
        Ok(Admitted { received, caller, bytes, calls, record })
    }

    /// What the audit trail will say of a request.
    pub(crate) fn record(&self, head: &Parts, address: Option<IpAddr>) -> Record<'_> {
        let settings = self.guard.settings();
        let trail = self.audit.as_ref().filter(|_| settings.mode != Mode::Off);
        Record::new(trail, &settings.name, (&head.method, &head.headers), address)
    }

    async fn identify(
        &self,
        received: Duration,
        asked: &Asked,
        head: &Parts,
        address: Option<IpAddr>,
        record: &mut Record<'_>,
    ) -> Result<Option<Verified>, Answered> {
        if self.guard.settings().mode == Mode::Off {
            return Ok(None);
        }
        match self.guard.admit_at(received, &head.headers, head.uri.query(), address).await {
            Ok(caller) => {
                record.calls_itself(caller.principal());
                Ok(Some(caller))
            }
            Err(Refused { refusal, caller, is_enforced }) => {
                if let Some(caller) = &caller {
                    record.calls_itself(caller.principal());
                }
                record.refused(refusal.rejection(), is_enforced);
                if is_enforced {
                    return Err(Box::new(asked.refusal(&self.guard, &refusal)));
                }
                // A token that is good and only may not do this still says who calls; a revoked one does not.
                Ok(caller.filter(|_| !matches!(refusal, Refusal::InvalidToken(_))))
            }
        }
    }

    /// Judges what the body asks for, where some rule or limit hangs on it; reads it, too, where it is written down. What
    /// was not read is answered as nothing.
    fn judge_calls(
        &self,
        asked: &Asked,
        head: &Parts,
        body: &[u8],
        caller: &Verified,
        record: &mut Record<'_>,
    ) -> Result<Vec<Call>, Answered> {
        let has_rules = !self.guard.settings().policy.is_empty();
        let is_judged = has_rules || (is_batch(body) && self.guard.limits_callers());
        if !is_judged && !record.is_kept() {
            return Ok(Vec::new());
        }
        if is_judged && !is_plain_json(&head.headers) {
            let unsupported = || asked.error(StatusCode::UNSUPPORTED_MEDIA_TYPE, NOT_PLAIN_JSON);
            self.reject(Rejection::Body, caller, record, unsupported)?;
        }
        let calls = match message::read(body) {
            Ok(calls) => calls,
            Err(error) if is_judged => {
                self.reject(Rejection::Body, caller, record, || asked.bad_message(error))?;
                return Ok(Vec::new());
            }
            Err(_) => return Ok(Vec::new()),
        };
        record.asks_for(&calls);
        // Read once more for its id, where it is refused.
        let asked = || asked.clone().with_body(body);
        // The first of a batch was counted when its caller came in.
        self.hold(&asked, record, self.guard.charge(caller, calls.len().saturating_sub(1)))?;
        if !has_rules {
            return Ok(calls);
        }
        if agreement::check(&head.headers, &calls).is_err() {
            self.reject(Rejection::HeaderMismatch, caller, record, || asked().disagreement())?;
            return Ok(calls);
        }
        self.hold(&asked, record, self.guard.authorize(caller, &calls))?;
        Ok(calls)
    }

    /// Writes down what the guard refused; an error where that is enforced.
    fn hold(
        &self,
        asked: &dyn Fn() -> Asked,
        record: &mut Record<'_>,
        judged: Result<(), Refused>,
    ) -> Result<(), Answered> {
        let Err(Refused { refusal, is_enforced, .. }) = judged else { return Ok(()) };
        record.refused(refusal.rejection(), is_enforced);
        if is_enforced { Err(Box::new(asked().refusal(&self.guard, &refusal))) } else { Ok(()) }
    }

    /// Counts and writes down what was decided here, not by the guard; an error where it is enforced.
    fn reject(
        &self,
        reason: Rejection,
        caller: &Verified,
        record: &mut Record<'_>,
        answer: impl FnOnce() -> Response<Body>,
    ) -> Result<(), Answered> {
        let is_enforced = self.guard.enforces_for(caller);
        self.guard.rejected(reason, is_enforced);
        record.refused(reason, is_enforced);
        if is_enforced { Err(Box::new(answer())) } else { Ok(()) }
    }
}

/// Several messages in one body (revision 2025-03-26).
fn is_batch(body: &[u8]) -> bool {
    body.trim_ascii_start().first() == Some(&b'[')
}

/// What is judged must be read in one way only: one content type, JSON in UTF-8 (RFC 8259 §8.1), not compressed. In
/// another charset the same bytes are another message.
fn is_plain_json(headers: &HeaderMap) -> bool {
    let Ok(Some(only)) = fields::only(headers, &CONTENT_TYPE) else { return false };
    let is_plain = headers.get_all(CONTENT_ENCODING).iter().all(|coding| coding == "identity");
    if only == "application/json" {
        return is_plain;
    }
    let mut parts = only.to_str().unwrap_or_default().split(';').map(str::trim);
    let is_json = parts.next().is_some_and(|kind| kind.eq_ignore_ascii_case("application/json"));
    let is_utf_8 = parts.all(|parameter| {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        name.eq_ignore_ascii_case("charset") && value.trim_matches('"').eq_ignore_ascii_case("utf-8")
    });
    is_json && is_utf_8 && is_plain
}

#[cfg(test)]
mod tests {
    use super::*;

    // SPEC PX-3
    #[test]
    fn json_in_utf_8_is_read_in_one_way_and_nothing_else_is() {
        let headers = |fields: &[(&'static str, &'static str)]| -> HeaderMap {
            let mut headers = HeaderMap::new();
            for (name, value) in fields {
                headers.append(*name, HeaderValue::from_static(value));
            }
            headers
        };
        for good in [
            "application/json",
            "Application/JSON",
            "application/json; charset=utf-8",
            "application/json;charset=\"UTF-8\"",
        ] {
            assert!(is_plain_json(&headers(&[("content-type", good)])), "{good}");
        }
        for bad in [
            "application/json; charset=utf-7",
            "application/json; charset=utf-16",
            "application/json; charset=utf-8; charset=utf-7",
            "application/json; boundary=x",
            "application/json, text/plain",
            "application/json-rpc",
            "text/plain",
            "",
        ] {
            assert!(!is_plain_json(&headers(&[("content-type", bad)])), "{bad}");
        }
        let json = ("content-type", "application/json");
        assert!(!is_plain_json(&headers(&[])));
        assert!(!is_plain_json(&headers(&[json, json])));
        assert!(!is_plain_json(&headers(&[json, ("content-encoding", "gzip")])));
        assert!(is_plain_json(&headers(&[json, ("content-encoding", "identity")])));
    }

    #[test]
    fn a_batch_begins_with_a_bracket_wherever_its_space_is() {
        assert!(is_batch(b"[]") && is_batch(b" \r\n\t[{}]"));
        assert!(!is_batch(b"{}") && !is_batch(b"") && !is_batch(b"\"[\""));
    }
}
