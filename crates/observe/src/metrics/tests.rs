use super::*;
use crate::{Observer, Rejection};

#[test]
fn every_event_moves_its_promised_counter() {
    let observer = Observer::new();
    let provider: Arc<str> = "notes".into();
    let guard: Arc<str> = "mcp".into();
    let took = Duration::from_millis(3);
    for event in [
        Event::HeaderAttached { provider: provider.clone() },
        Event::TokenStoreHit { provider: provider.clone() },
        Event::Retry401 { provider: provider.clone() },
        Event::RetrySuccess { provider: provider.clone() },
        Event::TokenFetched {
            provider: provider.clone(),
            failure: None,
            took,
            lifetime: Some(Duration::from_secs(60)),
            late: Some(Duration::from_millis(3)),
        },
        Event::TokenFetched { provider, failure: Some("timeout"), took, lifetime: None, late: None },
        Event::AuthRejected { guard: guard.clone(), reason: Rejection::Expired, is_enforced: true },
        Event::AuthRejected { guard: guard.clone(), reason: Rejection::Scope, is_enforced: false },
        Event::AuthVerified {
            guard: guard.clone(),
            subject: "alice".into(),
            client: None,
            cached: false,
            took,
        },
        Event::AuthAccepted { guard: guard.clone() },
        Event::Proxied { guard, overhead: took },
    ] {
        observer.emit(event);
    }
    let text = observer.metrics().render().unwrap();
    for line in [
        "auth_observed_total{guard=\"mcp\",outcome=\"scope\"} 1",
        "auth_header_bearer_total{provider=\"notes\"} 1",
        "auth_token_store_hit_total{provider=\"notes\"} 1",
        "auth_retry_401_total{provider=\"notes\"} 1",
        "auth_retry_success_total{provider=\"notes\"} 1",
        "token_fetch_total{provider=\"notes\",outcome=\"success\"} 1",
        "token_fetch_total{provider=\"notes\",outcome=\"timeout\"} 1",
        "auth_requests_total{guard=\"mcp\",outcome=\"expired\"} 1",
        "auth_requests_total{guard=\"mcp\",outcome=\"accepted\"} 1",
        "token_fetch_seconds_count 2",
        "auth_verify_seconds_count 1",
        "proxy_overhead_seconds_count 1",
        "token_expires_in_seconds{provider=\"notes\"} 60.0",
    ] {
        assert!(text.contains(line), "{line} is missing in\n{text}");
    }
    assert!(!text.contains("alice"), "a subject is never a label");
}
