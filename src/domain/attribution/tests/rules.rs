//! Models that divide among touches.

use proptest::prelude::*;

use super::*;
use crate::domain::attribution::credit::allocate;
use crate::domain::attribution::{MODELS, Method, ONE_MICRO};

/// The model, touches and milestones of a row such as `w_shaped ts=[0, 2] milestones=[null, 0, 0]`.
fn case(name: &str, count: usize) -> (Choice, Vec<JourneyTouch>, Milestones) {
    let list = |key: &str| -> Vec<serde_json::Value> {
        let text = name.split_once(key).map_or("[]", |(_, rest)| &rest[..=rest.find(']').expect("closed")]);
        serde_json::from_str(text).expect("list")
    };
    let numbers = |key: &str| list(key).iter().map(|v| v.as_i64().expect("number")).collect::<Vec<i64>>();
    let at = |key: &str| numbers(key).iter().map(|at| (*at, 1)).collect::<Vec<_>>();
    let stages = list("milestones=");
    let stage = |i: usize| stages.get(i).and_then(serde_json::Value::as_i64).map(UtcMillis);
    let milestones = Milestones { lead: stage(1), opportunity: stage(2), customer: stage(3) };
    let wire = match name.split_whitespace().next().expect("a name") {
        "position_40_20_40" => "position",
        "j_20_20_60" => "j_shaped",
        "inverse_j_60_20_20" => "inverse_j",
        "position_30_40_30" => "custom:first=30:middle=40:last=30",
        "time_decay_7d" => "time_decay",
        other => other,
    };
    let of: Vec<(i64, i64)> = match wire {
        "time_decay" => numbers("ages_s=").iter().map(|age| (-age * 1_000, 1)).collect(),
        "last_non_direct" => {
            (0..).zip(list("last_non_direct ")).map(|(i, channel)| (i, i64::from(channel != "direct"))).collect()
        }
        "u_shaped" | "w_shaped" | "full_path" => at("ts="),
        _ => (0..).take(count).map(|i| (i, 1)).collect(),
    };
    (model(wire), touches(&of), milestones)
}

#[test]
fn edge_cases_have_their_parts_and_credits() {
    let table = Table::read(fixture!("rule_edge_cases.csv"));
    for row in &table.rows {
        let name = table.text(row, "model");
        let (model, touches, milestones) = case(name, table.text(row, "n").parse().expect("a count"));
        let found = parts(&model, &touches, milestones);
        let expected = |column| -> Vec<u64> { serde_json::from_str(table.text(row, column)).expect("list") };
        let whole = |list: &[i64]| list.iter().map(|v| u64::try_from(*v).expect("positive")).collect::<Vec<_>>();
        let of = format!("{name} of {} touches", touches.len());
        assert_eq!(
            found.iter().map(|p| u64::try_from(*p).expect("part")).collect::<Vec<_>>(),
            expected("parts"),
            "{of}"
        );
        assert_eq!(whole(&allocate(ONE_MICRO, &found)), expected("micro_credit"), "{of}");
        assert_eq!(whole(&allocate(9_999, &found)), expected("alloc_9999_minor"), "{of}");
    }
    assert_eq!(table.rows.len(), 83);
}

#[expect(clippy::float_arithmetic, reason = "sums of the tables' decimals")]
fn rule_credits(paths: &Paths, name: &str) -> Vec<f64> {
    let mut credits = vec![0.0; paths.channels.len()];
    for (path, conversions, _) in &paths.paths {
        let of: Vec<(i64, i64)> = (0..).zip(path).map(|(at, token)| (at, i64::from(*token))).collect();
        let found = shares(&parts(&model(name), &touches(&of), Milestones::default()));
        for (token, share) in path.iter().zip(found) {
            credits[usize::try_from(*token).expect("token")] += share * *conversions as f64;
        }
    }
    credits
}

#[test]
fn path_sets_have_their_credits_by_every_rule() {
    for (paths, expected) in [
        (fixture!("toy_analyzecore.paths.csv"), fixture!("toy_analyzecore_rules.csv")),
        (fixture!("toy_loops.paths.csv"), fixture!("toy_loops_rules.csv")),
        (fixture!("toy_puzyrov.paths.csv"), fixture!("toy_puzyrov_rules.csv")),
    ] {
        let (paths, expected) = (Paths::read(paths), Table::read(expected));
        for (column, name) in [
            ("first", "first"),
            ("last", "last"),
            ("linear_touch", "linear"),
            ("linear_unique", "linear_distinct"),
            ("position_40_20_40", "position"),
            ("j_20_20_60", "j_shaped"),
            ("inverse_j_60_20_20", "inverse_j"),
        ] {
            let credits = rule_credits(&paths, name);
            for row in &expected.rows {
                let channel = expected.text(row, "channel");
                let token = paths.channels.iter().position(|c| c == channel).expect("channel");
                near(credits[token], expected.number(row, column), 1e-9, &format!("{name}, {channel}"));
            }
        }
    }
}

#[test]
fn linear_by_distinct_channel_is_the_additive_shapley_value() {
    for (paths, expected) in [
        (fixture!("social.paths.csv"), fixture!("social_shapley.csv")),
        (fixture!("toy_loops.paths.csv"), fixture!("toy_loops_shapley.csv")),
    ] {
        let (paths, expected) = (Paths::read(paths), Table::read(expected));
        let credits = rule_credits(&paths, "linear_distinct");
        for row in &expected.rows {
            let channel = expected.text(row, "channel");
            let token = paths.channels.iter().position(|c| c == channel).expect("channel");
            near(credits[token], expected.number(row, "zhao_sum_game_conv"), 1e-9, channel);
        }
    }
}

#[test]
fn a_long_journey_of_many_channels_still_has_bounded_parts() {
    let of: Vec<(i64, i64)> = (1..60).flat_map(|channel| (0..channel).map(move |i| (i, channel))).collect();
    let found = parts(&model("linear_distinct"), &touches(&of), Milestones::default());
    assert!(found.iter().all(|p| (1..=1 << 40).contains(p)));
    let of_59: f64 = shares(&found).iter().rev().take(59).sum();
    near(of_59, 1.0 / 59.0, 1e-9, "the channel of 59 touches");
}

#[test]
fn custom_weights_that_are_all_zero_share_evenly() {
    let of = |text: &str, count: i64| {
        let at: Vec<(i64, i64)> = (0..count).map(|i| (i, 1)).collect();
        parts(&model(text), &touches(&at), Milestones::default())
    };
    assert_eq!(of("custom:first=0:middle=0:last=0", 3), [1, 1, 1]);
    assert_eq!(of("custom:first=0:middle=9:last=0", 2), [1, 1], "no touch has the one weight there is");
    assert_eq!(of("custom:first=0:middle=9:last=0", 3), [0, 9, 0]);
    assert_eq!(of("custom:first=0:last=0", 1), [1]);
    assert_eq!(of("custom:first=0", 2), [0, 40]);
    assert_eq!("custom:first=1001".parse::<Choice>().expect_err("refused").code, "setting-out-of-range");
    assert_eq!("custom:last=-1".parse::<Choice>().expect_err("refused").code, "setting-out-of-range");
}

#[test]
fn a_shorter_half_life_moves_credit_to_the_youngest() {
    let of = touches(&[(0, 1), (14 * crate::domain::time::DAY_MS, 1)]);
    let found = |text: &str| parts(&model(text), &of, Milestones::default());
    assert_eq!(found("time_decay:half_life_days=14"), [1 << 39, 1 << 40]);
    assert_eq!(found("time_decay:half_life_days=1"), [1 << 26, 1 << 40]);
    assert_eq!("time_decay:half_life_days=0".parse::<Choice>().expect_err("refused").code, "setting-out-of-range");
}

#[test]
fn a_lead_itself_makes_u_shaped_position_based() {
    let of = touches(&[(0, 1), (1, 2), (2, 3), (3, 1)]);
    let lead = Milestones { lead: Some(UtcMillis(9)), ..Milestones::default() };
    assert_eq!(shares(&parts(&model("u_shaped"), &of, lead)), shares(&parts(&model("position"), &of, lead)));
}

#[test]
fn without_any_milestone_the_first_touch_has_everything() {
    let of = touches(&[(5, 1), (6, 2), (7, 3)]);
    let too_early = Milestones { lead: Some(UtcMillis(4)), opportunity: None, customer: Some(UtcMillis(1)) };
    for name in ["u_shaped", "w_shaped", "full_path"] {
        assert_eq!(parts(&model(name), &of, Milestones::default()), [1, 0, 0], "{name}");
        assert_eq!(parts(&model(name), &of, too_early), [1, 0, 0], "{name}");
    }
}

#[test]
fn a_journey_without_touches_has_no_parts() {
    for model in MODELS {
        assert_eq!(parts(&super::model(model.name), &[], Milestones::default()), [], "{}", model.name);
    }
}

#[test]
fn several_people_on_one_deal_are_one_journey() {
    // Marketo Measure's example: the first touch is of person B, the lead and the rest of person A; day numbers.
    let of = touches(&[(0, 1), (86, 2), (191, 3), (249, 4)]);
    let stages =
        Milestones { lead: Some(UtcMillis(86)), opportunity: Some(UtcMillis(191)), customer: Some(UtcMillis(249)) };
    assert_eq!(parts(&model("full_path"), &of, stages), [1, 1, 1, 1]);
}

fn stage() -> impl Strategy<Value = Option<UtcMillis>> {
    prop::option::of((-5i64..50).prop_map(|day| UtcMillis(day * 86_400_000)))
}

proptest! {
    #[test]
    fn every_rule_credits_every_journey_to_the_last_unit(
        mut of in prop::collection::vec((0i64..4_000_000_000, 0i64..6), 1..30),
        settings in (0i64..5, 0i64..5, 0i64..5, 1i64..40),
        (lead, opportunity, customer) in (stage(), stage(), stage()),
        whole in -1_000_000i64..1_000_000,
    ) {
        of.sort_unstable();
        let touches = touches(&of);
        let milestones = Milestones { lead, opportunity, customer };
        let (first, middle, last, days) = settings;
        for entry in MODELS.iter().filter(|m| matches!(m.method, Method::Parts(_))) {
            let text = match entry.name {
                "custom" => format!("custom:first={first}:middle={middle}:last={last}"),
                "time_decay" => format!("time_decay:half_life_days={days}"),
                name => name.to_owned(),
            };
            let found = parts(&model(&text), &touches, milestones);
            prop_assert_eq!(found.len(), touches.len(), "{}", text);
            prop_assert!(found.iter().any(|p| *p > 0), "{}: all parts are 0", text);
            prop_assert_eq!(allocate(whole, &found).iter().sum::<i64>(), whole, "{}", text);
        }
    }

    #[test]
    fn time_decay_does_not_change_when_all_times_shift(
        mut of in prop::collection::vec((0i64..9_000_000_000, 0i64..6), 1..30),
        shift in -1_000_000_000_000i64..1_000_000_000_000,
    ) {
        of.sort_unstable();
        let shifted: Vec<(i64, i64)> = of.iter().map(|(at, channel)| (at + shift, *channel)).collect();
        let of_times = |of: &[(i64, i64)]| parts(&model("time_decay"), &touches(of), Milestones::default());
        prop_assert_eq!(of_times(&of), of_times(&shifted));
    }
}

#[test]
fn stages_out_of_order_span_up_to_the_latest_touch() {
    let of = touches(&[(0, 1), (1, 2), (2, 3), (3, 1)]);
    let stages = Milestones { lead: Some(UtcMillis(3)), opportunity: Some(UtcMillis(1)), customer: None };
    assert_eq!(parts(&model("w_shaped"), &of, stages), [30, 30, 10, 30]);
}
