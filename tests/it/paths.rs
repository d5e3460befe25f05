//! The touches of all browsers, in pages: what paths without a stage event are made of.

use std::borrow::Cow;

use headwater::domain::ids::{BatchId, ChannelId, TouchId, VisitorId, uuid_v7};
use headwater::domain::time::{Clock, UtcMillis};
use headwater::domain::touch::{TouchClass, TouchKind};
use headwater::store::touches::{self, Client, NewTouch, Paths, Reclassified, Touch, Wanted};
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

    fn browsers_are_read_between_two_instants_and_both_count(app) {
        let now = app.clock.now();
        let at = |ms: i64| now.plus_ms(ms - DAY);
        let human = |ms: i64, visitor: u8| touch(at(ms), TouchKind::Click, TouchClass::Human, Some(visitor));
        let (early, first, last, late) = (human(9, 1), human(10, 1), human(20, 1), human(21, 1));
        let (other, bot) = (human(500, 2), touch(at(15), TouchKind::Click, TouchClass::Bot, Some(1)));
        let list = [early.clone(), first.clone(), last.clone(), late.clone(), other.clone(), bot.clone(), human(15, 3)];
        let before = store(&app, &list);
        let wanted = |visitor: u8, from: UtcMillis, to: UtcMillis| Wanted { visitor: browser(visitor), from, to };
        let always = (UtcMillis(i64::MIN), UtcMillis(i64::MAX));
        let read = |wanted: &[Wanted], classes: Option<&[TouchClass]>, as_of: UtcMillis| {
            let read = app.state().db.read_now(|conn| touches::by_visitors(conn, wanted, classes, &Moments::all(as_of)));
            read.expect("touches").iter().map(|t| (t.visitor, t.id)).collect::<Vec<_>>()
        };
        let of = |visitor: u8, list: &[&NewTouch<'_>]| list.iter().map(|t| (Some(browser(visitor)), t.id)).collect::<Vec<_>>();
        // In the order asked for, a browser without touches between.
        let both = [wanted(2, always.0, always.1), wanted(9, always.0, always.1), wanted(1, at(10), at(20))];
        assert_eq!(read(&both, Some(HUMAN), before), [of(2, &[&other]), of(1, &[&first, &last])].concat());
        assert_eq!(read(&both, None, before), [of(2, &[&other]), of(1, &[&first, &bot, &last])].concat());
        assert_eq!(read(&[wanted(1, always.0, always.1)], Some(HUMAN), before), of(1, &[&early, &first, &last, &late]));
        assert_eq!(read(&[], Some(HUMAN), before), []);
        assert_eq!(read(&both, Some(HUMAN), before.plus_ms(-1)), [], "recorded later");

        // Once some touch has a later class, the stored one says nothing: all of them are read.
        let to = [Reclassified { touch: bot.id, class: TouchClass::Human, rule: "later".into() }];
        let changed = app.state().db.write_now(|conn| {
            let at = ledger::stamp(conn, app.clock.now())?;
            touches::reclassify(conn, &to, BatchId::new(at, [1; 10]), at)?;
            Ok(at)
        });
        let changed = changed.expect("reclassified");
        assert_eq!(read(&both[2..], Some(HUMAN), changed), of(1, &[&first, &bot, &last]));
    }
}
