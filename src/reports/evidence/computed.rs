//! The cell of an aggregate model: how its share follows from the table that the model is computed from.
//!
//! The counts are whole and complete, so a reader can compute everything else again. Before it is shown, the row's
//! effect by the table is held against the one that the report's share is made of.

#![expect(
    clippy::float_arithmetic,
    reason = "sums of estimates, rounded where they are printed; never money or credit"
)]

use super::super::ReportError;
use super::super::cost_per_lead::aggregate::{Game, Played, micro, row_of};
use super::super::credits::Measure;
use super::super::dimension::{Part, RowKey};
use super::super::paths::Goal;
use super::super::sheet::{Sheet, SheetCell};
use super::sheets::{columns_but, sums, yes_no};
use super::{chain, coalitions};
use crate::domain::attribution::path_table::PathTable;
use crate::domain::attribution::{ONE_MICRO, PathShare};

/// Effects that differ by more are not the same.
const TOLERANCE: f64 = 1e-9;

/// A cell of an aggregate model, opened.
#[derive(Debug, Default)]
pub(super) struct Computed {
    /// The cell in micro-units, and how many stage events with a path the model shares out.
    pub(super) sum: (i64, usize),
    pub(super) sheets: Vec<Sheet>,
    pub(super) notes: Vec<String>,
}

/// A game, and the row that is opened.
#[derive(Debug, Clone, Copy)]
pub(super) struct Opened<'a> {
    pub(super) game: &'a Game,
    pub(super) rows: &'a [RowKey],
    /// The row's token; `None` of the totals, and of a row that no path touched.
    pub(super) token: Option<u32>,
    /// Most lines of a sheet.
    pub(super) limit: usize,
}

/// Whether a row is of stage events without a path, which a model shares with nobody.
pub(super) fn is_without_path(row: &RowKey) -> bool {
    row.parts() == [Part::Unattributed]
}

/// Opens the cell of a row, or that of the totals.
pub(super) fn open(
    played: &Played,
    measure: Measure,
    row: Option<&RowKey>,
    limit: usize,
) -> Result<Computed, ReportError> {
    let Some(game) = played.games.iter().find(|g| g.goal.measure() == measure) else { return Ok(Computed::default()) };
    let token = row.and_then(|row| played.rows.iter().position(|own| own == row)).and_then(|n| u32::try_from(n).ok());
    let opened = Opened { game, rows: &played.rows, token, limit };
    let (sheets, effect, mut notes) = match game.game.table(token) {
        PathTable::Chain(table) => chain::open(&opened, &table),
        PathTable::Game(table) => coalitions::open(&opened, &table),
    };
    let told = opened.share().map_or(0.0, |share| share.effect);
    if (effect - told).abs() > TOLERANCE {
        let what = format!("the effect by the table is {effect:.12}, the report's {told:.12}");
        return Err(ReportError::DoesNotAddUp(what));
    }
    notes.extend(opened.notes(row.is_none()));
    let conversions = usize::try_from(game.counts.conversions).unwrap_or(usize::MAX);
    Ok(Computed { sum: (opened.sum(row.is_none()), conversions), sheets, notes })
}

impl Opened<'_> {
    /// The row's share; `None` of the totals, of a row that no path touched, and where nothing converted.
    pub(super) fn share(&self) -> Option<&PathShare> {
        let token = self.token?;
        self.game.found.as_ref()?.shares.iter().find(|s| s.token == token)
    }

    pub(super) fn shares(&self) -> &[PathShare] {
        self.game.found.as_ref().map_or(&[], |found| &found.shares)
    }

    fn sum(&self, is_totals: bool) -> i64 {
        if is_totals {
            return i64::try_from(self.game.counts.conversions + self.game.without).map_or(i64::MAX, |n| n * ONE_MICRO);
        }
        self.share().map_or(0, |share| micro(self.game.credit(share)))
    }

    /// The name of a row.
    pub(super) fn name(&self, token: u32) -> String {
        row_of(self.rows, token).map_or_else(String::new, ToString::to_string)
    }

    /// The order of the rows in every sheet: that of the report, by token.
    pub(super) fn ranks(&self) -> Vec<usize> {
        let mut tokens: Vec<usize> = (0..self.rows.len()).collect();
        tokens.sort_by_key(|token| self.rows.get(*token));
        let mut ranks = vec![0; tokens.len()];
        for (rank, token) in tokens.into_iter().enumerate() {
            if let Some(slot) = ranks.get_mut(token) {
                *slot = rank;
            }
        }
        ranks
    }

    fn notes(&self, is_totals: bool) -> Vec<String> {
        let goal = self.game.goal;
        let mut notes = vec![format!(
            "The model shares out the {} {goal}s with a path at once, so no single touch has a weight: the sheets are \
             all that it is computed from. Counts are complete, and a reader can compute the rest again; probabilities \
             have 9 decimals, those of a page 6.",
            self.game.counts.conversions
        )];
        if self.game.without > 0 {
            notes.push(format!(
                "{} {goal}s have no path and are in (unattributed), which no model shares out.",
                self.game.without
            ));
        }
        if !is_totals && self.token.is_none() {
            notes.push("No path touched this row, so it has no share.".to_owned());
        }
        notes
    }

    /// The first sheet: how the cell follows, step by step. `rate` is what all paths have, `own` are the steps of the
    /// model.
    pub(super) fn steps(&self, rate: &str, own: Vec<Step>) -> Sheet {
        let (counts, goals) = (self.game.counts, self.goals());
        let with_path = format!("{goals} with a path");
        let mut steps = vec![
            Step("conversions", with_path.clone(), count(counts.conversions), "counted in the period".into()),
            Step("null_paths", "Paths that led to none".into(), count(counts.nulls), "counted".into()),
        ];
        let all = format!("{with_path} / all paths");
        steps.push(Step("conversion_rate", rate.into(), SheetCell::Estimate(counts.conversion_rate), all));
        steps.extend(own);
        if let Some(share) = self.share() {
            let effects = SheetCell::Estimate(self.shares().iter().map(|s| s.effect).sum());
            let of_share = "what the row has / what all rows have";
            let credit = SheetCell::Estimate(self.game.credit(share));
            steps.extend([
                Step("effects", "The same of all rows".into(), effects, "the sum of the next table".into()),
                Step("share", "Share of the row".into(), SheetCell::Estimate(share.share), of_share.into()),
                Step("credit", format!("{goals} of the row"), credit, format!("share × {with_path}")),
            ]);
        } else if self.token.is_none() {
            let words = format!("{goals} without a path");
            steps.push(Step(
                "without_path",
                words,
                count(self.game.without),
                "counted; they are (unattributed)".into(),
            ));
        }
        let list = [("name", "Name"), ("step", "Step"), ("value", "Value"), ("how", "Computed from")];
        let columns = columns_but(&list, &["name"]);
        let row = |Step(name, step, value, how)| {
            vec![SheetCell::text(name), SheetCell::text(step), value, SheetCell::text(how)]
        };
        let rows = steps.into_iter().map(row).collect();
        Sheet { name: "steps", title: "Step by step".into(), totals: Vec::new(), columns, rows }
    }

    /// What the model shares out, as a heading.
    fn goals(&self) -> &'static str {
        match self.game.goal {
            Goal::Lead => "Leads",
            Goal::Customer => "Customers",
        }
    }

    /// Every row's effect, share and credit.
    pub(super) fn effects(&self, title: &str, heading: &str) -> Sheet {
        let list = [
            ("row", "Row"),
            ("effect", heading),
            ("share", "Share"),
            ("credit", self.goals()),
            ("in_cell", "This cell"),
        ];
        let columns = columns_but(&list, if self.token.is_some() { &[] } else { &["in_cell"] });
        let ranks = self.ranks();
        let rank = |s: &&PathShare| usize::try_from(s.token).ok().and_then(|token| ranks.get(token)).copied();
        let mut shares: Vec<&PathShare> = self.shares().iter().collect();
        shares.sort_by_key(rank);
        let row = |s: &&PathShare| {
            vec![
                SheetCell::text(self.name(s.token)),
                SheetCell::Estimate(s.effect),
                SheetCell::Estimate(s.share),
                SheetCell::Estimate(self.game.credit(s)),
                yes_no(self.token == Some(s.token)),
            ]
        };
        let rows = shares.iter().map(row).collect();
        let all = |of: fn(&PathShare) -> f64| SheetCell::Estimate(shares.iter().map(|s| of(s)).sum());
        let credit = SheetCell::Estimate(shares.iter().map(|s| self.game.credit(s)).sum());
        let totals =
            sums(&columns, vec![("effect", all(|s| s.effect)), ("share", all(|s| s.share)), ("credit", credit)]);
        Sheet { name: "effects", title: title.into(), columns, rows, totals }
    }

    /// What is left out of a sheet, if anything is.
    pub(super) fn cut(&self, what: &str, count: usize) -> Option<String> {
        let limit = self.limit;
        (count > limit).then(|| format!("Of {count} {what} the first {limit} are listed; sums are of all."))
    }
}

pub(super) fn count(n: u64) -> SheetCell {
    SheetCell::Count(i64::try_from(n).unwrap_or(i64::MAX))
}

/// A step: its name on the wire, what it is, its value, what it is computed from.
pub(super) struct Step(pub(super) &'static str, pub(super) String, pub(super) SheetCell, pub(super) String);
