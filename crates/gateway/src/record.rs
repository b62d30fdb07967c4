//! What the audit trail says of one request, gathered while it is judged: one line, or one for each call of a batch.

use std::net::IpAddr;
use std::sync::Arc;

use bearward_guard::message::Call;
use bearward_observe::audit::{Departure, Entry, Outcome};
use bearward_observe::{AuditTrail, Rejection};
use bearward_supply::Acting;
use bearward_token::Principal;
use http::{HeaderMap, Method, StatusCode};

use crate::provider::Credential;

/// A line in the making.
pub(crate) struct Record<'a> {
    trail: Option<&'a AuditTrail>,
    guard: &'a str,
    method: &'static str,
    trace_id: Option<Box<str>>,
    address: Option<IpAddr>,
    caller: Option<Arc<Principal>>,
    calls: Vec<Call>,
    /// Why the first thing that would have been refused would have been.
    observed: Option<Rejection>,
}

impl<'a> Record<'a> {
    /// Without a trail everything here does nothing.
    pub(crate) fn new(
        trail: Option<&'a AuditTrail>,
        guard: &'a str,
        (method, headers): (&Method, &HeaderMap),
        address: Option<IpAddr>,
    ) -> Self {
        let trace_id = trail.and_then(|_| trace_id(headers)).map(Box::from);
        let calls = Vec::new();
        Self { trail, guard, method: known(method), trace_id, address, caller: None, calls, observed: None }
    }

    /// Whether anybody writes it down.
    pub(crate) fn is_kept(&self) -> bool {
        self.trail.is_some()
    }

    /// Who calls.
    pub(crate) fn calls_itself(&mut self, caller: &Arc<Principal>) {
        if self.is_kept() {
            self.caller = Some(caller.clone());
        }
    }

    /// What for.
    pub(crate) fn asks_for(&mut self, calls: &[Call]) {
        if self.is_kept() {
            self.calls = calls.to_vec();
        }
    }

    /// It is refused; or, where that is not enforced, would have been.
    pub(crate) fn refused(&mut self, reason: Rejection, is_enforced: bool) {
        if is_enforced {
            self.write(Outcome::Refused, Some(reason));
        } else {
            self.observed.get_or_insert(reason);
        }
    }

    /// It goes on; `false` where it would have been refused.
    pub(crate) fn allowed(&self) -> bool {
        let outcome = if self.observed.is_some() { Outcome::WouldRefuse } else { Outcome::Allowed };
        self.write(outcome, self.observed);
        outcome == Outcome::Allowed
    }

    /// It left with a provider's token; `status` is what came back.
    pub(crate) fn departed(&self, credential: &Credential<'_>, status: Option<StatusCode>) {
        let outcome = if status.is_some() { Outcome::Forwarded } else { Outcome::NotForwarded };
        self.write_departure(credential, outcome, status);
    }

    /// It did not leave: there is no token that it could carry.
    pub(crate) fn stayed(&self, provider: &str) {
        let departure = Departure { provider, token: "own", status: None };
        let write = |trail: &AuditTrail, entry: &Entry<'_>| trail.record_departure(entry, &departure);
        self.each(Outcome::NotForwarded, None, None, write);
    }

    /// The token itself was given to a program.
    pub(crate) fn handed_out(&self, credential: &Credential<'_>) {
        self.write_departure(credential, Outcome::HandedOut, None);
    }

    fn write_departure(&self, credential: &Credential<'_>, outcome: Outcome, status: Option<StatusCode>) {
        let departure = Departure {
            provider: &credential.provider.name,
            token: match credential.acting() {
                Acting::Own => "own",
                Acting::Shared => "shared",
            },
            status: status.map(|status| status.as_u16()),
        };
        let write = |trail: &AuditTrail, entry: &Entry<'_>| trail.record_departure(entry, &departure);
        self.each(outcome, None, credential.subject(), write);
    }

    fn write(&self, outcome: Outcome, reason: Option<Rejection>) {
        self.each(outcome, reason, None, AuditTrail::record);
    }

    /// `subject`: of the login whose token it is, where no caller is known.
    fn each(
        &self,
        outcome: Outcome,
        reason: Option<Rejection>,
        subject: Option<&str>,
        write: impl Fn(&AuditTrail, &Entry<'_>),
    ) {
        let Some(trail) = self.trail else { return };
        let caller = self.caller.as_deref();
        let entry = |call: Option<&Call>| {
            let entry = Entry {
                guard: self.guard,
                outcome,
                reason: reason.map(Rejection::as_str),
                issuer: caller.map(|caller| caller.issuer.as_str()),
                subject: caller.map(|caller| &*caller.subject).or(subject),
                client: caller.and_then(|caller| caller.client.as_deref()),
                tenant: caller.and_then(|caller| caller.tenant.as_deref()),
                http_method: self.method,
                method: call.and_then(|call| call.method.as_deref()),
                name: call.and_then(|call| call.name.as_deref()),
                trace_id: self.trace_id.as_deref(),
                address: self.address,
            };
            write(trail, &entry);
        };
        if self.calls.is_empty() {
            entry(None);
        }
        self.calls.iter().for_each(|call| entry(Some(call)));
    }
}

/// What else stands there is a caller's text, of any length.
fn known(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::DELETE => "DELETE",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::HEAD => "HEAD",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

/// The trace's id out of `traceparent` (W3C Trace Context §3.2); `None` for what is none.
fn trace_id(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get("traceparent")?.to_str().ok()?;
    let mut parts = value.split('-');
    let (version, trace) = (parts.next()?, parts.next()?);
    let is_hex = |text: &str| text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let is_id = trace.len() == 32 && is_hex(trace) && trace.bytes().any(|byte| byte != b'0');
    (version.len() == 2 && is_hex(version) && version != "ff" && is_id).then_some(trace)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_is_named_by_its_id_and_by_nothing_else() {
        let id = |value: &'static str| {
            let headers = HeaderMap::from_iter([(
                http::HeaderName::from_static("traceparent"),
                http::HeaderValue::from_static(value),
            )]);
            trace_id(&headers).map(str::to_owned)
        };
        let good = "4bf92f3577b34da6a3ce929d0e0e4736";
        assert_eq!(id("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01").as_deref(), Some(good));
        for wrong in [
            "",
            "00",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e473-00f067aa0ba902b7-01",
            "00-alice@example.com_______________-00f067aa0ba902b7-01",
        ] {
            assert_eq!(id(wrong), None, "{wrong}");
        }
        assert_eq!(trace_id(&HeaderMap::new()), None);
    }
}
