//! Thin deliveries completed: the records that they name are read from the vendor, and the deliveries then read again.
//!
//! Constraints: what a delivery says never waits for another system, so a record is asked for after the delivery was
//! read, outside of every transaction; an answer is kept, encrypted, as long as the delivery's body, so that reading again
//! asks nobody; the token goes to the endpoint's API address and nowhere else, redirects and addresses in a delivery
//! included.
//!
//! Operation: one thread takes what is due and has a token, a few at a time. A record that the vendor does not have is
//! answered so. Failures are asked again after a while that grows; a refused token or a limit holds up all of that
//! endpoint. Without a token, items wait as `needs-enrichment` in the inbox.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use super::connectors;
use super::intake::{self, IntakeContext, Reading as Which};
use crate::connectors::Connector;
use crate::connectors::reading::{Lookup, Reading, ReadingOutcome, Supply};
use crate::domain::fault::Fault;
use crate::domain::ids::{DeliveryId, EndpointId};
use crate::domain::time::{Clock, UtcMillis};
use crate::store::endpoints::{self, Endpoint};
use crate::store::lookups::{self, Wanted};
use crate::store::{Conn, Db, StoreError};

/// Longest sleep between two looks for what is due.
const TICK: Duration = Duration::from_secs(1);
/// Records taken at once, a second: within the limits of every vendor we know (HubSpot allows 100 in ten seconds).
const BATCH: i64 = 8;
/// How long a vendor may take over its answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// Largest answer.
const ANSWER_MAX: u64 = 2 << 20;
/// For how long a taken record is another node's no more.
const LEASE_MS: i64 = 300_000;
/// The first wait after a failure; each next one is four times as long.
const WAIT_MS: i64 = 30_000;
/// The longest wait.
const WAIT_MAX_MS: i64 = 6 * 3_600_000;
/// How long an endpoint waits whose token is refused.
const REFUSED_MS: i64 = 3_600_000;
/// Longest `Retry-After` that is kept to.
const RETRY_AFTER_MAX_MS: i64 = 86_400_000;
/// Records that may lead on to others.
const CHAIN_MAX: usize = 8;

/// Completes readings with the answers that are there, and asks for those that are not.
pub(super) fn complete(
    conn: &mut Conn,
    context: &IntakeContext,
    connector: &Connector,
    delivery: DeliveryId,
    endpoint: EndpointId,
    mut items: Vec<Reading>,
    now: UtcMillis,
) -> Result<Vec<Reading>, StoreError> {
    let asks = |r: &Reading| {
        matches!(r.outcome, ReadingOutcome::NeedsEnrichment(_))
            || r.supplies.iter().any(|s| matches!(s, Supply::Read(_)))
    };
    if !items.iter().any(asks) {
        return Ok(items);
    }
    let mut answers = HashMap::new();
    for answer in lookups::answers(conn, delivery)? {
        let opened = answer.sealed.map(|sealed| context.secret.open(&sealed)).transpose()?;
        answers.insert((answer.item, answer.record, answer.path), opened);
    }
    let mut wanted = Vec::new();
    for (place, reading) in (0_i64..).zip(&mut items) {
        let mut desk = Desk { connector, answers: &answers, item: place, wanted: Vec::new() };
        desk.complete(reading);
        let row = |l: Lookup| Wanted { delivery, item: place, record: l.record, path: l.path, endpoint, attempts: 0 };
        wanted.extend(desk.wanted.into_iter().map(row));
    }
    lookups::want(conn, &wanted, now)?;
    Ok(items)
}

/// Where one item's records come in.
struct Desk<'a> {
    connector: &'a Connector,
    answers: &'a HashMap<(i64, String, String), Option<Vec<u8>>>,
    item: i64,
    wanted: Vec<Lookup>,
}

impl Desk<'_> {
    fn complete(&mut self, reading: &mut Reading) {
        if let ReadingOutcome::NeedsEnrichment(lookup) = &reading.outcome
            && let Some(done) = self.answered(lookup)
        {
            reading.outcome = done.outcome;
            reading.supplies.extend(done.supplies);
        }
        let mut told = Vec::new();
        let mut left = std::mem::take(&mut reading.supplies);
        for _record in 0..CHAIN_MAX {
            let mut next = Vec::new();
            for supply in left {
                match supply {
                    Supply::Read(lookup) => next.extend(self.answered(&lookup).map(|r| r.supplies).unwrap_or_default()),
                    other => told.push(other),
                }
            }
            left = next;
        }
        reading.supplies = told;
    }

    /// The reading of an answer that is there; otherwise the record is wanted.
    fn answered(&mut self, lookup: &Lookup) -> Option<Reading> {
        match self.answers.get(&(self.item, lookup.record.clone(), lookup.path.clone())) {
            Some(Some(answer)) => Some(self.connector.complete(lookup, answer)),
            Some(None) => {
                let why = "the vendor has no such record, or does not show it to this token; it may have been deleted";
                let outcome = ReadingOutcome::Fault(vec![Fault::new("record", "record-missing", why)]);
                Some(Reading { dedup_key: None, outcome, supplies: Vec::new() })
            }
            None => {
                self.wanted.push(lookup.clone());
                None
            }
        }
    }
}

/// The running queue.
#[derive(Debug)]
pub struct Enrichment {
    is_stopping: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Enrichment {
    /// Starts the thread.
    pub fn start(db: Db, clock: Arc<dyn Clock>, context: IntakeContext) -> io::Result<Self> {
        let is_stopping = Arc::new(AtomicBool::new(false));
        let worker = Worker { agent: agent(), db, clock, context, is_stopping: Arc::clone(&is_stopping) };
        let thread = std::thread::Builder::new().name("enrichment".into()).spawn(move || worker.run())?;
        Ok(Self { is_stopping, thread })
    }

    /// Tells it to end; a vendor that takes its time over an answer is not waited for.
    pub fn tell(&self) {
        self.is_stopping.store(true, Ordering::Relaxed);
        self.thread.thread().unpark();
    }
}

struct Worker {
    agent: ureq::Agent,
    db: Db,
    clock: Arc<dyn Clock>,
    context: IntakeContext,
    is_stopping: Arc<AtomicBool>,
}

/// What a vendor said.
enum Said {
    /// The record.
    Record(Vec<u8>),
    /// It has none.
    Missing,
    /// Ask again, not before so many milliseconds, and nothing else of this endpoint until then if `all`.
    Later { wait_ms: i64, all: bool, why: String },
}

impl Worker {
    fn run(&self) {
        while !self.is_stopping.load(Ordering::Relaxed) {
            match catch_unwind(AssertUnwindSafe(|| self.pass())) {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::debug!(error = %error, "records cannot be read now"),
                Err(_panic) => tracing::error!("a pass over the records to read failed badly; the next one goes on"),
            }
            std::thread::park_timeout(TICK);
        }
    }

    /// Reads some records that are due.
    fn pass(&self) -> Result<(), StoreError> {
        let now = self.clock.now();
        // Most of the time nothing is due, and a look takes no lock from whoever writes.
        if self.db.read_now(|conn| lookups::due(conn, now, 1))?.is_empty() {
            return Ok(());
        }
        let taken = self.db.write_now(|conn| lookups::take(conn, now, LEASE_MS, BATCH))?;
        let mut by_endpoint: BTreeMap<i64, Vec<Wanted>> = BTreeMap::new();
        for wanted in taken {
            by_endpoint.entry(wanted.endpoint.0).or_default().push(wanted);
        }
        for (id, list) in by_endpoint {
            let endpoint = self.db.read_now(|conn| endpoints::get(conn, EndpointId(id)))?;
            self.serve(&endpoint, &list)?;
        }
        Ok(())
    }

    fn serve(&self, endpoint: &Endpoint, list: &[Wanted]) -> Result<(), StoreError> {
        let connector = connectors::of(endpoint, &self.context.secret, self.clock.now())?;
        let token = endpoint.sealed_api_token.as_deref().map(|t| self.context.secret.open(t)).transpose()?;
        let token = String::from_utf8_lossy(&token.unwrap_or_default()).into_owned();
        let mut changed = Vec::new();
        for wanted in list {
            if self.is_stopping.load(Ordering::Relaxed) {
                break;
            }
            let said = self.ask(endpoint, &connector, &token, wanted);
            let now = self.clock.now();
            match said {
                Said::Record(answer) => {
                    let sealed = self.context.secret.seal(&answer)?;
                    self.db.write_now(|conn| lookups::answer(conn, wanted, Some(&sealed), now))?;
                    changed.push(wanted.delivery);
                }
                Said::Missing => {
                    self.db.write_now(|conn| lookups::answer(conn, wanted, None, now))?;
                    changed.push(wanted.delivery);
                }
                Said::Later { wait_ms, all, why } => {
                    tracing::info!(endpoint.id = %endpoint.id, reason = why, "a record could not be read; it is asked for again");
                    let due_at = now.plus_ms(wait_ms);
                    self.db.write_now(|conn| {
                        if all {
                            lookups::postpone_all(conn, endpoint.id, due_at)?;
                        }
                        lookups::postpone(conn, wanted, due_at, Some(&why))
                    })?;
                    if all {
                        break;
                    }
                }
            }
        }
        changed.dedup();
        for id in changed {
            self.read_again(id)?;
        }
        Ok(())
    }

    /// Reads a delivery again, now that something is known that it named. One that cannot be read stays as it is.
    fn read_again(&self, id: DeliveryId) -> Result<(), StoreError> {
        let now = self.clock.now();
        match self.db.write_now(|conn| intake::read_deliveries(conn, &self.context, &[id], Which::Again, now)) {
            Ok(_) => Ok(()),
            Err(error) if error.is_passing() => Err(error),
            Err(error) => {
                tracing::warn!(delivery.id = %id, error = %error, "a completed delivery cannot be read");
                Ok(())
            }
        }
    }

    fn ask(&self, endpoint: &Endpoint, connector: &Connector, token: &str, wanted: &Wanted) -> Said {
        let wait_ms = wait_ms(wanted.attempts);
        let later = |all: bool, wait_ms: i64, why: String| Said::Later { wait_ms, all, why };
        let (Some(api), Some(spec)) = (&connector.preset().api, connector.preset().lookups.get(&wanted.record)) else {
            return later(false, WAIT_MAX_MS, "the preset describes no such record any more".to_owned());
        };
        let base = endpoint.api_base_url.as_deref().unwrap_or(&api.base_url).trim_end_matches('/');
        let mut request = self
            .agent
            .get(format!("{base}{}", wanted.path))
            .header("authorization", format!("{} {token}", api.authorization))
            .header("accept", "application/json");
        for (name, value) in &spec.headers {
            request = request.header(name, value);
        }
        match request.call() {
            Ok(mut response) => match response.status().as_u16() {
                200..=299 => match response.body_mut().with_config().limit(ANSWER_MAX).read_to_vec() {
                    Ok(answer) => Said::Record(answer),
                    Err(why) => later(false, wait_ms, format!("the answer broke off: {why}")),
                },
                404 | 410 => Said::Missing,
                status @ (401 | 403) => later(true, REFUSED_MS, format!("the token is refused ({status})")),
                status @ (429 | 503) => {
                    let after =
                        response.headers().get("retry-after").and_then(|v| v.to_str().ok()?.parse::<i64>().ok());
                    let after_ms = after.map_or(wait_ms, |s| s.saturating_mul(1_000).clamp(1_000, RETRY_AFTER_MAX_MS));
                    later(true, after_ms, format!("the vendor asks to wait ({status})"))
                }
                status => later(false, wait_ms, format!("the vendor answered {status}")),
            },
            Err(why) => later(false, wait_ms, format!("the vendor cannot be reached: {}", reason(&why))),
        }
    }
}

/// How long after the n-th failure in a row.
fn wait_ms(attempts: i64) -> i64 {
    let times = u32::try_from(attempts.clamp(0, 6)).unwrap_or(6);
    WAIT_MS.saturating_mul(4_i64.saturating_pow(times)).min(WAIT_MAX_MS)
}

/// What went wrong, without the address, which may hold an id of a person.
fn reason(why: &ureq::Error) -> &'static str {
    match why {
        ureq::Error::Timeout(_) => "no answer in time",
        ureq::Error::HostNotFound => "its name is not known",
        ureq::Error::Tls(_) => "no secure connection",
        ureq::Error::Io(_) | ureq::Error::ConnectionFailed => "no connection",
        _ => "the request failed",
    }
}

fn agent() -> ureq::Agent {
    use ureq::tls::{RootCerts, TlsConfig, TlsProvider};
    let tls = TlsConfig::builder().provider(TlsProvider::NativeTls).root_certs(RootCerts::PlatformVerifier).build();
    ureq::Agent::config_builder()
        .http_status_as_error(false)
        // A redirect would take the token along.
        .max_redirects(0)
        .max_redirects_will_error(false)
        .timeout_global(Some(PATIENCE))
        .tls_config(tls)
        .build()
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_and_end_growing() {
        assert_eq!((0..4).map(wait_ms).collect::<Vec<_>>(), [30_000, 120_000, 480_000, 1_920_000]);
        assert_eq!((wait_ms(6), wait_ms(1_000)), (WAIT_MAX_MS, WAIT_MAX_MS));
    }
}
