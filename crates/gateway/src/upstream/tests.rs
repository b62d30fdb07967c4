use bytes::Bytes;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use super::*;
use crate::body::BodyError;
use crate::lane::REST_TIMEOUT;

const SOON: Duration = Duration::from_secs(20);

#[tokio::test]
async fn an_upload_goes_on_to_its_end_also_when_its_answer_was_complete_before() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let to: Uri = format!("http://{}/", listener.local_addr().unwrap()).parse().unwrap();
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut came = Vec::new();
        while !came.windows(5).any(|window| window == b"begin") {
            assert!(stream.read_buf(&mut came).await.unwrap() > 0);
        }
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await.unwrap();
        while !came.ends_with(b"0\r\n\r\n") && stream.read_buf(&mut came).await.unwrap() > 0 {}
        String::from_utf8(came).unwrap()
    });
    let (pieces, coming) = mpsc::channel::<&'static str>(1);
    let frames = futures_util::stream::unfold(coming, |mut coming| async {
        let piece = coming.recv().await?;
        Some((Ok::<_, BodyError>(Frame::data(Bytes::from_static(piece.as_bytes()))), coming))
    });
    let frames = Box::pin(frames);
    let request = Request::post(to.clone()).body(body::other(StreamBody::new(frames))).unwrap();
    pieces.send("begin").await.unwrap();
    let client = UpstreamClient::new().unwrap();
    let answer = client.send(Box::new(request), &to, SOON).await.unwrap();
    assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), "ok");
    pieces.send("the rest").await.unwrap();
    drop(pieces);
    let came = tokio::time::timeout(SOON, server).await.unwrap().unwrap();
    assert!(came.contains("the rest") && came.ends_with("0\r\n\r\n"), "{came}");
}

#[tokio::test]
async fn a_body_at_hand_goes_on_to_its_end_also_when_its_answer_was_complete_before() {
    let (read_on, server) = answered_before_it_was_read().await;
    read_on.send(()).unwrap();
    let count = tokio::time::timeout(SOON, server).await.unwrap().unwrap();
    assert_eq!(count, LONG, "{count} bytes of {LONG} came");
}

#[tokio::test]
async fn a_body_that_nobody_reads_goes_on_for_a_minute_and_no_longer() {
    for (waited, is_given_up) in [(REST_TIMEOUT - SOON, false), (REST_TIMEOUT + SOON, true)] {
        let (read_on, server) = answered_before_it_was_read().await;
        // Until the minute has begun.
        tokio::task::yield_now().await;
        tokio::time::pause();
        tokio::time::advance(waited).await;
        tokio::time::resume();
        read_on.send(()).unwrap();
        let count = tokio::time::timeout(SOON, server).await.unwrap().unwrap();
        assert_eq!(count < LONG, is_given_up, "{count} bytes of {LONG} came");
    }
}

/// Much more than the kernel takes of it while nobody reads, which is some megabytes.
const LONG: usize = 32 * 1024 * 1024;

/// A request as long as that, answered before it was read; when it is told to, the server reads it, and says at the end how
/// much of its body came.
async fn answered_before_it_was_read() -> (oneshot::Sender<()>, JoinHandle<usize>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let to: Uri = format!("http://{}/", listener.local_addr().unwrap()).parse().unwrap();
    let (read_on, told) = oneshot::channel();
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut came = vec![0; 64 * 1024];
        let first = stream.read(&mut came).await.unwrap();
        let head = came.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4;
        let mut count = first - head;
        stream.write_all(b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n").await.unwrap();
        told.await.unwrap();
        while count < LONG {
            match stream.read(&mut came).await {
                // A connection that is given up ends, or is reset.
                Ok(0) | Err(_) => break,
                Ok(more) => count += more,
            }
        }
        count
    });
    let request = Request::post(to.clone()).body(body::full(vec![b'x'; LONG])).unwrap();
    let answer = UpstreamClient::new().unwrap().send(Box::new(request), &to, SOON).await.unwrap();
    assert_eq!(answer.status(), 202);
    drop(answer);
    (read_on, server)
}
