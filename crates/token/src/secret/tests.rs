use super::*;

// HARD 20
#[test]
fn no_secret_shows_itself_in_debug() {
    let shown = format!("{:?} {:?}", AccessToken::new("tok-123"), Some(ClientSecret::new("hunter2")));
    assert_eq!(shown, "AccessToken(redacted) Some(ClientSecret(redacted))");
}

#[test]
fn equal_texts_are_equal_secrets_and_have_equal_fingerprints() {
    let (a, b, c) = (RefreshToken::new("x"), RefreshToken::new("x"), RefreshToken::new("y"));
    assert_eq!(a, b);
    assert_ne!(a, c);
    assert_eq!(a.fingerprint(), b.fingerprint());
    assert_ne!(a.fingerprint(), c.fingerprint());
}

#[test]
fn a_fingerprint_shows_eight_hex_digits_alone() {
    assert_eq!(format!("{:?}", Fingerprint::of("abc")), "sha256:ba7816bf…");
}

#[test]
fn a_fingerprint_is_read_back_from_its_own_writing_alone() {
    let of = Fingerprint::of("secret");
    assert_eq!(Fingerprint::from_hex(&of.to_hex()), Some(of));
    for wrong in ["", "ab", &of.to_hex()[1..], &format!("{}0", of.to_hex()), &"zz".repeat(32)] {
        assert_eq!(Fingerprint::from_hex(wrong), None, "{wrong}");
    }
}
