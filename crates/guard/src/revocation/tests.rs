use std::io;
use std::sync::Mutex;
use std::time::Duration;

use bearward_token::ManualClock;
use serde_json::{Value, json};

use super::*;

const NOW: u64 = 1_800_000_000;

struct Scene {
    revocations: Revocations,
    clock: Arc<ManualClock>,
}

fn scene() -> Scene {
    let clock = Arc::new(ManualClock::at_unix_ms(NOW * 1000));
    Scene { revocations: Revocations::new(clock.clone()), clock }
}

/// Of `https://idp.example`: alice, token `t`, session `s`, issued now.
fn alice() -> Principal {
    let mut caller = crate::claims::tests::principal();
    caller.token_id = Some("t".into());
    caller.session_id = Some("s".into());
    caller.issued_at = Some(NOW);
    caller
}

fn revocation(value: Value) -> Revocation {
    serde_json::from_value(value).unwrap()
}

// HARD 23
#[test]
fn a_token_a_session_and_a_subject_are_revoked_for_the_issuer_that_is_meant() {
    for (value, is_revoked) in [
        (json!({"jti": "t"}), true),
        (json!({"jti": "u"}), false),
        (json!({"sid": "s"}), true),
        (json!({"sid": "t"}), false),
        (json!({"sub": "alice"}), true),
        (json!({"sub": "bob"}), false),
        (json!({"sub": "alice", "issuedBefore": NOW + 1}), true),
        (json!({"sub": "alice", "issuedBefore": NOW}), false),
        (json!({"sub": "alice", "withoutSid": true}), false),
        (json!({"sub": "alice", "withoutSid": false}), true),
        (json!({"jti": "t", "issuer": "https://idp.example"}), true),
        (json!({"jti": "t", "issuer": "https://idp.example/"}), false),
        (json!({"jti": "t", "issuer": "https://other.example"}), false),
    ] {
        let scene = scene();
        assert!(!scene.revocations.is_revoked(&alice()));
        scene.revocations.add(Source::Api, &revocation(value.clone())).unwrap();
        assert_eq!(scene.revocations.is_revoked(&alice()), is_revoked, "{value}");
    }
}

#[test]
fn a_token_that_does_not_say_when_it_was_issued_cannot_be_newer() {
    let scene = scene();
    scene.revocations.add(Source::Api, &revocation(json!({"sub": "alice", "issuedBefore": 1}))).unwrap();
    assert!(!scene.revocations.is_revoked(&alice()));
    assert!(scene.revocations.is_revoked(&Principal { issued_at: None, ..alice() }));
}

#[test]
fn a_subjects_tokens_without_a_session_can_be_revoked_alone() {
    let scene = scene();
    let given = json!({"sub": "alice", "withoutSid": true, "issuedBefore": NOW + 1, "until": NOW + 9});
    scene.revocations.add(Source::Api, &revocation(given.clone())).unwrap();
    for (session, issued_at, is_revoked) in [
        (None, Some(NOW), true),
        (None, Some(NOW + 1), false),
        (None, None, true),
        (Some("s"), Some(NOW), false),
        (Some("s"), None, false),
    ] {
        let caller = Principal { session_id: session.map(Into::into), issued_at, ..alice() };
        assert_eq!(scene.revocations.is_revoked(&caller), is_revoked, "{session:?} {issued_at:?}");
    }
    let listed: Vec<_> = scene.revocations.list().into_iter().map(|(_, one)| json!(one)).collect();
    assert_eq!(listed, [given]);
}

#[test]
fn what_says_nothing_of_its_end_is_kept_for_thirty_days_and_nothing_longer_than_ninety() {
    let day = 24 * 3600;
    for (value, days) in [
        (json!({"jti": "t"}), 30),
        (json!({"jti": "t", "until": NOW + 31 * day}), 31),
        (json!({"jti": "t", "until": NOW + 91 * day}), 90),
    ] {
        for source in [Source::Api, Source::Logout, Source::SecurityEvent] {
            let scene = scene();
            scene.revocations.add(source, &revocation(value.clone())).unwrap();
            scene.clock.advance(Duration::from_secs(days * day - 1));
            assert!(scene.revocations.is_revoked(&alice()), "{value}");
            scene.clock.advance(Duration::from_secs(1));
            assert!(!scene.revocations.is_revoked(&alice()), "{value}");
        }
    }
}

#[test]
fn what_stands_in_a_file_counts_as_long_as_it_stands_there_up_to_its_own_end() {
    let scene = scene();
    let year = 365 * 24 * 3600;
    let (forever, ending) = (json!({"jti": "t"}), json!({"sid": "s", "until": NOW + year}));
    scene.revocations.replace(Source::File, &[forever.clone(), ending.clone()].map(revocation)).unwrap();
    let mut listed: Vec<_> = scene.revocations.list().into_iter().map(|(_, one)| json!(one)).collect();
    listed.sort_by_key(Value::to_string);
    assert_eq!(listed, [forever, ending]);
    scene.clock.advance(Duration::from_secs(year - 1));
    assert!(scene.revocations.is_revoked(&Principal { token_id: None, ..alice() }));
    scene.clock.advance(Duration::from_secs(1));
    assert!(!scene.revocations.is_revoked(&Principal { token_id: None, ..alice() }));
    assert!(scene.revocations.is_revoked(&alice()));
    scene.revocations.replace(Source::File, &[]).unwrap();
    assert!(!scene.revocations.is_revoked(&alice()));
}

#[test]
fn of_two_lines_about_the_same_the_one_that_reaches_further_counts() {
    let scene = scene();
    let line = |before: u64, until: u64| {
        revocation(json!({"sub": "alice", "issuedBefore": before, "until": NOW + until}))
    };
    scene.revocations.replace(Source::File, &[line(NOW + 1, 60), line(5, 30)]).unwrap();
    scene.clock.advance(Duration::from_secs(59));
    assert!(scene.revocations.is_revoked(&alice()));
}

#[test]
fn several_are_added_together_or_not_at_all() {
    let scene = scene();
    let two = [json!({"jti": "t"}), json!({"sub": "alice", "withoutSid": true, "sid": "s"})].map(revocation);
    assert_eq!(scene.revocations.add_all(Source::Api, &two), Err(RevocationError::Unclear));
    assert!(scene.revocations.list().is_empty());
}

#[test]
fn a_revocation_ends_when_it_says_and_a_later_one_takes_nothing_back() {
    let scene = scene();
    let until = |seconds: u64| revocation(json!({"jti": "t", "until": NOW + seconds}));
    scene.revocations.add(Source::Api, &until(60)).unwrap();
    scene.revocations.add(Source::Api, &until(30)).unwrap();
    scene.clock.advance(Duration::from_secs(59));
    assert!(scene.revocations.is_revoked(&alice()));
    scene.clock.advance(Duration::from_secs(1));
    assert!(!scene.revocations.is_revoked(&alice()));
    assert!(scene.revocations.list().is_empty());
}

#[test]
fn a_source_replaces_what_it_said_itself_and_nothing_of_another() {
    let scene = scene();
    let (token, other) = (revocation(json!({"jti": "t"})), revocation(json!({"jti": "u"})));
    scene.revocations.add(Source::Api, &token).unwrap();
    scene.revocations.replace(Source::File, std::slice::from_ref(&token)).unwrap();
    scene.revocations.replace(Source::File, &[other]).unwrap();
    assert!(scene.revocations.is_revoked(&alice()), "the API still says so");
    assert_eq!(scene.revocations.remove(Source::File, &token), Ok(false));
    assert_eq!(scene.revocations.remove(Source::Api, &token), Ok(true));
    assert!(!scene.revocations.is_revoked(&alice()));
    let unclear = revocation(json!({"jti": "a", "sid": "b"}));
    let outcome = scene.revocations.replace(Source::File, &[token, unclear]);
    assert_eq!(outcome, Err((1, RevocationError::Unclear)));
    assert_eq!(scene.revocations.list().len(), 1, "nothing of a bad list is taken");
}

#[test]
fn what_is_unclear_is_an_error() {
    let scene = scene();
    for value in [
        json!({}),
        json!({"jti": "a", "sub": "b"}),
        json!({"jti": "a", "issuedBefore": 1}),
        json!({"jti": "a", "withoutSid": true}),
        json!({"sid": "a", "withoutSid": true}),
        json!({"issuer": "https://a"}),
    ] {
        let outcome = scene.revocations.add(Source::Api, &revocation(value.clone()));
        assert_eq!(outcome, Err(RevocationError::Unclear), "{value}");
    }
    let issuer = revocation(json!({"jti": "a", "issuer": "nonsense"}));
    assert!(matches!(scene.revocations.add(Source::Api, &issuer), Err(RevocationError::Issuer(_))));
    for value in [json!({"jti": 7}), json!({"jit": "a"}), json!([])] {
        assert!(serde_json::from_value::<Revocation>(value.clone()).is_err(), "{value}");
    }
}

#[test]
fn when_there_is_no_room_none_is_forgotten_until_some_have_ended() {
    let scene = scene();
    let all: Vec<_> =
        (0..MOST).map(|n| revocation(json!({"jti": n.to_string(), "until": NOW + 10}))).collect();
    scene.revocations.replace(Source::File, &all).unwrap();
    let token = revocation(json!({"jti": "t"}));
    assert_eq!(scene.revocations.add(Source::Api, &token), Err(RevocationError::Full));
    assert_eq!(scene.revocations.list().len(), MOST);
    scene.clock.advance(Duration::from_secs(10));
    scene.revocations.add(Source::Api, &token).unwrap();
    assert!(scene.revocations.is_revoked(&alice()));
}

#[test]
fn whoever_follows_hears_of_each_change() {
    let scene = scene();
    let mut follower = scene.revocations.follow();
    assert!(!follower.has_changed().unwrap());
    scene.revocations.add(Source::Api, &revocation(json!({"jti": "t"}))).unwrap();
    assert!(follower.has_changed().unwrap());
    follower.mark_unchanged();
    assert!(!follower.has_changed().unwrap());
}

#[test]
fn what_is_listed_can_be_sent_again() {
    let scene = scene();
    let given = revocation(
        json!({"sub": "alice", "issuer": "https://idp.example", "issuedBefore": 5, "until": NOW + 9}),
    );
    scene.revocations.add(Source::Logout, &given).unwrap();
    assert_eq!(scene.revocations.list(), [(Source::Logout, given)]);
}

/// A journal on a disk that can be full.
#[derive(Debug, Clone, Default)]
struct Disk(Arc<Mutex<OnDisk>>);

#[derive(Debug, Default)]
struct OnDisk {
    changes: Vec<Change>,
    appended: usize,
    replaced: usize,
    is_full: bool,
    is_worn: bool,
}

impl Journal for Disk {
    fn append(&mut self, changes: &[Change]) -> io::Result<()> {
        let mut disk = self.0.lock().unwrap();
        if disk.is_full {
            return Err(io::Error::from(io::ErrorKind::StorageFull));
        }
        disk.changes.extend_from_slice(changes);
        disk.appended += 1;
        Ok(())
    }

    fn replace(&mut self, all: &mut dyn Iterator<Item = Change>) -> io::Result<()> {
        let mut disk = self.0.lock().unwrap();
        if disk.is_full {
            return Err(io::Error::from(io::ErrorKind::StorageFull));
        }
        disk.changes = all.collect();
        disk.replaced += 1;
        Ok(())
    }

    fn is_worn(&self) -> bool {
        self.0.lock().unwrap().is_worn
    }
}

impl Disk {
    /// What another process would know that finds it so.
    fn read(&self) -> Vec<(Source, Revocation)> {
        let clock = Arc::new(ManualClock::at_unix_ms(NOW * 1000));
        let revocations = Revocations::new(clock);
        self.0.lock().unwrap().changes.iter().for_each(|change| revocations.repeat(change).unwrap());
        revocations.list()
    }

    fn is_full(&self, is_full: bool) {
        self.0.lock().unwrap().is_full = is_full;
    }
}

fn kept() -> (Arc<Revocations>, Disk) {
    let disk = Disk::default();
    (Arc::new(scene().revocations.kept_by(Box::new(disk.clone()), None)), disk)
}

#[tokio::test]
async fn a_journal_holds_what_was_added_and_not_taken_back_and_nothing_of_a_file() {
    let (revocations, disk) = kept();
    let subject = revocation(json!({"sub": "alice", "withoutSid": true}));
    revocations.add(Source::Api, &revocation(json!({"jti": "t"}))).unwrap();
    revocations.add(Source::Logout, &subject).unwrap();
    revocations.replace(Source::File, &[revocation(json!({"jti": "u"}))]).unwrap();
    assert!(disk.read().is_empty());
    revocations.keep().await.unwrap();
    assert_eq!(disk.read().len(), 2);
    revocations.remove(Source::Api, &revocation(json!({"jti": "t"}))).unwrap();
    revocations.keep().await.unwrap();
    let subject = Revocation { issued_before: Some(NOW + 1), until: Some(NOW + 30 * 24 * 3600), ..subject };
    assert_eq!(disk.read(), [(Source::Logout, subject)]);
    assert_eq!(disk.0.lock().unwrap().replaced, 0);
}

#[tokio::test]
async fn those_who_wait_for_the_journal_share_one_write() {
    let (revocations, disk) = kept();
    let tell = |n: u32| {
        let revocations = revocations.clone();
        async move {
            revocations.add(Source::Api, &revocation(json!({"jti": n.to_string()}))).unwrap();
            tokio::task::yield_now().await;
            revocations.keep().await.unwrap();
        }
    };
    futures_util::future::join_all((0..50).map(tell)).await;
    assert_eq!(disk.read().len(), 50);
    assert_eq!(disk.0.lock().unwrap().appended, 1);
}

#[tokio::test]
async fn what_could_not_be_written_counts_and_is_written_once_there_is_room() {
    let (revocations, disk) = kept();
    disk.is_full(true);
    revocations.add(Source::Api, &revocation(json!({"jti": "t"}))).unwrap();
    assert!(revocations.keep().await.is_err() && revocations.not_kept().is_some());
    assert!(revocations.is_revoked(&alice()));
    assert!(revocations.keep().await.is_err(), "still");
    disk.is_full(false);
    revocations.keep().await.unwrap();
    assert_eq!((disk.read().len(), revocations.not_kept()), (1, None));
    revocations.add(Source::Api, &revocation(json!({"jti": "u"}))).unwrap();
    revocations.keep().await.unwrap();
    assert_eq!((disk.read().len(), disk.0.lock().unwrap().appended), (2, 1));
}

#[tokio::test]
async fn a_journal_that_is_worn_is_replaced_by_what_counts() {
    let (revocations, disk) = kept();
    disk.0.lock().unwrap().is_worn = true;
    for _ in 0..3 {
        revocations.add(Source::Api, &revocation(json!({"jti": "t"}))).unwrap();
        revocations.keep().await.unwrap();
    }
    assert_eq!(disk.read().len(), 1);
    assert_eq!(disk.0.lock().unwrap().replaced, 3);
}

#[test]
fn a_line_of_the_journal_reads_as_it_was_written() {
    let revocation = revocation(json!({"sub": "alice", "withoutSid": true, "issuedBefore": 5, "until": 9}));
    let change = Change::Add(Told { source: Source::SecurityEvent, revocation });
    let line = serde_json::to_string(&change).unwrap();
    let told = r#"{"sub":"alice","withoutSid":true,"issuedBefore":5,"until":9}"#;
    assert_eq!(line, format!(r#"{{"add":{{"source":"security_event","revocation":{told}}}}}"#));
    assert_eq!(serde_json::from_str::<Change>(&line).unwrap(), change);
}

#[test]
fn what_a_journal_says_keeps_its_end_when_the_clock_is_not_set_yet() {
    let clock = Arc::new(ManualClock::at_unix_ms(0));
    let revocations = Revocations::new(clock);
    let given = revocation(json!({"jti": "t", "until": NOW}));
    let told = Told { source: Source::Api, revocation: given.clone() };
    revocations.repeat(&Change::Add(told)).unwrap();
    assert_eq!(revocations.list(), [(Source::Api, given)]);
}
