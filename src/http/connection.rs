//! A client's connection: answers leave when their touches are recorded, and it is not read while it cannot be written.
//!
//! An answer must not be sent before its touch is in the journal, and touches are written in turns ([`super::track`]).
//! To have the request wait for its turn would mean that actix-http polls it twice, the second time after a
//! thousand others. So the request is answered at once, and what keeps the answer back is the connection: a touch *holds*
//! it, bytes written meanwhile are kept here, and the turn's end *releases* it, which sends them.
//!
//! actix-http goes on reading requests of a client that reads no answers, and keeps the answers in memory: one such
//! client could fill it. Here, once the client's buffers are full, its requests stay in the kernel until it has read;
//! one that reads nothing for [`STALLED_MAX`] is sent away. So is one that takes minutes over a request: actix-http times
//! the head of a connection's first request and nothing else. Idle connections are ended here as well, by the
//! same timer: actix-http would make one for each request.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use actix_web::rt::net::TcpStream;
use actix_web::rt::time::{Instant, Sleep, sleep};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// How long a client may leave its answers unread.
const STALLED_MAX: Duration = Duration::from_secs(30);

/// How often a connection is looked at. One on which nothing has happened between two looks is idle and ends.
const LOOK: Duration = Duration::from_secs(5);
/// A request whose answer has not begun after so many looks is given up, however slowly its client sends it: longer than
/// any statement of the database may take.
const REQUEST_LOOKS: u32 = 16;
/// So many bytes are read before the requests in them are answered: actix-http would take in 128 KiB, thousands of small
/// requests.
const READ_AT_ONCE: usize = 16 * 1024;
/// So many bytes of answers are held before the connection is neither read nor written until it is released.
const HELD_MAX: usize = 64 * 1024;
/// Memory for held answers that an idle connection keeps.
const HELD_KEPT: usize = 2 * 1024;

/// The connection, as actix-http reads and writes it.
pub(super) struct Connection(Rc<Link>);

/// The connection, as touches hold it.
pub(super) struct Link(RefCell<Socket>);

struct Socket {
    stream: TcpStream,
    /// Touches of it that are not recorded yet.
    holds: usize,
    /// What was written meanwhile, or what the client's buffers had no room for after that.
    held: Vec<u8>,
    /// How much of it is sent.
    sent: usize,
    /// Why it could not be sent.
    broken: Option<io::Error>,
    /// Who reads and writes the connection.
    task: Option<Waker>,
    /// The task waits until nothing is held.
    is_awaited: bool,
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
    /// Looks since that changed.
    looks: u32,
}

/// What a look has found.
enum Found {
    Nothing,
    /// It is idle.
    Idle,
    /// The time for a request is up.
    Late,
}

impl Watch {
    fn start(context: &mut Context<'_>) -> Self {
        let mut watch = Self { look: Box::pin(sleep(LOOK)), is_waiting: false, looks: 0 };
        watch.set(context);
        watch
    }

    fn set(&mut self, context: &mut Context<'_>) {
        let _pending = self.look.as_mut().poll(context);
    }

    fn look(&mut self, context: &mut Context<'_>) -> Found {
        if !self.look.is_elapsed() {
            return Found::Nothing;
        }
        self.looks += 1;
        self.look.as_mut().reset(Instant::now() + LOOK);
        self.set(context);
        match (self.is_waiting, self.looks) {
            (true, REQUEST_LOOKS..) => Found::Late,
            (false, 2..) => Found::Idle,
            _ => Found::Nothing,
        }
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
        Self(Rc::new(Link(RefCell::new(Socket {
            stream,
            holds: 0,
            held: Vec::new(),
            sent: 0,
            broken: None,
            task: None,
            is_awaited: false,
            stalled: None,
            watch: None,
            read: 0,
        }))))
    }

    /// What touches hold.
    pub(super) fn link(&self) -> Rc<Link> {
        Rc::clone(&self.0)
    }
}

impl Link {
    /// Keeps back what is written from now on, until as many releases have come.
    pub(super) fn hold(&self) {
        self.0.borrow_mut().holds += 1;
    }

    /// Takes one hold away, and sends what was kept back when it was the last.
    pub(super) fn release(&self) {
        let mut socket = self.0.borrow_mut();
        socket.holds = socket.holds.saturating_sub(1);
        if socket.holds > 0 {
            return;
        }
        // Where nothing was written since the hold, nobody has to be told either.
        let Some(task) = socket.task.take() else { return };
        let sent = socket.poll_send(&mut Context::from_waker(&task));
        if let Poll::Ready(Err(why)) = sent {
            socket.broken = Some(why);
            task.wake_by_ref();
        } else if sent.is_ready() && std::mem::take(&mut socket.is_awaited) {
            task.wake_by_ref();
        }
        socket.task = Some(task);
    }
}

impl Socket {
    /// Sends what was kept back; ready when nothing is left.
    fn poll_send(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.held.is_empty() {
            return Poll::Ready(Ok(()));
        }
        let sent = self.send_held(context);
        if sent.is_ready() {
            self.sent = 0;
            self.held.clear();
            self.held.shrink_to(HELD_KEPT);
        }
        self.noted(context, sent)
    }

    fn send_held(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some(rest) = self.held.get(self.sent..).filter(|rest| !rest.is_empty()) {
            // Not `poll_write`, of which tokio lets one task do some hundred in a row: a turn has more answers.
            match self.stream.try_write(rest) {
                Ok(0) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Ok(sent) => self.sent += sent,
                Err(why) if why.kind() == io::ErrorKind::WouldBlock => {
                    ready!(self.stream.poll_write_ready(context))?;
                }
                Err(why) => return Poll::Ready(Err(why)),
            }
        }
        Poll::Ready(Ok(()))
    }

    fn remember(&mut self, context: &Context<'_>) {
        match &mut self.task {
            Some(task) => task.clone_from(context.waker()),
            None => self.task = Some(context.waker().clone()),
        }
    }

    /// Has the task wait until nothing is held.
    fn wait<T>(&mut self, context: &Context<'_>) -> Poll<T> {
        self.remember(context);
        self.is_awaited = true;
        Poll::Pending
    }

    /// What a write came to, after taking note of it.
    fn noted<T>(&mut self, context: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            if let Some(watch) = &mut self.watch {
                (watch.is_waiting, watch.looks) = (false, 0);
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

    fn poll_read(&mut self, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if let Some(why) = self.broken.take() {
            return Poll::Ready(Err(why));
        }
        if let Some(stalled) = &mut self.stalled {
            stalled.reader = Some(context.waker().clone());
            return Poll::Pending;
        }
        if self.holds > 0 && self.held.len() >= HELD_MAX {
            return self.wait(context);
        }
        match self.watch.get_or_insert_with(|| Watch::start(context)).look(context) {
            Found::Nothing => {}
            // As if the client had ended it.
            Found::Idle => return Poll::Ready(Ok(())),
            Found::Late => return Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
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
            && let Some(watch) = self.watch.as_mut().filter(|watch| !watch.is_waiting)
        {
            (watch.is_waiting, watch.looks) = (true, 0);
        }
        done
    }

    /// Whether what is written now must wait: `None` if it may be sent.
    fn poll_keep(&mut self, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<Option<usize>>> {
        if let Some(why) = self.broken.take() {
            return Poll::Ready(Err(why));
        }
        if self.holds == 0 {
            ready!(self.poll_send(context))?;
            return Poll::Ready(Ok(None));
        }
        if self.held.len() >= HELD_MAX {
            return self.wait(context);
        }
        self.remember(context);
        self.held.extend_from_slice(bytes);
        Poll::Ready(Ok(Some(bytes.len())))
    }
}

impl AsyncRead for Connection {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.0.0.borrow_mut().poll_read(context, buffer)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let mut socket = self.0.0.borrow_mut();
        if let Some(kept) = ready!(socket.poll_keep(context, bytes))? {
            return Poll::Ready(Ok(kept));
        }
        let written = Pin::new(&mut socket.stream).poll_write(context, bytes);
        socket.noted(context, written)
    }

    /// What is held counts as written: nobody waits for it but [`Self::poll_shutdown`].
    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut socket = self.0.0.borrow_mut();
        if ready!(socket.poll_keep(context, &[]))?.is_some() {
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut socket.stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut socket = self.0.0.borrow_mut();
        if socket.holds > 0 && !socket.held.is_empty() {
            return socket.wait(context);
        }
        ready!(socket.poll_send(context))?;
        Pin::new(&mut socket.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests;
