//! Which preset a table is, and in which row its header stands.
//!
//! A preset is chosen by the set of column names, never by their order: users choose columns and order everywhere.

use std::collections::{BTreeMap, HashMap};

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
    let presets: Vec<Wanted<'_>> = presets.iter().map(|preset| Wanted::of(preset)).collect();
    let mut best: Vec<Bound> = Vec::new();
    let mut lacks = None;
    for (at, row) in grid.rows.iter().take(HEADER_ROWS).enumerate() {
        if row.cells.len() > COLUMNS_MAX || row.filled().count() < 2 {
            continue;
        }
        let names = Names::of(row);
        for wanted in &presets {
            match bind(grid, at, row, &names, wanted) {
                Ok(bound) if best.first().is_none_or(|b| bound.score > b.score) => best = vec![bound],
                Ok(bound) if best.first().is_some_and(|b| bound.score == b.score && b.header == at) => best.push(bound),
                Err(Some(field)) => lacks = lacks.or_else(|| Some((wanted.preset.title.clone(), field))),
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

/// A preset's names of columns as they are compared, made once for all rows.
struct Wanted<'p> {
    preset: &'p Preset,
    marks: Vec<String>,
    fields: Vec<(&'static str, Vec<Alias>)>,
    metrics: Vec<(&'p String, Vec<Alias>)>,
}

/// A name that a column may have.
enum Alias {
    /// This one.
    Is(String),
    /// This one and a currency in brackets behind it.
    Names(String),
}

impl<'p> Wanted<'p> {
    fn of(preset: &'p Preset) -> Self {
        let aliases = |list: &[String]| list.iter().map(|alias| Alias::of(alias)).collect::<Vec<_>>();
        let field = |field: &&'static str| (*field, preset.columns.get(*field).map(|l| aliases(l)).unwrap_or_default());
        Self {
            preset,
            marks: preset.marks.iter().map(|m| plain(m)).collect(),
            fields: preset.kind.fields().iter().map(field).collect(),
            metrics: preset.metrics.iter().map(|(metric, list)| (metric, aliases(list))).collect(),
        }
    }
}

impl Alias {
    fn of(alias: &str) -> Self {
        let alias = plain(alias);
        match alias.strip_suffix("(*)") {
            Some(head) => Self::Names(head.trim_end().to_owned()),
            None => Self::Is(alias),
        }
    }
}

/// The names of a row's cells as they are compared, with the places of each.
struct Names {
    list: Vec<String>,
    places: HashMap<String, Vec<usize>>,
}

impl Names {
    fn of(row: &GridRow) -> Self {
        let list: Vec<String> = row.cells.iter().map(|c| plain(c)).collect();
        let mut places: HashMap<String, Vec<usize>> = HashMap::new();
        for (at, name) in list.iter().enumerate() {
            places.entry(name.clone()).or_default().push(at);
        }
        Self { list, places }
    }

    fn has(&self, name: &str) -> bool {
        self.places.contains_key(name)
    }

    /// The free column of an alias, and the currency that it names where the alias leaves it open.
    fn find(&self, taken: &[bool], alias: &Alias) -> Option<(usize, Option<Currency>)> {
        let is_free = |at: &usize| taken.get(*at) == Some(&false);
        match alias {
            Alias::Is(name) => Some((self.places.get(name)?.iter().copied().find(is_free)?, None)),
            Alias::Names(head) => self.list.iter().enumerate().filter(|(at, _)| is_free(at)).find_map(|(at, name)| {
                let code = name.strip_prefix(head.as_str())?.trim().strip_prefix('(')?.strip_suffix(')')?;
                code.parse().ok().map(|currency| (at, Some(currency)))
            }),
        }
    }
}

/// Binds a preset to a row of column names; the error names the field that a file of this platform lacks.
fn bind(
    grid: &Grid,
    header: usize,
    row: &GridRow,
    names: &Names,
    wanted: &Wanted<'_>,
) -> Result<Bound, Option<&'static str>> {
    let preset = wanted.preset;
    let is_marked = wanted.marks.is_empty() || wanted.marks.iter().any(|m| names.has(m));
    let mut taken = vec![false; names.list.len()];
    let (mut columns, mut currency) = (BTreeMap::new(), None);
    for (field, aliases) in &wanted.fields {
        if let Some((at, code)) = aliases.iter().find_map(|alias| names.find(&taken, alias)) {
            columns.insert((*field).to_owned(), at);
            taken.iter_mut().skip(at).take(1).for_each(|t| *t = true);
            currency = currency.or(code);
        }
    }
    let mut metrics = Vec::new();
    for (metric, aliases) in &wanted.metrics {
        if let Some((at, _)) = aliases.iter().find_map(|alias| names.find(&taken, alias)) {
            metrics.push(((*metric).clone(), at));
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
    let language = preset.languages.iter().find(|l| l.marks.iter().any(|m| names.has(&plain(m))));
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

fn named_zone(grid: &Grid, header: usize, preset: &Preset) -> Option<Zone> {
    let above = grid.rows.iter().take(header).flat_map(|row| row.filled());
    let named =
        |text: &str| preset.zones.iter().find(|(words, _)| text.contains(words.as_str())).map(|(_, z)| z.clone());
    above.into_iter().find_map(named)
}
