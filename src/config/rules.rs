//! Rules of classification from a file of their own, to be tried before they are in force.

use std::path::Path;

use serde::Deserialize;

use super::{Classification, Config, merge_file, wrong_value};
use crate::domain::fault::Fault;

#[derive(Deserialize)]
struct Rules {
    classification: Classification,
    tracking: Repeat,
}

#[derive(Deserialize)]
struct Repeat {
    repeat_window_ms: i64,
}

impl Config {
    /// This configuration with the rules of a file: its section `[classification]`, and `repeat_window_ms` of
    /// `[tracking]`. A key that the file does not have keeps its value, as if the file's lines stood at the end of the
    /// configuration. Any other section or key is refused.
    pub fn with_rules(mut self, file: &Path) -> Result<Self, Fault> {
        let own = toml::Table::try_from(&self.classification)
            .map_err(|e| Fault::new("classification", "config-value", e.to_string()))?;
        let repeat = toml::Table::from_iter([("repeat_window_ms".into(), self.tracking.repeat_window_ms.into())]);
        let mut table = toml::Table::from_iter([
            ("classification".into(), toml::Value::Table(own)),
            ("tracking".into(), toml::Value::Table(repeat)),
        ]);
        merge_file(&mut table, file, "--rules")?;
        let rules: Rules = table.try_into().map_err(|e| wrong_value(&e))?;
        self.classification = rules.classification;
        self.tracking.repeat_window_ms = rules.tracking.repeat_window_ms;
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(base: &[(&str, &str)], text: &str) -> Result<Config, Fault> {
        let base: Vec<(String, String)> = base.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let file = tempfile::NamedTempFile::new().expect("file");
        std::fs::write(file.path(), text).expect("write");
        Config::with(&base).expect("base").with_rules(file.path())
    }

    #[test]
    fn what_the_file_does_not_say_stays() {
        let base = [("classification.agents", r#"["bot Own/"]"#), ("classification.ranges_file", "/etc/ranges.txt")];
        let text =
            "[classification]\nburst_links = 7\nranges = ['192.0.2.0/24 bot x']\n[tracking]\nrepeat_window_ms = 5";
        let config = with(&base, text).expect("rules");
        let rules = &config.classification;
        assert_eq!((rules.burst_links, rules.crowd_agents, config.tracking.repeat_window_ms), (7, 8, 5));
        assert_eq!(
            (&rules.agents[..], &rules.ranges[..]),
            (&["bot Own/".into()][..], &["192.0.2.0/24 bot x".into()][..])
        );
        assert_eq!(rules.ranges_file.as_deref(), Some(Path::new("/etc/ranges.txt")));
        assert_eq!(rules.country_database, None);
    }

    #[test]
    fn what_is_no_rule_is_refused_by_name() {
        for (text, field, why) in [
            ("[classification]\nagent = []", "classification.agent", "[classification] has agents"),
            ("[tracking]\nhonour_dnt = false", "tracking.honour_dnt", "[tracking] has repeat_window_ms"),
            ("[server]\nworkers = 1", "server", "use one of classification, tracking"),
            ("[classification]\nburst_links = 'many'", "classification.burst_links", "config/default.toml"),
            ("[classification", "config", "line 1 is not TOML"),
        ] {
            let fault = with(&[], text).expect_err(text);
            assert!(fault.field == field && fault.detail.contains(why), "{text}: {fault}");
        }
        let missing = Config::with(&[]).expect("base").with_rules(Path::new("/no/such.toml")).expect_err("no file");
        assert!(missing.detail.contains("correct --rules"), "{missing}");
    }
}
