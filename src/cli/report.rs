//! `headwater report`

use std::collections::HashMap;

use clap::{Args, Subcommand};

use super::{CliError, Context};
use crate::export;
use crate::http::api;
use crate::reports::cost_per_lead::{self, Dimension, Parameters};

#[derive(Debug, Subcommand)]
pub(super) enum Report {
    /// Cost per lead and customers acquired
    CostPerLead(CostPerLead),
}

#[derive(Debug, Args)]
pub(super) struct CostPerLead {
    /// Rows: channel, campaign or link
    #[arg(long)]
    by: Option<String>,
    /// Attribution model: first, last or linear
    #[arg(long)]
    model: Option<String>,
    /// First day, such as 2025-01-01
    #[arg(long, value_name = "DAY")]
    from: Option<String>,
    /// Last day, included
    #[arg(long, value_name = "DAY")]
    to: Option<String>,
    /// IANA time zone that cuts days
    #[arg(long, value_name = "ZONE")]
    zone: Option<String>,
    /// Look-back in days, both ends included
    #[arg(long, value_name = "DAYS")]
    lookback_days: Option<String>,
    /// Reporting currency
    #[arg(long, value_name = "CODE")]
    currency: Option<String>,
    /// Which costs: loaded (all) or media (ad spend)
    #[arg(long)]
    cost: Option<String>,
    /// Facts recorded up to here: the number that a report printed, or RFC 3339
    #[arg(long, value_name = "TIME")]
    as_of: Option<String>,
    /// Print CSV
    #[arg(long)]
    csv: bool,
}

#[expect(clippy::print_stdout, reason = "this is what the command line is for")]
pub(super) fn run(context: &Context, command: Report) -> Result<(), CliError> {
    let Report::CostPerLead(asked) = command;
    let core = context.open()?;
    let is_csv = asked.csv;
    let reporting = &context.config.reporting;
    let defaults = Parameters {
        zone: reporting.zone.clone(),
        lookback_days: reporting.lookback_days,
        ..Parameters::new(
            Dimension::Channel,
            api::default_range(&context.config, context.clock.now()),
            reporting.currency,
        )
    };
    let parameters = cost_per_lead::parameters_from(&asked.named(), &defaults)?;
    let report = core.db.read_now(|conn| Ok(cost_per_lead::run(conn, &parameters)))??;
    if is_csv {
        print!("{}", export::csv::report(&report));
    } else {
        context.print(&export::json::report(&report), || export::terminal::report(&report));
    }
    Ok(())
}

impl CostPerLead {
    fn named(self) -> HashMap<String, String> {
        [
            ("by", self.by),
            ("model", self.model),
            ("from", self.from),
            ("to", self.to),
            ("zone", self.zone),
            ("lookback_days", self.lookback_days),
            ("currency", self.currency),
            ("cost", self.cost),
            ("as_of", self.as_of),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value?)))
        .collect()
    }
}
