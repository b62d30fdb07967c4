//! How much an authorization server may still be asked, as it says itself on every answer.
//!
//! Auth0 counts a client's machine tokens (`Auth0-Client-Quota-Limit: b=per_hour;q=10;r=7;t=3540,b=per_day;…`, and the
//! same for an organization); many servers count requests (`x-ratelimit-limit`, `-remaining`, `-reset`).

use std::time::{Duration, UNIX_EPOCH};

use http::HeaderMap;
use http::header::DATE;

/// Below this share of the limit requests that can wait are spaced out.
const LOW: u64 = 5; // a fifth

/// What one answer said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Quota {
    /// Each limit by itself.
    pub limits: Vec<Limit>,
}

/// One limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// A fixed word: the period, behind `organization_` where an organization's is meant; or `requests`.
    pub name: &'static str,
    /// How much may be asked in a period.
    pub most: u64,
    /// How much of it is left.
    pub left: u64,
    /// When it begins anew.
    pub resets_in: Duration,
}

impl Quota {
    /// What the headers of an answer say; `None` when that is nothing.
    pub fn read(headers: &HeaderMap, unix_ms: u64) -> Option<Self> {
        let read = |name: &str, words| {
            let values = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
            values.flat_map(|value| value.split(',')).filter_map(|text| bucket(text, words)).collect()
        };
        let mut limits: Vec<_> = read("auth0-client-quota-limit", &OF_CLIENT);
        limits.append(&mut read("auth0-organization-quota-limit", &OF_ORGANIZATION));
        limits.extend(requests(headers, unix_ms));
        (!limits.is_empty()).then_some(Self { limits })
    }

    /// How long until all that is spent begins anew, as far as this client is to wait for it; `None` when nothing is.
    pub fn spent_for(&self) -> Option<Duration> {
        let spent = self.limits.iter().filter(|limit| limit.left == 0);
        let pauses = spent.map(|limit| limit.resets_in.min(limit.longest_pause()));
        pauses.max().filter(|pause| !pause.is_zero())
    }
}

impl Limit {
    /// Less than a fifth is left.
    pub fn is_low(&self) -> bool {
        self.left < self.most.div_ceil(LOW)
    }

    /// How far apart requests must be for what is left to last.
    pub fn spacing(&self) -> Duration {
        self.resets_in / u32::try_from(self.left.saturating_add(1)).unwrap_or(u32::MAX)
    }

    /// For how long at a time this limit may keep the client's requests back, whatever it says of when it begins anew:
    /// then one request goes and sees. Never, where it is one organization's: the others are not to wait for it.
    pub fn longest_pause(&self) -> Duration {
        match self.name {
            "requests" => LONGEST_BY_DATE,
            name if OF_ORGANIZATION.contains(&name) => Duration::ZERO,
            _ => LONGEST_BY_PERIOD,
        }
    }
}

/// Names of limits, as [`PERIODS`] has them, and one for a period that nobody knows. Labels are bounded.
type Words = [&'static str; 5];

const PERIODS: [&str; 4] = ["per_second", "per_minute", "per_hour", "per_day"];
const OF_CLIENT: Words = ["per_second", "per_minute", "per_hour", "per_day", "other"];
const OF_ORGANIZATION: Words = [
    "organization_per_second",
    "organization_per_minute",
    "organization_per_hour",
    "organization_per_day",
    "organization_other",
];

/// Bounds for what a header may say.
const LONGEST: u64 = 24 * 3600; // of what is believed at all
const LONGEST_BY_PERIOD: Duration = Duration::from_secs(3600);
/// A moment is told by clocks that may be wrong, in units that differ from server to server.
const LONGEST_BY_DATE: Duration = Duration::from_secs(300);

/// `b=per_hour;q=10;r=7;t=3540`
fn bucket(text: &str, words: &Words) -> Option<Limit> {
    let part = |wanted: &str| {
        text.split(';')
            .filter_map(|part| part.trim().split_once('='))
            .find(|(name, _)| *name == wanted)
            .map(|(_, v)| v)
    };
    let number = |name| part(name)?.trim().parse::<u64>().ok();
    let period = part("b")?.trim();
    let known = PERIODS.iter().zip(words).find(|(known, _)| **known == period);
    let [.., other] = words;
    Some(Limit {
        name: known.map_or(*other, |(_, word)| *word),
        most: number("q").filter(is_limit)?,
        left: number("r")?,
        resets_in: Duration::from_secs(number("t")?.min(LONGEST)),
    })
}

fn requests(headers: &HeaderMap, unix_ms: u64) -> Option<Limit> {
    let number = |name: &str| headers.get(name)?.to_str().ok()?.trim().parse::<u64>().ok();
    let reset = in_seconds(number("x-ratelimit-reset")?);
    // The server's own clock, where it says what that shows: ours may be wrong.
    let now = dated(headers).unwrap_or(unix_ms / 1000);
    Some(Limit {
        name: "requests",
        most: number("x-ratelimit-limit").filter(is_limit)?,
        left: number("x-ratelimit-remaining")?,
        resets_in: Duration::from_secs(reset.saturating_sub(now).min(LONGEST)),
    })
}

/// Who may ask nothing at all is not told so by a header: zero stands for no limit, or for nothing.
fn is_limit(most: &u64) -> bool {
    *most > 0
}

/// Some servers write milliseconds: as seconds they would be millennia ahead.
fn in_seconds(reset: u64) -> u64 {
    const NO_SECONDS: u64 = 100_000_000_000;
    if reset < NO_SECONDS { reset } else { reset / 1000 }
}

fn dated(headers: &HeaderMap) -> Option<u64> {
    let date = httpdate::parse_http_date(headers.get(DATE)?.to_str().ok()?).ok()?;
    Some(date.duration_since(UNIX_EPOCH).ok()?.as_secs())
}

#[cfg(test)]
mod tests;
