//! Exports of ad platforms and social networks: by API, page and command line, to the cent, and back.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::support::client::Reply;
use crate::support::{TestApp, binary, row};
use crate::ui::{csrf_in, page, post, set_up};

/// October 2026, in which the fixtures spend.
const OCTOBER: &str = "from=2026-10-01&to=2026-10-31";

pub(crate) fn exports() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/exports")
}

/// A file as multipart/form-data, with fields beside it.
fn multipart(name: &str, bytes: &[u8], fields: &[(&str, &str)]) -> (String, Vec<u8>) {
    let boundary = "----headwater-test";
    let mut body = Vec::new();
    for (field, value) in fields {
        body.extend(
            format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{field}\"\r\n\r\n{value}\r\n").bytes(),
        );
    }
    let head = format!(
        "--{boundary}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\nContent-Type: text/csv\r\n\r\n"
    );
    body.extend(head.bytes());
    body.extend(bytes);
    body.extend(format!("\r\n--{boundary}--\r\n").bytes());
    (format!("multipart/form-data; boundary={boundary}"), body)
}

pub(crate) fn send(app: &TestApp, query: &str, name: &str, bytes: &[u8]) -> Reply {
    let (kind, body) = multipart(name, bytes, &[]);
    let bearer = format!("Bearer {}", app.client.key);
    let headers = [("authorization", bearer.as_str()), ("content-type", kind.as_str())];
    app.client.send("POST", &format!("/api/v1/imports?{query}"), &headers, &body)
}

/// The report without the moment it was made of.
fn report(app: &TestApp, query: &str) -> Value {
    let mut report = app.report(query);
    report["as_of"].take();
    report["parameters"]["as_of"].take();
    report
}

fn cost(app: &TestApp, query: &str) -> i64 {
    app.report(query)["totals"]["cost_minor"].as_i64().expect("cost")
}

/// Spend of one Meta account: day, campaign, amount.
fn meta(rows: &[(&str, &str, &str)]) -> Vec<u8> {
    let mut text = "Day,Campaign name,Link clicks,Amount spent (EUR)\n".to_owned();
    for (day, campaign, amount) in rows {
        text.push_str(&format!("2026-10-{day},{campaign},1,{amount}\n"));
    }
    text.into_bytes()
}

fn batch(done: &Value) -> String {
    done["batch"].as_str().unwrap_or_else(|| panic!("a batch: {done}")).to_owned()
}

on_both! {
    fn every_platform_imports_to_the_cent_twice_and_back(app) {
        for vendor in std::fs::read_dir(exports().join("spend")).expect("fixtures").map(|e| e.expect("entry").path()) {
            let files: Vec<PathBuf> = std::fs::read_dir(&vendor).expect("vendor").map(|e| e.expect("entry").path()).collect();
            let meta = files.iter().find(|p| p.to_string_lossy().ends_with(".meta.json")).expect("sidecar");
            let meta: Value = serde_json::from_slice(&std::fs::read(meta).expect("sidecar")).expect("json");
            let name = meta["file"].as_str().expect("file");
            let bytes = std::fs::read(vendor.join(name)).expect("file");
            let currency = meta["expect"]["currency"].as_str();
            let of_file = currency.unwrap_or("USD");
            if currency.is_none() {
                assert_eq!(send(&app, "", name, &bytes).fault_codes(), ["currency-missing"], "{name}");
            }
            let query = currency.map_or("currency=USD".to_owned(), |_| String::new());
            let asked = format!("{OCTOBER}&currency={of_file}");
            let before = report(&app, &asked);
            let total = meta["expect"]["spend_minor_total"].as_i64().expect("total");

            let preview = send(&app, &format!("{query}&dry_run=true"), name, &bytes).expect(200);
            assert_eq!(preview["faults"], json!([]), "{name}");
            let sum: i64 = preview["accounts"].as_array().expect("accounts").iter().map(|a| a["amount_minor"].as_i64().expect("sum")).sum();
            assert_eq!(sum, total, "{name}: what the preview shows");
            assert!(preview["sheets"][0]["totals"].as_array().expect("totals").iter().all(|t| t["agrees"] == true), "{name}");
            assert_eq!(report(&app, &asked), before, "{name}: a preview records nothing");

            let done = send(&app, &query, name, &bytes).expect(201);
            assert_eq!(cost(&app, &asked), total, "{name}");
            assert_eq!(row(&app.report(&asked), "(unmapped)")["cost_minor"], total, "{name}: unmapped spend is shown");
            let after = app.report(&asked);
            let again = send(&app, &query, name, &bytes).expect(200);
            assert_eq!((&again["batch"], &again["stored"]), (&Value::Null, &json!(0)), "{name}: again");
            assert_eq!(app.report(&asked), after, "{name}: again changes nothing, the horizon included");

            app.client.delete(&format!("/api/v1/batches/{}", batch(&done))).expect(200);
            assert_eq!(report(&app, &asked), before, "{name}: undone");
            let then = app.report(&format!("{asked}&as_of={}", after["as_of"]));
            assert_eq!(then, after, "{name}: the report of then");
        }
    }

    fn spend_is_mapped_once_and_a_report_of_before_repeats_exactly(app) {
        app.link("go");
        app.channel("meta-paid", "meta", "cpc").expect(201);
        send(&app, "", "a.csv", &meta(&[("01", "Spring 2026", "10.00"), ("02", "Brand", "5.00")])).expect(201);
        let unmapped = app.report(OCTOBER);
        assert_eq!(row(&unmapped, "(unmapped)")["cost_minor"], 1_500);
        let list = app.client.get("/api/v1/platforms").expect(200);
        let account = &list["items"][0];
        assert_eq!((account["platform"].as_str(), account["name"].as_str(), account["currency"].as_str()), (Some("meta"), Some("main"), Some("EUR")));
        let id = |name: &str| {
            let found = account["campaigns"].as_array().expect("campaigns").iter().find(|c| c["name"] == name);
            found.expect(name)["id"].as_str().expect("id").to_owned()
        };
        let put = |path: &str, body: Value| app.client.put(&format!("/api/v1/platforms/{path}"), &body);
        let account_path = format!("accounts/{}", account["id"].as_str().expect("id"));
        assert_eq!(put(&account_path, json!({ "channel": "meta-pad" })).fault_codes(), ["channel-unknown"]);
        assert_eq!(put(&account_path, json!({ "channel": "meta-paid" })).expect(200)["changed"], true);
        assert_eq!(put(&account_path, json!({ "channel": "meta-paid" })).expect(200)["changed"], false);
        let spring = format!("campaigns/{}", id("Spring 2026"));
        put(&spring, json!({ "campaign": "spring-2026" })).expect(200);
        let mapped = app.report(OCTOBER);
        assert_eq!((row(&mapped, "meta-paid")["cost_minor"].clone(), row(&mapped, "(unmapped)").clone()), (json!(1_500), Value::Null));
        let by_campaign = app.report(&format!("{OCTOBER}&by=campaign"));
        assert_eq!(row(&by_campaign, "spring-2026")["cost_minor"], 1_000);
        put(&spring, json!({ "channel": "linkedin-organic", "effect": "correction" })).expect(200);
        assert_eq!(row(&app.report(OCTOBER), "linkedin-organic")["cost_minor"], 1_000, "a campaign's own channel comes first");
        for then in [&unmapped, &mapped] {
            assert_eq!(app.report(&format!("{OCTOBER}&as_of={}", then["as_of"])), *then, "the report of then");
        }
        assert_eq!(put("campaigns/pcm_99", json!({})).status, 404);
        send(&app, "", "b.csv", &meta(&[("03", "New one", "1.00")])).expect(201);
        assert_eq!(row(&app.report(OCTOBER), "meta-paid")["cost_minor"], 600, "a new campaign follows its account");
    }

    fn a_file_replaces_its_days_only_and_nothing_vanishes_unseen(app) {
        let first = send(&app, "", "a.csv", &meta(&[("01", "A", "10.00"), ("02", "A", "10.00"), ("02", "B", "5.00"), ("09", "A", "1.00")])).expect(201);
        assert_eq!(cost(&app, OCTOBER), 2_600);
        let shorter = meta(&[("01", "A", "11.00"), ("02", "A", "12.00")]);
        let refused = send(&app, "", "b.csv", &shorter);
        assert_eq!(refused.fault_codes(), ["spend-would-vanish"]);
        let preview = send(&app, "dry_run=1", "b.csv", &shorter).expect(200);
        assert_eq!(preview["accounts"][0]["vanishing"], json!([{ "campaign": "B", "days": ["2026-10-02", "2026-10-02"], "amount_minor": 500 }]));
        let stays = send(&app, "scope=campaigns", "b.csv", &shorter).expect(201);
        assert_eq!((&stays["stored"], &stays["replaced"]), (&json!(2), &json!(2)));
        assert_eq!(cost(&app, OCTOBER), 1_100 + 1_200 + 500 + 100, "days and campaigns outside stay");
        let gone = send(&app, "scope=account", "b.csv", &shorter).expect(201);
        assert_eq!(cost(&app, OCTOBER), 1_100 + 1_200 + 100);
        let undo = |done: &Value| app.client.delete(&format!("/api/v1/batches/{}", batch(done)));
        assert_eq!(undo(&first).fault_codes(), ["replaced-since"]);
        undo(&gone).expect(200);
        assert_eq!(cost(&app, OCTOBER), 2_900);
        undo(&stays).expect(200);
        undo(&first).expect(200);
        assert_eq!(cost(&app, OCTOBER), 0);
    }

    fn what_a_file_leaves_open_is_asked_and_what_is_wrong_is_refused(app) {
        let period = "Reporting starts,Reporting ends,Campaign name,Attribution setting,Amount spent (EUR)\n2026-10-01,2026-10-10,Leads,7d,100.00\n";
        assert_eq!(send(&app, "", "p.csv", period.as_bytes()).fault_codes(), ["period-total"]);
        send(&app, "spread=true", "p.csv", period.as_bytes()).expect(201);
        assert_eq!(cost(&app, "from=2026-10-01&to=2026-10-01"), 1_000);
        let inside = send(&app, "", "i.csv", &meta(&[("05", "Leads", "1.00")]));
        assert_eq!(inside.fault_codes(), ["cost-reaches-outside"]);
        let wrong = [meta(&[("20", "A", "1.00")]), b"Total,,1,9.00\n".to_vec()].concat();
        assert_eq!(send(&app, "", "t.csv", &wrong).fault_codes(), ["totals-differ"]);
        send(&app, "accept_difference=true", "t.csv", &wrong).expect(201);
        let dollars = "Day,Campaign name,Link clicks,Amount spent (USD)\n2026-10-21,A,1,1.00\n";
        assert_eq!(send(&app, "", "d.csv", dollars.as_bytes()).fault_codes(), ["currency-mismatch"], "the account is billed in EUR");
        send(&app, "account=second", "d.csv", dollars.as_bytes()).expect(201);
        assert_eq!(send(&app, "", "e.csv", &meta(&[("22", "A", "1.00")])).fault_codes(), ["account-ambiguous"]);
        assert_eq!(send(&app, "colour=red", "e.csv", b"a,b\n").fault_codes(), ["parameter-unknown"]);
        assert_eq!(send(&app, "", "e.csv", b"a,b\n1,2\n").fault_codes(), ["preset-unknown-file"]);
        assert_eq!(send(&app, "", "e.csv", b"").fault_codes(), ["missing"]);
        assert_eq!(send(&app, "channel=nope&account=main", "f.csv", &meta(&[("22", "A", "1.00")])).fault_codes(), ["channel-unknown"]);
    }

    fn posts_and_accounts_keep_their_snapshots(app) {
        let labels = json!({ "code": "launch", "permalink": "http://facebook.com/acme/posts/pfbid01/?utm_source=x" });
        app.client.post("/api/v1/posts", &labels).expect(201);
        let file = std::fs::read(exports().join("social/facebook_page/content.csv")).expect("fixture");
        let done = send(&app, "exported_on=2026-10-05", "content.csv", &file).expect(201);
        assert_eq!(done["preview"]["sheets"][0]["counts"]["reactions"], 570);
        let read = |more: &str| app.client.get(&format!("/api/v1/metrics/posts?{OCTOBER}{more}")).expect(200);
        let first = read("");
        let rows = first["rows"].as_array().expect("rows").clone();
        assert_eq!(rows.len(), 2);
        let post = |report: &Value, id: &str| report["rows"].as_array().expect("rows").iter().find(|r| r["external_id"] == id).cloned().expect(id);
        let photo = post(&first, "122158000000000001");
        assert_eq!((&photo["impressions"], &photo["reach"], &photo["post"], &photo["snapshot"]), (&json!(5_400), &json!(4_100), &json!("launch"), &json!("2026-10-05")));
        assert_eq!(post(&first, "122158000000000002")["impressions"], Value::Null, "empty is not 0");
        assert_eq!((&first["totals"]["views"], &first["totals"]["reach"]), (&json!(18_500), &Value::Null), "reach is never summed");
        assert!(send(&app, "exported_on=2026-10-06", "content.csv", &file).expect(200)["batch"].is_null(), "the same counts add nothing");
        let newer = String::from_utf8(file).expect("utf-8").replace(",5400,4100,", ",6000,4500,");
        let later = send(&app, "exported_on=2026-10-09", "content.csv", newer.as_bytes()).expect(201);
        assert_eq!(post(&read(""), "122158000000000001")["impressions"], 6_000);
        assert_eq!(read(&format!("&as_of={}", first["as_of"])), first, "the report of then");
        app.client.delete(&format!("/api/v1/batches/{}", batch(&later))).expect(200);
        assert_eq!(post(&read(""), "122158000000000001"), photo);
        app.client.delete(&format!("/api/v1/batches/{}", batch(&done))).expect(200);
        assert_eq!(read("")["rows"], json!([]));

        let days = std::fs::read(exports().join("social/linkedin_page/acme_content_1791191700000.xls")).expect("fixture");
        let done = send(&app, "", "acme_content_1791191700000.xls", &days).expect(201);
        assert_eq!(done["preview"]["sheets"].as_array().expect("sheets").len(), 2);
        let accounts = app.client.get(&format!("/api/v1/metrics/accounts?{OCTOBER}")).expect(200);
        assert_eq!(accounts["rows"].as_array().expect("rows").len(), 2, "{accounts}");
        let restated = "Date,Impressions (organic),Impressions (total)\n10/01/2026,1,9999\n";
        send(&app, "", "m.csv", restated.as_bytes()).expect(201);
        let now = app.client.get(&format!("/api/v1/metrics/accounts?{OCTOBER}")).expect(200);
        assert_eq!(now["rows"][0]["impressions"], 9_999, "a day that is told again replaces itself");
        assert_eq!(now["rows"][1], accounts["rows"][1]);
        let bearer = format!("Bearer {}", app.client.key);
        let csv = app.client.send("GET", &format!("/api/v1/metrics/accounts?{OCTOBER}&format=csv"), &[("authorization", &bearer)], b"");
        assert!(csv.text.starts_with("network,account,day,"), "{}", csv.text);
    }

    fn a_spend_files_counts_stand_beside_ours(app) {
        let file = std::fs::read(exports().join("spend/meta_ads/daily-usd.csv")).expect("fixture");
        send(&app, "", "daily-usd.csv", &file).expect(201);
        let accounts = app.client.get(&format!("/api/v1/metrics/accounts?{OCTOBER}")).expect(200);
        let campaign = &accounts["campaigns"][0];
        assert_eq!((&campaign["campaign"], &campaign["link_clicks"]), (&json!("120210000000000022"), &json!(663)), "{accounts}");
        assert!(app.report(&format!("{OCTOBER}&currency=USD"))["totals"]["clicks"] == 0, "never mixed with what was tracked");
    }

    fn a_workbook_is_read_as_its_csv_and_is_bounded(app) {
        let cell = |text: &str| format!("<c t=\"inlineStr\"><is><t>{text}</t></is></c>");
        let line = |cells: String| format!("<row>{cells}</row>");
        let header = ["Day", "Campaign name", "Link clicks", "Amount spent (EUR)"].map(cell).concat();
        let data = format!("{}{}<c><v>3</v></c><c><v>62.1</v></c>", cell("2026-10-01"), cell("Spring"));
        let book = workbook(&format!("{}{}", line(header.clone()), line(data)), "");
        let done = send(&app, "", "daily.xlsx", &book).expect(201);
        assert_eq!((&done["preview"]["accounts"][0]["amount_minor"], &done["preview"]["encoding"]), (&json!(6_210), &json!("workbook")));
        let path = app.dir.path().join("touches.xlsx");
        let touches = ["external_id", "occurred_at", "channel"].map(cell).concat();
        std::fs::write(&path, workbook(&line(touches), "")).expect("file");
        let told = binary::run_in(&app, &["import", "touches", path.to_str().expect("path"), "--source", "x", "--json"]);
        assert_eq!(serde_json::from_str::<Value>(&told).expect("json")["stored"], 0);
        let far = format!("{}<row r=\"1048576\"><c r=\"XFD1048576\"><v>1</v></c></row>", line(header));
        assert_eq!(send(&app, "", "far.xlsx", &workbook(&far, "")).fault_codes(), ["workbook-too-large"]);
        let lies = "<sst uniqueCount=\"999999999999\"></sst>";
        assert_eq!(send(&app, "", "lies.xlsx", &workbook("", lies)).fault_codes(), ["workbook-malformed"]);
        assert_eq!(send(&app, "", "cut.xlsx", &book[..book.len() / 2]).fault_codes(), ["workbook-malformed"]);
    }

    fn a_file_that_is_too_large_is_refused_before_it_is_read(app) {
        app.stop();
        app.config.imports.file_bytes_max = 500;
        app.run();
        assert_eq!(send(&app, "", "a.csv", &vec![b'a'; 501]).status, 413);
        let bearer = format!("Bearer {}", app.client.key);
        let raw = app.client.send("POST", "/api/v1/imports?filename=a.csv", &[("authorization", &bearer)], &vec![b'a'; 501]);
        assert_eq!(raw.status, 413, "{}", raw.text);
        let raw = app.client.send("POST", "/api/v1/imports?filename=a.csv", &[("authorization", &bearer)], &meta(&[("01", "A", "1.00")]));
        assert_eq!(raw.expect(201)["preview"]["file"], "a.csv");
    }

    fn the_page_shows_what_a_file_does_and_then_does_it(app) {
        let cookie = set_up(&app);
        app.link("go");
        app.channel("google-paid", "google", "cpc").expect(201);
        let file = std::fs::read(exports().join("spend/google_ads/campaign-report.csv")).expect("fixture");
        let before = report(&app, OCTOBER);
        let token = upload(&app, &cookie, "campaign-report.csv", &file);
        let shown = page(&app, &token, &cookie);
        assert_eq!(shown.status, 200, "{}", shown.text);
        for words in ["Recognised as <strong>Google Ads</strong>", "sum to the file's own total, <strong>1,032.90 EUR</strong>", "Book launch — Search", "google-paid"] {
            assert!(shown.text.contains(words), "{words}: {}", shown.text);
        }
        let csrf = csrf_in(&shown.text);
        let sent = [("csrf", csrf.as_str()), ("sent", "1"), ("do", "import"), ("channel", "google-paid"), ("campaign-0-0", "spring-2026")];
        assert_eq!(post(&app, &token, &cookie, &[("csrf", "other"), ("do", "import")]).status, 403);
        assert_eq!(report(&app, OCTOBER), before);
        let done = post(&app, &token, &cookie, &sent);
        assert_eq!(done.status, 303, "{}", done.text);
        let shown = page(&app, &done.header("location"), &cookie);
        assert!(shown.text.contains("1,032.90 EUR") && shown.text.contains("Undo"), "{}", shown.text);
        let undo = shown.text.split("/app/costs/batches/").nth(1).and_then(|rest| rest.split('"').next()).expect("a way to undo");
        let asked = page(&app, &format!("/app/costs/batches/{undo}"), &cookie).text;
        assert!(asked.contains("<a href=\"/app/import\">Keep it</a>"), "{asked}");
        let report = app.report(OCTOBER);
        assert_eq!(row(&report, "google-paid")["cost_minor"], 103_290);
        assert_eq!(row(&app.report(&format!("{OCTOBER}&by=campaign")), "spring-2026")["cost_minor"], 102_890);
        assert_eq!(page(&app, &token, &cookie).status, 404, "the file is gone");
        let again = upload(&app, &cookie, "campaign-report.csv", &file);
        let shown = page(&app, &again, &cookie);
        let done = post(&app, &again, &cookie, &[("csrf", &csrf_in(&shown.text)), ("sent", "1"), ("do", "import")]);
        assert_eq!(done.header("location"), "/app/import/done/nothing");
        let undone = post(&app, &format!("/app/costs/batches/{undo}/undo"), &cookie, &[("csrf", &csrf), ("confirm", "on")]);
        assert_eq!((undone.status, undone.header("location").as_str()), (303, "/app/import?done=batch-undone"), "back to where it was imported");
        assert_eq!(crate::exports::report(&app, OCTOBER), before, "the books are as before");
        let platforms = page(&app, "/app/platforms", &cookie);
        assert!(platforms.text.contains("Book launch") && platforms.text.contains("google: main"), "{}", platforms.text);
        let mine = upload(&app, &cookie, "campaign-report.csv", &file);
        app.clock.advance_ms(61 * 60_000);
        assert_eq!(page(&app, &mine, &cookie).status, 404, "a waiting file expires");
    }

    fn an_account_says_its_currency_once(app) {
        let file = std::fs::read(exports().join("spend/x_ads/campaigns-daily.csv")).expect("fixture");
        let cookie = set_up(&app);
        let first = page(&app, &upload(&app, &cookie, "x.csv", &file), &cookie).text;
        assert!(first.contains("What the file does not say") && !first.contains("Please correct this"), "a question is no mistake: {first}");
        send(&app, "currency=USD", "x.csv", &file).expect(201);
        let again = send(&app, "", "x.csv", &file).expect(200);
        assert_eq!((again["batch"].is_null(), again["preview"]["accounts"][0]["stands"].as_bool()), (true, Some(true)), "{again}");
        assert!(again["preview"]["sheets"][0]["notes"].to_string().contains("billed in USD"), "{again}");
        let shown = page(&app, &upload(&app, &cookie, "x.csv", &file), &cookie).text;
        assert!(shown.contains("nothing: all of it stands already") && shown.contains("no row of totals"), "{shown}");
        let euros = send(&app, "currency=EUR", "x.csv", &file);
        assert_eq!(euros.json()["errors"][0]["field"], "currency", "{}", euros.text);
        send(&app, "currency=EUR&account=two", "x.csv", &file).expect(201);
        assert_eq!(send(&app, "", "x.csv", &file).fault_codes(), ["currency-missing"], "of which of the two accounts nobody says");
        let posts = std::fs::read(exports().join("social/x_analytics/account_analytics_content_2026-09-07_2026-10-05.csv")).expect("fixture");
        let seen = send(&app, "dry_run=true", "posts.csv", &posts).expect(200);
        let fault = &seen["faults"][0];
        assert_eq!((fault["code"].as_str(), fault["detail"].to_string().contains("`main`, `two`")), (Some("account-ambiguous"), true), "{seen}");
    }

    fn spend_without_a_rate_is_told_before_a_report_refuses_it(app) {
        let cookie = set_up(&app);
        let file = std::fs::read(exports().join("spend/meta_ads/daily-usd.csv")).expect("fixture");
        let gap = "There is no rate from USD to EUR on 2026-10-01 and 2026-10-02";
        let token = upload(&app, &cookie, "daily-usd.csv", &file);
        let shown = page(&app, &token, &cookie).text;
        assert!(shown.contains(gap) && shown.contains("href=\"/app/rates\""), "{shown}");
        let done = post(&app, &token, &cookie, &[("csrf", &csrf_in(&shown)), ("sent", "1"), ("do", "import")]).header("location");
        assert!(done.ends_with("?from=2026-10-01&to=2026-10-02"), "{done}");
        let shown = page(&app, &done, &cookie).text;
        assert!(shown.contains(gap) && shown.contains("/app/reports/cost-per-lead?from=2026-10-01"), "{shown}");
        let costs = page(&app, "/app/costs", &cookie).text;
        assert!(costs.contains(gap) && costs.contains("(unmapped)") && !costs.contains("(shared)</td>"), "{costs}");
        let report = page(&app, &format!("/app/reports/cost-per-lead?{OCTOBER}"), &cookie);
        assert_eq!((report.status, report.text.contains("href=\"/app/rates\"")), (422, true), "{}", report.text);
        app.client.post("/api/v1/rates", &json!({ "rates": [{ "day": "2026-10-01", "base": "EUR", "quote": "USD", "rate": "1.25" }] })).expect(201);
        let costs = page(&app, "/app/costs", &cookie).text;
        assert!(!costs.contains("There is no rate"), "one rate holds for seven days: {costs}");
        assert_eq!(row(&app.report(OCTOBER), "(unmapped)")["cost_minor"], 92_800);
        let wrong = send(&app, "", "eur.csv", &meta(&[("01", "Spring", "1.00")]));
        assert_eq!((wrong.fault_codes(), &wrong.json()["errors"][0]["field"]), (vec!["currency-mismatch".to_owned()], &json!("account")), "{}", wrong.text);
    }

    fn an_unknown_table_is_mapped_once_and_known_from_then_on(app) {
        let cookie = set_up(&app);
        let file = "Agency report\nPeriod;October\n\nWhen;What;How much\n01/10/2026;Leads;1.234,50\n13/10/2026;Brand;12,50\n";
        let token = upload(&app, &cookie, "agency.csv", file.as_bytes());
        let shown = page(&app, &token, &cookie);
        assert!(shown.text.contains("preset knows the columns <code>When</code>, <code>What</code>, <code>How much</code>"), "{}", shown.text);
        assert!(shown.text.contains(&format!("class=\"button primary\" href=\"{token}/columns\"")), "the way on is plain: {}", shown.text);
        let columns = format!("{token}/columns");
        let shown = page(&app, &columns, &cookie);
        assert!(shown.text.contains("Line 4") && shown.text.contains("1.234,50"), "{}", shown.text);
        let csrf = csrf_in(&shown.text);
        let mut sent = vec![("csrf", csrf.as_str()), ("sent", "1"), ("do", "save"), ("header", "4"), ("kind", "spend"), ("platform", "agency"), ("currency", "EUR")];
        sent.extend([("column-0", "day"), ("column-1", "campaign")]);
        let refused = post(&app, &columns, &cookie, &sent);
        assert_eq!(refused.status, 422);
        sent.extend([("title", "Agency report"), ("column-2", "spend")]);
        let saved = post(&app, &columns, &cookie, &sent);
        assert_eq!(saved.status, 303, "{}", saved.text);
        let shown = page(&app, &saved.header("location"), &cookie);
        assert!(shown.text.contains("1,247.00 EUR"), "{}", shown.text);
        let done = send(&app, "", "agency-2.csv", file.as_bytes()).expect(201);
        assert_eq!(done["preview"]["sheets"][0]["preset"], "my-agency-report", "recognised by its columns");
        assert_eq!(cost(&app, OCTOBER), 124_700);
        let tabs = std::fs::read(exports().join("social/linkedin_page/acme_content_1791191700000.xls")).expect("fixture");
        let columns = format!("{}/columns", upload(&app, &cookie, "tabs.xls", &tabs));
        let shown = page(&app, &columns, &cookie).text;
        let csrf = csrf_in(&shown);
        let second = post(&app, &columns, &cookie, &[("csrf", &csrf), ("do", "header"), ("sheet", "1"), ("sent", "1")]).text;
        assert!(shown.contains("name=\"sheet\"") && second.contains("<option value=\"1\" selected>All posts"), "a tab is chosen and kept: {second}");
        app.client.delete("/api/v1/imports/presets/my-agency-report").expect(204);
        assert_eq!(send(&app, "", "agency-3.csv", file.as_bytes()).fault_codes(), ["preset-unknown-file"]);
    }

    fn the_command_line_recognises_exports(app) {
        let path = exports().join("spend/tiktok_ads/by-day.csv");
        let path = path.to_str().expect("path");
        let preview: Value = serde_json::from_str(&binary::run_in(&app, &["import", path, "--dry-run", "--json"])).expect("json");
        assert_eq!((&preview["accounts"][0]["amount_minor"], &preview["sheets"][0]["preset"]), (&json!(4_000), &json!("tiktok-ads")));
        let told = binary::run_in(&app, &["import", path]);
        assert!(told.contains("40.00 USD") && told.contains("headwater batch undo"), "{told}");
        assert!(binary::run_in(&app, &["import", path]).contains("Everything stood already"));
        app.channel("tiktok-paid", "tiktok", "cpc").expect(201);
        let list = app.client.get("/api/v1/platforms").expect(200);
        let id = list["items"][0]["id"].as_str().expect("id");
        assert!(binary::run_in(&app, &["platform", "map", id, "--channel", "tiktok-paid"]).contains("recorded"));
        assert!(binary::run_in(&app, &["platform", "list"]).contains("tiktok-paid"));
        assert_eq!(row(&app.report(&format!("{OCTOBER}&currency=USD")), "tiktok-paid")["cost_minor"], 4_000);
    }

    fn a_lead_forms_ad_finds_its_campaign(app) {
        use headwater::domain::time::{Clock as _, UtcMillis};
        use headwater::store::platforms::{Mappings, named};
        app.channel("meta-paid", "meta", "cpc").expect(201);
        let file = "Day,Campaign name,Campaign ID,Ad ID,Link clicks,Amount spent (EUR)\n2026-10-01,Leads,120210000000000022,120219990000000001,1,1.00\n";
        send(&app, "channel=meta-paid", "a.csv", file.as_bytes()).expect(201);
        let now: UtcMillis = app.clock.now();
        let find = |ids: &[&str]| app.state().db.read_now(|conn| named(conn, "meta", ids)).expect("named");
        let by_ad = find(&["", "120219990000000001"]).expect("by its ad");
        assert_eq!(find(&["120210000000000022"]), Some(by_ad));
        assert_eq!(find(&["Leads"]), Some(by_ad));
        let mapping = app.state().db.read_now(|conn| Ok(Mappings::latest(conn)?.at(by_ad, now))).expect("mapping");
        assert!(mapping.channel.is_some() && mapping.campaign.is_none());
        assert_eq!(find(&["120210000000000023"]), None);
    }
}

/// Uploads a file on the page; answers where it waits.
fn upload(app: &TestApp, cookie: &str, name: &str, bytes: &[u8]) -> String {
    let start = page(app, "/app/import", cookie);
    let csrf = csrf_in(&start.text);
    let (kind, body) = multipart(name, bytes, &[("csrf", &csrf)]);
    let headers = [("content-type", kind.as_str()), ("cookie", cookie), ("origin", &app.client.base)];
    let foreign = [("content-type", kind.as_str()), ("cookie", cookie), ("origin", "https://evil.example")];
    assert_eq!(app.client.send("POST", "/app/import", &foreign, &body).status, 403);
    let reply = app.client.send("POST", "/app/import", &headers, &body);
    assert_eq!(reply.status, 303, "{}", reply.text);
    reply.header("location")
}

/// A workbook of one sheet.
fn workbook(rows: &str, shared: &str) -> Vec<u8> {
    use std::io::Write;
    let main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main";
    let relations = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";
    let package = "http://schemas.openxmlformats.org/package/2006/relationships";
    let parts = [
        (
            "[Content_Types].xml",
            "<Types xmlns=\"http://schemas.openxmlformats.org/package/2006/content-types\"/>".to_owned(),
        ),
        (
            "_rels/.rels",
            format!(
                "<Relationships xmlns=\"{package}\"><Relationship Id=\"r1\" Type=\"{relations}/officeDocument\" Target=\"xl/workbook.xml\"/></Relationships>"
            ),
        ),
        (
            "xl/workbook.xml",
            format!(
                "<workbook xmlns=\"{main}\" xmlns:r=\"{relations}\"><sheets><sheet name=\"Data\" sheetId=\"1\" r:id=\"r1\"/></sheets></workbook>"
            ),
        ),
        (
            "xl/_rels/workbook.xml.rels",
            format!(
                "<Relationships xmlns=\"{package}\"><Relationship Id=\"r1\" Type=\"{relations}/worksheet\" Target=\"worksheets/sheet1.xml\"/></Relationships>"
            ),
        ),
        ("xl/worksheets/sheet1.xml", format!("<worksheet xmlns=\"{main}\"><sheetData>{rows}</sheetData></worksheet>")),
        (
            "xl/sharedStrings.xml",
            if shared.is_empty() { format!("<sst xmlns=\"{main}\"></sst>") } else { shared.to_owned() },
        ),
    ];
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, text) in parts {
        archive.start_file(name, zip::write::SimpleFileOptions::default()).expect("part");
        archive.write_all(text.as_bytes()).expect("part");
    }
    archive.finish().expect("archive").into_inner()
}
