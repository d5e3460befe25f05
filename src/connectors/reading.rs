//! What a connector makes of one item of a delivery.

use crate::domain::fault::Fault;
use crate::domain::intake::{EventInput, IdentityInput};

/// What one item of a delivery says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// The sender's id of this message or change, the same on every redelivery: `hubspot:62515:3816279340`.
    ///
    /// It names the *message*. What was told is one fact by [`EventInput::event_id`], which may be another: two messages
    /// about one payment have two keys here and one event id.
    pub dedup_key: Option<String>,
    /// What became of it.
    pub outcome: ReadingOutcome,
    /// What it tells beside: who is who, what else to read, whom to forget.
    pub supplies: Vec<Supply>,
}

/// What became of one item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReadingOutcome {
    /// A stage event. Still to pass [`EventInput::check`].
    Event(Box<EventInput>),
    /// A rule says that it is no stage event. [`Reading::supplies`] may hold something all the same.
    Ignored {
        /// The rule's name.
        rule: String,
    },
    /// It names a record that must be read before it means something.
    NeedsEnrichment(Box<Lookup>),
    /// It could not be read.
    Fault(Vec<Fault>),
}

/// Something that an item tells beside a stage event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Supply {
    /// Names of one human.
    Identity(IdentityInput),
    /// A record that tells more about the human of an event that stands on its own.
    Read(Box<Lookup>),
    /// The sender asks that this human be forgotten.
    Erase(IdentityInput),
}

/// A record to read from the vendor: what to ask, and what the delivery has told already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lookup {
    /// Which of the preset's `[lookups]`; [`Connector::complete`](super::Connector::complete) reads the answer with it.
    pub record: String,
    /// HTTP method, `GET`.
    pub method: String,
    /// Path and query below the endpoint's API address, every value percent-encoded: `/crm/v3/objects/contacts/51?…`.
    pub path: String,
    /// Headers beside the authorisation.
    pub headers: Vec<(String, String)>,
    /// What is known of the event without the record; what it holds goes before what the record says. `None` where the
    /// record is read only to learn who somebody is.
    pub known: Option<EventInput>,
    /// The delivery's item, for what the record does not repeat.
    pub item: serde_json::Value,
}

impl Reading {
    /// A reading that is a fault.
    pub(super) fn fault(faults: Vec<Fault>) -> Self {
        Self { dedup_key: None, outcome: ReadingOutcome::Fault(faults), supplies: Vec::new() }
    }

    /// A reading that a rule ignores.
    pub(super) fn ignored(rule: &str) -> Self {
        Self { dedup_key: None, outcome: ReadingOutcome::Ignored { rule: rule.to_owned() }, supplies: Vec::new() }
    }
}
