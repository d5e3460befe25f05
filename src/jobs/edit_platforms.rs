//! What platforms' accounts and campaigns are, by the codes people use; API, pages and command line come through here.

use std::collections::HashMap;

use serde::Serialize;

use super::import::Codes;
use crate::domain::channel::Effect;
use crate::domain::ids::{CampaignId, ChannelId, PlatformAccountId, PlatformCampaignId};
use crate::domain::platform::Mapping;
use crate::domain::time::Zone;
use crate::store::labels::{self, Author};
use crate::store::platforms::{self, Mappings, Subject};
use crate::store::touches::forms;
use crate::store::{Conn, StoreError};

/// An account with its campaigns.
#[derive(Debug, Clone, Serialize)]
pub struct AccountView {
    /// Its id.
    pub id: PlatformAccountId,
    /// meta, linkedin, google, …
    pub platform: String,
    /// What its files or its user call it.
    pub name: String,
    /// The source of its cost entries.
    pub source: String,
    /// The currency it is billed in.
    pub currency: Option<String>,
    /// The zone whose days its files count by.
    pub zone: String,
    /// Code of the channel of all its campaigns.
    pub channel: Option<String>,
    /// Its campaigns, as the platform calls them.
    pub campaigns: Vec<CampaignView>,
}

/// A campaign of a platform.
#[derive(Debug, Clone, Serialize)]
pub struct CampaignView {
    /// Its id.
    pub id: PlatformCampaignId,
    /// The platform's id.
    pub external_id: Option<String>,
    /// The platform's name.
    pub name: String,
    /// Code of its own channel; none means the account's.
    pub channel: Option<String>,
    /// Code of the campaign.
    pub campaign: Option<String>,
    /// Whether its spend and its leads have a channel, its own or the account's.
    pub is_mapped: bool,
    /// Leads that were given in its forms.
    pub leads: i64,
}

/// Every account with its campaigns and what they are now.
pub fn list(conn: &mut Conn) -> Result<Vec<AccountView>, StoreError> {
    let channels: HashMap<ChannelId, String> =
        labels::list_channels(conn)?.into_iter().map(|c| (c.id, c.code)).collect();
    let campaigns: HashMap<CampaignId, String> =
        labels::list_campaigns(conn)?.into_iter().map(|c| (c.id, c.code)).collect();
    let mappings = Mappings::latest(conn)?;
    let known = platforms::campaigns(conn)?;
    let leads = forms::leads_by_campaign(conn)?;
    let account = |a: crate::domain::platform::PlatformAccount| {
        let said = mappings.said(Subject::Account(a.id));
        let own = known.iter().filter(|c| c.account == a.id).map(|c| {
            let own = mappings.said(Subject::Campaign(c.id));
            CampaignView {
                id: c.id,
                external_id: c.external_id.clone(),
                name: c.name.clone(),
                channel: own.channel.and_then(|id| channels.get(&id).cloned()),
                campaign: own.campaign.and_then(|id| campaigns.get(&id).cloned()),
                is_mapped: own.or(said).channel.is_some(),
                leads: leads.get(&c.id).copied().unwrap_or(0),
            }
        });
        AccountView {
            id: a.id,
            platform: a.platform,
            name: a.name,
            source: a.source.as_str().to_owned(),
            currency: a.currency.map(|c| c.code().to_owned()),
            zone: a.zone.name().to_owned(),
            channel: said.channel.and_then(|id| channels.get(&id).cloned()),
            campaigns: own.collect(),
        }
    };
    Ok(platforms::accounts(conn)?.into_iter().map(account).collect())
}

/// Says what an account or a campaign is; answers whether that changed anything.
pub fn map(
    conn: &mut Conn,
    subject: Subject,
    channel: Option<&str>,
    campaign: Option<&str>,
    effect: Effect,
    author: &Author,
) -> Result<bool, StoreError> {
    let exists = match subject {
        Subject::Account(id) => platforms::accounts(conn)?.iter().any(|a| a.id == id),
        Subject::Campaign(id) => platforms::campaigns(conn)?.iter().any(|c| c.id == id),
    };
    if !exists {
        return Err(StoreError::NotFound("the account or campaign of a platform".into()));
    }
    let mapping = mapping(conn, channel, campaign)?;
    platforms::map(conn, subject, mapping, effect, author)
}

/// A mapping by codes.
pub fn mapping(conn: &mut Conn, channel: Option<&str>, campaign: Option<&str>) -> Result<Mapping, StoreError> {
    let codes = Codes::load(conn)?;
    let mut faults = Vec::new();
    let mapping =
        Mapping { channel: codes.channel(channel, &mut faults), campaign: codes.campaign(campaign, &mut faults) };
    if faults.is_empty() { Ok(mapping) } else { Err(StoreError::Refused(faults)) }
}

/// Corrects the zone of an account's days; answers whether that changed it. Days are labels, so no figure moves.
pub fn set_zone(conn: &mut Conn, id: PlatformAccountId, zone: &Zone) -> Result<bool, StoreError> {
    let stands = platforms::accounts(conn)?.iter().any(|a| a.id == id && a.zone == *zone);
    if !stands {
        platforms::set_zone(conn, id, zone)?;
    }
    Ok(!stands)
}
