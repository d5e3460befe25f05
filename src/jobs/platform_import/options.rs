//! What a user says about a file; the same words on the page, in the API and on the command line.

use std::collections::HashMap;

use crate::domain::fault::{Fault, shown};
use crate::domain::money::Currency;
use crate::domain::time::{Day, UtcMillis, Zone};
use crate::imports::dates::DateOrder;
use crate::imports::mapping::DecimalMark;
use crate::store::costs::Scope;

/// What a user says about a file where it does not say it itself.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Options {
    /// The preset; without it the column names choose.
    pub preset: Option<String>,
    /// The account, where no column names it.
    pub account: Option<String>,
    /// The currency, where nothing names it.
    pub currency: Option<Currency>,
    /// The zone of a new account's days.
    pub zone: Option<Zone>,
    /// The order of dates that can be read both ways.
    pub dates: Option<DateOrder>,
    /// The decimal mark of amounts that can be read both ways.
    pub decimal: Option<DecimalMark>,
    /// Whether totals of periods are spread over their days.
    pub spread: bool,
    /// The day of the export.
    pub exported_on: Option<Day>,
    /// What happens to standing spend that the file lacks; without it nothing may vanish.
    pub scope: Option<Scope>,
    /// Whether the file may differ from its own totals.
    pub accepts_difference: bool,
    /// Code of the channel of accounts that have none yet.
    pub channel: Option<String>,
}

impl Options {
    /// Names of what [`Self::read`] reads.
    pub const NAMES: &'static [&'static str] = &[
        "preset",
        "account",
        "currency",
        "zone",
        "dates",
        "decimal",
        "spread",
        "exported_on",
        "scope",
        "accept_difference",
        "channel",
    ];

    /// Reads them from texts by name; empty ones say nothing.
    pub fn read(given: &HashMap<String, String>) -> Result<Self, Vec<Fault>> {
        let mut faults = Vec::new();
        let text = |name: &str| given.get(name).map(|v| v.trim().to_owned()).filter(|v| !v.is_empty());
        let is_on = |name: &str| text(name).is_some_and(|v| !matches!(v.as_str(), "false" | "0" | "no" | "off"));
        let mut options = Self {
            preset: text("preset"),
            account: text("account").map(|a| a.chars().filter(|c| !c.is_control()).take(200).collect()),
            spread: is_on("spread"),
            accepts_difference: is_on("accept_difference"),
            channel: text("channel"),
            ..Self::default()
        };
        let mut keep = |fault: Fault| faults.push(fault);
        options.currency = text("currency").and_then(|v| v.parse().map_err(&mut keep).ok());
        options.zone = text("zone").and_then(|v| v.parse().map_err(&mut keep).ok());
        options.dates = text("dates").and_then(|v| v.parse().map_err(&mut keep).ok());
        options.exported_on =
            text("exported_on").and_then(|v| v.parse().map_err(|f: Fault| keep(f.named("exported_on"))).ok());
        options.decimal = text("decimal").and_then(|v| match v.as_str() {
            "." | "point" => Some(DecimalMark::Point),
            "," | "comma" => Some(DecimalMark::Comma),
            _ => {
                keep(Fault::new("decimal", "decimal-unknown", format!("{} is no decimal mark; use . or ,", shown(&v))));
                None
            }
        });
        options.scope = text("scope").and_then(|v| match v.as_str() {
            "account" => Some(Scope::Account),
            "campaigns" => Some(Scope::Campaigns),
            _ => {
                keep(Fault::new(
                    "scope",
                    "scope-unknown",
                    format!("{} is no scope; use account or campaigns", shown(&v)),
                ));
                None
            }
        });
        if faults.is_empty() { Ok(options) } else { Err(faults) }
    }

    /// The same with the day of the export filled in: what the file's name says, else today.
    #[must_use]
    pub fn exported(mut self, file_name: &str, now: UtcMillis) -> Self {
        let today = Zone::utc().day_of(now);
        self.exported_on = self.exported_on.or_else(|| day_in(file_name, today)).or(Some(today));
        self
    }
}

/// The last day in a file's name, as `…_2026-10-05.csv` or as milliseconds `…_1791191700000.xls`; not one to come.
fn day_in(name: &str, today: Day) -> Option<Day> {
    let parts = name.split(|c: char| !c.is_ascii_digit() && c != '-').map(|p| p.trim_matches('-'));
    let day = |part: &str| -> Option<Day> {
        if part.len() == 13 {
            return part.parse().ok().map(|ms| Zone::utc().day_of(UtcMillis(ms)));
        }
        part.parse().ok()
    };
    parts.filter_map(day).rfind(|d| *d <= today.plus_days(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_files_name_tells_the_day_of_its_export() {
        let today: Day = "2026-11-22".parse().expect("day");
        let day = |name: &str| day_in(name, today).map(|d| d.to_string());
        assert_eq!(day("account_analytics_content_2026-09-07_2026-10-05.csv").as_deref(), Some("2026-10-05"));
        assert_eq!(day("acme_content_1791191700000.xls").as_deref(), Some("2026-10-05"));
        assert_eq!(day("Table data.csv"), None);
        assert_eq!(day("plan-2027-01-01.csv"), None, "an export is never of a day to come");
    }

    #[test]
    fn options_are_refused_by_name() {
        let given = [("currency", "XYZ"), ("zone", "Mars/Base"), ("dates", "ymd"), ("decimal", ";"), ("scope", "all")];
        let given = given.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        let fields: Vec<String> = Options::read(&given).expect_err("faults").into_iter().map(|f| f.field).collect();
        assert_eq!(fields, ["currency", "zone", "dates", "decimal", "scope"]);
    }
}
