//! The audit trail: one line of JSON for each decision about a caller, written beside the work and never in its way.
//!
//! ```text
//! request ─ Entry ─ line ─► queue ─► thread ─► file, turned over by size, or stdout
//!                             └ full: dropped and counted
//! ```
//! A disk that is full costs lines and no request; metrics and readiness say so. No token is ever in a line.

mod destination;
mod pseudonyms;
mod writer;

pub use destination::Destination;
pub use pseudonyms::{Field, Pseudonyms};

use std::io;
use std::net::IpAddr;
use std::sync::Arc;

use bearward_token::Clock;
use serde::Serialize;

use crate::health::{Condition, Probe};
use crate::metrics::Metrics;
use writer::Writer;

/// Longest text that stands in a line as it is, in bytes: a caller chooses names.
const LONGEST: usize = 256;

/// What was decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Let through.
    Allowed,
    /// Refused.
    Refused,
    /// Let through by a guard that only observes; it would have been refused.
    WouldRefuse,
    /// Sent on with a token of ours; `status` is what came back.
    Forwarded,
    /// A provider's token itself was given to a program on this machine.
    HandedOut,
    /// It was let in, and could not be sent on, or had no answer.
    NotForwarded,
}

/// What left for a decision that was let through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Departure<'a> {
    /// The provider whose token it carried.
    pub provider: &'a str,
    /// `own`: the token speaks for the caller; `shared`: for the machine, and this line alone says for whom it was.
    pub token: &'static str,
    /// The HTTP status of the answer; `None`: there was none.
    pub status: Option<u16>,
}

/// One decision. What is not known, or not verified, is left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry<'a> {
    /// The guard's name.
    pub guard: &'a str,
    /// What was decided.
    pub outcome: Outcome,
    /// Why not.
    pub reason: Option<&'static str>,
    /// Who vouches for the caller.
    pub issuer: Option<&'a str>,
    /// Who calls.
    pub subject: Option<&'a str>,
    /// The program that acts for it.
    pub client: Option<&'a str>,
    /// Its organization.
    pub tenant: Option<&'a str>,
    /// The HTTP method.
    pub http_method: &'a str,
    /// The JSON-RPC method.
    pub method: Option<&'a str>,
    /// The tool, prompt or resource.
    pub name: Option<&'a str>,
    /// The trace that the request belongs to (W3C Trace Context).
    pub trace_id: Option<&'a str>,
    /// Where it came from.
    pub address: Option<IpAddr>,
}

/// As it is written.
#[derive(Serialize)]
struct Line<'a> {
    time: String,
    guard: &'a str,
    outcome: Outcome,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    issuer: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant: Option<String>,
    http_method: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    method: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    provider: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
}

/// Where decisions are written down. Cheap to clone; what is queued when the last one goes is still written.
#[derive(Debug, Clone)]
pub struct AuditTrail(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    writer: Writer,
    pseudonyms: Pseudonyms,
    clock: Arc<dyn Clock>,
}

impl AuditTrail {
    /// Opens the destination and starts the thread that writes to it.
    ///
    /// # Errors
    /// When the destination cannot be opened now. Later failures are told by metrics and readiness alone.
    pub fn start(
        destination: Destination,
        pseudonyms: Pseudonyms,
        metrics: Arc<Metrics>,
        clock: Arc<dyn Clock>,
    ) -> io::Result<Self> {
        let writer = Writer::start(destination, metrics)?;
        Ok(Self(Arc::new(Inner { writer, pseudonyms, clock })))
    }

    /// Writes a decision down, later and elsewhere. Never waits.
    pub fn record(&self, entry: &Entry<'_>) {
        self.write(entry, None);
    }

    /// Writes down what left for whom: also a shared token's calls are each somebody's.
    pub fn record_departure(&self, entry: &Entry<'_>, departure: &Departure<'_>) {
        self.write(entry, Some(departure));
    }

    fn write(&self, entry: &Entry<'_>, departure: Option<&Departure<'_>>) {
        let hidden =
            |field: Field, text: &str| self.0.pseudonyms.of(field, text).unwrap_or_else(|| cut(text));
        let line = Line {
            time: rfc3339(self.0.clock.unix_ms()),
            guard: entry.guard,
            outcome: entry.outcome,
            reason: entry.reason,
            issuer: entry.issuer,
            subject: entry.subject.map(|text| hidden(Field::Subject, text)),
            client: entry.client.map(|text| hidden(Field::Client, text)),
            tenant: entry.tenant.map(|text| hidden(Field::Tenant, text)),
            http_method: entry.http_method,
            method: entry.method.map(cut),
            name: entry.name.map(|text| hidden(Field::Name, text)),
            trace_id: entry.trace_id,
            address: entry.address.map(|address| hidden(Field::Address, &address.to_string())),
            provider: departure.map(|departure| departure.provider),
            token: departure.map(|departure| departure.token),
            status: departure.and_then(|departure| departure.status),
        };
        // Texts and numbers alone: this does not fail.
        if let Ok(mut line) = serde_json::to_vec(&line) {
            line.push(b'\n');
            self.0.writer.send(line);
        }
    }
}

impl Probe for AuditTrail {
    fn name(&self) -> String {
        format!("audit trail to {}", self.0.writer.destination())
    }

    fn condition(&self) -> Condition {
        match self.0.writer.failure() {
            None => Condition::Ready,
            Some(failure) => {
                Condition::Degraded { reason: format!("decisions are not written down: {failure}") }
            }
        }
    }
}

/// At most [`LONGEST`] bytes, cut between characters, with `…` where something is gone.
fn cut(text: &str) -> String {
    if text.len() <= LONGEST {
        return text.to_owned();
    }
    let at = (0..=LONGEST).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    format!("{}…", text.get(..at).unwrap_or_default())
}

/// A moment in words: RFC 3339, in UTC, to the millisecond.
pub fn rfc3339(unix_ms: u64) -> String {
    let time = i64::try_from(unix_ms).ok().and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
    time.map(|time| format!("{time:.3}")).unwrap_or_default()
}

#[cfg(test)]
mod tests;
