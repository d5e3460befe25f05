//! Reading the rollups for one `as_of`: cells of closed epochs, and the touches behind the last of them.

use std::collections::HashMap;

use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::BigInt;

use super::EPOCH_TOUCHES;
use super::cells::{day_number, day_of_number};
use super::rows::{Counted, Which, pages};
use super::state::State;
use crate::domain::client::Country;
use crate::domain::ids::{CampaignId, ChannelId, LinkId};
use crate::domain::time::{DayRange, UtcMillis, Zone};
use crate::domain::touch::{TouchClass, TouchKind};
use crate::store::schema::{rollup_days, rollup_epochs, touches};
use crate::store::touches::{DeviceId, class_code, class_of, id_range, kind_code, kind_of};
use crate::store::{Conn, ROWS_PER_STATEMENT, StoreError, stored};

/// More touches behind the last closed epoch are better counted by the database than read one by one.
const TAIL_MAX: i64 = 4 * EPOCH_TOUCHES;

/// What an `as_of` sees of the rollups.
#[derive(Debug, Clone)]
pub struct View {
    /// The zone whose days are counted.
    pub zone: Zone,
    as_of: UtcMillis,
    /// The last epoch closed by `as_of`; 0 for none.
    pub(super) epoch: i32,
    /// Where it ended.
    closed_at: UtcMillis,
    /// Ids of the touches behind it, both ends in.
    behind: Option<(Vec<u8>, Vec<u8>)>,
    /// Revisions that were recorded after touches of their time had been rolled up, by when they were recorded and from
    /// when they hold: the latest `occurred_at` in the cells made before.
    late: HashMap<(UtcMillis, UtcMillis), UtcMillis>,
}

impl View {
    /// Whether a link's revision that holds from `effective_from` on was recorded after touches of then or later had been
    /// rolled up: up to which `occurred_at` the cells then do not know it.
    pub fn is_late(&self, recorded_at: UtcMillis, effective_from: UtcMillis) -> Option<UtcMillis> {
        self.late.get(&(recorded_at, effective_from)).copied()
    }
}

/// Touches of one day, or of all days that were asked for, of one link under one label.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cell {
    /// Which day; the first one asked for where days are not told apart.
    pub day: crate::domain::time::Day,
    /// What they were.
    pub kind: TouchKind,
    /// Their class.
    pub class: TouchClass,
    /// The link.
    pub link: Option<LinkId>,
    /// The channel that the touches themselves say.
    pub channel: Option<ChannelId>,
    /// The campaign that the touches themselves say.
    pub campaign: Option<CampaignId>,
    /// An instant whose label of the link is theirs.
    pub labelled_at: UtcMillis,
    /// How many.
    pub count: i64,
}

/// A touch that is counted by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Single {
    /// When it happened.
    pub occurred_at: UtcMillis,
    /// What it was.
    pub kind: TouchKind,
    /// The class that holds.
    pub class: TouchClass,
    /// The link.
    pub link: Option<LinkId>,
    /// The channel that the touch itself says.
    pub channel: Option<ChannelId>,
    /// The campaign that the touch itself says.
    pub campaign: Option<CampaignId>,
    /// The country of the address, where it is known.
    pub country: Option<Country>,
    /// The device.
    pub device: DeviceId,
}

/// What an `as_of` sees; `None` where touches must be counted: there are no rollups yet, or not for so early an `as_of`.
pub fn view(conn: &mut Conn, as_of: UtcMillis) -> Result<Option<View>, StoreError> {
    use rollup_epochs as t;
    let state = State::read(conn)?;
    let Some(zone) = state.zone.filter(|_| state.is_built) else { return Ok(None) };
    let last: Option<(i32, i64)> = on!(conn, c => t::table.filter(t::closed_at.le(as_of.0)).order(t::closed_at.desc())
        .select((t::id, t::closed_at)).first(c).optional())?;
    type Next = (i64, Option<Vec<u8>>, Option<Vec<u8>>);
    let next: Option<Next> = on!(conn, c => t::table.filter(t::closed_at.gt(as_of.0)).order(t::closed_at)
        .select((t::touches, t::from_id, t::to_id)).first(c).optional())?;
    let behind = match next {
        None => state.open_from.zip(state.open_to),
        // Of an epoch of one instant, nothing is seen before it.
        Some((touches, from, to)) => match from.zip(to) {
            Some(_) if touches > TAIL_MAX => return Ok(None),
            ids => ids,
        },
    };
    let (epoch, closed_at) = last.unwrap_or((0, 0));
    let late = late_revisions(conn, as_of)?;
    Ok(Some(View { zone, as_of, epoch, closed_at: UtcMillis(closed_at), behind, late }))
}

#[derive(QueryableByName)]
struct LateRow {
    #[diesel(sql_type = BigInt)]
    recorded_at: i64,
    #[diesel(sql_type = BigInt)]
    effective_from: i64,
    #[diesel(sql_type = BigInt)]
    latest_at: i64,
}

/// For each revision of a link that an `as_of` sees, the last epoch made before it, if that counts touches of its time.
/// What was made before such a revision was closed before it, so the `as_of` sees it too.
fn late_revisions(conn: &mut Conn, as_of: UtcMillis) -> Result<HashMap<(UtcMillis, UtcMillis), UtcMillis>, StoreError> {
    let query = format!(
        "SELECT recorded_at, effective_from, latest_at FROM (SELECT r.recorded_at, r.effective_from, \
         (SELECT e.latest_at FROM rollup_epochs e WHERE e.made_at < r.recorded_at \
         ORDER BY e.made_at DESC, e.id DESC LIMIT 1) AS latest_at \
         FROM link_revisions r WHERE r.recorded_at <= {}) AS before WHERE latest_at >= effective_from",
        as_of.0
    );
    let rows: Vec<LateRow> = on!(conn, c => diesel::sql_query(query).load(c))?;
    let late = |r: LateRow| ((UtcMillis(r.recorded_at), UtcMillis(r.effective_from)), UtcMillis(r.latest_at));
    Ok(rows.into_iter().map(late).collect())
}

/// Day, kind, class, link, channel, campaign, stretch and count.
type CellRow = (i32, i16, i16, i64, i32, i32, i64, i64);

/// The touches of some classes of closed epochs on days of the view's zone; by day, or of all days together.
pub fn cells(
    conn: &mut Conn,
    view: &View,
    days: DayRange,
    classes: &[TouchClass],
    by_day: bool,
) -> Result<Vec<Cell>, StoreError> {
    use rollup_days as t;
    let (from, to) = (day_number(days.from), day_number(days.to));
    let codes: Vec<i16> = classes.iter().map(|c| class_code(*c)).collect();
    let sum = || sql::<BigInt>("CAST(SUM(count) AS BIGINT)");
    let rows: Vec<CellRow> = on!(conn, c => {
        let wanted = t::table.filter(t::day.between(from, to)).filter(t::class.eq_any(&codes))
            .filter(t::epoch.le(view.epoch));
        if by_day {
            wanted.group_by((t::day, t::link_id, t::kind, t::class, t::channel_id, t::campaign_id, t::stretch))
                .select((t::day, t::kind, t::class, t::link_id, t::channel_id, t::campaign_id, t::stretch, sum())).load(c)?
        } else {
            let rows: Vec<(i16, i16, i64, i32, i32, i64, i64)> = wanted
                .group_by((t::link_id, t::kind, t::class, t::channel_id, t::campaign_id, t::stretch))
                .select((t::kind, t::class, t::link_id, t::channel_id, t::campaign_id, t::stretch, sum())).load(c)?;
            rows.into_iter().map(|(k, s, l, c, g, stretch, n)| (from, k, s, l, c, g, stretch, n)).collect()
        }
    });
    let some = |id: i64| Some(id).filter(|id| *id != 0);
    let cell = |(day, kind, class, link, channel, campaign, stretch, count): CellRow| {
        Ok(Cell {
            day: day_of_number(day),
            kind: kind_of(kind)?,
            class: class_of(class)?,
            link: some(link).map(LinkId),
            channel: some(channel.into()).map(ChannelId),
            campaign: some(campaign.into()).map(CampaignId),
            labelled_at: UtcMillis(stretch),
            count,
        })
    };
    rows.into_iter().filter(|r| r.7 != 0).map(cell).collect()
}

/// The touches of some classes in `[from, to)` behind the last closed epoch, each by itself.
pub fn tail(
    conn: &mut Conn,
    view: &View,
    (from, to): (UtcMillis, UtcMillis),
    classes: &[TouchClass],
) -> Result<Vec<Single>, StoreError> {
    let Some((first, last)) = &view.behind else { return Ok(Vec::new()) };
    let (from_id, to_id) = id_range(from, to);
    let ids = (first.as_slice().max(&from_id), last.as_slice().min(&to_id));
    singles(conn, &Which::Recorded { after: view.closed_at, upto: view.as_of, ids }, (from, to), classes, view.as_of)
}

/// The touches of some classes of a link in `[from, to)`, each by itself, whatever of them is rolled up.
pub fn of_link(
    conn: &mut Conn,
    view: &View,
    link: LinkId,
    (from, to): (UtcMillis, UtcMillis),
    classes: &[TouchClass],
) -> Result<Vec<Single>, StoreError> {
    let (from_id, to_id) = id_range(from, to);
    singles(conn, &Which::Link { link: link.0, ids: (&from_id, &to_id) }, (from, to), classes, view.as_of)
}

fn singles(
    conn: &mut Conn,
    which: &Which<'_>,
    (from, to): (UtcMillis, UtcMillis),
    classes: &[TouchClass],
    as_of: UtcMillis,
) -> Result<Vec<Single>, StoreError> {
    let mut found = Vec::new();
    let codes: Vec<i16> = classes.iter().map(|c| class_code(*c)).collect();
    let counts = |r: &Counted| codes.contains(&r.class) && from.0 <= r.occurred_at && r.occurred_at < to.0;
    pages(conn, which, as_of, &mut |_conn, rows| {
        for row in rows.into_iter().filter(counts) {
            found.push(Single {
                occurred_at: UtcMillis(row.occurred_at),
                kind: kind_of(row.kind)?,
                class: class_of(row.class)?,
                link: row.link_id.map(LinkId),
                channel: row.channel_id.map(ChannelId),
                campaign: row.campaign_id.map(CampaignId),
                country: row.country.as_deref().map(stored).transpose()?,
                device: DeviceId(row.device_id),
            });
        }
        Ok(())
    })?;
    Ok(found)
}

/// Human and other clicks of a link.
pub type Clicks = (i64, i64);

/// Human and other clicks of some links as things stand; `None` where there are no rollups.
pub fn clicks_by_link(conn: &mut Conn, links: &[LinkId]) -> Result<Option<HashMap<LinkId, Clicks>>, StoreError> {
    let state = State::read(conn)?;
    if state.zone.is_none() || !state.is_built {
        return Ok(None);
    }
    let click = kind_code(TouchKind::Click);
    let keys: Vec<i64> = links.iter().map(|l| l.0).collect();
    let mut rows: Vec<(i64, i16, i64)> = Vec::new();
    for chunk in keys.chunks(ROWS_PER_STATEMENT) {
        use rollup_days as t;
        let counted: Vec<(i64, i16, i64)> = on!(conn, c => t::table
            .filter(t::link_id.eq_any(chunk)).filter(t::kind.eq(click)).group_by((t::link_id, t::class))
            .select((t::link_id, t::class, sql::<BigInt>("CAST(SUM(count) AS BIGINT)"))).load(c))?;
        rows.extend(counted);
        if let (Some(from), Some(to)) = (&state.open_from, &state.open_to) {
            use touches as t;
            // Nothing of the open epoch is void or has a later class: each of those would have closed it.
            let open: Vec<(Option<i64>, i16, i64)> = on!(conn, c => t::table
                .filter(t::id.ge(from)).filter(t::id.le(to)).filter(t::recorded_at.gt(state.closed_at.0))
                .filter(t::kind.eq(click)).filter(t::link_id.eq_any(chunk)).group_by((t::link_id, t::class))
                .select((t::link_id, t::class, diesel::dsl::count_star())).load(c))?;
            rows.extend(open.into_iter().filter_map(|(link, class, n)| Some((link?, class, n))));
        }
    }
    let mut counts: HashMap<LinkId, Clicks> = HashMap::new();
    for (link, class, n) in rows {
        let entry = counts.entry(LinkId(link)).or_default();
        *(if class == class_code(TouchClass::Human) { &mut entry.0 } else { &mut entry.1 }) += n;
    }
    Ok(Some(counts))
}
