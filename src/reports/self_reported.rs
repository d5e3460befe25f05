//! *Self-reported*: what people said led them here beside what was tracked, never merged (reference/attribution.md 8).
//!
//! Tracked is the row of the last touch. Rates are of the people who answered, with Wilson limits at 95 %.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::ReportError;
use super::catalogue::{Kind, More};
use super::dimension::{Dimension, Part};
use super::facts::Facts;
use super::parameters::{Parameters, ReportClock};
use super::paths::{Goal, PathSink, Stop, converting};
use super::places::Places;
use super::rates::{rate, rate_columns};
use super::said::{NOT_ASKED, OTHERWISE, part_of};
use super::sheet::{Document, Sheet, SheetCell, SheetColumn};
use crate::domain::fault::Fault;
use crate::domain::stage::StageEvent;
use crate::store::{Conn, Moments, ledger};

/// The report of answers.
pub(super) static KIND: Kind = Kind {
    name: "self-reported",
    title: "Self-reported",
    about: "what people said led them here beside what was tracked, with the share of those who did not answer",
    more: &[More {
        name: "stage",
        meaning: "whose answers: those of leads (lead, the default) or of customers (customer)",
    }],
    run: |conn, parameters, given| run(conn, parameters, stage_from(given)?),
};

/// Reads the report's own parameter from what is given; other names are left to [`super::parameters_from`].
///
/// # Errors
/// Every fault, under the name of its parameter.
pub fn stage_from(given: &HashMap<String, String>) -> Result<Goal, Vec<Fault>> {
    let text = given.get("stage").map(|t| t.trim()).filter(|t| !t.is_empty());
    text.map_or(Ok(Goal::Lead), str::parse).map_err(|fault| vec![fault])
}

/// Computes the report. Call it inside one snapshot ([`crate::store::Db::read`]).
///
/// # Errors
/// Rows must be of the one dimension channel, network or campaign, as people name nothing else.
pub fn run(conn: &mut Conn, parameters: &Parameters, stage: Goal) -> Result<Document, ReportError> {
    let dimension = check(parameters)?;
    let as_of = ledger::as_of(conn, parameters.as_of)?;
    let parameters = &Parameters { as_of: Some(as_of), ..parameters.clone() };
    let facts = Facts::load(conn, &Moments::all(as_of))?;
    let mut places = Places::new(parameters, &facts.labels)?;
    let mut answers = Answers { facts: &facts, dimension, goal: stage, pairs: BTreeMap::new() };
    converting(conn, &facts, &mut places, parameters, &mut answers)?;
    Ok(Document {
        report: "self-reported",
        title: format!("What {stage}s said led them here"),
        parameters: parameters.clone(),
        more: vec![("stage", stage.to_string())],
        sheets: vec![answers.unanswered(), answers.beside(), answers.table()],
        notes: vec![
            "People misremember, and tracking does not see everything: neither column is the truth about the other."
                .to_owned(),
            format!(
                "Tracked is the row of the last touch. An answer names a row by its code, name or network, if it is \
                 the only one of that; any other answer is {}. Rates are of those who answered.",
                OTHERWISE.as_str()
            ),
        ],
    })
}

fn check(parameters: &Parameters) -> Result<Dimension, Fault> {
    let whole = parameters.clock == ReportClock::Period && parameters.filters.is_empty();
    match parameters.by.as_slice() {
        [only @ (Dimension::Channel | Dimension::Network | Dimension::Campaign)]
            if whole && parameters.compare.is_empty() =>
        {
            Ok(*only)
        }
        _ => Err(Fault::new(
            "by",
            "answers-not-whole",
            "people name a channel, a network or a campaign; ask for one of these in by, the period clock, no filters \
             and no comparison",
        )),
    }
}

/// Stage events by what was tracked and what was said.
struct Answers<'a> {
    facts: &'a Facts,
    dimension: Dimension,
    goal: Goal,
    pairs: BTreeMap<(Part, Part), i64>,
}

impl PathSink for Answers<'_> {
    fn take(
        &mut self,
        places: &Places<'_>,
        goal: Goal,
        event: Option<&StageEvent>,
        stops: &[Stop],
    ) -> Result<(), ReportError> {
        if let Some(event) = event.filter(|_| goal == self.goal) {
            let tracked = stops.last().and_then(|(_, place)| places.parts(*place).first());
            let tracked = tracked.cloned().unwrap_or(Part::Unattributed);
            *self.pairs.entry((tracked, part_of(self.facts, self.dimension, event))).or_default() += 1;
        }
        Ok(())
    }
}

impl Answers<'_> {
    /// How many have a pair of tracked and said for which something holds.
    fn count(&self, holds: impl Fn(&Part, &Part) -> bool) -> i64 {
        self.pairs.iter().filter(|((tracked, said), _)| holds(tracked, said)).map(|(_, count)| count).sum()
    }

    fn column(&self) -> SheetColumn {
        SheetColumn::new("tracked", format!("Tracked {}", self.dimension))
    }

    /// Who was not asked, or did not answer.
    fn unanswered(&self) -> Sheet {
        let row = |name: SheetCell, of: &dyn Fn(&Part) -> bool| {
            let all = self.count(|tracked, _| of(tracked));
            let silent = self.count(|tracked, said| of(tracked) && *said == NOT_ASKED);
            let mut cells = vec![name, SheetCell::Count(all), SheetCell::Count(all - silent), SheetCell::Count(silent)];
            cells.extend(rate(silent, all));
            cells
        };
        let tracked: BTreeSet<&Part> = self.pairs.keys().map(|(tracked, _)| tracked).collect();
        let mut columns = vec![
            self.column(),
            SheetColumn::new("events", format!("All {}s", self.goal)),
            SheetColumn::new("answered", "Answered"),
            SheetColumn::new("unanswered", "Not asked"),
        ];
        columns.extend(rate_columns("unanswered_share", "Share not asked"));
        Sheet {
            name: "unanswered",
            title: "Who answered".to_owned(),
            columns,
            rows: tracked.iter().map(|part| row(SheetCell::text(part.as_str()), &|tracked| tracked == *part)).collect(),
            totals: row(SheetCell::text("Total"), &|_| true),
        }
    }

    /// For each row the two by two: tracked there or not, said so or not.
    fn beside(&self) -> Sheet {
        let is_row = |part: &&Part| matches!(part, Part::Named(_));
        let named: BTreeSet<&Part> = self.pairs.keys().flat_map(|(a, b)| [a, b]).filter(is_row).collect();
        let row = |part: &&Part| {
            let answered = |tracked: bool, said_so: bool| {
                self.count(|t, said| *said != NOT_ASKED && (t == *part) == tracked && (said == *part) == said_so)
            };
            let (both, tracked, said, neither) =
                (answered(true, true), answered(true, false), answered(false, true), answered(false, false));
            let mut cells = vec![SheetCell::text(part.as_str())];
            cells.extend([both, tracked, said, neither].map(SheetCell::Count));
            cells.extend(rate(both, both + tracked));
            cells.extend(rate(both, both + said));
            cells
        };
        let mut columns = vec![
            SheetColumn::new("row", self.dimension.heading()),
            SheetColumn::new("both", "Tracked and said"),
            SheetColumn::new("tracked_only", "Tracked, said otherwise"),
            SheetColumn::new("said_only", "Said, tracked otherwise"),
            SheetColumn::new("neither", "Neither"),
        ];
        columns.extend(rate_columns("said_of_tracked", "Said, of tracked"));
        columns.extend(rate_columns("tracked_of_said", "Tracked, of said"));
        Sheet {
            name: "beside",
            title: "Tracked beside said, of those who answered".to_owned(),
            columns,
            rows: named.iter().map(row).collect(),
            // Each answer stands in the table of every row.
            totals: Vec::new(),
        }
    }

    /// Every pair that there is.
    fn table(&self) -> Sheet {
        let row = |((tracked, said), count): (&(Part, Part), &i64)| {
            let answered = self.count(|t, s| t == tracked && *s != NOT_ASKED);
            let mut cells =
                vec![SheetCell::text(tracked.as_str()), SheetCell::text(said.as_str()), SheetCell::Count(*count)];
            let is_answer = *said != NOT_ASKED;
            cells.extend(rate(if is_answer { *count } else { 0 }, if is_answer { answered } else { 0 }));
            cells
        };
        let mut totals = vec![SheetCell::text("Total"), SheetCell::Blank, SheetCell::Count(self.count(|_, _| true))];
        totals.extend(rate(0, 0));
        let mut columns = vec![
            self.column(),
            SheetColumn::new("said", format!("Said {}", self.dimension)),
            SheetColumn::new("events", format!("All {}s", self.goal)),
        ];
        columns.extend(rate_columns("share_of_answers", "Share of answers"));
        Sheet {
            name: "table",
            title: "Tracked by said".to_owned(),
            columns,
            rows: self.pairs.iter().map(row).collect(),
            totals,
        }
    }
}
