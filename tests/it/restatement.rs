//! Every difference between two moments has its cause, and the causes add to exactly the difference.

use std::collections::BTreeMap;

use headwater::domain::ids::{BatchId, LinkId, PersonId, TouchId};
use headwater::domain::person::IdentityFact;
use headwater::domain::time::{Clock, UtcMillis};
use headwater::domain::touch::{TouchClass, TouchKind};
use headwater::jobs::matching::{self, Named};
use headwater::reports::cost_per_lead::{COLUMNS, Row};
use headwater::reports::restatement::{self, Asked, CAUSES, asked_from};
use headwater::reports::sheet::{Document, Sheet, SheetCell};
use headwater::reports::{Parameters, ReportError};
use headwater::store::batches::{self, Batch, BatchKind};
use headwater::store::labels::Author;
use headwater::store::touches::{self, NewTouch, Reclassified};
use headwater::store::{Conn, Db, Moments, StoreError, identity, ledger};
use serde_json::{Value, json};

use crate::evidence::{
    DemoData, click, column, pairs, parameters, report, sheet, store, tell, text, time, visitor, whole,
};
use crate::support::dice::Dice;
use crate::support::{Backend, TestApp};

fn horizon(app: &TestApp) -> UtcMillis {
    app.state().db.read_now(ledger::horizon).expect("horizon")
}

fn author(app: &TestApp) -> Author {
    Author { name: "test".into(), now: app.clock.now() }
}

fn write<T>(app: &TestApp, work: impl FnOnce(&mut Conn, &Author) -> Result<T, StoreError>) -> T {
    let author = author(app);
    app.state().db.write_now(|conn| work(conn, &author)).expect("written")
}

fn restate(db: &Db, parameters: &Parameters, asked: Asked) -> Result<Document, ReportError> {
    db.read_now(|conn| Ok(restatement::run(conn, parameters, &asked))).expect("database")
}

fn between(from: UtcMillis, to: UtcMillis) -> Asked {
    Asked { from_as_of: Some(from), to_as_of: Some(to) }
}

/// What moved which sum: the causes that are not 0.
fn causes(sheet: &Sheet) -> Vec<&'static str> {
    let is_moved = |name: &str| column(sheet, name).iter().any(|c| whole(c) != 0);
    CAUSES.iter().map(|c| c.name).filter(|name| is_moved(name)).collect()
}

fn spend(app: &TestApp, day: &str, amount: &str) {
    let cost = json!({ "from": day, "channel": "linkedin-organic", "amount": amount, "currency": "EUR" });
    app.client.post("/api/v1/costs", &json!({ "costs": [cost] })).expect(201);
}

/// The persons that stage events were told of, oldest first.
fn persons(app: &TestApp) -> Vec<PersonId> {
    let as_of = Moments::all(horizon(app));
    let facts = app.state().db.read_now(|conn| identity::facts(conn, &as_of)).expect("facts");
    let person = |fact: &IdentityFact| if let IdentityFact::Join { person, .. } = fact { Some(*person) } else { None };
    let mut persons: Vec<PersonId> = facts.iter().filter_map(|(_, fact)| person(fact)).collect();
    persons.sort();
    persons.dedup();
    persons
}

fn reclassify(app: &TestApp, touch: TouchId, class: TouchClass) {
    write(app, |conn, author| {
        let at = ledger::stamp(conn, author.now)?;
        touches::reclassify(conn, &[Reclassified { touch, class, rule: "later".into() }], BatchId::new(at, [1; 10]), at)
    });
}

fn of(n: u8) -> Value {
    json!({ "person": format!("crm:{n}"), "visitor_id": visitor(n).to_string(), "value": "10.00", "currency": "EUR" })
}

on_both! {
    fn each_cause_alone_takes_the_whole_difference(app) {
        app.link("go");
        app.channel("x-organic", "x", "social");
        let first = click(1, time("2026-02-20T10:00:00Z"));
        store(&app, &[first.clone(), click(2, time("2026-02-20T11:00:00Z"))]);
        let rate = |value: &str| {
            let rate = json!({ "day": "2026-02-20", "quote": "USD", "rate": value });
            drop(app.client.post("/api/v1/rates", &json!({ "rates": [rate] })).expect(201));
        };
        let at = "2026-02-25T10:00:00Z";
        let gone = tell(&app, "l9", "lead", at, &of(9));
        tell(&app, "l1", "lead", at, &of(1));
        tell(&app, "l2", "lead", at, &of(2));
        tell(&app, "c2", "customer", at, &of(2));
        tell(&app, "l3", "lead", at, &of(3));
        spend(&app, "2026-02-20", "10.00");
        rate("1.25");
        let dollars = json!({ "from": "2026-02-20", "channel": "linkedin-organic", "amount": "5.00", "currency": "USD" });
        app.client.post("/api/v1/costs", &json!({ "costs": [dollars] })).expect(201);
        let people = persons(&app);
        let steps: [(&str, &dyn Fn()); 10] = [
            ("void", &|| drop(app.client.delete(&format!("/api/v1/conversions/{gone}")).expect(204))),
            ("cost_correction", &|| spend(&app, "2026-02-21", "5.00")),
            ("rate", &|| rate("1.6")),
            ("relabel", &|| drop(app.client.patch("/api/v1/links/lnk_1", &json!({ "channel": "x-organic", "effect": "correction" })).expect(200))),
            ("reclassification", &|| reclassify(&app, first.id, TouchClass::Bot)),
            ("merge", &|| write(&app, |conn, author| matching::judge(conn, &[people[1], people[3]].map(Named::Person), true, author).map(drop))),
            ("rejection", &|| drop(tell(&app, "n2", "rejected", at, &of(2)))),
            ("refund", &|| drop(tell(&app, "r2", "refund", at, &of(2)))),
            ("late_touch", &|| store(&app, &[click(2, time("2026-02-19T10:00:00Z"))])),
            ("late_conversion", &|| drop(tell(&app, "l4", "lead", at, &of(4)))),
        ];
        let start = horizon(&app);
        for (cause, change) in steps {
            let before = horizon(&app);
            change();
            for by in ["channel", "link,month", "campaign"] {
                let asked = parameters(&format!("by={by}&model=linear,first,participation"));
                let document = restate(&app.state().db, &asked, between(before, horizon(&app))).expect("restatement");
                for name in ["rows", "totals"] {
                    let sheet = sheet(&document, name).expect("sheet");
                    // A relabelled link moves sums between rows: clicks and credits, or the costs that its clicks split.
                    let expected = if cause == "relabel" && name == "totals" { vec![] } else { vec![cause] };
                    assert_eq!(causes(sheet), expected, "{cause} by {by}, {name}");
                    assert!(column(sheet, "difference").iter().all(|d| whole(d) != 0), "{cause} by {by}, {name}");
                }
            }
        }
        // All of them at once, in the printed order.
        let asked = parameters("by=channel");
        let document = restate(&app.state().db, &asked, between(start, horizon(&app))).expect("restatement");
        let all = steps.map(|(cause, _)| cause);
        assert_eq!(causes(sheet(&document, "rows").expect("rows")), all);
        check(&app.state().db, "by=channel", start, horizon(&app));
        check(&app.state().db, "by=channel", UtcMillis(0), horizon(&app));
        let nothing = restate(&app.state().db, &asked, between(start, start)).expect("restatement");
        assert!(nothing.sheets.iter().all(|s| s.rows.is_empty()));
    }

    fn moments_are_clamped_printed_and_in_order(app) {
        app.link("go");
        tell(&app, "l1", "lead", "2026-02-25T10:00:00Z", &of(1));
        let last = horizon(&app);
        let read = |query: &str| asked_from(&pairs(query)).expect("asked");
        let ask = |query: &str, more: &str| restate(&app.state().db, &parameters(query), read(more));
        let document = ask("", "from_as_of=0&to_as_of=9999999999999").expect("restatement");
        assert_eq!(document.more, [("from_as_of", "0".to_owned()), ("to_as_of", last.0.to_string())]);
        assert_eq!(document.parameters.as_of, Some(last));
        let rows = sheet(&document, "totals").expect("totals");
        let values = |name: &str| column(rows, name).iter().map(|c| whole(c)).collect::<Vec<_>>();
        assert_eq!((values("before"), values("late_conversion")), (vec![0], vec![1_000_000]), "before the first fact there is nothing");
        // Without moments: from the end of the period to now.
        let usual = ask("to=2026-02-28", "").expect("restatement");
        assert_eq!(usual.more[0], ("from_as_of", time("2026-03-01T00:00:00Z").0.to_string()));
        let refused = |query: &str, more: &str| match ask(query, more) {
            Err(ReportError::Refused(mut faults)) => faults.pop().map(|f| (f.field, f.code)).expect("a fault"),
            other => panic!("{other:?}"),
        };
        let named = |field: &str, code: &str| (field.to_owned(), code.to_owned());
        assert_eq!(refused("", "from_as_of=2&to_as_of=1"), named("from_as_of", "as-of-order"));
        assert_eq!(refused("as_of=1", "from_as_of=2"), named("from_as_of", "as-of-order"));
        assert_eq!(refused("model=markov", "from_as_of=1"), named("model", "model-without-restatement"));
        let fault = asked_from(&pairs("to_as_of=soon")).expect_err("no time");
        assert_eq!(fault.field, "to_as_of");
    }

    fn causes_add_to_the_difference_whatever_happened(app) {
        app.link("go");
        app.channel("x-organic", "x", "social");
        let second = json!({ "slug": "gone", "destination": "https://www.example.com/", "channel": "x-organic" });
        app.client.post("/api/v1/links", &second).expect(201);
        for seed in 0..3 {
            let mut chance = Chance { app: &app, dice: Dice(seed), number: seed * 1_000, events: Vec::new(), touches: Vec::new(), imports: Vec::new() };
            let mut moments = vec![horizon(&app)];
            for _ in 0..40 {
                chance.step();
                moments.push(horizon(&app));
            }
            for (from, to) in [(0, 40), (20, 40), (13, 27), (30, 33)] {
                for query in ["by=channel&model=linear,last", "by=link,month&model=time_decay&clock=cohort", "by=campaign&channel=-x-organic"] {
                    check(&app.state().db, query, moments[from], moments[to]);
                }
            }
        }
    }
}

/// The demo's imports are its changes: touches, then conversions, then costs.
fn check_demo(backend: Backend) {
    let demo = DemoData::new(backend);
    let db = &demo.core.db;
    let imports = db.read_now(|conn| batches::list(conn, 10)).expect("batches");
    let at = |kind: BatchKind| imports.iter().find(|b| b.kind == kind).expect("import").recorded_at;
    let [touches, conversions, costs] = [BatchKind::Touches, BatchKind::Conversions, BatchKind::Costs].map(at);
    let all = "from=2025-01-01&to=2025-08-31";
    let asked = parameters(&format!("{all}&model=linear,last"));
    for (from, to, expected) in [
        (touches, conversions, &["late_conversion"][..]),
        (conversions, costs, &["cost_correction"]),
        (touches, costs, &["cost_correction", "late_conversion"]),
    ] {
        let document = restate(db, &asked, between(from, to)).expect("restatement");
        assert_eq!(causes(sheet(&document, "rows").expect("rows")), expected);
        check(db, &format!("{all}&model=linear,last"), from, to);
    }
    check(db, &format!("{all}&by=campaign,month&model=time_decay"), UtcMillis(0), costs);
}

#[test]
fn demo_imports_are_restated_on_sqlite() {
    check_demo(Backend::Sqlite);
}

#[test]
fn demo_imports_are_restated_on_postgres() {
    check_demo(Backend::Postgres);
}

/// The sums of a row by the n-th model, by column.
fn sums(row: Option<&Row>, model: usize) -> BTreeMap<&'static str, i64> {
    let names = |name: &str| name == "clicks" || name == "other_touches" || name == "cost_minor" || is_measure(name);
    let of = |c: &headwater::reports::cost_per_lead::Column| {
        let value = row.and_then(|r| (c.value)(r.figures.get(model)?));
        (c.name, value.map_or(0, |v| v.parse().expect("a whole number")))
    };
    COLUMNS.iter().filter(|c| names(c.name)).map(of).collect()
}

fn is_measure(name: &str) -> bool {
    name.parse::<headwater::reports::Measure>().is_ok()
}

/// Holds a restatement against the reports of its two moments: every row, every sum, every model.
fn check(db: &Db, query: &str, from: UtcMillis, to: UtcMillis) {
    let asked = parameters(query);
    let document = restate(db, &asked, between(from, to)).unwrap_or_else(|e| panic!("{query}: {e}"));
    let at = |as_of: UtcMillis| report(db, &Parameters { as_of: Some(as_of), ..asked.clone() });
    let (before, after) = (at(from), at(to));
    let rows = sheet(&document, "rows").expect("rows");
    let told: BTreeMap<(Vec<&str>, &str, &str), &Vec<SheetCell>> = rows
        .rows
        .iter()
        .map(|row| {
            let key = row.iter().take(asked.by.len()).map(text).collect();
            let model = match &row[asked.by.len()] {
                SheetCell::Text(model) => model.as_str(),
                _ => "",
            };
            ((key, model, text(&row[asked.by.len() + 1])), row)
        })
        .collect();
    let find = |report: &'_ headwater::reports::cost_per_lead::Report, key: &[&str]| {
        report.rows.iter().find(|r| r.key.parts().iter().map(|p| p.as_str()).eq(key.iter().copied())).cloned()
    };
    let keys =
        before.rows.iter().chain(&after.rows).map(|r| r.key.parts().iter().map(|p| p.as_str()).collect::<Vec<_>>());
    let mut seen = 0;
    for key in keys.collect::<std::collections::BTreeSet<_>>() {
        let (row_before, row_after) = (find(&before, &key), find(&after, &key));
        for (n, model) in asked.models.iter().enumerate() {
            let (old, new) = (sums(row_before.as_ref(), n), sums(row_after.as_ref(), n));
            for (figure, old) in old {
                let new = new[figure];
                let model = if is_measure(figure) { model.to_string() } else { String::new() };
                let of = format!("{query} {key:?} {model} {figure} from {from} to {to}");
                let Some(row) = told.get(&(key.clone(), model.as_str(), figure)) else {
                    assert_eq!(old, new, "{of} is not told");
                    continue;
                };
                seen += 1;
                let numbers: Vec<i64> = row[asked.by.len() + 3..].iter().map(whole).collect();
                assert_eq!(numbers[..3], [old, new, new - old], "{of}");
                assert_eq!(numbers[3..].iter().sum::<i64>(), new - old, "{of}");
            }
        }
    }
    assert!(seen > 0 || rows.rows.iter().all(|row| whole(&row[asked.by.len() + 5]) == 0), "{query}: rows are compared");
}

/// Facts of every kind, in any order, recorded late.
struct Chance<'a> {
    app: &'a TestApp,
    dice: Dice,
    number: u64,
    events: Vec<String>,
    touches: Vec<TouchId>,
    imports: Vec<BatchId>,
}

impl Chance<'_> {
    fn step(&mut self) {
        self.number += 1;
        self.app.clock.advance_ms(1_000);
        match self.dice.below(12) {
            0 | 1 => self.import(),
            2..=4 => self.tell(&["lead", "lead", "mql", "opportunity", "customer", "sale"]),
            5 => self.tell(&["refund", "rejected"]),
            6 => self.take_back(),
            7 => self.cost(),
            8 => self.relabel(),
            9 => self.reclassify(),
            10 => self.judge(),
            _ => self.undo(),
        }
    }

    /// Some instant of the last weeks.
    fn at(&mut self) -> UtcMillis {
        let hours = i64::try_from(self.dice.below(24 * 40)).expect("small");
        self.app.clock.now().plus_ms(-3_600_000 * hours)
    }

    fn browser(&mut self) -> u8 {
        self.dice.of(&[1, 2, 3, 4, 5])
    }

    fn import(&mut self) {
        let id = BatchId::new(self.app.clock.now(), rand::random());
        let list: Vec<NewTouch<'_>> = (0..3)
            .map(|_| {
                let (browser, at) = (self.browser(), self.at());
                NewTouch {
                    kind: self.dice.of(&[TouchKind::Click, TouchKind::Click, TouchKind::Landing]),
                    class: self.dice.of(&[TouchClass::Human, TouchClass::Human, TouchClass::Bot]),
                    link: Some(LinkId(self.dice.of(&[1, 2]))),
                    batch: Some(id),
                    ..click(browser, at)
                }
            })
            .collect();
        self.touches.extend(list.iter().map(|t| t.id));
        self.imports.push(id);
        write(self.app, |conn, author| {
            let recorded_at = ledger::stamp(conn, author.now)?;
            let rows_stored = i64::try_from(touches::insert(conn, &list, recorded_at)?).expect("small");
            let (kind, source, label) = (BatchKind::Touches, String::new(), "test".to_owned());
            let recorded_by = author.name.clone();
            batches::insert(
                conn,
                &Batch { id, kind, source, label, rows_stored, recorded_at, voided_at: None, recorded_by },
            )
        });
    }

    fn tell(&mut self, stages: &[&str]) {
        let (stage, browser, at) = (self.dice.of(stages), self.browser(), self.at());
        let id = format!("e{}", self.number);
        self.events.push(tell(self.app, &id, stage, &at.to_string(), &of(browser)));
    }

    fn take_back(&mut self) {
        if let Some(event) = self.events.pop() {
            self.app.client.delete(&format!("/api/v1/conversions/{event}")).expect(204);
        }
    }

    fn cost(&mut self) {
        let day = self.at().to_string();
        spend(self.app, &day[..10], &format!("{}.37", self.number % 50));
    }

    fn relabel(&mut self) {
        let channel = self.dice.of(&["linkedin-organic", "x-organic"]);
        let link = self.dice.of(&["lnk_1", "lnk_2"]);
        let effect = self.dice.of(&["correction", "from_now_on"]);
        let body = json!({ "channel": channel, "effect": effect });
        self.app.client.patch(&format!("/api/v1/links/{link}"), &body).expect(200);
    }

    fn reclassify(&mut self) {
        if !self.touches.is_empty() {
            let touch = self.dice.of(&self.touches.clone());
            reclassify(self.app, touch, self.dice.of(&[TouchClass::Human, TouchClass::Bot, TouchClass::Scanner]));
        }
    }

    fn judge(&mut self) {
        let people = persons(self.app);
        if people.len() > 1 {
            let (a, b, merged) = (self.dice.of(&people), self.dice.of(&people), self.dice.below(3) > 0);
            if a != b {
                write(self.app, |conn, author| {
                    matching::judge(conn, &[a, b].map(Named::Person), merged, author).map(drop)
                });
            }
        }
    }

    fn undo(&mut self) {
        if let Some(import) = self.imports.pop() {
            write(self.app, |conn, author| batches::undo(conn, import, author));
        }
    }
}
