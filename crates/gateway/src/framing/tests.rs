use proptest::prelude::*;

use super::*;

const GOOD: [&str; 7] = [
    "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    "POST / HTTP/1.1\r\nContent-Length: 5\r\nHost: a\r\n\r\nhello",
    "\r\n\r\nPOST / HTTP/1.1\r\ncontent-length:0\r\n\r\n",
    "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\nA\r\n0123456789\r\n0\r\nX-Trailer: 1\r\n\r\n",
    // What stands in a body is no head.
    "POST / HTTP/1.1\r\nContent-Length: 64\r\n\r\nPOST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: c\r\n\r\nxxxx",
    "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n40\r\nPOST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: c\r\n\r\nxxxx\r\n0\r\n\r\n",
    "GET / HTTP/1.1\nX-Content-Length: 1\nX-Transfer-Encoding: 2\nContent-Length-Of: 3\n\n",
];

const BAD: [&str; 7] = [
    "POST / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
    "POST / HTTP/1.1\r\ntransfer-ENCODING: chunked\r\nHost: a\r\ncontent-LENGTH: 5\r\n\r\n",
    "POST / HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n",
    "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
    "POST / HTTP/1.1\nContent-Length: 5\nTransfer-Encoding: chunked\n\n",
    "\r\nPOST / HTTP/1.1\r\nContent-Length:5\r\nTransfer-Encoding:\tchunked\r\n\r\n",
    "POST / HTTP/1.1\r\nTransfer-Encoding: identity\r\nContent-Length: 5\r\n\r\n",
];

/// Read in pieces of these sizes, over and over.
fn read_in(pieces: &[usize], bytes: &[u8]) -> bool {
    let mut framing = Framing::default();
    let (mut found, mut rest) = (false, bytes);
    for size in pieces.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (piece, behind) = rest.split_at((*size).min(rest.len()));
        found |= framing.read(piece);
        rest = behind;
    }
    found
}

// SPEC PX-8
#[test]
fn a_head_with_two_lengths_is_seen_and_no_other() {
    for text in GOOD {
        assert!(!read_in(&[usize::MAX], text.as_bytes()), "{text}");
    }
    for text in BAD {
        assert!(read_in(&[usize::MAX], text.as_bytes()), "{text}");
    }
}

#[test]
fn a_length_that_comes_in_pieces_cannot_hide_where_the_next_request_begins() {
    for field in ["Content-Length", "Transfer-Encoding"] {
        let padded = format!("POST / HTTP/1.1\r\n{field}:{}5\r\n\r\nhello", " ".repeat(300));
        assert!(read_in(&[40], padded.as_bytes()), "{field}");
    }
    let harmless =
        format!("POST / HTTP/1.1\r\nX-Long: {}\r\nContent-Length: 5\r\n\r\nhello", "x".repeat(300));
    assert!(!read_in(&[40], harmless.as_bytes()));
}

#[test]
fn what_is_not_http_1_is_left_alone() {
    let http_2 = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n";
    let bad_chunk = format!("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}", BAD[0]);
    for text in [http_2, &bad_chunk] {
        assert!(!read_in(&[usize::MAX], text.as_bytes()), "{text}");
    }
    // Nothing is kept of lines that never end.
    let mut framing = Framing::default();
    assert!((0..10_000).all(|_| !framing.read(&[b'x'; 1000])));
    assert!(framing.line.capacity() <= 2 * KEPT);
}

proptest! {
    #[test]
    fn in_whatever_pieces_and_behind_whatever_requests_it_comes(
        before in prop::collection::vec(0..GOOD.len(), 0..6),
        bad in prop::option::of(0..BAD.len()),
        pieces in prop::collection::vec(1_usize..40, 1..8),
    ) {
        let mut text: String = before.iter().filter_map(|at| GOOD.get(*at)).copied().collect();
        text.extend(bad.and_then(|at| BAD.get(at)).copied());
        prop_assert_eq!(read_in(&pieces, text.as_bytes()), bad.is_some(), "{}", text);
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..2000), pieces in prop::collection::vec(1_usize..100, 1..8)) {
        read_in(&pieces, &bytes);
    }
}

// SPEC PX-8
#[tokio::test(start_paused = true)]
async fn a_head_that_does_not_end_in_time_ends_its_connection_and_a_silent_one_is_left_alone() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::time::{Instant, timeout};

    let (mut peer, ours) = tokio::io::duplex(1024);
    let (mut watched, _) = Watched::new(ours);
    let mut bytes = [0; 64];
    peer.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    watched.read_exact(&mut bytes[..27]).await.unwrap();
    assert!(timeout(HEAD_TIMEOUT * 100, watched.read_u8()).await.is_err(), "between two requests");
    let began = Instant::now();
    let dripping = async {
        loop {
            peer.write_all(b"G").await.unwrap();
            sleep(HEAD_TIMEOUT / 4).await;
        }
    };
    let reading = async {
        loop {
            if let Err(error) = watched.read_u8().await {
                break error.kind();
            }
        }
    };
    tokio::select! {
        () = dripping => {}
        ended = reading => assert_eq!(ended, io::ErrorKind::TimedOut),
    }
    assert_eq!(began.elapsed().as_secs(), HEAD_TIMEOUT.as_secs());
}
