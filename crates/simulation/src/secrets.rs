//! A client's secrets, which are replaced every few hours: sometimes with time to spare, sometimes too late.

use std::time::Duration;

use fastrand::Rng;

use crate::chance::{Spell, between, during, hours, mins, secs, spells};

/// The versions of one client's secret. A spell lasts from the new one's first use at the server to the old one's last.
#[derive(Debug)]
pub(crate) struct Secrets(Vec<Spell<Duration>>);

impl Secrets {
    pub(crate) fn new(random: &mut Rng, end: Duration) -> Self {
        Self(spells(random, end, hours(4), |random| {
            // Both are taken for a while, in most rotations for longer than we need to get the new one.
            let overlap = if random.u32(0..3) == 0 { secs(0) } else { mins(10) };
            (overlap, between(random, secs(1), mins(2)))
        }))
    }

    /// The version that we would use now.
    pub(crate) fn ours(&self, now: Duration) -> usize {
        self.0.iter().take_while(|change| change.from + change.what <= now).count()
    }

    /// Whether the server takes it now.
    pub(crate) fn is_good(&self, version: usize, now: Duration) -> bool {
        let newest = self.0.partition_point(|change| change.from <= now);
        version == newest || version + 1 == newest && during(&self.0, now).is_some()
    }

    /// For how long ours has been good; `None` while it is not.
    pub(crate) fn good_for(&self, now: Duration) -> Option<Duration> {
        if !self.is_good(self.ours(now), now) {
            return None;
        }
        // One that has begun and is not here yet takes nothing away; the one before may have come a moment ago.
        let begun = self.0.iter().take_while(|change| change.from <= now);
        let had = begun.map(|change| change.from + change.what).filter(|had| *had <= now).max();
        Some(now - had.unwrap_or_default())
    }
}

#[cfg(test)]
mod tests;
