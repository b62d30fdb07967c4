//! Asks what is waited for only when it has rung.
//!
//! A connection has several things to wait for and one task: whatever wakes that asks for all of them, and each question
//! takes a lock of the runtime's. What has its own bell is asked when that was rung, and otherwise known to be silent.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use tokio::task::coop::has_budget_remaining;

use crate::relay::Relay;

/// Of one thing that is waited for. It is asked by way of [`Bell::poll`] alone.
pub(crate) struct Bell {
    shared: Arc<Shared>,
    /// Rings it.
    waker: Waker,
}

struct Shared {
    /// It has to be asked: something may have happened since it was asked last.
    is_rung: AtomicBool,
    whom: Waker,
}

impl Bell {
    /// One that tells who asks by way of this relay.
    pub(crate) fn new(relay: &Relay) -> Self {
        let shared = Arc::new(Shared { is_rung: AtomicBool::new(true), whom: relay.waker.clone() });
        Self { waker: shared.clone().into(), shared }
    }

    /// What `ask` says; without asking, while nothing can have happened since it last had nothing to say.
    pub(crate) fn poll<T>(
        &self,
        cx: &mut Context<'_>,
        ask: impl FnOnce(&mut Context<'_>) -> Poll<T>,
    ) -> Poll<T> {
        let Shared { is_rung, whom } = &*self.shared;
        // Not `will_wake`: a clone may have a table of functions of its own. A relay's waker points at what nobody else's does.
        if cx.waker().data() != whom.data() {
            // Somebody else is to be told, now: who asks next cannot rely on having been.
            is_rung.store(true, Ordering::Release);
            return ask(cx);
        }
        if !is_rung.load(Ordering::Acquire) {
            return Poll::Pending;
        }
        // What rang is seen by this question, what rings from now on by the next. Not by a plain store: that could undo one
        // that it has not seen.
        is_rung.swap(false, Ordering::AcqRel);
        let said = ask(&mut Context::from_waker(&self.waker));
        // There may be more, of which nobody is told. And who has used up its turn is told nothing, whatever there is.
        if said.is_ready() || !has_budget_remaining() {
            is_rung.store(true, Ordering::Release);
        }
        said
    }
}

impl Wake for Shared {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.is_rung.store(true, Ordering::Release);
        self.whom.wake_by_ref();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::atomic::AtomicUsize;
    use std::thread;
    use std::time::{Duration, Instant};

    use super::*;

    /// Asks what says this, and gives the waker that it got; `None`: it was not asked.
    fn asked(bell: &Bell, by: &Waker, says: Poll<()>) -> Option<Waker> {
        let mut given = None;
        let said = bell.poll(&mut Context::from_waker(by), |cx| {
            given = Some(cx.waker().clone());
            says
        });
        assert_eq!(said, if given.is_some() { says } else { Poll::Pending });
        given
    }

    /// A relay that has been polled, and a bell that tells it.
    fn relayed() -> (Relay, Bell) {
        let relay = Relay::new();
        let silent: Poll<()> = relay.poll(&mut Context::from_waker(Waker::noop()), |_| Poll::Pending);
        assert!(silent.is_pending());
        let bell = Bell::new(&relay);
        (relay, bell)
    }

    #[test]
    fn what_has_nothing_to_say_is_asked_again_when_it_has_rung_and_not_before() {
        let (relay, bell) = relayed();
        let rope = asked(&bell, &relay.waker, Poll::Pending).expect("it is asked first of all");
        assert!(asked(&bell, &relay.waker, Poll::Ready(())).is_none(), "it has not rung");
        assert!(!relay.was_woken());
        rope.wake_by_ref();
        assert!(relay.was_woken());
        assert!(asked(&bell, &relay.waker, Poll::Pending).is_some());
        assert!(asked(&bell, &relay.waker, Poll::Pending).is_none());
    }

    #[test]
    fn what_has_said_something_is_asked_for_more_at_once() {
        let (relay, bell) = relayed();
        for _ in 0..3 {
            assert!(asked(&bell, &relay.waker, Poll::Ready(())).is_some());
        }
    }

    #[test]
    fn who_else_asks_is_told_itself_and_the_next_question_is_asked() {
        let (relay, bell) = relayed();
        let (other, _) = relayed();
        assert!(asked(&bell, &relay.waker, Poll::Pending).is_some());
        asked(&bell, &other.waker, Poll::Pending).expect("it is asked").wake();
        assert_eq!((relay.was_woken(), other.was_woken()), (false, true));
        assert!(asked(&bell, &relay.waker, Poll::Pending).is_some());
    }

    #[tokio::test]
    async fn what_is_asked_when_a_turn_is_used_up_is_asked_again() {
        let (relay, bell) = relayed();
        while has_budget_remaining() {
            tokio::task::coop::consume_budget().await;
        }
        assert!(asked(&bell, &relay.waker, Poll::Pending).is_some());
        assert!(asked(&bell, &relay.waker, Poll::Pending).is_some());
    }

    #[test]
    fn what_rings_while_it_is_asked_is_asked_again() {
        let (relay, bell) = relayed();
        let said: Poll<()> = bell.poll(&mut Context::from_waker(&relay.waker), |cx| {
            cx.waker().wake_by_ref();
            Poll::Pending
        });
        assert!(said.is_pending());
        assert!(asked(&bell, &relay.waker, Poll::Pending).is_some());
    }

    /// A thing that happens on another thread, told once to whoever asked last, as the runtime tells of a socket.
    #[derive(Default)]
    struct Thing {
        count: AtomicUsize,
        waiting: Mutex<Option<Waker>>,
    }

    #[test]
    fn nothing_that_happens_on_another_thread_is_missed() {
        const TIMES: usize = 20_000;
        let thing = Arc::<Thing>::default();
        let happening = {
            let thing = thing.clone();
            thread::spawn(move || {
                for _ in 0..TIMES {
                    thing.count.fetch_add(1, Ordering::Release);
                    if let Some(waker) = thing.waiting.lock().unwrap().take() {
                        waker.wake();
                    }
                    thread::yield_now();
                }
            })
        };
        struct Unparks(thread::Thread);
        impl Wake for Unparks {
            fn wake(self: Arc<Self>) {
                self.0.unpark();
            }
        }
        let task = Waker::from(Arc::new(Unparks(thread::current())));
        let (relay, bell) = relayed();
        let mut seen = 0;
        while seen < TIMES {
            let asked = |cx: &mut Context<'_>| {
                *thing.waiting.lock().unwrap() = Some(cx.waker().clone());
                match thing.count.load(Ordering::Acquire) {
                    count if count > seen => Poll::Ready(count),
                    _ => Poll::Pending,
                }
            };
            let polled = relay.poll(&mut Context::from_waker(&task), |cx| bell.poll(cx, asked));
            match polled {
                Poll::Ready(count) => seen = count,
                // What is missed is never told again: this ends with an error, not after a while.
                Poll::Pending => {
                    let began = Instant::now();
                    thread::park_timeout(Duration::from_secs(20));
                    assert!(began.elapsed().as_secs() < 20, "{seen} of {TIMES} were seen");
                }
            }
        }
        happening.join().unwrap();
    }
}
