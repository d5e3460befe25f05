//! The demo reproduces the published expected tables, integer for integer, on both databases.

#![expect(clippy::float_arithmetic, reason = "compares printed estimates")]

use std::collections::BTreeMap;

use headwater::app::Core;
use headwater::domain::time::DayRange;
use headwater::reports::Parameters;
use headwater::reports::paths::{self, Goal, Options};
use headwater::reports::sheet::{Sheet, SheetCell};
use serde_json::Value;

use crate::support::demo::Demo;
use crate::support::{Backend, Client, row};

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
    let demo = Demo::start(backend);
    let client = &demo.client;
    check_models(client);
    check_months(client);
    check_intervals(client);
    check_spend(client);
    check_chains(client);
    check_games(client);
    check_paths(&demo.core());
}

/// What the models of the tables are called here.
const MODELS: &[(&str, &str)] = &[
    ("first", "first"),
    ("last", "last"),
    ("last_non_direct", "last_non_direct"),
    ("linear", "linear"),
    ("position_40_20_40", "position"),
    ("j_20_20_60", "j_shaped"),
    ("inverse_j_60_20_20", "inverse_j"),
    ("time_decay_7d", "time_decay"),
    ("u_shaped", "u_shaped"),
    ("w_shaped", "w_shaped"),
    ("full_path", "full_path"),
];

fn every_model() -> String {
    MODELS.iter().map(|(_, name)| *name).collect::<Vec<_>>().join(",")
}

/// A model's figure of a row of a report with several models.
fn of_model(report: &Value, key: &str, model: &str, column: &str) -> i64 {
    let models = row(report, key)["models"].as_array();
    let own = models.and_then(|all| all.iter().find(|m| m["model"] == model));
    own.and_then(|m| m[column].as_i64()).unwrap_or(0)
}

/// Every table of credit and revenue, integer for integer, from one report with all models side by side.
fn check_models(client: &Client) {
    let all = report(client, &format!("{ALL}&model={}", every_model()));
    for (table, column) in [
        ("social_lead_micro.csv", "leads_micro"),
        ("social_won_micro.csv", "customers_micro"),
        ("social_revenue_minor.csv", "revenue_minor"),
    ] {
        for line in expected(table) {
            let columns: Vec<&String> = line.keys().filter(|c| *c != "channel").collect();
            assert!(columns.len() >= 9, "{table}");
            for printed in columns {
                let (_, model) = MODELS.iter().find(|(p, _)| p == printed).expect("a model that we ship");
                let wanted: i64 = line[printed].parse().expect("integer");
                let found = of_model(&all, &line["channel"], model, column);
                assert_eq!(found, wanted, "{table} {model} {}", line["channel"]);
            }
        }
    }
    for (_, model) in MODELS {
        let total = all["totals"]["models"].as_array().and_then(|all| all.iter().find(|m| m["model"] == *model));
        let total = total.expect("every model has totals");
        assert_eq!(total["leads_micro"], 575_000_000, "{model}");
        assert_eq!(total["customers_micro"], 132_000_000, "{model}");
        assert_eq!(total["revenue_minor"], 74_858_367, "{model}");
    }
}

fn check_months(client: &Client) {
    let lines = expected("social_lead_month_micro.csv");
    let all = report(client, &format!("{ALL}&by=channel,month&model={}", every_model()));
    for line in &lines {
        let (_, model) = MODELS.iter().find(|(p, _)| *p == line["model"]).expect("a model that we ship");
        for (channel, wanted) in line.iter().filter(|(c, _)| *c != "month" && *c != "model") {
            let wanted: i64 = wanted.parse().expect("integer");
            let key = format!("{channel} · {}", line["month"]);
            assert_eq!(of_model(&all, &key, model, "leads_micro"), wanted, "{key} {model}");
        }
    }
    // A month of its own says the same as the month of a longer report.
    let line = lines.iter().find(|l| l["model"] == "linear" && l["month"] == "2025-03").expect("March");
    let march = report(client, "from=2025-03-01&to=2025-03-31&model=linear");
    assert_eq!(figure(&march, "linkedin", "leads_micro").to_string(), line["linkedin"]);
}

/// Cost per lead with exact limits, to the printed digits.
fn check_intervals(client: &Client) {
    let by_month = report(client, &format!("{ALL}&by=channel,month&model=last,linear"));
    // The table's totals are those of its months, January to June.
    let whole = report(client, "from=2025-01-01&to=2025-06-30&model=last,linear");
    for line in expected("social_cpl.csv") {
        let (all, key) = match line["month"].as_str() {
            "total" => (&whole, line["channel"].clone()),
            month => (&by_month, format!("{} · {month}", line["channel"])),
        };
        let rows = row(all, &key)["models"].as_array().unwrap_or_else(|| panic!("{key}"));
        let own = rows.iter().find(|m| m["model"] == *line["model"]).expect("model");
        let near = |column: &str, printed: &str, tolerance: f64| {
            if printed.is_empty() || printed == "inf" {
                assert_eq!(own[column], Value::Null, "{key} {column}");
                return;
            }
            let found = own[column].as_str().map_or(f64::NAN, |t| t.parse().expect("number"));
            let wanted: f64 = printed.parse().expect("number");
            assert!(
                (found - wanted).abs() <= tolerance * wanted.abs().max(1.0),
                "{key} {column}: {found} for {wanted}"
            );
        };
        assert_eq!(figure(all, &key, "cost_minor").to_string(), line["spend_minor"]);
        near("leads_lo95", &line["leads_lo95"], 1e-9);
        near("leads_hi95", &line["leads_hi95"], 1e-9);
        // The table leaves out what cost nothing; here it cost 0 for each lead.
        if line["spend_minor"] == "0" {
            continue;
        }
        near("cpl_minor", &line["cpl_minor"], 1e-4);
        near("cpl_lo95_minor", &line["cpl_lo95"], 1e-6);
        near("cpl_hi95_minor", &line["cpl_hi95"], 1e-6);
    }
}

/// A printed estimate of a row or of a model.
fn estimate(of: &Value, column: &str) -> f64 {
    of[column].as_str().and_then(|t| t.parse().ok()).unwrap_or_else(|| panic!("{column} of {of}"))
}

/// An estimate equals the table's, to its last digit.
fn assert_estimate(of: &Value, column: &str, wanted: &str, what: &str) {
    let (found, wanted) = (estimate(of, column), wanted.parse::<f64>().expect("number"));
    assert!((found - wanted).abs() <= 1.000_001e-9, "{what} {column}: {found} for {wanted}");
}

/// Removal effects, credit and conversion rate of chains of both orders.
fn check_chains(client: &Client) {
    let refused = client.get(&format!("/api/v1/reports/cost-per-lead?{ALL}&model=markov:order=2")).expect(422);
    assert!(refused.to_string().contains("below-floor"), "{refused}");
    let lines = expected("social_markov.csv");
    for order in ["1", "2"] {
        let all = report(client, &format!("{ALL}&model=markov:order={order}&below_floor=accept"));
        for line in lines.iter().filter(|l| l["order"] == order) {
            let (channel, own) = (&line["channel"], row(&all, &line["channel"]));
            assert_estimate(own, "leads", &line["credit_conv"], channel);
            assert_estimate(own, "effect", &line["removal_effect"], channel);
            assert_estimate(&all["path_models"][0]["leads"], "conversion_rate", &line["p_conv"], channel);
            assert_eq!(own["leads_lo95"], Value::Null, "{channel}");
            assert_eq!(own["revenue_minor"], Value::Null, "{channel}");
        }
        let counts = &all["path_models"][0]["leads"];
        assert_eq!((&counts["conversions"], &counts["null_paths"]), (&572.into(), &3_415.into()), "{counts}");
        let nobodys = row(&all, "(unattributed)");
        assert_eq!((&nobodys["leads_micro"], &nobodys["effect"]), (&3_000_000.into(), &Value::Null));
        let totals = &all["totals"];
        assert_eq!((&totals["leads_micro"], &totals["customers_micro"]), (&575_000_000.into(), &132_000_000.into()));
        let rows = all["rows"].as_array().expect("rows");
        for (column, whole) in [("leads", 575.0), ("customers", 132.0)] {
            let sum: f64 = rows.iter().map(|r| estimate(r, column)).sum();
            assert!((sum - whole).abs() < 1e-7, "order {order}: {sum} {column}");
        }
        let notes = all["notes"].to_string();
        assert_eq!(notes.contains("below_floor=accept"), order == "2", "{notes}");
        assert!(notes.contains("no touch evidence"), "{notes}");
    }
}

/// The rate game, and the additive one that is linear by distinct channel.
fn check_games(client: &Client) {
    let all = report(client, &format!("{ALL}&model=shapley,linear_distinct"));
    let lines = expected("social_shapley.csv");
    assert_eq!(lines.len(), 11);
    for line in lines {
        let channel = &line["channel"];
        let models = row(&all, channel)["models"].as_array().expect("models");
        assert_estimate(&models[0], "leads", &line["rate_game_credit_conv"], channel);
        assert_estimate(&models[0], "effect", &line["rate_game_phi"], channel);
        // Each lead's credit is rounded to a micro-lead of its own.
        let micro = of_model(&all, channel, "linear_distinct", "leads_micro");
        let zhao: f64 = line["zhao_sum_game_conv"].parse().expect("number");
        let wanted = (zhao * 1e6).round();
        assert!((wanted - micro as f64).abs() <= 572.0, "{channel}: {micro} for {wanted}");
    }
}

/// Every path of the published table, equal neighbours merged, with its conversions and its nulls.
fn check_paths(core: &Core) {
    let range = DayRange { from: "2025-01-01".parse().expect("day"), to: "2025-08-31".parse().expect("day") };
    let parameters = Parameters::new(range, "EUR".parse().expect("EUR"));
    let report = |stage, limit| {
        let options = Options { stage, limit };
        core.db.read_now(|conn| Ok(paths::run(conn, &parameters, &options))).expect("store").expect("report")
    };
    let mut wanted: BTreeMap<String, (i64, i64)> = BTreeMap::new();
    for line in expected("social.paths.csv") {
        let mut steps: Vec<&str> = line["path"].split(" > ").collect();
        steps.dedup();
        let counts = wanted.entry(steps.join(" > ")).or_default();
        counts.0 += line["total_conversions"].parse::<i64>().expect("integer");
        counts.1 += line["total_null"].parse::<i64>().expect("integer");
    }
    let leads = report(Goal::Lead, usize::MAX);
    let counted = |sheet: &Sheet, column: usize| -> BTreeMap<String, i64> {
        sheet.rows.iter().map(|row| (text(&row[0]), count(&row[column]))).collect()
    };
    let (conversions, nulls) = (counted(&leads.sheets[0], 1), counted(&leads.sheets[3], 1));
    let of = |get: fn(&(i64, i64)) -> i64| -> BTreeMap<String, i64> {
        wanted.iter().map(|(path, counts)| (path.clone(), get(counts))).filter(|(_, n)| *n > 0).collect()
    };
    let mut with_nobodys = of(|c| c.0);
    with_nobodys.insert("(unattributed)".into(), 3);
    assert_eq!(conversions, with_nobodys);
    assert_eq!(nulls, of(|c| c.1));
    // The limit moves rows into one, and nothing out of the sums.
    for (stage, whole, column) in [(Goal::Lead, 575, 1), (Goal::Customer, 132, 2)] {
        for limit in [1, 50] {
            let sheet = &report(stage, limit).sheets[0];
            assert!(sheet.rows.iter().any(|r| text(&r[0]) == "(other paths)"), "{stage} {limit}");
            let sum: i64 = sheet.rows.iter().map(|r| count(&r[column])).sum();
            assert_eq!((sum, count(&sheet.totals[column])), (whole, whole), "{stage} {limit}");
            let money: i64 = sheet.rows.iter().map(|r| minor(&r[3])).sum();
            assert_eq!((money, minor(&sheet.totals[3])), (74_858_367, 74_858_367), "{stage} {limit}");
        }
    }
    let roles = &leads.sheets[1];
    assert_eq!(count(&roles.totals[1]) + count(&roles.totals[4]), 572, "each path begins once");
    assert_eq!(count(&roles.totals[3]) + count(&roles.totals[4]), 572, "each path ends once");
}

fn text(cell: &SheetCell) -> String {
    if let SheetCell::Text(text) = cell { text.clone() } else { panic!("{cell:?} is no text") }
}

fn count(cell: &SheetCell) -> i64 {
    if let SheetCell::Count(count) = cell { *count } else { panic!("{cell:?} is no count") }
}

fn minor(cell: &SheetCell) -> i64 {
    if let SheetCell::Minor(minor) = cell { *minor } else { panic!("{cell:?} is no money") }
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
