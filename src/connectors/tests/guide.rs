//! `docs/connectors.md` says what the presets say.

use std::fmt::Write as _;

use super::*;
use crate::connectors::preset::{Preset, SecretOrigin};
use crate::connectors::scheme::{How, Scheme};

fn proof(scheme: &Scheme) -> String {
    match scheme.how {
        How::HmacSha256 => format!("HMAC-SHA-256 in `{}`", scheme.header),
        How::Sha256 => format!("SHA-256 in `{}`", scheme.header),
        How::Basic => "user and password (`Authorization: Basic`)".into(),
        How::BasicUser => "write key as user (`Authorization: Basic`)".into(),
        How::Bearer => "`Authorization: Bearer`".into(),
        How::Header => format!("token in `{}`", scheme.header),
        How::BodyToken => format!("token in the body at `{}`", scheme.at),
        How::Path => "the URL alone".into(),
    }
}

fn page(preset: &Preset) -> String {
    let setup = &preset.setup;
    let mut page = format!("## {}\n\nPreset `{}`.\n\n", preset.title, preset.name);
    for (number, step) in (1..).zip(&setup.steps) {
        let _ = writeln!(page, "{number}. {step}");
    }
    let _ = writeln!(page, "\n- **Secret**: {}\n- **Click id**: {}", setup.secret_help, setup.click_id_property);
    if let Some(api) = &preset.api {
        let _ = writeln!(page, "- **API token** ({}): {}", api.base_url, api.token);
    }
    for note in &setup.notes {
        let _ = writeln!(page, "- {note}");
    }
    page
}

fn guide() -> String {
    let mut guide = String::from(
        "# Connectors\n\nHow to connect each vendor, from its preset. What endpoints, mappings and answers are is told in\n\
         [Webhooks](webhooks.md).\n\nThis page is made of `src/connectors/presets/*.toml`; a test compares the two.\n\n\
         | preset | for | proof | secret |\n|---|---|---|---|\n",
    );
    for preset in presets::all() {
        let mut proofs: Vec<String> = preset.verify.iter().map(proof).collect();
        proofs.dedup();
        let secret = match preset.setup.secret {
            SecretOrigin::VendorGives => "the vendor makes it",
            SecretOrigin::WeMake => "made here",
            SecretOrigin::PathIsSecret => "none",
        };
        let _ = writeln!(guide, "| `{}` | {} | {} | {secret} |", preset.name, preset.title, proofs.join("; "));
    }
    for preset in presets::all() {
        guide.push('\n');
        guide.push_str(&page(preset));
    }
    guide
}

#[test]
fn the_guide_says_what_the_presets_say() {
    let written =
        std::fs::read_to_string(format!("{}/docs/connectors.md", env!("CARGO_MANIFEST_DIR"))).unwrap_or_default();
    let guide = guide();
    assert!(written == guide, "docs/connectors.md differs from the presets; it should be:\n{guide}");
}

#[test]
fn every_test_event_is_read_by_its_preset() {
    for preset in presets::all() {
        let connector = Connector::new(preset, &Overrides::default(), &[]).expect("connector");
        let body = preset.setup.test_event.replace("{secret}", "a-secret-of-length");
        let topic = [("x-shopify-topic", "orders/create"), ("content-type", "application/json")];
        for reading in read_as(&connector, &topic, &body) {
            assert!(!matches!(reading.outcome, ReadingOutcome::Fault(_)), "{}: {reading:?}", preset.name);
        }
    }
}
