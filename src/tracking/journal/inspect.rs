//! A look at a journal from outside, while its process runs or not: no lock is taken and nothing is written.
//!
//! A journal that is being appended to is seen as it is at that moment; a record that is half written then counts as
//! neither waiting nor damaged.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::Path;

use serde::Deserialize;

use super::format::{self, HEADER_LEN, HeaderFault, Record, SegmentHeader};
use super::quarantine::LINES;
use super::reload::TAKEN;
use super::segment::{Step, Walk, number_of, path_of};
use super::{Position, checkpoint};
use crate::domain::time::UtcMillis;

/// What was found.
#[derive(Debug)]
pub struct Inspection<R> {
    /// Segment files.
    pub segments: u64,
    /// Their bytes, which count against the budget.
    pub bytes: u64,
    /// Whole records behind the checkpoint.
    pub waiting: u64,
    /// The first of them that can be read.
    pub oldest: Option<R>,
    /// Stretches behind the checkpoint that cannot be read: damage that the next start puts into quarantine.
    pub damaged: u64,
    /// How far everything is in the database; `None` where no checkpoint can be read.
    pub checkpoint: Option<Position>,
    /// Whether there is a checkpoint file that does not hold.
    pub checkpoint_damaged: bool,
    /// The process that has the journal open, where the system tells.
    pub holder: Option<u32>,
    /// What was put aside.
    pub quarantine: Quarantined,
}

/// The quarantine of a journal.
#[derive(Debug, Default)]
pub struct Quarantined {
    /// Cases by their reasons.
    pub reasons: BTreeMap<String, u64>,
    /// Bytes of all files.
    pub bytes: u64,
    /// When the oldest case was put aside.
    pub since: Option<UtcMillis>,
}

/// Looks at the journal in `dir`. A directory that is not there is an error.
pub fn inspect<R: Record>(dir: &Path) -> io::Result<Inspection<R>> {
    let written = fs::read(dir.join("checkpoint")).is_ok();
    let read = checkpoint::read(dir)?;
    let mut found = Inspection {
        segments: 0,
        bytes: 0,
        waiting: 0,
        oldest: None,
        damaged: 0,
        checkpoint: read,
        checkpoint_damaged: written && read.is_none(),
        holder: holder(&dir.join("lock")),
        quarantine: quarantine(&dir.join("quarantine"))?,
    };
    let loaded = read.unwrap_or_default();
    let mut numbers = Vec::new();
    for entry in fs::read_dir(dir)? {
        numbers.extend(entry?.file_name().to_str().and_then(number_of));
    }
    numbers.sort_unstable();
    for number in numbers {
        let path = path_of(dir, number);
        // Deleted while we look: its records are in the database.
        let Ok(about) = fs::metadata(&path) else { continue };
        found.segments += 1;
        found.bytes += about.len();
        if number >= loaded.segment {
            let start = if number == loaded.segment { loaded.offset.max(HEADER_LEN) } else { HEADER_LEN };
            match walk(&path, number, start, about.len(), &mut found) {
                Err(why) if why.kind() == io::ErrorKind::NotFound => {}
                Err(_) => found.damaged += 1,
                Ok(()) => {}
            }
        }
    }
    Ok(found)
}

/// Counts what stands behind `start` in one segment.
fn walk<R: Record>(path: &Path, number: u64, start: u64, len: u64, found: &mut Inspection<R>) -> io::Result<()> {
    if len < HEADER_LEN {
        return Ok(());
    }
    let mut walk = Walk::open(path, start)?;
    let written_end = walk.written_end(len)?;
    let mut header = [0; 32];
    File::open(path)?.read_exact(&mut header)?;
    if written_end > 0 && SegmentHeader::decode(&header, number) == Err(HeaderFault::Damaged) {
        found.damaged += 1;
    }
    while walk.offset() < written_end {
        let len = match walk.step(len)? {
            Step::Record { kind, payload, len } => {
                found.waiting += 1;
                if found.oldest.is_none() {
                    found.oldest = format::decode(kind, payload).ok();
                }
                len
            }
            Step::Damaged { len, .. } => {
                found.damaged += 1;
                len
            }
            Step::End | Step::Torn => return Ok(()),
            Step::Lost(_) => {
                if !walk.is_cut_off(written_end, len)? {
                    found.damaged += 1;
                }
                return Ok(());
            }
        };
        walk.advance(len);
    }
    Ok(())
}

/// One line of `quarantine.jsonl`, as far as it is told on.
#[derive(Deserialize)]
struct Line {
    reason: String,
    at: i64,
}

fn quarantine(dir: &Path) -> io::Result<Quarantined> {
    let mut found = Quarantined::default();
    let entries = match fs::read_dir(dir) {
        Err(why) if why.kind() == io::ErrorKind::NotFound => return Ok(found),
        entries => entries?,
    };
    for entry in entries {
        found.bytes += entry?.metadata()?.len();
    }
    for name in [LINES, TAKEN] {
        match fs::read(dir.join(name)) {
            Err(why) if why.kind() == io::ErrorKind::NotFound => {}
            text => cases(&String::from_utf8_lossy(&text?), &mut found),
        }
    }
    Ok(found)
}

fn cases(text: &str, found: &mut Quarantined) {
    for line in text.lines() {
        let Ok(case) = serde_json::from_str::<Line>(line) else {
            *found.reasons.entry("a line that a full disk cut short".to_owned()).or_default() += 1;
            continue;
        };
        found.since = [found.since, Some(UtcMillis(case.at))].into_iter().flatten().min();
        *found.reasons.entry(case.reason).or_default() += 1;
    }
}

/// Who holds the lock, without trying for it: that would turn away a server that starts at this moment.
fn holder(lock: &Path) -> Option<u32> {
    #[cfg(target_os = "linux")]
    {
        use std::os::unix::fs::MetadataExt as _;
        let inode = fs::metadata(lock).ok()?.ino().to_string();
        // "1: FLOCK  ADVISORY  WRITE 4711 fd:00:131 0 EOF"
        fs::read_to_string("/proc/locks").ok()?.lines().find_map(|line| {
            let words: Vec<&str> = line.split_ascii_whitespace().collect();
            let is_ours = words.get(1) == Some(&"FLOCK") && words.get(5)?.rsplit(':').next() == Some(inode.as_str());
            is_ours.then(|| words.get(4)?.parse().ok())?
        })
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = lock;
        None
    }
}
