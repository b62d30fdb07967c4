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
fn an_endpoint_that_cannot_be_used_or_is_missing_is_an_error_only_for_who_needs_it() {
    let document = r#"{"issuer":"https://as.example/t","token_endpoint":"http://as.example/token",
        "introspection_endpoint":"nonsense","jwks_uri":"https://as.example/keys"}"#;
    let metadata = parse(document).unwrap();
    assert_eq!(metadata.jwks_uri().unwrap().as_str(), "https://as.example/keys");
    assert!(matches!(
        metadata.token_endpoint(),
        Err(MetadataError::Endpoint { member: "token_endpoint", .. })
    ));
    assert!(matches!(metadata.introspection_endpoint(), Err(MetadataError::Endpoint { .. })));
    let none = parse(r#"{"issuer":"https://as.example/t","jwks_uri":null}"#).unwrap();
    assert_eq!(none.jwks_uri(), Err(MetadataError::Missing { member: "jwks_uri" }));
}

#[test]
fn what_is_no_metadata_is_refused() {
    for document in ["", "<html>", "[]", "{}", r#"{"issuer":1}"#] {
        assert_eq!(parse(document), Err(MetadataError::NotMetadata), "{document}");
    }
}
