//! What the rows of a report are: dimensions, and the keys that they make.

use std::fmt;
use std::sync::Arc;

use crate::domain::calendar::Grain;
use crate::domain::named_enum::named_enum;

named_enum!(
    /// Something that rows can be told apart by.
    Dimension, "by", "dimension-unknown" {
        /// A network and a medium.
        Channel = "channel",
        /// The network of a channel.
        Network = "network",
        /// The `utm_medium` of a channel.
        Medium = "medium",
        /// A named effort.
        Campaign = "campaign",
        /// A piece of content.
        Post = "post",
        /// A tracked link.
        Link = "link",
        /// Whom a post speaks to.
        Persona = "persona",
        /// How a post speaks: question, announcement, …
        ContentStyle = "content_style",
        /// The country of a touch.
        Country = "country",
        /// The kind of device of a touch.
        Device = "device",
        /// Days of the report's zone.
        Day = "day",
        /// ISO weeks.
        Week = "week",
        /// Months.
        Month = "month",
        /// Quarters, of the fiscal year.
        Quarter = "quarter",
        /// Fiscal years.
        Year = "year",
        /// The stage that was entered.
        Stage = "stage",
    }
);

impl Dimension {
    /// Most dimensions of one report.
    pub const MOST: usize = 3;

    /// How long its pieces are, of a dimension of time.
    pub fn grain(self) -> Option<Grain> {
        Some(match self {
            Self::Day => Grain::Day,
            Self::Week => Grain::Week,
            Self::Month => Grain::Month,
            Self::Quarter => Grain::Quarter,
            Self::Year => Grain::Year,
            _ => return None,
        })
    }

    /// Whether a touch alone says where it belongs.
    pub fn is_of_touch(self) -> bool {
        self.grain().is_none() && self != Self::Stage
    }

    /// Whether a channel alone says where it belongs.
    pub fn is_of_channel(self) -> bool {
        matches!(self, Self::Channel | Self::Network | Self::Medium)
    }

    /// Whether a post alone says where it belongs.
    pub fn is_of_post(self) -> bool {
        matches!(self, Self::Post | Self::Persona | Self::ContentStyle)
    }

    /// The heading of its column.
    pub fn heading(self) -> &'static str {
        match self {
            Self::Channel => "Channel",
            Self::Network => "Network",
            Self::Medium => "Medium",
            Self::Campaign => "Campaign",
            Self::Post => "Post",
            Self::Link => "Link",
            Self::Persona => "Persona",
            Self::ContentStyle => "Content style",
            Self::Country => "Country",
            Self::Device => "Device",
            Self::Day => "Day",
            Self::Week => "Week",
            Self::Month => "Month",
            Self::Quarter => "Quarter",
            Self::Year => "Year",
            Self::Stage => "Stage",
        }
    }

    /// What a touch that has none of it is listed under.
    pub fn without(self) -> &'static str {
        match self {
            Self::Channel | Self::Network | Self::Medium => "(unmapped)",
            Self::Campaign => "(no campaign)",
            Self::Post => "(no post)",
            Self::Link => "(no link)",
            Self::Persona => "(no persona)",
            Self::ContentStyle => "(no content style)",
            Self::Country => "(unknown country)",
            Self::Device => "(unknown device)",
            Self::Day | Self::Week | Self::Month | Self::Quarter | Self::Year => "(no date)",
            // Clicks and costs belong to no stage of anybody.
            Self::Stage => "(before any stage)",
        }
    }
}

/// What a row is in one dimension. The order is the order of the report: codes first, then what has none.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// A code, a date, a stage.
    Named(Arc<str>),
    /// What a touch does not have.
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

impl Part {
    /// A code.
    pub fn named(code: &str) -> Self {
        Self::Named(code.into())
    }

    /// What it is called on the wire.
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

    /// The name of what is no code.
    pub fn special(&self) -> Option<&str> {
        if let Self::Named(_) = self { None } else { Some(self.as_str()) }
    }
}

/// A row's identity: one part for each dimension of the report.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RowKey(pub Vec<Part>);

impl RowKey {
    /// The parts, in the order of the report's dimensions.
    pub fn parts(&self) -> &[Part] {
        &self.0
    }
}

impl fmt::Display for RowKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, part) in self.0.iter().enumerate() {
            if n > 0 {
                f.write_str(" · ")?;
            }
            f.write_str(part.as_str())?;
        }
        Ok(())
    }
}
