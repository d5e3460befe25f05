//! How many touches each day had, by the labels that a report sees.
//!
//! From the rollups where they hold what is asked: from those of quarters of an hour by channel, country and device in
//! any zone, from those of days and links in their own; else from the touches of the period. The figures are the same.
//! Which it was is told by nothing in the answer, as the answer must not depend on it.

use std::collections::{BTreeMap, HashMap};

use super::labels::{Labels, Origin};
use crate::domain::client::Country;
use crate::domain::ids::{CampaignId, ChannelId, LinkId, PostId};
use crate::domain::time::{Day, DayRange, UtcMillis, Zone};
use crate::domain::touch::{TouchClass, TouchKind};
use crate::store::rollups::{self, Apart, Single, View};
use crate::store::touches::{self, DeviceId, forms};
use crate::store::{Conn, Moments, StoreError};

/// What a report counts unless it is asked for the rest.
pub const HUMAN: &[TouchClass] = &[TouchClass::Human];

/// What is asked.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// Whose days.
    pub zone: &'a Zone,
    /// Which days.
    pub days: DayRange,
    /// Up to when each kind of fact is seen.
    pub moments: Moments,
    /// What is told apart.
    pub detail: Detail,
    /// Which classes.
    pub classes: &'a [TouchClass],
}

/// What is told apart beside kinds, classes and channels.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Detail {
    /// Days.
    pub by_day: bool,
    /// Links, campaigns and posts.
    pub by_origin: bool,
    /// Countries and devices.
    pub by_place: bool,
}

impl Wanted<'_> {
    fn period(&self) -> (UtcMillis, UtcMillis) {
        self.of_days(self.days)
    }

    fn of_days(&self, days: DayRange) -> (UtcMillis, UtcMillis) {
        (self.zone.day_start(days.from), self.zone.day_start(days.to.plus_days(1)))
    }
}

/// Touches of one sort. What is not told apart is the first day, or `None`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counted {
    /// The local day.
    pub day: Day,
    /// What they were.
    pub kind: TouchKind,
    /// Their class.
    pub class: TouchClass,
    /// The channel.
    pub channel: Option<ChannelId>,
    /// The campaign.
    pub campaign: Option<CampaignId>,
    /// The post of the link.
    pub post: Option<PostId>,
    /// The link.
    pub link: Option<LinkId>,
    /// The country, where it is known.
    pub country: Option<Country>,
    /// The device.
    pub device: Option<DeviceId>,
    /// How many; never zero.
    pub count: i64,
}

/// What touches of one sort have in common: [`Counted`] without its count.
type Sort = (
    Day,
    TouchKind,
    TouchClass,
    Option<ChannelId>,
    Option<CampaignId>,
    Option<PostId>,
    Option<LinkId>,
    Option<Country>,
    Option<DeviceId>,
);

/// Counts. Each sort comes once, in a fixed order.
pub fn count(conn: &mut Conn, labels: &Labels, wanted: &Wanted<'_>) -> Result<Vec<Counted>, StoreError> {
    let mut sums = Sums { labels, wanted, counts: BTreeMap::new() };
    // Rollups know one moment for all kinds of facts.
    let view = match wanted.moments.uniform() {
        Some(as_of) => rollups::view(conn, as_of)?,
        None => None,
    };
    let detail = wanted.detail;
    match view {
        // Of channels there are fewer quarters than there are days of links.
        Some(view) if !detail.by_origin && !labels.has_moved(&view) && from_quarters(conn, &view, &mut sums)? => {}
        Some(view) if view.zone == *wanted.zone && !detail.by_place => from_rollups(conn, &view, &mut sums)?,
        _ => from_touches(conn, &mut sums)?,
    }
    add_forms(conn, &mut sums)?;
    // None for what was taken back: a touch may have been counted under one stretch of its link's labels and be taken
    // back under another one, which a revision in between began.
    let counts = sums.counts.into_iter().filter(|(_, count)| *count != 0);
    let counted = |((day, kind, class, channel, campaign, post, link, country, device), count): (Sort, i64)| Counted {
        day,
        kind,
        class,
        channel,
        campaign,
        post,
        link,
        country,
        device,
        count,
    };
    Ok(counts.map(counted).collect())
}

/// Touches that came from one place, as a source tells them.
struct Found {
    day: Day,
    kind: TouchKind,
    class: TouchClass,
    origin: Origin,
    /// An instant at which the link had the label that is theirs.
    labelled_at: UtcMillis,
    country: Option<Country>,
    device: Option<DeviceId>,
}

/// Counts in the making.
struct Sums<'a> {
    labels: &'a Labels,
    wanted: &'a Wanted<'a>,
    counts: BTreeMap<Sort, i64>,
}

impl Sums<'_> {
    fn add(&mut self, found: &Found, count: i64) {
        let (detail, at) = (self.wanted.detail, found.labelled_at);
        let origin = Some(found.origin).filter(|_| detail.by_origin);
        let sort = (
            if detail.by_day { found.day } else { self.wanted.days.from },
            found.kind,
            found.class,
            self.labels.channel_of(found.origin, at),
            origin.and_then(|o| self.labels.campaign_of(o, at)),
            origin.and_then(|o| self.labels.post_of(o, at)),
            origin.and_then(|o| o.link),
            found.country.filter(|_| detail.by_place),
            found.device.filter(|_| detail.by_place),
        );
        *self.counts.entry(sort).or_default() += count;
    }

    fn add_one(&mut self, touch: &Single) {
        let found = Found {
            day: self.wanted.zone.day_of(touch.occurred_at),
            kind: touch.kind,
            class: touch.class,
            origin: Origin { link: touch.link, channel: touch.channel, campaign: touch.campaign, platform: None },
            labelled_at: touch.occurred_at,
            country: touch.country,
            device: Some(touch.device),
        };
        self.add(&found, 1);
    }
}

/// Counts leads given inside networks' own forms, which no rollup holds: their labels come from mappings.
fn add_forms(conn: &mut Conn, sums: &mut Sums<'_>) -> Result<(), StoreError> {
    let wanted = sums.wanted;
    for touch in forms::in_period(conn, wanted.period(), wanted.classes, &wanted.moments)? {
        let found = Found {
            day: wanted.zone.day_of(touch.occurred_at),
            kind: touch.kind,
            class: touch.class,
            origin: Origin::of(&touch),
            labelled_at: touch.occurred_at,
            country: touch.country,
            device: Some(touch.device),
        };
        sums.add(&found, 1);
    }
    Ok(())
}

/// Sums quarters of an hour, for the days of any zone by channel. Answers whether its days begin on one.
fn from_quarters(conn: &mut Conn, view: &View, sums: &mut Sums<'_>) -> Result<bool, StoreError> {
    let wanted = sums.wanted;
    let apart = Apart { days: wanted.detail.by_day, places: wanted.detail.by_place };
    let cells = rollups::by_channel(conn, view, (wanted.zone, wanted.days), wanted.classes, apart)?;
    let Some(cells) = cells else { return Ok(false) };
    for cell in cells {
        let found = Found {
            day: cell.day,
            kind: cell.kind,
            class: cell.class,
            origin: Origin { link: None, channel: cell.channel, campaign: None, platform: None },
            labelled_at: wanted.zone.day_start(cell.day),
            country: cell.country,
            device: cell.device,
        };
        sums.add(&found, cell.count);
    }
    for touch in rollups::tail(conn, view, wanted.period(), wanted.classes)? {
        sums.add_one(&touch);
    }
    Ok(true)
}

/// Sums cells; what the cells do not know is counted touch by touch.
fn from_rollups(conn: &mut Conn, view: &View, sums: &mut Sums<'_>) -> Result<(), StoreError> {
    let wanted = sums.wanted;
    let late = late_days(sums.labels, wanted, view);
    let is_late =
        |link: Option<LinkId>, day: Day| link.and_then(|id| late.get(&id)).is_some_and(|days| days.contains(day));
    // A link's late days are taken out by day, so where there are any, days are told apart.
    let by_day = wanted.detail.by_day || !late.is_empty();
    for cell in rollups::cells(conn, view, wanted.days, wanted.classes, by_day)? {
        if is_late(cell.link, cell.day) {
            continue;
        }
        let found = Found {
            day: cell.day,
            kind: cell.kind,
            class: cell.class,
            origin: Origin { link: cell.link, channel: cell.channel, campaign: cell.campaign, platform: None },
            labelled_at: cell.labelled_at,
            country: None,
            device: None,
        };
        sums.add(&found, cell.count);
    }
    for touch in rollups::tail(conn, view, wanted.period(), wanted.classes)? {
        if !is_late(touch.link, wanted.zone.day_of(touch.occurred_at)) {
            sums.add_one(&touch);
        }
    }
    for (link, days) in &late {
        for touch in rollups::of_link(conn, view, *link, wanted.of_days(*days), wanted.classes)? {
            sums.add_one(&touch);
        }
    }
    Ok(())
}

/// The days of the period on which some cells of a link do not know its label.
fn late_days(labels: &Labels, wanted: &Wanted<'_>, view: &View) -> HashMap<LinkId, DayRange> {
    let mut late: HashMap<LinkId, DayRange> = HashMap::new();
    let (begin, end) = wanted.period();
    for (link, from, upto) in labels.late(view) {
        if upto < begin || end <= from {
            continue;
        }
        let first = wanted.zone.day_of(from.max(begin));
        let last = wanted.zone.day_of(upto).min(wanted.days.to);
        let days = late.entry(link).or_insert(DayRange { from: first, to: last });
        *days = DayRange { from: days.from.min(first), to: days.to.max(last) };
    }
    late
}

/// Counts the touches of the period: it is cut where days begin and where a link is relabelled, so that within each
/// piece every touch of a link has one label.
fn from_touches(conn: &mut Conn, sums: &mut Sums<'_>) -> Result<(), StoreError> {
    let wanted = sums.wanted;
    let (from, to) = wanted.period();
    let mut cuts: Vec<UtcMillis> = sums.labels.changes_within(from, to);
    if wanted.detail.by_day {
        cuts.extend(wanted.days.days().map(|d| wanted.zone.day_start(d)));
    }
    cuts.extend([from, to]);
    cuts.sort();
    cuts.dedup();
    for (from, to) in cuts.iter().zip(cuts.iter().skip(1)) {
        let day = wanted.zone.day_of(*from);
        let by_place = wanted.detail.by_place;
        for counted in touches::count(conn, (*from, *to), wanted.classes, by_place, &wanted.moments)? {
            let found = Found {
                day,
                kind: counted.kind,
                class: counted.class,
                origin: Origin {
                    link: counted.link,
                    channel: counted.channel,
                    campaign: counted.campaign,
                    platform: None,
                },
                labelled_at: *from,
                country: counted.country,
                device: counted.device,
            };
            sums.add(&found, counted.count);
        }
    }
    Ok(())
}
