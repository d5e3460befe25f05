//! Which of a sender's messages mean what: ordered rules, of which the first that fits decides.

use serde::{Deserialize, Serialize};

use super::layer::Layer;
use super::pick::{Pick, Reader};
use super::place::{Place, Scope, plain_text};
use super::template::Template;
use crate::domain::fault::Fault;
use crate::domain::stage::Stage;

/// Something that a message must say for a rule to fit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Condition {
    /// Where to look; of several places, the first that holds something counts.
    pub at: Pick,
    /// One of these texts, in any case of letters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub is: Option<Vec<String>>,
    /// None of these texts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub is_not: Option<Vec<String>>,
    /// Whether there is something other than null, an empty text or an empty list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub present: Option<bool>,
    /// Something other than what stands at this place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub differs_from: Option<Pick>,
    /// A list of texts with one of these among them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holds: Option<Vec<String>>,
}

/// One rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Its name, shown where it made a message ignored: `order-not-paid`.
    pub name: String,
    /// What must hold, all of it.
    #[serde(default)]
    pub when: Vec<Condition>,
    /// What the message means. Without it, the word at the mapping's `stage` decides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<StageWord>,
    /// Whether a word that is no stage is passed over; otherwise it is a fault, so that nothing is lost unseen.
    #[serde(default)]
    pub unmapped_is_ignored: bool,
    /// Why the message cannot be read, for what would be a wrong figure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refuse: Option<String>,
    /// The record to read first, of the preset's `[lookups]`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enrich: Option<String>,
    /// Whether the message says who is who, though it is no stage of its own or beside it.
    #[serde(default)]
    pub identity: bool,
    /// Whether the sender asks that the person be erased.
    #[serde(default)]
    pub erase: bool,
    /// Records to read beside, to learn who a stored event is about.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub also_read: Vec<String>,
    /// Where the fields are for this rule, before the preset's own places.
    #[serde(default)]
    pub map: Layer,
}

/// A stage of ours, `qualified` for `sql`, or `ignore`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StageWord {
    /// A stage.
    Stage(Stage),
    /// It means nothing to us.
    Ignore,
}

impl StageWord {
    /// Reads a word of presets and mappings.
    pub fn parse(word: &str) -> Result<Self, Fault> {
        match word {
            "ignore" => Ok(Self::Ignore),
            // The field's word for what our vocabulary calls sales qualified.
            "qualified" => Ok(Self::Stage(Stage::Sql)),
            other => other.parse().map(Self::Stage),
        }
    }

    /// The word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Stage(stage) => stage.as_str(),
            Self::Ignore => "ignore",
        }
    }
}

impl Serialize for StageWord {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for StageWord {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(d)?).map_err(serde::de::Error::custom)
    }
}

/// A condition that is ready to be checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Check {
    at: Vec<At>,
    is: Option<Vec<String>>,
    is_not: Option<Vec<String>>,
    present: Option<bool>,
    differs_from: Option<Vec<At>>,
    holds: Option<Vec<String>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum At {
    Place(Place),
    Template(Template),
}

impl Condition {
    pub(super) fn check(&self) -> Result<Check, Fault> {
        let given = [
            self.is.is_some(),
            self.is_not.is_some(),
            self.present.is_some(),
            self.differs_from.is_some(),
            self.holds.is_some(),
        ];
        if !given.contains(&true) {
            return Err(Fault::new(
                "when",
                "condition-empty",
                "a condition needs is, is_not, present, differs_from or holds",
            ));
        }
        let folded = |list: &Option<Vec<String>>| list.as_ref().map(|l| l.iter().map(|w| folded(w)).collect());
        Ok(Check {
            at: places(&self.at)?,
            is: folded(&self.is),
            is_not: folded(&self.is_not),
            present: self.present,
            differs_from: self.differs_from.as_ref().map(places).transpose()?,
            holds: folded(&self.holds),
        })
    }
}

fn places(pick: &Pick) -> Result<Vec<At>, Fault> {
    let parse = |candidate: &super::pick::Candidate| match candidate {
        super::pick::Candidate::Text(text) if Template::looks_like(text) => Template::parse(text).map(At::Template),
        super::pick::Candidate::Text(text) => Place::parse(text).map(At::Place),
        _ => Err(Fault::new("when", "condition-place", "a condition looks at a place such as /type or at a template")),
    };
    // A reader checks how many there may be.
    Reader::new("when", pick)?;
    pick.candidates().iter().map(parse).collect()
}

impl Check {
    pub(super) fn holds(&self, scope: &Scope<'_>) -> bool {
        let text = first_text(&self.at, scope);
        let among = |list: &Vec<String>| text.as_ref().is_some_and(|t| list.contains(&folded(t)));
        self.is.as_ref().is_none_or(among)
            && self.is_not.as_ref().is_none_or(|list| !among(list))
            && self.present.is_none_or(|wanted| self.at.iter().any(|at| is_present(at, scope)) == wanted)
            && self.differs_from.as_ref().is_none_or(|other| text != first_text(other, scope))
            && self.holds.as_ref().is_none_or(|list| self.at.iter().any(|at| holds_one(at, scope, list)))
    }

    /// The places it looks at, for what has to be kept.
    pub(super) fn places(&self) -> Vec<&Place> {
        let all = self.at.iter().chain(self.differs_from.iter().flatten());
        all.flat_map(|at| match at {
            At::Place(place) => vec![place],
            At::Template(template) => template.places().collect(),
        })
        .collect()
    }
}

fn first_text(at: &[At], scope: &Scope<'_>) -> Option<String> {
    at.iter().find_map(|at| match at {
        At::Place(place) => {
            let json = place.values(scope).into_iter().find_map(plain_text);
            json.or_else(|| place.texts(scope).ok()?.into_iter().next()).filter(|t| !t.is_empty())
        }
        At::Template(template) => template.text(scope).ok().flatten(),
    })
}

fn is_present(at: &At, scope: &Scope<'_>) -> bool {
    use serde_json::Value;
    match at {
        At::Place(place) => {
            let something = |value: &&Value| match value {
                Value::Null => false,
                Value::String(text) => !text.trim().is_empty(),
                Value::Array(list) => !list.is_empty(),
                Value::Object(object) => !object.is_empty(),
                Value::Bool(_) | Value::Number(_) => true,
            };
            place.values(scope).iter().any(something) || place.texts(scope).is_ok_and(|texts| !texts.is_empty())
        }
        At::Template(template) => template.text(scope).is_ok_and(|t| t.is_some()),
    }
}

fn holds_one(at: &At, scope: &Scope<'_>, list: &[String]) -> bool {
    let At::Place(place) = at else { return false };
    let texts =
        place.values(scope).into_iter().flat_map(|v| v.as_array().map_or(std::slice::from_ref(v), Vec::as_slice));
    texts.filter_map(plain_text).any(|t| list.contains(&folded(&t)))
}

/// A word as it is compared: trimmed, in lower case.
pub(super) fn folded(word: &str) -> String {
    word.trim().to_lowercase()
}
