//! A bounded memory of what was found out about user agents.
//!
//! Two generations: what is asked for is in the young one; when that is full it becomes the old one, and what was
//! old is gone. So a flood of made-up user agents costs a look at each of them, and never memory.

use std::collections::HashMap;

/// Entries of one generation: some 2 MB with user agents of the usual length.
pub(super) const GENERATION: usize = 4_096;

/// The memory.
#[derive(Debug)]
pub(super) struct Remembered<V> {
    young: HashMap<Box<str>, V>,
    old: HashMap<Box<str>, V>,
}

impl<V: Clone> Remembered<V> {
    pub(super) fn new() -> Self {
        Self { young: HashMap::new(), old: HashMap::new() }
    }

    /// What is known of a text; found out now if it is not known.
    pub(super) fn get(&mut self, text: &str, find_out: impl FnOnce() -> V) -> V {
        if let Some(known) = self.young.get(text) {
            return known.clone();
        }
        let value = self.old.remove(text).unwrap_or_else(find_out);
        if self.young.len() >= GENERATION {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(text.into(), value.clone());
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_stays_and_the_rest_is_bounded() {
        let mut memory = Remembered::new();
        memory.get("kept", || 0);
        for i in 0..20 * GENERATION {
            memory.get(&i.to_string(), || i);
            assert_eq!(memory.get("kept", || 1), 0, "after {i}");
            assert!(memory.young.len() + memory.old.len() <= 2 * GENERATION);
        }
        assert_eq!(memory.get("0", || 7), 7, "forgotten, so found out again");
    }
}
