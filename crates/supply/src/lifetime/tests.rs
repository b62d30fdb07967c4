use serde_json::json;

use super::*;

// HARD 8
#[test]
fn every_odd_lifetime_becomes_a_sound_one() {
    let cases = [
        (json!(3600), 3600.0),
        (json!("3600"), 3600.0),
        (json!(59.5), 59.5),
        (json!(0), 1.0),
        (json!(-5), 1.0),
        (json!("soon"), 1.0),
        (json!(1e300), 86_400.0),
        (json!(u64::MAX), 86_400.0),
        (json!(0.25), 0.25),
        (json!([1]), 1.0),
        (json!(null), 300.0),
    ];
    for (stated, seconds) in cases {
        assert_eq!(lifetime(Some(&stated), "opaque", None), Duration::from_secs_f64(seconds), "{stated}");
    }
    assert_eq!(lifetime(None, "opaque", None), DEFAULT);
}

#[test]
fn a_jwt_speaks_for_itself_where_the_response_says_nothing_sound() {
    let payload = URL_SAFE_NO_PAD.encode(r#"{"iat":100,"exp":700}"#);
    let token = format!("h.{payload}.s");
    assert_eq!(lifetime(None, &token, None), Duration::from_secs(600));
    assert_eq!(lifetime(Some(&json!(0)), &token, None), Duration::from_secs(600));
}

#[test]
fn of_what_the_response_and_the_token_say_the_shorter_counts() {
    let payload = URL_SAFE_NO_PAD.encode(r#"{"iat":100,"exp":700}"#);
    let token = format!("h.{payload}.s");
    assert_eq!(lifetime(Some(&json!(60)), &token, None), Duration::from_secs(60));
    assert_eq!(lifetime(Some(&json!(86_400)), &token, None), Duration::from_secs(600));
}

#[test]
fn refresh_is_ahead_by_a_fifth_or_five_minutes_and_jitter_only_makes_it_earlier() {
    let day = Duration::from_secs(86_400);
    assert_eq!(refresh_lead(day, 0.0), Duration::from_secs(300));
    assert_eq!(refresh_lead(day, 1.0), Duration::from_secs(360));
    assert_eq!(refresh_lead(Duration::from_secs(60), 0.0), Duration::from_secs(12));
    assert_eq!(floor(day), Duration::from_secs(30));
    assert_eq!(floor(Duration::from_secs(60)), Duration::from_secs(3));
    assert_eq!(clamp_min_ttl(Duration::from_secs(1800), Duration::from_secs(600)), Duration::from_secs(300));
}

// HARD 6, HARD 8
#[test]
fn what_a_server_hands_out_of_its_own_store_lives_as_long_as_it_says_by_the_servers_clock() {
    let payload = URL_SAFE_NO_PAD.encode(r#"{"iat":100,"exp":3700}"#);
    let token = format!("h.{payload}.s");
    assert_eq!(lifetime(None, &token, Some(3600)), Duration::from_secs(100));
    assert_eq!(lifetime(Some(&json!(3600)), &token, Some(3600)), Duration::from_secs(100));
    assert_eq!(lifetime(None, &token, Some(5000)), SHORTEST, "dead when it came");
    assert_eq!(lifetime(None, &token, Some(0)), Duration::from_secs(3600), "a clock behind adds nothing");
}
