//! Which preset a table is, and in which row its header stands.
//!
//! A preset is chosen by the set of column names, never by their order: users choose columns and order everywhere.

use std::collections::BTreeMap;

use super::dates::DateOrder;
use super::grid::{Grid, GridRow};
use super::mapping::DecimalMark;
use super::preset::{ExportKind, Preset, plain};
use crate::domain::money::Currency;
use crate::domain::time::Zone;

/// Rows in which a header is looked for.
const HEADER_ROWS: usize = 40;
/// Most columns of a header.
const COLUMNS_MAX: usize = 1_000;

/// A preset bound to the columns of a table.
#[derive(Debug, Clone)]
pub struct Bound {
    /// The preset.
    pub preset: Preset,
    /// Which row of the grid is the header.
    pub header: usize,
    /// Columns by field.
    pub columns: BTreeMap<String, usize>,
    /// Metrics with their columns.
    pub metrics: Vec<(String, usize)>,
    /// The currency in the name of the spend column.
    pub currency: Option<Currency>,
    /// The order of dates that is usual in the file's language.
    pub dates: Option<DateOrder>,
    /// The decimal mark that is usual there.
    pub decimal: Option<DecimalMark>,
    /// The zone that the platform fixes or the file names.
    pub zone: Option<Zone>,
    /// Columns that are not read.
    pub unread: Vec<String>,
    score: usize,
}

impl Bound {
    /// The column of a field.
    pub fn column(&self, field: &str) -> Option<usize> {
        self.columns.get(field).copied()
    }
}

/// What a table was taken for.
#[derive(Debug)]
pub enum Found {
    /// One preset fits better than all others.
    One(Box<Bound>),
    /// Several fit equally well.
    Several(Vec<Bound>),
    /// It looks like one of the preset of this title, but has no such field.
    Lacks(String, &'static str),
    /// None fits.
    None,
}

/// Looks for the header and the preset that it fits.
pub fn recognise(grid: &Grid, presets: &[&Preset]) -> Found {
    let mut best: Vec<Bound> = Vec::new();
    let mut lacks = None;
    for (at, row) in grid.rows.iter().take(HEADER_ROWS).enumerate() {
        if row.cells.len() > COLUMNS_MAX || row.filled().count() < 2 {
            continue;
        }
        for preset in presets {
            match bind(grid, at, row, preset) {
                Ok(bound) if best.first().is_none_or(|b| bound.score > b.score) => best = vec![bound],
                Ok(bound) if best.first().is_some_and(|b| bound.score == b.score && b.header == at) => best.push(bound),
                Err(Some(field)) => lacks = lacks.or_else(|| Some((preset.title.clone(), field))),
                _ => {}
            }
        }
    }
    match (best.len(), lacks) {
        (1, _) => best.pop().map_or(Found::None, |only| Found::One(Box::new(only))),
        (0, Some((title, field))) => Found::Lacks(title, field),
        (0, None) => Found::None,
        _ => Found::Several(best),
    }
}

/// Binds a preset to a row of column names; the error names the field that a file of this platform lacks.
fn bind(grid: &Grid, header: usize, row: &GridRow, preset: &Preset) -> Result<Bound, Option<&'static str>> {
    let names: Vec<String> = row.cells.iter().map(|c| plain(c)).collect();
    let is_marked = preset.marks.is_empty() || preset.marks.iter().any(|m| names.contains(&plain(m)));
    let mut taken = vec![false; names.len()];
    let (mut columns, mut currency) = (BTreeMap::new(), None);
    for field in preset.kind.fields() {
        let aliases = preset.columns.get(*field).map_or(&[][..], Vec::as_slice);
        if let Some((at, code)) = aliases.iter().find_map(|alias| find(&names, &taken, alias)) {
            columns.insert((*field).to_owned(), at);
            taken.iter_mut().skip(at).take(1).for_each(|t| *t = true);
            currency = currency.or(code);
        }
    }
    let mut metrics = Vec::new();
    for (metric, aliases) in &preset.metrics {
        if let Some((at, _)) = aliases.iter().find_map(|alias| find(&names, &taken, alias)) {
            metrics.push((metric.clone(), at));
            taken.iter_mut().skip(at).take(1).for_each(|t| *t = true);
        }
    }
    let has = |field: &str| columns.contains_key(field);
    let needed = match preset.kind {
        ExportKind::Spend if !has("spend") => None,
        ExportKind::Spend if !has("day") && !has("start") => return Err(is_marked.then_some("day")),
        ExportKind::Posts if metrics.is_empty() => None,
        ExportKind::Posts if !["post_id", "permalink", "title"].iter().any(|f| has(f)) => None,
        ExportKind::Days if !has("day") || metrics.is_empty() => None,
        _ => Some(()),
    };
    if needed.is_none() || !is_marked {
        return Err(None);
    }
    let language = preset.languages.iter().find(|l| l.marks.iter().any(|m| names.contains(&plain(m))));
    let unread = row.cells.iter().zip(&taken).filter(|(name, taken)| !**taken && !name.is_empty());
    Ok(Bound {
        score: columns.len() + metrics.len(),
        header,
        currency,
        dates: language.and_then(|l| l.dates).or(preset.dates),
        decimal: language.and_then(|l| l.decimal).or(preset.decimal),
        zone: preset.zone.clone().or_else(|| named_zone(grid, header, preset)),
        unread: unread.map(|(name, _)| name.clone()).collect(),
        preset: preset.clone(),
        columns,
        metrics,
    })
}

/// The free column of an alias, and the currency that it names where the alias leaves it open.
fn find(names: &[String], taken: &[bool], alias: &str) -> Option<(usize, Option<Currency>)> {
    let alias = plain(alias);
    let open = alias.strip_suffix("(*)").map(str::trim_end);
    names.iter().zip(taken).enumerate().filter(|(_, (_, taken))| !**taken).find_map(|(at, (name, _))| match open {
        None => (*name == alias).then_some((at, None)),
        Some(head) => {
            let code = name.strip_prefix(head)?.trim().strip_prefix('(')?.strip_suffix(')')?;
            code.parse().ok().map(|currency| (at, Some(currency)))
        }
    })
}

fn named_zone(grid: &Grid, header: usize, preset: &Preset) -> Option<Zone> {
    let above = grid.rows.iter().take(header).flat_map(|row| row.filled());
    let named =
        |text: &str| preset.zones.iter().find(|(words, _)| text.contains(words.as_str())).map(|(_, z)| z.clone());
    above.into_iter().find_map(named)
}
