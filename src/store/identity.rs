//! The identity graph's facts: joins, merges, unmerges.

use std::collections::HashMap;

use diesel::prelude::*;

use super::schema::{identity_facts, stage_events};
use super::stage_events::seen;
use super::touches::Key;
use super::{Conn, Moments, ROWS_PER_STATEMENT, StoreError, bytes, fact_id, uuid};
use crate::domain::ids::{BatchId, PersonId, StageEventId};
use crate::domain::person::{IdentityFact, JoinKey};
use crate::domain::stage::Stage;
use crate::domain::time::UtcMillis;

#[derive(Debug, Clone, Insertable)]
#[diesel(table_name = identity_facts, treat_none_as_default_value = false)]
struct Row {
    id: Vec<u8>,
    recorded_at: i64,
    kind: String,
    person_id: Vec<u8>,
    other_id: Option<Vec<u8>>,
    key_kind: Option<String>,
    key_value: Option<String>,
    stage_event_id: Option<Vec<u8>>,
    batch_id: Option<Vec<u8>>,
    recorded_by: String,
    basis: Option<String>,
}

/// The circumstances under which joins are recorded.
#[derive(Debug, Clone)]
pub struct Recording {
    /// Ledger time of the transaction.
    pub at: UtcMillis,
    /// The stage event that told them, if any: they are voided with it.
    pub event: Option<StageEventId>,
    /// The batch to undo them with, if any.
    pub batch: Option<BatchId>,
    /// Who recorded them.
    pub by: String,
}

/// Finds or makes the person whom keys belong to, and records the joins.
///
/// A contact id decides first; then an email hash (of a person without contact
/// id, so that an office address shared by many contacts can be told from one
/// person); then a network's id of a lead; then whoever first brought the click id
/// or browser. `None` where only a subject is known.
pub fn person_of(conn: &mut Conn, keys: &[JoinKey], recording: &Recording) -> Result<Option<PersonId>, StoreError> {
    if keys.iter().all(|k| matches!(k, JoinKey::Subject(_))) {
        return Ok(None);
    }
    let person = match find(conn, keys)? {
        Some(person) => person,
        None => PersonId(fact_id(recording.at)),
    };
    // Every telling is a fact of its own, even of a join that stands: voiding one event must not take another's word away.
    let rows: Vec<Row> = keys.iter().map(|key| join_row(person, key, recording)).collect();
    insert(conn, &rows)?;
    Ok(Some(person))
}

/// The person of a contact id, who is made if nobody has told of them yet.
pub fn of_contact(conn: &mut Conn, contact: &JoinKey, recording: &Recording) -> Result<PersonId, StoreError> {
    if let Some(known) = holders(conn, contact)?.into_iter().min() {
        return Ok(known);
    }
    let person = PersonId(fact_id(recording.at));
    insert(conn, &[join_row(person, contact, recording)])?;
    Ok(person)
}

/// The standing keys of some persons.
pub fn keys_of(conn: &mut Conn, persons: &[PersonId]) -> Result<Vec<(PersonId, JoinKey)>, StoreError> {
    use identity_facts as t;
    let mut keys = Vec::new();
    for chunk in persons.chunks(ROWS_PER_STATEMENT) {
        let ids: Vec<Vec<u8>> = chunk.iter().map(|p| bytes(p.0)).collect();
        let rows: Vec<(Key, Option<String>, Option<String>)> = on!(conn, c => t::table
            .filter(t::person_id.eq_any(&ids)).filter(t::kind.eq("join")).filter(t::voided_at.is_null())
            .select((t::person_id, t::key_kind, t::key_value)).load(c))?;
        keys.extend(rows.into_iter().filter_map(|(person, kind, value)| {
            Some((PersonId(person.id()), JoinKey::stored(&kind?, value.unwrap_or_default())?))
        }));
    }
    Ok(keys)
}

/// Whether one person has all of these keys already.
pub fn are_joined(conn: &mut Conn, keys: &[JoinKey]) -> Result<bool, StoreError> {
    let mut common: Option<Vec<PersonId>> = None;
    for key in keys {
        let holders = holders(conn, key)?;
        common = Some(match common {
            None => holders,
            Some(known) => known.into_iter().filter(|p| holders.contains(p)).collect(),
        });
    }
    Ok(common.is_some_and(|persons| !persons.is_empty()))
}

/// Records joins of many persons at once.
pub fn insert_joins(conn: &mut Conn, joins: &[(PersonId, JoinKey)], recording: &Recording) -> Result<(), StoreError> {
    let rows: Vec<Row> = joins.iter().map(|(p, k)| join_row(*p, k, recording)).collect();
    insert(conn, &rows)
}

/// Who is joined to any of the given keys of one kind, first come first; for imports, which look up many at once.
pub fn joined_to(conn: &mut Conn, kind: &str, values: &[String]) -> Result<HashMap<String, PersonId>, StoreError> {
    use identity_facts as t;
    let mut found = HashMap::new();
    for chunk in values.chunks(ROWS_PER_STATEMENT) {
        let rows: Vec<(Option<String>, Vec<u8>)> = on!(conn, c => t::table
            .filter(t::key_kind.eq(kind)).filter(t::key_value.eq_any(chunk)).filter(t::voided_at.is_null())
            .order((t::recorded_at, t::id)).select((t::key_value, t::person_id)).load(c))?;
        for (key, person) in rows {
            found.entry(key.unwrap_or_default()).or_insert(PersonId(uuid(&person)?));
        }
    }
    Ok(found)
}

/// Voids the joins that an event told, with the event.
pub(super) fn void_of_event(conn: &mut Conn, event: StageEventId, at: UtcMillis) -> Result<(), StoreError> {
    use identity_facts as t;
    on!(conn, c => diesel::update(t::table.filter(t::stage_event_id.eq(bytes(event.0))).filter(t::voided_at.is_null()))
        .set(t::voided_at.eq(at.0)).execute(c))?;
    Ok(())
}

/// Facts that a report sees, in the order of recording.
///
/// A join that a stage event told says whom the event is about, so it is seen exactly if its event is, whatever
/// [`Moments::identity`] is: that one is the moment of merges, of unmerges and of joins that came without an event.
pub fn facts(conn: &mut Conn, moments: &Moments) -> Result<Vec<(UtcMillis, IdentityFact)>, StoreError> {
    use identity_facts as t;
    type Loaded = (i64, Key, String, Key, Option<Key>, Option<String>, Option<String>);
    let mut rows: Vec<Loaded> = on!(conn, c => {
        let query = t::table.into_boxed().filter(t::voided_at.is_null().or(t::voided_at.gt(moments.voids.0)));
        // An event and its joins are recorded and voided together, so one moment for all need not look at the events.
        let query = match moments.uniform() {
            Some(as_of) => query.filter(t::recorded_at.le(as_of.0)),
            None => {
                let events = seen!(moments).select(stage_events::id.nullable());
                let alone = t::stage_event_id.is_null().and(t::recorded_at.le(moments.identity.0));
                query.filter(alone.or(t::stage_event_id.eq_any(events).assume_not_null()))
            }
        };
        query.select((t::recorded_at, t::id, t::kind, t::person_id, t::other_id, t::key_kind, t::key_value)).load(c)
    })?;
    // They come nearly in this order, which costs nothing to see here, and a sort of whole rows in the database.
    rows.sort_by_key(|(at, id, ..)| (*at, *id));
    rows.into_iter()
        .map(|(at, _, kind, person, other, key_kind, key_value)| {
            let person = PersonId(person.id());
            let fact = match (kind.as_str(), other, key_kind) {
                ("merge", Some(b), _) => IdentityFact::Merge { a: person, b: PersonId(b.id()) },
                ("unmerge", Some(b), _) => IdentityFact::Unmerge { a: person, b: PersonId(b.id()) },
                ("join", _, Some(k)) => {
                    let key = JoinKey::stored(&k, key_value.unwrap_or_default())
                        .ok_or_else(|| StoreError::Corrupt(format!("identity key of kind {k}")))?;
                    IdentityFact::Join { person, key }
                }
                _ => return Err(StoreError::Corrupt(format!("identity fact of kind {kind}"))),
            };
            Ok((UtcMillis(at), fact))
        })
        .collect()
}

fn find(conn: &mut Conn, keys: &[JoinKey]) -> Result<Option<PersonId>, StoreError> {
    let mut candidates: Vec<PersonId> = Vec::new();
    for key in keys.iter().filter(|k| matches!(k, JoinKey::Contact(_))) {
        candidates.extend(holders(conn, key)?);
    }
    if !candidates.is_empty() || keys.iter().any(|k| matches!(k, JoinKey::Contact(_))) {
        // A contact id that is new is a person that is new; a shared email joins the two when clusters are computed.
        return Ok(candidates.into_iter().min());
    }
    for key in keys.iter().filter(|k| matches!(k, JoinKey::Email(_))) {
        for person in holders(conn, key)? {
            if !has_contact(conn, person)? {
                candidates.push(person);
            }
        }
    }
    if candidates.is_empty() {
        // Last of those that name somebody: a lead is one answer to one form, and its giver may be known already.
        for key in keys.iter().filter(|k| matches!(k, JoinKey::Lead(_))) {
            candidates.extend(holders(conn, key)?);
        }
    }
    if !candidates.is_empty() || keys.iter().any(JoinKey::is_strong) {
        return Ok(candidates.into_iter().min());
    }
    for key in keys.iter().filter(|k| !matches!(k, JoinKey::Subject(_))) {
        if let Some(first) = holders(conn, key)?.first() {
            return Ok(Some(*first));
        }
    }
    Ok(None)
}

/// Persons joined to a key, first come first.
pub fn holders(conn: &mut Conn, key: &JoinKey) -> Result<Vec<PersonId>, StoreError> {
    use identity_facts as t;
    let rows: Vec<Vec<u8>> = on!(conn, c => t::table
        .filter(t::key_value.eq(key.value())).filter(t::key_kind.eq(key.kind())).filter(t::voided_at.is_null())
        .order((t::recorded_at, t::id)).select(t::person_id).load(c))?;
    rows.iter().map(|p| uuid(p).map(PersonId)).collect()
}

fn has_contact(conn: &mut Conn, person: PersonId) -> Result<bool, StoreError> {
    use identity_facts as t;
    Ok(on!(conn, c => diesel::select(diesel::dsl::exists(t::table
        .filter(t::person_id.eq(bytes(person.0))).filter(t::key_kind.eq("contact")).filter(t::voided_at.is_null())))
        .get_result(c))?)
}

/// Whether a person was ever met.
pub fn exists(conn: &mut Conn, person: PersonId) -> Result<bool, StoreError> {
    use identity_facts as t;
    Ok(
        on!(conn, c => diesel::select(diesel::dsl::exists(t::table.filter(t::person_id.eq(bytes(person.0))))).get_result(c))?,
    )
}

fn join_row(person: PersonId, key: &JoinKey, recording: &Recording) -> Row {
    Row {
        id: bytes(fact_id(recording.at)),
        recorded_at: recording.at.0,
        kind: "join".into(),
        person_id: bytes(person.0),
        other_id: None,
        key_kind: Some(key.kind().into()),
        key_value: Some(key.value()),
        stage_event_id: recording.event.map(|e| bytes(e.0)),
        batch_id: recording.batch.map(|b| bytes(b.0)),
        recorded_by: recording.by.clone(),
        basis: None,
    }
}

fn insert(conn: &mut Conn, rows: &[Row]) -> Result<(), StoreError> {
    for chunk in rows.chunks(ROWS_PER_STATEMENT) {
        on!(conn, c => diesel::insert_into(identity_facts::table).values(chunk).execute(c))?;
    }
    Ok(())
}
