//! The data directory: is it there, whose is it, and is there room on its disk.

use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use super::{Findings, bytes};
use crate::config::Config;

/// Looks at the directory and what must be private in it; false when there is nothing to look into.
pub(super) fn look(config: &Config, findings: &mut Findings) -> bool {
    let dir = &config.data.dir;
    let shown = dir.display();
    let about = match fs::metadata(dir) {
        Ok(about) if about.is_dir() => about,
        Ok(_) => {
            findings.fail("data", format!("{shown} is no directory"), "set data.dir to a directory");
            return false;
        }
        Err(why) if why.kind() == io::ErrorKind::NotFound => {
            let remedy = "give the server's own --config or --set data.dir, or start the server, which makes it";
            findings.fail("data", format!("there is no {shown}"), remedy);
            return false;
        }
        Err(why) => {
            findings.fail("data", format!("{shown}: {why}"), "run this as the server's user");
            return false;
        }
    };
    let mut faults = Vec::new();
    for name in ["", "secret.key", "journal", "journal/lock", "journal/quarantine", "headwater.db"] {
        faults.extend(fault_of(&dir.join(name), about.uid(), name != "headwater.db"));
    }
    if faults.is_empty() {
        findings.ok("data", format!("{shown} is its owner's alone"));
    }
    for (fault, remedy) in faults {
        findings.fail("data", fault, remedy);
    }
    space(config, findings);
    true
}

/// What is wrong with one path's mode or owner, and the command that mends it. What is not there has no fault.
fn fault_of(path: &Path, owner: u32, is_private: bool) -> Option<(String, String)> {
    let about = fs::metadata(path).ok()?;
    let (shown, mode) = (path.display(), about.permissions().mode() & 0o777);
    if is_private && mode & 0o077 != 0 {
        let wanted = if about.is_dir() { "700" } else { "600" };
        return Some((format!("{shown} is open to others (mode {mode:o})"), format!("chmod {wanted} {shown}")));
    }
    (about.uid() != owner).then(|| {
        let why = format!("{shown} belongs to user {}, the data directory to user {owner}", about.uid());
        (why, format!("chown {owner} {shown}"))
    })
}

/// Whether the disk could take the whole journal.
fn space(config: &Config, findings: &mut Findings) {
    let Ok(disk) = rustix::fs::statvfs(&config.data.dir) else { return };
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    let budget = config.journal.max_bytes;
    let used = journal_bytes(&config.data.dir.join("journal"));
    let needed = budget.saturating_sub(used);
    let about = format!("{} free on the disk of the data directory", bytes(free));
    if free < 64 << 20 {
        let remedy = "make room now: clicks that cannot be written are answered and lost";
        findings.fail("disk", about, remedy);
    } else if free < needed {
        let remedy = "make room, or lower journal.max_bytes, so that the journal's own limit is met first";
        findings.warn("disk", format!("{about}; the journal may still take {}", bytes(needed)), remedy);
    } else {
        findings.ok("disk", about);
    }
}

fn journal_bytes(dir: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(dir) else { return 0 };
    entries.flatten().filter_map(|e| e.metadata().ok()).filter(fs::Metadata::is_file).map(|m| m.len()).sum()
}
