//! Facts by number: who is who is found among positions in lists, so that ids and texts are compared once.

use std::collections::HashMap;

use super::{IdentityFact, JoinKey, PERSONS_PER_KEY_MAX};
use crate::domain::ids::PersonId;
use crate::domain::time::UtcMillis;

/// A person was seen with a key, both by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Join {
    pub(super) person: usize,
    pub(super) key: usize,
}

/// The facts of the identity graph.
#[derive(Debug)]
pub(super) struct Numbered<'f> {
    /// By number; of two persons the older one has the smaller number.
    pub(super) persons: Vec<PersonId>,
    /// By number, in the order in which they came.
    pub(super) keys: Vec<&'f JoinKey>,
    /// In the order of recording.
    pub(super) joins: Vec<Join>,
    /// In the order of keys, and for each in the order of recording.
    by_key: Vec<Join>,
    /// Merged or not: the last word on each pair that one was said about, in the order of pairs.
    pub(super) verdicts: Vec<((usize, usize), bool)>,
}

impl<'f> Numbered<'f> {
    /// Of facts in the order of recording.
    pub(super) fn of(facts: &'f [(UtcMillis, IdentityFact)]) -> Self {
        let mut persons = Vec::with_capacity(facts.len());
        for (_, fact) in facts {
            match fact {
                IdentityFact::Join { person, .. } => persons.push(*person),
                IdentityFact::Merge { a, b } | IdentityFact::Unmerge { a, b } => persons.extend([*a, *b]),
            }
        }
        persons.sort_unstable();
        persons.dedup();
        // Every person is in the list.
        let number_of = |person: &PersonId| persons.binary_search(person).unwrap_or_default();
        let (mut keys, mut joins, mut verdicts) = (Vec::new(), Vec::with_capacity(facts.len()), Vec::new());
        let mut numbers: HashMap<&JoinKey, usize> = HashMap::with_capacity(facts.len());
        for (_, fact) in facts {
            let (a, b, is_merged) = match fact {
                IdentityFact::Join { person, key } => {
                    let number = *numbers.entry(key).or_insert(keys.len());
                    if number == keys.len() {
                        keys.push(key);
                    }
                    joins.push(Join { person: number_of(person), key: number });
                    continue;
                }
                IdentityFact::Merge { a, b } => (number_of(a), number_of(b), true),
                IdentityFact::Unmerge { a, b } => (number_of(a), number_of(b), false),
            };
            verdicts.push(((a.min(b), a.max(b)), is_merged));
        }
        let mut by_key = joins.clone();
        // Stable, so that each key's joins stay in the order of recording.
        by_key.sort_by_key(|join| join.key);
        Self { persons, keys, joins, by_key, verdicts: last_words(verdicts) }
    }

    /// Each key with the persons who brought it, each person once, first come first; of a weak key no more than say that
    /// there are too many.
    pub(super) fn holders(&self) -> impl Iterator<Item = (usize, &'f JoinKey, Vec<usize>)> + '_ {
        self.by_key.chunk_by(|a, b| a.key == b.key).filter_map(|joins| {
            let number = joins.first()?.key;
            let key = *self.keys.get(number)?;
            let most = if key.is_weak() { PERSONS_PER_KEY_MAX + 1 } else { usize::MAX };
            let mut holders: Vec<usize> = Vec::with_capacity(1);
            for join in joins {
                if holders.len() < most && !holders.contains(&join.person) {
                    holders.push(join.person);
                }
            }
            Some((number, key, holders))
        })
    }
}

/// The last word on each pair.
fn last_words(mut verdicts: Vec<((usize, usize), bool)>) -> Vec<((usize, usize), bool)> {
    verdicts.reverse();
    verdicts.sort_by_key(|(pair, _)| *pair);
    verdicts.dedup_by_key(|(pair, _)| *pair);
    verdicts
}
