use std::sync::Mutex;

use bearward_token::SystemClock;
use bytes::Bytes;
use http::HeaderMap;

use super::*;
use crate::fetch::{Fetched, Fetching, Form, JsonRequest};

/// Answers GETs from a table and remembers what it was asked.
#[derive(Debug)]
struct Table {
    answers: Vec<(&'static str, u16, &'static str)>,
    asked: Mutex<Vec<String>>,
}

impl Fetch for Table {
    fn get<'a>(&'a self, url: &'a Endpoint, _: Option<http::HeaderValue>) -> Fetching<'a> {
        self.asked.lock().unwrap().push(url.to_string());
        let found = self.answers.iter().find(|(known, ..)| *known == url.as_str());
        let (status, body) = found.map_or((404, ""), |(_, status, body)| (*status, *body));
        let status = StatusCode::from_u16(status).unwrap();
        Box::pin(async move {
            Ok(Fetched { status, headers: HeaderMap::new(), body: Bytes::from_static(body.as_bytes()) })
        })
    }

    fn post<'a>(&'a self, _: &'a Endpoint, _: Form) -> Fetching<'a> {
        unreachable!("discovery only reads")
    }

    fn post_json<'a>(&'a self, _: &'a Endpoint, _: JsonRequest) -> Fetching<'a> {
        unreachable!("metadata is read only")
    }
}

async fn discover(
    issuer: &str,
    answers: &[(&'static str, u16, &'static str)],
) -> (Result<Metadata, DiscoveryError>, Vec<String>) {
    let table = Arc::new(Table { answers: answers.to_vec(), asked: Mutex::default() });
    let found =
        Discovery::new(table.clone(), Arc::new(SystemClock::new())).metadata(&issuer.parse().unwrap()).await;
    let asked = table.asked.lock().unwrap().clone();
    (found, asked)
}

// SPEC CL-1
#[tokio::test]
async fn an_issuer_with_a_path_is_looked_for_at_three_addresses_in_order() {
    let (found, asked) = discover("https://as.example/t", &[]).await;
    assert!(matches!(found, Err(DiscoveryError::Status { status: StatusCode::NOT_FOUND, .. })));
    assert_eq!(
        asked,
        [
            "https://as.example/.well-known/oauth-authorization-server/t",
            "https://as.example/.well-known/openid-configuration/t",
            "https://as.example/t/.well-known/openid-configuration",
        ]
    );
}

// SPEC CL-1
#[tokio::test]
async fn an_issuer_without_a_path_is_looked_for_at_two_also_with_a_trailing_slash() {
    for issuer in ["https://as.example", "https://as.example/"] {
        let (_, asked) = discover(issuer, &[]).await;
        assert_eq!(
            asked,
            [
                "https://as.example/.well-known/oauth-authorization-server",
                "https://as.example/.well-known/openid-configuration",
            ]
        );
    }
}

// SPEC CL-1
#[tokio::test]
async fn the_first_document_decides_also_when_it_cannot_be_used() {
    let first = "https://as.example/.well-known/oauth-authorization-server";
    let second = "https://as.example/.well-known/openid-configuration";
    let good = r#"{"issuer":"https://as.example"}"#;
    let other = r#"{"issuer":"https://other.example"}"#;
    let (found, asked) = discover("https://as.example", &[(first, 200, other), (second, 200, good)]).await;
    assert!(matches!(found, Err(DiscoveryError::Metadata { .. })));
    assert_eq!(asked.len(), 1);

    let (found, _) = discover("https://as.example", &[(second, 200, good)]).await;
    assert!(found.is_ok());
}

#[tokio::test]
async fn a_page_or_a_redirect_is_no_document_and_the_next_address_is_asked() {
    let first = "https://as.example/.well-known/oauth-authorization-server";
    let second = "https://as.example/.well-known/openid-configuration";
    let good = r#"{"issuer":"https://as.example"}"#;
    for (status, body) in [(200, "<html>"), (200, "{}"), (302, "")] {
        let (found, _) = discover("https://as.example", &[(first, status, body), (second, 200, good)]).await;
        assert!(found.is_ok(), "{status} {body}");
    }
    let (found, _) = discover("https://as.example", &[(first, 200, "<html>")]).await;
    assert!(matches!(found, Err(DiscoveryError::Metadata { source: MetadataError::NotMetadata, .. })));
}

#[tokio::test]
async fn a_failing_server_is_a_failure_and_not_an_absent_document() {
    let first = "https://as.example/.well-known/oauth-authorization-server";
    for status in [500, 503, 429] {
        let (found, asked) = discover("https://as.example", &[(first, status, "")]).await;
        assert!(matches!(found, Err(DiscoveryError::Status { .. })), "{status}");
        assert_eq!(asked.len(), 1, "{status}");
    }
}
