//! Attribution: who gets how much of a stage event.
//!
//! Pure and exact. A model turns a journey into integer parts; [`credit::allocate`]
//! turns parts into micro-units and money that sum to the whole. To add a model,
//! write one file beside `linear.rs` and one line in [`MODELS`]: the API, the CLI,
//! the pages and their help take it from there.
//!
//! People choose models as text: `linear`, or with settings `time_decay:half_life_days=14`.

mod choice;
pub mod credit;
mod custom;
mod first;
mod full_path;
mod inverse_j;
mod j_shaped;
pub mod journey;
mod last;
mod last_non_direct;
mod linear;
mod linear_distinct;
mod markov;
mod participation;
pub mod path_table;
mod position;
pub mod purchases;
mod self_reported;
mod shapley;
#[cfg(test)]
mod tests;
mod time_decay;
mod u_shaped;
mod w_shaped;

use std::collections::BTreeMap;

pub use self::choice::{Choice, Setting, Settings};

use self::journey::Journey;
use self::path_table::PathTable;
use super::fault::Fault;

/// One whole lead or customer, in micro-units.
pub const ONE_MICRO: i64 = 1_000_000;

/// A registered model: what it is called, how it divides, and everything a reader must know about it.
#[derive(Debug)]
pub struct Model {
    /// The name on the wire: `first`.
    pub name: &'static str,
    /// The name people read.
    pub label: &'static str,
    /// The weight of touch i, as printed in reports.
    pub formula: &'static str,
    /// The rule in one sentence, with its edge cases.
    pub rule: &'static str,
    /// What may be set, in the order of its values.
    pub settings: &'static [Setting],
    /// How it divides.
    pub method: Method,
}

/// How a model divides stage events.
#[derive(Debug, Clone, Copy)]
pub enum Method {
    /// Each stage event among the touches of its journey: appends one integer part for each touch of a journey that
    /// has at least one, in the journey's order. Not all may be 0. Adds up.
    Parts(fn(&Journey<'_>, &Settings, &mut Vec<u128>)),
    /// The whole stage event to every row it touched. Does not add up.
    Participation,
    /// All stage events at once among the rows of one dimension, from all paths, converting or not: no touch evidence.
    Paths(fn(&Settings) -> Box<dyn PathGame>),
    /// The stage event to what the person said, beside what was tracked.
    SelfReported,
}

/// An aggregate model in the making: takes paths one by one, keeps counts, and answers one share per token.
pub trait PathGame: Send + std::fmt::Debug {
    /// Adds `conversions` converting and `nulls` other journeys that went along `path`, a sequence of tokens
    /// `0..n` (rows of one dimension) in time. The path is not empty.
    fn add(&mut self, path: &[u32], conversions: u64, nulls: u64);

    /// Solves; `accepts_below_floor` overrides the data floor, which is then told in the answer.
    fn solve(&self, accepts_below_floor: bool) -> Result<PathShares, Fault>;

    /// What the answer is computed from, with what becomes of it without the row `removed`. Of a game that solves:
    /// one that is refused for its size keeps no table.
    fn table(&self, removed: Option<u32>) -> PathTable;
}

/// What an aggregate model found.
#[derive(Debug, Clone, PartialEq)]
pub struct PathShares {
    /// The floor that the data does not reach, where the caller accepted that: a sentence.
    pub below_floor: Option<String>,
    /// What else must stand beside the answer: sentences.
    pub notes: Vec<String>,
    /// The probability that a journey converts.
    pub conversion_rate: f64,
    /// By token; only those that some path held.
    pub shares: Vec<PathShare>,
}

/// One token's share.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PathShare {
    /// Which row.
    pub token: u32,
    /// What it is made of: the removal effect of a chain, the value phi of a game.
    pub effect: f64,
    /// Its part of all stage events with a path; the shares of an answer sum to 1 or, without conversions, to 0.
    /// Not rounded; a value of a game may be negative.
    pub share: f64,
}

impl PathShares {
    /// Scales effects, by token, to shares of `conversions`; beside them stood `nulls` paths that did not convert.
    #[expect(clippy::float_arithmetic, reason = "shares of an aggregate model, which are never money or credit")]
    fn scaled(effects: BTreeMap<u32, f64>, conversions: u64, nulls: u64, below_floor: Option<String>) -> Self {
        let per = |part: f64, whole: f64| if conversions == 0 { 0.0 } else { part / whole };
        let whole: f64 = effects.values().sum();
        let share = |(token, effect)| PathShare { token, effect, share: per(effect, whole) };
        let is_presence = nulls == 0 && conversions > 0;
        let note = "no journey without a conversion was given, so a share only measures in how many a row was present";
        Self {
            below_floor,
            notes: is_presence.then(|| note.to_owned()).into_iter().collect(),
            conversion_rate: per(conversions as f64, conversions as f64 + nulls as f64),
            shares: effects.into_iter().map(share).collect(),
        }
    }
}

/// Every model, in the order of the pages.
pub static MODELS: &[&Model] = &[
    &first::MODEL,
    &last::MODEL,
    &last_non_direct::MODEL,
    &linear::MODEL,
    &linear_distinct::MODEL,
    &time_decay::MODEL,
    &position::MODEL,
    &j_shaped::MODEL,
    &inverse_j::MODEL,
    &custom::MODEL,
    &u_shaped::MODEL,
    &w_shaped::MODEL,
    &full_path::MODEL,
    &participation::MODEL,
    &markov::MODEL,
    &shapley::MODEL,
    &self_reported::MODEL,
];
