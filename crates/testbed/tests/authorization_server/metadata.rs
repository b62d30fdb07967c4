use crate::visitor::{visitor, visitor_of};

#[tokio::test]
async fn the_document_is_found_at_each_address_of_an_issuer_without_a_path() {
    let visitor = visitor().await;
    for path in ["/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"] {
        let (status, document) = visitor.get(path).await;
        assert_eq!((status.as_u16(), document["issuer"].as_str()), (200, Some(&*visitor.server.issuer())));
    }
}

// RFC 8414 §3.1, OpenID Connect Discovery §4
#[tokio::test]
async fn the_document_of_an_issuer_with_a_path_is_found_at_its_three_addresses_and_not_at_the_root() {
    let visitor = visitor_of(|server| server.issuer_path("/realms/acme")).await;
    for path in [
        "/.well-known/oauth-authorization-server/realms/acme",
        "/.well-known/openid-configuration/realms/acme",
        "/realms/acme/.well-known/openid-configuration",
    ] {
        let (status, document) = visitor.get(path).await;
        assert_eq!((status.as_u16(), document["issuer"].as_str()), (200, Some(&*visitor.server.issuer())));
        assert!(document["issuer"].as_str().unwrap().ends_with("/realms/acme"));
    }
    assert_eq!(visitor.get("/.well-known/openid-configuration").await.0, 404);
}

#[tokio::test]
async fn every_endpoint_that_the_document_names_is_there() {
    let visitor = visitor().await;
    let (_, document) = visitor.get("/.well-known/openid-configuration").await;
    let endpoints = document
        .as_object()
        .unwrap()
        .iter()
        .filter(|(name, _)| name.ends_with("_endpoint") || *name == "jwks_uri");
    let mut seen = 0;
    for (name, url) in endpoints {
        let path = url.as_str().unwrap().strip_prefix(visitor.server.origin()).unwrap();
        assert_ne!(visitor.get(path).await.0, 404, "{name}");
        seen += 1;
    }
    assert_eq!(seen, 7);
}
