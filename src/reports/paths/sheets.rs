//! The sheets of the report, sorted and cut to the limit; what is cut off stays in a row of its own.

use std::collections::BTreeMap;

use super::super::dimension::Part;
use super::super::parameters::Parameters;
use super::super::places::{PlaceId, Places};
use super::super::rates::{part, rate, rate_columns};
use super::super::sheet::{Document, Sheet, SheetCell, SheetColumn};
use super::tally::{Conversions, NULLS_MAX, Nulls, OfLength, Roles, Tally};
use super::{Goal, Options};
use crate::domain::money::ratio4;
use crate::domain::time::DAY_MS;

/// What is beyond the limit.
const OTHERS: &str = "(other paths)";
/// Most steps of a path that its name spells out.
const STEPS_SHOWN: usize = 30;
/// The longest path with a row of its own in the histogram; then come the first lengths of wider rows.
const LENGTHS: &[usize] = &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 21, 51, 101];

/// All sheets.
pub(super) fn document(
    parameters: &Parameters,
    options: &Options,
    places: &mut Places<'_>,
    tally: &Tally<'_>,
) -> Document {
    let mut names = Names { parameters, places, names: BTreeMap::new() };
    let mut notes = vec![
        format!(
            "Paths to a first {0} of the period, and of persons and browsers with touches but without any {0} so far. \
             Equal neighbours are one step of a path's name; lengths count every touch.",
            options.stage
        ),
        "Leads, customers and revenue, less refunds, are what became of these people by as_of. Median and p90 are \
         nearest ranks of the time from the first touch to the stage event."
            .to_owned(),
        "Assisted: conversions with a touch of the row that was not the last one. It is divided by the conversions \
         that the row closed, as last or only touch."
            .to_owned(),
    ];
    if tally.more_nulls.count > 0 {
        notes.push(format!(
            "Only the first {NULLS_MAX} different paths to nothing are told apart; {} more are among {OTHERS}.",
            tally.more_nulls.count
        ));
    }
    Document {
        report: "paths",
        title: format!("Paths to {}s", options.stage),
        parameters: parameters.clone(),
        more: options.written(),
        sheets: vec![
            paths(options, &mut names, tally),
            roles(options.stage, &mut names, tally),
            lengths(tally),
            null_paths(options, &mut names, tally),
            summary(tally),
        ],
        notes,
    }
}

/// Names of places, each made once.
struct Names<'n, 'p> {
    parameters: &'n Parameters,
    places: &'n mut Places<'p>,
    names: BTreeMap<PlaceId, String>,
}

impl Names<'_, '_> {
    fn of(&mut self, place: PlaceId) -> &str {
        let (places, from) = (&mut *self.places, self.parameters.range.from);
        self.names.entry(place).or_insert_with(|| {
            let piece = places.piece(from);
            places.key(place, piece, &Part::Unattributed).to_string()
        })
    }

    fn path(&mut self, path: &[PlaceId]) -> String {
        if path.is_empty() {
            return Part::Unattributed.as_str().to_owned();
        }
        let shown = path.iter().take(STEPS_SHOWN).map(|place| self.of(*place).to_owned());
        let mut steps: Vec<String> = shown.collect();
        if let Some(more) = path.len().checked_sub(STEPS_SHOWN).filter(|more| *more > 0) {
            steps.push(format!("({more} more steps)"));
        }
        steps.join(" > ")
    }

    /// Paths with their names, the most frequent first.
    fn sorted<T>(&mut self, all: impl Iterator<Item = (Vec<PlaceId>, T)>, count: fn(&T) -> i64) -> Vec<(String, T)> {
        let mut list: Vec<(String, Vec<PlaceId>, T)> = all.map(|(path, of)| (self.path(&path), path, of)).collect();
        // Names of long paths are cut, and may then be the same.
        list.sort_by(|(a, x, of_a), (b, y, of_b)| count(of_b).cmp(&count(of_a)).then_with(|| (a, x).cmp(&(b, y))));
        list.into_iter().map(|(name, _, of)| (name, of)).collect()
    }
}

fn paths(options: &Options, names: &mut Names<'_, '_>, tally: &Tally<'_>) -> Sheet {
    let with_touches = tally.conversions.iter().filter(|(path, _)| !path.is_empty());
    let sorted = names.sorted(with_touches.map(|(p, c)| (p.clone(), c)), |c| c.count);
    let (mut others, mut totals) = (Conversions::default(), Conversions::default());
    let mut rows = Vec::new();
    for (n, (name, found)) in sorted.into_iter().enumerate() {
        totals.add(found);
        if n < options.limit {
            rows.push(path_row(name, found));
        } else {
            others.add(found);
        }
    }
    if others.count > 0 {
        rows.push(path_row(OTHERS.to_owned(), &others));
    }
    let sum = totals.clone();
    if let Some(found) = tally.conversions.get(&Vec::new()) {
        totals.add(found);
        rows.push(path_row(names.path(&[]), found));
    }
    // Means are of what has a path.
    let mut last = path_row("Total".to_owned(), &sum);
    for (cell, counted) in last.iter_mut().zip(path_row(String::new(), &totals)).skip(1).take(3) {
        *cell = counted;
    }
    Sheet {
        name: "paths",
        title: format!("Paths to {}s", options.stage),
        columns: vec![
            SheetColumn::new("path", "Path"),
            SheetColumn::new("leads", "Leads"),
            SheetColumn::new("customers", "Customers"),
            SheetColumn::new("revenue_minor", "Revenue"),
            SheetColumn::new("mean_touches", "Mean touches"),
            SheetColumn::new("mean_days", "Mean days"),
            SheetColumn::new("lag_median", "Median lag"),
            SheetColumn::new("lag_p90", "90th percentile of lag"),
        ],
        rows,
        totals: last,
    }
}

fn path_row(name: String, found: &Conversions) -> Vec<SheetCell> {
    let mut lags = found.lags.clone();
    lags.sort_unstable();
    let with_path = i128::try_from(lags.len()).unwrap_or(i128::MAX);
    let days = ratio4(lags.iter().map(|ms| i128::from(*ms)).sum(), with_path.saturating_mul(DAY_MS.into()));
    let span = |percent| nearest_rank(&lags, percent).map_or(SheetCell::Blank, SheetCell::Span);
    vec![
        SheetCell::Text(name),
        SheetCell::Count(found.leads),
        SheetCell::Count(found.customers),
        SheetCell::Minor(found.revenue_minor),
        SheetCell::Ratio(ratio4(found.touches.into(), with_path)),
        SheetCell::Ratio(days),
        span(50),
        span(90),
    ]
}

/// The smallest value that at least so many of a hundred do not exceed.
fn nearest_rank(sorted: &[i64], percent: usize) -> Option<i64> {
    sorted.get((sorted.len() * percent).div_ceil(100).checked_sub(1)?).copied()
}

fn roles(goal: Goal, names: &mut Names<'_, '_>, tally: &Tally<'_>) -> Sheet {
    let mut by_name: Vec<(String, &Roles)> =
        tally.roles.iter().map(|(place, roles)| (names.of(*place).to_owned(), roles)).collect();
    by_name.sort_by(|a, b| a.0.cmp(&b.0));
    let heading = names.parameters.by.first().map_or("Row", |d| d.heading());
    let row = |(name, r): &(String, &Roles)| {
        vec![
            SheetCell::text(name),
            SheetCell::Count(r.first),
            SheetCell::Count(r.middle),
            SheetCell::Count(r.last),
            SheetCell::Count(r.only),
            SheetCell::Count(r.assisted),
            SheetCell::Ratio(ratio4(r.assisted.into(), (r.last + r.only).into())),
        ]
    };
    let sum = |of: fn(&Roles) -> i64| SheetCell::Count(tally.roles.values().map(of).sum());
    Sheet {
        name: "roles",
        title: format!("What came first, between and last before a {goal}"),
        columns: vec![
            SheetColumn::new("row", heading),
            SheetColumn::new("first", "First of several"),
            SheetColumn::new("middle", "Between"),
            SheetColumn::new("last", "Last of several"),
            SheetColumn::new("only", "Only touch"),
            SheetColumn::new("assisted", "Assisted"),
            SheetColumn::new("assisted_to_last", "Assisted to last"),
        ],
        rows: by_name.iter().map(row).collect(),
        // Several rows assist one conversion, so those columns have no sum.
        totals: vec![
            SheetCell::text("Total"),
            sum(|r| r.first),
            SheetCell::Blank,
            sum(|r| r.last),
            sum(|r| r.only),
            SheetCell::Blank,
            SheetCell::Blank,
        ],
    }
}

fn lengths(tally: &Tally<'_>) -> Sheet {
    let mut rows = Vec::new();
    let mut totals = OfLength::default();
    for (n, from) in LENGTHS.iter().enumerate() {
        let to = LENGTHS.get(n + 1).map(|next| next - 1);
        let found: OfLength = tally.lengths.range(from..).take_while(|(len, _)| to.is_none_or(|to| **len <= to)).fold(
            OfLength::default(),
            |sum, (_, more)| OfLength {
                conversions: sum.conversions + more.conversions,
                nulls: sum.nulls + more.nulls,
            },
        );
        let name = match to {
            Some(to) if to == *from => from.to_string(),
            Some(to) => format!("{from} to {to}"),
            None => format!("{from} and more"),
        };
        if found.conversions + found.nulls > 0 {
            rows.push(length_row(name, found, if *from == 0 { found.conversions } else { 0 }));
        }
        totals.conversions += found.conversions;
        totals.nulls += found.nulls;
    }
    Sheet {
        name: "lengths",
        title: "Touches on a path".to_owned(),
        columns: vec![
            SheetColumn::new("touches", "Touches"),
            SheetColumn::new("conversions", "Conversions"),
            SheetColumn::new("null_paths", "Paths to nothing"),
            SheetColumn::new("conversion_rate", "Conversion rate"),
        ],
        rows,
        totals: length_row("Total".to_owned(), totals, tally.lengths.get(&0).map_or(0, |none| none.conversions)),
    }
}

/// A row; what converted `without` any touch has no rate.
fn length_row(name: String, found: OfLength, without: i64) -> Vec<SheetCell> {
    let with_path = found.conversions - without;
    vec![
        SheetCell::Text(name),
        SheetCell::Count(found.conversions),
        SheetCell::Count(found.nulls),
        part(with_path, with_path + found.nulls),
    ]
}

fn null_paths(options: &Options, names: &mut Names<'_, '_>, tally: &Tally<'_>) -> Sheet {
    let all = tally.nulls.iter().map(|(path, nulls)| {
        let converted = tally.conversions.get(path).map_or(0, |c| c.count);
        (path.clone(), (*nulls, converted))
    });
    let sorted = names.sorted(all, |(nulls, _)| nulls.count);
    let (mut others, mut totals) = ((tally.more_nulls, 0), (tally.more_nulls, 0));
    let mut rows = Vec::new();
    for (n, (name, (nulls, converted))) in sorted.into_iter().enumerate() {
        totals.0.add(nulls);
        totals.1 += converted;
        if n < options.limit {
            rows.push(null_row(name, nulls, converted));
        } else {
            others.0.add(nulls);
            others.1 += converted;
        }
    }
    if others.0.count > 0 {
        rows.push(null_row(OTHERS.to_owned(), others.0, others.1));
    }
    Sheet {
        name: "null_paths",
        title: "Paths to nothing".to_owned(),
        columns: vec![
            SheetColumn::new("path", "Path"),
            SheetColumn::new("null_paths", "Paths to nothing"),
            SheetColumn::new("conversions", "Conversions of the same path"),
            SheetColumn::new("conversion_rate", "Conversion rate"),
            SheetColumn::new("mean_touches", "Mean touches"),
        ],
        rows,
        totals: null_row("Total".to_owned(), totals.0, totals.1),
    }
}

fn null_row(name: String, nulls: Nulls, converted: i64) -> Vec<SheetCell> {
    vec![
        SheetCell::Text(name),
        SheetCell::Count(nulls.count),
        SheetCell::Count(converted),
        part(converted, converted + nulls.count),
        SheetCell::Ratio(ratio4(nulls.touches.into(), nulls.count.into())),
    ]
}

/// How many paths there are, and which part of them converted.
fn summary(tally: &Tally<'_>) -> Sheet {
    let conversions: i64 = tally.conversions.values().map(|c| c.count).sum();
    let without = tally.conversions.get(&Vec::new()).map_or(0, |c| c.count);
    let nulls = tally.nulls.values().map(|n| n.count).sum::<i64>() + tally.more_nulls.count;
    let (hits, all) = (conversions - without, conversions - without + nulls);
    let mut row = vec![SheetCell::Count(conversions), SheetCell::Count(without), SheetCell::Count(nulls)];
    row.extend(rate(hits, all));
    let mut columns = vec![
        SheetColumn::new("conversions", "Conversions"),
        SheetColumn::new("without_path", "Without any touch"),
        SheetColumn::new("null_paths", "Paths to nothing"),
    ];
    columns.extend(rate_columns("conversion_rate", "Conversion rate"));
    Sheet { name: "summary", title: "All paths".to_owned(), columns, rows: vec![row], totals: Vec::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_are_the_nearest() {
        assert_eq!(nearest_rank(&[], 50), None);
        assert_eq!((nearest_rank(&[7], 50), nearest_rank(&[7], 90)), (Some(7), Some(7)));
        let ten: Vec<i64> = (1..=10).collect();
        assert_eq!((nearest_rank(&ten, 50), nearest_rank(&ten, 90)), (Some(5), Some(9)));
    }
}
