//! Other values in place of those that name somebody, in every row that holds them.

use std::collections::{BTreeSet, HashMap, HashSet};

use diesel::connection::SimpleConnection;
use diesel::prelude::*;

use super::gather::{Held, HeldEvent};
use super::order;
use super::parents::parents;
use super::returned::{self, Returned, ReturnedKind};
use crate::domain::erasure::{ANSWER_ERASED, ERASURE};
use crate::domain::ids::{PersonId, StageEventId, TouchId, VisitorId};
use crate::domain::person::JoinKey;
use crate::domain::stage::Subject;
use crate::domain::time::UtcMillis;
use crate::store::deliveries::Verdict;
use crate::store::identity::{self, Recording};
use crate::store::schema::{
    delivery_items, dictionary, identity_facts, label_revisions, rollup_epochs, rollup_state, stage_events,
    touch_classes, touches,
};
use crate::store::touches::Key;
use crate::store::{Conn, ROWS_PER_STATEMENT, StoreError, bytes};

/// Milliseconds of which the ids are read in one statement.
const MILLISECONDS_PER_STATEMENT: usize = 50;

/// A renaming. The caller holds the ledger.
#[expect(missing_debug_implementations, reason = "a closure tells nothing")]
pub struct Renaming<'a> {
    /// What is held of whom.
    pub held: &'a Held,
    /// Ledger time of this transaction.
    pub at: UtcMillis,
    /// Who asked for it.
    pub by: &'a str,
    /// The keyed hash of an old id.
    pub hash: &'a dyn Fn(ReturnedKind, &str) -> Vec<u8>,
}

/// The new values.
pub(super) struct Names {
    persons: HashMap<Key, Key>,
    touches: HashMap<Key, Key>,
    visitors: HashMap<Key, Key>,
    keys: Vec<(JoinKey, String)>,
    pub(super) subjects: HashMap<String, String>,
    /// By source and sender's id.
    events: HashMap<(String, String), String>,
}

/// Puts random values in place of all that names somebody, and remembers what may come back. Bodies of deliveries are
/// removed by [`super::remove_deliveries`].
pub fn rename(conn: &mut Conn, renaming: &Renaming<'_>) -> Result<(), StoreError> {
    if let Conn::Sqlite(c) = conn {
        // Else the old values stay in the file, in pages that are free, until something is written over them.
        c.batch_execute("PRAGMA secure_delete = ON")?;
    }
    let names = Names::of(conn, renaming.held)?;
    let parents = parents(conn, renaming.held, &names)?;
    names.in_identity_facts(conn)?;
    names.in_stage_events(conn, renaming.held, &parents)?;
    names.in_touches(conn, renaming.held)?;
    names.in_rollups(conn)?;
    let recording = Recording { at: renaming.at, event: None, batch: None, by: renaming.by.to_owned() };
    let told_again: Vec<(PersonId, JoinKey)> = renaming.held.told_again.iter().cloned().collect();
    identity::insert_joins(conn, &told_again, &recording)?;
    returned::remember(conn, &coming_back(renaming), renaming.at)
}

/// What may come back of what is held: each event, each touch, each imported touch.
fn coming_back(renaming: &Renaming<'_>) -> Vec<Returned> {
    let hash = |kind: ReturnedKind, value: &str| (renaming.hash)(kind, value);
    let event = |e: &HeldEvent| Returned {
        kind: ReturnedKind::Event,
        hash: hash(ReturnedKind::Event, &format!("{}\n{}", e.source, e.event_id)),
        event: Some(e.id),
    };
    let mut list: Vec<Returned> = renaming.held.events.iter().map(event).collect();
    for touch in &renaming.held.touches {
        let id = touch.id().to_string();
        list.push(Returned { kind: ReturnedKind::Touch, hash: hash(ReturnedKind::Touch, &id), event: None });
        if let Some((source, id)) = &touch.imported {
            let hash = hash(ReturnedKind::Import, &format!("{source}\n{id}"));
            list.push(Returned { kind: ReturnedKind::Import, hash, event: None });
        }
    }
    list
}

fn random_text() -> String {
    format!("erased-{:032x}", rand::random::<u128>())
}

/// A random value of the same kind. A contact or a subject keeps its namespace, which is the sender's and tells no two
/// persons apart.
pub(super) fn random_name(value: &str) -> String {
    let namespace = value.split_once(':').map_or("", |(namespace, _)| namespace);
    format!("{namespace}:{}", random_text())
}

impl Names {
    fn of(conn: &mut Conn, held: &Held) -> Result<Self, StoreError> {
        let persons: BTreeSet<Key> = held.persons.iter().map(|p| Key::of(p.0)).collect();
        let mut clicks: BTreeSet<Key> = held.touches.iter().map(|t| t.id).collect();
        // A click id whose touch is not known is a name all the same.
        clicks.extend(held.keys.iter().filter_map(|key| match key {
            JoinKey::Click(id) => Some(Key::of(id.0)),
            _ => None,
        }));
        let others = persons_beside(conn, &persons)?;
        let mut names = Self {
            persons: order::replaced(&persons, &others),
            touches: order::replaced(&clicks, &touches_beside(conn, &clicks)?),
            visitors: HashMap::new(),
            keys: Vec::with_capacity(held.keys.len()),
            subjects: HashMap::new(),
            events: HashMap::new(),
        };
        for key in &held.keys {
            names.add_key(key);
        }
        for event in &held.events {
            names.events.entry((event.source.clone(), event.event_id.clone())).or_insert_with(random_text);
        }
        Ok(names)
    }

    fn add_key(&mut self, key: &JoinKey) {
        let new = match key {
            JoinKey::Email(_) => format!("{:064x}", U256(rand::random(), rand::random())),
            JoinKey::Contact(value) | JoinKey::Lead(value) => random_name(value),
            JoinKey::Subject(subject) => {
                let new = random_name(subject.as_str());
                self.subjects.insert(subject.as_str().to_owned(), new.clone());
                new
            }
            JoinKey::Visitor(id) => {
                let new = uuid::Builder::from_random_bytes(rand::random()).into_uuid();
                self.visitors.insert(Key::of(id.0), Key::of(new));
                VisitorId(new).to_string()
            }
            JoinKey::Click(id) => self.touches.get(&Key::of(id.0)).map_or_else(|| id.to_string(), |new| click(*new)),
            // It names an event by our own id, which nobody outside brings as a name.
            JoinKey::Event(_) => return,
        };
        self.keys.push((key.clone(), new));
    }

    fn in_identity_facts(&self, conn: &mut Conn) -> Result<(), StoreError> {
        use identity_facts as t;
        for (old, new) in &self.persons {
            let (old, new) = (old.0.to_vec(), new.0.to_vec());
            on!(conn, c => diesel::update(t::table.filter(t::person_id.eq(&old))).set(t::person_id.eq(&new)).execute(c))?;
            on!(conn, c => diesel::update(t::table.filter(t::other_id.eq(&old))).set(t::other_id.eq(&new)).execute(c))?;
        }
        for (key, new) in &self.keys {
            on!(conn, c => diesel::update(t::table
                    .filter(t::key_value.eq(key.value())).filter(t::key_kind.eq(key.kind())))
                .set(t::key_value.eq(new)).execute(c))?;
        }
        Ok(())
    }

    fn in_stage_events(
        &self,
        conn: &mut Conn,
        held: &Held,
        parents: &[(StageEventId, String)],
    ) -> Result<(), StoreError> {
        use stage_events as t;
        for (old, new) in &self.persons {
            on!(conn, c => diesel::update(t::table.filter(t::person_id.eq(old.0.to_vec())))
                .set(t::person_id.eq(new.0.to_vec())).execute(c))?;
        }
        let words = if held.events.iter().any(|e| e.self_reported.is_some()) { words(conn)? } else { HashSet::new() };
        for event in &held.events {
            let hash: [u8; 32] = rand::random();
            let answer = event.self_reported.as_ref().map(|answer| {
                if words.contains(&answer.trim().to_lowercase()) { answer.as_str() } else { ANSWER_ERASED }
            });
            let event_id = self.events.get(&(event.source.clone(), event.event_id.clone()));
            on!(conn, c => diesel::update(t::table.filter(t::id.eq(bytes(event.id.0))))
                .set((t::event_id.eq(event_id.unwrap_or(&event.event_id)), t::content_hash.eq(hash.to_vec()),
                    t::self_reported.eq(answer)))
                .execute(c))?;
            self.in_items(conn, event, event_id)?;
        }
        for (old, new) in &self.subjects {
            on!(conn, c => diesel::update(t::table.filter(t::subject.eq(old))).set(t::subject.eq(new)).execute(c))?;
        }
        for (event, parent) in parents {
            on!(conn, c => diesel::update(t::table.filter(t::id.eq(bytes(event.0)))).set(t::parent.eq(parent)).execute(c))?;
        }
        Ok(())
    }

    /// The items that became, repeat or contradict an event. One that waited for its record waits no more, and what
    /// contradicted it is nothing that anybody could still settle.
    fn in_items(&self, conn: &mut Conn, event: &HeldEvent, new: Option<&String>) -> Result<(), StoreError> {
        use delivery_items as t;
        let of_event = || t::table.filter(t::stage_event_id.eq(bytes(event.id.0)));
        on!(conn, c => diesel::update(of_event())
            .set((t::event_id.eq(new), t::detail.eq(None::<String>))).execute(c))?;
        on!(conn, c => diesel::update(of_event().filter(t::verdict.eq(Verdict::NeedsEnrichment.as_str())))
            .set(t::verdict.eq(Verdict::Stored.as_str())).execute(c))?;
        on!(conn, c => diesel::update(of_event().filter(t::verdict.eq(Verdict::Quarantined.as_str())))
            .set((t::verdict.eq(Verdict::Ignored.as_str()), t::code.eq(ERASURE))).execute(c))?;
        Ok(())
    }

    fn in_touches(&self, conn: &mut Conn, held: &Held) -> Result<(), StoreError> {
        use touches as t;
        let imported = imported_ids(held);
        for touch in &held.touches {
            let new = self.touches.get(&touch.id).unwrap_or(&touch.id);
            let external_id = imported.get(&touch.id);
            on!(conn, c => diesel::update(t::table.filter(t::id.eq(touch.id.0.to_vec())))
                .set((t::id.eq(new.0.to_vec()), t::network_ids.eq(None::<String>), t::page_id.eq(None::<i32>),
                    t::external_id.eq(external_id)))
                .execute(c))?;
        }
        for (old, new) in &self.visitors {
            on!(conn, c => diesel::update(t::table.filter(t::visitor_id.eq(old.0.to_vec())))
                .set(t::visitor_id.eq(new.0.to_vec())).execute(c))?;
        }
        let ids: Vec<Vec<u8>> = held.touches.iter().map(|touch| touch.id.0.to_vec()).collect();
        for chunk in ids.chunks(ROWS_PER_STATEMENT) {
            use touch_classes as k;
            let later: Vec<Key> = on!(conn, c => k::table.filter(k::touch_id.eq_any(chunk))
                .select(k::touch_id).distinct().load(c))?;
            for old in later {
                let new = self.touches.get(&old).unwrap_or(&old);
                on!(conn, c => diesel::update(k::table.filter(k::touch_id.eq(old.0.to_vec())))
                    .set(k::touch_id.eq(new.0.to_vec())).execute(c))?;
            }
        }
        let pages: BTreeSet<i32> = held.touches.iter().filter_map(|touch| touch.page).collect();
        forget_pages(conn, &pages)
    }

    /// The ends of epochs, which are ids of touches.
    fn in_rollups(&self, conn: &mut Conn) -> Result<(), StoreError> {
        use {rollup_epochs as e, rollup_state as s};
        type Epoch = (i32, Option<Vec<u8>>, Option<Vec<u8>>);
        let new = |old: Option<Vec<u8>>| {
            let key: Option<[u8; 16]> = old.and_then(|old| old.try_into().ok());
            key.and_then(|key| self.touches.get(&Key(key))).map(|new| new.0.to_vec())
        };
        let (from, to): (Option<Vec<u8>>, Option<Vec<u8>>) =
            on!(conn, c => s::table.select((s::open_from, s::open_to)).first(c))?;
        if let Some(from) = new(from) {
            on!(conn, c => diesel::update(s::table).set(s::open_from.eq(from)).execute(c))?;
        }
        if let Some(to) = new(to) {
            on!(conn, c => diesel::update(s::table).set(s::open_to.eq(to)).execute(c))?;
        }
        let epochs: Vec<Epoch> = on!(conn, c => e::table.select((e::id, e::from_id, e::to_id)).load(c))?;
        for (id, from, to) in epochs {
            if let Some(from) = new(from) {
                on!(conn, c => diesel::update(e::table.find(id)).set(e::from_id.eq(from)).execute(c))?;
            }
            if let Some(to) = new(to) {
                on!(conn, c => diesel::update(e::table.find(id)).set(e::to_id.eq(to)).execute(c))?;
            }
        }
        Ok(())
    }

    /// The new text of a parent, where it names something that is renamed.
    pub(super) fn parent(&self, source: &str, parent: &str) -> Option<&String> {
        let subject = || Subject::parse(parent).ok().and_then(|s| self.subjects.get(s.as_str()));
        self.subjects.get(parent).or_else(subject).or_else(|| self.events.get(&(source.to_owned(), parent.to_owned())))
    }
}

/// 256 bits, to be printed in hex.
struct U256(u128, u128);

impl std::fmt::LowerHex for U256 {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:032x}{:032x}", self.0, self.1)
    }
}

fn click(key: Key) -> String {
    TouchId(key.id()).to_string()
}

/// Ids of persons that share a millisecond with some.
fn persons_beside(conn: &mut Conn, some: &BTreeSet<Key>) -> Result<BTreeSet<Key>, StoreError> {
    use identity_facts as t;
    let mut found = BTreeSet::new();
    for (from, to) in ranges(some) {
        let rows: Vec<Key> = on!(conn, c => t::table.filter(t::person_id.ge(&from)).filter(t::person_id.le(&to))
            .select(t::person_id).distinct().load(c))?;
        found.extend(rows);
    }
    Ok(found)
}

/// Ids of touches that share a millisecond with some.
fn touches_beside(conn: &mut Conn, some: &BTreeSet<Key>) -> Result<BTreeSet<Key>, StoreError> {
    use touches as t;
    let mut found = BTreeSet::new();
    for part in ranges(some).chunks(MILLISECONDS_PER_STATEMENT) {
        let rows: Vec<Key> = on!(conn, c => {
            let mut query = t::table.select(t::id).into_boxed();
            for (from, to) in part {
                query = query.or_filter(t::id.ge(from).and(t::id.le(to)));
            }
            query.load(c)
        })?;
        found.extend(rows);
    }
    Ok(found)
}

/// The first and the last id of each millisecond in which some ids lie.
fn ranges(some: &BTreeSet<Key>) -> Vec<(Vec<u8>, Vec<u8>)> {
    let milliseconds: BTreeSet<u128> = some.iter().map(|key| order::millisecond(*key)).collect();
    let end = |ms: u128, rest: u128| ((ms << 80) | rest).to_be_bytes().to_vec();
    milliseconds.into_iter().map(|ms| (end(ms, 0), end(ms, (1 << 80) - 1))).collect()
}

/// New ids of imported touches. Those of one instant keep their order, as it says which of them came first.
fn imported_ids(held: &Held) -> HashMap<Key, String> {
    let mut old: Vec<(i64, &str, Key)> = held
        .touches
        .iter()
        .filter_map(|touch| Some((touch.occurred_at, touch.imported.as_ref()?.1.as_str(), touch.id)))
        .collect();
    old.sort_unstable();
    let mut ids = HashMap::with_capacity(old.len());
    for same in old.chunk_by(|a, b| a.0 == b.0) {
        let mut new: Vec<String> = same.iter().map(|_one| random_text()).collect();
        new.sort_unstable();
        ids.extend(same.iter().map(|(_, _, key)| *key).zip(new));
    }
    ids
}

/// What channels and campaigns are or were called, in lower case: such an answer names no person, and reports count by it.
fn words(conn: &mut Conn) -> Result<HashSet<String>, StoreError> {
    use crate::store::schema::{campaigns, channels};
    use label_revisions as t;
    let labels: Vec<String> = on!(conn, c => t::table.filter(t::subject_kind.ne("post")).select(t::labels).load(c))?;
    let codes: Vec<(String, String)> =
        on!(conn, c => channels::table.select((channels::code, channels::utm_source)).load(c))?;
    let campaigns: Vec<String> = on!(conn, c => campaigns::table.select(campaigns::code).load(c))?;
    let mut words: HashSet<String> = codes.into_iter().flat_map(|(a, b)| [a, b]).chain(campaigns).collect();
    for json in labels {
        if let Ok(serde_json::Value::Object(fields)) = serde_json::from_str(&json) {
            words.extend(fields.values().filter_map(|v| v.as_str().map(str::to_owned)));
        }
    }
    Ok(words.into_iter().map(|word| word.trim().to_lowercase()).collect())
}

/// Blanks the pages that no touch names any more: the path may have held a name. The row stays, as loaders remember its
/// number.
fn forget_pages(conn: &mut Conn, pages: &BTreeSet<i32>) -> Result<(), StoreError> {
    use touches as t;
    if pages.is_empty() {
        return Ok(());
    }
    let wanted: Vec<Option<i32>> = pages.iter().copied().map(Some).collect();
    let used: Vec<Option<i32>> =
        on!(conn, c => t::table.filter(t::page_id.eq_any(&wanted)).select(t::page_id).distinct().load(c))?;
    let hosts: Vec<Option<i32>> =
        on!(conn, c => t::table.filter(t::referrer_id.eq_any(&wanted)).select(t::referrer_id).distinct().load(c))?;
    for page in wanted.into_iter().filter(|page| !used.contains(page) && !hosts.contains(page)).flatten() {
        on!(conn, c => diesel::update(dictionary::table.filter(dictionary::id.eq(i64::from(page))))
            .set(dictionary::entry.eq(random_text())).execute(c))?;
    }
    Ok(())
}
