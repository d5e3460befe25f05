//! A preset with its user's changes and its live secrets: all that an endpoint needs to take deliveries.

use std::borrow::Cow;

use serde_json::Value;

use super::compiled::Compiled;
use super::handshake::{self, Keys, VERIFY_TOKEN};
use super::headers::{self, KeptHeaders};
use super::overrides::Overrides;
use super::parse::{self, Format, ITEMS_MAX};
use super::place::Scope;
use super::preset::Preset;
use super::reading::{Lookup, Reading};
use super::request::{Reply, Request};
use super::scheme::How;
use super::secrets::{PlainSecret, SigningSecret};
use super::verify::{self, Refusal, Verified, Verifier};
use super::{soap, strip};
use crate::domain::fault::{Fault, shown};

/// Headers that are kept of every delivery before others.
const KEPT_HEADERS: &[&str] = &["content-type", "user-agent"];

/// A preset, possibly a user's own, with a user's changes and the secrets that are live at present.
#[derive(Debug, Clone)]
pub struct Connector {
    preset: Preset,
    account: Option<String>,
    compiled: Compiled,
    verifiers: Vec<Verifier>,
    handshake_keys: Keys,
    /// What of the live secrets could stand in a header.
    traces: Vec<PlainSecret>,
}

impl Connector {
    /// Puts a connector together; everything that is wrong with mapping or secrets is told at once.
    ///
    /// Of `secrets`, one that begins with `verify_token:` is the word that a vendor repeats in its handshake.
    pub fn new(preset: &Preset, overrides: &Overrides, secrets: &[&str]) -> Result<Self, Vec<Fault>> {
        let mut faults = Vec::new();
        let (tokens, live): (Vec<&str>, Vec<&str>) = secrets.iter().partition(|s| s.starts_with(VERIFY_TOKEN));
        let verify_tokens = tokens.iter().filter_map(|t| t.strip_prefix(VERIFY_TOKEN)).map(|t| t.trim().to_owned());
        let verify_tokens: Vec<String> = verify_tokens.filter(|t| !t.is_empty()).collect();
        if verify_tokens.iter().any(|t| t.len() < 8) {
            faults.push(Fault::new("secret", "token-malformed", "the verify token needs 8 characters or more"));
        }
        let mut verifiers = Vec::new();
        for scheme in &preset.verify {
            match Verifier::new(scheme, &live) {
                Ok(verifier) => verifiers.push(verifier),
                Err(more) => faults.extend(more.into_iter().filter(|f| !faults.contains(f)).collect::<Vec<_>>()),
            }
        }
        let compiled = Compiled::new(preset, overrides).unwrap_or_else(|more| {
            faults.extend(more);
            Compiled::default()
        });
        if !faults.is_empty() {
            return Err(faults);
        }
        let keys = live.iter().filter(|_| preset.handshake.is_some());
        let secrets = keys.filter_map(|s| SigningSecret::read(s, &super::scheme::KeyForm::Utf8).ok()).collect();
        Ok(Self {
            preset: preset.clone(),
            account: overrides.account.as_deref().map(|a| a.trim().to_owned()),
            compiled,
            verifiers,
            traces: live
                .iter()
                .copied()
                .chain(verify_tokens.iter().map(String::as_str))
                .flat_map(headers::traces)
                .collect(),
            handshake_keys: Keys { secrets, verify_tokens },
        })
    }

    /// The preset it was made of.
    pub fn preset(&self) -> &Preset {
        &self.preset
    }

    /// Decides over the raw bytes whether a request comes from who it says (invariant 9: without a secret, never).
    pub fn verify(&self, request: &Request<'_>) -> Result<Verified, Refusal> {
        let verified = verify::verify(&self.verifiers, request)?;
        self.check_account(request)?;
        Ok(verified)
    }

    /// Answers a vendor's question whether this address is meant; `None` for a request that is no such question.
    pub fn handshake(&self, request: &Request<'_>) -> Result<Option<Reply>, Refusal> {
        match self.preset.handshake {
            Some(kind) => handshake::answer(kind, &self.handshake_keys, request),
            None => Ok(None),
        }
    }

    /// The verify token to paste into the vendor's screen, made from the newest secret; where the vendor asks for one.
    pub fn verify_token(&self) -> Option<String> {
        let is_asked = self.preset.handshake == Some(handshake::Handshake::MetaHub);
        self.handshake_keys.secrets.first().filter(|_| is_asked).map(Keys::made)
    }

    /// What an accepted delivery is answered.
    pub fn reply(&self) -> Reply {
        match &self.preset.reply {
            Some(spec) => Reply::ok(&spec.content_type, spec.body.clone()),
            None => Reply { status: 200, content_type: "application/json".to_owned(), body: None },
        }
    }

    /// The headers that are stored: all but secrets and addresses, and those that a reading needs before others.
    ///
    /// `url_token` is what makes the endpoint's URL a secret: a value that holds it is not kept.
    pub fn kept_headers(&self, headers: &[(String, String)], url_token: &str) -> KeptHeaders {
        let preset = self.preset.keep_headers.iter().map(String::as_str);
        let schemes = &self.preset.verify;
        let proof = schemes.iter().flat_map(|s| s.headers().chain([s.header.as_str()]));
        headers::kept(
            headers,
            &headers::Known {
                needed: KEPT_HEADERS
                    .iter()
                    .copied()
                    .chain(preset)
                    .chain(proof)
                    .chain(self.compiled.headers())
                    .collect(),
                message_ids: schemes.iter().flat_map(|s| &s.message_id).map(String::as_str).collect(),
                proofs: schemes.iter().filter(|s| s.how == How::Header).map(|s| s.header.as_str()).collect(),
                secrets: self.traces.iter().map(|s| s.0.as_slice()).chain([url_token.as_bytes()]).collect(),
            },
        )
    }

    /// The body as it may be stored: tokens and session ids that a vendor puts into it are taken out.
    pub fn kept_body<'b>(&self, body: &'b [u8]) -> Cow<'b, [u8]> {
        let mut kept = Cow::Borrowed(body);
        for place in &self.preset.strip {
            let without = match self.preset.format {
                Format::Soap => soap::without(&kept, place),
                Format::Json | Format::JsonOrForm => strip::without(&kept, place),
                Format::Form => None,
            };
            if let Some(without) = without {
                kept = Cow::Owned(without);
            }
        }
        kept
    }

    /// Reads a delivery: one reading per item, in the order of the body, and at least one.
    ///
    /// Needs no more than [`Self::kept_headers`] and [`Self::kept_body`] leave, so that a delivery can be read again.
    pub fn read(&self, request: &Request<'_>, message_id: Option<&str>) -> Vec<Reading> {
        let body = self.kept_body(request.body);
        let request = Request { body: &body, ..*request };
        let root = match parse::parse(self.preset.format, &request) {
            Ok(root) => root,
            Err(fault) => return vec![Reading::fault(vec![fault])],
        };
        let whole = Scope { item: &root, root: &root, request: &request, message_id, delivered: None };
        let items = match self.items(&whole) {
            Ok(items) => items,
            Err(fault) => return vec![Reading::fault(vec![fault])],
        };
        if items.is_empty() {
            return vec![Reading::ignored("no-items")];
        }
        items.into_iter().map(|item| self.compiled.read(&Scope { item, ..whole })).collect()
    }

    /// Reads the answer to a [`Lookup`]: the reading that the delivery's item stands for.
    pub fn complete(&self, lookup: &Lookup, answer: &[u8]) -> Reading {
        self.compiled.complete(lookup, answer)
    }

    fn items<'v>(&self, whole: &Scope<'v>) -> Result<Vec<&'v Value>, Fault> {
        if self.compiled.items.is_empty() {
            return match whole.root {
                Value::Object(_) => Ok(vec![whole.root]),
                Value::Array(_) => Err(Fault::new(
                    "body",
                    "body-is-list",
                    "it is a list, and one delivery holds one event here; send its entries one at a time",
                )),
                _ => Err(Fault::new("body", "body-not-object", "it is no object; send one event as an object")),
            };
        }
        let there = self.compiled.items.iter().find_map(|place| match place {
            None => Some(vec![whole.root]),
            Some(place) => Some(place.values_to(whole, ITEMS_MAX + 1)).filter(|items| !items.is_empty()),
        });
        let items = there.unwrap_or_default();
        if items.len() > ITEMS_MAX {
            let why = format!("it holds more than {ITEMS_MAX} items; send fewer at a time");
            return Err(Fault::new("body", "items-too-many", why));
        }
        Ok(items)
    }

    fn check_account(&self, request: &Request<'_>) -> Result<(), Refusal> {
        let (Some(account), Some(reader)) = (&self.account, &self.compiled.account) else { return Ok(()) };
        let root = parse::parse(self.preset.format, request).unwrap_or(Value::Null);
        let scope = Scope { item: &root, root: &root, request, message_id: None, delivered: None };
        let told = reader.first(&scope).ok().flatten().unwrap_or_default();
        // A Salesforce id is the same in its 15 and its 18 characters.
        let short = |id: &str| id.get(..15).filter(|_| id.len() == 18).unwrap_or(id).to_owned();
        let same = told.eq_ignore_ascii_case(account)
            || (self.preset.format == Format::Soap && short(&told) == short(account));
        if same { Ok(()) } else { Err(Refusal::AccountMismatch) }
    }
}

/// The words for an item that names a preset that is not there.
pub(super) fn unknown_preset(name: &str) -> Fault {
    let known: Vec<&str> = super::presets::all().iter().map(|p| p.name.as_str()).collect();
    Fault::new("preset", "preset-unknown", format!("{} is no preset; use one of {}", shown(name), known.join(", ")))
}
