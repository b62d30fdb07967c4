#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use bearward_store::Memory;
use bearward_token::ManualClock;

use super::*;

const HOUR: Duration = Duration::from_secs(3600);
const LIVES: Lives = Lives { idle: HOUR, absolute: Duration::from_secs(8 * 3600) };

struct Scene {
    clock: Arc<ManualClock>,
    store: Arc<Memory>,
    sessions: Sessions,
    revocations: Arc<Revocations>,
}

impl Scene {
    fn new() -> Self {
        let clock = Arc::new(ManualClock::at_unix_ms(1_800_000_000_000));
        let store = Arc::new(Memory::new(100, clock.clone()));
        let issuer = "https://idp.example".parse().unwrap();
        let revocations = Arc::new(Revocations::new(clock.clone()));
        let sessions = Sessions::new(store.clone(), clock.clone(), issuer, "app", LIVES, revocations.clone());
        Self { clock, store, sessions, revocations }
    }

    async fn sign_in(&self) -> Secret {
        self.sessions.begin(Session::new("alice")).await.unwrap()
    }

    async fn is_open(&self, cookie: &Secret) -> bool {
        self.sessions.look(cookie).await.unwrap().is_some()
    }
}

// HARD 30
#[tokio::test]
async fn a_session_is_found_by_its_cookie_and_by_no_other() {
    let scene = Scene::new();
    let (one, other) = (scene.sign_in().await, scene.sign_in().await);
    assert_ne!(one, other);
    let Entered::Open(session) = scene.sessions.enter(&one).await.unwrap() else { panic!("it is open") };
    assert_eq!(session.subject.as_str(), "alice");
    assert!(!scene.is_open(&Secret::new().unwrap()).await);
    let shown = format!("{session:?} {:?} {:?}", scene.sessions, scene.store);
    assert!(!shown.contains(one.expose()), "{shown}");
}

// HARD 30
#[tokio::test]
async fn a_login_gives_a_new_cookie_and_what_was_there_before_opens_nothing_any_more() {
    let scene = Scene::new();
    let planted = scene.sign_in().await;
    let own = scene.sessions.begin(Session::new("bob")).await.unwrap();
    assert!(scene.sessions.end(&planted).await.unwrap());
    assert_ne!(own, planted);
    assert!(!scene.is_open(&planted).await && scene.is_open(&own).await);
}

// HARD 14, HARD 30
#[tokio::test]
async fn after_a_logout_the_cookie_is_worth_nothing_and_a_late_use_brings_nothing_back() {
    let scene = Scene::new();
    let cookie = scene.sign_in().await;
    let (session, version) = scene.sessions.find(&cookie).await.unwrap().unwrap();
    assert!(scene.sessions.end(&cookie).await.unwrap());
    assert!(!scene.is_open(&cookie).await);
    let place = scene.sessions.place(&cookie);
    let late = scene.store.put(&place, session.pack(), None, Expected::Version(version)).await;
    assert!(late.is_err());
    assert!(!scene.is_open(&cookie).await);
    assert!(!scene.sessions.end(&cookie).await.unwrap(), "once more is no error");
}

#[tokio::test]
async fn an_idle_session_ends_and_a_used_one_goes_on_until_its_last_hour() {
    let scene = Scene::new();
    let cookie = scene.sign_in().await;
    for _ in 0..15 {
        scene.clock.advance(HOUR / 2);
        assert!(matches!(scene.sessions.enter(&cookie).await.unwrap(), Entered::Open(_)));
    }
    scene.clock.advance(HOUR / 2);
    assert!(!scene.is_open(&cookie).await, "eight hours are over");
    let idle = scene.sign_in().await;
    scene.clock.advance(HOUR - Duration::from_millis(1));
    assert!(scene.is_open(&idle).await);
    scene.clock.advance(Duration::from_millis(1));
    assert!(!scene.is_open(&idle).await);
    let entered = scene.sessions.enter(&idle).await.unwrap();
    assert_eq!(entered, Entered::Ended, "its tokens are there still, and are ended with it");
}

#[tokio::test]
async fn what_is_over_is_found_without_its_cookie_and_what_is_open_is_not() {
    let scene = Scene::new();
    let old = scene.sign_in().await;
    scene.clock.advance(HOUR / 2);
    let open = scene.sign_in().await;
    assert_eq!(scene.sessions.over().await.unwrap(), []);
    scene.clock.advance(HOUR / 2);
    assert_eq!(scene.sessions.over().await.unwrap(), [old.fingerprint()]);
    assert!(scene.sessions.end_by(&old.fingerprint()).await.unwrap());
    assert_eq!(scene.sessions.over().await.unwrap(), []);
    assert!(scene.is_open(&open).await);
}

// HARD 29
#[tokio::test]
async fn looking_at_a_session_does_not_make_it_live_longer() {
    let scene = Scene::new();
    let cookie = scene.sign_in().await;
    for _ in 0..3 {
        scene.clock.advance(HOUR / 4);
        assert!(scene.is_open(&cookie).await);
    }
    scene.clock.advance(HOUR / 4);
    assert!(!scene.is_open(&cookie).await);
}

#[tokio::test]
async fn many_requests_of_one_page_write_once() {
    let scene = Scene::new();
    let cookie = scene.sign_in().await;
    scene.clock.advance(HOUR / 2);
    let version = async || scene.sessions.find(&cookie).await.unwrap().unwrap().1;
    let before = version().await;
    for _ in 0..20 {
        scene.sessions.enter(&cookie).await.unwrap();
    }
    assert_eq!(version().await, before + 1);
}

#[tokio::test]
async fn a_record_of_another_version_is_no_session() {
    let scene = Scene::new();
    let cookie = Secret::new().unwrap();
    let place = scene.sessions.place(&cookie);
    scene.store.put(&place, SecretBytes::new(b"{}".to_vec()), None, Expected::Absent).await.unwrap();
    assert!(!scene.is_open(&cookie).await);
}

// HARD 23
#[tokio::test]
async fn a_session_that_its_issuer_ends_is_over_at_once_and_the_users_next_one_is_not() {
    use bearward_guard::revocation::{Revocation, Source};
    let scene = Scene::new();
    let mut alice = Session::new("alice");
    alice.session_id = Some("s-1".into());
    let one = scene.sessions.begin(alice.clone()).await.unwrap();
    alice.session_id = Some("s-2".into());
    let other = scene.sessions.begin(alice.clone()).await.unwrap();
    let issuer = Some("https://idp.example".to_owned());
    let of_session = Revocation { issuer: issuer.clone(), sid: Some("s-1".into()), ..Revocation::default() };
    scene.revocations.add(Source::Logout, &of_session).unwrap();
    assert!(!scene.is_open(&one).await && scene.is_open(&other).await);
    assert_eq!(scene.sessions.enter(&one).await.unwrap(), Entered::Ended);
    let before = Some(scene.clock.unix_seconds() + 1);
    let of_subject =
        Revocation { issuer, sub: Some("alice".into()), issued_before: before, ..Revocation::default() };
    scene.revocations.add(Source::Logout, &of_subject).unwrap();
    assert!(!scene.is_open(&other).await);
    scene.clock.advance(Duration::from_secs(2));
    let next = scene.sessions.begin(alice).await.unwrap();
    assert!(scene.is_open(&next).await);
}
