//! Presets: what the exports of a platform look like, as data.
//!
//! The built-in ones are the files under `presets/`; users save their own in the same form.
//!
//! ```toml
//! name = "reddit-ads"          # a-z 0-9 . _ -
//! title = "Reddit Ads"         # what people read
//! platform = "reddit"
//! kind = "spend"               # spend, posts or days
//! marks = ["eCPM"]             # columns of which a file of this platform has one
//! dates = "mdy"                # where every date can be read both ways: mdy or dmy
//! decimal = "."                # where every amount can
//! zone = "UTC"                 # if the platform fixes the zone of its days
//!
//! [columns]                    # fields, and the columns they may be called by; (*) stands for a currency
//! day = ["Date"]
//! spend = ["Amount Spent (*)"]
//!
//! [metrics]                    # counts to keep
//! impressions = ["Impressions"]
//!
//! [[languages]]                # of localised exports
//! marks = ["Jour"]
//! dates = "dmy"
//! decimal = ","
//! ```

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

use super::dates::DateOrder;
use super::mapping::DecimalMark;
use crate::domain::fault::{Fault, shown};
use crate::domain::money::Currency;
use crate::domain::named_enum::named_enum;
use crate::domain::time::Zone;
use crate::domain::utm::UtmValue;

named_enum!(
    /// What the rows of an export are.
    ExportKind, "kind", "export-kind-unknown" {
        /// Money spent by campaign and day.
        Spend = "spend",
        /// Posts with their counts as they stood at the export.
        Posts = "posts",
        /// Counts of an account by day.
        Days = "days",
    }
);

impl ExportKind {
    /// The fields that a preset of this kind may name columns for.
    pub fn fields(self) -> &'static [&'static str] {
        match self {
            Self::Spend => &[
                "day",
                "start",
                "end",
                "account",
                "account_id",
                "campaign",
                "campaign_id",
                "ad_set_id",
                "ad_id",
                "currency",
                "spend",
            ],
            Self::Posts => {
                &["post_id", "permalink", "title", "format", "published", "account", "account_id", "network"]
            }
            Self::Days => &["day", "account", "account_id", "network"],
        }
    }
}

/// How a localised export writes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Language {
    /// Columns that only this language has.
    pub marks: Vec<String>,
    /// The order of its dates.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dates: Option<DateOrder>,
    /// Its decimals.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decimal: Option<DecimalMark>,
}

/// A checked preset.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Preset {
    /// Its name.
    pub name: String,
    /// What people read.
    pub title: String,
    /// The platform whose accounts these are.
    pub platform: String,
    /// What the rows are.
    pub kind: ExportKind,
    /// Columns of which a file of this platform has at least one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub marks: Vec<String>,
    /// The order of dates that can be read both ways.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dates: Option<DateOrder>,
    /// The decimal mark of amounts that can be read both ways.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decimal: Option<DecimalMark>,
    /// The currency, where the file does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub currency: Option<Currency>,
    /// The zone of the days, where the platform fixes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<Zone>,
    /// Zones by the words that a line above the header names them with.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub zones: BTreeMap<String, Zone>,
    /// Whether the end of a row is the first instant that it does not cover.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub end_is_exclusive: bool,
    /// Whether the metric's name stands above the header, and the file may hold several such blocks.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub metric_above: bool,
    /// Columns by field.
    pub columns: BTreeMap<String, Vec<String>>,
    /// Columns by metric.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub metrics: BTreeMap<String, Vec<String>>,
    /// Localised forms.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub languages: Vec<Language>,
}

/// Longest preset, in bytes.
const PRESET_MAX: usize = 64 << 10;

impl Preset {
    /// Reads a preset and checks it.
    pub fn parse(text: &str) -> Result<Self, Vec<Fault>> {
        let malformed = |why: String| vec![Fault::new("preset", "preset-malformed", why)];
        if text.len() > PRESET_MAX {
            return Err(malformed(format!("the preset has {} bytes and at most {PRESET_MAX} are read", text.len())));
        }
        let preset: Self = toml::from_str(text).map_err(|why| {
            let line = why.span().map_or(1, |span| 1 + text.bytes().take(span.start).filter(|b| *b == b'\n').count());
            malformed(format!("line {line}: {}; mend the preset", why.message().trim_end().replace('\n', " ")))
        })?;
        let faults = preset.faults();
        if faults.is_empty() { Ok(preset) } else { Err(faults) }
    }

    /// The preset as a file.
    pub fn to_toml(&self) -> Result<String, Fault> {
        toml::to_string(self).map_err(|why| Fault::new("preset", "preset-malformed", why.to_string()))
    }

    fn faults(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        for (field, value) in [("name", &self.name), ("platform", &self.platform)] {
            faults.extend(value.parse::<UtmValue>().map_err(|f| f.named(field)).err());
        }
        let fields = self.kind.fields();
        for unknown in self.columns.keys().filter(|f| !fields.contains(&f.as_str())) {
            let why = format!("{} is no field of {}; use {}", shown(unknown), self.kind, fields.join(", "));
            faults.push(Fault::new("columns", "field-unknown", why));
        }
        for metric in self.metrics.keys() {
            faults.extend(metric.parse::<UtmValue>().map_err(|f| f.named("metrics")).err());
        }
        let has = |field: &str| self.columns.get(field).is_some_and(|c| !c.is_empty());
        let missing = |field: &str, why: &str| Fault::new(field, "column-missing", why);
        match self.kind {
            ExportKind::Spend if !has("spend") => {
                faults.push(missing("spend", "name the column that holds the money spent"));
            }
            ExportKind::Spend | ExportKind::Days if !has("day") && !has("start") => {
                faults.push(missing("day", "name the column that holds the day"));
            }
            ExportKind::Posts if !["post_id", "permalink", "title"].iter().any(|f| has(f)) => {
                faults.push(missing("post_id", "name the column that holds the post's id, its address or its title"));
            }
            _ => {}
        }
        if self.kind != ExportKind::Spend && self.metrics.is_empty() {
            faults.push(missing("metrics", "name at least one column of counts"));
        }
        faults
    }
}

/// A column's name as presets compare it: small letters, one space, straight quotes.
pub fn plain(name: &str) -> String {
    let name = name.trim().trim_matches(['"', '\u{feff}']).replace(['’', '‘', '´', '`'], "'").to_lowercase();
    name.split_whitespace().collect::<Vec<_>>().join(" ")
}

macro_rules! built_in {
    ($($name:literal),+ $(,)?) => {
        &[$(($name, include_str!(concat!("presets/", $name, ".toml")))),+]
    };
}

/// The files of the built-in presets.
const BUILT_IN: &[(&str, &str)] = built_in!(
    "meta-ads",
    "linkedin-ads",
    "google-ads",
    "tiktok-ads",
    "x-ads",
    "pinterest-ads",
    "reddit-ads",
    "microsoft-ads",
    "snapchat-ads",
    "facebook-content",
    "instagram-content",
    "meta-business-suite",
    "linkedin-page-days",
    "linkedin-page-followers",
    "linkedin-page-posts",
    "x-content",
    "x-overview",
    "tiktok-overview",
    "tiktok-followers",
    "tiktok-content",
    "youtube-content",
    "sprout-posts",
    "sprout-profiles",
    "buffer-posts",
    "hootsuite-posts",
);

static PRESETS: LazyLock<Vec<Preset>> = LazyLock::new(|| {
    // A test reads every one of them.
    BUILT_IN.iter().filter_map(|(_, text)| Preset::parse(text).ok()).collect()
});

/// The built-in presets.
pub fn built_in() -> &'static [Preset] {
    &PRESETS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_built_in_preset_is_read_and_named_as_its_file() {
        for (name, text) in BUILT_IN {
            let preset = Preset::parse(text).unwrap_or_else(|faults| panic!("{name}: {faults:?}"));
            assert_eq!(preset.name, *name);
            assert_eq!(Preset::parse(&preset.to_toml().expect("toml")).expect(name), preset);
        }
        assert_eq!(built_in().len(), BUILT_IN.len());
    }

    #[test]
    fn presets_are_checked_whole() {
        let head = "name='a'\ntitle='A'\nplatform='a'\n";
        for (text, code) in [
            ("kind='spend'\n[columns]\nday=['d']", "column-missing"),
            ("kind='spend'\n[columns]\nspend=['s']", "column-missing"),
            ("kind='days'\n[columns]\nday=['d']", "column-missing"),
            ("kind='posts'\n[columns]\n[metrics]\nlikes=['l']", "column-missing"),
            ("kind='spend'\n[columns]\nday=['d']\nspend=['s']\ncolour=['c']", "field-unknown"),
            ("kind='spend'\ncolour=1\n[columns]", "preset-malformed"),
        ] {
            let faults = Preset::parse(&format!("{head}{text}")).expect_err(text);
            assert_eq!(faults[0].code, code, "{text}");
        }
    }
}
