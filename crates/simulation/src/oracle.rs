//! What the servers know and the manager does not tell: which tokens there are, when each dies, who was kept waiting.
//!
//! It knows the rules of a token's life (`lifetime::floor`, `lifetime::refresh_lead`), for they are promised, and nothing of
//! the manager's state.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bearward_supply::lifetime::{clamp_min_ttl, floor, refresh_lead};

use crate::chance::secs;
use crate::clock::{Instant, WorldClock};
use crate::figures::Figures;
use crate::rules::Verdict;

/// Between two forced refreshes of a key.
const COOLDOWN: Duration = secs(30);
/// A server that has been well for so long has been found out by everybody.
const FOUND_OUT: Duration = secs(75);

/// Follows every token of every key.
#[derive(Debug)]
pub(crate) struct Oracle {
    clock: WorldClock,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    keys: Vec<Record>,
    figures: Figures,
}

/// One key.
#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) lifetime: Duration,
    pub(crate) is_kept_fresh: bool,
    /// What its callers ask for.
    pub(crate) min_ttl: Duration,
    pub(crate) issued: Vec<Issued>,
    /// The newest that has arrived.
    pub(crate) arrived: Option<usize>,
    /// It was refused, and another was asked for.
    pub(crate) is_refused: bool,
    /// When the last two forced ones arrived.
    pub(crate) last_forced: [Option<Duration>; 2],
}

/// One token.
#[derive(Debug)]
pub(crate) struct Issued {
    sent: Instant,
    dies: Duration,
}

/// A caller before its call.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Before {
    at: Instant,
    had_token: bool,
}

impl Oracle {
    pub(crate) fn new(clock: WorldClock, keys: Vec<Record>) -> Self {
        Self { clock, state: Mutex::new(State { keys, figures: Figures::default() }) }
    }

    /// A request has left; `is_held`: within a pause that its server had asked for.
    pub(crate) fn requested(&self, is_held: bool, verdict: Verdict) {
        let figures = &mut self.state().figures;
        figures.requests += 1;
        figures.requests_in_pause += u64::from(is_held);
        figures.requests_beyond_breaker += u64::from(verdict.is_beyond_breaker);
        figures.refused_again += u64::from(verdict.is_refused_again);
        if verdict.is_by_backoff {
            figures.retries += 1;
            figures.ideal_retries += verdict.share;
        }
    }

    /// The server issues a token, whether it arrives or not.
    pub(crate) fn issued(&self, key: usize, sent: Instant) -> (String, Duration) {
        let dies = self.clock.now().truth;
        let mut state = self.state();
        let Some(record) = state.keys.get_mut(key) else { return (String::new(), Duration::ZERO) };
        record.issued.push(Issued { sent, dies: dies + record.lifetime });
        (format!("{key}-{}", record.issued.len() - 1), record.lifetime)
    }

    /// It has arrived.
    pub(crate) fn delivered(&self, key: usize, text: &str, well_for: Option<Duration>) {
        let now = self.clock.now();
        let mut state = self.state();
        let State { keys, figures } = &mut *state;
        let (Some(record), Some((_, number))) = (keys.get_mut(key), parse(text)) else { return };
        figures.granted += 1;
        if let Some((share, due_for)) = record.share_of_life(number) {
            // Replaced in its time, or by force, it has done all that could be asked of it.
            let earliest = record.is_due_with_jitter(number);
            let is_early = !earliest;
            if is_early && record.is_refused {
                figures.forced += 1;
                // Forced in time, two may arrive close to each other when the first had to be tried again; not three.
                let [before, last] = record.last_forced;
                let is_close = before.is_some_and(|before| now.monotonic < before + COOLDOWN);
                record.last_forced = [last, Some(now.monotonic)];
                figures.forced_too_often += u64::from(is_close);
                figures.ideal += 1.0;
            } else {
                let was_set = record.was_disturbed(number);
                figures.unneeded += u64::from(is_early && !was_set);
                figures.brought_forward += u64::from(is_early && was_set);
                figures.ideal += share.min(1.0);
            }
            if record.is_kept_fresh && !is_early {
                figures.lags.push(due_for);
                if well_for.is_some_and(|well| well > due_for + FOUND_OUT) {
                    figures.worst_lag_when_well = figures.worst_lag_when_well.max(due_for);
                }
            }
        } else {
            figures.ideal += 1.0;
        }
        record.is_refused = false;
        record.arrived = Some(number);
    }

    /// A request has brought none.
    pub(crate) fn failed(&self, outcome: &'static str, verdict: Verdict) {
        let figures = &mut self.state().figures;
        *figures.failures.entry(outcome).or_default() += 1;
        figures.ideal_failures += verdict.share;
    }

    /// A caller is about to ask.
    pub(crate) fn before(&self, key: usize) -> Before {
        let at = self.clock.now();
        let had_token = self.state().keys.get(key).is_some_and(|record| record.has_token(&at));
        Before { at, had_token }
    }

    /// The same for one that asks for another token and waits for it.
    pub(crate) fn waiting(&self) -> Before {
        Before { at: self.clock.now(), had_token: false }
    }

    /// It got this token.
    pub(crate) fn handed_out(&self, key: usize, before: Before, text: &str) {
        let now = self.clock.now();
        let waited = now.monotonic - before.at.monotonic;
        let mut state = self.state();
        let State { keys, figures } = &mut *state;
        figures.handed_out += 1;
        if before.had_token {
            figures.longest_wait_with_token = figures.longest_wait_with_token.max(waited);
        } else {
            figures.waits.push(waited);
        }
        let Some((of, number)) = parse(text) else { return };
        figures.swapped += u64::from(of != key);
        let Some(record) = keys.get(of) else { return };
        let Some(token) = record.issued.get(number).filter(|token| token.dies <= now.truth) else { return };
        // Suspended and set back within one life: the machine has no clock that could tell.
        let lived = token.lived(&now);
        if lived < record.lifetime {
            figures.beyond_all_clocks += 1;
        } else {
            figures.expired += 1;
        }
    }

    /// It got none.
    pub(crate) fn went_without(&self, key: usize, before: Before, well_for: Option<Duration>) {
        let now = self.clock.now();
        let mut state = self.state();
        let State { keys, figures } = &mut *state;
        let has_token = keys.get(key).is_some_and(|record| record.has_token(&now));
        if before.had_token || has_token {
            figures.failed_with_token += 1;
        } else {
            figures.failed_without_token += 1;
        }
        figures.failed_when_well += u64::from(well_for.is_some_and(|well| well > FOUND_OUT));
    }

    /// A destination refused this key's token, and another is asked for.
    pub(crate) fn refused(&self, key: usize) {
        let mut state = self.state();
        state.figures.refusals += 1;
        if let Some(record) = state.keys.get_mut(key) {
            record.is_refused = true;
        }
    }

    pub(crate) fn figures(&self) -> Figures {
        self.state().figures.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Record {
    /// A token that the manager has, and may hand out by both of its clocks.
    fn has_token(&self, now: &Instant) -> bool {
        let token = self.arrived.and_then(|number| self.issued.get(number));
        token.is_some_and(|token| token.lived(now) + floor(self.lifetime) < self.lifetime)
    }

    /// How much of the time until its refresh the token before `next` has lived when `next` was sent for, and how long
    /// after that it was. `None` where there was none.
    fn share_of_life(&self, next: usize) -> Option<(f64, Duration)> {
        let due = self.due(0.0);
        let lived = self.lived_before(next)?;
        // A token that came due while the machine slept, or because it was set, could not be refreshed before.
        let sent = self.issued.get(next)?.sent;
        // A keeper knows the token's own lead; what callers ask for it learns from the next of them.
        let own = self.lifetime.saturating_sub(refresh_lead(self.lifetime, 0.0));
        let late = lived.saturating_sub(own);
        let awake = sent.monotonic.saturating_sub(self.issued.get(self.arrived?)?.sent.monotonic);
        let could = awake.saturating_sub(own).max(sent.monotonic.saturating_sub(sent.undisturbed_since));
        Some((lived.as_secs_f64() / due.as_secs_f64().max(0.001), late.min(could)))
    }

    /// The refresh was due at the earliest moment that jitter allows, at least.
    fn is_due_with_jitter(&self, next: usize) -> bool {
        let slack = Duration::from_millis(10);
        self.lived_before(next).is_none_or(|lived| lived + slack >= self.due(1.0))
    }

    /// A clock was wrong for a while since the token before `next` was sent for: it had been due then, and a flight that
    /// failed goes on.
    fn was_disturbed(&self, next: usize) -> bool {
        let sent = |number| self.issued.get(number).map(|token: &Issued| token.sent);
        sent(next)
            .zip(self.arrived.and_then(sent))
            .is_some_and(|(next, before)| next.undisturbed_since > before.monotonic)
    }

    fn lived_before(&self, next: usize) -> Option<Duration> {
        let sent = self.issued.get(next)?.sent;
        Some(self.issued.get(self.arrived?)?.lived(&sent))
    }

    /// The age at which a token is to be refreshed: for its own sake, or because its callers ask for more time.
    fn due(&self, jitter: f64) -> Duration {
        let lead = refresh_lead(self.lifetime, jitter).max(clamp_min_ttl(self.min_ttl, self.lifetime));
        self.lifetime.saturating_sub(lead)
    }
}

impl Issued {
    /// Its age by the clock that says more.
    fn lived(&self, now: &Instant) -> Duration {
        let wall = Duration::from_millis(now.wall_ms.saturating_sub(self.sent.wall_ms));
        wall.max(now.monotonic.saturating_sub(self.sent.monotonic))
    }
}

/// `key-number`
fn parse(text: &str) -> Option<(usize, usize)> {
    let (key, number) = text.split_once('-')?;
    Some((key.parse().ok()?, number.parse().ok()?))
}
