use std::sync::atomic::{AtomicI64, Ordering};

use super::*;
use crate::domain::ids::TouchId;
use crate::domain::link::LinkState;

/// A live link to `https://example.com/p` on channel 1.
pub(in crate::tracking) fn row(slug: &str, link: i64) -> LinkRow<'_> {
    LinkRow {
        slug,
        link: LinkId(link),
        destination: "https://example.com/p",
        channel: ChannelId(1),
        campaign: None,
        post: None,
        passes_query: true,
        archived: false,
        expires_at: None,
    }
}

/// A table of some links; channel 1 is `utm_source=linkedin`.
pub(in crate::tracking) fn table(rows: &[LinkRow<'_>]) -> LinkTable {
    let mut builder = Builder::new();
    builder.tag(TagKind::Channel, 1, "utm_source=linkedin");
    rows.iter().for_each(|row| builder.link(row));
    LinkTable { all: Arc::new(builder.build()), ..LinkTable::empty("hw_id") }
}

fn location(table: &LinkTable, slug: &str) -> Option<String> {
    let mut out = String::new();
    let id = TouchId::new(UtcMillis(1), [1; 10]);
    table.find(slug)?.target.write_location(&mut out, id, "").expect("written");
    Some(out.replace(&id.to_string(), "ID"))
}

#[test]
fn every_link_is_found_in_any_case_and_nothing_else_is() {
    let slugs: Vec<String> = (0..5_000).map(|i| format!("slug-{i}")).collect();
    let table = table(&slugs.iter().zip(0..).map(|(s, i)| row(s, i)).collect::<Vec<_>>());
    for (slug, i) in slugs.iter().zip(0..) {
        assert_eq!(table.find(slug).map(|e| e.link), Some(LinkId(i)));
        assert_eq!(table.find(&slug.to_uppercase()).map(|e| e.link), Some(LinkId(i)));
    }
    for unknown in ["", "slug-5000", "slug", "İ", &"x".repeat(65), &"X".repeat(64)] {
        assert!(table.find(unknown).is_none(), "{unknown}");
    }
    assert!(LinkTable::empty("hw_id").find("a").is_none());
}

#[test]
fn of_two_links_with_one_slug_the_later_holds() {
    let table = table(&[row("a", 1), row("b", 2), row("a", 3)]);
    assert_eq!(table.find("a").map(|e| e.link), Some(LinkId(3)));
    assert_eq!(table.find("b").map(|e| e.link), Some(LinkId(2)));
    assert_eq!(table.len(), 2);
}

#[test]
fn states_follow_archive_and_expiry() {
    let state = |archived: bool, expires_at: Option<i64>, now: i64| {
        let row = LinkRow { archived, expires_at: expires_at.map(UtcMillis), ..row("a", 1) };
        table(&[row]).find("a").expect("link").state(UtcMillis(now))
    };
    assert_eq!(state(false, None, 5), LinkState::Live);
    assert_eq!(state(false, Some(5), 4), LinkState::Live);
    assert_eq!(state(false, Some(5), 5), LinkState::Expired);
    assert_eq!(state(true, Some(5), 4), LinkState::Archived);
}

/// A store whose links are `(revision, slug, link id, post)`. Revision 0 cannot be read, and 900 cannot be loaded.
struct Store {
    revision: Arc<AtomicI64>,
    changes: Vec<(i64, String, i64, i64)>,
}

impl LinkLoader for Store {
    fn revision(&self) -> Result<i64, String> {
        let revision = self.revision.load(Ordering::SeqCst);
        if revision == 0 { Err("away".into()) } else { Ok(revision) }
    }

    fn changed_since(&self, since: i64, visitor: &mut dyn LinkVisitor) -> Result<i64, String> {
        let revision = self.revision()?;
        for (at, slug, link, post) in self.changes.iter().filter(|c| since < c.0 && c.0 <= revision) {
            visitor.tag(TagKind::Channel, 1, "utm_source=x");
            visitor.tag(TagKind::Post, *post, &format!("utm_content=p{post}"));
            visitor.link(&LinkRow { post: Some(PostId(*post)), ..row(slug, *link) });
            assert!(*at != 900, "nothing is read behind a torn load");
        }
        if revision == 900 { Err("torn".into()) } else { Ok(revision) }
    }
}

#[test]
fn the_table_follows_the_revision_and_survives_an_absent_store() {
    let revision = Arc::new(AtomicI64::new(1));
    let changes = vec![(1, "a".to_owned(), 1, 7), (2, "b".to_owned(), 2, 8), (3, "a".to_owned(), 1, 9)];
    let links = Links::new(Box::new(Store { revision: Arc::clone(&revision), changes }), "hw_id");
    let found = |slug: &str| location(&links.table(), slug);
    let expected = |post: i64| Some(format!("https://example.com/p?utm_source=x&utm_content=p{post}&hw_id=ID"));
    assert_eq!(found("a"), None);
    assert_eq!(links.refresh_if_changed(), Ok(true));
    assert_eq!(links.refresh_if_changed(), Ok(false));
    assert_eq!((found("a"), found("b")), (expected(7), None));
    for absent in [0, 900] {
        revision.store(absent, Ordering::SeqCst);
        assert!(links.refresh_if_changed().is_err());
        assert_eq!(found("a"), expected(7));
    }
    revision.store(3, Ordering::SeqCst);
    assert_eq!(links.refresh_if_changed(), Ok(true), "a failed load is tried again");
    assert_eq!((found("a"), found("b")), (expected(9), expected(8)));
}

#[test]
fn changes_pile_up_apart_and_then_become_one_with_the_rest() {
    let revision = Arc::new(AtomicI64::new(0));
    let changes = (1..=5_000).filter(|r| *r != 900).map(|r| (r, format!("s{}", r % 3_000), r, r % 11)).collect();
    let links = Links::new(Box::new(Store { revision: Arc::clone(&revision), changes }), "hw_id");
    for at in (500..=5_000).step_by(250) {
        revision.store(at, Ordering::SeqCst);
        links.refresh_if_changed().expect("loaded");
        for probe in [1, 2, 499, 1_024, 1_025, 2_999].into_iter().filter(|p| *p <= at) {
            let latest = if probe + 3_000 <= at { probe + 3_000 } else { probe };
            let table = links.table();
            assert_eq!(table.find(&format!("s{probe}")).map(|l| l.link.0), Some(latest), "{probe} at {at}");
            let post = format!("utm_content=p{}&", latest % 11);
            assert!(location(&table, &format!("s{probe}")).is_some_and(|l| l.contains(&post)), "{probe} at {at}");
        }
    }
    let table = links.table();
    assert!(table.all.len() >= 2_000 && table.changes.len() <= CHANGES_MIN, "both shelves were used");
}
