//! Charts as SVG, drawn on the server so that they print and need no script.
//!
//! Colours come from the page's style sheet by class; every chart stands beside
//! the table of its figures, and names itself for screen readers.

mod bars;
mod line;

pub use bars::{Bar, bars};
pub use line::{Expected, Point, line};

/// About this many lines of a scale.
const STEPS: i64 = 5;

/// What every chart says of itself; the two are read aloud in its place.
#[derive(Debug, Clone, Copy)]
pub struct Said<'a> {
    /// What it shows.
    pub title: &'a str,
    /// What it says, and where the figures are.
    pub description: &'a str,
}

impl Said<'_> {
    fn open(&self, width: i64, height: i64) -> String {
        format!(
            "<svg class=\"chart\" role=\"img\" viewBox=\"0 0 {width} {height}\" xmlns=\"http://www.w3.org/2000/svg\">\
             <title>{}</title><desc>{}</desc>",
            escaped(self.title),
            escaped(self.description)
        )
    }
}

/// How values become lengths: from 0 to a top, whole units throughout.
#[derive(Debug, Clone, Copy)]
struct Scale {
    top: i64,
    length: i64,
}

impl Scale {
    fn new(top: i64, length: i64) -> Self {
        Self { top: top.max(1), length }
    }

    /// How far a value reaches; beyond the top it ends there.
    fn at(self, value: i64) -> i64 {
        let value = i128::from(value.clamp(0, self.top));
        i64::try_from(value * i128::from(self.length) / i128::from(self.top)).unwrap_or(0)
    }

    /// Round values from 0 on, few enough to be labelled.
    fn steps(self) -> Vec<i64> {
        let mut round = (0..19).flat_map(|zeros| [1, 2, 5].map(|digit| digit * 10_i64.pow(zeros)));
        let step = round.find(|step| self.top / step <= STEPS).unwrap_or(self.top);
        (0..=self.top / step).map(|n| n * step).collect()
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scale_has_few_round_steps_and_ends_at_its_top() {
        let steps = |top| Scale::new(top, 100).steps();
        assert_eq!(steps(4), [0, 1, 2, 3, 4]);
        assert_eq!(steps(10), [0, 2, 4, 6, 8, 10]);
        assert_eq!(steps(23), [0, 5, 10, 15, 20]);
        assert_eq!(steps(9_999), [0, 2_000, 4_000, 6_000, 8_000]);
        assert_eq!(steps(0), [0, 1]);
        assert_eq!(steps(i64::MAX).len(), 5);
        let scale = Scale::new(200, 440);
        assert_eq!([scale.at(-1), scale.at(0), scale.at(100), scale.at(300)], [0, 0, 220, 440]);
    }
}
