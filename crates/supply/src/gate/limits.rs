//! What a server said of how much it may be asked, less what was asked since.
//!
//! Who must have a token is kept back by nothing but a zero that the server itself has stated, and even then one request
//! goes and sees now and then: our own count may be wrong, and so may a header. Our count spaces out what can wait, so
//! that what is left lasts until it begins anew.

use std::time::Duration;

use super::Urgency;
use crate::quota::Limit;

/// All limits of one client, each once.
#[derive(Debug, Default)]
pub(super) struct Limits {
    known: Vec<Known>,
    /// The last request that was let through.
    last: Duration,
}

#[derive(Debug)]
struct Known {
    /// As it was told.
    limit: Limit,
    /// When that was.
    told: Duration,
    /// How many requests were let through since.
    asked: u64,
    /// When one was let through although nothing is left, to see.
    tried: Option<Duration>,
    /// The server itself has said that less than a fifth is left.
    was_told_low: bool,
}

/// One request, as it was counted.
#[derive(Debug, Clone, Copy)]
pub(super) struct Counted {
    at: Duration,
    /// The one before.
    before: Duration,
}

impl Limits {
    /// How long the limits keep a request back; `None`: they do not.
    pub(super) fn pause(&self, now: Duration, urgency: Urgency) -> Option<Duration> {
        let pauses = self.known.iter().map(|known| match urgency {
            Urgency::Needed => known.pause(now),
            Urgency::Ahead => known.pause(now).max(known.spaced(self.last, now)),
        });
        pauses.max().filter(|pause| !pause.is_zero())
    }

    pub(super) fn count(&mut self, at: Duration) -> Counted {
        for known in &mut self.known {
            known.asked = known.asked.saturating_add(1);
            if known.limit.left == 0 {
                known.tried = Some(at);
            }
        }
        Counted { at, before: std::mem::replace(&mut self.last, at) }
    }

    /// It never left.
    pub(super) fn give_back(&mut self, Counted { at, before }: Counted) {
        if self.last == at {
            self.last = before;
        }
        for known in self.known.iter_mut().filter(|known| known.told <= at) {
            known.asked = known.asked.saturating_sub(1);
            known.tried = known.tried.filter(|tried| *tried != at);
        }
    }

    /// Takes in what the server said. Limits that this answer does not name stay as they are. Answers whether less than a
    /// fifth is left, for the first time in the limit's period.
    pub(super) fn learn(&mut self, limit: Limit, now: Duration) -> bool {
        let is_low = limit.is_low();
        let mut new = Known { limit, told: now, asked: 0, tried: None, was_told_low: is_low };
        let Some(old) = self.known.iter_mut().find(|old| old.limit.name == limit.name) else {
            self.known.push(new);
            return is_low;
        };
        let was_told_low = old.was_told_low && now < old.until();
        new.was_told_low |= was_told_low;
        *old = new;
        is_low && !was_told_low
    }
}

impl Known {
    /// When it begins anew.
    fn until(&self) -> Duration {
        self.told.saturating_add(self.limit.resets_in)
    }

    /// How long it closes the gate for everybody.
    fn pause(&self, now: Duration) -> Duration {
        match self.limit.left {
            0 => self.bounded(self.tried.unwrap_or(self.told), self.limit.resets_in, now),
            _ => Duration::ZERO,
        }
    }

    /// How long what can wait does after the `last` request.
    fn spaced(&self, last: Duration, now: Duration) -> Duration {
        let left = self.limit.left.saturating_sub(self.asked);
        let now_left = Limit { left, resets_in: self.until().saturating_sub(now), ..self.limit };
        let spacing = match now_left {
            Limit { left: 0, .. } => self.limit.resets_in,
            limit if limit.is_low() => limit.spacing(),
            _ => return Duration::ZERO,
        };
        self.bounded(last, spacing, now)
    }

    /// What is left of a pause from `since` on: not beyond the limit's end, nor for longer than any of its kind may ask.
    fn bounded(&self, since: Duration, pause: Duration, now: Duration) -> Duration {
        let end = since + pause.min(self.limit.longest_pause());
        end.min(self.until()).saturating_sub(now)
    }
}
