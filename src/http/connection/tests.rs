//! Connections of a client that behaves, and of some that do not.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream as Client};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::timeout;

use super::*;

/// A client and our side of its connection. The clock of these tests is tokio's, paused: it moves to the next timer
/// when there is nothing else to do.
fn connected() -> (Client, Connection) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
    let client = Client::connect(listener.local_addr().expect("address")).expect("connect");
    let (ours, _) = listener.accept().expect("accept");
    ours.set_nonblocking(true).expect("nonblocking");
    (client, Connection::new(TcpStream::from_std(ours).expect("stream")))
}

fn is_timed_out<T>(done: io::Result<T>) -> bool {
    done.err().is_some_and(|why| why.kind() == io::ErrorKind::TimedOut)
}

#[tokio::test(start_paused = true)]
async fn a_request_that_never_ends_is_given_up_also_when_it_is_not_the_first() {
    let (mut client, mut ours) = connected();
    let mut buffer = [0; 64];
    client.write_all(b"first").expect("sent");
    assert_eq!(ours.read(&mut buffer).await.expect("read"), 5);
    ours.write_all(b"answer").await.expect("answered");
    client.write_all(b"G").expect("sent");
    assert_eq!(ours.read(&mut buffer).await.expect("read"), 1);
    let begun = Instant::now();
    assert!(is_timed_out(ours.read(&mut buffer).await));
    let time = LOOK * (REQUEST_LOOKS - 1)..=LOOK * (REQUEST_LOOKS + 1);
    assert!(time.contains(&begun.elapsed()), "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_ends_and_a_waiting_one_does_not() {
    let (mut client, mut ours) = connected();
    let mut buffer = [0; 64];
    client.write_all(b"first").expect("sent");
    assert_eq!(ours.read(&mut buffer).await.expect("read"), 5);
    assert!(timeout(10 * LOOK, ours.read(&mut buffer)).await.is_err(), "its answer is awaited");
    ours.write_all(b"answer").await.expect("answered");
    let begun = Instant::now();
    assert_eq!(ours.read(&mut buffer).await.expect("ended"), 0);
    assert!((LOOK..=3 * LOOK).contains(&begun.elapsed()), "{:?}", begun.elapsed());
}

/// What has arrived at the client by now.
fn arrived(client: &mut Client) -> String {
    let mut buffer = [0; 256];
    client.set_read_timeout(Some(Duration::from_millis(50))).expect("timeout");
    let read = client.read(&mut buffer).unwrap_or(0);
    String::from_utf8_lossy(&buffer[..read]).into_owned()
}

#[tokio::test]
async fn what_is_held_leaves_with_the_last_release() {
    let (mut client, mut ours) = connected();
    ours.write_all(b"before ").await.expect("sent");
    assert_eq!(arrived(&mut client), "before ");
    let link = ours.link();
    link.hold();
    ours.write_all(b"one ").await.expect("kept");
    link.hold();
    ours.write_all(b"two ").await.expect("kept");
    ours.flush().await.expect("nobody waits");
    link.release();
    assert_eq!(arrived(&mut client), "");
    link.release();
    assert_eq!(arrived(&mut client), "one two ");
    ours.write_all(b"after").await.expect("sent");
    assert_eq!(arrived(&mut client), "after");
}

#[tokio::test]
async fn a_connection_is_shut_behind_what_it_holds() {
    let (mut client, mut ours) = connected();
    let link = ours.link();
    link.hold();
    ours.write_all(b"last").await.expect("kept");
    assert!(timeout(Duration::from_millis(50), ours.shutdown()).await.is_err(), "it waits for the release");
    let release = async { link.release() };
    let (shut, ()) = tokio::join!(ours.shutdown(), release);
    shut.expect("shut");
    assert_eq!(arrived(&mut client), "last");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_reads_nothing_is_not_read_and_then_sent_away() {
    let (mut client, mut ours) = connected();
    client.write_all(b"more").expect("sent");
    let block = [0; 64 * 1024];
    // Until the buffers of both sides are full.
    while timeout(Duration::from_secs(1), ours.write_all(&block)).await.is_ok() {}
    let mut buffer = [0; 64];
    assert!(timeout(Duration::from_secs(1), ours.read(&mut buffer)).await.is_err(), "its requests wait as well");
    assert!(is_timed_out(ours.write_all(&block).await));
}

#[tokio::test]
async fn a_client_that_reads_again_is_read_again() {
    let (mut client, mut ours) = connected();
    client.write_all(b"more").expect("sent");
    let block = [0; 64 * 1024];
    while timeout(Duration::from_millis(50), ours.write_all(&block)).await.is_ok() {}
    let reader = std::thread::spawn(move || {
        let mut all = Vec::new();
        client.read_to_end(&mut all).map(|_| all.len())
    });
    let (mut theirs, mut to_them) = tokio::io::split(ours);
    let mut buffer = [0; 64];
    // The read waits until the write is through.
    let (read, written) = tokio::join!(theirs.read(&mut buffer), to_them.write_all(&block));
    assert_eq!(read.expect("read"), 4);
    written.expect("written");
    drop((theirs, to_them));
    assert!(reader.join().expect("thread").expect("read") >= block.len());
}
