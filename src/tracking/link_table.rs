//! Every link in memory, for look-ups that touch no lock and no database.
//!
//! A [`LinkTable`] is a read-only snapshot; [`Links`] swaps in a new one when the
//! store's revision has moved. Memory is what limits the number of links: entries
//! lie in one exactly sized slice, and the index over them is a plain table of
//! 32-bit positions, since a hash map of entries would leave room for up to
//! as many again.

use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::{ArcSwap, Guard};

use crate::domain::destination::PreparedTarget;
use crate::domain::ids::LinkId;
use crate::domain::link::LinkState;
use crate::domain::time::UtcMillis;

/// No slug is longer; a longer path is no link's.
const SLUG_LEN_MAX: usize = 64;
const EMPTY: u32 = u32::MAX;

/// One link, as the loader gives it and the table keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkEntry {
    /// Its slug, lower case.
    pub slug: Box<str>,
    /// Which link.
    pub link: LinkId,
    /// Where it leads.
    pub target: PreparedTarget,
    /// Whether it has been taken out of use.
    pub archived: bool,
    /// When it stops redirecting.
    pub expires_at: Option<UtcMillis>,
}

impl LinkEntry {
    /// The state at `now`, by the rule of [`crate::domain::link::LinkLabels::state`].
    pub fn state(&self, now: UtcMillis) -> LinkState {
        match self.expires_at {
            _ if self.archived => LinkState::Archived,
            Some(end) if end <= now => LinkState::Expired,
            _ => LinkState::Live,
        }
    }
}

/// A snapshot of all links.
pub struct LinkTable {
    entries: Box<[LinkEntry]>,
    /// Open addressing: position of an entry, or [`EMPTY`]. A power of two, at most two thirds full.
    index: Box<[u32]>,
    hasher: RandomState,
}

impl LinkTable {
    /// Builds a table. Of two entries with one slug the later holds.
    pub fn new(entries: Vec<LinkEntry>) -> Self {
        let entries = entries.into_boxed_slice();
        let size = (entries.len() + entries.len() / 2 + 1).next_power_of_two();
        let mut table = Self { entries, index: vec![EMPTY; size].into_boxed_slice(), hasher: RandomState::new() };
        for position in 0..table.entries.len() {
            let Some(entry) = table.entries.get(position) else { break };
            let place = table.place(&entry.slug);
            if let (Some(slot), Ok(position)) = (table.index.get_mut(place), u32::try_from(position)) {
                *slot = position;
            }
        }
        table
    }

    /// The link of a path segment; upper case is folded, as people retype links from slides.
    pub fn find(&self, slug: &str) -> Option<&LinkEntry> {
        if slug.len() > SLUG_LEN_MAX {
            return None;
        }
        if !slug.bytes().any(|b| b.is_ascii_uppercase()) {
            return self.at(self.place(slug));
        }
        let mut folded = [0_u8; SLUG_LEN_MAX];
        let folded = folded.get_mut(..slug.len())?;
        folded.copy_from_slice(slug.as_bytes());
        folded.make_ascii_lowercase();
        self.at(self.place(std::str::from_utf8(folded).ok()?))
    }

    /// How many links there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The place in the index where `slug` is, or would be.
    fn place(&self, slug: &str) -> usize {
        let mask = self.index.len() - 1;
        let hash = self.hasher.hash_one(slug);
        // The low half of the hash suffices: positions have 32 bits.
        let mut place = usize::try_from(hash & u64::from(u32::MAX)).unwrap_or(0) & mask;
        while self.at(place).is_some_and(|entry| *entry.slug != *slug) {
            place = (place + 1) & mask;
        }
        place
    }

    fn at(&self, place: usize) -> Option<&LinkEntry> {
        self.entries.get(usize::try_from(*self.index.get(place)?).ok()?)
    }
}

/// Where links come from; `app` binds it to the store.
pub trait LinkLoader: Send + Sync {
    /// A number that grows with every change to a link or to a code it carries.
    fn revision(&self) -> Result<i64, String>;
    /// All links.
    fn load(&self) -> Result<Vec<LinkEntry>, String>;
}

/// The current table, and how to renew it.
pub struct Links {
    table: ArcSwap<LinkTable>,
    loader: Box<dyn LinkLoader>,
    /// Revision of the table; `None` before the first load. Held while loading, so that one loads at a time.
    revision: Mutex<Option<i64>>,
}

impl Links {
    /// An empty table that has not been loaded.
    pub fn new(loader: Box<dyn LinkLoader>) -> Self {
        let table = ArcSwap::from_pointee(LinkTable::new(Vec::new()));
        Self { table, loader, revision: Mutex::new(None) }
    }

    /// The table now. Held briefly: it keeps the snapshot alive.
    pub fn table(&self) -> Guard<Arc<LinkTable>> {
        self.table.load()
    }

    /// Loads the links if the store's revision has moved; true if it had. After an error the old
    /// table stays. Blocks on the database: not for the hot path.
    pub fn refresh_if_changed(&self) -> Result<bool, String> {
        let mut held = self.revision.lock().unwrap_or_else(PoisonError::into_inner);
        // Before the links: a change in between costs one load too many, never a link that is missing.
        let revision = self.loader.revision()?;
        if *held == Some(revision) {
            return Ok(false);
        }
        let table = LinkTable::new(self.loader.load()?);
        tracing::debug!(revision, links = table.len(), "link table loaded");
        self.table.store(Arc::new(table));
        *held = Some(revision);
        Ok(true)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::atomic::{AtomicI64, Ordering};

    use super::*;

    pub(in crate::tracking) fn entry(slug: &str, link: i64) -> LinkEntry {
        let target = PreparedTarget::new("https://example.com/p", &[("utm_source", "linkedin")], "hw_id", true);
        LinkEntry { slug: slug.into(), link: LinkId(link), target, archived: false, expires_at: None }
    }

    #[test]
    fn every_link_is_found_in_any_case_and_nothing_else_is() {
        let slugs: Vec<String> = (0..5_000).map(|i| format!("slug-{i}")).collect();
        let table = LinkTable::new(slugs.iter().zip(0..).map(|(s, i)| entry(s, i)).collect());
        for (slug, i) in slugs.iter().zip(0..) {
            assert_eq!(table.find(slug).map(|e| e.link), Some(LinkId(i)));
            assert_eq!(table.find(&slug.to_uppercase()).map(|e| e.link), Some(LinkId(i)));
        }
        for unknown in ["", "slug-5000", "slug", "İ", &"x".repeat(65), &"X".repeat(64)] {
            assert!(table.find(unknown).is_none(), "{unknown}");
        }
        assert!(LinkTable::new(Vec::new()).find("a").is_none());
    }

    #[test]
    fn of_two_links_with_one_slug_the_later_holds() {
        let table = LinkTable::new(vec![entry("a", 1), entry("b", 2), entry("a", 3)]);
        assert_eq!(table.find("a").map(|e| e.link), Some(LinkId(3)));
        assert_eq!(table.find("b").map(|e| e.link), Some(LinkId(2)));
    }

    #[test]
    fn states_follow_archive_and_expiry() {
        let mut e = entry("a", 1);
        assert_eq!(e.state(UtcMillis(5)), LinkState::Live);
        e.expires_at = Some(UtcMillis(5));
        assert_eq!(e.state(UtcMillis(4)), LinkState::Live);
        assert_eq!(e.state(UtcMillis(5)), LinkState::Expired);
        e.archived = true;
        assert_eq!(e.state(UtcMillis(4)), LinkState::Archived);
    }

    /// Revision 0 cannot be read, and revision 9 cannot be loaded.
    struct Store(Arc<AtomicI64>);

    impl LinkLoader for Store {
        fn revision(&self) -> Result<i64, String> {
            let revision = self.0.load(Ordering::SeqCst);
            if revision == 0 { Err("away".into()) } else { Ok(revision) }
        }

        fn load(&self) -> Result<Vec<LinkEntry>, String> {
            let revision = self.0.load(Ordering::SeqCst);
            if revision == 9 { Err("torn".into()) } else { Ok(vec![entry("a", revision)]) }
        }
    }

    #[test]
    fn the_table_follows_the_revision_and_survives_an_absent_store() {
        let revision = Arc::new(AtomicI64::new(1));
        let links = Links::new(Box::new(Store(Arc::clone(&revision))));
        let found = || links.table().find("a").map(|e| e.link.0);
        assert_eq!(found(), None);
        assert_eq!(links.refresh_if_changed(), Ok(true));
        assert_eq!(links.refresh_if_changed(), Ok(false));
        assert_eq!(found(), Some(1));
        for absent in [0, 9] {
            revision.store(absent, Ordering::SeqCst);
            assert!(links.refresh_if_changed().is_err());
            assert_eq!(found(), Some(1));
        }
        revision.store(3, Ordering::SeqCst);
        assert_eq!(links.refresh_if_changed(), Ok(true), "a failed load is tried again");
        assert_eq!(found(), Some(3));
    }
}
