//! What a user changes of a preset: the mapping that an endpoint stores.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::layer::Layer;
use super::rule::{Rule, StageWord, folded};
use crate::domain::fault::{Fault, shown};

/// Longest name of a property that holds the click id.
const PROPERTY_MAX: usize = 200;
/// Most rules of a user.
const RULES_MAX: usize = 100;

/// An endpoint's own mapping. Empty, the preset stands as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Overrides {
    /// Places and settings that go before the preset's.
    pub layer: Layer,
    /// The sender's words for our stages, in any case: `"Closed Won" = "customer"`; `ignore` for none.
    pub stages: BTreeMap<String, StageWord>,
    /// Rules that are tried before the preset's.
    pub rules: Vec<Rule>,
    /// The vendor's property or field that holds the click id, in place of the preset's names for it.
    pub click_id_property: Option<String>,
    /// The only account of the vendor whose deliveries are taken: a shop's domain, an organisation's id.
    pub account: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rest {
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    stages: BTreeMap<String, StageWord>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    rules: Vec<Rule>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    click_id_property: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    account: Option<String>,
}

impl Overrides {
    /// Reads a mapping from JSON, and checks what can be known without its preset.
    pub fn from_json(text: &str) -> Result<Self, Vec<Fault>> {
        let object = serde_json::from_str(text).map_err(|why| malformed(&why.to_string()))?;
        Self::from_object(object)
    }

    /// Reads a mapping from TOML.
    pub fn from_toml(text: &str) -> Result<Self, Vec<Fault>> {
        let object = toml::from_str(text).map_err(|why| malformed(&why.to_string()))?;
        Self::from_object(object)
    }

    fn from_object(object: Map<String, Value>) -> Result<Self, Vec<Fault>> {
        let (layer, rest) = Layer::take(object).map_err(|why| malformed(&why))?;
        let rest = Rest::deserialize(Value::Object(rest)).map_err(|why| malformed(&why.to_string()))?;
        let Rest { stages, rules, click_id_property, account } = rest;
        let overrides = Self { layer, stages, rules, click_id_property, account };
        let faults = overrides.faults();
        if faults.is_empty() { Ok(overrides) } else { Err(faults) }
    }

    /// The JSON that an endpoint stores.
    pub fn to_json(&self) -> String {
        let rest = Rest {
            stages: self.stages.clone(),
            rules: self.rules.clone(),
            click_id_property: self.click_id_property.clone(),
            account: self.account.clone(),
        };
        let mut object = Map::new();
        for part in [serde_json::to_value(&self.layer), serde_json::to_value(rest)] {
            if let Ok(Value::Object(part)) = part {
                object.extend(part);
            }
        }
        Value::Object(object).to_string()
    }

    fn faults(&self) -> Vec<Fault> {
        let mut faults = namespace_faults(&self.layer);
        let mut words = BTreeSet::new();
        for word in self.stages.keys().filter(|w| !words.insert(folded(w))) {
            faults.push(Fault::new(
                "stages",
                "stage-twice",
                format!("{} is there twice, as case does not count; keep one", shown(word)),
            ));
        }
        if self.rules.len() > RULES_MAX {
            faults.push(Fault::new("rules", "rules-too-many", format!("a mapping holds at most {RULES_MAX} rules")));
        }
        for (field, text) in [("click_id_property", &self.click_id_property), ("account", &self.account)] {
            if text.as_deref().is_some_and(|t| t.trim().is_empty() || t.len() > PROPERTY_MAX || t.contains(['{', '}']))
            {
                faults.push(Fault::new(
                    field,
                    "property-malformed",
                    format!(
                        "it has 1 to {PROPERTY_MAX} bytes without braces; copy it from the vendor, or leave it out"
                    ),
                ));
            }
        }
        faults
    }
}

/// What is wrong with the namespaces of a layer.
pub(super) fn namespace_faults(layer: &Layer) -> Vec<Fault> {
    let settings = &layer.settings;
    let given = [("person_namespace", &settings.person_namespace), ("subject_namespace", &settings.subject_namespace)];
    given
        .into_iter()
        .filter(|(_, namespace)| namespace.as_deref().is_some_and(|n| !is_namespace(n)))
        .map(|(field, _)| {
            Fault::new(field, "namespace-malformed", "a namespace is 1 to 60 of a-z 0-9 . _ -, such as hubspot")
        })
        .collect()
}

fn is_namespace(text: &str) -> bool {
    (1..=60).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-".contains(&b))
}

fn malformed(why: &str) -> Vec<Fault> {
    vec![Fault::new("mapping", "mapping-malformed", format!("{why}; compare it with the documented keys"))]
}
