//! Which row a day's cost belongs to, to the cent.
//!
//! A cost that names the row's dimension goes there. One that names less is
//! split by that day's human clicks of what it does name; a day without clicks
//! stays `(unallocated)`; a cost that names nothing stays `(shared)`.

use super::cost_per_lead::{Dimension, RowKey};
use super::labels::{Labels, Origin};
use crate::domain::attribution::credit::allocate;
use crate::domain::cost::CostDraft;
use crate::domain::ids::{CampaignId, ChannelId, LinkId};
use crate::domain::time::{Day, UtcMillis};

/// Human clicks of one day by where they came from.
#[derive(Debug, Clone, Copy)]
pub(super) struct DayClicks {
    pub(super) day: Day,
    pub(super) channel: Option<ChannelId>,
    pub(super) campaign: Option<CampaignId>,
    pub(super) link: Option<LinkId>,
    pub(super) count: i64,
}

/// The day's amounts of one cost by row; they sum to `minor`.
pub(super) fn rows_of(
    cost: &CostDraft,
    day: Day,
    day_start: UtcMillis,
    minor: i64,
    by: Dimension,
    labels: &Labels,
    clicks: &[DayClicks],
) -> Vec<(RowKey, i64)> {
    let origin = Origin { link: cost.link, channel: cost.channel, campaign: cost.campaign };
    let channel = labels.channel_of(origin, day_start);
    let campaign = labels.campaign_of(origin, day_start);
    let named = match by {
        Dimension::Channel => channel.map(|id| by.key(labels, Some(id), None, None)),
        // A link belongs to one campaign or to none; both are an answer.
        Dimension::Campaign if cost.campaign.is_some() || cost.link.is_some() => {
            Some(by.key(labels, None, campaign, None))
        }
        Dimension::Link => cost.link.map(|id| by.key(labels, None, None, Some(id))),
        Dimension::Campaign => None,
    };
    if let Some(key) = named {
        return vec![(key, minor)];
    }
    if by == Dimension::Channel || (channel.is_none() && campaign.is_none()) {
        return vec![(RowKey::Shared, minor)];
    }
    let matching: Vec<&DayClicks> = clicks
        .iter()
        .filter(|c| {
            c.day == day
                && channel.is_none_or(|id| c.channel == Some(id))
                && campaign.is_none_or(|id| c.campaign == Some(id))
        })
        .collect();
    split(&matching, minor, by, labels)
}

fn split(clicks: &[&DayClicks], minor: i64, by: Dimension, labels: &Labels) -> Vec<(RowKey, i64)> {
    let mut weights: std::collections::BTreeMap<RowKey, i64> = std::collections::BTreeMap::new();
    for c in clicks {
        *weights.entry(by.key(labels, c.channel, c.campaign, c.link)).or_default() += c.count;
    }
    // What was taken back weighs nothing.
    weights.retain(|_, clicks| *clicks > 0);
    if weights.is_empty() {
        return vec![(RowKey::Unallocated, minor)];
    }
    let parts: Vec<u128> = weights.values().map(|clicks| u128::from(clicks.unsigned_abs())).collect();
    weights.into_keys().zip(allocate(minor, &parts)).collect()
}
