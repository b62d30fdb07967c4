use bytes::Bytes;
use http_body_util::BodyExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::coop::{consume_budget, has_budget_remaining};

use super::*;

const SOON: Duration = Duration::from_secs(20);

/// A server that answers what comes on its nth connection with the nth script's answers, one a request, then closes it.
struct Scripted {
    url: String,
    /// What came, each with the connection that it came on.
    came: mpsc::UnboundedReceiver<(usize, String)>,
    /// Connections that ended.
    ended: mpsc::UnboundedReceiver<usize>,
}

async fn scripted(scripts: &[&[&'static str]]) -> Scripted {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("http://{}/base?q=1", listener.local_addr().unwrap());
    let (say_came, came) = mpsc::unbounded_channel();
    let (say_ended, ended) = mpsc::unbounded_channel();
    let scripts: Vec<Vec<&str>> = scripts.iter().map(|script| script.to_vec()).collect();
    tokio::spawn(async move {
        for (nth, script) in scripts.into_iter().enumerate() {
            let (mut stream, _) = listener.accept().await.unwrap();
            let (say_came, say_ended) = (say_came.clone(), say_ended.clone());
            tokio::spawn(async move {
                for answer in script {
                    let Some(request) = request(&mut stream).await else { break };
                    say_came.send((nth, request)).unwrap();
                    stream.write_all(answer.as_bytes()).await.unwrap();
                    if answer.contains("HALF") {
                        // Until the other side is gone.
                        request_or_end(&mut stream).await;
                    }
                }
                drop(stream);
                say_ended.send(nth).unwrap();
            });
        }
    });
    Scripted { url, came, ended }
}

/// One request with its four bytes of body; `None` at the connection's end.
async fn request(stream: &mut TcpStream) -> Option<String> {
    let mut text = Vec::new();
    while !text.ends_with(b"\r\n\r\nbody") {
        text.push(stream.read_u8().await.ok()?);
    }
    Some(String::from_utf8(text).unwrap())
}

async fn request_or_end(stream: &mut TcpStream) {
    drop(stream.read_u8().await);
}

impl Scripted {
    /// Sends one request, and reads its answer whole.
    async fn asked(&self, lanes: &Lanes) -> Result<Bytes, LaneError> {
        let answer = self.head(lanes).await?;
        Ok(answer.into_body().collect().await.unwrap().to_bytes())
    }

    async fn head(&self, lanes: &Lanes) -> Result<Answered, LaneError> {
        tokio::time::timeout(SOON, self.head_within(lanes, SOON)).await.unwrap()
    }

    async fn head_within(&self, lanes: &Lanes, limit: Duration) -> Result<Answered, LaneError> {
        let request = Request::post(&self.url).body(body::full("body")).unwrap();
        lanes.send(Box::new(request), &self.url.parse().unwrap(), limit).await
    }

    fn place(&self, lanes: &Lanes) -> Arc<Place> {
        lanes.place(&self.url.parse().unwrap()).unwrap()
    }

    /// The next connection that ends, when we have been told of it too.
    async fn ended(&mut self) -> usize {
        let ended = tokio::time::timeout(SOON, self.ended.recv()).await.unwrap().unwrap();
        // Events come in turn: when one that comes later is here, so is that end.
        let (here, there) = (TcpListener::bind(("127.0.0.1", 0)).await.unwrap(), Bytes::from_static(b"x"));
        let mut stream = TcpStream::connect(here.local_addr().unwrap()).await.unwrap();
        here.accept().await.unwrap().0.write_all(&there).await.unwrap();
        stream.read_u8().await.unwrap();
        ended
    }

    fn connections(&mut self) -> Vec<usize> {
        std::iter::from_fn(|| self.came.try_recv().ok()).map(|(connection, _)| connection).collect()
    }
}

fn lanes() -> Lanes {
    Lanes::new(HttpConnector::new())
}

const PLAIN: &str = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
const CHUNKED: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n";
const NOTHING: &str = "HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n";
const ANOTHER: &str = "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nanother";

#[tokio::test]
async fn a_connection_whose_answer_has_ended_carries_the_next_request() {
    let (mut server, lanes) = (scripted(&[&[PLAIN, CHUNKED, NOTHING, PLAIN]]).await, lanes());
    for expected in ["hello", "hello", "", "hello"] {
        assert_eq!(server.asked(&lanes).await.unwrap(), expected);
    }
    assert_eq!(server.connections(), [0; 4]);
}

const TRAILED: &str =
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n";

/// Reads an answer on as a server does, to whom trailers are the end.
async fn until_trailers(mut answer: Answered) {
    assert_eq!(answer.body_mut().frame().await.unwrap().unwrap().into_data().unwrap(), "hello");
    let trailers = answer.body_mut().frame().await.unwrap().unwrap().into_trailers().unwrap();
    assert_eq!(trailers["x-sum"], "1");
}

#[tokio::test]
async fn a_connection_whose_answer_has_ended_with_trailers_carries_the_next_request() {
    let (mut server, lanes) = (scripted(&[&[TRAILED, ANOTHER]]).await, lanes());
    until_trailers(server.head(&lanes).await.unwrap()).await;
    assert_eq!(server.asked(&lanes).await.unwrap(), "another");
    assert_eq!(server.connections(), [0, 0]);
}

// SPEC PX-8
#[tokio::test]
async fn behind_trailers_too_a_connection_is_kept_only_where_it_is_free() {
    let unasked = format!("{TRAILED}HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil");
    let last = TRAILED.replace("OK\r\n", "OK\r\nConnection: close\r\n");
    for script in [unasked, last] {
        let script: &str = script.leak();
        let (mut server, lanes) = (scripted(&[&[script, PLAIN], &[ANOTHER]]).await, lanes());
        until_trailers(server.head(&lanes).await.unwrap()).await;
        assert_eq!(server.asked(&lanes).await.unwrap(), "another");
        assert_eq!(server.connections(), [0, 1]);
    }
}

#[tokio::test]
async fn a_request_names_its_host_and_its_path_alone() {
    let (mut server, lanes) = (scripted(&[&[PLAIN]]).await, lanes());
    server.asked(&lanes).await.unwrap();
    let (_, request) = server.came.try_recv().unwrap();
    let authority = server.url.trim_start_matches("http://").trim_end_matches("/base?q=1");
    assert!(request.starts_with("POST /base?q=1 HTTP/1.1\r\n"), "{request}");
    assert!(request.contains(&format!("\r\nhost: {authority}\r\n")), "{request}");
    let host = |authority: &str| host_of(&authority.parse().unwrap()).unwrap();
    assert_eq!(host("user:pass@example.com:80"), "example.com");
    assert_eq!(host("[::1]:3000"), "[::1]:3000");
}

#[tokio::test]
async fn a_connection_that_was_closed_behind_is_not_used_again() {
    let (mut server, lanes) = (scripted(&[&[PLAIN], &[ANOTHER]]).await, lanes());
    assert_eq!(server.asked(&lanes).await.unwrap(), "hello");
    assert_eq!(server.ended().await, 0);
    assert_eq!(server.asked(&lanes).await.unwrap(), "another");
    assert_eq!(server.connections(), [0, 1]);
}

// SPEC PX-8
#[tokio::test]
async fn what_a_server_says_unasked_is_nobodys_answer() {
    let unasked =
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhelloHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil";
    let (mut server, lanes) = (scripted(&[&[unasked, PLAIN], &[ANOTHER]]).await, lanes());
    assert_eq!(server.asked(&lanes).await.unwrap(), "hello");
    assert_eq!(server.asked(&lanes).await.unwrap(), "another");
    assert_eq!(server.connections(), [0, 1]);
}

#[tokio::test]
async fn a_connection_that_the_server_wants_to_end_is_used_once() {
    let last = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello";
    let (mut server, lanes) = (scripted(&[&[last, PLAIN], &[ANOTHER]]).await, lanes());
    assert_eq!(server.asked(&lanes).await.unwrap(), "hello");
    assert_eq!(server.asked(&lanes).await.unwrap(), "another");
    assert_eq!(server.connections(), [0, 1]);
}

// SPEC PX-6
#[tokio::test]
async fn an_answer_that_nobody_reads_on_ends_its_request() {
    let half = "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nHALF";
    let (mut server, lanes) = (scripted(&[&[half], &[ANOTHER]]).await, lanes());
    let mut answer = server.head(&lanes).await.unwrap();
    assert_eq!(answer.body_mut().frame().await.unwrap().unwrap().into_data().unwrap(), "HALF");
    drop(answer);
    assert_eq!(server.ended().await, 0);
    assert_eq!(server.asked(&lanes).await.unwrap(), "another");
}

#[tokio::test]
async fn a_request_that_has_left_is_not_sent_twice() {
    let (mut server, lanes) = (scripted(&[&[PLAIN, ""], &[ANOTHER]]).await, lanes());
    assert_eq!(server.asked(&lanes).await.unwrap(), "hello");
    assert!(matches!(server.asked(&lanes).await, Err(LaneError::Broken(_))));
    assert_eq!(server.connections(), [0, 0]);
    assert_eq!(
        server.asked(&lanes).await.unwrap(),
        "another",
        "the next request has a connection of its own"
    );
}

#[tokio::test]
async fn an_answer_that_does_not_come_in_time_is_waited_for_no_longer() {
    let (mut server, lanes) = (scripted(&[&[PLAIN, "HTTP/1.1 200 HALF"], &[ANOTHER]]).await, lanes());
    assert_eq!(server.asked(&lanes).await.unwrap(), "hello");
    let late = server.head_within(&lanes, Duration::from_millis(10)).await;
    assert!(matches!(late, Err(LaneError::Late)));
    assert_eq!(server.ended().await, 0, "the server learns of it");
    assert_eq!(server.asked(&lanes).await.unwrap(), "another");
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_an_error() {
    let broken = "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nonly so much";
    let (server, lanes) = (scripted(&[&[broken]]).await, lanes());
    let answer = server.head(&lanes).await.unwrap();
    assert!(answer.into_body().collect().await.is_err());
}

#[tokio::test]
async fn where_nobody_listens_no_connection_is_made() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url: Uri = format!("http://{}/", listener.local_addr().unwrap()).parse().unwrap();
    drop(listener);
    let request = Box::new(Request::get(url.clone()).body(body::empty()).unwrap());
    assert!(matches!(lanes().send(request, &url, SOON).await, Err(LaneError::Connect(_))));
}

#[tokio::test]
async fn what_nobody_uses_is_closed_after_a_few_looks() {
    let (mut server, lanes) = (scripted(&[&[PLAIN, PLAIN, PLAIN]]).await, lanes());
    server.asked(&lanes).await.unwrap();
    let place = server.place(&lanes);
    assert!(place.look() && place.look());
    server.asked(&lanes).await.unwrap();
    assert!(place.look() && place.look() && place.look(), "it was used meanwhile");
    assert!(!place.look(), "nothing is left");
    assert_eq!(server.ended().await, 0);
}

#[tokio::test]
async fn what_the_server_has_closed_is_not_kept() {
    let (lanes, url, close) = one_answered().await;
    let place = lanes.place(&url).unwrap();
    assert!(place.look(), "it is open");
    close().await;
    assert!(!place.look());
}

// A socket tells nothing to who has used up its turn.
#[tokio::test]
async fn what_the_server_has_closed_is_found_also_at_the_end_of_a_turn() {
    let (lanes, url, close) = one_answered().await;
    let place = lanes.place(&url).unwrap();
    close().await;
    while has_budget_remaining() {
        consume_budget().await;
    }
    assert!(!place.look());
}

#[tokio::test]
async fn what_was_put_into_a_lane_that_had_ended_meanwhile_is_given_back() {
    let (lanes, url, close) = one_answered().await;
    let (mut lane, _) = lanes.place(&url).unwrap().free.lock().unwrap().pop().unwrap();
    close().await;
    // As if its end had come between the look at it and the request.
    let request = Request::post("/base").body(body::full("body")).unwrap();
    let sent = tokio::time::timeout(SOON, lane.send(Box::new(request), SOON * 10, false)).await.unwrap();
    let Err(Fault::Broken(mut error)) = sent else { panic!("it was answered") };
    assert!(error.take_message().is_some());
}

/// A lane that is kept, of a server that has answered once and closes when it is told to.
async fn one_answered() -> (Lanes, Uri, impl AsyncFnOnce()) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url: Uri = format!("http://{}/", listener.local_addr().unwrap()).parse().unwrap();
    let (close, told) = tokio::sync::oneshot::channel::<()>();
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        request(&mut stream).await.unwrap();
        stream.write_all(PLAIN.as_bytes()).await.unwrap();
        told.await.unwrap();
    });
    let (lanes, asked) = (lanes(), Request::post("/").body(body::full("body")).unwrap());
    let answer = lanes.send(Box::new(asked), &url, SOON).await.unwrap();
    assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), "hello");
    let close = async move || {
        close.send(()).unwrap();
        server.await.unwrap();
        // Until its end is here: what comes later by another connection has come.
        let here = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let mut later = TcpStream::connect(here.local_addr().unwrap()).await.unwrap();
        here.accept().await.unwrap().0.write_all(b"x").await.unwrap();
        later.read_u8().await.unwrap();
    };
    (lanes, url, close)
}

const EVENTS: &str =
    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n";

const LISTENING: &str = "application/json, text/event-stream";

/// Who asks a server with this `Accept`, which sends this at once; and the server's end of the connection.
async fn got(lanes: &Lanes, accept: &str, first: &str) -> (Answered, TcpStream) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("http://{}/mcp", listener.local_addr().unwrap());
    let behind = async {
        let mut stream = listener.accept().await.unwrap().0;
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            request.push(stream.read_u8().await.unwrap());
        }
        stream.write_all(first.as_bytes()).await.unwrap();
        stream
    };
    let request = Box::new(Request::get(&url).header(ACCEPT, accept).body(body::empty()).unwrap());
    let to = url.parse().unwrap();
    let (answer, stream) = tokio::join!(lanes.send(request, &to, SOON), behind);
    (answer.unwrap(), stream)
}

/// The same of one that is listened to for its events.
async fn listening(lanes: &Lanes, first: &str) -> (Answered, TcpStream) {
    let (answer, stream) = got(lanes, LISTENING, first).await;
    assert!(!answer.body().is_on_lane());
    (answer, stream)
}

async fn event(answer: &mut Answered) -> Option<Bytes> {
    let frame = tokio::time::timeout(SOON, answer.body_mut().frame()).await.unwrap()?;
    Some(frame.unwrap().into_data().unwrap())
}

// SPEC PX-5
#[tokio::test]
async fn an_event_stream_is_passed_on_from_what_came_with_its_head_to_its_end() {
    let lanes = lanes();
    let (mut answer, mut server) = listening(&lanes, EVENTS).await;
    assert_eq!(event(&mut answer).await.unwrap(), "one");
    server.write_all(b"3\r\ntwo\r\n0\r\n\r\n").await.unwrap();
    assert_eq!(event(&mut answer).await.unwrap(), "two");
    assert_eq!(event(&mut answer).await, None);
}

#[tokio::test]
async fn an_event_stream_that_ended_before_anybody_looked_is_whole() {
    let lanes = lanes();
    let (mut answer, server) = listening(&lanes, &format!("{EVENTS}0\r\n\r\n")).await;
    drop(server);
    assert_eq!(event(&mut answer).await.unwrap(), "one");
    assert_eq!(event(&mut answer).await, None);
}

// SPEC PX-6
#[tokio::test]
async fn an_event_stream_that_nobody_listens_to_any_more_ends_at_the_server() {
    let lanes = lanes();
    let (mut answer, mut server) = listening(&lanes, EVENTS).await;
    assert_eq!(event(&mut answer).await.unwrap(), "one");
    drop(answer);
    let read = tokio::time::timeout(SOON, server.read_u8()).await.unwrap();
    assert!(read.is_err(), "the connection is closed");
}

#[tokio::test]
async fn what_is_not_surely_an_event_stream_alone_stays_with_its_client() {
    let events = |more: &str| format!("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n{more}");
    let chunks = "Transfer-Encoding: chunked\r\n\r\n3\r\none\r\n0\r\n\r\n";
    let early = format!("HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n{}", events(chunks));
    let padded = events(&format!("X-Long: {}\r\n{chunks}", "x".repeat(17 * 1024)));
    let cases = [
        (LISTENING, events(chunks), false),
        (LISTENING, early, false),
        (LISTENING, padded, true),
        (LISTENING, events("Content-Length: 3\r\n\r\none"), true),
        (LISTENING, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\none".into(), true),
        ("application/json", events(chunks), true),
    ];
    for (accept, first, is_on_lane) in cases {
        let (answer, _server) = got(&lanes(), accept, &first).await;
        assert_eq!(answer.body().is_on_lane(), is_on_lane, "{first:.80}");
        let whole = tokio::time::timeout(SOON, answer.into_body().collect()).await.unwrap();
        assert_eq!(whole.unwrap().to_bytes(), "one", "{first:.80}");
    }
}

#[tokio::test]
async fn events_that_answer_a_call_stay_with_their_client() {
    let (server, lanes) = (scripted(&[&[EVENTS]]).await, lanes());
    assert!(server.head(&lanes).await.unwrap().body().is_on_lane());
}
