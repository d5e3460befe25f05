//! The demo reproduces the published expected tables, integer for integer, on both databases.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::support::binary::{self, Process};
use crate::support::{Backend, Client, TestDb, row};

const ALL: &str = "from=2025-01-01&to=2025-08-31";

/// A table of `tests/fixtures/attribution`: (first cell, column) → value.
fn expected(name: &str) -> Vec<BTreeMap<String, String>> {
    let path = format!("{}/tests/fixtures/attribution/{name}", env!("CARGO_MANIFEST_DIR"));
    let mut reader = csv::Reader::from_path(path).expect("fixture");
    reader.deserialize().map(|r| r.expect("row")).collect()
}

fn report(client: &Client, query: &str) -> Value {
    client.get(&format!("/api/v1/reports/cost-per-lead?{query}")).expect(200)
}

fn figure(report: &Value, key: &str, column: &str) -> i64 {
    row(report, key)[column].as_i64().unwrap_or(0)
}

fn check(backend: Backend) {
    let db = TestDb::new(backend);
    let dir = tempfile::tempdir().expect("dir");
    let demo = Process::start(dir.path(), db.url(), &["demo"]);
    let made = binary::run_ok(dir.path(), db.url(), &["key", "create", "t", "--scopes", "reports:read", "--json"]);
    let key: Value = serde_json::from_str(&made).expect("json");
    let client = demo.client(key["key"].as_str().expect("key"));
    for model in ["first", "last", "linear"] {
        let all = report(&client, &format!("{ALL}&model={model}"));
        for (table, column) in [
            ("social_lead_micro.csv", "leads_micro"),
            ("social_won_micro.csv", "customers_micro"),
            ("social_revenue_minor.csv", "revenue_minor"),
        ] {
            for line in expected(table) {
                let wanted: i64 = line[model].parse().expect("integer");
                assert_eq!(figure(&all, &line["channel"], column), wanted, "{table} {model} {}", line["channel"]);
            }
        }
        assert_eq!(all["totals"]["leads_micro"], 575_000_000);
        assert_eq!(all["totals"]["customers_micro"], 132_000_000);
        assert_eq!(all["totals"]["revenue_minor"], 74_858_367);
        check_months(&client, model);
    }
    check_spend(&client);
}

fn check_months(client: &Client, model: &str) {
    for line in expected("social_lead_month_micro.csv").iter().filter(|l| l["model"] == model) {
        let month = headwater::domain::time::Day::month(&line["month"]).expect("month");
        let of_month = report(client, &format!("from={}&to={}&model={model}", month.from, month.to));
        for (channel, wanted) in line.iter().filter(|(c, _)| *c != "month" && *c != "model") {
            let wanted: i64 = wanted.parse().expect("integer");
            assert_eq!(figure(&of_month, channel, "leads_micro"), wanted, "{} {model} {channel}", line["month"]);
        }
    }
}

fn check_spend(client: &Client) {
    let mut by_channel: BTreeMap<String, i64> = BTreeMap::new();
    for line in expected("social_spend.csv") {
        let minor: i64 = line["spend_minor"].parse().expect("integer");
        *by_channel.entry(line["channel"].clone()).or_default() += minor;
        let month = headwater::domain::time::Day::month(&line["month"]).expect("month");
        let of_month = report(client, &format!("from={}&to={}", month.from, month.to));
        assert_eq!(figure(&of_month, &line["channel"], "cost_minor"), minor, "{line:?}");
    }
    let all = report(client, ALL);
    for (channel, minor) in &by_channel {
        assert_eq!(figure(&all, channel, "cost_minor"), *minor, "{channel}");
    }
    assert_eq!(all["totals"]["cost_minor"], by_channel.values().sum::<i64>());
    for by in ["campaign", "link"] {
        let other = report(client, &format!("{ALL}&by={by}"));
        for column in ["cost_minor", "leads_micro", "customers_micro", "revenue_minor", "clicks", "other_touches"] {
            assert_eq!(other["totals"][column], all["totals"][column], "{by} {column}");
        }
    }
}

#[test]
fn sqlite() {
    check(Backend::Sqlite);
}

#[test]
fn postgres() {
    check(Backend::Postgres);
}
