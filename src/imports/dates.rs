//! Days as exports write them, in any order and in several languages.

use serde::{Deserialize, Serialize};

use crate::domain::fault::{Fault, shown};
use crate::domain::time::Day;

/// The order of day and month where both are numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DateOrder {
    /// `10/31/2026`.
    Mdy,
    /// `31/10/2026`.
    Dmy,
}

impl std::str::FromStr for DateOrder {
    type Err = Fault;

    fn from_str(text: &str) -> Result<Self, Fault> {
        match text {
            "mdy" => Ok(Self::Mdy),
            "dmy" => Ok(Self::Dmy),
            _ => Err(Fault::new(
                "dates",
                "date-order-unknown",
                format!("{} is no order of dates; use mdy or dmy", shown(text)),
            )),
        }
    }
}

/// A date as it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    /// Year, month and day are told apart.
    Whole(Day),
    /// Two numbers in either order, and the year.
    Numbers(i16, i8, i8),
    /// Month and day without a year.
    Yearless(i8, i8),
}

/// First letters of the months in English, German, French, Spanish, Italian, Portuguese and Dutch.
const MONTHS: [&[&str]; 12] = [
    &["jan", "ene", "gen"],
    &["feb", "fév", "fev"],
    &["mar", "mär", "mrz", "maa"],
    &["apr", "avr", "abr"],
    &["may", "mai", "mag", "mei"],
    &["jun", "juin", "giu"],
    &["jul", "juil", "lug"],
    &["aug", "aoû", "aou", "ago"],
    &["sep", "set"],
    &["oct", "okt", "ott", "out"],
    &["nov"],
    &["dec", "dez", "déc", "dic"],
];

fn month_of(word: &str) -> Option<i8> {
    let word = word.to_lowercase();
    // `jui` alone is two months.
    let found = MONTHS.iter().position(|names| names.iter().any(|n| word.starts_with(n)));
    found.and_then(|n| i8::try_from(n + 1).ok()).filter(|_| word.chars().all(|c| c.is_alphabetic() || c == '.'))
}

fn day(year: i16, month: i8, day: i8) -> Option<Day> {
    format!("{year:04}-{month:02}-{day:02}").parse().ok()
}

/// Reads a date; a time of day behind it is passed over. `None` where the cell is no date.
pub fn written(cell: &str) -> Option<Written> {
    let text = cell.trim().trim_matches('"');
    if text.is_empty() || text.len() > 60 {
        return None;
    }
    numeric(text).or_else(|| named(text))
}

fn numeric(text: &str) -> Option<Written> {
    let head = text.split([' ', 'T', ',', '\u{a0}', '\u{202f}']).next().unwrap_or("");
    if head.len() == 8 && head.bytes().all(|b| b.is_ascii_digit()) {
        let part = |from: usize, to: usize| head.get(from..to).and_then(|p| p.parse::<i16>().ok());
        let (month, of_month) = (part(4, 6)?, part(6, 8)?);
        return day(part(0, 4)?, month.try_into().ok()?, of_month.try_into().ok()?).map(Written::Whole);
    }
    let mark = head.chars().find(|c| matches!(c, '-' | '/' | '.'))?;
    let parts: Vec<&str> = head.trim_end_matches(mark).split(mark).collect();
    let [a, b, c] = parts.as_slice() else { return None };
    let number = |p: &str| {
        (p.len() <= 4 && !p.is_empty() && p.bytes().all(|x| x.is_ascii_digit()))
            .then(|| p.parse::<i16>().ok())
            .flatten()
    };
    let small = |p: &str| number(p).filter(|_| p.len() <= 2).and_then(|n| i8::try_from(n).ok());
    if a.len() == 4 {
        return day(number(a)?, small(b)?, small(c)?).map(Written::Whole);
    }
    let year = number(c)?;
    let year = match c.len() {
        4 => year,
        2 => 2000 + year,
        _ => return None,
    };
    let (a, b) = (small(a)?, small(b)?);
    let either = day(year, a, b).is_some() || day(year, b, a).is_some();
    either.then_some(Written::Numbers(year, a, b))
}

/// `Oct 1, 2026`, `1 October 2026`, `Tue, Jul 14, 2026`, `December 31`.
fn named(text: &str) -> Option<Written> {
    let words: Vec<&str> = text.split([' ', ',', '-', '\u{a0}', '\u{202f}']).filter(|w| !w.is_empty()).collect();
    let (mut month, mut of_month, mut year) = (None, None, None);
    for word in words.iter().take(6) {
        let digits = word.trim_end_matches(|c: char| !c.is_ascii_digit());
        if let (Some(m), None) = (month_of(word), month) {
            month = Some(m);
        } else if let (4, Ok(y), None) = (digits.len(), digits.parse::<i16>(), year) {
            year = Some(y);
        } else if let (1..=2, Ok(d), None) = (digits.len(), digits.parse::<i8>(), of_month) {
            // `12:00` behind the date is a time.
            if word.contains(':') {
                break;
            }
            of_month = Some(d);
        }
        if month.is_some() && of_month.is_some() && year.is_some() {
            break;
        }
    }
    match (year, month?, of_month?) {
        (Some(year), month, of_month) => day(year, month, of_month).map(Written::Whole),
        (None, month, of_month) => day(2024, month, of_month).map(|_| Written::Yearless(month, of_month)),
    }
}

/// The order in which a column writes dates: what all of them allow, else what is usual there.
pub fn order_of(column: &[Written], asked: Option<DateOrder>, usual: Option<DateOrder>) -> Result<DateOrder, Fault> {
    let allows = |order: DateOrder| {
        column.iter().all(|w| resolve(*w, order, None).is_some() || matches!(w, Written::Yearless(..)))
    };
    let has_numbers = column.iter().any(|w| matches!(w, Written::Numbers(_, a, b) if a != b));
    match (allows(DateOrder::Mdy), allows(DateOrder::Dmy)) {
        (true, false) => Ok(DateOrder::Mdy),
        (false, true) => Ok(DateOrder::Dmy),
        (true, true) if !has_numbers => Ok(asked.or(usual).unwrap_or(DateOrder::Dmy)),
        (true, true) => asked.or(usual).ok_or_else(|| {
            Fault::new(
                "dates",
                "date-order-ambiguous",
                "every date can be read as month/day and as day/month; say which: mdy or dmy",
            )
        }),
        (false, false) => Err(Fault::new(
            "dates",
            "date-order-mixed",
            "some dates are only valid as month/day and others only as day/month; a spreadsheet may have changed some, \
             so export the file again",
        )),
    }
}

/// The day that a date means. One without a year is the last such day up to `upto`, the day of the export.
pub fn resolve(date: Written, order: DateOrder, upto: Option<Day>) -> Option<Day> {
    match date {
        Written::Whole(day) => Some(day),
        Written::Numbers(year, a, b) if order == DateOrder::Mdy => day(year, a, b),
        Written::Numbers(year, a, b) => day(year, b, a),
        Written::Yearless(month, of_month) => {
            let upto = upto?;
            (0..=8).filter_map(|back| day(upto.year() - back, month, of_month)).find(|d| *d <= upto)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(cell: &str, order: DateOrder) -> Option<String> {
        let upto = "2026-01-15".parse().ok();
        written(cell).and_then(|w| resolve(w, order, upto)).map(|d| d.to_string())
    }

    #[test]
    fn days_are_read_in_the_forms_of_exports() {
        for (cell, order, expected) in [
            ("2026-10-01", DateOrder::Mdy, "2026-10-01"),
            ("2026-10-01T00:00:00", DateOrder::Mdy, "2026-10-01"),
            ("2026-09-01 00:00:00", DateOrder::Mdy, "2026-09-01"),
            ("2026/10/1", DateOrder::Mdy, "2026-10-01"),
            ("20261001", DateOrder::Mdy, "2026-10-01"),
            ("10/01/2026 21:00", DateOrder::Mdy, "2026-10-01"),
            ("10/01/2026", DateOrder::Dmy, "2026-01-10"),
            ("01.10.2026", DateOrder::Dmy, "2026-10-01"),
            ("10/02/2026 3:01 pm", DateOrder::Mdy, "2026-10-02"),
            ("10-02-2026", DateOrder::Mdy, "2026-10-02"),
            ("1/2/26", DateOrder::Mdy, "2026-01-02"),
            ("Tue, Jul 14, 2026", DateOrder::Mdy, "2026-07-14"),
            ("Sun, Oct 4, 2026", DateOrder::Mdy, "2026-10-04"),
            ("Sep 20, 2026", DateOrder::Mdy, "2026-09-20"),
            ("October 1, 2026, 12:00 AM", DateOrder::Mdy, "2026-10-01"),
            ("1 octobre 2026", DateOrder::Dmy, "2026-10-01"),
            ("1. Oktober 2026", DateOrder::Dmy, "2026-10-01"),
            ("December 31", DateOrder::Mdy, "2025-12-31"),
            ("January 1", DateOrder::Mdy, "2026-01-01"),
        ] {
            assert_eq!(read(cell, order).as_deref(), Some(expected), "{cell}");
        }
        for cell in [
            "",
            "Total",
            "Total: Campaigns",
            "31/31/2026",
            "Lifetime",
            "-",
            "2026-13-01",
            "@2026 Microsoft",
            "12.50",
            "1.2.3",
        ] {
            assert_eq!(read(cell, DateOrder::Mdy), None, "{cell}");
        }
    }

    #[test]
    fn the_order_is_what_every_date_allows() {
        let order = |cells: &[&str], usual| {
            let column: Vec<Written> = cells.iter().filter_map(|c| written(c)).collect();
            order_of(&column, None, usual).map_err(|f| f.code)
        };
        assert_eq!(order(&["10/01/2026", "10/31/2026"], None), Ok(DateOrder::Mdy));
        assert_eq!(order(&["01/10/2026", "31/10/2026"], Some(DateOrder::Mdy)), Ok(DateOrder::Dmy));
        assert_eq!(order(&["10/01/2026", "10/02/2026"], Some(DateOrder::Mdy)), Ok(DateOrder::Mdy));
        assert_eq!(order(&["10/01/2026"], None), Err("date-order-ambiguous".to_owned()));
        assert_eq!(order(&["13/01/2026", "01/13/2026"], None), Err("date-order-mixed".to_owned()));
        assert_eq!(order(&["2026-10-01"], None), Ok(DateOrder::Dmy));
    }
}
