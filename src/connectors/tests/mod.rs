//! Presets against the vendors' fixtures, against every mutation of them, and against the traps of each vendor.

mod crm;
mod fixtures;
mod forms;
mod guide;
mod mappings;
mod mutations;
mod payments;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::overrides::Overrides;
use super::reading::{Reading, ReadingOutcome, Supply};
use super::request::Request;
use super::{Connector, presets};
use crate::domain::intake::{EventInput, IdentityInput};
use crate::domain::time::UtcMillis;

/// When the fixtures were signed: 2026-10-05T09:15:00Z.
const NOW: UtcMillis = UtcMillis(1_791_191_700_000);

/// A request as its vendor sent it, and what its sidecar expects.
#[derive(Clone)]
struct Fixture {
    name: String,
    method: String,
    url: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    at: UtcMillis,
    secret: Option<String>,
    expected: Value,
}

impl Fixture {
    fn load(path: &str) -> Self {
        let dir = format!("{}/tests/fixtures/connectors", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(format!("{dir}/{path}.meta.json")).unwrap_or_else(|e| panic!("{path}: {e}"));
        let meta: Value = serde_json::from_str(&text).expect("sidecar");
        let vendor = path.split('/').next().expect("vendor");
        let body =
            meta["body_file"].as_str().map(|file| std::fs::read(format!("{dir}/{vendor}/{file}")).expect("body"));
        let request = &meta["request"];
        let text = |v: &Value| v.as_str().expect("text").to_owned();
        let headers = request["headers"].as_object().expect("headers");
        let secret = meta["signature"]["secret_base64"].as_str().map(|s| STANDARD.decode(s).expect("base64"));
        Self {
            name: path.to_owned(),
            method: text(&request["method"]),
            url: text(&request["url"]),
            headers: headers.iter().map(|(k, v)| (k.to_lowercase(), text(v))).collect(),
            body: body.unwrap_or_default(),
            at: meta["clock_unix"].as_i64().map_or(NOW, |s| UtcMillis(s * 1_000)),
            secret: secret.map(|s| String::from_utf8(s).expect("utf8")),
            expected: meta,
        }
    }

    fn request(&self) -> Request<'_> {
        Request { method: &self.method, url: &self.url, headers: &self.headers, body: &self.body, received_at: self.at }
    }
}

/// A connector of a built-in preset, with a mapping and secrets.
fn connector(preset: &str, mapping: &str, secrets: &[&str]) -> Connector {
    let overrides = Overrides::from_json(mapping).unwrap_or_else(|faults| panic!("{mapping}: {faults:?}"));
    let preset = presets::by_name(preset).unwrap_or_else(|fault| panic!("{fault}"));
    Connector::new(preset, &overrides, secrets).unwrap_or_else(|faults| panic!("{}: {faults:?}", preset.name))
}

/// Reads a body by a built-in preset as it stands.
fn read_with(preset: &str, headers: &[(&str, &str)], body: &str) -> Vec<Reading> {
    read_as(&connector(preset, "{}", &[]), headers, body)
}

fn read_as(connector: &Connector, headers: &[(&str, &str)], body: &str) -> Vec<Reading> {
    let headers: Vec<(String, String)> = headers.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
    let url = "https://t.example.com/hooks/x";
    connector.read(&Request { method: "POST", url, headers: &headers, body: body.as_bytes(), received_at: NOW }, None)
}

/// The only reading of a body, as an event.
fn event_of(preset: &str, headers: &[(&str, &str)], body: &str) -> EventInput {
    let mut readings = read_with(preset, headers, body);
    assert_eq!(readings.len(), 1, "{readings:?}");
    match readings.remove(0).outcome {
        ReadingOutcome::Event(input) => *input,
        other => panic!("{other:?}"),
    }
}

/// The rule by which the only reading of a body is ignored, and who is who in it.
fn ignored(preset: &str, headers: &[(&str, &str)], body: &str) -> (String, Option<IdentityInput>) {
    let mut readings = read_with(preset, headers, body);
    assert_eq!(readings.len(), 1, "{readings:?}");
    let reading = readings.remove(0);
    let names = reading.supplies.into_iter().find_map(|supply| match supply {
        Supply::Identity(names) | Supply::Erase(names) => Some(names),
        Supply::Read(_) => None,
    });
    match reading.outcome {
        ReadingOutcome::Ignored { rule } => (rule, names),
        other => panic!("{other:?}"),
    }
}

/// The codes of the only reading of a body, which is a fault.
fn faults(preset: &str, headers: &[(&str, &str)], body: &str) -> Vec<String> {
    match read_with(preset, headers, body).remove(0).outcome {
        ReadingOutcome::Fault(faults) => faults.into_iter().map(|f| f.code).collect(),
        other => panic!("{other:?}"),
    }
}

fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}
