use super::*;

fn parse(document: &str) -> Result<Metadata, MetadataError> {
    Metadata::parse(&"https://as.example/t".parse().unwrap(), document.as_bytes())
}

// SPEC CL-1
#[test]
fn a_document_for_another_issuer_is_refused_also_when_only_a_slash_differs() {
    assert!(parse(r#"{"issuer":"https://as.example/t"}"#).is_ok());
    for found in ["https://as.example/t/", "https://AS.example/t", "https://as.example"] {
        let document = format!(r#"{{"issuer":"{found}"}}"#);
        assert_eq!(parse(&document), Err(MetadataError::OtherIssuer { found: found.into() }));
    }
}

#[test]
fn an_endpoint_on_plain_http_elsewhere_is_refused_and_a_missing_one_only_when_needed() {
    let plain = r#"{"issuer":"https://as.example/t","token_endpoint":"http://as.example/token"}"#;
    assert!(matches!(parse(plain), Err(MetadataError::Endpoint { member: "token_endpoint", .. })));
    let none = parse(r#"{"issuer":"https://as.example/t","jwks_uri":null}"#).unwrap();
    assert_eq!(none.needs_jwks_uri(), Err(MetadataError::Missing { member: "jwks_uri" }));
}

#[test]
fn what_is_no_metadata_is_refused() {
    for document in ["", "<html>", "[]", "{}", r#"{"issuer":1}"#] {
        assert_eq!(parse(document), Err(MetadataError::NotMetadata), "{document}");
    }
}
