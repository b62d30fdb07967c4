//! What is counted, and what of it was promised.

use std::collections::BTreeMap;
use std::time::Duration;

/// Requests over the ideal that are allowed.
pub(crate) const MOST_OVER_IDEAL: f64 = 1.05;

/// Retries over what backoff allows: each pause is drawn by chance, and in a small world they are few.
pub(crate) const MOST_OVER_BACKOFF: f64 = 1.25;

/// A keeper looks at both clocks each minute, and a request and its answer take their time.
pub(crate) const MOST_LAG: Duration = Duration::from_secs(75);

/// The sums of a run.
#[derive(Debug, Clone, Default)]
pub(crate) struct Figures {
    pub(crate) handed_out: u64,
    pub(crate) expired: u64,
    pub(crate) swapped: u64,
    /// Dead, and by none of the machine's clocks.
    pub(crate) beyond_all_clocks: u64,
    pub(crate) failed_with_token: u64,
    pub(crate) failed_without_token: u64,
    /// Although the server had been well for long.
    pub(crate) failed_when_well: u64,
    pub(crate) longest_wait_with_token: Duration,
    /// Of callers without a token, until they had one.
    pub(crate) waits: Vec<Duration>,
    pub(crate) requests: u64,
    pub(crate) requests_in_pause: u64,
    /// While the breaker was to hold them back.
    pub(crate) requests_beyond_breaker: u64,
    /// With a secret that had been refused less than 30 s before.
    pub(crate) refused_again: u64,
    /// Of those that brought no token, what the rules allow.
    pub(crate) ideal_failures: f64,
    /// Requests that nothing but backoff kept waiting, and how many of them there were to be.
    pub(crate) retries: u64,
    pub(crate) ideal_retries: f64,
    pub(crate) granted: u64,
    pub(crate) ideal: f64,
    pub(crate) unneeded: u64,
    /// Early, because a clock had been wrong since the token before.
    pub(crate) brought_forward: u64,
    pub(crate) forced: u64,
    pub(crate) forced_too_often: u64,
    pub(crate) refusals: u64,
    pub(crate) failures: BTreeMap<&'static str, u64>,
    /// How long after they were due refreshes of keys that are kept fresh were sent for.
    pub(crate) lags: Vec<Duration>,
    /// The longest of them where the server had been well all the time.
    pub(crate) worst_lag_when_well: Duration,
}

/// One line of the table.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Row {
    /// What is counted.
    pub what: &'static str,
    /// How much of it there was.
    pub found: String,
    /// How much there may be; `None` where nothing is promised.
    pub promised: Option<&'static str>,
    /// Whether the promise holds.
    pub is_kept: bool,
}

impl Figures {
    /// Tokens, over the ideal.
    pub(crate) fn ratio(&self) -> f64 {
        self.granted as f64 / self.ideal.max(1.0)
    }

    /// All requests, over the ideal and what the rules allow when a server fails.
    pub(crate) fn request_ratio(&self) -> f64 {
        self.requests as f64 / (self.ideal + self.ideal_failures).max(1.0)
    }

    fn retry_ratio(&self) -> f64 {
        self.retries as f64 / self.ideal_retries.max(1.0)
    }

    /// The table, what was promised first.
    pub(crate) fn rows(&self, joined: u64) -> Vec<Row> {
        let none = |what, found: u64| Row {
            what,
            found: found.to_string(),
            promised: Some("0"),
            is_kept: found == 0,
        };
        let told = |what, found| Row { what, found, promised: None, is_kept: true };
        let at_most_1_05 = |what, found| Row {
            what,
            found: format!("{found:.4}"),
            promised: Some("≤ 1.05"),
            is_kept: found <= MOST_OVER_IDEAL,
        };
        let wait = self.longest_wait_with_token;
        let mut rows = vec![
            none("calls that failed while a valid token was there", self.failed_with_token),
            Row {
                what: "longest wait while a valid token was there",
                found: shown(wait),
                promised: Some("0"),
                is_kept: wait.is_zero(),
            },
            none("expired tokens handed out", self.expired),
            none("tokens of another key handed out", self.swapped),
            at_most_1_05("token requests, over what the rules allow", self.request_ratio()),
            at_most_1_05("tokens fetched, over the ideal", self.ratio()),
            Row {
                what: "retries, over what backoff allows",
                found: format!("{:.4}", self.retry_ratio()),
                promised: Some("≤ 1.25"),
                is_kept: self.retry_ratio() <= MOST_OVER_BACKOFF,
            },
            none("requests that the breaker was to hold back", self.requests_beyond_breaker),
            none("requests with a refused secret within 30 s", self.refused_again),
            none("tokens fetched earlier than any rule allows", self.unneeded),
            none("three forced refreshes of a key within 30 s", self.forced_too_often),
            none("requests within a Retry-After", self.requests_in_pause),
            none("calls that failed 75 s after the server was well", self.failed_when_well),
            Row {
                what: "longest refresh lag at a server that was well",
                found: shown(self.worst_lag_when_well),
                promised: Some("≤ 75 s"),
                is_kept: self.worst_lag_when_well <= MOST_LAG,
            },
            told("calls served", self.handed_out.to_string()),
            told("calls that failed, no token being there", self.failed_without_token.to_string()),
            told("dead by none of the machine's clocks", self.beyond_all_clocks.to_string()),
            told("token requests", self.requests.to_string()),
            told("  that brought a token", self.granted.to_string()),
            told("  of them by force, after a 401", self.forced.to_string()),
            told("  of them early, a clock having been wrong", self.brought_forward.to_string()),
            told("401 from destinations", self.refusals.to_string()),
            told("flights joined", joined.to_string()),
        ];
        rows.push(told("refresh lag, half of them within", shown(percentile(&self.lags, 0.5))));
        rows.push(told("refresh lag, 99 % within", shown(percentile(&self.lags, 0.99))));
        rows.push(told("refresh lag, longest", shown(percentile(&self.lags, 1.0))));
        rows.push(told("wait without a token, half within", shown(percentile(&self.waits, 0.5))));
        rows.push(told("wait without a token, 99 % within", shown(percentile(&self.waits, 0.99))));
        rows
    }
}

/// The value that this share of all does not exceed.
fn percentile(values: &[Duration], share: f64) -> Duration {
    let mut sorted = values.to_vec();
    sorted.sort_unstable();
    let last = sorted.len().saturating_sub(1);
    sorted.get((last as f64 * share).round() as usize).copied().unwrap_or_default()
}

fn shown(time: Duration) -> String {
    match time.as_secs_f64() {
        0.0 => "0".into(),
        short if short < 1.0 => format!("{:.0} ms", short * 1000.0),
        middle if middle < 600.0 => format!("{middle:.1} s"),
        long => format!("{:.0} min", long / 60.0),
    }
}
