use super::*;

fn split(pieces: &[&str]) -> (Vec<String>, usize) {
    let mut splitter = Splitter::new();
    let mut events = Vec::new();
    for piece in pieces {
        splitter.push(piece.as_bytes());
        while let Some(event) = splitter.next_event() {
            events.push(String::from_utf8(event.to_vec()).unwrap());
        }
    }
    (events, splitter.waiting())
}

// HTML standard §9.2.6
#[test]
fn an_event_ends_with_its_blank_line_whatever_ends_its_lines() {
    for (text, events, waiting) in [
        ("data: a\n\ndata: b\n\n", &["data: a\n\n", "data: b\n\n"][..], 0),
        ("data: a\r\n\r\nx", &["data: a\r\n\r\n"], 1),
        ("data: a\r\rx", &["data: a\r\r"], 1),
        ("data: a\r\r", &["data: a\r\r"], 0),
        ("data: a\n\r", &["data: a\n\r"], 0),
        ("data: a\r\n\rdata: b\n\r\n", &["data: a\r\n\r", "data: b\n\r\n"], 0),
        ("data: a\ndata: b\n\n", &["data: a\ndata: b\n\n"], 0),
        ("data: a\n", &[], 8),
        ("data: a\r\n", &[], 9),
        (": ping\n\n", &[": ping\n\n"], 0),
        ("\n", &["\n"], 0),
        ("\u{feff}data: a\n\n\u{feff}data: b\n\n", &["data: a\n\n", "\u{feff}data: b\n\n"], 0),
        ("", &[], 0),
    ] {
        let (found, left) = split(&[text]);
        assert_eq!(found, events, "{text:?}");
        assert_eq!(left, waiting, "{text:?}");
    }
}

#[test]
fn a_line_feed_that_comes_late_ends_no_second_line() {
    for (pieces, events) in [
        (&["data: a\r", "\n\r", "\ndata: b\r", "\n", "\r\n"][..], &["data: a\r\n\r", "data: b\r\n\r\n"][..]),
        (&["data: a\r\r", "\n", "\n"], &["data: a\r\r", "\n"]),
        (&["\u{feff}"; 1], &[]),
    ] {
        assert_eq!(split(pieces).0, events, "{pieces:?}");
    }
}

#[test]
fn every_byte_of_an_open_event_is_looked_at_once() {
    let mut splitter = Splitter::new();
    let piece = [b'x'; 1024];
    let mut looked_at = 0;
    for _ in 0..4096 {
        splitter.push(&piece);
        let before = splitter.scanned;
        assert_eq!(splitter.next_event(), None);
        looked_at += splitter.scanned - before;
    }
    assert_eq!((looked_at, splitter.waiting()), (4 * 1024 * 1024, 4 * 1024 * 1024));
    splitter.push(b"\n\n");
    assert_eq!(splitter.next_event().map(|event| event.len()), Some(4 * 1024 * 1024 + 2));
}
