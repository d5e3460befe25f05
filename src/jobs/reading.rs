//! How a delivery's items are understood, and what they tell beside stage events.

use crate::connectors::reading::{Reading, ReadingOutcome, Supply};
use crate::connectors::request::Request;
use crate::domain::fault::Fault;
use crate::domain::intake::IntakeDefaults;
use crate::domain::money::Currency;
use crate::domain::person::JoinKey;
use crate::domain::stage::Source;
use crate::jobs::connectors;
use crate::jobs::intake::{ApiBody, IntakeContext};
use crate::store::deliveries::Delivery;
use crate::store::identity::{self, Recording};
use crate::store::stage_events::Teller;
use crate::store::{Conn, StoreError, endpoints};

/// A delivery's items as their connector reads them.
#[derive(Debug)]
pub struct Readings {
    /// One per item, in the order of the body.
    pub items: Vec<Reading>,
    /// Whose word they are.
    pub teller: Teller,
    /// Currency of amounts that name none.
    pub currency: Option<Currency>,
}

impl Readings {
    /// Reads a delivery's body, by its endpoint's connector as it is now, or by the form of our own API.
    pub fn of(
        conn: &mut Conn,
        context: &IntakeContext,
        delivery: &Delivery,
        headers: &[(String, String)],
        body: &[u8],
    ) -> Result<Self, StoreError> {
        let Some(endpoint) = delivery.endpoint else {
            return Ok(Self::of_api(delivery, body));
        };
        let endpoint = endpoints::get(conn, endpoint)?;
        let connector = connectors::of(&endpoint, &context.secret, delivery.received_at)?;
        // What follows the token in the URL is among the headers, and nothing is verified again.
        let request = Request { method: "POST", url: "", headers, body, received_at: delivery.received_at };
        let items = connector.read(&request, delivery.message_id.as_deref());
        let teller = Teller { source: Source::endpoint(endpoint.id), counts_revenue: endpoint.counts_revenue };
        Ok(Self { items, teller, currency: endpoint.currency })
    }

    fn of_api(delivery: &Delivery, body: &[u8]) -> Self {
        let teller = Teller { source: Source::stored(delivery.source.clone()), counts_revenue: true };
        let reading = |outcome| Reading { dedup_key: None, outcome, supplies: Vec::new() };
        let items = match ApiBody::parse(body) {
            Ok((_, events, _)) => events
                .into_iter()
                .map(|event| {
                    reading(match serde_json::from_value(event) {
                        Ok(input) => ReadingOutcome::Event(Box::new(input)),
                        Err(why) => {
                            ReadingOutcome::Fault(vec![Fault::new("event", "json-shape", printable(&why.to_string()))])
                        }
                    })
                })
                .collect(),
            Err(fault) => vec![reading(ReadingOutcome::Fault(vec![fault]))],
        };
        Self { items, teller, currency: None }
    }

    /// One item's reading.
    pub fn item(&self, place: i64) -> Reading {
        let found = usize::try_from(place).ok().and_then(|place| self.items.get(place)).cloned();
        found.unwrap_or_else(|| Reading {
            dedup_key: None,
            outcome: ReadingOutcome::Fault(vec![Fault::new(
                "event",
                "item-missing",
                "the delivery holds no such item",
            )]),
            supplies: Vec::new(),
        })
    }
}

/// Records who is who, as items tell it beside stage events; answers what is wrong with their names.
pub fn supply(
    conn: &mut Conn,
    context: &IntakeContext,
    supplies: &[Supply],
    defaults: &IntakeDefaults,
    recording: &Recording,
) -> Result<Vec<Fault>, StoreError> {
    let mut faults = Vec::new();
    for told in supplies {
        let Supply::Identity(names) = told else { continue };
        match names.check(defaults, &|email| context.secret.email_hash(email)) {
            // One name alone joins nothing; deals alone are nobody's.
            Ok(keys) if keys.len() < 2 || keys.iter().all(|k| matches!(k, JoinKey::Subject(_))) => {}
            Ok(keys) => {
                identity::person_of(conn, &keys, recording)?;
            }
            Err(list) => faults.extend(list),
        }
    }
    Ok(faults)
}

/// A parser's message may cite the input; no control character of it is stored.
fn printable(message: &str) -> String {
    message.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}
