//! How much an authorization server may still be asked, as it says itself on every answer.
//!
//! Auth0 counts a client's machine tokens (`Auth0-Client-Quota-Limit: b=per_hour;q=10;r=7;t=3540,b=per_day;…`, and the
//! same for an organization); many servers count requests (`x-ratelimit-limit`, `-remaining`, `-reset`).

use std::time::Duration;

use http::HeaderMap;

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
    /// A fixed word: the period, or `requests`.
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
        let named = ["auth0-client-quota-limit", "auth0-organization-quota-limit"];
        let named =
            named.iter().flat_map(|name| headers.get_all(*name)).filter_map(|value| value.to_str().ok());
        let mut limits: Vec<_> = named.flat_map(|value| value.split(',')).filter_map(bucket).collect();
        limits.extend(requests(headers, unix_ms));
        (!limits.is_empty()).then_some(Self { limits })
    }

    /// How long until all that is spent begins anew; `None` when nothing is.
    pub fn spent_for(&self) -> Option<Duration> {
        self.limits.iter().filter(|limit| limit.left == 0).map(|limit| limit.resets_in).max()
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
}

/// `b=per_hour;q=10;r=7;t=3540`
fn bucket(text: &str) -> Option<Limit> {
    let part = |wanted: &str| {
        text.split(';')
            .filter_map(|part| part.trim().split_once('='))
            .find(|(name, _)| *name == wanted)
            .map(|(_, v)| v)
    };
    let number = |name| part(name)?.trim().parse::<u64>().ok();
    Some(Limit {
        name: word(part("b")?.trim()),
        most: number("q")?,
        left: number("r")?,
        resets_in: Duration::from_secs(number("t")?.min(LONGEST)),
    })
}

/// A bound for what a header may say: nobody is kept waiting for longer than a day.
const LONGEST: u64 = 24 * 3600;

fn requests(headers: &HeaderMap, unix_ms: u64) -> Option<Limit> {
    let number = |name: &str| headers.get(name)?.to_str().ok()?.trim().parse::<u64>().ok();
    let reset = number("x-ratelimit-reset")?;
    Some(Limit {
        name: "requests",
        most: number("x-ratelimit-limit")?,
        left: number("x-ratelimit-remaining")?,
        resets_in: Duration::from_secs(reset.saturating_sub(unix_ms / 1000).min(LONGEST)),
    })
}

/// Labels are bounded: words that nobody knows become one.
fn word(name: &str) -> &'static str {
    const KNOWN: [&str; 4] = ["per_second", "per_minute", "per_hour", "per_day"];
    KNOWN.into_iter().find(|known| *known == name).unwrap_or("other")
}

#[cfg(test)]
mod tests;
