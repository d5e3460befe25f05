//! Lists by key: sorted once and searched, as clusters are computed anew for every report and never changed.

/// Values by key, in order.
#[derive(Debug)]
pub(super) struct Lists<K, V> {
    /// The key of each value.
    keys: Vec<K>,
    values: Vec<V>,
}

impl<K, V> Default for Lists<K, V> {
    fn default() -> Self {
        Self { keys: Vec::new(), values: Vec::new() }
    }
}

impl<K: Ord, V: Ord> Lists<K, V> {
    /// Of pairs in any order; the second copy of a pair is dropped.
    pub(super) fn of_pairs(mut pairs: Vec<(K, V)>) -> Self {
        pairs.sort_unstable();
        pairs.dedup();
        let (keys, values) = pairs.into_iter().unzip();
        Self { keys, values }
    }

    /// The values of a key, in order.
    pub(super) fn of(&self, key: &K) -> &[V] {
        let from = self.keys.partition_point(|k| k < key);
        let count = self.keys.get(from..).unwrap_or_default().partition_point(|k| k == key);
        self.values.get(from..from + count).unwrap_or_default()
    }

    /// Every key as often as it has values, in order.
    pub(super) fn keys(&self) -> &[K] {
        &self.keys
    }

    /// Every value, in the order of the keys.
    pub(super) fn values(&self) -> &[V] {
        &self.values
    }
}
