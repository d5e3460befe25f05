//! What can be asked of the report beyond the common parameters.

use std::collections::HashMap;

use super::Goal;
use crate::domain::fault::{Fault, shown};
use crate::reports::catalogue::More;

/// The parameters of this report alone: name and meaning.
pub(super) const MORE: &[More] = &[
    More { name: "stage", meaning: "what the paths lead to: lead (the default) or customer" },
    More {
        name: "limit",
        meaning: "how many paths are listed, 50 if not given and 1,000 at most; the rest is summed in one row",
    },
];

/// Paths that are listed if nothing else is asked.
const LIMIT_DEFAULT: usize = 50;
/// Most paths that are listed.
const LIMIT_MAX: usize = 1_000;

/// What is asked of this report alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// What the paths lead to.
    pub stage: Goal,
    /// How many paths are listed.
    pub limit: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { stage: Goal::Lead, limit: LIMIT_DEFAULT }
    }
}

impl Options {
    /// Both as they are written.
    pub(super) fn written(&self) -> Vec<(&'static str, String)> {
        vec![("stage", self.stage.to_string()), ("limit", self.limit.to_string())]
    }
}

/// Reads `MORE` from what is given; other names are left to [`crate::reports::parameters_from`].
///
/// # Errors
/// Every fault at once, each under the name of its parameter.
pub fn options_from(given: &HashMap<String, String>) -> Result<Options, Vec<Fault>> {
    let mut faults = Vec::new();
    let mut options = Options::default();
    let text = |name: &str| given.get(name).map(|t| t.trim()).filter(|t| !t.is_empty());
    match text("stage").map(str::parse) {
        Some(Ok(stage)) => options.stage = stage,
        Some(Err(fault)) => faults.push(fault),
        None => {}
    }
    match text("limit").map(limit) {
        Some(Ok(limit)) => options.limit = limit,
        Some(Err(fault)) => faults.push(fault),
        None => {}
    }
    if faults.is_empty() { Ok(options) } else { Err(faults) }
}

fn limit(text: &str) -> Result<usize, Fault> {
    text.parse().ok().filter(|n| (1..=LIMIT_MAX).contains(n)).ok_or_else(|| {
        let detail = format!("{} is no number of paths; use 1 to {LIMIT_MAX}", shown(text));
        Fault::new("limit", "limit-out-of-range", detail)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_read_by_name_and_refused_by_name() {
        let read = |pairs: &[(&str, &str)]| {
            options_from(&pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect())
        };
        assert_eq!(read(&[("by", "channel")]), Ok(Options { stage: Goal::Lead, limit: 50 }));
        assert_eq!(
            read(&[("stage", "customer"), ("limit", "1000")]),
            Ok(Options { stage: Goal::Customer, limit: 1_000 })
        );
        let faults = read(&[("stage", "moon"), ("limit", "1001")]).expect_err("two faults");
        let told: Vec<(&str, &str)> = faults.iter().map(|f| (f.field.as_str(), f.code.as_str())).collect();
        assert_eq!(told, [("stage", "stage-unknown"), ("limit", "limit-out-of-range")]);
        assert!(read(&[("limit", "0")]).is_err());
    }
}
