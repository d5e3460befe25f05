//! The database: reached, migrated, writable, made with this key, and not ahead of the clock.

use std::time::Duration;

use super::Findings;
use crate::cli::check::database_name;
use crate::config::{Config, secret_from_environment};
use crate::domain::time::{Clock, UtcMillis};
use crate::secret::SecretKey;
use crate::store::{AsItIs, DbOptions};

/// How far the clock may be behind the ledger before somebody must know: facts of one moment push it by single
/// milliseconds.
const CLOCK_BEHIND_MS: i64 = 1_000;
/// And before it is a failure.
const CLOCK_FAR_BEHIND_MS: i64 = 60_000;

/// Looks at the database; true when it can be used.
pub(super) fn look(config: &Config, clock: &dyn Clock, findings: &mut Findings) -> bool {
    let name = database_name(&config.database.url);
    let options = DbOptions {
        url: with_time_limit(&config.database.url),
        data_dir: config.data.dir.clone(),
        connections: 1,
        wait: Duration::from_millis(config.database.wait_ms),
    };
    let mut found = match AsItIs::open(&options) {
        Ok(found) => found,
        Err(why) => {
            let remedy = "start it, or correct database.url; redirects go on, and clicks wait in the journal";
            findings.fail("database", format!("{name}: {why}"), remedy);
            key(config, None, findings);
            return false;
        }
    };
    let is_migrated = migrations(&name, &mut found, findings);
    if !is_migrated {
        key(config, None, findings);
        return false;
    }
    let is_writable = writable(&name, &mut found, findings);
    key(config, Some(&mut found), findings);
    match found.horizon() {
        Ok(horizon) => ledger(horizon, clock.now(), findings),
        Err(why) => findings.fail("clock", format!("the ledger cannot be read: {why}"), "see `database`"),
    }
    is_writable
}

/// A host that swallows packets would hold the doctor up for minutes; five seconds tell as much.
fn with_time_limit(url: &str) -> String {
    if !url.trim().starts_with("postgres") || url.contains("connect_timeout=") {
        return url.to_owned();
    }
    format!("{url}{}connect_timeout=5", if url.contains('?') { '&' } else { '?' })
}

fn migrations(name: &str, found: &mut AsItIs, findings: &mut Findings) -> bool {
    let remedy_new = "run the newer program; an older one does not know what this database holds";
    match found.migrations() {
        Ok(state) if !state.unknown.is_empty() => {
            findings.fail("database", format!("{name} has migrations {}", state.unknown.join(", ")), remedy_new);
            false
        }
        Ok(state) if state.applied == 0 => {
            findings.warn("database", format!("{name} is empty"), "start the server, which sets it up");
            false
        }
        Ok(state) if !state.pending.is_empty() => {
            let about = format!("{name} lacks migrations {}", state.pending.join(", "));
            findings.warn("database", about, "back up, then start this version: it migrates by itself");
            false
        }
        Ok(_) => true,
        Err(why) => {
            findings.fail("database", format!("{name}: {why}"), "is it Headwater's database? correct database.url");
            false
        }
    }
}

fn writable(name: &str, found: &mut AsItIs, findings: &mut Findings) -> bool {
    match found.prove_writable() {
        Ok(()) => {
            findings.ok("database", format!("{name} answers, is migrated and can be written"));
            true
        }
        Err(why) if why.is_passing() => {
            let remedy = "find who holds the lock or is in the way; clicks wait in the journal meanwhile";
            findings.fail("database", format!("{name} cannot be written now: {why}"), remedy);
            false
        }
        Err(why) => {
            findings.fail("database", format!("{name} cannot be written: {why}"), "give its user the right to write");
            false
        }
    }
}

/// Whether the key is there and, where the database can be asked, made it.
fn key(config: &Config, database: Option<&mut AsItIs>, findings: &mut Findings) {
    let remedy = "restore secret.key from the backup, or set HEADWATER_SECRET";
    let key = match SecretKey::load(&config.data.dir, secret_from_environment().as_deref()) {
        Ok(Some(key)) => key,
        Ok(None) => {
            let is_claimed = database.is_some_and(|d| d.read(SecretKey::is_claimed).unwrap_or(true));
            if is_claimed {
                findings.fail("key", "the secret key that made the database is missing", remedy);
            } else {
                findings.warn("key", "there is no secret key yet", "start the server, which makes it; then back it up");
            }
            return;
        }
        Err(why) => {
            findings.fail("key", why.to_string(), remedy);
            return;
        }
    };
    let Some(database) = database else {
        findings.warn("key", "present; the database cannot be asked whether it is the right one", "see `database`");
        return;
    };
    match database.read(SecretKey::is_claimed) {
        Ok(false) => findings.ok("key", "present; the database is tied to no key yet"),
        // Claiming what is claimed writes nothing.
        _ => match database.read(|conn| key.claim(conn)) {
            Ok(()) => findings.ok("key", "present, and made this database"),
            Err(why) => findings.fail("key", why.to_string(), remedy),
        },
    }
}

/// A clock that stepped back dates facts by the ledger until it has caught up.
fn ledger(horizon: UtcMillis, now: UtcMillis, findings: &mut Findings) {
    let behind = horizon.0.saturating_sub(now.0);
    if behind < CLOCK_BEHIND_MS {
        findings.ok(
            "clock",
            format!("{now}, the last fact is of {}", if horizon.0 == 0 { "never".into() } else { horizon.to_string() }),
        );
        return;
    }
    let about = format!("{now} is {} behind the last fact ({horizon})", super::span(behind));
    let remedy =
        "set the clock right (is NTP running?); until it has caught up, facts are dated by the ledger, in order";
    if behind < CLOCK_FAR_BEHIND_MS {
        findings.warn("clock", about, remedy);
    } else {
        findings.fail("clock", about, remedy);
    }
}

#[cfg(test)]
mod tests {
    use super::with_time_limit;

    #[test]
    fn only_an_address_without_a_time_limit_gets_one() {
        assert_eq!(with_time_limit("postgres://h/d"), "postgres://h/d?connect_timeout=5");
        assert_eq!(with_time_limit("postgres://h/d?a=b"), "postgres://h/d?a=b&connect_timeout=5");
        for same in ["", "sqlite:x.db", "postgres://h/d?connect_timeout=60"] {
            assert_eq!(with_time_limit(same), same);
        }
    }
}
