//! Filters: `linkedin-organic,x-organic` (one of them), `-direct` (not it), both together.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::fault::Fault;

use super::super::dimension::{Dimension, Part};

/// Most values of one filter.
const VALUES_MAX: usize = 1_000;

/// A filter of one dimension.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    one_of: BTreeSet<String>,
    none_of: BTreeSet<String>,
}

impl Filter {
    /// Reads the grammar: values with commas between; a `-` in front excludes.
    pub fn parse(text: &str) -> Result<Self, Fault> {
        let mut filter = Self::default();
        for value in text.split(',').map(str::trim).filter(|v| !v.is_empty()) {
            match value.strip_prefix('-') {
                Some("") => {
                    return Err(Fault::new("filter", "filter-empty", "`-` excludes nothing; write -name"));
                }
                Some(name) => filter.none_of.insert(name.to_owned()),
                None => filter.one_of.insert(value.to_owned()),
            };
        }
        if filter.one_of.len() + filter.none_of.len() > VALUES_MAX {
            let detail = format!("more than {VALUES_MAX} values; name fewer, or exclude instead");
            return Err(Fault::new("filter", "filter-too-long", detail));
        }
        Ok(filter)
    }

    /// Whether a row's part passes.
    pub fn passes(&self, part: &Part) -> bool {
        let name = part.as_str();
        (self.one_of.is_empty() || self.one_of.contains(name)) && !self.none_of.contains(name)
    }

    /// Every value that it names.
    pub fn values(&self) -> impl Iterator<Item = &str> {
        self.one_of.iter().chain(&self.none_of).map(String::as_str)
    }
}

impl std::fmt::Display for Filter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let wanted = self.one_of.iter().cloned();
        let values: Vec<String> = wanted.chain(self.none_of.iter().map(|v| format!("-{v}"))).collect();
        f.write_str(&values.join(","))
    }
}

/// The filters of a report, by dimension.
pub type Filters = BTreeMap<Dimension, Filter>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_wanted_or_excluded() {
        let passes = |filter: &str, name: &str| Filter::parse(filter).expect(filter).passes(&Part::named(name));
        assert!(passes("a,b", "a") && passes("a, b", "b") && !passes("a,b", "c"));
        assert!(passes("-a", "b") && !passes("-a", "a"));
        assert!(passes("a,b,-b", "a") && !passes("a,b,-b", "b"));
        assert!(passes("", "a"));
        assert!(!Filter::parse("-(unmapped)").expect("filter").passes(&Part::Without("(unmapped)")));
        assert_eq!(Filter::parse("b,-").expect_err("nothing").code, "filter-empty");
        assert_eq!(Filter::parse("b, a,-c").expect("filter").to_string(), "a,b,-c");
    }
}
