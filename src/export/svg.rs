//! Charts as SVG, drawn on the server so that they print and need no script.
//!
//! Colours come from the page's style sheet by class; every chart stands beside
//! the table of its figures, and names itself for screen readers.

use std::fmt::Write as _;

/// One bar: label, value in any whole unit, and the value as people read it. No value draws no bar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bar {
    /// What it stands for.
    pub label: String,
    /// Its length.
    pub value: Option<i64>,
    /// Its text.
    pub text: String,
}

const ROW_HEIGHT: i64 = 26;
const LABEL_WIDTH: i64 = 170;
const BAR_WIDTH: i64 = 440;
const TEXT_WIDTH: i64 = 110;

/// A horizontal bar chart; `title` and `description` are read aloud in its place.
pub fn bars(title: &str, description: &str, bars: &[Bar]) -> String {
    let longest = bars.iter().filter_map(|b| b.value).max().unwrap_or(0).max(1);
    let width = LABEL_WIDTH + BAR_WIDTH + TEXT_WIDTH;
    let height = ROW_HEIGHT * i64::try_from(bars.len()).unwrap_or(0) + 8;
    let mut svg = format!(
        "<svg class=\"chart\" role=\"img\" viewBox=\"0 0 {width} {height}\" xmlns=\"http://www.w3.org/2000/svg\">\
         <title>{}</title><desc>{}</desc>",
        escaped(title),
        escaped(description)
    );
    for (row, bar) in (0_i64..).zip(bars) {
        let y = row * ROW_HEIGHT + 4;
        let middle = y + ROW_HEIGHT / 2;
        let length = bar.value.map_or(0, |v| {
            i64::try_from(i128::from(v.max(0)) * i128::from(BAR_WIDTH) / i128::from(longest)).unwrap_or(0)
        });
        // Writing to a String cannot fail.
        let _written = write!(
            svg,
            "<text class=\"chart-label\" x=\"{}\" y=\"{middle}\" text-anchor=\"end\" dominant-baseline=\"middle\">{}</text>\
             <rect class=\"chart-bar\" x=\"{LABEL_WIDTH}\" y=\"{}\" width=\"{length}\" height=\"{}\" rx=\"2\"/>\
             <text class=\"chart-value\" x=\"{}\" y=\"{middle}\" dominant-baseline=\"middle\">{}</text>",
            LABEL_WIDTH - 10,
            escaped(&bar.label),
            y + 4,
            ROW_HEIGHT - 8,
            LABEL_WIDTH + length + 8,
            escaped(&bar.text)
        );
    }
    svg.push_str("</svg>");
    svg
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_escaped_and_lengths_are_in_proportion() {
        let bar = |label: &str, value| Bar { label: label.into(), value, text: "t".into() };
        let svg = bars("T", "D", &[bar("<a>", Some(50)), bar("b", Some(100)), bar("c", None)]);
        assert!(svg.contains("&lt;a&gt;") && !svg.contains("<a>"));
        assert!(svg.contains("width=\"220\"") && svg.contains("width=\"440\"") && svg.contains("width=\"0\""));
    }
}
