//! What an hour of a person or a team costs: added and voided, never edited.

use diesel::prelude::*;

use super::batches::{Batch, BatchKind};
use super::labels::Author;
use super::schema::hourly_rates;
use super::{Conn, StoreError, batches, bytes, fact_id, ledger, stored};
use crate::domain::ids::BatchId;
use crate::domain::labour::HourlyRate;
use crate::domain::money::Money;

/// Adds a rate; answers the batch to undo it with. Costs that were computed before keep their amounts.
pub fn add(conn: &mut Conn, rate: &HourlyRate, author: &Author) -> Result<BatchId, StoreError> {
    use hourly_rates as t;
    let at = ledger::stamp(conn, author.now)?;
    let batch = BatchId::new(at, rand::random());
    batches::insert(
        conn,
        &Batch {
            id: batch,
            kind: BatchKind::Costs,
            source: "(hourly rate)".to_owned(),
            label: format!("an hour of {}, from {}", rate.worker, rate.effective_from),
            rows_stored: 1,
            recorded_at: at,
            voided_at: None,
            recorded_by: author.name.clone(),
        },
    )?;
    on!(conn, c => diesel::insert_into(t::table)
        .values((
            t::id.eq(bytes(fact_id(at))), t::recorded_at.eq(at.0), t::batch_id.eq(bytes(batch.0)),
            t::worker.eq(&rate.worker), t::effective_from.eq(rate.effective_from.to_string()),
            t::hourly_minor.eq(rate.hourly.minor), t::currency.eq(rate.hourly.currency.code()),
        ))
        .execute(c))?;
    Ok(batch)
}

/// Rates that stand, in the order in which they were recorded.
pub fn standing(conn: &mut Conn) -> Result<Vec<HourlyRate>, StoreError> {
    use hourly_rates as t;
    let rows: Vec<(String, String, i64, String)> = on!(conn, c => t::table.filter(t::voided_at.is_null())
        .order((t::recorded_at, t::id)).select((t::worker, t::effective_from, t::hourly_minor, t::currency)).load(c))?;
    let rate = |(worker, from, minor, currency): (String, String, i64, String)| {
        Ok(HourlyRate { worker, effective_from: stored(&from)?, hourly: Money { minor, currency: stored(&currency)? } })
    };
    rows.into_iter().map(rate).collect()
}
