//! Channels, campaigns and posts: the things a link is tagged with and a report groups by.
//!
//! Each has a code that never changes and a label that is a *revision*: a change
//! holds from now on, or corrects the past from the beginning. What a report of
//! an earlier `as_of` said stays what it said (invariant 4).

use serde::{Deserialize, Serialize};

use super::ids::ChannelId;
use super::time::UtcMillis;
use super::touch::{Arrival, NetworkClickId};
use super::utm::UtmValue;

/// What a channel is called and how it counts. Revised; `utm_*` values are not.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChannelLabels {
    /// The name people read.
    pub name: String,
    /// The network, such as `linkedin`; may be empty.
    #[serde(default)]
    pub network: String,
    /// Whether a touch of this channel is direct traffic, which *last non-direct* passes over.
    #[serde(default)]
    pub direct: bool,
    /// Whether it is kept only for the past.
    #[serde(default)]
    pub archived: bool,
}

/// What a campaign is called. Revised.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CampaignLabels {
    /// The name people read.
    pub name: String,
    /// Whether it is kept only for the past.
    #[serde(default)]
    pub archived: bool,
}

/// What a post is. Revised.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PostLabels {
    /// The name people read: the first words of the post.
    pub name: String,
    /// The network it was published on.
    #[serde(default)]
    pub network: String,
    /// The network's own id of it.
    #[serde(default)]
    pub external_id: String,
    /// Where it can be read.
    #[serde(default)]
    pub permalink: String,
    /// When it was published.
    #[serde(default)]
    pub published_at: Option<UtcMillis>,
    /// Whom it speaks to.
    #[serde(default)]
    pub persona: String,
    /// Question, answer, announcement, repurposed, story, offer, …
    #[serde(default)]
    pub content_style: String,
    /// Whether it is kept only for the past.
    #[serde(default)]
    pub archived: bool,
}

/// The codes of a new channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChannelCodes {
    /// What reports, imports and the API call it: `linkedin-organic`.
    pub code: UtmValue,
    /// `utm_source` of its links.
    pub utm_source: UtmValue,
    /// `utm_medium` of its links.
    pub utm_medium: UtmValue,
}

/// The codes of a new campaign.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CampaignCodes {
    /// `utm_campaign` of its links, and its name in imports and the API.
    pub code: UtmValue,
    /// `utm_id` of its links, where a network or a CRM asks for one.
    pub utm_id: Option<UtmValue>,
}

/// From when a revision holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// Touches from now on; what lies behind keeps its label.
    #[default]
    FromNowOn,
    /// All touches, as the old label was wrong. Reports of an earlier `as_of` keep it.
    Correction,
}

/// A dated label of one subject.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revision<L> {
    /// Ledger time at which it was recorded.
    pub recorded_at: UtcMillis,
    /// From when it holds.
    pub effective_from: UtcMillis,
    /// What holds.
    pub labels: L,
}

/// The label of one subject over time: what was recorded, in the order of recording.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct History<L>(Vec<Revision<L>>);

impl<L> Default for History<L> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<L> History<L> {
    /// A history of the revisions that a report's `as_of` can see, in the order of recording.
    pub fn new(mut revisions: Vec<Revision<L>>) -> Self {
        revisions.sort_by_key(|r| r.recorded_at);
        Self(revisions)
    }

    /// The label that a touch at `at` takes: the last one recorded and effective then;
    /// for a touch older than the subject itself, the first one recorded.
    pub fn at(&self, at: UtcMillis) -> Option<&L> {
        let effective = self.0.iter().rev().find(|r| r.effective_from <= at);
        effective.or_else(|| self.0.first()).map(|r| &r.labels)
    }

    /// The label as it holds from each instant on at which it changes, oldest first, beginning with the beginning.
    pub fn segments(&self) -> Vec<(UtcMillis, &L)> {
        let mut starts: Vec<UtcMillis> = self.0.iter().map(|r| r.effective_from).collect();
        // Touches older than the subject take its first label.
        starts.push(UtcMillis(i64::MIN));
        starts.sort();
        starts.dedup();
        starts.into_iter().filter_map(|at| self.at(at).map(|labels| (at, labels))).collect()
    }

    /// The revisions that a change makes, with the instant from which each holds: one from now on, or, as a correction,
    /// one for each stretch of the past, in which only what the change names is changed.
    pub fn changed(&self, effect: Effect, now: UtcMillis, change: impl Fn(&L) -> L) -> Vec<(UtcMillis, L)> {
        match effect {
            Effect::FromNowOn => self.latest().map(|labels| (now, change(labels))).into_iter().collect(),
            Effect::Correction => self.segments().into_iter().map(|(at, labels)| (at, change(labels))).collect(),
        }
    }

    /// The label in force after everything that was recorded.
    pub fn latest(&self) -> Option<&L> {
        self.0.last().map(|r| &r.labels)
    }

    /// The revisions that begin a stretch of their own, the first one told for each instant.
    pub fn beginnings(&self) -> impl Iterator<Item = &Revision<L>> + '_ {
        let is_first = |n: usize, from: UtcMillis| !self.0.iter().take(n).any(|r| r.effective_from == from);
        self.0.iter().enumerate().filter(move |(n, r)| is_first(*n, r.effective_from)).map(|(_, r)| r)
    }

    /// Revisions that change what `part` says at the instant from which they hold or at a later one that was known,
    /// against what was recorded before: the one recorded last holds over all that begin later.
    pub fn changes<P: PartialEq>(&self, part: impl Fn(&L) -> P) -> Vec<&Revision<L>> {
        let changes = |r: &&Revision<L>| {
            let known = || self.0.iter().take_while(|e| e.recorded_at < r.recorded_at);
            let before = |at: UtcMillis| known().filter(|e| e.effective_from <= at).last().or_else(|| known().next());
            let later = known().map(|e| e.effective_from).filter(|at| *at > r.effective_from);
            let mut instants = std::iter::once(r.effective_from).chain(later);
            instants.any(|at| before(at).is_some_and(|e| part(&e.labels) != part(&r.labels)))
        };
        self.0.iter().filter(changes).collect()
    }

    /// Instants strictly inside `(from, to)` at which the label may change.
    pub fn changes_within(&self, from: UtcMillis, to: UtcMillis) -> impl Iterator<Item = UtcMillis> + '_ {
        self.0.iter().map(|r| r.effective_from).filter(move |at| from < *at && *at < to)
    }
}

/// Hosts of networks and search engines, with the `utm_source` that their channels carry.
const HOST_SOURCES: &[(&str, &str)] = &[
    ("facebook.com", "facebook"),
    ("fb.me", "facebook"),
    ("instagram.com", "instagram"),
    ("linkedin.com", "linkedin"),
    ("lnkd.in", "linkedin"),
    ("x.com", "x"),
    ("twitter.com", "x"),
    ("t.co", "x"),
    ("youtube.com", "youtube"),
    ("youtu.be", "youtube"),
    ("tiktok.com", "tiktok"),
    ("reddit.com", "reddit"),
    ("pinterest.com", "pinterest"),
    ("threads.net", "threads"),
    ("threads.com", "threads"),
    ("bsky.app", "bluesky"),
    ("google.com", "google"),
    ("bing.com", "bing"),
    ("duckduckgo.com", "duckduckgo"),
];

/// Network click ids that only paid ads carry, with the source of their channels. `fbclid` is on every click of Meta's, so it says nothing here.
const PAID_CLICK_IDS: &[(&str, &str)] = &[
    ("gclid", "google"),
    ("gbraid", "google"),
    ("wbraid", "google"),
    ("msclkid", "bing"),
    ("li_fat_id", "linkedin"),
    ("ttclid", "tiktok"),
    ("twclid", "x"),
    ("epik", "pinterest"),
    ("rdt_cid", "reddit"),
];

/// A channel as classification sees it: id, `utm_source`, `utm_medium`, whether it is direct.
pub type ChannelTags<'a> = (ChannelId, &'a str, &'a str, bool);

/// The channel of an arrival: by UTM, network click id, referrer, else direct. `None` is listed as `(unmapped)`.
///
/// UTM tags that fit no channel stay unmapped: guessing past what the owner wrote would hide a typing error.
pub fn classify_arrival(arrival: &Arrival, ids: &[NetworkClickId], channels: &[ChannelTags<'_>]) -> Option<ChannelId> {
    if let Some(source) = arrival.utm_source.as_deref() {
        let medium = arrival.utm_medium.as_deref().unwrap_or("");
        return channels.iter().find(|(_, s, m, _)| *s == source && *m == medium).map(|c| c.0);
    }
    let paid = |m: &str| m.contains("cp") || m == "ppc" || m.starts_with("paid") || m == "retargeting";
    let of_source = |source: &str, wants_paid: bool| {
        channels.iter().find(|(_, s, m, _)| *s == source && paid(m) == wants_paid).map(|c| c.0)
    };
    if let Some((_, source)) = PAID_CLICK_IDS.iter().find(|(param, _)| ids.iter().any(|i| i.param == *param)) {
        return of_source(source, true);
    }
    match arrival.referrer_host.as_deref() {
        Some(host) => {
            let known = HOST_SOURCES.iter().find(|(h, _)| host == *h || host.ends_with(&format!(".{h}")));
            known.and_then(|(_, source)| of_source(source, false))
        }
        None => channels.iter().find(|c| c.3).map(|c| c.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrivals_are_classified_by_utm_then_click_id_then_referrer_then_direct() {
        let channels = [
            (ChannelId(1), "linkedin", "social", false),
            (ChannelId(2), "google", "cpc", false),
            (ChannelId(3), "direct", "none", true),
            (ChannelId(4), "google", "organic", false),
        ];
        let check = |source: Option<&str>, medium: Option<&str>, id: Option<&str>, host: Option<&str>| {
            let arrival = Arrival {
                utm_source: source.map(Into::into),
                utm_medium: medium.map(Into::into),
                referrer_host: host.map(Into::into),
                ..Arrival::default()
            };
            let ids: Vec<_> = id.iter().map(|p| NetworkClickId { param: (*p).into(), value: "v".into() }).collect();
            classify_arrival(&arrival, &ids, &channels).map(|c| c.0)
        };
        assert_eq!(check(Some("linkedin"), Some("social"), None, None), Some(1));
        assert_eq!(
            check(Some("linkedin"), Some("soical"), Some("gclid"), Some("www.linkedin.com")),
            None,
            "a typing error stays visible"
        );
        assert_eq!(check(None, None, Some("gclid"), Some("www.google.com")), Some(2));
        assert_eq!(check(None, None, Some("fbclid"), Some("www.linkedin.com")), Some(1));
        assert_eq!(check(None, None, None, Some("www.google.com")), Some(4));
        assert_eq!(check(None, None, None, Some("notgoogle.com")), None);
        assert_eq!(check(None, None, None, None), Some(3));
    }

    #[test]
    fn a_revision_changes_what_began_later_too() {
        let revise = |recorded: i64, from: i64, name: &str| Revision {
            recorded_at: UtcMillis(recorded),
            effective_from: UtcMillis(from),
            labels: name.to_owned(),
        };
        let changed = |revisions: &[Revision<String>]| -> Vec<i64> {
            History::new(revisions.to_vec()).changes(String::clone).iter().map(|r| r.recorded_at.0).collect()
        };
        // A clock that went back: the label of 15 is that of 10, and no more that of 20.
        let revisions = [revise(10, 10, "a"), revise(20, 20, "b"), revise(21, 15, "a")];
        assert_eq!(History::new(revisions.to_vec()).at(UtcMillis(25)).map(String::as_str), Some("a"));
        assert_eq!(changed(&revisions), [20, 21]);
        assert_eq!(changed(&[revise(10, 10, "a"), revise(20, 20, "a"), revise(21, 15, "a")]), [0i64; 0]);
    }

    #[test]
    fn a_change_from_now_on_leaves_the_past_and_a_correction_does_not() {
        let revise = |recorded: i64, effect: Effect, name: &str| {
            let recorded_at = UtcMillis(recorded);
            let effective_from = if effect == Effect::Correction { UtcMillis(i64::MIN) } else { recorded_at };
            Revision { recorded_at, effective_from, labels: name.to_owned() }
        };
        let mut revisions = vec![revise(10, Effect::FromNowOn, "a"), revise(20, Effect::FromNowOn, "b")];
        let history = History::new(revisions.clone());
        let name = |h: &History<String>, at: i64| h.at(UtcMillis(at)).cloned();
        assert_eq!(name(&history, 5).as_deref(), Some("a"), "older than the subject");
        assert_eq!(name(&history, 19).as_deref(), Some("a"));
        assert_eq!(name(&history, 20).as_deref(), Some("b"));
        revisions.push(revise(30, Effect::Correction, "c"));
        let corrected = History::new(revisions);
        assert_eq!(name(&corrected, 5).as_deref(), Some("c"));
        assert_eq!(name(&corrected, 25).as_deref(), Some("c"));
        let recased = corrected.changed(Effect::Correction, UtcMillis(40), |l| l.to_uppercase());
        assert_eq!(
            recased,
            [(UtcMillis(i64::MIN), "C".to_owned()), (UtcMillis(10), "C".to_owned()), (UtcMillis(20), "C".to_owned())]
        );
        let kept = history.changed(Effect::Correction, UtcMillis(40), |l| format!("{l}!"));
        assert_eq!(
            kept,
            [
                (UtcMillis(i64::MIN), "a!".to_owned()),
                (UtcMillis(10), "a!".to_owned()),
                (UtcMillis(20), "b!".to_owned())
            ]
        );
        assert_eq!(corrected.changes_within(UtcMillis(10), UtcMillis(30)).collect::<Vec<_>>(), [UtcMillis(20)]);
    }
}
