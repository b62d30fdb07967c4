//! `bearward demo`.

use std::io::Write;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bearward_observe::Observer;
use clap::Args;
use serde_json::json;
use tokio::sync::broadcast::error::RecvError;

use super::exit::Exit;
use super::logging;
use super::serve::stop_signal;
use crate::demo::account::{Paint, introduce, introduce_web, line};
use crate::demo::tour::{Step, take};
use crate::demo::web::WebWorld;
use crate::demo::world::World;

/// The whole tour takes no longer than this.
const TOUR: Duration = Duration::from_secs(20);

/// Show everything at work in one process, with an authorization server and an MCP server of its own.
///
/// Needs no configuration and no services; listens on loopback only.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  bearward demo           look around, paste commands, watch events\n  \
                        bearward demo --web     sign in to a web application whose agent then calls as you\n  \
                        bearward demo --check   take the tour by itself; exits 0 when every step held, else 1")]
pub struct Demo {
    /// Take the tour by itself, one line a step.
    #[arg(long)]
    check: bool,
    /// With --check: print one JSON document.
    #[arg(long, requires = "check", conflicts_with = "web")]
    json: bool,
    /// Show a web application instead: sign in, and let its agent call MCP servers as you.
    #[arg(long, conflicts_with = "check")]
    web: bool,
    /// With --web: where the application listens; a free port when left out.
    #[arg(long, value_name = "ADDRESS", requires = "web")]
    listen: Option<SocketAddr>,
    /// What to log, as a filter such as `info` or `debug`.
    #[arg(long, value_name = "FILTER", env = "BEARWARD_LOG", default_value = "off")]
    log: String,
    /// No colours, whatever the terminal can do.
    #[arg(long, env = "NO_COLOR", value_parser = clap::builder::FalseyValueParser::new())]
    no_color: bool,
}

impl Demo {
    pub(super) fn run(self) -> Exit {
        if let Err(error) = logging::start(Some(&self.log)) {
            eprintln!("--log: {error}");
            return Exit::Usage;
        }
        match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
            Ok(runtime) => runtime.block_on(self.show()),
            Err(error) => {
                eprintln!("cannot start threads: {error}");
                Exit::Outside
            }
        }
    }

    async fn show(self) -> Exit {
        if self.web {
            return self.show_web().await;
        }
        let world = match World::start().await {
            Ok(world) => world,
            Err(error) => {
                eprintln!("the demo cannot start: {error}");
                return Exit::Outside;
            }
        };
        if self.check { self.tour(world).await } else { self.follow(world).await }
    }

    async fn tour(self, world: World) -> Exit {
        let (started, paint) = (Instant::now(), Paint::for_stdout(self.no_color));
        let tell = |step: &Step| {
            if !self.json {
                print_step(step, paint);
            }
        };
        let Ok(steps) = tokio::time::timeout(TOUR, take(world, tell)).await else {
            eprintln!("the tour did not end within {} s", TOUR.as_secs());
            return Exit::Refused;
        };
        let failed = steps.iter().filter(|step| step.outcome.is_err()).count();
        if self.json {
            let told = |step: &Step| {
                let (ok, seen) = (step.outcome.is_ok(), step.outcome.as_ref().unwrap_or_else(|why| why));
                json!({"step": step.name, "ok": ok, "seen": seen})
            };
            let steps: Vec<_> = steps.iter().map(told).collect();
            println!("{}", json!({"ok": failed == 0, "steps": steps}));
        } else {
            let held = steps.len() - failed;
            println!("\n{held} of {} steps held, in {:.1} s", steps.len(), started.elapsed().as_secs_f64());
        }
        if failed == 0 { Exit::Done } else { Exit::Refused }
    }

    async fn show_web(self) -> Exit {
        let world = match WebWorld::start(self.listen).await {
            Ok(world) => world,
            Err(error) => {
                eprintln!("the demo cannot start: {error}");
                return Exit::Outside;
            }
        };
        let paint = Paint::for_stdout(self.no_color);
        if introduce_web(&mut std::io::stdout(), &world, paint).is_ok() {
            show_events(&world.observer, paint).await;
        }
        world.stop().await;
        Exit::Done
    }

    async fn follow(self, world: World) -> Exit {
        let paint = Paint::for_stdout(self.no_color);
        if introduce(&mut std::io::stdout(), &world, paint).is_ok() {
            show_events(&world.observer, paint).await;
        }
        world.stop().await;
        Exit::Done
    }
}

/// Until nobody reads them any more, or the demo is to stop.
async fn show_events(observer: &Observer, paint: Paint) {
    let (mut events, mut out) = (observer.follow(), std::io::stdout());
    let show = async {
        loop {
            match events.recv().await {
                Ok(event) => {
                    if let Some(line) = line(&event, paint)
                        && writeln!(out, "  {line}").is_err()
                    {
                        break;
                    }
                }
                Err(RecvError::Lagged(lost)) => println!("  … {lost} events were too fast to show"),
                Err(RecvError::Closed) => break,
            }
        }
    };
    tokio::select! {
        () = show => {}
        () = stop_signal() => {}
    }
}

fn print_step(step: &Step, paint: Paint) {
    match &step.outcome {
        Ok(seen) => println!("{} {}  {}", paint.good("✓"), step.name, paint.faint(seen)),
        Err(why) => println!("{} {}  {why}", paint.bad("✗"), step.name),
    }
}
