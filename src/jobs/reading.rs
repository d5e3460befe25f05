//! How a delivery's items are understood, and what they tell beside stage events.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use crate::connectors::Connector;
use crate::connectors::reading::{Reading, ReadingOutcome, Supply};
use crate::connectors::request::{Request, TARGET};
use crate::domain::delivery::{Delivery, RequestHead};
use crate::domain::fault::Fault;
use crate::domain::ids::EndpointId;
use crate::domain::intake::IntakeDefaults;
use crate::domain::money::Currency;
use crate::domain::person::JoinKey;
use crate::domain::stage::Source;
use crate::jobs::intake::{ApiBody, IntakeContext};
use crate::jobs::{connectors, enrich};
use crate::store::endpoints::{self, Endpoint};
use crate::store::identity::{self, Recording};
use crate::store::stage_events::Teller;
use crate::store::{Conn, StoreError};

/// The connectors of endpoints whose deliveries are read together, each made once.
#[derive(Debug, Default)]
pub struct Readers(HashMap<EndpointId, (Endpoint, Connector)>);

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

impl Readers {
    /// Reads a delivery's body, by its endpoint's connector as it is now, or by the form of our own API.
    pub fn read(
        &mut self,
        conn: &mut Conn,
        context: &IntakeContext,
        delivery: &Delivery,
        head: &RequestHead,
        body: &[u8],
    ) -> Result<Readings, StoreError> {
        let Some(id) = delivery.endpoint else {
            return Ok(Readings::of_api(delivery, body));
        };
        let (endpoint, connector) = self.of(conn, context, delivery, id)?;
        // What follows the token in the URL is among the headers, and nothing is verified again.
        let target = (!head.target.is_empty()).then(|| (TARGET.to_owned(), head.target.clone()));
        let headers: Vec<(String, String)> = head.headers.iter().cloned().chain(target).collect();
        let (method, received_at) = (delivery.method.as_str(), delivery.received_at);
        let request = Request { method, url: "", headers: &headers, body, received_at };
        let items = connector.read(&request, delivery.message_id.as_deref());
        let items = enrich::complete(conn, context, connector, delivery.id, id, items, received_at)?;
        let teller = Teller { source: Source::endpoint(id), counts_revenue: endpoint.counts_revenue };
        Ok(Readings { items, teller, currency: endpoint.currency })
    }

    fn of(
        &mut self,
        conn: &mut Conn,
        context: &IntakeContext,
        delivery: &Delivery,
        id: EndpointId,
    ) -> Result<&(Endpoint, Connector), StoreError> {
        match self.0.entry(id) {
            Entry::Occupied(known) => Ok(known.into_mut()),
            Entry::Vacant(new) => {
                let endpoint = endpoints::get(conn, id)?;
                let connector = connectors::of(&endpoint, &context.secret, delivery.received_at)?;
                Ok(new.insert((endpoint, connector)))
            }
        }
    }
}

impl Readings {
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
}

/// Records who is who, as items tell it beside stage events; answers what is wrong with their names.
///
/// With `is_known` the item was read before, and what it tells is recorded only where it is new.
pub fn supply(
    conn: &mut Conn,
    context: &IntakeContext,
    supplies: &[Supply],
    defaults: &IntakeDefaults,
    recording: &Recording,
    is_known: bool,
) -> Result<Vec<Fault>, StoreError> {
    let mut faults = Vec::new();
    for told in supplies {
        let Supply::Identity(names) = told else { continue };
        match names.check(defaults, &|email| context.secret.email_hash(email)) {
            // One name alone joins nothing; deals alone are nobody's.
            Ok(keys) if keys.len() < 2 || keys.iter().all(|k| matches!(k, JoinKey::Subject(_))) => {}
            Ok(keys) if is_known && identity::are_joined(conn, &keys)? => {}
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
