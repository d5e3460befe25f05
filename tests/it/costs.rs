//! Costs by API, command line and file: replacement, undo, allocation, currency.

use serde_json::{Value, json};

use crate::support::{TestApp, binary, row};

fn import(app: &TestApp, body: &str) -> (bool, Value, String) {
    let file = app.dir.path().join("ads.csv");
    std::fs::write(&file, body).expect("file");
    let output =
        binary::output_in(app, &["import", "costs", file.to_str().expect("path"), "--source", "ads", "--json"]);
    let json = serde_json::from_slice(&output.stdout).unwrap_or(Value::Null);
    (output.status.success(), json, String::from_utf8_lossy(&output.stderr).into_owned())
}

const HEAD: &str = "from,to,channel,amount\n";

on_both! {
    fn a_re_import_replaces_the_days_it_covers_and_can_be_undone(app) {
        app.link("go");
        let cost = |app: &TestApp, from: &str, to: &str| app.report(&format!("from={from}&to={to}"))["totals"]["cost_minor"].clone();
        let (ok, _, told) = import(&app, &format!("{HEAD}2026-01-01,2026-01-10,linkedin-organic,100.00\n2026-01-11,2026-01-20,linkedin-organic,50.00\n"));
        assert!(ok, "{told}");
        assert_eq!(cost(&app, "2026-01-01", "2026-01-31"), 15_000);
        let then = app.report("from=2026-01-01&to=2026-01-31");
        let (_, second, _) = import(&app, &format!("{HEAD}2026-01-11,2026-01-20,linkedin-organic,60.00\n"));
        assert_eq!((&second["stored"], &second["replaced"]), (&json!(1), &json!(1)));
        assert_eq!(cost(&app, "2026-01-01", "2026-01-31"), 16_000, "days outside the file stay");
        let (_, same, _) = import(&app, &format!("{HEAD}2026-01-11,2026-01-20,linkedin-organic,60.00\n"));
        assert_eq!((&same["stored"], &same["duplicate"]), (&json!(0), &json!(1)), "the same file changes nothing");
        let (ok, _, told) = import(&app, &format!("{HEAD}2026-01-15,2026-01-20,linkedin-organic,1.00\n"));
        assert!(!ok && told.contains("covers 2026-01-11 to 2026-01-20"), "{told}");
        let batch = second["batch"].as_str().expect("batch");
        app.client.delete(&format!("/api/v1/batches/{batch}")).expect(200);
        assert_eq!(cost(&app, "2026-01-01", "2026-01-31"), 15_000, "what was replaced stands again");
        let replayed = app.report(&format!("from=2026-01-01&to=2026-01-31&as_of={}", then["as_of"]));
        assert_eq!(replayed, then);
    }

    fn replaced_batches_are_undone_from_the_last_one_back(app) {
        app.link("go");
        let total = |app: &TestApp| app.report("from=2026-01-01&to=2026-01-31")["totals"]["cost_minor"].clone();
        let batches: Vec<String> = ["100.00", "120.00", "130.00"]
            .iter()
            .map(|amount| {
                let (_, done, _) = import(&app, &format!("{HEAD}2026-01-01,2026-01-10,linkedin-organic,{amount}\n"));
                done["batch"].as_str().expect("batch").to_owned()
            })
            .collect();
        let undo = |n: usize| app.client.delete(&format!("/api/v1/batches/{}", batches[n]));
        let refused = undo(1);
        assert_eq!(refused.fault_codes(), ["replaced-since"]);
        assert!(refused.text.contains(&batches[2]), "the one to undo first is named: {}", refused.text);
        for (n, left) in [(2, 12_000), (1, 10_000), (0, 0)] {
            undo(n).expect(200);
            assert_eq!(total(&app), left);
            assert_eq!(undo(n).fault_codes(), ["already-undone"]);
        }
    }

    fn an_undo_brings_nothing_back_where_a_later_import_stands(app) {
        app.link("go");
        let file = |days: &[(&str, &str)]| {
            let rows: String = days.iter().map(|(d, a)| format!("2026-01-{d},2026-01-{d},linkedin-organic,{a}\n")).collect();
            import(&app, &format!("{HEAD}{rows}")).1["batch"].as_str().expect("batch").to_owned()
        };
        file(&[("01", "10.00"), ("05", "50.00"), ("10", "10.00")]);
        let second = file(&[("01", "11.00"), ("10", "11.00")]);
        let third = file(&[("05", "55.00")]);
        let refused = app.client.delete(&format!("/api/v1/batches/{second}"));
        assert_eq!(refused.fault_codes(), ["replaced-since"]);
        assert!(refused.text.contains(&third), "{}", refused.text);
        assert_eq!(app.report("from=2026-01-01&to=2026-01-31")["totals"]["cost_minor"], 7_700);
    }

    fn a_file_replaces_every_kind_it_holds_over_all_its_days(app) {
        app.link("go");
        let head = "from,to,channel,kind,amount\n";
        let line = |day: &str, kind: &str, amount: &str| format!("2026-01-{day},2026-01-{day},linkedin-organic,{kind},{amount}\n");
        let first = [line("01", "media", "5.00"), line("01", "tools", "5.00"), line("10", "media", "5.00"), line("10", "tools", "5.00")].concat();
        import(&app, &format!("{head}{first}"));
        let second = [line("01", "media", "7.00"), line("10", "media", "7.00"), line("01", "tools", "7.00")].concat();
        import(&app, &format!("{head}{second}"));
        assert_eq!(app.report("from=2026-01-01&to=2026-01-31")["totals"]["cost_minor"], 2_100);
    }

    fn an_undo_pressed_many_times_at_once_happens_once(app) {
        app.link("go");
        let row = |amount: &str| import(&app, &format!("{HEAD}2026-01-01,2026-01-01,linkedin-organic,{amount}\n")).1;
        row("100.00");
        let batch = row("999.00")["batch"].as_str().expect("batch").to_owned();
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| app.client.delete(&format!("/api/v1/batches/{batch}")));
            }
        });
        assert_eq!(app.report("from=2026-01-01&to=2026-01-31")["totals"]["cost_minor"], 10_000);
    }

    fn bad_rows_never_leave_gaps_in_what_a_file_replaces(app) {
        app.link("go");
        let (ok, _, told) = import(&app, &format!("{HEAD}2026-01-01,2026-01-01,linkedin-organic,50.00\n"));
        assert!(ok, "{told}");
        let file = app.dir.path().join("ads.csv");
        let body = format!("{HEAD}2026-01-01,2026-01-01,linkedin-organic,60.00\n2026-01-01,2026-01-01,nobody,1.00\n");
        std::fs::write(&file, body).expect("file");
        let path = file.to_str().expect("path");
        let output = binary::output_in(&app, &["import", "costs", path, "--source", "ads", "--keep-going"]);
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && told.contains("nothing in their place"), "{told}");
        assert_eq!(app.report("from=2026-01-01&to=2026-01-31")["totals"]["cost_minor"], 5_000);
    }

    fn a_range_is_cut_by_days_to_the_cent(app) {
        app.link("go");
        let body = json!({ "costs": [{ "from": "2026-01-01", "to": "2026-01-03", "channel": "linkedin-organic", "amount": "1.00", "currency": "EUR" }] });
        app.client.post("/api/v1/costs", &body).expect(201);
        let cents: Vec<i64> = (1..=3).map(|d| app.report(&format!("from=2026-01-0{d}&to=2026-01-0{d}"))["totals"]["cost_minor"].as_i64().expect("cents")).collect();
        assert_eq!(cents, [34, 33, 33]);
    }

    fn finer_rows_share_a_cost_by_the_days_human_clicks(app) {
        app.link("one");
        app.client.post("/api/v1/links", &json!({ "slug": "two", "destination": "https://example.com", "channel": "linkedin-organic" })).expect(201);
        for slug in ["one", "one", "two"] {
            app.click(slug);
        }
        app.settle();
        let body = json!({ "costs": [
            { "from": "2026-03-02", "to": "2026-03-03", "channel": "linkedin-organic", "amount": "2.00", "currency": "EUR" },
            { "from": "2026-03-02", "link": "two", "channel": "linkedin-organic", "amount": "5.00", "currency": "EUR" },
            { "from": "2026-03-02", "kind": "tools", "amount": "7.00", "currency": "EUR" },
            { "from": "2026-03-02", "channel": "linkedin-organic", "amount": "-0.30", "currency": "EUR", "document": "CN-1" },
        ] });
        app.client.post("/api/v1/costs", &body).expect(201);
        let by_link = app.report("from=2026-03-01&to=2026-03-31&by=link");
        let cost = |key: &str| row(&by_link, key)["cost_minor"].as_i64();
        assert_eq!(cost("one"), Some(67 - 20), "two of the day's three clicks, of 1.00 and of the credit note");
        assert_eq!(cost("two"), Some(33 + 500 - 10));
        assert_eq!(cost("(unallocated)"), Some(100), "the day without clicks");
        assert_eq!(cost("(shared)"), Some(700), "a cost without a channel");
        assert_eq!(by_link["totals"]["cost_minor"], 1_370);
        let media = app.report("from=2026-03-01&to=2026-03-31&cost=media");
        assert_eq!(media["totals"]["cost_minor"], 670, "tools are no media");
        assert_eq!(app.report("from=2026-03-01&to=2026-03-31")["totals"]["cost_minor"], 1_370);
    }

    fn a_foreign_currency_is_stored_and_the_report_names_day_and_currency(app) {
        app.link("go");
        app.client.post("/api/v1/costs", &json!({ "costs": [{ "from": "2026-01-05", "channel": "linkedin-organic", "amount": "9.00", "currency": "USD" }] })).expect(201);
        let refused = app.client.get("/api/v1/reports/cost-per-lead?from=2026-01-01&to=2026-01-31");
        assert_eq!((refused.status, refused.fault_codes()), (422, vec!["rate-missing".to_owned()]));
        assert!(refused.text.contains("2026-01-05") && refused.text.contains("USD"), "{}", refused.text);
        assert_eq!(app.report("from=2026-01-01&to=2026-01-31&currency=USD")["totals"]["cost_minor"], 900);
        assert_eq!(app.report("from=2026-02-01&to=2026-02-28")["totals"]["cost_minor"], 0, "other days need no rate");
    }

    fn bad_costs_are_refused_whole_with_all_faults(app) {
        app.link("go");
        let body = json!({ "costs": [
            { "from": "2026-01-05", "channel": "linkedin-organic", "amount": "9.00", "currency": "EUR" },
            { "from": "2026-01-05", "to": "2026-01-01", "channel": "linkdin-organic", "kind": "beer", "amount": "1.001", "currency": "EUR" },
        ] });
        let reply = app.client.post("/api/v1/costs", &body);
        assert_eq!((reply.status, reply.fault_codes()), (422, ["channel-unknown", "range-reversed", "cost-kind-unknown", "amount-too-precise"].map(str::to_owned).to_vec()));
        assert!(reply.text.contains("/costs/1/channel") && reply.text.contains("did you mean `linkedin-organic`"), "{}", reply.text);
        assert_eq!(app.report("from=2026-01-01&to=2026-01-31")["totals"]["cost_minor"], 0);
        let (ok, _, told) = import(&app, "from;to;channel;amount\r\n2026-01-01;2026-01-01;linkedin-organic;1.00\r\n2026-01-02;2026-01-02;linkedin-organic;abc\r\n");
        assert!(!ok && told.contains("line 3") && told.contains("amount"), "{told}");
        binary::run_in(&app, &["cost", "add", "--from", "2026-01-09", "--channel", "linkedin-organic", "--amount", "12.34"]);
        assert_eq!(app.report("from=2026-01-01&to=2026-01-31")["totals"]["cost_minor"], 1_234);
    }
}
