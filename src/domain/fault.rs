//! One fault of one input field, worded so that its sender can mend it.

use std::fmt;

/// What is wrong with one field: which, what about its value, and the remedy.
///
/// Every parser of the domain answers this; the edges turn it into an RFC 9457
/// problem, a CSV row error or a line on the terminal.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Fault {
    /// The field, as the sender knows it (`occurred_at`, `/links/0/slug`, a CSV column).
    pub field: String,
    /// A stable code for machines, such as `slug-reserved`.
    pub code: String,
    /// What is wrong and what to do about it; lower case, without a full stop.
    pub detail: String,
}

impl Fault {
    /// Builds a fault of `field`.
    pub fn new(field: impl Into<String>, code: &str, detail: impl Into<String>) -> Self {
        Self { field: field.into(), code: code.to_owned(), detail: detail.into() }
    }

    /// The same fault, reported under another field name.
    #[must_use]
    pub fn named(mut self, field: &str) -> Self {
        field.clone_into(&mut self.field);
        self
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.detail)
    }
}

impl std::error::Error for Fault {}

/// Shortens and cleans a value for an error message, so that hostile input cannot flood or fake a log.
///
/// What looks like an address is left out: a column or pointer mapped to the wrong field must not put
/// personal data into messages, which are stored and logged.
pub fn shown(value: &str) -> String {
    if value.contains('@') {
        return "`(an address, not shown)`".to_owned();
    }
    let clean: String = value.chars().filter(|c| !c.is_control()).take(60).collect();
    if clean.len() < value.len() { format!("`{clean}…`") } else { format!("`{clean}`") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_shortened_cleaned_and_never_addresses() {
        assert_eq!(shown("a\nb"), "`ab…`");
        assert_eq!(shown(&"x".repeat(100)).chars().count(), 63);
        assert!(!shown("ana@example.com").contains("ana"));
    }
}
