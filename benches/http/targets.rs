//! What the figures must reach, and what they aim at.

use super::report::Spread;

/// How a figure is counted and printed.
#[derive(Debug, Clone, Copy)]
pub(super) enum Unit {
    /// Per mille of the base, printed as a ratio.
    Ratio,
    /// KiB, printed as MiB.
    Memory,
    /// Bytes.
    Bytes,
    /// Milliseconds.
    Millis,
}

impl Unit {
    /// The figure as people read it.
    pub(super) fn print(self, value: u64) -> String {
        match self {
            Self::Ratio => format!("{}.{:02}", (value + 5) / 1_000, (value + 5) % 1_000 / 10),
            Self::Memory => format!("{}.{} MiB", value / 1_024, value % 1_024 * 10 / 1_024),
            Self::Bytes => format!("{value} B"),
            Self::Millis => format!("{value} ms"),
        }
    }
}

/// One target, in its figure's unit.
#[derive(Debug)]
pub(super) struct Target {
    /// What is measured.
    pub(super) what: &'static str,
    unit: Unit,
    /// Whether more is better.
    is_floor: bool,
    /// Zero, here and below: there is none for this figure.
    must: u64,
    aim: u64,
}

const fn floor(what: &'static str, must: u64, aim: u64) -> Target {
    Target { what, unit: Unit::Ratio, is_floor: true, must, aim }
}

const fn ceiling(what: &'static str, unit: Unit, must: u64, aim: u64) -> Target {
    Target { what, unit, is_floor: false, must, aim }
}

pub(super) const REDIRECT_OS: Target = floor("redirect, `os`, of actix-web", 800, 0);
pub(super) const REDIRECT_INTERVAL: Target = floor("redirect, `interval`, of actix-web", 800, 0);
pub(super) const REDIRECT_OS_NGINX: Target = floor("redirect, `os`, of nginx", 0, 1_000);
pub(super) const REDIRECT_INTERVAL_NGINX: Target = floor("redirect, `interval`, of nginx", 0, 1_000);
pub(super) const REDIRECT_ALWAYS: Target = floor("redirect, `always`, of actix-web", 650, 850);
pub(super) const REDIRECT_1024: Target = floor("redirect, `interval`, 1,024 connections, of actix-web", 800, 1_000);
pub(super) const PIXEL: Target = floor("pixel, `interval`, of nginx `empty_gif`", 850, 1_000);
pub(super) const P99_REPORT: Target = ceiling("p99 while reports run, of idle", Unit::Ratio, 2_000, 1_300);
pub(super) const P99_IMPORT: Target = ceiling("p99 while imports run, of idle", Unit::Ratio, 2_000, 1_300);
pub(super) const P99_AWAY: Target = ceiling("p99 while the database is away, of idle", Unit::Ratio, 2_000, 1_300);
pub(super) const MEMORY_REST: Target = ceiling("memory at rest", Unit::Memory, 30 * 1_024, 15 * 1_024);
pub(super) const MEMORY_LINK: Target = ceiling("memory per link", Unit::Bytes, 300, 200);
pub(super) const START: Target = ceiling("start to first redirect, all links", Unit::Millis, 3_000, 1_000);
pub(super) const DISK_CLICK: Target = ceiling("database bytes per click", Unit::Bytes, 250, 150);

impl Target {
    /// A row for the table of targets.
    pub(super) fn row(&self, measured: Spread) -> Vec<String> {
        let value = measured.median;
        let reaches = |bound: u64| if self.is_floor { value >= bound } else { value <= bound };
        let verdict = match (reaches(self.must), reaches(self.aim)) {
            (false, _) => "**misses**",
            (true, true) if self.aim > 0 => "reaches the aim",
            (true, false) if self.must == 0 => "below the aim",
            (true, _) => "passes",
        };
        let sign = if self.is_floor { "≥" } else { "≤" };
        let bound = |b: u64| if b == 0 { "–".to_owned() } else { format!("{sign} {}", self.unit.print(b)) };
        vec![self.what.to_owned(), measured.print(self.unit), bound(self.must), bound(self.aim), verdict.to_owned()]
    }
}
