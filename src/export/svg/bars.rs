//! Horizontal bars with the limits of their estimates.

use std::fmt::Write as _;

use super::{Said, Scale, escaped};

const ROW_HEIGHT: i64 = 28;
const LABEL_WIDTH: i64 = 190;
const BAR_WIDTH: i64 = 560;
const TEXT_WIDTH: i64 = 250;
const AXIS_HEIGHT: i64 = 22;

/// One bar; values are in any whole unit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Bar {
    /// What it stands for.
    pub label: String,
    /// Its length. No value draws no bar.
    pub value: Option<i64>,
    /// Its value as people read it.
    pub text: String,
    /// Limits of the estimate, drawn as a whisker; without an upper one it is open.
    pub limits: Option<(i64, Option<i64>)>,
    /// The limits as people read them.
    pub limits_text: String,
    /// Other answers to the same question, drawn as small diamonds.
    pub others: Vec<i64>,
    /// Whether the estimate is too wide to lean on.
    pub is_uncertain: bool,
    /// What pointing at it tells.
    pub hint: String,
}

/// A horizontal bar chart; `tick` prints a value of its scale.
pub fn bars(said: Said<'_>, bars: &[Bar], tick: impl Fn(i64) -> String) -> String {
    let scale = Scale::new(top(bars), BAR_WIDTH);
    let rows = ROW_HEIGHT * i64::try_from(bars.len()).unwrap_or(0) + 6;
    let mut svg = said.open(LABEL_WIDTH + BAR_WIDTH + TEXT_WIDTH, rows + AXIS_HEIGHT);
    for step in scale.steps() {
        let x = LABEL_WIDTH + scale.at(step);
        // Writing to a String cannot fail.
        let _written = write!(
            svg,
            "<path class=\"chart-grid\" d=\"M{x} 2V{rows}\"/>\
             <text class=\"chart-tick\" x=\"{x}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
            rows + 16,
            escaped(&tick(step))
        );
    }
    for (row, bar) in (0_i64..).zip(bars) {
        draw(&mut svg, bar, scale, row * ROW_HEIGHT + 4 + ROW_HEIGHT / 2);
    }
    svg.push_str("</svg>");
    svg
}

/// Where the scale ends: one very wide whisker must not make every bar short.
fn top(bars: &[Bar]) -> i64 {
    let longest = |of: fn(&Bar) -> Option<i64>| bars.iter().filter_map(of).max().unwrap_or(0);
    let values = longest(|b| b.value.into_iter().chain(b.others.iter().copied()).max());
    let low = longest(|b| b.limits.map(|(low, _)| low));
    let high = longest(|b| b.limits.and_then(|(_, high)| high));
    let least = values.max(low).max(1);
    high.clamp(least, least.saturating_mul(3) / 2).max(least)
}

fn draw(svg: &mut String, bar: &Bar, scale: Scale, middle: i64) {
    let class = if bar.is_uncertain { "chart-row uncertain" } else { "chart-row" };
    let _written = write!(
        svg,
        "<g class=\"{class}\"><title>{}</title>\
         <text class=\"chart-label\" x=\"{}\" y=\"{middle}\" text-anchor=\"end\" dominant-baseline=\"middle\">{}</text>",
        escaped(&bar.hint),
        LABEL_WIDTH - 10,
        escaped(&bar.label)
    );
    if let Some(value) = bar.value {
        let _written = write!(
            svg,
            "<rect class=\"chart-bar\" x=\"{LABEL_WIDTH}\" y=\"{}\" width=\"{}\" height=\"16\" rx=\"2\"/>",
            middle - 8,
            scale.at(value)
        );
    }
    if let Some((low, high)) = bar.limits {
        let (from, end) = (LABEL_WIDTH + scale.at(low), LABEL_WIDTH + high.map_or(BAR_WIDTH, |h| scale.at(h)));
        let is_open = high.is_none_or(|h| h > scale.top);
        // An end beyond the scale, or at no limit at all, is an arrow.
        let cap = if is_open { "m-5 -4l5 4l-5 4" } else { "m0 -4v8" };
        let _written =
            write!(svg, "<path class=\"chart-whisker\" d=\"M{from} {}v8M{from} {middle}H{end}{cap}\"/>", middle - 4);
    }
    for other in &bar.others {
        let x = LABEL_WIDTH + scale.at(*other);
        let _written = write!(svg, "<path class=\"chart-other\" d=\"M{x} {}l4 4l-4 4l-4 -4z\"/>", middle - 4);
    }
    let _written = write!(
        svg,
        "<text class=\"chart-value\" x=\"{}\" y=\"{middle}\" dominant-baseline=\"middle\">{} \
         <tspan class=\"chart-limits\">{}</tspan></text></g>",
        LABEL_WIDTH + BAR_WIDTH + 16,
        escaped(&bar.text),
        escaped(&bar.limits_text)
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAID: Said<'_> = Said { title: "T", description: "D" };

    fn bar(label: &str, value: Option<i64>) -> Bar {
        Bar { label: label.into(), value, text: "t".into(), ..Bar::default() }
    }

    #[test]
    fn labels_are_escaped_and_lengths_are_in_proportion() {
        let svg = bars(SAID, &[bar("<a>", Some(50)), bar("b", Some(100)), bar("c", None)], |v| v.to_string());
        assert!(svg.contains("&lt;a&gt;") && !svg.contains("<a>"));
        assert!(svg.contains("width=\"280\"") && svg.contains("width=\"560\""), "{svg}");
        assert_eq!(svg.matches("chart-bar").count(), 2, "no value, no bar");
    }

    #[test]
    fn a_whisker_beyond_the_scale_or_without_an_end_is_an_arrow() {
        let with = |limits| Bar { limits: Some(limits), ..bar("a", Some(100)) };
        let arrows = |bar: Bar| bars(SAID, &[bar], |v| v.to_string()).contains("m-5 -4");
        assert!(!arrows(with((80, Some(120)))));
        assert!(arrows(with((80, Some(1_000)))) && arrows(with((80, None))));
        // The scale ends half as far again as the longest bar.
        assert_eq!(top(&[with((80, Some(120)))]), 120);
        assert_eq!(top(&[with((80, Some(1_000)))]), 150);
        assert_eq!(top(&[]), 1);
    }
}
