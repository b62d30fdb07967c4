//! How much a caller may ask: per subject, per client, per guard, and how often an address may be wrong.
//!
//! By the generic cell rate algorithm (`governor`), one state a caller. The states are bounded: those that are hardly used
//! are forgotten first, which at worst lets a caller begin anew.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use bearward_observe::Rejection;
use bearward_token::{Clock, Issuer, Principal};
use foldhash::quality::RandomState;
use governor::clock::Clock as GovernorClock;
use governor::middleware::NoOpMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use quick_cache::sync::{Cache, DefaultLifecycle};
use quick_cache::{Equivalent, UnitWeighter};

/// Most callers, clients or addresses whose rates are remembered, each.
const MOST_STATES: usize = 100_000;
/// Room for so many is made at the start.
const EXPECTED: usize = 1_000;

/// So much, in so long, and so much at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// How many requests.
    pub count: NonZeroU32,
    /// In how long.
    pub per: Duration,
    /// How many at once, after a rest.
    pub burst: NonZeroU32,
}

/// The limits of one guard; `None`: no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LimitSettings {
    /// For each subject of each issuer.
    pub per_subject: Option<Rate>,
    /// For each client of each issuer.
    pub per_client: Option<Rate>,
    /// For all callers together.
    pub per_guard: Option<Rate>,
    /// For each address: how many refused tokens. Further requests from there are not looked at.
    pub failures_per_address: Option<Rate>,
}

/// A limit that is exceeded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exceeded {
    /// Which one: `subject`, `client`, `guard` or `address`.
    pub policy: &'static str,
    /// The limit.
    pub rate: Rate,
    /// When to come back.
    pub retry_after: Duration,
}

/// Keeps one guard's limits.
pub struct Limits {
    subjects: Option<Keyed>,
    clients: Option<Keyed>,
    all: Option<(Rate, Limiter)>,
    addresses: Option<Keyed>,
    /// Addresses that were wrong too often, until when on the monotonic clock.
    blocked: States<Duration>,
    clock: Arc<dyn Clock>,
}

/// Who is limited: an issuer and a name of its, or an address.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Key {
    Named(Issuer, Arc<str>),
    Address(IpAddr),
}

/// The same while it is looked for, which takes no share in the names.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Who<'a> {
    Named(&'a Issuer, &'a Arc<str>),
    Address(IpAddr),
}

type Limiter = RateLimiter<NotKeyed, InMemoryState, ByClock, NoOpMiddleware<Duration>>;

/// By a hash that is keyed anew by each process: nobody can choose names that meet.
type States<V> = Cache<Key, V, UnitWeighter, RandomState>;

/// A limiter for each key.
struct Keyed {
    policy: &'static str,
    rate: Rate,
    states: States<Arc<Limiter>>,
    clock: ByClock,
}

/// The house's clock, as `governor` wants it.
#[derive(Clone)]
struct ByClock(Arc<dyn Clock>);

impl GovernorClock for ByClock {
    type Instant = Duration;

    fn now(&self) -> Duration {
        self.0.monotonic()
    }
}

impl LimitSettings {
    /// Whether any of them is used up by admitted callers.
    pub fn is_for_callers(&self) -> bool {
        self.per_subject.is_some() || self.per_client.is_some() || self.per_guard.is_some()
    }
}

impl Limits {
    /// Keeps these.
    pub fn new(settings: &LimitSettings, clock: Arc<dyn Clock>) -> Self {
        let keyed = |policy, rate: Option<Rate>| rate.map(|rate| Keyed::new(policy, rate, clock.clone()));
        let all = settings.per_guard.map(|rate| (rate, rate.limiter(ByClock(clock.clone()))));
        Self {
            subjects: keyed("subject", settings.per_subject),
            clients: keyed("client", settings.per_client),
            all,
            addresses: keyed("address", settings.failures_per_address),
            blocked: states(),
            clock,
        }
    }

    /// Counts a request of an admitted caller.
    ///
    /// # Errors
    /// The first limit that is exceeded.
    pub fn count(&self, caller: &Principal) -> Result<(), Exceeded> {
        if let Some(subjects) = &self.subjects {
            subjects.count(Who::Named(&caller.issuer, &caller.subject))?;
        }
        if let (Some(clients), Some(client)) = (&self.clients, &caller.client) {
            clients.count(Who::Named(&caller.issuer, client))?;
        }
        match &self.all {
            Some((rate, all)) => all.check().map_err(|wait| Exceeded {
                policy: "guard",
                rate: *rate,
                retry_after: wait.wait_time_from(self.clock.monotonic()),
            }),
            None => Ok(()),
        }
    }

    /// Whether an address was wrong too often.
    ///
    /// # Errors
    /// How long it has to wait.
    pub fn check_address(&self, address: IpAddr) -> Result<(), Exceeded> {
        let Some(addresses) = &self.addresses else { return Ok(()) };
        let Some(until) = self.blocked.get(&Who::by_network(address)) else { return Ok(()) };
        let left = until.saturating_sub(self.clock.monotonic());
        if left.is_zero() {
            return Ok(());
        }
        Err(Exceeded { policy: addresses.policy, rate: addresses.rate, retry_after: left })
    }

    /// Counts a refused token from an address.
    pub fn failed(&self, address: IpAddr) {
        let Some(addresses) = &self.addresses else { return };
        let network = Who::by_network(address);
        if let Err(exceeded) = addresses.count(network) {
            self.blocked.insert(network.key(), self.clock.monotonic() + exceeded.retry_after);
        }
    }
}

impl fmt::Debug for Limits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Limits")
    }
}

impl Rate {
    /// `count` in `per`, and as many at once.
    pub fn new(count: NonZeroU32, per: Duration) -> Self {
        Self { count, per, burst: count }
    }

    fn limiter(self, clock: ByClock) -> Limiter {
        let interval = self.per / self.count.get();
        // A rate beyond one a nanosecond is none; the shortest interval stands for it.
        let quota = Quota::with_period(interval.max(Duration::from_nanos(1)));
        let quota = quota.unwrap_or_else(|| Quota::per_second(self.count)).allow_burst(self.burst);
        RateLimiter::direct_with_clock(quota, clock)
    }
}

impl Exceeded {
    /// What the answer says of it, name by name: `Retry-After` (RFC 9110 §10.2.3), and the fields of the rate limit draft
    /// (draft-ietf-httpapi-ratelimit-headers): which policy, and when there is room.
    pub fn fields(&self) -> [(&'static str, String); 3] {
        let Self { policy, rate, retry_after } = self;
        let window = (rate.per * rate.burst.get() / rate.count.get()).as_secs().max(1);
        let seconds = whole_seconds(*retry_after);
        [
            ("retry-after", seconds.to_string()),
            ("ratelimit-policy", format!("\"{policy}\";q={};w={window}", rate.burst)),
            ("ratelimit", format!("\"{policy}\";r=0;t={seconds}")),
        ]
    }

    /// The reason for events.
    pub fn rejection(&self) -> Rejection {
        Rejection::RateLimited
    }
}

impl Keyed {
    fn new(policy: &'static str, rate: Rate, clock: Arc<dyn Clock>) -> Self {
        Self { policy, rate, states: states(), clock: ByClock(clock) }
    }

    fn count(&self, who: Who<'_>) -> Result<(), Exceeded> {
        let limiter = match self.states.get(&who) {
            Some(limiter) => limiter,
            None => self.begin(&who.key()),
        };
        limiter.check().map_err(|wait| Exceeded {
            policy: self.policy,
            rate: self.rate,
            retry_after: wait.wait_time_from(self.clock.now()),
        })
    }

    /// One for all who come for it at once.
    fn begin(&self, key: &Key) -> Arc<Limiter> {
        let new = || Ok::<_, std::convert::Infallible>(Arc::new(self.rate.limiter(self.clock.clone())));
        match self.states.get_or_insert_with(key, new) {
            Ok(limiter) => limiter,
            Err(never) => match never {},
        }
    }
}

fn states<V: Clone>() -> States<V> {
    let most = u64::try_from(MOST_STATES).unwrap_or(u64::MAX);
    Cache::with(EXPECTED, most, UnitWeighter, RandomState::default(), DefaultLifecycle::default())
}

impl Who<'_> {
    fn by_network(address: IpAddr) -> Self {
        Self::Address(network_of(address))
    }

    fn key(self) -> Key {
        match self {
            Self::Named(issuer, name) => Key::Named(issuer.clone(), name.clone()),
            Self::Address(address) => Key::Address(address),
        }
    }
}

impl Key {
    fn who(&self) -> Who<'_> {
        match self {
            Self::Named(issuer, name) => Who::Named(issuer, name),
            Self::Address(address) => Who::Address(*address),
        }
    }
}

// What looks for it has the same hash.
impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.who().hash(state);
    }
}

impl Equivalent<Key> for Who<'_> {
    fn equivalent(&self, key: &Key) -> bool {
        *self == key.who()
    }
}

/// Rounded up, and at most an hour: whoever comes back after that must find room.
pub fn whole_seconds(time: Duration) -> u64 {
    const LONGEST: u64 = 3600;
    (time.as_secs() + u64::from(time.subsec_nanos() > 0)).clamp(1, LONGEST)
}

/// An IPv6 address counts with its /64, which is one household's or machine's.
pub(crate) fn network_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX))),
        v4 => v4,
    }
}

#[cfg(test)]
mod tests;
