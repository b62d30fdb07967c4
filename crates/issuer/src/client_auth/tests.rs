use super::*;

const KEY: &str = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n-----END PRIVATE KEY-----\n";

const ABOUT: Assertion<'_> = Assertion { audience: "https://idp.example.com", now: 1_800_000_000 };

fn signed_by(auth: ClientAuth, secret: &str) -> Form {
    let mut form = Form::default();
    let credential = Credential { secret: ClientSecret::new(secret) };
    auth.sign(&mut form, "a:b", &credential, ABOUT).unwrap();
    form
}

fn field<'f>(form: &'f Form, name: &str) -> Option<&'f str> {
    form.fields.iter().find(|(is, _)| *is == name).map(|(_, value)| value.as_str())
}

// SPEC CL-9
#[test]
fn both_halves_are_form_encoded_before_base64() {
    let value = signed_by(ClientAuth::SecretBasic, "p:w d%ä").authorization.clone().unwrap();
    let encoded = value.to_str().unwrap().strip_prefix("Basic ").unwrap();
    assert_eq!(STANDARD.decode(encoded).unwrap(), b"a%3Ab:p%3Aw+d%25%C3%A4");
    assert!(value.is_sensitive());
}

// SPEC CL-9, RFC 7523 §3
#[test]
fn an_assertion_is_for_one_server_once_and_dies_soon_and_the_key_stays_here() {
    let form = signed_by(ClientAuth::PrivateKeyJwt, KEY);
    assert_eq!((field(&form, "client_id"), form.authorization.is_none()), (Some("a:b"), true));
    assert_eq!(field(&form, "client_assertion_type"), Some(ASSERTION_TYPE));
    let jwt = field(&form, "client_assertion").unwrap();
    let payload = URL_SAFE_NO_PAD.decode(jwt.split('.').nth(1).unwrap()).unwrap();
    let mut claims: Value = serde_json::from_slice(&payload).unwrap();
    let id = claims["jti"].take();
    assert_eq!(
        claims,
        json!({"iss": "a:b", "sub": "a:b", "aud": "https://idp.example.com", "iat": 1_800_000_000_u64,
               "exp": 1_800_000_060_u64, "jti": null})
    );
    let again = signed_by(ClientAuth::PrivateKeyJwt, KEY);
    assert_ne!(field(&again, "client_assertion"), Some(jwt), "{id} is used once");
    assert!(!form.encode().contains("nWGxne") && !format!("{form:?}").contains(jwt));
}

#[test]
fn a_key_that_is_none_is_an_error_that_does_not_show_it() {
    let mut form = Form::default();
    let credential = Credential { secret: ClientSecret::new("not-a-key") };
    let error = ClientAuth::PrivateKeyJwt.sign(&mut form, "c", &credential, ABOUT).unwrap_err();
    assert!(error.to_string().contains("PEM") && !format!("{error:?}").contains("not-a-key"), "{error}");
    assert!(form.fields.iter().all(|(name, _)| *name != "client_assertion"));
}

#[test]
fn a_public_client_says_who_it_is_and_proves_nothing() {
    let form = signed_by(ClientAuth::None, "unused");
    assert_eq!(*form.encode(), "client_id=a%3Ab");
    assert!(form.authorization.is_none());
}
