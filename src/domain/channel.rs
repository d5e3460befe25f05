//! Channels, campaigns and posts: the things a link is tagged with and a report groups by.
//!
//! Each has a code that never changes and a label that is a *revision*: a change
//! holds from now on, or corrects the past from the beginning. What a report of
//! an earlier `as_of` said stays what it said (invariant 4).

use serde::{Deserialize, Serialize};

use super::time::UtcMillis;
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

impl Effect {
    /// The instant from which a revision recorded at `now` is effective.
    pub fn effective_from(self, now: UtcMillis) -> UtcMillis {
        match self {
            Self::FromNowOn => now,
            Self::Correction => UtcMillis(i64::MIN),
        }
    }
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

    /// The label in force after everything that was recorded.
    pub fn latest(&self) -> Option<&L> {
        self.0.last().map(|r| &r.labels)
    }

    /// Instants strictly inside `(from, to)` at which the label may change.
    pub fn changes_within(&self, from: UtcMillis, to: UtcMillis) -> impl Iterator<Item = UtcMillis> + '_ {
        self.0.iter().map(|r| r.effective_from).filter(move |at| from < *at && *at < to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_from_now_on_leaves_the_past_and_a_correction_does_not() {
        let revise = |recorded: i64, effect: Effect, name: &str| {
            let recorded_at = UtcMillis(recorded);
            Revision { recorded_at, effective_from: effect.effective_from(recorded_at), labels: name.to_owned() }
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
        assert_eq!(corrected.changes_within(UtcMillis(10), UtcMillis(30)).collect::<Vec<_>>(), [UtcMillis(20)]);
    }
}
