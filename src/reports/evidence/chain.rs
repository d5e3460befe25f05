//! The sheets of a Markov chain: its states and every transition.

#![expect(clippy::float_arithmetic, reason = "probabilities, rounded where they are printed; never money or credit")]

use super::super::sheet::{Sheet, SheetCell};
use super::computed::{Opened, Step, count};
use super::sheets::{columns, columns_but, sums, yes_no};
use crate::domain::attribution::path_table::{ChainState, ChainTable, Outlook, Transition};

/// The sheets of a chain, the row's removal effect by them, and what is left out.
pub(super) fn open(opened: &Opened<'_>, table: &ChainTable) -> (Vec<Sheet>, f64, Vec<String>) {
    let start = table.outlooks.iter().find(|o| o.state == ChainState::Start);
    let (whole, without) = start.map_or((0.0, 0.0), |o| (o.conversion, o.conversion_without));
    let effect = if whole > 0.0 { 1.0 - without / whole } else { 0.0 };
    let sheets = vec![
        opened.steps("P, the probability that a path converts", steps(opened, without, effect)),
        opened.effects("Removal effects of all rows", "Removal effect"),
        states(opened, table),
        transitions(opened, table),
    ];
    let cut = opened.cut("transitions", table.transitions.len());
    (sheets, effect, how(opened).into_iter().chain(cut).collect())
}

fn steps(opened: &Opened<'_>, without: f64, effect: f64) -> Vec<Step> {
    let Some(token) = opened.token else { return Vec::new() };
    let words = format!("P without {}", opened.name(token));
    let line = "the states: line (start)";
    vec![
        Step("conversion_rate_without", words, SheetCell::Estimate(without), line.into()),
        Step(
            "effect",
            "Removal effect".into(),
            SheetCell::Estimate(effect),
            format!("1 − P without {} / P", opened.name(token)),
        ),
    ]
}

fn how(opened: &Opened<'_>) -> Vec<String> {
    let mut notes = vec![
        "A state's probability to convert is the sum over its transitions of their probability times that of the state \
         they lead to; (conversion) has 1 and (no conversion) 0."
            .to_owned(),
    ];
    notes.extend(opened.token.map(|token| {
        format!("Without {} its states have 0: what would enter them does not convert.", opened.name(token))
    }));
    notes
}

/// Names and order of states.
struct Names<'o> {
    opened: &'o Opened<'o>,
    ranks: Vec<usize>,
}

impl Names<'_> {
    fn of(&self, state: ChainState) -> String {
        match state {
            ChainState::Start => "(start)".into(),
            ChainState::Touched { before: None, last } => self.opened.name(last),
            ChainState::Touched { before: Some(before), last } => {
                format!("{} > {}", self.opened.name(before), self.opened.name(last))
            }
            ChainState::Conversion => "(conversion)".into(),
            ChainState::Null => "(no conversion)".into(),
        }
    }

    fn order(&self, state: ChainState) -> (u8, Option<usize>, Option<usize>) {
        let rank = |token: u32| usize::try_from(token).ok().and_then(|n| self.ranks.get(n)).copied();
        match state {
            ChainState::Start => (0, None, None),
            ChainState::Touched { before, last } => (1, before.and_then(rank), rank(last)),
            ChainState::Conversion => (2, None, None),
            ChainState::Null => (3, None, None),
        }
    }

    fn is_removed(&self, state: ChainState) -> bool {
        self.opened.token.is_some_and(|row| state.holds(row))
    }
}

fn names<'o>(opened: &'o Opened<'o>) -> Names<'o> {
    Names { opened, ranks: opened.ranks() }
}

/// Columns that only matter where a row is removed are kept from the page of the totals.
fn hidden(opened: &Opened<'_>) -> &'static [&'static str] {
    if opened.token.is_some() { &[] } else { &["conversion_without", "removed"] }
}

fn states(opened: &Opened<'_>, table: &ChainTable) -> Sheet {
    let list = [
        ("state", "State"),
        ("visits", "Visits"),
        ("conversion", "Converts from here"),
        ("conversion_without", "Without the row"),
        ("removed", "Of the row"),
    ];
    let names = names(opened);
    let mut outlooks: Vec<&Outlook> = table.outlooks.iter().collect();
    outlooks.sort_by_key(|o| names.order(o.state));
    let row = |o: &&Outlook| {
        vec![
            SheetCell::text(names.of(o.state)),
            count(o.visits),
            SheetCell::Estimate(o.conversion),
            SheetCell::Estimate(o.conversion_without),
            yes_no(names.is_removed(o.state)),
        ]
    };
    let rows = outlooks.iter().map(row).collect();
    let columns = columns_but(&list, hidden(opened));
    Sheet { name: "states", title: "States".into(), totals: Vec::new(), columns, rows }
}

fn transitions(opened: &Opened<'_>, table: &ChainTable) -> Sheet {
    let columns = columns(&[
        ("from_state", "From"),
        ("to_state", "To"),
        ("count", "Transitions"),
        ("of", "Out of"),
        ("probability", "Probability"),
    ]);
    let names = names(opened);
    let mut list: Vec<&Transition> = table.transitions.iter().collect();
    list.sort_by_key(|t| (names.order(t.from), names.order(t.to)));
    let row = |t: &&Transition| {
        vec![
            SheetCell::text(names.of(t.from)),
            SheetCell::text(names.of(t.to)),
            count(t.count),
            count(t.of),
            SheetCell::Estimate(if t.of == 0 { 0.0 } else { t.count as f64 / t.of as f64 }),
        ]
    };
    let rows = list.iter().take(opened.limit).map(row).collect();
    let all = count(list.iter().map(|t| t.count).sum());
    let totals = sums(&columns, vec![("count", all)]);
    Sheet { name: "transitions", title: "Transitions".into(), columns, rows, totals }
}
