use http::StatusCode;

use crate::visitor::{API, CALLBACK, OTHER_API, VERIFIER, claims, query, refused, visitor};

#[tokio::test]
async fn a_user_signs_in_at_the_page_and_the_code_becomes_tokens() {
    let visitor = visitor().await;
    let page = visitor.http.get(visitor.authorize_url(&[])).send().await.unwrap();
    assert_eq!(page.status(), 200);
    let page = page.text().await.unwrap();
    assert!(page.contains("<form") && page.contains("type=password"), "{page}");

    let back = visitor.sign_in(&[]).await;
    assert!(back.as_str().starts_with(&format!("{CALLBACK}?")), "{back}");
    assert_eq!(query(&back, "state").as_deref(), Some("xyz"));
    // RFC 9207
    assert_eq!(query(&back, "iss"), Some(visitor.server.issuer()));

    let (status, tokens) = visitor.redeem(&query(&back, "code").unwrap(), &[]).await;
    assert_eq!(status, 200);
    let (access, id) = (claims(&tokens["access_token"]), claims(&tokens["id_token"]));
    assert_eq!(
        (&access["sub"], &access["aud"], &access["org_id"]),
        (&"alice".into(), &API.into(), &"acme".into())
    );
    assert_eq!((&id["aud"], &id["nonce"]), (&"app".into(), &"n-1".into()));
    assert!(id["at_hash"].is_string() && tokens["refresh_token"].is_string());
}

#[tokio::test]
async fn tokens_beyond_the_access_token_are_given_to_those_who_asked() {
    let visitor = visitor().await;
    let code = query(&visitor.sign_in(&[("scope", "notes:read")]).await, "code").unwrap();
    let (_, tokens) = visitor.redeem(&code, &[]).await;
    assert_eq!(tokens["scope"], "notes:read");
    assert!(tokens["id_token"].is_null() && tokens["refresh_token"].is_null(), "{tokens}");
}

#[tokio::test]
async fn a_wrong_name_or_password_shows_the_page_again_and_no_code() {
    let visitor = visitor().await;
    for (name, password) in [("alice", "wrong"), ("bob", "wonderland"), ("", "")] {
        let answer = visitor.log_in(name, password, &[]).await;
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
        assert!(answer.headers().get("location").is_none());
        assert!(answer.text().await.unwrap().contains("<form"));
    }
}

#[tokio::test]
async fn after_logout_the_browser_is_sent_to_places_of_known_clients_only() {
    let visitor = visitor().await;
    for (uri, is_sent) in
        [("https://app.example.com/bye", true), ("https://evil.example/", false), ("x", false)]
    {
        let url = format!("{}/logout?post_logout_redirect_uri={uri}&state=s", visitor.server.issuer());
        let answer = visitor.http.get(url).send().await.unwrap();
        let location = answer.headers().get("location").map(|value| value.to_str().unwrap().to_owned());
        assert_eq!(location, is_sent.then(|| format!("{uri}?state=s")));
    }
}

// RFC 6749 §4.1.2.1
#[tokio::test]
async fn nobody_is_redirected_to_an_address_that_is_not_registered() {
    let visitor = visitor().await;
    for wrong in [
        ("redirect_uri", "https://evil.example/callback"),
        ("redirect_uri", "https://app.example.com/callback/"),
        ("redirect_uri", ""),
        ("client_id", "nobody"),
        ("client_id", ""),
    ] {
        let answer = visitor.log_in("alice", "wonderland", &[wrong]).await;
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{wrong:?}");
        assert!(answer.headers().get("location").is_none(), "{wrong:?}");
    }
}

#[tokio::test]
async fn each_bad_request_of_a_known_client_goes_back_with_its_error() {
    let visitor = visitor().await;
    for (wrong, error) in [
        (("response_type", "token"), "unsupported_response_type"),
        (("code_challenge", ""), "invalid_request"),
        (("code_challenge_method", "plain"), "invalid_request"),
        (("resource", "https://unknown.example"), "invalid_target"),
    ] {
        let back = visitor.sign_in(&[wrong]).await;
        assert_eq!(query(&back, "error").as_deref(), Some(error), "{back}");
        assert_eq!(query(&back, "state").as_deref(), Some("xyz"), "{back}");
        assert_eq!(query(&back, "iss"), Some(visitor.server.issuer()), "{back}");
        assert_eq!(query(&back, "code"), None, "{back}");
    }
}

#[tokio::test]
async fn each_wrong_redemption_of_a_code_is_refused() {
    let visitor = visitor().await;
    let other_verifier = VERIFIER.replace('d', "e");
    for (wrong, error) in [
        (("code_verifier", other_verifier.as_str()), "invalid_grant"),
        (("code_verifier", ""), "invalid_grant"),
        (("redirect_uri", "https://app.example.com/other"), "invalid_grant"),
        (("resource", OTHER_API), "invalid_target"),
        (("code", "made-up"), "invalid_grant"),
        (("code", ""), "invalid_request"),
        (("client_id", "gateway"), "invalid_client"),
    ] {
        let code = query(&visitor.sign_in(&[]).await, "code").unwrap();
        refused(&visitor.redeem(&code, &[wrong]).await, error);
    }
    // Another client's, though that one is who it says.
    let code = query(&visitor.sign_in(&[]).await, "code").unwrap();
    let form = [
        ("grant_type", "authorization_code"),
        ("redirect_uri", CALLBACK),
        ("code_verifier", VERIFIER),
        ("code", &code),
    ];
    refused(&visitor.gateway(&form).await, "invalid_grant");
    assert_eq!(visitor.redeem(&code, &[]).await.0, 200, "the rightful client can still use it");
}

#[tokio::test]
async fn a_code_lives_for_a_minute() {
    let visitor = visitor().await;
    let code = query(&visitor.sign_in(&[]).await, "code").unwrap();
    visitor.clock.advance(std::time::Duration::from_secs(60));
    refused(&visitor.redeem(&code, &[]).await, "invalid_grant");
}

// RFC 6749 §4.1.2
#[tokio::test]
async fn a_code_used_twice_ends_everything_that_came_of_it() {
    let visitor = visitor().await;
    let code = query(&visitor.sign_in(&[]).await, "code").unwrap();
    let (_, tokens) = visitor.redeem(&code, &[]).await;
    let access = tokens["access_token"].as_str().unwrap();
    assert!(visitor.is_active(access).await);
    refused(&visitor.redeem(&code, &[]).await, "invalid_grant");
    assert!(!visitor.is_active(access).await);
    let refresh = tokens["refresh_token"].as_str().unwrap();
    assert!(!visitor.is_active(refresh).await);
}
