//! Random ids in place of old ones, in the same order.
//!
//! Ids decide: touches of one millisecond are sorted by them, the oldest person names a cluster, an epoch of the rollups
//! reaches from one id to another. So an erased id is replaced by a random one of the same millisecond that stands at the
//! same place among all others. The millisecond itself tells nothing new: it is the time of the row, which stays.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::store::touches::Key;

/// Bits behind the millisecond of an id.
const RANDOM_BITS: u32 = 80;
/// Random values tried for one place before any that fits is taken.
const TRIES: usize = 64;

/// The millisecond with which an id begins.
pub(super) fn millisecond(key: Key) -> u128 {
    u128::from_be_bytes(key.0) >> RANDOM_BITS
}

/// A new id for each old one. `others` are the ids that stay, at least those of the same milliseconds.
pub(super) fn replaced(old: &BTreeSet<Key>, others: &BTreeSet<Key>) -> HashMap<Key, Key> {
    let mut all: BTreeMap<u128, bool> =
        others.iter().filter(|k| !old.contains(k)).map(|k| (u128::from_be_bytes(k.0), false)).collect();
    all.extend(old.iter().map(|k| (u128::from_be_bytes(k.0), true)));
    let mut new = HashMap::with_capacity(old.len());
    let mut run: Vec<u128> = Vec::new();
    let mut low = None;
    for (id, is_old) in all {
        let ms = id >> RANDOM_BITS;
        if run.first().is_some_and(|first| first >> RANDOM_BITS != ms) {
            place(&mut run, low, None, &mut new);
        }
        low = low.filter(|low: &u128| low >> RANDOM_BITS == ms);
        if is_old {
            run.push(id);
        } else {
            place(&mut run, low, Some(id), &mut new);
            low = Some(id);
        }
    }
    place(&mut run, low, None, &mut new);
    new
}

/// Puts random ids between two that stay, in place of a run of old ones.
fn place(run: &mut Vec<u128>, low: Option<u128>, high: Option<u128>, new: &mut HashMap<Key, Key>) {
    let Some(first) = run.first() else { return };
    let floor = (first >> RANDOM_BITS) << RANDOM_BITS;
    let from = low.map_or(floor, |low| low + 1);
    let to = high.unwrap_or(floor | ((1 << RANDOM_BITS) - 1));
    let mut chosen: BTreeSet<u128> = BTreeSet::new();
    for _one in run.iter() {
        for tries in 0..TRIES {
            let random = rand::random_range(from..=to.max(from));
            // The form of a UUIDv7, unless the room between two others is too small for that.
            let formed = version_7(random);
            let id = if tries < TRIES / 2 && formed >= from && formed < to { formed } else { random };
            if id < to.max(from + 1) && !run.contains(&id) && chosen.insert(id) {
                break;
            }
        }
    }
    // Where there is no room, which random ids never bring about, an id stays as it is.
    let ids = if chosen.len() == run.len() { chosen.into_iter().collect() } else { run.clone() };
    let key = |id: u128| Key(id.to_be_bytes());
    new.extend(run.drain(..).map(key).zip(ids.into_iter().map(key)));
}

/// The same bits with version and variant of a UUIDv7.
fn version_7(id: u128) -> u128 {
    let version = (id & !(0xf << 76)) | (0x7 << 76);
    (version & !(0x3 << 62)) | (0x2 << 62)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(list: &[(u128, u128)]) -> BTreeSet<Key> {
        list.iter().map(|(ms, rest)| Key(((ms << RANDOM_BITS) | rest).to_be_bytes())).collect()
    }

    #[test]
    fn every_id_is_another_and_stands_where_the_old_one_stood() {
        let (first, second) = (1_u128 << 20, 1_u128 << 70);
        let old = ids(&[(5, first), (5, first + 1), (5, second), (6, 3), (9, 0)]);
        let others = ids(&[(4, 9), (5, first - 1_000), (5, first + 1_000), (5, second + 7), (6, 900_000), (10, 0)]);
        for _again in 0..200 {
            let new = replaced(&old, &others);
            let rank = |ids: &BTreeSet<Key>, id: Key| ids.range(..id).count();
            let before: BTreeSet<Key> = old.union(&others).copied().collect();
            let after: BTreeSet<Key> = new.values().chain(&others).copied().collect();
            assert_eq!(before.len(), after.len());
            for (from, to) in &new {
                assert_ne!(from, to);
                assert_eq!(millisecond(*from), millisecond(*to));
                assert_eq!(rank(&before, *from), rank(&after, *to), "{from:?} {to:?}");
            }
        }
    }

    #[test]
    fn a_lonely_id_keeps_the_form_of_a_uuid_v7() {
        let old = ids(&[(1_700_000_000_000, 42)]);
        let new = replaced(&old, &BTreeSet::new());
        let id = new.values().next().expect("one").id();
        assert_eq!((id.get_version_num(), id.get_variant()), (7, uuid::Variant::RFC4122));
    }
}
