//! What people said led them here, from every door to the model and the report beside what was tracked.

use headwater::domain::time::DayRange;
use headwater::reports::paths::Goal;
use headwater::reports::sheet::{Document, SheetCell};
use headwater::reports::{Dimension, Parameters, ReportError, self_reported};
use serde_json::{Value, json};

use crate::support::{TestApp, row};

const MARCH: &str = "from=2026-03-01&to=2026-03-31";

fn event(id: &str, stage: &str, at: &str, more: &Value) -> Value {
    let mut event = json!({ "event_id": id, "stage": stage, "occurred_at": at });
    event.as_object_mut().expect("object").extend(more.as_object().expect("object").clone());
    event
}

fn tell(app: &TestApp, id: &str, stage: &str, at: &str, more: &Value) {
    app.client.post("/api/v1/conversions", &event(id, stage, at, more)).expect(201);
}

fn report(app: &TestApp, by: Dimension, stage: Goal) -> Result<Document, ReportError> {
    let range = DayRange { from: "2026-03-01".parse().expect("day"), to: "2026-03-31".parse().expect("day") };
    let parameters = Parameters { by: vec![by], ..Parameters::new(range, "EUR".parse().expect("EUR")) };
    app.state().db.read_now(|conn| Ok(self_reported::run(conn, &parameters, stage))).expect("store")
}

fn cells(row: &[SheetCell]) -> Vec<String> {
    let text = |cell: &SheetCell| match cell {
        SheetCell::Text(text) => text.clone(),
        SheetCell::Count(count) => count.to_string(),
        SheetCell::Proportion(part) => part.clone().unwrap_or_else(|| "-".into()),
        SheetCell::Share(share) => share.map_or_else(|| "-".into(), |s| format!("{s:.6}")),
        other => format!("{other:?}"),
    };
    row.iter().map(text).collect()
}

/// Five leads: four of a click on LinkedIn, of whom one is silent, and one without a click.
fn five(app: &TestApp) {
    app.link("go");
    app.channel("x-organic", "x", "social");
    app.channel("x-ads", "x", "cpc");
    let answers = [Some(" LinkedIn-Organic "), Some("x-organic"), Some("X"), None, Some("a friend, Ana")];
    for (n, answer) in answers.iter().enumerate() {
        let mut more = json!({ "person": format!("crm:{n}"), "self_reported": answer });
        if n < 4 {
            more["click_id"] = app.click("go").into();
        }
        app.settle();
        tell(app, &format!("l{n}"), "lead", &app.client_time(), &more);
    }
}

trait Now {
    fn client_time(&self) -> String;
}

impl Now for TestApp {
    fn client_time(&self) -> String {
        use headwater::domain::time::Clock;
        self.clock.now().to_string()
    }
}

on_both! {
    fn an_answer_is_kept_once_and_never_shown_in_a_message(app) {
        let lead = |answer: &str| event("l1", "lead", "2026-03-01T00:00:00Z", &json!({ "person": "crm:1", "self_reported": answer }));
        let post = |body: &Value| app.client.post("/api/v1/conversions", body);
        post(&lead("a friend")).expect(201);
        assert_eq!(post(&lead(" a friend ")).status, 200, "the same again");
        assert_eq!(post(&lead("a podcast")).status, 409, "another answer is another content");
        let refused = post(&event("l2", "lead", "2026-03-01T00:00:00Z", &json!({ "person": "crm:1", "self_reported": "secret ".repeat(40) })));
        assert_eq!(refused.status, 422, "{}", refused.text);
        assert!(refused.text.contains("self-reported-malformed") && !refused.text.contains("secret"), "{}", refused.text);
        let told = app.report(&format!("{MARCH}&model=self_reported"));
        assert_eq!(row(&told, "(said otherwise)")["leads_micro"], 1_000_000);
    }

    fn whole_events_go_to_the_row_that_the_person_named(app) {
        five(&app);
        app.clock.advance_ms(86_400_000);
        let bought = |person: &str| json!({ "person": person, "value": "100.00", "currency": "EUR" });
        tell(&app, "s1", "sale", &app.client_time(), &bought("crm:1"));
        tell(&app, "s4", "sale", &app.client_time(), &bought("crm:3"));
        tell(&app, "r1", "refund", &app.client_time(), &json!({ "person": "crm:1", "value": "30.00", "currency": "EUR" }));
        let leads = |by: &str| -> Vec<(String, i64)> {
            let told = app.report(&format!("{MARCH}&by={by}&model=self_reported"));
            assert_eq!(told["totals"]["leads_micro"], 5_000_000, "{by}");
            assert_eq!((&told["totals"]["gross_revenue_minor"], &told["totals"]["refunds_minor"]), (&json!(20_000), &json!(3_000)), "{by}");
            let rows = told["rows"].as_array().expect("rows").iter();
            let found = rows.map(|r| (r["key"].as_str().expect("key").to_owned(), r["leads_micro"].as_i64().expect("leads") / 1_000_000));
            found.filter(|(_, n)| *n > 0).collect()
        };
        let pairs = |list: &[(&str, i64)]| -> Vec<(String, i64)> { list.iter().map(|(k, n)| ((*k).to_owned(), *n)).collect() };
        // `X` is the network of two channels, so it names neither.
        assert_eq!(leads("channel"), pairs(&[("linkedin-organic", 1), ("x-organic", 1), ("(not asked)", 1), ("(said otherwise)", 2)]));
        assert_eq!(leads("network"), pairs(&[("linkedin", 1), ("x", 2), ("(not asked)", 1), ("(said otherwise)", 1)]));
        assert_eq!(leads("link"), pairs(&[("(not asked)", 1), ("(said otherwise)", 4)]));
        let told = app.report(&format!("{MARCH}&model=self_reported,last"));
        let own = row(&told, "x-organic");
        assert_eq!((&own["customers_micro"], &own["revenue_minor"]), (&json!(1_000_000), &json!(7_000)), "the answer of the lead holds for the sale, and the refund follows it");
        assert_eq!(row(&told, "linkedin-organic")["models"][1]["leads_micro"], 4_000_000, "what was tracked stands beside");
    }

    fn said_stands_beside_tracked_with_its_limits(app) {
        five(&app);
        let document = report(&app, Dimension::Channel, Goal::Lead).expect("report");
        let sheet = |name: &str| document.sheets.iter().find(|s| s.name == name).expect("sheet");
        let rows = |name: &str| sheet(name).rows.iter().map(|r| cells(r)).collect::<Vec<_>>();
        // Wilson's limits in their textbook form, computed apart: z = 1.959964, (p + z²/2n ± z √(p(1 − p)/n + z²/4n²)) / (1 + z²/n).
        assert_eq!(rows("unanswered"), [
            vec!["linkedin-organic", "4", "3", "1", "0.2500", "0.045587", "0.699358"],
            vec!["(unattributed)", "1", "1", "0", "0.0000", "0.000000", "0.793451"],
        ]);
        assert_eq!(cells(&sheet("unanswered").totals)[..4], ["Total", "5", "4", "1"]);
        let beside = rows("beside");
        assert_eq!(beside[0][..6], ["linkedin-organic", "1", "2", "0", "1", "0.3333"], "{beside:?}");
        assert_eq!(beside[0][6..8], ["0.061492", "0.792340"]);
        assert_eq!(beside[1][..5], ["x-organic", "0", "0", "1", "3"]);
        let table = rows("table");
        assert_eq!(table.iter().map(|r| r[2].parse::<i64>().expect("count")).sum::<i64>(), 5, "{table:?}");
        assert!(!format!("{document:?}").contains("Ana"), "no words of people in a report");
        assert!(matches!(report(&app, Dimension::Link, Goal::Lead), Err(ReportError::Refused(f)) if f.iter().any(|f| f.code == "answers-not-whole")));
        let customers = report(&app, Dimension::Channel, Goal::Customer).expect("report");
        assert_eq!(customers.sheets[2].rows.len(), 0);
    }
}
