//! `headwater cost`

use clap::{Args, Subcommand};
use serde_json::json;

use super::{CliError, Context, table};
use crate::domain::stage::Source;
use crate::jobs::edit_costs::{self, CostInput};

#[derive(Debug, Subcommand)]
pub(super) enum Cost {
    /// Add one cost
    Add(Box<NewCost>),
    /// List standing costs, newest first
    List,
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
    /// media, agency, tools, content or labour
    #[arg(long, default_value = "media")]
    kind: String,
    /// Net amount such as 1250.00; a credit note is negative
    #[arg(long, allow_hyphen_values = true)]
    amount: String,
    /// ISO 4217; the reporting currency if not given
    #[arg(long)]
    currency: Option<String>,
    /// The account it was told by
    #[arg(long, default_value = "manual")]
    source: String,
    /// Invoice number
    #[arg(long)]
    document: Option<String>,
}

pub(super) fn run(context: &Context, command: Cost) -> Result<(), CliError> {
    match command {
        Cost::Add(new) => add(context, *new),
        Cost::List => list(context),
    }
}

fn add(context: &Context, new: NewCost) -> Result<(), CliError> {
    let source = Source::parse(&new.source)?;
    let input = CostInput {
        from: new.from,
        to: new.to,
        channel: new.channel,
        campaign: new.campaign,
        post: None,
        link: new.link,
        kind: new.kind,
        amount: Some(new.amount),
        amount_minor: None,
        currency: new.currency.unwrap_or_else(|| context.config.reporting.currency.code().to_owned()),
        document: new.document,
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
                "source": cost.source, "document": cost.document,
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
                    named.channel.clone().unwrap_or_else(|| "(shared)".into()),
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
