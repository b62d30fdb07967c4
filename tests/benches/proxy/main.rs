//! What the whole job costs beside what an operator would otherwise run: nginx that forwards and looks at nothing, HAProxy
//! that forwards or verifies each token; and a bare forwarder on the libraries that ours is made with, which looks at nothing.
//!
//! Each proxy has one worker on one core; the upstream and the load share another. They take turns, so that a drift of the
//! machine's speed hits all alike: quote ratios, not figures. nginx and wrk are needed; HAProxy, where it is not
//! installed, is said to be missing and left out.
//!
//! `cargo xtask bench --proxy`; with `-- --rounds 5 --secs 4 --connections 64 --json`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::cast_precision_loss,
    reason = "a measurement that cannot go on fails"
)]

#[path = "../load/mod.rs"]
mod load;
mod peers;

use load::{Figures, Load};
use peers::{Peers, Target, Tokens};

/// What may stand on the command line.
struct Options {
    rounds: usize,
    secs: u32,
    connections: u32,
    is_json: bool,
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let options = Options::read();
    let mut peers = Peers::start().await;
    let mut rows: Vec<(String, Vec<Figures>)> =
        peers.targets.iter().map(|target| (target.name.clone(), Vec::new())).collect();
    eprintln!("{} rounds of {} s for each of {}", options.rounds, options.secs, rows.len());
    for target in &peers.targets {
        measure(&peers, target, options.connections, 1).await;
    }
    for round in 0..options.rounds {
        for (target, (_, found)) in peers.targets.iter().zip(&mut rows) {
            found.push(measure(&peers, target, options.connections, options.secs).await);
        }
        eprintln!("round {} of {}", round + 1, options.rounds);
    }
    peers.stop().await;
    let rows: Vec<_> = rows.into_iter().map(|(name, found)| (name, load::median(&found))).collect();
    if options.is_json {
        let rows: serde_json::Map<_, _> = rows
            .iter()
            .map(|(name, figures)| (name.clone(), serde_json::to_value(figures).unwrap()))
            .collect();
        println!("{}", serde_json::Value::Object(rows));
        return;
    }
    let direct = rows.iter().find(|(name, _)| name == "direct").map_or(1.0, |(_, found)| found.per_second);
    println!(
        "{:<18} {:>8} {:>6} {:>8} {:>8} {:>7} {:>6} {:>5}",
        "target", "req/s", "ratio", "p50 ms", "p99 ms", "us/req", "MiB", "bad"
    );
    for (name, found) in &rows {
        println!(
            "{name:<18} {:>8.0} {:>6.3} {:>8.2} {:>8.2} {:>7.1} {:>6.1} {:>5.0}",
            found.per_second,
            found.per_second / direct,
            found.p50_ms,
            found.p99_ms,
            found.cpu_us,
            found.resident_mib,
            found.bad
        );
    }
}

async fn measure(peers: &Peers, target: &Target, connections: u32, secs: u32) -> Figures {
    let tokens = peers.folder().join(match target.tokens {
        Tokens::One => "one.txt",
        Tokens::Many => "many.txt",
    });
    let &Target { address, process, .. } = target;
    load::measure(&Load { address, process, tokens: &tokens, connections, secs }).await
}

impl Options {
    fn read() -> Self {
        let mut options = Self { rounds: 5, secs: 4, connections: 64, is_json: false };
        let mut words = std::env::args().skip(1);
        while let Some(word) = words.next() {
            let mut number = || words.next().and_then(|text| text.parse::<u32>().ok()).expect("a number");
            match word.as_str() {
                "--rounds" => options.rounds = number() as usize,
                "--secs" => options.secs = number(),
                "--connections" => options.connections = number(),
                "--json" => options.is_json = true,
                // Cargo's own.
                "--bench" => {}
                other => panic!("`{other}` is not known: --rounds N, --secs N, --connections N, --json"),
            }
        }
        options
    }
}
