//! Every link in memory, for look-ups that touch no lock and no database.
//!
//! A [`LinkTable`] is a read-only snapshot of two shelves: a large one, and a small one
//! with what has changed since it was built, which is looked at first. [`Links`] swaps in a
//! new table when the store's revision has moved, and reads only what is newer than the
//! table: an edit among a million links costs the edit. When the small shelf has grown to an eighth of the
//! large one, both become one.

mod shelf;

use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::{ArcSwap, Guard};

use crate::domain::ids::{CampaignId, ChannelId, LinkId, PostId};
use crate::domain::time::UtcMillis;
use shelf::{Builder, SLUG_LEN_MAX, Shelf};

pub use shelf::LinkView;

/// So many changed links are kept apart whatever the size of the table.
const CHANGES_MIN: usize = 1_024;
/// Part of the large shelf that the small one may reach.
const CHANGES_PART: usize = 8;

/// What a tag stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TagKind {
    /// `utm_source` and `utm_medium`.
    Channel,
    /// `utm_campaign` and `utm_id`.
    Campaign,
    /// `utm_content`.
    Post,
}

/// A link as the loader gives it.
#[derive(Debug, Clone, Copy)]
pub struct LinkRow<'a> {
    /// Its slug, lower case.
    pub slug: &'a str,
    /// Which link.
    pub link: LinkId,
    /// The checked destination.
    pub destination: &'a str,
    /// Whose tags it carries.
    pub channel: ChannelId,
    /// Whose tags it carries.
    pub campaign: Option<CampaignId>,
    /// Whose tag it carries.
    pub post: Option<PostId>,
    /// Whether the visitor's own query is passed on.
    pub passes_query: bool,
    /// Whether it has been taken out of use.
    pub archived: bool,
    /// When it stops redirecting.
    pub expires_at: Option<UtcMillis>,
}

/// Takes what a loader reads. A tag comes before the first link that carries it.
pub trait LinkVisitor {
    /// The encoded tags of a channel, a campaign or a post.
    fn tag(&mut self, kind: TagKind, id: i64, encoded: &str);
    /// A link. Of two with one slug the later holds.
    fn link(&mut self, row: &LinkRow<'_>);
}

/// Where links come from; `app` binds it to the store.
pub trait LinkLoader: Send + Sync {
    /// A number that grows with every change to a link.
    fn revision(&self) -> Result<i64, String>;
    /// Shows the links that changed after revision `since`, in the order of their changes, and the tags they carry.
    /// Answers the revision that was read up to.
    fn changed_since(&self, since: i64, visitor: &mut dyn LinkVisitor) -> Result<i64, String>;
}

/// A snapshot of all links.
pub struct LinkTable {
    all: Arc<Shelf>,
    changes: Arc<Shelf>,
    click_id_param: Arc<str>,
}

impl LinkTable {
    fn empty(click_id_param: &str) -> Self {
        let shelf = || Arc::new(Builder::new().build());
        Self { all: shelf(), changes: shelf(), click_id_param: click_id_param.into() }
    }

    /// The link of a path segment; upper case is folded, as people retype links from slides.
    pub fn find(&self, slug: &str) -> Option<LinkView<'_>> {
        if slug.len() > SLUG_LEN_MAX {
            return None;
        }
        if !slug.bytes().any(|b| b.is_ascii_uppercase()) {
            return self.find_folded(slug);
        }
        let mut folded = [0_u8; SLUG_LEN_MAX];
        let folded = folded.get_mut(..slug.len())?;
        folded.copy_from_slice(slug.as_bytes());
        folded.make_ascii_lowercase();
        self.find_folded(std::str::from_utf8(folded).ok()?)
    }

    fn find_folded(&self, slug: &str) -> Option<LinkView<'_>> {
        // Mostly empty, and then not worth a hash.
        let changed = (self.changes.len() > 0).then(|| self.changes.find(slug, &self.click_id_param)).flatten();
        changed.or_else(|| self.all.find(slug, &self.click_id_param))
    }

    /// How many links there are; one that changed since the large shelf was built counts twice until both become one.
    pub fn len(&self) -> usize {
        self.all.len() + self.changes.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The table after some changes.
    fn with(&self, changed: Shelf) -> Self {
        let click_id_param = Arc::clone(&self.click_id_param);
        if self.is_empty() {
            return Self { all: Arc::new(changed), changes: Arc::clone(&self.changes), click_id_param };
        }
        let changes = joined(&self.changes, &changed);
        if changes.len() <= CHANGES_MIN.max(self.all.len() / CHANGES_PART) {
            return Self { all: Arc::clone(&self.all), changes: Arc::new(changes), click_id_param };
        }
        let all = Arc::new(joined(&self.all, &changes));
        Self { all, changes: Arc::new(Builder::new().build()), click_id_param }
    }
}

/// One shelf of two; of two links with one slug the second's holds.
fn joined(first: &Shelf, second: &Shelf) -> Shelf {
    let mut builder = Builder::new();
    builder.absorb(first);
    builder.absorb(second);
    builder.build()
}

/// The current table, and how to renew it.
pub struct Links {
    table: ArcSwap<LinkTable>,
    loader: Box<dyn LinkLoader>,
    /// Revision of the table; 0 before the first load. Held while loading, so that one loads at a time.
    revision: Mutex<i64>,
}

impl Links {
    /// An empty table that has not been loaded. `click_id_param` is the query parameter of the click id.
    pub fn new(loader: Box<dyn LinkLoader>, click_id_param: &str) -> Self {
        Self { table: ArcSwap::from_pointee(LinkTable::empty(click_id_param)), loader, revision: Mutex::new(0) }
    }

    /// The table now. Held briefly: it keeps the snapshot alive.
    pub fn table(&self) -> Guard<Arc<LinkTable>> {
        self.table.load()
    }

    /// Loads the links that changed if the store's revision has moved; true if it had. After an error the old
    /// table stays. Blocks on the database: not for the hot path.
    pub fn refresh_if_changed(&self) -> Result<bool, String> {
        let mut held = self.revision.lock().unwrap_or_else(PoisonError::into_inner);
        if self.loader.revision()? == *held {
            return Ok(false);
        }
        let mut changed = Builder::new();
        let revision = self.loader.changed_since(*held, &mut changed)?;
        let table = self.table.load().with(changed.build());
        tracing::debug!(revision, links = table.len(), "link table loaded");
        self.table.store(Arc::new(table));
        *held = revision;
        Ok(true)
    }
}

#[cfg(test)]
pub(super) mod tests;
