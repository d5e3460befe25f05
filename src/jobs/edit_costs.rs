//! Costs by the codes people use; the API, the pages and the command line all come through here.

use std::collections::HashMap;

use super::import::Codes;
use crate::domain::cost::{CostDraft, CostEntry, CostKind};
use crate::domain::fault::Fault;
use crate::domain::money::Money;
use crate::domain::stage::Source;
use crate::domain::time::{Day, DayRange};
use crate::store::costs::{self, Stored};
use crate::store::labels::{self, Author};
use crate::store::{Conn, StoreError, links};

/// A cost in its sender's words.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CostInput {
    /// First day, or the only one.
    pub from: String,
    /// Last day; the first if empty.
    pub to: String,
    /// The channel's code; without one the cost is shared.
    pub channel: Option<String>,
    /// The campaign's code.
    pub campaign: Option<String>,
    /// The post's code.
    pub post: Option<String>,
    /// The link's slug.
    pub link: Option<String>,
    /// `media` if empty.
    pub kind: String,
    /// A decimal amount.
    pub amount: Option<String>,
    /// The amount in minor units, instead.
    pub amount_minor: Option<i64>,
    /// ISO 4217.
    pub currency: String,
    /// Invoice number.
    pub document: Option<String>,
}

impl CostInput {
    fn check(&self, codes: &Codes, source: &Source) -> Result<CostDraft, Vec<Fault>> {
        let mut faults = Vec::new();
        let channel = codes.channel(self.channel.as_deref(), &mut faults);
        let campaign = codes.campaign(self.campaign.as_deref(), &mut faults);
        let post = codes.post(self.post.as_deref(), &mut faults);
        let link = codes.link(self.link.as_deref(), &mut faults);
        let days = self.days().map_err(|f| faults.push(f)).ok();
        let kind = if self.kind.is_empty() { Ok(CostKind::Media) } else { self.kind.parse() };
        let kind = kind.map_err(|f| faults.push(f)).ok();
        let amount = self.money().map_err(|f| faults.push(f)).ok();
        match (days, kind, amount) {
            (Some(days), Some(kind), Some(amount)) if faults.is_empty() => Ok(CostDraft {
                days,
                channel,
                campaign,
                post,
                link,
                kind,
                amount,
                source: source.clone(),
                document: self.document.clone().filter(|d| !d.trim().is_empty()),
            }),
            _ => Err(faults),
        }
    }

    fn days(&self) -> Result<DayRange, Fault> {
        let from: Day = self.from.parse().map_err(|f: Fault| f.named("from"))?;
        let to = if self.to.is_empty() { from } else { self.to.parse().map_err(|f: Fault| f.named("to"))? };
        DayRange::new(from, to)
    }

    fn money(&self) -> Result<Money, Fault> {
        let currency = self.currency.parse()?;
        match (self.amount.as_deref(), self.amount_minor) {
            (Some(text), None) => Money::parse(text, currency),
            (None, Some(minor)) => Money::new(minor, currency),
            _ => Err(Fault::new("amount", "amount-missing", "give either `amount` or `amount_minor`")),
        }
    }
}

/// Adds costs, all or none; the faults name each cost by its place.
pub fn add(
    conn: &mut Conn,
    inputs: &[CostInput],
    source: &Source,
    label: &str,
    author: &Author,
) -> Result<Stored, StoreError> {
    let codes = Codes::load(conn)?;
    let (mut drafts, mut faults) = (Vec::new(), Vec::new());
    for (place, input) in inputs.iter().enumerate() {
        match input.check(&codes, source) {
            Ok(draft) => drafts.push(draft),
            Err(list) if inputs.len() == 1 => faults.extend(list),
            Err(list) => {
                faults.extend(list.into_iter().map(|f| Fault { field: format!("/costs/{place}/{}", f.field), ..f }))
            }
        }
    }
    if faults.is_empty() { costs::add(conn, &drafts, label, author) } else { Err(StoreError::Refused(faults)) }
}

/// A standing cost with the codes of what it was spent on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedCost {
    /// The entry.
    pub entry: CostEntry,
    /// The channel's code.
    pub channel: Option<String>,
    /// The campaign's code.
    pub campaign: Option<String>,
    /// The post's code.
    pub post: Option<String>,
    /// The link's slug.
    pub link: Option<String>,
}

/// The newest standing costs.
pub fn list(conn: &mut Conn, limit: i64) -> Result<Vec<NamedCost>, StoreError> {
    let channels: HashMap<_, _> = labels::list_channels(conn)?.into_iter().map(|c| (c.id, c.code)).collect();
    let campaigns: HashMap<_, _> = labels::list_campaigns(conn)?.into_iter().map(|c| (c.id, c.code)).collect();
    let posts: HashMap<_, _> = labels::list_posts(conn)?.into_iter().map(|p| (p.id, p.code)).collect();
    let slugs: HashMap<_, _> = links::all(conn)?.into_iter().map(|l| (l.id, l.slug)).collect();
    let entries = costs::list(conn, limit)?;
    Ok(entries
        .into_iter()
        .map(|entry| NamedCost {
            channel: entry.cost.channel.and_then(|id| channels.get(&id).cloned()),
            campaign: entry.cost.campaign.and_then(|id| campaigns.get(&id).cloned()),
            post: entry.cost.post.and_then(|id| posts.get(&id).cloned()),
            link: entry.cost.link.and_then(|id| slugs.get(&id).cloned()),
            entry,
        })
        .collect())
}
