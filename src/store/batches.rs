//! Batches: one import or one call that added facts, listed and undone as a whole.

use diesel::prelude::*;

use super::labels::Author;
use super::schema::{
    batches, cost_entries, cost_schedules, fx_rates, hourly_rates, identity_facts, stage_events, touches,
};
use super::{Conn, StoreError, bytes, costs, ledger, metrics, rates, rollups, schedules, stored, uuid};
use crate::domain::fault::Fault;
use crate::domain::ids::BatchId;
use crate::domain::named_enum::named_enum;
use crate::domain::time::UtcMillis;

named_enum!(
    /// What a batch added.
    BatchKind, "kind", "batch-kind-unknown" {
        /// Touches.
        Touches = "touches",
        /// Stage events.
        Conversions = "conversions",
        /// Cost entries.
        Costs = "costs",
        /// Counts of posts and accounts.
        Metrics = "metrics",
        /// Exchange rates.
        Rates = "rates",
    }
);

/// A batch as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// Its id.
    pub id: BatchId,
    /// What it added.
    pub kind: BatchKind,
    /// Who told it.
    pub source: String,
    /// The file name, or how it came in.
    pub label: String,
    /// How many facts.
    pub rows_stored: i64,
    /// Ledger time of its facts.
    pub recorded_at: UtcMillis,
    /// When it was undone.
    pub voided_at: Option<UtcMillis>,
    /// Who recorded it.
    pub recorded_by: String,
}

type Row = (Vec<u8>, String, String, String, i64, i64, Option<i64>, String);

fn batch_of(row: Row) -> Result<Batch, StoreError> {
    let (id, kind, source, label, rows_stored, recorded_at, voided_at, recorded_by) = row;
    Ok(Batch {
        id: BatchId(uuid(&id)?),
        kind: stored(&kind)?,
        source,
        label,
        rows_stored,
        recorded_at: UtcMillis(recorded_at),
        voided_at: voided_at.map(UtcMillis),
        recorded_by,
    })
}

/// Records a batch; its facts are written in the same transaction.
pub fn insert(conn: &mut Conn, batch: &Batch) -> Result<(), StoreError> {
    on!(conn, c => diesel::insert_into(batches::table)
        .values((
            batches::id.eq(bytes(batch.id.0)), batches::kind.eq(batch.kind.as_str()), batches::source.eq(&batch.source),
            batches::label.eq(&batch.label), batches::rows_stored.eq(batch.rows_stored),
            batches::recorded_at.eq(batch.recorded_at.0), batches::recorded_by.eq(&batch.recorded_by),
        ))
        .execute(c))?;
    Ok(())
}

/// One batch.
pub fn get(conn: &mut Conn, id: BatchId) -> Result<Batch, StoreError> {
    let row: Option<Row> = on!(conn, c => batches::table.filter(batches::id.eq(bytes(id.0))).first(c).optional())?;
    row.map(batch_of).transpose()?.ok_or_else(|| StoreError::NotFound(format!("batch {id}")))
}

/// The newest batches.
pub fn list(conn: &mut Conn, limit: i64) -> Result<Vec<Batch>, StoreError> {
    let rows: Vec<Row> = on!(conn, c => batches::table.order(batches::recorded_at.desc()).limit(limit).load(c))?;
    rows.into_iter().map(batch_of).collect()
}

/// Undoes a batch: voids its facts, and brings back the cost entries it had replaced.
///
/// Reports of an earlier `as_of` stay what they were. A batch that was undone already is refused, and so is a batch of
/// costs that a later import has replaced in part: the later one is undone first, so that nothing counts twice.
pub fn undo(conn: &mut Conn, id: BatchId, author: &Author) -> Result<Batch, StoreError> {
    // The ledger first: of two who undo it at once, the second must see that it is done.
    ledger::lock(conn)?;
    let mut batch = get(conn, id)?;
    if let Some(undone) = batch.voided_at {
        let why = format!("{id} was undone already, at {undone}");
        return Err(StoreError::refused(Fault::new("batch", "already-undone", why)));
    }
    let later = match batch.kind {
        BatchKind::Costs => {
            schedules::require_last(conn, id)?;
            let spent = costs::rests_on(conn, &batch)?;
            if spent.is_some() { spent } else { metrics::rests_on(conn, id, batch.recorded_at)? }
        }
        BatchKind::Rates => rates::rests_on(conn, &batch)?,
        BatchKind::Metrics => metrics::rests_on(conn, id, batch.recorded_at)?,
        BatchKind::Touches | BatchKind::Conversions => None,
    };
    if let Some(later) = later {
        let why = format!(
            "{} has replaced facts of {id}, or covers days that it replaced; undo that first",
            label_of(conn, later)?
        );
        return Err(StoreError::refused(Fault::new("batch", "replaced-since", why)));
    }
    let at = ledger::stamp(conn, author.now)?;
    let key = bytes(id.0);
    macro_rules! void {
        ($table:ident) => {
            on!(conn, c => diesel::update($table::table)
                .filter($table::batch_id.eq(&key)).filter($table::voided_at.is_null())
                .set($table::voided_at.eq(at.0)).execute(c))?
        };
    }
    match batch.kind {
        BatchKind::Touches => {
            rollups::voided(conn, id, at)?;
            void!(touches);
            void!(identity_facts);
        }
        BatchKind::Conversions => {
            void!(stage_events);
            void!(identity_facts);
        }
        BatchKind::Costs => {
            void!(cost_entries);
            void!(cost_schedules);
            void!(hourly_rates);
            costs::restore_replaced(conn, &batch, at)?;
            // A file of spend tells clicks and impressions, too.
            metrics::undo(conn, id, batch.recorded_at, at)?;
        }
        BatchKind::Metrics => metrics::undo(conn, id, batch.recorded_at, at)?,
        BatchKind::Rates => {
            void!(fx_rates);
            rates::restore_corrected(conn, &batch, at)?;
        }
    }
    on!(conn, c => diesel::update(batches::table.filter(batches::id.eq(&key))).set(batches::voided_at.eq(at.0)).execute(c))?;
    batch.voided_at = Some(at);
    Ok(batch)
}

/// The batch of a ledger time, by id: each transaction has a time of its own.
fn label_of(conn: &mut Conn, recorded_at: UtcMillis) -> Result<String, StoreError> {
    let row: Option<Row> =
        on!(conn, c => batches::table.filter(batches::recorded_at.eq(recorded_at.0)).first(c).optional())?;
    Ok(row.map(batch_of).transpose()?.map_or_else(|| "a later import".to_owned(), |b| b.id.to_string()))
}
