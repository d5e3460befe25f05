//! Endpoints as connectors: a stored preset, mapping and secrets put together.

use std::borrow::Cow;

use crate::connectors::Connector;
use crate::connectors::overrides::Overrides;
use crate::connectors::preset::Preset;
use crate::connectors::presets;
use crate::domain::fault::Fault;
use crate::domain::time::UtcMillis;
use crate::secret::SecretKey;
use crate::store::StoreError;
use crate::store::endpoints::Endpoint;

/// A sender's secret, and until when it is taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveSecret {
    /// The secret as the sender has it.
    pub text: String,
    /// When it ends; a newer one took its place.
    pub until: Option<UtcMillis>,
}

impl LiveSecret {
    /// Its first characters, by which somebody who has it knows it again.
    pub fn hint(&self) -> String {
        let shown: String = self.text.chars().take(9).collect();
        if self.text.chars().count() > 18 { format!("{shown}…") } else { "…".to_owned() }
    }
}

/// What stands before the end of a secret's life, in the sealed text.
const UNTIL: &str = "\tuntil=";

/// The preset of an endpoint: the user's own, or a built-in one.
pub fn preset_of(endpoint: &Endpoint) -> Result<Cow<'static, Preset>, Vec<Fault>> {
    match &endpoint.own_preset {
        Some(text) => Preset::from_toml(text).map(Cow::Owned),
        None => presets::by_name(&endpoint.preset).map(Cow::Borrowed).map_err(|fault| vec![fault]),
    }
}

/// The connector of an endpoint with the secrets that live at `now`.
pub fn of(endpoint: &Endpoint, key: &SecretKey, now: UtcMillis) -> Result<Connector, StoreError> {
    let corrupt = |faults: Vec<Fault>| {
        let words: Vec<String> = faults.iter().map(ToString::to_string).collect();
        StoreError::Corrupt(format!("endpoint {}: {}", endpoint.id, words.join("; ")))
    };
    let preset = preset_of(endpoint).map_err(corrupt)?;
    let overrides = Overrides::from_json(&endpoint.mapping).map_err(corrupt)?;
    let secrets = live(&secrets(endpoint, key)?, now);
    let secrets: Vec<&str> = secrets.iter().map(String::as_str).collect();
    Connector::new(&preset, &overrides, &secrets).map_err(corrupt)
}

/// The secrets of an endpoint, newest first.
pub fn secrets(endpoint: &Endpoint, key: &SecretKey) -> Result<Vec<LiveSecret>, StoreError> {
    let opened = key.open(&endpoint.sealed_secret)?;
    let text = String::from_utf8_lossy(&opened);
    let secret = |line: &str| {
        let (text, until) = line.split_once(UNTIL).unwrap_or((line, ""));
        LiveSecret { text: text.trim().to_owned(), until: until.parse().ok().map(UtcMillis) }
    };
    Ok(text.lines().map(secret).filter(|s| !s.text.is_empty()).collect())
}

/// Those that are taken at `now`.
pub fn live(secrets: &[LiveSecret], now: UtcMillis) -> Vec<String> {
    secrets.iter().filter(|s| s.until.is_none_or(|until| now < until)).map(|s| s.text.clone()).collect()
}

/// Encrypts secrets for storage.
pub fn seal(secrets: &[LiveSecret], key: &SecretKey) -> Result<Vec<u8>, StoreError> {
    let line = |s: &LiveSecret| match s.until {
        Some(until) => format!("{}{UNTIL}{}", s.text, until.0),
        None => s.text.clone(),
    };
    key.seal(secrets.iter().map(line).collect::<Vec<_>>().join("\n").as_bytes())
}
