use std::os::unix::fs::PermissionsExt;

use bearward_guard::revocation::{Revocation, Source};
use bearward_token::ManualClock;
use serde_json::json;
use tempfile::TempDir;

use super::*;

const NOW: u64 = 1_800_000_000;

struct Scene {
    folder: TempDir,
    clock: Arc<ManualClock>,
}

impl Scene {
    fn new() -> Self {
        let clock = Arc::new(ManualClock::at_unix_ms(NOW * 1000));
        Self { folder: tempfile::tempdir().unwrap(), clock }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("journal.jsonl")
    }

    /// As after a start.
    fn open(&self) -> Result<Arc<Revocations>, JournalError> {
        open(&self.path(), Revocations::new(self.clock.clone())).map(Arc::new)
    }

    fn text(&self) -> String {
        fs::read_to_string(self.path()).unwrap()
    }
}

fn token(id: &str) -> Revocation {
    Revocation { jti: Some(id.into()), ..Revocation::default() }
}

fn ids(revocations: &Revocations) -> Vec<String> {
    let mut ids: Vec<_> = revocations.list().into_iter().filter_map(|(_, one)| one.jti).collect();
    ids.sort();
    ids
}

async fn revoke(revocations: &Arc<Revocations>, id: &str) {
    revocations.add(Source::Api, &token(id)).unwrap();
    revocations.keep().await.unwrap();
}

#[tokio::test]
async fn what_was_revoked_and_not_taken_back_is_known_after_a_restart_and_for_its_owner_alone() {
    let scene = Scene::new();
    let first = scene.open().unwrap();
    revoke(&first, "a").await;
    revoke(&first, "b").await;
    let subject = Revocation { sub: Some("alice".into()), without_sid: true, ..Revocation::default() };
    first.add_all(Source::Logout, &[subject, token("c")]).unwrap();
    first.keep().await.unwrap();
    assert!(first.remove(Source::Api, &token("b")).unwrap());
    first.keep().await.unwrap();
    assert_eq!(scene.text().lines().count(), 5);
    let mut known = first.list();
    drop(first);

    scene.clock.advance(Duration::from_secs(3600));
    let second = scene.open().unwrap();
    let mut kept = second.list();
    let order = |(source, one): &(Source, Revocation)| json!([source, one]).to_string();
    known.sort_by_key(order);
    kept.sort_by_key(order);
    assert_eq!(kept, known, "to the second");
    assert_eq!(scene.text().lines().count(), 3, "what is over is left out");
    assert_eq!(fs::metadata(scene.path()).unwrap().permissions().mode() & 0o777, 0o600);
    let files: Vec<_> =
        fs::read_dir(scene.folder.path()).unwrap().map(|file| file.unwrap().file_name()).collect();
    assert_eq!(files, ["journal.jsonl"]);
}

#[tokio::test]
async fn a_last_line_that_was_torn_off_anywhere_is_left_out_and_the_rest_is_known() {
    let scene = Scene::new();
    let first = scene.open().unwrap();
    revoke(&first, "a").await;
    let whole = scene.text().len();
    revoke(&first, "b").await;
    drop(first);
    let text = scene.text();
    for end in whole..=text.len() {
        fs::write(scene.path(), &text[..end]).unwrap();
        let revocations = scene.open().unwrap();
        // All but the end of the line says everything.
        let expected: &[&str] = if end + 1 < text.len() { &["a"] } else { &["a", "b"] };
        assert_eq!(ids(&revocations), expected, "{end}");
        revoke(&revocations, "c").await;
        drop(revocations);
        assert!(ids(&scene.open().unwrap()).contains(&"c".to_owned()), "{end}");
    }
}

#[tokio::test]
async fn a_file_that_ends_in_a_block_that_was_never_written_is_read_up_to_there() {
    let scene = Scene::new();
    revoke(&scene.open().unwrap(), "a").await;
    let text = scene.text();
    fs::write(scene.path(), [text.as_bytes(), &[0; 4096]].concat()).unwrap();
    assert_eq!(ids(&scene.open().unwrap()), ["a"]);
}

#[tokio::test]
async fn a_broken_line_that_is_whole_keeps_it_from_starting_and_is_named() {
    let scene = Scene::new();
    let good = r#"{"add":{"source":"api","revocation":{"jti":"a","until":1900000000}}}"#;
    for (bad, line) in [
        (format!("{good}\nnonsense\n{good}\n"), 2),
        (format!("{good}\n{good}\nnonsense\n"), 3),
        (format!("\n{good}\n"), 1),
        (format!("{good}\n{good}{good}\n"), 2),
        (r#"{"add":{"source":"api","revocation":{"jti":"a","sid":"b"}}}"#.to_owned() + "\n", 1),
        (r#"{"add":{"source":"api","revocation":{"jti":"a","newer":1}}}"#.to_owned() + "\n", 1),
    ] {
        fs::write(scene.path(), &bad).unwrap();
        let error = scene.open().unwrap_err();
        assert!(matches!(error, JournalError::Line { line: at, .. } if at == line), "{bad}: {error}");
        assert!(error.to_string().contains(&format!("journal.jsonl, line {line}: ")), "{error}");
        assert_eq!(scene.text(), bad, "nothing of it is lost");
    }
}

#[tokio::test]
async fn a_journal_that_cannot_be_written_is_told_of_and_written_as_soon_as_it_can_be() {
    let scene = Scene::new();
    let revocations = scene.open().unwrap();
    let probe = RevocationJournal::tend(scene.path(), revocations.clone(), scene.clock.clone());
    revoke(&revocations, "a").await;
    assert_eq!(probe.condition(), Condition::Ready);

    let elsewhere = scene.folder.path().join("elsewhere");
    fs::create_dir(scene.folder.path().join("journal.jsonl.new")).unwrap();
    fs::rename(scene.path(), &elsewhere).unwrap();
    revocations.add(Source::Api, &token("b")).unwrap();
    assert!(revocations.keep().await.is_err());
    assert_eq!(ids(&revocations), ["a", "b"], "it counts all the same");
    assert!(matches!(probe.condition(), Condition::Degraded { .. }), "{:?}", probe.condition());

    fs::remove_dir(scene.folder.path().join("journal.jsonl.new")).unwrap();
    for _ in 0..2000 {
        if probe.condition() == Condition::Ready {
            break;
        }
        scene.clock.advance(INTERVAL);
        // The writing is a blocking thread's, in real time.
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(probe.condition(), Condition::Ready);
    assert_eq!(scene.text().lines().count(), 2);
}

#[tokio::test]
async fn a_journal_that_somebody_moves_away_is_written_anew_where_it_belongs() {
    let scene = Scene::new();
    let revocations = scene.open().unwrap();
    revoke(&revocations, "a").await;
    fs::remove_file(scene.path()).unwrap();
    revoke(&revocations, "b").await;
    assert_eq!(scene.text().lines().count(), 2);
}

#[tokio::test]
async fn two_processes_cannot_share_a_journal_however_often_it_was_written_anew() {
    let scene = Scene::new();
    let first = scene.open().unwrap();
    assert!(matches!(scene.open(), Err(JournalError::Taken { .. })));
    fs::remove_file(scene.path()).unwrap();
    revoke(&first, "a").await;
    assert!(matches!(scene.open(), Err(JournalError::Taken { .. })));
    drop(first);
    assert_eq!(ids(&scene.open().unwrap()), ["a"]);
}

#[tokio::test]
async fn a_link_to_a_journal_stays_a_link() {
    let scene = Scene::new();
    let real = scene.folder.path().join("volume");
    std::os::unix::fs::symlink(&real, scene.path()).unwrap();
    revoke(&scene.open().unwrap(), "a").await;
    assert!(fs::symlink_metadata(scene.path()).unwrap().is_symlink());
    assert_eq!(fs::read_to_string(&real).unwrap().lines().count(), 1);
}

#[tokio::test]
async fn a_journal_that_holds_much_that_is_over_is_written_anew() {
    let scene = Scene::new();
    let revocations = scene.open().unwrap();
    for _ in 0..MOST_OVER {
        revocations.add(Source::Api, &token("a")).unwrap();
    }
    revocations.keep().await.unwrap();
    assert_eq!(scene.text().lines().count(), MOST_OVER);
    revoke(&revocations, "b").await;
    assert_eq!(scene.text().lines().count(), 2);
    revoke(&revocations, "c").await;
    assert_eq!(scene.text().lines().count(), 3);
}

#[test]
fn a_place_that_cannot_be_used_is_an_error_that_names_it() {
    let scene = Scene::new();
    let path = scene.folder.path().join("none/journal.jsonl");
    let error = open(&path, Revocations::new(scene.clock.clone())).unwrap_err();
    assert!(matches!(error, JournalError::Unusable { .. }), "{error}");
    assert!(error.to_string().contains("none/journal.jsonl"), "{error}");
}
