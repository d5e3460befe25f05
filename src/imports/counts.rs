//! Counts that networks export: of posts as they stood at the export, and of accounts by day.
//!
//! An empty cell is not 0. Impressions and views are two metrics. Reach and followers are never summed.

use std::collections::BTreeMap;

use super::dates::{self, DateOrder};
use super::decode::RowError;
use super::grid::{Grid, GridRow};
use super::mapping::DecimalMark;
use super::numbers::{Exact, Style, damaged, exact, is_damaged_id};
use super::recognise::Bound;
use super::table::{Asked, Looks, RowKind, TotalsRow, day_of, id_of, is_null, line_of, mark_of, order_of, sorted};
use super::values::Gathered;
use crate::domain::fault::{Fault, shown};
use crate::domain::platform::{is_additive, permalink_key};
use crate::domain::time::Day;

/// Longest title, name or address, in characters.
const TEXT_MAX: usize = 300;
/// Largest count.
const COUNT_MAX: i128 = 1_000_000_000_000_000;

/// A post as a file tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PostCounts {
    /// The network, where a column names it.
    pub network: Option<String>,
    /// The account, where a column names it.
    pub account: Option<String>,
    /// The network's id of the post.
    pub external_id: Option<String>,
    /// Where it can be read.
    pub permalink: Option<String>,
    /// The account's day of publication.
    pub published_on: Option<Day>,
    /// Its title or first words.
    pub title: String,
    /// What kind of post.
    pub format: String,
    /// Counts by metric.
    pub counts: BTreeMap<String, i64>,
}

/// A count of an account on a day.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct DayCount {
    /// The network, where a column names it.
    pub network: Option<String>,
    /// The account, where a column names it.
    pub account: Option<String>,
    /// The account's day.
    pub day: Day,
    /// What was counted.
    pub metric: String,
    /// How many.
    pub value: i64,
}

/// A file of counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CountsFile<T> {
    /// What was counted.
    pub items: Vec<T>,
    /// Rows that were read.
    pub rows: usize,
    /// The file's own sums.
    pub totals: Vec<TotalsRow>,
    /// Lines that belong to no table.
    pub footers: usize,
    /// Rows that cannot be read.
    pub errors: Vec<RowError>,
    /// What a reader should know.
    pub notes: Vec<String>,
}

impl<T> CountsFile<T> {
    fn new(errors: Vec<RowError>) -> Self {
        Self { items: Vec::new(), rows: 0, totals: Vec::new(), footers: 0, errors, notes: Vec::new() }
    }
}

/// A network as channels and posts call it.
pub fn network_of(word: &str) -> String {
    let word: String = word.to_lowercase().chars().filter(char::is_ascii_alphanumeric).take(40).collect();
    let known = [
        ("facebook", "facebook"),
        ("instagram", "instagram"),
        ("linkedin", "linkedin"),
        ("twitter", "x"),
        ("youtube", "youtube"),
        ("tiktok", "tiktok"),
        ("pinterest", "pinterest"),
        ("threads", "threads"),
        ("bluesky", "bluesky"),
        ("mastodon", "mastodon"),
        ("google", "google"),
    ];
    known.iter().find(|(prefix, _)| word.starts_with(prefix)).map_or(word, |(_, name)| (*name).to_owned())
}

struct Reader<'a> {
    bound: &'a Bound,
    header: &'a GridRow,
    asked: &'a Asked,
    mark: DecimalMark,
    order: DateOrder,
}

/// The rows of a table with their kinds, the reader of them, and rows that cannot be cut.
type Opened<'a> = (Vec<(&'a GridRow, RowKind)>, Reader<'a>, Vec<RowError>);

fn open<'a>(grid: &'a Grid, bound: &'a Bound, asked: &'a Asked, date: &str) -> Result<Opened<'a>, Vec<Fault>> {
    let Some(header) = grid.rows.get(bound.header) else { return Err(Vec::new()) };
    let (rows, errors) = sorted(grid, bound, |row, header| kind(bound, row, header, date));
    let data = || rows.iter().filter(|(_, kind)| *kind == RowKind::Data).map(|(row, _)| *row);
    let mut style = Style::default();
    for (_, at) in &bound.metrics {
        data().for_each(|row| style.note_count(row.cell(*at)));
        data().filter(|row| row.cell(*at).ends_with(['K', 'M', 'k'])).for_each(|row| style.note(row.cell(*at)));
    }
    let mut gathered = Gathered::default();
    let mark = gathered.keep(mark_of(style, asked.decimal, bound.decimal.or(Some(DecimalMark::Point))));
    let cells = bound.column(date).into_iter().flat_map(|at| data().map(move |row| row.cell(at)));
    let order = gathered.keep(order_of(cells, asked.dates, bound.dates));
    let (Some(mark), Some(order)) = (mark, order) else { return Err(gathered.0) };
    Ok((rows, Reader { bound, header, asked, mark, order }, errors))
}

fn kind(bound: &Bound, row: &GridRow, header: &GridRow, date: &str) -> RowKind {
    let cell = |field: &str| bound.column(field).map(|at| row.cell(at));
    let names: Vec<&str> = ["post_id", "permalink", "title"].into_iter().filter_map(cell).collect();
    let has_date = cell(date).is_some_and(|c| dates::written(c).is_some());
    let number = |at: &usize| row.cell(*at).contains(|c: char| c.is_ascii_digit());
    let looks = Looks {
        row,
        header,
        has_date,
        has_name: (!names.is_empty()).then(|| names.iter().any(|n| !is_null(n))),
        has_number: bound.metrics.iter().any(|(_, at)| number(at)),
    };
    looks.kind()
}

/// Reads a table as posts.
pub fn posts(grid: &Grid, bound: &Bound, asked: &Asked) -> Result<CountsFile<PostCounts>, Vec<Fault>> {
    let (rows, reader, errors) = open(grid, bound, asked, "published")?;
    let mut file = CountsFile::new(errors);
    let mut places: BTreeMap<(Option<String>, Option<String>, String), usize> = BTreeMap::new();
    for (row, _) in rows.iter().filter(|(_, kind)| *kind == RowKind::Data) {
        match reader.post(row) {
            Ok(post) => {
                file.rows += 1;
                let key = (post.network.clone(), post.account.clone(), key_of(&post));
                if let Some(earlier) = places.get(&key).and_then(|at| file.items.get_mut(*at)) {
                    let note = "some posts stand in the file twice; the later row counts".to_owned();
                    file.notes.extend(Some(note).filter(|n| !file.notes.contains(n)));
                    *earlier = post;
                } else {
                    places.insert(key, file.items.len());
                    file.items.push(post);
                }
            }
            Err(faults) => file.errors.push(RowError { line: row.line, faults }),
        }
    }
    damaged_file(&file.errors)?;
    let sums = sums(file.items.iter().flat_map(|p| p.counts.iter().map(|(m, v)| (m.as_str(), *v))));
    file.totals = reader.totals(&rows, &sums);
    file.footers = rows.iter().filter(|(_, kind)| *kind == RowKind::Footer).count();
    Ok(file)
}

/// What two rows of one post agree in.
fn key_of(post: &PostCounts) -> String {
    let address = post.permalink.as_deref().map(permalink_key);
    let day = || format!("{:?} {}", post.published_on, post.title);
    post.external_id.clone().or(address).unwrap_or_else(day)
}

/// Reads a table as counts by day.
pub fn days(grid: &Grid, bound: &Bound, asked: &Asked) -> Result<CountsFile<DayCount>, Vec<Fault>> {
    let (rows, reader, errors) = open(grid, bound, asked, "day")?;
    let mut file = CountsFile::new(errors);
    let mut counts: BTreeMap<(Option<String>, Option<String>, Day, String), i64> = BTreeMap::new();
    let mut title = reader.title_above(grid, bound.header);
    for (row, kind) in &rows {
        // Another block of the same file: its metric stands between the two.
        if bound.preset.metric_above && *kind == RowKind::Footer {
            let only = row.filled().count() == 1;
            title = row.filled().next().filter(|_| only).map(str::to_owned).or(title);
        }
        if *kind != RowKind::Data {
            continue;
        }
        match reader.day(row, title.as_deref()) {
            Ok(list) => {
                file.rows += 1;
                for count in list {
                    let key = (count.network, count.account, count.day, count.metric);
                    if counts.insert(key, count.value).is_some_and(|earlier| earlier != count.value) {
                        let note = "some days stand in the file twice; the later row counts".to_owned();
                        file.notes.extend(Some(note).filter(|n| !file.notes.contains(n)));
                    }
                }
            }
            Err(faults) => file.errors.push(RowError { line: row.line, faults }),
        }
    }
    let year = file.errors.iter().flat_map(|e| &e.faults).find(|f| f.code == "year-missing");
    if let Some(fault) = year {
        return Err(vec![fault.clone()]);
    }
    let count = |((network, account, day, metric), value)| DayCount { network, account, day, metric, value };
    file.items = counts.into_iter().map(count).collect();
    let sums = sums(file.items.iter().map(|c| (c.metric.as_str(), c.value)));
    file.totals = reader.totals(&rows, &sums);
    file.footers = rows.iter().filter(|(_, kind)| *kind == RowKind::Footer).count();
    Ok(file)
}

fn damaged_file(errors: &[RowError]) -> Result<(), Vec<Fault>> {
    let damaged = errors.iter().flat_map(|e| &e.faults).find(|f| f.code == "id-damaged");
    damaged.map_or(Ok(()), |fault| Err(vec![fault.clone()]))
}

/// Sums of the metrics that may be summed.
fn sums<'c>(counts: impl Iterator<Item = (&'c str, i64)>) -> BTreeMap<String, i128> {
    let mut sums = BTreeMap::new();
    for (metric, value) in counts.filter(|(metric, _)| is_additive(metric)) {
        *sums.entry(metric.to_owned()).or_insert(0) += i128::from(value);
    }
    sums
}

impl Reader<'_> {
    fn cell<'r>(&self, row: &'r GridRow, field: &str) -> Option<&'r str> {
        self.bound.column(field).map(|at| row.cell(at)).filter(|c| !is_null(c))
    }

    fn name<'n>(&'n self, field: &'n str) -> &'n str {
        self.bound.column(field).map_or(field, |at| self.header.cell(at))
    }

    fn text(&self, row: &GridRow, field: &str) -> Option<String> {
        self.cell(row, field).map(|c| line_of(id_of(c), TEXT_MAX)).filter(|t| !t.is_empty())
    }

    fn post(&self, row: &GridRow) -> Result<PostCounts, Vec<Fault>> {
        let mut gathered = Gathered::default();
        let external_id = self.text(row, "post_id");
        if let Some(id) = external_id.as_ref().filter(|id| is_damaged_id(id)) {
            gathered.0.push(damaged(self.name("post_id"), id));
        }
        let published_on = match self.cell(row, "published") {
            Some(text) => gathered.keep(day_of(text, self.name("published"), self.order, self.asked.exported_on)),
            None => None,
        };
        let permalink = self.text(row, "permalink");
        let title = self.text(row, "title").map(|t| t.chars().take(120).collect()).unwrap_or_default();
        if external_id.is_none() && permalink.is_none() && (published_on.is_none() || String::is_empty(&title)) {
            let why = "the row names no post: it has no id, no address and no dated title";
            gathered.0.push(Fault::new(self.name("post_id"), "post-missing", why));
        }
        let counts = gathered.keep(self.counts(row));
        match counts {
            Some(counts) if gathered.0.is_empty() => Ok(PostCounts {
                network: self.text(row, "network").map(|n| network_of(&n)),
                account: self.text(row, "account").or_else(|| self.text(row, "account_id")),
                external_id,
                permalink,
                published_on,
                title,
                format: self.text(row, "format").unwrap_or_default(),
                counts,
            }),
            _ => Err(gathered.0),
        }
    }

    fn counts(&self, row: &GridRow) -> Result<BTreeMap<String, i64>, Fault> {
        let mut counts = BTreeMap::new();
        for (metric, at) in &self.bound.metrics {
            let text = row.cell(*at);
            if is_null(text) {
                continue;
            }
            let places = if metric.ends_with("_micro") { 6 } else { 0 };
            let count = exact(text, self.mark).filter(|n| places > 0 || is_whole(*n)).map(|n| n.in_units(places));
            let count =
                count.filter(|n| n.abs() <= COUNT_MAX).and_then(|n| i64::try_from(n).ok()).ok_or_else(|| {
                    let why = format!("{} is no count; export the file again", shown(text));
                    Fault::new(self.header.cell(*at), "count-malformed", why)
                })?;
            counts.insert(metric.clone(), count);
        }
        Ok(counts)
    }

    fn day(&self, row: &GridRow, title: Option<&str>) -> Result<Vec<DayCount>, Vec<Fault>> {
        let mut gathered = Gathered::default();
        let cell = self.bound.column("day").map_or("", |at| row.cell(at));
        let day = gathered.keep(day_of(cell, self.name("day"), self.order, self.asked.exported_on));
        let counts = gathered.keep(self.counts(row));
        let (Some(day), Some(counts)) = (day, counts) else { return Err(gathered.0) };
        let account = self.text(row, "account").or_else(|| self.text(row, "account_id"));
        let mut network = self.text(row, "network").map(|n| network_of(&n));
        let mut above = None;
        if self.bound.preset.metric_above {
            let Some((of, metric)) = title.map(metric_of) else {
                let why = "no line above the header says what is counted; export the file again";
                return Err(vec![Fault::new("row", "metric-missing", why)]);
            };
            (network, above) = (of.or(network), Some(metric));
        }
        let count = |(metric, value)| DayCount {
            network: network.clone(),
            account: account.clone(),
            day,
            metric: above.clone().unwrap_or(metric),
            value,
        };
        Ok(counts.into_iter().map(count).collect())
    }

    /// The single cell above a header.
    fn title_above(&self, grid: &Grid, header: usize) -> Option<String> {
        let above = header.checked_sub(1).and_then(|at| grid.rows.get(at))?;
        above.filled().next().filter(|_| above.filled().count() == 1).map(str::to_owned)
    }

    fn totals(&self, rows: &[(&GridRow, RowKind)], sums: &BTreeMap<String, i128>) -> Vec<TotalsRow> {
        let mut list = Vec::new();
        for (row, _) in rows.iter().filter(|(_, kind)| *kind == RowKind::Total) {
            for (metric, at) in &self.bound.metrics {
                let Some(says) = exact(row.cell(*at), self.mark).filter(|n| is_whole(*n)) else { continue };
                let Some(sum) = sums.get(metric) else { continue };
                let label = line_of(row.filled().next().unwrap_or(""), 60);
                list.push(TotalsRow {
                    line: row.line,
                    label: format!("{label}: {}", self.header.cell(*at)),
                    agrees: says.in_units(0) == *sum,
                    says: says.in_units(0).to_string(),
                    rows: sum.to_string(),
                });
            }
        }
        list
    }
}

fn is_whole(n: Exact) -> bool {
    n.0 % 10_i128.pow(super::numbers::PLACES) == 0
}

/// The network and the metric that a title such as `Facebook link clicks` names.
fn metric_of(title: &str) -> (Option<String>, String) {
    let plain = super::preset::plain(title);
    let (network, rest) = match plain.split_once(' ') {
        Some((first @ ("facebook" | "instagram"), rest)) => (Some(first.to_owned()), rest),
        _ => (None, plain.as_str()),
    };
    let metric = match rest {
        "content interactions" => "interactions",
        "visits" | "profile visits" | "page visits" | "page and profile visits" => "profile_visits",
        "new followers" | "follows" => "follows",
        other => other,
    };
    let name: String = metric.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).take(60).collect();
    (network, name.trim_matches('_').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn titles_name_a_network_and_a_metric() {
        assert_eq!(metric_of("Views"), (None, "views".into()));
        assert_eq!(metric_of("Facebook link clicks"), (Some("facebook".into()), "link_clicks".into()));
        assert_eq!(metric_of("Content interactions"), (None, "interactions".into()));
        assert_eq!(metric_of("Instagram profile visits"), (Some("instagram".into()), "profile_visits".into()));
    }
}
