//! Exports of platforms: a file in, spend and counts out, with everything that a preview shows.

use super::counts::{self, CountsFile, DayCount, PostCounts};
use super::decode::RowError;
use super::grid::{Export, Grid};
use super::preset::{ExportKind, Preset};
use super::recognise::{Bound, Found, recognise};
use super::spend::{self, SpendFile};
use super::table::{Asked, TotalsRow};
use crate::domain::fault::{Fault, shown};

/// What a table of a file holds.
#[derive(Debug, Clone)]
pub enum Body {
    /// Spend.
    Spend(SpendFile),
    /// Posts with counts.
    Posts(CountsFile<PostCounts>),
    /// Counts by day.
    Days(CountsFile<DayCount>),
}

impl Body {
    /// Rows that were read.
    pub fn rows(&self) -> usize {
        match self {
            Self::Spend(f) => f.rows,
            Self::Posts(f) => f.rows,
            Self::Days(f) => f.rows,
        }
    }

    /// The file's own sums.
    pub fn totals(&self) -> &[TotalsRow] {
        match self {
            Self::Spend(f) => &f.totals,
            Self::Posts(f) => &f.totals,
            Self::Days(f) => &f.totals,
        }
    }

    /// Lines that belong to no table.
    pub fn footers(&self) -> usize {
        match self {
            Self::Spend(f) => f.footers,
            Self::Posts(f) => f.footers,
            Self::Days(f) => f.footers,
        }
    }

    /// Rows that cannot be read.
    pub fn errors(&self) -> &[RowError] {
        match self {
            Self::Spend(f) => &f.errors,
            Self::Posts(f) => &f.errors,
            Self::Days(f) => &f.errors,
        }
    }

    /// What a reader should know.
    pub fn notes(&self) -> &[String] {
        match self {
            Self::Spend(f) => &f.notes,
            Self::Posts(f) => &f.notes,
            Self::Days(f) => &f.notes,
        }
    }
}

/// A table of a file that was read.
#[derive(Debug, Clone)]
pub struct Part {
    /// The tab of a workbook; empty for a text file.
    pub sheet: String,
    /// The line of the header.
    pub header_line: u64,
    /// The preset and the columns it found.
    pub bound: Bound,
    /// What it holds.
    pub body: Body,
}

/// A file that was read.
#[derive(Debug, Clone)]
pub struct PlatformFile {
    /// The encoding that was found.
    pub encoding: &'static str,
    /// The delimiter that was found; none of a workbook.
    pub delimiter: Option<char>,
    /// Its tables.
    pub parts: Vec<Part>,
    /// Sheets that are no table we know.
    pub passed_over: Vec<String>,
    /// Rows that cannot be cut into cells.
    pub errors: Vec<RowError>,
}

impl PlatformFile {
    /// Every row that cannot be read, by line.
    pub fn all_errors(&self) -> Vec<&RowError> {
        let mut errors: Vec<&RowError> =
            self.errors.iter().chain(self.parts.iter().flat_map(|p| p.body.errors())).collect();
        errors.sort_by_key(|e| e.line);
        errors
    }
}

/// Columns that a fault lists.
const COLUMNS_SHOWN: usize = 20;

/// Reads a file by the preset that it fits.
///
/// `named` chooses one of `presets` by name; without it the column names choose, and a file that several fit equally
/// well is a fault that names them.
pub fn read(bytes: &[u8], presets: &[&Preset], named: Option<&str>, asked: &Asked) -> Result<PlatformFile, Vec<Fault>> {
    let one = |fault| vec![fault];
    let export = Export::open(bytes).map_err(one)?;
    let chosen: Vec<&Preset> = presets.iter().copied().filter(|p| named.is_none_or(|n| p.name == n)).collect();
    if chosen.is_empty() {
        let names: Vec<&str> = presets.iter().map(|p| p.name.as_str()).collect();
        let why = format!(
            "there is no preset {}; leave it out, or use one of {}",
            shown(named.unwrap_or("")),
            names.join(", ")
        );
        return Err(one(Fault::new("preset", "preset-unknown", why)));
    }
    let delimiter = delimiter_of(&export, &chosen);
    let (encoding, is_text) = (export.encoding(), matches!(export, Export::Text { .. }));
    let (grids, errors) = export.whole(delimiter).map_err(one)?;
    let (mut parts, mut passed_over, mut refused) = (Vec::new(), Vec::new(), Vec::new());
    for grid in &grids {
        match recognise(grid, &chosen) {
            Found::One(bound) => parts.push(part(grid, *bound, asked)?),
            Found::Several(list) => return Err(one(ambiguous(&list))),
            Found::Lacks(title, field) => {
                refused.push(lacks(&title, field));
                passed_over.push(grid.name.clone());
            }
            Found::None => passed_over.push(grid.name.clone()),
        }
    }
    if parts.is_empty() {
        return Err(one(refused.pop().unwrap_or_else(|| unknown(&grids, named))));
    }
    let delimiter = is_text.then(|| char::from(delimiter));
    Ok(PlatformFile { encoding, delimiter, parts, passed_over, errors })
}

/// The likeliest delimiter by which a preset fits, else the likeliest.
fn delimiter_of(export: &Export<'_>, presets: &[&Preset]) -> u8 {
    let fits = |delimiter: &&u8| {
        export.sample(**delimiter).iter().any(|grid| !matches!(recognise(grid, presets), Found::None))
    };
    let all = export.delimiters();
    if let [only] = all {
        return *only;
    }
    all.iter().find(fits).or_else(|| all.first()).copied().unwrap_or(b',')
}

fn part(grid: &Grid, bound: Bound, asked: &Asked) -> Result<Part, Vec<Fault>> {
    let body = match bound.preset.kind {
        ExportKind::Spend => Body::Spend(spend::read(grid, &bound, asked)?),
        ExportKind::Posts => Body::Posts(counts::posts(grid, &bound, asked)?),
        ExportKind::Days => Body::Days(counts::days(grid, &bound, asked)?),
    };
    let header_line = grid.rows.get(bound.header).map_or(1, |row| row.line);
    Ok(Part { sheet: grid.name.clone(), header_line, bound, body })
}

fn ambiguous(list: &[Bound]) -> Fault {
    let names: Vec<&str> = list.iter().map(|b| b.preset.name.as_str()).collect();
    let why = format!("the columns fit several presets equally well; say which: {}", names.join(", "));
    Fault::new("preset", "preset-ambiguous", why)
}

fn lacks(title: &str, field: &str) -> Fault {
    let why =
        format!("the file looks like {title}, but no column holds the {field}; export it with a breakdown by day");
    Fault::new(field, "column-missing", why)
}

fn unknown(grids: &[Grid], named: Option<&str>) -> Fault {
    let likely = grids.iter().filter_map(|g| g.rows.get(likely_header(g)?)).max_by_key(|r| r.filled().count());
    let widest = || grids.iter().flat_map(|g| g.rows.iter().take(COLUMNS_SHOWN)).max_by_key(|r| r.filled().count());
    let header = likely.or_else(widest);
    let columns: Vec<String> = header.iter().flat_map(|r| r.filled()).take(COLUMNS_SHOWN).map(shown).collect();
    let why = match named {
        Some(name) => format!("the file has no header of the preset {}; it has {}", shown(name), columns.join(", ")),
        None => format!(
            "no preset knows the columns {}; say which column is which (page Import, or a \
             preset by `POST /api/v1/imports/presets`)",
            columns.join(", ")
        ),
    };
    Fault::new("preset", "preset-unknown-file", why)
}

/// The table of a file as the wizard shows it: the likeliest delimiter, and its first rows.
pub fn look(bytes: &[u8], delimiter: Option<char>) -> Result<(Vec<Grid>, Option<char>, &'static str), Fault> {
    let export = Export::open(bytes)?;
    let stated = delimiter.and_then(|d| u8::try_from(d).ok()).filter(|d| super::grid::DELIMITERS.contains(d));
    let delimiter = stated.or_else(|| export.delimiters().first().copied()).unwrap_or(b',');
    let shown = matches!(export, Export::Text { .. }).then(|| char::from(delimiter));
    let encoding = export.encoding();
    Ok((export.into_sample(delimiter), shown, encoding))
}

/// The row that is most likely the header of a table that no preset knows: the first of the widest rows whose cells are
/// all words.
pub fn likely_header(grid: &Grid) -> Option<usize> {
    let is_name = |cell: &str| !cell.chars().next().is_some_and(|c| c.is_ascii_digit()) && cell.chars().count() <= 100;
    let words = |at: &usize| {
        let row = grid.rows.get(*at);
        row.map_or(0, |r| if r.filled().all(is_name) { r.filled().count() } else { 0 })
    };
    let best = (0..grid.rows.len().min(40)).max_by_key(|at| (words(at), std::cmp::Reverse(*at)))?;
    Some(best).filter(|at| words(at) >= 2)
}
