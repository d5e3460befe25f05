//! Clusters of persons: a union-find that keeps apart whom an unmerge parts.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::{IdentityFact, JoinKey, PERSONS_PER_KEY_MAX, Verdicts, joins};
use crate::domain::ids::PersonId;
use crate::domain::time::UtcMillis;

/// A union-find whose root is always the oldest (smallest) person of its cluster.
#[derive(Debug, Default)]
pub(super) struct Clusters {
    pub(super) parent: HashMap<PersonId, PersonId>,
    members: HashMap<PersonId, Vec<PersonId>>,
}

impl Clusters {
    pub(super) fn add(&mut self, person: PersonId) {
        self.parent.entry(person).or_insert(person);
        self.members.entry(person).or_insert_with(|| vec![person]);
    }

    pub(super) fn find(&mut self, person: PersonId) -> PersonId {
        let mut root = person;
        while let Some(&up) = self.parent.get(&root).filter(|&&up| up != root) {
            root = up;
        }
        let mut at = person;
        while let Some(&up) = self.parent.get(&at).filter(|&&up| up != root && up != at) {
            self.parent.insert(at, root);
            at = up;
        }
        root
    }

    pub(super) fn union(&mut self, a: PersonId, b: PersonId) {
        self.add(a);
        self.add(b);
        let (a, b) = (self.find(a), self.find(b));
        if a == b {
            return;
        }
        let (root, child) = (a.min(b), a.max(b));
        self.parent.insert(child, root);
        let moved = self.members.remove(&child).unwrap_or_default();
        self.members.entry(root).or_default().extend(moved);
    }

    /// Whether any member of a cluster is known by a strong key.
    pub(super) fn touches_known(&mut self, root: PersonId, known: &BTreeSet<PersonId>) -> bool {
        self.members.get(&root).is_some_and(|m| m.iter().any(|p| known.contains(p)))
    }

    /// Joins persons by strong keys and merges, except pairs that an unmerge keeps apart; answers the over-shared keys.
    pub(super) fn join_strong(&mut self, facts: &[(UtcMillis, IdentityFact)], verdicts: &Verdicts) -> Vec<JoinKey> {
        let mut holders: BTreeMap<&JoinKey, Vec<PersonId>> = BTreeMap::new();
        for (_, fact) in facts {
            let IdentityFact::Join { person, key } = fact else { continue };
            self.add(*person);
            let list = holders.entry(key).or_default();
            if key.is_strong() && !list.contains(person) {
                list.push(*person);
            }
        }
        let mut edges: Vec<(PersonId, PersonId)> =
            verdicts.iter().filter(|(_, m)| **m).map(|(pair, _)| *pair).collect();
        let with_contact: BTreeSet<PersonId> =
            joins(facts).filter(|(_, k)| matches!(k, JoinKey::Contact(_))).map(|(p, _)| p).collect();
        let mut over_shared = Vec::new();
        for (key, list) in holders {
            // A form that knows an address alone is no further person of it.
            let contacts = list.iter().filter(|p| with_contact.contains(p)).count();
            if contacts > PERSONS_PER_KEY_MAX {
                over_shared.push(key.clone());
                continue;
            }
            // Every pair, so that two who are kept apart do not part a third from both.
            for (i, a) in list.iter().enumerate() {
                edges.extend(list.iter().skip(i + 1).map(|b| (*a, *b)));
            }
        }
        for (a, b) in edges {
            if !self.kept_apart(a, b, verdicts) {
                self.union(a, b);
            }
        }
        over_shared
    }

    /// Whether joining the clusters of `a` and `b` would put an unmerged pair together again.
    pub(super) fn kept_apart(&mut self, a: PersonId, b: PersonId, verdicts: &Verdicts) -> bool {
        self.add(a);
        self.add(b);
        let (left, right) = (self.find(a), self.find(b));
        verdicts.iter().filter(|(_, merged)| !**merged).any(|((x, y), _)| {
            let (x, y) = (self.find(*x), self.find(*y));
            (x == left && y == right) || (x == right && y == left)
        })
    }
}
