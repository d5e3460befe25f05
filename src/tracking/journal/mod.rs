//! The journal: append-only files on local disk, between the hot path and the database.
//!
//! # What it promises
//!
//! - A record whose `append` returned is on disk as far as the process is concerned: killing the
//!   process loses nothing. Power loss costs at most what [`SyncMode`] says.
//! - Every record is delivered at least once, in order, and again only after a crash between the
//!   database commit and the checkpoint. Records carry ids and the sink is idempotent, so each is
//!   *stored* exactly once.
//! - Nothing is dropped silently: what cannot be read is copied to `quarantine/` and counted, and
//!   what follows it is read ([`Counters`] holds the equations).
//! - A failing disk costs records, never answers: `append` fails fast and counts *unrecorded*.
//!
//! # On disk
//!
//! One directory per kind of record (each kind has its own consumer, and one that stalls must not
//! hold up the deletion of another's), mode 0700, files 0600:
//!
//! ```text
//! lock                        held by the process that has the journal open
//! checkpoint                  segment and offset up to which everything is in the database
//! 00000000000000000042.seg    segments; names sort by number, numbers never return
//! quarantine/                 quarantine.jsonl and segment-<number>-<offset>.bin
//!
//! segment:  "HWJOURNL" · format u32 · number u64 · created_at i64 · crc32 of these 28 bytes
//! record:   length u32 of kind + payload · crc32 of kind + payload · kind u8 · payload (postcard)
//! ```
//!
//! All integers are little-endian. Behind the last record there may be zeros: space that was reserved ahead of
//! records that never came. As no record's length is zero, they are the clean end of a segment.
//!
//! # Operation
//!
//! Who appends encodes any number of records into [`Frames`] of its own, outside the lock; `append_frames`
//! then does one `write` under a short mutex and moves the segment's published end. The reader reads
//! up to that end without the mutex, so it never sees half a record. A segment ends at its size, at its
//! age once it is loaded, or at any error: a file in an unknown state is never appended to, and
//! the records are written once more to a fresh one. The same holds for a failed `fdatasync`
//! (module `sync`). Where answers wait for syncs, the active segment is filled with zeros up to a mebibyte ahead of its
//! records: a sync then writes their bytes and no metadata, in two thirds of the time. The budget counts that space, and
//! where the disk or the budget has none left records are appended as in the other modes. The reader moves the checkpoint after the commit and deletes segments that
//! are loaded to their ends. Module `budget` tells the operator when the database falls behind.
//!
//! # Recovery
//!
//! Old segments are never appended to. Opening walks what lies behind the checkpoint, counts it, and
//! syncs it, as the process before may have been killed ahead of its sync. An incomplete record at the
//! end is a *torn tail*, also one that runs into reserved space, as a power cut leaves it: there the size of the file and
//! some of its pages survive, and others read as zeros. Where bytes are no record, the next one whose checksum holds is sought,
//! also behind a damaged length; what lies between goes to quarantine: by name if it can still be
//! read, else as it is. A missing or damaged checkpoint means reading everything again. A segment of a
//! newer format refuses to open, as loading half of it would be worse than not starting.

mod budget;
mod checkpoint;
mod counters;
mod format;
mod inspect;
mod log;
mod quarantine;
mod reader;
mod recover;
mod reload;
mod segment;
mod storage;
mod sync;
#[cfg(test)]
mod tests;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

pub(in crate::tracking) use counters::add;
pub use counters::{CounterValues, Counters};
pub use format::{Frames, RECORD_LEN_MAX, Record};
pub use inspect::{Inspection, Quarantined, inspect};
pub(in crate::tracking) use reader::EndView;
pub use reader::Reader;
pub use reload::{Reloaded, quarantined, reload};

use crate::domain::time::Clock;
use log::Log;
use quarantine::Quarantine;
use storage::{Disk, Storage};
use sync::Syncer;

/// In [`SyncMode::Always`], how long a sync that was missed is missed at most.
const SYNC_AGAIN: Duration = Duration::from_secs(1);

/// When written records are forced to the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SyncMode {
    /// The operating system decides: power loss may cost seconds.
    Os,
    /// A thread of the journal does so this often; answers do not wait for it. Power loss costs at most the interval.
    Interval(Duration),
    /// Who answers waits for it: power loss costs nothing that was answered. Who waits at the same time shares a sync.
    Always,
}

/// How a journal is kept.
#[derive(Debug, Clone)]
pub struct Options {
    /// Its directory; made if need be.
    pub dir: PathBuf,
    /// Size at which a segment ends. At most a quarter of `max_bytes` is used.
    pub segment_bytes: u64,
    /// Age in milliseconds at which a segment ends once all of it is loaded.
    pub segment_age_ms: i64,
    /// Budget for all segments together; an append beyond it fails.
    pub max_bytes: u64,
    /// The key of the configuration that sets `max_bytes`, for the log.
    pub budget_key: &'static str,
    /// When records are forced to the disk.
    pub sync: SyncMode,
}

impl Options {
    /// The defaults: segments of 64 MiB or ten minutes, 4 GiB in all, synced every 200 ms.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self {
            dir: dir.into(),
            segment_bytes: 64 << 20,
            segment_age_ms: 600_000,
            max_bytes: 4 << 30,
            budget_key: "journal.max_bytes",
            sync: SyncMode::Interval(Duration::from_millis(200)),
        }
    }
}

/// A place in a journal. Places sort in the order of appending.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// Number of the segment; the first is 1.
    pub segment: u64,
    /// Offset in its file.
    pub offset: u64,
}

/// Why a journal could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it open.
    #[error("data.dir: the journal {} is in use by another process; stop that one, or set data.dir to a directory of its own", dir.display())]
    Locked {
        /// The journal.
        dir: PathBuf,
    },
    /// A newer program wrote it.
    #[error("{} has journal format {format}, which this version cannot read; start the newer version once so \
        that it loads it", path.display())]
    NewerFormat {
        /// The segment.
        path: PathBuf,
        /// Its format.
        format: u32,
    },
    /// A file operation failed.
    #[error("data.dir: the journal cannot use {}: {source}; give this user the right to write there", path.display())]
    Io {
        /// What it was about.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl OpenError {
    fn io(path: &Path, source: io::Error) -> Self {
        Self::Io { path: path.to_owned(), source }
    }
}

/// Why a record was not appended. It is counted as unrecorded already.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// The budget is used up: the database has been away for too long.
    #[error("the journal is full: its segments hold {max_bytes} bytes that are not loaded yet")]
    Full {
        /// The budget.
        max_bytes: u64,
    },
    /// The record is longer than any may be.
    #[error("the record has {len} bytes; at most {RECORD_LEN_MAX} can be kept")]
    TooLong {
        /// Its length.
        len: usize,
    },
    /// The record cannot be encoded.
    #[error("the record cannot be encoded: {0}")]
    Encode(postcard::Error),
    /// Two segments in a row could not be written.
    #[error("the journal cannot be written: {0}")]
    Io(io::Error),
}

/// Why nothing could be read for now.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// A segment cannot be read.
    #[error("journal segment {segment} cannot be read at {offset}: {source}")]
    Io {
        /// Its number.
        segment: u64,
        /// Where.
        offset: u64,
        /// What the system said.
        source: io::Error,
    },
    /// Unreadable bytes cannot be put aside, so they are not passed over.
    #[error("the quarantine cannot be written: {0}")]
    Quarantine(io::Error),
}

impl ReadError {
    fn io(segment: u64, offset: u64, source: io::Error) -> Self {
        Self::Io { segment, offset, source }
    }
}

/// The append side of a journal. Shared by all threads that answer requests.
pub struct Journal {
    log: Arc<Log>,
    syncer: Option<Syncer>,
}

impl Journal {
    /// Opens a journal, measures what an earlier process left, and gives its two sides.
    pub fn open(options: Options, clock: Arc<dyn Clock>, counters: Arc<Counters>) -> Result<(Self, Reader), OpenError> {
        Self::open_on(Box::new(Disk), options, clock, counters)
    }

    fn open_on(
        storage: Box<dyn Storage>,
        mut options: Options,
        clock: Arc<dyn Clock>,
        counters: Arc<Counters>,
    ) -> Result<(Self, Reader), OpenError> {
        // A loaded part of the active segment counts towards the budget until the segment ends.
        options.segment_bytes = options.segment_bytes.min(options.max_bytes / 4);
        let io = |why| OpenError::io(&options.dir, why);
        storage::private_dir(&options.dir).map_err(io)?;
        let lock = recover::lock(&options.dir)?;
        let quarantine = Quarantine::open(&options.dir, Arc::clone(&clock)).map_err(io)?;
        let checkpoint = checkpoint::read(&options.dir).map_err(io)?;
        let recovered = recover::recover(&options.dir, checkpoint, &quarantine, &counters)?;
        let sync = options.sync;
        if sync != SyncMode::Os {
            sync_left(&*storage, &options.dir, &recovered);
        }
        let log = Arc::new(Log::new(options, counters, clock, storage, quarantine, lock, recovered));
        let every = match sync {
            SyncMode::Os => None,
            SyncMode::Interval(every) => Some(every),
            SyncMode::Always => Some(SYNC_AGAIN),
        };
        let syncer = every
            .map(|every| Syncer::start(Arc::clone(&log), every))
            .transpose()
            .map_err(|why| OpenError::io(&log.options.dir, why))?;
        let reader = Reader::new(Arc::clone(&log), checkpoint.unwrap_or_default());
        Ok((Self { log, syncer }, reader))
    }

    /// Appends records with one `write`, and empties `frames`. When this returns, killing the process loses nothing.
    /// In [`SyncMode::Always`] an answer also waits for [`Self::poll_durable`] of the position.
    ///
    /// An error is counted as unrecorded here; the caller answers its visitors all the same.
    pub fn append_frames(&self, frames: &mut Frames) -> Result<Position, AppendError> {
        let appended = if frames.is_empty() { Ok(self.log.end()) } else { self.log.append(frames) };
        match (&appended, &self.syncer) {
            (Err(_), _) => self.count_unrecorded(frames.count()),
            (Ok(_), Some(syncer)) if self.syncs_answers() => syncer.wake(),
            (Ok(_), _) => {}
        }
        frames.clear();
        appended
    }

    /// Ready when an answer for what was appended up to `position` may be sent: at once, but in [`SyncMode::Always`]
    /// after the sync that covers it. Where syncs fail again and again an answer does not wait for ever.
    pub fn poll_durable(&self, position: Position, context: &Context<'_>) -> Poll<()> {
        if self.syncs_answers() { self.log.poll_durable(position, context) } else { Poll::Ready(()) }
    }

    /// Whether what ends at `position`, for which [`Self::poll_durable`] was awaited, is on the disk for certain. Who
    /// promises more than the process's own life asks this before answering.
    pub fn is_on_disk(&self, position: Position) -> bool {
        self.log.is_on_disk(position)
    }

    /// Counts records that never came as far as being appended.
    pub fn count_unrecorded(&self, records: u64) {
        add(&self.log.counters.unrecorded, records);
    }

    /// Whether answers wait for the disk.
    pub fn syncs_answers(&self) -> bool {
        self.log.options.sync == SyncMode::Always
    }

    /// Bytes of all segments on disk, loaded or not, with what is reserved ahead of the last one's records.
    pub fn disk_bytes(&self) -> u64 {
        self.log.budget.used()
    }

    /// Bytes that they may be.
    pub fn budget_bytes(&self) -> u64 {
        self.log.options.max_bytes
    }

    /// The counters of this journal.
    pub fn counters(&self) -> &Arc<Counters> {
        &self.log.counters
    }
}

#[cfg(test)]
impl Journal {
    /// Appends one record, and waits until it may be answered.
    pub(in crate::tracking) fn append<R: Record>(&self, record: &R) -> Result<Position, AppendError> {
        let mut frames = Frames::default();
        match frames.push(record) {
            Ok(()) => self.append_frames(&mut frames).inspect(|position| self.wait_durable(*position)),
            Err(why) => {
                self.count_unrecorded(1);
                Err(why)
            }
        }
    }

    pub(in crate::tracking) fn wait_durable(&self, position: Position) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("runtime");
        runtime.block_on(std::future::poll_fn(|context| self.poll_durable(position, context)));
    }
}

/// Syncs what an earlier process left. It may have been killed before its sync was due, or run in mode `os`; from now on
/// this process's promise holds for its records as well.
fn sync_left(storage: &dyn Storage, dir: &Path, recovered: &log::Recovered) {
    let paths = recovered.segments.iter().map(|state| segment::path_of(dir, state.number));
    let synced = paths.map(|path| storage.sync_left(&path)).chain([storage.sync_dir(dir)]);
    for why in synced.filter_map(Result::err) {
        tracing::warn!(error = %why, "what an earlier process left in the journal could not be synced");
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        if let Some(syncer) = self.syncer.take() {
            syncer.stop();
        }
        if self.log.options.sync != SyncMode::Os {
            self.log.sync_now();
        }
    }
}
