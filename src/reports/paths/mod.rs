//! *Paths*: what people went through before they became leads or customers, and what led to nothing.
//!
//! The paths are those that aggregate models count: journeys of the period's leads or first purchases, and null
//! paths. Equal neighbours of a path are merged for its name alone; touches are all counted.

mod options;
mod reading;
mod sheets;
mod tally;

use options::MORE;
pub use options::{Options, options_from};
pub use reading::Goal;
pub(super) use reading::{PathSink, Stop, converting, nulls};

use self::tally::Tally;
use super::ReportError;
use super::catalogue::Kind;
use super::exchange::Exchange;
use super::facts::Facts;
use super::parameters::{Parameters, ReportClock};
use super::places::Places;
use super::sheet::Document;
use crate::domain::fault::Fault;
use crate::store::{Conn, Moments, ledger};

/// The report of paths.
pub(super) static KIND: Kind = Kind {
    name: "paths",
    title: "Paths",
    about: "what people went through before they became leads or customers, and the paths that led to nothing",
    more: MORE,
    run: |conn, parameters, given| run(conn, parameters, &options_from(given)?),
};

/// Computes the report. Call it inside one snapshot ([`crate::store::Db::read`]).
///
/// # Errors
/// Parameters that leave out a part of the paths are refused: rows of several dimensions or of time, filters, the
/// cohort clock, a comparison.
pub fn run(conn: &mut Conn, parameters: &Parameters, options: &Options) -> Result<Document, ReportError> {
    check(parameters)?;
    let as_of = ledger::as_of(conn, parameters.as_of)?;
    let parameters = &Parameters { as_of: Some(as_of), ..parameters.clone() };
    let facts = Facts::load(conn, &Moments::all(as_of))?;
    let mut places = Places::new(parameters, &facts.labels)?;
    let exchange = Exchange::of_events(conn, &facts.moments, parameters, &facts.events)?;
    let mut tally = Tally::new(&exchange, &facts, options.stage);
    converting(conn, &facts, &mut places, parameters, &mut tally)?;
    nulls(conn, &facts, &mut places, parameters, &[options.stage], &mut tally)?;
    Ok(sheets::document(parameters, options, &mut places, &tally))
}

fn check(parameters: &Parameters) -> Result<(), Fault> {
    let one_dimension = matches!(parameters.by.as_slice(), [only] if only.is_of_touch());
    let whole = parameters.clock == ReportClock::Period && parameters.filters.is_empty();
    if one_dimension && whole && parameters.compare.is_empty() {
        return Ok(());
    }
    Err(Fault::new(
        "by",
        "paths-not-whole",
        "a path is told whole and in rows of one kind; ask for a single dimension of touches in by, the period clock, \
         no filters and no comparison",
    ))
}
