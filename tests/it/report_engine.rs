//! Dimensions, filters, clocks, comparisons, stages and cohorts, on the demo's data: every cut adds up to the whole.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::support::demo::Demo;
use crate::support::{Backend, row};

const ALL: &str = "from=2025-01-01&to=2025-08-31";
/// Sums that every cut of the same facts must agree on.
const SUMS: &[&str] = &[
    "clicks",
    "other_touches",
    "cost_minor",
    "leads_micro",
    "customers_micro",
    "revenue_minor",
    "opportunities_micro",
];

fn sum(report: &Value, column: &str) -> i64 {
    report["rows"].as_array().expect("rows").iter().map(|r| r[column].as_i64().expect("integer")).sum()
}

fn cost_per_lead(demo: &Demo, query: &str) -> Value {
    demo.report("cost-per-lead", query)
}

fn every_cut_adds_up(demo: &Demo) {
    let whole = cost_per_lead(demo, ALL);
    for by in [
        "network",
        "medium",
        "channel,week",
        "campaign,channel",
        "link,month,channel",
        "country,device",
        "post,persona,content_style",
        "day",
        "quarter,year",
        "stage,channel",
        "month&by=channel",
    ] {
        let cut = cost_per_lead(demo, &format!("{ALL}&by={by}"));
        for column in SUMS {
            assert_eq!(cut["totals"][column], whole["totals"][column], "{by} {column}");
            assert_eq!(sum(&cut, column), cut["totals"][column].as_i64().expect("integer"), "rows of {by}, {column}");
        }
    }
    assert_eq!(whole["totals"]["opportunities_micro"], 337_000_000);
}

fn a_period_is_the_sum_of_its_parts(demo: &Demo) {
    for model in ["linear", "time_decay", "w_shaped"] {
        let whole = cost_per_lead(demo, &format!("{ALL}&model={model}"));
        let mut parts: BTreeMap<(String, &str), i64> = BTreeMap::new();
        for range in ["from=2025-01-01&to=2025-02-17", "from=2025-02-18&to=2025-05-31", "from=2025-06-01&to=2025-08-31"]
        {
            for line in cost_per_lead(demo, &format!("{range}&model={model}"))["rows"].as_array().expect("rows") {
                for column in SUMS {
                    *parts.entry((line["key"].to_string(), column)).or_default() +=
                        line[column].as_i64().expect("integer");
                }
            }
        }
        for line in whole["rows"].as_array().expect("rows") {
            for column in SUMS {
                assert_eq!(
                    parts.get(&(line["key"].to_string(), *column)),
                    line[column].as_i64().as_ref(),
                    "{model} {} {column}",
                    line["key"]
                );
            }
        }
    }
}

fn filters_keep_what_they_name(demo: &Demo) {
    let whole = cost_per_lead(demo, ALL);
    let two = cost_per_lead(demo, &format!("{ALL}&channel=linkedin,email"));
    assert_eq!(two["rows"].as_array().map(Vec::len), Some(2));
    assert_eq!(row(&two, "linkedin")["leads_micro"], row(&whole, "linkedin")["leads_micro"]);
    let without = cost_per_lead(demo, &format!("{ALL}&channel=-linkedin"));
    assert_eq!(
        without["totals"]["leads_micro"]
            .as_i64()
            .zip(row(&whole, "linkedin")["leads_micro"].as_i64())
            .map(|(a, b)| a + b),
        Some(575_000_000)
    );
    let of_network = cost_per_lead(demo, &format!("{ALL}&by=month&channel=linkedin"));
    assert_eq!(
        of_network["totals"]["leads_micro"],
        row(&whole, "linkedin")["leads_micro"],
        "a filter needs no column of its own"
    );
    assert_eq!(demo.faults("cost-per-lead", &format!("{ALL}&channel=linkedn")), ["filter-unknown"]);
}

fn periods_are_compared_with_noise_in_mind(demo: &Demo) {
    let report = cost_per_lead(demo, "from=2025-03-01&to=2025-03-31&compare=previous,year");
    let linkedin = row(&report, "linkedin");
    let february = cost_per_lead(demo, "from=2025-02-01&to=2025-02-28");
    let previous = &linkedin["compared"][0];
    assert_eq!(
        (&previous["with"], &previous["from"], &previous["to"]),
        (&json!("previous"), &json!("2025-02-01"), &json!("2025-02-28"))
    );
    assert_eq!(previous["models"][0]["leads_micro"], row(&february, "linkedin")["leads_micro"]);
    let change = &previous["models"][0]["leads_change"];
    assert!(["signal", "noise"].contains(&change["verdict"].as_str().expect("verdict")), "{change}");
    assert_eq!(change["approximate"], true, "linear credit is fractional");
    assert!(change["noise_floor"]["up_micro"].as_u64().is_some());
    assert_eq!(linkedin["compared"][1]["models"][0]["leads_micro"], 0, "there was nothing a year before");
    assert!(report["notes"][0].as_str().is_some_and(|n| n.contains("Benjamini")), "{}", report["notes"]);
    assert_eq!(demo.faults("cost-per-lead", &format!("{ALL}&by=month&compare=year")), ["compare-with-time"]);
}

fn cohorts_count_by_the_touch(demo: &Demo) {
    let wide = "from=2024-09-01&to=2025-12-31";
    let period = cost_per_lead(demo, wide);
    let cohort = cost_per_lead(demo, &format!("{wide}&clock=cohort"));
    for column in SUMS {
        assert_eq!(cohort["totals"][column], period["totals"][column], "{column}: over all time both clocks agree");
    }
    let may = |clock: &str| cost_per_lead(demo, &format!("from=2025-05-01&to=2025-05-31&clock={clock}"));
    assert_ne!(may("cohort")["totals"]["leads_micro"], may("period")["totals"]["leads_micro"]);
    assert!(may("period")["totals"]["maturity"].is_null());
    let maturity: f64 = may("cohort")["totals"]["maturity"].as_str().expect("maturity").parse().expect("number");
    assert!((0.9..=1.0).contains(&maturity), "May is old by the end of the data: {maturity}");
    let report = demo.report("cohorts", wide);
    assert_eq!(sum(&report, "leads_micro"), 575_000_000);
    let curve: Vec<f64> = report["lag_curve"]
        .as_array()
        .expect("curve")
        .iter()
        .filter_map(|r| r["share"].as_str()?.parse().ok())
        .collect();
    assert!(curve.len() == 10 && curve.is_sorted() && curve.last() == Some(&1.0), "{curve:?}");
}

fn stages_count_each_entry_once(demo: &Demo) {
    let report = demo.report("stages", ALL);
    let of = |stage: &str, column: &str| {
        let rows = report["rows"].as_array().expect("rows");
        rows.iter().find(|r| r["stage"] == stage).expect(stage)[column].clone()
    };
    assert_eq!(
        (of("Lead", "entered_micro"), of("Opportunity", "entered_micro"), of("Customer", "entered_micro")),
        (json!(575_000_000), json!(337_000_000), json!(132_000_000))
    );
    assert_eq!(of("Lead", "rate"), "1.0000");
    // 132 of 575 and 337 of 575, by Wilson's formula.
    assert_eq!((of("Customer", "rate"), of("Opportunity", "rate")), (json!("0.2296"), json!("0.5861")));
    let low: f64 = of("Customer", "rate_lo95").as_str().expect("limit").parse().expect("number");
    assert!((0.196_9..0.197_3).contains(&low), "{low}");
    assert!(of("Customer", "lag_median_ms").as_i64() < of("Customer", "lag_p90_ms").as_i64());
    let csv = demo.client.get(&format!("/api/v1/reports/stages?{ALL}&format=csv&sheet=by_row"));
    assert!(csv.text.starts_with("channel,cost_minor,leads_micro,cost_per_lead_minor"), "{}", csv.text);
    assert_eq!(demo.faults("stages", &format!("{ALL}&format=csv&sheet=moon")), ["sheet-unknown"]);
}

fn participation_does_not_add_up_and_says_so(demo: &Demo) {
    let report = cost_per_lead(demo, &format!("{ALL}&model=participation,linear"));
    assert_eq!(report["totals"]["leads_micro"], 575_000_000, "each lead once");
    assert!(sum(&report, "leads_micro") > 575_000_000, "each row that it touched has it whole");
    let by_all_links = cost_per_lead(demo, &format!("{ALL}&model=participation&link=-(no%20link)"));
    let linkedin = |report: &Value| row(report, "linkedin")["leads_micro"].clone();
    assert_eq!(linkedin(&by_all_links), linkedin(&report), "a filter by something finer counts no lead twice in a row");
    assert_eq!(report["models"][0]["adds_up"], false);
    let spread = &row(&report, "linkedin")["cpl_spread_minor"];
    assert!(spread["low"].is_string() && spread["high"].is_string(), "{spread}");
}

fn bad_questions_are_answered_by_name(demo: &Demo) {
    let checks = [
        ("by=channel,moon", "dimension-unknown"),
        ("by=channel,month,link,post", "dimensions-too-many"),
        ("model=magic", "model-unknown"),
        ("model=time_decay:half_life_days=0", "setting-out-of-range"),
        ("model=linear:x=1", "setting-unknown"),
        ("clock=moon", "clock-unknown"),
        ("compare=lunch", "comparison-unknown"),
        ("fiscal_start=13", "month-out-of-range"),
        ("classes=ghost", "touch-class-unknown"),
        ("lookback_days=90,moon=3", "stage-unknown"),
        ("model=custom:first=0:middle=0:last=0", ""),
    ];
    for (query, code) in checks {
        if code.is_empty() {
            demo.report("cost-per-lead", &format!("{ALL}&{query}"));
        } else {
            assert_eq!(demo.faults("cost-per-lead", &format!("{ALL}&{query}")), [code], "{query}");
        }
    }
    assert_eq!(demo.client.get("/api/v1/reports/magic").status, 404);
    let before = cost_per_lead(demo, &format!("{ALL}&as_of=1000"));
    assert_eq!(
        (before["rows"].as_array().map(Vec::len), &before["totals"]["leads_micro"]),
        (Some(0), &json!(0)),
        "before the first fact there is nothing"
    );
    let now = cost_per_lead(demo, ALL);
    let future = cost_per_lead(demo, &format!("{ALL}&as_of=2999-01-01T00:00:00Z"));
    assert_eq!(future, now, "no report knows the future");
}

fn check(backend: Backend) {
    let demo = Demo::start(backend);
    every_cut_adds_up(&demo);
    a_period_is_the_sum_of_its_parts(&demo);
    filters_keep_what_they_name(&demo);
    periods_are_compared_with_noise_in_mind(&demo);
    cohorts_count_by_the_touch(&demo);
    stages_count_each_entry_once(&demo);
    participation_does_not_add_up_and_says_so(&demo);
    bad_questions_are_answered_by_name(&demo);
}

#[test]
fn sqlite() {
    check(Backend::Sqlite);
}

#[test]
fn postgres() {
    check(Backend::Postgres);
}
