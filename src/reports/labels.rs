//! What a touch was labelled when it happened: the revisions an `as_of` sees.

use std::collections::HashMap;
use std::sync::Arc;

use super::dimension::{Dimension, Part};
use crate::domain::channel::{CampaignLabels, ChannelLabels, History, PostLabels};
use crate::domain::client::Country;
use crate::domain::cost::CostDraft;
use crate::domain::ids::{CampaignId, ChannelId, LinkId, PlatformCampaignId, PostId};
use crate::domain::link::LinkLabels;
use crate::domain::platform::Mapping;
use crate::domain::time::UtcMillis;
use crate::store::platforms::Mappings;
use crate::store::rollups::View;
use crate::store::touches::{self, DeviceId, Touch};
use crate::store::{Conn, Moments, StoreError, labels, links};

/// What a touch itself says about where it came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Origin {
    pub(super) link: Option<LinkId>,
    pub(super) channel: Option<ChannelId>,
    pub(super) campaign: Option<CampaignId>,
    /// The platform's campaign of a lead given inside its network.
    pub(super) platform: Option<PlatformCampaignId>,
}

impl Origin {
    pub(super) fn of(touch: &Touch) -> Self {
        let (link, channel) = (touch.link, touch.channel);
        Self { link, channel, campaign: touch.campaign, platform: touch.platform }
    }

    pub(super) fn of_cost(cost: &CostDraft) -> Self {
        Self { link: cost.link, channel: cost.channel, campaign: cost.campaign, platform: None }
    }
}

/// What of a touch, or of a cost, says which row it belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Spot {
    pub(super) origin: Origin,
    /// The post that a cost names; a touch's post is its link's.
    pub(super) post: Option<PostId>,
    pub(super) country: Option<Country>,
    pub(super) device: Option<DeviceId>,
}

/// A code and its label over time.
type Named<L> = (Arc<str>, History<L>);

/// A channel: its code, its `utm_source` and `utm_medium`, its label over time.
#[derive(Debug)]
struct KnownChannel {
    code: Arc<str>,
    source: Arc<str>,
    medium: Arc<str>,
    history: History<ChannelLabels>,
}

/// Codes and label histories of everything a report groups by.
#[derive(Debug, Default)]
pub struct Labels {
    channels: HashMap<ChannelId, KnownChannel>,
    campaigns: HashMap<CampaignId, Named<CampaignLabels>>,
    posts: HashMap<PostId, Named<PostLabels>>,
    links: HashMap<LinkId, Named<LinkLabels>>,
    platforms: Mappings,
    devices: HashMap<DeviceId, Arc<str>>,
    /// Instants at which some label changes, in order.
    changes: Vec<UtcMillis>,
}

impl Labels {
    /// Those that a report sees.
    pub fn load(conn: &mut Conn, moments: &Moments) -> Result<Self, StoreError> {
        let mut channel_histories = labels::channel_histories(conn, moments)?;
        let mut campaign_histories = labels::campaign_histories(conn, moments)?;
        let mut post_histories = labels::post_histories(conn, moments)?;
        let mut link_histories = links::histories(conn, moments)?;
        let channels = labels::list_channels(conn)?.into_iter().map(|c| {
            let history = channel_histories.remove(&c.id).unwrap_or_default();
            let (source, medium) = (c.utm_source.into(), c.utm_medium.into());
            (c.id, KnownChannel { code: c.code.into(), source, medium, history })
        });
        let campaigns = labels::list_campaigns(conn)?
            .into_iter()
            .map(|c| (c.id, (c.code.into(), campaign_histories.remove(&c.id).unwrap_or_default())));
        let posts = labels::list_posts(conn)?
            .into_iter()
            .map(|p| (p.id, (p.code.into(), post_histories.remove(&p.id).unwrap_or_default())));
        let links = links::slugs(conn)?
            .into_iter()
            .map(|(id, slug)| (id, (slug.into(), link_histories.remove(&id).unwrap_or_default())));
        let mut labels = Self {
            channels: channels.collect(),
            campaigns: campaigns.collect(),
            posts: posts.collect(),
            links: links.collect(),
            platforms: Mappings::load(conn, moments)?,
            devices: touches::devices(conn)?,
            changes: Vec::new(),
        };
        labels.note_changes();
        Ok(labels)
    }

    /// Notes when channels, posts and links are relabelled and platforms' campaigns are mapped otherwise; of a campaign of
    /// ours nothing but its code tells touches apart.
    fn note_changes(&mut self) {
        let mut changes: Vec<UtcMillis> = self.channels.values().flat_map(|c| relabelled_at(&c.history)).collect();
        changes.extend(self.posts.values().flat_map(|(_, history)| relabelled_at(history)));
        changes.extend(self.links.values().flat_map(|(_, history)| relabelled_at(history)));
        changes.extend(self.platforms.all().flat_map(relabelled_at));
        changes.sort_unstable();
        changes.dedup();
        self.changes = changes;
    }

    /// The number of the stretch of time around an instant: within one, every label stays what it is.
    pub(super) fn stretch(&self, at: UtcMillis) -> usize {
        self.changes.partition_point(|change| *change <= at)
    }

    /// The channel of a touch: its own word first, else its link's at that time, or that of its platform's campaign.
    pub(super) fn channel_of(&self, origin: Origin, at: UtcMillis) -> Option<ChannelId> {
        let of_link = || self.link_at(origin.link?, at).map(|l| l.channel);
        origin.channel.or_else(of_link).or_else(|| self.mapping_of(origin, at)?.channel)
    }

    /// The campaign of a touch, likewise.
    pub(super) fn campaign_of(&self, origin: Origin, at: UtcMillis) -> Option<CampaignId> {
        let of_link = || self.link_at(origin.link?, at)?.campaign;
        origin.campaign.or_else(of_link).or_else(|| self.mapping_of(origin, at)?.campaign)
    }

    fn mapping_of(&self, origin: Origin, at: UtcMillis) -> Option<Mapping> {
        origin.platform.map(|campaign| self.platforms.at(campaign, at))
    }

    /// The post of a touch's link at that time.
    pub(super) fn post_of(&self, origin: Origin, at: UtcMillis) -> Option<PostId> {
        self.link_at(origin.link?, at)?.post
    }

    pub(super) fn is_direct(&self, channel: Option<ChannelId>, at: UtcMillis) -> bool {
        channel.and_then(|id| self.channels.get(&id)?.history.at(at)).is_some_and(|l| l.direct)
    }

    /// What a spot is in a dimension of touches, by the labels of an instant.
    pub(super) fn part_of(&self, spot: &Spot, dimension: Dimension, at: UtcMillis) -> Part {
        let code = match dimension {
            Dimension::Channel => self.channel_at(spot, at).map(|c| Arc::clone(&c.code)),
            Dimension::Network => self.channel_at(spot, at).map(|c| network_of(c, at)),
            Dimension::Medium => self.channel_at(spot, at).map(|c| Arc::clone(&c.medium)),
            Dimension::Campaign => {
                self.campaign_of(spot.origin, at).and_then(|id| self.campaigns.get(&id)).map(|c| Arc::clone(&c.0))
            }
            Dimension::Post => self.post_at(spot, at).map(|p| Arc::clone(&p.0)),
            Dimension::Persona => self.post_word(spot, at, |l| &l.persona),
            Dimension::ContentStyle => self.post_word(spot, at, |l| &l.content_style),
            Dimension::Link => spot.origin.link.and_then(|id| self.links.get(&id)).map(|l| Arc::clone(&l.0)),
            Dimension::Country => spot.country.map(|c| c.as_str().into()),
            Dimension::Device => spot.device.and_then(|id| self.devices.get(&id)).map(Arc::clone),
            _ => None,
        };
        code.map_or(Part::Without(dimension.without()), Part::Named)
    }

    /// The name people read of a code, where it has one.
    pub(super) fn name_of(&self, dimension: Dimension, code: &str) -> Option<&str> {
        let name = match dimension {
            Dimension::Channel => {
                self.channels.values().find(|c| &*c.code == code).and_then(|c| c.history.latest()).map(|l| &l.name)
            }
            Dimension::Campaign => latest_of(self.campaigns.values(), code).map(|l| &l.name),
            Dimension::Post => latest_of(self.posts.values(), code).map(|l| &l.name),
            Dimension::Link => latest_of(self.links.values(), code).map(|l| &l.title),
            _ => None,
        };
        name.map(String::as_str).filter(|n| !n.is_empty())
    }

    /// The one row of a dimension that people call `answer`, in any case of letters: by code, else by name, else by
    /// network. A word of several rows names none of them.
    pub(super) fn called(&self, dimension: Dimension, answer: &str, at: UtcMillis) -> Option<Arc<str>> {
        let wanted = answer.trim().to_lowercase();
        let is = |word: &str| word.to_lowercase() == wanted;
        let name_of = |c: &KnownChannel| c.history.at(at).is_some_and(|l| is(&l.name));
        let channels = || self.channels.values();
        match dimension {
            Dimension::Channel => {
                let by_code = only(channels().filter(|c| is(&c.code)).map(|c| &c.code).cloned());
                let by_name = || only(channels().filter(|c| name_of(c)).map(|c| &c.code).cloned());
                let by_network = || only(channels().filter(|c| is(&network_of(c, at))).map(|c| &c.code).cloned());
                by_code.or_else(by_name).or_else(by_network)
            }
            Dimension::Network => {
                let by_network = only(channels().map(|c| network_of(c, at)).filter(|n| is(n)));
                let by_channel = || channels().filter(|c| is(&c.code) || name_of(c)).map(|c| network_of(c, at));
                by_network.or_else(|| only(by_channel()))
            }
            Dimension::Campaign => {
                let campaigns = || self.campaigns.values();
                let by_code = only(campaigns().filter(|(code, _)| is(code)).map(|(code, _)| code).cloned());
                let has_name = |history: &History<CampaignLabels>| history.at(at).is_some_and(|l| is(&l.name));
                by_code.or_else(|| only(campaigns().filter(|(_, h)| has_name(h)).map(|(code, _)| code).cloned()))
            }
            _ => None,
        }
    }

    /// Whether a dimension may hold a code: those of named things are known, others are what touches bring.
    pub(super) fn may_be(&self, dimension: Dimension, code: &str) -> bool {
        match dimension {
            Dimension::Channel => self.channels.values().any(|c| &*c.code == code),
            Dimension::Medium => self.channels.values().any(|c| &*c.medium == code),
            Dimension::Campaign => latest_of(self.campaigns.values(), code).is_some(),
            Dimension::Post => latest_of(self.posts.values(), code).is_some(),
            Dimension::Link => latest_of(self.links.values(), code).is_some(),
            _ => true,
        }
    }

    pub(super) fn channel_code(&self, id: ChannelId) -> Option<&str> {
        self.channels.get(&id).map(|c| &*c.code)
    }

    pub(super) fn link_slug(&self, id: LinkId) -> Option<&str> {
        self.links.get(&id).map(|(slug, _)| &**slug)
    }

    fn channel_at(&self, spot: &Spot, at: UtcMillis) -> Option<&KnownChannel> {
        self.channel_of(spot.origin, at).and_then(|id| self.channels.get(&id))
    }

    fn post_at(&self, spot: &Spot, at: UtcMillis) -> Option<&Named<PostLabels>> {
        spot.post.or_else(|| self.post_of(spot.origin, at)).and_then(|id| self.posts.get(&id))
    }

    fn post_word(&self, spot: &Spot, at: UtcMillis, word: fn(&PostLabels) -> &String) -> Option<Arc<str>> {
        let word = word(self.post_at(spot, at)?.1.at(at)?);
        (!word.is_empty()).then(|| word.as_str().into())
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

/// What all of them are, if they are one.
fn only(mut all: impl Iterator<Item = Arc<str>>) -> Option<Arc<str>> {
    let first = all.next()?;
    all.all(|other| other == first).then_some(first)
}

/// What of a link's label touches are counted by.
fn origin_of(labels: Option<&LinkLabels>) -> Option<(ChannelId, Option<CampaignId>, Option<PostId>)> {
    labels.map(|l| (l.channel, l.campaign, l.post))
}

/// The instants at which the label of a subject changes.
fn relabelled_at<L: PartialEq>(history: &History<L>) -> Vec<UtcMillis> {
    let segments = history.segments();
    let pairs = segments.iter().zip(segments.iter().skip(1));
    pairs.filter(|((_, before), (_, now))| before != now).map(|(_, (at, _))| *at).collect()
}

/// The network that a channel's label names, else its `utm_source`.
fn network_of(channel: &KnownChannel, at: UtcMillis) -> Arc<str> {
    let labelled = channel.history.at(at).map(|l| l.network.as_str()).filter(|n| !n.is_empty());
    labelled.map_or_else(|| Arc::clone(&channel.source), Into::into)
}

fn latest_of<'a, L: 'a>(mut all: impl Iterator<Item = &'a Named<L>>, code: &str) -> Option<&'a L> {
    all.find(|(c, _)| **c == *code).and_then(|(_, h)| h.latest())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::channel::Revision;

    #[test]
    fn a_subject_is_relabelled_where_its_label_changes_and_nowhere_else() {
        let revision = |recorded: i64, from: i64, label: &str| Revision {
            recorded_at: UtcMillis(recorded),
            effective_from: UtcMillis(from),
            labels: label.to_owned(),
        };
        let changes = |revisions: &[Revision<String>]| -> Vec<i64> {
            relabelled_at(&History::new(revisions.to_vec())).iter().map(|at| at.0).collect()
        };
        assert_eq!(changes(&[revision(10, 10, "a")]), [0i64; 0], "older touches take the first label");
        assert_eq!(changes(&[revision(10, 10, "a"), revision(20, 20, "b"), revision(30, 30, "b")]), [20]);
        assert_eq!(changes(&[revision(10, 10, "a"), revision(20, 10, "b")]), [10], "the first one recorded is older");
        assert_eq!(changes(&[revision(10, 20, "a"), revision(20, 10, "b")]), [10]);
    }

    #[test]
    fn stretches_begin_with_their_change() {
        let labels = Labels { changes: vec![UtcMillis(10), UtcMillis(20)], ..Labels::default() };
        assert_eq!([9, 10, 19, 20].map(|at| labels.stretch(UtcMillis(at))), [0, 1, 1, 2]);
    }
}
