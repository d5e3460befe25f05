//! Each kind of fact is seen up to its own moment, so that a restatement can replay changes one kind at a time.

use headwater::domain::channel::{Effect, PostLabels};
use headwater::domain::ids::{BatchId, ChannelId, LinkId, TouchId};
use headwater::domain::person::IdentityFact;
use headwater::domain::time::{Clock, Day, DayRange, UtcMillis};
use headwater::domain::touch::TouchClass;
use headwater::jobs::matching::{self, Named};
use headwater::store::labels::Author;
use headwater::store::touches::{self, Reclassified};
use headwater::store::{Conn, Moments, StoreError, costs, identity, labels, ledger, links, stage_events};
use serde_json::{Value, json};

use crate::support::TestApp;

/// What the reads of a report see.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Seen {
    events: Vec<String>,
    joins: usize,
    merges: usize,
    costs: Vec<i64>,
    channel_of_link: ChannelId,
    channel_name: String,
    touches: Vec<TouchClass>,
}

fn seen(app: &TestApp, clicks: &[TouchId], moments: &Moments) -> Seen {
    let read = |conn: &mut Conn| {
        let facts = identity::facts(conn, moments)?;
        let joins = facts.iter().filter(|(_, f)| matches!(f, IdentityFact::Join { .. })).count();
        let march = DayRange { from: day("2026-03-01"), to: day("2026-03-31") };
        let mut amounts: Vec<i64> = costs::visible(conn, march, moments)?.iter().map(|e| e.cost.amount.minor).collect();
        amounts.sort_unstable();
        let touches = touches::by_ids(conn, clicks, moments)?;
        let classes = clicks.iter().filter_map(|id| touches.iter().find(|t| t.id == *id)).map(|t| t.class);
        let events = stage_events::visible(conn, moments)?;
        let mut events: Vec<String> = events.into_iter().map(|e| e.event_id).collect();
        events.sort();
        Ok(Seen {
            events,
            joins,
            merges: facts.len() - joins,
            costs: amounts,
            channel_of_link: links::histories(conn, moments)?[&LinkId(1)].latest().expect("label").channel,
            channel_name: labels::channel_histories(conn, moments)?[&ChannelId(1)]
                .latest()
                .expect("label")
                .name
                .clone(),
            touches: classes.collect(),
        })
    };
    app.state().db.read_now(read).expect("read")
}

fn day(text: &str) -> Day {
    text.parse().expect("day")
}

fn write<T>(app: &TestApp, work: impl FnOnce(&mut Conn, &Author) -> Result<T, StoreError>) -> T {
    let author = Author { name: "test".into(), now: app.clock.now() };
    app.state().db.write_now(|conn| work(conn, &author)).expect("written")
}

fn horizon(app: &TestApp) -> UtcMillis {
    app.state().db.read_now(ledger::horizon).expect("horizon")
}

fn tell(app: &TestApp, id: &str, stage: &str, more: &Value) -> Value {
    let mut event = json!({ "event_id": id, "stage": stage, "occurred_at": "2026-03-02T20:00:00Z" });
    event.as_object_mut().expect("object").extend(more.as_object().expect("object").clone());
    app.client.post("/api/v1/conversions", &event).expect(201)
}

fn spend(app: &TestApp, amount: &str) -> Value {
    let cost = json!({ "from": "2026-03-02", "channel": "linkedin-organic", "amount": amount, "currency": "EUR" });
    app.client.post("/api/v1/costs", &json!({ "costs": [cost] })).expect(201)
}

on_both! {
    fn each_kind_of_fact_is_seen_up_to_its_own_moment(app) {
        app.link("go");
        app.channel("x-organic", "x", "social");
        let mut clicks: Vec<TouchId> = vec![app.click("go").parse().expect("click id")];
        app.settle();
        let lead = tell(&app, "lead", "lead", &json!({ "person": "crm:1" }));
        tell(&app, "sale", "sale", &json!({ "person": "crm:2", "value": "9.00", "currency": "EUR" }));
        spend(&app, "10.00");
        let before = horizon(&app);

        clicks.push(app.click("go").parse().expect("click id"));
        app.settle();
        write(&app, |conn, author| {
            let to = Reclassified { touch: clicks[0], class: TouchClass::Bot, rule: "later".into() };
            let at = ledger::stamp(conn, author.now)?;
            touches::reclassify(conn, &[to], BatchId::new(at, [1; 10]), at)
        });
        let lead = lead["items"][0]["event"].as_str().expect("event").to_owned();
        app.client.delete(&format!("/api/v1/conversions/{lead}")).expect(204);
        let oldest = app.client.get("/api/v1/batches").expect(200)["items"].as_array().expect("batches").last().expect("one")["id"].clone();
        app.client.delete(&format!("/api/v1/batches/{}", oldest.as_str().expect("id"))).expect(200);
        spend(&app, "25.00");
        app.client.patch("/api/v1/links/lnk_1", &json!({ "channel": "x-organic", "effect": "correction" })).expect(200);
        app.client.patch("/api/v1/channels/chn_1", &json!({ "name": "Renamed" })).expect(200);
        tell(&app, "rejected", "rejected", &json!({ "person": "crm:3", "email": "a@firm.example" }));
        tell(&app, "refund", "refund", &json!({ "person": "crm:2", "email": "b@firm.example", "parent": "sale", "value": "9.00", "currency": "EUR" }));
        tell(&app, "late", "lead", &json!({ "person": "crm:4" }));
        let people = app.state().db.read_now(|conn| identity::facts(conn, &Moments::all(before))).expect("facts");
        let persons: Vec<_> = people.iter().filter_map(|(_, f)| match f {
            IdentityFact::Join { person, .. } => Some(*person),
            _ => None,
        }).collect();
        write(&app, |conn, author| matching::judge(conn, &[persons[0], persons[1]].map(Named::Person), true, author).map(drop));
        let after = horizon(&app);

        let old = Moments::all(before);
        let first = seen(&app, &clicks, &old);
        let expected = Seen {
            events: vec!["lead".into(), "sale".into()],
            joins: 2,
            merges: 0,
            costs: vec![1_000],
            channel_of_link: ChannelId(1),
            channel_name: first.channel_name.clone(),
            touches: vec![TouchClass::Human],
        };
        assert_eq!(first, expected);
        let events = |list: &[&str]| list.iter().map(|e| (*e).to_owned()).collect::<Vec<_>>();
        let story = [
            ("voids", Moments { voids: after, ..old }, Seen { events: events(&["sale"]), joins: 1, ..first.clone() }),
            ("costs", Moments { costs: after, ..old }, Seen { costs: vec![2_500], ..first.clone() }),
            ("rates", Moments { rates: after, ..old }, first.clone()),
            ("labels", Moments { labels: after, ..old }, Seen { channel_of_link: ChannelId(2), channel_name: "Renamed".into(), ..first.clone() }),
            ("classes", Moments { classes: after, ..old }, Seen { touches: vec![TouchClass::Bot], ..first.clone() }),
            ("identity", Moments { identity: after, ..old }, Seen { merges: 1, ..first.clone() }),
            ("rejections", Moments { rejections: after, ..old }, Seen { events: events(&["lead", "rejected", "sale"]), joins: 4, ..first.clone() }),
            ("refunds", Moments { refunds: after, ..old }, Seen { events: events(&["lead", "refund", "sale"]), joins: 4, ..first.clone() }),
            ("touches", Moments { touches: after, ..old }, Seen { touches: vec![TouchClass::Human; 2], ..first.clone() }),
            ("events", Moments { events: after, ..old }, Seen { events: events(&["late", "lead", "sale"]), joins: 3, ..first.clone() }),
        ];
        for (kind, moments, expected) in story {
            assert_eq!(seen(&app, &clicks, &moments), expected, "{kind}");
        }
        let last = Seen {
            events: events(&["late", "refund", "rejected", "sale"]),
            joins: 6,
            merges: 1,
            costs: vec![2_500],
            channel_of_link: ChannelId(2),
            channel_name: "Renamed".into(),
            touches: vec![TouchClass::Bot, TouchClass::Human],
        };
        let all = Moments::all(after);
        assert_eq!(seen(&app, &clicks, &all), last);
        // Moments that are not one, and see the same.
        assert_eq!(seen(&app, &clicks, &Moments { rates: before, ..all }), last);
    }

    fn posts_have_histories_of_their_labels(app) {
        let code = "question-1".parse().expect("code");
        let id = write(&app, |conn, author| labels::create_post(conn, &code, &PostLabels::default(), author));
        let before = horizon(&app);
        let asked = |l: &PostLabels| PostLabels { name: "Asked".into(), ..l.clone() };
        write(&app, |conn, author| labels::revise_post(conn, id, Effect::Correction, author, asked));
        let name = |as_of: UtcMillis| {
            let read = app.state().db.read_now(|conn| labels::post_histories(conn, &Moments::all(as_of)));
            read.expect("read")[&id].latest().expect("label").name.clone()
        };
        assert_eq!((name(before), name(horizon(&app))), (String::new(), "Asked".to_owned()));
    }
}
