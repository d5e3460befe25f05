//! Evidence: any cell of *cost per lead* down to the facts that make it.
//!
//! Stage events with their touches, weights and exclusions, refunds with their sales, costs with the rule that
//! allocates them, touches by day; of an aggregate model the table that it is computed from. It reads the same streams as the report (`credits`, `costs`)
//! by the same rule of what counts in which row, and answers nothing if its sums are not the report's cell.

mod asked;
mod chain;
mod coalitions;
mod computed;
mod gather;
mod sheets;
mod spending;

pub use asked::{Asked, Figure, LIMIT_MAX, asked_from, written};

use self::asked::{Base, MORE, Role, joined};
use self::gather::{Cell, Found, Position, credits};
use self::sheets::columns;
use super::ReportError;
use super::catalogue::Kind;
use super::cost_per_lead::aggregate::Played;
use super::cost_per_lead::{Figures, Unit, fill};
use super::credits::Measure;
use super::dimension::RowKey;
use super::facts::Facts;
use super::parameters::Parameters;
use super::places::Places;
use super::sheet::{Document, Sheet, SheetCell};
use crate::domain::attribution::{Choice, Method};
use crate::domain::fault::{Fault, shown};
use crate::store::{Conn, Moments, ledger};

/// The report of one cell's evidence.
pub(super) static KIND: Kind = Kind {
    name: "evidence",
    title: "Evidence",
    about: "one cell of cost per lead down to its stage events, touches, exclusions and costs, adding to exactly it",
    more: MORE,
    run: |conn, parameters, given| run(conn, parameters, &asked_from(given)?),
};

/// Opens one cell: of the first model, without the periods that the report is compared with. Call it inside one
/// snapshot ([`crate::store::Db::read`]).
///
/// # Errors
/// A fault of `model`, `row` or `after`; [`ReportError::DoesNotAddUp`] where the evidence is not the cell.
pub fn run(conn: &mut Conn, parameters: &Parameters, asked: &Asked) -> Result<Document, ReportError> {
    let as_of = ledger::as_of(conn, parameters.as_of)?;
    let choice = parameters.models.first().cloned().unwrap_or_default();
    refuse_without_evidence(&choice, &asked.figure)?;
    let parameters =
        Parameters { models: vec![choice.clone()], compare: Vec::new(), as_of: Some(as_of), ..parameters.clone() };
    let facts = Facts::load(conn, &Moments::all(as_of))?;
    let filled = fill(conn, &facts, &parameters)?;
    let (row, figures) = if asked.row.is_empty() {
        (None, filled.totals.first())
    } else {
        let is_asked = |key: &RowKey| key.parts().iter().map(|p| p.as_str()).eq(asked.row.iter().map(String::as_str));
        let found = filled.rows.iter().find(|(key, _)| is_asked(key));
        let (key, row) = found.ok_or_else(|| row_unknown(&parameters, asked))?;
        (Some(key), row.first())
    };
    let figures = figures.cloned().unwrap_or_default();
    let mut cell = Cell::new(&facts, &parameters, row);
    let found = gather(conn, &mut cell, asked, &filled.played)?;
    check(asked, &found, &figures)?;
    Ok(document(&facts, &parameters, asked, &found, &figures))
}

/// Whether a model's figure opens. An aggregate model divides leads and customers alone, and opens to what it computes
/// them from; answers of people are listed by their own report.
pub fn opens(choice: &Choice, figure: &Figure) -> bool {
    let is_own = |measure: &Measure| matches!(measure, Measure::Leads | Measure::Customers);
    let is_limit = matches!(figure.column.unit, Unit::Estimate | Unit::MinorEstimate);
    match choice.model().method {
        Method::Parts(_) | Method::Participation => true,
        Method::Paths(_) => figure.measures().iter().all(is_own) && !is_limit,
        Method::SelfReported => figure.measures().is_empty(),
    }
}

fn refuse_without_evidence(choice: &Choice, figure: &Figure) -> Result<(), Fault> {
    if opens(choice, figure) {
        return Ok(());
    }
    let column = figure.column.name;
    let detail = match choice.model().method {
        Method::Paths(_) => format!(
            "{choice} divides leads and customers alone, so it has no {column}; ask for leads_micro, customers_micro or \
             their cost, or for a model of single touches"
        ),
        _ => format!("{choice} divides no single stage event among its touches; ask for a model that does"),
    };
    Err(Fault::new("model", "model-without-evidence", detail))
}

fn row_unknown(parameters: &Parameters, asked: &Asked) -> Fault {
    let by: Vec<&str> = parameters.by.iter().map(|d| d.as_str()).collect();
    let row = shown(&joined(asked.row.iter().map(String::as_str)));
    let detail = format!(
        "the report by {} has no row {row}; use the values of its keys, one for each of its dimensions",
        by.join(",")
    );
    Fault::new("row", "row-unknown", detail)
}

fn gather(conn: &mut Conn, cell: &mut Cell<'_>, asked: &Asked, played: &Played) -> Result<Found, ReportError> {
    let figure = &asked.figure;
    let mut places = Places::new(cell.parameters, &cell.facts.labels)?;
    let mut found = Found::default();
    if figure.has(Base::Cost) {
        found.costs = cell.costs(conn, &mut places)?;
        let parts = || found.costs.iter().flat_map(|(_, lines)| lines).map(|l| l.part.minor);
        found.sums.insert(Base::Cost, (parts().sum(), found.costs.len()));
    }
    for base in [Base::Clicks, Base::OtherTouches].into_iter().filter(|b| figure.has(*b)) {
        let counts = cell.counts(conn, &mut places, base == Base::Clicks)?;
        found.sums.insert(base, (counts.iter().map(|c| c.count).sum(), counts.len()));
        found.counts.extend(counts);
    }
    if played.games.is_empty() {
        list(conn, cell, &mut places, asked, &mut found)?;
    } else if cell.row.is_some_and(computed::is_without_path) {
        // Without a touch there is nothing to divide, so these are what every model has.
        let plain = Parameters { models: vec![Choice::default()], ..cell.parameters.clone() };
        list(conn, &mut Cell::new(cell.facts, &plain, cell.row), &mut places, asked, &mut found)?;
    } else {
        if asked.after.is_some() && !figure.measures().is_empty() {
            let detail =
                "this figure is computed from one table and has no stage events to go on from; leave out after";
            return Err(Fault::new("after", "after-without-pages", detail).into());
        }
        for measure in figure.measures() {
            let computed = computed::open(played, measure, cell.row, asked.limit)?;
            found.sums.insert(Base::Credit(measure), computed.sum);
            found.computed.extend(computed.sheets);
            found.notes.extend(computed.notes);
        }
    }
    Ok(found)
}

/// Lists the stage events of the cell.
fn list(
    conn: &mut Conn,
    cell: &mut Cell<'_>,
    places: &mut Places<'_>,
    asked: &Asked,
    found: &mut Found,
) -> Result<(), ReportError> {
    let after = position(cell.facts, asked)?;
    let gathered = credits(conn, cell, places, asked.figure.measures(), (after, asked.limit))?;
    found.sums.extend(gathered.sums.into_iter().map(|(measure, sum)| (Base::Credit(measure), sum)));
    let last = gathered.page.last_key_value().map(|((_, id), _)| *id);
    found.next = last.filter(|_| gathered.has_more);
    found.page = gathered.page.into_values().flatten().collect();
    Ok(())
}

fn position(facts: &Facts, asked: &Asked) -> Result<Option<Position>, Fault> {
    let Some(after) = asked.after else { return Ok(None) };
    let known = facts.events.iter().find(|e| e.id == after).map(|e| (e.occurred_at, e.id));
    known.map(Some).ok_or_else(|| {
        let detail = format!("the report sees no stage event {after}; use the last one of the answer before");
        Fault::new("after", "stage-event-unknown", detail)
    })
}

fn of_report(figures: &Figures, base: Base) -> i64 {
    match base {
        Base::Clicks => figures.clicks,
        Base::OtherTouches => figures.other_touches,
        Base::Cost => figures.cost_minor,
        Base::Credit(measure) => figures.get(measure),
    }
}

/// Better no evidence than that of another number.
fn check(asked: &Asked, found: &Found, figures: &Figures) -> Result<(), ReportError> {
    for (_, base) in &asked.figure.bases {
        let (sum, _) = found.sums.get(base).copied().unwrap_or_default();
        let cell = of_report(figures, *base);
        if sum != cell {
            let row = joined(asked.row.iter().map(String::as_str));
            let what = format!("evidence of {} of `{row}` is {sum}, the report says {cell}", base.name());
            return Err(ReportError::DoesNotAddUp(what));
        }
    }
    Ok(())
}

fn document(facts: &Facts, parameters: &Parameters, asked: &Asked, found: &Found, figures: &Figures) -> Document {
    let choice = parameters.models.first().cloned().unwrap_or_default();
    let figure = &asked.figure;
    let mut all = vec![summary(asked, found, figures)];
    all.extend(found.computed.iter().cloned());
    if !figure.measures().is_empty() && found.computed.is_empty() {
        all.push(sheets::stage_events(facts, &choice, &found.page));
        all.push(sheets::touches(facts, &found.page));
        all.push(sheets::excluded(facts, parameters, &found.page));
    }
    if figure.measures().contains(&Measure::Refunds) {
        all.push(sheets::refunds(facts, &found.page));
    }
    if figure.has(Base::Cost) {
        all.push(spending::costs(facts, &found.costs));
        all.push(spending::cost_days(facts, &found.costs, asked.limit));
    }
    if figure.has(Base::Clicks) || figure.has(Base::OtherTouches) {
        all.push(spending::touch_counts(facts, parameters, &found.counts, asked.limit));
    }
    let row = joined(asked.row.iter().map(String::as_str));
    let name = if row.is_empty() { "all rows".to_owned() } else { asked.row.join(" · ") };
    let mut more = vec![("row", row), ("figure", figure.column.name.to_owned()), ("limit", asked.limit.to_string())];
    more.extend(asked.after.map(|after| ("after", after.to_string())));
    Document {
        report: KIND.name,
        title: format!("Evidence: {} of {name}, {}", figure.column.heading, choice.model().label),
        parameters: parameters.clone(),
        more,
        sheets: all,
        notes: notes(asked, found),
    }
}

/// The cell: its sums, and the figure that they make.
fn summary(asked: &Asked, found: &Found, figures: &Figures) -> Sheet {
    let columns = columns(&[
        ("figure", "Figure"),
        ("role", "Role"),
        ("by_evidence", "By the evidence"),
        ("by_report", "By the report"),
        ("items", "Made of"),
    ]);
    let mut rows = Vec::new();
    for (role, base) in &asked.figure.bases {
        let (sum, items) = found.sums.get(base).copied().unwrap_or_default();
        let in_unit = |value: i64| match base {
            Base::Clicks | Base::OtherTouches => SheetCell::Count(value),
            Base::Cost => SheetCell::Minor(value),
            Base::Credit(measure) => sheets::amount(*measure, value),
        };
        rows.push(vec![
            SheetCell::text(base.name()),
            SheetCell::text(role.as_str()),
            in_unit(sum),
            in_unit(of_report(figures, *base)),
            SheetCell::Count(i64::try_from(items).unwrap_or(i64::MAX)),
        ]);
    }
    let column = asked.figure.column;
    if asked.figure.bases.iter().all(|(_, base)| base.name() != column.name) {
        let value = printed(asked, figures);
        // It is computed from the sums above, which are equal, by one function.
        let made = SheetCell::text("made of the sums above");
        rows.push(vec![SheetCell::text(column.name), made, value.clone(), value, SheetCell::Blank]);
    }
    Sheet { name: "summary", title: "The cell".into(), totals: Vec::new(), columns, rows }
}

/// The value of a column that is made of sums.
fn printed(asked: &Asked, figures: &Figures) -> SheetCell {
    let column = asked.figure.column;
    let text = (column.value)(figures);
    let whole = |cell: fn(i64) -> SheetCell| text.as_ref().and_then(|t| t.parse().ok()).map_or(SheetCell::Blank, cell);
    match column.unit {
        Unit::Count => whole(SheetCell::Count),
        Unit::Micro => whole(SheetCell::Micro),
        Unit::Minor => whole(SheetCell::Minor),
        Unit::MinorRatio => SheetCell::MinorRatio(text),
        Unit::Ratio => SheetCell::Ratio(text),
        Unit::Estimate | Unit::MinorEstimate => text.map_or(SheetCell::Blank, SheetCell::Text),
    }
}

fn notes(asked: &Asked, found: &Found) -> Vec<String> {
    let mut notes =
        vec!["The sums of the evidence are those of the report's cell; otherwise there is no answer.".into()];
    if asked.figure.bases.iter().any(|(role, _)| *role != Role::Itself) {
        notes.push("A figure made of several sums has the evidence of each; column figure says which.".into());
    }
    notes.extend(found.notes.iter().cloned());
    if let Some(next) = found.next {
        notes.push(format!(
            "This answer lists {} stage events of more; the summary covers all. The next ones: after={next}.",
            asked.limit
        ));
    }
    let days: usize = found.costs.iter().map(|(_, lines)| lines.len()).sum();
    for (what, count) in [("days of costs", days), ("counts of touches", found.counts.len())] {
        if count > asked.limit {
            let limit = asked.limit;
            notes.push(format!("Of {count} {what} the first {limit} are listed; the totals are of all."));
        }
    }
    notes
}
