//! A disk that fails, for one process: the shim `faults.c` with its odds, its counters and its log of syncs.
//!
//! Linux with the GNU C library, like the rest of these tests.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// Words of the control file, as `faults.c` numbers them.
const WORDS: u64 = 32;
const WRITES_REFUSED: u64 = 9;
const RECORDS_AT_RISK: u64 = 11;
const HEADERS_AT_RISK: u64 = 12;

/// How often a call fails, in parts of a million.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Odds {
    /// A write stops in its middle.
    pub(crate) short_write: u64,
    /// A write fails with ENOSPC.
    pub(crate) no_space: u64,
    /// A write fails with EIO.
    pub(crate) write_error: u64,
    /// A sync fails with EIO.
    pub(crate) sync_error: u64,
}

/// What the shim has done since the control file was made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Injected {
    /// Writes cut short.
    pub(crate) shortened: u64,
    /// Writes that failed.
    pub(crate) writes_refused: u64,
    /// Syncs that failed.
    pub(crate) syncs_refused: u64,
    /// Records in segment writes that were cut short or failed.
    pub(crate) records_at_risk: u64,
    /// Such writes of a segment's header, behind which more records may wait.
    pub(crate) headers_at_risk: u64,
    /// All writes that it looked at.
    pub(crate) writes_seen: u64,
    /// All syncs that it looked at.
    pub(crate) syncs_seen: u64,
}

/// What of one segment reached the disk.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Synced {
    /// Everything before it did, but for `lost`.
    pub(crate) end: u64,
    /// Ranges whose sync failed: a later sync that succeeds does not bring them back.
    pub(crate) lost: Vec<(u64, u64)>,
}

/// One failing disk.
pub(crate) struct Faults {
    control: File,
    control_path: PathBuf,
    log: PathBuf,
    journal: PathBuf,
    seed: u64,
}

impl Faults {
    /// Keeps its own files in `dir`, and fails those below `journal`.
    pub(crate) fn new(dir: &Path, journal: &Path, seed: u64) -> Self {
        let control_path = dir.join("faults.control");
        let control =
            OpenOptions::new().read(true).write(true).create(true).truncate(true).open(&control_path).expect("control");
        control.set_len(WORDS * 8).expect("control");
        Self { control, control_path, log: dir.join("faults.synced"), journal: journal.to_owned(), seed }
    }

    /// Puts the shim between a command and its disk; `salt` tells this process from the others of one run.
    pub(crate) fn apply(&self, command: &mut Command, salt: u64) {
        command.env("LD_PRELOAD", shim()).env("HEADWATER_FAULTS_DIR", &self.journal);
        command.env("HEADWATER_FAULTS_CONTROL", &self.control_path).env("HEADWATER_FAULTS_SYNCED", &self.log);
        command.env("HEADWATER_FAULTS_SEED", self.seed.wrapping_add(salt).to_string());
    }

    /// Sets the odds for every process, also those that run.
    pub(crate) fn set(&self, odds: Odds) {
        let values = [odds.short_write, odds.no_space, odds.write_error, odds.sync_error];
        for (word, parts) in values.iter().enumerate() {
            self.control.write_all_at(&parts.to_le_bytes(), word as u64 * 8).expect("control");
        }
    }

    pub(crate) fn injected(&self) -> Injected {
        let word = |index: u64| {
            let mut bytes = [0; 8];
            self.control.read_exact_at(&mut bytes, index * 8).expect("control");
            u64::from_le_bytes(bytes)
        };
        Injected {
            shortened: word(WRITES_REFUSED - 1),
            writes_refused: word(WRITES_REFUSED),
            syncs_refused: word(WRITES_REFUSED + 1),
            records_at_risk: word(RECORDS_AT_RISK),
            headers_at_risk: word(HEADERS_AT_RISK),
            writes_seen: word(HEADERS_AT_RISK + 1),
            syncs_seen: word(HEADERS_AT_RISK + 2),
        }
    }

    /// What reached the disk, by the names of segments.
    pub(crate) fn synced(&self) -> BTreeMap<String, Synced> {
        let mut all: BTreeMap<String, Synced> = BTreeMap::new();
        for line in fs::read_to_string(&self.log).unwrap_or_default().lines() {
            let mut words = line.split(' ');
            let (Some(verdict), Some(name), Some(end)) = (words.next(), words.next(), words.next()) else { continue };
            // A process that was killed may have left half a line, which then is of no sync that returned.
            let Ok(end) = end.parse::<u64>() else { continue };
            let synced = all.entry(name.to_owned()).or_default();
            if verdict == "S" {
                synced.end = synced.end.max(end);
            } else if end > synced.end {
                synced.lost.push((synced.end, end));
            }
        }
        all
    }
}

/// The compiled shim, made once for each run of the tests. SQLite is compiled from C, so there is a compiler.
fn shim() -> &'static Path {
    static SHIM: OnceLock<PathBuf> = OnceLock::new();
    SHIM.get_or_init(|| {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/support/faults.c");
        let made = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("faults-{}.so", std::process::id()));
        let done = Command::new("cc")
            .args(["-shared", "-fPIC", "-O2", "-Wall", "-Wextra", "-Werror", "-o"])
            .args([made.as_os_str(), source.as_os_str()])
            .arg("-ldl")
            .output()
            .expect("cc runs");
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        // Named anew for each run, so that none replaces what another has loaded: 20 kB each, until `make clean`.
        made
    })
}
