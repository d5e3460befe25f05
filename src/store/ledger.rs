//! The ledger clock: one row that orders all facts.
//!
//! A transaction that adds facts locks the row first and uses the time it gets
//! for all of them. The committed value is the *horizon*: nothing with an earlier
//! or equal time can still appear, so a report of that `as_of` never changes
//! (invariant 4).

use diesel::prelude::*;

use super::schema::{ledger_clock, meta};
use super::{Conn, StoreError};
use crate::domain::time::UtcMillis;

/// Locks the ledger and answers the time of this transaction's facts: `max(last + 1, now)`.
pub fn stamp(conn: &mut Conn, now: UtcMillis) -> Result<UtcMillis, StoreError> {
    let last: i64 = match conn {
        // BEGIN IMMEDIATE already holds the only write lock there is.
        Conn::Sqlite(c) => ledger_clock::table.select(ledger_clock::last_at).first(c)?,
        Conn::Postgres(c, _) => ledger_clock::table.select(ledger_clock::last_at).for_update().first(c)?,
    };
    let at = now.0.max(last + 1);
    on!(conn, c => diesel::update(ledger_clock::table).set(ledger_clock::last_at.eq(at)).execute(c))?;
    Ok(UtcMillis(at))
}

/// Locks the ledger without adding facts yet: what is read afterwards holds until the transaction ends.
pub fn lock(conn: &mut Conn) -> Result<(), StoreError> {
    if let Conn::Postgres(c, _) = conn {
        ledger_clock::table.select(ledger_clock::last_at).for_update().first::<i64>(c)?;
    }
    Ok(())
}

/// The time of the last committed facts.
pub fn horizon(conn: &mut Conn) -> Result<UtcMillis, StoreError> {
    Ok(UtcMillis(on!(conn, c => ledger_clock::table.select(ledger_clock::last_at).first(c))?))
}

/// What a report sees that is asked for a moment, or for none: nobody knows what lies behind the horizon.
pub fn as_of(conn: &mut Conn, asked: Option<UtcMillis>) -> Result<UtcMillis, StoreError> {
    let horizon = horizon(conn)?;
    Ok(asked.map_or(horizon, |at| at.min(horizon)))
}

/// Reads a named value about the database itself.
pub fn meta_value(conn: &mut Conn, name: &str) -> Result<Option<String>, StoreError> {
    Ok(on!(conn, c => meta::table.filter(meta::name.eq(name)).select(meta::value).first(c).optional())?)
}

/// Sets a named value about the database itself.
pub fn set_meta_value(conn: &mut Conn, name: &str, value: &str) -> Result<(), StoreError> {
    on!(conn, c => diesel::insert_into(meta::table)
        .values((meta::name.eq(name), meta::value.eq(value)))
        .on_conflict(meta::name).do_update().set(meta::value.eq(value)).execute(c))?;
    Ok(())
}
