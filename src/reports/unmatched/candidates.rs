//! Who something unmatched may be: what speaks for a person, a click or a browser, and how strongly.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::{Row, Suggestion};
use crate::domain::ids::{PersonId, VisitorId};
use crate::domain::matching::{Basis, Strength, Target, Unmatched};
use crate::domain::person::JoinKey;
use crate::domain::stage::{Stage, StageEvent, Subject};
use crate::domain::time::DAY_MS;
use crate::domain::touch::TouchKind;
use crate::reports::facts::{Facts, Who};
use crate::store::touches::Touch;
use crate::store::{Conn, StoreError, identity, matches, touches};

/// How long before a lead its form or landing may lie: 30 minutes.
const BEFORE_LEAD_MS: i64 = 30 * 60_000;
/// Suggestions of one row; who has more candidates has none that says anything.
const SUGGESTIONS_MAX: usize = 3;
/// Touches looked at before one lead: with more there is no only one.
const TOUCHES_MAX: usize = 200;
/// Shortest id that says something under another namespace: `7` is everybody's.
const ID_LEN_MIN: usize = 4;

/// What is known of everybody, by what the rows of a page share with it.
#[derive(Debug)]
pub(super) struct Candidates<'f> {
    facts: &'f Facts,
    /// The people of events with a parent that some row names.
    by_parent: HashMap<String, BTreeSet<PersonId>>,
    /// The people of subjects by the id alone, with the subject.
    by_id: HashMap<String, BTreeMap<PersonId, Subject>>,
    /// The persons of the page's clusters who have an email hash, by hash.
    by_email: HashMap<String, BTreeSet<PersonId>>,
    emails: HashMap<PersonId, Vec<String>>,
    /// Browsers that belong to somebody.
    known: HashSet<VisitorId>,
}

impl<'f> Candidates<'f> {
    pub(super) fn of(conn: &mut Conn, facts: &'f Facts, rows: &[Row]) -> Result<Self, StoreError> {
        let mut found = Self {
            facts,
            by_parent: HashMap::new(),
            by_id: HashMap::new(),
            by_email: HashMap::new(),
            emails: HashMap::new(),
            known: HashSet::new(),
        };
        if rows.is_empty() {
            return Ok(found);
        }
        let parents: HashSet<&str> = rows.iter().flat_map(parents_of).collect();
        for event in facts.events.iter().filter(|e| e.person.is_some()) {
            let Some(parent) = event.parent.as_deref().filter(|p| parents.contains(p)) else { continue };
            if let Who::Person(person) = facts.who(event) {
                found.by_parent.entry(parent.to_owned()).or_default().insert(person);
            }
        }
        let ids: HashSet<&str> = rows.iter().flat_map(ids_of).collect();
        for (subject, clusters) in facts.people.subjects() {
            let Some(id) = id_of(subject.as_str()).filter(|id| ids.contains(id)) else { continue };
            let of_id = found.by_id.entry(id.to_owned()).or_default();
            for cluster in clusters {
                of_id.entry(*cluster).or_insert_with(|| subject.clone());
            }
        }
        found.read_emails(conn, rows)?;
        found.known = facts.people.known_visitors().collect();
        Ok(found)
    }

    fn read_emails(&mut self, conn: &mut Conn, rows: &[Row]) -> Result<(), StoreError> {
        let people = &self.facts.people;
        let persons: Vec<PersonId> =
            rows.iter().filter_map(person_of).flat_map(|p| people.members(p).to_vec()).collect();
        for (person, key) in identity::keys_of(conn, &persons)? {
            if let JoinKey::Email(hash) = key {
                self.emails.entry(people.cluster(person)).or_default().push(hash);
            }
        }
        let mut hashes: Vec<String> = self.emails.values().flatten().cloned().collect();
        hashes.sort_unstable();
        hashes.dedup();
        for hash in hashes {
            let holders = identity::holders(conn, &JoinKey::Email(hash.clone()))?;
            self.by_email.insert(hash, holders.into_iter().map(|p| people.cluster(p)).collect());
        }
        Ok(())
    }

    /// The suggestions of a row, strongest first.
    pub(super) fn of_row(&mut self, conn: &mut Conn, row: &Row) -> Result<Vec<Suggestion>, StoreError> {
        let mut list = self.same_parent(row);
        list.extend(self.same_id(row));
        list.extend(self.same_email(row));
        list.extend(self.only_touch(conn, row)?);
        let mut kept: Vec<Suggestion> = Vec::new();
        list.sort();
        for suggestion in list {
            if kept.iter().all(|k| k.to != suggestion.to) && !self.is_kept_apart(conn, row, &suggestion)? {
                kept.push(suggestion);
            }
        }
        kept.truncate(SUGGESTIONS_MAX);
        Ok(kept)
    }

    /// The people of events with the same parent.
    fn same_parent(&self, row: &Row) -> Vec<Suggestion> {
        let mut list = Vec::new();
        for parent in parents_of(row) {
            let Some(people) = self.by_parent.get(parent) else { continue };
            let strength = if people.len() == 1 { Strength::Strong } else { Strength::Likely };
            let words = || format!("another event of `{parent}` is theirs");
            list.extend(people_of(row, people).map(|to| suggestion(strength, Basis::SameParent, to, words())));
        }
        list
    }

    /// The people of a subject with the same id in another namespace.
    fn same_id(&self, row: &Row) -> Vec<Suggestion> {
        if person_of(row).is_some() {
            return Vec::new();
        }
        let mut list = Vec::new();
        for id in ids_of(row) {
            let Some(people) = self.by_id.get(id) else { continue };
            let strength = if people.len() == 1 { Strength::Likely } else { Strength::Weak };
            for (person, subject) in people {
                let words = format!("`{}`, which has the same id, is theirs", subject.as_str());
                list.push(suggestion(strength, Basis::SameId, Target::Person(*person), words));
            }
        }
        list
    }

    /// Other people with the same keyed email hash: so many share it that it joins nobody.
    fn same_email(&self, row: &Row) -> Vec<Suggestion> {
        let Some(hashes) = person_of(row).and_then(|p| self.emails.get(&p)) else { return Vec::new() };
        let mut list = Vec::new();
        for people in hashes.iter().filter_map(|hash| self.by_email.get(hash)) {
            // The row's own person is one of them.
            let strength = if people.len() == 2 { Strength::Likely } else { Strength::Weak };
            let words = format!("they have the same email address, which {} people share", people.len());
            list.extend(people_of(row, people).map(|to| suggestion(strength, Basis::SameEmail, to, words.clone())));
        }
        list
    }

    /// The one form, landing or click of an unknown browser shortly before a lead, if there is no other.
    fn only_touch(&self, conn: &mut Conn, row: &Row) -> Result<Option<Suggestion>, StoreError> {
        let Some(lead) = person_of(row).and_then(|_| row.events.iter().find(|e| is_dated_lead(e))) else {
            return Ok(None);
        };
        let period = (lead.occurred_at.plus_ms(-BEFORE_LEAD_MS), lead.occurred_at.plus_ms(1));
        let Some(found) = touches::human_between(conn, period, TOUCHES_MAX, &self.facts.moments)? else {
            return Ok(None);
        };
        let people = &self.facts.people;
        let is_free = |t: &&Touch| match t.visitor {
            Some(visitor) => !self.known.contains(&visitor),
            None => people.click_owner(t.id).is_none(),
        };
        let mut by_browser: BTreeMap<Target, Vec<&Touch>> = BTreeMap::new();
        for touch in found.iter().filter(is_free) {
            let whose = touch.visitor.map_or(Target::Click(touch.id), Target::Visitor);
            by_browser.entry(whose).or_default().push(touch);
        }
        let mut candidates = by_browser.into_iter();
        let (Some((to, touches)), None) = (candidates.next(), candidates.next()) else { return Ok(None) };
        let Some(last) = touches.iter().max_by_key(|t| (t.occurred_at, t.id)) else { return Ok(None) };
        let minutes = (lead.occurred_at.0 - last.occurred_at.0) / 60_000;
        let strength = if last.kind == TouchKind::Click { Strength::Weak } else { Strength::Likely };
        let words =
            format!("the only {} of an unknown browser in the half hour before, {minutes} min earlier", last.kind);
        Ok(Some(suggestion(strength, Basis::OnlyTouch, to, words)))
    }

    /// Whether somebody said that it is not so.
    fn is_kept_apart(&self, conn: &mut Conn, row: &Row, suggestion: &Suggestion) -> Result<bool, StoreError> {
        let (Some(one), Target::Person(other)) = (person_of(row), &suggestion.to) else { return Ok(false) };
        let people = &self.facts.people;
        Ok(matches::parting(conn, people.members(one), people.members(people.cluster(*other)))?.is_some())
    }
}

fn suggestion(strength: Strength, basis: Basis, to: Target, detail: String) -> Suggestion {
    Suggestion { strength, basis, to, detail }
}

fn person_of(row: &Row) -> Option<PersonId> {
    match row.item {
        Unmatched::Person(person) => Some(person),
        Unmatched::Subject(_) | Unmatched::Event(_) => None,
    }
}

/// Everybody but the row's own person.
fn people_of<'a>(row: &'a Row, people: &'a BTreeSet<PersonId>) -> impl Iterator<Item = Target> + 'a {
    people.iter().filter(|p| person_of(row) != Some(**p)).map(|p| Target::Person(*p))
}

fn parents_of(row: &Row) -> impl Iterator<Item = &str> {
    let names: BTreeSet<&str> = row.events.iter().filter_map(|e| e.parent.as_deref()).collect();
    names.into_iter()
}

/// The bare ids by which a row may be known elsewhere.
fn ids_of(row: &Row) -> impl Iterator<Item = &str> {
    let subjects = row.events.iter().filter_map(|e| e.subject.as_ref()).map(Subject::as_str);
    let ids: BTreeSet<&str> =
        subjects.chain(row.events.iter().filter_map(|e| e.parent.as_deref())).filter_map(id_of).collect();
    ids.into_iter()
}

/// What stands behind the namespace, if it is long enough to be nobody else's.
fn id_of(name: &str) -> Option<&str> {
    let id = name.split_once(':').map_or(name, |(_, id)| id);
    (id.len() >= ID_LEN_MIN && id.bytes().any(|b| b.is_ascii_digit())).then_some(id)
}

/// Whether an event is a lead whose time is more than a day's date.
fn is_dated_lead(event: &StageEvent) -> bool {
    event.stage == Stage::Lead && event.occurred_at.0.rem_euclid(DAY_MS) != 0
}
