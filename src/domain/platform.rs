//! Ad platforms and social networks: their accounts and campaigns, and what these are in our own words.
//!
//! A platform names a campaign by its id or its name. Which channel and campaign of ours that is, is said once and
//! remembered as a revision: a change holds from now on, or corrects the past, and a report of an earlier `as_of`
//! keeps what it said (invariant 4).

use serde::{Deserialize, Serialize};

use super::ids::{CampaignId, ChannelId, PlatformAccountId, PlatformCampaignId};
use super::money::Currency;
use super::stage::Source;
use super::time::Zone;

/// What an account or a campaign of a platform is in our words. Revised.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mapping {
    /// The channel; of a campaign none means its account's.
    pub channel: Option<ChannelId>,
    /// The campaign, if it is one of ours.
    pub campaign: Option<CampaignId>,
}

impl Mapping {
    /// Whether it says nothing.
    pub fn is_empty(&self) -> bool {
        self.channel.is_none() && self.campaign.is_none()
    }

    /// This mapping where it speaks, else that of the account.
    #[must_use]
    pub fn or(self, account: Self) -> Self {
        Self { channel: self.channel.or(account.channel), campaign: self.campaign.or(account.campaign) }
    }
}

/// An account that files were read from.
#[derive(Debug, Clone, PartialEq)]
pub struct PlatformAccount {
    /// Its id.
    pub id: PlatformAccountId,
    /// The platform: `meta`, `linkedin`, `google`.
    pub platform: String,
    /// What its files or its user call it.
    pub name: String,
    /// The source of its cost entries: the unit of replacement.
    pub source: Source,
    /// The currency it is billed in, once a file of spend has said so.
    pub currency: Option<Currency>,
    /// The zone whose calendar days its files count by.
    pub zone: Zone,
}

/// A campaign as its platform knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlatformCampaign {
    /// Its id here.
    pub id: PlatformCampaignId,
    /// The account it belongs to.
    pub account: PlatformAccountId,
    /// The platform's id; none if its files never told one.
    pub external_id: Option<String>,
    /// The platform's name of it, as it was last told.
    pub name: String,
}

/// What a campaign is known by in a file.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct CampaignKey {
    /// The platform's id.
    pub external_id: Option<String>,
    /// The platform's name; empty in a file of whole accounts.
    pub name: String,
}
