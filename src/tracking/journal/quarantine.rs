//! Where records go that cannot be loaded: kept with their reason, out of the way of the rest.
//!
//! `quarantine/quarantine.jsonl` has one line per case. A record that the sink
//! refused, or whose checksum fails though it can be read, stands in its line,
//! without address and network click ids. Bytes that cannot be
//! read as records are in a file of their own, named by segment and offset; they
//! are as they were on disk, since nothing can be taken out of what cannot be
//! read. After a crash a case may have two lines; the names and ids tell.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Serialize;

use super::storage::{private, private_dir};
use crate::domain::time::Clock;

/// The file with a line for each case.
pub(super) const LINES: &str = "quarantine.jsonl";

/// The quarantine of one journal.
pub(super) struct Quarantine {
    dir: PathBuf,
    clock: Arc<dyn Clock>,
}

/// One line.
#[derive(Serialize)]
struct Case<'a, T> {
    reason: &'a str,
    /// When it was put aside, in UTC milliseconds.
    at: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    segment: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    offset: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    record: Option<&'a T>,
}

impl Quarantine {
    pub(super) fn open(journal_dir: &Path, clock: Arc<dyn Clock>) -> io::Result<Self> {
        let dir = journal_dir.join("quarantine");
        private_dir(&dir)?;
        Ok(Self { dir, clock })
    }

    /// The highest number of a segment that something is kept of.
    pub(super) fn last_number(&self) -> u64 {
        let names = fs::read_dir(&self.dir).into_iter().flatten().flatten().map(|entry| entry.file_name());
        let numbers = names
            .filter_map(|name| name.to_str()?.strip_prefix("segment-")?.split(['-', '.']).next()?.parse::<u64>().ok());
        numbers.max().unwrap_or(0)
    }

    /// Keeps a record that was refused, or whose bytes are in doubt.
    pub(super) fn record<T: Serialize>(&self, reason: &str, record: &T) -> io::Result<()> {
        let at = self.clock.now().0;
        self.line(&Case { reason, at, segment: None, offset: None, bytes: None, file: None, record: Some(record) })
    }

    /// Keeps bytes `from..to` of a segment.
    pub(super) fn region(&self, reason: &str, path: &Path, segment: u64, from: u64, to: u64) -> io::Result<()> {
        let name = format!("segment-{segment}-{from}.bin");
        let mut source = File::open(path)?;
        source.seek(SeekFrom::Start(from))?;
        let mut copy =
            private(OpenOptions::new().write(true).create(true).truncate(true)).open(self.dir.join(&name))?;
        let bytes = io::copy(&mut source.take(to.saturating_sub(from)), &mut copy)?;
        self.case_of(reason, segment, from, bytes, name)
    }

    /// Takes a whole segment file out of the journal.
    pub(super) fn file(&self, reason: &str, path: &Path, segment: u64) -> io::Result<()> {
        let bytes = fs::metadata(path).map_or(0, |m| m.len());
        let name = format!("segment-{segment}.seg");
        fs::rename(path, self.dir.join(&name))?;
        self.case_of(reason, segment, 0, bytes, name)
    }

    fn case_of(&self, reason: &str, segment: u64, offset: u64, bytes: u64, file: String) -> io::Result<()> {
        tracing::error!(segment, offset, bytes, file, reason, "unreadable journal bytes put aside in quarantine");
        let (segment, offset, bytes) = (Some(segment), Some(offset), Some(bytes));
        let at = self.clock.now().0;
        self.line(&Case::<()> { reason, at, segment, offset, bytes, file: Some(file), record: None })
    }

    fn line<T: Serialize>(&self, case: &Case<'_, T>) -> io::Result<()> {
        let mut line = serde_json::to_vec(case)?;
        line.push(b'\n');
        let mut lines = private(OpenOptions::new().append(true).create(true)).open(self.dir.join(LINES))?;
        let before = lines.metadata()?.len();
        // Half a line would spoil the next one as well.
        lines.write_all(&line).inspect_err(|_full| drop(lines.set_len(before)))
    }
}
