//! What an endpoint has seen: when its deliveries came, what became of them, and how many attempts were refused.

use diesel::dsl::count_star;
use diesel::prelude::*;

use super::endpoints::{self, Endpoint};
use super::schema::{deliveries, delivery_items, endpoint_refusals};
use super::{Conn, StoreError, id_floor};
use crate::domain::health::{FAILURE_DAYS, Traffic, USUAL_DAYS, USUAL_DELIVERIES};
use crate::domain::ids::EndpointId;
use crate::domain::intake::TEST_EVENT;
use crate::domain::time::{DAY_MS, UtcMillis};
use crate::store::deliveries::Verdict;

/// Attempts that were refused for one reason on one day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// Whose endpoint it was.
    pub endpoint: EndpointId,
    /// Why, by the code of the refusal.
    pub code: String,
    /// How many.
    pub count: i64,
    /// When the last of them was; its UTC day is the day they are counted on.
    pub last_at: UtcMillis,
}

/// Adds refused attempts to those of their days.
pub fn add_refused(conn: &mut Conn, list: &[Refused]) -> Result<(), StoreError> {
    use endpoint_refusals as t;
    for one in list {
        let row = (
            t::endpoint_id.eq(one.endpoint.0),
            t::day.eq(one.last_at.0.div_euclid(DAY_MS)),
            t::code.eq(&one.code),
            t::refused.eq(one.count),
            t::last_at.eq(one.last_at.0),
        );
        on!(conn, c => diesel::insert_into(t::table).values(row)
            .on_conflict((t::endpoint_id, t::day, t::code)).do_update()
            .set((t::refused.eq(t::refused + one.count), t::last_at.eq(one.last_at.0))).execute(c))?;
    }
    Ok(())
}

/// What an endpoint has seen up to `now`.
pub fn read(conn: &mut Conn, endpoint: EndpointId, now: UtcMillis) -> Result<Traffic, StoreError> {
    use {deliveries as d, delivery_items as i};
    let first = |days: i64| id_floor(now.plus_ms(-days * DAY_MS)).to_vec();
    let at_most = i64::try_from(USUAL_DELIVERIES).unwrap_or(i64::MAX);
    // Ids of deliveries begin with the time at which they came.
    let received: Vec<i64> = on!(conn, c => d::table.inner_join(i::table)
        .filter(d::endpoint_id.eq(endpoint.0)).filter(i::item.eq(0)).filter(i::code.is_null().or(i::code.ne(TEST_EVENT)))
        .order(d::id.desc()).limit(at_most).select(d::received_at).load(c))?;
    let since = now.plus_ms(-USUAL_DAYS * DAY_MS);
    let verdicts: Vec<(String, i64)> = on!(conn, c => d::table.inner_join(i::table)
        .filter(d::endpoint_id.eq(endpoint.0)).filter(d::id.ge(first(FAILURE_DAYS)))
        .filter(i::code.is_null().or(i::code.ne(TEST_EVENT))).group_by(i::verdict).select((i::verdict, count_star())).load(c))?;
    let refusals = refusals(conn, endpoint, now)?;
    let of = |verdict: Verdict| verdicts.iter().find(|(v, _)| v == verdict.as_str()).map_or(0, |(_, n)| *n);
    Ok(Traffic {
        last_at: received.first().copied().map(UtcMillis),
        received: received.into_iter().map(UtcMillis).filter(|at| *at >= since).collect(),
        items: verdicts.iter().map(|(_, n)| n).sum::<i64>() - of(Verdict::Pending),
        quarantined: of(Verdict::Quarantined),
        refused: refusals.iter().map(|r| r.count).sum(),
        last_refused_at: refusals.iter().map(|r| r.last_at).max(),
    })
}

/// Every endpoint by name, with what it has seen up to `now`; archived ones have seen enough.
pub fn of_all(conn: &mut Conn, now: UtcMillis) -> Result<Vec<(Endpoint, Traffic)>, StoreError> {
    let mut list = Vec::new();
    for endpoint in endpoints::list(conn)? {
        let traffic = if endpoint.archived_at.is_none() { read(conn, endpoint.id, now)? } else { Traffic::default() };
        list.push((endpoint, traffic));
    }
    Ok(list)
}

/// The refused attempts of the days that count, by reason; the most frequent first.
pub fn refusals(conn: &mut Conn, endpoint: EndpointId, now: UtcMillis) -> Result<Vec<Refused>, StoreError> {
    use endpoint_refusals as t;
    type Row = (String, i64, i64);
    let from = now.0.div_euclid(DAY_MS) - FAILURE_DAYS + 1;
    let rows: Vec<Row> = on!(conn, c => t::table
        .filter(t::endpoint_id.eq(endpoint.0)).filter(t::day.ge(from)).select((t::code, t::refused, t::last_at)).load(c))?;
    let mut list: Vec<Refused> = Vec::new();
    for (code, count, last_at) in rows {
        match list.iter_mut().find(|r| r.code == code) {
            Some(known) => {
                known.count += count;
                known.last_at = known.last_at.max(UtcMillis(last_at));
            }
            None => list.push(Refused { endpoint, code, count, last_at: UtcMillis(last_at) }),
        }
    }
    list.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.code.cmp(&b.code)));
    Ok(list)
}
