//! What a token says (SPEC JW-4, JW-5; RS-5).

use serde_json::{Value, json};

use crate::scene::{ISSUERS, NOW, RESOURCE, Scene};

async fn refuses(claim: &str, values: Vec<Value>, reason: &'static str) {
    let scene = Scene::new().await;
    let case = |value: Value| {
        let token = match &value {
            Value::Null => scene.good().without(claim),
            value => scene.good().claim(claim, value.clone()),
        };
        (format!("{claim}: {value:.80}"), token.build(), (401, reason))
    };
    let cases = values.into_iter().map(case).collect();
    scene.refuses(cases).await;
}

#[tokio::test]
async fn the_issuer_is_compared_byte_for_byte() {
    let one = ISSUERS[0];
    let spellings = [
        format!("{one}/"),
        format!("{one}."),
        format!(" {one}"),
        format!("{one} "),
        one.to_uppercase(),
        one.replace("https", "http"),
        format!("{one}:443"),
        format!("{one}?"),
        format!("{one}#"),
        format!("{one}/."),
        format!("{one}%2f"),
        one.replace("one", "%6fne"),
        one.replace("example.com", "example.com."),
        "https://one.example.com.evil.example".into(),
        "https://evil.example/https://one.example.com".into(),
        String::new(),
        "*".into(),
    ];
    let mut values: Vec<_> = spellings.into_iter().map(Value::from).collect();
    values.extend([json!(null), json!(7), json!([one]), json!({"iss": one})]);
    refuses("iss", values, "issuer").await;
}

#[tokio::test]
async fn the_audience_is_ours_and_not_merely_like_ours() {
    let mut values: Vec<_> = [
        format!("{RESOURCE}/"),
        format!("{RESOURCE}/admin"),
        format!(" {RESOURCE}"),
        RESOURCE.to_uppercase(),
        RESOURCE.replace("https", "http"),
        RESOURCE.replace("/mcp", ""),
        RESOURCE.replace("/mcp", "/%6dcp"),
        format!("{RESOURCE}?"),
        format!("{RESOURCE}#x"),
        "*".into(),
        String::new(),
        format!("{RESOURCE} https://other.example"),
        format!("{RESOURCE},https://other.example"),
    ]
    .into_iter()
    .map(Value::from)
    .collect();
    values.extend([
        json!(null),
        json!([]),
        json!([[RESOURCE]]),
        json!({"0": RESOURCE}),
        json!(7),
        json!(true),
        json!(["https://other.example"]),
    ]);
    refuses("aud", values, "audience").await;
}

// HARD 25
#[tokio::test]
async fn times_are_dates_and_are_judged_at_the_boundary() {
    refuses(
        "exp",
        vec![json!(NOW - 30), json!(0), json!(1), json!(NOW as f64 - 30.0), json!(NOW - 1_000_000)],
        "expired",
    )
    .await;
    let no_dates = vec![
        json!(null),
        json!("1800000600"),
        json!(""),
        json!(-1),
        json!(-1e300),
        json!(1e300),
        json!(253_402_300_800_u64),
        json!(u64::MAX),
        json!([NOW + 60]),
        json!({"exp": NOW + 60}),
        json!(true),
    ];
    refuses("exp", no_dates, "claims").await;
    refuses(
        "nbf",
        vec![json!(NOW + 31), json!(NOW as f64 + 30.001), json!(253_402_300_799_u64)],
        "not_yet_valid",
    )
    .await;
    refuses("nbf", vec![json!("soon"), json!(-5), json!([]), json!(1e300), json!(false)], "claims").await;
    refuses("iat", vec![json!(NOW + 31), json!(NOW + 86_400)], "not_yet_valid").await;
    refuses("iat", vec![json!("now"), json!(-1), json!({})], "claims").await;
}

#[tokio::test]
async fn subject_and_the_names_beside_it_are_texts() {
    refuses(
        "sub",
        vec![json!(null), json!(""), json!(7), json!(["alice"]), json!({"sub": "alice"}), json!(true)],
        "claims",
    )
    .await;
    for name in ["client_id", "org_id", "sid", "jti"] {
        refuses(name, vec![json!(7), json!(["x"]), json!({"a": 1}), json!(false)], "claims").await;
    }
}

#[tokio::test]
async fn an_id_token_or_any_other_kind_is_no_access_token() {
    for member in ["nonce", "at_hash", "c_hash"] {
        refuses(member, vec![json!("x"), json!(7), json!("")], "token_type").await;
    }
    // Bound to a key (RFC 7800), with no proof that its bearer holds it.
    refuses("cnf", vec![json!({"jkt": "x"}), json!({"x5t#S256": "x"}), json!({}), json!("x")], "key_bound")
        .await;
    let scene = Scene::new().await;
    let types = [
        "",
        "at",
        "jwt+at",
        "logout+jwt",
        "secevent+jwt",
        "dpop+jwt",
        "oauth-authz-req+jwt",
        "application/",
        "application/logout+jwt",
        "text/at+jwt",
        "at+jwt ",
        " at+jwt",
        "at+jwt;x",
        "JWE",
        "JOSE",
        "JOSE+JSON",
        "application/jwk+json",
    ];
    let mut cases: Vec<_> = types
        .iter()
        .map(|typ| (format!("typ {typ:?}"), scene.good().header("typ", *typ).build(), (401, "token_type")))
        .collect();
    cases.push(("no typ".into(), scene.good().without_header("typ").build(), (401, "token_type")));
    for typ in [json!(7), json!(null), json!(["at+jwt"])] {
        cases.push((format!("typ {typ}"), scene.good().header("typ", typ).build(), (401, "malformed")));
    }
    scene.refuses(cases).await;
}

// SPEC JW-5
#[tokio::test]
async fn json_that_two_parsers_read_differently_or_none_at_all_is_refused() {
    let scene = Scene::new().await;
    let claims = |extra: &str| {
        format!(r#"{{"iss":"{}","sub":"alice","aud":"{RESOURCE}","exp":{}{extra}}}"#, ISSUERS[0], NOW + 60)
    };
    assert_eq!(scene.present(&scene.good().build_with_raw_claims(&claims(""))).await, None);
    let deep = format!(",\"x\":{}{}", "[".repeat(500), "]".repeat(500));
    let deep_objects = format!(",\"x\":{}1{}", "{\"a\":".repeat(300), "}".repeat(300));
    let mut cases = Vec::new();
    for raw in [
        claims(r#","sub":"mallory""#),
        claims(r#","\u0073ub":"mallory""#),
        claims(r#","aud":"https://other.example""#),
        claims(r#","exp":99999999999"#),
        claims(r#","iss":"https://two.example.com""#),
        claims(r#","x":{"a":1,"a":2}"#),
        claims(&deep),
        claims(&deep_objects),
        claims(",\"x\":1e999"),
        claims(",\"x\":-1e999"),
        claims(",\"x\":01"),
        claims(",\"x\":+1"),
        claims(",\"x\":NaN"),
        claims(",\"x\":Infinity"),
        claims(",\"x\":0x10"),
        claims(",\"x\":'a'"),
        claims(",\"x\":\"\u{1}\""),
        claims(",\"x\":\"\\ud800\""),
        claims(",\"x\":\"\\x41\""),
        claims(","),
        claims(",\"x\""),
        claims(",\"x\":}"),
        claims("}{"),
        claims("} x"),
        claims("/* c */"),
        "[]".into(),
        "null".into(),
        "\"text\"".into(),
        "7".into(),
        String::new(),
        " ".into(),
        "{".into(),
        "{}{}".into(),
        format!("\u{feff}{}", claims("")),
        format!("[{}]", claims("")),
        format!("\"{}\"", claims("").replace('"', "\\\"")),
    ] {
        cases.push((format!("{raw:.120}"), scene.good().build_with_raw_claims(&raw), (401, "malformed")));
    }
    assert_eq!(scene.refuses(cases).await, 36);
}
