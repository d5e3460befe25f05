//! `headwater cost`

use clap::{Args, Subcommand};
use serde_json::json;

use super::{CliError, Context, schedule, table};
use crate::domain::labour::HourlyRate;
use crate::domain::stage::Source;
use crate::jobs::edit_costs::{self, CostInput};
use crate::jobs::workers::{self, HourlyRateInput};
use crate::store::hourly_rates;

#[derive(Debug, Subcommand)]
pub(super) enum Cost {
    /// Add one cost: an amount, or the hours of a person or team
    Add(Box<NewCost>),
    /// List standing costs, newest first
    List,
    /// Monthly costs, such as subscriptions and fees
    #[command(subcommand)]
    Schedule(schedule::ScheduleCommand),
    /// What an hour of a person or a team costs
    #[command(subcommand)]
    HourlyRate(HourlyRateCommand),
}

#[derive(Debug, Subcommand)]
pub(super) enum HourlyRateCommand {
    /// Record what an hour costs from a day on; costs that were entered before keep their amounts
    Add(NewHourlyRate),
    /// List the rates that stand
    List,
}

#[derive(Debug, Args)]
pub(super) struct NewHourlyRate {
    /// The person
    #[arg(long)]
    person: Option<String>,
    /// The team
    #[arg(long)]
    team: Option<String>,
    /// The first day that it holds for
    #[arg(long)]
    from: String,
    /// Amount for an hour, such as 85.00
    #[arg(long)]
    rate: String,
    /// ISO 4217; the reporting currency if not given
    #[arg(long)]
    currency: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct NewCost {
    /// First day, or the only one
    #[arg(long)]
    from: String,
    /// Last day, included
    #[arg(long, default_value = "")]
    to: String,
    /// The channel's code; without one the cost is shared
    #[arg(long)]
    channel: Option<String>,
    /// The campaign's code
    #[arg(long)]
    campaign: Option<String>,
    /// The link's slug
    #[arg(long)]
    link: Option<String>,
    /// The post's code
    #[arg(long)]
    post: Option<String>,
    /// media, agency, tools, content or labour; media if not given, labour of hours
    #[arg(long, default_value = "")]
    kind: String,
    /// Net amount such as 1250.00; a credit note is negative
    #[arg(long, allow_hyphen_values = true)]
    amount: Option<String>,
    /// ISO 4217; the reporting currency if not given
    #[arg(long)]
    currency: Option<String>,
    /// The account it was told by
    #[arg(long, default_value = "manual")]
    source: String,
    /// Invoice number
    #[arg(long)]
    document: Option<String>,
    /// How channels share it, where it names none: shared, spend, clicks, stage:lead, weights:CODE=3,CODE=1
    #[arg(long)]
    allocation: Option<String>,
    /// What it was for
    #[arg(long)]
    note: Option<String>,
    /// The person who worked
    #[arg(long)]
    person: Option<String>,
    /// The team that worked
    #[arg(long)]
    team: Option<String>,
    /// How long, 1.5 or 1:30
    #[arg(long)]
    hours: Option<String>,
    /// What an hour costs; the recorded rate if not given
    #[arg(long)]
    rate: Option<String>,
}

pub(super) fn run(context: &Context, command: Cost) -> Result<(), CliError> {
    match command {
        Cost::Add(new) => add(context, *new),
        Cost::List => list(context),
        Cost::Schedule(command) => schedule::run(context, command),
        Cost::HourlyRate(HourlyRateCommand::Add(new)) => add_hourly_rate(context, new),
        Cost::HourlyRate(HourlyRateCommand::List) => list_hourly_rates(context),
    }
}

fn add(context: &Context, new: NewCost) -> Result<(), CliError> {
    let source = Source::parse(&new.source)?;
    // Hours without a rate are in the currency of the recorded one.
    let takes_recorded = new.hours.is_some() && new.rate.is_none();
    let usual = || if takes_recorded { String::new() } else { context.config.reporting.currency.code().to_owned() };
    let input = CostInput {
        from: new.from,
        to: new.to,
        channel: new.channel,
        campaign: new.campaign,
        post: new.post,
        link: new.link,
        kind: new.kind,
        amount: new.amount,
        amount_minor: None,
        currency: new.currency.unwrap_or_else(usual),
        document: new.document,
        allocation: new.allocation,
        note: new.note,
        person: new.person,
        team: new.team,
        hours: new.hours,
        rate: new.rate,
    };
    let core = context.open()?;
    let author = context.author();
    let stored = core.db.write_now(|conn| edit_costs::add(conn, &[input], &source, "command line", &author))?;
    let batch = stored.batch.map(|b| b.to_string()).unwrap_or_default();
    context.print(&json!({ "batch": batch }), || format!("added; undo it with: headwater batch undo {batch}"));
    Ok(())
}

fn list(context: &Context) -> Result<(), CliError> {
    let list = context.open()?.db.read_now(|conn| edit_costs::list(conn, 500))?;
    let json: Vec<_> = list
        .iter()
        .map(|named| {
            let cost = &named.entry.cost;
            json!({
                "id": named.entry.id, "from": cost.days.from, "to": cost.days.to, "channel": named.channel,
                "campaign": named.campaign, "post": named.post, "link": named.link, "kind": cost.kind,
                "amount_minor": cost.amount.minor, "currency": cost.amount.currency,
                "source": cost.source, "document": cost.document, "allocation": named.allocation, "note": cost.note,
                "worker": cost.labour.as_ref().map(|l| &l.worker),
                "hours": cost.labour.as_ref().map(|l| l.hours.to_string()),
                "hourly_minor": cost.labour.as_ref().map(|l| l.hourly_minor),
            })
        })
        .collect();
    context.print(&json!(json), || {
        table(
            &["From", "To", "Channel", "Campaign", "Link", "Kind", "Amount", "Source", "Document"],
            list.iter().map(|named| {
                let cost = &named.entry.cost;
                vec![
                    cost.days.from.to_string(),
                    cost.days.to.to_string(),
                    named.channel.clone().unwrap_or_else(|| shared(&named.allocation)),
                    named.campaign.clone().unwrap_or_default(),
                    named.link.clone().unwrap_or_default(),
                    cost.kind.to_string(),
                    cost.amount.to_string(),
                    cost.source.as_str().to_owned(),
                    cost.document.clone().unwrap_or_default(),
                ]
            }),
        )
    });
    Ok(())
}

/// What a cost without a channel is listed under.
fn shared(allocation: &str) -> String {
    if allocation == "shared" { "(shared)".into() } else { format!("(shared by {allocation})") }
}

fn add_hourly_rate(context: &Context, new: NewHourlyRate) -> Result<(), CliError> {
    let input = HourlyRateInput {
        person: new.person,
        team: new.team,
        effective_from: new.from,
        rate: new.rate,
        currency: new.currency.unwrap_or_else(|| context.config.reporting.currency.code().to_owned()),
    };
    let author = context.author();
    let batch = context.open()?.db.write_now(|conn| workers::add_rate(conn, &input, &author))?;
    context.print(&json!({ "batch": batch }), || format!("recorded; undo it with: headwater batch undo {batch}"));
    Ok(())
}

fn list_hourly_rates(context: &Context) -> Result<(), CliError> {
    let list = context.open()?.db.read_now(hourly_rates::standing)?;
    let json: Vec<_> = list
        .iter()
        .map(|r| {
            json!({
                "worker": r.worker, "effective_from": r.effective_from, "hourly_minor": r.hourly.minor,
                "currency": r.hourly.currency,
            })
        })
        .collect();
    context.print(&json!(json), || {
        let row = |r: &HourlyRate| vec![r.worker.clone(), r.effective_from.to_string(), r.hourly.to_string()];
        table(&["Person or team", "From", "An hour"], list.iter().map(row))
    });
    Ok(())
}
