//! How both databases find what reports read: the plan of each query, as the real functions ask it.
//!
//! The statements are caught while the functions of the store run, so that they cannot drift from the code. Their plans
//! are compared with `plans/sqlite.txt` and `plans/postgres.txt`, each statement once. Whatever those say, no query may read all touches.
//!
//! A plan of PostgreSQL is that of a server to which scans and sorts of whole tables are forbidden: it shows which index
//! there is, and not what a few rows are worth. What is tested on each row found (`Filter`) is left out.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use diesel::connection::{Instrumentation, InstrumentationEvent, SimpleConnection};
use diesel::prelude::*;
use diesel::sql_types::{Integer, Text};
use headwater::domain::ids::{BatchId, DeliveryId, EndpointId, LinkId, PersonId, TouchId, VisitorId};
use headwater::domain::money::Currency;
use headwater::domain::person::JoinKey;
use headwater::domain::time::{Clock, DayRange, UtcMillis, Zone};
use headwater::domain::touch::{TouchClass, TouchKind};
use headwater::reports::touch_counts::HUMAN;
use headwater::store::deliveries::{self, Cursor, Filter, Search, Verdict};
use headwater::store::platforms::Mappings;
use headwater::store::rollups::{self, Apart};
use headwater::store::touches::{self, Paths, Reclassified, Wanted, forms};
use headwater::store::{
    Conn, Moments, StoreError, costs, endpoint_traffic, identity, labels, ledger, links, lookups, matches, platforms,
    rates, stage_events,
};
use serde_json::json;

use crate::support::TestApp;

/// One of the store's functions, and the title of its plans.
type Query = (&'static str, fn(&mut Conn, &Case) -> Result<(), StoreError>);

/// What the functions are asked.
struct Case {
    moments: Moments,
    /// Moments that are not one.
    mixed: Moments,
    touches: Vec<TouchId>,
    period: (UtcMillis, UtcMillis),
    days: DayRange,
}

const APART: [Apart; 2] = [Apart { days: false, places: false }, Apart { days: true, places: true }];

/// Everything that reports read from the store.
const QUERIES: &[Query] = &[
    ("the horizon", |c, _| ledger::horizon(c).map(drop)),
    ("labels of channels, campaigns and posts", |c, q| {
        labels::channel_histories(c, &q.moments)?;
        labels::campaign_histories(c, &q.moments)?;
        labels::post_histories(c, &q.moments).map(drop)
    }),
    ("labels of links", |c, q| links::histories(c, &q.moments).map(drop)),
    ("stage events", |c, q| stage_events::visible(c, &q.moments).map(drop)),
    ("identity facts at one moment", |c, q| identity::facts(c, &q.moments).map(drop)),
    ("identity facts at several moments", |c, q| identity::facts(c, &q.mixed).map(drop)),
    ("costs", |c, q| costs::visible(c, q.days, &q.moments).map(drop)),
    ("exchange rates", |c, q| {
        let currencies = [Currency::euro(), "USD".parse().expect("USD")].into();
        rates::visible(c, &currencies, q.days, q.moments.rates).map(drop)
    }),
    ("touches by id", |c, q| touches::by_ids(c, &q.touches, &q.moments).map(drop)),
    ("browsers of touches by id", |c, q| touches::browsers_of(c, &q.touches, &q.moments).map(drop)),
    ("touches of browsers", |c, q| {
        let wanted = |id: &TouchId| Wanted { visitor: VisitorId(id.0), from: q.period.0, to: q.period.1 };
        let browsers: Vec<Wanted> = q.touches.iter().map(wanted).collect();
        touches::by_visitors(c, &browsers, Some(HUMAN), &q.moments).map(drop)
    }),
    ("touches of all browsers, a page", |c, q| {
        Paths::new(q.period, TouchKind::ALL, HUMAN, &q.moments).read(c, 1_000).map(drop)
    }),
    ("counts of touches", |c, q| touches::count(c, q.period, HUMAN, false, &q.moments).map(drop)),
    ("counts of touches by place", |c, q| touches::count(c, q.period, HUMAN, true, &q.moments).map(drop)),
    ("touches of networks' forms", |c, q| {
        forms::in_period(c, q.period, HUMAN, &q.moments)?;
        forms::leads_by_campaign(c).map(drop)
    }),
    ("mappings of platforms", |c, q| Mappings::load(c, &q.moments).map(drop)),
    ("names of devices", |c, _| touches::devices(c).map(drop)),
    ("the view of the rollups", |c, q| view(c, q).map(drop)),
    ("cells of days", |c, q| {
        let view = view(c, q)?;
        rollups::cells(c, &view, q.days, HUMAN, false)?;
        rollups::cells(c, &view, q.days, HUMAN, true).map(drop)
    }),
    ("cells of quarters", |c, q| {
        let view = view(c, q)?;
        for apart in APART {
            rollups::by_channel(c, &view, (&Zone::utc(), q.days), HUMAN, apart)?;
        }
        Ok(())
    }),
    ("touches behind the rollups", |c, q| {
        let view = view(c, q)?;
        rollups::tail(c, &view, q.period, HUMAN).map(drop)
    }),
    ("the inbox by endpoint", |c, _| inbox(c, Filter { endpoint: Some(EndpointId(1)), ..Filter::default() })),
    ("the inbox by verdict", |c, _| inbox(c, Filter { verdict: Some(Verdict::Quarantined), ..Filter::default() })),
    ("the inbox by code", |c, _| inbox(c, Filter { code: Some("conflict".into()), ..Filter::default() })),
    ("the inbox by time", |c, q| {
        inbox(c, Filter { from: Some(q.period.0), before: Some(q.period.1), ..Filter::default() })
    }),
    ("the inbox by a sender's id", |c, _| searched(c, Search::SenderId("m1".into()))),
    ("the inbox by address", |c, _| searched(c, Search::Email { hash: "h".into(), text: "a@example.com".into() })),
    ("the inbox by person", |c, q| searched(c, Search::Person(PersonId(q.touches[0].0)))),
    ("deliveries to be read", |c, _| deliveries::pending(c, 100, 1_000_000).map(drop)),
    ("traffic of an endpoint", |c, q| endpoint_traffic::read(c, EndpointId(1), q.period.1).map(drop)),
    ("records to be looked up", |c, q| lookups::due(c, q.period.1, 100).map(drop)),
    ("campaigns of platforms", |c, _| {
        platforms::campaigns(c)?;
        platforms::named(c, "meta", &["1", "2"]).map(drop)
    }),
    ("keys of people", |c, q| identity::keys_of(c, &[PersonId(q.touches[0].0)]).map(drop)),
    ("holders of a key", |c, _| identity::holders(c, &JoinKey::Email("h".into())).map(drop)),
    ("matches", |c, q| {
        matches::list(c, 100)?;
        matches::parting(c, &[PersonId(q.touches[0].0)], &[PersonId(q.touches[1].0)]).map(drop)
    }),
    ("the newest stage events", |c, _| stage_events::list(c, 200).map(drop)),
    ("touches of a link that was relabelled late", |c, q| {
        let view = view(c, q)?;
        rollups::of_link(c, &view, LinkId(1), q.period, HUMAN).map(drop)
    }),
];

fn inbox(conn: &mut Conn, filter: Filter) -> Result<(), StoreError> {
    let after = Cursor { delivery: DeliveryId(TouchId::new(UtcMillis(1), [1; 10]).0), item: 0 };
    deliveries::list(conn, &filter, None, 100)?;
    deliveries::list(conn, &filter, Some(after), 100)?;
    deliveries::matching(conn, &filter, Some(after.delivery), 100).map(drop)
}

fn searched(conn: &mut Conn, search: Search) -> Result<(), StoreError> {
    deliveries::list(conn, &Filter { search: Some(search), ..Filter::default() }, None, 100).map(drop)
}

fn view(conn: &mut Conn, case: &Case) -> Result<rollups::View, StoreError> {
    rollups::view(conn, case.moments.voids).map(|view| view.expect("there are rollups"))
}

/// Touches on both sides of the last closed epoch, one of them with a later class.
fn prepare(app: &TestApp) -> Case {
    app.link("go");
    let mut touches: Vec<TouchId> = vec![app.click("go").parse().expect("click id")];
    app.settle();
    let change = [Reclassified { touch: touches[0], class: TouchClass::Bot, rule: "later".into() }];
    let write = app.state().db.write_now(|conn| {
        let at = ledger::stamp(conn, app.clock.now())?;
        touches::reclassify(conn, &change, BatchId::new(at, [1; 10]), at)
    });
    write.expect("reclassified");
    touches.push(app.click("go").parse().expect("click id"));
    app.settle();
    let lead = json!({ "event_id": "l1", "stage": "lead", "occurred_at": "2026-03-02T11:00:00Z",
        "network_lead": { "network": "linkedin", "lead_id": "1", "campaign_id": "2" } });
    let told = app.client.post("/api/v1/conversions", &lead).expect(201);
    let event = told["items"][0]["event"].as_str().expect("event").parse().expect("id");
    touches.push(forms::id_of(event, UtcMillis::parse("2026-03-02T11:00:00Z").expect("time")));
    let as_of = app.state().db.read_now(ledger::horizon).expect("horizon");
    let moments = Moments::all(as_of);
    let days = DayRange { from: "2026-03-01".parse().expect("day"), to: "2026-03-31".parse().expect("day") };
    let period = (Zone::utc().day_start(days.from), Zone::utc().day_start(days.to.plus_days(1)));
    Case { moments, mixed: Moments { rates: UtcMillis(0), ..moments }, touches, period, days }
}

/// The statements that a function sends.
fn caught(conn: &mut Conn, case: &Case, (title, query): &Query) -> Vec<String> {
    let log = Arc::new(Mutex::new(Vec::new()));
    let writer = Arc::clone(&log);
    let catch = move |event: InstrumentationEvent<'_>| {
        if let InstrumentationEvent::StartQuery { query, .. } = event {
            writer.lock().expect("log").push(query.to_string());
        }
    };
    instrument(conn, catch);
    query(conn, case).unwrap_or_else(|e| panic!("{title}: {e}"));
    instrument(conn, |_: InstrumentationEvent<'_>| {});
    let of_event = |text: &String| text.split_once(" -- binds:").map_or(text.as_str(), |(s, _)| s).trim().to_owned();
    let statements: Vec<String> = log.lock().expect("log").iter().map(of_event).collect();
    assert!(!statements.is_empty(), "{title} asks the database nothing");
    statements
}

fn instrument(conn: &mut Conn, instrumentation: impl Instrumentation) {
    match conn {
        Conn::Sqlite(c) => c.set_instrumentation(instrumentation),
        Conn::Postgres(c, _) => c.set_instrumentation(instrumentation),
    }
}

#[derive(QueryableByName)]
struct SqliteStep {
    #[diesel(sql_type = Integer)]
    id: i32,
    #[diesel(sql_type = Integer)]
    parent: i32,
    #[diesel(sql_type = Text)]
    detail: String,
}

#[derive(QueryableByName)]
struct PostgresLine {
    #[diesel(sql_type = Text)]
    #[diesel(column_name = "QUERY PLAN")]
    line: String,
}

fn plan(conn: &mut Conn, statement: &str) -> Vec<String> {
    match conn {
        Conn::Sqlite(c) => {
            let explain = diesel::sql_query(format!("EXPLAIN QUERY PLAN {statement}"));
            let steps: Vec<SqliteStep> = explain.load(c).unwrap_or_else(|e| panic!("{statement}: {e}"));
            let depth = |step: &SqliteStep| {
                let parent_of = |id: i32| steps.iter().find(|s| s.id == id).map(|s| s.parent).filter(|id| *id != 0);
                std::iter::successors(parent_of(step.id), |id| parent_of(*id)).count()
            };
            steps.iter().map(|s| format!("{:width$}{}", "", s.detail, width = 2 * depth(s))).collect()
        }
        Conn::Postgres(c, _) => {
            // A generic plan needs no values; servers before 16 make one of prepared statements only.
            let values = (1..).take_while(|n| statement.contains(&format!("${n}"))).map(|_| "NULL").collect::<Vec<_>>();
            let arguments = if values.is_empty() { String::new() } else { format!("({})", values.join(", ")) };
            let settings = "SET LOCAL enable_seqscan = off; SET LOCAL enable_sort = off; SET LOCAL enable_bitmapscan = off; SET LOCAL jit = off; \
                SET LOCAL plan_cache_mode = force_generic_plan; SET LOCAL max_parallel_workers_per_gather = 0;";
            c.batch_execute(&format!("{settings} PREPARE explained AS {statement}"))
                .unwrap_or_else(|e| panic!("{statement}: {e}"));
            let explain = diesel::sql_query(format!("EXPLAIN (COSTS OFF) EXECUTE explained{arguments}"));
            let lines: Vec<PostgresLine> = explain.load(c).unwrap_or_else(|e| panic!("{statement}: {e}"));
            c.batch_execute("DEALLOCATE explained").expect("deallocated");
            let is_kept =
                |line: &&str| !["Filter:", "Disabled:"].iter().any(|word| line.trim_start().starts_with(word));
            lines.iter().map(|l| l.line.trim_end()).filter(is_kept).map(str::to_owned).collect()
        }
    }
}

/// The first step that reads all touches, or the whole of an index of theirs.
fn full_scan(plan: &[String]) -> Option<&String> {
    let next_is_bound = |n: usize| plan.get(n + 1).is_some_and(|line| line.trim_start().starts_with("Index Cond:"));
    let is_full = |(n, line): &(usize, &String)| {
        let on_postgres = line.contains(" on touches") && !next_is_bound(*n);
        line.contains("SCAN touches") && !line.contains("SCAN touches_") || on_postgres
    };
    plan.iter().enumerate().find(is_full).map(|(_, line)| line)
}

#[expect(clippy::disallowed_methods, reason = "whoever runs the tests says that new plans are meant")]
fn is_accepted() -> bool {
    std::env::var("HEADWATER_ACCEPT").is_ok_and(|value| value == "1")
}

on_both! {
    fn reports_find_what_they_read_by_an_index(app) {
        let case = prepare(&app);
        let read = app.state().db.read_now(|conn| {
            let (mut text, mut seen) = (String::new(), Vec::new());
            for query in QUERIES {
                text.push_str(&format!("# {}\n", query.0));
                for statement in caught(conn, &case, query) {
                    if seen.contains(&statement) {
                        continue;
                    }
                    let plan = plan(conn, &statement);
                    assert_eq!(full_scan(&plan), None, "{}: all touches are read by {statement}", query.0);
                    text.push_str(&format!("{}\n\n", plan.join("\n")));
                    seen.push(statement);
                }
            }
            Ok((text, if matches!(conn, Conn::Sqlite(_)) { "sqlite" } else { "postgres" }))
        });
        let (plans, database) = read.expect("database");
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("tests/it/plans/{database}.txt"));
        if is_accepted() {
            std::fs::write(&path, &plans).expect("written");
            return;
        }
        let known = std::fs::read_to_string(&path).unwrap_or_default();
        let first = plans.lines().zip(known.lines()).enumerate().find(|(_, (now, then))| now != then);
        assert!(
            plans == known,
            "plans on {database} differ from tests/it/plans/{database}.txt, first at {first:?}; if they are meant, run \
             this test with HEADWATER_ACCEPT=1, look at the difference and say why in the commit\n{plans}"
        );
    }
}
