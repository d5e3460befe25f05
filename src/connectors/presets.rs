//! The built-in presets, compiled in.

use std::sync::LazyLock;

use super::preset::Preset;
use crate::domain::fault::Fault;

/// Name and text of every built-in preset, as lists show them.
const TEXTS: &[(&str, &str)] = &[
    ("standard-webhooks", include_str!("presets/standard-webhooks.toml")),
    ("bearer", include_str!("presets/bearer.toml")),
    ("json", include_str!("presets/json.toml")),
    ("segment", include_str!("presets/segment.toml")),
    ("hubspot", include_str!("presets/hubspot.toml")),
    ("salesforce-outbound", include_str!("presets/salesforce-outbound.toml")),
    ("salesforce-flow", include_str!("presets/salesforce-flow.toml")),
    ("pipedrive", include_str!("presets/pipedrive.toml")),
    ("zoho", include_str!("presets/zoho.toml")),
    ("close", include_str!("presets/close.toml")),
    ("activecampaign", include_str!("presets/activecampaign.toml")),
    ("stripe", include_str!("presets/stripe.toml")),
    ("shopify", include_str!("presets/shopify.toml")),
    ("calendly", include_str!("presets/calendly.toml")),
    ("typeform", include_str!("presets/typeform.toml")),
    ("meta-lead-ads", include_str!("presets/meta-lead-ads.toml")),
    ("linkedin-lead-sync", include_str!("presets/linkedin-lead-sync.toml")),
    ("zapier", include_str!("presets/zapier.toml")),
    ("make", include_str!("presets/make.toml")),
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
