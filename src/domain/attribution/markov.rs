//! Markov chains: the removal effect, solved exactly.
//!
//! The states are the runs of `order` touches that paths go through; a shorter path is one state of its own, and
//! equal neighbouring states are one. Every path adds its counts to the transitions from the start, between its
//! states and from the last to conversion or null, and shares of a state's counts are its probabilities. Removing a
//! row sends what would enter its states to null.
//!
//! The removal effect `1 - P_j / P` is the part of the conversions that went through a state of row j (Anderl, Becker,
//! v. Wangenheim, Schumann, IJRM 33(3) 2016), so one matrix N = (I - Q)^-1 of expected visits answers for every row:
//! with S the states of j, `b_s` the probability to convert from s, and `v_s` the expected visits to s from the start,
//! the walk first meets S in s with probability `h_s` where `h N_SS = v_S`, and the effect is `h · b_S / P`. For one
//! state this is `v_s b_s / (N_ss P)`. Counts balance in every state, so `v_s` is the counted visits per path and
//! P = C / (C + Z) exactly. All of it takes one elimination of n states, O(n^3), and no simulation.

#![expect(
    clippy::float_arithmetic,
    reason = "probabilities, rounded once by whoever shows them; never money or credit"
)]

mod closure;

use std::collections::BTreeMap;

use self::closure::Closure;
use super::path_table::{ChainState, ChainTable, Outlook, PathTable, Transition};
use super::{Method, Model, PathGame, PathShares, Setting, Settings};
use crate::domain::fault::Fault;

const ORDER: &str = "order";
/// Conversions for each state that order 2 needs.
const FLOOR_PER_STATE: u64 = 10;
/// Most states of a chain: its matrix then takes 18 MB.
const STATES_MAX: usize = 1_500;

/// Removal effects of a chain of order 1 or 2, with the paths that did not convert.
pub(super) static MODEL: Model = Model {
    name: "markov",
    label: "Markov chain (removal effect)",
    formula: "RE_j / sum of RE, RE_j = P(convert after a touch of j) / P(convert)",
    rule: "the part of conversions that a chain of all journeys, converting or not, would lose without a row, scaled \
           to sum to all; a state that repeats at once counts once; without journeys that did not convert it \
           measures presence only; order 2 needs 10 conversions per state",
    settings: &[Setting { name: ORDER, meaning: "touches that make a state", default: 1, min: 1, max: 2 }],
    method: Method::Paths(game),
};

fn game(settings: &Settings) -> Box<dyn PathGame> {
    Box::new(Counts::of(if settings.get(ORDER) == 2 { Order::Second } else { Order::First }))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    First,
    Second,
}

/// The last touch's row, after the one before it where a state has two.
type State = (Option<u32>, u32);

/// What leaves a state.
#[derive(Debug, Default)]
struct Leaving {
    to: BTreeMap<usize, u64>,
    conversions: u64,
    nulls: u64,
}

/// Transition counts: all that is kept of the paths.
#[derive(Debug)]
struct Counts {
    order: Order,
    /// States with their place in `leaving`.
    states: BTreeMap<State, usize>,
    leaving: Vec<Leaving>,
    conversions: u64,
    nulls: u64,
}

impl Leaving {
    /// Every count of a visit leaves the state by one of its ways.
    fn visits(&self) -> u64 {
        self.to.values().sum::<u64>() + self.conversions + self.nulls
    }
}

impl PathGame for Counts {
    fn add(&mut self, path: &[u32], conversions: u64, nulls: u64) {
        if conversions + nulls == 0 {
            return;
        }
        self.conversions += conversions;
        self.nulls += nulls;
        let mut last = None;
        match (self.order, path) {
            (Order::Second, [_, _, ..]) => {
                for (before, token) in path.iter().zip(path.iter().skip(1)) {
                    last = self.step(last, (Some(*before), *token), conversions + nulls);
                }
            }
            _ => {
                for token in path {
                    last = self.step(last, (None, *token), conversions + nulls);
                }
            }
        }
        if let Some(last) = last.and_then(|l| self.leaving.get_mut(l)) {
            last.conversions += conversions;
            last.nulls += nulls;
        }
    }

    fn solve(&self, accepts_below_floor: bool) -> Result<PathShares, Fault> {
        if self.states.len() > STATES_MAX {
            return Err(self.too_many_states());
        }
        let below_floor = self.below_floor();
        if let Some(sentence) = below_floor.as_ref().filter(|_| !accepts_below_floor) {
            let remedy = "use order 1, a longer period or fewer rows, or accept it with below_floor=accept";
            return Err(Fault::new("model", "below-floor", format!("{sentence}; {remedy}")));
        }
        let effects = self.effects();
        Ok(PathShares::scaled(effects, self.conversions, self.nulls, below_floor))
    }

    fn table(&self, removed: Option<u32>) -> PathTable {
        PathTable::Chain(ChainTable { transitions: self.transitions(), outlooks: self.outlooks(removed) })
    }
}

impl Counts {
    fn of(order: Order) -> Self {
        Self { order, states: BTreeMap::new(), leaving: Vec::new(), conversions: 0, nulls: 0 }
    }

    /// Counts a step from one state into the next, and answers where the path stands then.
    fn step(&mut self, from: Option<usize>, to: State, count: u64) -> Option<usize> {
        let next = self.states.len();
        let place = *self.states.entry(to).or_insert(next);
        if place == next {
            self.leaving.push(Leaving::default());
        }
        // A chain of too many states is refused, so its transitions need no memory.
        if self.states.len() <= STATES_MAX
            && let Some(from) = from.filter(|from| *from != place).and_then(|from| self.leaving.get_mut(from))
        {
            *from.to.entry(place).or_default() += count;
        }
        Some(place)
    }

    fn too_many_states(&self) -> Fault {
        let remedy = match self.order {
            Order::First => "report by something that has fewer rows, such as the channel",
            Order::Second => "use order 1, or report by something that has fewer rows, such as the channel",
        };
        let detail = format!(
            "the chain of these journeys has {} states, and {STATES_MAX} are the most that are solved; {remedy}",
            self.states.len()
        );
        Fault::new("model", "too-many-states", detail)
    }

    fn below_floor(&self) -> Option<String> {
        let floor = FLOOR_PER_STATE.saturating_mul(u64::try_from(self.states.len()).unwrap_or(u64::MAX));
        (self.order == Order::Second && self.conversions < floor).then(|| {
            format!(
                "a chain of order 2 needs {FLOOR_PER_STATE} conversions per state, so {floor} for its {} states, and \
                 there are {}",
                self.states.len(),
                self.conversions
            )
        })
    }

    /// The removal effect of every row.
    fn effects(&self) -> BTreeMap<u32, f64> {
        let mut groups: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
        for (rank, (before, token)) in self.states.keys().enumerate() {
            groups.entry(*token).or_default().push(rank);
            if let Some(before) = before.filter(|before| before != token) {
                groups.entry(before).or_default().push(rank);
            }
        }
        if self.conversions == 0 {
            return groups.into_keys().map(|token| (token, 0.0)).collect();
        }
        let (closure, visits) = (self.closure(None), self.visits());
        let effect = |set: &[usize]| {
            let entries = closure.first_entries(set, &visits);
            let through: f64 = set.iter().zip(entries).map(|(s, entry)| entry * closure.conversion(*s)).sum();
            through / self.conversions as f64
        };
        groups.iter().map(|(token, set)| (*token, effect(set))).collect()
    }

    /// States in the order of their names: the answer must not depend on which path came first.
    fn ranked(&self) -> impl Iterator<Item = &Leaving> {
        self.states.values().filter_map(|place| self.leaving.get(*place))
    }

    /// Counted visits of each state.
    fn visits(&self) -> Vec<f64> {
        self.ranked().map(|leaving| leaving.visits() as f64).collect()
    }

    /// Closes the chain; without a row, what would enter its states goes to null.
    fn closure(&self, removed: Option<u32>) -> Closure {
        let mut ranks = vec![None; self.leaving.len()];
        for (rank, (state, place)) in self.states.iter().enumerate() {
            if let Some(slot) = ranks.get_mut(*place) {
                *slot = (!is_of(*state, removed)).then_some(rank);
            }
        }
        let probabilities = |(state, place): (&State, &usize)| {
            let leaving = self.leaving.get(*place).filter(|_| !is_of(*state, removed));
            let Some(leaving) = leaving else { return (Vec::new(), 0.0, 1.0) };
            let visits = leaving.visits() as f64;
            let kept = leaving.to.iter().filter_map(|(to, count)| Some((ranks.get(*to).copied().flatten()?, *count)));
            let lost: u64 = leaving.to.iter().filter(|(to, _)| ranks.get(**to) == Some(&None)).map(|(_, n)| n).sum();
            let null = (leaving.nulls + lost) as f64 / visits;
            (kept.map(|(to, count)| (to, count as f64 / visits)).collect(), leaving.conversions as f64 / visits, null)
        };
        Closure::of(self.states.iter().map(probabilities).collect())
    }

    /// Steps from the start into each state. They are not counted, as the rest tells them: a path enters a state from
    /// another one or begins in it.
    fn starts(&self) -> BTreeMap<usize, u64> {
        let mut starts: BTreeMap<usize, u64> = self.leaving.iter().map(Leaving::visits).enumerate().collect();
        for (to, count) in self.leaving.iter().flat_map(|leaving| &leaving.to) {
            if let Some(start) = starts.get_mut(to) {
                *start -= count;
            }
        }
        starts
    }

    fn transitions(&self) -> Vec<Transition> {
        let names: BTreeMap<usize, ChainState> =
            self.states.iter().map(|(state, place)| (*place, named(*state))).collect();
        let starts = self.starts();
        let from_start = self.states.values().filter_map(|place| {
            let (to, count) = (*names.get(place)?, *starts.get(place)?);
            Some(Transition { from: ChainState::Start, to, count, of: self.conversions + self.nulls })
        });
        let from_states = self.states.iter().filter_map(|(state, place)| {
            let leaving = self.leaving.get(*place)?;
            let (from, of) = (named(*state), leaving.visits());
            let ends = [(ChainState::Conversion, leaving.conversions), (ChainState::Null, leaving.nulls)];
            let to = leaving.to.iter().filter_map(|(to, count)| Some((*names.get(to)?, *count)));
            Some(to.chain(ends).map(move |(to, count)| Transition { from, to, count, of }).collect::<Vec<_>>())
        });
        from_start.chain(from_states.flatten()).filter(|transition| transition.count > 0).collect()
    }

    fn outlooks(&self, removed: Option<u32>) -> Vec<Outlook> {
        let (whole, without) = (self.closure(None), removed.map(|_| self.closure(removed)));
        let without = without.as_ref().unwrap_or(&whole);
        let of_state = |(rank, (state, place)): (usize, (&State, &usize))| Outlook {
            state: named(*state),
            visits: self.leaving.get(*place).map_or(0, Leaving::visits),
            conversion: whole.conversion(rank),
            conversion_without: without.conversion(rank),
        };
        let paths = self.conversions + self.nulls;
        let starts = self.starts();
        let from_start = |closure: &Closure| {
            let entering = |(rank, place)| starts.get(place).map_or(0.0, |n| *n as f64) * closure.conversion(rank);
            let converting: f64 = self.states.values().enumerate().map(entering).sum();
            if paths == 0 { 0.0 } else { converting / paths as f64 }
        };
        let start = Outlook {
            state: ChainState::Start,
            visits: paths,
            conversion: from_start(&whole),
            conversion_without: from_start(without),
        };
        std::iter::once(start).chain(self.states.iter().enumerate().map(of_state)).collect()
    }
}

fn named((before, last): State) -> ChainState {
    ChainState::Touched { before, last }
}

/// Whether a state is of the row that is removed.
fn is_of(state: State, removed: Option<u32>) -> bool {
    removed.is_some_and(|row| named(state).holds(row))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// serhiipuzyrov.com 2019, printed: start to ads .8 and mail .2; ads to conversion .5, mail .25, null .25; mail
    /// to conversion 1.
    #[test]
    fn counts_are_those_of_the_printed_transition_probabilities() {
        let (ads, mail) = (7, 3);
        let mut counts = Counts::of(Order::First);
        counts.add(&[ads], 2, 1);
        counts.add(&[mail], 1, 0);
        counts.add(&[ads, mail], 1, 0);
        let of = |token: u32| &counts.leaving[counts.states[&(None, token)]];
        assert_eq!((of(ads).visits(), of(ads).conversions, of(ads).nulls), (4, 2, 1));
        assert_eq!(of(ads).to.values().collect::<Vec<_>>(), [&1]);
        assert_eq!((of(mail).visits(), of(mail).conversions, of(mail).nulls), (2, 2, 0));
        assert_eq!((counts.conversions, counts.nulls), (4, 1), "four of five start with ads, the rest with mail");
    }

    #[test]
    fn equal_neighbouring_states_are_one_and_paths_of_nobody_none() {
        let states = |order, path: &[u32]| {
            let mut counts = Counts::of(order);
            counts.add(path, 1, 0);
            counts.add(&[9, 8], 0, 0);
            let visits: Vec<u64> = counts.ranked().map(Leaving::visits).collect();
            (counts.states.into_keys().collect::<Vec<_>>(), visits)
        };
        assert_eq!(states(Order::First, &[1, 1, 2, 1]), (vec![(None, 1), (None, 2)], vec![2, 1]));
        assert_eq!(states(Order::Second, &[1, 1, 1, 2]), (vec![(Some(1), 1), (Some(1), 2)], vec![1, 1]));
        assert_eq!(states(Order::Second, &[1]), (vec![(None, 1)], vec![1]));
    }
}
