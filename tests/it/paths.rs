//! The touches of all browsers, in pages: what paths without a stage event are made of.

use std::borrow::Cow;

use headwater::domain::ids::{BatchId, ChannelId, TouchId, VisitorId, uuid_v7};
use headwater::domain::time::{Clock, UtcMillis};
use headwater::domain::touch::{TouchClass, TouchKind};
use headwater::store::touches::{self, Client, NewTouch, Paths, Reclassified, Touch};
use headwater::store::{Conn, Moments, ledger};

use crate::support::TestApp;

const DAY: i64 = 86_400_000;
const HUMAN: &[TouchClass] = &[TouchClass::Human];
const CONTACTS: &[TouchKind] = &[TouchKind::Click, TouchKind::Landing, TouchKind::Form];

fn touch(at: UtcMillis, kind: TouchKind, class: TouchClass, visitor: Option<u8>) -> NewTouch<'static> {
    let random = rand::random();
    NewTouch {
        id: TouchId::new(at, random),
        occurred_at: at,
        kind,
        class,
        class_rule: "imported".into(),
        link: None,
        channel: Some(ChannelId(1)),
        campaign: None,
        visitor: visitor.map(browser),
        private: false,
        source: Some("old-tool".into()),
        external_id: Some(format!("{random:?}")),
        batch: None,
        user_agent: None,
        referrer: None,
        page: None,
        network_ids: Cow::Borrowed(&[]),
        client: Client::unknown(),
    }
}

fn browser(number: u8) -> VisitorId {
    VisitorId(uuid_v7(UtcMillis(0), [number; 10]))
}

/// Stores touches; answers when.
fn store(app: &TestApp, list: &[NewTouch<'_>]) -> UtcMillis {
    let write = |conn: &mut Conn| {
        let at = ledger::stamp(conn, app.clock.now())?;
        touches::insert(conn, list, at)?;
        Ok(at)
    };
    app.state().db.write_now(write).expect("stored")
}

/// Reads all pages; answers the touches and how many pages there were.
fn read(app: &TestApp, mut paths: Paths<'_>, rows: i64) -> (Vec<Touch>, usize) {
    let read = app.state().db.read_now(|conn| {
        let (mut all, mut pages) = (Vec::new(), 0);
        loop {
            let page = paths.read(conn, rows)?;
            if page.is_empty() {
                return Ok((all, pages));
            }
            pages += 1;
            all.extend(page);
        }
    });
    read.expect("paths")
}

fn ids(list: &[Touch]) -> Vec<TouchId> {
    list.iter().map(|t| t.id).collect()
}

on_both! {
    fn paths_come_browser_by_browser_in_pages_of_any_size(app) {
        let now = app.clock.now();
        let list: Vec<NewTouch<'_>> = (0..60)
            .map(|n| touch(now.plus_ms(-n * 3_600_000), TouchKind::Click, TouchClass::Human, u8::try_from(n % 7).ok()))
            .collect();
        let as_of = store(&app, &list);
        let mut expected: Vec<_> = list.iter().map(|t| (t.visitor, t.id)).collect();
        expected.sort();
        let paths = || Paths::new((now.plus_ms(-30 * DAY), now.plus_ms(1)), CONTACTS, HUMAN, &Moments::all(as_of));
        for rows in [1, 7, 8, 59, 60, 1_000] {
            let (found, pages) = read(&app, paths(), rows);
            assert_eq!(found.iter().map(|t| (t.visitor, t.id)).collect::<Vec<_>>(), expected, "{rows} rows a page");
            assert_eq!(pages, 60_usize.div_ceil(usize::try_from(rows).expect("small")), "{rows} rows a page");
        }
        let part = Paths::new((now.plus_ms(-2 * 3_600_000), now), CONTACTS, HUMAN, &Moments::all(as_of));
        let mut expected = vec![list[1].id, list[2].id];
        expected.sort_by_key(|id| list.iter().find(|t| t.id == *id).map(|t| t.visitor));
        assert_eq!(ids(&read(&app, part, 2).0), expected, "the end is out, the beginning in");
    }

    fn paths_hold_what_the_report_sees_of_a_browser_and_nothing_else(app) {
        let now = app.clock.now();
        let period = (now.plus_ms(-DAY), now.plus_ms(1));
        let click = touch(now, TouchKind::Click, TouchClass::Human, Some(1));
        let bot = touch(now, TouchKind::Click, TouchClass::Bot, Some(1));
        let view = touch(now, TouchKind::View, TouchClass::Human, Some(1));
        let nobody = touch(now, TouchKind::Click, TouchClass::Human, None);
        let before = store(&app, &[click.clone(), bot.clone(), view.clone(), nobody]);
        let late = touch(now, TouchKind::Form, TouchClass::Human, Some(2));
        let after = store(&app, std::slice::from_ref(&late));
        let seen = |kinds: &[TouchKind], classes: &[TouchClass], moments: &Moments| {
            // One row a page: pages of other classes alone are passed over.
            ids(&read(&app, Paths::new(period, kinds, classes, moments), 1).0)
        };
        let all = Moments::all(after);
        assert_eq!(seen(CONTACTS, HUMAN, &Moments::all(before)), [click.id]);
        assert_eq!(seen(CONTACTS, HUMAN, &all), [click.id, late.id]);
        assert_eq!(seen(&[TouchKind::View], HUMAN, &all), [view.id]);
        assert_eq!(seen(CONTACTS, &[TouchClass::Bot], &all), [bot.id]);

        let to = [Reclassified { touch: bot.id, class: TouchClass::Human, rule: "later".into() }, Reclassified { touch: late.id, class: TouchClass::Repeat, rule: "later".into() }];
        let changed = app.state().db.write_now(|conn| {
            let at = ledger::stamp(conn, app.clock.now())?;
            touches::reclassify(conn, &to, BatchId::new(at, [1; 10]), at)?;
            Ok(at)
        });
        let changed = changed.expect("reclassified");
        let mut both = vec![click.id, bot.id];
        both.sort();
        assert_eq!(seen(CONTACTS, HUMAN, &Moments::all(changed)), both);
        assert_eq!(seen(CONTACTS, HUMAN, &Moments { classes: after, ..Moments::all(changed) }), [click.id, late.id]);
    }
}
