//! The models against tables that independent implementations computed: `tests/fixtures/attribution/`.

mod paths;
mod published;
mod rules;

use uuid::Uuid;

use super::Choice;
use super::journey::{Journey, JourneyTouch, Milestones};
use crate::domain::ids::{ChannelId, TouchId};
use crate::domain::time::UtcMillis;

/// A file of `tests/fixtures/attribution/`.
macro_rules! fixture {
    ($name:literal) => {
        include_str!(concat!("../../../../tests/fixtures/attribution/", $name))
    };
}
use fixture;

/// Rows of a table by column name.
struct Table {
    columns: csv::StringRecord,
    rows: Vec<csv::StringRecord>,
}

impl Table {
    fn read(text: &str) -> Self {
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        let columns = reader.headers().expect("header").clone();
        Self { columns, rows: reader.records().map(|row| row.expect("row")).collect() }
    }

    fn text<'a>(&self, row: &'a csv::StringRecord, column: &str) -> &'a str {
        let place = self.columns.iter().position(|c| c == column).unwrap_or_else(|| panic!("no column {column}"));
        &row[place]
    }

    fn number(&self, row: &csv::StringRecord, column: &str) -> f64 {
        self.text(row, column).parse().expect("a number")
    }
}

/// A table of paths, channels numbered by first appearance.
struct Paths {
    channels: Vec<String>,
    /// Path, conversions, nulls.
    paths: Vec<(Vec<u32>, u64, u64)>,
}

impl Paths {
    fn read(text: &str) -> Self {
        let table = Table::read(text);
        let mut channels: Vec<String> = Vec::new();
        let mut token = |name: &str| {
            let place = channels.iter().position(|c| c == name).unwrap_or_else(|| {
                channels.push(name.to_owned());
                channels.len() - 1
            });
            u32::try_from(place).expect("token")
        };
        let paths = table
            .rows
            .iter()
            .map(|row| {
                let count = |column| table.text(row, column).parse().expect("a count");
                let path = table.text(row, "path").split(" > ").map(&mut token).collect();
                (path, count("total_conversions"), count("total_null"))
            })
            .collect();
        Self { channels, paths }
    }
}

fn model(text: &str) -> Choice {
    text.parse().unwrap_or_else(|fault| panic!("{text}: {fault}"))
}

/// Touches at times, each of the channel beside it; number 0 is direct.
fn touches(of: &[(i64, i64)]) -> Vec<JourneyTouch> {
    let one = |(i, (at, channel)): (u128, &(i64, i64))| JourneyTouch {
        id: TouchId(Uuid::from_u128(i)),
        at: UtcMillis(*at),
        tie: format!("{i:05}"),
        channel: Some(ChannelId(*channel)),
        direct: *channel == 0,
    };
    (0..).zip(of).map(one).collect()
}

fn parts(model: &Choice, touches: &[JourneyTouch], milestones: Milestones) -> Vec<u128> {
    let mut parts = Vec::new();
    model.parts(&Journey { touches, end: UtcMillis(i64::MAX), milestones }, &mut parts);
    parts
}

/// Parts as shares of 1.
#[expect(clippy::float_arithmetic, reason = "compared with tables of decimals")]
fn shares(parts: &[u128]) -> Vec<f64> {
    let whole: u128 = parts.iter().sum();
    parts.iter().map(|p| *p as f64 / whole as f64).collect()
}

#[expect(clippy::float_arithmetic, reason = "compared with tables of decimals")]
fn near(found: f64, expected: f64, tolerance: f64, what: &str) {
    assert!((found - expected).abs() <= tolerance, "{what}: {found}, expected {expected}");
}
