//! The journal as a whole: crashes, damage, full disks, and a model.

mod damage;
mod faults;
mod life;
mod model;
mod simulated;

use std::fs;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use serde::{Deserialize, Serialize};

use super::format::HEADER_LEN;
use super::segment::path_of;
use super::storage::SegmentFile;
use super::*;
use crate::domain::time::{DrivenClock, UtcMillis};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Note {
    id: u64,
    text: String,
}

impl Record for Note {
    const KIND: u8 = 200;

    fn without_personal_data(self) -> Self {
        self
    }
}

fn note(id: u64) -> Note {
    Note { id, text: format!("note {id}") }
}

/// A journal directory and what runs on it.
struct Bench {
    dir: tempfile::TempDir,
    clock: Arc<DrivenClock>,
}

struct Running {
    journal: Journal,
    reader: Reader,
    counters: Arc<Counters>,
}

impl Bench {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().expect("dir"), clock: Arc::new(DrivenClock::new(UtcMillis(1_000))) }
    }

    fn options(&self) -> Options {
        Options { sync: SyncMode::Os, ..Options::new(self.dir.path().join("journal")) }
    }

    fn try_open(&self, options: Options, storage: Box<dyn Storage>) -> Result<Running, OpenError> {
        let counters = Arc::new(Counters::default());
        let clock: Arc<DrivenClock> = Arc::clone(&self.clock);
        let (journal, reader) = Journal::open_on(storage, options, clock, Arc::clone(&counters))?;
        Ok(Running { journal, reader, counters })
    }

    fn open(&self) -> Running {
        self.try_open(self.options(), Box::new(Disk)).expect("open")
    }

    fn path(&self, name: &str) -> PathBuf {
        self.options().dir.join(name)
    }

    fn segment(&self, number: u64) -> PathBuf {
        path_of(&self.options().dir, number)
    }

    fn segments(&self) -> usize {
        let names = fs::read_dir(self.options().dir).expect("dir");
        names.filter(|e| e.as_ref().is_ok_and(|e| e.path().extension().is_some_and(|x| x == "seg"))).count()
    }

    /// Bytes of a segment, changed and written back.
    fn damage(&self, number: u64, change: impl FnOnce(&mut Vec<u8>)) {
        let path = self.segment(number);
        let mut bytes = fs::read(&path).expect("segment");
        change(&mut bytes);
        fs::write(path, bytes).expect("damage");
    }

    fn cases(&self) -> Vec<serde_json::Value> {
        let lines = fs::read_to_string(self.path("quarantine/quarantine.jsonl")).unwrap_or_default();
        lines.lines().map(|line| serde_json::from_str(line).expect("line")).collect()
    }
}

impl Running {
    fn append(&self, ids: impl IntoIterator<Item = u64>) -> Vec<Position> {
        ids.into_iter().map(|id| self.journal.append(&note(id)).expect("append")).collect()
    }

    fn read(&mut self, max: usize) -> Vec<u64> {
        let mut out: Vec<Note> = Vec::new();
        self.reader.read(max, &mut out).expect("read");
        assert!(out.iter().all(|n| *n == note(n.id)), "{out:?}");
        out.iter().map(|n| n.id).collect()
    }

    fn load(&mut self) -> Vec<u64> {
        let ids = self.read(usize::MAX);
        self.reader.commit().expect("commit");
        add(&self.counters.stored, ids.len() as u64);
        ids
    }
}

/// A disk on which the next writes fail by script: each entry is how many bytes of one write
/// arrive before it fails; `None` lets it pass.
#[derive(Default)]
struct Script {
    writes: Mutex<Vec<Option<usize>>>,
    failing_syncs: AtomicU64,
    syncs: AtomicU64,
    /// What happens elsewhere while the next sync is under way.
    meanwhile: Mutex<Option<Box<dyn FnOnce() + Send>>>,
}

struct Faulty(Arc<Script>);

struct FaultyFile(Arc<dyn SegmentFile>, Arc<Script>);

impl Storage for Faulty {
    fn create(&self, path: &Path) -> io::Result<Arc<dyn SegmentFile>> {
        Ok(Arc::new(FaultyFile(Disk.create(path)?, Arc::clone(&self.0))))
    }

    fn sync_left(&self, path: &Path) -> io::Result<()> {
        Disk.sync_left(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        Disk.sync_dir(dir)
    }
}

impl SegmentFile for FaultyFile {
    fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        match self.1.writes.lock().expect("script").pop().flatten() {
            None => self.0.write(bytes),
            Some(0) => Err(io::ErrorKind::StorageFull.into()),
            Some(some) => self.0.write(&bytes[..some.min(bytes.len() - 1)]),
        }
    }

    fn reserve(&self, len: u64) -> io::Result<u64> {
        self.0.reserve(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.1.syncs.fetch_add(1, Ordering::SeqCst);
        if let Some(meanwhile) = self.1.meanwhile.lock().expect("script").take() {
            meanwhile();
        }
        let failing = self.1.failing_syncs.load(Ordering::SeqCst) > 0;
        if failing {
            self.1.failing_syncs.fetch_sub(1, Ordering::SeqCst);
            return Err(io::ErrorKind::Other.into());
        }
        self.0.sync_data()
    }
}

/// The bytes of a record on disk.
fn frame(id: u64) -> Vec<u8> {
    let mut frames = Frames::default();
    frames.push(&note(id)).expect("encode");
    frames.bytes
}
