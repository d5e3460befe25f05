//! Spend that a platform exported: by account, campaign and day, to the cent.

use std::collections::{BTreeMap, BTreeSet};

use super::decode::RowError;
use super::grid::{Grid, GridRow};
use super::mapping::DecimalMark;
use super::numbers::{Exact, Style, damaged, exact, is_damaged_id, signs};
use super::recognise::Bound;
use super::table::{Asked, Looks, RowKind, TotalsRow, day_of, id_of, is_null, line_of, mark_of, order_of, sorted};
use super::values::Gathered;
use super::{dates, dates::DateOrder};
use crate::domain::fault::{Fault, shown};
use crate::domain::money::{Currency, Money};
use crate::domain::platform::CampaignKey;
use crate::domain::time::{Day, DayRange};

/// Longest name of a campaign or an account, in characters.
const NAME_MAX: usize = 200;

/// Most campaigns of a file.
const CAMPAIGNS_MAX: usize = 10_000;

/// What one campaign spent on one day, or in the period of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpendEntry {
    /// The account, where a column names it.
    pub account: Option<String>,
    /// The campaign.
    pub campaign: CampaignKey,
    /// The account's days.
    pub days: DayRange,
    /// How much.
    pub amount: Money,
    /// Counts that the platform tells beside it; `*_micro` are millionths.
    pub counts: BTreeMap<String, i64>,
    /// Ids of its ads and ad sets.
    pub ads: BTreeSet<String>,
}

/// A file of spend.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SpendFile {
    /// By account, campaign and days.
    pub entries: Vec<SpendEntry>,
    /// Rows that they were summed from.
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

/// Entries in the making: sums of rows, by account, campaign and days.
type Sums = BTreeMap<(Option<String>, CampaignKey, Day, Day), Sum>;

#[derive(Default)]
struct Sum {
    amount: Exact,
    counts: BTreeMap<String, i64>,
    ads: BTreeSet<String>,
    name: String,
}

struct Reader<'a> {
    bound: &'a Bound,
    asked: &'a Asked,
    header: &'a GridRow,
    mark: DecimalMark,
    order: DateOrder,
}

/// Reads a table as spend; the faults are those of the whole file.
pub fn read(grid: &Grid, bound: &Bound, asked: &Asked) -> Result<SpendFile, Vec<Fault>> {
    let Some(header) = grid.rows.get(bound.header) else { return Err(Vec::new()) };
    let (rows, errors) = sorted(grid, bound, |row, header| kind(bound, row, header));
    let data = || rows.iter().filter(|(_, kind)| *kind == RowKind::Data).map(|(row, _)| *row);
    let mut gathered = Gathered::default();
    let mark = gathered.keep(mark_of(style(bound, &rows), asked.decimal, bound.decimal));
    let dates = ["day", "start", "end"].into_iter().filter_map(|f| bound.column(f));
    let cells = dates.flat_map(|at| data().map(move |row| row.cell(at)));
    let order = gathered.keep(order_of(cells, asked.dates, bound.dates));
    let (Some(mark), Some(order)) = (mark, order) else { return Err(gathered.0) };
    let reader = Reader { bound, asked, header, mark, order };
    let mut file = SpendFile { errors, ..SpendFile::default() };
    let mut sums = Sums::new();
    for row in data() {
        match reader.take(row, &mut sums, &mut file.notes) {
            Ok(()) => file.rows += 1,
            Err(faults) => file.errors.push(RowError { line: row.line, faults }),
        }
    }
    let campaigns: BTreeSet<&CampaignKey> = sums.keys().map(|(_, campaign, ..)| campaign).collect();
    if campaigns.len() > CAMPAIGNS_MAX {
        let why = format!("the file has {} campaigns and at most {CAMPAIGNS_MAX} are read; split it", campaigns.len());
        return Err(vec![Fault::new("file", "file-too-large", why)]);
    }
    if let Some(fault) = whole_file_fault(&file.errors, asked) {
        return Err(vec![fault]);
    }
    let currencies = reader.currencies(data(), &mut file.notes)?;
    file.footers = rows.iter().filter(|(_, kind)| *kind == RowKind::Footer).count();
    let totals: Vec<&GridRow> = rows.iter().filter(|(_, kind)| *kind == RowKind::Total).map(|(row, _)| *row).collect();
    file.totals = reader.totals(&totals, &sums, &currencies);
    file.entries = rounded(sums, &currencies, &mut file.notes)?;
    Ok(file)
}

fn kind(bound: &Bound, row: &GridRow, header: &GridRow) -> RowKind {
    let cell = |field: &str| bound.column(field).map(|at| row.cell(at));
    let date = cell("day").or_else(|| cell("start")).unwrap_or("");
    let names: Vec<&str> = ["campaign", "campaign_id"].into_iter().filter_map(cell).collect();
    let spend = cell("spend").unwrap_or("");
    let looks = Looks {
        row,
        header,
        has_date: dates::written(date).is_some(),
        has_name: (!names.is_empty()).then(|| names.iter().any(|n| !is_null(n))),
        has_number: spend.contains(|c: char| c.is_ascii_digit()),
    };
    looks.kind()
}

/// How the file writes numbers; counts help where the amounts leave it open.
fn style(bound: &Bound, rows: &[(&GridRow, RowKind)]) -> Style {
    let mut style = Style::default();
    let all = || rows.iter().filter(|(_, kind)| *kind != RowKind::Footer).map(|(row, _)| row);
    if let Some(at) = bound.column("spend") {
        all().for_each(|row| style.note(row.cell(at)));
    }
    if style.is_open() {
        let counts = bound.metrics.iter().filter(|(name, _)| !name.ends_with("_micro"));
        counts.for_each(|(_, at)| all().for_each(|row| style.note_count(row.cell(*at))));
    }
    style
}

/// A fault of every row is one of the file: a period instead of days, dates without a year, ids that are damaged.
fn whole_file_fault(errors: &[RowError], asked: &Asked) -> Option<Fault> {
    let of = |code: &str| errors.iter().flat_map(|e| &e.faults).find(|f| f.code == code).cloned();
    of("period-total").filter(|_| !asked.spread).or_else(|| of("year-missing")).or_else(|| of("id-damaged"))
}

impl Reader<'_> {
    fn cell<'r>(&self, row: &'r GridRow, field: &str) -> Option<&'r str> {
        self.bound.column(field).map(|at| row.cell(at)).filter(|c| !is_null(c))
    }

    fn name<'n>(&'n self, field: &'n str) -> &'n str {
        self.bound.column(field).map_or(field, |at| self.header.cell(at))
    }

    fn take(&self, row: &GridRow, sums: &mut Sums, notes: &mut Vec<String>) -> Result<(), Vec<Fault>> {
        let mut gathered = Gathered::default();
        let days = gathered.keep(self.days(row));
        let amount = gathered.keep(self.amount(row));
        let campaign = gathered.keep(self.campaign(row));
        let ads = gathered.keep(self.ads(row));
        let (Some(days), Some(amount), Some(campaign), Some(ads)) = (days, amount, campaign, ads) else {
            return Err(gathered.0);
        };
        let account = self.cell(row, "account").or_else(|| self.cell(row, "account_id"));
        let account = account.map(|a| line_of(id_of(a), NAME_MAX));
        // One campaign may be renamed within a file: it is known by its id.
        let name = campaign.name.clone();
        let known = match campaign.external_id {
            Some(_) => CampaignKey { name: String::new(), ..campaign },
            None => campaign,
        };
        let sum = sums.entry((account, known, days.from, days.to)).or_default();
        sum.amount = Exact(sum.amount.0.saturating_add(amount.0));
        sum.ads.extend(ads);
        sum.name = name;
        for (metric, at) in &self.bound.metrics {
            let text = row.cell(*at);
            if is_null(text) {
                continue;
            }
            let places = if metric.ends_with("_micro") { 6 } else { 0 };
            match exact(text, self.mark).and_then(|n| i64::try_from(n.in_units(places)).ok()) {
                Some(count) => *sum.counts.entry(metric.clone()).or_default() += count.clamp(-COUNT_MAX, COUNT_MAX),
                None => note(
                    notes,
                    format!(
                        "column {} holds cells that are no counts; they were left out",
                        shown(self.header.cell(*at))
                    ),
                ),
            }
        }
        Ok(())
    }

    fn days(&self, row: &GridRow) -> Result<DayRange, Fault> {
        let upto = self.asked.exported_on;
        if let Some(at) = self.bound.column("day") {
            let day = day_of(row.cell(at), self.name("day"), self.order, upto)?;
            return Ok(DayRange { from: day, to: day });
        }
        let start = self.cell(row, "start").unwrap_or("");
        let from = day_of(start, self.name("start"), self.order, upto)?;
        let Some(end) = self.cell(row, "end") else { return Ok(DayRange { from, to: from }) };
        let mut to = day_of(end, self.name("end"), self.order, upto)?;
        if self.bound.preset.end_is_exclusive && to > from && !end.contains("23:59") {
            to = to.plus_days(-1);
        }
        let days = DayRange::new(from, to)?;
        if from != to && !self.asked.spread {
            let why = format!(
                "the rows are totals of periods such as {from} to {to}, not of days; export the file with a breakdown by \
                 day, or ask for an even spread over the days"
            );
            return Err(Fault::new("days", "period-total", why));
        }
        Ok(days)
    }

    fn amount(&self, row: &GridRow) -> Result<Exact, Fault> {
        let Some(text) = self.cell(row, "spend") else { return Ok(Exact(0)) };
        exact(text, self.mark).ok_or_else(|| {
            let mark = if self.mark == DecimalMark::Point { '.' } else { ',' };
            let why = format!("{} is no amount with `{mark}` for decimals; export the file again", shown(text));
            Fault::new(self.name("spend"), "amount-malformed", why)
        })
    }

    fn campaign(&self, row: &GridRow) -> Result<CampaignKey, Fault> {
        let external_id = self.cell(row, "campaign_id").map(id_of);
        if let Some(id) = external_id.filter(|id| is_damaged_id(id)) {
            return Err(damaged(self.name("campaign_id"), id));
        }
        Ok(CampaignKey {
            external_id: external_id.map(|id| line_of(id, NAME_MAX)),
            name: self.cell(row, "campaign").map(|c| line_of(c, NAME_MAX)).unwrap_or_default(),
        })
    }

    fn ads(&self, row: &GridRow) -> Result<Vec<String>, Fault> {
        let mut ads = Vec::new();
        for field in ["ad_set_id", "ad_id"] {
            let Some(id) = self.cell(row, field).map(id_of) else { continue };
            if is_damaged_id(id) {
                return Err(damaged(self.name(field), id));
            }
            ads.push(line_of(id, NAME_MAX));
        }
        Ok(ads)
    }

    /// The currency of each account: the column's name, a column of its own, a sign of one currency, the user's word, what
    /// the account was said to be billed in before.
    fn currencies<'r>(
        &self,
        rows: impl Iterator<Item = &'r GridRow>,
        notes: &mut Vec<String>,
    ) -> Result<Currencies, Vec<Fault>> {
        let mut found = Currencies::new();
        for row in rows {
            let account = self.cell(row, "account").or_else(|| self.cell(row, "account_id"));
            let account = account.map(|a| line_of(id_of(a), NAME_MAX));
            let told = self.currency_of(row).map_err(|fault| vec![fault])?;
            match (found.get(&account), told) {
                (Some(one), Some(other)) if *one != other => {
                    let named = account.as_deref().map(|a| format!(" of account {}", shown(a))).unwrap_or_default();
                    let why = format!(
                        "line {}: the amounts{named} are in {one} and in {other}; export one currency at a time",
                        row.line
                    );
                    return Err(vec![Fault::new("currency", "currency-mixed", why)]);
                }
                (_, Some(told)) => drop(found.insert(account, told)),
                (_, None) => {}
            }
        }
        if found.is_empty() {
            let missing = || {
                let why = "the file does not say in which currency it is; say which, such as EUR";
                vec![Fault::new("currency", "currency-missing", why)]
            };
            let told = self.asked.currency.or(self.bound.preset.currency);
            let names_account = ["account", "account_id"].iter().any(|f| self.bound.column(f).is_some());
            let billed = || self.asked.billed_in(&self.bound.preset.platform).filter(|_| !names_account);
            let known = told.is_none().then(billed).flatten();
            if let Some(currency) = known {
                notes.push(format!(
                    "The file names no currency. Its account is billed in {currency}, as was said before."
                ));
            }
            found.insert(None, told.or(known).ok_or_else(missing)?);
        }
        Ok(found)
    }

    fn currency_of(&self, row: &GridRow) -> Result<Option<Currency>, Fault> {
        let mismatch = |a: &str, b: &str| {
            let why = format!(
                "line {}: the amounts are {a} by one word of the file and {b} by another; export it again",
                row.line
            );
            Fault::new("currency", "currency-mismatch", why)
        };
        let column: Option<Currency> = match self.cell(row, "currency") {
            Some(code) => Some(code.parse().map_err(|f: Fault| f.named(self.name("currency")))?),
            None => None,
        };
        let sign = self.cell(row, "spend").and_then(signs);
        let by_sign = match sign {
            Some([only]) => only.parse().ok(),
            _ => None,
        };
        let told = match (self.bound.currency, column) {
            (Some(a), Some(b)) if a != b => return Err(mismatch(a.code(), b.code())),
            (a, b) => a.or(b),
        };
        if let (Some(told), Some(allowed)) = (told, sign)
            && !allowed.contains(&told.code())
        {
            return Err(mismatch(told.code(), allowed.first().copied().unwrap_or("another currency")));
        }
        let told = told.or(by_sign);
        match (told, self.asked.currency) {
            (Some(told), Some(asked)) if told != asked => {
                let why = format!(
                    "the file is in {told}, not in {asked}; leave the currency to the file, or choose another file"
                );
                Err(Fault::new("currency", "currency-mismatch", why))
            }
            (told, asked) => {
                let known = told.or(asked);
                if let (Some(known), Some(allowed)) = (known, sign)
                    && !allowed.contains(&known.code())
                {
                    return Err(mismatch(known.code(), allowed.first().copied().unwrap_or("another currency")));
                }
                Ok(known)
            }
        }
    }

    /// The file's own sums beside those of its rows; where accounts have several currencies there is none.
    fn totals(&self, rows: &[&GridRow], sums: &Sums, currencies: &Currencies) -> Vec<TotalsRow> {
        let mut kinds: Vec<Currency> = currencies.values().copied().collect();
        kinds.sort();
        kinds.dedup();
        let [currency] = kinds.as_slice() else { return Vec::new() };
        let sum = sums.values().fold(0_i128, |sum, s| sum.saturating_add(s.amount.0));
        let shown = |n: Exact| crate::domain::money::decimal(n.in_units(currency.exponent()), currency.exponent());
        let total = |row: &&GridRow| {
            let says = exact(self.cell(row, "spend")?, self.mark)?;
            Some(TotalsRow {
                line: row.line,
                label: line_of(row.filled().next().unwrap_or(""), 60),
                agrees: says.in_units(currency.exponent()) == Exact(sum).in_units(currency.exponent()),
                says: shown(says),
                rows: shown(Exact(sum)),
            })
        };
        rows.iter().filter_map(total).collect()
    }
}

/// Largest count of a row that is summed.
const COUNT_MAX: i64 = 1_000_000_000_000_000;

/// Currencies by account; `None` is every account that a row does not name.
type Currencies = BTreeMap<Option<String>, Currency>;

fn note(notes: &mut Vec<String>, text: String) {
    if !notes.contains(&text) {
        notes.push(text);
    }
}

/// Rounds the sums of each account to the minor unit by largest remainder, so that they sum to the rounded total.
fn rounded(sums: Sums, currencies: &Currencies, notes: &mut Vec<String>) -> Result<Vec<SpendEntry>, Vec<Fault>> {
    let mut entries = Vec::with_capacity(sums.len());
    let mut by_account: BTreeMap<Option<String>, Vec<(CampaignKey, DayRange, Sum)>> = BTreeMap::new();
    for ((account, campaign, from, to), sum) in sums {
        by_account.entry(account).or_default().push((campaign, DayRange { from, to }, sum));
    }
    for (account, list) in by_account {
        let currency = currencies.get(&account).or_else(|| currencies.get(&None)).copied().ok_or_else(|| {
            let why = "an account of the file says no currency; say which, such as EUR";
            vec![Fault::new("currency", "currency-missing", why)]
        })?;
        let amounts: Vec<i128> = list.iter().map(|(_, _, sum)| sum.amount.0).collect();
        let (minor, was_exact) = in_minor(&amounts, currency.exponent());
        if !was_exact {
            note(
                notes,
                format!("amounts finer than the minor unit of {currency} were rounded so that the total stays exact"),
            );
        }
        for ((mut campaign, days, sum), minor) in list.into_iter().zip(minor) {
            campaign.name = sum.name;
            let minor = i64::try_from(minor).unwrap_or(i64::MAX);
            let amount = Money::new(minor, currency).map_err(|fault| vec![fault])?;
            entries.push(SpendEntry {
                account: account.clone(),
                campaign,
                days,
                amount,
                counts: sum.counts,
                ads: sum.ads,
            });
        }
    }
    Ok(entries)
}

/// Exact amounts in minor units, and whether all of them are whole ones.
fn in_minor(amounts: &[i128], exponent: u32) -> (Vec<i128>, bool) {
    let unit = 10_i128.pow(super::numbers::PLACES - exponent);
    let mut minor: Vec<i128> = amounts.iter().map(|a| a.div_euclid(unit)).collect();
    let total = Exact(amounts.iter().fold(0, |sum: i128, a| sum.saturating_add(*a))).in_units(exponent);
    let left = usize::try_from(total - minor.iter().sum::<i128>()).unwrap_or(0);
    let mut by_rest: Vec<usize> = (0..amounts.len()).collect();
    let rest = |n: &usize| amounts.get(*n).map_or(0, |a| a.rem_euclid(unit));
    by_rest.sort_by_key(|n| (std::cmp::Reverse(rest(n)), *n));
    for n in by_rest.iter().take(left) {
        minor.iter_mut().skip(*n).take(1).for_each(|m| *m += 1);
    }
    (minor, amounts.iter().all(|a| a.rem_euclid(unit) == 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finer_amounts_are_rounded_so_that_their_sum_is_that_of_the_file() {
        let cents = |hundredths: i128| hundredths * 10_i128.pow(14);
        // 0.3333 three times is 0.9999: 1.00 in all.
        assert_eq!(in_minor(&[cents(3_333); 3], 2), (vec![34, 33, 33], false));
        assert_eq!(in_minor(&[cents(6_210), cents(3_790)], 2), (vec![62, 38], false));
        assert_eq!(in_minor(&[cents(621_000), cents(-379_000)], 2), (vec![6_210, -3_790], true));
    }
}
