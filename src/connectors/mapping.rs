//! Where in a sender's JSON the fields of a stage event are.
//!
//! A mapping is data: JSON pointers (RFC 6901), lists of them of which the
//! first that holds something wins, or constants. What is not mapped is not
//! read: a field that merely looks like an amount must not become money.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use super::pick::{Candidate, Pick};
use super::pick::{check_pick, first_of, missing};
use crate::domain::fault::{Fault, shown};
use crate::domain::intake::EventInput;
use crate::domain::person::is_placeholder;
use crate::domain::stage::Stage;
use crate::domain::time::UtcMillis;

/// In what unit a sender writes `value`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ValueUnit {
    /// Decimals: `480.00`.
    #[default]
    Major,
    /// Minor units: `48000`.
    Minor,
}

/// How a sender writes `occurred_at`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TimeUnit {
    /// RFC 3339 text.
    #[default]
    Rfc3339,
    /// Whole seconds since 1970.
    Seconds,
    /// Whole milliseconds since 1970.
    Millis,
}

/// Where each field of an [`EventInput`] is in a sender's body.
///
/// `Default` is our own flat JSON, with the fields of Standard Webhooks under `/data` as second choice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mapping {
    /// The sender's id of the event; where it is silent, the id of the verified message serves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_id: Option<Pick>,
    /// The stage, in the sender's words or ours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<Pick>,
    /// When it happened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub occurred_at: Option<Pick>,
    /// Our click id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub click_id: Option<Pick>,
    /// Our visitor id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub visitor_id: Option<Pick>,
    /// The address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<Pick>,
    /// Contact id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person: Option<Pick>,
    /// Deal, order, invoice or form response.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<Pick>,
    /// What a refund or invoice belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<Pick>,
    /// The amount, in `value_unit`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Pick>,
    /// The amount in minor units whatever `value_unit` says, for senders that write either.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value_minor: Option<Pick>,
    /// ISO 4217 code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub currency: Option<Pick>,
    /// The person's answer to "how did you hear about us".
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub self_reported: Option<Pick>,
    /// Put before contact ids that have no namespace: `hubspot`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person_namespace: Option<String>,
    /// Put before subjects that have no namespace: `deal`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject_namespace: Option<String>,
    /// The sender's words for our stages, in any case: `"Closed Won" = "customer"`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub stages: BTreeMap<String, Stage>,
    /// Unit of `value`.
    #[serde(default)]
    pub value_unit: ValueUnit,
    /// Unit of `occurred_at`.
    #[serde(default)]
    pub time_unit: TimeUnit,
}

impl Default for Mapping {
    fn default() -> Self {
        let at = |pointers: &[&str]| {
            Some(Pick::FirstOf(pointers.iter().map(|p| Candidate::Pointer((*p).to_owned())).collect()))
        };
        Self {
            event_id: at(&["/event_id", "/data/event_id"]),
            stage: at(&["/stage", "/data/stage"]),
            occurred_at: at(&["/occurred_at", "/data/occurred_at", "/timestamp"]),
            click_id: at(&["/click_id", "/data/click_id"]),
            visitor_id: at(&["/visitor_id", "/data/visitor_id"]),
            email: at(&["/email", "/data/email"]),
            person: at(&["/person", "/data/person"]),
            subject: at(&["/subject", "/data/subject"]),
            parent: at(&["/parent", "/data/parent"]),
            value: at(&["/value", "/data/value", "/data/amount"]),
            value_minor: at(&["/value_minor", "/data/value_minor"]),
            currency: at(&["/currency", "/data/currency"]),
            self_reported: at(&["/self_reported", "/data/self_reported"]),
            person_namespace: None,
            subject_namespace: None,
            stages: BTreeMap::new(),
            value_unit: ValueUnit::Major,
            time_unit: TimeUnit::Rfc3339,
        }
    }
}

impl Mapping {
    /// Reads a mapping from JSON and checks it.
    pub fn from_json(text: &str) -> Result<Self, Vec<Fault>> {
        let mapping: Self = serde_json::from_str(text).map_err(|why| {
            vec![Fault::new("mapping", "mapping-malformed", format!("{why}; compare it with the documented keys"))]
        })?;
        mapping.check()?;
        Ok(mapping)
    }

    /// Checks everything that can be known before a delivery comes.
    pub fn check(&self) -> Result<(), Vec<Fault>> {
        let mut faults = Vec::new();
        for (field, pick) in self.picks() {
            let constant_makes_sense = matches!(field, "stage" | "value" | "value_minor" | "currency");
            if let Some(pick) = pick {
                faults.extend(check_pick(field, pick, constant_makes_sense).err());
            } else if matches!(field, "stage" | "occurred_at") {
                faults.push(Fault::new(
                    field,
                    "mapping-missing",
                    "no event is complete without it; say where it is in the body",
                ));
            }
        }
        for (field, namespace) in
            [("person_namespace", &self.person_namespace), ("subject_namespace", &self.subject_namespace)]
        {
            if namespace.as_deref().is_some_and(|n| !is_namespace(n)) {
                faults.push(Fault::new(
                    field,
                    "namespace-malformed",
                    "a namespace is 1 to 60 of a-z 0-9 . _ -, such as hubspot",
                ));
            }
        }
        let mut words = BTreeSet::new();
        for word in self.stages.keys().filter(|w| !words.insert(folded(w))) {
            faults.push(Fault::new(
                "stages",
                "stage-twice",
                format!("{} is there twice, as case does not count; keep one", shown(word)),
            ));
        }
        if faults.is_empty() { Ok(()) } else { Err(faults) }
    }

    /// Reads a body; `message_id` is the verified message's, the event id of senders that give none.
    ///
    /// The answer still has to pass [`EventInput::check`].
    pub fn map(&self, body: &[u8], message_id: Option<&str>) -> Result<EventInput, Vec<Fault>> {
        let body = parse(body).map_err(|fault| vec![fault])?;
        let mut faults = Vec::new();
        let mut read = |pick: &Option<Pick>| {
            let found = pick.as_ref().map_or(Ok(None), |p| first_of(&body, p));
            found.map_err(|fault| faults.push(fault)).ok().flatten()
        };
        let (event_id, stage, occurred_at) = (read(&self.event_id), read(&self.stage), read(&self.occurred_at));
        let (value, minor) = (read(&self.value), read(&self.value_minor));
        let mut input = EventInput {
            click_id: read(&self.click_id),
            visitor_id: read(&self.visitor_id),
            email: read(&self.email),
            person: read(&self.person).and_then(|p| prefixed(self.person_namespace.as_deref(), p)),
            subject: read(&self.subject).and_then(|s| prefixed(self.subject_namespace.as_deref(), s)),
            parent: read(&self.parent),
            currency: read(&self.currency),
            self_reported: read(&self.self_reported),
            ..EventInput::default()
        };
        // A field that is there but wrong has its fault already; only one that is nowhere is missing.
        let complete = faults.is_empty();
        let mut set = |to: &mut String, result: Result<String, Fault>| match result {
            Ok(text) => *to = text,
            Err(fault) if complete || fault.code != "missing" => faults.push(fault),
            Err(_) => {}
        };
        let event_id = event_id.or_else(|| message_id.map(str::trim).filter(|id| !id.is_empty()).map(str::to_owned));
        set(&mut input.event_id, event_id.ok_or_else(|| missing("event_id", self.event_id.as_ref())));
        set(
            &mut input.stage,
            stage.ok_or_else(|| missing("stage", self.stage.as_ref())).and_then(|s| self.stage_of(&s)),
        );
        let at = occurred_at.ok_or_else(|| missing("occurred_at", self.occurred_at.as_ref()));
        set(&mut input.occurred_at, at.and_then(|t| self.time_of(t)));
        match self.amounts(value, minor) {
            Ok((value, minor)) => (input.value, input.value_minor) = (value, minor),
            Err(fault) => faults.push(fault),
        }
        if faults.is_empty() { Ok(input) } else { Err(faults) }
    }

    fn picks(&self) -> [(&'static str, &Option<Pick>); 13] {
        [
            ("event_id", &self.event_id),
            ("stage", &self.stage),
            ("occurred_at", &self.occurred_at),
            ("click_id", &self.click_id),
            ("visitor_id", &self.visitor_id),
            ("email", &self.email),
            ("person", &self.person),
            ("subject", &self.subject),
            ("parent", &self.parent),
            ("value", &self.value),
            ("value_minor", &self.value_minor),
            ("currency", &self.currency),
            ("self_reported", &self.self_reported),
        ]
    }

    /// Our stage for the sender's word.
    fn stage_of(&self, word: &str) -> Result<String, Fault> {
        let wanted = folded(word);
        let mapped = self.stages.iter().find(|(theirs, _)| folded(theirs) == wanted).map(|(_, ours)| *ours);
        mapped.map_or_else(|| wanted.parse::<Stage>(), Ok).map(|stage| stage.as_str().to_owned()).map_err(|_unknown| {
            // The word is shown so that it can be mapped, unless a wrong pointer led to an address.
            let word = if word.contains('@') { "the value".to_owned() } else { shown(word) };
            Fault::new(
                "stage",
                "stage-unmapped",
                format!("{word} is no stage of ours; add it to the mapping's `stages`"),
            )
        })
    }

    fn time_of(&self, text: String) -> Result<String, Fault> {
        let unit_ms = match self.time_unit {
            TimeUnit::Rfc3339 if text.bytes().all(|b| b.is_ascii_digit()) => {
                return Err(Fault::new(
                    "occurred_at",
                    "time-is-number",
                    "it is a bare number; set the mapping's `time_unit` to seconds or millis",
                ));
            }
            TimeUnit::Rfc3339 => return Ok(text),
            TimeUnit::Seconds => 1_000,
            TimeUnit::Millis => 1,
        };
        let at = text.parse::<i64>().ok().and_then(|n| n.checked_mul(unit_ms)).map(|ms| UtcMillis(ms).to_string());
        at.filter(|at| UtcMillis::parse(at).is_ok()).ok_or_else(|| {
            Fault::new(
                "occurred_at",
                "time-malformed",
                "it is not a whole number of the mapping's `time_unit` since 1970; send one, or use rfc3339",
            )
        })
    }

    fn amounts(&self, value: Option<String>, minor: Option<String>) -> Result<(Option<String>, Option<i64>), Fault> {
        let (value, minor) = match (self.value_unit, value, minor) {
            (_, Some(_), Some(_)) => {
                return Err(Fault::new(
                    "value",
                    "value-twice",
                    "both `value` and `value_minor` hold an amount; map one of them",
                ));
            }
            (ValueUnit::Minor, Some(value), None) => (None, Some(value)),
            (_, value, minor) => (value, minor),
        };
        let minor = minor.map(|text| text.parse::<i64>()).transpose().map_err(|_why| {
            Fault::new(
                "value",
                "amount-malformed",
                "minor units are a whole number such as 48000; set `value_unit` to major for decimals",
            )
        })?;
        Ok((value, minor))
    }
}

fn parse(body: &[u8]) -> Result<Value, Fault> {
    let fault = |code: &str, why: String| Err(Fault::new("body", code, why));
    match serde_json::from_slice(body) {
        Ok(Value::Object(object)) => Ok(Value::Object(object)),
        // Reading one event of a list would lose the others without a trace.
        Ok(Value::Array(_)) => {
            fault("body-is-list", "the body is a list; send one event per request, as an object".to_owned())
        }
        Ok(_) => fault("body-not-object", "the body is a bare value; send a JSON object".to_owned()),
        Err(why) => fault("body-not-json", format!("the body is not JSON ({why}); send one JSON object in UTF-8")),
    }
}

/// A bare id with its namespace; `None` where the bare id stands for nothing, such as `null`.
fn prefixed(namespace: Option<&str>, id: String) -> Option<String> {
    if id.contains(':') {
        return Some(id);
    }
    (!is_placeholder(&id)).then(|| namespace.map_or_else(|| id.clone(), |n| format!("{n}:{id}")))
}

fn is_namespace(text: &str) -> bool {
    (1..=60).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-".contains(&b))
}

fn folded(word: &str) -> String {
    word.trim().to_lowercase()
}

#[cfg(test)]
mod tests;
