//! Participation.

use super::{Method, Model};

/// The whole stage event to every distinct row that a touch of its journey names (Adobe, Mixpanel, Amplitude).
pub(super) static MODEL: Model = Model {
    name: "participation",
    label: "Participation (touched by)",
    formula: "1 for every distinct row",
    rule: "every row that touched the journey counts the stage event in full, once; rows therefore sum to more than \
           there are, and only say how many each one touched",
    settings: &[],
    method: Method::Participation,
};
