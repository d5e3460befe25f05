//! The reading side: records in order, once each, and the checkpoint behind them.

use std::io;
use std::sync::Arc;

use super::checkpoint;
use super::counters::{Counters, add};
use super::format::{self, Record};
use super::log::Log;
use super::segment::{SegmentState, Step, Walk};
use super::{Position, ReadError};

/// Attempts at reading one place before the segment is put aside.
const READ_ATTEMPTS: u32 = 3;

/// Reads a journal from its checkpoint. There is one per journal.
pub struct Reader {
    log: Arc<Log>,
    current: Option<Cursor>,
    /// Read to their ends, deleted at the next commit.
    finished: Vec<Arc<SegmentState>>,
    position: Position,
    committed: Position,
    failures: u32,
}

struct Cursor {
    state: Arc<SegmentState>,
    walk: Walk,
    /// Records passed, readable or not.
    read: u64,
}

/// A view of a journal's end that outlives the reader.
#[derive(Clone)]
pub(in crate::tracking) struct EndView(Arc<Log>);

impl EndView {
    pub(in crate::tracking) fn end(&self) -> Position {
        self.0.end()
    }
}

/// What came of one look.
enum Look {
    /// So many bytes.
    Passed(u64),
    /// Nothing more for now.
    Waiting,
    /// The segment is read to its final end.
    Finished,
}

/// What a damaged record can still be read as: better a name with a wrong letter than bytes with a personal address.
fn read_damaged<R: Record>(frame: &[u8]) -> Option<R> {
    let (kind, payload) = format::parts(frame);
    format::decode(kind, payload).ok()
}

/// Whether the process or the system lacks files or memory: that says nothing of the segment, and passes.
fn is_shortage(why: &io::Error) -> bool {
    const ENOMEM: i32 = 12;
    const ENFILE: i32 = 23;
    const EMFILE: i32 = 24;
    matches!(why.raw_os_error(), Some(ENOMEM | ENFILE | EMFILE))
}

impl Reader {
    pub(super) fn new(log: Arc<Log>, position: Position) -> Self {
        Self { log, current: None, finished: Vec::new(), position, committed: position, failures: 0 }
    }

    /// Adds records to `out` until it holds `max`, or there are no more for now.
    ///
    /// Unreadable records go to quarantine on the way. After an error nothing was passed over: call
    /// again. A segment that stays unreadable is taken out of the journal at the third attempt.
    pub fn read<R: Record>(&mut self, max: usize, out: &mut Vec<R>) -> Result<(), ReadError> {
        self.read_within(max, u64::MAX, out)
    }

    /// The same, and stops behind the record with which more than `bytes_max` bytes have been read.
    pub fn read_within<R: Record>(&mut self, max: usize, bytes_max: u64, out: &mut Vec<R>) -> Result<(), ReadError> {
        let mut bytes: u64 = 0;
        while out.len() < max && bytes < bytes_max {
            if !self.has_current()? {
                break;
            }
            match self.look(out) {
                Ok(Look::Passed(len)) => bytes = bytes.saturating_add(len),
                Ok(Look::Waiting) => break,
                Ok(Look::Finished) => self.finish(),
                Err(why) => self.failed(why)?,
            }
        }
        Ok(())
    }

    /// Opens the next segment if none is open; false when there is none.
    fn has_current(&mut self) -> Result<bool, ReadError> {
        while self.current.is_none() {
            let Some(state) = self.log.next_unread() else { return Ok(false) };
            match Walk::open(&self.log.path(state.number), state.start) {
                Ok(walk) => {
                    self.position = Position { segment: state.number, offset: state.start };
                    self.current = Some(Cursor { state, walk, read: 0 });
                }
                Err(why) => {
                    if let Err(error) = self.not_opened(&state, why) {
                        // Not passed over: the next look begins with it.
                        self.log.unread_again(state);
                        return Err(error);
                    }
                }
            }
        }
        Ok(true)
    }

    fn look<R: Record>(&mut self, out: &mut Vec<R>) -> Result<Look, ReadError> {
        let Some(cursor) = &mut self.current else { return Ok(Look::Waiting) };
        let number = cursor.state.number;
        // Sealed before end: see `SegmentState`.
        let sealed = cursor.state.is_sealed();
        let end = cursor.state.end();
        let at = cursor.walk.offset();
        let keep = |reason: &str, len: u64| {
            let path = self.log.path(number);
            self.log.quarantine.region(reason, &path, number, at, at + len).map_err(ReadError::Quarantine)?;
            add(&self.log.counters.quarantined, 1);
            Ok(())
        };
        let len = match cursor.walk.step(end).map_err(|why| ReadError::io(number, at, why))? {
            Step::Record { kind, payload, len } => {
                match format::decode(kind, payload) {
                    Ok(record) => out.push(record),
                    Err(reason) => keep(&reason, len)?,
                }
                len
            }
            Step::Damaged { len, reason } => {
                let record: Option<R> =
                    read_damaged(cursor.walk.peek(len, end).map_err(|why| ReadError::io(number, at, why))?);
                match record {
                    Some(record) => {
                        let kept = record.without_personal_data();
                        self.log.quarantine.record(reason, &kept).map_err(ReadError::Quarantine)?;
                        add(&self.log.counters.quarantined, 1);
                    }
                    None => keep(reason, len)?,
                }
                len
            }
            Step::End => return Ok(if sealed { Look::Finished } else { Look::Waiting }),
            Step::Torn => return self.lose("a damaged length reaches behind the end"),
            Step::Lost(reason) => return self.lose(reason),
        };
        cursor.walk.advance(len);
        cursor.read += 1;
        self.failures = 0;
        self.position.offset = at + len;
        Ok(Look::Passed(len))
    }

    /// Puts the rest of the current segment into quarantine. How many records that are is known,
    /// because they were counted when they were appended or recovered.
    fn lose(&mut self, reason: &str) -> Result<Look, ReadError> {
        let Some(cursor) = &mut self.current else { return Ok(Look::Waiting) };
        let (number, at) = (cursor.state.number, cursor.walk.offset());
        self.log.seal_number(number);
        let end = cursor.state.end();
        let path = self.log.path(number);
        self.log.quarantine.region(reason, &path, number, at, end).map_err(ReadError::Quarantine)?;
        cursor.walk.advance(end - at);
        self.position.offset = end;
        Ok(Look::Finished)
    }

    fn finish(&mut self) {
        if let Some(cursor) = self.current.take() {
            // A damaged stretch was passed as one record; how many it held is known now.
            let unread = cursor.state.records().saturating_sub(cursor.read);
            add(&self.log.counters.quarantined, unread);
            self.finished.push(cursor.state);
        }
    }

    /// Counts a failed attempt at opening; at the last one the segment is taken out of the journal.
    fn not_opened(&mut self, state: &SegmentState, why: io::Error) -> Result<(), ReadError> {
        self.failures += 1;
        if self.failures < READ_ATTEMPTS || is_shortage(&why) {
            return Err(ReadError::io(state.number, state.start, why));
        }
        self.put_aside(state, 0, &why)
    }

    /// Counts a failed look; at the last attempt the segment is taken out of the journal.
    fn failed(&mut self, error: ReadError) -> Result<(), ReadError> {
        let ReadError::Io { source, .. } = &error else { return Err(error) };
        self.failures += 1;
        if self.failures < READ_ATTEMPTS || is_shortage(source) {
            return Err(error);
        }
        if let Some(cursor) = self.current.take() {
            let moved = self.put_aside(&cursor.state, cursor.read, source);
            if moved.is_err() {
                self.current = Some(cursor);
                return moved;
            }
        }
        Ok(())
    }

    /// Moves a segment that the file system cannot read into quarantine.
    fn put_aside(&mut self, state: &SegmentState, read: u64, why: &io::Error) -> Result<(), ReadError> {
        self.log.seal_number(state.number);
        let path = self.log.path(state.number);
        if let Err(moving) = self.log.quarantine.file(&format!("unreadable: {why}"), &path, state.number) {
            // A file that is gone cannot be moved, and is no reason to stop.
            tracing::error!(segment = state.number, error = %moving, "unreadable segment could not be put aside");
            if path.exists() {
                return Err(ReadError::Quarantine(moving));
            }
        }
        self.log.budget.give_back(state.bytes());
        add(&self.log.counters.quarantined, state.records().saturating_sub(read));
        self.position = Position { segment: state.number, offset: state.end() };
        self.failures = 0;
        Ok(())
    }

    /// Declares everything read so far loaded: moves the checkpoint and deletes segments that are
    /// read to their ends. Call it only after the database commit.
    ///
    /// An error means that the checkpoint did not move: after a crash some records come again.
    pub fn commit(&mut self) -> io::Result<()> {
        let mut moved = Ok(());
        if self.position != self.committed {
            moved = checkpoint::write(&self.log.options.dir, self.position);
            self.committed = self.position;
        }
        // Also when the checkpoint did not move: on a full disk this is what makes room, and the
        // records are in the database.
        for state in self.finished.drain(..) {
            self.log.delete(&state);
        }
        self.log.seal_loaded(self.committed, false);
        moved
    }

    /// At shutdown: ends the active segment if it is loaded, so that the next read and commit delete it.
    pub(in crate::tracking) fn seal_loaded(&self) {
        self.log.seal_loaded(self.committed, true);
    }

    /// Keeps a record that the sink refused, as one line of JSON with the reason.
    ///
    /// The caller removes personal data first, and counts it.
    pub fn quarantine<T: serde::Serialize>(&self, reason: &str, record: &T) -> io::Result<()> {
        self.log.quarantine.record(reason, record)
    }

    /// How far records have been declared loaded.
    pub fn committed(&self) -> Position {
        self.committed
    }

    /// The counters of this journal.
    pub fn counters(&self) -> &Arc<Counters> {
        &self.log.counters
    }

    pub(in crate::tracking) fn end_view(&self) -> EndView {
        EndView(Arc::clone(&self.log))
    }
}
