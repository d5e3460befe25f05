//! A tracked link: slug, destination, tags and options.

use serde::{Deserialize, Serialize};

use super::ids::{CampaignId, ChannelId, PostId};
use super::time::UtcMillis;

/// Everything about a link that may change; each change is a revision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkLabels {
    /// The checked destination.
    pub destination: String,
    /// The name people read; may be empty.
    pub title: String,
    /// The channel whose `utm_source` and `utm_medium` it carries.
    pub channel: ChannelId,
    /// The campaign whose `utm_campaign` and `utm_id` it carries.
    pub campaign: Option<CampaignId>,
    /// The post it stands in, whose code is its `utm_content`.
    pub post: Option<PostId>,
    /// Words to find it by.
    pub tags: Vec<String>,
    /// Whether the visitor's own query parameters are passed on.
    pub passes_query: bool,
    /// Whether it has been taken out of use.
    pub archived: bool,
    /// When it stops redirecting.
    pub expires_at: Option<UtcMillis>,
}

/// What a link answers at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkState {
    /// It redirects.
    Live,
    /// It was archived by its owner.
    Archived,
    /// Its time is over.
    Expired,
}

impl LinkLabels {
    /// The state at `now`.
    pub fn state(&self, now: UtcMillis) -> LinkState {
        match self.expires_at {
            _ if self.archived => LinkState::Archived,
            Some(end) if end <= now => LinkState::Expired,
            _ => LinkState::Live,
        }
    }
}
