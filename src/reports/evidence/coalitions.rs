//! The sheets of a Shapley value: what the row adds, by size and to each coalition, and every coalition's rate.

#![expect(clippy::float_arithmetic, reason = "rates, rounded where they are printed; never money or credit")]

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::super::sheet::{Sheet, SheetCell};
use super::computed::{Opened, Step, count};
use super::sheets::{columns, sums};
use crate::domain::attribution::path_table::{GameTable, Marginal, PathCount};

/// The sheets of a game, the row's value by them, and what is left out.
pub(super) fn open(opened: &Opened<'_>, table: &GameTable) -> (Vec<Sheet>, f64, Vec<String>) {
    let names = Names::new(opened, table);
    let mut marginals: Vec<Marginal> = opened.token.map_or(Vec::new(), |row| table.marginals(row).collect());
    marginals.sort_by_key(|m| names.order(m.before));
    let value = marginals.iter().map(weighted).sum();
    let step = Step(
        "effect",
        "Shapley value".into(),
        SheetCell::Estimate(value),
        "what the row adds, weighted and summed".into(),
    );
    let own = opened.token.map(|_| step);
    let mut sheets = vec![
        opened.steps("Conversion rate of all paths", own.into_iter().collect()),
        opened.effects("Shapley values of all rows", "Shapley value"),
    ];
    if opened.token.is_some() {
        sheets.push(by_size(&marginals, value));
        sheets.push(added(opened, &names, &marginals, value));
    }
    sheets.push(coalitions(opened, &names, table));
    let cut = [("coalitions", table.inside.len()), ("coalitions that the row joins", marginals.len())];
    let cut = cut.into_iter().filter_map(|(what, count)| opened.cut(what, count));
    (sheets, value, how(opened).into_iter().chain(cut).collect())
}

fn weighted(marginal: &Marginal) -> f64 {
    (marginal.rate_with - marginal.rate) / marginal.one_in as f64
}

fn how(opened: &Opened<'_>) -> Vec<String> {
    let mut notes = vec![
        "A path is inside a coalition if it touched no other rows: its paths are the sum of those that touched exactly \
         the rows of it or of a part of it. Without any its rate is 0."
            .to_owned(),
    ];
    notes.extend(opened.token.map(|token| {
        format!(
            "{} adds the rate with it less the rate without it; the weight is the share of all orders in which exactly \
             these rows come before it, one in n C(n − 1, s) with s rows before, of n.",
            opened.name(token)
        )
    }));
    notes
}

/// Names and order of coalitions.
struct Names {
    /// Names in the order of the report, with their bits.
    rows: Vec<(String, usize)>,
}

impl Names {
    fn new(opened: &Opened<'_>, table: &GameTable) -> Self {
        let ranks = opened.ranks();
        let rank = |token: u32| usize::try_from(token).ok().and_then(|n| ranks.get(n)).copied();
        let mut rows: Vec<(Option<usize>, u32, usize)> =
            table.rows.iter().enumerate().map(|(bit, token)| (rank(*token), *token, bit)).collect();
        rows.sort();
        Self { rows: rows.into_iter().map(|(_, token, bit)| (opened.name(token), bit)).collect() }
    }

    fn of(&self, set: usize) -> String {
        let held: Vec<&str> =
            self.rows.iter().filter(|(_, bit)| set >> bit & 1 == 1).map(|(name, _)| name.as_str()).collect();
        if held.is_empty() { "(none)".into() } else { held.join(" + ") }
    }

    /// Small coalitions first, then by name.
    fn order(&self, set: usize) -> (u32, Reverse<usize>) {
        let named = self.rows.iter().fold(0, |sum, (_, bit)| sum << 1 | (set >> bit & 1));
        (set.count_ones(), Reverse(named))
    }
}

fn size(set: usize) -> SheetCell {
    SheetCell::Count(set.count_ones().into())
}

/// What the row adds to coalitions of each size.
fn by_size(marginals: &[Marginal], value: f64) -> Sheet {
    let columns = columns(&[
        ("rows", "Rows before"),
        ("coalitions", "Coalitions"),
        ("added", "Sum of what is added"),
        ("one_in", "Weight: one in"),
        ("weighted", "Weighted"),
    ]);
    let mut sizes: BTreeMap<u32, (u64, f64, u64)> = BTreeMap::new();
    for m in marginals {
        let (many, added, one_in) = sizes.entry(m.before.count_ones()).or_default();
        *many += 1;
        *added += m.rate_with - m.rate;
        *one_in = m.one_in;
    }
    let row = |(size, (many, added, one_in)): (u32, (u64, f64, u64))| {
        let weighted = SheetCell::Estimate(added / one_in as f64);
        vec![SheetCell::Count(size.into()), count(many), SheetCell::Estimate(added), count(one_in), weighted]
    };
    let rows = sizes.into_iter().map(row).collect();
    let totals = sums(&columns, vec![("weighted", SheetCell::Estimate(value))]);
    Sheet { name: "sizes", title: "What the row adds, by size".into(), columns, rows, totals }
}

/// What the row adds to each coalition.
fn added(opened: &Opened<'_>, names: &Names, marginals: &[Marginal], value: f64) -> Sheet {
    let columns = columns(&[
        ("coalition", "Coalition without the row"),
        ("rows", "Rows"),
        ("rate", "Its rate"),
        ("rate_with", "Rate with the row"),
        ("added", "Added"),
        ("one_in", "Weight: one in"),
        ("weighted", "Weighted"),
    ]);
    let row = |m: &Marginal| {
        vec![
            SheetCell::text(names.of(m.before)),
            size(m.before),
            SheetCell::Estimate(m.rate),
            SheetCell::Estimate(m.rate_with),
            SheetCell::Estimate(m.rate_with - m.rate),
            count(m.one_in),
            SheetCell::Estimate(weighted(m)),
        ]
    };
    let rows = marginals.iter().take(opened.limit).map(row).collect();
    let totals = sums(&columns, vec![("weighted", SheetCell::Estimate(value))]);
    Sheet { name: "added", title: "What the row adds to each coalition".into(), columns, rows, totals }
}

/// Every coalition with its paths and its rate.
fn coalitions(opened: &Opened<'_>, names: &Names, table: &GameTable) -> Sheet {
    let columns = columns(&[
        ("coalition", "Coalition"),
        ("rows", "Rows"),
        ("exact_paths", "Paths of exactly these"),
        ("exact_conversions", "Converted"),
        ("paths", "Paths inside"),
        ("conversions", "Converted"),
        ("rate", "Rate"),
    ]);
    let mut sets: Vec<usize> = (0..table.inside.len()).collect();
    sets.sort_by_cached_key(|set| names.order(*set));
    let row = |set: &usize| {
        let exact = table.exactly.get(set).copied().unwrap_or_default();
        let inside = table.inside.get(*set).copied().unwrap_or_default();
        let both = |(conversions, nulls): PathCount| [count(conversions + nulls), count(conversions)];
        let mut cells = vec![SheetCell::text(names.of(*set)), size(*set)];
        cells.extend(both(exact).into_iter().chain(both(inside)));
        cells.push(SheetCell::Estimate(GameTable::rate(inside)));
        cells
    };
    let rows = sets.iter().take(opened.limit).map(row).collect();
    let whole = table.exactly.values().fold((0, 0), |(paths, converted), (c, z)| (paths + c + z, converted + c));
    let totals = sums(&columns, vec![("exact_paths", count(whole.0)), ("exact_conversions", count(whole.1))]);
    Sheet { name: "coalitions", title: "Coalitions".into(), columns, rows, totals }
}
