//! The journal on disk: how much waits, for how long, and what was put aside.

use std::io;

use super::{Findings, bytes, span};
use crate::config::Config;
use crate::domain::time::Clock;
use crate::domain::touch::TouchRecord;
use crate::tracking::journal::{Inspection, Quarantined, inspect};

/// A record that waits longer than this is not on its way any more.
const WAITS_TOO_LONG_MS: i64 = 60_000;

pub(super) type Journal = Inspection<TouchRecord<'static>>;

pub(super) fn look(config: &Config, clock: &dyn Clock, findings: &mut Findings) -> Option<Journal> {
    let dir = config.data.dir.join("journal");
    match inspect::<TouchRecord<'static>>(&dir) {
        Err(why) if why.kind() == io::ErrorKind::NotFound => {
            findings.warn("journal", format!("there is no {} yet", dir.display()), "start the server, which makes it");
            None
        }
        Err(why) => {
            let remedy = "run this as the server's user; if that is so, the disk may be failing";
            findings.fail("journal", format!("{} cannot be read: {why}", dir.display()), remedy);
            None
        }
        Ok(found) => {
            size(&found, config, findings);
            waiting(&found, clock, findings);
            checkpoint(&found, findings);
            quarantine(&found.quarantine, config, findings);
            Some(found)
        }
    }
}

/// Bytes against the budget, at the marks of its alarms.
fn size(found: &Journal, config: &Config, findings: &mut Findings) {
    let max = config.journal.max_bytes.max(1);
    let percent = found.bytes.saturating_mul(100) / max;
    let about = format!(
        "{} in {} segments, {percent} % of journal.max_bytes ({})",
        bytes(found.bytes),
        found.segments,
        bytes(max)
    );
    let remedy = "bring the database back, so that the writer can load it; at 100 % clicks are answered and lost";
    match percent {
        ..50 => findings.ok("journal", about),
        50..80 => findings.warn("journal", about, remedy),
        _ => findings.fail("journal", about, remedy),
    }
}

fn waiting(found: &Journal, clock: &dyn Clock, findings: &mut Findings) {
    if found.waiting == 0 {
        findings.ok("waiting", "every record is in the database");
        return;
    }
    let age = found.oldest.as_ref().map(|r| clock.now().0.saturating_sub(r.occurred_at.0));
    let since = age.map_or_else(|| "of unknown age".to_owned(), |ms| format!("the oldest for {}", span(ms)));
    let about = format!("{} records wait for the database, {since}", found.waiting);
    if age.is_some_and(|ms| ms < WAITS_TOO_LONG_MS) {
        findings.ok("waiting", about);
    } else if found.holder.is_none() {
        findings.warn("waiting", about, "start the server: it loads them; nothing is lost meanwhile");
    } else {
        findings.warn(
            "waiting",
            about,
            "see `database` below and the server's log: the writer says why it cannot load",
        );
    }
}

fn checkpoint(found: &Journal, findings: &mut Findings) {
    if found.checkpoint_damaged {
        let remedy = "none needed: the next start reads every segment again, and what is stored counts as duplicate";
        findings.warn("checkpoint", "the file does not hold", remedy);
    } else if let Some(at) = found.checkpoint {
        findings.ok("checkpoint", format!("segment {}, byte {}", at.segment, at.offset));
    } else {
        findings.ok("checkpoint", "none yet");
    }
    if found.damaged > 0 {
        let about = format!("{} stretches of the journal cannot be read", found.damaged);
        let remedy = "none needed for the rest: they go to journal/quarantine; look for a failing disk";
        findings.warn("checkpoint", about, remedy);
    }
}

fn quarantine(found: &Quarantined, config: &Config, findings: &mut Findings) {
    if found.reasons.is_empty() && found.bytes == 0 {
        findings.ok("quarantine", "empty");
        return;
    }
    let cases: u64 = found.reasons.values().sum();
    let since = found.since.map(|at| format!(" since {at}")).unwrap_or_default();
    let reasons: Vec<String> = found.reasons.iter().map(|(reason, n)| format!("{n} × {reason}")).collect();
    let about = format!("{cases} cases{since}, {}: {}", bytes(found.bytes), reasons.join("; "));
    let dir = config.data.dir.join("journal/quarantine");
    let remedy = format!("find out why, then empty {}: it holds data of visitors", dir.display());
    findings.warn("quarantine", about, remedy);
}
