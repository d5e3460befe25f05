//! Stage events: what the CRM said happened, once each.

use diesel::prelude::*;

use super::identity::{self, Recording};
use super::labels::Author;
use super::schema::stage_events;
use super::touches::{Key, forms};
use super::{Conn, Moments, StoreError, bytes, fact_id, ledger, stored, uuid};
use crate::domain::ids::{PersonId, StageEventId};
use crate::domain::money::Money;
use crate::domain::person::JoinKey;
use crate::domain::stage::{Source, Stage, StageEvent, StageEventDraft, Subject};
use crate::domain::time::UtcMillis;

#[derive(Debug, Insertable)]
#[diesel(table_name = stage_events, treat_none_as_default_value = false)]
struct Row {
    id: Vec<u8>,
    recorded_at: i64,
    voided_at: Option<i64>,
    source: String,
    event_id: String,
    stage: String,
    occurred_at: i64,
    person_id: Option<Vec<u8>>,
    subject: Option<String>,
    parent: Option<String>,
    value_minor: Option<i64>,
    currency: Option<String>,
    counts_revenue: bool,
    content_hash: Vec<u8>,
    batch_id: Option<Vec<u8>>,
    self_reported: Option<String>,
}

/// What reports read of an event: the columns of [`StageEvent`].
#[derive(Debug, Queryable, Selectable)]
#[diesel(table_name = stage_events)]
struct Loaded {
    id: Key,
    source: String,
    event_id: String,
    stage: String,
    occurred_at: i64,
    person_id: Option<Key>,
    subject: Option<String>,
    parent: Option<String>,
    self_reported: Option<String>,
    value_minor: Option<i64>,
    currency: Option<String>,
    counts_revenue: bool,
}

impl Loaded {
    fn into_event(self) -> Result<StageEvent, StoreError> {
        let value = match (self.value_minor, self.currency) {
            (Some(minor), Some(code)) => Some(Money { minor, currency: stored(&code)? }),
            _ => None,
        };
        Ok(StageEvent {
            id: StageEventId(self.id.id()),
            source: Source::stored(self.source),
            event_id: self.event_id,
            stage: stored(&self.stage)?,
            occurred_at: UtcMillis(self.occurred_at),
            person: self.person_id.map(|p| PersonId(p.id())),
            subject: self.subject.map(Subject::stored),
            parent: self.parent,
            value,
            counts_revenue: self.counts_revenue,
            self_reported: self.self_reported,
        })
    }
}

/// Whose word an event is, and what its money is worth.
#[derive(Debug, Clone)]
pub struct Teller {
    /// The duplicate key's first half.
    pub source: Source,
    /// Whether its money counts as revenue.
    pub counts_revenue: bool,
}

/// What became of a draft.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It is a new fact.
    Stored(StageEventId),
    /// The same event was told before, with the same content.
    Duplicate(StageEventId),
    /// The same event was told before by another kind of message, of this person; its keys may be new.
    Retold(StageEventId, Option<PersonId>),
    /// The same event was told before, with other content; nothing was stored.
    Conflict(StageEventId),
}

/// Stores a draft once. The caller holds the ledger: `recording.at` is the time of this transaction's facts.
///
/// `content_hash` is a keyed hash of [`StageEventDraft::content`], which tells a repeated telling from a changed one.
pub fn insert(
    conn: &mut Conn,
    draft: &StageEventDraft,
    teller: &Teller,
    content_hash: &[u8],
    recording: &Recording,
) -> Result<Outcome, StoreError> {
    use stage_events as t;
    let told: Option<(Vec<u8>, Vec<u8>, Loaded)> = on!(conn, c => t::table
        .filter(t::source.eq(teller.source.as_str())).filter(t::event_id.eq(&draft.event_id)).filter(t::voided_at.is_null())
        .select((t::id, t::content_hash, Loaded::as_select())).first(c).optional())?;
    if let Some((id, hash, told)) = told {
        let id = StageEventId(uuid(&id)?);
        if hash == content_hash {
            return Ok(Outcome::Duplicate(id));
        }
        let told = told.into_event()?;
        return Ok(if draft.is_retelling_of(told.stage, told.value) {
            Outcome::Retold(id, told.person)
        } else {
            Outcome::Conflict(id)
        });
    }
    let id = StageEventId(fact_id(recording.at));
    let form = if forms::is_told(conn, &draft.keys)? { None } else { draft.form() };
    // The touch is the person's by a join of its own, as a click is.
    let touch = form.map(|_| JoinKey::Click(forms::id_of(id, draft.occurred_at)));
    let keys: Vec<JoinKey> = draft.keys.iter().cloned().chain(touch).collect();
    let person = identity::person_of(conn, &keys, &Recording { event: Some(id), ..recording.clone() })?;
    let row = Row {
        id: bytes(id.0),
        recorded_at: recording.at.0,
        voided_at: None,
        source: teller.source.as_str().into(),
        event_id: draft.event_id.clone(),
        stage: draft.stage.as_str().into(),
        occurred_at: draft.occurred_at.0,
        person_id: person.map(|p| bytes(p.0)),
        subject: draft.subject.as_ref().map(|s| s.as_str().into()),
        parent: draft.parent.clone(),
        value_minor: draft.value.map(|m| m.minor),
        currency: draft.value.map(|m| m.currency.code().into()),
        counts_revenue: teller.counts_revenue,
        content_hash: content_hash.to_vec(),
        batch_id: recording.batch.map(|b| bytes(b.0)),
        self_reported: draft.self_reported.clone(),
    };
    on!(conn, c => diesel::insert_into(t::table).values(&row).execute(c))?;
    if let Some(lead) = form {
        forms::insert(conn, lead, (id, draft.occurred_at), recording.at)?;
    }
    Ok(Outcome::Stored(id))
}

/// Voids one event with the joins it told and the touch it made: it never happened, from now on. Answers whether it stood until now.
pub fn void(conn: &mut Conn, id: StageEventId, author: &Author) -> Result<bool, StoreError> {
    use stage_events as t;
    let key = bytes(id.0);
    // The ledger first: of two who void it at once, the second must see the first's word.
    ledger::lock(conn)?;
    let known: Option<Option<i64>> =
        on!(conn, c => t::table.filter(t::id.eq(&key)).select(t::voided_at).first(c).optional())?;
    match known {
        None => Err(StoreError::NotFound(format!("stage event {id}"))),
        Some(Some(_)) => Ok(false),
        Some(None) => {
            let at = ledger::stamp(conn, author.now)?;
            on!(conn, c => diesel::update(t::table.filter(t::id.eq(&key))).set(t::voided_at.eq(at.0)).execute(c))?;
            void_told(conn, id, at)?;
            Ok(true)
        }
    }
}

/// Voids events, the joins they told and the touches they made at `at`, for a caller that holds the ledger: others told in their place at the
/// same time are one change to every report.
pub fn void_at(conn: &mut Conn, ids: &[StageEventId], at: UtcMillis) -> Result<(), StoreError> {
    use stage_events as t;
    for id in ids {
        on!(conn, c => diesel::update(t::table.filter(t::id.eq(bytes(id.0))).filter(t::voided_at.is_null()))
            .set(t::voided_at.eq(at.0)).execute(c))?;
        void_told(conn, *id, at)?;
    }
    Ok(())
}

/// Voids what an event told beside itself.
fn void_told(conn: &mut Conn, id: StageEventId, at: UtcMillis) -> Result<(), StoreError> {
    identity::void_of_event(conn, id, at)?;
    forms::void_of_event(conn, id, at)
}

/// Those of some events that stand, with the sender's id and the hash of the content.
pub fn standing(conn: &mut Conn, ids: &[StageEventId]) -> Result<Vec<(StageEventId, String, Vec<u8>)>, StoreError> {
    use stage_events as t;
    let keys: Vec<Vec<u8>> = ids.iter().map(|id| bytes(id.0)).collect();
    let rows: Vec<(Vec<u8>, String, Vec<u8>)> = on!(conn, c => t::table
        .filter(t::id.eq_any(&keys)).filter(t::voided_at.is_null())
        .select((t::id, t::event_id, t::content_hash)).load(c))?;
    rows.into_iter().map(|(id, event_id, hash)| Ok((StageEventId(uuid(&id)?), event_id, hash))).collect()
}

/// The events that a report sees, each kind up to its own moment.
macro_rules! seen {
    ($moments:expr) => {{
        use $crate::store::schema::stage_events as t;
        let (rejected, refund) = (Stage::Rejected.as_str(), Stage::Refund.as_str());
        t::table
            .filter(
                (t::stage.eq(rejected).and(t::recorded_at.le($moments.rejections.0)))
                    .or(t::stage.eq(refund).and(t::recorded_at.le($moments.refunds.0)))
                    .or(t::stage.ne_all([rejected, refund]).and(t::recorded_at.le($moments.events.0))),
            )
            .filter(t::voided_at.is_null().or(t::voided_at.gt($moments.voids.0)))
    }};
}
pub(super) use seen;

/// Events that a report sees, in the order of (time, id).
pub fn visible(conn: &mut Conn, moments: &Moments) -> Result<Vec<StageEvent>, StoreError> {
    let mut rows: Vec<Loaded> = on!(conn, c => seen!(moments).select(Loaded::as_select()).load(c))?;
    // Here, where it costs a fraction of the database's sort of whole rows.
    rows.sort_unstable_by_key(|r| (r.occurred_at, r.id));
    rows.into_iter().map(Loaded::into_event).collect()
}

/// One standing event.
pub fn get(conn: &mut Conn, id: StageEventId) -> Result<StageEvent, StoreError> {
    use stage_events as t;
    let row: Option<Loaded> = on!(conn, c => t::table.filter(t::id.eq(bytes(id.0))).filter(t::voided_at.is_null())
        .select(Loaded::as_select()).first(c).optional())?;
    row.map(Loaded::into_event).transpose()?.ok_or_else(|| StoreError::NotFound(format!("stage event {id}")))
}

/// Those of some events that there are, each with whether it has been voided.
pub fn get_all(conn: &mut Conn, ids: &[StageEventId]) -> Result<Vec<(StageEvent, bool)>, StoreError> {
    use stage_events as t;
    let keys: Vec<Vec<u8>> = ids.iter().map(|id| bytes(id.0)).collect();
    let rows: Vec<(Loaded, Option<i64>)> = on!(conn, c => t::table.filter(t::id.eq_any(&keys))
        .select((Loaded::as_select(), t::voided_at)).load(c))?;
    rows.into_iter().map(|(row, voided_at)| Ok((row.into_event()?, voided_at.is_some()))).collect()
}

/// The newest standing events.
pub fn list(conn: &mut Conn, limit: i64) -> Result<Vec<StageEvent>, StoreError> {
    use stage_events as t;
    let rows: Vec<Loaded> = on!(conn, c => t::table.filter(t::voided_at.is_null())
        .order((t::occurred_at.desc(), t::id.desc())).limit(limit).select(Loaded::as_select()).load(c))?;
    rows.into_iter().map(Loaded::into_event).collect()
}
