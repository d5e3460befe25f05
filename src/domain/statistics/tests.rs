//! Every case of `tests/fixtures/attribution/stats.csv`.

use serde_json::Value;

use super::chart::{self, Limits};
use super::xmr::{Center, xmr};
use super::*;
use crate::domain::attribution::credit::allocate;
use crate::domain::money::ratio4;

/// Kinds of questions that nothing here answers.
const KINDS_SKIPPED: [&str; 4] =
    ["cpl_jeffreys_gamma", "poisson_gamma_mixture_confseq", "binomial_beta_mixture_evalue", "forecast_nb_jeffreys"];
/// Other tests of the same change: the central one is used, as only it agrees with its interval.
const FIELDS_SKIPPED: [&str; 3] = ["p_minlike", "p_etest", "p_etest_statsmodels_info"];

fn number(inputs: &Value, name: &str) -> u64 {
    inputs[name].as_u64().unwrap_or_else(|| panic!("no whole number {name} in {inputs}"))
}

fn floats(list: &Value) -> Vec<f64> {
    list.as_array().expect("list").iter().map(|v| v.as_f64().expect("number")).collect()
}

fn confidence(inputs: &Value) -> Confidence {
    Confidence::new(inputs["cl"].as_f64().expect("cl")).expect("level")
}

fn low(interval: Interval) -> f64 {
    interval.low
}

fn high(interval: Interval) -> f64 {
    interval.high.unwrap_or(f64::INFINITY)
}

/// The periods of a chart with exposures in tenths, which makes them whole; rates are per tenth then.
fn periods(inputs: &Value) -> Vec<Observation> {
    let whole = |tenths: f64| (tenths * 10.0).round() as u64;
    let counts = floats(&inputs["counts"]);
    let exposures = floats(&inputs["exposure"]);
    counts.iter().zip(exposures).map(|(c, e)| Observation { count: *c as u64, exposure: whole(e) }).collect()
}

fn cost(inputs: &Value, field: &str) -> f64 {
    let (spend, leads) = (number(inputs, "spend_minor"), number(inputs, "leads"));
    let counted = counts::count_limits(leads, confidence(inputs)).expect("limits");
    let minor = i64::try_from(spend).expect("spend");
    let of_cost = counts::cost_limits(minor, &Credits::whole(leads), confidence(inputs)).expect("limits");
    match field {
        "leads_lo" => low(counted),
        "leads_hi" => high(counted),
        "cpl" => ratio4(spend.into(), leads.into()).map_or(f64::INFINITY, |r| r.parse().expect("ratio")),
        "cpl_lo" => low(of_cost),
        "cpl_hi" => high(of_cost),
        _ => panic!("unknown field {field}"),
    }
}

fn weighted(inputs: &Value, field: &str) -> f64 {
    assert_eq!(inputs["w_max"], 1.0);
    let credits: Credits = floats(&inputs["credits"]).iter().map(|c| (c * 1e6).round() as i64).collect();
    let limits = counts::credit_limits(&credits, confidence(inputs)).expect("limits");
    match field {
        "sum" => credits.sum(),
        "sumsq" => credits.squares(),
        "lo" => low(limits),
        "hi" => high(limits),
        _ => panic!("unknown field {field}"),
    }
}

fn rate(inputs: &Value, field: &str) -> f64 {
    let (method, end) = field.rsplit_once('_').expect("method_end");
    let limits = match method {
        "wilson" => proportion::wilson,
        "jeffreys" => proportion::jeffreys,
        "clopper_pearson" => proportion::clopper_pearson,
        _ => panic!("unknown field {field}"),
    };
    let limits = limits(number(inputs, "x"), number(inputs, "n"), confidence(inputs)).expect("limits");
    if end == "lo" { low(limits) } else { high(limits) }
}

fn ratio(inputs: &Value, field: &str) -> f64 {
    let now = Observation { count: number(inputs, "x1"), exposure: number(inputs, "t1") };
    let before = Observation { count: number(inputs, "x2"), exposure: number(inputs, "t2") };
    let ratio = change::rate_ratio(now, before, confidence(inputs)).expect("ratio");
    match field {
        "rate_ratio" => ratio.ratio.unwrap_or(f64::INFINITY),
        "p_central" => ratio.p,
        "ratio_lo" => low(ratio.interval),
        "ratio_hi" => high(ratio.interval),
        _ => panic!("unknown field {field}"),
    }
}

fn floor(inputs: &Value, field: &str) -> f64 {
    assert_eq!(inputs["method"], "conditional central");
    let confidence = Confidence::new(1.0 - inputs["alpha"].as_f64().expect("alpha")).expect("level");
    let before = Observation { count: number(inputs, "x1"), exposure: 1 };
    let floor = change::noise_floor(before, 1, confidence).expect("floor");
    match field {
        "x2_up" => floor.up as f64,
        "x2_down" => floor.down.map_or(-1.0, |d| d as f64),
        _ => panic!("unknown field {field}"),
    }
}

fn u_chart(inputs: &Value, field: &str) -> f64 {
    let periods = periods(inputs);
    let i = usize::try_from(number(inputs, "i")).expect("place");
    let drawn = chart::chart(&periods).expect("chart");
    let exposure = periods[i].exposure as f64;
    let Limits { low, high, .. } = chart::normal_limits(drawn.center, exposure, 1.0);
    let exact = chart::poisson_limits(drawn.center, exposure);
    match field {
        "ubar" => drawn.center * 10.0,
        "u" => drawn.points[i].expect("point").rate * 10.0,
        "ucl" => high * 10.0,
        "lcl" => low * 10.0,
        "prob_ucl_count" => exact.high * exposure,
        "prob_lcl_count" => exact.low * exposure,
        _ => panic!("unknown field {field}"),
    }
}

fn laney(inputs: &Value, field: &str) -> f64 {
    // As there are eight periods and they are overdispersed, the default chart is Laney's.
    let drawn = chart::chart(&periods(inputs)).expect("chart");
    let point = drawn.points[5].expect("point");
    assert_eq!(point.limits.method, chart::Method::Laney);
    match field {
        "sigma_z" => drawn.sigma_z.expect("sigma_z"),
        "ucl_5" => point.limits.high * 10.0,
        "lcl_5" => point.limits.low * 10.0,
        _ => panic!("unknown field {field}"),
    }
}

fn dispersion(inputs: &Value, field: &str) -> f64 {
    let found = chart::dispersion(&periods(inputs)).expect("dispersion");
    match field {
        "chi2" => found.chi2,
        "df" => found.degrees as f64,
        "p" => found.p,
        _ => panic!("unknown field {field}"),
    }
}

fn costs(inputs: &Value, field: &str) -> f64 {
    let values = floats(&inputs["x"]);
    let means = xmr(&values, Center::Mean).expect("means");
    let medians = xmr(&values, Center::Median).expect("medians");
    match field {
        "mean" => means.center,
        "mr_bar" => means.moving_range,
        "ucl" => means.high,
        "lcl" => means.low,
        "mr_ucl" => means.moving_range_high,
        "median" => medians.center,
        "mr_median" => medians.moving_range,
        "ucl_median" => medians.high,
        "lcl_median" => medians.low,
        _ => panic!("unknown field {field}"),
    }
}

fn adjusted(inputs: &Value, field: &str) -> f64 {
    let place: usize = field.strip_prefix("adj_").and_then(|i| i.parse().ok()).expect("adj_i");
    multiple::benjamini_hochberg(&floats(inputs))[place]
}

fn shares(inputs: &Value) -> Value {
    let parts: Vec<u128> = floats(&inputs["parts"]).iter().map(|p| *p as u128).collect();
    allocate(inputs["total"].as_i64().expect("total"), &parts).into()
}

#[test]
fn every_case_of_the_table_is_met() {
    let path = format!("{}/tests/fixtures/attribution/stats.csv", env!("CARGO_MANIFEST_DIR"));
    let mut compared = 0;
    for row in csv::Reader::from_path(path).expect("fixture").records() {
        let row = row.expect("row");
        let [case, kind, inputs, field, expected] = [0, 1, 2, 3, 4].map(|i| &row[i]);
        let inputs: Value = serde_json::from_str(inputs).expect("inputs");
        if KINDS_SKIPPED.contains(&kind) || FIELDS_SKIPPED.contains(&field) {
            continue;
        }
        let answer: fn(&Value, &str) -> f64 = match kind {
            "cpl_garwood" => cost,
            "fay_feuer_weighted_poisson" => weighted,
            "conversion_rate" => rate,
            "poisson_rate_ratio" => ratio,
            "smallest_significant_change" => floor,
            "u_chart" => u_chart,
            "laney_u_prime" => laney,
            "poisson_dispersion_test" => dispersion,
            "xmr_chart" => costs,
            "benjamini_hochberg" => adjusted,
            "largest_remainder" => {
                assert_eq!(shares(&inputs).to_string(), expected.replace(' ', ""), "{case}");
                compared += 1;
                continue;
            }
            _ => panic!("{case}: nothing answers {kind}"),
        };
        let (found, wanted) = (answer(&inputs, field), expected.parse::<f64>().expect("number"));
        let is_same = found == wanted || (found - wanted).abs() <= 1e-9 * wanted.abs();
        assert!(is_same, "{case} {kind} {field}: {found} instead of {wanted}");
        compared += 1;
    }
    assert_eq!(compared, 139, "rows compared");
}
