//! Which row a day's cost belongs to, to the cent.
//!
//! In a dimension that a cost names, it goes where it says. Over the rows of a
//! finer dimension it is split by that day's clicks of what it does name; a day
//! without such clicks stays `(unallocated)`. A cost that names no channel is
//! shared by its own rule ([`super::sharing`]), or stays `(shared)`. So cost
//! depends on no model. Each day's amount is converted once, at that day's rate,
//! before anything is divided.

use std::collections::{BTreeMap, HashMap};

use super::ReportError;
use super::dimension::{Dimension, Part};
use super::exchange::{Exchange, Lacking};
use super::facts::Facts;
use super::labels::{Labels, Origin, Spot};
use super::parameters::Parameters;
use super::places::{PlaceId, Places};
use super::sharing::{Shared, Sharing, Weight};
use crate::domain::attribution::credit::allocate;
use crate::domain::cost::{CostDraft, CostEntry};
use crate::domain::fx::Quote;
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
    /// How it came to its channel.
    pub(super) shared: Shared,
}

/// One day of a cost entry.
#[derive(Debug, Clone, Copy)]
pub(super) struct CostDay {
    pub(super) day: Day,
    /// Minor units of the entry's currency.
    pub(super) own_minor: i64,
    /// The same in the report's.
    pub(super) minor: i64,
    pub(super) quote: Quote,
}

/// A part of one day of a cost entry.
#[derive(Debug, Clone, Copy)]
pub(super) struct Spent<'a> {
    pub(super) entry: &'a CostEntry,
    pub(super) of: CostDay,
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
    let all = cost_store::visible(conn, range, &facts.moments)?;
    let ends = all.iter().flat_map(|e| {
        [e.cost.days.from.max(range.from), e.cost.days.to.min(range.to)].map(|d| (e.cost.amount.currency, d))
    });
    let exchange = Exchange::load(conn, &facts.moments, parameters.currency, ends)?;
    let counted: Vec<&CostEntry> = all.iter().filter(|e| parameters.cost.counts(e.cost.kind)).collect();
    let mut lacking = Lacking::default();
    let sharing = Sharing::load(conn, facts, parameters, (&counted, &all), (&exchange, &mut lacking))?;
    for entry in counted {
        for (day, own_minor) in entry.cost.by_day().filter(|(d, _)| range.contains(*d)) {
            let quote = match exchange.quote(entry.cost.amount.currency, day) {
                Ok(quote) => quote,
                Err(missing) => {
                    lacking.note(missing);
                    continue;
                }
            };
            let of = CostDay { day, own_minor, minor: quote.convert(own_minor)?, quote };
            let parts = shared_parts(entry, &of, parameters.zone.day_start(day), places, (clicks, &sharing));
            if parts.iter().map(|p| p.minor).sum::<i64>() != of.minor {
                return Err(ReportError::DoesNotAddUp(format!("{} of {day} is not split whole", entry.id)));
            }
            for part in parts {
                take(places, &Spent { entry, of, part });
            }
        }
    }
    Ok(lacking.finish()?)
}

/// The day's amounts of one cost by place: by channel first, where a rule shares it, and then by what is finer.
fn shared_parts(
    entry: &CostEntry,
    of: &CostDay,
    day_start: UtcMillis,
    places: &mut Places<'_>,
    (clicks, sharing): (&Clicks, &Sharing),
) -> Vec<CostPart> {
    let cost = &entry.cost;
    let named = Named::of(cost, day_start, places.labels());
    let origin = Origin::of_cost(cost);
    if named.channel.is_none() && entry.platform.is_some() {
        return unmapped(origin, &named, day_start, of.minor, places);
    }
    if named.channel.is_some() || cost.allocation.is_keep() {
        return parts_of(origin, &named, (of.day, day_start), of.minor, places, clicks);
    }
    let mut parts = Vec::new();
    for (channel, minor, shared) in sharing.parts(&cost.allocation, &named, of.day, of.minor) {
        let named = Named { channel, ..named };
        let origin = Origin { channel, ..origin };
        let own = parts_of(origin, &named, (of.day, day_start), minor, places, clicks);
        parts.extend(own.into_iter().map(|part| CostPart { shared, ..part }));
    }
    parts
}

/// Spend of a platform's campaign that nobody has mapped to a channel: not shared, as it was spent on one.
fn unmapped(origin: Origin, named: &Named, day_start: UtcMillis, minor: i64, places: &mut Places<'_>) -> Vec<CostPart> {
    let spot = Spot { origin, post: named.post, country: None, device: None };
    let part = |d: &Dimension| {
        if named.says(*d) { places.labels().part_of(&spot, *d, day_start) } else { Part::Without(d.without()) }
    };
    let parts = places.dimensions().iter().map(part).collect();
    vec![CostPart { place: places.numbered(parts), minor, rule: CostRule::Unmapped, shared: Shared::Not }]
}

/// The day's amounts of one cost by place; they sum to `minor`.
fn parts_of(
    origin: Origin,
    named: &Named,
    (day, day_start): (Day, UtcMillis),
    minor: i64,
    places: &mut Places<'_>,
    clicks: &Clicks,
) -> Vec<CostPart> {
    let shared = Shared::Not;
    if named.is_nothing() {
        let place = places.nowhere(&Part::Shared);
        return vec![CostPart { place, minor, rule: CostRule::Shared, shared }];
    }
    let spot = Spot { origin, post: named.post, country: None, device: None };
    let fixed: Vec<Option<Part>> = places
        .dimensions()
        .iter()
        .map(|d| match (named.says(*d), d.is_of_channel()) {
            (true, _) => Some(places.labels().part_of(&spot, *d, day_start)),
            (false, true) => Some(Part::Shared),
            (false, false) => None,
        })
        .collect();
    if fixed.iter().all(Option::is_some) {
        let place = places.numbered(fixed.into_iter().flatten().collect());
        return vec![CostPart { place, minor, rule: CostRule::Named, shared }];
    }
    let of_day = clicks.get(&day).map_or(&[][..], Vec::as_slice);
    let matching: Vec<&DayClicks> = of_day.iter().filter(|c| named.matches(c)).collect();
    split(&matching, &fixed, minor, places)
}

/// What a cost names, directly or by its link or post.
#[derive(Debug, Clone, Copy)]
pub(super) struct Named {
    pub(super) channel: Option<ChannelId>,
    pub(super) campaign: Option<CampaignId>,
    pub(super) post: Option<PostId>,
    pub(super) link: Option<LinkId>,
}

impl Named {
    pub(super) fn of(cost: &CostDraft, day_start: UtcMillis, labels: &Labels) -> Self {
        let origin = Origin::of_cost(cost);
        Self {
            channel: labels.channel_of(origin, day_start),
            campaign: labels.campaign_of(origin, day_start),
            post: cost.post.or_else(|| labels.post_of(origin, day_start)),
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

    /// Whether something weighed is of the campaign and post that a shared cost names.
    pub(super) fn weighs(&self, weight: &Weight) -> bool {
        self.campaign.is_none_or(|id| weight.campaign == Some(id))
            && self.post.is_none_or(|id| weight.post == Some(id))
            && self.link.is_none_or(|id| weight.link == Some(id))
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
        return vec![CostPart { place: places.numbered(parts), minor, rule: CostRule::NoClicks, shared: Shared::Not }];
    }
    let of = weights.values().sum();
    let shares: Vec<u128> = weights.values().map(|clicks| u128::from(clicks.unsigned_abs())).collect();
    let amounts = allocate(minor, &shares);
    let part = |((parts, clicks), minor): ((Vec<Part>, i64), i64)| CostPart {
        place: places.numbered(parts),
        minor,
        rule: CostRule::ByClicks { clicks, of },
        shared: Shared::Not,
    };
    weights.into_iter().zip(amounts).map(part).collect()
}
