//! What reports are measured against: the bare journey join, one statement on the report's own connection.

use diesel::connection::{DefaultLoadingMode, SimpleConnection};
use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Binary, Nullable, SmallInt};
use headwater::domain::time::DAY_MS;
use headwater::store::{Conn, StoreError};

use super::fill::Conversion;

const ROWS_PER_STATEMENT: usize = 1_000;
/// What attribution needs of each touch.
const FETCHED: &str = "c.id, t.id, t.occurred_at, t.kind, t.link_id, t.channel_id, t.campaign_id";

type Row = (i64, Vec<u8>, i64, i16, Option<i64>, Option<i64>, Option<i64>);

/// The conversions, each with its browser at hand, which a report has yet to find.
pub(super) fn prepare(conn: &mut Conn, conversions: &[Conversion]) -> Result<(), StoreError> {
    let is_sqlite = matches!(conn, Conn::Sqlite(_));
    let bytes = if is_sqlite { "BLOB" } else { "BYTEA" };
    run(
        conn,
        &format!(
            "CREATE TABLE bench_conversions (id BIGINT PRIMARY KEY, visitor {bytes} NOT NULL, at BIGINT NOT NULL)"
        ),
    )?;
    for (part, chunk) in conversions.chunks(ROWS_PER_STATEMENT).enumerate() {
        let row = |(i, c): (usize, &Conversion)| {
            let (n, visitor, at) = (part * ROWS_PER_STATEMENT + i, c.visitor.0.simple(), c.at.0);
            if is_sqlite { format!("({n}, x'{visitor}', {at})") } else { format!("({n}, '\\x{visitor}', {at})") }
        };
        let rows: Vec<String> = chunk.iter().enumerate().map(row).collect();
        run(conn, &format!("INSERT INTO bench_conversions VALUES {}", rows.join(", ")))?;
    }
    Ok(())
}

/// Runs statements that answer nothing.
pub(super) fn run(conn: &mut Conn, statement: &str) -> Result<(), StoreError> {
    match conn {
        Conn::Sqlite(c) => c.batch_execute(statement)?,
        Conn::Postgres(c, _) => c.batch_execute(statement)?,
    }
    Ok(())
}

fn statement(selected: &str) -> String {
    format!(
        "SELECT {selected} FROM bench_conversions c JOIN touches t ON t.visitor_id = c.visitor \
         AND t.occurred_at BETWEEN c.at - {} AND c.at WHERE t.voided_at IS NULL AND t.class = 0",
        90 * DAY_MS
    )
}

/// Fetches every row, found by the index of browsers; answers how many there were.
pub(super) fn fetch(conn: &mut Conn) -> Result<u64, StoreError> {
    by_index(conn)?;
    fetch_as_planned(conn)
}

/// PostgreSQL joins a large part of a small table by reading all of it, on every core: that grows with the touches.
fn by_index(conn: &mut Conn) -> Result<(), StoreError> {
    let settings = "SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off; \
        SET LOCAL max_parallel_workers_per_gather = 0";
    if matches!(conn, Conn::Postgres(..)) { run(conn, settings) } else { Ok(()) }
}

/// Fetches every row, found by the index, with the bounds of time told by ids, too, as the report tells them: SQLite's
/// index of browsers holds the ids.
pub(super) fn fetch_by_ids(conn: &mut Conn) -> Result<u64, StoreError> {
    by_index(conn)?;
    let key = |ms: &str| match conn {
        Conn::Sqlite(_) => format!("unhex(printf('%012x', {ms}))"),
        Conn::Postgres(..) => format!("decode(lpad(to_hex({ms}), 12, '0'), 'hex')"),
    };
    let (first, after) = (key(&format!("c.at - {}", 90 * DAY_MS)), key("c.at + 1"));
    fetch_all(conn, &format!("{} AND t.id >= {first} AND t.id < {after}", statement(FETCHED)))
}

/// Fetches every row, found as the database chooses; answers how many there were.
pub(super) fn fetch_as_planned(conn: &mut Conn) -> Result<u64, StoreError> {
    fetch_all(conn, &statement(FETCHED))
}

fn fetch_all(conn: &mut Conn, statement: &str) -> Result<u64, StoreError> {
    type Types = (BigInt, Binary, BigInt, SmallInt, Nullable<BigInt>, Nullable<BigInt>, Nullable<BigInt>);
    let query = sql::<Types>(&statement.replacen("SELECT ", "", 1));
    let mut rows = 0;
    match conn {
        Conn::Sqlite(c) => {
            for row in diesel::select(query).load_iter::<Row, DefaultLoadingMode>(c)? {
                rows += u64::from(std::hint::black_box(row?).2 > 0);
            }
        }
        Conn::Postgres(c, _) => {
            for row in diesel::select(query).load_iter::<Row, DefaultLoadingMode>(c)? {
                rows += u64::from(std::hint::black_box(row?).2 > 0);
            }
        }
    }
    Ok(rows)
}

/// Lets the database count the rows, and fetches that number alone.
pub(super) fn count(conn: &mut Conn) -> Result<u64, StoreError> {
    by_index(conn)?;
    let query = sql::<BigInt>(&statement("COUNT(*)").replacen("SELECT ", "", 1));
    let rows: i64 = match conn {
        Conn::Sqlite(c) => diesel::select(query).get_result(c)?,
        Conn::Postgres(c, _) => diesel::select(query).get_result(c)?,
    };
    Ok(rows.unsigned_abs())
}
