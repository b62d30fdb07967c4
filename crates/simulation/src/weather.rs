//! How an authorization server fares: mostly well, and every hour or so in one of the ways in which servers are not.

use std::time::Duration;

use bearward_issuer::FetchError;
use bearward_supply::Failure;
use fastrand::Rng;

use crate::chance::{Spell, between, during, hours, last_begun, mins, one_of, pause, secs, spells};

/// One server's good and bad times.
#[derive(Debug)]
pub(crate) struct Weather(Vec<Spell<Trouble>>);

/// What a spell brings.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Trouble {
    /// Nobody answers at the address.
    Down,
    /// 503, now and then with a `Retry-After`.
    Failing,
    /// 429 with a `Retry-After`.
    Limiting,
    /// Answers after many seconds.
    Slow,
    /// The connection is reset, before or after the token was issued.
    Resets,
    /// 200, and half of the body.
    Halves,
    /// A third of the requests fare like one of the above.
    Flaky,
}

/// What becomes of one request.
#[derive(Debug)]
pub(crate) struct Fate {
    /// Until the server has read it.
    pub(crate) there: Duration,
    /// Until its answer has arrived.
    pub(crate) back: Duration,
    /// `None`: the token arrives.
    pub(crate) failure: Option<Failure>,
    /// The server has issued a token, whether it arrives or not.
    pub(crate) is_issued: bool,
}

impl Weather {
    pub(crate) fn new(random: &mut Rng, end: Duration) -> Self {
        let kinds = [
            (4, Trouble::Down),
            (4, Trouble::Failing),
            (3, Trouble::Limiting),
            (3, Trouble::Slow),
            (2, Trouble::Resets),
            (2, Trouble::Halves),
            (4, Trouble::Flaky),
        ];
        let mut draw = |random: &mut Rng| {
            // Most troubles are short; one in fifteen lasts longer than most tokens live.
            let longest = if random.u32(0..15) == 0 { hours(2) } else { mins(12) };
            (between(random, secs(5), longest), one_of(random, &kinds, Trouble::Down))
        };
        Self(spells(random, end, mins(50), &mut draw))
    }

    /// How long it has been well at `now`; `None` while it is not.
    pub(crate) fn well_for(&self, now: Duration) -> Option<Duration> {
        match last_begun(&self.0, now) {
            Some(spell) if now < spell.until => None,
            Some(spell) => Some(now - spell.until),
            None => Some(now),
        }
    }

    pub(crate) fn fate(&self, now: Duration, random: &mut Rng) -> Fate {
        let (there, back) = (latency(random), latency(random));
        let good = Fate { there, back, failure: None, is_issued: true };
        let trouble = match during(&self.0, now).map(|spell| spell.what) {
            None => return good,
            Some(Trouble::Flaky) if random.u32(0..3) > 0 => return good,
            Some(Trouble::Flaky) => one_of(random, &FLAKY, Trouble::Down),
            Some(trouble) => trouble,
        };
        let bad = |failure| Fate { there, back, failure: Some(failure), is_issued: false };
        match trouble {
            Trouble::Down | Trouble::Flaky => bad(Failure::Unreachable(FetchError::Connect {
                url: "the simulated server".into(),
                reason: "connection refused".into(),
            })),
            Trouble::Failing => {
                let retry_after = (random.u32(0..4) == 0).then(|| between(random, secs(1), secs(60)));
                bad(Failure::Unavailable { status: 503, retry_after })
            }
            Trouble::Limiting => {
                let retry_after = Some(between(random, secs(2), mins(4)));
                bad(Failure::RateLimited { retry_after })
            }
            Trouble::Slow => Fate { back: between(random, secs(1), secs(15)), ..good },
            Trouble::Resets => Fate {
                is_issued: random.bool(),
                ..bad(Failure::Unreachable(FetchError::Broken {
                    url: "the simulated server".into(),
                    reason: "connection reset by peer".into(),
                }))
            },
            Trouble::Halves => {
                Fate { is_issued: true, ..bad(Failure::BadResponse { reason: "half of an answer" }) }
            }
        }
    }
}

const FLAKY: [(u32, Trouble); 6] = [
    (2, Trouble::Down),
    (3, Trouble::Failing),
    (1, Trouble::Limiting),
    (2, Trouble::Slow),
    (1, Trouble::Resets),
    (1, Trouble::Halves),
];

fn latency(random: &mut Rng) -> Duration {
    Duration::from_millis(5) + pause(random, Duration::from_millis(60)).min(secs(1))
}
