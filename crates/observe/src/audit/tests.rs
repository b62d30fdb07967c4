#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on fails")]

use std::io::Write;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use bearward_token::ManualClock;
use serde_json::{Value, json};

use super::destination::{Lines, Sink};
use super::*;

const NOW: u64 = 1_800_000_000_123;

fn entry<'a>() -> Entry<'a> {
    Entry {
        guard: "https://mcp.example.com/mcp",
        outcome: Outcome::Allowed,
        reason: None,
        issuer: Some("https://idp.example.com"),
        subject: Some("alice"),
        client: Some("desktop"),
        tenant: Some("acme"),
        http_method: "POST",
        method: Some("tools/call"),
        name: Some("add_note"),
        trace_id: Some("4bf92f3577b34da6a3ce929d0e0e4736"),
        address: Some([192, 0, 2, 1].into()),
    }
}

fn file(path: &std::path::Path, rotate_at: u64, keep: u32) -> Destination {
    Destination::File { path: path.to_owned(), rotate_at, keep }
}

fn start(destination: Destination, pseudonyms: Pseudonyms) -> (AuditTrail, Arc<Metrics>) {
    let metrics = Arc::new(Metrics::new());
    let clock = Arc::new(ManualClock::at_unix_ms(NOW));
    (AuditTrail::start(destination, pseudonyms, metrics.clone(), clock).unwrap(), metrics)
}

/// What a trail writes of these entries.
fn written(entries: &[Entry<'_>], pseudonyms: Pseudonyms) -> Vec<Value> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.jsonl");
    let (trail, _) = start(file(&path, u64::MAX, 1), pseudonyms);
    entries.iter().for_each(|entry| trail.record(entry));
    drop(trail); // Waits until all is written.
    let text = std::fs::read_to_string(path).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn counted(metrics: &Metrics, outcome: &str) -> u64 {
    let (name, text) = (format!("audit_entries_total{{outcome=\"{outcome}\"}} "), metrics.render().unwrap());
    text.lines().find_map(|line| line.strip_prefix(&name)?.parse().ok()).unwrap_or(0)
}

#[test]
fn a_line_says_who_did_what_and_what_was_decided() {
    let nobody = Entry {
        outcome: Outcome::Refused,
        reason: Some("expired"),
        issuer: None,
        subject: None,
        client: None,
        tenant: None,
        method: None,
        name: None,
        trace_id: None,
        ..entry()
    };
    assert_eq!(
        written(&[entry(), nobody], Pseudonyms::default()),
        [
            json!({
                "time": "2027-01-15T08:00:00.123Z", "guard": "https://mcp.example.com/mcp", "outcome": "allowed",
                "issuer": "https://idp.example.com", "subject": "alice", "client": "desktop", "tenant": "acme",
                "http_method": "POST", "method": "tools/call", "name": "add_note",
                "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736", "address": "192.0.2.1",
            }),
            json!({
                "time": "2027-01-15T08:00:00.123Z", "guard": "https://mcp.example.com/mcp", "outcome": "refused",
                "reason": "expired", "http_method": "POST", "address": "192.0.2.1",
            }),
        ]
    );
}

#[test]
fn whatever_a_caller_calls_a_tool_it_stays_one_line_of_bounded_length() {
    let long = "é".repeat(10_000);
    let names = ["a\n{\"outcome\":\"allowed\"}", "\u{2028}\0\"", long.as_str()];
    let entries = names.map(|name| Entry { name: Some(name), ..entry() });
    let lines = written(&entries, Pseudonyms::default());
    assert_eq!(lines.len(), 3);
    assert_eq!(lines[0]["name"], names[0]);
    assert_eq!(lines[2]["name"].as_str().unwrap(), format!("{}…", "é".repeat(LONGEST / 2)));
}

#[test]
fn hidden_fields_can_be_told_apart_and_followed_and_not_read() {
    let hide = |key: &[u8]| Pseudonyms::new(key, [Field::Subject, Field::Address]);
    let bob = Entry { subject: Some("bob"), ..entry() };
    let lines = written(&[entry(), entry(), bob], hide(b"key"));
    let subject = |n: usize| lines[n]["subject"].as_str().unwrap();
    assert_eq!((subject(0), subject(0).len()), (subject(1), 37));
    assert_ne!(subject(0), subject(2));
    assert_eq!(lines[0]["client"], "desktop", "not asked for");
    let text = format!("{lines:?}");
    assert!(!text.contains("alice") && !text.contains("192.0.2.1"));
    let other_key = written(&[entry()], hide(b"other"));
    assert_ne!(other_key[0]["subject"], lines[0]["subject"]);
    assert!(!format!("{:?}", hide(b"key")).contains("key"));
}

#[test]
fn a_long_file_is_turned_over_and_the_oldest_goes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.jsonl");
    let (trail, metrics) = start(file(&path, 1000, 2), Pseudonyms::default());
    (0..20).for_each(|_| trail.record(&entry()));
    drop(trail);
    assert_eq!(counted(&metrics, "written"), 20);
    let mut names: Vec<_> = std::fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, ["audit.jsonl", "audit.jsonl.1", "audit.jsonl.2"]);
    for name in names {
        let text = std::fs::read_to_string(folder.path().join(&name)).unwrap();
        assert!(text.len() <= 1000 && text.ends_with('\n'), "{name}: {}", text.len());
        assert!(text.lines().all(|line| serde_json::from_str::<Value>(line).is_ok()), "{name}");
    }
}

#[test]
fn the_file_is_for_its_owner_and_half_a_line_of_a_killed_process_spoils_no_other() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.jsonl");
    std::fs::write(&path, "{\"time\":\"20").unwrap();
    let (trail, _) = start(file(&path, u64::MAX, 1), Pseudonyms::default());
    trail.record(&entry());
    drop(trail);
    let text = std::fs::read_to_string(&path).unwrap();
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines.len(), 2);
    assert!(serde_json::from_str::<Value>(lines[1]).is_ok());

    let fresh = folder.path().join("fresh.jsonl");
    drop(start(file(&fresh, u64::MAX, 1), Pseudonyms::default()));
    assert_eq!(std::fs::metadata(fresh).unwrap().permissions().mode() & 0o777, 0o600);
    let nowhere = file(&folder.path().join("no/such/folder"), 1, 1);
    let metrics = Arc::new(Metrics::new());
    let clock = Arc::new(ManualClock::at_unix_ms(NOW));
    assert!(AuditTrail::start(nowhere, Pseudonyms::default(), metrics, clock).is_err());
}

#[test]
fn a_full_disk_costs_lines_and_says_so_and_nobody_waits() {
    let (trail, metrics) = start(file("/dev/full".as_ref(), u64::MAX, 1), Pseudonyms::default());
    trail.record(&entry());
    until(|| counted(&metrics, "failed") == 1);
    let Condition::Degraded { reason } = trail.condition() else { panic!("{:?}", trail.condition()) };
    assert!(reason.contains("space"), "{reason}");
    assert_eq!(counted(&metrics, "written"), 0);
}

/// A disk that takes a few bytes of each line while it is full.
struct Disk {
    is_full: Arc<Mutex<bool>>,
    bytes: Arc<Mutex<Vec<u8>>>,
}

impl Write for Disk {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut taken = self.bytes.lock().unwrap();
        if *self.is_full.lock().unwrap() {
            if bytes.len() <= 5 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            taken.extend_from_slice(&bytes[..bytes.len().min(5)]);
            return Err(io::ErrorKind::StorageFull.into());
        }
        taken.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn when_there_is_room_again_the_trail_goes_on_with_whole_lines() {
    let (is_full, bytes) = (Arc::new(Mutex::new(true)), Arc::default());
    let mut lines = Lines::new(Disk { is_full: is_full.clone(), bytes: Arc::clone(&bytes) }, false);
    assert!(lines.write_line(b"the first line\n").is_err());
    assert!(lines.write_line(b"the second line\n").is_err());
    *is_full.lock().unwrap() = false;
    lines.write_line(b"the third line\n").unwrap();
    lines.write_line(b"the fourth line\n").unwrap();
    let text = String::from_utf8(bytes.lock().unwrap().clone()).unwrap();
    assert_eq!(text.lines().last(), Some("the fourth line"));
    assert!(text.lines().any(|line| line == "the third line"), "{text}");
}

#[test]
fn a_file_that_was_moved_away_is_begun_anew() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.jsonl");
    let (trail, metrics) = start(file(&path, u64::MAX, 1), Pseudonyms::default());
    trail.record(&entry());
    until(|| counted(&metrics, "written") == 1);
    std::fs::rename(&path, folder.path().join("moved")).unwrap();
    // It is looked for once a second of real time, by the thread that writes.
    until(|| {
        trail.record(&entry());
        path.exists()
    });
    drop(trail);
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(serde_json::from_str::<Value>(text.lines().next().unwrap()).is_ok());
}

/// Blocks until somebody lets it go.
struct Stuck(Receiver<()>);

impl Sink for Stuck {
    fn write_line(&mut self, _: &[u8]) -> io::Result<()> {
        let _ = self.0.recv();
        Ok(())
    }
}

#[test]
fn lines_that_nobody_takes_are_dropped_and_counted_and_memory_is_bounded() {
    let (release, stuck) = channel();
    let metrics = Arc::new(Metrics::new());
    let writer = Writer::on(Destination::Stdout, Box::new(Stuck(stuck)), metrics.clone()).unwrap();
    (0..20_000).for_each(|_| writer.send(b"line\n".to_vec()));
    let dropped = counted(&metrics, "dropped");
    assert!((20_000 - 8192 - 1..=20_000 - 8192).contains(&dropped), "{dropped}");
    assert!(writer.failure().unwrap().contains("more decisions"));
    drop(release);
    drop(writer);
    assert_eq!(counted(&metrics, "written") + dropped, 20_000);
}

fn until(mut holds: impl FnMut() -> bool) {
    for _ in 0..1000 {
        if holds() {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("not within ten seconds");
}
