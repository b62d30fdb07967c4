//! HARD 8: a good token whose lifetime is stated in an odd way is used, asked for seldom, and not for ever.

use std::time::Duration;

use bearward_supply::Grant;
use bearward_supply::lifetime::{DEFAULT, LONGEST, SHORTEST};
use bearward_testbed::authorization_server::{Fault, Place};

use crate::check::Caller;
use crate::hidden::PLANTED;
use crate::world::World;

const MINUTE: Duration = Duration::from_secs(60);

/// `expires_in` as it is written, and the lifetime that it becomes.
fn rows() -> Vec<(&'static str, Duration)> {
    let seconds = Duration::from_secs_f64;
    vec![
        ("0", SHORTEST),
        ("-0", SHORTEST),
        ("-5", SHORTEST),
        ("-1e300", SHORTEST),
        ("", DEFAULT),
        ("null", DEFAULT),
        (r#""3600""#, seconds(3600.0)),
        (r#"" 60 ""#, seconds(60.0)),
        (r#""soon""#, SHORTEST),
        (r#""""#, SHORTEST),
        (r#""-60""#, SHORTEST),
        (r#""NaN""#, SHORTEST),
        (r#""nan""#, SHORTEST),
        (r#""1h""#, SHORTEST),
        (r#""1e400""#, LONGEST),
        (r#""Infinity""#, LONGEST),
        ("1e300", LONGEST),
        ("18446744073709551615", LONGEST),
        ("99999999999999999999999999999999", LONGEST),
        ("59.5", seconds(59.5)),
        ("0.25", seconds(0.25)),
        ("true", SHORTEST),
        ("false", SHORTEST),
        ("{}", SHORTEST),
        (r#"{"seconds":3600}"#, SHORTEST),
        ("[3600]", SHORTEST),
        // Shorter than the five minutes by which tokens are refreshed ahead.
        ("10", seconds(10.0)),
        ("299", seconds(299.0)),
    ]
}

fn answer(expires_in: &str) -> Fault {
    let expires_in =
        if expires_in.is_empty() { String::new() } else { format!(r#","expires_in":{expires_in}"#) };
    // Nobody needs the refresh token: it is not kept, and not shown.
    let body = format!(
        r#"{{"access_token":"opaque-{PLANTED}","token_type":"Bearer","refresh_token":"{PLANTED}"{expires_in}}}"#
    );
    Fault::Body { body }
}

/// A refresh every four fifths of the lifetime less what jitter takes, and never two within a second.
fn most_in_a_minute(lifetime: Duration) -> u64 {
    let between = lifetime.mul_f64(0.76).max(Duration::from_secs(1));
    1 + (MINUTE.as_secs_f64() / between.as_secs_f64()).ceil() as u64
}

// HARD 8
#[tokio::test]
async fn every_odd_lifetime_becomes_a_sound_one() {
    let world = World::new().await;
    for (written, expected) in rows() {
        world.server.faults().always(Place::Token, answer(written));
        let granted = world.grant().request().await.unwrap();
        assert_eq!(granted.lifetime, expected, "{written}");
        // HARD 20
        world.assert_hidden(written, format!("{granted:?}"), None);
        world.heal();
    }
}

// HARD 8
#[tokio::test]
async fn an_odd_lifetime_costs_at_most_a_request_a_second_and_ends() {
    let world = World::new().await;
    for (written, lifetime) in rows() {
        world.server.faults().always(Place::Token, answer(written));
        let asked_before = world.fetch.posts();
        let supply = world.supply();
        let caller = Caller::start(&world, &supply);
        world.pass(MINUTE).await;
        let told = caller.stop();
        assert!(told.len() > 50 && told.iter().all(|(_, answer)| answer.is_ok()), "{written}: {told:?}");
        let asked = world.fetch.posts() - asked_before;
        let most = most_in_a_minute(lifetime);
        assert!((1..=most).contains(&asked), "{written}: {asked}, at most {most}");

        world.heal();
        world.pass(lifetime + MINUTE).await;
        let token = supply.token(&*world.clock).await.unwrap();
        assert!(!token.contains(PLANTED), "{written}: kept for ever");
        supply.manager.shut_down().await;
    }
}
