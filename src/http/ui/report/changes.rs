//! The report beside an earlier period: a table of changes for each comparison, and whether they are more than noise.

use super::table::{Name, names, settings_of};
use crate::domain::attribution::ONE_MICRO;
use crate::domain::calendar::Comparison;
use crate::domain::money::{decimal, divide_half_even};
use crate::reports::RowKey;
use crate::reports::cost_per_lead::{COLUMNS, Changed, Compared, Figures, Report, Row, grouped};

/// One comparison.
pub(super) struct Changes {
    /// Which period, in words.
    pub(super) title: String,
    pub(super) dimensions: Vec<&'static str>,
    /// How many models, each with a line of its own.
    pub(super) models: usize,
    pub(super) lines: Vec<Line>,
    pub(super) totals: Vec<Line>,
}

/// A row by one model, now and then.
pub(super) struct Line {
    pub(super) names: Vec<Name>,
    pub(super) model: String,
    /// Leads, and cost per lead.
    pub(super) pairs: [Pair; 2],
    /// The number of leads that would have stood out.
    pub(super) floor: String,
}

/// A figure now and then, and the change.
pub(super) struct Pair {
    pub(super) now: String,
    pub(super) then: String,
    pub(super) change: Change,
}

/// A change as people read it.
#[derive(Default)]
pub(super) struct Change {
    /// `×1.20`, empty where nothing can be said.
    pub(super) ratio: String,
    /// `+20 %`
    pub(super) percent: String,
    /// `signal` or `noise`.
    pub(super) verdict: &'static str,
    /// What pointing at it tells: how sure, and what could have been seen.
    pub(super) hint: String,
}

impl Changes {
    /// One for each period that the report is compared with.
    pub(super) fn all(report: &Report, rows_max: usize) -> Vec<Self> {
        let p = &report.parameters;
        let of_period = |(n, of): (usize, &Compared)| Self {
            title: format!("{}, {} to {}", words(of.with), of.range.from, of.range.to),
            dimensions: p.by.iter().map(|d| d.heading()).collect(),
            models: p.models.len(),
            lines: lines(report, report.rows.iter().take(rows_max), n),
            totals: lines(report, std::iter::once(&report.totals), n),
        };
        report.totals.compared.iter().enumerate().map(of_period).collect()
    }
}

fn words(with: Comparison) -> &'static str {
    match with {
        Comparison::Previous => "Against the period before",
        Comparison::Year => "Against a year before",
        Comparison::TwoYears => "Against two years before",
    }
}

fn lines<'r>(report: &'r Report, rows: impl Iterator<Item = &'r Row>, period: usize) -> Vec<Line> {
    let mut all = Vec::new();
    let mut above: Option<&RowKey> = None;
    for row in rows {
        let Some(compared) = row.compared.get(period) else { continue };
        for (n, choice) in report.parameters.models.iter().enumerate() {
            let (Some(now), Some(then)) = (row.figures.get(n), compared.figures.get(n)) else { continue };
            let settings = settings_of(choice);
            let label = choice.model().label;
            let of = |list: &'r [Option<Changed>]| list.get(n).and_then(Option::as_ref);
            let names = if n == 0 { names(row, above) } else { Vec::new() };
            all.push(Line {
                names,
                model: if settings.is_empty() { label.to_owned() } else { format!("{label}, {settings}") },
                pairs: [
                    pair(report, "leads_micro", (now, then), of(&compared.leads), "in as many days"),
                    pair(report, "cpl_minor", (now, then), of(&compared.cpl), "for as much money"),
                ],
                floor: of(&compared.leads).map(short_floor).unwrap_or_default(),
            });
        }
        above = Some(&row.key);
    }
    all
}

fn pair(
    report: &Report,
    name: &str,
    (now, then): (&Figures, &Figures),
    changed: Option<&Changed>,
    equal: &str,
) -> Pair {
    let currency = report.parameters.currency;
    let column = COLUMNS.iter().find(|c| c.name == name);
    let display = |figures| column.map_or_else(String::new, |c| c.display(figures, currency));
    Pair { now: display(now), then: display(then), change: changed.map(|c| change(c, equal)).unwrap_or_default() }
}

fn change(changed: &Changed, equal: &str) -> Change {
    // A ratio has 4 decimals.
    let digits = changed.ratio.as_ref().and_then(|r| r.replace('.', "").parse::<i128>().ok());
    let rounded = |value: i128| divide_half_even(value, 100).unwrap_or(0);
    let hundredths = digits.map(rounded);
    let percent = hundredths.map(|h| {
        let sign = if h < 100 { "−" } else { "+" };
        format!("{sign}{} %", grouped(&(h - 100).unsigned_abs().to_string()))
    });
    let ratio = hundredths.map(|h| format!("×{}.{:02}", grouped(&(h / 100).to_string()), h % 100));
    let limits = changed
        .high
        .map_or_else(|| format!("at least ×{:.2}", changed.low), |high| format!("×{:.2} to ×{high:.2}", changed.low));
    let near = if changed.is_approximate { ", near rather than exact, as leads are divided" } else { "" };
    Change {
        ratio: ratio.unwrap_or_default(),
        percent: percent.unwrap_or_default(),
        verdict: if changed.is_signal { "signal" } else { "noise" },
        hint: format!(
            "95 % interval {limits}; {}, {} corrected for the number of rows{near}. We could not see a change smaller \
             than: {} {equal}.",
            probability(changed.p),
            probability(changed.p_adjusted),
            floor(changed)
        ),
    }
}

fn probability(p: f64) -> String {
    if p < 0.001 { "p < 0.001".to_owned() } else { format!("p = {p:.3}") }
}

/// The leads that would be a signal.
fn floor(changed: &Changed) -> String {
    match &changed.floor {
        None => "–".to_owned(),
        Some(floor) => match floor.down_micro {
            None => format!("{} leads or more", leads(floor.up_micro)),
            Some(0) => format!("no lead, or {} or more", leads(floor.up_micro)),
            Some(down) => format!("{} leads or fewer, or {} or more", leads(down), leads(floor.up_micro)),
        },
    }
}

/// The same, for a column.
fn short_floor(changed: &Changed) -> String {
    let up = |micro| format!("≥ {}", leads(micro));
    match &changed.floor {
        None => "–".to_owned(),
        Some(floor) => match floor.down_micro {
            None => up(floor.up_micro),
            Some(down) => format!("≤ {} or {}", leads(down), up(floor.up_micro)),
        },
    }
}

/// Whole leads without decimals, others with 2.
fn leads(micro: i64) -> String {
    let text = decimal(divide_half_even(micro.into(), 10_000).unwrap_or(0), 2);
    grouped(if micro % ONE_MICRO == 0 { text.trim_end_matches("00").trim_end_matches('.') } else { &text })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::statistics::change::LeadsFloor;

    fn changed(ratio: Option<&str>) -> Changed {
        Changed {
            ratio: ratio.map(str::to_owned),
            low: 0.5,
            high: None,
            p: 0.0004,
            p_adjusted: 0.02,
            is_signal: true,
            is_approximate: false,
            floor: Some(LeadsFloor { down_micro: Some(8_000_000), up_micro: 36_000_000 }),
        }
    }

    #[test]
    fn a_change_is_a_ratio_a_percentage_and_what_could_be_seen() {
        let told = change(&changed(Some("1.2049")), "in as many days");
        assert_eq!((told.ratio.as_str(), told.percent.as_str(), told.verdict), ("×1.20", "+20 %", "signal"));
        assert_eq!(
            told.hint,
            "95 % interval at least ×0.50; p < 0.001, p = 0.020 corrected for the number of rows. We could not see a \
             change smaller than: 8 leads or fewer, or 36 or more in as many days."
        );
        assert_eq!(short_floor(&changed(None)), "≤ 8 or ≥ 36");
        assert_eq!([0, 100_000_000, 1_500_000, 1_234_567_890].map(leads), ["0", "100", "1.50", "1,234.57"]);
        assert_eq!(change(&changed(Some("0.0500")), "").percent, "−95 %");
        assert_eq!(change(&changed(Some("1234.5000")), "").percent, "+123,350 %");
        assert_eq!(change(&changed(None), "").ratio, "", "from nothing");
    }
}
