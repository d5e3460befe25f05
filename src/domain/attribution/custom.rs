//! Position based with weights of one's own.

use super::journey::Journey;
use super::position::divide;
use super::{Method, Model, Setting, Settings};

/// Any weights for the first touch, all between, and the last (Adobe's custom model).
pub(super) static MODEL: Model = Model {
    name: "custom",
    label: "Custom weights",
    formula: "f for i = 1, l for i = n, m/(n-2) between, over their sum",
    rule: "weights of your own for the first touch, those between and the last, which need not sum to 100; of two \
           touches f and l over f + l, a single one all; where every weight that applies is 0 all touches share evenly",
    settings: &[
        weight("first", "weight of the first touch", 40),
        weight("middle", "weight of all touches between", 20),
        weight("last", "weight of the last touch", 40),
    ],
    method: Method::Parts(parts),
};

const fn weight(name: &'static str, meaning: &'static str, default: i64) -> Setting {
    Setting { name, meaning, default, min: 0, max: 1_000 }
}

fn parts(journey: &Journey<'_>, settings: &Settings, parts: &mut Vec<u128>) {
    let weights = ["first", "middle", "last"].map(|name| u128::from(settings.get(name).unsigned_abs()));
    divide(journey.touches.len(), weights, parts);
}
