//! Rollups count what the touches say: for every `as_of`, whatever was imported, undone, relabelled and classed anew.
//!
//! The truth is the count from the touches. A report in `Etc/UTC` has the days of one in `UTC` and reads the touches,
//! as the rollups are cut in `UTC` by name.

use std::borrow::Cow;
use std::sync::Arc;

use headwater::domain::channel::Effect;
use headwater::domain::ids::{BatchId, CampaignId, ChannelId, LinkId, TouchId, VisitorId, uuid_v7};
use headwater::domain::link::LinkLabels;
use headwater::domain::time::{Clock, DayRange, UtcMillis, Zone};
use headwater::domain::touch::{Arrival, ClientFacts, RecordKind, TouchClass, TouchKind, TouchRecord};
use headwater::jobs::load_touches::StoreSink;
use headwater::store::batches::{self, Batch, BatchKind};
use headwater::store::labels::Author;
use headwater::store::rollups;
use headwater::store::touches::{self, Client, NewTouch, Reclassified};
use headwater::store::{Moments, StoreError, ledger, links};
use headwater::tracking::writer::TouchSink;
use serde_json::{Value, json};

use crate::support::client::BROWSER;
use crate::support::{TestApp, row};

const HOUR: i64 = 3_600_000;
const PERIOD: &str = "from=2026-02-25&to=2026-03-20";

/// `SplitMix64`: a failing seed fails again.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % n
    }

    fn ms(&mut self, from: i64, to: i64) -> i64 {
        from + i64::try_from(self.below((to - from).unsigned_abs())).expect("small")
    }
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
        class: TouchClass::Human,
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
        client: Client::unknown(),
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
    let read = |conn: &mut headwater::store::Conn| {
        Ok(match conn {
            headwater::store::Conn::Sqlite(c) => query().load::<Id>(c),
            headwater::store::Conn::Postgres(c) => query().load::<Id>(c),
        })
    };
    let rows = app.state().db.read_now(read).expect("database").expect("ids");
    rows.into_iter().map(|r| TouchId(uuid::Uuid::from_slice(&r.id).expect("16 bytes"))).collect()
}

/// What happens to the ledger, by chance.
struct Chance<'a> {
    app: &'a TestApp,
    dice: Dice,
    sink: StoreSink,
    imports: Vec<BatchId>,
}

impl Chance<'_> {
    fn step(&mut self) {
        match self.dice.below(12) {
            0..=4 => self.load(),
            5 => self.import(),
            6 => self.undo(),
            7 => self.relabel(),
            8 => self.reclassify(),
            9 => self.app.clock.advance_ms(-self.dice.ms(0, 2 * HOUR)),
            _ => self.app.clock.advance_ms(self.dice.ms(0, 30 * HOUR)),
        }
    }

    fn load(&mut self) {
        let now = self.app.clock.now();
        let records: Vec<_> = (0..=self.dice.below(30))
            .map(|_| {
                // Mostly just now; some late, some of a clock that is ahead.
                let far = self.dice.below(10) == 0;
                let at = now.plus_ms(if far { self.dice.ms(-50 * HOUR, 50 * HOUR) } else { self.dice.ms(-60_000, 1) });
                let kind = match self.dice.below(5) {
                    0 => RecordKind::Landing(Arrival {
                        utm_source: Some("linkedin".into()),
                        utm_medium: Some("social".into()),
                        utm_campaign: Some("spring-2026".into()),
                        ..Arrival::default()
                    }),
                    1 => RecordKind::View { link: Some(LinkId(1)) },
                    _ => RecordKind::Click { link: LinkId(self.dice.ms(1, 3)) },
                };
                let visitor = u8::try_from(self.dice.below(20)).expect("small");
                record(at, kind, visitor, self.dice.below(5) == 0)
            })
            .collect();
        self.sink.store(&records).expect("stored");
        // A crash between commit and checkpoint brings some again.
        let again = self.sink.store(&records[..1]).expect("stored");
        assert_eq!((again.stored, again.duplicate), (0, 1));
    }

    fn import(&mut self) {
        let now = self.app.clock.now();
        let id = BatchId::new(now, rand::random());
        let list: Vec<_> = (0..=self.dice.below(300))
            .map(|n| imported(now.plus_ms(self.dice.ms(-120 * HOUR, 24 * HOUR)), id, n, &mut self.dice))
            .collect();
        write_import(self.app, id, &list);
        self.imports.push(id);
    }

    fn undo(&mut self) {
        if let Some(id) = self.imports.pop() {
            undo_import(self.app, id);
        }
    }

    fn relabel(&mut self) {
        let (link, channel, author) = (LinkId(self.dice.ms(1, 3)), self.dice.ms(1, 4), author(self.app));
        let effect = if self.dice.below(3) == 0 { Effect::Correction } else { Effect::FromNowOn };
        let campaign = Some(CampaignId(1)).filter(|_| self.dice.below(2) == 0);
        // A title alone moves no touch, but begins a stretch of its own.
        let of_title = self.dice.below(3) == 0;
        let title = format!("title {}", self.dice.below(1_000));
        let change = |l: &LinkLabels| match of_title {
            true => LinkLabels { title: title.clone(), ..l.clone() },
            false => LinkLabels { channel: ChannelId(channel), campaign, ..l.clone() },
        };
        self.app.state().db.write_now(|conn| links::revise(conn, link, effect, &author, change)).expect("revised");
    }

    fn reclassify(&mut self) {
        let classes = [TouchClass::Human, TouchClass::Bot, TouchClass::Scanner];
        let mut list = Vec::new();
        for touch in all_ids(self.app) {
            if self.dice.below(4) == 0 {
                let class = classes[usize::try_from(self.dice.below(3)).expect("small")];
                list.push(Reclassified { touch, class, rule: "test".into() });
            }
        }
        let now = self.app.clock.now();
        let run = BatchId::new(now, rand::random());
        let write = self.app.state().db.write_now(|conn| {
            let at = ledger::stamp(conn, now)?;
            touches::reclassify(conn, &list, run, at)
        });
        write.expect("reclassified");
    }
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
    }
    let last = *moments.last().expect("a moment");
    cells_of(app, last, "UTC").expect("there are rollups")
}

/// How many human touches of the period are in cells; `None` where there are none for the zone.
fn cells_of(app: &TestApp, as_of: UtcMillis, zone: &str) -> Option<i64> {
    let days = DayRange::new("2026-02-25".parse().expect("day"), "2026-03-20".parse().expect("day")).expect("range");
    let zone: Zone = zone.parse().expect("zone");
    let read = app.state().db.read_now(|conn| {
        let Some(view) = rollups::view(conn, as_of)?.filter(|v| v.zone == zone) else { return Ok(None) };
        Ok(Some(rollups::cells(conn, &view, days, true)?.iter().map(|c| c.count).sum()))
    });
    read.expect("database")
}

#[derive(diesel::QueryableByName)]
struct Number {
    #[diesel(sql_type = diesel::sql_types::Nullable<diesel::sql_types::BigInt>)]
    n: Option<i64>,
}

#[derive(diesel::QueryableByName)]
struct Open {
    #[diesel(sql_type = diesel::sql_types::Nullable<diesel::sql_types::Binary>)]
    open_from: Option<Vec<u8>>,
    #[diesel(sql_type = diesel::sql_types::Nullable<diesel::sql_types::Binary>)]
    open_to: Option<Vec<u8>>,
}

/// Runs a query of one row.
macro_rules! one_row {
    ($app:expr, $row:ty, $query:expr) => {
        $app.state()
            .db
            .read_now(|conn| {
                use diesel::prelude::*;
                Ok(match conn {
                    headwater::store::Conn::Sqlite(c) => diesel::sql_query($query).get_result::<$row>(c),
                    headwater::store::Conn::Postgres(c) => diesel::sql_query($query).get_result::<$row>(c),
                })
            })
            .expect("database")
            .expect("a row")
    };
}

/// How many milliseconds the ids of the open epoch span; `None` where it is empty.
fn open_span(app: &TestApp) -> Option<i64> {
    let open = one_row!(app, Open, "SELECT open_from, open_to FROM rollup_state");
    let ms = |id: Vec<u8>| id[..6].iter().fold(0, |ms, byte| (ms << 8) | i64::from(*byte));
    Some(ms(open.open_to?) - ms(open.open_from?))
}

/// How many touches are in cells.
fn all_cells(app: &TestApp) -> i64 {
    one_row!(app, Number, "SELECT CAST(SUM(count) AS BIGINT) AS n FROM rollup_days").n.unwrap_or(0)
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

/// Runs a statement of SQL.
fn execute(app: &TestApp, statement: &str) -> Result<(), StoreError> {
    use diesel::connection::SimpleConnection;
    let run = |conn: &mut headwater::store::Conn| match conn {
        headwater::store::Conn::Sqlite(c) => Ok(c.batch_execute(statement)?),
        headwater::store::Conn::Postgres(c) => Ok(c.batch_execute(statement)?),
    };
    app.state().db.write_now(run)
}

on_both! {
    fn rollups_equal_the_count_of_touches_for_every_as_of(app) {
        two_links(&app);
        let mut counted = 0;
        for seed in 0..4 {
            let sink = sink(&app);
            let mut chance = Chance { app: &app, dice: Dice(seed), sink, imports: Vec::new() };
            let mut moments = Vec::new();
            for _ in 0..30 {
                chance.step();
                moments.push(horizon(&app));
                // Between two facts as well.
                moments.push(UtcMillis(moments.last().expect("moment").0 - 1));
            }
            moments.dedup();
            let picked: Vec<UtcMillis> = moments.iter().rev().step_by(4).rev().copied().collect();
            counted = compare(&app, &picked, &format!("seed {seed}"));
        }
        assert!(counted > 100, "the cells hold {counted} touches: the test compares touches with themselves");
    }

    fn a_revision_that_was_recorded_late_counts_from_its_instant_on(app) {
        two_links(&app);
        let mut sink = sink(&app);
        let now = app.clock.now();
        // A clock that is ahead: clicks of the next hours are rolled up before the link is relabelled now.
        sink.store(&[click(now.plus_ms(-HOUR), 1), click(now.plus_ms(2 * HOUR), 1)]).expect("stored");
        app.clock.advance_ms(25 * HOUR);
        sink.store(&[click(now.plus_ms(3 * HOUR), 1)]).expect("stored");
        app.clock.set(now.plus_ms(HOUR));
        let before = horizon(&app);
        app.client.patch("/api/v1/links/lnk_1", &json!({ "channel": "x-organic" })).expect(200);
        assert!(compare(&app, &[before, horizon(&app)], "late") > 0);
        let report = app.report(PERIOD);
        assert_eq!((&row(&report, "linkedin-organic")["clicks"], &row(&report, "x-organic")["clicks"]), (&json!(1), &json!(2)));
        let earlier = app.report(&format!("{PERIOD}&as_of={}", before.0));
        assert_eq!(row(&earlier, "linkedin-organic")["clicks"], 3, "what was said before stays said");
    }

    fn a_click_that_was_taken_back_draws_no_cost(app) {
        two_links(&app);
        let now = app.clock.now();
        let id = BatchId::new(now, rand::random());
        // Dated ahead: counted under the title of now, taken back under the one that began in between.
        let touch = NewTouch { kind: TouchKind::Click, link: Some(LinkId(1)), channel: None, ..imported(now.plus_ms(2 * HOUR), id, 0, &mut Dice(0)) };
        write_import(&app, id, &[touch]);
        app.clock.advance_ms(HOUR);
        app.client.patch("/api/v1/links/lnk_1", &json!({ "title": "Another title" })).expect(200);
        let query = format!("{PERIOD}&by=link");
        assert_eq!(app.report(&query)["totals"]["clicks"], 1);
        undo_import(&app, id);
        let report = app.report(&query);
        assert_eq!(row(&report, "(unallocated)")["cost_minor"], 12_345, "{report}");
        assert_eq!(report["rows"].as_array().expect("rows").len(), 1, "{report}");
        compare(&app, &[horizon(&app)], "taken back under another title");
    }

    fn quarters_of_an_hour_answer_for_another_zone_by_channel(app) {
        two_links(&app);
        let night = UtcMillis::parse("2026-03-01T22:59:59.999Z").expect("time");
        let mut writer = sink(&app);
        writer.store(&[click(night, 1), click(night.plus_ms(1), 1), click(night.plus_ms(1), 2)]).expect("stored");
        let in_berlin = || {
            let report = app.report("from=2026-03-02&to=2026-03-02&by=channel&zone=Europe/Berlin");
            [row(&report, "linkedin-organic")["clicks"].clone(), row(&report, "x-organic")["clicks"].clone()]
        };
        assert_eq!(in_berlin(), [json!(1), json!(1)]);
        let days = ["2026-03-01T23:00:00Z", "2026-03-02T23:00:00Z"].map(|t| UtcMillis::parse(t).expect("time"));
        let cells = app.state().db.read_now(|conn| {
            let view = rollups::view(conn, UtcMillis(i64::MAX))?.expect("rollups");
            rollups::by_channel(conn, &view, days[0], days[1])
        });
        assert_eq!(cells.expect("cells").expect("whole quarters").iter().map(|c| c.count).sum::<i64>(), 2);
        // Now the cells say the wrong channel, and the report does not.
        app.client.patch("/api/v1/links/lnk_1", &json!({ "channel": "x-organic", "effect": "correction" })).expect(200);
        assert_eq!(in_berlin(), [json!(0), json!(2)]);
    }

    fn a_new_class_counts_from_its_recording_on(app) {
        two_links(&app);
        app.click("go");
        app.click("go");
        app.settle();
        let before = horizon(&app);
        let id = all_ids(&app)[0];
        let bot = [Reclassified { touch: id, class: TouchClass::Bot, rule: "later".into() }];
        let run = BatchId::new(app.clock.now(), [7; 10]);
        let write = |conn: &mut headwater::store::Conn| {
            let at = ledger::stamp(conn, app.clock.now())?;
            touches::reclassify(conn, &bot, run, at)
        };
        assert_eq!(app.state().db.write_now(write).expect("recorded"), 1);
        let clicks = |as_of: UtcMillis| row(&app.report(&format!("{PERIOD}&as_of={}", as_of.0)), "linkedin-organic")["clicks"].clone();
        assert_eq!((clicks(before), clicks(horizon(&app))), (json!(2), json!(1)));
        compare(&app, &[before, horizon(&app)], "reclassified");
        let seen = app.state().db.read_now(|conn| touches::by_ids(conn, &[id], &Moments::all(horizon(&app)))).expect("touch");
        assert_eq!(seen[0].class, TouchClass::Bot);
        let counts = app.state().db.read_now(|conn| touches::counts_by_link(conn, &[LinkId(1)])).expect("counts");
        assert_eq!(counts[&LinkId(1)], (1, 1));
    }

    fn another_zone_forgets_the_rollups_and_makes_them_again(app) {
        two_links(&app);
        let mut writer = sink(&app);
        let now = app.clock.now();
        // 23:30 in UTC is the next day in Berlin.
        let night = UtcMillis::parse("2026-03-01T23:30:00Z").expect("time");
        writer.store(&[click(night, 1), click(now, 1)]).expect("stored");
        drop(writer);
        assert_eq!(cells_of(&app, horizon(&app), "UTC"), Some(2));
        app.stop();
        app.config.reporting.zone = "Europe/Berlin".parse().expect("zone");
        app.run();
        assert_eq!(cells_of(&app, horizon(&app), "UTC"), None, "days of another zone are not used");
        let query = "from=2026-03-02&to=2026-03-02&by=link";
        assert_eq!(app.report(&format!("{query}&zone=Europe/Berlin"))["totals"]["clicks"], 2);
        sink(&app).store(&[click(now.plus_ms(1), 1)]).expect("stored");
        assert_eq!(cells_of(&app, horizon(&app), "Europe/Berlin"), Some(3));
        assert_eq!(app.report(&format!("{query}&zone=Europe/Berlin"))["totals"]["clicks"], 3);
        assert_eq!(figures(&app, &format!("{query}&zone=Europe/Berlin")), figures(&app, &format!("{query}&zone=Arctic/Longyearbyen")));
        assert_eq!(app.report(&format!("{query}&zone=UTC"))["totals"]["clicks"], 2, "and UTC reads the touches");
    }

    fn a_repeat_is_one_whichever_node_loaded_the_click_before(app) {
        two_links(&app);
        let (mut here, mut there) = (sink(&app), sink(&app));
        let now = app.clock.now();
        let visit = |ms: i64| record(now.plus_ms(ms), RecordKind::Click { link: LinkId(1) }, 1, false);
        here.store(&[visit(0)]).expect("stored");
        there.store(&[visit(5_000)]).expect("stored");
        here.store(&[visit(12_000)]).expect("stored");
        there.store(&[visit(15_000)]).expect("stored");
        here.store(&[visit(15_500)]).expect("stored");
        let counts = app.state().db.read_now(|conn| touches::counts_by_link(conn, &[LinkId(1)])).expect("counts");
        // Human at 0 and, ten seconds after the last human one, at 12 s.
        assert_eq!(counts[&LinkId(1)], (2, 3));
    }

    fn touches_from_far_apart_never_widen_the_open_epoch(app) {
        two_links(&app);
        let mut writer = sink(&app);
        let now = app.clock.now();
        let day = 24 * HOUR;
        // (where the touches of a batch lie, what the open epoch then spans, touches in cells)
        let story: &[(&[i64], Option<i64>, i64)] = &[
            // The first batch builds.
            (&[0], None, 1),
            (&[-60_000, 0], Some(60_000), 1),
            // A node that comes back, then another batch of it, then the others again.
            (&[-30 * day], Some(0), 3),
            (&[-30 * day + 60_000], Some(60_000), 3),
            (&[1], Some(0), 5),
            // A batch of both, which no epoch takes.
            (&[-2 * day, 2], None, 8),
            (&[-now.0, 3 - now.0], Some(3), 8),
            // A clock that is ahead.
            (&[3 * day], Some(0), 10),
            (&[4], Some(0), 11),
        ];
        let mut moments = vec![horizon(&app)];
        for (step, (batch, spans, in_cells)) in story.iter().enumerate() {
            app.clock.advance_ms(1);
            let records: Vec<_> = batch.iter().map(|ms| click(now.plus_ms(*ms), 1)).collect();
            writer.store(&records).expect("stored");
            // What was stored before is not counted again.
            writer.store(&records).expect("stored");
            assert_eq!((open_span(&app), all_cells(&app)), (*spans, *in_cells), "step {step}");
            moments.push(horizon(&app));
        }
        compare(&app, &moments, "far apart");
        // A day later it is closed; an hour is less than it is old.
        app.clock.advance_ms(25 * HOUR);
        writer.store(&[click(app.clock.now().plus_ms(-HOUR), 1)]).expect("stored");
        assert_eq!((open_span(&app), all_cells(&app)), (None, 13));
    }

    fn other_zone_data_make_the_rollups_again(app) {
        two_links(&app);
        let mut writer = sink(&app);
        let now = app.clock.now();
        writer.store(&[click(now, 1)]).expect("stored");
        drop(writer);
        app.stop();
        app.run();
        assert_eq!(cells_of(&app, horizon(&app), "UTC"), Some(1), "the same data forget nothing");
        execute(&app, "UPDATE rollup_state SET zone_data = '1970a'").expect("written");
        app.stop();
        app.run();
        assert_eq!(cells_of(&app, horizon(&app), "UTC"), None);
        sink(&app).store(&[click(now.plus_ms(1), 1)]).expect("stored");
        assert_eq!(cells_of(&app, horizon(&app), "UTC"), Some(2));
        app.stop();
        app.run();
        assert_eq!(cells_of(&app, horizon(&app), "UTC"), Some(2), "what was made again stays");
    }

    fn a_timeout_of_the_database_is_passing(app) {
        if app.state().db.read_now(|conn| Ok(matches!(conn, headwater::store::Conn::Sqlite(_)))).expect("database") {
            return;
        }
        let slow = execute(&app, "SET LOCAL statement_timeout = '20ms'; SELECT pg_sleep(60)").expect_err("too slow");
        assert!(matches!(slow, StoreError::Busy(_)), "{slow:?}");
        let waits = || execute(&app, "SET LOCAL lock_timeout = '20ms'; SELECT last_at FROM ledger_clock FOR UPDATE");
        let held = app.state().db.write_now(|conn| {
            ledger::stamp(conn, app.clock.now())?;
            Ok(waits().expect_err("locked"))
        });
        let held = held.expect("stamped");
        assert!(matches!(held, StoreError::Busy(_)), "{held:?}");
    }
}
