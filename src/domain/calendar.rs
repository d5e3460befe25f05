//! Calendar periods: days, ISO weeks, months, quarters and fiscal years, and the periods a report is compared with.

use super::named_enum::named_enum;
use super::time::{Day, DayRange};

named_enum!(
    /// How long the pieces are into which a report cuts its days.
    Grain, "grain", "grain-unknown" {
        /// Days, `2025-01-31`.
        Day = "day",
        /// ISO 8601 weeks, `2025-W05`, Monday to Sunday.
        Week = "week",
        /// Months, `2025-01`.
        Month = "month",
        /// Quarters, `2025-Q1`, or of the fiscal year, `FY2025-Q1`.
        Quarter = "quarter",
        /// Years, `2025`, or fiscal years, `FY2025`.
        Year = "year",
    }
);

named_enum!(
    /// What a period is compared with.
    Comparison, "compare", "comparison-unknown" {
        /// The period of the same length just before.
        Previous = "previous",
        /// The same days one year before.
        Year = "year",
        /// The same days two years before.
        TwoYears = "two_years",
    }
);

/// The month in which a fiscal year begins: 1 for the calendar year.
///
/// A fiscal year is named by the calendar year in which it ends, as is usual in accounts: with a start in
/// April, March 2026 is in `FY2026` and April 2026 begins `FY2027`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FiscalStart(i8);

impl Default for FiscalStart {
    fn default() -> Self {
        Self(1)
    }
}

impl FiscalStart {
    /// A start in `month`, 1 to 12.
    pub fn new(month: i8) -> Option<Self> {
        (1..=12).contains(&month).then_some(Self(month))
    }

    /// The month.
    pub fn month(self) -> i8 {
        self.0
    }

    /// The fiscal year and the months since it began, 0 to 11.
    fn year_and_months(self, day: Day) -> (i16, i8) {
        let (year, month) = (day.year(), day.month_of_year());
        let since = (month - self.0).rem_euclid(12);
        let begins_this_year = month >= self.0;
        let ends_next_year = self.0 > 1 && begins_this_year;
        (year + i16::from(ends_next_year), since)
    }
}

/// The name of the piece that `day` falls into. Names of one grain sort as their pieces do.
pub fn piece_of(day: Day, grain: Grain, fiscal: FiscalStart) -> String {
    let is_calendar = fiscal == FiscalStart::default();
    match grain {
        Grain::Day => day.to_string(),
        Grain::Week => {
            let (year, week) = day.iso_week();
            format!("{year}-W{week:02}")
        }
        Grain::Month => format!("{}-{:02}", day.year(), day.month_of_year()),
        Grain::Quarter => {
            let (year, since) = fiscal.year_and_months(day);
            let prefix = if is_calendar { "" } else { "FY" };
            format!("{prefix}{year}-Q{}", since / 3 + 1)
        }
        Grain::Year => {
            let (year, _) = fiscal.year_and_months(day);
            if is_calendar { year.to_string() } else { format!("FY{year}") }
        }
    }
}

/// The days that `range` is compared with. Whole months stay whole months, so that February is compared with all of January.
pub fn compared(range: DayRange, with: Comparison) -> DayRange {
    let whole_months = range.from == range.from.first_of_month() && range.to == range.to.last_of_month();
    let months = (i32::from(range.to.year()) - i32::from(range.from.year())) * 12 + i32::from(range.to.month_of_year())
        - i32::from(range.from.month_of_year())
        + 1;
    let moved = |months: i32| {
        let to = range.to.plus_months(-months);
        DayRange { from: range.from.plus_months(-months), to: if whole_months { to.last_of_month() } else { to } }
    };
    match with {
        Comparison::Previous if whole_months => moved(months),
        Comparison::Previous => {
            let days = i32::try_from(range.len()).unwrap_or(i32::MAX);
            DayRange { from: range.from.plus_days(-days), to: range.from.plus_days(-1) }
        }
        Comparison::Year => moved(12),
        Comparison::TwoYears => moved(24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> Day {
        text.parse().expect(text)
    }

    #[test]
    fn pieces_are_named_by_iso_weeks_quarters_and_fiscal_years() {
        let april = FiscalStart::new(4).expect("April");
        let named = |d: &str, grain, fiscal| piece_of(day(d), grain, fiscal);
        let usual = FiscalStart::default();
        assert_eq!(
            named("2024-12-30", Grain::Week, usual),
            "2025-W01",
            "ISO weeks belong to the year of their Thursday"
        );
        assert_eq!(named("2027-01-01", Grain::Week, usual), "2026-W53");
        assert_eq!(named("2025-01-31", Grain::Month, usual), "2025-01");
        assert_eq!(named("2025-12-31", Grain::Quarter, usual), "2025-Q4");
        assert_eq!(named("2026-03-31", Grain::Quarter, april), "FY2026-Q4");
        assert_eq!(named("2026-04-01", Grain::Quarter, april), "FY2027-Q1");
        assert_eq!(named("2026-04-01", Grain::Year, april), "FY2027");
        assert_eq!(named("2026-04-01", Grain::Year, usual), "2026");
        assert_eq!((FiscalStart::new(0), FiscalStart::new(13)), (None, None));
    }

    #[test]
    fn a_period_is_compared_with_its_like() {
        let range = |from: &str, to: &str| DayRange { from: day(from), to: day(to) };
        let checks = [
            (range("2025-02-01", "2025-02-28"), Comparison::Previous, range("2025-01-01", "2025-01-31")),
            (range("2025-01-01", "2025-03-31"), Comparison::Previous, range("2024-10-01", "2024-12-31")),
            (range("2025-03-10", "2025-03-16"), Comparison::Previous, range("2025-03-03", "2025-03-09")),
            (range("2024-02-01", "2024-02-29"), Comparison::Year, range("2023-02-01", "2023-02-28")),
            (range("2023-02-01", "2023-02-28"), Comparison::Year, range("2022-02-01", "2022-02-28")),
            (range("2025-02-01", "2025-02-28"), Comparison::Year, range("2024-02-01", "2024-02-29")),
            (range("2025-03-10", "2025-03-16"), Comparison::TwoYears, range("2023-03-10", "2023-03-16")),
        ];
        for (asked, with, expected) in checks {
            assert_eq!(compared(asked, with), expected, "{asked:?} {with}");
        }
    }
}
