//! A model with its settings, as people choose it.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::journey::Journey;
use super::{MODELS, Method, Model};
use crate::domain::fault::{Fault, shown};

/// Something of a model that may be set: a whole number.
#[derive(Debug)]
pub struct Setting {
    /// The name on the wire: `half_life_days`.
    pub name: &'static str,
    /// What it means, with its unit.
    pub meaning: &'static str,
    /// Its value if not given.
    pub default: i64,
    /// Least value.
    pub min: i64,
    /// Greatest value.
    pub max: i64,
}

/// The values of a model's settings.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Settings {
    names: &'static [Setting],
    values: Vec<i64>,
}

impl Settings {
    fn of(names: &'static [Setting]) -> Self {
        Self { names, values: names.iter().map(|s| s.default).collect() }
    }

    /// The value of a setting; 0 for one that the model does not have.
    pub fn get(&self, name: &str) -> i64 {
        self.position(name).and_then(|i| self.values.get(i)).copied().unwrap_or(0)
    }

    fn position(&self, name: &str) -> Option<usize> {
        self.names.iter().position(|s| s.name == name)
    }

    fn set(&mut self, model: &Model, text: &str) -> Result<(), Fault> {
        let fault = |code: &str, detail: String| Err(Fault::new("model", code, detail));
        let (name, value) = text.split_once('=').unwrap_or((text, ""));
        let Some((place, setting)) = self.names.iter().enumerate().find(|(_, s)| s.name == name.trim()) else {
            let known: Vec<&str> = self.names.iter().map(|s| s.name).collect();
            let remedy = if known.is_empty() { "it has none".into() } else { format!("use {}", known.join(", ")) };
            return fault("setting-unknown", format!("{} is no setting of {}; {remedy}", shown(name), model.name));
        };
        match value.trim().parse::<i64>() {
            Ok(number) if (setting.min..=setting.max).contains(&number) => {
                if let Some(slot) = self.values.get_mut(place) {
                    *slot = number;
                }
                Ok(())
            }
            _ => fault(
                "setting-out-of-range",
                format!(
                    "{} is no {} of {}; use a whole number from {} to {}",
                    shown(value),
                    setting.name,
                    model.name,
                    setting.min,
                    setting.max
                ),
            ),
        }
    }
}

/// A model and its settings; written `time_decay:half_life_days=14`, settings at their defaults left out.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Choice {
    model: &'static Model,
    settings: Settings,
}

impl Choice {
    /// The model.
    pub fn model(&self) -> &'static Model {
        self.model
    }

    /// Its settings.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Whether its credits of one stage event sum to the whole.
    pub fn adds_up(&self) -> bool {
        !matches!(self.model.method, Method::Participation)
    }

    /// The parts of a journey with at least one touch, into `parts`, which is emptied first: of participation one
    /// for each touch, of a model that does not look at touches none.
    pub fn parts(&self, journey: &Journey<'_>, parts: &mut Vec<u128>) {
        parts.clear();
        match self.model.method {
            Method::Parts(divide) => divide(journey, &self.settings, parts),
            Method::Participation => parts.resize(journey.touches.len(), 1),
            Method::Paths(_) | Method::SelfReported => {}
        }
    }
}

impl Default for Choice {
    /// Linear.
    fn default() -> Self {
        Self { model: &super::linear::MODEL, settings: Settings::of(super::linear::MODEL.settings) }
    }
}

impl PartialEq for Choice {
    fn eq(&self, other: &Self) -> bool {
        self.model.name == other.model.name && self.settings == other.settings
    }
}

impl Eq for Choice {}

impl PartialEq for Setting {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Setting {}

impl std::hash::Hash for Setting {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl FromStr for Choice {
    type Err = Fault;

    fn from_str(text: &str) -> Result<Self, Fault> {
        let mut pieces = text.trim().split(':');
        let name = pieces.next().unwrap_or_default().trim();
        let Some(model) = MODELS.iter().find(|m| m.name == name).copied() else {
            let names: Vec<&str> = MODELS.iter().map(|m| m.name).collect();
            return Err(Fault::new(
                "model",
                "model-unknown",
                format!("{} is no model; use one of {}", shown(name), names.join(", ")),
            ));
        };
        let mut settings = Settings::of(model.settings);
        for piece in pieces {
            settings.set(model, piece.trim())?;
        }
        Ok(Self { model, settings })
    }
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.model.name)?;
        for (setting, value) in self.settings.names.iter().zip(&self.settings.values) {
            if *value != setting.default {
                write!(f, ":{}={value}", setting.name)?;
            }
        }
        Ok(())
    }
}

impl TryFrom<String> for Choice {
    type Error = Fault;

    fn try_from(text: String) -> Result<Self, Fault> {
        text.parse()
    }
}

impl From<Choice> for String {
    fn from(choice: Choice) -> Self {
        choice.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_model_reads_back_what_it_prints() {
        for model in MODELS {
            let choice: Choice = model.name.parse().expect("a model's own name");
            assert_eq!(choice.to_string(), model.name, "defaults are left out");
        }
    }

    #[test]
    fn unknown_models_and_settings_are_refused_by_name() {
        let refused = |text: &str| text.parse::<Choice>().expect_err("refused");
        assert_eq!(refused("magic").code, "model-unknown");
        let fault = refused("linear:speed=2");
        assert_eq!(
            (fault.code.as_str(), fault.detail.as_str()),
            ("setting-unknown", "`speed` is no setting of linear; it has none")
        );
    }
}
