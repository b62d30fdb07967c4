use super::*;

fn headers(values: &[&str]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for value in values {
        map.append(AUTHORIZATION, value.parse().unwrap());
    }
    map
}

// SPEC RS-4
#[test]
fn one_header_with_one_token_is_a_token_whatever_the_case_of_the_scheme() {
    for value in ["Bearer abc.def-_~+/==", "bearer abc.def-_~+/==", "BEARER   abc.def-_~+/=="] {
        let map = headers(&[value]);
        assert_eq!(presented(&map, None), Ok(Presented::Token(Unverified("abc.def-_~+/=="))), "{value}");
    }
}

// SPEC RS-4
#[test]
fn every_malformed_shape_is_refused_for_its_own_reason() {
    let cases: &[(&[&str], Rejection)] = &[
        (&["Bearer a", "Bearer a"], Rejection::SeveralTokens),
        (&["Bearer a", "Basic b"], Rejection::SeveralTokens),
        (&["Bearer"], Rejection::Malformed),
        (&["Bearer "], Rejection::Malformed),
    ];
    for (values, reason) in cases {
        assert_eq!(presented(&headers(values), None), Err(*reason), "{values:?}");
    }
}

// SPEC RS-4
#[test]
fn a_token_written_as_none_can_be_is_not_well_formed() {
    for value in ["Bearer a b", "Bearer a, Bearer b", "Bearer a\"b", "Bearer =="] {
        let map = headers(&[value]);
        let Ok(Presented::Token(token)) = presented(&map, None) else {
            panic!("{value} holds a token of some kind")
        };
        assert!(!token.is_well_formed(), "{value}");
    }
    assert!(Unverified("abc.def-_~+/==").is_well_formed());
    for byte in 0..=0x7f_u8 {
        let text = char::from(byte).to_string();
        let may_stand_there = byte.is_ascii_alphanumeric() || "-._~+/".contains(&text);
        assert_eq!(Unverified(&text).is_well_formed(), may_stand_there, "{text:?}");
    }
}

// SPEC RS-4
#[test]
fn a_token_in_the_query_never_counts_and_beside_one_in_the_header_is_an_error() {
    for query in ["access_token=abc", "a=b&access%5Ftoken=abc", "a;access_token=x", "access_token"] {
        let none = HeaderMap::new();
        assert_eq!(presented(&none, Some(query)), Ok(Presented::Nothing(Rejection::TokenInQuery)), "{query}");
        let with = headers(&["Bearer abc"]);
        assert_eq!(presented(&with, Some(query)), Err(Rejection::TokenInQuery), "{query}");
    }
    let with = headers(&["Bearer abc"]);
    assert!(presented(&with, Some("my_access_token=1&x=access_token")).is_ok());
}

#[test]
fn no_header_or_another_scheme_is_no_token() {
    assert_eq!(presented(&HeaderMap::new(), None), Ok(Presented::Nothing(Rejection::NoToken)));
    assert_eq!(presented(&headers(&["Basic dXNlcg=="]), None), Ok(Presented::Nothing(Rejection::NoToken)));
}
