use super::*;

#[test]
fn a_duration_is_a_whole_number_and_a_unit() {
    for (text, millis) in
        [("250ms", 250), ("30s", 30_000), ("5m", 300_000), ("1h", 3_600_000), (" 2 s", 2000)]
    {
        assert_eq!(text.parse(), Ok(Span(Duration::from_millis(millis))), "{text}");
    }
    for text in ["", "30", "s", "-1s", "1.5s", "1d", "30S", "99999999999999999999s", "18446744073709551615h"]
    {
        let error = text.parse::<Span>().unwrap_err();
        assert_eq!(error, format!("`{text}` is not a duration"));
    }
}

#[test]
fn a_size_is_a_whole_number_of_bytes_or_of_binary_units() {
    for (text, bytes) in [("0", 0), ("17", 17), ("17B", 17), ("512KiB", 524_288), ("4 MiB", 4_194_304)] {
        assert_eq!(text.parse(), Ok(Size(bytes)), "{text}");
    }
    for text in ["", "MiB", "4MB", "-1", "1.5MiB", "18446744073709551615MiB"] {
        assert!(text.parse::<Size>().is_err(), "{text}");
    }
}

#[test]
fn a_listener_has_an_address_or_an_absolute_socket() {
    let tcp = ListenAddress::Tcp(SocketAddr::from(([127, 0, 0, 1], 80)));
    assert_eq!("127.0.0.1:80".parse(), Ok(tcp));
    assert_eq!("unix:/run/b.sock".parse(), Ok(ListenAddress::Unix("/run/b.sock".into())));
    for text in ["localhost", "127.0.0.1", "unix:b.sock", "unix:", ":80"] {
        assert!(text.parse::<ListenAddress>().is_err(), "{text}");
    }
}
