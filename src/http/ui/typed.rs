//! Amounts as people type them into a page.

use crate::imports::numbers::{Style, exact};

/// An amount with a point for decimals: `1.234,50` and `1,234.50` as `1234.50`.
///
/// What can be read two ways, such as `1.250`, and what is no amount stay as they are, for the field to refuse.
pub(super) fn amount(text: &str) -> String {
    let text = text.trim();
    if !text.chars().all(|c| c.is_ascii_digit() || matches!(c, '.' | ',' | '-' | ' ' | '\u{a0}' | '\u{202f}')) {
        return text.to_owned();
    }
    let mut style = Style::default();
    style.note(text);
    let Ok(Some(mark)) = style.mark() else { return text.to_owned() };
    // As many decimals as were typed, so that an amount too fine for its currency is still refused.
    let decimals = text.rsplit(['.', ',']).next().map_or(0, |d| d.chars().filter(char::is_ascii_digit).count());
    let places = u32::try_from(decimals).unwrap_or(u32::MAX).min(12);
    let is_whole = text.matches(['.', ',']).count() > 1 && !text.contains(if text.contains('.') { ',' } else { '.' });
    let places = if is_whole { 0 } else { places };
    exact(text, mark).map_or_else(|| text.to_owned(), |n| crate::domain::money::decimal(n.in_units(places), places))
}

#[cfg(test)]
mod tests {
    use super::amount;

    #[test]
    fn both_ways_to_write_an_amount_are_read_and_doubtful_ones_left() {
        for (typed, read) in [
            ("100,00", "100.00"),
            ("-1.234,50", "-1234.50"),
            ("1,234.50", "1234.50"),
            ("1 234,5", "1234.5"),
            ("1.234.567", "1234567"),
            ("480.00", "480.00"),
            ("10.005", "10.005"),
            ("1.250", "1.250"),
            ("1,250", "1,250"),
            ("31", "31"),
            ("abc", "abc"),
            ("10K", "10K"),
            ("", ""),
        ] {
            assert_eq!(amount(typed), read, "{typed}");
        }
    }
}
