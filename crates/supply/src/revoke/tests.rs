use bearward_observe::Observer;
use bearward_store::{SealedFiles, SealingKeys};
use bearward_token::{ManualClock, SealingKey};

use super::*;
use crate::gate::Urgency;
use crate::tests::server::{Server, memory, value};
use crate::{ClientCredentials, TokenManager, Wanted};

const S: Duration = Duration::from_secs(1);

struct Scene {
    clock: Arc<ManualClock>,
    server: Arc<Server>,
    queue: Arc<dyn Store>,
    revoker: Revoker,
}

impl Scene {
    fn new() -> Self {
        let clock = Arc::new(ManualClock::at_unix_ms(1_800_000_000_000));
        let queue = memory(&clock);
        Self::of(clock, Server::new("refresh-0"), queue)
    }

    fn of(clock: Arc<ManualClock>, server: Arc<Server>, queue: Arc<dyn Store>) -> Self {
        let revoker = Revoker::start(Arc::new(server.request(&clock)), queue.clone());
        Self { clock, server, queue, revoker }
    }

    async fn revoke(&self, token: &str) -> Result<Revoked, Failure> {
        self.revoker.revoke(&[(&AccessToken::new(token)).into()]).await
    }

    fn is_down(&self, is_down: bool) {
        *self.server.is_down.lock().unwrap() = is_down;
    }

    /// Moves time in steps, letting every task run in between.
    async fn pass(&self, time: Duration) {
        for _ in 0..time.as_secs() / 10 {
            self.clock.advance(S * 10);
            settle().await;
        }
    }

    async fn queued(&self) -> usize {
        self.queue.list(Purpose::Revocation).await.unwrap().places.len()
    }
}

async fn settle() {
    for _ in 0..30 {
        tokio::task::yield_now().await;
    }
}

// RFC 7009 §2.1
#[tokio::test]
async fn a_token_is_revoked_by_its_kind_as_the_client_that_it_was_issued_to() {
    let scene = Scene::new();
    let (access, refresh) = (AccessToken::new("access-1"), RefreshToken::new("refresh-1"));
    let outcome = scene.revoker.revoke(&[(&refresh).into(), (&access).into()]).await;
    assert_eq!(outcome, Ok(Revoked::Done));
    let shown = scene.server.shown.lock().unwrap().clone();
    let fields = |at: usize, name| value(&shown[at].1, name).unwrap();
    for (at, token, hint) in [(0, "refresh-1", "refresh_token"), (1, "access-1", "access_token")] {
        assert_eq!(shown[at].0, "https://as.example/revoke");
        assert_eq!((fields(at, "token").as_str(), fields(at, "token_type_hint").as_str()), (token, hint));
        assert_eq!(
            (fields(at, "client_id").as_str(), fields(at, "client_secret").as_str()),
            ("client", "client-secret")
        );
    }
    assert_eq!((scene.revoker.waiting(), scene.queued().await), (0, 0));
}

// HARD 14
#[tokio::test]
async fn while_the_server_is_down_it_is_queued_and_told_once_it_is_up_again() {
    let scene = Scene::new();
    scene.is_down(true);
    assert_eq!(scene.revoke("access-1").await, Ok(Revoked::Queued));
    assert_eq!((scene.revoker.waiting(), scene.queued().await), (1, 1));
    scene.pass(S * 3600).await;
    scene.is_down(false);
    scene.pass(S * 3600).await;
    assert_eq!(scene.server.count("revoke access_token access-1"), 1);
    assert_eq!((scene.revoker.waiting(), scene.queued().await), (0, 0));
}

// HARD 14, HARD 20
#[tokio::test]
async fn what_is_queued_outlives_the_process_sealed_and_is_told_by_the_next() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::at_unix_ms(1_800_000_000_000));
    let open = async || {
        let key = SealingKey::new("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8");
        loop {
            let keys = SealingKeys::parse([&key]).unwrap();
            match SealedFiles::open(folder.path(), keys, clock.clone()).await {
                Ok(files) => return Arc::new(files),
                Err(StoreError::InUse { .. }) => tokio::task::yield_now().await,
                Err(error) => panic!("{error}"),
            }
        }
    };
    let server = Server::new("refresh-0");
    let scene = Scene::of(clock.clone(), server.clone(), open().await);
    scene.is_down(true);
    assert_eq!(scene.revoke("secret-access-token").await, Ok(Revoked::Queued));
    drop(scene);
    for entry in std::fs::read_dir(folder.path().join("records")).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        assert!(!String::from_utf8_lossy(&bytes).contains("secret-access-token"));
    }
    *server.is_down.lock().unwrap() = false;
    let scene = Scene::of(clock.clone(), server.clone(), open().await);
    while server.count("revoke access_token secret-access-token") == 0 || scene.revoker.waiting() > 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(scene.queued().await, 0);
}

// HARD 14
#[tokio::test]
async fn a_server_that_revokes_nothing_or_not_this_kind_is_told_of_nothing_and_nothing_is_queued() {
    let scene = Scene::new();
    scene.server.revokes_with(400, r#"{"error":"unsupported_token_type"}"#);
    assert_eq!(scene.revoke("access-1").await, Ok(Revoked::NotOffered));
    let scene = Scene::new();
    scene.server.offers_no_revocation();
    assert_eq!(scene.revoke("access-1").await, Ok(Revoked::NotOffered));
    assert_eq!((scene.revoker.waiting(), scene.queued().await), (0, 0));
    assert_eq!(scene.server.log(), Vec::<String>::new());
}

#[tokio::test]
async fn a_refusal_is_not_taken_for_an_answer_and_the_whole_says_what_is_worst() {
    let scene = Scene::new();
    scene.server.revokes_with(401, r#"{"error":"invalid_client"}"#);
    assert_eq!(scene.revoke("access-1").await, Ok(Revoked::Queued));
    let nothing: [Revocable; 0] = [];
    assert_eq!(scene.revoker.revoke(&nothing).await, Ok(Revoked::Nothing));
}

#[tokio::test]
async fn the_pause_grows_to_an_hour_and_one_dead_server_is_not_asked_for_each_token() {
    let scene = Scene::new();
    scene.is_down(true);
    for n in 0..50 {
        scene.revoke(&format!("access-{n}")).await.unwrap();
    }
    scene.server.log();
    scene.pass(S * 3600).await;
    let first_hour = scene.server.log().len();
    assert!((5..=8).contains(&first_hour), "30 s, 60 s, … : {first_hour}");
    scene.pass(S * 3600 * 10).await;
    let later = scene.server.log().len();
    assert!((9..=11).contains(&later), "one in an hour: {later}");
    scene.is_down(false);
    scene.pass(S * 3600).await;
    assert_eq!((scene.server.count("revoke"), scene.revoker.waiting()), (50, 0));
}

// HARD 16
#[tokio::test]
async fn a_server_that_asks_for_a_pause_is_left_alone_for_so_long() {
    let scene = Scene::new();
    scene.server.revokes_after("1800");
    for n in 0..5 {
        scene.revoke(&format!("access-{n}")).await.unwrap();
    }
    scene.server.log();
    scene.pass(S * 1700).await;
    assert_eq!(scene.server.count("revoke"), 1, "30 s after the first, before it asked in vain");
    scene.server.revokes_with(200, "");
    scene.pass(S * 200).await;
    assert_eq!((scene.server.count("revoke"), scene.revoker.waiting()), (6, 0));
}

/// A token of the same client.
fn handle(scene: &Scene) -> (TokenManager, Handle) {
    let manager = TokenManager::new(scene.clock.clone(), Observer::new(), 7);
    let grant = ClientCredentials::new(scene.server.request(&scene.clock));
    let handle = manager.handle("notes", &grant.key(), Arc::new(grant));
    scene.revoker.keep_to_pauses_of(&handle);
    (manager, handle)
}

// HARD 14, HARD 16
#[tokio::test]
async fn a_pause_that_was_asked_of_the_clients_tokens_is_kept_to_and_holds_no_logout_up() {
    let scene = Scene::new();
    let (_manager, handle) = handle(&scene);
    handle.entry().gate.hold_back(S * 300, scene.clock.monotonic());
    assert_eq!(scene.revoke("access-1").await, Ok(Revoked::Queued));
    scene.pass(S * 290).await;
    assert_eq!(scene.server.log(), Vec::<String>::new(), "nobody is asked before");
    scene.pass(S * 300).await;
    assert_eq!((scene.server.count("revoke"), scene.revoker.waiting()), (1, 0));
}

// HARD 16
#[tokio::test]
async fn a_pause_that_a_revocation_is_asked_for_holds_for_the_clients_tokens_too() {
    let scene = Scene::new();
    let (_manager, handle) = handle(&scene);
    scene.server.revokes_after("300");
    assert_eq!(scene.revoke("access-1").await, Ok(Revoked::Queued));
    let error = handle.ensure_access(&Wanted::default()).await.unwrap_err();
    assert_eq!(*error.failure, Failure::Paused { left: S * 300 });
    assert_eq!(scene.server.count("spend"), 0);
}

// HARD 16
#[tokio::test]
async fn a_server_that_the_breaker_leaves_alone_is_told_of_no_logout_meanwhile() {
    let scene = Scene::new();
    let (_manager, handle) = handle(&scene);
    let broken = Failure::Unavailable { status: 503, retry_after: None };
    let now = scene.clock.monotonic();
    let gate = &handle.entry().gate;
    (0..5).for_each(|_| gate.pass(now, Urgency::Needed).unwrap().failed(&broken, now));
    assert_eq!(scene.revoke("access-1").await, Ok(Revoked::Queued));
    assert_eq!(scene.server.count("revoke"), 0);
    scene.pass(S * 120).await;
    assert_eq!((scene.server.count("revoke"), scene.revoker.waiting()), (1, 0));
}

#[tokio::test]
async fn one_token_that_is_refused_again_and_again_does_not_keep_the_others() {
    let scene = Scene::new();
    scene.server.revokes_with(400, r#"{"error":"invalid_request"}"#);
    for n in 0..3 {
        scene.revoke(&format!("access-{n}")).await.unwrap();
    }
    scene.server.log();
    scene.pass(S * 30).await;
    assert_eq!(scene.server.count("revoke"), 3);
}

#[tokio::test]
async fn what_could_not_be_revoked_for_thirty_days_is_given_up() {
    let scene = Scene::new();
    scene.is_down(true);
    scene.revoke("access-1").await.unwrap();
    scene.clock.advance(LONGEST);
    settle().await;
    scene.server.log();
    scene.pass(S * 3600 * 2).await;
    assert_eq!((scene.revoker.waiting(), scene.server.log().len()), (0, 0));
}

// HARD 14
#[tokio::test]
async fn a_server_that_hangs_holds_a_logout_for_five_seconds_at_most() {
    let scene = Scene::new();
    scene.server.hold();
    let Scene { clock, server, queue: _queue, revoker } = scene;
    let leaving = tokio::spawn(async move {
        let outcome = revoker.revoke(&[(&AccessToken::new("access-1")).into()]).await;
        (outcome, revoker.waiting())
    });
    settle().await;
    assert_eq!(server.count("revoke"), 1);
    clock.advance(S * 5);
    assert_eq!(leaving.await.unwrap(), (Ok(Revoked::Queued), 1));
}

// HARD 20
#[tokio::test]
async fn nothing_shows_a_token_that_is_to_be_revoked() {
    let scene = Scene::new();
    let revocable = Revocable::from(&RefreshToken::new("secret-refresh"));
    let shown = format!("{:?} {revocable:?} {:?}", scene.revoker, scene.revoker.inner.place(&revocable));
    assert!(shown.contains("Revoker(") && !shown.contains("secret-refresh"), "{shown}");
}
