//! Restatement: why a report says something else than it did, cause by cause.
//!
//! The report is computed as of the earlier moment, then again and again with one more kind of fact seen up to the
//! later moment, in the order of [`CAUSES`]. Each cause takes the difference that its step makes (design section 6),
//! so that the causes of a figure add to exactly its difference.

use std::collections::{BTreeSet, HashMap};
use std::rc::Rc;

use super::ReportError;
use super::catalogue::{Kind, More};
use super::cost_per_lead::{COLUMNS, Figures, Filled, fill};
use super::credits::Measure;
use super::dimension::RowKey;
use super::facts::Facts;
use super::parameters::{Parameters, as_of};
use super::sheet::{Document, Sheet, SheetCell, SheetColumn};
use crate::domain::attribution::{Choice, Method};
use crate::domain::fault::Fault;
use crate::domain::time::UtcMillis;
use crate::store::{Conn, Moments, ledger};

/// The report of what changed.
pub(super) static KIND: Kind = Kind {
    name: "restatement",
    title: "Restatement",
    about: "what cost per lead says otherwise than it did: every difference between two as_of moments with its cause",
    more: &[
        More {
            name: "from_as_of",
            meaning: "the earlier moment: milliseconds, as a report prints it, or RFC 3339; the end of the period if \
                      not given",
        },
        More { name: "to_as_of", meaning: "the later moment; as_of, else the newest facts, if not given" },
    ],
    run: |conn, parameters, more| run(conn, parameters, &asked_from(more)?),
};

/// Why a figure changed.
#[expect(missing_debug_implementations, reason = "a function pointer prints as an address")]
pub struct Cause {
    /// The name on the wire.
    pub name: &'static str,
    /// The heading people read.
    pub heading: &'static str,
    /// Sees the facts of this cause up to a moment.
    see: fn(&mut Moments, UtcMillis),
    /// Whether these facts are stage events and nothing else.
    are_events: bool,
}

/// Every cause, in the order in which they are replayed.
pub static CAUSES: &[Cause] = &[
    cause("void", "Void", |m, to| m.voids = to),
    cause("cost_correction", "Cost correction", |m, to| m.costs = to),
    cause("rate", "Rate", |m, to| m.rates = to),
    cause("relabel", "Relabel", |m, to| m.labels = to),
    cause("reclassification", "Reclassification", |m, to| m.classes = to),
    cause("merge", "Merge", |m, to| m.identity = to),
    of_events("rejection", "Rejection", |m, to| m.rejections = to),
    of_events("refund", "Refund", |m, to| m.refunds = to),
    cause("late_touch", "Late touch", |m, to| m.touches = to),
    of_events("late_conversion", "Late conversion", |m, to| m.events = to),
];

const fn cause(name: &'static str, heading: &'static str, see: fn(&mut Moments, UtcMillis)) -> Cause {
    Cause { name, heading, see, are_events: false }
}

const fn of_events(name: &'static str, heading: &'static str, see: fn(&mut Moments, UtcMillis)) -> Cause {
    Cause { name, heading, see, are_events: true }
}

/// Which two moments.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Asked {
    /// The earlier one; the end of the period if not given.
    pub from_as_of: Option<UtcMillis>,
    /// The later one; `as_of`, else the horizon, if not given.
    pub to_as_of: Option<UtcMillis>,
}

/// Reads what is given.
///
/// # Errors
/// A fault under the name of its parameter.
pub fn asked_from(given: &HashMap<String, String>) -> Result<Asked, Fault> {
    let read = |name: &str| {
        let text = given.get(name).map(|t| t.trim()).filter(|t| !t.is_empty());
        text.map(as_of).transpose().map_err(|f| f.named(name))
    };
    Ok(Asked { from_as_of: read("from_as_of")?, to_as_of: read("to_as_of")? })
}

/// A sum that may change; ratios follow from them.
#[derive(Debug, Clone, Copy)]
enum Sum {
    Clicks,
    OtherTouches,
    Cost,
    Credit(Measure),
}

/// The sums that every model has in common.
const COMMON: [Sum; 3] = [Sum::Clicks, Sum::OtherTouches, Sum::Cost];

impl Sum {
    fn name(self) -> &'static str {
        match self {
            Self::Clicks => "clicks",
            Self::OtherTouches => "other_touches",
            Self::Cost => "cost_minor",
            Self::Credit(measure) => measure.as_str(),
        }
    }

    fn of(self, figures: Option<&Figures>) -> i64 {
        figures.map_or(0, |f| match self {
            Self::Clicks => f.clicks,
            Self::OtherTouches => f.other_touches,
            Self::Cost => f.cost_minor,
            Self::Credit(measure) => f.get(measure),
        })
    }

    fn cell(self, value: i64) -> SheetCell {
        match self {
            Self::Clicks | Self::OtherTouches => SheetCell::Count(value),
            Self::Cost | Self::Credit(Measure::GrossRevenue | Measure::Refunds) => SheetCell::Minor(value),
            Self::Credit(_) => SheetCell::Micro(value),
        }
    }
}

/// Computes the restatement of *cost per lead*. Call it inside one snapshot ([`crate::store::Db::read`]).
///
/// # Errors
/// A fault of `from_as_of` or `model`; [`ReportError::DoesNotAddUp`] where the causes are not the difference.
pub fn run(conn: &mut Conn, parameters: &Parameters, asked: &Asked) -> Result<Document, ReportError> {
    let horizon = ledger::horizon(conn)?;
    let to = asked.to_as_of.or(parameters.as_of).map_or(horizon, |to| to.min(horizon));
    let from = asked.from_as_of.map_or(parameters.end().min(to), |from| from.min(horizon));
    refuse(&parameters.models, from, to)?;
    let parameters = Parameters { compare: Vec::new(), as_of: Some(to), ..parameters.clone() };
    let mut moments = Moments::all(from);
    let mut facts = Facts::load(conn, &moments)?;
    let mut steps = vec![Rc::new(fill(conn, &facts, &parameters)?)];
    // The earlier report had a rate for all that it counted; what is told later may have come with its rate.
    moments.first_rates = to;
    for cause in CAUSES.iter().filter(|_| from < to) {
        (cause.see)(&mut moments, to);
        let seen = std::mem::replace(&mut facts, Facts::load(conn, &moments)?);
        // Where the same stage events are seen, so are their joins, and the report is the same.
        let same = steps.last().filter(|_| cause.are_events && seen.events == facts.events).map(Rc::clone);
        steps.push(match same {
            Some(step) => step,
            None => Rc::new(fill(conn, &facts, &parameters)?),
        });
    }
    // A report is a function of its moments, so the last step is the later report if its moments are.
    if moments != Moments::all(to) {
        return Err(ReportError::DoesNotAddUp("some kind of fact has no cause".into()));
    }
    document(&parameters, (from, to), &steps)
}

fn refuse(models: &[Choice], from: UtcMillis, to: UtcMillis) -> Result<(), Fault> {
    if from > to {
        let detail = format!("{from} is after {to}; give the earlier moment as from_as_of, the later one as to_as_of");
        return Err(Fault::new("from_as_of", "as-of-order", detail));
    }
    let adds_up_by_touch = |c: &&Choice| !matches!(c.model().method, Method::Parts(_) | Method::Participation);
    let Some(choice) = models.iter().find(adds_up_by_touch) else { return Ok(()) };
    let detail = format!("{choice} has no sums of stage events that causes could add to; leave it out");
    Err(Fault::new("model", "model-without-restatement", detail))
}

fn document(
    parameters: &Parameters,
    (from, to): (UtcMillis, UtcMillis),
    steps: &[Rc<Filled>],
) -> Result<Document, ReportError> {
    let keys: BTreeSet<&RowKey> = steps.iter().flat_map(|step| step.rows.keys()).collect();
    let mut rows = Vec::new();
    for key in keys {
        let parts: Vec<SheetCell> = key.parts().iter().map(|p| SheetCell::text(p.as_str())).collect();
        let of_step: Vec<Option<&[Figures]>> = steps.iter().map(|s| s.rows.get(key).map(Vec::as_slice)).collect();
        rows.extend(moved(&parameters.models, &parts, &of_step)?);
    }
    let of_step: Vec<Option<&[Figures]>> = steps.iter().map(|s| Some(s.totals.as_slice())).collect();
    let totals = moved(&parameters.models, &[], &of_step)?;
    let dimensions = parameters.by.iter().map(|d| SheetColumn::new(d.as_str(), d.heading()));
    let sheet = |name: &'static str, title: &str, columns: Vec<SheetColumn>, rows: Vec<Vec<SheetCell>>| Sheet {
        name,
        title: title.into(),
        columns,
        rows,
        totals: Vec::new(),
    };
    let idle = idle(rows.iter().chain(&totals));
    Ok(Document {
        report: KIND.name,
        title: "Restatement of cost per lead".into(),
        parameters: parameters.clone(),
        more: vec![("from_as_of", from.0.to_string()), ("to_as_of", to.0.to_string())],
        sheets: vec![
            sheet("rows", "Rows", dimensions.chain(columns(&idle)).collect(), rows),
            sheet("totals", "All rows together", columns(&idle), totals),
        ],
        notes: notes((from, to)),
    })
}

/// The causes that moved nothing, which a page and a terminal leave out.
fn idle<'r>(rows: impl Iterator<Item = &'r Vec<SheetCell>>) -> Vec<&'static str> {
    let mut idle: Vec<&'static str> = CAUSES.iter().map(|c| c.name).collect();
    let is_zero = |cell: &SheetCell| matches!(cell, SheetCell::Count(0) | SheetCell::Micro(0) | SheetCell::Minor(0));
    for row in rows {
        // The causes stand last.
        let own = row.iter().rev().zip(CAUSES.iter().rev());
        let moving: Vec<&str> = own.filter(|(cell, _)| !is_zero(cell)).map(|(_, cause)| cause.name).collect();
        idle.retain(|name| !moving.contains(name));
    }
    idle
}

fn columns(idle: &[&str]) -> Vec<SheetColumn> {
    let mut columns = vec![
        SheetColumn::new("model", "Model"),
        SheetColumn::hidden("figure", "Column"),
        SheetColumn::new("heading", "Figure"),
        SheetColumn::new("before", "Before"),
        SheetColumn::new("after", "After"),
        SheetColumn::new("difference", "Difference"),
    ];
    columns.extend(CAUSES.iter().map(|cause| SheetColumn {
        is_shown: !idle.contains(&cause.name),
        ..SheetColumn::new(cause.name, cause.heading)
    }));
    columns
}

/// The sums of a row that some cause moved, each with its causes.
fn moved(
    models: &[Choice],
    parts: &[SheetCell],
    steps: &[Option<&[Figures]>],
) -> Result<Vec<Vec<SheetCell>>, ReportError> {
    let common = COMMON.iter().map(|sum| (0, SheetCell::Blank, *sum));
    let of_models = models.iter().enumerate().flat_map(|(n, choice)| {
        Measure::ALL.iter().map(move |m| (n, SheetCell::text(choice.to_string()), Sum::Credit(*m)))
    });
    let mut rows = Vec::new();
    for (n, model, sum) in common.chain(of_models) {
        let values: Vec<i64> = steps.iter().map(|step| sum.of(step.and_then(|figures| figures.get(n)))).collect();
        let causes: Vec<i64> = values.iter().zip(values.iter().skip(1)).map(|(before, after)| after - before).collect();
        if causes.iter().all(|difference| *difference == 0) {
            continue;
        }
        let (before, after) = (values.first().copied().unwrap_or(0), values.last().copied().unwrap_or(0));
        if causes.len() != CAUSES.len() || causes.iter().sum::<i64>() != after - before {
            return Err(ReportError::DoesNotAddUp(format!("the causes of {} are not {after} - {before}", sum.name())));
        }
        let heading = COLUMNS.iter().find(|c| c.name == sum.name()).map_or("", |c| c.heading);
        let mut row = parts.to_vec();
        row.extend([model, SheetCell::text(sum.name()), SheetCell::text(heading)]);
        row.extend([before, after, after - before].map(|value| sum.cell(value)));
        row.extend(causes.into_iter().map(|value| sum.cell(value)));
        rows.push(row);
    }
    Ok(rows)
}

fn notes((from, to): (UtcMillis, UtcMillis)) -> Vec<String> {
    let order: Vec<&str> = CAUSES.iter().map(|c| c.heading).collect();
    vec![
        format!("Before is the report as of {from}, after as of {to}; a sum that nothing moved is not listed."),
        format!(
            "Changes are replayed in this order, and each cause takes the difference that it makes when its turn \
             comes: {}. The causes of a sum add to exactly its difference; where they cancel out it is listed, too.",
            order.join(", ")
        ),
        "A cause that moved nothing has a column in JSON and CSV alone.".into(),
        "Ratios follow from the sums. What a period is compared with has a restatement of its own.".into(),
    ]
}
