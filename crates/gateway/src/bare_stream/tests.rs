use http_body_util::BodyExt;
use tokio::io::{AsyncWriteExt, DuplexStream, duplex};

use super::*;

type Read = Result<Vec<u8>, io::ErrorKind>;

/// Everything that a stream says which comes in these pieces, the first of them with the head.
async fn said(pieces: &[&[u8]], framing: Framing) -> Read {
    let (mut server, client) = duplex(64);
    let (first, rest) = pieces.split_first().unwrap();
    let mut stream = BareStream::new(client, first, framing);
    let sending = async {
        for piece in rest {
            server.write_all(piece).await.unwrap();
            // Each is read by itself.
            tokio::task::yield_now().await;
        }
        drop(server);
    };
    let (read, ()) = tokio::join!(all_of(&mut stream), sending);
    assert!(stream.is_end_stream(), "nothing follows an end or an error");
    assert!(stream.frame().await.is_none());
    read
}

async fn all_of(stream: &mut BareStream<DuplexStream>) -> Read {
    let mut all = Vec::new();
    while let Some(frame) = stream.frame().await {
        let frame = frame.map_err(|error| error.downcast::<io::Error>().unwrap().kind())?;
        all.extend_from_slice(&frame.into_data().unwrap());
    }
    Ok(all)
}

const CHUNKS: &[u8] = b"9\r\ndata: 1\n\n\r\nA;an=extension\r\ndata: 22\n\n\r\n0\r\nTrailer: x\r\n\r\n";

// SPEC PX-5
#[tokio::test]
async fn chunks_say_the_same_wherever_they_are_cut() {
    for cut in 0..=CHUNKS.len() {
        let (first, second) = CHUNKS.split_at(cut);
        let read = said(&[first, second], Framing::Chunked).await;
        assert_eq!(read.unwrap(), b"data: 1\n\ndata: 22\n\n", "cut at {cut}");
    }
    let bytes: Vec<_> = CHUNKS.chunks(1).collect();
    assert_eq!(said(&bytes, Framing::Chunked).await.unwrap(), b"data: 1\n\ndata: 22\n\n");
}

#[tokio::test]
async fn a_stream_without_chunks_ends_with_its_connection() {
    let read = said(&[b"data: 1\n\n", b"data: 2\n\n"], Framing::ToTheEnd).await;
    assert_eq!(read.unwrap(), b"data: 1\n\ndata: 2\n\n");
}

#[tokio::test]
async fn a_stream_that_breaks_off_is_an_error_and_no_end() {
    for cut in 0..CHUNKS.len() {
        let read = said(&[&CHUNKS[..cut]], Framing::Chunked).await;
        assert_eq!(read.unwrap_err(), io::ErrorKind::UnexpectedEof, "cut at {cut}");
    }
}

#[tokio::test]
async fn what_is_no_chunk_is_an_error() {
    let long = ["1;".as_bytes(), &[b'x'; LONGEST_LINE]].concat();
    let trailers = ["0\r\n".as_bytes(), &"T: x\r\n".repeat(MOST_TRAILERS + 1).into_bytes(), b"\r\n"].concat();
    let sizes = [&b"data: 1\n\n"[..], b"-1\r\n", b"1\r\nxy\r\n", b"11111111111111111\r\n"];
    let no_sizes = [&b"\r\n\r\n"[..], b";x\r\n\r\n", b" \r\n\r\n", b"3\r\none\r\n\r\n\r\n"];
    for bad in sizes.into_iter().chain(no_sizes).chain([&*long, &*trailers]) {
        let read = said(&[bad], Framing::Chunked).await;
        assert_eq!(read.unwrap_err(), io::ErrorKind::InvalidData, "{}", String::from_utf8_lossy(bad));
    }
}

#[tokio::test]
async fn a_stream_that_says_nothing_keeps_nothing() {
    let (mut server, client) = duplex(64);
    let mut stream = BareStream::new(client, b"", Framing::Chunked);
    server.write_all(b"1\r\nx\r\n").await.unwrap();
    assert_eq!(stream.frame().await.unwrap().unwrap().into_data().unwrap(), "x");
    assert!(futures_util::poll!(stream.frame()).is_pending());
    assert_eq!(stream.read.capacity(), 0);
}

#[test]
fn an_answer_that_is_no_plain_event_stream_is_left_alone() {
    let answer = |status: u16, headers: &[(&'static str, &'static str)]| {
        let mut answer = Response::builder().status(status);
        for (name, value) in headers {
            answer = answer.header(*name, *value);
        }
        Framing::of_events(&answer.body(()).unwrap())
    };
    let events = ("content-type", "text/event-stream");
    let chunked = ("transfer-encoding", "Chunked");
    assert_eq!(answer(200, &[events, chunked]), Some(Framing::Chunked));
    assert_eq!(answer(200, &[events]), Some(Framing::ToTheEnd));
    assert_eq!(answer(200, &[chunked]), None);
    assert_eq!(answer(204, &[events]), None);
    assert_eq!(answer(200, &[events, ("content-length", "9")]), None);
    assert_eq!(answer(200, &[events, ("transfer-encoding", "gzip, chunked")]), None);
    assert_eq!(answer(200, &[events, chunked, chunked]), None);
    let mut older = Response::builder().header("content-type", "text/event-stream").body(()).unwrap();
    *older.version_mut() = Version::HTTP_10;
    assert_eq!(Framing::of_events(&older), None);
}
