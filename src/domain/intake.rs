//! The one door for stage events: what a sender wrote, checked into a draft.
//!
//! The API, webhook mappings and imports all fill an [`EventInput`] and call
//! [`EventInput::check`], so that a field means the same thing wherever it came
//! in, and every fault is told at once, by field and with its remedy.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::fault::{Fault, shown};
use super::money::{Currency, Money};
use super::person::{JoinKey, joinable_email};
use super::stage::{StageEventDraft, Subject};
use super::time::{UtcMillis, Zone};
use super::touch::NetworkForm;

/// Longest event id, in bytes.
pub const EVENT_ID_LEN_MAX: usize = 200;
/// Longest answer of a person, in characters.
pub const SELF_REPORTED_LEN_MAX: usize = 200;

/// What the message id of a test delivery begins with. It is read and checked whole, and becomes nothing.
pub const TEST_MESSAGE: &str = "headwater-test:";
/// The header by which whoever can send a delivery marks it as a test.
pub const TEST_HEADER: &str = "headwater-test";
/// The code of an item that was a test.
pub const TEST_EVENT: &str = "test-event";

/// A stage event in its sender's words.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventInput {
    /// The sender's id of the event: the duplicate key within its source.
    #[serde(default)]
    pub event_id: String,
    /// The stage.
    #[serde(default)]
    pub stage: String,
    /// When it happened, RFC 3339; any time in the past.
    #[serde(default)]
    pub occurred_at: String,
    /// The click id that came back, in any dress.
    #[serde(default)]
    pub click_id: Option<String>,
    /// The browser, where the sender knows it.
    #[serde(default)]
    pub visitor_id: Option<String>,
    /// The address; only a keyed hash of it is kept.
    #[serde(default)]
    pub email: Option<String>,
    /// Contact id, `namespace:id` or bare with the receiver's default namespace.
    #[serde(default)]
    pub person: Option<String>,
    /// Deal, order, invoice or form response, `namespace:id`.
    #[serde(default)]
    pub subject: Option<String>,
    /// What a refund or invoice belongs to: an event id or a subject.
    #[serde(default)]
    pub parent: Option<String>,
    /// A decimal amount, `480.00`.
    #[serde(default, deserialize_with = "text_or_number")]
    pub value: Option<String>,
    /// The amount in minor units, instead of `value`.
    #[serde(default)]
    pub value_minor: Option<i64>,
    /// ISO 4217.
    #[serde(default)]
    pub currency: Option<String>,
    /// The person's answer to "how did you hear about us", in their words.
    #[serde(default)]
    pub self_reported: Option<String>,
    /// Where in a network a lead was given, if it was given in a form of the network itself.
    #[serde(default)]
    pub network_lead: Option<NetworkLead>,
    /// Whether another telling of this event id with the same kind of stage and the same money is the same event, though
    /// its time or keys differ: one payment told by two kinds of message. Connectors say so, senders cannot.
    #[serde(skip)]
    pub repeats_by_id: bool,
}

/// The network's own names of a lead that was given inside it, without a click of ours.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetworkLead {
    /// `facebook`, `instagram`, `linkedin`.
    #[serde(default)]
    pub network: String,
    /// The network's id of the lead.
    #[serde(default)]
    pub lead_id: Option<String>,
    /// The ad, or LinkedIn's creative.
    #[serde(default)]
    pub ad_id: Option<String>,
    /// The ad set or ad group.
    #[serde(default)]
    pub adset_id: Option<String>,
    /// The campaign.
    #[serde(default)]
    pub campaign_id: Option<String>,
    /// The form.
    #[serde(default)]
    pub form_id: Option<String>,
}

impl NetworkLead {
    /// Everything that two tellings of one lead must agree on.
    pub fn content(&self) -> String {
        let ids = [&self.lead_id, &self.ad_id, &self.adset_id, &self.campaign_id, &self.form_id];
        let ids = ids.map(|id| id.as_deref().unwrap_or_default());
        format!("{} {}", self.network, ids.join(" "))
    }

    /// Whether it says more than which lead it was: where in the network the form stood.
    pub fn names_place(&self) -> bool {
        [&self.ad_id, &self.adset_id, &self.campaign_id, &self.form_id].iter().any(|id| given(id.as_deref()).is_some())
    }

    /// The same as a place in the network, without the lead.
    pub fn place(&self) -> NetworkForm {
        let id = |id: &Option<String>| given(id.as_deref()).map(str::to_owned);
        NetworkForm {
            network: self.network.clone(),
            ad_id: id(&self.ad_id),
            adset_id: id(&self.adset_id),
            campaign_id: id(&self.campaign_id),
            form_id: id(&self.form_id),
        }
    }

    /// By which the person is known who gave it.
    fn key(&self) -> Result<Option<JoinKey>, Fault> {
        given(self.lead_id.as_deref()).map_or(Ok(None), |id| JoinKey::lead(&self.network, id))
    }

    fn check(&self) -> Result<Self, Fault> {
        let ids = [&self.lead_id, &self.ad_id, &self.adset_id, &self.campaign_id, &self.form_id];
        let is_long = |text: &str| text.len() > EVENT_ID_LEN_MAX || text.chars().any(char::is_control);
        if self.network.trim().is_empty() || is_long(&self.network) || ids.into_iter().flatten().any(|id| is_long(id)) {
            return Err(Fault::new(
                "network_lead",
                "network-lead-malformed",
                format!(
                    "it needs a network, and ids of at most {EVENT_ID_LEN_MAX} bytes; send them as the network has them"
                ),
            ));
        }
        Ok(Self { network: self.network.trim().to_lowercase(), ..self.clone() })
    }
}

/// Names that a sender says belong to one human, without a stage of its own: a contact's click id, a merge, whose deal it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IdentityInput {
    /// The click id that came back.
    pub click_id: Option<String>,
    /// The browser.
    pub visitor_id: Option<String>,
    /// The address; only a keyed hash of it is kept.
    pub email: Option<String>,
    /// Contact ids. Two of them are a merge that the sender made.
    pub persons: Vec<String>,
    /// Deals, orders or form responses of the human.
    pub subjects: Vec<String>,
}

impl IdentityInput {
    /// Checks every name and answers the keys; fewer than two join nothing.
    pub fn check(&self, defaults: &IntakeDefaults, hash: HashEmail<'_>) -> Result<Vec<JoinKey>, Vec<Fault>> {
        let mut faults = Vec::new();
        let one = EventInput {
            click_id: self.click_id.clone(),
            visitor_id: self.visitor_id.clone(),
            email: self.email.clone(),
            ..EventInput::default()
        };
        let mut keys = keep(&mut faults, one.checked_keys(defaults, hash)).unwrap_or_default();
        for person in self.persons.iter().filter_map(|p| given(Some(p))) {
            let (namespace, id) = person.split_once(':').unwrap_or((&defaults.namespace, person));
            keys.extend(keep(&mut faults, JoinKey::contact(namespace, id)).flatten());
        }
        for subject in self.subjects.iter().filter_map(|s| given(Some(s))) {
            keys.extend(keep(&mut faults, Subject::parse(subject)).map(JoinKey::Subject));
        }
        if faults.is_empty() { Ok(keys) } else { Err(faults) }
    }
}

/// What the receiver assumes where the sender is silent.
#[derive(Debug, Clone)]
pub struct IntakeDefaults {
    /// Currency of amounts that name none.
    pub currency: Option<Currency>,
    /// Namespace of bare contact ids.
    pub namespace: String,
    /// Zone of times without an offset; without it they are refused.
    pub zone: Option<Zone>,
}

/// Turns a joinable address into its keyed hash; bound to the secret key outside this ring.
pub type HashEmail<'a> = &'a dyn Fn(&str) -> String;

impl EventInput {
    /// Checks every field and answers the draft, or all faults at once.
    ///
    /// `now` bounds the time: an event may lie any time back, and a day ahead for clocks that differ.
    pub fn check(
        &self,
        defaults: &IntakeDefaults,
        now: UtcMillis,
        hash: HashEmail<'_>,
    ) -> Result<StageEventDraft, Vec<Fault>> {
        let mut faults = Vec::new();
        let event_id = keep(&mut faults, self.checked_event_id());
        let stage = keep(&mut faults, required(&self.stage, "stage").and_then(str::parse));
        let occurred_at = keep(&mut faults, self.checked_time(defaults, now));
        let keys = keep(&mut faults, self.checked_keys(defaults, hash));
        let subject = keep(&mut faults, given(self.subject.as_deref()).map(Subject::parse).transpose());
        let value = keep(&mut faults, self.checked_value(defaults));
        let parent = keep(&mut faults, self.checked_parent());
        let self_reported = keep(&mut faults, self.checked_answer());
        let network_lead = keep(&mut faults, self.network_lead.as_ref().map(NetworkLead::check).transpose());
        if let (
            Some(event_id),
            Some(stage),
            Some(occurred_at),
            Some(mut keys),
            Some(subject),
            Some(value),
            Some(parent),
            Some(self_reported),
            Some(network_lead),
        ) = (event_id, stage, occurred_at, keys, subject, value, parent, self_reported, network_lead)
        {
            if keys.is_empty() && subject.is_none() && parent.is_none() {
                faults.push(Fault::new(
                    "person",
                    "person-missing",
                    "nothing says who this was (empty values and placeholders such as null or noreply@… do not count); \
                     send click_id, email, person, subject or a network_lead with its lead_id",
                ));
            } else if faults.is_empty() {
                keys.extend(subject.clone().map(JoinKey::Subject));
                return Ok(StageEventDraft {
                    event_id,
                    stage,
                    occurred_at,
                    keys,
                    subject,
                    parent,
                    value,
                    self_reported,
                    network_lead,
                    repeats_by_id: self.repeats_by_id,
                });
            }
        }
        Err(faults)
    }

    fn checked_event_id(&self) -> Result<String, Fault> {
        let id = required(&self.event_id, "event_id")?;
        if id.len() > EVENT_ID_LEN_MAX || id.chars().any(char::is_control) {
            return Err(Fault::new(
                "event_id",
                "event-id-malformed",
                format!(
                    "{} has more than {EVENT_ID_LEN_MAX} bytes or holds control characters; send a shorter id",
                    shown(id)
                ),
            ));
        }
        Ok(id.to_owned())
    }

    fn checked_parent(&self) -> Result<Option<String>, Fault> {
        match given(self.parent.as_deref()) {
            Some(text) if text.len() > EVENT_ID_LEN_MAX || text.chars().any(char::is_control) => {
                let why = format!("{} has more than {EVENT_ID_LEN_MAX} bytes or holds control characters", shown(text));
                Err(Fault::new("parent", "parent-malformed", why))
            }
            parent => Ok(parent.map(str::to_owned)),
        }
    }

    /// The answer stays out of the message: it is a person's own words.
    fn checked_answer(&self) -> Result<Option<String>, Fault> {
        match given(self.self_reported.as_deref()).map(str::trim) {
            Some(text) if text.chars().count() > SELF_REPORTED_LEN_MAX || text.chars().any(char::is_control) => {
                let detail = format!(
                    "the answer has more than {SELF_REPORTED_LEN_MAX} characters or holds control characters, such as \
                     line breaks; send it on one line and shorter"
                );
                Err(Fault::new("self_reported", "self-reported-malformed", detail))
            }
            answer => Ok(answer.map(str::to_owned)),
        }
    }

    fn checked_time(&self, defaults: &IntakeDefaults, now: UtcMillis) -> Result<UtcMillis, Fault> {
        let text = required(&self.occurred_at, "occurred_at")?;
        let at = match &defaults.zone {
            Some(zone) => zone.parse_time(text),
            None => UtcMillis::parse(text),
        }
        .map_err(|f| f.named("occurred_at"))?;
        if at > now.plus_ms(super::time::DAY_MS) {
            return Err(Fault::new(
                "occurred_at",
                "time-in-future",
                format!("{at} is more than a day ahead of the server's clock; send when it happened"),
            ));
        }
        Ok(at)
    }

    fn checked_keys(&self, defaults: &IntakeDefaults, hash: HashEmail<'_>) -> Result<Vec<JoinKey>, Fault> {
        let mut keys = Vec::new();
        if let Some(address) = given(self.email.as_deref()) {
            keys.extend(joinable_email(address)?.map(|email| JoinKey::Email(hash(&email))));
        }
        if let Some(person) = given(self.person.as_deref()) {
            let (namespace, id) = person.split_once(':').unwrap_or((&defaults.namespace, person));
            keys.extend(JoinKey::contact(namespace, id)?);
        }
        if let Some(click) = given(self.click_id.as_deref()) {
            keys.push(JoinKey::Click(click.parse().map_err(|f: Fault| f.named("click_id"))?));
        }
        if let Some(visitor) = given(self.visitor_id.as_deref()) {
            keys.push(JoinKey::Visitor(visitor.parse().map_err(|f: Fault| f.named("visitor_id"))?));
        }
        // One that is malformed has its fault from its own check.
        if let Some(Ok(lead)) = self.network_lead.as_ref().map(NetworkLead::check) {
            let key = lead.key()?;
            keys.extend(key.filter(|key| !keys.contains(key)));
        }
        Ok(keys)
    }

    fn checked_value(&self, defaults: &IntakeDefaults) -> Result<Option<Money>, Fault> {
        let text = given(self.value.as_deref());
        if text.is_none() && self.value_minor.is_none() {
            return Ok(None);
        }
        let currency = match given(self.currency.as_deref()) {
            Some(code) => code.parse()?,
            None => defaults.currency.ok_or_else(|| {
                Fault::new("currency", "currency-missing", "an amount needs a currency; send one such as EUR")
            })?,
        };
        let money = match (text, self.value_minor) {
            (Some(_), Some(_)) => {
                return Err(Fault::new(
                    "value",
                    "value-twice",
                    "both `value` and `value_minor` are given; send one of them",
                ));
            }
            (Some(text), None) => Money::parse(text, currency).map_err(|f| f.named("value"))?,
            (None, minor) => Money::new(minor.unwrap_or(0), currency).map_err(|f| f.named("value_minor"))?,
        };
        // A refund is written both ways in the field; its size is what counts. Other stages are worth something or nothing.
        if money.minor < 0 && self.stage != "refund" {
            return Err(Fault::new(
                "value",
                "value-negative",
                "the amount is negative; send money given back as a `refund` event",
            ));
        }
        Ok(Some(Money { minor: money.minor.abs(), currency }))
    }
}

fn keep<T>(faults: &mut Vec<Fault>, result: Result<T, Fault>) -> Option<T> {
    result.map_err(|fault| faults.push(fault)).ok()
}

fn given(text: Option<&str>) -> Option<&str> {
    text.map(str::trim).filter(|t| !t.is_empty())
}

fn required<'a>(text: &'a str, field: &str) -> Result<&'a str, Fault> {
    given(Some(text)).ok_or_else(|| Fault::new(field, "missing", "it is required and was not given"))
}

/// Reads a JSON string or number as the text of the number, exactly as far as JSON itself is exact.
fn text_or_number<'de, D: serde::Deserializer<'de>>(d: D) -> Result<Option<String>, D::Error> {
    struct AsText;
    impl serde::de::Visitor<'_> for AsText {
        type Value = Option<String>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an amount as a string or a number")
        }

        fn visit_str<E>(self, v: &str) -> Result<Self::Value, E> {
            Ok(Some(v.to_owned()))
        }

        fn visit_i64<E>(self, v: i64) -> Result<Self::Value, E> {
            Ok(Some(v.to_string()))
        }

        fn visit_u64<E>(self, v: u64) -> Result<Self::Value, E> {
            Ok(Some(v.to_string()))
        }

        fn visit_f64<E: serde::de::Error>(self, v: f64) -> Result<Self::Value, E> {
            // The shortest text that reads back as this number is what the sender wrote, up to 15 digits; beyond, JSON's
            // numbers have been rounded on the way.
            let text = v.to_string();
            if text.bytes().filter(u8::is_ascii_digit).count() > 15 {
                return Err(E::custom(
                    "value: the number has more than 15 digits and is no longer exact; send it as text",
                ));
            }
            Ok(Some(text))
        }

        fn visit_unit<E>(self) -> Result<Self::Value, E> {
            Ok(None)
        }
    }
    d.deserialize_any(AsText)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::stage::Stage;

    fn defaults() -> IntakeDefaults {
        IntakeDefaults { currency: None, namespace: "crm".into(), zone: None }
    }

    fn check(json: &str) -> Result<StageEventDraft, Vec<String>> {
        let input: EventInput = serde_json::from_str(json).expect(json);
        let now = UtcMillis::parse("2026-01-01T00:00:00Z").expect("now");
        input
            .check(&defaults(), now, &|e| format!("hash({e})"))
            .map_err(|faults| faults.into_iter().map(|f| f.code).collect())
    }

    #[test]
    fn a_full_event_becomes_a_draft() {
        let draft = check(r#"{"event_id":"e1","stage":"customer","occurred_at":"2025-05-01T10:00:00+02:00","email":" Ana@Example.com",
            "person":"hubspot:51","click_id":"01jz8q4m7t2v9xw3b5c6d7e8f0","subject":"deal:7","value":480.1,"currency":"eur"}"#).expect("draft");
        assert_eq!(draft.stage, Stage::Customer);
        assert_eq!(draft.occurred_at.to_string(), "2025-05-01T08:00:00.000Z");
        assert_eq!(draft.value.map(|m| m.minor), Some(48_010));
        let keys: Vec<String> = draft.keys.iter().map(ToString::to_string).collect();
        assert_eq!(
            keys,
            [
                "email=hash(ana@example.com)",
                "contact=hubspot:51",
                "click=clk_01JZ8Q4M7T2V9XW3B5C6D7E8F0",
                "subject=deal:7"
            ]
        );
    }

    #[test]
    fn a_lead_given_inside_a_network_is_somebody_and_names_where_it_was_given() {
        let base = r#""event_id":"e","occurred_at":"2025-01-01T00:00:00Z""#;
        let tell = |stage: &str, rest: &str| check(&format!(r#"{{{base},"stage":"{stage}",{rest}}}"#));
        let lead = |ids: &str| format!(r#""network_lead":{{"network":" Instagram ",{ids}}}"#);
        let draft = tell("lead", &lead(r#""lead_id":"17","ad_id":"44","campaign_id":" 22 ""#)).expect("draft");
        assert_eq!(draft.keys.iter().map(ToString::to_string).collect::<Vec<_>>(), ["lead=meta:17"]);
        let form = draft.form().expect("a touch").place();
        assert_eq!(form.to_string(), "form of instagram, ad 44, campaign 22");
        let twice = format!(r#"{},"person":"facebook:17""#, lead(r#""lead_id":"17","form_id":"1""#));
        assert_eq!(tell("lead", &twice).expect("draft").keys.len(), 1, "told twice, known once");
        let named = tell("lead", &lead(r#""lead_id":"17""#)).expect("a lead id alone");
        assert!(named.form().is_none(), "it says who, and nothing of a form");
        let customer = tell("customer", &lead(r#""lead_id":"17","ad_id":"44""#)).expect("draft");
        assert!(customer.form().is_none(), "nobody fills in a form to become a customer");
        assert_eq!(tell("lead", &lead(r#""ad_id":"44""#)).expect_err("nobody"), ["person-missing"]);
        let long = lead(&format!(r#""lead_id":"{}""#, "7".repeat(199)));
        assert_eq!(tell("lead", &long).expect_err("too long"), ["network-lead-malformed"]);
    }

    #[test]
    fn all_faults_are_told_at_once() {
        let codes =
            check(r#"{"stage":"winner","occurred_at":"yesterday","email":"nobody","value":"1.234","currency":"EUR"}"#)
                .expect_err("faults");
        assert_eq!(codes, ["missing", "stage-unknown", "time-malformed", "email-malformed", "amount-too-precise"]);
        let base = r#""event_id":"e","stage":"lead","occurred_at":"2025-01-01T00:00:00Z""#;
        for (rest, code) in [
            (r#""person":"null""#, "person-missing"),
            (r#""email":"a@b.co","value":"5""#, "currency-missing"),
            (r#""email":"a@b.co","value":"-5","currency":"EUR""#, "value-negative"),
            (r#""click_id":"xyz""#, "id-malformed"),
            (r#""email":"a@b.co","value":"5","value_minor":500,"currency":"EUR""#, "value-twice"),
            (r#""email":"a@b.co","value":"5","currency":"ABC""#, "currency-unknown"),
            (r#""subject":"deal""#, "subject-malformed"),
            (r#""email":"a@b.co","self_reported":"two\nlines""#, "self-reported-malformed"),
        ] {
            assert_eq!(check(&format!("{{{base},{rest}}}")).expect_err(rest), [code]);
        }
        let answer = |letters: usize| {
            check(&format!(r#"{{{base},"email":"a@b.co","self_reported":" {} "}}"#, "é".repeat(letters)))
        };
        assert_eq!(answer(200).expect("long").self_reported, Some("é".repeat(200)));
        assert_eq!(answer(201).expect_err("longer"), ["self-reported-malformed"]);
        assert_eq!(answer(0).expect("no answer").self_reported, None);
        let future = check(r#"{"event_id":"e","stage":"lead","occurred_at":"2026-01-02T00:00:01Z","email":"a@b.co"}"#);
        assert_eq!(future.expect_err("future"), ["time-in-future"]);
    }
}
