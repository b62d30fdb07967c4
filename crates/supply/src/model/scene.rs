//! A manager, an authorization server that takes its time, callers, and a clock without long waits.

pub(super) use std::sync::atomic::{AtomicU64, Ordering};
pub(super) use std::sync::{Arc, LazyLock, Mutex};
pub(super) use std::time::Duration;

pub(super) use shuttle::future::{JoinHandle, block_on, spawn, yield_now};

use bearward_observe::Observer;
use bearward_token::clock::Sleep;
use bearward_token::{AccessToken, Clock, Fingerprint, ManualClock};
use shuttle::scheduler::{PctScheduler, RandomScheduler};
use shuttle::{Config, Runner};

pub(super) use crate::entry::Upkeep;
pub(super) use crate::error::{Failure, SupplyError};
use crate::grant::{Ending, Grant, Granted, Requesting, Revoked};
pub(super) use crate::handle::{Handle, Wanted};
use crate::held::Supplied;
use crate::key::{KeyParts, TokenKey};
use crate::manager::TokenManager;

/// Orders of steps that each scenario is run in, of each kind.
const ORDERS: usize = 500;
/// Switches at unlikely places in one run: most faults of this sort need two or three.
const SWITCHES: usize = 3;

/// Runs `scenario` under all of them. `SHUTTLE_ORDERS` says how many, for a longer look.
pub(super) fn check(scenario: impl Fn() + Copy + Send + Sync + 'static) {
    let orders = std::env::var("SHUTTLE_ORDERS").ok().and_then(|n| n.parse().ok()).unwrap_or(ORDERS);
    let mut config = Config::new();
    config.stack_size = 256 * 1024;
    Runner::new(RandomScheduler::new(orders), config.clone()).run(scenario);
    Runner::new(PctScheduler::new(SWITCHES, orders), config).run(scenario);
}

/// One for all runs: to make it costs more than a run.
static OBSERVER: LazyLock<Observer> = LazyLock::new(Observer::new);

/// Of every token, but where a scene says otherwise of the first.
pub(super) const LIFE: Duration = Duration::from_secs(3600);
/// A token that is due when it arrives: its keeper's rest is as short as the pause between two requests, and ends.
const SHORT: Duration = Duration::from_secs(1);

/// What a caller ended with: the number of the request that brought its token.
pub(super) type Ended = Result<u64, Arc<Failure>>;

pub(super) struct Scene {
    pub(super) server: Arc<Server>,
    pub(super) manager: TokenManager,
    pub(super) handle: Handle,
    pub(super) clock: Arc<ManualClock>,
}

impl Scene {
    pub(super) fn new(upkeep: Upkeep) -> Self {
        Self::of(upkeep, LIFE)
    }

    /// One whose keeper wakes by itself, once: to replace the first token.
    pub(super) fn that_wakes() -> Self {
        Self::of(Upkeep::Always, SHORT)
    }

    fn of(upkeep: Upkeep, first_life: Duration) -> Self {
        let clock = Arc::new(ManualClock::at_unix_ms(1_800_000_000_000));
        let server = Arc::new(Server { first_life, ..Server::default() });
        let manager = TokenManager::new(Arc::new(Quick(clock.clone())), OBSERVER.clone(), 7);
        let handle = manager.shelved("notes", &key(), server.clone(), upkeep, None);
        Self { server, manager, handle, clock }
    }

    /// A caller that asks for a token, as a task of its own.
    pub(super) fn caller(&self) -> JoinHandle<Ended> {
        let handle = self.handle.clone();
        spawn(async move { token(&handle).await })
    }

    /// The number of the token that the manager has now.
    pub(super) fn current(&self) -> Option<u64> {
        self.handle.entry().current.load_full().map(|held| number(&held.token))
    }
}

pub(super) async fn token(handle: &Handle) -> Ended {
    ended(handle.ensure_access(&Wanted::default()).await)
}

pub(super) fn ended(outcome: Result<Supplied, SupplyError>) -> Ended {
    outcome.map(|supplied| number(supplied.token())).map_err(|error| error.failure)
}

/// Numbers its tokens by their requests, from one on.
#[derive(Debug, Default)]
pub(super) struct Server {
    first_life: Duration,
    asked: AtomicU64,
    answered: AtomicU64,
    ended: Mutex<Vec<u64>>,
}

impl Server {
    pub(super) fn asked(&self) -> u64 {
        self.asked.load(Ordering::SeqCst)
    }

    /// True while a request has no answer.
    pub(super) fn is_busy(&self) -> bool {
        self.answered.load(Ordering::SeqCst) < self.asked()
    }

    /// True when a logout, or a flight that came too late, has ended this token.
    pub(super) fn has_ended(&self, number: u64) -> bool {
        self.ended.lock().unwrap().contains(&number)
    }
}

impl Grant for Server {
    fn request(&self) -> Requesting<'_> {
        let nth = self.asked.fetch_add(1, Ordering::SeqCst) + 1;
        Box::pin(async move {
            yield_now().await;
            yield_now().await;
            self.answered.fetch_add(1, Ordering::SeqCst);
            let life = if nth == 1 { self.first_life } else { LIFE };
            Ok(Granted::new(AccessToken::new(nth.to_string()), life))
        })
    }

    fn credential_version(&self) -> Option<Fingerprint> {
        None
    }

    fn end<'a>(&'a self, access: Option<&'a AccessToken>) -> Ending<'a> {
        Box::pin(async move {
            self.ended.lock().unwrap().extend(access.map(number));
            Ok(Revoked::Done)
        })
    }
}

/// Up to a second passes as soon as somebody sleeps it: the pauses between two requests, and the rest with a token that
/// lives no longer. Anything longer never does: a patience, a time limit, the rest until another refresh is due.
#[derive(Debug)]
struct Quick(Arc<ManualClock>);

impl Clock for Quick {
    fn unix_ms(&self) -> u64 {
        self.0.unix_ms()
    }

    fn monotonic(&self) -> Duration {
        self.0.monotonic()
    }

    fn sleep(&self, duration: Duration) -> Sleep {
        let clock = self.0.clone();
        Box::pin(async move {
            if duration > Duration::from_secs(1) {
                std::future::pending::<()>().await;
            }
            yield_now().await;
            clock.advance(duration);
        })
    }
}

fn number(token: &AccessToken) -> u64 {
    token.expose().parse().unwrap()
}

fn key() -> TokenKey {
    TokenKey::from(KeyParts::new("https://as.example".parse().unwrap(), "gateway", "client_credentials"))
}
