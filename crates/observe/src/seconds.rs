//! A histogram of times that is written without a lock: some of them are told with every request.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use prometheus_client::encoding::{EncodeMetric, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;

/// Each bucket is twice as wide as the one before; what is longer than all has none of its own.
const BUCKETS: usize = 15;

/// Times, in buckets. Clones share them.
#[derive(Debug, Clone)]
pub(crate) struct Seconds(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// Upper ends, in nanoseconds.
    ends: [u64; BUCKETS],
    counts: [AtomicU64; BUCKETS],
    longer: AtomicU64,
    /// In nanoseconds: full after five hundred years of it.
    sum: AtomicU64,
}

impl Seconds {
    /// None yet; the first bucket ends at `first`.
    pub(crate) fn new(first: Duration) -> Self {
        let first = nanos(first);
        let ends = std::array::from_fn(|nth| first << nth);
        let counts = std::array::from_fn(|_| AtomicU64::new(0));
        Self(Arc::new(Inner { ends, counts, longer: AtomicU64::new(0), sum: AtomicU64::new(0) }))
    }

    /// One more.
    pub(crate) fn observe(&self, took: Duration) {
        let Inner { ends, counts, longer, sum } = &*self.0;
        let took = nanos(took);
        let fitting = ends.iter().position(|end| took <= *end).and_then(|at| counts.get(at));
        // A reader may see one of two numbers before the other, which the next reading mends.
        fitting.unwrap_or(longer).fetch_add(1, Ordering::Relaxed);
        sum.fetch_add(took, Ordering::Relaxed);
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

impl EncodeMetric for Seconds {
    #[allow(clippy::cast_precision_loss, reason = "seconds with a hundred days' nanoseconds of precision")]
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> Result<(), fmt::Error> {
        let Inner { ends, counts, longer, sum } = &*self.0;
        let seconds = |nanos: u64| nanos as f64 / 1e9;
        let mut buckets: Vec<_> = ends
            .iter()
            .zip(counts)
            .map(|(end, count)| (seconds(*end), count.load(Ordering::Relaxed)))
            .collect();
        buckets.push((f64::INFINITY, longer.load(Ordering::Relaxed)));
        let count = buckets.iter().map(|(_, count)| count).sum();
        encoder.encode_histogram::<NoLabelSet>(seconds(sum.load(Ordering::Relaxed)), count, &buckets, None)
    }

    fn metric_type(&self) -> MetricType {
        MetricType::Histogram
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::encoding::text::encode;
    use prometheus_client::registry::Registry;

    use super::*;

    #[test]
    fn each_time_is_in_the_first_bucket_that_it_fits_and_in_the_sum() {
        let seconds = Seconds::new(Duration::from_millis(1));
        for ms in [0, 1, 2, 3, 16_384, 60_000] {
            seconds.observe(Duration::from_millis(ms));
        }
        let (mut registry, mut text) = (Registry::default(), String::new());
        registry.register("wait", "how long", seconds);
        encode(&mut text, &registry).unwrap();
        for line in [
            "# TYPE wait histogram",
            "wait_sum 76.39",
            "wait_count 6",
            "wait_bucket{le=\"0.001\"} 2",
            "wait_bucket{le=\"0.002\"} 3",
            "wait_bucket{le=\"0.004\"} 4",
            "wait_bucket{le=\"8.192\"} 4",
            "wait_bucket{le=\"16.384\"} 5",
            "wait_bucket{le=\"+Inf\"} 6",
        ] {
            assert!(text.contains(line), "{line}\n{text}");
        }
    }

    #[test]
    fn no_time_is_lost_when_many_tell_at_once() {
        let seconds = Seconds::new(Duration::from_micros(1));
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..10_000).for_each(|n| seconds.observe(Duration::from_nanos(n))));
            }
        });
        let total: u64 = seconds.0.counts.iter().map(|count| count.load(Ordering::Relaxed)).sum();
        assert_eq!(total, 40_000);
        assert_eq!(seconds.0.sum.load(Ordering::Relaxed), 4 * (0..10_000).sum::<u64>());
    }
}
