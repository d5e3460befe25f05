//! What people ask the inbox for, in words, and one delivery opened for them.

use super::intake::IntakeContext;
use crate::domain::delivery::RequestHead;
use crate::domain::fault::{Fault, shown};
use crate::domain::ids::{DeliveryId, PersonId, StageEventId};
use crate::domain::person::joinable_email;
use crate::domain::time::{Day, UtcMillis, Zone};
use crate::secret::SecretKey;
use crate::store::deliveries::{self, Filter, Item, Kept, Search};
use crate::store::{Conn, StoreError};

/// A filter as people write it. Empty texts ask for nothing.
#[derive(Debug, Clone, Default)]
pub struct Asked {
    /// An endpoint's id.
    pub endpoint: String,
    /// A verdict.
    pub status: String,
    /// A code.
    pub code: String,
    /// First day, or time, of receipt; days are UTC.
    pub from: String,
    /// Last day, or time, of receipt, itself included.
    pub to: String,
    /// An id of a delivery, a stage event or a person, a sender's id of an event or a message, or an email address.
    pub q: String,
}

impl Asked {
    /// Reads it; every fault names its field. An address becomes its keyed hash and goes no further.
    pub fn filter(&self, secret: &SecretKey) -> Result<Filter, Vec<Fault>> {
        let mut faults = Vec::new();
        let filter = Filter {
            endpoint: read("endpoint", &self.endpoint, str::parse, &mut faults),
            verdict: read("status", &self.status, str::parse, &mut faults),
            code: given(&self.code).map(str::to_owned),
            from: read("from", &self.from, |text| moment(text, 0), &mut faults),
            before: read("to", &self.to, |text| moment(text, 1), &mut faults),
            search: read("q", &self.q, |text| search(text, secret), &mut faults),
        };
        if faults.is_empty() { Ok(filter) } else { Err(faults) }
    }

    /// Whether it asks for anything.
    pub fn is_empty(&self) -> bool {
        [&self.endpoint, &self.status, &self.code, &self.from, &self.to, &self.q].iter().all(|t| given(t).is_none())
    }
}

fn given(text: &str) -> Option<&str> {
    Some(text.trim()).filter(|t| !t.is_empty())
}

fn read<T>(
    field: &str,
    text: &str,
    parse: impl FnOnce(&str) -> Result<T, Fault>,
    faults: &mut Vec<Fault>,
) -> Option<T> {
    parse(given(text)?).map_err(|fault| faults.push(fault.named(field))).ok()
}

/// The beginning of a day or the time itself; with `after` 1, the first moment that no longer belongs to it.
fn moment(text: &str, after: i32) -> Result<UtcMillis, Fault> {
    if let Ok(day) = text.parse::<Day>() {
        return Ok(Zone::utc().day_start(day.plus_days(after)));
    }
    let at = UtcMillis::parse(text).map_err(|_fault| {
        let why =
            format!("{} is neither a day such as 2026-03-01 nor a time such as 2026-03-01T10:00:00Z", shown(text));
        Fault::new("time", "time-malformed", why)
    })?;
    Ok(at.plus_ms(after.into()))
}

fn search(text: &str, secret: &SecretKey) -> Result<Search, Fault> {
    let begins = |prefix: &str| text.get(..prefix.len()).is_some_and(|head| head.eq_ignore_ascii_case(prefix));
    if begins(DeliveryId::PREFIX) {
        return text.parse().map(Search::Delivery);
    }
    if begins(StageEventId::PREFIX) {
        return text.parse().map(Search::StageEvent);
    }
    if begins(PersonId::PREFIX) {
        return text.parse().map(Search::Person);
    }
    // A sender's id may hold an @ as well, but then it is no address.
    match joinable_email(text) {
        Ok(Some(email)) => Ok(Search::Email { hash: secret.email_hash(&email), text: text.to_owned() }),
        _ => Ok(Search::SenderId(text.to_owned())),
    }
}

/// One delivery with everything that is kept of it.
#[derive(Debug, Clone)]
pub struct Opened {
    /// As it is stored.
    pub kept: Kept,
    /// What stood before the body; empty once it was removed.
    pub head: RequestHead,
    /// The body; `None` once it was removed.
    pub body: Option<Vec<u8>>,
    /// What became of its items.
    pub items: Vec<Item>,
}

/// Opens one delivery.
pub fn open(conn: &mut Conn, context: &IntakeContext, id: DeliveryId) -> Result<Opened, StoreError> {
    let kept = deliveries::get(conn, id)?;
    let items = deliveries::items(conn, &[id])?;
    let head = context.open_head(&kept.delivery)?;
    let body = match kept.removed_at {
        Some(_) => None,
        None => Some(context.secret.open(&kept.delivery.sealed_body.0)?),
    };
    Ok(Opened { kept, head, body, items })
}
