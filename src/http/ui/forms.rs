//! Forms: what was sent, what is wrong with it, and the fields of the page that shows both.

use std::borrow::Cow;

use askama::Template;
use askama::filters::HtmlSafe;

use super::page::{Marked, marked, sentence};
use crate::domain::channel::Effect;
use crate::domain::fault::Fault;

/// The fields of a form, in the order of the page.
#[derive(Debug, Clone, Default)]
pub(super) struct Fields(Vec<(String, String)>);

impl Fields {
    /// Fields as they were sent.
    pub(super) fn new(fields: Vec<(String, String)>) -> Self {
        Self(fields)
    }

    /// Fields that a page begins with.
    pub(super) fn of<V: Into<String>>(fields: impl IntoIterator<Item = (&'static str, V)>) -> Self {
        Self(fields.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect())
    }

    /// A field's text as it stands; empty if it was not sent.
    pub(super) fn get(&self, name: &str) -> &str {
        self.0.iter().find(|(n, _)| n == name).map_or("", |(_, v)| v)
    }

    /// A field's text without space around it.
    pub(super) fn text(&self, name: &str) -> String {
        self.get(name).trim().to_owned()
    }

    /// The same; nothing if it is empty.
    pub(super) fn some(&self, name: &str) -> Option<String> {
        Some(self.text(name)).filter(|t| !t.is_empty())
    }

    /// Puts a value in the place of what was sent.
    pub(super) fn set(&mut self, name: &str, value: String) {
        self.0.retain(|(n, _)| n != name);
        self.0.push((name.to_owned(), value));
    }

    /// Whether a box is ticked.
    pub(super) fn is_on(&self, name: &str) -> bool {
        !self.get(name).is_empty()
    }

    /// Every value of a name, as of several boxes.
    pub(super) fn all(&self, name: &str) -> Vec<&str> {
        self.0.iter().filter(|(n, _)| n == name).map(|(_, v)| v.as_str()).collect()
    }

    /// From when a change holds.
    pub(super) fn effect(&self) -> Result<Effect, Fault> {
        match self.get("effect") {
            "" | "from_now_on" => Ok(Effect::FromNowOn),
            "correction" => Ok(Effect::Correction),
            _ => Err(Fault::new("effect", "effect-unknown", "choose from now on or correction")),
        }
    }
}

/// A form on a page.
#[derive(Debug, Clone, Default)]
pub(super) struct Form {
    fields: Fields,
    faults: Vec<Fault>,
    /// Whether another form stands before it on the page.
    is_second: bool,
}

impl Form {
    /// A form with these values.
    pub(super) fn new(fields: Fields) -> Self {
        Self { fields, ..Self::default() }
    }

    /// A form that was refused.
    pub(super) fn refused(fields: Fields, faults: Vec<Fault>) -> Self {
        Self { fields, faults, ..Self::default() }
    }

    /// The second form of a page: its fields may have the names of the first one's, never their ids.
    #[must_use]
    pub(super) fn second(mut self) -> Self {
        self.is_second = true;
        self
    }

    fn id(&self, field: &str) -> String {
        if self.is_second { format!("f2-{field}") } else { format!("f-{field}") }
    }

    /// Whether a fault has this code.
    pub(super) fn has(&self, code: &str) -> bool {
        self.faults.iter().any(|f| f.code == code) || self.fields.is_on("allow_similar") && code == "near-duplicate"
    }

    /// Whether it was refused.
    pub(super) fn is_refused(&self) -> bool {
        !self.faults.is_empty()
    }

    /// A field's value.
    pub(super) fn value(&self, name: &str) -> &str {
        self.fields.get(name)
    }

    /// The faults, named and linked to their fields.
    pub(super) fn summary(&self) -> Summary {
        let item = |f: &Fault| {
            let remedy = (f.code == "rate-missing").then_some(("/app/rates", "Add exchange rates"));
            SummaryItem { id: self.id(&f.field), label: words(&f.field), words: marked(&sentence(&f.detail)), remedy }
        };
        Summary { items: self.faults.iter().map(item).collect() }
    }

    /// A line of text.
    pub(super) fn text(&self, name: &'static str, label: &'static str) -> Field {
        self.field(name, label, "text")
    }

    /// The same, labelled by its own name as words.
    pub(super) fn named(&self, name: &'static str) -> Field {
        Field { label: words(name).into(), ..self.field(name, "", "text") }
    }

    /// A line of some other type: `date`, `number`, `email`, `password`, `url`, `search`.
    pub(super) fn line(&self, name: &'static str, label: &'static str, kind: &'static str) -> Field {
        self.field(name, label, kind)
    }

    /// Several lines.
    pub(super) fn area(&self, name: &'static str, label: &'static str) -> Field {
        self.field(name, label, "area")
    }

    /// One of a list.
    pub(super) fn select(&self, name: &'static str, label: &'static str, choices: &[Choice]) -> Field {
        Field { choices: choices.to_vec(), ..self.field(name, label, "select") }
    }

    /// One of a few, each explained.
    pub(super) fn radio(&self, name: &'static str, label: &'static str, choices: &[Choice]) -> Field {
        Field { choices: choices.to_vec(), ..self.field(name, label, "radio") }
    }

    /// Any of a few, each explained.
    pub(super) fn boxes(&self, name: &'static str, label: &'static str, choices: &[Choice]) -> Field {
        Field { choices: choices.to_vec(), ..self.field(name, label, "boxes") }
    }

    /// Yes or no.
    pub(super) fn check(&self, name: &'static str, label: &'static str) -> Field {
        self.field(name, label, "check")
    }

    /// From when a change holds.
    pub(super) fn effect(&self) -> Field {
        let choices = [
            Choice::explained(
                "from_now_on",
                "From now on",
                "Clicks and leads up to now keep the old label. For a real change.",
            ),
            Choice::explained(
                "correction",
                "Correction",
                "The old label was wrong from the beginning; all touches take the new one. Reports of an earlier as-of time keep what they said.",
            ),
        ];
        let mut field = self.radio("effect", "From when does this hold?", &choices);
        if field.values.iter().all(String::is_empty) {
            field.values = vec!["from_now_on".to_owned()];
        }
        field
    }

    fn field(&self, name: &'static str, label: &'static str, kind: &'static str) -> Field {
        Field {
            id: self.id(name),
            name,
            label: label.into(),
            kind,
            values: self.fields.all(name).into_iter().map(str::to_owned).collect(),
            choices: Vec::new(),
            hint: "",
            fault: self.faults.iter().find(|f| f.field == name).map(|f| marked(&sentence(&f.detail))),
            is_required: false,
            placeholder: "",
            completes: "",
        }
    }
}

/// One choice of a select, a radio group or a group of boxes.
#[derive(Debug, Clone)]
pub(super) struct Choice {
    /// What is sent.
    pub value: String,
    /// What people read.
    pub label: String,
    /// What it means.
    pub note: String,
}

impl Choice {
    /// A choice that explains itself.
    pub(super) fn new(value: impl Into<String>, label: impl Into<String>) -> Self {
        Self { value: value.into(), label: label.into(), note: String::new() }
    }

    /// A choice with a sentence beside it.
    pub(super) fn explained(value: impl Into<String>, label: impl Into<String>, note: impl Into<String>) -> Self {
        Self { value: value.into(), label: label.into(), note: note.into() }
    }
}

/// A field with its label, hint and fault.
#[derive(Debug, Clone, Template)]
#[template(path = "field.html")]
pub(super) struct Field {
    id: String,
    name: &'static str,
    label: Cow<'static, str>,
    kind: &'static str,
    values: Vec<String>,
    choices: Vec<Choice>,
    hint: &'static str,
    fault: Option<Marked>,
    is_required: bool,
    placeholder: &'static str,
    completes: &'static str,
}

// The template escapes what it prints.
impl HtmlSafe for Field {}

impl Field {
    /// Explains the field.
    pub(super) fn hint(mut self, hint: &'static str) -> Self {
        self.hint = hint;
        self
    }

    /// Makes the field required.
    pub(super) fn required(mut self) -> Self {
        self.is_required = true;
        self
    }

    /// Shows an example.
    pub(super) fn example(mut self, example: &'static str) -> Self {
        self.placeholder = example;
        self
    }

    /// Tells password managers what it is.
    pub(super) fn completes(mut self, what: &'static str) -> Self {
        self.completes = what;
        self
    }

    fn value(&self) -> &str {
        self.values.first().map_or("", String::as_str)
    }

    fn is_chosen(&self, choice: &Choice) -> bool {
        self.values.contains(&choice.value)
    }
}

/// The faults of a form.
#[derive(Debug, Clone, Template)]
#[template(path = "faults.html")]
pub(super) struct Summary {
    items: Vec<SummaryItem>,
}

#[derive(Debug, Clone)]
struct SummaryItem {
    /// Id of the field.
    id: String,
    label: String,
    words: Marked,
    /// Where the remedy is, and what that page is called.
    remedy: Option<(&'static str, &'static str)>,
}

// The template escapes what it prints.
impl HtmlSafe for Summary {}

/// A field's name as words. `utm_source` is a name by itself.
fn words(field: &str) -> String {
    match field {
        "from" => "First day".to_owned(),
        "to" => "Last day".to_owned(),
        "lookback_days" => "Look-back".to_owned(),
        "slug" => "Short path".to_owned(),
        "expires_at" => "Stops redirecting".to_owned(),
        "email" => "E-mail address".to_owned(),
        name if name.starts_with("utm_") => name.to_owned(),
        name => sentence(&name.replace('_', " ")).trim_end_matches('.').to_owned(),
    }
}
