//! How many human touches each day had, by the labels that an `as_of` sees.
//!
//! From the rollups where there are any for the zone and the `as_of` (another zone has them by channel alone), else from
//! the touches of the period; the figures are the same. Which it was is told by nothing
//! in the answer, as the answer must not depend on it.

use std::collections::{BTreeMap, HashMap};

use super::labels::{Labels, Origin};
use crate::domain::ids::{CampaignId, ChannelId, LinkId};
use crate::domain::time::{Day, DayRange, UtcMillis, Zone};
use crate::domain::touch::TouchKind;
use crate::store::rollups::{self, Single, View};
use crate::store::{Conn, Moments, StoreError, touches};

/// What is asked.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted<'a> {
    /// Whose days.
    pub(super) zone: &'a Zone,
    /// Which days.
    pub(super) days: DayRange,
    /// Facts recorded up to here.
    pub(super) as_of: UtcMillis,
    /// Whether days, campaigns and links are told apart; else only channels are, and the rest of an answer may be any.
    pub(super) by_day: bool,
}

impl Wanted<'_> {
    fn from(&self) -> UtcMillis {
        self.zone.day_start(self.days.from)
    }

    fn to(&self) -> UtcMillis {
        self.zone.day_start(self.days.to.plus_days(1))
    }
}

/// Human touches of one day, kind and origin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Counted {
    pub(super) day: Day,
    pub(super) kind: TouchKind,
    pub(super) link: Option<LinkId>,
    pub(super) channel: Option<ChannelId>,
    pub(super) campaign: Option<CampaignId>,
    pub(super) count: i64,
}

/// Counts.
pub(super) fn human(conn: &mut Conn, labels: &Labels, wanted: &Wanted<'_>) -> Result<Vec<Counted>, StoreError> {
    match rollups::view(conn, wanted.as_of)? {
        Some(view) if view.zone == *wanted.zone => from_rollups(conn, labels, wanted, &view),
        Some(view) if !wanted.by_day && !labels.has_moved(&view) => match from_quarters(conn, labels, wanted, &view)? {
            Some(counts) => Ok(counts),
            None => from_touches(conn, labels, wanted),
        },
        _ => from_touches(conn, labels, wanted),
    }
}

/// Sums quarters of an hour, for the days of another zone by channel; `None` where its days do not begin on one.
fn from_quarters(
    conn: &mut Conn,
    labels: &Labels,
    wanted: &Wanted<'_>,
    view: &View,
) -> Result<Option<Vec<Counted>>, StoreError> {
    let (from, to) = (wanted.from(), wanted.to());
    let Some(cells) = rollups::by_channel(conn, view, from, to)? else { return Ok(None) };
    let day = wanted.days.from;
    let in_cells = cells.into_iter().map(|cell| Counted {
        day,
        kind: cell.kind,
        link: None,
        channel: cell.channel,
        campaign: None,
        count: cell.count,
    });
    let mut counts: Vec<Counted> = in_cells.collect();
    let behind = rollups::tail(conn, view, from, to)?;
    counts.extend(behind.iter().map(|touch| one(labels, wanted, touch)));
    Ok(Some(merged(counts)))
}

/// A touch that is counted by itself.
fn one(labels: &Labels, wanted: &Wanted<'_>, touch: &Single) -> Counted {
    let origin = Origin { link: touch.link, channel: touch.channel, campaign: touch.campaign };
    Counted {
        day: wanted.zone.day_of(touch.occurred_at),
        kind: touch.kind,
        link: touch.link,
        channel: labels.channel_of(origin, touch.occurred_at),
        campaign: labels.campaign_of(origin, touch.occurred_at),
        count: 1,
    }
}

/// Sums cells; what the cells do not know is counted touch by touch.
fn from_rollups(
    conn: &mut Conn,
    labels: &Labels,
    wanted: &Wanted<'_>,
    view: &View,
) -> Result<Vec<Counted>, StoreError> {
    let late = late_days(labels, wanted, view);
    let is_late =
        |link: Option<LinkId>, day: Day| link.and_then(|id| late.get(&id)).is_some_and(|days| days.contains(day));
    let mut counts = Vec::new();
    // A link's late days are taken out by day, so where there are any, days are told apart.
    for cell in rollups::cells(conn, view, wanted.days, wanted.by_day || !late.is_empty())? {
        if is_late(cell.link, cell.day) {
            continue;
        }
        let origin = Origin { link: cell.link, channel: cell.channel, campaign: cell.campaign };
        counts.push(Counted {
            day: cell.day,
            kind: cell.kind,
            link: cell.link,
            channel: labels.channel_of(origin, cell.labelled_at),
            campaign: labels.campaign_of(origin, cell.labelled_at),
            count: cell.count,
        });
    }
    let single = |touch: &Single| one(labels, wanted, touch);
    let behind = rollups::tail(conn, view, wanted.from(), wanted.to())?;
    counts.extend(behind.iter().map(single).filter(|c| !is_late(c.link, c.day)));
    for (link, days) in &late {
        let (from, to) = (wanted.zone.day_start(days.from), wanted.zone.day_start(days.to.plus_days(1)));
        counts.extend(rollups::of_link(conn, view, *link, from, to)?.iter().map(single));
    }
    Ok(merged(counts))
}

/// One count for each day, kind and origin, and none for what was taken back: a touch may have been counted under one
/// stretch of its link's labels and be taken back under another one, which a revision in between began.
fn merged(counts: Vec<Counted>) -> Vec<Counted> {
    let mut sums: BTreeMap<_, i64> = BTreeMap::new();
    for c in counts {
        *sums.entry((c.day, c.kind, c.link, c.channel, c.campaign)).or_default() += c.count;
    }
    let counted = |((day, kind, link, channel, campaign), count)| Counted { day, kind, link, channel, campaign, count };
    sums.into_iter().filter(|(_, count)| *count != 0).map(counted).collect()
}

/// The days of the period on which some cells of a link do not know its label.
fn late_days(labels: &Labels, wanted: &Wanted<'_>, view: &View) -> HashMap<LinkId, DayRange> {
    let mut late: HashMap<LinkId, DayRange> = HashMap::new();
    for (link, from, upto) in labels.late(view) {
        if upto < wanted.from() || wanted.to() <= from {
            continue;
        }
        let first = wanted.zone.day_of(from.max(wanted.from()));
        let last = wanted.zone.day_of(upto).min(wanted.days.to);
        let days = late.entry(link).or_insert(DayRange { from: first, to: last });
        *days = DayRange { from: days.from.min(first), to: days.to.max(last) };
    }
    late
}

/// Counts the touches of the period: it is cut where days begin and where a link is relabelled, so that within each
/// piece every touch of a link has one label.
fn from_touches(conn: &mut Conn, labels: &Labels, wanted: &Wanted<'_>) -> Result<Vec<Counted>, StoreError> {
    let (from, to) = (wanted.from(), wanted.to());
    let mut cuts: Vec<UtcMillis> = labels.changes_within(from, to);
    if wanted.by_day {
        cuts.extend(wanted.days.days().map(|d| wanted.zone.day_start(d)));
    }
    cuts.extend([from, to]);
    cuts.sort();
    cuts.dedup();
    let mut counts = Vec::new();
    for (from, to) in cuts.iter().zip(cuts.iter().skip(1)) {
        let day = wanted.zone.day_of(*from);
        for counted in touches::count_human(conn, *from, *to, &Moments::all(wanted.as_of))? {
            let origin = Origin { link: counted.link, channel: counted.channel, campaign: counted.campaign };
            counts.push(Counted {
                day,
                kind: counted.kind,
                link: counted.link,
                channel: labels.channel_of(origin, *from),
                campaign: labels.campaign_of(origin, *from),
                count: counted.count,
            });
        }
    }
    Ok(counts)
}
