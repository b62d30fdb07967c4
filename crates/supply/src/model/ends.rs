//! The end of the manager at any moment: nobody waits for ever.

use super::scene::*;

#[test]
fn at_a_clean_end_everybody_has_a_token_or_is_told() {
    for upkeep in [Upkeep::Always, Upkeep::OnUse] {
        check(move || {
            let scene = Scene::new(upkeep);
            let callers: Vec<_> = (0..3).map(|_| scene.caller()).collect();
            let Scene { server, manager, .. } = scene;
            let end = spawn(async move { manager.shut_down().await });
            callers.into_iter().for_each(token_or_stopped);
            block_on(end).unwrap();
            assert!(server.asked() <= 1, "requests");
        });
    }
}

#[test]
fn when_the_manager_is_dropped_everybody_has_a_token_or_is_told() {
    check(|| {
        let Scene { server, manager, handle, .. } = Scene::new(Upkeep::Always);
        let callers: Vec<_> = (0..3)
            .map(|_| {
                let handle = handle.clone();
                spawn(async move { token(&handle).await })
            })
            .collect();
        let end = spawn(async move { drop(manager) });
        callers.into_iter().for_each(token_or_stopped);
        block_on(end).unwrap();
        assert!(server.asked() <= 1, "requests");
    });
}

fn token_or_stopped(caller: JoinHandle<Ended>) {
    match block_on(caller).unwrap() {
        Ok(number) => assert_eq!(number, 1),
        Err(failure) => assert_eq!(*failure, Failure::Stopped),
    }
}
