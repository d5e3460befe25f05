//! Intake: deliveries become stage events.
//!
//! A delivery is stored raw in one transaction and read in a second, so that
//! nothing accepted can vanish: what a crash leaves between the two is *pending*
//! and [`read_or_set_aside`] reads it at the next start (invariant 3). Each item ends as
//! exactly one of stored, duplicate, quarantined or ignored.

use serde::Deserialize;

use crate::connectors::reading::ReadingOutcome;
use crate::domain::fault::Fault;
use crate::domain::ids::DeliveryId;
use crate::domain::intake::IntakeDefaults;
use crate::domain::stage::Source;
use crate::domain::time::UtcMillis;
use crate::jobs::reading::{Readings, supply};
use crate::jobs::test_event;
use crate::secret::SecretKey;
use crate::store::deliveries::{self, Delivery, Item, Verdict};
use crate::store::identity::{self, Recording};
use crate::store::stage_events::{self, Outcome};
use crate::store::{Conn, Db, StoreError, ledger};

/// What intake needs to know about this installation.
#[derive(Debug, Clone)]
pub struct IntakeContext {
    /// The key that hashes and encrypts.
    pub secret: SecretKey,
    /// Namespace of bare contact ids.
    pub person_namespace: String,
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

/// Reads a stored delivery's items that are pending or quarantined, and writes their verdicts.
///
/// Running it again changes nothing that was stored: the duplicate key sees to that.
pub fn read_delivery(
    conn: &mut Conn,
    context: &IntakeContext,
    id: DeliveryId,
    now: UtcMillis,
) -> Result<Vec<Item>, StoreError> {
    let delivery = deliveries::get(conn, id)?;
    let body = context.secret.open(&delivery.sealed_body)?;
    let readings = Readings::of(conn, context, &delivery, &[], &body)?;
    let at = ledger::stamp(conn, now)?;
    deliveries::add_items(conn, id, i64::try_from(readings.items.len()).unwrap_or(i64::MAX))?;
    let mut read = Vec::new();
    for item in deliveries::items(conn, id)? {
        let item = match item.verdict {
            Verdict::Pending | Verdict::Quarantined => read_item(conn, context, &readings, &delivery, item, at)?,
            Verdict::Stored | Verdict::Duplicate | Verdict::Ignored => item,
        };
        read.push(item);
    }
    Ok(read)
}

/// Sets a delivery aside whose reading the database refuses, so that it does not block the others for ever.
pub fn set_aside(conn: &mut Conn, id: DeliveryId) -> Result<Vec<Item>, StoreError> {
    ledger::lock(conn)?;
    for mut item in deliveries::items(conn, id)?.into_iter().filter(|i| i.verdict == Verdict::Pending) {
        item.verdict = Verdict::Quarantined;
        item.code = Some("refused-by-database".into());
        item.detail = Some("the database refused what the delivery holds; the cause is in the server's log".into());
        deliveries::set_verdict(conn, &item)?;
    }
    deliveries::items(conn, id)
}

/// Reads a delivery in a transaction of its own; what the database refuses is set aside in another.
pub fn read_or_set_aside(
    db: &Db,
    context: &IntakeContext,
    id: DeliveryId,
    now: UtcMillis,
) -> Result<Vec<Item>, StoreError> {
    match db.write_now(|conn| read_delivery(conn, context, id, now)) {
        Err(error) if !error.is_passing() => {
            tracing::warn!(delivery.id = %id, error = %error, "a delivery is set aside");
            db.write_now(|conn| set_aside(conn, id))
        }
        outcome => outcome,
    }
}

fn read_item(
    conn: &mut Conn,
    context: &IntakeContext,
    readings: &Readings,
    delivery: &Delivery,
    mut item: Item,
    at: UtcMillis,
) -> Result<Item, StoreError> {
    let told = readings.item(item.item);
    let recording = Recording { at, event: None, batch: None, by: format!("delivery {}", delivery.id) };
    let defaults =
        IntakeDefaults { currency: readings.currency, namespace: context.person_namespace.clone(), zone: None };
    (item.code, item.detail) = (None, None);
    if test_event::is_test(delivery.message_id.as_deref()) {
        test_event::judge(&mut item, told, context, &defaults, delivery.received_at);
        deliveries::set_verdict(conn, &item)?;
        return Ok(item);
    }
    match told.outcome {
        ReadingOutcome::Event(input) => {
            item.event_id = Some(input.event_id.clone()).filter(|id| !id.is_empty() && !id.contains(char::is_control));
            match input.check(&defaults, delivery.received_at, &|email| context.secret.email_hash(email)) {
                Err(faults) => set_faults(&mut item, &faults),
                Ok(draft) => {
                    let hash = context.secret.content_hash(&draft.content());
                    let outcome = stage_events::insert(conn, &draft, &readings.teller, &hash, &recording)?;
                    if let Outcome::Retold(event, Some(person)) = &outcome {
                        let joins: Vec<_> = draft.keys.iter().map(|key| (*person, key.clone())).collect();
                        let recording = Recording { event: Some(*event), ..recording.clone() };
                        identity::insert_joins(conn, &joins, &recording)?;
                    }
                    judge(&mut item, outcome);
                }
            }
        }
        ReadingOutcome::Ignored { rule } => {
            item.verdict = Verdict::Ignored;
            item.code = Some(rule);
            item.event_id = told.dedup_key;
        }
        ReadingOutcome::NeedsEnrichment(lookup) => {
            item.verdict = Verdict::Quarantined;
            item.code = Some("needs-enrichment".into());
            item.detail = Some(format!("it names a record ({}) that has to be read from the vendor", lookup.record));
            item.event_id = lookup.known.map(|known| known.event_id).filter(|id| !id.is_empty());
        }
        ReadingOutcome::Fault(faults) => set_faults(&mut item, &faults),
    }
    let faults = supply(conn, context, &told.supplies, &defaults, &recording)?;
    if item.verdict == Verdict::Ignored && !faults.is_empty() {
        set_faults(&mut item, &faults);
    }
    deliveries::set_verdict(conn, &item)?;
    Ok(item)
}

fn set_faults(item: &mut Item, faults: &[Fault]) {
    item.verdict = Verdict::Quarantined;
    item.code = faults.first().map(|f| f.code.clone());
    item.detail = Some(faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "));
}

fn judge(item: &mut Item, outcome: Outcome) {
    match outcome {
        Outcome::Stored(id) => (item.verdict, item.stage_event) = (Verdict::Stored, Some(id)),
        Outcome::Duplicate(id) | Outcome::Retold(id, _) => {
            (item.verdict, item.stage_event) = (Verdict::Duplicate, Some(id))
        }
        Outcome::Conflict(id) => {
            (item.verdict, item.stage_event) = (Verdict::Quarantined, Some(id));
            item.code = Some("conflict".into());
            item.detail = Some(format!(
                "the same event id was told before with other content ({id}); void that event and replay, or send a new event id"
            ));
        }
    }
}
