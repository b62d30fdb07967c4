//! How what Bearward costs grows: with connections, with tokens and their subjects, with open event streams; and how soon
//! it is ready, and how large.
//!
//! `cargo xtask bench --scale`, or parts of it: `-- size start connections tokens streams`. The server has one core, the
//! load and what stands behind share another. Where a promise is not kept, that is said and the run fails; of waits beside
//! streams the median is judged, and what comes rarely only shown.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::cast_precision_loss,
    reason = "a measurement that cannot go on fails"
)]

#[path = "../load/mod.rs"]
mod load;
#[path = "../load/request.rs"]
mod request;
mod server;
mod streams;

use std::time::Duration;

use load::Figures;
use server::Server;

/// Connections at once.
const CONNECTIONS: [u32; 4] = [1, 10, 100, 1_000];
/// Tokens, each of a subject of its own.
const TOKENS: [usize; 4] = [1, 100, 10_000, 100_000];
/// Open event streams.
const STREAMS: usize = 10_000;

/// Each figure is the median of so many rounds of so many seconds.
const ROUNDS: (usize, u32) = (3, 3);
/// Where tokens are many it is one round of a minute: for so long a verdict stands, so that each token is verified once in
/// it, as it is in each minute of a server's life.
const A_MINUTE: (usize, u32) = (1, 60);
const MANY: usize = 100_000;
/// Beside open streams and without them.
const ROUNDS_OF_ONE: (usize, u32) = (5, 4);

/// What is promised.
const MOST_FOR_STREAMS_MIB: f64 = 250.0;
const READY_WITHIN: Duration = Duration::from_millis(50);
const LARGEST_MIB: f64 = 25.0;
/// Of a core, for streams on which nothing happens.
const MOST_FOR_SILENCE: f64 = 0.02;
/// What chance may add to a ratio: a fifth.
const SAME: f64 = 1.2;
/// The cost of a request grows with connections and tokens no more than so many times as much as that of nginx, which looks
/// at nothing, in the same seconds: caches are small, and machines drift.
const MOST_GROWTH: f64 = 1.5;
/// What growth is measured from: one connection at a time wakes everything for each request, at nginx too.
const FEW_CONNECTIONS: u32 = 10;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    if std::env::args().any(|word| word == streams::BEHIND) {
        return streams::stand_behind().await;
    }
    let named: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let is_wanted = |part: &str| named.is_empty() || named.iter().any(|name| name == part);
    let mut broken = Vec::new();
    if is_wanted("size") {
        size(&mut broken);
    }
    if is_wanted("start") {
        start_up(&mut broken).await;
    }
    if is_wanted("connections") {
        connections(&mut broken).await;
    }
    if is_wanted("tokens") {
        tokens(&mut broken).await;
    }
    if is_wanted("streams") {
        open_streams(&mut broken).await;
    }
    assert!(broken.is_empty(), "not kept: {}", broken.join("; "));
}

fn size(broken: &mut Vec<String>) {
    let folder = tempfile::TempDir::new().unwrap();
    let stripped = folder.path().join("bearward");
    let status =
        std::process::Command::new("strip").args(["-s", "-o"]).arg(&stripped).arg(server::binary()).status();
    assert!(status.expect("binutils are installed").success());
    let mib = std::fs::metadata(stripped).unwrap().len() as f64 / f64::from(1 << 20);
    println!("stripped binary: {mib:.1} MiB");
    if mib > LARGEST_MIB {
        broken.push(format!("a binary of less than {LARGEST_MIB} MiB"));
    }
}

/// From its start until it says that it is ready, with keys in a file.
async fn start_up(broken: &mut Vec<String>) {
    let mut times = Vec::new();
    for _ in 0..11 {
        let server = Server::start(1, None).await;
        times.push(server.ready_after);
        server.stop().await;
    }
    times.sort_unstable();
    let middle = times[times.len() / 2];
    println!("ready after {} ms (median of {})", middle.as_millis(), times.len());
    if middle > READY_WITHIN {
        broken.push(format!("ready within {} ms", READY_WITHIN.as_millis()));
    }
}

async fn connections(broken: &mut Vec<String>) {
    heading("connections");
    let server = Server::start(1, None).await;
    let mut lines = Vec::new();
    for connections in CONNECTIONS {
        let by_nginx = line(&server, u64::from(connections), connections, ROUNDS).await;
        lines.push((u64::from(connections), by_nginx));
    }
    server.stop().await;
    grown("connections", &lines, u64::from(FEW_CONNECTIONS), broken);
}

/// Judges lines: of how many each is, and what a request cost there in nginx's.
fn grown(what: &str, lines: &[(u64, f64)], from: u64, broken: &mut Vec<String>) {
    let (_, few) = lines.iter().find(|(of, _)| *of == from).expect("it was measured");
    for (of, by_nginx) in lines {
        let grown = by_nginx / few;
        // What was not measured keeps no promise.
        if grown.is_nan() || grown > MOST_GROWTH {
            broken.push(format!(
                "with {of} {what} a request's cost has grown {grown:.2} times as much as nginx's since {from}, at most \
                 {MOST_GROWTH}"
            ));
        }
    }
}

/// `nginx`: what a request costs it, which forwards and looks at nothing, in the same seconds.
fn heading(what: &str) {
    println!(
        "\n{what:>12} {:>8} {:>8} {:>8} {:>8} {:>7} {:>8}",
        "req/s", "us/req", "p50 ms", "p99 ms", "MiB", "nginx us"
    );
}

async fn tokens(broken: &mut Vec<String>) {
    heading("tokens");
    let mut lines = Vec::new();
    for tokens in TOKENS {
        let server = Server::start(tokens, None).await;
        // Until each was seen once: what is measured is what it costs to know many.
        server.see_all().await;
        let rounds = if tokens < MANY { ROUNDS } else { A_MINUTE };
        lines.push((tokens as u64, line(&server, tokens as u64, 64, rounds).await));
        server.stop().await;
    }
    grown("tokens", &lines, TOKENS[0] as u64, broken);
}

/// One line of a table: what a request costs now. Gives that in nginx's.
async fn line(server: &Server, of: u64, connections: u32, (rounds, secs): (usize, u32)) -> f64 {
    let found = server.under_load(connections, 1).await;
    assert!(found.bad < 1.0, "{} bad answers while it was warmed", found.bad);
    let (mut ours, mut beside) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        ours.push(server.under_load(connections, secs).await);
        beside.push(server.forwarder_under_load(connections, secs).await);
    }
    let (found, beside) = (load::median(&ours), load::median(&beside));
    println!(
        "{of:>12} {:>8.0} {:>8.1} {:>8.2} {:>8.2} {:>7.1} {:>8.1}",
        found.per_second, found.cpu_us, found.p50_ms, found.p99_ms, found.resident_mib, beside.cpu_us
    );
    assert!(found.bad < 1.0, "{} bad answers", found.bad);
    found.cpu_us / beside.cpu_us
}

async fn open_streams(broken: &mut Vec<String>) {
    let many = streams::possible(STREAMS);
    let mut behind = streams::Upstream::start().await;
    let server = Server::start(1, Some(behind.address)).await;
    println!(
        "\n{:>14} {:>8} {:>8} {:>8} {:>7} {:>12} {:>12} {:>14}",
        "one caller", "us/req", "p50 ms", "p99 ms", "MiB", "nginx p50 ms", "nginx p99 ms", "share of ours"
    );
    One::measured(&server).await;
    let before = One::measured(&server).await;
    before.print("before");
    let callers = streams::Callers::open(server.address, &server.token, many).await;
    let beside = One::measured(&server).await;
    beside.print(&format!("{many} streams"));
    let callers = callers.all_got_an_event(&mut behind).await;
    println!("each of them got the event that was sent then");
    drop(callers);
    let after = One::measured(&server).await;
    after.print("after");
    let most = MOST_FOR_STREAMS_MIB * many as f64 / STREAMS as f64;
    if beside.ours.resident_mib > most {
        broken.push(format!("{many} streams in less than {most:.0} MiB"));
    }
    if beside.share > MOST_FOR_SILENCE {
        broken.push(format!("streams that say nothing cost less than {MOST_FOR_SILENCE} of a core"));
    }
    // By what nginx takes in the same seconds: machines drift.
    let alone = before.by_nginx().max(after.by_nginx());
    if beside.by_nginx() > alone * SAME {
        broken.push("others wait no longer for streams that are open".into());
    }
    if beside.ours.cpu_us / beside.nginx.cpu_us > SAME * before.ours.cpu_us / before.nginx.cpu_us {
        broken.push("others cost no more beside streams that are open".into());
    }
    server.stop().await;
}

/// What one caller waits for who asks again when it is answered: nobody else is in its way but what we look for. In turn
/// with what it waits for at nginx, on the same core and before the same server, but without any of the streams.
struct One {
    ours: Figures,
    nginx: Figures,
    /// How much of the core we used while nginx was asked: what both feel is not ours where this is nothing.
    share: f64,
}

impl One {
    async fn measured(server: &Server) -> Self {
        let (rounds, secs) = ROUNDS_OF_ONE;
        let (mut ours, mut nginx, mut used) = (Vec::new(), Vec::new(), 0.0);
        for _ in 0..rounds {
            ours.push(server.under_load(1, secs).await);
            let before = server.cpu_seconds();
            nginx.push(server.forwarder_under_load(1, secs).await);
            used += server.cpu_seconds() - before;
        }
        for found in ours.iter().chain(&nginx) {
            assert!(found.bad < 1.0 && found.per_second > 1.0, "not answered as it should be: {found:?}");
        }
        let share = used / (rounds as f64 * f64::from(secs));
        Self { ours: load::median(&ours), nginx: load::median(&nginx), share }
    }

    /// Half of our waits, in those of nginx.
    fn by_nginx(&self) -> f64 {
        self.ours.p50_ms / self.nginx.p50_ms
    }

    fn print(&self, what: &str) {
        let Self { ours, nginx, share } = self;
        println!(
            "{what:>14} {:>8.1} {:>8.2} {:>8.2} {:>7.1} {:>12.2} {:>12.2} {share:>14.4}",
            ours.cpu_us, ours.p50_ms, ours.p99_ms, ours.resident_mib, nginx.p50_ms, nginx.p99_ms
        );
    }
}
