//! Intake: deliveries become stage events.
//!
//! A delivery is stored raw in one transaction and read in a second, so that
//! nothing accepted can vanish: what a crash leaves between the two is *pending*
//! and [`read_or_set_aside`] reads it at the next start (invariant 3). Each item ends as
//! exactly one of stored, duplicate, quarantined or ignored.

use serde::Deserialize;

use crate::connectors::mapping::Mapping;
use crate::domain::fault::Fault;
use crate::domain::ids::DeliveryId;
use crate::domain::intake::{EventInput, IntakeDefaults};
use crate::domain::money::Currency;
use crate::domain::stage::Source;
use crate::domain::time::UtcMillis;
use crate::secret::SecretKey;
use crate::store::deliveries::{self, Delivery, Item, Verdict};
use crate::store::endpoints;
use crate::store::identity::Recording;
use crate::store::stage_events::{self, Outcome, Teller};
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
    let reading = Reading::of(conn, &delivery, &body)?;
    let at = ledger::stamp(conn, now)?;
    let mut read = Vec::new();
    for item in deliveries::items(conn, id)? {
        let item = match item.verdict {
            Verdict::Pending | Verdict::Quarantined => read_item(conn, context, &reading, &delivery, item, at)?,
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

/// How a delivery's items are understood.
struct Reading {
    inputs: Vec<Result<EventInput, Vec<Fault>>>,
    teller: Teller,
    currency: Option<Currency>,
}

impl Reading {
    fn of(conn: &mut Conn, delivery: &Delivery, body: &[u8]) -> Result<Self, StoreError> {
        let Some(endpoint) = delivery.endpoint else {
            return Ok(Self::of_api(delivery, body));
        };
        let endpoint = endpoints::get(conn, endpoint)?;
        let mapping: Mapping = serde_json::from_str(&endpoint.mapping)
            .map_err(|e| StoreError::Corrupt(format!("mapping of endpoint {}: {e}", endpoint.id)))?;
        let input = mapping.map(body, delivery.message_id.as_deref());
        let teller = Teller { source: Source::endpoint(endpoint.id), counts_revenue: endpoint.counts_revenue };
        Ok(Self { inputs: vec![input], teller, currency: endpoint.currency })
    }

    fn of_api(delivery: &Delivery, body: &[u8]) -> Self {
        let teller = Teller { source: Source::stored(delivery.source.clone()), counts_revenue: true };
        let inputs = match ApiBody::parse(body) {
            Ok((_, events, _)) => events
                .into_iter()
                .map(|event| {
                    serde_json::from_value(event)
                        .map_err(|e| vec![Fault::new("event", "json-shape", printable(&e.to_string()))])
                })
                .collect(),
            Err(fault) => vec![Err(vec![fault])],
        };
        Self { inputs, teller, currency: None }
    }
}

fn read_item(
    conn: &mut Conn,
    context: &IntakeContext,
    reading: &Reading,
    delivery: &Delivery,
    mut item: Item,
    at: UtcMillis,
) -> Result<Item, StoreError> {
    let place = usize::try_from(item.item).unwrap_or(usize::MAX);
    let input = reading
        .inputs
        .get(place)
        .cloned()
        .unwrap_or_else(|| Err(vec![Fault::new("event", "item-missing", "the delivery holds no such item")]));
    let defaults =
        IntakeDefaults { currency: reading.currency, namespace: context.person_namespace.clone(), zone: None };
    let draft = input.and_then(|input| {
        item.event_id = Some(input.event_id.clone()).filter(|id| !id.is_empty() && !id.contains(char::is_control));
        input.check(&defaults, delivery.received_at, &|email| context.secret.email_hash(email))
    });
    match draft {
        Err(faults) => {
            item.verdict = Verdict::Quarantined;
            item.code = faults.first().map(|f| f.code.clone());
            item.detail = Some(faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "));
        }
        Ok(draft) => {
            let recording = Recording { at, event: None, batch: None, by: format!("delivery {}", delivery.id) };
            let hash = context.secret.content_hash(&draft.content());
            judge(&mut item, stage_events::insert(conn, &draft, &reading.teller, &hash, &recording)?);
        }
    }
    deliveries::set_verdict(conn, &item)?;
    Ok(item)
}

/// A parser's message may cite the input; no control character of it is stored.
fn printable(message: &str) -> String {
    message.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

fn judge(item: &mut Item, outcome: Outcome) {
    (item.code, item.detail) = (None, None);
    match outcome {
        Outcome::Stored(id) => (item.verdict, item.stage_event) = (Verdict::Stored, Some(id)),
        Outcome::Duplicate(id) => (item.verdict, item.stage_event) = (Verdict::Duplicate, Some(id)),
        Outcome::Conflict(id) => {
            (item.verdict, item.stage_event) = (Verdict::Quarantined, Some(id));
            item.code = Some("conflict".into());
            item.detail = Some(format!(
                "the same event id was told before with other content ({id}); void that event and replay, or send a new event id"
            ));
        }
    }
}
