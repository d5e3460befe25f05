//! Where one field is: a place, several in turn, a text put together, a sum, or a constant.

use serde::{Deserialize, Serialize};

use super::amount;
use super::place::{Place, Scope, TEXT_MAX};
use super::rule::Condition;
use super::template::Template;
use crate::domain::fault::{Fault, shown};

/// Most candidates of one field.
const CANDIDATES_MAX: usize = 20;
/// Where a preset's text stands for each name that the click id may have.
pub(super) const CLICK_ID: &str = "<click_id>";

/// One place where a value may be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    untagged,
    deny_unknown_fields,
    expecting = "expected a JSON pointer such as \"/data/email\", a template such as \"deal:{/id}\" or {\"const\": \"lead\"}"
)]
pub enum Candidate {
    /// A place or a template.
    Text(String),
    /// A value that is the same for every delivery.
    Constant {
        /// The value.
        #[serde(rename = "const")]
        value: String,
    },
    /// The amounts of a list's elements, added up.
    Sum {
        /// Where the elements are.
        sum: String,
        /// Which of them count.
        #[serde(default)]
        when: Vec<Condition>,
        /// Where in an element the amount is.
        of: Box<Pick>,
    },
    /// One amount less another; nothing where either is missing.
    Difference {
        /// The larger one.
        difference: Box<Pick>,
        /// What is taken away.
        less: Box<Pick>,
    },
}

/// Where a field is: one place, or several of which the first that holds something wins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    untagged,
    expecting = "expected a JSON pointer such as \"/data/email\", a list of them, or {\"const\": \"lead\"}"
)]
pub enum Pick {
    /// One place.
    One(Candidate),
    /// Several, in the order in which they are tried.
    FirstOf(Vec<Candidate>),
}

impl Pick {
    pub(super) fn candidates(&self) -> &[Candidate] {
        match self {
            Self::One(one) => std::slice::from_ref(one),
            Self::FirstOf(many) => many,
        }
    }

    /// The same with every `<click_id>` replaced by each of the names it may have.
    pub(super) fn named(&self, names: &[String]) -> Self {
        let mut list = Vec::new();
        for candidate in self.candidates() {
            match candidate {
                Candidate::Text(text) if text.contains(CLICK_ID) => {
                    list.extend(names.iter().map(|n| Candidate::Text(text.replace(CLICK_ID, &escaped(n)))));
                }
                other => list.push(other.clone()),
            }
        }
        Self::FirstOf(list)
    }
}

/// A name as a segment of a pointer.
fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

/// A pick that is ready to read: every text of it parsed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reader(Vec<Source>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Source {
    Place(Place),
    Template(Template),
    Constant(String),
    Sum { list: Place, when: Vec<super::rule::Check>, of: Reader },
    Difference { of: Reader, less: Reader },
}

impl Reader {
    /// Parses a pick and checks what can be known before a delivery comes; faults name `field`.
    pub(super) fn new(field: &str, pick: &Pick) -> Result<Self, Fault> {
        let candidates = pick.candidates();
        if candidates.is_empty() || candidates.len() > CANDIDATES_MAX {
            return Err(Fault::new(
                field,
                "mapping-empty",
                format!("a list holds 1 to {CANDIDATES_MAX} pointers; leave the field out to read nothing"),
            ));
        }
        candidates.iter().map(|c| source(field, c).map_err(|f| f.named(field))).collect::<Result<_, _>>().map(Self)
    }

    /// The first that holds something.
    pub(super) fn first(&self, scope: &Scope<'_>) -> Result<Option<String>, Fault> {
        self.first_that(scope, |_, _| true)
    }

    /// Every text at every one of the places.
    pub(super) fn all(&self, scope: &Scope<'_>) -> Vec<String> {
        let texts = |source: &Source| match source {
            Source::Place(place) => place.texts(scope).unwrap_or_default(),
            other => other.text(scope).ok().flatten().into_iter().collect(),
        };
        self.0.iter().flat_map(texts).collect()
    }

    /// The first text that fits; `fits` is told whether the text comes from a place that may hold anything.
    pub(super) fn first_that(
        &self,
        scope: &Scope<'_>,
        fits: impl Fn(&str, bool) -> bool,
    ) -> Result<Option<String>, Fault> {
        for source in &self.0 {
            let (texts, is_wild) = source.texts(scope)?;
            if let Some(text) = texts.into_iter().find(|t| fits(t, is_wild)) {
                return Ok(Some(text));
            }
        }
        Ok(None)
    }

    /// The same where places may hold other things, too long or no text at all: they are passed over, and only where
    /// `decides` is what stands there taken as it is, or its fault told.
    pub(super) fn first_among(
        &self,
        scope: &Scope<'_>,
        decides: impl Fn(&Place) -> bool,
        fits: impl Fn(&str, bool) -> bool,
    ) -> Result<Option<String>, Fault> {
        for source in &self.0 {
            let is_final = matches!(source, Source::Place(place) if decides(place));
            let (texts, is_wild) = match source.texts(scope) {
                Err(fault) if is_final => return Err(fault),
                Err(_) => continue,
                Ok(found) => found,
            };
            if let Some(text) = texts.into_iter().find(|t| is_final || fits(t, is_wild)) {
                return Ok(Some(text));
            }
        }
        Ok(None)
    }

    /// The places it reads, for messages and for what has to be kept.
    pub(super) fn places(&self) -> Vec<&Place> {
        self.0
            .iter()
            .flat_map(|source| match source {
                Source::Place(place) => vec![place],
                Source::Template(template) => template.places().collect(),
                Source::Constant(_) => Vec::new(),
                Source::Sum { list, .. } => vec![list],
                Source::Difference { of, less } => of.places().into_iter().chain(less.places()).collect(),
            })
            .collect()
    }
}

impl Source {
    /// The texts there, and whether any text may stand there.
    fn texts(&self, scope: &Scope<'_>) -> Result<(Vec<String>, bool), Fault> {
        match self {
            Self::Place(place) => Ok((place.texts(scope)?, place.is_wild())),
            other => Ok((other.text(scope)?.into_iter().collect(), false)),
        }
    }

    fn text(&self, scope: &Scope<'_>) -> Result<Option<String>, Fault> {
        match self {
            Self::Place(place) => Ok(place.texts(scope)?.into_iter().next()),
            Self::Template(template) => template.text(scope),
            Self::Constant(text) => Ok(Some(text.clone())),
            Self::Sum { list, when, of } => {
                let mut amounts = Vec::new();
                for item in list.values(scope) {
                    let element = Scope { item, ..*scope };
                    if when.iter().all(|check| check.holds(&element)) {
                        amounts.extend(of.first(&element)?);
                    }
                }
                amount::sum(&amounts)
            }
            Self::Difference { of, less } => match (of.first(scope)?, less.first(scope)?) {
                (Some(of), Some(less)) => amount::difference(&of, &less).map(Some),
                _ => Ok(None),
            },
        }
    }
}

fn source(field: &str, candidate: &Candidate) -> Result<Source, Fault> {
    match candidate {
        Candidate::Text(text) if Template::looks_like(text) => Template::parse(text).map(Source::Template),
        Candidate::Text(text) => Place::parse(text).map(Source::Place),
        Candidate::Constant { value } if value.trim().is_empty() || value.len() > TEXT_MAX => Err(Fault::new(
            field,
            "constant-malformed",
            format!("{} is no constant; one has 1 to {TEXT_MAX} bytes", shown(value)),
        )),
        Candidate::Constant { value } => Ok(Source::Constant(value.clone())),
        Candidate::Sum { sum, when, of } => {
            let when = when.iter().map(Condition::check).collect::<Result<_, _>>()?;
            Ok(Source::Sum { list: Place::parse(sum)?, when, of: Reader::new(field, of)? })
        }
        Candidate::Difference { difference, less } => {
            Ok(Source::Difference { of: Reader::new(field, difference)?, less: Reader::new(field, less)? })
        }
    }
}

/// The fault of a required field that was found nowhere.
pub(super) fn missing(field: &str, reader: Option<&Reader>) -> Fault {
    let tried: Vec<&str> = reader.map(Reader::places).unwrap_or_default().iter().map(|p| p.text()).collect();
    let places = if tried.is_empty() { "any place, as the mapping names none".to_owned() } else { tried.join(", ") };
    Fault::new(
        field,
        "missing",
        format!("it is required and there is nothing at {places}; send it or mend the mapping"),
    )
}
