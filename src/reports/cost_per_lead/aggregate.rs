//! Aggregate models: one share for each row, from all paths at once (design section 6).
//!
//! Leads and customers are games of their own: each has its converting paths and its null paths. Shares are
//! estimates, rounded once to 1e-9; what has no path stays whole in `(unattributed)`.

#![expect(clippy::float_arithmetic, reason = "shares of an aggregate model, rounded once; never money")]

use std::collections::HashMap;

use super::super::ReportError;
use super::super::dimension::{Part, RowKey};
use super::super::facts::Facts;
use super::super::parameters::Parameters;
use super::super::paths::{Goal, PathSink, Stop, converting, nulls};
use super::super::places::{PlaceId, Places};
use super::table::Filled;
use super::{Figures, blank};
use crate::domain::attribution::{Choice, Method, ONE_MICRO, PathGame, PathShare, PathShares};
use crate::domain::fault::Fault;
use crate::domain::stage::StageEvent;
use crate::store::Conn;

/// What an aggregate model was computed from.
#[derive(Debug, Clone, PartialEq)]
pub struct PathModel {
    /// Which model.
    pub model: Choice,
    /// Paths to leads.
    pub leads: PathCounts,
    /// Paths to first purchases.
    pub customers: PathCounts,
}

/// How many paths there were.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct PathCounts {
    /// Those that converted in the period.
    pub conversions: u64,
    /// Those that did not convert at all.
    pub nulls: u64,
    /// The probability that a path converts.
    pub conversion_rate: f64,
}

/// The games of a report, played: what evidence opens.
#[derive(Debug, Default)]
pub(in crate::reports) struct Played {
    /// Two for each aggregate model, one for each goal.
    pub(in crate::reports) games: Vec<Game>,
    /// The rows by token.
    pub(in crate::reports) rows: Vec<RowKey>,
}

/// A game of one model for one goal.
#[derive(Debug)]
pub(in crate::reports) struct Game {
    model: usize,
    pub(in crate::reports) goal: Goal,
    pub(in crate::reports) game: Box<dyn PathGame>,
    pub(in crate::reports) counts: PathCounts,
    /// Conversions without a path.
    pub(in crate::reports) without: u64,
    /// What it found; nothing where no path converted.
    pub(in crate::reports) found: Option<PathShares>,
}

/// Places as the games know them: numbered in the order in which paths come, which does not depend on the database.
#[derive(Default)]
struct Tokens {
    numbers: HashMap<PlaceId, u32>,
    places: Vec<PlaceId>,
}

impl Tokens {
    fn number(&mut self, place: PlaceId) -> u32 {
        let next = u32::try_from(self.places.len()).unwrap_or(u32::MAX);
        let number = *self.numbers.entry(place).or_insert(next);
        if number == next {
            self.places.push(place);
        }
        number
    }
}

/// Adds the shares of the aggregate models among those asked for.
pub(super) fn add(
    conn: &mut Conn,
    facts: &Facts,
    places: &mut Places<'_>,
    parameters: &Parameters,
    filled: &mut Filled,
) -> Result<(), ReportError> {
    let games = games(parameters);
    if games.is_empty() {
        return Ok(());
    }
    let mut table = Games { games, tokens: Tokens::default(), path: Vec::new() };
    converting(conn, facts, places, parameters, &mut table)?;
    nulls(conn, facts, places, parameters, Goal::ALL, &mut table)?;
    let Games { mut games, tokens, .. } = table;
    let rows: Vec<RowKey> = tokens.places.iter().map(|place| row_key(parameters, places, *place)).collect();
    for game in &mut games {
        game.share_out(parameters, places, &rows, filled)?;
    }
    for (model, choice) in parameters.models.iter().enumerate() {
        let counts = |goal| games.iter().find(|g| g.model == model && g.goal == goal).map(|g| g.counts);
        if let (Some(leads), Some(customers)) = (counts(Goal::Lead), counts(Goal::Customer)) {
            filled.path_models.push(PathModel { model: choice.clone(), leads, customers });
        }
    }
    filled.played = Played { games, rows };
    Ok(())
}

fn games(parameters: &Parameters) -> Vec<Game> {
    let mut games = Vec::new();
    for (model, choice) in parameters.models.iter().enumerate() {
        if let Method::Paths(game) = choice.model().method {
            games.extend(Goal::ALL.iter().map(|goal| Game {
                model,
                goal: *goal,
                game: game(choice.settings()),
                counts: PathCounts::default(),
                without: 0,
                found: None,
            }));
        }
    }
    games
}

/// Every game takes every path of its goal.
struct Games {
    games: Vec<Game>,
    tokens: Tokens,
    path: Vec<u32>,
}

impl PathSink for Games {
    fn take(
        &mut self,
        _: &Places<'_>,
        goal: Goal,
        event: Option<&StageEvent>,
        stops: &[Stop],
    ) -> Result<(), ReportError> {
        self.path.clear();
        self.path.extend(stops.iter().map(|(_, place)| self.tokens.number(*place)));
        for game in self.games.iter_mut().filter(|g| g.goal == goal) {
            game.take(&self.path, event.is_none());
        }
        Ok(())
    }
}

impl Game {
    fn take(&mut self, path: &[u32], is_null: bool) {
        match (path, is_null) {
            ([], _) => self.without += u64::from(!is_null),
            (path, true) => {
                self.counts.nulls += 1;
                self.game.add(path, 0, 1);
            }
            (path, false) => {
                self.counts.conversions += 1;
                self.game.add(path, 1, 0);
            }
        }
    }

    fn share_out(
        &mut self,
        parameters: &Parameters,
        places: &mut Places<'_>,
        rows: &[RowKey],
        filled: &mut Filled,
    ) -> Result<(), ReportError> {
        let Some(choice) = parameters.models.get(self.model) else { return Ok(()) };
        // Where nothing converted there is nothing to share, and no floor to stand on.
        if self.counts.conversions > 0 {
            let found = self.solve(parameters, choice)?;
            self.counts.conversion_rate = found.conversion_rate;
            let about = |note: &String| format!("{choice}, {}s: {note}.", self.goal);
            filled.notes.extend(found.notes.iter().map(about));
            let below = |floor| format!("{} Shown because below_floor=accept asks for it.", about(floor));
            filled.notes.extend(found.below_floor.as_ref().map(below));
            for share in &found.shares {
                if let Some(key) = row_of(rows, share.token) {
                    let row = filled.rows.entry(key.clone()).or_insert_with(|| blank(parameters));
                    self.give(row, self.credit(share), Some(share.effect));
                }
            }
            self.found = Some(found);
        }
        if self.without > 0 {
            let nobody = places.nowhere(&Part::Unattributed);
            let key = row_key(parameters, places, nobody);
            self.give(filled.rows.entry(key).or_insert_with(|| blank(parameters)), self.without as f64, None);
        }
        let whole = (self.counts.conversions + self.without) as f64;
        self.give(&mut filled.totals, whole, None);
        Ok(())
    }

    fn solve(&self, parameters: &Parameters, choice: &Choice) -> Result<PathShares, Fault> {
        let solved = self.game.solve(parameters.accepts_below_floor);
        solved.map_err(|fault| Fault { detail: format!("{choice}, {}s: {}", self.goal, fault.detail), ..fault })
    }

    /// What a share is in leads or customers.
    pub(in crate::reports) fn credit(&self, share: &PathShare) -> f64 {
        share.share * self.counts.conversions as f64
    }

    /// Gives credit to this model's figures of a row.
    fn give(&self, row: &mut [Figures], credit: f64, effect: Option<f64>) {
        let Some(figures) = row.get_mut(self.model) else { return };
        let aggregate = figures.aggregate.get_or_insert_default();
        let rounded = nine(credit);
        match self.goal {
            Goal::Lead => (aggregate.leads, aggregate.effect) = (rounded, effect),
            Goal::Customer => aggregate.customers = rounded,
        }
        figures.add_credit(self.goal.measure(), micro(credit));
    }
}

/// Rounds an estimate, once.
fn nine(estimate: f64) -> f64 {
    // Nothing has no sign.
    (estimate * 1e9).round() / 1e9 + 0.0
}

/// The micro-units of an estimate.
pub(in crate::reports) fn micro(credit: f64) -> i64 {
    (credit * ONE_MICRO as f64).round() as i64
}

/// The row of a token.
pub(in crate::reports) fn row_of(rows: &[RowKey], token: u32) -> Option<&RowKey> {
    rows.get(usize::try_from(token).ok()?)
}

fn row_key(parameters: &Parameters, places: &mut Places<'_>, place: PlaceId) -> RowKey {
    // One dimension of touches: neither time nor stage tells rows apart.
    let piece = places.piece(parameters.range.from);
    places.key(place, piece, &Part::Unattributed)
}
