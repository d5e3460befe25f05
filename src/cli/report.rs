//! `headwater report`

use std::collections::HashMap;

use clap::Args;

use super::{CliError, Context};
use crate::domain::attribution::MODELS;
use crate::export;
use crate::http::api;
use crate::reports::catalogue::{Kind, More, REPORTS};
use crate::reports::parameters::LookBack;
use crate::reports::{Parameters, cost_per_lead, parameters_from};

#[derive(Debug, Args)]
#[command(after_help = reports_help())]
pub(super) struct Report {
    /// Which report; they are listed below
    #[arg(default_value = "cost-per-lead")]
    report: String,
    /// Rows: one to three dimensions, such as channel,month
    #[arg(long, value_name = "DIMENSIONS")]
    by: Option<String>,
    /// Attribution models, such as `linear,time_decay:half_life_days=14`
    #[arg(long, value_name = "MODELS")]
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
    /// Month in which fiscal years begin, 1 to 12
    #[arg(long, value_name = "MONTH")]
    fiscal_start: Option<String>,
    /// Look-back in days, both ends included, such as 90 or 90,customer=180
    #[arg(long, value_name = "DAYS")]
    lookback_days: Option<String>,
    /// Reporting currency
    #[arg(long, value_name = "CODE")]
    currency: Option<String>,
    /// Which costs: loaded (all) or media (ad spend)
    #[arg(long)]
    cost: Option<String>,
    /// When credits count: period (the stage event's time) or cohort (the touch's)
    #[arg(long)]
    clock: Option<String>,
    /// Periods to compare with: previous, year, `two_years`
    #[arg(long, value_name = "PERIODS")]
    compare: Option<String>,
    /// Classes of touches that count
    #[arg(long)]
    classes: Option<String>,
    /// Count pixel impressions as touches
    #[arg(long)]
    views: bool,
    /// Let aggregate models answer below their data floor
    #[arg(long)]
    accept_below_floor: bool,
    /// Facts recorded up to here: the number that a report printed, or RFC 3339
    #[arg(long, value_name = "TIME")]
    as_of: Option<String>,
    /// A filter or a parameter of the report's own, such as channel=-direct
    #[arg(long = "with", value_name = "NAME=VALUE", value_parser = name_value)]
    with: Vec<(String, String)>,
    /// Print CSV; --with sheet=NAME for another sheet than the first
    #[arg(long)]
    csv: bool,
}

fn name_value(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("write it as name=value")?;
    Ok((name.trim().to_owned(), value.trim().to_owned()))
}

fn reports_help() -> String {
    let mut help = "Reports:\n  cost-per-lead  what each lead and customer cost, and what brought them\n".to_owned();
    for kind in REPORTS {
        help.push_str(&format!("  {:<13}  {}\n", kind.name, kind.about));
        for More { name, meaning } in kind.more {
            help.push_str(&format!("{:17}--with {name}=…  {meaning}\n", ""));
        }
    }
    help.push_str("\nModels:\n");
    for model in MODELS {
        help.push_str(&format!("  {:<15}  {}\n", model.name, model.label));
        for setting in model.settings {
            let (name, meaning, default) = (setting.name, setting.meaning, setting.default);
            help.push_str(&format!("{:19}:{name}=…  {meaning} ({default})\n", ""));
        }
    }
    help.push_str(
        "\nFilters: --with channel=a,b (one of them) or --with channel=-a (not it); so for network, medium,\n",
    );
    help.push_str("campaign, post, link, persona, content_style, country and device.");
    help
}

#[expect(clippy::print_stdout, reason = "this is what the command line is for")]
pub(super) fn run(context: &Context, asked: Report) -> Result<(), CliError> {
    let core = context.open()?;
    let reporting = &context.config.reporting;
    let defaults = Parameters {
        zone: reporting.zone.clone(),
        look_back: LookBack::of_days(reporting.lookback_days),
        fiscal_start: reporting.fiscal_start,
        ..Parameters::new(api::default_range(&context.config, context.clock.now()), reporting.currency)
    };
    let (is_csv, name) = (asked.csv, asked.report.clone());
    let mut given = asked.named();
    if name == "cost-per-lead" {
        let parameters = parameters_from(&given, &[], &defaults)?;
        let report = core.db.read_now(|conn| Ok(cost_per_lead::run(conn, &parameters)))??;
        if is_csv {
            print!("{}", export::csv::report(&report));
        } else {
            context.print(&export::json::report(&report), || export::terminal::report(&report));
        }
        return Ok(());
    }
    let kind = Kind::named(&name)?;
    let sheet = given.remove("sheet");
    let parameters = parameters_from(&given, &kind.more_names(), &defaults)?;
    let document = core.db.read_now(|conn| Ok((kind.run)(conn, &parameters, &given)))??;
    if is_csv {
        print!("{}", export::sheet::csv(&document, sheet.as_deref())?);
    } else {
        context.print(&export::sheet::json(&document), || export::sheet::text(&document));
    }
    Ok(())
}

impl Report {
    fn named(self) -> HashMap<String, String> {
        let flags = [
            ("by", self.by),
            ("model", self.model),
            ("from", self.from),
            ("to", self.to),
            ("zone", self.zone),
            ("fiscal_start", self.fiscal_start),
            ("lookback_days", self.lookback_days),
            ("currency", self.currency),
            ("cost", self.cost),
            ("clock", self.clock),
            ("compare", self.compare),
            ("classes", self.classes),
            ("views", self.views.then(|| "true".to_owned())),
            ("below_floor", self.accept_below_floor.then(|| "accept".to_owned())),
            ("as_of", self.as_of),
        ];
        let given = flags.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
        given.chain(self.with).collect()
    }
}
