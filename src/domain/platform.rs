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

/// The account of each platform in which leads of its forms stand whose campaign no file of the platform has named.
pub const LEADS_ACCOUNT: &str = "lead forms";
/// Its campaign of leads that name neither campaign nor ad, such as those of a form that was shared without an ad.
pub const LEADS_WITHOUT_AD: &str = "leads without an ad";
/// Its campaign of leads that name an ad alone, until a file says which campaign the ad is of.
pub const LEADS_OF_ADS: &str = "leads of ads that no file has named";

/// The platform whose files tell the campaigns of a network: `meta` of all that Meta shows ads in, else the network itself.
pub fn platform_of(network: &str) -> &str {
    match network {
        "facebook" | "instagram" | "messenger" | "threads" | "whatsapp" => "meta",
        other => other,
    }
}

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

impl PlatformAccount {
    /// Whether it is that of leads whose campaign no file has named; no file means it without saying so.
    pub fn is_of_leads(&self) -> bool {
        self.name == LEADS_ACCOUNT
    }
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

/// An address of a post in the form by which two spellings of it are the same: no scheme, no `www.`, no tracking.
pub fn permalink_key(address: &str) -> String {
    let address = address.trim();
    let rest = address.split_once("://").map_or(address, |(_, rest)| rest);
    let rest = rest.split('#').next().unwrap_or(rest);
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (host, path) = path.split_once('/').unwrap_or((path, ""));
    let host = host.to_lowercase();
    let host = ["www.", "m.", "mobile."].iter().find_map(|p| host.strip_prefix(p)).unwrap_or(&host);
    // Where the query names the post.
    let kept: Vec<&str> = query
        .split('&')
        .filter(|pair| matches!(pair.split('=').next(), Some("v" | "story_fbid" | "id" | "fbid" | "p")))
        .collect();
    let path = path.trim_end_matches('/');
    if kept.is_empty() { format!("{host}/{path}") } else { format!("{host}/{path}?{}", kept.join("&")) }
}

/// Whether counts of this metric may be added over posts or days.
pub fn is_additive(metric: &str) -> bool {
    let is_new = metric.starts_with("new_");
    is_new || !["reach", "followers", "viewers", "unique", "subscribers_total"].iter().any(|w| metric.starts_with(w))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_address_are_one() {
        let key = permalink_key("https://www.tiktok.com/@acme/video/7412?lang=en");
        assert_eq!(key, permalink_key("http://m.tiktok.com/@acme/video/7412/#top"));
        assert_ne!(permalink_key("https://youtube.com/watch?v=a"), permalink_key("https://youtube.com/watch?v=b&t=1"));
        assert_eq!(
            permalink_key("https://youtube.com/watch?t=1&v=b"),
            permalink_key("https://www.youtube.com/watch?v=b")
        );
    }

    #[test]
    fn reach_and_followers_are_never_summed() {
        for (metric, additive) in [
            ("reach", false),
            ("reach_organic", false),
            ("followers", false),
            ("viewers", false),
            ("new_followers", true),
            ("views", true),
        ] {
            assert_eq!(is_additive(metric), additive, "{metric}");
        }
    }
}
