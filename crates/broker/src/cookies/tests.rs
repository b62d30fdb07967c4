#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use super::*;

const DAY: Duration = Duration::from_secs(24 * 3600);

fn rules() -> CookieRules {
    CookieRules::secure("session", SameSite::Lax)
}

fn headers(lines: &[&str]) -> HeaderMap {
    lines.iter().map(|line| (COOKIE, HeaderValue::from_str(line).unwrap())).collect()
}

// HARD 30
#[test]
fn a_cookie_is_for_this_host_over_tls_and_out_of_reach_of_scripts() {
    let secret = Secret::new().unwrap();
    let set = rules().set(&secret, DAY).unwrap();
    assert!(set.is_sensitive());
    let set = set.to_str().unwrap();
    let (pair, attributes) = set.split_once("; ").unwrap();
    assert_eq!(pair, format!("__Host-session={}", secret.expose()));
    let mut attributes: Vec<_> = attributes.split("; ").collect();
    attributes.sort_unstable();
    assert_eq!(attributes, ["HttpOnly", "Max-Age=86400", "Path=/", "SameSite=Lax", "Secure"]);
    let clear = rules().clear().unwrap();
    assert!(
        clear.to_str().unwrap().starts_with("__Host-session=; ")
            && clear.to_str().unwrap().contains("Max-Age=0")
    );
}

// HARD 30
#[test]
fn on_plain_http_the_name_is_another_one_and_promises_nothing() {
    let development = CookieRules::for_development("session");
    assert_eq!(development.name(), "dev-session");
    let set = development.set(&Secret::new().unwrap(), DAY).unwrap();
    assert!(!set.to_str().unwrap().contains("Secure"));
}

#[test]
fn ours_is_found_among_others_wherever_it_stands() {
    let secret = Secret::new().unwrap();
    let ours = format!("__Host-session={}", secret.expose());
    let one = Presented::One(secret);
    assert_eq!(rules().presented(&headers(&[&ours])), one);
    assert_eq!(rules().presented(&headers(&[&format!("a=b; {ours}; c=\"d\"; e")])), one);
    assert_eq!(rules().presented(&headers(&["a=b", &ours])), one, "split over two headers");
    assert_eq!(rules().presented(&headers(&[&format!("{ours}; {ours}")])), one, "the same twice");
    assert_eq!(rules().presented(&HeaderMap::new()), Presented::Nothing);
    for others in ["session=x", "__host-session=x", "X__Host-session=x", "a=__Host-session", ";;", "="] {
        assert_eq!(rules().presented(&headers(&[others])), Presented::Nothing, "{others}");
    }
}

#[test]
fn what_cannot_be_ours_is_not_taken_for_it() {
    let (one, other) = (Secret::new().unwrap(), Secret::new().unwrap());
    let two = format!("__Host-session={}; __Host-session={}", one.expose(), other.expose());
    let with_garbage = format!("__Host-session={}; __Host-session=x", one.expose());
    let long = format!("__Host-session={}; a={}", one.expose(), "x".repeat(MOST));
    for wrong in
        [two.as_str(), with_garbage.as_str(), long.as_str(), "__Host-session=", "__Host-session=\"x\""]
    {
        assert_eq!(
            rules().presented(&headers(&[wrong])),
            Presented::Wrong,
            "{}",
            &wrong[..40.min(wrong.len())]
        );
    }
    let mut bytes = HeaderMap::new();
    bytes.insert(COOKIE, HeaderValue::from_bytes(b"__Host-session=\xff").unwrap());
    assert_eq!(rules().presented(&bytes), Presented::Wrong);
}

#[test]
fn a_neighbour_that_is_no_text_takes_nothing_away() {
    let secret = Secret::new().unwrap();
    let line = [b"city=Z\xfcrich; __Host-session=".as_slice(), secret.expose().as_bytes()].concat();
    let mut headers = HeaderMap::new();
    headers.insert(COOKIE, HeaderValue::from_bytes(&line).unwrap());
    assert_eq!(rules().presented(&headers), Presented::One(secret));
}

#[test]
fn who_signs_out_ends_all_of_several_that_differ() {
    let secrets = [Secret::new().unwrap(), Secret::new().unwrap()];
    let lines = secrets.each_ref().map(|secret| format!("__Host-session={}", secret.expose()));
    let both = format!("{}; __Host-session=planted; {}", lines[0], lines[1]);
    assert_eq!(rules().presented(&headers(&[&both])), Presented::Wrong);
    assert_eq!(rules().all_presented(&headers(&[&both, &lines[0]])), secrets);
}
