//! Load by wrk on one core, what it costs the server on another, and the median of several measurements.

use std::net::SocketAddr;
use std::path::Path;

use serde::Serialize;
use tokio::process::Command;

/// Of a few seconds of load.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Figures {
    /// Requests in a second.
    pub(crate) per_second: f64,
    /// Half of the answers came within.
    pub(crate) p50_ms: f64,
    /// All but a hundredth came within.
    pub(crate) p99_ms: f64,
    /// The proxy's own processor time for one request, in microseconds: the steadiest figure.
    pub(crate) cpu_us: f64,
    /// Its resident memory, with its workers.
    pub(crate) resident_mib: f64,
    /// Answers that were none, or not 2xx.
    pub(crate) bad: f64,
}

/// What is asked of whom.
pub(crate) struct Load<'a> {
    pub(crate) address: SocketAddr,
    /// Whose processor time and memory count, with its children's; `None`: nobody's.
    pub(crate) process: Option<u32>,
    /// A file of tokens, shown in turn.
    pub(crate) tokens: &'a Path,
    pub(crate) connections: u32,
    pub(crate) secs: u32,
}

/// Puts a server under load.
pub(crate) async fn measure(load: &Load<'_>) -> Figures {
    let Load { address, process, tokens, connections, secs } = load;
    let processes = process.map(tree).unwrap_or_default();
    let before = cpu_seconds(&processes);
    let output = Command::new("taskset")
        .args(["-c", "1", "wrk", "-t1", "--timeout", "10s", "--latency"])
        .args(["-c", &connections.to_string(), "-d", &format!("{secs}s")])
        .arg("-s")
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/load/load.lua"))
        .arg(format!("http://{address}/mcp"))
        .env("TOKENS", tokens)
        .output()
        .await
        .expect("wrk runs");
    let text = String::from_utf8_lossy(&output.stdout);
    let found = text.lines().find_map(|line| line.strip_prefix("FOUND "));
    let found: Vec<f64> = found
        .unwrap_or_else(|| panic!("wrk says nothing of {address}: {text}"))
        .split(' ')
        .map(|number| number.parse().unwrap())
        .collect();
    let [requests, micros, p50, p99, bad] = found[..] else { panic!("wrk says {found:?}") };
    Figures {
        per_second: requests / (micros / 1e6),
        p50_ms: p50 / 1e3,
        p99_ms: p99 / 1e3,
        cpu_us: (cpu_seconds(&processes) - before) / requests.max(1.0) * 1e6,
        resident_mib: resident_mib(&processes),
        bad,
    }
}

/// Of each figure by itself.
pub(crate) fn median(found: &[Figures]) -> Figures {
    let middle = |figure: fn(&Figures) -> f64| {
        let mut all: Vec<_> = found.iter().map(figure).collect();
        all.sort_by(f64::total_cmp);
        all[all.len() / 2]
    };
    Figures {
        per_second: middle(|one| one.per_second),
        p50_ms: middle(|one| one.p50_ms),
        p99_ms: middle(|one| one.p99_ms),
        cpu_us: middle(|one| one.cpu_us),
        resident_mib: middle(|one| one.resident_mib),
        bad: middle(|one| one.bad),
    }
}

/// A process and its children's children.
pub(crate) fn tree(id: u32) -> Vec<u32> {
    let children = std::fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap_or_default();
    let below = children.split_whitespace().filter_map(|child| child.parse().ok()).flat_map(tree);
    std::iter::once(id).chain(below).collect()
}

/// proc(5): user and system time are the fourteenth and fifteenth field of `stat`, in hundredths of a second.
pub(crate) fn cpu_seconds(processes: &[u32]) -> f64 {
    let ticks = |id: &u32| -> f64 {
        let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
        let fields: Vec<_> = stat.rsplit(')').next().unwrap_or("").split_whitespace().collect();
        let field = |at: usize| fields.get(at).and_then(|text| text.parse::<f64>().ok()).unwrap_or(0.0);
        field(11) + field(12)
    };
    processes.iter().map(ticks).sum::<f64>() / 100.0
}

pub(crate) fn resident_mib(processes: &[u32]) -> f64 {
    let kib = |id: &u32| -> f64 {
        let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        line.and_then(|line| line.trim().split(' ').next()?.parse().ok()).unwrap_or(0.0)
    };
    processes.iter().map(kib).sum::<f64>() / 1024.0
}
