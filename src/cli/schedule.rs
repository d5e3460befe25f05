//! `headwater cost schedule`

use clap::{Args, Subcommand};
use serde_json::json;

use super::{CliError, Context, table};
use crate::domain::ids::ScheduleId;
use crate::jobs::edit_schedules::{self, NamedSchedule, ScheduleChange, ScheduleInput};

#[derive(Debug, Subcommand)]
pub(super) enum ScheduleCommand {
    /// Add a cost that comes back every month
    Add(Box<NewSchedule>),
    /// Change it from one of its months on: another amount, an end, another rule
    Change(ChangedSchedule),
    /// List the schedules that stand, with each change
    List,
}

#[derive(Debug, Args)]
pub(super) struct NewSchedule {
    /// What people call it
    #[arg(long)]
    name: String,
    /// media, agency, tools, content or labour
    #[arg(long, default_value = "tools")]
    kind: String,
    /// The first day of the first month
    #[arg(long)]
    first_day: String,
    /// The last day of the last month; it goes on if not given
    #[arg(long)]
    last_day: Option<String>,
    /// Net amount for a month
    #[arg(long)]
    amount: String,
    /// ISO 4217; the reporting currency if not given
    #[arg(long)]
    currency: Option<String>,
    /// The channel's code; without one the cost is shared
    #[arg(long)]
    channel: Option<String>,
    /// The campaign's code
    #[arg(long)]
    campaign: Option<String>,
    /// How channels share it: shared, spend, clicks, stage:lead, weights:CODE=3,CODE=1
    #[arg(long)]
    allocation: Option<String>,
    /// Contract or customer number
    #[arg(long)]
    document: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct ChangedSchedule {
    /// Its id
    id: String,
    /// The first day of the first month that it holds for; the schedule's own first day corrects all of it
    #[arg(long)]
    from: String,
    /// Net amount for a month
    #[arg(long)]
    amount: Option<String>,
    /// The last day of the last month; "" takes an end back
    #[arg(long)]
    last_day: Option<String>,
    /// How channels share it
    #[arg(long)]
    allocation: Option<String>,
}

pub(super) fn run(context: &Context, command: ScheduleCommand) -> Result<(), CliError> {
    match command {
        ScheduleCommand::Add(new) => add(context, *new),
        ScheduleCommand::Change(changed) => change(context, changed),
        ScheduleCommand::List => list(context),
    }
}

fn add(context: &Context, new: NewSchedule) -> Result<(), CliError> {
    let input = ScheduleInput {
        name: new.name,
        kind: new.kind,
        first_day: new.first_day,
        last_day: new.last_day,
        channel: new.channel,
        campaign: new.campaign,
        amount: new.amount,
        currency: new.currency.unwrap_or_else(|| context.config.reporting.currency.code().to_owned()),
        allocation: new.allocation,
        document: new.document,
    };
    let author = context.author();
    let (id, batch) = context.open()?.db.write_now(|conn| edit_schedules::create(conn, &input, &author))?;
    context.print(&json!({ "id": id, "batch": batch }), || {
        format!("{id} added; undo it with: headwater batch undo {batch}")
    });
    Ok(())
}

fn change(context: &Context, changed: ChangedSchedule) -> Result<(), CliError> {
    let id: ScheduleId = changed.id.parse()?;
    let ChangedSchedule { from, amount, last_day, allocation, .. } = changed;
    let (change, author) = (ScheduleChange { from, amount, last_day, allocation }, context.author());
    let batch = context.open()?.db.write_now(|conn| edit_schedules::change(conn, id, &change, &author))?;
    context.print(&json!({ "batch": batch }), || format!("changed; undo it with: headwater batch undo {batch}"));
    Ok(())
}

fn list(context: &Context) -> Result<(), CliError> {
    let list = context.open()?.db.read_now(edit_schedules::list)?;
    let rows = || list.iter().flat_map(|named| named.revisions.iter().map(move |revision| (named, revision)));
    let json: Vec<_> = rows()
        .map(|(named, revision)| {
            let own = &revision.schedule;
            json!({
                "id": named.id, "name": own.name, "kind": own.kind, "first_day": own.first_day, "last_day": own.last_day,
                "effective_from": revision.effective_from, "amount_minor": own.amount.minor,
                "currency": own.amount.currency, "channel": named.channel, "campaign": named.campaign,
                "allocation": named.allocation, "document": own.document,
            })
        })
        .collect();
    context.print(&json!(json), || {
        let line = |(named, revision): (&NamedSchedule, &crate::domain::schedule::ScheduleRevision)| {
            let own = &revision.schedule;
            vec![
                named.id.to_string(),
                own.name.clone(),
                own.kind.to_string(),
                revision.effective_from.to_string(),
                own.last_day.map(|d| d.to_string()).unwrap_or_default(),
                own.amount.to_string(),
                named.channel.clone().unwrap_or_else(|| named.allocation.clone()),
            ]
        };
        table(&["Id", "Name", "Kind", "From", "Until", "A month", "Channel or rule"], rows().map(line))
    });
    Ok(())
}
