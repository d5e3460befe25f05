//! Models of all paths at once.

#![expect(
    clippy::float_arithmetic,
    reason = "compared with tables of decimals and with definitions, computed the long way"
)]

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::domain::attribution::path_table::{ChainState, GameTable, PathTable};
use crate::domain::attribution::{Method, PathGame, PathShares};

fn game(text: &str) -> Box<dyn PathGame> {
    let choice = model(text);
    let Method::Paths(new) = choice.model().method else { panic!("{text} is no model of paths") };
    new(choice.settings())
}

fn played(text: &str, paths: &[(Vec<u32>, u64, u64)]) -> Box<dyn PathGame> {
    let mut game = game(text);
    for (path, conversions, nulls) in paths {
        game.add(path, *conversions, *nulls);
    }
    game
}

fn solved(text: &str, paths: &[(Vec<u32>, u64, u64)]) -> PathShares {
    let game = played(text, paths);
    game.solve(true).unwrap_or_else(|fault| panic!("{text}: {fault}"))
}

/// Tables of channels, checked to the digits they print.
fn check(text: &str, paths: &str, expected: &str, order: Option<&str>, columns: [&str; 2]) {
    let (paths, expected) = (Paths::read(paths), Table::read(expected));
    let found = solved(text, &paths.paths);
    let conversions: u64 = paths.paths.iter().map(|(_, c, _)| c).sum();
    let mut seen = 0;
    for row in expected.rows.iter().filter(|row| order.is_none_or(|order| expected.text(row, "order") == order)) {
        let channel = expected.text(row, "channel");
        let token = paths.channels.iter().position(|c| c == channel).expect("channel");
        let share = found.shares.iter().find(|s| usize::try_from(s.token).ok() == Some(token)).expect("a share");
        near(share.effect, expected.number(row, columns[0]), 1e-9, &format!("{text}, effect of {channel}"));
        let credit = share.share * conversions as f64;
        near(credit, expected.number(row, columns[1]), 1e-9, &format!("{text}, credit of {channel}"));
        if order.is_some() {
            near(found.conversion_rate, expected.number(row, "p_conv"), 1e-9, "conversion rate");
        }
        seen += 1;
    }
    assert_eq!(seen, paths.channels.len());
}

#[test]
fn chains_have_the_removal_effects_of_the_tables() {
    for (paths, expected) in [
        (fixture!("toy_analyzecore.paths.csv"), fixture!("toy_analyzecore_markov.csv")),
        (fixture!("toy_loops.paths.csv"), fixture!("toy_loops_markov.csv")),
        (fixture!("toy_puzyrov.paths.csv"), fixture!("toy_puzyrov_markov.csv")),
        (fixture!("social.paths.csv"), fixture!("social_markov.csv")),
    ] {
        for order in ["1", "2"] {
            let text = format!("markov:order={order}");
            check(&text, paths, expected, Some(order), ["removal_effect", "credit_conv"]);
        }
    }
}

#[test]
fn published_chains_come_out_as_printed() {
    let table = Table::read(fixture!("published_examples.csv"));
    let row = |name: &str| table.rows.iter().find(|row| table.text(row, "model") == name).expect(name);
    let row = row("Markov order 1 removal effect");
    let printed: BTreeMap<String, f64> = serde_json::from_str(table.text(row, "published")).expect("JSON");
    let paths = Paths::read(fixture!("toy_analyzecore.paths.csv"));
    for (channel, share) in paths.channels.iter().zip(solved("markov", &paths.paths).shares) {
        near(share.effect, printed[channel], table.number(row, "tolerance"), channel);
    }
}

#[test]
fn order_two_needs_ten_conversions_per_state() {
    let mut chain = game("markov:order=2");
    chain.add(&[0, 1], 9, 0);
    let fault = chain.solve(false).expect_err("refused");
    assert_eq!(fault.code, "below-floor");
    assert!(fault.detail.starts_with("a chain of order 2 needs 10 conversions per state, so 10 for its 1 states"));
    let accepted = chain.solve(true).expect("accepted");
    assert!(accepted.below_floor.expect("told").ends_with("and there are 9"));
    chain.add(&[0, 1], 1, 0);
    assert_eq!(chain.solve(false).expect("enough").below_floor, None);
    assert_eq!(game("markov").solve(false).map(|answer| answer.shares), Ok(vec![]), "order 1 has no floor");
}

#[test]
fn a_chain_of_too_many_states_is_refused_by_number() {
    let mut chain = game("markov");
    let all: Vec<u32> = (0..1_501).collect();
    chain.add(&all, 1, 1);
    let fault = chain.solve(true).expect_err("refused");
    assert_eq!(fault.code, "too-many-states");
    assert!(fault.detail.contains("1501 states, and 1500"), "{}", fault.detail);
}

#[test]
fn chains_without_nulls_say_that_they_measure_presence() {
    let alone = solved("markov", &[(vec![0, 1], 3, 0), (vec![1], 1, 0)]);
    assert_eq!(alone.notes.len(), 1, "{:?}", alone.notes);
    near(alone.shares[0].effect, 0.75, 1e-12, "three of four journeys");
    assert_eq!(solved("markov", &[(vec![0], 3, 1)]).notes, Vec::<String>::new());
}

#[test]
fn without_conversions_every_share_is_zero_and_rows_of_null_paths_have_none() {
    for text in ["markov", "markov:order=2"] {
        let nothing = solved(text, &[(vec![0, 1], 0, 4), (vec![2], 0, 1)]);
        assert_eq!(
            nothing.shares.iter().map(|s| (s.token, s.share)).collect::<Vec<_>>(),
            [(0, 0.0), (1, 0.0), (2, 0.0)]
        );
        assert_eq!((nothing.conversion_rate, nothing.notes.len()), (0.0, 0));
        let some = solved(text, &[(vec![0, 1], 2, 4), (vec![2, 2, 3], 0, 1)]);
        assert_eq!(some.shares.iter().filter(|s| s.token > 1).map(|s| s.effect).collect::<Vec<_>>(), [0.0, 0.0]);
    }
}

/// P(convert) of the chain as the definition states it, with the states that hold `removed` cut off: Gauss-Jordan
/// on `(I - Q) x = r`, the start being state 0.
fn conversion_without(paths: &[(Vec<u32>, u64, u64)], order: usize, removed: Option<u32>) -> f64 {
    let mut names: Vec<Vec<u32>> = vec![vec![]];
    let mut counts: BTreeMap<(usize, Option<usize>), f64> = BTreeMap::new();
    let mut leaving: BTreeMap<usize, f64> = BTreeMap::new();
    for (path, conversions, nulls) in paths {
        let mut states: Vec<Vec<u32>> = path.windows(order.min(path.len())).map(<[u32]>::to_vec).collect();
        states.dedup();
        let mut at = 0;
        let both = (conversions + nulls) as f64;
        for state in states {
            let to = names.iter().position(|n| *n == state).unwrap_or_else(|| {
                names.push(state);
                names.len() - 1
            });
            *counts.entry((at, Some(to))).or_default() += both;
            *leaving.entry(at).or_default() += both;
            at = to;
        }
        *counts.entry((at, None)).or_default() += *conversions as f64;
        *leaving.entry(at).or_default() += both;
    }
    let n = names.len();
    let mut rows = vec![vec![0.0; n + 1]; n];
    (0..n).for_each(|i| rows[i][i] = 1.0);
    for ((from, to), count) in &counts {
        let probability = count / leaving[from];
        match to {
            None => rows[*from][n] += probability,
            Some(to) if removed.is_some_and(|token| names[*to].contains(&token)) => {}
            Some(to) => rows[*from][*to] -= probability,
        }
    }
    for k in 0..n {
        let best = (k..n).max_by(|a, b| rows[*a][k].abs().total_cmp(&rows[*b][k].abs())).expect("a row");
        rows.swap(k, best);
        let pivot = rows[k].clone();
        for (i, row) in rows.iter_mut().enumerate() {
            let factor = if i == k { 1.0 - 1.0 / pivot[k] } else { row[k] / pivot[k] };
            row.iter_mut().zip(&pivot).for_each(|(value, above)| *value -= factor * above);
        }
    }
    rows[0][n]
}

fn path_set() -> impl Strategy<Value = Vec<(Vec<u32>, u64, u64)>> {
    prop::collection::vec((prop::collection::vec(0u32..6, 1..8), 0u64..5, 0u64..9), 1..25)
        .prop_map(|set| set.into_iter().filter(|(_, c, z)| c + z > 0).collect())
}

#[test]
fn the_rate_game_has_the_values_of_the_tables() {
    for (paths, expected) in [
        (fixture!("toy_analyzecore.paths.csv"), fixture!("toy_analyzecore_shapley.csv")),
        (fixture!("toy_loops.paths.csv"), fixture!("toy_loops_shapley.csv")),
        (fixture!("toy_puzyrov.paths.csv"), fixture!("toy_puzyrov_shapley.csv")),
        (fixture!("social.paths.csv"), fixture!("social_shapley.csv")),
    ] {
        check("shapley", paths, expected, None, ["rate_game_phi", "rate_game_credit_conv"]);
    }
}

#[test]
fn the_rate_game_needs_a_hundred_conversions_and_fifteen_rows() {
    let mut game = game("shapley");
    game.add(&[0, 1, 0], 99, 5);
    let fault = game.solve(false).expect_err("refused");
    assert_eq!(fault.code, "below-floor");
    assert!(fault.detail.contains("and there are 99 conversions and 2 rows; use"), "{}", fault.detail);
    assert!(game.solve(true).expect("accepted").below_floor.is_some());
    game.add(&[1], 1, 0);
    assert_eq!(game.solve(false).expect("enough").below_floor, None);
    game.add(&(0..15).collect::<Vec<u32>>(), 1, 0);
    assert_eq!(game.solve(false).expect("fifteen").below_floor, None);
    game.add(&[15], 1, 0);
    assert_eq!(game.solve(false).expect_err("sixteen").code, "below-floor");
    assert!(game.solve(true).is_ok());
    game.add(&(0..23).collect::<Vec<u32>>(), 1, 0);
    let fault = game.solve(true).expect_err("too many, accepted or not");
    assert_eq!(fault.code, "too-many-rows");
    assert!(fault.detail.starts_with("the Shapley value of 23 rows"), "{}", fault.detail);
}

#[test]
fn the_rate_game_without_conversions_or_nulls() {
    let nothing = solved("shapley", &[(vec![0, 1], 0, 4)]);
    assert!(nothing.shares.iter().all(|s| s.share == 0.0 && s.effect == 0.0), "{nothing:?}");
    assert_eq!(solved("shapley", &[(vec![0, 1], 4, 0)]).notes.len(), 1);
    assert_eq!(game("shapley").solve(true).map(|answer| answer.shares), Ok(vec![]));
}

/// The definition by all orders in which rows join.
fn mean_marginal_rates(paths: &[(Vec<u32>, u64, u64)], rows: &[u32]) -> BTreeMap<u32, f64> {
    fn orders(rows: &[u32]) -> Vec<Vec<u32>> {
        if rows.is_empty() {
            return vec![vec![]];
        }
        let with_first = |first: &u32| {
            let rest: Vec<u32> = rows.iter().copied().filter(|r| r != first).collect();
            orders(&rest).into_iter().map(|tail| [vec![*first], tail].concat()).collect::<Vec<_>>()
        };
        rows.iter().flat_map(with_first).collect()
    }
    let rate = |members: &[u32]| {
        let inside = paths.iter().filter(|(path, _, _)| path.iter().all(|token| members.contains(token)));
        let (conversions, nulls) = inside.fold((0, 0), |(c, z), path| (c + path.1, z + path.2));
        if conversions + nulls == 0 { 0.0 } else { conversions as f64 / (conversions + nulls) as f64 }
    };
    let orders = orders(rows);
    let mut values: BTreeMap<u32, f64> = BTreeMap::new();
    for order in &orders {
        for (place, row) in order.iter().enumerate() {
            *values.entry(*row).or_default() += (rate(&order[..=place]) - rate(&order[..place])) / orders.len() as f64;
        }
    }
    values
}

proptest! {
    #[test]
    fn values_are_mean_marginal_rates_and_sum_to_the_rate(mut set in path_set()) {
        // Five rows join in 120 orders.
        set.iter_mut().for_each(|(path, _, _)| path.retain(|token| *token < 5));
        set.retain(|(path, _, _)| !path.is_empty());
        prop_assume!(set.iter().any(|(_, conversions, _)| *conversions > 0));
        let found = solved("shapley", &set);
        let rows: Vec<u32> = found.shares.iter().map(|s| s.token).collect();
        let expected = mean_marginal_rates(&set, &rows);
        for share in &found.shares {
            near(share.effect, expected[&share.token], 1e-12, "value");
        }
        near(found.shares.iter().map(|s| s.effect).sum(), found.conversion_rate, 1e-12, "sum of values");
        near(found.shares.iter().map(|s| s.share).sum(), 1.0, 1e-12, "sum of shares");
    }

    #[test]
    fn effects_are_what_removal_loses_and_p_is_the_share_of_converting_paths(set in path_set(), order in 1usize..=2) {
        let (conversions, nulls) = set.iter().fold((0, 0), |(c, z), path| (c + path.1, z + path.2));
        prop_assume!(conversions > 0);
        let found = solved(&format!("markov:order={order}"), &set);
        let whole = conversion_without(&set, order, None);
        near(whole, conversions as f64 / (conversions + nulls) as f64, 1e-12, "P = C/(C+Z)");
        near(found.conversion_rate, whole, 1e-12, "conversion rate");
        for share in &found.shares {
            let lost = 1.0 - conversion_without(&set, order, Some(share.token)) / whole;
            near(share.effect, lost, 1e-11, "removal effect");
        }
        near(found.shares.iter().map(|s| s.share).sum(), 1.0, 1e-12, "sum of shares");
    }

    #[test]
    fn a_chains_table_tells_every_effect(set in path_set(), order in 1usize..=2, removed in 0u32..6) {
        prop_assume!(set.iter().any(|(_, conversions, _)| *conversions > 0));
        let text = format!("markov:order={order}");
        let PathTable::Chain(table) = played(&text, &set).table(Some(removed)) else { panic!("no chain") };
        let outlook = |state: ChainState, without: bool| match state {
            ChainState::Conversion => 1.0,
            ChainState::Null => 0.0,
            state => {
                let own = table.outlooks.iter().find(|o| o.state == state).expect("a state");
                if without { own.conversion_without } else { own.conversion }
            }
        };
        for own in &table.outlooks {
            let ways = || table.transitions.iter().filter(|t| t.from == own.state);
            prop_assert_eq!(ways().map(|t| t.count).sum::<u64>(), own.visits, "what enters a state leaves it");
            for without in [false, true] {
                let sum: f64 = ways().map(|t| t.count as f64 / t.of as f64 * outlook(t.to, without)).sum();
                let expected = if without && own.state.holds(removed) { 0.0 } else { sum };
                near(outlook(own.state, without), expected, 1e-12, "the probability to convert");
            }
        }
        let (whole, without) = (outlook(ChainState::Start, false), outlook(ChainState::Start, true));
        let effect = solved(&text, &set).shares.iter().find(|s| s.token == removed).map_or(0.0, |s| s.effect);
        near(1.0 - without / whole, effect, 1e-11, "effect");
    }

    #[test]
    fn a_games_table_tells_every_value(set in path_set()) {
        let PathTable::Game(table) = played("shapley", &set).table(None) else { panic!("no game") };
        for (coalition, inside) in table.inside.iter().enumerate() {
            let parts = table.exactly.iter().filter(|(part, _)| *part & !coalition == 0);
            let sum = parts.fold((0, 0), |sum, (_, count)| (sum.0 + count.0, sum.1 + count.1));
            prop_assert_eq!(*inside, sum);
        }
        for share in solved("shapley", &set).shares {
            let all: Vec<_> = table.marginals(share.token).collect();
            let value: f64 = all.iter().map(|m| (m.rate_with - m.rate) / m.one_in as f64).sum();
            near(value, share.effect, 1e-12, "value");
            near(all.iter().map(|m| 1.0 / m.one_in as f64).sum(), 1.0, 1e-12, "weights");
        }
        prop_assert_eq!(table.marginals(99).count(), 0);
        prop_assert_eq!(GameTable::rate((0, 0)), 0.0);
    }

    #[test]
    fn answers_depend_on_counts_alone(set in path_set(), text in prop::sample::select(vec!["markov", "markov:order=2", "shapley"])) {
        let mut turned: Vec<_> = set.iter().map(|(path, c, _)| (path.clone(), *c, 0)).collect();
        turned.extend(set.iter().rev().map(|(path, _, z)| (path.clone(), 0, *z)));
        turned.reverse();
        prop_assert_eq!(solved(text, &set), solved(text, &turned));
    }
}
