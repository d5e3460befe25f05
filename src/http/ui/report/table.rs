//! The table of figures: a group of lines for each row, a line for each model, and where each figure comes from.

use crate::domain::attribution::Choice;
use crate::domain::money::{Currency, decimal, divide_half_even};
use crate::reports::cost_per_lead::{COLUMNS, Column, Figures, Report, Row, grouped};
use crate::reports::parameters::ReportClock;
use crate::reports::{Parameters, Part, RowKey, evidence};

/// Most lines that a page prints; the files hold all.
const LINES_MAX: usize = 2_000;

/// Columns whose figures lead to their evidence.
const WITH_EVIDENCE: &[&str] = &[
    "leads_micro",
    "cost_minor",
    "cpl_minor",
    "customers_micro",
    "cac_minor",
    "revenue_minor",
    "refunds_minor",
    "roas",
];

/// The table.
pub(super) struct Table {
    /// A heading for each dimension.
    pub(super) dimensions: Vec<&'static str>,
    /// Whether there are several models, each with a line of its own.
    pub(super) has_models: bool,
    pub(super) columns: Vec<&'static str>,
    pub(super) groups: Vec<Group>,
    pub(super) totals: Group,
    /// Rows that the page has no room for.
    pub(super) left_out: usize,
}

/// A row of the report.
pub(super) struct Group {
    pub(super) names: Vec<Name>,
    pub(super) is_special: bool,
    pub(super) lines: Vec<Line>,
}

/// What a row is in one dimension.
pub(super) struct Name {
    pub(super) text: String,
    /// The code, where the name is another.
    pub(super) code: String,
    /// Whether the row above says the same.
    pub(super) is_again: bool,
}

/// A row by one model.
pub(super) struct Line {
    pub(super) model: &'static str,
    /// The model's settings.
    pub(super) settings: String,
    pub(super) cells: Vec<Cell>,
}

/// A figure.
pub(super) struct Cell {
    pub(super) text: String,
    /// Where it comes from; empty where nothing more can be said.
    pub(super) href: String,
    /// How many lines it stands for.
    pub(super) span: usize,
    pub(super) class: &'static str,
}

/// What a column of the table holds.
#[derive(Clone, Copy)]
enum Shown {
    Figure(&'static Column),
    /// Limits of the cost per lead.
    Interval,
    /// The least and the greatest cost per lead of all models.
    Spread,
}

impl Shown {
    fn all(p: &Parameters) -> Vec<Self> {
        // How much of a cohort is in belongs beside its leads.
        let maturity = COLUMNS.iter().find(|c| p.clock == ReportClock::Cohort && c.name == "maturity");
        let mut all = Vec::new();
        for column in COLUMNS.iter().filter(|c| c.is_shown) {
            all.push(Self::Figure(column));
            if column.name == "leads_micro" {
                all.extend(maturity.map(Self::Figure));
            }
            if column.name == "cpl_minor" {
                all.push(Self::Interval);
                all.extend((p.models.len() > 1).then_some(Self::Spread));
            }
        }
        all
    }

    fn heading(self) -> &'static str {
        match self {
            Self::Figure(column) => column.heading,
            Self::Interval => "95 % interval",
            Self::Spread => "All models",
        }
    }

    /// Whether every model has the same, so that it is printed once.
    fn is_common(self) -> bool {
        match self {
            Self::Figure(column) => column.is_common,
            Self::Interval => false,
            Self::Spread => true,
        }
    }
}

impl Table {
    pub(super) fn new(report: &Report) -> Self {
        let p = &report.parameters;
        let columns = Shown::all(p);
        let evidence = Evidence::new(p);
        let room = (LINES_MAX / p.models.len().max(1)).max(1);
        let mut groups: Vec<Group> = Vec::new();
        let mut above: Option<&RowKey> = None;
        for row in report.rows.iter().take(room) {
            groups.push(group(report, row, &columns, names(row, above), &evidence));
            above = Some(&row.key);
        }
        Self {
            dimensions: p.by.iter().map(|d| d.heading()).collect(),
            has_models: p.models.len() > 1,
            columns: columns.iter().map(|c| c.heading()).collect(),
            totals: group(report, &report.totals, &columns, Vec::new(), &evidence),
            left_out: report.rows.len().saturating_sub(groups.len()),
            groups,
        }
    }

    /// Models whose rows sum to more than the total, by name.
    pub(super) fn overlapping(p: &Parameters) -> Vec<&'static str> {
        p.models.iter().filter(|m| !m.adds_up()).map(|m| m.model().label).collect()
    }
}

fn group(report: &Report, row: &Row, columns: &[Shown], names: Vec<Name>, evidence: &Evidence) -> Group {
    let p = &report.parameters;
    let lines = p.models.iter().zip(&row.figures).enumerate().map(|(n, (choice, figures))| {
        let shown = columns.iter().filter(|c| n == 0 || !c.is_common());
        let cell = |column: &Shown| {
            let span = if column.is_common() { p.models.len() } else { 1 };
            let (text, class) = text_of(*column, row, figures, p.currency);
            let href = evidence.href(n, choice, &row.key, *column).filter(|_| text != "–");
            Cell { href: href.unwrap_or_default(), text, span, class }
        };
        Line { model: choice.model().label, settings: settings_of(choice), cells: shown.map(cell).collect() }
    });
    let lines = lines.collect();
    Group { names, is_special: row.key.parts().iter().any(|part| part.special().is_some()), lines }
}

/// A model's settings in words; empty at their defaults.
pub(super) fn settings_of(choice: &Choice) -> String {
    let text = choice.to_string();
    text.split_once(':').map_or(String::new(), |(_, settings)| settings.replace(':', ", ").replace(['_', '='], " "))
}

fn text_of(column: Shown, row: &Row, figures: &Figures, currency: Currency) -> (String, &'static str) {
    match column {
        Shown::Figure(column) => (column.display(figures, currency), "number"),
        Shown::Interval => (interval(figures, currency), "number interval"),
        Shown::Spread => {
            let spread = row.cpl_spread().filter(|_| figures.cost_minor != 0);
            let spread = spread.map(|(low, high)| format!("{}–{}", money(&low, currency), money(&high, currency)));
            (spread.unwrap_or_else(|| "–".into()), "number interval")
        }
    }
}

/// Minor units with 4 decimals, rounded to the minor unit, as people read them.
fn money(text: &str, currency: Currency) -> String {
    let digits = text.replace('.', "").parse::<i128>().unwrap_or(0);
    grouped(&decimal(divide_half_even(digits, 10_000).unwrap_or(0), currency.exponent()))
}

/// The limits of the cost per lead, as people read them.
pub(super) fn interval(figures: &Figures, currency: Currency) -> String {
    let limit = |name: &str| {
        let column = COLUMNS.iter().find(|c| c.name == name);
        column.map_or_else(|| "–".to_owned(), |c| c.display(figures, currency))
    };
    match (limit("cpl_lo95_minor"), limit("cpl_hi95_minor")) {
        (low, _) if low == "–" => low,
        (low, high) if high == "–" => format!("at least {low}"),
        (low, high) => format!("{low}–{high}"),
    }
}

/// What a row is called in each dimension.
pub(super) fn names(row: &Row, above: Option<&RowKey>) -> Vec<Name> {
    let parts = row.key.parts();
    // The report joins the names of all dimensions; where one of them holds the joint itself, codes must do.
    let named: Vec<&str> = row.name.split(" · ").collect();
    let is_named = !row.name.is_empty() && named.len() == parts.len();
    // A dimension is a repetition only below the same of all dimensions before it.
    let again = |n: usize| above.is_some_and(|a| n + 1 < parts.len() && a.parts().get(..=n) == parts.get(..=n));
    let one = |(n, part): (usize, &Part)| {
        let code = part.as_str();
        match named.get(n).filter(|name| is_named && **name != code) {
            Some(name) => Name { text: (*name).to_owned(), code: code.to_owned(), is_again: again(n) },
            None => Name { text: code.to_owned(), code: String::new(), is_again: again(n) },
        }
    };
    parts.iter().enumerate().map(one).collect()
}

/// Addresses of what figures come from: the report's own question, for one model, and which figure.
struct Evidence {
    /// One for each model.
    queries: Vec<String>,
}

impl Evidence {
    fn new(p: &Parameters) -> Self {
        let query = |choice: &Choice| {
            let one = Parameters { models: vec![choice.clone()], ..p.clone() };
            query_of(&one)
        };
        Self { queries: p.models.iter().map(query).collect() }
    }

    fn href(&self, model: usize, choice: &Choice, key: &RowKey, column: Shown) -> Option<String> {
        let Shown::Figure(column) = column else { return None };
        let figure = evidence::Figure::parse(column.name).ok()?;
        (WITH_EVIDENCE.contains(&column.name) && evidence::opens(choice, &figure)).then_some(())?;
        let mut more = url::form_urlencoded::Serializer::new(String::new());
        if !key.parts().is_empty() {
            more.append_pair("row", &evidence::written(key));
        }
        more.append_pair("figure", column.name);
        Some(format!("/app/reports/evidence?{}&{}", self.queries.get(model)?, more.finish()))
    }
}

/// The parameters as a query string, with the as-of time: it answers the same figures for ever.
pub(super) fn query_of(p: &Parameters) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(p.written().into_iter().filter(|(_, value)| !value.is_empty()));
    query.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(parts: &[&str], name: &str) -> Row {
        let key = RowKey(parts.iter().map(|p| Part::named(p)).collect());
        Row { key, name: name.to_owned(), figures: Vec::new(), compared: Vec::new() }
    }

    fn told(row: &Row, above: Option<&Row>) -> Vec<(String, String, bool)> {
        names(row, above.map(|r| &r.key)).into_iter().map(|n| (n.text, n.code, n.is_again)).collect()
    }

    #[test]
    fn every_dimension_has_its_name_and_repetitions_are_known() {
        let first = row(&["x", "2025-01", "lead"], "X · 2025-01 · lead");
        let second = row(&["x", "2025-02", "lead"], "X · 2025-02 · lead");
        let told_of = |t: &str, c: &str, again| (t.to_owned(), c.to_owned(), again);
        let expected = [told_of("X", "x", true), told_of("2025-02", "", false), told_of("lead", "", false)];
        assert_eq!(told(&second, Some(&first)), expected);
        let odd = row(&["x", "y"], "A · B · y");
        assert_eq!(
            told(&odd, None),
            [told_of("x", "", false), told_of("y", "", false)],
            "a name with the joint inside"
        );
    }

    #[test]
    fn evidence_is_asked_for_one_model_and_one_part_of_each_dimension() {
        let day = "2025-01-01".parse().expect("day");
        let range = crate::domain::time::DayRange { from: day, to: day };
        let models: Vec<Choice> = ["linear", "markov"].map(|m| m.parse().expect(m)).to_vec();
        let p = Parameters { models, ..Parameters::new(range, "EUR".parse().expect("EUR")) };
        let evidence = Evidence::new(&p);
        let key = row(&["x&y", "2025-01"], "").key;
        let column = |name: &str| Shown::Figure(COLUMNS.iter().find(|c| c.name == name).expect(name));
        let href = |model: usize, name: &str| evidence.href(model, &p.models[model], &key, column(name));
        let leads = href(0, "leads_micro").expect("evidence");
        assert!(leads.starts_with("/app/reports/evidence?by=channel&model=linear&from=2025-01-01&"), "{leads}");
        assert!(leads.ends_with("&row=x%26y%2C2025-01&figure=leads_micro") && !leads.contains("compare="), "{leads}");
        assert!(href(0, "roas").is_some_and(|h| h.ends_with("&figure=roas")), "a ratio opens into both its sums");
        assert_eq!((href(1, "roas"), href(1, "revenue_minor")), (None, None), "aggregate models divide no money");
        for figure in ["cost_minor", "leads_micro", "customers_micro"] {
            assert!(href(1, figure).is_some_and(|h| h.contains("model=markov")), "{figure}");
        }
        let totals = evidence.href(0, &p.models[0], &RowKey(Vec::new()), column("cost_minor")).expect("evidence");
        assert!(!totals.contains("row="), "{totals}");
    }
}
