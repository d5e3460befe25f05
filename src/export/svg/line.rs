//! A line over time with control limits.

use std::fmt::Write as _;

use super::{Said, Scale, escaped};

const LEFT: i64 = 52;
const WIDTH: i64 = 920;
const RIGHT: i64 = 28;
const TOP: i64 = 18;
const HEIGHT: i64 = 210;
const BOTTOM: i64 = 26;
/// Most labels below the line.
const LABELS_MAX: usize = 9;

/// A period on the line; values are in any whole unit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Point {
    /// Which period.
    pub label: String,
    /// Its value.
    pub value: i64,
    /// Its value as people read it.
    pub text: String,
    /// What is expected of it, and the limits of what chance does.
    pub expected: Option<Expected>,
    /// Whether it lies outside of the limits.
    pub is_signal: bool,
    /// What pointing at it tells.
    pub hint: String,
}

/// What a period would be like were nothing but chance at work: the lower limit, what is expected, the upper limit.
pub type Expected = (i64, i64, i64);

/// A line of points in time; `tick` prints a value of its scale.
pub fn line(said: Said<'_>, points: &[Point], tick: impl Fn(i64) -> String) -> String {
    let highest = points.iter().map(|p| p.expected.map_or(p.value, |(_, _, high)| high.max(p.value))).max();
    let scale = Scale::new(highest.unwrap_or(0).saturating_add(highest.unwrap_or(0) / 20), HEIGHT);
    let mut svg = said.open(LEFT + WIDTH + RIGHT, TOP + HEIGHT + BOTTOM);
    for step in scale.steps() {
        let y = TOP + HEIGHT - scale.at(step);
        let _written = write!(
            svg,
            "<path class=\"chart-grid\" d=\"M{LEFT} {y}h{WIDTH}\"/>\
             <text class=\"chart-tick\" x=\"{}\" y=\"{y}\" text-anchor=\"end\" dominant-baseline=\"middle\">{}</text>",
            LEFT - 8,
            escaped(&tick(step))
        );
    }
    let at: Vec<(i64, &Point)> = points.iter().enumerate().map(|(n, p)| (middle_of(n, points.len()), p)).collect();
    let y = |value: i64| TOP + HEIGHT - scale.at(value);
    limits(&mut svg, points, y);
    let path = at.iter().enumerate().map(|(n, (x, p))| format!("{}{x} {}", if n == 0 { 'M' } else { 'L' }, y(p.value)));
    let _written = write!(svg, "<path class=\"chart-line\" d=\"{}\"/>", path.collect::<String>());
    for (x, point) in &at {
        mark(&mut svg, point, (*x, y(point.value)));
    }
    labels(&mut svg, &at);
    svg.push_str("</svg>");
    svg
}

/// The middle of the nth of so many equal parts of the width.
fn middle_of(n: usize, parts: usize) -> i64 {
    edge_of(2 * n + 1, 2 * parts)
}

fn edge_of(n: usize, parts: usize) -> i64 {
    let n = i64::try_from(n).unwrap_or(0);
    LEFT + n * WIDTH / i64::try_from(parts).unwrap_or(1).max(1)
}

/// The band between the limits and the line of what is expected, in steps: periods differ in length.
fn limits(svg: &mut String, points: &[Point], y: impl Fn(i64) -> i64) {
    let steps = |of: fn(Expected) -> i64| {
        let all = points.iter().enumerate().filter_map(|(n, p)| p.expected.map(|e| (n, of(e))));
        let corners = all.map(|(n, v)| [(edge_of(n, points.len()), y(v)), (edge_of(n + 1, points.len()), y(v))]);
        corners.flatten().map(|(x, y)| format!("{x} {y}")).collect::<Vec<_>>()
    };
    let (low, center, mut high) = (steps(|e| e.0), steps(|e| e.1), steps(|e| e.2));
    if center.is_empty() {
        return;
    }
    high.reverse();
    let _written = write!(
        svg,
        "<path class=\"chart-band\" d=\"M{}L{}z\"/><path class=\"chart-center\" d=\"M{}\"/>",
        low.join("L"),
        high.join("L"),
        center.join("L")
    );
}

fn mark(svg: &mut String, point: &Point, (x, y): (i64, i64)) {
    let hint = escaped(&point.hint);
    let _written = if point.is_signal {
        write!(
            svg,
            "<g class=\"chart-signal\"><title>{hint}</title><path d=\"M{x} {}l6 6l-6 6l-6 -6z\"/>\
             <text x=\"{x}\" y=\"{}\" text-anchor=\"middle\">{}</text></g>",
            y - 6,
            y - 10,
            escaped(&point.text)
        )
    } else {
        write!(svg, "<circle class=\"chart-point\" cx=\"{x}\" cy=\"{y}\" r=\"3\"><title>{hint}</title></circle>")
    };
}

fn labels(svg: &mut String, at: &[(i64, &Point)]) {
    let every = at.len().div_ceil(LABELS_MAX).max(1);
    for (x, point) in at.iter().step_by(every) {
        let _written = write!(
            svg,
            "<text class=\"chart-tick\" x=\"{x}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
            TOP + HEIGHT + 18,
            escaped(&point.label)
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAID: Said<'_> = Said { title: "T", description: "D" };

    fn point(n: i64, expected: Option<Expected>) -> Point {
        let is_signal = expected.is_some_and(|(low, _, high)| n < low || high < n);
        Point { label: format!("<{n}>"), value: n, text: n.to_string(), expected, is_signal, hint: String::new() }
    }

    #[test]
    fn points_outside_the_limits_are_marked_by_shape_and_told() {
        let points: Vec<Point> = [5, 6, 40].map(|n| point(n, Some((2, 6, 12)))).to_vec();
        let svg = line(SAID, &points, |v| v.to_string());
        assert_eq!((svg.matches("chart-point").count(), svg.matches("chart-signal").count()), (2, 1));
        assert!(svg.contains("chart-band") && svg.contains(">40</text>") && svg.contains("&lt;5&gt;"));
    }

    #[test]
    fn without_limits_there_is_a_line_and_few_labels() {
        let points: Vec<Point> = (0..240).map(|n| point(n, None)).collect();
        let svg = line(SAID, &points, |v| v.to_string());
        assert!(!svg.contains("chart-band") && svg.matches("&lt;").count() <= LABELS_MAX);
        assert!(line(SAID, &[], |v| v.to_string()).ends_with("</svg>"), "nothing to draw");
    }
}
