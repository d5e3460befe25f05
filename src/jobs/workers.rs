//! What hours of people and teams cost: by the rate that came with the hours, else by the one that was recorded for them.

use std::collections::HashMap;

use crate::domain::fault::{Fault, shown};
use crate::domain::ids::BatchId;
use crate::domain::labour::{self, HourlyRate, Hours, Labour, hourly_on};
use crate::domain::money::{Currency, Money};
use crate::domain::time::DayRange;
use crate::domain::utm::near_duplicate;
use crate::store::labels::Author;
use crate::store::{Conn, StoreError, hourly_rates};

/// The standing hourly rates by worker, each in the order in which they were recorded.
#[derive(Debug, Default)]
pub struct Workers(HashMap<String, Vec<HourlyRate>>);

impl Workers {
    /// Reads all rates.
    pub fn load(conn: &mut Conn) -> Result<Self, StoreError> {
        let mut all: HashMap<String, Vec<HourlyRate>> = HashMap::new();
        for rate in hourly_rates::standing(conn)? {
            all.entry(rate.worker.clone()).or_default().push(rate);
        }
        Ok(Self(all))
    }

    /// What hours cost, and what that was computed from. `hourly` is the rate that came with them, or the currency that
    /// the recorded one must be in.
    ///
    /// # Errors
    /// A fault where no one rate holds on all the days.
    pub fn price(
        &self,
        worker: &str,
        hours: Hours,
        days: DayRange,
        hourly: Result<Money, Option<Currency>>,
    ) -> Result<(Money, Labour), Fault> {
        let hourly = match hourly {
            Ok(given) => given,
            Err(currency) => {
                let known = self.0.get(worker).ok_or_else(|| self.unknown(worker))?;
                hourly_on(known, worker, days, currency)?
            }
        };
        let amount = hours.cost(hourly)?;
        Ok((amount, Labour { worker: worker.to_owned(), hours, hourly_minor: hourly.minor }))
    }

    fn unknown(&self, worker: &str) -> Fault {
        let mut names: Vec<&str> = self.0.keys().map(String::as_str).collect();
        names.sort_unstable();
        let meant = near_duplicate(worker, names.iter().copied()).filter(|m| self.0.contains_key(m));
        let hint = meant
            .map_or_else(|| "give a rate with the hours, or record one".to_owned(), |m| format!("did you mean `{m}`?"));
        Fault::new("rate", "hourly-rate-missing", format!("no hourly rate of {} was recorded; {hint}", shown(worker)))
    }
}

/// An hourly rate in its sender's words.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HourlyRateInput {
    /// The person, or
    pub person: Option<String>,
    /// the team.
    pub team: Option<String>,
    /// The first day that it holds for.
    pub effective_from: String,
    /// A decimal amount for an hour.
    pub rate: String,
    /// ISO 4217.
    pub currency: String,
}

/// The one name of a person or a team.
///
/// # Errors
/// A fault where both are given, or none.
pub fn worker_of(person: Option<&str>, team: Option<&str>) -> Result<String, Fault> {
    let given = |name: Option<&str>| name.map(str::trim).filter(|n| !n.is_empty()).map(str::to_owned);
    match (given(person), given(team)) {
        (Some(name), None) => labour::worker(&name),
        (None, Some(name)) => labour::worker(&name).map_err(|f| f.named("team")),
        _ => Err(Fault::new("person", "worker-missing", "say who worked: give either `person` or `team`")),
    }
}

/// Records what an hour of somebody costs from a day on; answers the batch to undo it with.
pub fn add_rate(conn: &mut Conn, input: &HourlyRateInput, author: &Author) -> Result<BatchId, StoreError> {
    let mut faults = Vec::new();
    let worker = worker_of(input.person.as_deref(), input.team.as_deref()).map_err(|f| faults.push(f)).ok();
    let from = input.effective_from.trim().parse().map_err(|f: Fault| faults.push(f.named("effective_from"))).ok();
    let hourly =
        input.currency.parse().and_then(|currency| Money::parse(&input.rate, currency).map_err(|f| f.named("rate")));
    let hourly = hourly.and_then(|money| match money.minor {
        0.. => Ok(money),
        _ => Err(Fault::new("rate", "rate-negative", "an hour costs nothing or more; write an amount such as 85.00")),
    });
    let hourly = hourly.map_err(|f| faults.push(f)).ok();
    match (worker, from, hourly) {
        (Some(worker), Some(effective_from), Some(hourly)) if faults.is_empty() => {
            hourly_rates::add(conn, &HourlyRate { worker, effective_from, hourly }, author)
        }
        _ => Err(StoreError::Refused(faults)),
    }
}
