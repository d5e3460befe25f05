//! Exchange rates: files of the European Central Bank, and rates by hand. The API, the pages and the command line all
//! come through here.

use crate::domain::fault::Fault;
use crate::domain::fx::{Rate, RateSource};
use crate::imports::decode::RowError;
use crate::imports::ecb;
use crate::store::labels::Author;
use crate::store::rates::{self, StoredRates};
use crate::store::{Conn, StoreError};

/// Most rates of one call.
const RATES_MAX: usize = 10_000;

/// A rate in its sender's words: 1 `base` is `value` `quote`.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RateInput {
    /// The day from which it holds, until the next one.
    pub day: String,
    /// The currency that is priced; the euro if empty.
    pub base: String,
    /// The currency that it is priced in.
    pub quote: String,
    /// A decimal above 0.
    pub rate: String,
}

impl RateInput {
    fn check(&self) -> Result<Rate, Vec<Fault>> {
        let mut faults = Vec::new();
        let day = self.day.trim().parse().map_err(|f| faults.push(f)).ok();
        let base = if self.base.trim().is_empty() { "EUR" } else { &self.base };
        let base = base.parse().map_err(|f: Fault| faults.push(f.named("base"))).ok();
        let quote = self.quote.parse().map_err(|f: Fault| faults.push(f.named("quote"))).ok();
        let value = self.rate.parse().map_err(|f| faults.push(f)).ok();
        match (day, base, quote, value) {
            (Some(day), Some(base), Some(quote), Some(value)) => {
                Rate::new(day, (base, quote), value, RateSource::Manual).map_err(|fault| vec![fault])
            }
            _ => Err(faults),
        }
    }
}

/// Adds rates by hand, all or none; the faults name each rate by its place.
pub fn add(conn: &mut Conn, inputs: &[RateInput], label: &str, author: &Author) -> Result<StoredRates, StoreError> {
    if inputs.is_empty() || inputs.len() > RATES_MAX {
        let detail = format!("{} rates; send 1 to {RATES_MAX}", inputs.len());
        return Err(StoreError::refused(Fault::new("rates", "batch-size", detail)));
    }
    let (mut list, mut faults) = (Vec::new(), Vec::new());
    for (place, input) in inputs.iter().enumerate() {
        match input.check() {
            Ok(rate) => list.push(rate),
            Err(own) if inputs.len() == 1 => faults.extend(own),
            Err(own) => {
                faults.extend(own.into_iter().map(|f| Fault { field: format!("/rates/{place}/{}", f.field), ..f }))
            }
        }
    }
    if faults.is_empty() {
        rates::add(conn, &list, RateSource::Manual, label, author)
    } else {
        Err(StoreError::Refused(faults))
    }
}

/// What an import of a file did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportedRates {
    /// What was stored.
    pub stored: StoredRates,
    /// Columns that are no currency of today; nothing of them is kept.
    pub unknown: Vec<String>,
}

/// Imports a file of the European Central Bank, all or nothing. The same file again changes nothing; a corrected value
/// voids the one before; days that the file lacks stay.
pub fn import_ecb(conn: &mut Conn, bytes: &[u8], label: &str, author: &Author) -> Result<ImportedRates, StoreError> {
    let file =
        ecb::read(bytes).map_err(|errors| StoreError::Refused(errors.into_iter().flat_map(located).collect()))?;
    let stored = rates::add(conn, &file.rates, RateSource::Ecb, label, author)?;
    Ok(ImportedRates { stored, unknown: file.unknown })
}

fn located(error: RowError) -> Vec<Fault> {
    let line = error.line;
    error.faults.into_iter().map(|f| Fault { field: format!("line {line}, {}", f.field), ..f }).collect()
}
