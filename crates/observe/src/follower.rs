//! Those who watch events as they happen. While nobody does, an event costs them one look at a number.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::broadcast;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};

use crate::Event;

/// How many events a live follower may lag behind before it loses the oldest.
const BACKLOG: usize = 256;

/// All who watch.
#[derive(Debug, Clone)]
pub(crate) struct Followers {
    events: broadcast::Sender<Event>,
    /// Counted here, because the channel takes a lock to tell.
    count: Arc<AtomicUsize>,
}

/// Watches events until it is dropped.
#[derive(Debug)]
pub struct Follower {
    events: broadcast::Receiver<Event>,
    count: Arc<AtomicUsize>,
}

impl Default for Followers {
    fn default() -> Self {
        Self { events: broadcast::channel(BACKLOG).0, count: Arc::default() }
    }
}

impl Followers {
    /// Tells them, if there are any.
    pub(crate) fn tell(&self, event: impl FnOnce() -> Event) {
        if self.count.load(Ordering::Acquire) > 0 {
            // The last one may have gone meanwhile.
            let _ = self.events.send(event());
        }
    }

    pub(crate) fn follow(&self) -> Follower {
        let events = self.events.subscribe();
        self.count.fetch_add(1, Ordering::AcqRel);
        Follower { events, count: self.count.clone() }
    }
}

impl Follower {
    /// The next event.
    ///
    /// # Errors
    /// When some were lost because this one was slow, or none will come.
    pub async fn recv(&mut self) -> Result<Event, RecvError> {
        self.events.recv().await
    }

    /// The next event, if it is there already.
    ///
    /// # Errors
    /// As [`Follower::recv`], and when there is none.
    pub fn try_recv(&mut self) -> Result<Event, TryRecvError> {
        self.events.try_recv()
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.count.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_told_to_those_who_watch_and_made_for_nobody_else() {
        let followers = Followers::default();
        let event = || Event::Retry401 { provider: "notes".into() };
        followers.tell(|| unreachable!("nobody watches"));
        let (mut one, two) = (followers.follow(), followers.follow());
        drop(two);
        followers.tell(event);
        assert_eq!(one.try_recv().map(|event| event.name()), Ok("auth_retry_401"));
        drop(one);
        followers.tell(|| unreachable!("nobody watches any more"));
    }
}
