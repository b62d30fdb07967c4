//! What happens by chance, drawn from one seed.

use std::time::Duration;

use fastrand::Rng;

/// A stretch of time, on the monotonic clock.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Spell<T> {
    pub(crate) from: Duration,
    pub(crate) until: Duration,
    pub(crate) what: T,
}

/// Spells one after the other until `end`: pauses of `between` in the middle, each as long as `draw` says.
pub(crate) fn spells<T>(
    random: &mut Rng,
    end: Duration,
    between: Duration,
    mut draw: impl FnMut(&mut Rng) -> (Duration, T),
) -> Vec<Spell<T>> {
    let mut spells = Vec::new();
    let mut from = pause(random, between);
    while from < end {
        let (length, what) = draw(random);
        spells.push(Spell { from, until: from + length, what });
        from = from + length + pause(random, between);
    }
    spells
}

/// The spell that `now` lies in.
pub(crate) fn during<T>(spells: &[Spell<T>], now: Duration) -> Option<&Spell<T>> {
    last_begun(spells, now).filter(|spell| now < spell.until)
}

/// The last spell that has begun.
pub(crate) fn last_begun<T>(spells: &[Spell<T>], now: Duration) -> Option<&Spell<T>> {
    let begun = spells.partition_point(|spell| spell.from <= now);
    begun.checked_sub(1).and_then(|last| spells.get(last))
}

/// A pause as between things that know nothing of each other: mostly shorter than `mean`, sometimes much longer.
pub(crate) fn pause(random: &mut Rng, mean: Duration) -> Duration {
    mean.mul_f64(-(1.0 - random.f64()).ln())
}

/// Between two lengths, each as likely.
pub(crate) fn between(random: &mut Rng, least: Duration, most: Duration) -> Duration {
    least + most.saturating_sub(least).mul_f64(random.f64())
}

/// One of these, by their weights.
pub(crate) fn one_of<T: Copy>(random: &mut Rng, choices: &[(u32, T)], otherwise: T) -> T {
    let mut at = random.u32(0..choices.iter().map(|(weight, _)| weight).sum::<u32>().max(1));
    for (weight, what) in choices {
        match at.checked_sub(*weight) {
            Some(rest) => at = rest,
            None => return *what,
        }
    }
    otherwise
}

pub(crate) const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub(crate) const fn mins(minutes: u64) -> Duration {
    Duration::from_secs(60 * minutes)
}

pub(crate) const fn hours(hours: u64) -> Duration {
    Duration::from_secs(3600 * hours)
}
