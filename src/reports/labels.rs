//! What a touch was labelled when it happened: the revisions an `as_of` sees.

use std::collections::HashMap;

use crate::domain::channel::{CampaignLabels, ChannelLabels, History};
use crate::domain::ids::{CampaignId, ChannelId, LinkId, PostId};
use crate::domain::link::LinkLabels;
use crate::domain::time::UtcMillis;
use crate::store::rollups::View;
use crate::store::{Conn, Moments, StoreError, labels, links};

/// What a touch itself says about where it came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Origin {
    pub(super) link: Option<LinkId>,
    pub(super) channel: Option<ChannelId>,
    pub(super) campaign: Option<CampaignId>,
}

/// Codes and label histories of everything a report groups by.
#[derive(Debug, Default)]
pub struct Labels {
    channels: HashMap<ChannelId, (String, History<ChannelLabels>)>,
    campaigns: HashMap<CampaignId, (String, History<CampaignLabels>)>,
    links: HashMap<LinkId, (String, History<LinkLabels>)>,
}

impl Labels {
    /// Those that a report sees.
    pub fn load(conn: &mut Conn, moments: &Moments) -> Result<Self, StoreError> {
        let mut channel_histories = labels::channel_histories(conn, moments)?;
        let mut campaign_histories = labels::campaign_histories(conn, moments)?;
        let mut link_histories = links::histories(conn, moments)?;
        let channels = labels::list_channels(conn)?
            .into_iter()
            .map(|c| (c.id, (c.code, channel_histories.remove(&c.id).unwrap_or_default())))
            .collect();
        let campaigns = labels::list_campaigns(conn)?
            .into_iter()
            .map(|c| (c.id, (c.code, campaign_histories.remove(&c.id).unwrap_or_default())))
            .collect();
        let links = links::all(conn)?
            .into_iter()
            .map(|l| (l.id, (l.slug, link_histories.remove(&l.id).unwrap_or_default())))
            .collect();
        Ok(Self { channels, campaigns, links })
    }

    /// The channel of a touch: its own word first, else its link's at that time.
    pub(super) fn channel_of(&self, origin: Origin, at: UtcMillis) -> Option<ChannelId> {
        origin.channel.or_else(|| self.link_at(origin.link?, at).map(|l| l.channel))
    }

    /// The campaign of a touch, likewise.
    pub(super) fn campaign_of(&self, origin: Origin, at: UtcMillis) -> Option<CampaignId> {
        origin.campaign.or_else(|| self.link_at(origin.link?, at)?.campaign)
    }

    /// The post of a touch's link at that time.
    pub(super) fn post_of(&self, origin: Origin, at: UtcMillis) -> Option<PostId> {
        self.link_at(origin.link?, at)?.post
    }

    pub(super) fn is_direct(&self, channel: Option<ChannelId>, at: UtcMillis) -> bool {
        channel.and_then(|id| self.channels.get(&id)?.1.at(at)).is_some_and(|l| l.direct)
    }

    pub(super) fn channel_code(&self, id: ChannelId) -> Option<&str> {
        self.channels.get(&id).map(|(code, _)| code.as_str())
    }

    pub(super) fn campaign_code(&self, id: CampaignId) -> Option<&str> {
        self.campaigns.get(&id).map(|(code, _)| code.as_str())
    }

    pub(super) fn link_slug(&self, id: LinkId) -> Option<&str> {
        self.links.get(&id).map(|(slug, _)| slug.as_str())
    }

    pub(super) fn channel_name(&self, code: &str) -> Option<&str> {
        name_of(self.channels.values(), code, |l| &l.name)
    }

    pub(super) fn campaign_name(&self, code: &str) -> Option<&str> {
        name_of(self.campaigns.values(), code, |l| &l.name)
    }

    pub(super) fn link_title(&self, slug: &str) -> Option<&str> {
        name_of(self.links.values(), slug, |l| &l.title)
    }

    /// Instants inside `(from, to)` at which some link is relabelled.
    pub(super) fn changes_within(&self, from: UtcMillis, to: UtcMillis) -> Vec<UtcMillis> {
        let mut at: Vec<UtcMillis> = self.links.values().flat_map(|(_, h)| h.changes_within(from, to)).collect();
        at.sort();
        at.dedup();
        at
    }

    /// Links relabelled from an instant on that was rolled up before it was known: from when, and up to which
    /// `occurred_at`, cells do not know their labels.
    pub(super) fn late(&self, view: &View) -> Vec<(LinkId, UtcMillis, UtcMillis)> {
        let mut late = Vec::new();
        for (id, (_, history)) in &self.links {
            for revision in history.beginnings() {
                let from = revision.effective_from;
                if let Some(upto) = view.is_late(revision.recorded_at, from)
                    && origin_of(history.at(from)) != origin_of(history.at(from.plus_ms(-1)))
                {
                    late.push((*id, from, upto));
                }
            }
        }
        late
    }

    /// Whether some link got another channel for touches that are in cells already.
    pub(super) fn has_moved(&self, view: &View) -> bool {
        let moved = |history: &History<LinkLabels>| {
            let changes = history.changes(|l| l.channel);
            changes.iter().any(|r| view.is_late(r.recorded_at, r.effective_from).is_some())
        };
        self.links.values().any(|(_, history)| moved(history))
    }

    fn link_at(&self, id: LinkId, at: UtcMillis) -> Option<&LinkLabels> {
        self.links.get(&id)?.1.at(at)
    }
}

/// What of a link's label touches are counted by.
fn origin_of(labels: Option<&LinkLabels>) -> Option<(ChannelId, Option<CampaignId>, Option<PostId>)> {
    labels.map(|l| (l.channel, l.campaign, l.post))
}

fn name_of<'a, L: 'a>(
    mut all: impl Iterator<Item = &'a (String, History<L>)>,
    code: &str,
    name: fn(&L) -> &String,
) -> Option<&'a str> {
    all.find(|(c, _)| c == code).and_then(|(_, h)| h.latest()).map(|l| name(l).as_str()).filter(|n| !n.is_empty())
}
