//! Deliveries that name somebody without an event that says so: quarantined, ignored and waiting ones.
//!
//! Bodies are sealed, so each is opened and looked through. It is looked at as data, never by its connector: what is in
//! quarantine is what a connector could not read.

use std::collections::{BTreeSet, HashSet};

use crate::domain::ids::{DeliveryId, TouchId, VisitorId};
use crate::domain::person::{JoinKey, joinable_email};
use crate::jobs::intake::IntakeContext;
use crate::secret::SecretKey;
use crate::store::{Conn, StoreError, erasure, lookups};

/// Deliveries opened at a time.
const AT_ONCE: i64 = 200;
/// Shortest id that is looked for by itself; a shorter one would be found in everything.
const ID_LEN_MIN: usize = 2;

/// By what somebody is named in a body.
#[derive(Debug, Default)]
pub(super) struct Names {
    emails: HashSet<String>,
    /// Contact ids and subjects, with their namespaces and without.
    ids: HashSet<String>,
    clicks: HashSet<TouchId>,
    visitors: HashSet<VisitorId>,
}

impl Names {
    pub(super) fn of<'k>(keys: impl IntoIterator<Item = &'k JoinKey>) -> Self {
        let mut names = Self::default();
        for key in keys {
            match key {
                JoinKey::Email(hash) => {
                    names.emails.insert(hash.clone());
                }
                JoinKey::Contact(id) | JoinKey::Lead(id) => names.add_id(id),
                JoinKey::Subject(subject) => names.add_id(subject.as_str()),
                JoinKey::Click(id) => {
                    names.clicks.insert(*id);
                }
                JoinKey::Visitor(id) => {
                    names.visitors.insert(*id);
                }
                JoinKey::Event(_) => {}
            }
        }
        names
    }

    fn add_id(&mut self, id: &str) {
        if let Some((_, bare)) = id.split_once(':').filter(|(_, bare)| bare.len() >= ID_LEN_MIN) {
            self.ids.insert(bare.to_owned());
        }
        self.ids.insert(id.to_owned());
    }

    fn is_empty(&self) -> bool {
        self.emails.is_empty() && self.ids.is_empty() && self.clicks.is_empty() && self.visitors.is_empty()
    }

    /// Whether a text names them: JSON by its values, anything else by its words.
    fn are_in(&self, text: &[u8], secret: &SecretKey) -> bool {
        if let Ok(json) = serde_json::from_slice::<serde_json::Value>(text) {
            return self.are_in_json(&json, secret);
        }
        let text = String::from_utf8_lossy(text);
        let mut pairs = url::form_urlencoded::parse(text.as_bytes());
        self.are_in_words(&text, secret) || pairs.any(|(_, value)| self.are_in_words(&value, secret))
    }

    fn are_in_json(&self, json: &serde_json::Value, secret: &SecretKey) -> bool {
        use serde_json::Value;
        match json {
            Value::Null | Value::Bool(_) => false,
            Value::Number(number) => self.ids.contains(&number.to_string()),
            Value::String(text) => self.are_in_words(text, secret),
            Value::Array(list) => list.iter().any(|value| self.are_in_json(value, secret)),
            Value::Object(fields) => fields.values().any(|value| self.are_in_json(value, secret)),
        }
    }

    fn are_in_words(&self, text: &str, secret: &SecretKey) -> bool {
        let is_between = |c: char| {
            c.is_whitespace()
                || matches!(c, '"' | '\'' | '<' | '>' | '&' | '=' | '?' | ',' | ';' | '(' | ')' | '/' | '|')
        };
        self.is_one(text.trim(), secret) || text.split(is_between).any(|word| self.is_one(word, secret))
    }

    fn is_one(&self, word: &str, secret: &SecretKey) -> bool {
        if self.ids.contains(word) {
            return true;
        }
        if word.contains('@') && !self.emails.is_empty() {
            // `mailto:ana@example.com.` is an address with something around it.
            let bare = word.rsplit(':').next().unwrap_or(word).trim_end_matches(['.', '!', ')', ']']);
            return matches!(joinable_email(bare), Ok(Some(email)) if self.emails.contains(&secret.email_hash(&email)));
        }
        // With or without its prefix an id has 26 characters or a few more.
        let is_id = matches!(word.len(), 26..=TouchId::WIRE_LEN);
        is_id
            && (word.parse().is_ok_and(|id: TouchId| self.clicks.contains(&id))
                || word.parse().is_ok_and(|id: VisitorId| self.visitors.contains(&id)))
    }
}

/// Deliveries that name somebody, by body, by address and headers, or by what a vendor answered about them.
pub(super) fn deliveries(
    conn: &mut Conn,
    context: &IntakeContext,
    names: &Names,
) -> Result<BTreeSet<DeliveryId>, StoreError> {
    let mut found = BTreeSet::new();
    if names.is_empty() {
        return Ok(found);
    }
    let secret = &context.secret;
    let mut after = None;
    loop {
        let some = erasure::unattributed(conn, after, AT_ONCE)?;
        let Some(last) = some.last().map(|one| one.id) else { return Ok(found) };
        for one in &some {
            let head = if one.head.is_empty() { Vec::new() } else { secret.open(&one.head)? };
            if names.are_in(&secret.open(&one.body)?, secret)
                || names.are_in(&head, secret)
                || are_in_lookups(conn, one.id, names, secret)?
            {
                found.insert(one.id);
            }
        }
        after = Some(last);
    }
}

fn are_in_lookups(
    conn: &mut Conn,
    delivery: DeliveryId,
    names: &Names,
    secret: &SecretKey,
) -> Result<bool, StoreError> {
    for asked in lookups::of_delivery(conn, delivery)? {
        let answer = asked.sealed.map(|sealed| secret.open(&sealed)).transpose()?.unwrap_or_default();
        if names.are_in(asked.path.as_bytes(), secret) || names.are_in(&answer, secret) {
            return Ok(true);
        }
    }
    Ok(false)
}
