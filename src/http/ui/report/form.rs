//! The form of the report: everything that changes its figures, with what is set shown where it is folded away.

use std::collections::HashMap;

use super::super::forms::{Choice, Fields, Form};
use super::super::page::{Marked, marked, sentence};
use crate::domain::attribution::{MODELS, Model, Setting};
use crate::domain::fault::Fault;
use crate::domain::touch::TouchClass;
use crate::http::api::reports::joined;
use crate::reports::{Dimension, Parameters};

/// Dimensions as the selects group them.
const GROUPS: &[(&str, &[Dimension])] = &[
    (
        "Where it came from",
        &[
            Dimension::Channel,
            Dimension::Network,
            Dimension::Medium,
            Dimension::Campaign,
            Dimension::Post,
            Dimension::Link,
            Dimension::Persona,
            Dimension::ContentStyle,
        ],
    ),
    ("Who it was", &[Dimension::Country, Dimension::Device]),
    ("When", &[Dimension::Day, Dimension::Week, Dimension::Month, Dimension::Quarter, Dimension::Year]),
    ("How far they got", &[Dimension::Stage]),
];

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

const ZONES: &[&str] =
    &["UTC", "Europe/Berlin", "Europe/London", "Europe/Paris", "America/New_York", "America/Los_Angeles", "Asia/Tokyo"];

/// Parameters of the fold "How it is counted".
const COUNTING: &[&str] =
    &["zone", "fiscal_start", "lookback_days", "currency", "cost", "clock", "classes", "views", "below_floor"];

/// Parameters that are lists in the form: several boxes of one name.
const LISTS: &[&str] = &["compare", "classes", "below_floor"];

/// What the page is asked, by name: several of a name are joined, and settings of models go to their models.
pub(super) fn asked(pairs: Vec<(String, String)>) -> HashMap<String, String> {
    let mut given = joined(pairs);
    let mut settings: HashMap<&str, String> = HashMap::new();
    for (model, setting) in all_settings() {
        let value = given.remove(&field_of(model, setting)).filter(|v| !v.is_empty());
        if let Some(value) = value.filter(|v| *v != setting.default.to_string()) {
            settings.entry(model.name).or_default().push_str(&format!(":{}={value}", setting.name));
        }
    }
    if let Some(models) = given.get_mut("model") {
        // A model that brings its settings along keeps them.
        let whole = pieces(models).map(|m| format!("{m}{}", settings.get(m).map_or("", String::as_str)));
        *models = whole.collect::<Vec<_>>().join(",");
    }
    given
}

fn all_settings() -> impl Iterator<Item = (&'static Model, &'static Setting)> {
    MODELS.iter().flat_map(|model| model.settings.iter().map(move |setting| (*model, setting)))
}

fn field_of(model: &Model, setting: &Setting) -> String {
    format!("{}.{}", model.name, setting.name)
}

fn pieces(list: &str) -> impl Iterator<Item = &str> {
    list.split(',').map(str::trim).filter(|piece| !piece.is_empty())
}

/// The form as the page shows it.
pub(super) struct ReportForm {
    pub(super) fields: Form,
    pub(super) by: Vec<Pick>,
    pub(super) leading: Vec<Choice>,
    /// The rule of the leading model.
    pub(super) rule: String,
    pub(super) models: Vec<ModelBox>,
    /// Models that the boxes cannot say: a second one with other settings.
    pub(super) further: String,
    pub(super) filters: Vec<(&'static str, &'static str)>,
    pub(super) zones: &'static [&'static str],
    /// What is set behind each fold, in words: models, counting, filters.
    pub(super) said: [String; 3],
    faults: Vec<Fault>,
}

/// One of the selects of dimensions.
pub(super) struct Pick {
    pub(super) id: &'static str,
    pub(super) label: &'static str,
    pub(super) chosen: String,
}

/// A model that may stand beside the leading one.
pub(super) struct ModelBox {
    pub(super) name: &'static str,
    pub(super) label: &'static str,
    pub(super) formula: &'static str,
    pub(super) rule: String,
    pub(super) is_leading: bool,
    pub(super) is_beside: bool,
    pub(super) settings: Vec<SettingField>,
}

/// A setting of a model.
pub(super) struct SettingField {
    pub(super) field: String,
    pub(super) meaning: String,
    pub(super) value: String,
    pub(super) min: i64,
    pub(super) max: i64,
}

impl ReportForm {
    /// The form with what was given, filled up with the defaults, so that it shows what the figures depend on.
    pub(super) fn new(given: &HashMap<String, String>, defaults: &Parameters, faults: Vec<Fault>) -> Self {
        let mut kept: Vec<(String, String)> = Vec::new();
        let filters: Vec<_> =
            Dimension::ALL.iter().filter(|d| d.is_of_touch()).map(|d| (d.as_str(), d.heading())).collect();
        let more = filters.iter().map(|(name, _)| (*name, String::new())).chain([("as_of", String::new())]);
        for (name, default) in defaults.written().into_iter().chain(more) {
            let value = given.get(name).map(|v| v.trim()).filter(|v| !v.is_empty()).map_or(default, str::to_owned);
            match name {
                _ if LISTS.contains(&name) => kept.extend(pieces(&value).map(|v| (name.to_owned(), v.to_owned()))),
                "views" if matches!(value.as_str(), "false" | "0" | "off" | "no") => {}
                _ => kept.push((name.to_owned(), value)),
            }
        }
        let fields = Fields::new(kept.clone());
        let models = Models::read(fields.get("model"));
        let said = [models.said(), counting_said(&fields), filters_said(&fields, &filters)];
        let by = picks(fields.get("by"));
        for (name, value) in &mut kept {
            if name == "model" {
                models.leading.clone_into(value);
            }
        }
        let fields = Fields::new(kept);
        Self {
            fields: if faults.is_empty() { Form::new(fields) } else { Form::refused(fields, faults.clone()) },
            by,
            leading: MODELS.iter().map(|m| Choice::explained(m.name, m.label, sentence(m.rule))).collect(),
            rule: rule_of(models.leading),
            further: models.further.join(","),
            models: models.boxes(),
            filters,
            zones: ZONES,
            said,
            faults,
        }
    }

    /// What is wrong with a field.
    pub(super) fn fault_of(&self, name: &str) -> Option<Marked> {
        self.faults.iter().find(|f| f.field == name).map(|f| marked(&sentence(&f.detail)))
    }

    /// Whether something behind a fold is wrong, so that it must stand open.
    pub(super) fn is_counting_at_fault(&self) -> bool {
        self.faults.iter().any(|f| COUNTING.contains(&f.field.as_str()))
    }

    /// Likewise of the filters.
    pub(super) fn is_filter_at_fault(&self) -> bool {
        self.faults.iter().any(|f| self.filters.iter().any(|(name, _)| f.field == *name))
    }

    /// The dimensions by group.
    pub(super) fn groups(&self) -> &'static [(&'static str, &'static [Dimension])] {
        GROUPS
    }

    pub(super) fn clocks(&self) -> Vec<Choice> {
        vec![Choice::new("period", "the day it came"), Choice::new("cohort", "the days of its touches")]
    }

    pub(super) fn bases(&self) -> Vec<Choice> {
        vec![Choice::new("loaded", "All kinds"), Choice::new("media", "Ad spend only")]
    }

    pub(super) fn comparisons(&self) -> Vec<Choice> {
        vec![
            Choice::new("previous", "the period before"),
            Choice::new("year", "a year before"),
            Choice::new("two_years", "two years before"),
        ]
    }

    pub(super) fn classes(&self) -> Vec<Choice> {
        let note = |class: TouchClass| match class {
            TouchClass::Human => "people, as far as can be told",
            TouchClass::Bot => "crawlers, monitors, scripts",
            TouchClass::Preview => "networks fetching a preview card",
            TouchClass::Prefetch => "browsers loading ahead of a click",
            TouchClass::Scanner => "mail gateways checking links",
            TouchClass::Repeat => "the same visitor and link again",
        };
        TouchClass::ALL.iter().map(|c| Choice::explained(c.as_str(), c.as_str(), note(*c))).collect()
    }

    pub(super) fn floors(&self) -> Vec<Choice> {
        let note = "Markov and Shapley then answer from too few journeys, and say so.";
        vec![Choice::explained("accept", "Answer below the data floor", note)]
    }

    pub(super) fn months(&self) -> Vec<Choice> {
        MONTHS.iter().enumerate().map(|(n, month)| Choice::new((n + 1).to_string(), *month)).collect()
    }
}

fn picks(by: &str) -> Vec<Pick> {
    let mut chosen = pieces(by).map(str::to_owned);
    [("f-by", "Rows by"), ("f-by-2", "then by"), ("f-by-3", "then by")]
        .map(|(id, label)| Pick { id, label, chosen: chosen.next().unwrap_or_default() })
        .into()
}

/// The models of a list as text, whether they can be read or not: a form shows what was typed.
struct Models<'a> {
    leading: &'a str,
    /// A model's first appearance, with its settings.
    known: HashMap<&'a str, &'a str>,
    further: Vec<&'a str>,
}

impl<'a> Models<'a> {
    fn read(list: &'a str) -> Self {
        let mut read = Self { leading: "", known: HashMap::new(), further: Vec::new() };
        for piece in pieces(list) {
            let (name, settings) = piece.split_once(':').unwrap_or((piece, ""));
            if MODELS.iter().all(|m| m.name != name) || read.known.contains_key(name) {
                read.further.push(piece);
                continue;
            }
            read.known.insert(name, settings);
            if read.leading.is_empty() {
                read.leading = name;
            }
        }
        read
    }

    /// Every model that is shown, the leading one first.
    fn said(&self) -> String {
        let said = |model: &&'static Model| {
            let settings = *self.known.get(model.name)?;
            let settings = settings.replace(':', ", ").replace(['_', '='], " ");
            Some(if settings.is_empty() { model.label.to_owned() } else { format!("{} ({settings})", model.label) })
        };
        let (leading, beside): (Vec<_>, Vec<_>) = MODELS.iter().partition(|m| m.name == self.leading);
        let known = leading.iter().chain(&beside).filter_map(said);
        known.chain(self.further.iter().map(|text| (*text).to_owned())).collect::<Vec<_>>().join(", ")
    }

    fn boxes(&self) -> Vec<ModelBox> {
        let value = |model: &Model, setting: &Setting| {
            let given = self.known.get(model.name).into_iter().flat_map(|s| s.split(':'));
            let value = given.filter_map(|s| s.split_once('=')).find(|(name, _)| *name == setting.name);
            value.map_or_else(|| setting.default.to_string(), |(_, v)| v.to_owned())
        };
        let one = |model: &&'static Model| ModelBox {
            name: model.name,
            label: model.label,
            formula: model.formula,
            rule: sentence(model.rule),
            is_leading: model.name == self.leading,
            is_beside: model.name != self.leading && self.known.contains_key(model.name),
            settings: model
                .settings
                .iter()
                .map(|s| SettingField {
                    field: field_of(model, s),
                    meaning: sentence(s.meaning).trim_end_matches('.').to_owned(),
                    value: value(model, s),
                    min: s.min,
                    max: s.max,
                })
                .collect(),
        };
        MODELS.iter().map(one).collect()
    }
}

fn rule_of(name: &str) -> String {
    MODELS.iter().find(|m| m.name == name).map(|m| sentence(m.rule)).unwrap_or_default()
}

fn counting_said(fields: &Fields) -> String {
    let cost = if fields.get("cost") == "media" { "ad spend" } else { "all costs" };
    let clock = if fields.get("clock") == "cohort" { "by the day of the touch" } else { "by the day of the lead" };
    let mut said = vec![
        format!("days of {}", fields.get("zone")),
        format!("look-back {} days", fields.get("lookback_days")),
        format!("{cost} in {}", fields.get("currency")),
        clock.to_owned(),
        format!("{} touches", fields.all("classes").join(", ")),
    ];
    if fields.is_on("views") {
        said.push("views count".to_owned());
    }
    let start = fields.get("fiscal_start").parse::<usize>().ok().and_then(|m| MONTHS.get(m.checked_sub(1)?));
    if let Some(month) = start.filter(|m| **m != "January") {
        said.push(format!("fiscal years begin in {month}"));
    }
    if fields.is_on("below_floor") && fields.get("below_floor") == "accept" {
        said.push("answers below the data floor".to_owned());
    }
    said.join(" · ")
}

fn filters_said(fields: &Fields, filters: &[(&'static str, &'static str)]) -> String {
    let set = filters.iter().filter(|(name, _)| fields.is_on(name));
    let set: Vec<String> =
        set.map(|(name, heading)| format!("{} {}", heading.to_lowercase(), fields.get(name))).collect();
    if set.is_empty() { "none".to_owned() } else { set.join(" · ") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::time::DayRange;

    fn asked_of(query: &str) -> HashMap<String, String> {
        asked(url::form_urlencoded::parse(query.as_bytes()).into_owned().collect())
    }

    #[test]
    fn settings_go_to_the_models_that_do_not_bring_their_own() {
        let models = |query: &str| asked_of(query).remove("model").unwrap_or_default();
        assert_eq!(models("model=time_decay&time_decay.half_life_days=14"), "time_decay:half_life_days=14");
        assert_eq!(models("model=time_decay&time_decay.half_life_days=7"), "time_decay", "defaults are left out");
        let both =
            "model=linear&model=custom&model=custom:first=1&custom.first=50&custom.last=&time_decay.half_life_days=9";
        assert_eq!(models(both), "linear,custom:first=50,custom:first=1");
        assert!(!asked_of(both).keys().any(|name| name.contains('.')));
    }

    #[test]
    fn the_form_shows_what_was_asked_even_if_it_cannot_be_read() {
        let day = "2025-01-01".parse().expect("day");
        let defaults = Parameters::new(DayRange { from: day, to: day }, "EUR".parse().expect("EUR"));
        let query = "by=channel&by=month&model=first,time_decay:half_life_days=0,time_decay,magic&compare=year&compare=previous&channel=-x&views=on";
        let form = ReportForm::new(&asked_of(query), &defaults, vec![Fault::new("channel", "c", "no")]);
        assert_eq!(form.by.iter().map(|p| p.chosen.as_str()).collect::<Vec<_>>(), ["channel", "month", ""]);
        assert_eq!((form.fields.value("model"), form.further.as_str()), ("first", "time_decay,magic"));
        let beside: Vec<&str> = form.models.iter().filter(|m| m.is_beside).map(|m| m.name).collect();
        let half_life = form.models.iter().find(|m| m.name == "time_decay").expect("model").settings[0].value.clone();
        assert_eq!((beside, half_life.as_str()), (vec!["time_decay"], "0"));
        assert_eq!(form.said[0], "First touch, Time decay (half life days 0), time_decay, magic");
        assert!(
            form.said[1].contains("days of UTC · look-back 90 days · all costs in EUR")
                && form.said[1].contains("views count")
        );
        assert_eq!(form.said[2], "channel -x");
        assert!(form.is_filter_at_fault() && !form.is_counting_at_fault());
    }
}
