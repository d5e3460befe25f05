//! Stage events: a person entered a stage at a time. Dated facts, never a "current stage" column.

use serde::{Deserialize, Serialize};

use super::fault::{Fault, shown};
use super::ids::{EndpointId, PersonId, StageEventId};
use super::intake::NetworkLead;
use super::money::Money;
use super::named_enum::named_enum;
use super::person::JoinKey;
use super::time::UtcMillis;

named_enum!(
    /// The stages of the funnel, and the events around a sale.
    Stage, "stage", "stage-unknown" {
        /// First contact details.
        Lead = "lead",
        /// Marketing qualified.
        Mql = "mql",
        /// Sales qualified.
        Sql = "sql",
        /// A deal in the pipeline.
        Opportunity = "opportunity",
        /// Became a customer: closed won.
        Customer = "customer",
        /// A purchase.
        Sale = "sale",
        /// Money given back.
        Refund = "refund",
        /// A deal that was lost.
        Lost = "lost",
        /// A lead that turned out to be none.
        Rejected = "rejected",
    }
);

impl Stage {
    /// Whether the event begins or continues a person's purchase sequence.
    pub fn is_purchase(self) -> bool {
        matches!(self, Self::Customer | Self::Sale)
    }
}

/// A thing in another system, `namespace:id`: a deal, an order, an invoice, a form response.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Subject(String);

impl Subject {
    /// Longest subject, in bytes.
    pub const LEN_MAX: usize = 200;

    /// Reads `deal:4711`; the namespace is lower-cased, the id kept as it stands.
    pub fn parse(text: &str) -> Result<Self, Fault> {
        let trimmed = text.trim();
        let fault = |why: &str| Err(Fault::new("subject", "subject-malformed", format!("{} {why}", shown(text))));
        if trimmed.len() > Self::LEN_MAX || trimmed.chars().any(char::is_control) {
            return fault("is longer than 200 bytes or holds control characters");
        }
        match trimmed.split_once(':') {
            Some((namespace, id)) if !namespace.trim().is_empty() && !id.trim().is_empty() => {
                Ok(Self(format!("{}:{}", namespace.trim().to_lowercase(), id.trim())))
            }
            _ => fault("has no namespace; write it as deal:4711 or order:1001"),
        }
    }

    /// A subject as it was stored.
    pub fn stored(text: String) -> Self {
        Self(text)
    }

    /// `namespace:id`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A stage event as its sender told it, checked and with its keys hashed, before it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StageEventDraft {
    /// The sender's id of the event, unique within its source: the duplicate key.
    pub event_id: String,
    /// Which stage.
    pub stage: Stage,
    /// When the person entered it.
    pub occurred_at: UtcMillis,
    /// Who it was, by every key the sender gave.
    pub keys: Vec<JoinKey>,
    /// What it is about beside the person.
    pub subject: Option<Subject>,
    /// What a refund or an invoice belongs to: another event id or a subject.
    pub parent: Option<String>,
    /// What it was worth.
    pub value: Option<Money>,
    /// What the person said led them here, in their words; at most 200 characters.
    pub self_reported: Option<String>,
    /// Where in a network the lead was given, if it was given there.
    pub network_lead: Option<NetworkLead>,
    /// Whether its id alone tells a repeat: [`Self::is_retelling_of`].
    pub repeats_by_id: bool,
}

impl StageEventDraft {
    /// Whether this is another telling of an event that stands under the same id, though its content differs.
    pub fn is_retelling_of(&self, stage: Stage, value: Option<Money>) -> bool {
        let same_kind = self.stage == stage || (self.stage.is_purchase() && stage.is_purchase());
        self.repeats_by_id && same_kind && self.value == value
    }

    /// The form of a network in which this lead was given: its event makes a touch. A later stage of the person may name
    /// the lead again; nobody fills in a form to become a customer.
    pub fn form(&self) -> Option<&NetworkLead> {
        let is_lead = matches!(self.stage, Stage::Lead | Stage::Mql | Stage::Sql);
        self.network_lead.as_ref().filter(|lead| is_lead && lead.names_place())
    }

    /// Everything that two tellings of one event must agree on, in a fixed order, for the conflict check.
    pub fn content(&self) -> String {
        let mut keys: Vec<String> = self.keys.iter().map(ToString::to_string).collect();
        keys.sort();
        let mut content = [
            self.stage.as_str(),
            &self.occurred_at.0.to_string(),
            &keys.join(" "),
            self.subject.as_ref().map_or("", Subject::as_str),
            self.parent.as_deref().unwrap_or(""),
            &self.value.map(|m| m.to_string()).unwrap_or_default(),
        ]
        .join("\n");
        // Events that were told before there was this field keep their content.
        if let Some(answer) = &self.self_reported {
            content.push('\n');
            content.push_str(answer);
        }
        if let Some(lead) = &self.network_lead {
            content.push_str("\nnetwork ");
            content.push_str(&lead.content());
        }
        content
    }
}

/// Who told an event: an endpoint's id, or a name for the API and imports.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Source(String);

impl Source {
    /// The source of an endpoint's events.
    pub fn endpoint(id: EndpointId) -> Self {
        Self(id.to_string())
    }

    /// A named source: 1 to 100 characters of `a-z 0-9 . _ -`; the form of endpoint ids is theirs alone.
    pub fn parse(text: &str) -> Result<Self, Fault> {
        if text.parse::<EndpointId>().is_ok() {
            let why = format!("{} is an endpoint's own source; choose another name", shown(text));
            return Err(Fault::new("source", "source-reserved", why));
        }
        let name: super::utm::UtmValue = text.parse().map_err(|f: Fault| f.named("source"))?;
        Ok(Self(name.as_str().to_owned()))
    }

    /// A source as it was stored.
    pub fn stored(text: String) -> Self {
        Self(text)
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A stored stage event, as attribution reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StageEvent {
    /// Its id.
    pub id: StageEventId,
    /// Who told it.
    pub source: Source,
    /// The teller's id of it.
    pub event_id: String,
    /// Which stage.
    pub stage: Stage,
    /// When it happened.
    pub occurred_at: UtcMillis,
    /// The person it was recorded for; none where only a subject was known.
    pub person: Option<PersonId>,
    /// What it is about.
    pub subject: Option<Subject>,
    /// What it belongs to.
    pub parent: Option<String>,
    /// What it was worth.
    pub value: Option<Money>,
    /// Whether its source's money counts as revenue.
    pub counts_revenue: bool,
    /// What the person said led them here.
    pub self_reported: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_speaks_for_an_endpoint() {
        assert!(Source::parse("crm-export").is_ok());
        assert_eq!(Source::parse("end_7").expect_err("an endpoint's").code, "source-reserved");
        assert!(Source::parse("CRM Export").is_err());
    }

    #[test]
    fn an_answer_is_part_of_what_was_told_and_none_changes_nothing() {
        let mut draft = StageEventDraft {
            event_id: "e1".into(),
            stage: Stage::Lead,
            occurred_at: UtcMillis(5),
            keys: Vec::new(),
            subject: None,
            parent: Some("e0".into()),
            value: None,
            self_reported: None,
            network_lead: None,
            repeats_by_id: false,
        };
        assert_eq!(draft.content(), "lead\n5\n\n\ne0\n", "as it was before there were answers");
        draft.self_reported = Some("a friend".into());
        assert_eq!(draft.content(), "lead\n5\n\n\ne0\n\na friend");
    }

    #[test]
    fn subjects_have_a_namespace() {
        assert_eq!(Subject::parse(" Deal:4711 ").expect("subject").as_str(), "deal:4711");
        for bad in ["4711", ":4711", "deal:", "deal:a\u{7}"] {
            assert_eq!(Subject::parse(bad).expect_err(bad).code, "subject-malformed");
        }
    }
}
