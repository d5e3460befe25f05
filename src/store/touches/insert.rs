//! Storing touches: many at once, and only those that are not stored yet.

use diesel::connection::SimpleConnection;
use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool};

use super::{NewTouch, Words, class_code, kind_code, signals_code};
use crate::domain::time::UtcMillis;
use crate::store::schema::touches;
use crate::store::{Conn, StoreError, rollups};

/// Rows of one statement that is prepared once. More make the statement longer than what they save.
const ROWS_PREPARED: usize = 32;
/// From so many rows on PostgreSQL copies them: below, the round trips of copying cost more than they save.
const COPY_MIN: usize = 200;

diesel::table! {
    /// PostgreSQL's temporary table into which touches are copied before the ledger is locked.
    touches_staged (id) {
        id -> Binary,
        recorded_at -> BigInt,
        occurred_at -> BigInt,
        link_id -> Nullable<BigInt>,
        channel_id -> Nullable<BigInt>,
        campaign_id -> Nullable<BigInt>,
        source_hash -> Nullable<BigInt>,
        class_rule_id -> Integer,
        user_agent_id -> Nullable<Integer>,
        referrer_id -> Nullable<Integer>,
        page_id -> Nullable<Integer>,
        device_id -> Integer,
        range_labels_id -> Nullable<Integer>,
        kind -> SmallInt,
        class -> SmallInt,
        signals -> Nullable<SmallInt>,
        private -> Bool,
        visitor_id -> Nullable<Binary>,
        country -> Nullable<Text>,
        source -> Nullable<Text>,
        external_id -> Nullable<Text>,
        batch_id -> Nullable<Binary>,
        network_ids -> Nullable<Text>,
    }
}

/// A row of `touches` and of `touches_staged`: owned, as a statement is remembered by its types and those must not
/// borrow, and without an allocation where there is no text of its own.
macro_rules! row {
    ($name:ident, $table:ident) => {
        #[derive(Debug, Insertable)]
        #[diesel(table_name = $table, treat_none_as_default_value = false)]
        struct $name {
            id: [u8; 16],
            recorded_at: i64,
            occurred_at: i64,
            link_id: Option<i64>,
            channel_id: Option<i64>,
            campaign_id: Option<i64>,
            source_hash: Option<i64>,
            class_rule_id: i32,
            user_agent_id: Option<i32>,
            referrer_id: Option<i32>,
            page_id: Option<i32>,
            device_id: i32,
            range_labels_id: Option<i32>,
            kind: i16,
            class: i16,
            signals: Option<i16>,
            private: bool,
            visitor_id: Option<[u8; 16]>,
            country: Option<String>,
            source: Option<String>,
            external_id: Option<String>,
            batch_id: Option<[u8; 16]>,
            network_ids: Option<String>,
        }

        impl $name {
            fn of(t: &NewTouch<'_>, words: &Words, recorded_at: UtcMillis) -> Result<Self, StoreError> {
                Ok(Self {
                    id: *t.id.0.as_bytes(),
                    recorded_at: recorded_at.0,
                    occurred_at: t.occurred_at.0,
                    link_id: t.link.map(|l| l.0),
                    channel_id: t.channel.map(|c| c.0),
                    campaign_id: t.campaign.map(|c| c.0),
                    source_hash: t.client.source_hash,
                    class_rule_id: words.number(&t.class_rule)?,
                    user_agent_id: words.optional(t.user_agent.as_ref())?,
                    referrer_id: words.optional(t.referrer.as_ref())?,
                    page_id: words.optional(t.page.as_ref())?,
                    device_id: words.number(&t.client.device)?,
                    range_labels_id: words.optional(t.client.range_labels.as_ref())?,
                    kind: kind_code(t.kind),
                    class: class_code(t.class),
                    signals: t.client.signals.map(signals_code),
                    private: t.private,
                    visitor_id: t.visitor.map(|v| *v.0.as_bytes()),
                    country: t.client.country.map(|c| c.as_str().to_owned()),
                    source: t.source.clone(),
                    external_id: t.external_id.clone(),
                    batch_id: t.batch.map(|b| *b.0.as_bytes()),
                    network_ids: network_json(t),
                })
            }

            /// Sorted by id, so that the table and its indexes grow at their ends.
            fn all(list: &[NewTouch<'_>], words: &Words, recorded_at: UtcMillis) -> Result<Vec<Self>, StoreError> {
                let mut rows = list.iter().map(|t| Self::of(t, words, recorded_at)).collect::<Result<Vec<_>, _>>()?;
                rows.sort_unstable_by_key(|r| r.id);
                Ok(rows)
            }
        }
    };
}

row!(Row, touches);
row!(StagedRow, touches_staged);

fn network_json(touch: &NewTouch<'_>) -> Option<String> {
    if touch.network_ids.is_empty() { None } else { serde_json::to_string(&touch.network_ids).ok() }
}

/// Stores touches of an import; answers how many were new. The caller holds the ledger, and adds no other touches in
/// this transaction.
pub fn insert(conn: &mut Conn, list: &[NewTouch<'_>], recorded_at: UtcMillis) -> Result<usize, StoreError> {
    let mut words = Words::default();
    words.remember(Words::add(conn, &words.lacking(list))?);
    insert_prepared(conn, list, &words, |_conn| Ok(recorded_at)).map(|(stored, _)| stored)
}

/// Stores touches that are not stored yet, and counts them in the rollups; answers how many were new, and the ledger
/// time they got from `stamp`, which is called when all that can be done without the ledger's lock is done.
///
/// `words` must know the words of the list ([`Words::lacking`]).
pub fn insert_prepared(
    conn: &mut Conn,
    list: &[NewTouch<'_>],
    words: &Words,
    stamp: impl FnOnce(&mut Conn) -> Result<UtcMillis, StoreError>,
) -> Result<(usize, UtcMillis), StoreError> {
    let stages = matches!(conn, Conn::Postgres(..)) && list.len() >= COPY_MIN;
    if let Conn::Postgres(c, _) = conn
        && stages
    {
        stage(c, &StagedRow::all(list, words, UtcMillis(0))?)?;
    }
    let mut rows = if stages { Vec::new() } else { Row::all(list, words, UtcMillis(0))? };
    let at = stamp(conn)?;
    let loading = rollups::begin(conn, list, at)?;
    let stored = match conn {
        Conn::Postgres(c, _) if stages => move_staged(c, at)?,
        _ => {
            rows.iter_mut().for_each(|r| r.recorded_at = at.0);
            insert_rows(conn, &rows)?
        }
    };
    loading.finish(conn, list, stored)?;
    Ok((stored, at))
}

fn insert_rows(conn: &mut Conn, rows: &[Row]) -> Result<usize, StoreError> {
    let (many, rest) = rows.as_chunks::<ROWS_PREPARED>();
    let mut stored = 0;
    for chunk in many {
        stored +=
            on!(conn, c => diesel::insert_into(touches::table).values(chunk).on_conflict_do_nothing().execute(c))?;
    }
    for row in rest {
        stored += on!(conn, c => diesel::insert_into(touches::table).values(row).on_conflict_do_nothing().execute(c))?;
    }
    Ok(stored)
}

#[derive(QueryableByName)]
struct Exists {
    #[diesel(sql_type = Bool)]
    is_there: bool,
}

fn stage(c: &mut PgConnection, rows: &[StagedRow]) -> Result<(), StoreError> {
    let there: Exists =
        diesel::sql_query("SELECT to_regclass('pg_temp.touches_staged') IS NOT NULL AS is_there").get_result(c)?;
    if !there.is_there {
        c.batch_execute("CREATE TEMPORARY TABLE touches_staged (LIKE touches) ON COMMIT DELETE ROWS")?;
    }
    diesel::copy_from(touches_staged::table).from_insertable(rows).execute(c)?;
    Ok(())
}

fn move_staged(c: &mut PgConnection, at: UtcMillis) -> Result<usize, StoreError> {
    const COLUMNS: &str = "occurred_at, link_id, channel_id, campaign_id, source_hash, class_rule_id, user_agent_id, \
        referrer_id, page_id, device_id, range_labels_id, kind, class, signals, private, visitor_id, country, source, \
        external_id, batch_id, network_ids";
    // In the order of the staged rows, which is that of their ids.
    let sql = format!(
        "INSERT INTO touches (id, recorded_at, {COLUMNS}) SELECT id, $1, {COLUMNS} FROM touches_staged \
         ON CONFLICT DO NOTHING"
    );
    Ok(diesel::sql_query(sql).bind::<BigInt, _>(at.0).execute(c)?)
}
