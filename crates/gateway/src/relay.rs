//! Polls something again at once where it has woken itself meanwhile, instead of queueing for it.
//!
//! hyper's parts wake each other through their task: a body that is wanted, an answer that has come. Handed to the
//! runtime, each of these words costs a turn of all other tasks; here it costs another look (ADR 21).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use futures_util::task::AtomicWaker;

/// So often something is polled on at once; then others have their turn.
const ROUNDS: usize = 4;

/// Stands between what is polled and the task that polls it.
pub(crate) struct Relay {
    shared: Arc<Shared>,
    /// Wakes by way of us.
    pub(crate) waker: Waker,
}

#[derive(Default)]
struct Shared {
    task: AtomicWaker,
    is_polled: AtomicBool,
    was_woken: AtomicBool,
}

impl Relay {
    pub(crate) fn new() -> Self {
        let shared = Arc::<Shared>::default();
        Self { waker: shared.clone().into(), shared }
    }

    /// Polls until it is ready, or has not been woken while it was polled.
    pub(crate) fn poll<T>(
        &self,
        cx: &mut Context<'_>,
        mut step: impl FnMut(&mut Context<'_>) -> Poll<T>,
    ) -> Poll<T> {
        let Shared { task, is_polled, was_woken } = &*self.shared;
        let mut own = Context::from_waker(&self.waker);
        task.register(cx.waker());
        is_polled.store(true, Ordering::SeqCst);
        for _ in 0..ROUNDS {
            was_woken.swap(false, Ordering::SeqCst);
            let polled = step(&mut own);
            if polled.is_ready() {
                is_polled.store(false, Ordering::SeqCst);
                return polled;
            }
            if !was_woken.load(Ordering::SeqCst) {
                break;
            }
        }
        is_polled.store(false, Ordering::SeqCst);
        // What came too late for the last round, or after all of them.
        if was_woken.load(Ordering::SeqCst) {
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }

    /// Whether something has happened since it was polled.
    pub(crate) fn was_woken(&self) -> bool {
        self.shared.was_woken.load(Ordering::SeqCst)
    }
}

impl Wake for Shared {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.was_woken.store(true, Ordering::SeqCst);
        if !self.is_polled.load(Ordering::SeqCst) {
            self.task.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::woken::Woken;

    /// Polls something that wakes itself so often; how often it was polled, and its task woken.
    fn polled(relay: &Relay, itself: usize) -> (usize, usize) {
        let woken = Arc::<Woken>::default();
        let waker = Waker::from(woken.clone());
        let mut times = 0;
        let polled = relay.poll(&mut Context::from_waker(&waker), |cx| {
            times += 1;
            if times <= itself {
                cx.waker().wake_by_ref();
            }
            Poll::<()>::Pending
        });
        assert!(polled.is_pending());
        (times, woken.times())
    }

    #[test]
    fn what_wakes_itself_is_polled_again_at_once_and_not_for_ever() {
        let relay = Relay::new();
        assert_eq!(polled(&relay, 0), (1, 0));
        assert_eq!(polled(&relay, 2), (3, 0));
        assert_eq!(polled(&relay, 100), (ROUNDS, 1), "the others have their turn, and it comes back");
    }

    #[test]
    fn what_is_woken_later_wakes_its_task() {
        let relay = Relay::new();
        let woken = Arc::<Woken>::default();
        let waker = Waker::from(woken.clone());
        assert!(relay.poll(&mut Context::from_waker(&waker), |_| Poll::<()>::Pending).is_pending());
        assert!(!relay.was_woken());
        relay.waker.wake_by_ref();
        assert!(relay.was_woken());
        assert_eq!(woken.times(), 1);
    }

    #[test]
    fn what_another_thread_wakes_while_it_is_polled_is_polled_again_or_its_task_is_woken() {
        for _ in 0..500 {
            let relay = Relay::new();
            let woken = Arc::<Woken>::default();
            let waker = Waker::from(woken.clone());
            let (other, mut times) = (relay.waker.clone(), 0);
            let waking = std::thread::spawn(move || other.wake());
            let polled = relay.poll(&mut Context::from_waker(&waker), |_| {
                times += 1;
                Poll::<()>::Pending
            });
            waking.join().unwrap();
            let is_known = times > 1 || woken.times() > 0;
            // Woken before it was polled at all: it has been polled since.
            assert!(polled.is_pending() && (is_known || !relay.was_woken()));
        }
    }

    #[test]
    fn what_is_ready_is_not_polled_again() {
        let relay = Relay::new();
        let mut times = 0;
        let polled = relay.poll(&mut Context::from_waker(Waker::noop()), |cx| {
            times += 1;
            cx.waker().wake_by_ref();
            Poll::Ready(times)
        });
        assert_eq!((polled, times), (Poll::Ready(1), 1));
    }
}
