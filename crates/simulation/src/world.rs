//! Puts a world together: issuers, their clients, keys, callers, the machine, and the token manager among them.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bearward_observe::Observer;
use bearward_supply::{Handle, KeyParts, Label, TokenKey, TokenManager, Wanted};
use bearward_token::Issuer;
use fastrand::Rng;

use crate::Plan;
use crate::caller::{Callers, Rhythm, destination};
use crate::chance::{hours, mins, one_of, secs};
use crate::clock::WorldClock;
use crate::machine;
use crate::oracle::{Oracle, Record};
use crate::rules::Rules;
use crate::secrets::Secrets;
use crate::server::{Key, Server, State};
use crate::weather::Weather;

const ISSUERS: usize = 8;
const CLIENTS: usize = 3;
const DESTINATIONS: usize = 20;

/// By weight: mostly an hour, from half a minute to a day.
const LIFETIMES: [(u32, Duration); 9] = [
    (2, secs(30)),
    (3, secs(60)),
    (5, mins(2)),
    (10, mins(5)),
    (15, mins(15)),
    (45, hours(1)),
    (10, hours(2)),
    (5, hours(8)),
    (5, hours(24)),
];

/// All that there is.
pub(crate) struct World {
    pub(crate) clock: WorldClock,
    pub(crate) oracle: Arc<Oracle>,
    pub(crate) manager: Arc<TokenManager>,
    pub(crate) observer: Observer,
}

impl World {
    /// Begins; must be called within a runtime.
    pub(crate) fn begin(plan: &Plan, clock: &WorldClock) -> Self {
        let mut random = Rng::with_seed(plan.seed);
        let end = hours(u64::from(plan.hours));
        let records: Vec<_> = (0..plan.keys).map(|_| record(&mut random)).collect();
        let kept_fresh: Vec<_> = records.iter().map(|r| (r.is_kept_fresh, r.min_ttl)).collect();
        let oracle = Arc::new(Oracle::new(clock.clone(), records));
        let servers = servers(&mut random, end, clock, &oracle);
        let destinations: Vec<_> = (0..DESTINATIONS).map(|_| destination(&mut random, end)).collect();
        let observer = Observer::new();
        let manager = Arc::new(TokenManager::new(Arc::new(clock.clone()), observer.clone(), random.u64(..)));
        for (number, (is_kept_fresh, min_ttl)) in kept_fresh.into_iter().enumerate() {
            let Some(server) = servers.get(number % servers.len()).cloned() else { continue };
            let Some(destination) = destinations.get(random.usize(0..DESTINATIONS)).cloned() else {
                continue;
            };
            let callers = Callers {
                key: number,
                clock: clock.clone(),
                oracle: oracle.clone(),
                handle: handle(&manager, &observer, number, &server, is_kept_fresh),
                server,
                destination,
                wanted: Wanted { min_ttl, ..Wanted::default() },
            };
            let rhythms = [(30, Rhythm::Busy), (50, Rhythm::Rare), (20, Rhythm::Bursts)];
            let rhythm = one_of(&mut random, &rhythms, Rhythm::Rare);
            // They end with the runtime.
            drop(tokio::spawn(callers.call_on(rhythm, random.fork())));
        }
        drop(tokio::spawn(machine::set_the_clock(clock.clone(), random.fork())));
        drop(tokio::spawn(machine::suspend(clock.clone(), random.fork())));
        Self { clock: clock.clone(), oracle, manager, observer }
    }
}

fn record(random: &mut Rng) -> Record {
    Record {
        lifetime: one_of(random, &LIFETIMES, hours(1)),
        is_kept_fresh: random.u32(0..10) < 6,
        // A tenth asks for ten minutes, for long calls.
        min_ttl: if random.u32(0..10) == 0 { mins(10) } else { Duration::ZERO },
        issued: Vec::new(),
        arrived: None,
        is_refused: false,
        last_forced: [None; 2],
    }
}

fn servers(random: &mut Rng, end: Duration, clock: &WorldClock, oracle: &Arc<Oracle>) -> Vec<Arc<Server>> {
    let mut servers = Vec::new();
    for _ in 0..ISSUERS {
        let weather = Arc::new(Weather::new(random, end));
        servers.extend((0..CLIENTS).map(|_| {
            Arc::new(Server {
                clock: clock.clone(),
                oracle: oracle.clone(),
                weather: weather.clone(),
                secrets: Secrets::new(random, end),
                state: Mutex::new(State { random: random.fork(), held: None, rules: Rules::default() }),
            })
        }));
    }
    servers
}

/// The way to a key's handle: made once for what is configured, looked up with every call for a caller's own.
fn handle(
    manager: &Arc<TokenManager>,
    observer: &Observer,
    number: usize,
    server: &Arc<Server>,
    is_kept_fresh: bool,
) -> Arc<dyn Fn() -> Handle + Send + Sync> {
    let servers = ISSUERS * CLIENTS;
    let (issuer, client) = ((number % servers) / CLIENTS, number % CLIENTS);
    let name = format!("issuer-{issuer}");
    let key = key(number, issuer, client);
    let grant = Arc::new(Key { number, server: server.clone() });
    if is_kept_fresh {
        let handle = manager.handle(&name, &key, grant);
        return Arc::new(move || handle.clone());
    }
    let (manager, label) = (manager.clone(), Label::new(&name, observer));
    Arc::new(move || manager.on_use(&label, &key, || grant.clone()))
}

fn key(number: usize, issuer: usize, client: usize) -> TokenKey {
    let issuer = issuer_named(&format!("https://issuer-{issuer}.example"));
    TokenKey::from(KeyParts {
        audience: Some(format!("audience-{number}")),
        ..KeyParts::new(issuer, format!("client-{client}"), "client_credentials")
    })
}

#[allow(clippy::expect_used, reason = "the name is written two lines above its use")]
fn issuer_named(name: &str) -> Issuer {
    name.parse().expect("an https URL is an issuer")
}
