//! Whether a request goes on: who calls, in whose session, and what for.
//!
//! Every decision is counted by the guard and, where there is an audit trail, written down.

use std::net::IpAddr;

use bearward_guard::message::{self, Call, MessageError};
use bearward_guard::{Mode, Refused, Verified, agreement};
use bearward_observe::Rejection;
use bytes::Bytes;
use http::request::Parts;
use http::{Method, Response, StatusCode};
use hyper::body::Incoming;

use crate::answer::Asked;
use crate::body::{self, Body};
use crate::inbound::Inbound;
use crate::record::Record;

/// A request that goes on.
pub(crate) struct Admitted {
    /// Who calls; `None` where the guard is off, or only observes somebody that it would refuse.
    pub(crate) caller: Option<Verified>,
    /// The whole body.
    pub(crate) bytes: Bytes,
}

type Answered = Box<Response<Body>>;

impl Inbound {
    /// Judges a request; what is refused is answered here.
    pub(crate) async fn judge(
        &self,
        asked: &Asked,
        head: &Parts,
        incoming: Incoming,
        address: Option<IpAddr>,
    ) -> Result<Admitted, Answered> {
        let mut record = self.record(head, address);
        let caller = self.identify(asked, head, address, &mut record).await?;
        if let Some(caller) = &caller
            && !self.sessions.allows(&head.headers, caller)
        {
            let not_found = || asked.error(StatusCode::NOT_FOUND, "Session not found");
            self.reject(Rejection::ForeignSession, caller, &mut record, not_found)?;
        }
        let bytes = match body::collect(incoming, self.max_body).await {
            Ok(bytes) => bytes,
            Err(error) => {
                record.refused(Rejection::Body, true);
                return Err(Box::new(asked.bad_body(error)));
            }
        };
        match &caller {
            Some(caller) if head.method == Method::POST => {
                self.judge_calls(asked, head, &bytes, caller, &mut record)?;
            }
            // Nobody is judged here; what would be refused is still worth knowing.
            None if record.is_kept() => record.asks_for(&message::read(&bytes).unwrap_or_default()),
            _ => {}
        }
        record.allowed();
        Ok(Admitted { caller, bytes })
    }

    /// What the audit trail will say of a request.
    pub(crate) fn record<'a>(&'a self, head: &'a Parts, address: Option<IpAddr>) -> Record<'a> {
        let settings = self.guard.settings();
        let trail = self.audit.as_ref().filter(|_| settings.mode != Mode::Off);
        Record::new(trail, &settings.name, head, address)
    }

    async fn identify(
        &self,
        asked: &Asked,
        head: &Parts,
        address: Option<IpAddr>,
        record: &mut Record<'_>,
    ) -> Result<Option<Verified>, Answered> {
        if self.guard.settings().mode == Mode::Off {
            return Ok(None);
        }
        match self.guard.admit(&head.headers, head.uri.query(), address).await {
            Ok(caller) => {
                record.calls_itself(caller.principal());
                Ok(Some(caller))
            }
            Err(Refused { refusal, caller, is_enforced }) => {
                if let Some(caller) = &caller {
                    record.calls_itself(caller);
                }
                record.refused(refusal.rejection(), is_enforced);
                if is_enforced { Err(Box::new(asked.refusal(&self.guard, &refusal))) } else { Ok(None) }
            }
        }
    }

    /// Judges what the body asks for, where some rule hangs on it; reads it, too, where it is written down.
    fn judge_calls(
        &self,
        asked: &Asked,
        head: &Parts,
        body: &[u8],
        caller: &Verified,
        record: &mut Record<'_>,
    ) -> Result<(), Answered> {
        let is_judged = !self.guard.settings().policy.is_empty();
        if !is_judged && !record.is_kept() {
            return Ok(());
        }
        match message::read(body) {
            Ok(calls) => {
                record.asks_for(&calls);
                if is_judged { self.judge_read(asked, head, body, &calls, caller, record) } else { Ok(()) }
            }
            Err(error) if is_judged => self.reject_body(asked, error, caller, record),
            Err(_) => Ok(()),
        }
    }

    fn reject_body(
        &self,
        asked: &Asked,
        error: MessageError,
        caller: &Verified,
        record: &mut Record<'_>,
    ) -> Result<(), Answered> {
        self.reject(Rejection::Body, caller, record, || asked.bad_message(error))
    }

    fn judge_read(
        &self,
        asked: &Asked,
        head: &Parts,
        body: &[u8],
        calls: &[Call],
        caller: &Verified,
        record: &mut Record<'_>,
    ) -> Result<(), Answered> {
        let asked = asked.clone().with_body(body);
        if agreement::check(&head.headers, calls).is_err() {
            return self.reject(Rejection::HeaderMismatch, caller, record, || asked.disagreement());
        }
        match self.guard.authorize(caller, calls) {
            Ok(()) => Ok(()),
            Err(Refused { refusal, is_enforced, .. }) => {
                record.refused(refusal.rejection(), is_enforced);
                if is_enforced { Err(Box::new(asked.refusal(&self.guard, &refusal))) } else { Ok(()) }
            }
        }
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
