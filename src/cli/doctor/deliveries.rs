//! The deliveries' journal on disk: how much waits, for how long, and what was put aside.

use std::io;

use super::{Findings, Verdict, bytes, span};
use crate::config::Config;
use crate::domain::delivery::Delivery;
use crate::domain::time::Clock;
use crate::tracking::journal::inspect;

/// A delivery that waits longer than this is not on its way any more.
const WAITS_TOO_LONG_MS: i64 = 60_000;

pub(super) fn look(config: &Config, clock: &dyn Clock, findings: &mut Findings) {
    let dir = config.data.dir.join("deliveries");
    let found = match inspect::<Delivery>(&dir) {
        Err(why) if why.kind() == io::ErrorKind::NotFound => {
            findings.ok("deliveries", "no journal of them yet; the server makes it");
            return;
        }
        Err(why) => {
            let remedy = "run this as the server's user; if that is so, the disk may be failing";
            findings.fail("deliveries", format!("{} cannot be read: {why}", dir.display()), remedy);
            return;
        }
        Ok(found) => found,
    };
    let age = found.oldest.as_ref().map(|d| clock.now().0.saturating_sub(d.received_at.0));
    let since = age.map(|ms| format!(", the oldest for {}", span(ms))).unwrap_or_default();
    let percent = found.bytes.saturating_mul(100) / config.intake.journal_bytes_max.max(1);
    let about = format!(
        "{} wait for the database{since}; {}, {percent} % of intake.journal_bytes_max",
        found.waiting,
        bytes(found.bytes)
    );
    let is_late = found.waiting > 0 && age.is_none_or(|ms| ms >= WAITS_TOO_LONG_MS);
    match percent {
        _ if is_late && found.holder.is_none() => {
            findings.warn("deliveries", about, "start the server: it loads them; nothing is lost meanwhile");
        }
        50.. => {
            let remedy = "bring the database back; at 100 % deliveries are stored in it before they are answered, or answered 503";
            findings.add(if percent < 80 { Verdict::Warn } else { Verdict::Fail }, "deliveries", about, remedy.into());
        }
        _ if is_late => findings.warn("deliveries", about, "see `database` below and the server's log"),
        _ => findings.ok("deliveries", about),
    }
    if found.damaged > 0 {
        let remedy = "none needed for the rest: they go to deliveries/quarantine; look for a failing disk";
        findings.warn("deliveries", format!("{} stretches cannot be read", found.damaged), remedy);
    }
    let cases: u64 = found.quarantine.reasons.values().sum();
    if cases > 0 {
        let reasons: Vec<String> = found.quarantine.reasons.iter().map(|(why, n)| format!("{n} × {why}")).collect();
        let remedy = format!(
            "mend the cause, then `headwater inbox reload`; {} holds them, encrypted, and their senders believe that they arrived",
            dir.join("quarantine").display()
        );
        findings.fail(
            "deliveries",
            format!("{cases} were accepted and cannot be loaded: {}", reasons.join("; ")),
            remedy,
        );
    }
}
