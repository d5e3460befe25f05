//! Records of one turn of the event loop, written together before any of their answers.
//!
//! A system call per click would be the dearest part of a redirect. Requests that are
//! ready at the same time are polled one after the other by their worker; each leaves its record
//! here, and its connection is held. The first of a turn wakes the worker's flusher, a task that is queued behind all
//! others that are ready; it writes everything with one `write` and releases the connections, which send their answers.
//! With one client at a time that is one more poll, with a thousand it is one
//! `write` for all of them. No answer leaves before its record is in the journal (invariant 2).
//!
//! The flusher is a task of its own, as actix-http may poll a request twice in a row: a request that counted its polls
//! would take the second for the end of the turn and write alone.
//!
//! Where answers wait for the disk (`journal.sync = "always"`) a turn is as long as the sync of the one before:
//! one sync is under way while the worker answers and gathers, and the next serves all that have come meanwhile.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, Waker};

use actix_web::web::Data;

use crate::domain::touch::TouchRecord;
use crate::http::connection::Link;
use crate::http::state::State;
use crate::tracking::journal::{Frames, Position};

/// So many bytes are written without waiting for the turn's end.
const BYTES_MAX: usize = 256 * 1024;

/// Before a sync, the event loop is asked for more requests until it has found none so many times in a row.
const LOOKS_BEFORE_SYNC: usize = 3;

/// What one worker gathers. Not shared between threads.
#[expect(missing_debug_implementations, reason = "holds wakers and the state")]
pub struct Turn {
    state: Data<State>,
    gathered: RefCell<Gathered>,
}

#[derive(Default)]
struct Gathered {
    frames: Frames,
    /// Records that could not be encoded, to be counted with their turn.
    lost: u64,
    /// The connections of its records, one for each.
    held: Vec<Rc<Link>>,
    /// Turns that are written and whose sync is awaited, oldest first.
    syncing: VecDeque<Syncing>,
    flusher: Option<Waker>,
}

/// A written turn whose answers wait for the disk.
struct Syncing {
    through: Position,
    held: Vec<Rc<Link>>,
}

impl Gathered {
    fn is_empty(&self) -> bool {
        self.frames.is_empty() && self.lost == 0
    }

    fn count(&self) -> u64 {
        self.frames.count() + self.lost
    }

    /// Ends the turn: its connections are released when everything up to `through` is on the disk, or by the caller now.
    #[must_use = "who is held must be released"]
    fn end(&mut self, through: Option<Position>) -> Vec<Rc<Link>> {
        let held = std::mem::take(&mut self.held);
        match through {
            Some(through) => {
                self.syncing.push_back(Syncing { through, held });
                Vec::new()
            }
            None => held,
        }
    }
}

fn release(held: &[Rc<Link>]) {
    held.iter().for_each(|link| link.release());
}

impl Turn {
    /// For a worker.
    pub fn new(state: Data<State>) -> Rc<Self> {
        Rc::new(Self { state, gathered: RefCell::default() })
    }

    /// Writes each turn at its end, for as long as the worker lives.
    pub(super) async fn flush_for_ever(self: Rc<Self>) {
        loop {
            let answered = std::future::poll_fn(|context| self.poll_gathered(context)).await;
            if self.state.journal.syncs_answers() {
                self.gather_more(answered).await;
            }
            if catch_unwind(AssertUnwindSafe(|| self.write())).is_err() {
                self.give_up();
            }
        }
    }

    /// Lets the answers of synced turns go. Ready when there is a turn to write and none is being synced; tells how many
    /// answers it has let go.
    fn poll_gathered(&self, context: &Context<'_>) -> Poll<u64> {
        let mut answered = 0;
        let mut gathered = self.gathered.borrow_mut();
        gathered.flusher = Some(context.waker().clone());
        while let Some(turn) = gathered.syncing.front() {
            if self.state.journal.poll_durable(turn.through, context).is_pending() {
                return Poll::Pending;
            }
            let Some(turn) = gathered.syncing.pop_front() else { break };
            answered += turn.held.len() as u64;
            release(&turn.held);
        }
        if gathered.is_empty() { Poll::Pending } else { Poll::Ready(answered) }
    }

    /// After a write that panicked: its touches are answered and counted as unrecorded, and the next turn is written.
    fn give_up(&self) {
        let mut gathered = self.gathered.borrow_mut();
        self.state.journal.count_unrecorded(gathered.count());
        gathered.frames.clear();
        gathered.lost = 0;
        let held = gathered.end(None);
        drop(gathered);
        release(&held);
    }

    /// Lets a turn that will wait for the disk gather two thirds of the clients that are there: the other third sends its
    /// next requests while the sync is under way. A sync costs as much as some ten redirects, and with the half
    /// that has come by itself there would be a third more of them. Where no more come it does not wait.
    async fn gather_more(&self, answered: u64) {
        let goal = (answered + self.gathered.borrow().count()) * 2 / 3;
        let mut looks = 0;
        while looks < LOOKS_BEFORE_SYNC {
            let before = self.gathered.borrow().count();
            if answered > 0 && before >= goal {
                break;
            }
            tokio::task::yield_now().await;
            looks = if self.gathered.borrow().count() == before { looks + 1 } else { 0 };
        }
    }

    /// Leaves a record, and holds its connection until the record is in the journal. This never fails: a touch that could
    /// not be journaled is answered all the same and counted as unrecorded.
    pub(super) fn record(&self, touch: &TouchRecord<'_>, link: &Rc<Link>) {
        link.hold();
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
        gathered.held.push(Rc::clone(link));
        let is_full = gathered.frames.len_bytes() > BYTES_MAX;
        drop(gathered);
        if is_full {
            self.write();
        }
    }

    /// Writes what was gathered, and lets its answers go or has them wait for the disk.
    fn write(&self) {
        let mut gathered = self.gathered.borrow_mut();
        if gathered.is_empty() {
            return;
        }
        // Counted first: a reader of the counters never sees more touches in the journal than were answered.
        self.state.metrics.touches_answered.fetch_add(gathered.count(), Ordering::Relaxed);
        let lost = std::mem::take(&mut gathered.lost);
        if lost > 0 {
            self.state.journal.count_unrecorded(lost);
        }
        // A failure is logged and counted by the journal, and is answered at once.
        let written = self.state.journal.append_frames(&mut gathered.frames).ok();
        let mut held = gathered.end(written.filter(|_| self.state.journal.syncs_answers()));
        if let (false, Some(flusher)) = (gathered.syncing.is_empty(), &gathered.flusher) {
            // It waits for the sync.
            flusher.wake_by_ref();
        }
        drop(gathered);
        self.state.writer.wake();
        release(&held);
        // Its memory serves the next turn.
        held.clear();
        let mut gathered = self.gathered.borrow_mut();
        if gathered.held.capacity() == 0 {
            gathered.held = held;
        }
    }
}
