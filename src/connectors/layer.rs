//! Where the fields of a stage event are, in layers: the user's own places before a rule's, a rule's before the preset's.

use std::collections::BTreeMap;

use serde::de::Error as _;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::amount::{Decimals, ValueUnit};
use super::moment::TimeUnit;
use super::pick::Pick;
use crate::domain::named_enum::named_enum;
use crate::domain::time::Zone;

named_enum!(
    /// A field that a mapping may fill.
    Field, "field", "field-unknown" {
        /// The sender's id of the fact: the duplicate key within the endpoint.
        EventId = "event_id",
        /// The sender's id of the message or change, the same on every redelivery.
        DedupKey = "dedup_key",
        /// The stage, in the sender's words or ours.
        Stage = "stage",
        /// When it happened.
        OccurredAt = "occurred_at",
        /// The client's clock when it sent, to correct `occurred_at` by.
        SentAt = "sent_at",
        /// Our click id.
        ClickId = "click_id",
        /// Our visitor id.
        VisitorId = "visitor_id",
        /// The address.
        Email = "email",
        /// Contact id.
        Person = "person",
        /// Another contact id of the same human, where the sender merges or converts.
        OtherPerson = "other_person",
        /// Deal, order, invoice or form response.
        Subject = "subject",
        /// Another subject of the same human.
        OtherSubject = "other_subject",
        /// What a refund or invoice belongs to.
        Parent = "parent",
        /// The amount, in `value_unit`.
        Value = "value",
        /// The amount in minor units whatever `value_unit` says.
        ValueMinor = "value_minor",
        /// ISO 4217 code.
        Currency = "currency",
        /// The person's answer to "how did you hear about us".
        SelfReported = "self_reported",
        /// The network in whose form a lead was given.
        Network = "network",
        /// That network's ad.
        AdId = "ad_id",
        /// Its ad set or ad group.
        AdsetId = "adset_id",
        /// Its campaign.
        CampaignId = "campaign_id",
        /// The form.
        FormId = "form_id",
        /// The network's id of the lead.
        LeadId = "lead_id",
    }
);

/// How the values of the fields are written.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Put before contact ids that have no namespace; of a vendor's preset, it replaces theirs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person_namespace: Option<String>,
    /// Put before subjects that have no namespace; of a vendor's preset, it replaces theirs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject_namespace: Option<String>,
    /// Unit of `value`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value_unit: Option<ValueUnit>,
    /// How decimals are written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decimals: Option<Decimals>,
    /// Decimal places of currencies in which the sender differs from ISO 4217, for minor units.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minor_exponents: Option<BTreeMap<String, u32>>,
    /// Unit of `occurred_at`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_unit: Option<TimeUnit>,
    /// Zone of times without an offset, with `time_unit = "auto"`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<Zone>,
    /// Whether something else in a field called `click_id` or `hw_id` is a fault. Otherwise, and in any other field or
    /// URL, it is passed over: the next place may have it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub click_id_strict: Option<bool>,
    /// Whether a message without an id is known by its content.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id_from_content: Option<bool>,
    /// Whether one event id may be told again with another time or other keys, as one payment by two kinds of message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repeats_by_id: Option<bool>,
}

/// Names of [`Settings`], by which a layer's settings are told from its fields.
const SETTINGS: &[&str] = &[
    "person_namespace",
    "subject_namespace",
    "value_unit",
    "decimals",
    "minor_exponents",
    "time_unit",
    "zone",
    "click_id_strict",
    "id_from_content",
    "repeats_by_id",
];

/// Places of fields, and settings, side by side in one table.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Layer {
    /// Where each field is.
    pub fields: BTreeMap<Field, Pick>,
    /// How values are written.
    pub settings: Settings,
}

impl Eq for Layer {}

impl Layer {
    /// Reads a layer out of an object, and answers what is no key of one.
    pub(super) fn take(object: Map<String, Value>) -> Result<(Self, Map<String, Value>), String> {
        let (mut fields, mut settings, mut rest) = (BTreeMap::new(), Map::new(), Map::new());
        for (key, value) in object {
            // Our former mappings wrote what is not mapped as null.
            if value.is_null() {
                continue;
            }
            if SETTINGS.contains(&key.as_str()) {
                settings.insert(key, value);
            } else if let Ok(field) = key.parse::<Field>() {
                let pick = Pick::deserialize(value).map_err(|why| format!("`{key}`: {why}"))?;
                fields.insert(field, pick);
            } else {
                rest.insert(key, value);
            }
        }
        let settings = Settings::deserialize(Value::Object(settings)).map_err(|why| why.to_string())?;
        Ok((Self { fields, settings }, rest))
    }

    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl Serialize for Layer {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        use serde::ser::{Error as _, SerializeMap as _};
        let settings = serde_json::to_value(&self.settings).map_err(S::Error::custom)?;
        let mut map = s.serialize_map(None)?;
        for (field, pick) in &self.fields {
            map.serialize_entry(field, pick)?;
        }
        for (key, value) in settings.as_object().into_iter().flatten() {
            map.serialize_entry(key, value)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Layer {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let (layer, rest) = Self::take(Map::deserialize(d)?).map_err(D::Error::custom)?;
        match rest.keys().next() {
            None => Ok(layer),
            Some(key) => Err(D::Error::custom(format!(
                "unknown field `{key}`, expected one of {}, {}",
                Field::ALL.iter().map(|f| f.as_str()).collect::<Vec<_>>().join(", "),
                SETTINGS.join(", ")
            ))),
        }
    }
}
