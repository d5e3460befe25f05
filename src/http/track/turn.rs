//! Records of one turn of the event loop, written together before any of their answers.
//!
//! A system call per click would be the dearest part of a redirect. Requests that are
//! ready at the same time are polled one after the other by their worker; each leaves its record
//! here and waits. The first of a turn wakes the worker's flusher, a task that is queued behind all
//! others that are ready; it writes everything with one `write` and lets the answers go.
//! With one client at a time that is one more poll, with a thousand it is one
//! `write` for all of them. No answer leaves before its record is in the journal (invariant 2).
//!
//! The flusher is a task of its own, as actix-http may poll a request twice in a row: a request that counted its polls
//! would take the second for the end of the turn and write alone.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, Waker};

use actix_web::web::Data;

use crate::domain::touch::TouchRecord;
use crate::http::state::State;
use crate::tracking::journal::Frames;

/// So many bytes are written without waiting for the turn's end.
const BYTES_MAX: usize = 256 * 1024;

/// Looks for more requests before a sync, as long as each finds some.
const LOOKS_BEFORE_SYNC: usize = 3;

/// What one worker gathers. Not shared between threads.
#[expect(missing_debug_implementations, reason = "holds wakers and the state")]
pub struct Turn {
    state: Data<State>,
    gathered: RefCell<Gathered>,
}

#[derive(Default)]
struct Gathered {
    /// How many turns have been written; the one being gathered has this number.
    written: u64,
    frames: Frames,
    /// Records that could not be encoded, to be counted with their turn.
    lost: u64,
    waiting: Vec<Waker>,
    flusher: Option<Waker>,
}

impl Gathered {
    fn is_empty(&self) -> bool {
        self.frames.is_empty() && self.lost == 0
    }
}

impl Turn {
    /// For a worker.
    pub fn new(state: Data<State>) -> Rc<Self> {
        Rc::new(Self { state, gathered: RefCell::default() })
    }

    /// Writes each turn at its end, for as long as the worker lives.
    pub(super) async fn flush_for_ever(self: Rc<Self>) {
        loop {
            std::future::poll_fn(|context| {
                let mut gathered = self.gathered.borrow_mut();
                gathered.flusher = Some(context.waker().clone());
                if gathered.is_empty() { Poll::Pending } else { Poll::Ready(()) }
            })
            .await;
            if self.state.journal.syncs_appends() {
                self.gather_more().await;
            }
            if catch_unwind(AssertUnwindSafe(|| self.write())).is_err() {
                self.give_up();
            }
        }
    }

    /// After a write that panicked: its touches are answered and counted as unrecorded, and the next turn is written.
    fn give_up(&self) {
        let mut gathered = self.gathered.borrow_mut();
        self.state.journal.count_unrecorded(gathered.frames.count() + gathered.lost);
        gathered.frames.clear();
        gathered.lost = 0;
        gathered.written += 1;
        let waiting = std::mem::take(&mut gathered.waiting);
        drop(gathered);
        waiting.into_iter().for_each(Waker::wake);
    }

    /// Where a write waits for the disk, it pays to look once more at who has sent a request meanwhile: without that,
    /// the clients of one sync and those of the next take turns, and each sync serves half of them.
    async fn gather_more(&self) {
        for _ in 0..LOOKS_BEFORE_SYNC {
            let before = self.gathered.borrow().frames.count();
            tokio::task::yield_now().await;
            if self.gathered.borrow().frames.count() == before {
                break;
            }
        }
    }

    /// Leaves a record. Its answer may be sent when the future is done; the future never fails, as a touch that could not
    /// be journaled is answered all the same and counted as unrecorded.
    pub(super) fn record(self: &Rc<Self>, touch: &TouchRecord<'_>) -> Recorded {
        let mut gathered = self.gathered.borrow_mut();
        if gathered.is_empty()
            && let Some(flusher) = &gathered.flusher
        {
            flusher.wake_by_ref();
        }
        if let Err(error) = gathered.frames.push(touch) {
            tracing::error!(error = %error, "a touch could not be encoded and is counted as unrecorded");
            gathered.lost += 1;
        }
        let number = gathered.written;
        let is_full = gathered.frames.len_bytes() > BYTES_MAX;
        drop(gathered);
        if is_full {
            self.write();
        }
        Recorded { turn: Rc::clone(self), number, place: None }
    }

    /// Writes what was gathered and lets its answers go.
    fn write(&self) {
        let mut gathered = self.gathered.borrow_mut();
        if gathered.is_empty() {
            return;
        }
        let answered = gathered.frames.count() + gathered.lost;
        // Counted first: a reader of the counters never sees more touches in the journal than were answered.
        self.state.metrics.touches_answered.fetch_add(answered, Ordering::Relaxed);
        let lost = std::mem::take(&mut gathered.lost);
        if lost > 0 {
            self.state.journal.count_unrecorded(lost);
        }
        // A failure is logged and counted by the journal.
        let _position = self.state.journal.append_frames(&mut gathered.frames);
        gathered.written += 1;
        let waiting = std::mem::take(&mut gathered.waiting);
        drop(gathered);
        self.state.writer.wake();
        for waker in waiting {
            waker.wake();
        }
    }
}

/// Done when the turn that a record belongs to is written.
#[must_use = "an answer must not be sent before its record is written"]
pub(super) struct Recorded {
    turn: Rc<Turn>,
    number: u64,
    /// Where its waker is among those that wait.
    place: Option<usize>,
}

impl Future for Recorded {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let turn = Rc::clone(&self.turn);
        let mut gathered = turn.gathered.borrow_mut();
        if gathered.written > self.number {
            return Poll::Ready(());
        }
        match self.place.and_then(|place| gathered.waiting.get_mut(place)) {
            Some(waker) => waker.clone_from(context.waker()),
            None => {
                self.place = Some(gathered.waiting.len());
                gathered.waiting.push(context.waker().clone());
            }
        }
        Poll::Pending
    }
}
