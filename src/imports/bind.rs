//! A mapping bound to the columns of one file.

use std::borrow::Cow;

use super::decode::{Row, Sheet};
use super::mapping::{Column, ImportKind, ImportMapping};
use super::template::{Part, template_parts};
use super::values::discreet;
use crate::domain::fault::{Fault, shown};
use crate::domain::utm::near_duplicate;

/// Most columns that a fault lists.
const COLUMNS_SHOWN: usize = 30;

/// A field bound to a file: where its text is in each row.
#[derive(Debug)]
pub(super) struct Cell {
    /// What faults call it: the column, or our field where it is made of none or several.
    pub(super) name: String,
    from: From,
    /// The words to replace, in lower case; empty where none are.
    words: Vec<(String, String)>,
    default: Option<String>,
}

#[derive(Debug)]
enum From {
    Cell(usize),
    Constant(String),
    Template(Vec<Piece>),
}

#[derive(Debug)]
enum Piece {
    Text(String),
    Cell(usize),
}

impl Cell {
    /// The text in a row, trimmed; `None` where it is empty.
    pub(super) fn text<'r>(&'r self, row: &'r Row) -> Result<Option<Cow<'r, str>>, Fault> {
        let text = match &self.from {
            From::Constant(text) => Cow::from(text.as_str()),
            From::Cell(at) => Cow::from(cell(row, *at)),
            From::Template(pieces) => pieces
                .iter()
                .try_fold(String::new(), |made, piece| match piece {
                    Piece::Text(text) => Some(made + text),
                    Piece::Cell(at) => Some(cell(row, *at)).filter(|c| !c.is_empty()).map(|c| made + c),
                })
                .map_or(Cow::from(""), Cow::from),
        };
        let text = match self.word(&text)? {
            Some(word) => Cow::from(word),
            None => text,
        };
        // Databases refuse some of these, and none belongs into an id, a time or an amount.
        if text.chars().any(char::is_control) {
            return Err(Fault::new(
                &*self.name,
                "text-control",
                "the cell holds line breaks or control characters; send plain text",
            ));
        }
        Ok(Some(text).filter(|t| !t.is_empty()))
    }

    /// The same, for a field that must be there.
    pub(super) fn required<'r>(&'r self, row: &'r Row) -> Result<Cow<'r, str>, Fault> {
        self.text(row)?
            .ok_or_else(|| Fault::new(&*self.name, "missing", "the cell is empty and it is required; fill it in"))
    }

    /// What replaces `text`, if anything does.
    fn word(&self, text: &str) -> Result<Option<&str>, Fault> {
        if !text.is_empty() && self.words.is_empty() {
            return Ok(None);
        }
        let wanted = text.to_lowercase();
        let mapped = self.words.iter().find(|(theirs, _)| *theirs == wanted).map(|(_, ours)| ours);
        match mapped.or(self.default.as_ref()) {
            Some(word) => Ok(Some(word)),
            None if text.is_empty() => Ok(None),
            None => Err(discreet(
                text,
                Fault::new(
                    &*self.name,
                    "value-unmapped",
                    format!("{} is not in the column's `map`; add it there, or a `default`", shown(text)),
                ),
            )),
        }
    }
}

fn cell(row: &Row, at: usize) -> &str {
    row.cells.get(at).unwrap_or("").trim()
}

/// The text of an optional field in a row.
pub(super) fn optional(cell: Option<&Cell>, row: &Row) -> Result<Option<String>, Fault> {
    cell.map_or(Ok(None), |c| c.text(row)).map(|text| text.map(Cow::into_owned))
}

/// Binds the fields of a mapping one by one and gathers what is missing.
pub(super) struct Binder<'a> {
    sheet: &'a Sheet<'a>,
    mapping: &'a ImportMapping,
    faults: Vec<Fault>,
}

impl<'a> Binder<'a> {
    /// A binder of a mapping that must be of `kind`.
    pub(super) fn new(sheet: &'a Sheet<'a>, mapping: &'a ImportMapping, kind: ImportKind) -> Self {
        let mut faults = Vec::new();
        if mapping.kind != kind {
            faults.push(Fault::new(
                "kind",
                "mapping-kind",
                format!("the mapping is for {} and not for {kind}; choose another", mapping.kind),
            ));
        }
        Self { sheet, mapping, faults }
    }

    /// A field of `[columns]`; `None` if it is not mapped, or the file of a built-in mapping has no such column.
    pub(super) fn field(&mut self, field: &str) -> Option<Cell> {
        let column = self.mapping.columns.get(field)?;
        if self.mapping.is_builtin && !self.sheet.columns().iter().any(|c| c == field) {
            return None;
        }
        self.column(field, column)
    }

    /// A field that no row can do without.
    pub(super) fn required(&mut self, field: &str) -> Option<Cell> {
        let cell = self.field(field);
        if cell.is_none() {
            self.none_of(&[field]);
        }
        cell
    }

    /// Says that none of `fields`, of which one is needed, was found; the first is the one to suggest.
    pub(super) fn none_of(&mut self, fields: &[&str]) {
        let Some(first) = fields.first() else { return };
        if self.mapping.is_builtin {
            let fault = self.missing(first);
            self.faults.push(fault);
        } else if !fields.iter().any(|f| self.mapping.columns.contains_key(*f)) {
            // A field that is mapped to a column which the file lacks has its fault already.
            self.faults.push(Fault::new(
                *first,
                "mapping-missing",
                "no row is complete without it; name its column in [columns]",
            ));
        }
    }

    /// A field whose column is given.
    pub(super) fn column(&mut self, field: &str, column: &Column) -> Option<Cell> {
        let cell = |name: &str, from| Cell { name: name.to_owned(), from, words: Vec::new(), default: None };
        match column {
            Column::Name(name) => self.index(name).map(|at| cell(name, From::Cell(at))),
            Column::Words { column: name, map, default } => {
                let words =
                    map.iter().map(|(theirs, ours)| (theirs.trim().to_lowercase(), ours.trim().to_owned())).collect();
                let default = default.as_deref().map(|d| d.trim().to_owned());
                self.index(name).map(|at| Cell { words, default, ..cell(name, From::Cell(at)) })
            }
            Column::Constant { text } => Some(cell(field, From::Constant(text.trim().to_owned()))),
            Column::Template { template } => self.template(field, template),
        }
    }

    /// A field that is made of columns.
    pub(super) fn template(&mut self, field: &str, template: &str) -> Option<Cell> {
        // A mapping's templates were checked when it was read.
        let parts = template_parts(template).unwrap_or_default();
        let pieces: Vec<Option<Piece>> = parts
            .into_iter()
            .map(|part| match part {
                Part::Text(text) => Some(Piece::Text(text.to_owned())),
                Part::Cell(column) => self.index(column).map(Piece::Cell),
            })
            .collect();
        let from = From::Template(pieces.into_iter().collect::<Option<_>>()?);
        Some(Cell { name: field.to_owned(), from, words: Vec::new(), default: None })
    }

    /// Adds a fault between fields.
    pub(super) fn fault(&mut self, fault: Fault) {
        self.faults.push(fault);
    }

    /// All that is wrong, once every field was asked for.
    pub(super) fn finish(self) -> Result<(), Vec<Fault>> {
        if self.faults.is_empty() { Ok(()) } else { Err(self.faults) }
    }

    fn index(&mut self, name: &str) -> Option<usize> {
        let at = self.sheet.columns().iter().position(|c| c == name.trim());
        if at.is_none() && !self.faults.iter().any(|f| f.field == name) {
            let fault = self.missing(name);
            self.faults.push(fault);
        }
        at
    }

    fn missing(&self, name: &str) -> Fault {
        let there: Vec<&str> = self.sheet.columns().iter().map(String::as_str).filter(|c| !c.is_empty()).collect();
        let near = near_duplicate(name, there.iter().copied()).filter(|n| there.contains(&n.as_str()));
        let hint =
            near.map_or_else(|| "mend the mapping or the file".to_owned(), |n| format!("did you mean {}?", shown(&n)));
        let listed: Vec<String> = there.iter().take(COLUMNS_SHOWN).map(|c| shown(c)).collect();
        let more = if there.len() > COLUMNS_SHOWN { " and more" } else { "" };
        Fault::new(
            name,
            "column-missing",
            format!("the file has no column {}; it has {}{more}; {hint}", shown(name), listed.join(", ")),
        )
    }
}
