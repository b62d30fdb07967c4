//! One bad answer, and what must come of it.

use std::time::Duration;

use bearward_supply::Failure;
use bearward_supply::gate::{BREAKER_PAUSE, BREAKER_THRESHOLD, LONGEST_RETRY_AFTER};
use bearward_testbed::authorization_server::{Fault, Place};
use bearward_testbed::raw::Act;

/// What happens and what is expected.
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) place: Place,
    pub(crate) fault: Fault,
    pub(crate) expected: Expected,
}

/// What one failed request is, and what follows from it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Expected {
    /// The variant of [`Failure`].
    pub(crate) variant: &'static str,
    /// Its word in metrics.
    pub(crate) outcome: &'static str,
    /// Trying again may help by itself.
    pub(crate) is_passing: bool,
    /// The breaker counts it.
    pub(crate) counts_for_breaker: bool,
    /// What the server asked us to wait, as it was read.
    pub(crate) pause: Option<Duration>,
    /// The OAuth code or status of a refusal.
    pub(crate) code: Option<&'static str>,
    /// The server neither answers nor closes: the attempt is ended by its limit.
    pub(crate) hangs: bool,
}

const PASSING: Expected = Expected {
    variant: "",
    outcome: "",
    is_passing: true,
    counts_for_breaker: true,
    pause: None,
    code: None,
    hangs: false,
};
pub(crate) const BAD_RESPONSE: Expected =
    Expected { variant: "BadResponse", outcome: "bad_response", ..PASSING };
pub(crate) const UNAVAILABLE: Expected =
    Expected { variant: "Unavailable", outcome: "unavailable", ..PASSING };
pub(crate) const UNREACHABLE: Expected =
    Expected { variant: "Unreachable", outcome: "unreachable", ..PASSING };
pub(crate) const TIMEOUT: Expected =
    Expected { variant: "Unreachable", outcome: "timeout", hangs: true, ..PASSING };
pub(crate) const RATE_LIMITED: Expected =
    Expected { variant: "RateLimited", outcome: "rate_limited", counts_for_breaker: false, ..PASSING };

pub(crate) const fn refused(code: &'static str) -> Expected {
    Expected {
        variant: "Refused",
        outcome: "refused",
        is_passing: false,
        counts_for_breaker: false,
        code: Some(code),
        ..PASSING
    }
}

impl Expected {
    /// The server asks for a pause.
    pub(crate) const fn asking_for(self, pause: Duration) -> Self {
        Self { pause: Some(pause), ..self }
    }

    pub(crate) fn assert_is(&self, row: &str, failure: &Failure) {
        let code = match failure {
            Failure::Refused { code, .. } => Some(code.as_str()),
            _ => None,
        };
        let found = (variant(failure), failure.outcome(), failure.is_passing(), failure.asked_pause(), code);
        let expected = (self.variant, self.outcome, self.is_passing, self.pause, self.code);
        assert_eq!(found, expected, "{row}: {failure}");
    }

    /// The longest rest after such a failure: the largest backoff, the breaker and the rest after a refusal are half a
    /// minute each, and what the server asks for is kept to up to an hour.
    pub(crate) fn longest_rest(&self) -> Duration {
        BREAKER_PAUSE.max(self.pause.unwrap_or_default().min(LONGEST_RETRY_AFTER))
    }

    /// So many requests in a minute, and no more, however many ask.
    pub(crate) fn most_in_a_minute(&self) -> u64 {
        /// At once, after 30 s and after 60 s.
        const AFTER_REFUSALS: u64 = 3;
        /// Until the breaker opens, and a probe after each of its pauses.
        const UNTIL_THE_BREAKER: u64 = BREAKER_THRESHOLD as u64 + 60 / BREAKER_PAUSE.as_secs();
        /// Backoff alone: bounds of 0.5, 1, 2, … 30 s are about ten in the mean; twice that.
        const BY_BACKOFF: u64 = 20;
        let by_kind = match (self.is_passing, self.counts_for_breaker) {
            (false, _) => AFTER_REFUSALS,
            (true, true) => UNTIL_THE_BREAKER,
            (true, false) => BY_BACKOFF,
        };
        match self.pause {
            Some(pause) if !pause.is_zero() => by_kind.min(1 + 60 / pause.as_secs().max(1)),
            _ => by_kind,
        }
    }
}

impl Row {
    pub(crate) fn new(name: &str, fault: Fault, expected: Expected) -> Self {
        Self { name: name.into(), place: Place::Token, fault, expected }
    }

    /// A status with headers and a body.
    pub(crate) fn answer(
        name: &str,
        status: u16,
        headers: &[(&str, &str)],
        body: impl Into<Vec<u8>>,
        expected: Expected,
    ) -> Self {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Self::new(name, Fault::Answer { status, headers, body: body.into() }, expected)
    }

    /// Bytes on the socket.
    pub(crate) fn raw(name: &str, acts: Vec<Act>, expected: Expected) -> Self {
        Self::new(name, Fault::Raw { acts }, expected)
    }
}

fn variant(failure: &Failure) -> &'static str {
    match failure {
        Failure::Unreachable(_) => "Unreachable",
        Failure::Discovery(_) => "Discovery",
        Failure::Unavailable { .. } => "Unavailable",
        Failure::RateLimited { .. } => "RateLimited",
        Failure::BadResponse { .. } => "BadResponse",
        Failure::Refused { .. } => "Refused",
        _ => "another",
    }
}
