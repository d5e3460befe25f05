//! Connector presets: everything about a vendor as data, in TOML.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::handshake::Handshake;
use super::layer::Layer;
use super::overrides::namespace_faults;
use super::parse::Format;
use super::pick::{Pick, Reader};
use super::place::Place;
use super::rule::{Rule, StageWord};
use super::scheme::{How, Scheme, SignedPart};
use super::template::Template;
use crate::domain::fault::{Fault, shown};

/// What is known about a vendor's deliveries. The built-in ones are in `presets/`; users clone and change them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Preset {
    /// Its name: `hubspot`.
    pub name: String,
    /// What people read.
    pub title: String,
    /// Whose deliveries these are.
    pub vendor: String,
    /// Ways of proof, in the order in which they are tried.
    pub verify: Vec<Scheme>,
    /// How the vendor asks whether the address is right.
    #[serde(default)]
    pub handshake: Option<Handshake>,
    /// What an accepted delivery is answered, if not our own JSON.
    #[serde(default)]
    pub reply: Option<ReplySpec>,
    /// How a body is written.
    #[serde(default)]
    pub format: Format,
    /// Where the items are; the first of several places that is there. Without it, the body is one item.
    #[serde(default)]
    pub items: Vec<String>,
    /// Headers that are kept beside those that the mapping reads.
    #[serde(default)]
    pub keep_headers: Vec<String>,
    /// Secrets in the body that are not kept: JSON pointers, or the name of an XML element.
    #[serde(default)]
    pub strip: Vec<String>,
    /// Where the delivery names the vendor's account, to compare with an endpoint's `account`.
    #[serde(default)]
    pub account: Option<Pick>,
    /// Names that the click id's property usually has, for `<click_id>` in places.
    #[serde(default)]
    pub click_id_properties: Vec<String>,
    /// Whether a user's mapping replaces this one whole, as with senders whose fields are the user's own.
    #[serde(default)]
    pub replaced_by_mapping: bool,
    /// Where the fields are.
    #[serde(default)]
    pub map: Layer,
    /// The vendor's words for our stages.
    #[serde(default)]
    pub stages: BTreeMap<String, StageWord>,
    /// What means what; without rules, every item is an event.
    #[serde(default)]
    pub rules: Vec<Rule>,
    /// The vendor's API, where thin deliveries are completed.
    #[serde(default)]
    pub api: Option<Api>,
    /// Records that thin deliveries name.
    #[serde(default)]
    pub lookups: BTreeMap<String, LookupSpec>,
    /// What the user does in the vendor's screens.
    pub setup: Setup,
}

/// What an accepted delivery is answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReplySpec {
    /// `Content-Type`.
    pub content_type: String,
    /// The body.
    pub body: String,
}

/// The vendor's API.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Api {
    /// Scheme and host: `https://api.hubapi.com`. An endpoint may have its own.
    pub base_url: String,
    /// What stands before the token in `Authorization`: `Bearer`, or `Zoho-oauthtoken`.
    pub authorization: String,
    /// Where the token comes from and what it must be allowed, in words.
    pub token: String,
}

/// How a record is read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LookupSpec {
    /// Template of path and query, read from the item: `/crm/v3/objects/contacts/{/objectId|url}`.
    pub path: String,
    /// Headers beside the authorisation.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// Where in the answer the record is; the whole answer if not given.
    #[serde(default)]
    pub item: Option<String>,
    /// Where the fields are in the record. What the delivery told goes before.
    #[serde(default)]
    pub map: Layer,
    /// Rules over the record, such as leaving out tests. Without one that fits, it completes the event.
    #[serde(default)]
    pub rules: Vec<Rule>,
    /// Records to read next, once per element of a list in the answer.
    #[serde(default)]
    pub then: Vec<Then>,
}

/// A record to read next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Then {
    /// Which of the lookups.
    pub read: String,
    /// The elements of the answer to read it for.
    pub each: String,
}

/// What the user does in the vendor's screens.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Setup {
    /// Where to paste the URL, step by step.
    #[serde(rename = "where")]
    pub steps: Vec<String>,
    /// Which property to make for the click id, and how it is filled.
    pub click_id_property: String,
    /// Where the secret comes from.
    pub secret: SecretOrigin,
    /// The same in words.
    pub secret_help: String,
    /// The body of a test delivery.
    pub test_event: String,
    /// Headers of a test delivery that say what the body is, such as a topic; `{account}` is the endpoint's own.
    #[serde(default)]
    pub test_headers: BTreeMap<String, String>,
    /// What to know before relying on it.
    #[serde(default)]
    pub notes: Vec<String>,
}

/// Where the secret of an endpoint comes from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SecretOrigin {
    /// The vendor makes it and the user copies it here.
    VendorGives,
    /// We make it and the user copies it to the vendor.
    #[default]
    WeMake,
    /// There is none; the URL is the secret.
    PathIsSecret,
}

impl Preset {
    /// Reads a preset and checks it whole, with all faults at once.
    pub fn from_toml(text: &str) -> Result<Self, Vec<Fault>> {
        let preset: Self = toml::from_str(text).map_err(|why| {
            vec![Fault::new("preset", "preset-malformed", format!("{why}; compare it with a built-in preset"))]
        })?;
        let faults = preset.faults();
        if faults.is_empty() { Ok(preset) } else { Err(faults) }
    }

    /// Whether its endpoints need a secret beside their URL.
    pub fn needs_secret(&self) -> bool {
        self.verify.iter().any(|scheme| scheme.how.needs_secret())
    }

    fn faults(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        let legal = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        if !(1..=60).contains(&self.name.len()) || !self.name.bytes().all(legal) {
            let why = format!("{} is no name; give 1 to 60 of a-z 0-9 -", shown(&self.name));
            faults.push(Fault::new("name", "preset-name", why));
        }
        faults.extend(self.verify_faults());
        faults.extend(namespace_faults(&self.map));
        faults.extend(
            self.items
                .iter()
                .filter_map(|p| if p.is_empty() { None } else { Place::parse(p).err() })
                .map(|f| f.named("items")),
        );
        faults.extend(self.account.as_ref().and_then(|pick| Reader::new("account", pick).err()));
        faults.extend(layer_faults("map", &self.map));
        faults.extend(self.rule_faults("rules", &self.rules));
        for (name, lookup) in &self.lookups {
            let at = format!("lookups.{name}");
            faults.extend(Template::parse(&lookup.path).err().map(|f| f.named(&at)));
            faults.extend(lookup.item.as_deref().and_then(|p| Place::parse(p).err()).map(|f| f.named(&at)));
            faults.extend(layer_faults(&at, &lookup.map));
            faults.extend(self.rule_faults(&at, &lookup.rules));
            for then in &lookup.then {
                faults.extend(Place::parse(&then.each).err().map(|f| f.named(&at)));
                faults.extend(self.lookup_fault(&at, &then.read));
            }
        }
        if !self.lookups.is_empty() && self.api.is_none() {
            faults.push(Fault::new("api", "missing", "records are read from an API; say which, in [api]"));
        }
        faults
    }

    fn verify_faults(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        let mut fault = |why: &str| faults.push(Fault::new("verify", "verify-incomplete", why));
        if self.verify.is_empty() {
            fault("a preset names at least one way of proof; `how = \"path\"` if the sender has none");
        }
        let kinds: BTreeSet<bool> = self.verify.iter().map(|s| s.how.needs_secret()).collect();
        if kinds.len() > 1 {
            fault("`path` stands alone: beside another way of proof it would let everybody in");
        }
        for scheme in &self.verify {
            let signs = matches!(scheme.how, How::HmacSha256 | How::Sha256);
            if signs && !scheme.signed.contains(&SignedPart::Body) {
                fault("the body must be among the signed parts");
            }
            if scheme.how == How::Sha256 && !scheme.signed.contains(&SignedPart::Secret) {
                fault("a plain digest proves nothing unless the secret is among its parts");
            }
            if (signs || scheme.how == How::Header)
                && (scheme.header.is_empty() || scheme.header != scheme.header.to_lowercase())
            {
                fault("name the header with the proof, in lower case");
            }
            if scheme.timestamp.is_none() && scheme.signed.contains(&SignedPart::Timestamp) {
                fault("`timestamp` is signed; say where it is, in [verify.timestamp]");
            }
            if scheme.how == How::BodyToken && Place::parse(&scheme.at).is_err() {
                fault("say where in the body the token is, with `at`");
            }
        }
        faults
    }

    fn rule_faults(&self, at: &str, rules: &[Rule]) -> Vec<Fault> {
        let mut faults = Vec::new();
        for rule in rules {
            let at = format!("{at}.{}", rule.name);
            faults.extend(rule.when.iter().filter_map(|c| c.check().err()).map(|f| f.named(&at)));
            faults.extend(layer_faults(&at, &rule.map));
            faults.extend(rule.enrich.iter().chain(&rule.also_read).filter_map(|name| self.lookup_fault(&at, name)));
        }
        faults
    }

    fn lookup_fault(&self, at: &str, name: &str) -> Option<Fault> {
        let why = || format!("{} is none of the preset's lookups; describe it in [lookups.…]", shown(name));
        (!self.lookups.contains_key(name)).then(|| Fault::new(at, "lookup-unknown", why()))
    }
}

fn layer_faults(at: &str, layer: &Layer) -> Vec<Fault> {
    let picks = layer.fields.iter();
    picks
        .filter_map(|(field, pick)| Reader::new(field.as_str(), pick).err())
        .map(|f| {
            let field = format!("{at}.{}", f.field);
            f.named(&field)
        })
        .collect()
}
