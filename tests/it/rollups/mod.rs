//! Rollups count what the touches say: for every `as_of`, whatever was imported, undone, relabelled and classed anew.
//!
//! The truth is the count from the touches. A report in `Etc/UTC` has the days of one in `UTC` and reads the touches,
//! as the rollups are cut in `UTC` by name.

mod chance;
mod classes;
mod epochs;
mod places;
mod relabelled;
mod zones;

use std::borrow::Cow;
use std::sync::Arc;

use headwater::domain::channel::PostLabels;
use headwater::domain::ids::{BatchId, CampaignId, ChannelId, LinkId, TouchId, VisitorId, uuid_v7};
use headwater::domain::time::{Clock, DayRange, UtcMillis, Zone};
use headwater::domain::touch::{ClientFacts, RecordKind, TouchClass, TouchKind, TouchRecord};
use headwater::jobs::load_touches::StoreSink;
use headwater::reports::Labels;
use headwater::reports::touch_counts::{self, Counted, HUMAN, Wanted};
use headwater::store::batches::{self, Batch, BatchKind};
use headwater::store::labels::{self, Author};
use headwater::store::touches::{self, Client, NewTouch};
use headwater::store::{Conn, Moments, StoreError, ledger, rollups};
use serde_json::{Value, json};

use crate::support::TestApp;
use crate::support::client::BROWSER;
use crate::support::dice::Dice;

const HOUR: i64 = 3_600_000;
const PERIOD: &str = "from=2026-02-25&to=2026-03-20";

/// The days of [`PERIOD`]; a clock of the United States is changed on one of them.
fn period() -> DayRange {
    DayRange::new("2026-02-25".parse().expect("day"), "2026-03-20".parse().expect("day")).expect("range")
}

fn sink(app: &TestApp) -> StoreSink {
    let clock: Arc<dyn Clock> = Arc::<headwater::domain::time::DrivenClock>::clone(&app.clock);
    let classifier = headwater::app::classifier(&app.config).expect("settings");
    StoreSink::new(app.state().db.clone(), clock, classifier)
}

fn record(at: UtcMillis, kind: RecordKind, visitor: u8, is_bot: bool) -> TouchRecord<'static> {
    TouchRecord {
        id: TouchId::new(at, rand::random()),
        occurred_at: at,
        kind,
        visitor: Some(VisitorId(uuid_v7(UtcMillis(0), [visitor; 10]))),
        private: false,
        client: ClientFacts {
            user_agent: Some(Cow::Borrowed(if is_bot { "Googlebot/2.1" } else { BROWSER })),
            accept_language: true,
            navigation: true,
            ..ClientFacts::default()
        },
        network_ids: Vec::new(),
    }
}

fn click(at: UtcMillis, link: i64) -> TouchRecord<'static> {
    record(at, RecordKind::Click { link: LinkId(link) }, rand::random(), false)
}

fn imported(at: UtcMillis, batch: BatchId, n: u64, dice: &mut Dice) -> NewTouch<'static> {
    let link = Some(LinkId(dice.ms(1, 3))).filter(|_| dice.below(2) == 0);
    NewTouch {
        id: TouchId::new(at, rand::random()),
        occurred_at: at,
        kind: if dice.below(4) == 0 { TouchKind::View } else { TouchKind::Click },
        class: if dice.below(4) == 0 { TouchClass::Bot } else { TouchClass::Human },
        class_rule: "imported".into(),
        link,
        channel: Some(ChannelId(1)).filter(|_| link.is_none()),
        campaign: Some(CampaignId(1)).filter(|_| dice.below(3) == 0),
        visitor: None,
        private: false,
        source: Some("old-tool".into()),
        external_id: Some(format!("{batch}-{n}")),
        batch: Some(batch),
        user_agent: None,
        referrer: None,
        page: None,
        network_ids: Cow::Borrowed(&[]),
        client: Client {
            country: ["DE", "US", ""][usize::try_from(dice.below(3)).expect("small")].parse().ok(),
            device: if dice.below(2) == 0 { "mobile" } else { "desktop" }.into(),
            ..Client::unknown()
        },
    }
}

fn author(app: &TestApp) -> Author {
    Author { name: "test".into(), now: app.clock.now() }
}

fn write_import(app: &TestApp, id: BatchId, list: &[NewTouch<'_>]) {
    let author = author(app);
    let write = app.state().db.write_now(|conn| {
        let recorded_at = ledger::stamp(conn, author.now)?;
        let rows_stored = i64::try_from(touches::insert(conn, list, recorded_at)?).expect("small");
        let batch = Batch {
            id,
            kind: BatchKind::Touches,
            source: "old-tool".into(),
            label: "test".into(),
            rows_stored,
            recorded_at,
            voided_at: None,
            recorded_by: author.name.clone(),
        };
        batches::insert(conn, &batch)
    });
    write.expect("imported");
}

fn undo_import(app: &TestApp, id: BatchId) {
    app.state().db.write_now(|conn| batches::undo(conn, id, &author(app))).expect("undone");
}

/// The ids of everything that is stored.
fn all_ids(app: &TestApp) -> Vec<TouchId> {
    use diesel::prelude::*;
    #[derive(QueryableByName)]
    struct Id {
        #[diesel(sql_type = diesel::sql_types::Binary)]
        id: Vec<u8>,
    }
    let query = || diesel::sql_query("SELECT id FROM touches ORDER BY id");
    let read = |conn: &mut Conn| {
        Ok(match conn {
            Conn::Sqlite(c) => query().load::<Id>(c),
            Conn::Postgres(c, _) => query().load::<Id>(c),
        })
    };
    let rows = app.state().db.read_now(read).expect("database").expect("ids");
    rows.into_iter().map(|r| TouchId(uuid::Uuid::from_slice(&r.id).expect("16 bytes"))).collect()
}

fn horizon(app: &TestApp) -> UtcMillis {
    app.state().db.read_now(ledger::horizon).expect("horizon")
}

/// The figures of a report without its parameters.
fn figures(app: &TestApp, query: &str) -> Value {
    let report = app.report(query);
    json!({ "rows": report["rows"], "totals": report["totals"] })
}

/// Compares rollups and touches for every dimension at some moments; answers how many human touches rollups counted.
fn compare(app: &TestApp, moments: &[UtcMillis], story: &str) -> i64 {
    for as_of in moments {
        for by in ["channel", "campaign", "link"] {
            let query = format!("{PERIOD}&by={by}&as_of={}", as_of.0);
            let rolled_up = figures(app, &format!("{query}&zone=UTC"));
            let one_by_one = figures(app, &format!("{query}&zone=Etc/UTC"));
            assert_eq!(rolled_up, one_by_one, "{story}, by {by}, as of {}", as_of.0);
        }
        let query = format!("{PERIOD}&by=country,device&as_of={}", as_of.0);
        let rolled_up = figures(app, &query);
        assert_eq!(rolled_up, one_by_one(app, || figures(app, &query)), "{story}, by place, as of {}", as_of.0);
    }
    let last = *moments.last().expect("a moment");
    cells_of(app, last, "UTC").expect("there are rollups")
}

/// What is read while there are no rollups.
fn one_by_one<T>(app: &TestApp, read: impl FnOnce() -> T) -> T {
    let build =
        |is_built: &str| execute(app, &format!("UPDATE rollup_state SET is_built = {is_built}")).expect("written");
    build("FALSE");
    let found = read();
    build("TRUE");
    found
}

/// How many human touches of the period are in cells; `None` where there are none for the zone.
fn cells_of(app: &TestApp, as_of: UtcMillis, zone: &str) -> Option<i64> {
    let zone: Zone = zone.parse().expect("zone");
    let read = app.state().db.read_now(|conn| {
        let Some(view) = rollups::view(conn, as_of)?.filter(|v| v.zone == zone) else { return Ok(None) };
        Ok(Some(rollups::cells(conn, &view, period(), HUMAN, true)?.iter().map(|c| c.count).sum()))
    });
    read.expect("database")
}

fn two_links(app: &TestApp) {
    app.link("go");
    app.channel("x-organic", "x", "social");
    app.channel("mail", "newsletter", "email");
    let second = json!({ "slug": "gone", "destination": "https://www.example.com/", "channel": "x-organic" });
    app.client.post("/api/v1/links", &second).expect(201);
    // Costs that finer rows share by the clicks of each day.
    let costs = json!([{ "from": "2026-03-01", "to": "2026-03-09", "channel": "linkedin-organic", "amount": "123.45", "currency": "EUR" }]);
    app.client.post("/api/v1/costs", &json!({ "costs": costs })).expect(201);
}

/// A post that links may be given.
fn a_post(app: &TestApp) {
    let (code, author) = ("question-1".parse().expect("code"), author(app));
    let write = app.state().db.write_now(|conn| labels::create_post(conn, &code, &PostLabels::default(), &author));
    write.expect("post");
}

/// Counts at one moment for all kinds of facts and at moments that differ where nothing is recorded: the first may come
/// from rollups, the second never does.
fn both_counts(app: &TestApp, as_of: UtcMillis, wanted: &Wanted<'_>) -> [Vec<Counted>; 2] {
    let all = Moments::all(as_of);
    [all, Moments { rates: UtcMillis(0), ..all }].map(|moments| {
        let read = |conn: &mut Conn| {
            let labels = Labels::load(conn, &moments)?;
            touch_counts::count(conn, &labels, &Wanted { moments, ..*wanted })
        };
        app.state().db.read_now(read).expect("counts")
    })
}

/// Runs a statement of SQL.
fn execute(app: &TestApp, statement: &str) -> Result<(), StoreError> {
    use diesel::connection::SimpleConnection;
    let run = |conn: &mut Conn| match conn {
        Conn::Sqlite(c) => Ok(c.batch_execute(statement)?),
        Conn::Postgres(c, _) => Ok(c.batch_execute(statement)?),
    };
    app.state().db.write_now(run)
}
