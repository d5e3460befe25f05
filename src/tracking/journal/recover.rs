//! What an earlier process left: found, measured and counted before the first append.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::time::{Duration, Instant};

use super::counters::{Counters, add};
use super::format::{HEADER_LEN, HeaderFault, SegmentHeader};
use super::log::Recovered;
use super::quarantine::Quarantine;
use super::segment::{SegmentState, Step, Walk, number_of, path_of};
use super::storage::private;
use super::{OpenError, Position};
use crate::domain::time::UtcMillis;

/// How long to wait for another process to let go of the journal, and how often to look.
const LOCK_PATIENCE: Duration = Duration::from_secs(1);
const LOCK_PAUSE: Duration = Duration::from_millis(10);

/// Takes the journal for this process.
pub(super) fn lock(dir: &Path) -> Result<File, OpenError> {
    let path = dir.join("lock");
    let open = private(OpenOptions::new().write(true).create(true).truncate(false)).open(&path);
    let file = open.map_err(|why| OpenError::io(&path, why))?;
    let tried = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            // A process that a supervisor replaces may be in its last moment; and a child that is just being forked
            // holds its parent's handles until it runs its own program.
            Err(TryLockError::WouldBlock) if tried.elapsed() < LOCK_PATIENCE => std::thread::sleep(LOCK_PAUSE),
            Err(TryLockError::WouldBlock) => return Err(OpenError::Locked { dir: dir.to_owned() }),
            Err(TryLockError::Error(why)) => return Err(OpenError::io(&path, why)),
        }
    }
}

/// Measures every segment behind the checkpoint. Reads all of what was not loaded, once: normally
/// the work of moments, and the only way to tell from the start how much is pending.
pub(super) fn recover(
    dir: &Path,
    checkpoint: Option<Position>,
    quarantine: &Quarantine,
    counters: &Counters,
) -> Result<Recovered, OpenError> {
    let loaded = checkpoint.unwrap_or_default();
    let numbers = segment_numbers(dir).map_err(|why| OpenError::io(dir, why))?;
    // Also above those in quarantine: after a checkpoint is lost, numbers must not return and overwrite what is kept there.
    let last_number = numbers.last().copied().unwrap_or(0).max(loaded.segment).max(quarantine.last_number());
    let mut recovered = Recovered { segments: Vec::new(), last_number, end: loaded, used: 0 };
    for number in numbers {
        let path = path_of(dir, number);
        let examined = if number < loaded.segment {
            remove(&path)
        } else {
            let start = if number == loaded.segment { loaded.offset.max(HEADER_LEN) } else { HEADER_LEN };
            Examination { path: path.clone(), number, start, quarantine, counters }.run()
        };
        let Some(state) = examined? else { continue };
        recovered.used += state.bytes();
        recovered.end = Position { segment: number, offset: state.end() };
        recovered.segments.push(state);
    }
    Ok(recovered)
}

fn segment_numbers(dir: &Path) -> io::Result<Vec<u64>> {
    let mut numbers = Vec::new();
    for entry in fs::read_dir(dir)? {
        numbers.extend(entry?.file_name().to_str().and_then(number_of));
    }
    numbers.sort_unstable();
    Ok(numbers)
}

fn remove(path: &Path) -> Result<Option<SegmentState>, OpenError> {
    fs::remove_file(path).map_err(|why| OpenError::io(path, why))?;
    Ok(None)
}

/// How far a segment can be read, and what stands behind that.
struct Extent {
    end: u64,
    records: u64,
    rest: Rest,
    /// End of what stands behind: zeros after it are reserved space.
    rest_end: u64,
}

enum Rest {
    Nothing,
    Torn,
    Lost(&'static str),
}

/// One segment under examination.
struct Examination<'a> {
    path: PathBuf,
    number: u64,
    start: u64,
    quarantine: &'a Quarantine,
    counters: &'a Counters,
}

impl Examination<'_> {
    /// The segment as far as it can be read; `None` when nothing of it is left to load.
    fn run(&self) -> Result<Option<SegmentState>, OpenError> {
        let len = fs::metadata(&self.path).map_err(|why| self.io(why))?.len();
        if len < HEADER_LEN {
            // The process ended while it began the segment.
            add(&self.counters.torn, u64::from(len > 0));
            return remove(&self.path);
        }
        // Also where its size reached the disk before a power loss, and nothing else.
        if self.start >= len || self.is_blank(len) {
            return remove(&self.path);
        }
        match self.created_at() {
            Ok(Ok(created_at)) => match self.measure(len) {
                Ok(extent) => self.settle(created_at, &extent, len).map(Some),
                Err(why) => self.put_aside(&format!("unreadable: {why}")),
            },
            Ok(Err(HeaderFault::Newer(format))) => Err(OpenError::NewerFormat { path: self.path.clone(), format }),
            Ok(Err(HeaderFault::Damaged)) => self.put_aside("the header is damaged and no record follows it"),
            Err(why) => self.put_aside(&format!("unreadable: {why}")),
        }
    }

    /// When the segment was begun. A damaged header is passed over when a whole record follows it, at once or later.
    fn created_at(&self) -> io::Result<Result<UtcMillis, HeaderFault>> {
        let mut header = [0; 32];
        File::open(&self.path)?.read_exact(&mut header)?;
        let decoded = SegmentHeader::decode(&header, self.number).map(|h| h.created_at);
        if decoded == Err(HeaderFault::Damaged) {
            let mut walk = Walk::open(&self.path, HEADER_LEN)?;
            if matches!(walk.step(fs::metadata(&self.path)?.len())?, Step::Record { .. } | Step::Damaged { .. }) {
                tracing::warn!(segment = self.number, "journal segment has a damaged header; its records are read");
                return Ok(Ok(UtcMillis(0)));
            }
        }
        Ok(decoded)
    }

    /// Whether nothing but zeros is in it. One that cannot be read is put aside later.
    fn is_blank(&self, len: u64) -> bool {
        Walk::open(&self.path, 0).and_then(|mut walk| walk.written_end(len)).is_ok_and(|end| end == 0)
    }

    /// Walks to the end of what can be read. Reserved space is a clean end.
    fn measure(&self, len: u64) -> io::Result<Extent> {
        let mut walk = Walk::open(&self.path, self.start)?;
        let written_end = walk.written_end(len)?;
        let mut records = 0;
        let rest = loop {
            if walk.offset() >= written_end {
                break Rest::Nothing;
            }
            match walk.step(len)? {
                Step::Record { len, .. } | Step::Damaged { len, .. } => {
                    records += 1;
                    walk.advance(len);
                }
                Step::End => break Rest::Nothing,
                Step::Torn => break Rest::Torn,
                Step::Lost(reason) => {
                    break if walk.is_cut_off(written_end, len)? { Rest::Torn } else { Rest::Lost(reason) };
                }
            }
        };
        let rest_end = walk.claimed_end(len)?.clamp(written_end, len);
        Ok(Extent { end: walk.offset(), records, rest, rest_end })
    }

    /// Counts what was found, and keeps what stands behind the readable part.
    fn settle(&self, created_at: UtcMillis, extent: &Extent, len: u64) -> Result<SegmentState, OpenError> {
        let keep = |reason: &str| self.quarantine.region(reason, &self.path, self.number, extent.end, extent.rest_end);
        add(&self.counters.replayed, extent.records);
        match extent.rest {
            Rest::Nothing => {}
            Rest::Torn => {
                add(&self.counters.torn, 1);
                // A torn record was not answered, or lay behind the last sync. It is kept only because
                // a damaged length can look like one, so a full disk is no reason not to start.
                if let Err(why) = keep("torn tail") {
                    tracing::warn!(segment = self.number, error = %why, "torn tail could not be kept");
                }
            }
            Rest::Lost(reason) => {
                keep(reason).map_err(|why| self.io(why))?;
                add(&self.counters.replayed, 1);
                add(&self.counters.quarantined, 1);
            }
        }
        Ok(SegmentState {
            number: self.number,
            created_at,
            start: self.start,
            end: AtomicU64::new(extent.end),
            records: AtomicU64::new(extent.records),
            bytes: AtomicU64::new(len),
            sealed: AtomicBool::new(true),
        })
    }

    /// Takes the whole file out of the journal.
    fn put_aside(&self, reason: &str) -> Result<Option<SegmentState>, OpenError> {
        self.quarantine.file(reason, &self.path, self.number).map_err(|why| self.io(why))?;
        add(&self.counters.replayed, 1);
        add(&self.counters.quarantined, 1);
        Ok(None)
    }

    fn io(&self, why: io::Error) -> OpenError {
        OpenError::io(&self.path, why)
    }
}
