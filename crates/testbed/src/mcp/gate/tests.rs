use super::*;

fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        headers.append(*name, HeaderValue::from_static(value));
    }
    headers
}

#[test]
fn only_one_bearer_token_that_is_liked_opens_the_gate() {
    let bearer = Bearer::new(|token| token == "good");
    assert!(bearer.accepts(&headers(&[("authorization", "Bearer good")])));
    let refused: [&[(&str, &str)]; 5] = [
        &[],
        &[("authorization", "Bearer bad")],
        &[("authorization", "Basic good")],
        &[("authorization", "good")],
        &[("authorization", "Bearer good"), ("authorization", "Bearer good")],
    ];
    for pairs in refused {
        assert!(!bearer.accepts(&headers(pairs)), "{} headers", pairs.len());
    }
}

#[test]
fn a_full_memory_forgets_the_oldest_request() {
    let gate = Gate::new(None);
    for n in 0..=REMEMBERED {
        let mut headers = HeaderMap::new();
        headers.insert("x-n", HeaderValue::from(n));
        gate.remember(&headers);
    }
    let received = gate.received();
    assert_eq!(received.len(), REMEMBERED);
    assert_eq!(received[0]["x-n"], "1");
    assert_eq!(received[REMEMBERED - 1]["x-n"], REMEMBERED.to_string().as_str());
}

// HARD 20
#[test]
fn what_is_remembered_can_be_read_but_not_printed() {
    let gate = Gate::new(None);
    let mut seen = headers(&[("authorization", "Bearer s3cret"), ("cookie", "sid=s3cret"), ("x-a", "plain")]);
    hide_secrets(&mut seen);
    gate.remember(&seen);
    assert_eq!(gate.received()[0]["authorization"], "Bearer s3cret");
    let printed = format!("{gate:?}");
    assert!(!printed.contains("s3cret") && printed.contains("plain"), "{printed}");
}

#[test]
fn as_many_refusals_as_were_asked_for() {
    let gate = Gate::new(None);
    assert_eq!(gate.refusal(), None);
    gate.refuse_next(2, StatusCode::FORBIDDEN);
    assert_eq!(gate.refusal(), Some(StatusCode::FORBIDDEN));
    assert_eq!(gate.refusal(), Some(StatusCode::FORBIDDEN));
    assert_eq!(gate.refusal(), None);
}
