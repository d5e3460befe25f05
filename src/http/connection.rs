//! A client's connection that is not read while it cannot be written.
//!
//! actix-http goes on reading requests of a client that reads no answers, and keeps the answers in memory: one such
//! client could fill it. Here, once the client's buffers are full, its requests stay in the kernel until it has read;
//! one that reads nothing for [`STALLED_MAX`] is sent away. So is one that takes minutes over a request: actix-http times
//! the head of a connection's first request and nothing else.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use actix_web::rt::net::TcpStream;
use actix_web::rt::time::{Instant, Sleep, sleep};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// How long a client may leave its answers unread.
const STALLED_MAX: Duration = Duration::from_secs(30);

/// How often a connection is looked at. A request whose answer has not begun after two looks is given up, however slowly
/// its client sends it: longer than any statement of the database may take.
const LOOK: Duration = Duration::from_secs(75);
/// So many bytes are read before the requests in them are answered: actix-http would take in 128 KiB, thousands of small
/// requests.
const READ_AT_ONCE: usize = 16 * 1024;

/// The connection.
pub(super) struct Connection {
    stream: TcpStream,
    stalled: Option<Stalled>,
    watch: Option<Watch>,
    /// Bytes read since the reader last had to wait.
    read: usize,
}

/// Whether a request is under way.
struct Watch {
    /// One timer for the life of the connection, polled when it is set: each request would cost a timer else.
    look: Pin<Box<Sleep>>,
    /// Bytes were read since the last write.
    is_waiting: bool,
    /// So it was at the last look, and nothing was written since.
    was_waiting: bool,
}

impl Watch {
    fn start(context: &mut Context<'_>) -> Self {
        let mut watch = Self { look: Box::pin(sleep(LOOK)), is_waiting: false, was_waiting: false };
        watch.set(context);
        watch
    }

    fn set(&mut self, context: &mut Context<'_>) {
        let _pending = self.look.as_mut().poll(context);
    }

    /// Whether the client's time is up.
    fn is_over(&mut self, context: &mut Context<'_>) -> bool {
        if !self.look.is_elapsed() {
            return false;
        }
        if self.was_waiting {
            return true;
        }
        self.was_waiting = self.is_waiting;
        self.look.as_mut().reset(Instant::now() + LOOK);
        self.set(context);
        false
    }
}

/// The client's buffers are full.
struct Stalled {
    ends: Pin<Box<Sleep>>,
    /// Who wants to read on once they are not.
    reader: Option<Waker>,
}

impl Connection {
    pub(super) fn new(stream: TcpStream) -> Self {
        Self { stream, stalled: None, watch: None, read: 0 }
    }

    /// What a write came to, after taking note of it.
    fn noted<T>(&mut self, context: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            if let Some(watch) = &mut self.watch {
                (watch.is_waiting, watch.was_waiting) = (false, false);
            }
            if let Some(reader) = self.stalled.take().and_then(|stalled| stalled.reader) {
                reader.wake();
            }
            return written;
        }
        let stalled = self.stalled.get_or_insert_with(|| Stalled { ends: Box::pin(sleep(STALLED_MAX)), reader: None });
        match stalled.ends.as_mut().poll(context) {
            Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let Some(stalled) = &mut self.stalled {
            stalled.reader = Some(context.waker().clone());
            return Poll::Pending;
        }
        if self.watch.get_or_insert_with(|| Watch::start(context)).is_over(context) {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        if self.read >= READ_AT_ONCE {
            self.read = 0;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let before = buffer.filled().len();
        let done = Pin::new(&mut self.stream).poll_read(context, buffer);
        let read = buffer.filled().len() - before;
        self.read = if done.is_pending() { 0 } else { self.read + read };
        if read > 0
            && let Some(watch) = &mut self.watch
        {
            watch.is_waiting = true;
        }
        done
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.noted(context, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, parts);
        self.noted(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
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
        assert!((LOOK..=3 * LOOK).contains(&begun.elapsed()), "{:?}", begun.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn an_idle_connection_is_not_the_watch_s_business() {
        let (mut client, mut ours) = connected();
        let mut buffer = [0; 64];
        client.write_all(b"first").expect("sent");
        assert_eq!(ours.read(&mut buffer).await.expect("read"), 5);
        ours.write_all(b"answer").await.expect("answered");
        assert!(timeout(10 * LOOK, ours.read(&mut buffer)).await.is_err(), "it still waits");
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
}
