//! Matches: identity facts that came neither with a stage event nor with a batch, and can be undone one by one.

use diesel::prelude::*;

use super::identity::Recording;
use super::labels::Author;
use super::schema::identity_facts as t;
use super::{Conn, ROWS_PER_STATEMENT, StoreError, bytes, fact_id, ledger, stored, uuid};
use crate::domain::ids::{MatchId, PersonId};
use crate::domain::matching::Basis;
use crate::domain::person::{IdentityFact, JoinKey};
use crate::domain::time::UtcMillis;

/// A match as it was recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Match {
    /// Its id.
    pub id: MatchId,
    /// What it says.
    pub fact: IdentityFact,
    /// What it rests on.
    pub basis: Basis,
    /// When it was recorded.
    pub recorded_at: UtcMillis,
    /// Who recorded it.
    pub recorded_by: String,
    /// When it was undone.
    pub voided_at: Option<UtcMillis>,
}

impl Match {
    /// Its kind, what was matched, and to whom or what; as they are written on the wire.
    pub fn described(&self) -> (&'static str, String, String) {
        match &self.fact {
            IdentityFact::Merge { a, b } => ("merge", a.to_string(), b.to_string()),
            IdentityFact::Unmerge { a, b } => ("unmerge", a.to_string(), b.to_string()),
            IdentityFact::Join { person, key } if key.is_weak() => ("join", person.to_string(), key.value()),
            IdentityFact::Join { person, key } => ("join", key.value(), person.to_string()),
        }
    }
}

/// The facts that are matches: merges, unmerges, and joins that rest on something but an event, a batch or a delivery.
macro_rules! told {
    () => {
        t::table
            .filter(t::stage_event_id.is_null())
            .filter(t::batch_id.is_null())
            .filter(t::basis.is_not_null().or(t::kind.ne("join")))
    };
}

type Columns = (
    t::id,
    t::recorded_at,
    t::voided_at,
    t::kind,
    t::person_id,
    t::other_id,
    t::key_kind,
    t::key_value,
    t::recorded_by,
    t::basis,
);

const COLUMNS: Columns = (
    t::id,
    t::recorded_at,
    t::voided_at,
    t::kind,
    t::person_id,
    t::other_id,
    t::key_kind,
    t::key_value,
    t::recorded_by,
    t::basis,
);

type Row = (
    Vec<u8>,
    i64,
    Option<i64>,
    String,
    Vec<u8>,
    Option<Vec<u8>>,
    Option<String>,
    Option<String>,
    String,
    Option<String>,
);

/// Records a match at the time of this transaction's facts.
pub fn insert(
    conn: &mut Conn,
    fact: &IdentityFact,
    basis: Basis,
    recording: &Recording,
) -> Result<MatchId, StoreError> {
    let id = MatchId(fact_id(recording.at));
    let (kind, person, other, key) = match fact {
        IdentityFact::Join { person, key } => ("join", person, None, Some(key)),
        IdentityFact::Merge { a, b } => ("merge", a, Some(b), None),
        IdentityFact::Unmerge { a, b } => ("unmerge", a, Some(b), None),
    };
    on!(conn, c => diesel::insert_into(t::table)
        .values((
            t::id.eq(bytes(id.0)), t::recorded_at.eq(recording.at.0), t::kind.eq(kind), t::person_id.eq(bytes(person.0)),
            t::other_id.eq(other.map(|p| bytes(p.0))), t::key_kind.eq(key.map(JoinKey::kind)),
            t::key_value.eq(key.map(JoinKey::value)), t::recorded_by.eq(&recording.by), t::basis.eq(basis.as_str()),
        ))
        .execute(c))?;
    Ok(id)
}

/// The newest matches, undone ones too.
pub fn list(conn: &mut Conn, limit: i64) -> Result<Vec<Match>, StoreError> {
    let rows: Vec<Row> = on!(conn, c => told!()
        .order((t::recorded_at.desc(), t::id.desc())).limit(limit).select(COLUMNS).load(c))?;
    rows.into_iter().map(match_of).collect()
}

/// One match.
pub fn get(conn: &mut Conn, id: MatchId) -> Result<Match, StoreError> {
    let row: Option<Row> = on!(conn, c => told!()
        .filter(t::id.eq(bytes(id.0))).select(COLUMNS).first(c).optional())?;
    row.map(match_of).transpose()?.ok_or_else(|| StoreError::NotFound(format!("match {id}")))
}

/// The standing match that says the same, if there is one.
pub fn standing(conn: &mut Conn, fact: &IdentityFact) -> Result<Option<MatchId>, StoreError> {
    let (IdentityFact::Join { person, .. }
    | IdentityFact::Merge { a: person, .. }
    | IdentityFact::Unmerge { a: person, .. }) = fact;
    let rows: Vec<Row> = on!(conn, c => told!()
        .filter(t::voided_at.is_null()).filter(t::person_id.eq(bytes(person.0)))
        .order((t::recorded_at.desc(), t::id.desc())).select(COLUMNS).load(c))?;
    let list: Vec<Match> = rows.into_iter().map(match_of).collect::<Result<_, _>>()?;
    Ok(list.into_iter().find(|m| m.fact == *fact).map(|m| m.id))
}

/// The standing word that parts some persons from some others, if there is one: the newest of those that nothing later
/// took back.
pub fn parting(conn: &mut Conn, ours: &[PersonId], theirs: &[PersonId]) -> Result<Option<Match>, StoreError> {
    let all: Vec<Vec<u8>> = ours.iter().chain(theirs).map(|p| bytes(p.0)).collect();
    let mut said: Vec<Match> = Vec::new();
    for chunk in all.chunks(ROWS_PER_STATEMENT) {
        let rows: Vec<Row> = on!(conn, c => told!()
            .filter(t::voided_at.is_null()).filter(t::kind.ne("join")).filter(t::person_id.eq_any(chunk))
            .order((t::recorded_at.desc(), t::id.desc())).select(COLUMNS).load(c))?;
        said.extend(rows.into_iter().map(match_of).collect::<Result<Vec<_>, _>>()?);
    }
    said.sort_by_key(|m| std::cmp::Reverse((m.recorded_at, m.id)));
    let pair = |m: &Match| match m.fact {
        IdentityFact::Merge { a, b } | IdentityFact::Unmerge { a, b } => Some((a.min(b), a.max(b))),
        IdentityFact::Join { .. } => None,
    };
    let across = |(a, b): (PersonId, PersonId)| {
        ours.contains(&a) && theirs.contains(&b) || ours.contains(&b) && theirs.contains(&a)
    };
    let mut heard = Vec::new();
    for word in said {
        let Some(pair) = pair(&word).filter(|p| across(*p) && !heard.contains(p)) else { continue };
        if matches!(word.fact, IdentityFact::Unmerge { .. }) {
            return Ok(Some(word));
        }
        heard.push(pair);
    }
    Ok(None)
}

/// Undoes a match: from now on nobody said so. Answers whether it stood until now.
pub fn void(conn: &mut Conn, id: MatchId, author: &Author) -> Result<bool, StoreError> {
    // The ledger first: of two who undo it at once, the second must see the first's word.
    ledger::lock(conn)?;
    if get(conn, id)?.voided_at.is_some() {
        return Ok(false);
    }
    let at = ledger::stamp(conn, author.now)?;
    on!(conn, c => diesel::update(t::table.filter(t::id.eq(bytes(id.0)))).set(t::voided_at.eq(at.0)).execute(c))?;
    Ok(true)
}

fn match_of(row: Row) -> Result<Match, StoreError> {
    let (id, recorded_at, voided_at, kind, person, other, key_kind, key_value, recorded_by, basis) = row;
    let person = PersonId(uuid(&person)?);
    let other = other.map(|o| uuid(&o).map(PersonId)).transpose()?;
    let key = key_kind.as_deref().and_then(|k| JoinKey::stored(k, key_value.unwrap_or_default()));
    let fact = match (kind.as_str(), other, key) {
        ("merge", Some(b), _) => IdentityFact::Merge { a: person, b },
        ("unmerge", Some(b), _) => IdentityFact::Unmerge { a: person, b },
        ("join", _, Some(key)) => IdentityFact::Join { person, key },
        _ => return Err(StoreError::Corrupt(format!("identity fact of kind {kind}"))),
    };
    Ok(Match {
        id: MatchId(uuid(&id)?),
        fact,
        // Those recorded before there was this column came from the merge and unmerge calls.
        basis: basis.as_deref().map_or(Ok(Basis::Told), stored)?,
        recorded_at: UtcMillis(recorded_at),
        recorded_by,
        voided_at: voided_at.map(UtcMillis),
    })
}
