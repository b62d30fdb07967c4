use std::io::Read;
use std::net::{TcpListener, TcpStream as Other};
use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::yield_now;

use super::*;
use crate::woken::Woken;

/// A connection, its other end, and who drives it.
async fn connection(outbox: &Outbox) -> (Posted, Other, Arc<Woken>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let here = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let there = listener.accept().unwrap().0;
    // As little as the system lets them have: what does not fit is soon found.
    SockRef::from(&here).set_send_buffer_size(1).unwrap();
    SockRef::from(&there).set_recv_buffer_size(1).unwrap();
    there.set_nonblocking(true).unwrap();
    let woken = Arc::<Woken>::default();
    let posted = Posted::new(here, outbox, &woken.clone().into());
    (posted, there, woken)
}

/// What has come. What was sent on this machine is there.
fn came(mut there: &Other) -> String {
    let mut room = [0; 64];
    match there.read(&mut room) {
        Ok(length) => String::from_utf8(room[..length].to_vec()).unwrap(),
        Err(error) if error.kind() == ErrorKind::WouldBlock => String::new(),
        Err(error) => panic!("{error}"),
    }
}

/// Writes as much as goes at once.
async fn stuff(posted: &mut Posted) -> usize {
    let (piece, mut taken) = (vec![b'l'; MOST + 1], 0);
    while let Poll::Ready(length) = futures_util::poll!(Box::pin(posted.write(&piece))) {
        taken += length.unwrap();
    }
    taken
}

#[tokio::test]
async fn what_is_small_waits_for_the_end_of_the_turn_and_leaves_in_its_order() {
    let outbox = Outbox::default();
    let (mut one, one_there, _) = connection(&outbox).await;
    let (mut two, two_there, woken) = connection(&outbox).await;
    for _ in 0..2 {
        one.write_all(b"a").await.unwrap();
        two.write_all(b"b").await.unwrap();
        one.write_all(b"c").await.unwrap();
        one.flush().await.unwrap();
        assert_eq!((came(&one_there), came(&two_there)), (String::new(), String::new()));
        yield_now().await;
        assert_eq!((came(&one_there), came(&two_there)), ("ac".into(), "b".into()));
    }
    assert_eq!(woken.times(), 0, "there is nothing to see to");
}

#[tokio::test]
async fn what_is_large_leaves_at_once_behind_what_waits() {
    let (mut posted, there, _) = connection(&Outbox::default()).await;
    posted.write_all(b"first").await.unwrap();
    assert!(stuff(&mut posted).await > MOST);
    assert!(came(&there).starts_with("firstlll"));

    let (mut posted, there, _) = connection(&Outbox::default()).await;
    posted.write_all(b"first").await.unwrap();
    let large = vec![b'l'; MOST];
    let pieces = [IoSlice::new(b" then "), IoSlice::new(&large)];
    assert!(posted.write_vectored(&pieces).await.unwrap() > 6);
    assert!(came(&there).starts_with("first then lll"));
}

#[tokio::test]
async fn what_waits_leaves_behind_all_that_has_something_to_do_now() {
    let (mut posted, there, _) = connection(&Outbox::default()).await;
    let there = Arc::new(there);
    let looks = |there: &Arc<Other>| {
        let there = there.clone();
        tokio::spawn(async move { came(&there) })
    };
    let before = looks(&there);
    posted.write_all(b"a").await.unwrap();
    let after = looks(&there);
    assert_eq!((before.await.unwrap(), after.await.unwrap()), (String::new(), "a".into()));
}

#[tokio::test]
async fn when_a_crowd_waits_all_of_it_leaves() {
    let outbox = Outbox::default();
    let mut crowd = Vec::new();
    for _ in 0..CROWD {
        crowd.push(connection(&outbox).await);
    }
    for round in [1, 2] {
        let mut last = String::new();
        for nth in 0..CROWD {
            assert_eq!(last, "", "{nth} of round {round}");
            crowd[nth].0.write_all(b"a").await.unwrap();
            last = came(&crowd[0].1);
        }
        assert_eq!(last, "a");
        assert!(crowd[1..].iter().all(|(_, there, _)| came(there) == "a"));
    }
}

/// A connection on which part of what waited has left, what it was given so far, and its other end.
async fn cut_short() -> (Posted, TcpStream, Vec<u8>) {
    let (mut posted, there, woken) = connection(&Outbox::default()).await;
    let mut there = TcpStream::from_std(there).unwrap();
    let mut read = vec![0; stuff(&mut posted).await];
    there.read_exact(&mut read).await.unwrap();
    // There is room again, and the runtime knows.
    posted.write_all(b"b").await.unwrap();
    let mut given = b"b".to_vec();
    while woken.times() == 0 {
        let piece = [b'c' + (given.len() / MOST % 20) as u8; MOST];
        posted.write_all(&piece).await.unwrap();
        given.extend_from_slice(&piece);
        yield_now().await;
        assert!(given.len() < 16 * 1024 * 1024, "it is never full");
    }
    (posted, there, given)
}

#[tokio::test]
async fn what_does_not_fit_is_left_to_who_drives_the_connection_and_nothing_is_lost() {
    let (mut posted, mut there, given) = cut_short().await;
    let sent = locked(&posted.sending).sent;
    assert!((1..MOST).contains(&sent), "a part of it has left: {sent}");
    assert!(futures_util::poll!(Box::pin(posted.flush())).is_pending());
    let reading = tokio::spawn(async move {
        let mut read = Vec::new();
        there.read_to_end(&mut read).await.unwrap();
        read
    });
    posted.write_all(b"and more").await.unwrap();
    posted.flush().await.unwrap();
    posted.shutdown().await.unwrap();
    assert!(reading.await.unwrap() == [&given[..], b"and more"].concat());
}

#[tokio::test]
async fn behind_what_was_taken_in_part_nothing_waits() {
    let (mut posted, there, woken) = connection(&Outbox::default()).await;
    stuff(&mut posted).await;
    let piece = posted.write(b"small");
    assert!(futures_util::poll!(Box::pin(piece)).is_pending(), "the system has no room");
    let mut there = TcpStream::from_std(there).unwrap();
    let reading = tokio::spawn(async move {
        let mut read = Vec::new();
        there.read_to_end(&mut read).await.unwrap();
        read
    });
    posted.write_all(b"small").await.unwrap();
    posted.write_all(b" waits again").await.unwrap();
    assert!(locked(&posted.sending).is_waiting);
    posted.shutdown().await.unwrap();
    assert!(reading.await.unwrap().ends_with(b"lsmall waits again"));
    yield_now().await;
    assert_eq!(woken.times(), 0);
}

#[tokio::test]
async fn that_it_could_not_leave_is_told_to_who_drives_the_connection() {
    let (mut posted, there, woken) = connection(&Outbox::default()).await;
    posted.write_all(b"unread").await.unwrap();
    yield_now().await;
    // With something unread in it: that resets the connection.
    drop(there);
    posted.write_all(b"lost").await.unwrap();
    assert_eq!(woken.times(), 0);
    yield_now().await;
    assert_eq!(woken.times(), 1);
    assert!(posted.flush().await.is_err());
}

#[tokio::test]
async fn what_was_taken_leaves_also_when_nobody_drives_the_connection_any_more() {
    let (mut posted, there, _) = connection(&Outbox::default()).await;
    posted.write_all(b"taken").await.unwrap();
    drop(posted);
    yield_now().await;
    let mut there = TcpStream::from_std(there).unwrap();
    let mut read = String::new();
    there.read_to_string(&mut read).await.unwrap();
    assert_eq!(read, "taken");
}

#[tokio::test]
async fn what_waits_leaves_before_a_connection_is_shut_down() {
    let (mut posted, there, woken) = connection(&Outbox::default()).await;
    posted.write_all(b"last").await.unwrap();
    posted.shutdown().await.unwrap();
    assert_eq!(came(&there), "last");
    yield_now().await;
    assert_eq!(woken.times(), 0);
}

#[test]
fn what_waits_when_a_runtime_ends_leaves_and_the_next_one_has_an_outbox_that_works() {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let outbox = Outbox::default();
    let ends = runtime();
    let (posted, there) = ends.block_on(async {
        let (mut posted, there, _) = connection(&outbox).await;
        posted.write_all(b"at last").await.unwrap();
        (posted, there)
    });
    assert_eq!(came(&there), "");
    drop(ends);
    assert_eq!(came(&there), "at last");
    drop(posted);
    runtime().block_on(async {
        let (mut posted, there, _) = connection(&outbox).await;
        posted.write_all(b"now").await.unwrap();
        yield_now().await;
        assert_eq!(came(&there), "now");
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_there_are_more_threads_nothing_waits() {
    let (mut posted, there, _) = connection(&Outbox::default()).await;
    posted.write_all(b"at once").await.unwrap();
    assert_eq!(came(&there), "at once");
}

#[tokio::test]
async fn what_comes_is_read_and_a_connection_that_is_written_keeps_no_room() {
    let (mut posted, mut there, _) = connection(&Outbox::default()).await;
    posted.write_all(b"question").await.unwrap();
    posted.written();
    yield_now().await;
    assert_eq!(came(&there), "question", "what waits is not forgotten");
    posted.written();
    assert_eq!(locked(&posted.sending).bytes.capacity(), 0);
    io::Write::write_all(&mut there, b"answer").unwrap();
    let mut room = [0; 6];
    let read = tokio::time::timeout(Duration::from_secs(20), posted.read_exact(&mut room)).await;
    assert_eq!((read.unwrap().unwrap(), &room), (6, b"answer"));
}
