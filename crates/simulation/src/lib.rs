//! The token manager among authorization servers that fail, clocks that jump and destinations that refuse: many hours of a
//! thousand keys in a minute, and what it did against what it promises.
//!
//! ```text
//! callers ─► TokenManager (the real one) ─► Key (a Grant) ─► Server: weather, secrets, latency
//!    │                                                          │
//!    └────────── what they got ──────────► Oracle ◄── what was issued, and when it dies
//! ```
//! Time is the world's own (`clock.rs`) and moves as soon as everybody waits. A seed decides the weather, the callers and
//! the faults; two things that happen at the very same instant may come in either order.
//!
//! # What counts
//! - **A valid token is there** when one has arrived and may be handed out: older than neither clock allows, less the
//!   floor (the last 30 s or twentieth, in which none is handed out, for it would die on its way).
//! - **Expired** is judged by the server's own time, which is neither of the machine's clocks. A machine that is suspended
//!   *and* set back within one token's life has no clock that could tell; that is counted by itself.
//! - **The ideal**: one fetch for each `lifetime - lead` of a token's life (`lead`: without jitter, or what its callers ask
//!   for by `min_ttl`), as long as the token was needed. A token that is replaced before counts for the share of that time
//!   that it lived, one that is replaced later, by force after a 401, or never, counts whole. That is the ideal for tokens.
//!   For **requests** those are added that brought none, as far as the rules (`rules.rs`) allow them: the first that fails
//!   whole, a retry for the share of its backoff's average that it waited, or whole where another pause was longer; one
//!   that the breaker was to hold back, or that came with a refused secret too early, not at all.
//! - **By force** are fetches after a 401 before their time.
//! - **Well** is a server without trouble, whose client's secret is good, outside of every pause that it asked for.

mod caller;
mod chance;
pub mod clock;
mod figures;
mod machine;
mod oracle;
mod rules;
mod secrets;
mod server;
mod weather;
mod world;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use bearward_token::Clock;

pub use figures::Row;

use crate::chance::hours;
use crate::clock::WorldClock;
use crate::figures::Figures;
use crate::world::World;

/// What is simulated.
#[derive(Debug, Clone, Copy, clap::Args)]
pub struct Plan {
    /// How many keys, over eight issuers with three clients each.
    #[arg(long, default_value_t = 1000)]
    pub keys: usize,
    /// How many hours of moved time.
    #[arg(long, default_value_t = 24)]
    pub hours: u32,
    /// Decides the weather, the callers and the faults.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
}

/// What came of it.
#[derive(Debug, serde::Serialize)]
pub struct Report {
    /// Of the plan.
    pub keys: usize,
    /// Of the plan.
    pub hours: u32,
    /// Of the plan.
    pub seed: u64,
    /// How long it took, in seconds.
    pub took_s: f64,
    /// Token requests that brought none, by the word that metrics have for why.
    pub failures: BTreeMap<&'static str, u64>,
    /// The table.
    pub rows: Vec<Row>,
}

impl Report {
    /// True when every promise holds.
    pub fn is_kept(&self) -> bool {
        self.rows.iter().all(|row| row.is_kept)
    }
}

/// Runs it; `progress` is told each hour that has passed.
///
/// # Errors
/// When there is no thread to run it on.
pub fn run(plan: &Plan, mut progress: impl FnMut(u32)) -> std::io::Result<Report> {
    let began = Instant::now();
    let clock = WorldClock::new();
    let mover = clock.clone();
    // Everybody waits: time goes on.
    let runtime =
        tokio::runtime::Builder::new_current_thread().on_thread_park(move || mover.move_on()).build()?;
    let (figures, joined) = runtime.block_on(async {
        let world = World::begin(plan, &clock);
        for hour in 1..=plan.hours {
            let left = hours(u64::from(hour)).saturating_sub(world.clock.monotonic());
            world.clock.sleep(left).await;
            progress(hour);
        }
        let joined = joined(&world);
        // What is under way belongs to the run.
        let figures = world.oracle.figures();
        drop(world.manager);
        (figures, joined)
    });
    Ok(report(plan, began.elapsed(), &figures, joined))
}

fn report(plan: &Plan, took: Duration, figures: &Figures, joined: u64) -> Report {
    Report {
        keys: plan.keys,
        hours: plan.hours,
        seed: plan.seed,
        took_s: took.as_secs_f64(),
        failures: figures.failures.clone(),
        rows: figures.rows(joined),
    }
}

/// As the manager's own metrics have it.
fn joined(world: &World) -> u64 {
    let text = world.observer.metrics().render().unwrap_or_default();
    let counts = text.lines().filter(|line| line.contains("flight_joined") && !line.starts_with('#'));
    counts.filter_map(|line| line.rsplit_once(' ')?.1.parse::<u64>().ok()).sum()
}

#[cfg(test)]
mod tests;
