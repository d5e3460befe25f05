//! Amounts and counts as exports write them: `1,204`, `1.204,50 €`, `$1,500.50`, `1.2K`.
//!
//! No float holds them. Which mark separates decimals is told by all cells of a column together; one cell such as
//! `1.234` alone says nothing.

use super::mapping::DecimalMark;
use crate::domain::fault::{Fault, shown};
use crate::domain::money::divide_half_even;

/// Decimal places that an exact number keeps.
pub const PLACES: u32 = 18;
/// One, in the unit of [`Exact`].
const ONE: i128 = 10_i128.pow(PLACES);

/// An exact decimal number, in units of `10^-18`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Exact(pub i128);

impl Exact {
    /// The number in units of `10^-places`, rounded half-even.
    pub fn in_units(self, places: u32) -> i128 {
        divide_half_even(self.0, 10_i128.pow(PLACES - places.min(PLACES))).unwrap_or(0)
    }
}

/// Which of two marks an amount uses, as far as it shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shows {
    /// It has one of this for decimals.
    Mark(DecimalMark),
    /// `1.234` or `1,234`: the mark, as a decimal or as thousands.
    Either,
    /// Digits only.
    Nothing,
}

/// What is known of a file's style.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Style {
    point: usize,
    comma: usize,
    either: usize,
}

impl Style {
    /// Takes note of an amount.
    pub fn note(&mut self, cell: &str) {
        match shows(cell) {
            Shows::Mark(DecimalMark::Point) => self.point += 1,
            Shows::Mark(DecimalMark::Comma) => self.comma += 1,
            Shows::Either => self.either += 1,
            Shows::Nothing => {}
        }
    }

    /// Takes note of a whole number: a mark in it groups thousands.
    pub fn note_count(&mut self, cell: &str) {
        match (shows(cell), cell.contains('.')) {
            (Shows::Either, true) => self.comma += 1,
            (Shows::Either, false) => self.point += 1,
            _ => {}
        }
    }

    /// Whether some amount can be read two ways.
    pub fn is_open(&self) -> bool {
        self.point == 0 && self.comma == 0 && self.either > 0
    }

    /// The mark that the amounts agree on; `None` where none shows one.
    pub fn mark(&self) -> Result<Option<DecimalMark>, Fault> {
        match (self.point, self.comma) {
            (0, 0) => Ok(None),
            (_, 0) => Ok(Some(DecimalMark::Point)),
            (0, _) => Ok(Some(DecimalMark::Comma)),
            (points, commas) => Err(Fault::new(
                "decimal",
                "decimal-mixed",
                format!(
                    "{points} amounts use a point for decimals and {commas} a comma; a spreadsheet may have changed some, \
                     so export the file again"
                ),
            )),
        }
    }
}

/// The digits and marks of an amount, without currency, spaces, sign and quotes.
fn bare(cell: &str) -> String {
    cell.chars().filter(|c| c.is_ascii_digit() || matches!(c, '.' | ',')).collect()
}

fn shows(cell: &str) -> Shows {
    let text = bare(cell);
    let count = |mark: char| text.chars().filter(|c| *c == mark).count();
    let last = |mark: char| text.rfind(mark);
    let mark = |c: char| if c == '.' { DecimalMark::Point } else { DecimalMark::Comma };
    let (points, commas) = (count('.'), count(','));
    let (only, times) = match (points, commas) {
        (0, 0) => return Shows::Nothing,
        (0, n) => (',', n),
        (n, 0) => ('.', n),
        _ => return Shows::Mark(if last('.') > last(',') { DecimalMark::Point } else { DecimalMark::Comma }),
    };
    let other = if only == '.' { ',' } else { '.' };
    if times > 1 {
        return Shows::Mark(mark(other));
    }
    let (whole, decimals) = text.split_once(only).unwrap_or((&text, ""));
    // Three digits behind one to three, of which the first is not 0, may be thousands.
    let may_group = decimals.len() == 3 && (1..=3).contains(&whole.len()) && !whole.starts_with('0');
    if may_group { Shows::Either } else { Shows::Mark(mark(only)) }
}

/// Reads an amount or a count; `None` where the cell is no number in this style.
///
/// Currency signs and codes, percent signs, spaces of any kind and accounting brackets may stand around it; `K`, `M`
/// and `B` behind it multiply.
pub fn exact(cell: &str, mark: DecimalMark) -> Option<Exact> {
    let mut text = cell.trim();
    let bracketed = text.strip_prefix('(').and_then(|t| t.strip_suffix(')'));
    let mut negative = bracketed.is_some();
    text = bracketed.unwrap_or(text);
    let mut core = String::new();
    let mut factor = 1_i128;
    for c in text.chars() {
        match c {
            '0'..='9' | '.' | ',' if factor == 1 => core.push(c),
            '-' | '\u{2212}' if core.is_empty() => negative = !negative,
            'K' | 'k' if !core.is_empty() && factor == 1 => factor = 1_000,
            'M' if !core.is_empty() && factor == 1 => factor = 1_000_000,
            'B' if !core.is_empty() && factor == 1 => factor = 1_000_000_000,
            '+' if core.is_empty() => {}
            ' ' | '\u{a0}' | '\u{202f}' | '\u{2009}' | '\'' | '\u{2019}' => {}
            c if c.is_alphabetic() || is_currency_sign(c) => {}
            _ => return None,
        }
    }
    if bare(text).len() != core.len() || has_letters_between(text) {
        return None;
    }
    let plain = ungrouped(&core, mark)?;
    let (whole, decimals) = plain.split_once('.').unwrap_or((&plain, ""));
    let places = usize::try_from(PLACES).unwrap_or(0);
    if whole.len() > 15 || decimals.trim_end_matches('0').len() > places {
        return None;
    }
    let decimals: String = decimals.chars().chain(std::iter::repeat('0')).take(places).collect();
    let units = whole.parse::<i128>().ok()?.checked_mul(ONE)?.checked_add(decimals.parse::<i128>().ok()?)?;
    let units = units.checked_mul(factor)?;
    Some(Exact(if negative { -units } else { units }))
}

/// Whether a digit comes back after a letter: `12 of 30`, `1E5`.
fn has_letters_between(text: &str) -> bool {
    let mut seen = (false, false);
    for c in text.chars() {
        match (c.is_ascii_digit(), c.is_alphabetic()) {
            (true, _) if seen.1 => return true,
            (true, _) => seen.0 = true,
            (_, true) if seen.0 => seen.1 = true,
            _ => {}
        }
    }
    false
}

/// Digits with a point for decimals and no groups. Thousands are groups of three: anything else is a mark misread.
pub(super) fn ungrouped(text: &str, mark: DecimalMark) -> Option<String> {
    let (point, group) = match mark {
        DecimalMark::Point => ('.', ','),
        DecimalMark::Comma => (',', '.'),
    };
    let (whole, decimals) = text.split_once(point).map_or((text, None), |(w, d)| (w, Some(d)));
    let is_digits = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
    let separator = whole.chars().find(|c| *c == group || matches!(c, ' ' | '\u{a0}' | '\u{202f}' | '\u{2009}'));
    let groups: Vec<&str> = separator.map_or_else(|| vec![whole], |s| whole.split(s).collect());
    let (first, others) = groups.split_first()?;
    let grouped = others.is_empty() || (first.len() <= 3 && others.iter().all(|g| g.len() == 3));
    if !grouped || !groups.iter().all(|g| is_digits(g)) || !decimals.is_none_or(is_digits) {
        return None;
    }
    let whole = groups.concat();
    Some(decimals.map_or_else(|| whole.clone(), |d| format!("{whole}.{d}")))
}

fn is_currency_sign(c: char) -> bool {
    matches!(c, '$' | '€' | '£' | '¥' | '₹' | '₩' | '₽' | '₺' | '₫' | '฿' | '₪' | '₴' | '₦' | '₱' | '%')
}

/// What a currency sign in a cell allows; a sign of many currencies is no more than a check.
pub fn signs(cell: &str) -> Option<&'static [&'static str]> {
    const DOLLARS: &[&str] = &[
        "USD", "CAD", "AUD", "NZD", "SGD", "HKD", "TWD", "MXN", "ARS", "CLP", "COP", "BRL", "UYU", "BBD", "JMD", "TTD",
    ];
    match cell.chars().find(|c| is_currency_sign(*c) && *c != '%')? {
        '€' => Some(&["EUR"]),
        '£' => Some(&["GBP"]),
        '$' if cell.contains("R$") => Some(&["BRL"]),
        '$' => Some(DOLLARS),
        '¥' => Some(&["JPY", "CNY"]),
        '₹' => Some(&["INR"]),
        '₩' => Some(&["KRW"]),
        '₺' => Some(&["TRY"]),
        '₪' => Some(&["ILS"]),
        '₫' => Some(&["VND"]),
        '₱' => Some(&["PHP"]),
        _ => None,
    }
}

/// An id that a spreadsheet has turned into a rounded number, such as `1.2021E+17`.
pub fn is_damaged_id(text: &str) -> bool {
    let Some((digits, power)) = text.split_once(['E', 'e']) else { return false };
    let power = power.strip_prefix('+').unwrap_or(power);
    let is_number = !digits.is_empty() && digits.chars().all(|c| c.is_ascii_digit() || matches!(c, '.' | ','));
    let has_mark = digits.contains(['.', ',']) || text.contains('+');
    is_number && has_mark && !power.is_empty() && power.bytes().all(|b| b.is_ascii_digit())
}

/// The fault of an id that has lost its digits.
pub fn damaged(column: &str, text: &str) -> Fault {
    Fault::new(
        column,
        "id-damaged",
        format!(
            "{} was an id until a spreadsheet rounded it, and its last digits are lost; export the file again and \
             do not save it with a spreadsheet",
            shown(text)
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use DecimalMark::{Comma, Point};

    fn micro(cell: &str, mark: DecimalMark) -> Option<i128> {
        exact(cell, mark).map(|e| e.in_units(6))
    }

    #[test]
    fn amounts_are_read_exactly_with_what_stands_around_them() {
        for (cell, mark, micros) in [
            ("1,234.50", Point, 1_234_500_000),
            ("$1,500.50", Point, 1_500_500_000),
            ("1.020,00 €", Comma, 1_020_000_000),
            ("1\u{202f}234,5", Comma, 1_234_500_000),
            ("EUR 12.40", Point, 12_400_000),
            ("12.40 USD", Point, 12_400_000),
            ("-3.25", Point, -3_250_000),
            ("(3.25)", Point, -3_250_000),
            ("1.2K", Point, 1_200_000_000),
            ("2,5M", Comma, 2_500_000_000_000),
            ("1'234.50", Point, 1_234_500_000),
            ("0", Point, 0),
            ("3.32%", Point, 3_320_000),
        ] {
            assert_eq!(micro(cell, mark), Some(micros), "{cell}");
        }
        for (cell, mark) in [
            ("", Point),
            ("1,23.4", Point),
            ("1.234,50", Point),
            ("1E5", Point),
            ("abc", Point),
            ("1 of 3", Point),
            ("..", Point),
            ("1.2.3", Point),
            ("9999999999999999", Point),
            ("1/2", Point),
        ] {
            assert_eq!(micro(cell, mark), None, "{cell}");
        }
    }

    #[test]
    fn the_style_is_what_all_cells_agree_on() {
        let style = |cells: &[&str]| {
            let mut style = Style::default();
            cells.iter().for_each(|c| style.note(c));
            style
        };
        assert_eq!(style(&["1.234", "12,50"]).mark(), Ok(Some(Comma)));
        assert_eq!(style(&["1,234", "12.5"]).mark(), Ok(Some(Point)));
        assert_eq!(style(&["1.234.567"]).mark(), Ok(Some(Comma)));
        assert_eq!(style(&["0.123"]).mark(), Ok(Some(Point)));
        assert_eq!((style(&["1.234", "7"]).mark(), style(&["1.234", "7"]).is_open()), (Ok(None), true));
        assert_eq!(style(&["12.5", "12,5"]).mark().map_err(|f| f.code), Err("decimal-mixed".to_owned()));
        let mut counts = style(&["1.234"]);
        counts.note_count("12.345");
        assert_eq!(counts.mark(), Ok(Some(Comma)));
    }

    #[test]
    fn damaged_ids_are_recognised() {
        for damaged in ["1.2021E+17", "1,22158E+17", "1E+17"] {
            assert!(is_damaged_id(damaged), "{damaged}");
        }
        for whole in ["120210000000000022", "t2_abc", "hx1ab", "12e4", "1e"] {
            assert!(!is_damaged_id(whole), "{whole}");
        }
    }
}
