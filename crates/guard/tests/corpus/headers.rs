//! Where a token stands in a request (SPEC RS-4; RFC 6750 §2).

use http::HeaderValue;

use crate::scene::Scene;

#[tokio::test]
async fn one_header_one_scheme_one_token() {
    let scene = Scene::new().await;
    let token = scene.good().build();
    for good in [
        format!("Bearer {token}"),
        format!("bearer {token}"),
        format!("BEARER {token}"),
        format!("Bearer   {token}"),
    ] {
        let value = HeaderValue::from_str(&good).unwrap();
        assert_eq!(scene.request(&[("authorization", value)], None).await, None, "{good:.12}");
    }
    for (value, expected) in [
        (format!("Bearer {token} "), (400, "malformed")),
        (format!("Bearer {token} {token}"), (400, "malformed")),
        (format!("Bearer {token}, Bearer {token}"), (400, "malformed")),
        (format!("Bearer {token},"), (400, "malformed")),
        (format!("Bearer \"{token}\""), (400, "malformed")),
        (format!("Bearer token={token}"), (400, "malformed")),
        (format!("Bearer\t{token}"), (401, "no_token")),
        (format!("Bearer:{token}"), (401, "no_token")),
        (format!("Bearer{token}"), (401, "no_token")),
        (format!("BearerX {token}"), (401, "no_token")),
        (format!("DPoP {token}"), (401, "no_token")),
        (format!("Basic {token}"), (401, "no_token")),
        (format!("Token {token}"), (401, "no_token")),
        (token.clone(), (401, "no_token")),
        ("Bearer".into(), (400, "malformed")),
        ("Bearer ".into(), (400, "malformed")),
        ("Bearer =".into(), (400, "malformed")),
        ("Bearer %2e".into(), (400, "malformed")),
        ("Bearer <token>".into(), (400, "malformed")),
        (String::new(), (401, "no_token")),
    ] {
        let header = HeaderValue::from_str(&value).unwrap();
        assert_eq!(scene.request(&[("authorization", header)], None).await, Some(expected), "{value:.30}");
    }
    let odd = HeaderValue::from_bytes(b"Bearer \xff\xfe").unwrap();
    assert_eq!(scene.request(&[("authorization", odd)], None).await, Some((400, "malformed")));
}

#[tokio::test]
async fn a_second_token_anywhere_is_a_bad_request_and_none_counts_but_in_the_header() {
    let scene = Scene::new().await;
    let token = scene.good().build();
    let bearer = HeaderValue::from_str(&format!("Bearer {token}")).unwrap();
    let garbage = HeaderValue::from_static("Bearer garbage");
    for second in
        [bearer.clone(), garbage, HeaderValue::from_static("Basic dTpw"), HeaderValue::from_static("")]
    {
        let fields = [("authorization", bearer.clone()), ("authorization", second)];
        assert_eq!(scene.request(&fields, None).await, Some((400, "several_tokens")));
    }
    for query in [
        "access_token=x",
        "a=b&access_token=x",
        "access%5Ftoken=x",
        "a;access_token=x",
        "access_token",
        "access_token=",
    ] {
        assert_eq!(
            scene.request(&[("authorization", bearer.clone())], Some(query)).await,
            Some((400, "token_in_query")),
            "{query}"
        );
        assert_eq!(scene.request(&[], Some(query)).await, Some((401, "token_in_query")), "{query}");
    }
    assert_eq!(scene.request(&[("authorization", bearer.clone())], Some("q=access_token")).await, None);
    let cookie = HeaderValue::from_str(&format!("access_token={token}")).unwrap();
    for name in
        ["cookie", "x-access-token", "proxy-authorization", "x-authorization", "x-forwarded-access-token"]
    {
        let value = if name == "cookie" { cookie.clone() } else { bearer.clone() };
        assert_eq!(scene.request(&[(name, value)], None).await, Some((401, "no_token")), "{name}");
    }
}
