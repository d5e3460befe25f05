//! The server's own counters, which must agree with what the client counted.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::Outcome;
use super::process::Server;

const SETTLE_MAX: Duration = Duration::from_secs(30);

/// The counters of `/metrics` at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tally(HashMap<String, u64>);

impl Tally {
    /// Reads them.
    pub(super) fn read(server: &Server) -> Outcome<Self> {
        let text = ureq::get(server.url("/metrics")).call()?.body_mut().read_to_string()?;
        let pairs = text.lines().filter(|l| !l.starts_with('#')).filter_map(|line| {
            let (name, value) = line.split_once(' ')?;
            Some((name.to_owned(), value.parse().ok()?))
        });
        Ok(Self(pairs.collect()))
    }

    /// Reads them when the requests that the client left in flight are through: two equal readings.
    pub(super) fn settled(server: &Server) -> Outcome<Self> {
        let begin = Instant::now();
        let mut last = Self::read(server)?.intake()?;
        loop {
            std::thread::sleep(Duration::from_millis(20));
            let now = Self::read(server)?;
            if now.intake()? == last {
                return Ok(now);
            }
            last = now.intake()?;
            if begin.elapsed() > SETTLE_MAX {
                return Err("the counters go on growing after the client has left".into());
            }
        }
    }

    fn intake(&self) -> Outcome<[u64; 4]> {
        Ok([self.answered()?, self.get("touches_journaled_total")?, self.unrecorded()?, self.missing()?])
    }

    fn get(&self, name: &str) -> Outcome<u64> {
        let value = self.0.get(&format!("headwater_{name}"));
        value.copied().ok_or_else(|| format!("/metrics has no headwater_{name}").into())
    }

    fn answered(&self) -> Outcome<u64> {
        self.get("touches_answered_total")
    }

    fn unrecorded(&self) -> Outcome<u64> {
        self.get("clicks_unrecorded_total")
    }

    fn missing(&self) -> Outcome<u64> {
        self.get("slugs_unknown_total")
    }

    /// Touches in the database.
    pub(super) fn stored(&self) -> Outcome<u64> {
        self.get("touches_stored_total")
    }

    /// Touches that wait in the journal.
    fn pending(&self) -> Outcome<u64> {
        self.get("touches_pending")
    }

    /// Fails unless everything that a client read since `earlier` is accounted for. The server may have answered up
    /// to one request per connection more, which the client left without reading.
    pub(super) fn account_for(&self, earlier: &Self, read: u64, connections: usize, is_missing: bool) -> Outcome<()> {
        let grown = match is_missing {
            false => self.answered()? - earlier.answered()?,
            true => self.missing()? - earlier.missing()?,
        };
        let most = read + u64::try_from(connections)?;
        if grown < read || grown > most {
            return Err(format!("the client read {read} answers; the server counted {grown}").into());
        }
        self.adds_up()
    }

    /// Fails unless the counters add up and nothing was lost.
    pub(super) fn adds_up(&self) -> Outcome<()> {
        let (answered, unrecorded) = (self.answered()?, self.unrecorded()?);
        let journaled = self.get("touches_journaled_total")?;
        if answered != journaled + unrecorded {
            return Err(format!("answered {answered} is not journaled {journaled} + unrecorded {unrecorded}").into());
        }
        if unrecorded != 0 {
            return Err(format!("{unrecorded} answered requests were not recorded").into());
        }
        Ok(())
    }

    fn all_ended(&self) -> Outcome<()> {
        let known = self.get("touches_journaled_total")?
            + self.get("touches_replayed_total")?
            + self.get("touches_rewritten_total")?;
        let ended = self.stored()? + self.get("touches_duplicate_total")? + self.get("touches_quarantined_total")?;
        if known != ended {
            return Err(format!("{known} touches were journaled, but only {ended} ended somewhere").into());
        }
        Ok(())
    }

    /// Waits until the writer has nothing left, and fails unless everything ended somewhere; `None` when it is not
    /// through in time.
    pub(super) fn drained(server: &Server, most: Duration) -> Outcome<Option<Self>> {
        let begin = Instant::now();
        while begin.elapsed() < most {
            if Self::read(server)?.pending()? == 0 {
                // Read again: the counters of the last batch may have been read before it and the gauge after it.
                let now = Self::read(server)?;
                now.adds_up()?;
                now.all_ended()?;
                return Ok(Some(now));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(None)
    }
}
