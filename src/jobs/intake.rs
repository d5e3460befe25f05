//! Intake: deliveries become stage events.
//!
//! A delivery is stored raw in one transaction and read in a second, so that
//! nothing accepted can vanish: what a crash leaves between the two is *pending*
//! and the [inbox](super::inbox) reads it at the next start (invariant 3). Each item ends as
//! exactly one of stored, duplicate, quarantined, ignored, or waits for a look-up.
//!
//! Reading opens the bodies and understands them before the ledger is locked; the verdicts (`judge`) come after.

mod judge;

use std::collections::HashMap;

use serde::Deserialize;

use crate::connectors::mapping::Mapping;
use crate::domain::delivery::{Delivery, RequestHead, Sealed};
use crate::domain::fault::Fault;
use crate::domain::ids::{DeliveryId, EndpointId};
use crate::domain::intake::{EventInput, IntakeDefaults};
use crate::domain::money::Currency;
use crate::domain::stage::{Source, StageEventDraft};
use crate::domain::time::UtcMillis;
use crate::secret::SecretKey;
use crate::store::deliveries::{self, Item, Kept, Verdict};
use crate::store::endpoints::{self, Endpoint};
use crate::store::stage_events::Teller;
use crate::store::{Conn, StoreError, ledger};
use judge::Judge;

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
        let told = if kept.removed_at.is_some() { None } else { Some(readers.read(conn, context, &kept)?) };
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
    for (kept, told) in understood {
        let before = items.remove(&kept.delivery.id).unwrap_or_default();
        let after = match &told {
            Some(told) if reading == Reading::Again || before.iter().any(|i| i.verdict == Verdict::Pending) => {
                Judge { conn, at, delivery: &kept.delivery, told, before: &before }.verdicts(reading)?
            }
            _ => before.clone(),
        };
        written.extend(after.iter().filter(|item| !before.contains(item)).cloned());
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
                "the body of delivery {id} was removed after intake.keep_days, so it cannot be read again; have its sender send it once more"
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
#[expect(dead_code, reason = "the readers there are ignore nothing and ask for no record")]
enum Told {
    /// A stage event, checked, with the keyed hash of its content.
    Event(Box<StageEventDraft>, Vec<u8>),
    /// A rule says that it means nothing to us.
    Ignored {
        /// The rule, in words.
        rule: String,
    },
    /// A record of the sender has to be read first.
    NeedsEnrichment {
        /// Which one, in words.
        what: String,
    },
    /// It cannot be read; the event id where that much can.
    Fault(Option<String>, Vec<Fault>),
}

/// All that a delivery's body says, and whose word it is.
struct Understood {
    told: Vec<Told>,
    teller: Teller,
}

/// Endpoints that were needed so far, each made ready once.
#[derive(Default)]
struct Readers(HashMap<EndpointId, Endpoint>);

impl Readers {
    fn read(&mut self, conn: &mut Conn, context: &IntakeContext, kept: &Kept) -> Result<Understood, StoreError> {
        let delivery = &kept.delivery;
        let body = context.secret.open(&delivery.sealed_body.0)?;
        let Some(id) = delivery.endpoint else {
            let teller = Teller { source: Source::stored(delivery.source.clone()), counts_revenue: true };
            let told = inputs_of_api(&body).into_iter().map(|input| check(input, context, None, delivery)).collect();
            return Ok(Understood { told, teller });
        };
        if !self.0.contains_key(&id) {
            self.0.insert(id, endpoints::get(conn, id)?);
        }
        let Some(endpoint) = self.0.get(&id) else { return Err(StoreError::NotFound(format!("endpoint {id}"))) };
        let told = items_of(endpoint, context, delivery, &body)?;
        let teller = Teller { source: Source::endpoint(id), counts_revenue: endpoint.counts_revenue };
        Ok(Understood { told, teller })
    }
}

/// What the body of an endpoint's delivery says, item by item.
fn items_of(
    endpoint: &Endpoint,
    context: &IntakeContext,
    delivery: &Delivery,
    body: &[u8],
) -> Result<Vec<Told>, StoreError> {
    let mapping: Mapping = serde_json::from_str(&endpoint.mapping)
        .map_err(|e| StoreError::Corrupt(format!("mapping of endpoint {}: {e}", endpoint.id)))?;
    let input = mapping.map(body, delivery.message_id.as_deref());
    Ok(vec![check(input, context, endpoint.currency, delivery)])
}

fn inputs_of_api(body: &[u8]) -> Vec<Result<EventInput, Vec<Fault>>> {
    match ApiBody::parse(body) {
        Ok((_, events, _)) => events
            .into_iter()
            .map(|event| {
                serde_json::from_value(event)
                    .map_err(|e| vec![Fault::new("event", "json-shape", printable(&e.to_string()))])
            })
            .collect(),
        Err(fault) => vec![Err(vec![fault])],
    }
}

fn check(
    input: Result<EventInput, Vec<Fault>>,
    context: &IntakeContext,
    currency: Option<Currency>,
    delivery: &Delivery,
) -> Told {
    let input = match input {
        Ok(input) => input,
        Err(faults) => return Told::Fault(None, faults),
    };
    let event_id = Some(input.event_id.clone()).filter(|id| !id.is_empty() && !id.contains(char::is_control));
    let defaults = IntakeDefaults { currency, namespace: context.person_namespace.clone(), zone: None };
    match input.check(&defaults, delivery.received_at, &|email| context.secret.email_hash(email)) {
        Err(faults) => Told::Fault(event_id, faults),
        Ok(draft) => {
            let hash = context.secret.content_hash(&draft.content());
            Told::Event(Box::new(draft), hash)
        }
    }
}

/// A parser's message may cite the input; no control character of it is stored.
fn printable(message: &str) -> String {
    message.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}
