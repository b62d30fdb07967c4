//! A kept connection that the server closes: whoever asks next does not suffer for it.

use std::time::Duration;

use bearward_testbed::authorization_server::{Fault, Place};
use bearward_testbed::raw::Act;

use crate::world::World;

/// An answer that lets the connection be kept.
fn good() -> Act {
    let body = r#"{"access_token":"first","token_type":"Bearer","expires_in":60}"#;
    Act::text(format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len()))
}

#[tokio::test]
async fn a_connection_that_was_closed_while_it_was_idle_costs_no_failure() {
    let world = World::new().await;
    for end in [vec![good()], vec![good(), Act::Reset]] {
        let mut supply = world.supply();
        world.server.faults().next(Place::Token, 1, Fault::Raw { acts: end });
        assert_eq!(supply.token(&*world.clock).await.unwrap(), "first");
        world.clock.advance(Duration::from_secs(61));
        assert_ne!(supply.token(&*world.clock).await.unwrap(), "first");
        while let Ok(event) = supply.events.try_recv() {
            assert!(!format!("{event:?}").contains("failure: Some"), "{event:?}");
        }
        supply.manager.shut_down().await;
    }
}

// HARD 1, HARD 7
#[tokio::test]
async fn a_kept_connection_that_is_closed_on_the_next_request_costs_its_caller_a_moment_and_no_error() {
    let world = World::new().await;
    for end in [vec![], vec![Act::Reset]] {
        let supply = world.supply();
        let first = supply.token(&*world.clock).await.unwrap();
        let asked_before = world.fetch.posts();
        world.server.faults().next(Place::Token, 1, Fault::Raw { acts: end });
        world.clock.advance(Duration::from_secs(3601));
        let asking = tokio::spawn({
            let handle = supply.handle.clone();
            async move { handle.ensure_access(&Default::default()).await }
        });
        world.pass(Duration::from_secs(1)).await;
        assert!(asking.is_finished(), "the first backoff is half a second at most");
        let second = asking.await.unwrap().unwrap();
        assert_ne!(second.token().expose(), first);
        assert_eq!(world.fetch.posts() - asked_before, 2);
        supply.manager.shut_down().await;
    }
}
