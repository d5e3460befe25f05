//! What people say themselves.

use super::{Method, Model};

/// The answer to "how did you hear about us", kept beside what was tracked and never merged into it.
pub(super) static MODEL: Model = Model {
    name: "self_reported",
    label: "Self-reported",
    formula: "1 for the answer that the person gave",
    rule: "all credit to the person's own answer, which catches what leaves no click, such as word of mouth; no touch \
           is weighed; an answer that names no row is `(said otherwise)`, and without any answer so far it is `(not asked)`",
    settings: &[],
    method: Method::SelfReported,
};
