use super::*;

fn answer(name: &'static str, value: &str) -> Fetched {
    let mut headers = HeaderMap::new();
    headers.insert(name, value.parse().unwrap());
    Fetched { status: StatusCode::OK, headers, body: Bytes::from_static(b"secret") }
}

#[test]
fn cache_control_says_how_long_an_answer_is_kept() {
    let cases = [
        ("public, max-age=600", Some(600)),
        ("MAX-AGE=5", Some(5)),
        ("max-age=60, no-store", Some(0)),
        ("no-cache", Some(0)),
        ("public", None),
        ("max-age=-1", None),
    ];
    for (value, seconds) in cases {
        assert_eq!(answer("cache-control", value).max_age(), seconds.map(Duration::from_secs), "{value}");
    }
}

// HARD 16
#[test]
fn retry_after_is_read_as_seconds_and_as_a_date() {
    // Sun, 06 Nov 1994 08:49:37 GMT is 784111777.
    let now = 784_111_770_000;
    let date = "Sun, 06 Nov 1994 08:49:37 GMT";
    assert_eq!(answer("retry-after", "120").retry_after(now), Some(Duration::from_secs(120)));
    assert_eq!(answer("retry-after", date).retry_after(now), Some(Duration::from_secs(7)));
    assert_eq!(answer("retry-after", date).retry_after(now + 60_000), Some(Duration::ZERO));
    for nothing in ["soon", "", "-7", "+7", "7.5", "Sun, 99 Nov 2994 08:49:37 GMT"] {
        assert_eq!(answer("retry-after", nothing).retry_after(now), None, "{nothing}");
    }
}

// HARD 16
#[test]
fn retry_after_beyond_all_numbers_is_the_longest_pause_and_not_none() {
    for digits in ["18446744073709551615", "18446744073709551616", &"9".repeat(100)] {
        assert_eq!(
            answer("retry-after", digits).retry_after(0),
            Some(Duration::from_secs(u64::MAX)),
            "{digits}"
        );
    }
}

// HARD 20
#[test]
fn neither_a_form_nor_an_answer_shows_what_it_holds() {
    let form = Form::of(vec![("client_secret", "hunter2".into())]);
    assert_eq!(format!("{form:?} {:?}", answer("x", "y")), r#"["client_secret"] Fetched(200 OK, 6 bytes)"#);
}

#[test]
fn a_form_is_encoded_and_keeps_repeated_names() {
    let fields = vec![("resource", "https://a/x?y".into()), ("resource", "b c".into())];
    let mut form = Form::of(fields);
    form.extra = vec![("organization".into(), "ö&=".into())];
    assert_eq!(*form.encode(), "resource=https%3A%2F%2Fa%2Fx%3Fy&resource=b+c&organization=%C3%B6%26%3D");
}
