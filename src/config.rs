//! Configuration: defaults, a file, the environment, flags; later ones win.
//!
//! `config/default.toml` is both the documentation and the compiled-in default,
//! so it cannot drift. The environment is read here and nowhere else.

mod rules;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::domain::calendar::FiscalStart;
use crate::domain::fault::Fault;
use crate::domain::money::Currency;
use crate::domain::time::{Day, Zone};

/// The defaults, as people read them.
pub const DEFAULT_TOML: &str = include_str!("../config/default.toml");

/// The whole configuration.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// `[server]`
    pub server: Server,
    /// `[data]`
    pub data: Data,
    /// `[database]`
    pub database: Database,
    /// `[tracking]`
    pub tracking: Tracking,
    /// `[classification]`
    pub classification: Classification,
    /// `[journal]`
    pub journal: Journal,
    /// `[intake]`
    pub intake: Intake,
    /// `[imports]`
    pub imports: Imports,
    /// `[reporting]`
    pub reporting: Reporting,
    /// `[log]`
    pub log: Log,
}

/// The listener.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Server {
    /// Address and port.
    pub bind: String,
    /// The public address; empty until [`Config::load`] has filled it in.
    pub public_url: String,
    /// Whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<std::net::IpAddr>,
    /// Threads; 0 is one a core.
    pub workers: usize,
    /// Deadline of a stop.
    pub shutdown_ms: u64,
    /// From not being ready to accepting no more.
    pub unready_ms: u64,
}

/// Where files live.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Data {
    /// The directory.
    pub dir: PathBuf,
}

/// The database.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Database {
    /// Its address; empty for SQLite in the data directory.
    pub url: String,
    /// Pool size.
    pub connections: u32,
    /// Deadline of a wait for a connection.
    pub wait_ms: u64,
}

/// The visitor cookie's policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum VisitorCookie {
    /// Always.
    On,
    /// Never.
    Off,
    /// As the first administrator decided; off until then.
    Ask,
}

/// The tracking path.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tracking {
    /// The cookie.
    pub visitor_cookie: VisitorCookie,
    /// Whether `Sec-GPC` counts.
    pub honour_gpc: bool,
    /// Whether `DNT` counts.
    pub honour_dnt: bool,
    /// The click id's parameter.
    pub click_id_param: String,
    /// Who may use hw.js.
    pub allowed_origins: Vec<String>,
    /// The repeat window.
    pub repeat_window_ms: i64,
    /// The rate limit of hw.js reports.
    pub collect_per_minute: u32,
    /// Where unknown slugs lead.
    pub fallback_url: String,
}

/// Who is taken for what.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Classification {
    /// User agents classed by hand.
    pub agents: Vec<String>,
    /// Address ranges.
    pub ranges: Vec<String>,
    /// A file of more of them.
    #[serde(deserialize_with = "path_or_empty", serialize_with = "or_empty")]
    pub ranges_file: Option<PathBuf>,
    /// The MMDB.
    #[serde(deserialize_with = "path_or_empty", serialize_with = "or_empty")]
    pub country_database: Option<PathBuf>,
    /// Links of a burst.
    pub burst_links: usize,
    /// Its window.
    pub burst_window_ms: u64,
    /// From a HEAD to its GET.
    pub head_then_get_ms: u64,
    /// User agents of a crowd.
    pub crowd_agents: usize,
}

/// When the journal reaches the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum JournalSync {
    /// When the system sees fit.
    Os,
    /// Every so often.
    Interval,
    /// Before each answer.
    Always,
}

/// The journal and its writer.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Journal {
    /// Segment size.
    pub segment_bytes: u64,
    /// Size of everything.
    pub max_bytes: u64,
    /// The promise.
    pub sync: JournalSync,
    /// Its interval.
    pub sync_interval_ms: u64,
    /// Batch size.
    pub batch_rows: usize,
    /// Batch age.
    pub batch_age_ms: u64,
}

/// What comes in.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Intake {
    /// The largest body.
    pub body_bytes_max: usize,
    /// Namespace of bare contact ids.
    pub person_namespace: String,
    /// Size of the deliveries' journal.
    pub journal_bytes_max: u64,
    /// How long bodies are kept.
    pub keep_days: i64,
}

/// Files of spend and counts.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Imports {
    /// The largest file.
    pub file_bytes_max: usize,
    /// How long an upload waits.
    pub keep_minutes: i64,
}

/// Defaults of reports.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reporting {
    /// The currency.
    pub currency: Currency,
    /// The zone.
    pub zone: Zone,
    /// The look-back.
    pub lookback_days: i64,
    /// The month in which fiscal years begin.
    #[serde(deserialize_with = "month")]
    pub fiscal_start: FiscalStart,
    /// First day that pages open on.
    #[serde(deserialize_with = "day_or_empty")]
    pub from: Option<Day>,
    /// Last day that pages open on.
    #[serde(deserialize_with = "day_or_empty")]
    pub to: Option<Day>,
}

/// Logging.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Log {
    /// The filter.
    pub level: String,
    /// `text` or `json`.
    pub format: LogFormat,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// For machines.
    Json,
}

fn day_or_empty<'de, D: serde::Deserializer<'de>>(d: D) -> Result<Option<Day>, D::Error> {
    let text = String::deserialize(d)?;
    if text.is_empty() { Ok(None) } else { text.parse().map(Some).map_err(serde::de::Error::custom) }
}

fn month<'de, D: serde::Deserializer<'de>>(d: D) -> Result<FiscalStart, D::Error> {
    let month = i8::deserialize(d)?;
    FiscalStart::new(month).ok_or_else(|| serde::de::Error::custom(format!("{month} is no month; use 1 to 12")))
}

fn path_or_empty<'de, D: serde::Deserializer<'de>>(d: D) -> Result<Option<PathBuf>, D::Error> {
    let text = String::deserialize(d)?;
    Ok((!text.is_empty()).then(|| PathBuf::from(text)))
}

fn or_empty<S: serde::Serializer>(path: &Option<PathBuf>, s: S) -> Result<S::Ok, S::Error> {
    path.as_deref().unwrap_or(Path::new("")).serialize(s)
}

/// Settings given on the command line: `section.key` and a TOML value or bare text.
pub type Overrides<'a> = &'a [(String, String)];

impl Config {
    /// Reads defaults, the file (`headwater.toml` if it exists and none is named), the environment and overrides.
    pub fn load(file: Option<&Path>, overrides: Overrides<'_>) -> Result<Self, Fault> {
        let mut table = defaults()?;
        let (path, is_named) = file.map_or((Path::new("headwater.toml"), false), |p| (p, true));
        if is_named || path.exists() {
            merge_file(&mut table, path, "--config")?;
        }
        merge_environment(&mut table)?;
        Self::finish(table, overrides)
    }

    /// The defaults with overrides alone, for tests that must not see a machine's file or environment.
    pub fn with(overrides: Overrides<'_>) -> Result<Self, Fault> {
        Self::finish(defaults()?, overrides)
    }

    fn finish(mut table: toml::Table, overrides: Overrides<'_>) -> Result<Self, Fault> {
        for (key, value) in overrides {
            let (section, name) = key.split_once('.').unwrap_or((key, ""));
            set(&mut table, section, name, value, "--set")?;
        }
        let mut config: Self = table.try_into().map_err(|e| wrong_value(&e))?;
        if config.server.public_url.is_empty() {
            config.server.public_url = format!("http://{}", config.server.bind);
        }
        let trimmed = config.server.public_url.trim_end_matches('/').to_owned();
        config.server.public_url = trimmed;
        config.check().map(|()| config)
    }

    fn check(&self) -> Result<(), Fault> {
        let fault = |field: &str, why: &str| Err(Fault::new(field, "config-value", why));
        if url::Url::parse(&self.server.public_url).is_err() {
            return fault("server.public_url", "it is not a web address; write https://links.example.com");
        }
        let param = &self.tracking.click_id_param;
        if param.is_empty() || !param.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_') {
            return fault("tracking.click_id_param", "use lower-case letters, digits and underscores");
        }
        if self.journal.segment_bytes < 65_536 || self.journal.max_bytes < self.journal.segment_bytes {
            return fault("journal.segment_bytes", "a segment needs 65536 bytes at least, and max_bytes room for one");
        }
        if self.journal.batch_rows == 0 || self.database.connections == 0 {
            return fault("journal.batch_rows", "batch_rows and database.connections need 1 at least");
        }
        if !(1..=36_500).contains(&self.intake.keep_days) {
            return fault(
                "intake.keep_days",
                "keep bodies for 1 to 36500 days: a delivery that was just accepted must be read first",
            );
        }
        if !self.tracking.fallback_url.is_empty() {
            crate::domain::destination::Destination::parse(&self.tracking.fallback_url, param)
                .map_err(|f| f.named("tracking.fallback_url"))?;
        }
        Ok(())
    }
}

/// The master key from `HEADWATER_SECRET`, where one is given.
#[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
pub fn secret_from_environment() -> Option<String> {
    std::env::var("HEADWATER_SECRET").ok().filter(|s| !s.is_empty())
}

/// A password for commands that need one without a terminal.
#[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
pub fn password_from_environment() -> Option<String> {
    std::env::var("HEADWATER_PASSWORD").ok().filter(|s| !s.is_empty())
}

/// A parser's message without its line breaks.
fn one_line(message: &str) -> String {
    message.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The program's arguments with every `--set` moved to the front, where the parser sees them all: of a flag given
/// before and after the command it would keep the later ones only.
pub fn arguments() -> Vec<String> {
    hoist_settings(std::env::args().collect())
}

fn hoist_settings(arguments: Vec<String>) -> Vec<String> {
    let mut all = arguments.into_iter();
    let mut front: Vec<String> = all.next().into_iter().collect();
    let mut rest = Vec::new();
    while let Some(argument) = all.next() {
        match argument.as_str() {
            // What follows is no flag of ours.
            "--" => {
                rest.push(argument);
                rest.extend(all.by_ref());
            }
            "--set" => front.extend([argument].into_iter().chain(all.next())),
            flag if flag.starts_with("--set=") => front.push(argument),
            _ => rest.push(argument),
        }
    }
    front.append(&mut rest);
    front
}

fn defaults() -> Result<toml::Table, Fault> {
    DEFAULT_TOML.parse().map_err(|e: toml::de::Error| Fault::new("config", "config-malformed", e.to_string()))
}

/// `flag` is the one that names the file.
fn merge_file(table: &mut toml::Table, path: &Path, flag: &str) -> Result<(), Fault> {
    let shown = path.display();
    let text = std::fs::read_to_string(path).map_err(|e| {
        Fault::new("config", "config-unreadable", format!("cannot read {shown}: {e}; correct {flag}, or leave it out"))
    })?;
    let file: toml::Table = text.parse().map_err(|e: toml::de::Error| {
        let line = text.get(..e.span().map_or(0, |s| s.start)).unwrap_or_default().matches('\n').count() + 1;
        let why = one_line(e.message());
        Fault::new("config", "config-malformed", format!("{shown}, line {line} is not TOML: {why}"))
    })?;
    let shown = shown.to_string();
    for (section, keys) in file {
        let known = known_keys(table, &section, &shown)?;
        let toml::Value::Table(keys) = keys else {
            let why = format!("{shown}: it is a section; write [{section}] and its keys below it");
            return Err(Fault::new(section, "config-key", why));
        };
        for (key, value) in keys {
            if !known.contains_key(&key) {
                return Err(no_such_key(&section, &key, known, &shown));
            }
            known.insert(key, value);
        }
    }
    Ok(())
}

/// The keys of a section; `whence` names who asks for it.
fn known_keys<'a>(table: &'a mut toml::Table, section: &str, whence: &str) -> Result<&'a mut toml::Table, Fault> {
    let sections = table.keys().cloned().collect::<Vec<_>>().join(", ");
    table.get_mut(section).and_then(toml::Value::as_table_mut).ok_or_else(|| {
        Fault::new(section, "config-key", format!("{whence}: there is no such section; use one of {sections}"))
    })
}

fn no_such_key(section: &str, key: &str, known: &toml::Table, whence: &str) -> Fault {
    let keys = known.keys().cloned().collect::<Vec<_>>().join(", ");
    let why = format!("{whence}: there is no such key; [{section}] has {keys}");
    Fault::new(format!("{section}.{key}"), "config-key", why)
}

/// A value of the wrong type, by the key that toml names on a line of its own.
fn wrong_value(error: &toml::de::Error) -> Fault {
    let text = error.to_string();
    let (why, key) = text.trim().rsplit_once("\nin `").unwrap_or((text.trim(), "config"));
    let why = format!("{}; config/default.toml shows its form", one_line(why));
    Fault::new(key.trim_end_matches('`'), "config-value", why)
}

#[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
fn merge_environment(table: &mut toml::Table) -> Result<(), Fault> {
    let keys: Vec<(String, String)> = table
        .iter()
        .flat_map(|(s, keys)| {
            keys.as_table().into_iter().flat_map(|t| t.keys()).map(|k| (s.clone(), k.clone())).collect::<Vec<_>>()
        })
        .collect();
    for (section, key) in keys {
        if let Ok(value) = std::env::var(format!("HEADWATER_{}_{}", section.to_uppercase(), key.to_uppercase())) {
            set(table, &section, &key, &value, "environment")?;
        }
    }
    Ok(())
}

/// Sets a known key from text, in the type that its default has.
fn set(table: &mut toml::Table, section: &str, key: &str, text: &str, whence: &str) -> Result<(), Fault> {
    let keys = known_keys(table, section, whence)?;
    let value = match keys.get(key) {
        None => return Err(no_such_key(section, key, keys, whence)),
        Some(toml::Value::String(_)) => toml::Value::String(text.to_owned()),
        Some(_) => format!("v = {text}")
            .parse::<toml::Table>()
            .ok()
            .and_then(|mut t| t.remove("v"))
            .unwrap_or_else(|| toml::Value::String(text.to_owned())),
    };
    keys.insert(key.to_owned(), value);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_valid_and_overrides_are_typed() {
        let set = |k: &str, v: &str| (k.to_owned(), v.to_owned());
        let config = Config::with(&[
            set("server.bind", "127.0.0.1:0"),
            set("tracking.allowed_origins", r#"["http://a.example"]"#),
        ])
        .expect("config");
        assert_eq!(config.server.public_url, "http://127.0.0.1:0");
        assert_eq!(config.tracking.allowed_origins, ["http://a.example"]);
        for (key, value) in [
            ("server.nothing", "1"),
            ("server.workers", "many"),
            ("reporting.zone", "Mars/Base"),
            ("reporting.fiscal_start", "13"),
            ("server.public_url", "x"),
        ] {
            assert!(Config::with(&[set(key, value)]).is_err(), "{key}");
        }
    }

    #[test]
    fn settings_count_on_either_side_of_the_command() {
        let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(
            hoist_settings(words("hw --set a.b=1 serve --json --set c.d=2 --set=e.f=3")),
            words("hw --set a.b=1 --set c.d=2 --set=e.f=3 serve --json")
        );
        assert_eq!(hoist_settings(words("hw x -- --set y")), words("hw x -- --set y"));
        assert_eq!(hoist_settings(words("hw --set")), words("hw --set"));
    }

    #[test]
    fn a_file_with_an_unknown_key_is_refused_by_name() {
        let file = tempfile::NamedTempFile::new().expect("file");
        std::fs::write(file.path(), "[server]\nbnd = \"x\"").expect("write");
        let fault = Config::load(Some(file.path()), &[]).expect_err("unknown key");
        assert!(fault.to_string().contains("server.bnd") && fault.detail.contains("bind"), "{fault}");
    }
}
