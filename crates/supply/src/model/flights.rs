//! One request for all who wait, whoever goes away, and no wake-up is lost.

use super::scene::*;

#[test]
fn cold_callers_cost_one_request_and_all_get_its_token() {
    // HARD 1
    for upkeep in [Upkeep::Always, Upkeep::OnUse] {
        check(move || {
            let scene = Scene::new(upkeep);
            let callers: Vec<_> = (0..4).map(|_| scene.caller()).collect();
            for caller in callers {
                assert_eq!(block_on(caller).unwrap(), Ok(1));
            }
            assert_eq!(scene.server.asked(), 1, "requests");
        });
    }
}

#[test]
fn a_caller_that_goes_away_at_any_moment_neither_ends_nor_restarts_the_flight() {
    // HARD 2
    check(|| {
        let scene = Scene::new(Upkeep::OnUse);
        let starter = scene.caller();
        let others = [scene.caller(), scene.caller()];
        starter.abort();
        let gone = block_on(starter);
        assert!(gone.is_err() || matches!(gone, Ok(Ok(1))), "{gone:?}");
        for other in others {
            assert_eq!(block_on(other).unwrap(), Ok(1));
        }
        assert_eq!(scene.server.asked(), 1, "requests");
    });
}

#[test]
fn who_asks_in_the_moment_in_which_a_keeper_ends_is_served() {
    check(|| {
        let scene = Scene::new(Upkeep::OnUse);
        let callers: Vec<_> = (0..3)
            .map(|_| {
                let handle = scene.handle.clone();
                spawn(async move {
                    let wanted = Wanted::default();
                    let first = handle.ensure_access(&wanted).await.unwrap();
                    // Its keeper is about to end, ends, or has ended.
                    let other = handle.instead_of(&first, &wanted).await.unwrap();
                    other.map(|other| ended(Ok(other)).unwrap())
                })
            })
            .collect();
        for caller in callers {
            assert!(matches!(block_on(caller).unwrap(), None | Some(2)), "forced more than once");
        }
        assert_eq!(scene.server.asked(), 2, "requests");
    });
}

#[test]
fn a_refused_token_goes_and_the_one_that_a_flight_brings_stays() {
    // HARD 15
    check(|| {
        let scene = Scene::new(Upkeep::OnUse);
        let wanted = Wanted::default();
        let first = block_on(scene.handle.ensure_access(&wanted)).unwrap();
        scene.clock.advance(LIFE * 3 / 4);
        let by = |how: fn(&Handle, &crate::Supplied) -> bool| {
            let (handle, first) = (scene.handle.clone(), first.clone());
            spawn(async move { how(&handle, &first) })
        };
        let droppers = [by(Handle::invalidate), by(Handle::invalidate)];
        let forcing = spawn({
            let (handle, first) = (scene.handle.clone(), first.clone());
            async move { handle.instead_of(&first, &wanted).await.map(|_| ()) }
        });
        let ahead = spawn({
            let (handle, wanted) = (scene.handle.clone(), Wanted { min_ttl: LIFE, ..wanted });
            async move { ended(handle.ensure_access(&wanted).await) }
        });
        let dropped = droppers.map(|dropper| block_on(dropper).unwrap());
        block_on(forcing).unwrap().unwrap();
        block_on(ahead).unwrap().unwrap();
        assert!(dropped.iter().filter(|dropped| **dropped).count() <= 1, "dropped twice");
        // Whoever was first, there was one flight, and what it brought is there.
        let last = block_on(token(&scene.handle)).unwrap();
        let asked = scene.server.asked();
        assert!(asked <= 2, "{asked} requests");
        assert!(scene.server.is_busy() || last == asked, "token {asked} is gone");
    });
}
