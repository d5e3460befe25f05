//! What the database holds of a person: every row, and every value in it that names them.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use diesel::prelude::*;

use super::bodies::of_one_item;
use crate::domain::erasure::Counts;
use crate::domain::fault::Fault;
use crate::domain::ids::{DeliveryId, PersonId, StageEventId, TouchId, VisitorId};
use crate::domain::person::JoinKey;
use crate::domain::stage::Subject;
use crate::store::deliveries::Verdict;
use crate::store::schema::{
    deliveries, delivery_items, identity_facts, import_uploads, lookups, stage_events, touches,
};
use crate::store::touches::{Key, forms};
use crate::store::{Conn, ROWS_PER_STATEMENT, StoreError, bytes, identity, uuid};

/// Most touches of one erasure: all of it is one transaction, under the ledger's lock.
pub const TOUCHES_MAX: usize = 200_000;
/// How many parents are followed from an event to those that name it, as a report does.
const PARENTS_MAX: usize = 4;

/// Whose data is meant.
#[derive(Debug, Clone, Default)]
pub struct Meant {
    /// The persons of the clusters.
    pub persons: Vec<PersonId>,
    /// Browsers that are theirs, as clusters are computed now.
    pub visitors: Vec<VisitorId>,
    /// Keys by which they were named, known or not.
    pub named: Vec<JoinKey>,
    /// Keys that too many persons share: they name nobody, and stay.
    pub over_shared: Vec<JoinKey>,
}

/// A stage event of theirs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldEvent {
    /// Its id, which stays.
    pub id: StageEventId,
    /// Whose word it is.
    pub source: String,
    /// The sender's id.
    pub event_id: String,
    /// What it is about beside the person.
    pub subject: Option<String>,
    /// What it belongs to.
    pub parent: Option<String>,
    /// What the person said.
    pub self_reported: Option<String>,
}

/// A touch of theirs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldTouch {
    pub(super) id: Key,
    pub(super) occurred_at: i64,
    /// The import's source and its id there.
    pub imported: Option<(String, String)>,
    pub(super) page: Option<i32>,
}

impl HeldTouch {
    /// Its id.
    pub fn id(&self) -> TouchId {
        TouchId(self.id.id())
    }
}

/// What is held of somebody.
#[derive(Debug, Clone, Default)]
pub struct Held {
    /// The persons of the cluster.
    pub persons: BTreeSet<PersonId>,
    /// Values that name them and nobody else, or that are told again of those whom they name as well.
    pub keys: BTreeSet<JoinKey>,
    /// Strong keys that others have, too: [`super::rename()`] tells them again, so that they keep them.
    pub told_again: BTreeSet<(PersonId, JoinKey)>,
    /// Their stage events.
    pub events: Vec<HeldEvent>,
    /// Their touches.
    pub touches: Vec<HeldTouch>,
    /// Deliveries that told of them.
    pub deliveries: BTreeSet<DeliveryId>,
    /// How many identity facts hold them.
    pub facts: usize,
}

/// Finds all that is held of somebody.
pub fn gather(conn: &mut Conn, meant: &Meant) -> Result<Held, StoreError> {
    let mut held = Held { persons: meant.persons.iter().copied().collect(), ..Held::default() };
    let matched = keys(conn, meant, &mut held)?;
    keep_what_is_others(conn, meant, &mut held)?;
    held.events = events(conn, &held, &matched)?;
    held.touches = touches_of(conn, &held)?;
    let ids: Vec<Vec<u8>> = held.events.iter().map(|e| bytes(e.id.0)).collect();
    for chunk in ids.chunks(ROWS_PER_STATEMENT) {
        use delivery_items as t;
        let rows: Vec<Vec<u8>> = on!(conn, c => t::table.filter(t::stage_event_id.eq_any(chunk))
            .select(t::delivery_id).distinct().load(c))?;
        held.deliveries.extend(rows.iter().map(|id| uuid(id).map(DeliveryId)).collect::<Result<Vec<_>, _>>()?);
    }
    Ok(held)
}

/// Reads the persons' facts: their keys, and which deliveries told them. Answers the events that were matched to them.
fn keys(conn: &mut Conn, meant: &Meant, held: &mut Held) -> Result<Vec<StageEventId>, StoreError> {
    use identity_facts as t;
    type Row = (Vec<u8>, Option<String>, Option<String>, String);
    held.keys.extend(meant.named.iter().cloned());
    held.keys.extend(meant.visitors.iter().map(|v| JoinKey::Visitor(*v)));
    let (mut facts, mut matched) = (HashSet::new(), Vec::new());
    for chunk in meant.persons.chunks(ROWS_PER_STATEMENT) {
        let ids: Vec<Option<Vec<u8>>> = chunk.iter().map(|p| Some(bytes(p.0))).collect();
        let own: Vec<Vec<u8>> = chunk.iter().map(|p| bytes(p.0)).collect();
        let rows: Vec<Row> = on!(conn, c => t::table
            .filter(t::person_id.eq_any(&own).or(t::other_id.eq_any(&ids).assume_not_null()))
            .select((t::id, t::key_kind, t::key_value, t::recorded_by)).load(c))?;
        for (id, kind, value, by) in rows {
            facts.insert(id);
            let key = kind.and_then(|kind| JoinKey::stored(&kind, value.unwrap_or_default()));
            match key {
                Some(JoinKey::Event(event)) => matched.push(event),
                Some(key) => {
                    held.keys.insert(key);
                }
                None => {}
            }
            held.deliveries.extend(by.strip_prefix("delivery ").and_then(|id| id.parse::<DeliveryId>().ok()));
        }
    }
    held.keys.retain(|key| !matches!(key, JoinKey::Event(_)) && !meant.over_shared.contains(key));
    // The touch of a network's form is named after our own id of its event, which stays: nobody outside knows it.
    let clicks = held.keys.iter().filter_map(|key| match key {
        JoinKey::Click(id) => Some(*id),
        _ => None,
    });
    for id in forms::those_of_forms(conn, &clicks.collect::<Vec<_>>())? {
        held.keys.remove(&JoinKey::Click(id));
    }
    held.facts = facts.len();
    Ok(matched)
}

/// Lets go of a deal or a browser that somebody else owns, and notes who else has a strong key.
///
/// A deal of two people is the other's as well, and so is a browser that the other brought first. An address or a contact
/// id is what a later event finds its person by, so the erased person must lose it even if another one has it, too.
fn keep_what_is_others(conn: &mut Conn, meant: &Meant, held: &mut Held) -> Result<(), StoreError> {
    use identity_facts as t;
    let own_browsers: HashSet<VisitorId> = meant.visitors.iter().copied().collect();
    let values: Vec<String> = held.keys.iter().map(JoinKey::value).collect();
    for chunk in values.chunks(ROWS_PER_STATEMENT) {
        let rows: Vec<(Key, Option<String>, Option<String>)> = on!(conn, c => t::table
            .filter(t::key_value.eq_any(chunk)).filter(t::kind.eq("join")).filter(t::voided_at.is_null())
            .select((t::person_id, t::key_kind, t::key_value)).load(c))?;
        for (person, kind, value) in rows {
            let person = PersonId(person.id());
            let key = kind.and_then(|kind| JoinKey::stored(&kind, value.unwrap_or_default()));
            let Some(key) = key.filter(|key| held.keys.contains(key) && !held.persons.contains(&person)) else {
                continue;
            };
            match &key {
                JoinKey::Email(_) | JoinKey::Contact(_) | JoinKey::Lead(_) => {
                    held.told_again.insert((person, key));
                }
                JoinKey::Subject(_) => {
                    held.keys.remove(&key);
                }
                JoinKey::Visitor(visitor) if !own_browsers.contains(visitor) => {
                    held.keys.remove(&key);
                }
                _ => {}
            }
        }
    }
    Ok(())
}

type EventRow = (Vec<u8>, String, String, Option<String>, Option<String>, Option<String>, Option<Vec<u8>>);

type EventColumns = (
    stage_events::id,
    stage_events::source,
    stage_events::event_id,
    stage_events::subject,
    stage_events::parent,
    stage_events::self_reported,
    stage_events::person_id,
);

const EVENT: EventColumns = (
    stage_events::id,
    stage_events::source,
    stage_events::event_id,
    stage_events::subject,
    stage_events::parent,
    stage_events::self_reported,
    stage_events::person_id,
);

/// Events of the persons, of their deals, that were matched to them, and that name one of those as parent; voided ones
/// as well, as reports of an earlier `as_of` still see them.
fn events(conn: &mut Conn, held: &Held, matched: &[StageEventId]) -> Result<Vec<HeldEvent>, StoreError> {
    use stage_events as t;
    let persons: Vec<Vec<u8>> = held.persons.iter().map(|p| bytes(p.0)).collect();
    let subject = |key: &JoinKey| match key {
        JoinKey::Subject(subject) => Some(subject.as_str().to_owned()),
        _ => None,
    };
    let subjects: Vec<String> = held.keys.iter().filter_map(subject).collect();
    let matched: Vec<Vec<u8>> = matched.iter().map(|e| bytes(e.0)).collect();
    let mut rows: Vec<EventRow> = Vec::new();
    for chunk in persons.chunks(ROWS_PER_STATEMENT) {
        rows.extend(on!(conn, c => t::table.filter(t::person_id.eq_any(chunk)).select(EVENT).load::<EventRow>(c))?);
    }
    for chunk in subjects.chunks(ROWS_PER_STATEMENT) {
        rows.extend(on!(conn, c => t::table.filter(t::subject.eq_any(chunk)).select(EVENT).load::<EventRow>(c))?);
    }
    for chunk in matched.chunks(ROWS_PER_STATEMENT) {
        rows.extend(on!(conn, c => t::table.filter(t::id.eq_any(chunk)).select(EVENT).load::<EventRow>(c))?);
    }
    let mut found: BTreeMap<StageEventId, HeldEvent> = BTreeMap::new();
    take(rows, held, &mut found)?;
    if !found.is_empty() || !subjects.is_empty() {
        let children: Vec<EventRow> = on!(conn, c => t::table
            .filter(t::parent.is_not_null()).filter(t::person_id.is_null()).select(EVENT).load(c))?;
        let names: HashSet<String> = subjects.into_iter().collect();
        add_children(children, &names, held, &mut found)?;
    }
    Ok(found.into_values().collect())
}

/// Takes events that are nobody else's.
fn take(rows: Vec<EventRow>, held: &Held, found: &mut BTreeMap<StageEventId, HeldEvent>) -> Result<(), StoreError> {
    for (id, source, event_id, subject, parent, self_reported, person) in rows {
        let person = person.map(|p| uuid(&p).map(PersonId)).transpose()?;
        if person.is_none_or(|person| held.persons.contains(&person)) {
            let id = StageEventId(uuid(&id)?);
            found.insert(id, HeldEvent { id, source, event_id, subject, parent, self_reported });
        }
    }
    Ok(())
}

/// Adds events without a person whose parent is one of those found: an invoice belongs to whom its subscription does.
fn add_children(
    mut children: Vec<EventRow>,
    subjects: &HashSet<String>,
    held: &Held,
    found: &mut BTreeMap<StageEventId, HeldEvent>,
) -> Result<(), StoreError> {
    for _step in 0..PARENTS_MAX {
        let mut by_name: HashSet<(&str, &str)> = HashSet::new();
        for event in found.values() {
            by_name.insert((event.source.as_str(), event.event_id.as_str()));
        }
        let is_theirs = |row: &EventRow| {
            let Some(parent) = &row.4 else { return false };
            let subject = Subject::parse(parent).ok();
            by_name.contains(&(row.1.as_str(), parent.as_str()))
                || subject.is_some_and(|s| subjects.contains(s.as_str()))
                || parent.parse().is_ok_and(|id: StageEventId| found.contains_key(&id))
        };
        let (theirs, others): (Vec<EventRow>, Vec<EventRow>) = children.into_iter().partition(is_theirs);
        children = others;
        if theirs.is_empty() {
            break;
        }
        take(theirs, held, found)?;
    }
    Ok(())
}

type TouchRow = (Key, i64, Option<String>, Option<String>, Option<i32>);

fn touches_of(conn: &mut Conn, held: &Held) -> Result<Vec<HeldTouch>, StoreError> {
    use touches as t;
    const COLUMNS: (t::id, t::occurred_at, t::source, t::external_id, t::page_id) =
        (t::id, t::occurred_at, t::source, t::external_id, t::page_id);
    let (mut visitors, mut clicks) = (Vec::new(), Vec::new());
    for key in &held.keys {
        match key {
            JoinKey::Visitor(id) => visitors.push(bytes(id.0)),
            JoinKey::Click(id) => clicks.push(bytes(id.0)),
            _ => {}
        }
    }
    let mut rows: HashMap<Key, HeldTouch> = HashMap::new();
    let mut add = |list: Vec<TouchRow>| {
        rows.extend(list.into_iter().map(|(id, occurred_at, source, external_id, page)| {
            (id, HeldTouch { id, occurred_at, imported: source.zip(external_id), page })
        }));
        if rows.len() <= TOUCHES_MAX {
            return Ok(());
        }
        let why = format!(
            "there are more than {TOUCHES_MAX} touches, which is more than one person makes; look whether the keys are an \
             office's or a test's, and name one person of them"
        );
        Err(StoreError::refused(Fault::new("person", "erasure-too-large", why)))
    };
    let most = i64::try_from(TOUCHES_MAX).unwrap_or(i64::MAX).saturating_add(1);
    for chunk in visitors.chunks(ROWS_PER_STATEMENT) {
        add(on!(conn, c => t::table.filter(t::visitor_id.eq_any(chunk)).limit(most).select(COLUMNS).load(c))?)?;
    }
    for chunk in clicks.chunks(ROWS_PER_STATEMENT) {
        add(on!(conn, c => t::table.filter(t::id.eq_any(chunk)).select(COLUMNS).load(c))?)?;
    }
    let mut list: Vec<HeldTouch> = rows.into_values().collect();
    list.sort_by_key(|touch| touch.id);
    Ok(list)
}

/// Persons whom a key is told of now; where there are none, those of whom it was told ever. First come first.
pub fn holders_ever(conn: &mut Conn, key: &JoinKey) -> Result<Vec<PersonId>, StoreError> {
    use identity_facts as t;
    let standing = identity::holders(conn, key)?;
    if !standing.is_empty() {
        return Ok(standing);
    }
    let rows: Vec<Key> = on!(conn, c => t::table
        .filter(t::key_value.eq(key.value())).filter(t::key_kind.eq(key.kind()))
        .order((t::recorded_at, t::id)).select(t::person_id).load(c))?;
    Ok(rows.into_iter().map(|person| PersonId(person.id())).collect())
}

/// Counts what an erasure takes, or would take.
pub fn count(conn: &mut Conn, held: &Held) -> Result<Counts, StoreError> {
    let many = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
    let positive = |n: i64| n.max(0).unsigned_abs();
    let mut counts = Counts {
        persons: many(held.persons.len()),
        // A name that nothing is held of takes nothing.
        keys: if held.facts == 0 && held.touches.is_empty() { 0 } else { many(held.keys.len()) },
        identity_facts: many(held.facts),
        stage_events: many(held.events.len()),
        touches: many(held.touches.len()),
        ..Counts::default()
    };
    let own: HashSet<StageEventId> = held.events.iter().map(|e| e.id).collect();
    let ids: Vec<Vec<u8>> = held.deliveries.iter().map(|d| bytes(d.0)).collect();
    for chunk in ids.chunks(ROWS_PER_STATEMENT) {
        let bodies: i64 = on!(conn, c => deliveries::table.filter(deliveries::id.eq_any(chunk))
            .filter(deliveries::removed_at.is_null()).count().get_result(c))?;
        let answers: i64 =
            on!(conn, c => lookups::table.filter(lookups::delivery_id.eq_any(chunk)).count().get_result(c))?;
        // Of several items nobody can tell whose one is that became no event.
        let single = of_one_item(conn, chunk)?;
        let undecided: Vec<Option<Vec<u8>>> = on!(conn, c => delivery_items::table
            .inner_join(deliveries::table).filter(deliveries::removed_at.is_null())
            .filter(delivery_items::delivery_id.eq_any(chunk)).filter(delivery_items::delivery_id.ne_all(&single))
            .filter(delivery_items::verdict.eq_any([Verdict::Quarantined.as_str(), Verdict::NeedsEnrichment.as_str()]))
            .select(delivery_items::stage_event_id).load(c))?;
        for event in undecided {
            let event = event.map(|e| uuid(&e).map(StageEventId)).transpose()?;
            counts.unreadable_items += u64::from(event.is_none_or(|event| !own.contains(&event)));
        }
        counts.deliveries += positive(bodies);
        counts.lookups += positive(answers);
    }
    counts.uploads = positive(on!(conn, c => import_uploads::table.count().get_result(c))?);
    Ok(counts)
}
