//! Links packed for memory: what limits a table is bytes per link, not time.
//!
//! Slug and destination of all links lie in one text, entries are 40 bytes in one
//! exactly sized slice, and the index over them is a plain table of 32-bit
//! positions, since a hash map of entries would leave room for up to as many again.
//! Tags are kept once per channel, campaign and post; an entry names them by number.
//!
//! A shelf is built once and never changed. `docs/performance.md` has the bytes per link.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

use super::{LinkRow, LinkVisitor, TagKind};
use crate::domain::destination::Target;
use crate::domain::ids::LinkId;
use crate::domain::link::LinkState;
use crate::domain::time::UtcMillis;

/// No slug is longer; a longer path is no link's.
pub(super) const SLUG_LEN_MAX: usize = 64;
const EMPTY: u32 = u32::MAX;
const NEVER: i64 = i64::MAX;
/// Number of the empty tag.
const NO_TAG: u32 = 0;

/// One link. Its slug stands in the text at `text_at`, its destination right behind it.
#[derive(Debug, Clone, Copy)]
struct Entry {
    link: i64,
    expires_at: i64,
    text_at: u32,
    tags: [u32; 3],
    destination_len: u16,
    slug_len: u8,
    passes_query: bool,
    archived: bool,
}

const _: () = assert!(size_of::<Entry>() == 40, "docs/performance.md states the bytes per link");

/// A link as a redirect sees it.
#[derive(Debug, Clone, Copy)]
pub struct LinkView<'a> {
    /// Which link.
    pub link: LinkId,
    /// Where it leads.
    pub target: Target<'a>,
    /// Whether it has been taken out of use.
    archived: bool,
    expires_at: i64,
}

impl LinkView<'_> {
    /// The state at `now`, by the rule of [`crate::domain::link::LinkLabels::state`].
    pub fn state(&self, now: UtcMillis) -> LinkState {
        match (self.archived, self.expires_at <= now.0) {
            (true, _) => LinkState::Archived,
            (false, true) => LinkState::Expired,
            (false, false) => LinkState::Live,
        }
    }
}

/// Some links, ready for look-ups.
pub(super) struct Shelf {
    text: Box<str>,
    entries: Box<[Entry]>,
    tags: Box<[Box<str>]>,
    index: Index,
}

impl Shelf {
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// The link of a slug that is folded to lower case already.
    pub(super) fn find<'a>(&'a self, slug: &str, click_id_param: &'a str) -> Option<LinkView<'a>> {
        let position = self.index.find(slug, |position| self.entry(position).map(|e| self.slug(e)))?;
        let entry = self.entry(position)?;
        let target = Target {
            destination: self.destination(entry),
            tags: entry.tags.map(|number| self.tag(number)),
            click_id_param,
            passes_query: entry.passes_query,
        };
        Some(LinkView { link: LinkId(entry.link), target, archived: entry.archived, expires_at: entry.expires_at })
    }

    fn entry(&self, position: u32) -> Option<&Entry> {
        self.entries.get(usize::try_from(position).ok()?)
    }

    fn tag(&self, number: u32) -> &str {
        usize::try_from(number).ok().and_then(|i| self.tags.get(i)).map_or("", |tag| tag)
    }

    fn slug(&self, entry: &Entry) -> &str {
        slice(&self.text, entry.text_at, 0, usize::from(entry.slug_len))
    }

    fn destination(&self, entry: &Entry) -> &str {
        slice(&self.text, entry.text_at, usize::from(entry.slug_len), usize::from(entry.destination_len))
    }
}

fn slice(text: &str, at: u32, skip: usize, len: usize) -> &str {
    let from = usize::try_from(at).unwrap_or(usize::MAX).saturating_add(skip);
    text.get(from..from.saturating_add(len)).unwrap_or("")
}

/// Open addressing over positions: a power of two of places, at most two thirds of them taken.
struct Index {
    places: Box<[u32]>,
    hasher: RandomState,
}

impl Index {
    fn with_room_for(entries: usize) -> Self {
        let size = (entries + entries / 2 + 1).next_power_of_two();
        Self { places: vec![EMPTY; size].into_boxed_slice(), hasher: RandomState::new() }
    }

    /// The place where `slug` is, or would be; `slug_at` tells the slug of a position.
    fn place<'t>(&self, slug: &str, slug_at: impl Fn(u32) -> Option<&'t str>) -> usize {
        let mask = self.places.len() - 1;
        // The low half of the hash suffices: positions have 32 bits.
        let mut place = usize::try_from(self.hasher.hash_one(slug) & u64::from(u32::MAX)).unwrap_or(0) & mask;
        while self.at(place).and_then(&slug_at).is_some_and(|other| other != slug) {
            place = (place + 1) & mask;
        }
        place
    }

    fn at(&self, place: usize) -> Option<u32> {
        self.places.get(place).copied().filter(|position| *position != EMPTY)
    }

    fn find<'t>(&self, slug: &str, slug_at: impl Fn(u32) -> Option<&'t str>) -> Option<u32> {
        self.at(self.place(slug, slug_at))
    }

    fn put(&mut self, place: usize, position: u32) {
        if let Some(place) = self.places.get_mut(place) {
            *place = position;
        }
    }
}

/// A shelf in the making. Of two links with one slug the later holds.
pub(super) struct Builder {
    text: String,
    entries: Vec<Entry>,
    tags: Vec<Box<str>>,
    /// Each tag is kept once, whoever carries it.
    by_text: HashMap<Box<str>, u32>,
    numbers: HashMap<(TagKind, i64), u32>,
    index: Index,
}

impl Builder {
    pub(super) fn new() -> Self {
        Self {
            text: String::new(),
            entries: Vec::new(),
            tags: vec!["".into()],
            by_text: HashMap::from([("".into(), NO_TAG)]),
            numbers: HashMap::new(),
            index: Index::with_room_for(0),
        }
    }

    /// Takes over what another shelf holds, but for tags that no link carries any more.
    pub(super) fn absorb(&mut self, shelf: &Shelf) {
        let mut renumbered: Vec<Option<u32>> = vec![None; shelf.tags.len()];
        for entry in &shelf.entries {
            let tags = entry.tags.map(|old| {
                let Some(new) = usize::try_from(old).ok().and_then(|i| renumbered.get_mut(i)) else { return NO_TAG };
                *new.get_or_insert_with(|| self.number(shelf.tag(old)))
            });
            self.put(Entry { tags, ..*entry }, shelf.slug(entry), shelf.destination(entry));
        }
    }

    fn number(&mut self, encoded: &str) -> u32 {
        if let Some(known) = self.by_text.get(encoded) {
            return *known;
        }
        let number = u32::try_from(self.tags.len()).unwrap_or(NO_TAG);
        self.tags.push(encoded.into());
        self.by_text.insert(encoded.into(), number);
        number
    }

    pub(super) fn build(self) -> Shelf {
        Shelf {
            text: self.text.into_boxed_str(),
            entries: self.entries.into_boxed_slice(),
            tags: self.tags.into_boxed_slice(),
            index: self.index,
        }
    }

    fn place(&self, slug: &str) -> usize {
        self.index.place(slug, |position| {
            let entry = self.entries.get(usize::try_from(position).ok()?)?;
            Some(slice(&self.text, entry.text_at, 0, usize::from(entry.slug_len)))
        })
    }

    fn put(&mut self, mut entry: Entry, slug: &str, destination: &str) {
        // More than 4 GiB of addresses, or of links: what the database holds besides is not redirected.
        let (Ok(text_at), Ok(position)) = (u32::try_from(self.text.len()), u32::try_from(self.entries.len())) else {
            tracing::error!(link.id = entry.link, "the link table is full; this link is not redirected");
            return;
        };
        self.text.push_str(slug);
        self.text.push_str(destination);
        entry.text_at = text_at;
        let place = self.place(slug);
        if let Some(known) = self.index.at(place).and_then(|p| self.entries.get_mut(usize::try_from(p).ok()?)) {
            *known = entry;
            return;
        }
        self.entries.push(entry);
        self.index.put(place, position);
        if self.entries.len() + self.entries.len() / 2 >= self.index.places.len() {
            self.grow();
        }
    }

    fn grow(&mut self) {
        self.index = Index::with_room_for(self.entries.len() * 2);
        for (position, entry) in (0_u32..).zip(&self.entries) {
            let slug = slice(&self.text, entry.text_at, 0, usize::from(entry.slug_len));
            let place = self.place(slug);
            self.index.put(place, position);
        }
    }
}

impl LinkVisitor for Builder {
    fn tag(&mut self, kind: TagKind, id: i64, encoded: &str) {
        let number = self.number(encoded);
        self.numbers.insert((kind, id), number);
    }

    fn link(&mut self, row: &LinkRow<'_>) {
        let (Ok(slug_len), Ok(destination_len)) = (u8::try_from(row.slug.len()), u16::try_from(row.destination.len()))
        else {
            tracing::error!(link.id = row.link.0, "slug or destination is too long; this link is not redirected");
            return;
        };
        let number =
            |kind: TagKind, id: Option<i64>| id.and_then(|id| self.numbers.get(&(kind, id))).copied().unwrap_or(NO_TAG);
        let tags = [
            number(TagKind::Channel, Some(row.channel.0)),
            number(TagKind::Campaign, row.campaign.map(|c| c.0)),
            number(TagKind::Post, row.post.map(|p| p.0)),
        ];
        let entry = Entry {
            link: row.link.0,
            expires_at: row.expires_at.map_or(NEVER, |at| at.0),
            text_at: 0,
            tags,
            destination_len,
            slug_len,
            passes_query: row.passes_query,
            archived: row.archived,
        };
        self.put(entry, row.slug, row.destination);
    }
}
