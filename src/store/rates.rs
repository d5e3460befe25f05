//! Exchange rates: added, voided by a corrected value, undone by batch, never edited.

use std::collections::{BTreeSet, HashMap};

use diesel::prelude::*;

use super::batches::{Batch, BatchKind};
use super::labels::Author;
use super::schema::fx_rates;
use super::{Conn, ROWS_PER_STATEMENT, StoreError, batches, bytes, fact_id, ledger, stored};
use crate::domain::fault::Fault;
use crate::domain::fx::{Rate, RateSource};
use crate::domain::ids::BatchId;
use crate::domain::money::Currency;
use crate::domain::time::{Day, DayRange, UtcMillis};

#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = fx_rates, treat_none_as_default_value = false)]
struct Row {
    id: Vec<u8>,
    recorded_at: i64,
    voided_at: Option<i64>,
    batch_id: Vec<u8>,
    day: String,
    base: String,
    quote: String,
    value: String,
    source: String,
}

impl Row {
    fn rate(&self) -> Result<Rate, StoreError> {
        Ok(Rate {
            day: stored(&self.day)?,
            base: stored(&self.base)?,
            quote: stored(&self.quote)?,
            value: stored(&self.value)?,
            source: stored(&self.source)?,
        })
    }

    fn of(rate: &Rate, batch: BatchId, at: UtcMillis) -> Self {
        Self {
            id: bytes(fact_id(at)),
            recorded_at: at.0,
            voided_at: None,
            batch_id: bytes(batch.0),
            day: rate.day.to_string(),
            base: rate.base.code().into(),
            quote: rate.quote.code().into(),
            value: rate.value.to_string(),
            source: rate.source.as_str().into(),
        }
    }
}

/// What a rate is of: a day and two currencies.
type Key = (Day, (Currency, Currency));

/// What storing rates did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoredRates {
    /// The batch; `None` where all of them stood already.
    pub batch: Option<BatchId>,
    /// Rates added, corrected ones among them.
    pub added: usize,
    /// Standing rates that they corrected.
    pub corrected: usize,
    /// Rates that stood already.
    pub standing: usize,
}

/// Adds rates of one source: what stands already is left as it is, another value voids the one before.
///
/// # Errors
/// A fault where two of them contradict each other.
pub fn add(
    conn: &mut Conn,
    rates: &[Rate],
    source: RateSource,
    label: &str,
    author: &Author,
) -> Result<StoredRates, StoreError> {
    ledger::lock(conn)?;
    let given = distinct(rates)?;
    let known = known(conn, source, &given)?;
    let mut fresh: Vec<&Rate> = Vec::new();
    let mut corrected: Vec<Vec<u8>> = Vec::new();
    for rate in given {
        match known.get(&(rate.day, rate.pair())) {
            Some((_, before)) if (before.base, before.value) == (rate.base, rate.value) => continue,
            Some((id, _)) => corrected.push(id.clone()),
            None => {}
        }
        fresh.push(rate);
    }
    if fresh.is_empty() {
        return Ok(StoredRates { batch: None, added: 0, corrected: 0, standing: rates.len() });
    }
    let at = ledger::stamp(conn, author.now)?;
    for chunk in corrected.chunks(ROWS_PER_STATEMENT) {
        on!(conn, c => diesel::update(fx_rates::table.filter(fx_rates::id.eq_any(chunk)))
            .set(fx_rates::voided_at.eq(at.0)).execute(c))?;
    }
    let batch = BatchId::new(at, rand::random());
    batches::insert(
        conn,
        &Batch {
            id: batch,
            kind: BatchKind::Rates,
            source: source.as_str().to_owned(),
            label: label.to_owned(),
            rows_stored: i64::try_from(fresh.len()).unwrap_or(i64::MAX),
            recorded_at: at,
            voided_at: None,
            recorded_by: author.name.clone(),
        },
    )?;
    let rows: Vec<Row> = fresh.into_iter().map(|rate| Row::of(rate, batch, at)).collect();
    write(conn, &rows)?;
    let (added, corrected) = (rows.len(), corrected.len());
    Ok(StoredRates { batch: Some(batch), added, corrected, standing: rates.len() - added })
}

/// The rates, each once.
fn distinct(rates: &[Rate]) -> Result<Vec<&Rate>, StoreError> {
    let mut seen: HashMap<Key, &Rate> = HashMap::new();
    let mut list = Vec::new();
    for rate in rates {
        match seen.insert((rate.day, rate.pair()), rate) {
            None => list.push(rate),
            Some(other) if other == rate => {}
            Some(other) => {
                let detail = format!("{other} and {rate} are both given for {}; keep one of them", rate.day);
                return Err(StoreError::refused(Fault::new("rate", "rate-twice", detail)));
            }
        }
    }
    Ok(list)
}

/// The standing rates of a source on the days of `rates`, with their ids.
fn known(conn: &mut Conn, source: RateSource, rates: &[&Rate]) -> Result<HashMap<Key, (Vec<u8>, Rate)>, StoreError> {
    use fx_rates as t;
    let days = || rates.iter().map(|r| r.day);
    let (Some(from), Some(to)) = (days().min(), days().max()) else { return Ok(HashMap::new()) };
    let (from, to) = (from.to_string(), to.to_string());
    let rows: Vec<Row> = on!(conn, c => t::table.filter(t::source.eq(source.as_str())).filter(t::day.ge(&from))
        .filter(t::day.le(&to)).filter(t::voided_at.is_null()).select(Row::as_select()).load(c))?;
    let entry = |row: Row| row.rate().map(|rate| ((rate.day, rate.pair()), (row.id, rate)));
    rows.into_iter().map(entry).collect()
}

fn write(conn: &mut Conn, rows: &[Row]) -> Result<(), StoreError> {
    for chunk in rows.chunks(ROWS_PER_STATEMENT) {
        on!(conn, c => diesel::insert_into(fx_rates::table).values(chunk).execute(c))?;
    }
    Ok(())
}

/// The rates between some currencies, the euro among them, that stood at a moment, of some days; in no order.
pub fn visible(
    conn: &mut Conn,
    currencies: &BTreeSet<Currency>,
    days: DayRange,
    at: UtcMillis,
) -> Result<Vec<Rate>, StoreError> {
    use fx_rates as t;
    let mut codes: Vec<&str> = currencies.iter().map(|c| c.code()).collect();
    codes.push(Currency::euro().code());
    let (from, to) = (days.from.to_string(), days.to.to_string());
    let rows: Vec<Row> = on!(conn, c => t::table
        .filter(t::quote.eq_any(&codes)).filter(t::base.eq_any(&codes))
        .filter(t::day.ge(&from)).filter(t::day.le(&to)).filter(t::recorded_at.le(at.0))
        .filter(t::voided_at.is_null().or(t::voided_at.gt(at.0)))
        .select(Row::as_select()).load(c))?;
    rows.iter().map(Row::rate).collect()
}

/// The newest days' standing rates: manual ones first, then by currency.
pub fn list(conn: &mut Conn, up_to: Option<Day>, limit: i64) -> Result<Vec<Rate>, StoreError> {
    use fx_rates as t;
    let up_to = up_to.map_or_else(|| "9999".to_owned(), |d| d.to_string());
    let rows: Vec<Row> = on!(conn, c => t::table.filter(t::voided_at.is_null()).filter(t::day.le(&up_to))
        .order((t::day.desc(), t::source.desc(), t::base, t::quote)).limit(limit).select(Row::as_select()).load(c))?;
    rows.iter().map(Row::rate).collect()
}

/// First and last day of the standing rates of a source, and how many there are.
pub fn extent(conn: &mut Conn, source: RateSource) -> Result<Option<(Day, Day, i64)>, StoreError> {
    use diesel::dsl::{count_star, max, min};
    use fx_rates as t;
    let row: (Option<String>, Option<String>, i64) = on!(conn, c => t::table.filter(t::voided_at.is_null())
        .filter(t::source.eq(source.as_str())).select((min(t::day), max(t::day), count_star())).first(c))?;
    let (Some(first), Some(last), count) = row else { return Ok(None) };
    Ok(Some((stored(&first)?, stored(&last)?, count)))
}

/// The ledger time of a later batch that has corrected some rate of this one; `None` where all of them stand.
pub(super) fn rests_on(conn: &mut Conn, batch: &Batch) -> Result<Option<UtcMillis>, StoreError> {
    use fx_rates as t;
    let key = bytes(batch.id.0);
    let standing: i64 = on!(conn, c => t::table.filter(t::batch_id.eq(&key)).filter(t::voided_at.is_null())
        .count().get_result(c))?;
    // What was corrected and stands again was added once more.
    if standing == batch.rows_stored {
        return Ok(None);
    }
    let voided: Option<i64> = on!(conn, c => t::table.filter(t::batch_id.eq(&key)).filter(t::voided_at.is_not_null())
        .select(diesel::dsl::max(t::voided_at.assume_not_null())).first(c))?;
    Ok(voided.map(UtcMillis))
}

/// Brings back, as new facts, what a batch had corrected. They belong to the batches that they came with, so that
/// those can be undone in their turn.
pub(super) fn restore_corrected(conn: &mut Conn, batch: &Batch, at: UtcMillis) -> Result<(), StoreError> {
    use fx_rates as t;
    let rows: Vec<Row> =
        on!(conn, c => t::table.filter(t::voided_at.eq(batch.recorded_at.0)).select(Row::as_select()).load(c))?;
    let again = |row: Row| Row { id: bytes(fact_id(at)), recorded_at: at.0, voided_at: None, ..row };
    let rows: Vec<Row> = rows.into_iter().map(again).collect();
    write(conn, &rows)
}
