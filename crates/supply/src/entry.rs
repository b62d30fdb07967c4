//! All there is of one key: its token, who may ask for the next one, and when.
//!
//! ```text
//! callers ──claim──► is a flight under way? ─yes─► wait for it to settle
//!                      │no                          ▲
//!                      └─ due? ─► the keeper's task ─┘ (keeper.rs)
//! ```

mod founding;

pub(crate) use founding::Founding;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock, PoisonError};
use std::time::Duration;

use bearward_observe::{Event, Observer};
use bearward_token::expiry::Moment;
use bearward_token::{Clock, Fingerprint};

use crate::error::{Failure, SupplyError};
use crate::gate::Gate;
use crate::grant::Grant;
use crate::held::Held;
use crate::keeper::{MIN_INTERVAL, keep};
use crate::key::KeyDigest;
use crate::shelf::Shelf;
use crate::sync::{AbortHandle, Mutex, MutexGuard, Notify, Slot, spawn, watch};

/// Between two forced refreshes (HARD 15).
pub(crate) const FORCE_COOLDOWN: Duration = Duration::from_secs(30);

/// One key's entry.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) key: KeyDigest,
    pub(crate) name: Arc<str>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) observer: Observer,
    pub(crate) grant: Arc<dyn Grant>,
    pub(crate) gate: Arc<Gate>,
    is_kept_fresh: AtomicBool,
    shelf: OnceLock<Shelf>,
    pub(crate) current: Slot<Held>,
    /// Rises when a flight has ended, well or badly.
    pub(crate) settled: watch::Sender<u64>,
    /// Whether the store was asked for a token of an earlier process, if there is one.
    pub(crate) looked: tokio::sync::watch::Sender<bool>,
    is_forgotten: AtomicBool,
    /// Rises when what a flight brought has been put where it is kept.
    pub(crate) tidied: watch::Sender<u64>,
    /// Wakes the keeper.
    pub(crate) wanted: Notify,
    /// The manager's: nothing is begun any more, also by entries that it has forgotten.
    is_ending: Arc<AtomicBool>,
    state: Mutex<State>,
}

/// Whether a token is refreshed while nobody asks for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Upkeep {
    /// It is: whoever comes finds it fresh.
    Always,
    /// It is not: for tokens of which there may be many.
    OnUse,
}

#[derive(Debug)]
pub(crate) struct State {
    /// A flight is under way, or was asked for.
    pub(crate) is_fetching: bool,
    /// What a flight brought is being put where it is kept; callers have it already.
    pub(crate) is_tidying: bool,
    /// Passing failures in a row.
    pub(crate) failures: u32,
    /// Why the last flight failed, and until when nobody tries again.
    pub(crate) failed: Option<Failed>,
    /// No request before this.
    pub(crate) not_before: Duration,
    last_forced: Option<Duration>,
    /// When somebody last looked whether a refused credential was replaced.
    looked_at: Option<Duration>,
    pub(crate) keeper: Option<AbortHandle>,
    /// The version of the credential that the current token was granted to.
    pub(crate) worked_with: Option<Fingerprint>,
    /// Grows with each logout. What a flight brings that began before one is not taken in (HARD 14).
    pub(crate) epoch: u64,
    /// Nothing is fetched before somebody asks.
    pub(crate) is_logged_out: bool,
    /// The store was asked for a token of an earlier process: once, for what it holds later is no news.
    pub(crate) is_shelf_read: bool,
    is_stopped: bool,
    /// Its login has ended, and nothing gets it another token.
    is_closed: bool,
    pub(crate) random: fastrand::Rng,
}

#[derive(Debug, Clone)]
pub(crate) struct Failed {
    pub(crate) failure: Arc<Failure>,
    pub(crate) until: Duration,
    pub(crate) credential: Option<Fingerprint>,
}

/// What came of asking for a flight.
pub(crate) enum Claim {
    /// One is under way: wait for it to settle.
    Fetching {
        /// Somebody else had asked for it before.
        is_joined: bool,
        /// Changes when this one settles. What settled before does not show: a caller would take it for its own flight's end.
        landing: watch::Receiver<u64>,
    },
    /// One has brought a token since the caller looked.
    Landed,
    /// A forced one is not due yet.
    TooSoon,
    /// The last one failed and the next is not due yet.
    Failing(SupplyError),
}

impl Entry {
    /// The current token, if it may still be handed out.
    pub(crate) fn usable(&self) -> Option<Arc<Held>> {
        self.usable_at(&Moment::now(&*self.clock))
    }

    /// The same at a moment that was read already.
    pub(crate) fn usable_at(&self, now: &Moment) -> Option<Arc<Held>> {
        self.current.load_full().filter(|held| !held.usable_until.left_at(now).is_zero())
    }

    /// Somebody else has the same token, and wishes of their own: of both, what keeps more.
    pub(crate) fn also(&self, upkeep: Upkeep, shelf: Option<Shelf>) {
        if upkeep == Upkeep::Always {
            self.is_kept_fresh.store(true, Ordering::Release);
        }
        if let Some(shelf) = shelf {
            // The first place is as good as another.
            let _ = self.shelf.set(shelf);
        }
    }

    pub(crate) fn upkeep(&self) -> Upkeep {
        if self.is_kept_fresh.load(Ordering::Acquire) { Upkeep::Always } else { Upkeep::OnUse }
    }

    /// Where the token outlives the process, if it does.
    pub(crate) fn shelf(&self) -> Option<&Shelf> {
        self.shelf.get()
    }

    /// Asks for a flight, unless the last one failed a moment ago, or brought another token than the caller has `seen`:
    /// what made the caller ask is over then.
    pub(crate) fn claim(self: &Arc<Self>, seen: Option<&Arc<Held>>) -> Claim {
        let is_replaced = self.is_refused_credential_replaced();
        let mut state = self.state();
        if let Some(claim) = self.under_way(&state, seen) {
            return claim;
        }
        if let Some(failed) = state.failed.clone().filter(|_| !is_replaced) {
            let left = failed.until.saturating_sub(self.clock.monotonic());
            if !left.is_zero() {
                return Claim::Failing(SupplyError { failure: failed.failure, retry_after: Some(left) });
            }
        }
        self.begin(&mut state)
    }

    /// Asks for a flight although there is a token, at most one per cooldown.
    pub(crate) fn claim_by_force(self: &Arc<Self>, seen: Option<&Arc<Held>>) -> Claim {
        {
            let mut state = self.state();
            if let Some(claim) = self.under_way(&state, seen) {
                return claim;
            }
            if !self.may_force(&mut state) {
                return Claim::TooSoon;
            }
        }
        self.claim(seen)
    }

    /// What a caller finds that need not begin a flight.
    fn under_way(&self, state: &State, seen: Option<&Arc<Held>>) -> Option<Claim> {
        if state.is_fetching {
            return Some(Claim::Fetching { is_joined: true, landing: self.settled.subscribe() });
        }
        let current = self.current.load();
        let is_newer = |held| seen.is_none_or(|seen| !Arc::ptr_eq(seen, held));
        current.as_ref().is_some_and(is_newer).then_some(Claim::Landed)
    }

    /// Drops the current token if it is `refused`, at most once per cooldown: the refusal may be the destination's own
    /// fault, and the next token no better (HARD 15).
    pub(crate) fn drop_if(&self, is_refused: impl Fn(&Held) -> bool) -> bool {
        let mut state = self.state();
        let Some(held) = self.current.load_full().filter(|held| is_refused(held)) else { return false };
        if !self.may_force(&mut state) {
            return false;
        }
        // A flight may end at this moment: only this very token goes.
        let before = self.current.compare_and_swap(&held, None);
        before.as_ref().is_some_and(|before| Arc::ptr_eq(before, &held))
    }

    fn may_force(&self, state: &mut State) -> bool {
        let now = self.clock.monotonic();
        if state.last_forced.is_some_and(|last| now < last + FORCE_COOLDOWN) {
            return false;
        }
        state.last_forced = Some(now);
        // The cooldown is the stricter limit.
        state.not_before = Duration::ZERO;
        true
    }

    /// A refused credential that has been replaced is tried at once. Reading it may touch a file, so that is
    /// done without the lock, and at most once a second.
    fn is_refused_credential_replaced(&self) -> bool {
        let refused = {
            let now = self.clock.monotonic();
            let mut state = self.state();
            let Some(failed) = state.failed.as_ref().filter(|failed| !failed.failure.is_passing()) else {
                return false;
            };
            let credential = failed.credential;
            if state.looked_at.is_some_and(|last| now < last + MIN_INTERVAL) {
                return false;
            }
            state.looked_at = Some(now);
            credential
        };
        refused != self.grant.credential_version()
    }

    fn begin(self: &Arc<Self>, state: &mut State) -> Claim {
        if self.is_over(state) {
            return Claim::Failing(stopped());
        }
        if state.is_closed {
            return Claim::Failing(SupplyError { failure: Arc::new(Failure::LoggedOut), retry_after: None });
        }
        state.is_fetching = true;
        state.is_logged_out = false;
        if state.keeper.as_ref().is_none_or(AbortHandle::is_finished) {
            state.keeper = Some(spawn(keep(self.clone())).abort_handle());
        } else {
            self.wanted.notify_one();
        }
        Claim::Fetching { is_joined: false, landing: self.settled.subscribe() }
    }

    /// Why the last flight failed; `None` when it did not.
    pub(crate) fn failing(&self) -> Option<SupplyError> {
        let failed = self.state().failed.clone()?;
        let left = failed.until.saturating_sub(self.clock.monotonic());
        Some(SupplyError { failure: failed.failure, retry_after: Some(left) })
    }

    /// For a caller that found neither a token nor a failure: at shutdown, and when a logout came between.
    pub(crate) fn last_error(&self) -> SupplyError {
        self.failing().unwrap_or_else(|| if self.is_stopped() { stopped() } else { logged_out() })
    }

    /// True while a token is on its way, and where one should be there although nobody asks.
    pub(crate) fn is_awaited(&self) -> bool {
        let had_one = self.upkeep() == Upkeep::Always && self.current.load().is_some();
        self.state().is_fetching || had_one
    }

    /// When the next forced flight may begin; `None`: now.
    pub(crate) fn may_force_in(&self) -> Option<Duration> {
        let next = self.state().last_forced? + FORCE_COOLDOWN;
        Some(next.saturating_sub(self.clock.monotonic())).filter(|left| !left.is_zero())
    }

    /// How many logouts there were.
    pub(crate) fn epoch(&self) -> u64 {
        self.state().epoch
    }

    /// Forgets the token, and counts the logout; a flight that is under way brings nothing any more (HARD 14).
    pub(crate) fn forget(&self) -> (u64, Option<Arc<Held>>) {
        let mut state = self.state();
        state.epoch += 1;
        state.is_logged_out = true;
        state.is_shelf_read = true;
        state.failed = None;
        state.failures = 0;
        (state.epoch, self.current.swap(None))
    }

    /// Neither has it a token that is alive, nor is one on its way.
    pub(crate) fn has_nothing(&self) -> bool {
        let is_dead = |held: &Arc<Held>| held.expiry.is_past(&*self.clock);
        !self.state().is_fetching && self.current.load().as_ref().is_none_or(is_dead)
    }

    /// Nothing is begun any more: what it was got for has ended.
    pub(crate) fn close(&self) {
        self.state().is_closed = true;
    }

    /// Forgets it where it outlives the process, too.
    pub(crate) async fn clear(&self, logouts: u64) -> Result<(), Failure> {
        match self.shelf() {
            Some(shelf) => shelf.clear(logouts).await,
            None => Ok(()),
        }
    }

    /// Nothing is begun any more; a flight that is under way may end.
    pub(crate) fn retire(&self) {
        self.state().is_stopped = true;
        self.wanted.notify_one();
    }

    /// Waits until no flight is under way, and what the last one brought is where it is to be kept.
    pub(crate) async fn landed(&self) {
        let (mut settled, mut tidied) = (self.settled.subscribe(), self.tidied.subscribe());
        loop {
            let (is_fetching, is_tidying) = {
                let state = self.state();
                (state.is_fetching, state.is_tidying)
            };
            let changed = match (is_fetching, is_tidying) {
                (false, false) => return,
                (true, _) => settled.changed().await,
                (false, true) => tidied.changed().await,
            };
            if changed.is_err() {
                return;
            }
        }
    }

    /// The manager does not know it any more: it serves who still holds it, and is not kept fresh.
    pub(crate) fn forgotten(&self) {
        self.is_forgotten.store(true, Ordering::Release);
    }

    pub(crate) fn is_forgotten(&self) -> bool {
        self.is_forgotten.load(Ordering::Acquire)
    }

    /// Ends the task at once. Callers that wait are told; nothing is fetched any more.
    pub(crate) fn stop(&self) {
        let mut state = self.state();
        state.is_stopped = true;
        if let Some(keeper) = state.keeper.take() {
            keeper.abort();
        }
        self.land(&mut state);
    }

    /// A flight has ended. Told under the lock: who asks afterwards does not take it for the end of the next one.
    pub(crate) fn land(&self, state: &mut State) {
        state.is_fetching = false;
        self.settled.send_modify(|n| *n += 1);
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.is_over(&self.state())
    }

    pub(crate) fn is_over(&self, state: &State) -> bool {
        state.is_stopped || self.is_ending.load(Ordering::Acquire)
    }

    /// A caller waits for a flight that somebody else began.
    pub(crate) fn note_joined(&self) {
        self.observer.emit(Event::FlightJoined { provider: self.name.clone() });
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn stopped() -> SupplyError {
    SupplyError { failure: Arc::new(Failure::Stopped), retry_after: None }
}

fn logged_out() -> SupplyError {
    SupplyError { failure: Arc::new(Failure::LoggedOut), retry_after: None }
}
