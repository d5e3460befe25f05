//! Allocation rules: how a cost that names no channel is shared by channels.
//!
//! A rule belongs to the cost and looks at what happened on the cost's own day, never at a report's model, so that
//! cost does not depend on attribution (design section 6, *Cost*).

use std::fmt;
use std::str::FromStr;

use super::fault::{Fault, shown};
use super::ids::ChannelId;
use super::stage::Stage;

/// Most channels of fixed weights.
const CHANNELS_MAX: usize = 100;
/// Largest fixed weight.
const WEIGHT_MAX: u64 = 1_000_000_000;
/// Stages whose counts may share a cost.
const STAGES: &[Stage] = &[Stage::Lead, Stage::Mql, Stage::Sql, Stage::Opportunity, Stage::Customer];

/// A rule. `C` is how channels are named: by id inside, by code at the edges.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Allocation<C = ChannelId> {
    /// All channels share it, and no row but `(shared)` shows it.
    #[default]
    Keep,
    /// By each channel's media spend of the day, net of credit notes.
    Spend,
    /// By each channel's human clicks of the day.
    Clicks,
    /// By the day's entries into a stage: the channels with an eligible touch of the person share one equally.
    Stage(Stage),
    /// By weights that do not change.
    Weights(Vec<(C, u64)>),
}

impl<C> Allocation<C> {
    /// Whether it leaves the cost shared.
    pub fn is_keep(&self) -> bool {
        matches!(self, Self::Keep)
    }

    /// The same rule with channels named otherwise; the first channel that has no such name fails.
    pub fn try_map<D, E>(self, name: impl Fn(C) -> Result<D, E>) -> Result<Allocation<D>, E> {
        Ok(match self {
            Self::Keep => Allocation::Keep,
            Self::Spend => Allocation::Spend,
            Self::Clicks => Allocation::Clicks,
            Self::Stage(stage) => Allocation::Stage(stage),
            Self::Weights(weights) => {
                let named = weights.into_iter().map(|(channel, weight)| name(channel).map(|c| (c, weight)));
                Allocation::Weights(named.collect::<Result<_, E>>()?)
            }
        })
    }
}

impl<C: fmt::Display> fmt::Display for Allocation<C> {
    /// `shared`, `spend`, `clicks`, `stage:lead`, `weights:linkedin-organic=3,x-organic=1`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Keep => f.write_str("shared"),
            Self::Spend => f.write_str("spend"),
            Self::Clicks => f.write_str("clicks"),
            Self::Stage(stage) => write!(f, "stage:{stage}"),
            Self::Weights(weights) => {
                f.write_str("weights:")?;
                for (n, (channel, weight)) in weights.iter().enumerate() {
                    write!(f, "{}{channel}={weight}", if n > 0 { "," } else { "" })?;
                }
                Ok(())
            }
        }
    }
}

fn fault(code: &str, detail: String) -> Fault {
    Fault::new("allocation", code, detail)
}

impl FromStr for Allocation<String> {
    type Err = Fault;

    /// Reads what `Display` writes; empty is `shared`.
    fn from_str(text: &str) -> Result<Self, Fault> {
        let text = text.trim();
        let (rule, rest) = text.split_once(':').unwrap_or((text, ""));
        match (rule.trim(), rest.trim()) {
            ("" | "shared", "") => Ok(Self::Keep),
            ("spend", "") => Ok(Self::Spend),
            ("clicks", "") => Ok(Self::Clicks),
            ("stage", stage) => {
                let known = STAGES.iter().find(|s| s.as_str() == stage);
                known.map(|s| Self::Stage(*s)).ok_or_else(|| {
                    let names: Vec<&str> = STAGES.iter().map(|s| s.as_str()).collect();
                    fault(
                        "allocation-stage",
                        format!("{} shares no cost; use one of {}", shown(stage), names.join(", ")),
                    )
                })
            }
            ("weights", weights) => read_weights(weights).map(Self::Weights),
            _ => {
                let rules = "shared, spend, clicks, stage:lead or weights:CODE=3,CODE=1";
                Err(fault("allocation-unknown", format!("{} is no allocation rule; use {rules}", shown(text))))
            }
        }
    }
}

fn read_weights(text: &str) -> Result<Vec<(String, u64)>, Fault> {
    let mut weights: Vec<(String, u64)> = Vec::new();
    for piece in text.split([',', '\n', '\r']).map(str::trim).filter(|p| !p.is_empty()) {
        let (code, weight) = piece.split_once('=').map_or((piece, ""), |(c, w)| (c.trim(), w.trim()));
        let number = weight.parse::<u64>().ok().filter(|w| (1..=WEIGHT_MAX).contains(w));
        let Some(number) = number.filter(|_| !code.is_empty()) else {
            let detail = format!(
                "{} is no weight; write the channel's code, = and a whole number from 1 to {WEIGHT_MAX}, such as linkedin-organic=3",
                shown(piece)
            );
            return Err(fault("weight-malformed", detail));
        };
        if weights.iter().any(|(known, _)| known == code) {
            return Err(fault("weight-twice", format!("{} has two weights; keep one of them", shown(code))));
        }
        weights.push((code.to_owned(), number));
    }
    if weights.is_empty() || weights.len() > CHANNELS_MAX {
        let detail = format!(
            "give 1 to {CHANNELS_MAX} channels with their weights, such as weights:linkedin-organic=3,x-organic=1"
        );
        return Err(fault("weights-count", detail));
    }
    Ok(weights)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_written_as_they_are_read() {
        for text in ["shared", "spend", "clicks", "stage:lead", "stage:customer", "weights:a-b=3,c=1"] {
            assert_eq!(text.parse::<Allocation<String>>().expect(text).to_string(), text);
        }
        assert_eq!(" ".parse::<Allocation<String>>().expect("empty"), Allocation::Keep);
        let lines: Allocation<String> = "weights: a = 3\r\nb=1\n".parse().expect("lines");
        assert_eq!(lines.to_string(), "weights:a=3,b=1");
    }

    #[test]
    fn bad_rules_are_refused_by_name() {
        for (text, code) in [
            ("evenly", "allocation-unknown"),
            ("spend:1", "allocation-unknown"),
            ("stage:", "allocation-stage"),
            ("stage:sale", "allocation-stage"),
            ("weights:", "weights-count"),
            ("weights:a", "weight-malformed"),
            ("weights:a=0", "weight-malformed"),
            ("weights:a=-1", "weight-malformed"),
            ("weights:a=1.5", "weight-malformed"),
            ("weights:=1", "weight-malformed"),
            ("weights:a=9999999999", "weight-malformed"),
            ("weights:a=1,a=2", "weight-twice"),
        ] {
            assert_eq!(text.parse::<Allocation<String>>().expect_err(text).code, code, "{text}");
        }
    }
}
