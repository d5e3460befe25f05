//! Which row a day's cost belongs to, to the cent.
//!
//! In a dimension that a cost names, it goes where it says. Over the rows of a
//! finer dimension it is split by that day's clicks of what it does name; a day
//! without such clicks stays `(unallocated)`. A cost that names no channel is
//! `(shared)` by all channels. So cost depends on no model.

use std::collections::{BTreeMap, HashMap};

use super::ReportError;
use super::credits::require_currency;
use super::dimension::{Dimension, Part};
use super::facts::Facts;
use super::labels::{Origin, Spot};
use super::parameters::Parameters;
use super::places::{PlaceId, Places};
use crate::domain::attribution::credit::allocate;
use crate::domain::cost::{CostDraft, CostEntry};
use crate::domain::ids::{CampaignId, ChannelId, LinkId, PostId};
use crate::domain::time::{Day, UtcMillis};
use crate::store::{Conn, costs as cost_store};

/// Clicks of one day by where they came from.
#[derive(Debug, Clone, Copy)]
pub(super) struct DayClicks {
    pub(super) channel: Option<ChannelId>,
    pub(super) campaign: Option<CampaignId>,
    pub(super) post: Option<PostId>,
    pub(super) link: Option<LinkId>,
    pub(super) place: PlaceId,
    pub(super) count: i64,
}

/// Clicks by day.
pub(super) type Clicks = HashMap<Day, Vec<DayClicks>>;

/// Why a part of a cost is where it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CostRule {
    /// The cost names the row.
    Named,
    /// Split by the day's clicks: so many of so many.
    ByClicks {
        /// Clicks of the row.
        clicks: i64,
        /// Clicks of what the cost names.
        of: i64,
    },
    /// There were no clicks to split it by.
    NoClicks,
    /// The cost names nothing.
    Shared,
    /// Its platform's campaign is mapped to no channel yet.
    Unmapped,
}

/// A part of one day's cost.
#[derive(Debug, Clone, Copy)]
pub(super) struct CostPart {
    pub(super) place: PlaceId,
    pub(super) minor: i64,
    pub(super) rule: CostRule,
}

/// A part of one day of a cost entry.
#[derive(Debug, Clone, Copy)]
pub(super) struct Spent<'a> {
    pub(super) entry: &'a CostEntry,
    pub(super) day: Day,
    pub(super) part: CostPart,
}

/// Walks through the costs of the range, entry by entry and day by day.
pub(super) fn walk(
    conn: &mut Conn,
    facts: &Facts,
    parameters: &Parameters,
    places: &mut Places<'_>,
    clicks: &Clicks,
    take: &mut dyn FnMut(&mut Places<'_>, &Spent<'_>),
) -> Result<(), ReportError> {
    let range = parameters.range;
    for entry in cost_store::visible(conn, range, &facts.moments)? {
        if !parameters.cost.counts(entry.cost.kind) {
            continue;
        }
        for (day, minor) in entry.cost.by_day().filter(|(d, _)| range.contains(*d)) {
            require_currency(parameters, entry.cost.amount.currency, day, "cost")?;
            let start = parameters.zone.day_start(day);
            let parts = parts_of(&entry, (day, start), minor, places, clicks);
            if parts.iter().map(|p| p.minor).sum::<i64>() != minor {
                return Err(ReportError::DoesNotAddUp(format!("{} of {day} is not split whole", entry.id)));
            }
            for part in parts {
                take(places, &Spent { entry: &entry, day, part });
            }
        }
    }
    Ok(())
}

/// The day's amounts of one cost by place; they sum to `minor`.
fn parts_of(
    entry: &CostEntry,
    (day, day_start): (Day, UtcMillis),
    minor: i64,
    places: &mut Places<'_>,
    clicks: &Clicks,
) -> Vec<CostPart> {
    let cost = &entry.cost;
    let named = Named::of(cost, day_start, places);
    if named.is_nothing() && entry.platform.is_some() {
        // Not shared: it was spent on a channel that nobody has named yet.
        let parts = places.dimensions().iter().map(|d| Part::Without(d.without())).collect();
        return vec![CostPart { place: places.numbered(parts), minor, rule: CostRule::Unmapped }];
    }
    if named.is_nothing() {
        let place = places.nowhere(&Part::Shared);
        return vec![CostPart { place, minor, rule: CostRule::Shared }];
    }
    let spot = Spot { origin: Origin::of_cost(cost), post: named.post, country: None, device: None };
    let fixed: Vec<Option<Part>> = places
        .dimensions()
        .iter()
        .map(|d| match (named.says(*d), d.is_of_channel()) {
            (true, _) => Some(places.labels().part_of(&spot, *d, day_start)),
            (false, true) if entry.platform.is_some() => Some(Part::Without(d.without())),
            (false, true) => Some(Part::Shared),
            (false, false) => None,
        })
        .collect();
    if fixed.iter().all(Option::is_some) {
        let place = places.numbered(fixed.into_iter().flatten().collect());
        return vec![CostPart { place, minor, rule: CostRule::Named }];
    }
    let of_day = clicks.get(&day).map_or(&[][..], Vec::as_slice);
    let matching: Vec<&DayClicks> = of_day.iter().filter(|c| named.matches(c)).collect();
    split(&matching, &fixed, minor, places)
}

/// What a cost names, directly or by its link or post.
struct Named {
    channel: Option<ChannelId>,
    campaign: Option<CampaignId>,
    post: Option<PostId>,
    link: Option<LinkId>,
}

impl Named {
    fn of(cost: &CostDraft, day_start: UtcMillis, places: &Places<'_>) -> Self {
        let origin = Origin::of_cost(cost);
        Self {
            channel: places.labels().channel_of(origin, day_start),
            campaign: places.labels().campaign_of(origin, day_start),
            post: cost.post.or_else(|| places.labels().post_of(origin, day_start)),
            link: cost.link,
        }
    }

    fn is_nothing(&self) -> bool {
        self.channel.is_none() && self.campaign.is_none() && self.post.is_none() && self.link.is_none()
    }

    /// Whether the cost says where it belongs in a dimension. A link belongs to one campaign and one post or to none,
    /// which is an answer, too.
    fn says(&self, dimension: Dimension) -> bool {
        match dimension {
            d if d.is_of_channel() => self.channel.is_some(),
            d if d.is_of_post() => self.post.is_some() || self.link.is_some(),
            Dimension::Campaign => self.campaign.is_some() || self.link.is_some(),
            Dimension::Link => self.link.is_some(),
            _ => false,
        }
    }

    fn matches(&self, clicks: &DayClicks) -> bool {
        self.channel.is_none_or(|id| clicks.channel == Some(id))
            && self.campaign.is_none_or(|id| clicks.campaign == Some(id))
            && self.post.is_none_or(|id| clicks.post == Some(id))
            && self.link.is_none_or(|id| clicks.link == Some(id))
    }
}

fn split(clicks: &[&DayClicks], fixed: &[Option<Part>], minor: i64, places: &mut Places<'_>) -> Vec<CostPart> {
    let mut weights: BTreeMap<Vec<Part>, i64> = BTreeMap::new();
    for c in clicks {
        let finer = places.parts(c.place);
        let parts = fixed.iter().zip(finer).map(|(own, finer)| own.clone().unwrap_or_else(|| finer.clone()));
        *weights.entry(parts.collect()).or_default() += c.count;
    }
    // What was taken back weighs nothing.
    weights.retain(|_, clicks| *clicks > 0);
    if weights.is_empty() {
        let parts = fixed.iter().map(|own| own.clone().unwrap_or(Part::Unallocated)).collect();
        return vec![CostPart { place: places.numbered(parts), minor, rule: CostRule::NoClicks }];
    }
    let of = weights.values().sum();
    let shares: Vec<u128> = weights.values().map(|clicks| u128::from(clicks.unsigned_abs())).collect();
    let amounts = allocate(minor, &shares);
    let part = |((parts, clicks), minor): ((Vec<Part>, i64), i64)| CostPart {
        place: places.numbered(parts),
        minor,
        rule: CostRule::ByClicks { clicks, of },
    };
    weights.into_iter().zip(amounts).map(part).collect()
}
