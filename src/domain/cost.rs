//! Costs: what was spent, over which days, on what.

use serde::{Deserialize, Serialize};

use super::allocation::Allocation;
use super::attribution::credit::allocate;
use super::fault::Fault;
use super::ids::{CampaignId, ChannelId, CostEntryId, LinkId, PlatformCampaignId, PostId};
use super::labour::Labour;
use super::money::Money;
use super::named_enum::named_enum;
use super::stage::Source;
use super::time::{Day, DayRange};

named_enum!(
    /// What the money bought.
    CostKind, "kind", "cost-kind-unknown" {
        /// Ad spend.
        Media = "media",
        /// Fees of an agency.
        Agency = "agency",
        /// Software and subscriptions.
        Tools = "tools",
        /// Texts, pictures, films.
        Content = "content",
        /// Hours of people.
        Labour = "labour",
    }
);

/// Which costs a report counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CostBasis {
    /// Ad spend alone.
    Media,
    /// Every kind.
    #[default]
    Loaded,
}

impl CostBasis {
    /// Whether costs of `kind` count.
    pub fn counts(self, kind: CostKind) -> bool {
        match self {
            Self::Media => kind == CostKind::Media,
            Self::Loaded => true,
        }
    }
}

/// Money spent on a range of days, before it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CostDraft {
    /// Calendar days of the source's zone, both ends included.
    pub days: DayRange,
    /// The channel it was spent on; without one the cost is shared.
    pub channel: Option<ChannelId>,
    /// The campaign, where known.
    pub campaign: Option<CampaignId>,
    /// The post, where known.
    pub post: Option<PostId>,
    /// The link, where known.
    pub link: Option<LinkId>,
    /// What it bought.
    pub kind: CostKind,
    /// How much, net of tax; a credit note is negative.
    pub amount: Money,
    /// The account it was told by, the unit of replacement on re-import.
    pub source: Source,
    /// Invoice number.
    pub document: Option<String>,
    /// How channels share it, where it names none.
    pub allocation: Allocation,
    /// What it was for, in somebody's words.
    pub note: Option<String>,
    /// What its amount was computed from, of hours.
    pub labour: Option<Labour>,
}

/// A stored cost entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CostEntry {
    /// Its id.
    pub id: CostEntryId,
    /// What was spent.
    pub cost: CostDraft,
    /// The campaign that its platform names; channel and campaign of `cost` are then what that is mapped to.
    pub platform: Option<PlatformCampaignId>,
}

impl CostDraft {
    /// Checks what single fields cannot.
    ///
    /// # Errors
    /// A fault of an allocation rule for a cost that names its channel, directly or by a link.
    pub fn check(&self) -> Result<(), Fault> {
        if self.allocation.is_keep() || (self.channel.is_none() && self.link.is_none()) {
            return Ok(());
        }
        let detail = "the cost names where it was spent, so there is nothing to share; leave out the rule, or the channel and the link";
        Err(Fault::new("allocation", "allocation-needless", detail))
    }

    /// The amount's parts on each of its days: largest remainder, so that they sum to it exactly.
    pub fn by_day(&self) -> impl Iterator<Item = (Day, i64)> + use<> {
        let count = usize::try_from(self.days.len()).unwrap_or(0);
        self.days.days().zip(allocate(self.amount.minor, &vec![1; count]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_month_is_split_over_its_days_to_the_cent() {
        let cost = CostDraft {
            days: Day::month("2025-01").expect("month"),
            channel: None,
            campaign: None,
            post: None,
            link: None,
            kind: CostKind::Media,
            amount: Money { minor: -501_362, currency: "EUR".parse().expect("EUR") },
            source: Source::parse("ads").expect("source"),
            document: None,
            allocation: Allocation::Keep,
            note: None,
            labour: None,
        };
        let parts: Vec<_> = cost.by_day().collect();
        assert_eq!(parts.len(), 31);
        assert_eq!(parts.iter().map(|(_, p)| p).sum::<i64>(), -501_362);
        assert_eq!(parts.iter().filter(|(_, p)| *p == -16_173).count(), 30);
    }
}
