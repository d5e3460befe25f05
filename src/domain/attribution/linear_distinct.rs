//! Linear by distinct channel, which is the Shapley value of the additive game.

use super::journey::Journey;
use super::{Method, Model, Settings};
use crate::domain::ids::ChannelId;

/// The same part to every distinct channel, shared evenly by the channel's touches.
///
/// Zhao, Mahboobi, Bagheri 2018 (arXiv:1804.05327): where a coalition is worth the conversions of the journeys
/// inside it, the Shapley value of channel j is the sum over journeys with j of 1/d, d its distinct channels.
pub(super) static MODEL: Model = Model {
    name: "linear_distinct",
    label: "Linear by distinct channel (= Shapley value of the additive game)",
    formula: "1/(d c_i), d distinct channels, c_i touches of the channel of i",
    rule: "the same share to every distinct channel, which its touches split evenly; touches without a channel count \
           as one channel",
    settings: &[],
    method: Method::Parts(parts),
};

/// Greatest common multiple in use: parts of up to 2^40 leave room for any amount of money.
const MULTIPLE_MAX: u128 = 1 << 40;

fn parts(journey: &Journey<'_>, _: &Settings, parts: &mut Vec<u128>) {
    let mut channels: Vec<Option<ChannelId>> = journey.touches.iter().map(|t| t.channel).collect();
    channels.sort_unstable();
    let touches_of = |channel: Option<ChannelId>| {
        let (from, to) = (channels.partition_point(|c| *c < channel), channels.partition_point(|c| *c <= channel));
        u128::try_from(to - from).unwrap_or(1)
    };
    parts.extend(journey.touches.iter().map(|t| touches_of(t.channel)));
    let multiple = common_multiple(parts);
    for part in parts.iter_mut() {
        *part = (multiple + *part / 2) / *part;
    }
}

/// The least common multiple of the counts, so that every part is whole; [`MULTIPLE_MAX`] where it is greater than
/// that, which takes a journey of more than a hundred touches and rounds each part to 2^-40 of a channel's share.
fn common_multiple(counts: &[u128]) -> u128 {
    let mut multiple = 1;
    for &count in counts {
        multiple *= count / greatest_common_divisor(multiple, count);
        if multiple > MULTIPLE_MAX {
            return MULTIPLE_MAX;
        }
    }
    multiple
}

fn greatest_common_divisor(mut a: u128, mut b: u128) -> u128 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}
