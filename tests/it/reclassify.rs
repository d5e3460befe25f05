//! `headwater reclassify`: stored touches classified again by other rules, by the real command beside the real server.

use serde_json::{Value, json};

use crate::support::binary;
use crate::support::client::BROWSER;
use crate::support::traffic::{PROXIED, Visitor, clicks, horizon, kept, links, report_bytes, rules};
use crate::support::{Backend, TestApp};

/// The command beside the running server; its JSON.
fn reclassify(app: &TestApp, arguments: &[&str]) -> Value {
    app.settle();
    let all = [&["reclassify", "--json"], arguments].concat();
    serde_json::from_str(&binary::run_in(app, &all)).expect("JSON")
}

/// What the command says when it fails.
fn refusal(app: &TestApp, arguments: &[&str]) -> String {
    app.settle();
    let output = binary::output_in(app, &[&["reclassify"], arguments].concat());
    assert_eq!(output.status.code(), Some(1), "{arguments:?}");
    String::from_utf8(output.stderr).expect("utf-8")
}

/// A file of rules in the server's directory.
fn rules_file(app: &TestApp, text: &str) -> String {
    let path = app.dir.path().join("rules.toml");
    std::fs::write(&path, text).expect("rules");
    path.to_str().expect("utf-8 path").to_owned()
}

const KIOSK: &str = "Kiosk/1.0 (+https://kiosk.example)";
const FROM: [&str; 2] = ["--from", "2026-03-01"];

on_both_proxied! {
    fn other_rules_are_shown_first_and_then_recorded(app) {
        links(app, 2);
        Visitor { user_agent: KIOSK, ..Visitor::of(app) }.open(60_000, "GET", "l1");
        Visitor { user_agent: KIOSK, ..Visitor::of(app) }.open(60_000, "GET", "l2");
        Visitor::of(app).open(60_000, "GET", "l1");
        let googlebot = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)";
        Visitor { user_agent: googlebot, ..Visitor::of(app) }.open(60_000, "GET", "l1");
        let before = horizon(app);
        let (report, stored) = (report_bytes(app, before), kept(app));
        let file = rules_file(app, "[classification]\nagents = ['human ^Kiosk', 'scanner X11; Linux']\n");
        let arguments = [&FROM[..], &["--rules", &file]].concat();

        let shown = reclassify(app, &arguments);
        assert_eq!((&shown["judged"], &shown["changed"], &shown["recorded"]), (&json!(4), &json!(3), &json!(0)), "{shown}");
        assert_eq!((&shown["applied"], &shown["run"]), (&json!(false), &Value::Null));
        let changes = json!([
            { "from": { "class": "bot", "rule": "ua-word:+http" }, "to": { "class": "human", "rule": "browser" }, "touches": 2 },
            { "from": { "class": "human", "rule": "browser" }, "to": { "class": "scanner", "rule": "ua-own:X11; Linux" }, "touches": 1 },
        ]);
        assert_eq!(shown["changes"], changes);
        let human = json!({ "clicks_before": 1, "clicks_after": 2, "other_touches_before": 0, "other_touches_after": 0 });
        assert_eq!(shown["total"], human);
        assert_eq!((&shown["channels"][0]["channel"], &shown["channels"][0]["clicks_after"]), (&json!("linkedin-organic"), &json!(2)));
        assert_eq!((&shown["days"][0]["day"], &shown["days"][0]["clicks_before"]), (&json!("2026-03-02"), &json!(1)));
        assert_eq!((horizon(app), kept(app)), (before, stored), "nothing was written");

        let done = reclassify(app, &[&arguments[..], &["--apply"]].concat());
        assert_eq!((&done["changes"], &done["total"], &done["recorded"]), (&changes, &human, &json!(3)), "what was shown");
        assert!(done["run"].as_str().is_some_and(|run| run.starts_with("bat_")), "{done}");
        let classes = rules(app);
        assert_eq!(classes[..3], ["human browser", "human browser", "scanner ua-own:X11; Linux"].map(str::to_owned));
        assert_eq!((clicks(app, before), clicks(app, horizon(app))), (json!(1), json!(2)));
        assert_eq!(report_bytes(app, before), report, "a report of before is the same to the byte");

        let after = (horizon(app), kept(app));
        let again = reclassify(app, &[&arguments[..], &["--apply"]].concat());
        assert_eq!((&again["changed"], &again["recorded"], &again["run"]), (&json!(0), &json!(0), &Value::Null));
        assert_eq!((horizon(app), kept(app)), after, "a second run changes nothing");
        // The configuration's own rules bring it all back.
        let back = reclassify(app, &[&FROM[..], &["--apply"]].concat());
        assert_eq!(back["recorded"], 3);
        assert_eq!(clicks(app, horizon(app)), 1);
        let text = binary::run_in(app, &[&["reclassify"], &arguments[..]].concat());
        assert!(text.contains("3 of 4 touches would change. Nothing was written; --apply records it."), "{text}");
        assert!(text.contains("│ bot   ┆ ua-word:+http ┆ human   ┆ browser"), "{text}");
        assert!(text.contains("│ linkedin-organic ┆ 1            ┆ 2"), "{text}");
    }

    /// Whoever becomes human makes the next click a repeat, and whoever is human no longer leaves it human.
    fn repeats_follow_from_the_new_classes(app) {
        links(app, 1);
        let mut kiosk = Visitor { user_agent: KIOSK, ..Visitor::of(app) };
        kiosk.open(60_000, "GET", "l1");
        // The same browser under its other name, twice within the window, and once more behind it.
        kiosk.user_agent = BROWSER;
        for after_ms in [4_000, 7_000, 4_000] {
            kiosk.open(after_ms, "GET", "l1");
        }
        let as_loaded = ["bot ua-word:+http", "human browser", "repeat repeat", "human browser"];
        assert_eq!(rules(app), as_loaded);
        let file = rules_file(app, "[classification]\nagents = ['human ^Kiosk']\n");
        let arguments = [&FROM[..], &["--rules", &file, "--apply"]].concat();
        assert_eq!(reclassify(app, &arguments)["recorded"], 4);
        let with_kiosk = ["human browser", "repeat repeat", "human browser", "repeat repeat"];
        assert_eq!(rules(app), with_kiosk, "4 s, 11 s and 15 s after the first: the third is human, the fourth repeats it");
        assert_eq!(reclassify(app, &arguments)["changed"], 0);
        // A period that begins behind the first click takes it as it stands.
        let (first, second) = ("2026-03-02T12:01:00.001Z", "2026-03-02T12:01:04.001Z");
        assert_eq!(reclassify(app, &["--from", first, "--rules", &file])["changed"], 0);
        assert_eq!(reclassify(app, &["--from", first, "--to", second, "--rules", &file])["judged"], 1);
        assert_eq!(reclassify(app, &[&FROM[..], &["--apply"]].concat())["recorded"], 4);
        assert_eq!(rules(app), as_loaded);
        let short = rules_file(app, "[tracking]\nrepeat_window_ms = 3000\n");
        let shown = reclassify(app, &[&FROM[..], &["--rules", &short]].concat());
        assert_eq!(shown["total"]["clicks_after"], 3, "{shown}");
    }

    fn what_cannot_be_judged_again_stays(app) {
        links(app, 5);
        let mut scanner = Visitor::of(app);
        for n in 1..=5 {
            scanner.open(100, "GET", &format!("l{n}"));
        }
        app.settle();
        let touches = "occurred_at,channel,kind,external_id\n2026-03-02T10:00:00Z,linkedin-organic,click,a1\n";
        let csv = app.dir.path().join("old.csv");
        std::fs::write(&csv, touches).expect("csv");
        binary::run_in(app, &["import", "touches", csv.to_str().expect("path"), "--source", "old-tool"]);
        let file = rules_file(app, "[classification]\nburst_links = 0\nagents = ['bot X11']\n");
        let shown = reclassify(app, &FROM);
        assert_eq!((&shown["judged"], &shown["changed"]), (&json!(5), &json!(0)), "{shown}");
        assert_eq!(shown["kept"], json!({ "imported": 1, "behaviour": 5, "range_labels": 0 }));
        // Stronger evidence names them otherwise; without it they are what they were.
        let named = reclassify(app, &[&FROM[..], &["--rules", &file, "--apply"]].concat());
        assert_eq!((&named["recorded"], &named["kept"]["behaviour"]), (&json!(5), &json!(0)), "{named}");
        assert_eq!(rules(app)[1], "bot ua-own:X11");
        assert_eq!(reclassify(app, &[&FROM[..], &["--apply"]].concat())["recorded"], 5);
        assert_eq!(rules(app), [&["human imported"][..], &["scanner burst"; 5]].concat());
        let imported = refusal(app, &["--from", "2026-03-02T09:00:00Z", "--to", "2026-03-02T11:00:00Z"]);
        assert!(imported.contains("from: all 1 touches of this period were imported"), "{imported}");
    }

    fn ranges_are_asked_by_their_labels(app) {
        links(app, 1);
        app.stop();
        app.config.classification.ranges = vec!["203.0.113.0/28 - rack-3".into()];
        app.run();
        Visitor::of(app).open(60_000, "GET", "l1");
        Visitor { address: "203.0.113.200", ..Visitor::of(app) }.open(60_000, "GET", "l1");
        let file = rules_file(app, "[classification]\nranges = ['203.0.113.0/24 bot wide', '203.0.113.0/28 bot rack-3']\n");
        let done = reclassify(app, &[&FROM[..], &["--rules", &file, "--apply"]].concat());
        assert_eq!(done["kept"]["range_labels"], 1, "{done}");
        assert_eq!(rules(app), ["bot range:rack-3", "human browser"], "the second one's address is gone");
    }

    fn what_is_asked_wrongly_is_refused_by_name(app) {
        let none = refusal(app, &FROM);
        assert!(none.contains("error: from: no touches are stored yet"), "{none}");
        links(app, 1);
        Visitor::of(app).open(60_000, "GET", "l1");
        let misspelt = rules_file(app, "[classification]\nburst_link = 3\n");
        let range = app.dir.path().join("range.toml");
        std::fs::write(&range, "[classification]\nranges = ['192.0.2.1/24 bot x']\n").expect("rules");
        let range = range.to_str().expect("path");
        let before = horizon(app);
        for (arguments, wanted) in [
            (vec!["--from", "2026-02-30"], "error: from: `2026-02-30` is neither a day nor a time; write 2026-03-01, or"),
            (vec!["--from", "2026-03-01", "--to", "soon"], "error: to: `soon` is neither a day nor a time"),
            (vec!["--from", "2026-03-02", "--to", "2026-03-01"], "error: from: the period from `2026-03-02` to `2026-03-01` has no time in it; swap the two"),
            (vec!["--from", "2026-04-01"], "error: from: no touches are stored of this period; the first is of 2026-03-02T12:01:00.000Z"),
            (vec!["--from", "2026-03-01", "--rules", "/no/such.toml"], "cannot read /no/such.toml"),
            (vec!["--from", "2026-03-01", "--rules", &misspelt], "error: classification.burst_link: "),
            (vec!["--from", "2026-03-01", "--rules", range], "error: classification.ranges[0]: `192.0.2.1/24` is inside its network"),
        ] {
            let said = refusal(app, &[&arguments[..], &["--apply"]].concat());
            assert!(said.contains(wanted) && said.lines().count() == 1, "{said}");
        }
        let output = binary::output_in(app, &["check", "--set", "classification.ranges=['x']"]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains("error: classification.ranges[0]: `x` has 1 words"), "{said}");
        assert_eq!(horizon(app), before);
    }
}
