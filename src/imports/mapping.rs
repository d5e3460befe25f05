//! Mapping files: which column of a file is which field of ours.
//!
//! ```toml
//! kind = "conversions"        # touches, conversions or costs
//! source = "crm"              # events of one source replace or repeat only each other
//! zone = "Europe/Berlin"      # of times without an offset; leave it out where all have one
//! currency = "EUR"            # of amounts without a currency column
//! person_namespace = "crm"    # whose contact ids these are
//! decimal = ","               # only where amounts are written 1.234,50
//!
//! [columns]
//! person = "Contact ID"                                   # a column
//! stage = { column = "Stage", map = { Won = "customer" } }  # its words in ours; `default` serves the rest
//! currency = { const = "EUR" }                            # the same in every row
//! event_id = { template = "{Deal ID}:won" }               # made of columns
//! ```

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::decode::Sheet;
use super::template::{template_columns, template_parts};
use crate::domain::fault::{Fault, shown};
use crate::domain::money::Currency;
use crate::domain::named_enum::named_enum;
use crate::domain::person::JoinKey;
use crate::domain::stage::{Source, Stage};
use crate::domain::time::Zone;
use crate::domain::utm::near_duplicate;

named_enum!(
    /// What the rows of a file are.
    ImportKind, "kind", "import-kind-unknown" {
        /// Clicks and arrivals.
        Touches = "touches",
        /// Stage events.
        Conversions = "conversions",
        /// Money spent.
        Costs = "costs",
    }
);

impl ImportKind {
    /// The fields that a mapping of this kind may fill.
    pub fn fields(self) -> &'static [&'static str] {
        match self {
            Self::Touches => &["external_id", "occurred_at", "channel", "link", "campaign", "person", "kind"],
            Self::Conversions => &[
                "event_id",
                "stage",
                "occurred_at",
                "email",
                "person",
                "click_id",
                "visitor_id",
                "subject",
                "parent",
                "value",
                "value_minor",
                "currency",
                "self_reported",
            ],
            Self::Costs => &[
                "day",
                "from",
                "to",
                "month",
                "channel",
                "campaign",
                "post",
                "link",
                "kind",
                "amount",
                "amount_minor",
                "currency",
                "document",
                "person",
                "team",
                "hours",
                "rate",
                "allocation",
                "note",
            ],
        }
    }
}

/// Which character separates decimals; the other one and spaces may then group thousands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum DecimalMark {
    /// `1,234.50`.
    #[serde(rename = ".")]
    Point,
    /// `1.234,50`.
    #[serde(rename = ",")]
    Comma,
}

/// Where a field's text comes from.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(
    untagged,
    deny_unknown_fields,
    expecting = "expected a column name, { column, map, default }, { const } or { template }"
)]
pub(super) enum Column {
    /// A column, as it stands.
    Name(String),
    /// A column whose words are replaced.
    Words {
        column: String,
        #[serde(default)]
        map: BTreeMap<String, String>,
        default: Option<String>,
    },
    /// The same text in every row.
    Constant {
        #[serde(rename = "const")]
        text: String,
    },
    /// Text with `{column}` in it.
    Template { template: String },
}

/// One stage of the wide form: a row is a person, each stage has its column of dates.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EventRule {
    pub(super) stage: Stage,
    pub(super) occurred_at: Column,
    /// A template.
    pub(super) event_id: String,
    pub(super) value: Option<Column>,
    pub(super) value_minor: Option<Column>,
    pub(super) currency: Option<Column>,
    pub(super) subject: Option<Column>,
    pub(super) parent: Option<Column>,
    pub(super) self_reported: Option<Column>,
}

/// A checked mapping of one kind of file.
#[derive(Debug, Clone)]
pub struct ImportMapping {
    /// What the rows are.
    pub kind: ImportKind,
    /// Who tells them: the unit of repetition and replacement.
    pub source: Source,
    /// Zone of times without an offset, and of the days of costs.
    pub zone: Option<Zone>,
    /// Currency of amounts that have no other.
    pub currency: Option<Currency>,
    /// Namespace of bare contact ids.
    pub person_namespace: Option<String>,
    /// Namespace of bare subjects.
    pub subject_namespace: Option<String>,
    /// How amounts are written; without it, strictly as `1234.50`.
    pub decimal: Option<DecimalMark>,
    pub(super) columns: BTreeMap<String, Column>,
    pub(super) events: Vec<EventRule>,
    /// Columns named as our fields, each of which a file may lack.
    pub(super) is_builtin: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MappingFile {
    kind: ImportKind,
    source: String,
    zone: Option<Zone>,
    currency: Option<Currency>,
    person_namespace: Option<String>,
    subject_namespace: Option<String>,
    decimal: Option<DecimalMark>,
    columns: BTreeMap<String, Column>,
    #[serde(default)]
    events: Vec<EventRule>,
}

impl ImportMapping {
    /// Reads a mapping file and checks all that can be known without the file it maps.
    pub fn parse(text: &str) -> Result<Self, Vec<Fault>> {
        let file: MappingFile = toml::from_str(text).map_err(|why| {
            let line = why.span().map_or(1, |span| 1 + text.bytes().take(span.start).filter(|b| *b == b'\n').count());
            let told = why.message().trim_end().replace('\n', " ");
            vec![Fault::new("mapping", "mapping-malformed", format!("line {line}: {told}; mend the mapping file"))]
        })?;
        let source = Source::parse(&file.source).map_err(|fault| vec![fault])?;
        let mapping = Self {
            kind: file.kind,
            source,
            zone: file.zone,
            currency: file.currency,
            person_namespace: file.person_namespace,
            subject_namespace: file.subject_namespace,
            decimal: file.decimal,
            columns: file.columns,
            events: file.events,
            is_builtin: false,
        };
        let faults = mapping.faults();
        if faults.is_empty() { Ok(mapping) } else { Err(faults) }
    }

    /// The mapping of files whose columns are named as our fields.
    pub fn builtin(kind: ImportKind, source: Source) -> Self {
        Self {
            kind,
            source,
            zone: None,
            currency: None,
            person_namespace: None,
            subject_namespace: None,
            decimal: None,
            columns: kind.fields().iter().map(|f| ((*f).to_owned(), Column::Name((*f).to_owned()))).collect(),
            events: Vec::new(),
            is_builtin: true,
        }
    }

    /// Columns of a file that this mapping does not read, to be told before an import.
    pub fn unread_columns(&self, sheet: &Sheet<'_>) -> Vec<String> {
        let mut read = BTreeSet::new();
        self.columns.values().for_each(|column| read.extend(column.reads()));
        for event in &self.events {
            read.extend(template_columns(&event.event_id));
            let more = [
                &event.value,
                &event.value_minor,
                &event.currency,
                &event.subject,
                &event.parent,
                &event.self_reported,
            ];
            more.into_iter().flatten().chain([&event.occurred_at]).for_each(|column| read.extend(column.reads()));
        }
        sheet.columns().iter().filter(|c| !c.is_empty() && !read.contains(c.as_str())).cloned().collect()
    }

    fn faults(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        let fields = self.kind.fields();
        for field in self.columns.keys().filter(|f| !fields.contains(&f.as_str())) {
            let hint = near_duplicate(field, fields.iter().copied())
                .filter(|h| fields.contains(&h.as_str()))
                .map_or_else(|| format!("use one of {}", fields.join(", ")), |near| format!("did you mean `{near}`?"));
            faults.push(Fault::new(
                "columns",
                "field-unknown",
                format!("{} is no field of {}; {hint}", shown(field), self.kind),
            ));
        }
        for (field, namespace) in
            [("person_namespace", &self.person_namespace), ("subject_namespace", &self.subject_namespace)]
        {
            let legal = |n: &String| !n.contains(':') && matches!(JoinKey::contact(n, "id"), Ok(Some(_)));
            if namespace.as_ref().is_some_and(|n| !legal(n)) {
                faults.push(Fault::new(
                    field,
                    "namespace-malformed",
                    "a namespace is a short word without a colon, such as crm",
                ));
            }
        }
        let templates = self.columns.iter().filter_map(|(field, column)| match column {
            Column::Template { template } => Some((field.as_str(), template)),
            _ => None,
        });
        for (field, template) in templates.chain(self.events.iter().map(|e| ("event_id", &e.event_id))) {
            faults.extend(template_parts(template).map_err(|fault| fault.named(field)).err());
            if field == "event_id" && template_columns(template).is_empty() {
                faults.push(Fault::new(
                    field,
                    "template-constant",
                    format!(
                        "{} is the same in every row; name a column in it, such as {{person_id}}:lead",
                        shown(template)
                    ),
                ));
            }
        }
        faults.extend(self.form_fault());
        faults
    }

    /// Faults between fields: the wide form against the long one, days against months.
    fn form_fault(&self) -> Option<Fault> {
        let has = |field: &str| self.columns.contains_key(field);
        let fault = |field: &str, why: &str| Some(Fault::new(field, "mapping-form", why));
        match self.kind {
            ImportKind::Conversions
                if !self.events.is_empty() && ["stage", "occurred_at", "event_id"].iter().any(|f| has(f)) =>
            {
                fault("events", "[[events]] give stage, occurred_at and event_id; remove these from [columns]")
            }
            ImportKind::Conversions if self.events.is_empty() && !has("stage") => {
                fault("stage", "name a stage column in [columns], or one [[events]] per column of dates")
            }
            ImportKind::Touches | ImportKind::Costs if !self.events.is_empty() => {
                fault("events", "[[events]] belong to conversions only; remove them")
            }
            ImportKind::Costs
                if usize::from(has("day")) + usize::from(has("month")) + usize::from(has("from")) != 1
                    || has("from") != has("to") =>
            {
                fault("day", "name exactly one of day, month, or from with to")
            }
            ImportKind::Costs if ["amount", "amount_minor", "hours"].iter().filter(|f| has(f)).count() != 1 => {
                fault("amount", "name exactly one of amount (decimals), amount_minor (cents) and hours (of labour)")
            }
            ImportKind::Costs if has("hours") != (has("person") != has("team")) => {
                fault("hours", "hours are those of a person or a team: name hours with exactly one of person and team")
            }
            _ => None,
        }
    }
}

impl Column {
    /// The columns of the file that it reads.
    fn reads(&self) -> Vec<&str> {
        match self {
            Self::Name(column) | Self::Words { column, .. } => vec![column],
            Self::Constant { .. } => Vec::new(),
            Self::Template { template } => template_columns(template),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codes(toml: &str) -> Vec<String> {
        ImportMapping::parse(toml).expect_err(toml).into_iter().map(|f| format!("{}: {}", f.field, f.code)).collect()
    }

    #[test]
    fn mapping_files_are_checked_whole() {
        let costs = "kind='costs'\nsource='ads'\n";
        for (toml, expected) in [
            ("kind='clicks'\nsource='a'\n[columns]", "mapping: mapping-malformed"),
            ("kind='touches'\nsource='a'\ncolour='red'\n[columns]", "mapping: mapping-malformed"),
            ("kind='touches'\nsource='a'\nzone='Mars/Base'\n[columns]", "mapping: mapping-malformed"),
            ("kind='touches'\nsource='a'\ndecimal=';'\n[columns]", "mapping: mapping-malformed"),
            ("kind='touches'\nsource='a'\n[columns]\nlink={column='l',maps={a='b'}}", "mapping: mapping-malformed"),
            ("kind='touches'\nsource='A b'\n[columns]", "source: utm-illegal"),
            ("kind='touches'\nsource='a'\n[columns]\nchanel='c'", "columns: field-unknown"),
            ("kind='touches'\nsource='a'\nperson_namespace='a:b'\n[columns]", "person_namespace: namespace-malformed"),
            ("kind='touches'\nsource='a'\n[columns]\nexternal_id={template='{id'}", "external_id: template-malformed"),
            (
                "kind='touches'\nsource='a'\n[columns]\n[[events]]\nstage='lead'\noccurred_at='t'\nevent_id='{p}'",
                "events: mapping-form",
            ),
            ("kind='conversions'\nsource='a'\n[columns]\nperson='p'", "stage: mapping-form"),
            (
                "kind='conversions'\nsource='a'\n[columns]\nstage='s'\n[[events]]\nstage='lead'\noccurred_at='t'\nevent_id='{p}'",
                "events: mapping-form",
            ),
            (
                "kind='conversions'\nsource='a'\n[columns]\n[[events]]\nstage='lead'\noccurred_at='t'\nevent_id='lead'",
                "event_id: template-constant",
            ),
            (&format!("{costs}[columns]\namount='a'"), "day: mapping-form"),
            (&format!("{costs}[columns]\namount='a'\nday='d'\nmonth='m'"), "day: mapping-form"),
            (&format!("{costs}[columns]\namount='a'\nfrom='d'"), "day: mapping-form"),
            (&format!("{costs}[columns]\nday='d'"), "amount: mapping-form"),
            (&format!("{costs}[columns]\nday='d'\namount='a'\namount_minor='b'"), "amount: mapping-form"),
        ] {
            assert_eq!(codes(toml), [expected], "{toml}");
        }
        let fault =
            ImportMapping::parse("kind='touches'\nsource='a'\n[columns]\nchanel='c'").expect_err("typo").remove(0);
        assert!(fault.detail.ends_with("did you mean `channel`?"), "{fault}");
        let fault =
            ImportMapping::parse("kind='touches'\nsource='a'\n\ncolour='red'\n[columns]").expect_err("key").remove(0);
        assert!(fault.detail.starts_with("line 4: unknown field `colour`"), "{fault}");
    }

    #[test]
    fn unread_columns_are_known() {
        let mapping = ImportMapping::parse(
            "kind='conversions'\nsource='a'\n[columns]\nperson={template='{p}'}\n\
            [[events]]\nstage='lead'\noccurred_at='t'\nevent_id='{q}'\nvalue='v'",
        )
        .expect("mapping");
        let sheet = Sheet::read(b"p,q,t,v,emial,\n").expect("sheet");
        assert_eq!(mapping.unread_columns(&sheet), ["emial"]);
    }
}
