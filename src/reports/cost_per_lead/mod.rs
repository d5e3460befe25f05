//! Cost per lead and customers acquired, by channel, campaign or link.
//!
//! *Period* clock: stage events by when they happened, costs by day. What each
//! number means is design section 6; every sum is checked before it is shown.

mod columns;
mod parameters;
mod table;

pub use columns::{COLUMNS, Column, Figures, Unit};
pub use parameters::{Parameters, parameters_from};

use super::ReportError;
use super::facts::Facts;
use super::labels::Labels;
use crate::domain::ids::{CampaignId, ChannelId, LinkId};
use crate::domain::named_enum::named_enum;
use crate::store::{Conn, ledger};

named_enum!(
    /// What the rows are.
    Dimension, "by", "dimension-unknown" {
        /// One row a channel.
        Channel = "channel",
        /// One row a campaign.
        Campaign = "campaign",
        /// One row a link.
        Link = "link",
    }
);

impl Dimension {
    pub(super) fn key(
        self,
        labels: &Labels,
        channel: Option<ChannelId>,
        campaign: Option<CampaignId>,
        link: Option<LinkId>,
    ) -> RowKey {
        let code = match self {
            Self::Channel => channel.and_then(|id| labels.channel_code(id)),
            Self::Campaign => campaign.and_then(|id| labels.campaign_code(id)),
            Self::Link => link.and_then(|id| labels.link_slug(id)),
        };
        match (code, self) {
            (Some(code), _) => RowKey::Named(code.to_owned()),
            (None, Self::Channel) => RowKey::Without("(unmapped)"),
            (None, Self::Campaign) => RowKey::Without("(no campaign)"),
            (None, Self::Link) => RowKey::Without("(no link)"),
        }
    }
}

/// A row's identity. The order is the order of the report: codes first, then what has none.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RowKey {
    /// A code.
    Named(String),
    /// Touches that the dimension does not know.
    Without(&'static str),
    /// Stage events without an eligible touch.
    Unattributed,
    /// Costs of days without clicks to divide them by.
    Unallocated,
    /// Costs that name no channel.
    Shared,
    /// Refunds whose sale is not known.
    UnmatchedRefund,
}

impl RowKey {
    /// What the row is called on the wire.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Named(code) => code,
            Self::Without(name) => name,
            Self::Unattributed => "(unattributed)",
            Self::Unallocated => "(unallocated)",
            Self::Shared => "(shared)",
            Self::UnmatchedRefund => "(unmatched refund)",
        }
    }
}

/// A row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Which row.
    pub key: RowKey,
    /// The name people read; empty where the key says it all.
    pub name: String,
    /// Its sums.
    pub figures: Figures,
}

/// The answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// What was asked, `as_of` filled in.
    pub parameters: Parameters,
    /// The rows, in the order of [`RowKey`].
    pub rows: Vec<Row>,
    /// The sum of the rows.
    pub totals: Figures,
}

/// Computes the report. Call it inside one snapshot ([`crate::store::Db::read`]).
pub fn run(conn: &mut Conn, parameters: &Parameters) -> Result<Report, ReportError> {
    parameters.check()?;
    let horizon = ledger::horizon(conn)?;
    let as_of = parameters.as_of.map_or(horizon, |a| a.min(horizon));
    let parameters = Parameters { as_of: Some(as_of), ..parameters.clone() };
    let facts = Facts::load(conn, as_of)?;
    let mut table = table::Table::new(&parameters, &facts);
    table.count_touches(conn, as_of)?;
    table.add_costs(conn, as_of)?;
    table.credit_events()?;
    table.finish()
}
