//! The built-in presets, compiled in.

use std::sync::LazyLock;

use super::preset::Preset;
use crate::domain::fault::Fault;

/// Name and text of every built-in preset, as lists show them.
const TEXTS: &[(&str, &str)] = &[
    ("standard-webhooks", include_str!("presets/standard-webhooks.toml")),
    ("bearer", include_str!("presets/bearer.toml")),
];

static ALL: LazyLock<Vec<Preset>> =
    LazyLock::new(|| TEXTS.iter().filter_map(|(_, text)| Preset::from_toml(text).ok()).collect());

/// Every built-in preset.
pub fn all() -> &'static [Preset] {
    &ALL
}

/// A built-in preset.
pub fn by_name(name: &str) -> Result<&'static Preset, Fault> {
    ALL.iter().find(|p| p.name == name).ok_or_else(|| super::connector::unknown_preset(name))
}

/// The text of a built-in preset, to clone.
pub fn source(name: &str) -> Option<&'static str> {
    TEXTS.iter().find(|(n, _)| *n == name).map(|(_, text)| *text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_preset_is_whole_and_named_as_its_file() {
        for (name, text) in TEXTS {
            let preset = Preset::from_toml(text).unwrap_or_else(|faults| panic!("{name}: {faults:#?}"));
            assert_eq!(preset.name, *name);
            assert!(!preset.setup.steps.is_empty(), "{name} says where the URL goes");
        }
    }
}
