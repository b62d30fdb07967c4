//! What every row must pass.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bearward_supply::gate::{Closed, Gate, LONGEST_RETRY_AFTER, Urgency};
use bearward_supply::{Failure, Grant, Supplied, SupplyError, Wanted};
use bearward_token::Clock;

use crate::row::{Expected, Row};
use crate::world::{Supply, World};

const MINUTE: Duration = Duration::from_secs(60);
/// An attempt that is under way when the server heals may take so long, and a little more.
const ATTEMPT: Duration = Duration::from_secs(6);
/// How far time moves at once in a minute's pass.
const STEP: Duration = Duration::from_millis(250);

/// Checks all rows, one after the other, on the same connections.
pub(crate) async fn each(world: &World, rows: Vec<Row>) {
    for row in rows {
        world.set_hangs(row.expected.hangs);
        if !row.expected.hangs {
            one_request(world, &row).await;
        }
        cold(world, &row).await;
        with_a_good_token(world, &row).await;
    }
}

/// The failure by itself, and what a gate makes of it.
pub(crate) async fn one_request(world: &World, row: &Row) {
    let grant = world.grant();
    world.server.faults().always(row.place, row.fault.clone());
    let failure = match grant.request().await {
        Err(failure) => failure,
        Ok(granted) => panic!("{}: taken for a token: {granted:?}", row.name),
    };
    world.heal();
    row.expected.assert_is(&row.name, &failure);
    gate_makes_of_it(row, &failure);
    world.assert_hidden(&row.name, format!("{failure} {failure:?}"), None);
}

fn gate_makes_of_it(row: &Row, failure: &Failure) {
    let Expected { pause, counts_for_breaker, .. } = row.expected;
    let (gate, mut now) = (Gate::default(), Duration::ZERO);
    for _ in 0..5 {
        gate.pass(now, Urgency::Needed).unwrap().failed(failure, now);
        let kept = pause.unwrap_or_default().min(LONGEST_RETRY_AFTER);
        match gate.pass(now, Urgency::Needed) {
            Err(Closed::Asked { left }) => assert_eq!(left, kept, "{}", row.name),
            _ => assert_eq!(kept, Duration::ZERO, "{}: the pause is not kept", row.name),
        }
        now += kept;
    }
    assert_eq!(gate.is_open(), counts_for_breaker, "{}: the breaker", row.name);
}

/// Without a token: callers are told in time and the server is left in peace; when it heals, the token comes.
async fn cold(world: &World, row: &Row) {
    world.server.faults().always(row.place, row.fault.clone());
    let mut supply = world.supply();
    let asked_before = world.fetch.posts();
    let caller = Caller::start(world, &supply);
    world.pass(MINUTE).await;
    let told = caller.stop();
    let asked = world.fetch.posts() - asked_before;
    let most = row.expected.most_in_a_minute();
    assert!((1..=most).contains(&asked), "{}: {asked} requests in a minute, at most {most}", row.name);
    assert!(!told.is_empty(), "{}: the caller hangs", row.name);
    for (at, (waited, answer)) in told.iter().enumerate() {
        let Err(error) = answer else { panic!("{}: a token came of it", row.name) };
        assert!(*waited <= Wanted::default().patience + STEP, "{}: waited {waited:?}", row.name);
        let word = error.failure.outcome();
        // The first flight may be long enough for the breaker to open, or for the caller to lose patience.
        let instead: &[&str] = match (at, row.expected) {
            (0, Expected { hangs: true, .. }) => &["deadline", "breaker_open"],
            (0, Expected { counts_for_breaker: true, .. }) => &["breaker_open"],
            (0, _) => &[],
            _ => &["breaker_open", "paused", "deadline"],
        };
        assert!(word == row.expected.outcome || instead.contains(&word), "{}: {error}", row.name);
        assert!(word == "deadline" || error.retry_after.is_some(), "{}: {error}", row.name);
    }
    world.assert_hidden(&row.name, format!("{told:?}"), Some(&mut supply));

    world.heal();
    world.pass(row.expected.longest_rest() + ATTEMPT).await;
    let token = supply.token(&*world.clock).await;
    assert!(token.is_ok(), "{}: does not heal: {token:?}", row.name);
    supply.manager.shut_down().await;
}

/// With a good token: it goes on being served, without an error, while it lives.
async fn with_a_good_token(world: &World, row: &Row) {
    let mut supply = world.supply();
    let good = supply.token(&*world.clock).await.unwrap();
    world.server.faults().always(row.place, row.fault.clone());
    // Past the latest moment at which a token of an hour is refreshed.
    world.clock.advance(Duration::from_secs(3301));
    let asked_before = world.fetch.posts();
    for _ in 0..MINUTE.as_millis() / STEP.as_millis() {
        world.settle().await;
        let served = supply.token(&*world.clock).await;
        assert_eq!(served.as_ref().ok(), Some(&good), "{}: {:?}", row.name, served.as_ref().err());
        world.clock.advance(STEP);
    }
    world.settle().await;
    let asked = world.fetch.posts() - asked_before;
    let most = row.expected.most_in_a_minute();
    assert!((1..=most).contains(&asked), "{}: {asked} refreshes in a minute, at most {most}", row.name);
    world.assert_hidden(&row.name, String::new(), Some(&mut supply));

    world.heal();
    world.pass(row.expected.longest_rest() + ATTEMPT).await;
    let fresh = supply.token(&*world.clock).await;
    assert!(fresh.as_ref().is_ok_and(|fresh| *fresh != good), "{}: not refreshed: {fresh:?}", row.name);
    supply.manager.shut_down().await;
}

/// How long the caller waited, and what for.
pub(crate) type Told = Vec<(Duration, Result<Supplied, SupplyError>)>;

/// Asks again a tenth of a second after each answer, as a busy gateway does.
pub(crate) struct Caller {
    told: Arc<Mutex<Told>>,
    task: tokio::task::JoinHandle<()>,
}

impl Caller {
    pub(crate) fn start(world: &World, supply: &Supply) -> Self {
        let (clock, handle, told) =
            (world.clock.clone(), supply.handle.clone(), Arc::<Mutex<Told>>::default());
        let task = tokio::spawn({
            let told = told.clone();
            async move {
                loop {
                    let asked = clock.monotonic();
                    let answer = handle.ensure_access(&Wanted::default()).await;
                    told.lock().unwrap().push((clock.monotonic() - asked, answer));
                    clock.sleep(Duration::from_millis(100)).await;
                }
            }
        });
        Self { told, task }
    }

    pub(crate) fn stop(self) -> Told {
        self.task.abort();
        std::mem::take(&mut self.told.lock().unwrap())
    }
}
