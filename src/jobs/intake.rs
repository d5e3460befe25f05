//! Intake: deliveries become stage events.
//!
//! A delivery is stored raw in one transaction and read in a second, so that
//! nothing accepted can vanish: what a crash leaves between the two is *pending*
//! and the [inbox](super::inbox) reads it at the next start (invariant 3). Each item ends as
//! exactly one of stored, duplicate, quarantined, ignored, or waits for a look-up.
//!
//! Reading opens the bodies and understands them before the ledger is locked; the verdicts (`judge`) come after.

mod forget;
mod judge;

use std::collections::{BTreeSet, HashMap};

use serde::Deserialize;

use crate::connectors;
use crate::connectors::reading::{ReadingOutcome, Supply};
use crate::domain::delivery::{Delivery, RequestHead, Sealed};
use crate::domain::fault::Fault;
use crate::domain::ids::DeliveryId;
use crate::domain::intake::IntakeDefaults;
use crate::domain::stage::{Source, StageEventDraft};
use crate::domain::time::UtcMillis;
use crate::jobs::reading::{Readers, Readings};
use crate::jobs::test_event;
use crate::secret::SecretKey;
use crate::store::deliveries::{self, Item, Verdict};
use crate::store::erasure::{self, ReturnedKind};
use crate::store::stage_events::Teller;
use crate::store::{Conn, StoreError, ledger};
use judge::{Judge, Judged};

/// What intake needs to know about this installation.
#[derive(Debug, Clone)]
pub struct IntakeContext {
    /// The key that hashes and encrypts.
    pub secret: SecretKey,
    /// Namespace of bare contact ids.
    pub person_namespace: String,
}

impl IntakeContext {
    /// Opens what stood before a delivery's body; nothing where it was removed, or was never there.
    pub fn open_head(&self, delivery: &Delivery) -> Result<RequestHead, StoreError> {
        if delivery.sealed_head.0.is_empty() {
            return Ok(RequestHead::default());
        }
        serde_json::from_slice(&self.secret.open(&delivery.sealed_head.0)?)
            .map_err(|e| StoreError::Corrupt(format!("head of delivery {}: {e}", delivery.id)))
    }

    /// Seals what stood before a body.
    pub fn seal_head(&self, head: &RequestHead) -> Result<Sealed, StoreError> {
        let json = serde_json::to_vec(head).map_err(|e| StoreError::Other(format!("a request's head: {e}")))?;
        self.secret.seal(&json).map(Sealed)
    }
}

/// A body of the conversions API: one event, or many with a source of their own.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub enum ApiBody {
    /// `{"events": […]}`
    Batch(ApiBatch),
    /// One event.
    Single(Box<serde_json::Value>),
}

/// The batch form.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApiBatch {
    /// Whose events they are; `api` if not given.
    #[serde(default)]
    pub source: Option<String>,
    /// The events, each read on its own, so that one fault spoils one item.
    pub events: Vec<serde_json::Value>,
}

/// Most events in one call of the API.
pub const API_EVENTS_MAX: usize = 1_000;

impl ApiBody {
    /// Reads a body; the faults name what is wrong with its outer form.
    pub fn parse(body: &[u8]) -> Result<(Source, Vec<serde_json::Value>, bool), Fault> {
        let parsed: Self = serde_json::from_slice(body).map_err(|e| {
            Fault::new("body", "json-malformed", format!("the body is not JSON of the expected form: {e}"))
        })?;
        match parsed {
            Self::Single(event) if event.is_object() && event.get("events").is_none() => {
                Ok((Source::parse("api")?, vec![*event], false))
            }
            Self::Single(_) => Err(Fault::new(
                "body",
                "json-shape",
                "send one event as a JSON object, or several as {\"events\": […]} with an optional \"source\"",
            )),
            Self::Batch(batch) if batch.events.is_empty() || batch.events.len() > API_EVENTS_MAX => Err(Fault::new(
                "events",
                "batch-size",
                format!("the batch holds {} events; send 1 to {API_EVENTS_MAX}", batch.events.len()),
            )),
            Self::Batch(batch) => Ok((Source::parse(batch.source.as_deref().unwrap_or("api"))?, batch.events, true)),
        }
    }
}

/// Which items of a delivery are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reading {
    /// Those that nobody has looked at.
    First,
    /// All of them, as after a mapping change.
    Again,
}

/// What became of a delivery's items.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Read {
    /// The items as they were.
    pub before: Vec<Item>,
    /// The items with their verdicts, in order.
    pub items: Vec<Item>,
    /// Its body has been removed, so that nothing could be read.
    pub is_removed: bool,
}

/// Reads stored deliveries in one transaction, at one time of the ledger, and writes the verdicts on their items; in the
/// order of receipt.
///
/// Running it again changes nothing that was stored: the duplicate key sees to that.
pub fn read_deliveries(
    conn: &mut Conn,
    context: &IntakeContext,
    ids: &[DeliveryId],
    reading: Reading,
    now: UtcMillis,
) -> Result<Vec<Read>, StoreError> {
    let mut readers = Readers::default();
    let mut understood = Vec::with_capacity(ids.len());
    for kept in deliveries::get_all(conn, ids)? {
        let told = match kept.removed_at {
            Some(_) => None,
            None => Some(understand(conn, context, &mut readers, &kept.delivery)?),
        };
        understood.push((kept, told));
    }
    let at = ledger::stamp(conn, now)?;
    // Only now: whoever read the same deliveries at the same time is done with them.
    let mut items: HashMap<DeliveryId, Vec<Item>> = HashMap::new();
    for item in deliveries::items(conn, ids)? {
        items.entry(item.delivery).or_default().push(item);
    }
    let mut all = Vec::with_capacity(understood.len());
    let mut written = Vec::new();
    let mut returns = erasure::any_returned(conn, ReturnedKind::Event)?;
    let mut gone: BTreeSet<DeliveryId> = BTreeSet::new();
    for (kept, told) in understood {
        let delivery = &kept.delivery;
        let mut before = items.remove(&delivery.id).unwrap_or_default();
        // One before it in the order of receipt had somebody erased whom this one names.
        let told = told.filter(|_| !gone.contains(&delivery.id));
        if gone.contains(&delivery.id) {
            before = deliveries::items(conn, &[delivery.id])?;
        }
        let judged = match &told {
            Some(told) if reading == Reading::Again || before.iter().any(|i| i.verdict == Verdict::Pending) => {
                Judge { conn, context, at, delivery, told, before: &before, returns }.verdicts(reading)?
            }
            _ => Judged::as_before(&before),
        };
        written.extend(judged.items.iter().filter(|item| !before.contains(item)).cloned());
        let after = if judged.forgets() {
            deliveries::set_items(conn, &std::mem::take(&mut written))?;
            let (after, removed) = forget::forget(conn, context, delivery, judged, (now, at))?;
            gone.extend(removed);
            returns = true;
            after
        } else {
            judged.items
        };
        all.push(Read { before, items: after, is_removed: told.is_none() });
    }
    deliveries::set_items(conn, &written)?;
    Ok(all)
}

/// Reads one delivery; see [`read_deliveries`]. Without its body it cannot be read again, and the fault says so.
pub fn read_delivery(
    conn: &mut Conn,
    context: &IntakeContext,
    id: DeliveryId,
    reading: Reading,
    now: UtcMillis,
) -> Result<Read, StoreError> {
    let read = read_deliveries(conn, context, &[id], reading, now)?.pop();
    match read.ok_or_else(|| StoreError::NotFound(format!("delivery {id}")))? {
        Read { is_removed: true, .. } => Err(StoreError::refused(Fault::new(
            "id",
            "body-removed",
            format!(
                "the body of delivery {id} was removed, after intake.keep_days or by an erasure, so it cannot be read again; have its sender send it once more"
            ),
        ))),
        read => Ok(read),
    }
}

/// Sets deliveries aside whose reading fails for good, so that they do not block the others for ever.
pub fn set_aside(conn: &mut Conn, ids: &[DeliveryId]) -> Result<Vec<Item>, StoreError> {
    ledger::lock(conn)?;
    let mut items = deliveries::items(conn, ids)?;
    for item in items.iter_mut().filter(|i| i.verdict == Verdict::Pending) {
        item.verdict = Verdict::Quarantined;
        item.code = Some("refused-by-database".into());
        item.detail = Some("the database refused what the delivery holds; the cause is in the server's log".into());
    }
    deliveries::set_items(conn, &items)?;
    Ok(items)
}

/// What an item says, before anything is known of the facts.
#[derive(Debug, Clone)]
struct Told {
    says: Says,
    /// The sender's id of the event, or of the message where there is none.
    event_id: Option<String>,
    /// What it tells beside.
    supplies: Vec<Supply>,
}

/// What an item is.
#[derive(Debug, Clone)]
enum Says {
    /// A stage event, checked, with the keyed hash of its content.
    Event(Box<StageEventDraft>, Vec<u8>),
    /// A rule says that it means nothing to us.
    Ignored {
        /// The rule's name.
        rule: String,
    },
    /// A record of the sender has to be read first.
    NeedsEnrichment {
        /// Which one.
        record: String,
    },
    /// It is a test and becomes nothing; what it would have become, in words.
    Test(String),
    /// It cannot be read.
    Fault(Vec<Fault>),
}

/// All that a delivery's body says, and whose word it is.
struct Understood {
    told: Vec<Told>,
    teller: Teller,
    defaults: IntakeDefaults,
}

/// Opens a delivery and reads it as its endpoint's connector is now.
fn understand(
    conn: &mut Conn,
    context: &IntakeContext,
    readers: &mut Readers,
    delivery: &Delivery,
) -> Result<Understood, StoreError> {
    let body = context.secret.open(&delivery.sealed_body.0)?;
    let head = context.open_head(delivery)?;
    let Readings { items, teller, currency } = readers.read(conn, context, delivery, &head, &body)?;
    let defaults = IntakeDefaults { currency, namespace: context.person_namespace.clone(), zone: None };
    let told = items.into_iter().map(|item| check(item, context, &defaults, delivery)).collect();
    Ok(Understood { told, teller, defaults })
}

fn check(
    reading: connectors::reading::Reading,
    context: &IntakeContext,
    defaults: &IntakeDefaults,
    delivery: &Delivery,
) -> Told {
    if test_event::is_test(delivery.message_id.as_deref()) {
        let words = test_event::would_become(reading.outcome, context, defaults, delivery.received_at);
        return Told { says: Says::Test(words), event_id: reading.dedup_key, supplies: Vec::new() };
    }
    let plain = |id: String| Some(id).filter(|id| !id.is_empty() && !id.contains(char::is_control));
    let (says, event_id) = match reading.outcome {
        ReadingOutcome::Event(input) => {
            let event_id = plain(input.event_id.clone());
            let hash = |email: &str| context.secret.email_hash(email);
            let says = match input.check(defaults, delivery.received_at, &hash) {
                Err(faults) => Says::Fault(faults),
                Ok(draft) => {
                    let hash = context.secret.content_hash(&draft.content());
                    Says::Event(Box::new(draft), hash)
                }
            };
            (says, event_id)
        }
        ReadingOutcome::Ignored { rule } => (Says::Ignored { rule }, reading.dedup_key.and_then(plain)),
        ReadingOutcome::NeedsEnrichment(lookup) => {
            (Says::NeedsEnrichment { record: lookup.record }, lookup.known.map(|k| k.event_id).and_then(plain))
        }
        ReadingOutcome::Fault(faults) => (Says::Fault(faults), None),
    };
    Told { says, event_id, supplies: reading.supplies }
}
