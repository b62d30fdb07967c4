use super::*;

/// Cuts `drop` out, and calls `{}` what is no JSON.
fn done(event: &'static [u8]) -> Result<Bytes, Unclear> {
    cut(Bytes::from_static(event), |data| match std::str::from_utf8(data) {
        Ok(data) if data.contains("broken") => Err(Unclear),
        Ok(data) if data.contains("drop") => Ok(Some(data.replace("drop", ""))),
        _ => Ok(None),
    })
}

#[test]
fn an_event_with_nothing_to_cut_stays_as_it_came() {
    for event in [
        &b"event: message\nid: 1\nretry: 3\n: note\ndata:{}\ndata\n\n"[..],
        b"data:  two spaces\r\n\r\n",
        b"id\ndata: broken link\n\n",
        b": ping\n\n",
        b"\n",
    ] {
        assert_eq!(done(event).unwrap(), event, "{:?}", event.escape_ascii().to_string());
    }
}

// HTML standard §9.2.6
#[test]
fn an_event_is_written_anew_where_its_data_changed_or_readers_could_differ() {
    for (event, expected) in [
        (&b"id: 1\ndata: a\ndata:drop\ndata\n\n"[..], &b"id: 1\ndata: a\ndata: \ndata: \n\n"[..]),
        (b"data: drop b\nevent: e\n\n", b"event: e\ndata:  b\n\n"),
        (b"data: a\rdata: b\r\r", b"data: a\ndata: b\n\n"),
        (b"data: a\r\n\r", b"data: a\n\n"),
        (b"data: a\nData: {}\n data: {}\ndata : {}\n{}\n\n", b"data: a\n\n"),
        (b"\xef\xbb\xbfdata: {}\n\n", b"\n"),
        (b"data: \xff\n\n", b"data: \xef\xbf\xbd\n\n"),
        (b"\r", b"\n"),
    ] {
        assert_eq!(done(event).unwrap(), expected, "{:?}", event.escape_ascii().to_string());
    }
}

#[test]
fn data_that_is_no_json_passes_only_where_no_object_can_stand_in_it() {
    assert_eq!(done(b"data: {broken\n\n"), Err(Unclear));
    assert_eq!(done(b"data: broken\ndata: {\n\n"), Err(Unclear));
    assert!(done(b"data: /broken?x=1\n\n").is_ok());
}
