//! A client's connection that is not read while it cannot be written.
//!
//! actix-http goes on reading requests of a client that reads no answers, and keeps the answers in memory: one such
//! client could fill it. Here, once the client's buffers are full, its requests stay in the kernel until it has read;
//! one that reads nothing for [`STALLED_MAX`] is sent away.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use actix_web::rt::net::TcpStream;
use actix_web::rt::time::{Sleep, sleep};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// How long a client may leave its answers unread.
const STALLED_MAX: Duration = Duration::from_secs(30);

/// The connection.
pub(super) struct Connection {
    stream: TcpStream,
    stalled: Option<Stalled>,
}

/// The client's buffers are full.
struct Stalled {
    ends: Pin<Box<Sleep>>,
    /// Who wants to read on once they are not.
    reader: Option<Waker>,
}

impl Connection {
    pub(super) fn new(stream: TcpStream) -> Self {
        Self { stream, stalled: None }
    }

    /// What a write came to, after taking note of it.
    fn noted<T>(&mut self, context: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if written.is_ready() {
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
        Pin::new(&mut self.stream).poll_read(context, buffer)
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
