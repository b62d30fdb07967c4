//! A logout at any moment (HARD 14).

use super::scene::*;

#[test]
fn nothing_that_was_asked_for_before_a_logout_is_there_after_it() {
    for upkeep in [Upkeep::Always, Upkeep::OnUse] {
        check(move || logout_among_callers(upkeep));
    }
}

fn logout_among_callers(upkeep: Upkeep) {
    let scene = Scene::new(upkeep);
    let during = [scene.caller(), scene.caller()];
    // Requests up to this one left before the logout began.
    let logout = spawn({
        let (server, handle) = (scene.server.clone(), scene.handle.clone());
        async move {
            let before = server.asked();
            handle.log_out().await.unwrap();
            (before, token(&handle).await)
        }
    });
    let (before, after) = block_on(logout).unwrap();
    match after {
        Ok(number) => assert!(number > before, "token {number} was handed out after the logout"),
        Err(failure) => assert_eq!(*failure, Failure::LoggedOut),
    }
    for caller in during {
        if let Err(failure) = block_on(caller).unwrap() {
            assert_eq!(*failure, Failure::LoggedOut);
        }
    }
    block_on(async {
        while scene.server.is_busy() || scene.handle.entry().state().is_fetching {
            yield_now().await;
        }
    });
    let kept = scene.current();
    assert!(kept.is_none_or(|number| number > before), "token {kept:?} was kept after the logout");
    // The end of a token that came too late is told to the server after everybody has been told.
    let lost = || (1..=before).find(|number| !scene.server.has_ended(*number));
    block_on(async {
        for _ in 0..1000 {
            if lost().is_some() {
                yield_now().await;
            }
        }
    });
    assert_eq!(lost(), None, "this token is neither kept nor ended");
}

#[test]
fn a_keeper_that_wakes_by_itself_in_the_moment_of_a_logout_fetches_nothing_that_is_kept() {
    check(|| {
        let scene = Scene::that_wakes();
        // The first, or already the next one.
        assert!(block_on(token(&scene.handle)).is_ok());
        let logout = spawn({
            let handle = scene.handle.clone();
            async move { handle.log_out().await.unwrap() }
        });
        block_on(logout).unwrap();
        // Whatever the keeper was about to do, it has the time for it; nobody asks.
        block_on(async {
            for _ in 0..60 {
                yield_now().await;
            }
        });
        assert_eq!(scene.current(), None, "of {} requests", scene.server.asked());
    });
}
