//! Clusters of persons: a union-find that keeps apart whom an unmerge parts.

use super::numbered::Numbered;
use super::{JoinKey, PERSONS_PER_KEY_MAX};

/// A union-find over numbered persons, whose root is always the oldest (smallest) person of its cluster.
#[derive(Debug)]
pub(super) struct Clusters {
    parent: Vec<usize>,
    /// Of each root, whether a strong key names one of its cluster.
    known: Vec<bool>,
    /// Pairs that an unmerge parts.
    apart: Vec<(usize, usize)>,
}

impl Clusters {
    /// Joins persons by strong keys and merges, except pairs that an unmerge keeps apart; answers the over-shared keys.
    pub(super) fn by_strong_keys(facts: &Numbered<'_>) -> (Self, Vec<JoinKey>) {
        let apart = facts.verdicts.iter().filter(|(_, is_merged)| !is_merged).map(|(pair, _)| *pair).collect();
        let persons = facts.persons.len();
        let mut clusters = Self { parent: (0..persons).collect(), known: vec![false; persons], apart };
        let mut has_contact = vec![false; persons];
        for join in &facts.joins {
            let Some(key) = facts.keys.get(join.key).filter(|k| k.is_strong()) else { continue };
            mark(&mut clusters.known, join.person);
            if matches!(key, JoinKey::Contact(_)) {
                mark(&mut has_contact, join.person);
            }
        }
        for ((a, b), _) in facts.verdicts.iter().filter(|(_, is_merged)| *is_merged) {
            clusters.join(*a, *b);
        }
        // In the order in which keys were first told, never of their texts: those are others after an erasure, and where
        // persons are kept apart the order decides who joins whom.
        let shared = facts.holders().filter(|(_, key, holders)| key.is_strong() && holders.len() > 1);
        let mut over_shared = Vec::new();
        for (_, key, holders) in shared {
            // A form that knows an address alone is no further person of it.
            let contacts = holders.iter().filter(|p| has_contact.get(**p) == Some(&true)).count();
            if contacts > PERSONS_PER_KEY_MAX {
                over_shared.push(key.clone());
                continue;
            }
            // Every pair, so that two who are kept apart do not part a third from both.
            for (i, a) in holders.iter().enumerate() {
                holders.iter().skip(i + 1).for_each(|b| clusters.join(*a, *b));
            }
        }
        over_shared.sort();
        (clusters, over_shared)
    }

    /// The root of a person's cluster.
    pub(super) fn find(&mut self, person: usize) -> usize {
        let mut at = person;
        while let Some(&up) = self.parent.get(at).filter(|&&up| up != at) {
            // Each step halves the path for the next one.
            let above = self.parent.get(up).copied().unwrap_or(up);
            if let Some(parent) = self.parent.get_mut(at) {
                *parent = above;
            }
            at = above;
        }
        at
    }

    /// Joins two clusters, unless that would put an unmerged pair together again.
    pub(super) fn join(&mut self, a: usize, b: usize) {
        let (a, b) = (self.find(a), self.find(b));
        if a == b || self.kept_apart(a, b) {
            return;
        }
        let (root, child) = (a.min(b), a.max(b));
        if self.is_known(child) {
            mark(&mut self.known, root);
        }
        if let Some(parent) = self.parent.get_mut(child) {
            *parent = root;
        }
    }

    /// Whether a strong key names anybody of a cluster, by its root.
    pub(super) fn is_known(&self, root: usize) -> bool {
        self.known.get(root) == Some(&true)
    }

    fn kept_apart(&mut self, left: usize, right: usize) -> bool {
        (0..self.apart.len()).any(|i| {
            let Some((x, y)) = self.apart.get(i).copied() else { return false };
            let (x, y) = (self.find(x), self.find(y));
            (x == left && y == right) || (x == right && y == left)
        })
    }
}

fn mark(list: &mut [bool], number: usize) {
    if let Some(one) = list.get_mut(number) {
        *one = true;
    }
}
