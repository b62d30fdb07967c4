//! Callers' own tokens: many, kept while they are used.

use super::scene::*;
use crate::Label;
use crate::dependents::{Dependents, MOST_HELD};
use crate::manager::MAX_ON_USE;

fn own(scene: &Scene, caller: &str, script: &Arc<Script>) -> Handle {
    let script = script.clone();
    scene.manager.on_use(&Label::new("own", &scene.observer), &key(caller), || script)
}

async fn text(handle: &Handle) -> String {
    handle.ensure_access(&Wanted::default()).await.unwrap().token().expose().to_owned()
}

#[tokio::test]
async fn nothing_is_refreshed_while_nobody_asks_and_no_task_stays() {
    let scene = Scene::new();
    let handle = own(&scene, "alice", &scene.script);
    assert_eq!(text(&handle).await, "token-1");
    settle().await;
    assert_eq!(scene.clock.sleepers(), 0);
    scene.pass(LIFE * 3).await;
    assert_eq!(scene.script.asked(), 1);
    assert_eq!(handle.condition(), Condition::Ready, "that nobody asks is no reason to be down");
    assert_eq!(text(&handle).await, "token-2");
}

// HARD 5
#[tokio::test]
async fn in_the_soft_window_it_is_refreshed_for_the_next_who_asks_and_nobody_waits() {
    let scene = Scene::new();
    let handle = own(&scene, "alice", &scene.script);
    text(&handle).await;
    scene.clock.advance(LIFE - S * 200);
    scene.script.hold();
    for _ in 0..50 {
        assert_eq!(text(&handle).await, "token-1");
        settle().await;
    }
    assert_eq!(scene.script.asked(), 2);
    scene.script.let_go();
    settle().await;
    assert_eq!(text(&handle).await, "token-2");
}

// HARD 5
#[tokio::test]
async fn a_failing_refresh_goes_on_until_the_token_is_dead_and_ends_then() {
    let scene = Scene::new();
    let handle = own(&scene, "alice", &scene.script);
    text(&handle).await;
    scene.script.fail_always(Some(down()));
    scene.clock.advance(LIFE - S * 200);
    assert_eq!(text(&handle).await, "token-1");
    scene.pass(S * 100).await;
    let tried = scene.script.asked();
    assert!(tried > 3, "goes on although nobody asks: {tried}");
    assert_eq!(text(&handle).await, "token-1");
    scene.pass(S * 200).await;
    let tried = scene.script.asked();
    assert_eq!(scene.clock.sleepers(), 0, "its task has ended");
    scene.pass(LIFE).await;
    assert_eq!(scene.script.asked(), tried);
    assert!(
        matches!(handle.condition(), Condition::Degraded { .. }),
        "the next who asks may have better luck"
    );
    scene.script.fail_always(None);
    assert_eq!(text(&handle).await, format!("token-{}", tried + 1));
}

/// Callers that ask without a pause, of tokens that die without a pause: whoever asks just when a task ends must find
/// another.
async fn nobody_is_left_waiting() {
    let clock = Arc::new(ManualClock::at_unix_ms(1_800_000_000_000));
    // A store gives a task something to do after it has answered.
    let store = super::server::memory(&clock);
    let scene = Scene::of(clock.clone(), Arc::default(), Upkeep::OnUse, Some(store));
    let handle = scene.handle.clone();
    let time = tokio::spawn(async move {
        loop {
            clock.advance(S * 500);
            tokio::task::yield_now().await;
        }
    });
    let callers: Vec<_> = (0..8)
        .map(|_| {
            let (handle, script) = (handle.clone(), scene.script.clone());
            let wanted = Wanted { patience: LIFE * 1_000_000, ..Wanted::default() };
            tokio::spawn(async move {
                while script.asked() < 300 {
                    // Where time leaps in the middle of a request, that is an answer too.
                    if let Err(error) = handle.ensure_access(&wanted).await {
                        assert_ne!(error.failure.outcome(), "deadline");
                    }
                    tokio::task::yield_now().await;
                }
            })
        })
        .collect();
    for caller in callers {
        tokio::time::timeout(S * 20, caller).await.expect("left waiting").unwrap();
    }
    time.abort();
}

#[tokio::test]
async fn who_asks_when_a_task_ends_is_not_left_waiting() {
    nobody_is_left_waiting().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn who_asks_when_a_task_ends_on_another_thread_is_not_left_waiting_either() {
    nobody_is_left_waiting().await;
}

#[tokio::test]
async fn who_asks_while_a_task_has_answered_and_not_ended_yet_is_not_left_waiting() {
    let clock = Arc::new(ManualClock::at_unix_ms(1_800_000_000_000));
    let store = super::server::Scripted::new(super::server::memory(&clock));
    let scene = Scene::of(clock, Arc::default(), Upkeep::OnUse, Some(store.clone()));
    let hold = store.hold_puts();
    assert_eq!(scene.token().await, "token-1");
    settle().await;
    assert!(scene.manager.invalidate(&key("notes"), &AccessToken::new("token-1")));
    let caller = scene.caller();
    settle().await;
    store.let_go();
    hold.notify_one();
    settle().await;
    assert!(caller.is_finished());
    assert_eq!(caller.await.unwrap().unwrap(), "token-2");
}

#[tokio::test]
async fn as_many_are_kept_as_may_be_and_the_one_that_was_not_used_for_longest_goes() {
    let scene = Scene::new();
    let kept = &scene.manager.on_use;
    let is_kept = |caller: &str| kept.contains_key(&key(caller).digest());
    for caller in 0..MAX_ON_USE {
        own(&scene, &caller.to_string(), &scene.script);
    }
    kept.run_pending_tasks();
    own(&scene, "0", &scene.script);
    for late in ["late", "later"] {
        own(&scene, late, &scene.script);
        kept.run_pending_tasks();
    }
    assert_eq!(kept.entry_count(), MAX_ON_USE);
    let there = ["0", "1", "2", "3", "late", "later"].map(is_kept);
    assert_eq!(there, [true, false, false, true, true, true]);
    // The cache reads a clock of its own: that it forgets is its makers' promise, after how long is ours.
    assert_eq!(kept.policy().time_to_idle(), Some(LIFE));
}

#[tokio::test]
async fn callers_however_many_push_out_no_users_login() {
    let scene = Scene::new();
    let of_user = |script: &Arc<Script>| {
        let script = script.clone();
        scene.manager.of_login(&Label::new("session", &scene.observer), &key("a user"), || script)
    };
    assert_eq!(text(&of_user(&scene.script)).await, "token-1");
    for caller in 0..=MAX_ON_USE {
        own(&scene, &caller.to_string(), &scene.script);
    }
    scene.manager.on_use.run_pending_tasks();
    let nobody = Arc::new(Script::default());
    assert_eq!(text(&of_user(&nobody)).await, "token-1");
    assert_eq!(nobody.asked(), 0);
    scene.manager.log_out(&key("a user")).await.unwrap();
    assert!(
        !scene.manager.of_logins.contains_key(&key("a user").digest()),
        "nothing is kept of who has gone"
    );
}

#[tokio::test]
async fn one_that_is_forgotten_while_a_caller_waits_still_answers_and_refreshes_no_more_when_it_has_gone() {
    let scene = Scene::new();
    let handle = own(&scene, "alice", &scene.script);
    scene.script.hold();
    let caller = tokio::spawn(async move {
        let first = text(&handle).await;
        (handle, first)
    });
    settle().await;
    let forget = || {
        scene.manager.on_use.invalidate(&key("alice").digest());
        scene.manager.on_use.run_pending_tasks();
    };
    forget();
    scene.script.let_go();
    let (handle, first) = caller.await.unwrap();
    assert_eq!(first, "token-1");

    scene.script.fail_always(Some(down()));
    scene.clock.advance(LIFE - S * 200);
    text(&handle).await;
    drop(handle);
    scene.pass(S * 60).await;
    let tried = scene.script.asked();
    scene.pass(S * 60).await;
    assert_eq!((scene.script.asked(), scene.clock.sleepers()), (tried, 0), "nobody is left to fetch for");
}

// HARD 3
#[tokio::test]
async fn two_callers_tokens_never_change_places() {
    let scene = Scene::new();
    let scripts = [Arc::new(Script::default()), Arc::new(Script::default())];
    scripts[0].then(Ok(("of alice", LIFE)));
    scripts[1].then(Ok(("of bob", LIFE)));
    let holds = scripts.each_ref().map(|script| script.hold());
    let [alice, bob] = ["alice", "bob"].map(|caller| {
        let script = &scripts[usize::from(caller == "bob")];
        let handle = own(&scene, caller, script);
        tokio::spawn(async move { text(&handle).await })
    });
    settle().await;
    // The later one is answered first.
    holds[1].notify_one();
    settle().await;
    holds[0].notify_one();
    assert_eq!((alice.await.unwrap().as_str(), bob.await.unwrap().as_str()), ("of alice", "of bob"));
    let nobody = Arc::new(Script::default());
    for (caller, expected) in [("alice", "of alice"), ("bob", "of bob")] {
        assert_eq!(text(&own(&scene, caller, &nobody)).await, expected);
    }
    assert_eq!(nobody.asked(), 0);
}

// HARD 14
#[tokio::test]
async fn what_was_taken_along_is_held_until_the_end_while_it_has_something_and_at_most_so_many() {
    let clock = Arc::new(ManualClock::at_unix_ms(1_800_000_000_000));
    let all = Dependents::default();
    let mut entries = Vec::new();
    for nth in 0..MOST_HELD + 2 {
        let manager = TokenManager::new(clock.clone(), Observer::new(), 1);
        let handle = manager.handle("notes", &key("notes"), Arc::new(Script::default()));
        if nth > 0 {
            handle.ensure_access(&Wanted::default()).await.unwrap();
        }
        assert!(all.add((&handle).into()).is_none());
        entries.push(Arc::downgrade(handle.entry()));
    }
    assert_eq!(entries[0].strong_count(), 0, "it had no token, and nobody else had it");
    // The managers' tasks have ended.
    settle().await;
    let held = entries.iter().filter(|entry| entry.strong_count() > 0).count();
    assert_eq!(held, MOST_HELD, "the managers have gone");
    assert_eq!(entries[1].strong_count(), 0, "the oldest is the first that is let go");
    all.forget();
    assert!(entries.iter().all(|entry| entry.strong_count() == 0));
}
