//! What the operator decides about classification.

use std::path::{Path, PathBuf};

use super::agents::OwnAgents;
use super::behaviour::Limits;
use super::country::Countries;
use super::ranges::{Ranges, lines_of};
use crate::domain::fault::Fault;

/// The settings, as section `[classification]` of the configuration has them; `repeat_window_ms` is in `[tracking]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClassificationSettings {
    /// User agents classed by hand, each `CLASS TEXT`.
    pub agents: Vec<String>,
    /// Address ranges, each `NETWORK CLASS LABEL`.
    pub ranges: Vec<String>,
    /// A file of more ranges, one a line.
    pub ranges_file: Option<PathBuf>,
    /// The country database, an MMDB.
    pub country_database: Option<PathBuf>,
    /// Different links that make a burst; 0 for no such rule.
    pub burst_links: usize,
    /// Milliseconds in which they do.
    pub burst_window_ms: u64,
    /// Milliseconds in which a GET belongs to the HEAD before it; 0 for no such rule.
    pub head_then_get_ms: u64,
    /// Different user agents that make an address a crowd; 0 for no crowds.
    pub crowd_agents: usize,
    /// Milliseconds in which a second click of a visitor on a link is a repeat; 0 or less for no such rule.
    pub repeat_window_ms: i64,
}

impl Default for ClassificationSettings {
    /// What `config/default.toml` says.
    fn default() -> Self {
        Self {
            agents: Vec::new(),
            ranges: Vec::new(),
            ranges_file: None,
            country_database: None,
            burst_links: 5,
            burst_window_ms: 5_000,
            head_then_get_ms: 5_000,
            crowd_agents: 8,
            repeat_window_ms: super::REPEAT_WINDOW_MS,
        }
    }
}

/// A burst of more links could not be seen: only so many touches of one address are remembered.
const LINKS_MAX: usize = 50;
/// Longer windows would not fit into what is remembered.
const WINDOW_MS_MAX: u64 = 60_000;
/// More user agents are not noted of an address.
const CROWD_MAX: usize = 1_000;

impl ClassificationSettings {
    /// The limits of the rules of behaviour.
    pub(super) fn limits(&self) -> Result<Limits, Fault> {
        let fault = |key: &str, why: String| Err(Fault::new(format!("classification.{key}"), "config-value", why));
        if self.burst_links == 1 || self.burst_links > LINKS_MAX {
            let why =
                format!("{} links make no burst; write 2 to {LINKS_MAX}, or 0 to turn the rule off", self.burst_links);
            return fault("burst_links", why);
        }
        for (key, ms) in [("burst_window_ms", self.burst_window_ms), ("head_then_get_ms", self.head_then_get_ms)] {
            if ms > WINDOW_MS_MAX {
                return fault(key, format!("{ms} ms is too long; write {WINDOW_MS_MAX} at most"));
            }
        }
        if self.crowd_agents == 1 || self.crowd_agents > CROWD_MAX {
            let why = format!("{} is no crowd; write 2 to {CROWD_MAX}, or 0 to have no crowds", self.crowd_agents);
            return fault("crowd_agents", why);
        }
        Ok(Limits {
            burst_links: self.burst_links,
            burst_window_ms: self.burst_window_ms,
            head_then_get_ms: self.head_then_get_ms,
            crowd_agents: self.crowd_agents,
        })
    }

    /// The ranges of the configuration and of the file.
    pub(super) fn ranges(&self) -> Result<Ranges, Fault> {
        let text = self.ranges_file.as_deref().map_or(Ok(String::new()), read_ranges_file)?;
        let file = self.ranges_file.as_deref().unwrap_or(Path::new("")).display().to_string();
        let configured = self.ranges.iter().enumerate();
        let configured = configured.map(|(i, entry)| (format!("classification.ranges[{i}]"), entry.as_str()));
        let listed = lines_of(&text).map(|(line, entry)| (format!("{file}, line {line}"), entry));
        Ranges::parse(configured.chain(listed))
    }

    /// The country database, if one is named.
    pub(super) fn countries(&self) -> Result<Option<Countries>, Fault> {
        self.country_database.as_deref().map(Countries::open).transpose()
    }

    /// The operator's own user agents.
    pub(super) fn own_agents(&self) -> Result<OwnAgents, Fault> {
        OwnAgents::parse(&self.agents)
    }
}

fn read_ranges_file(path: &Path) -> Result<String, Fault> {
    std::fs::read_to_string(path).map_err(|e| {
        let why = format!("cannot read {}: {e}; correct the path, or leave it empty to do without", path.display());
        Fault::new("classification.ranges_file", "ranges-file-unreadable", why)
    })
}
