//! `headwater cost`

use clap::Subcommand;
use serde_json::json;

use super::{CliError, Context, table};
use crate::domain::ids::BatchId;
use crate::domain::stage::Source;
use crate::jobs::edit_costs::{self, CostInput};
use crate::store::{batches, costs};

#[derive(Debug, Subcommand)]
pub(super) enum Cost {
    /// Add one cost
    Add {
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
    },
    /// List standing costs, newest first
    List,
    /// List batches: imports and calls that added facts
    Batches,
    /// Undo a batch: its facts are void from now on, and costs that it replaced stand again
    Undo {
        /// The batch's id, such as `bat_…`
        batch: String,
    },
}

pub(super) fn run(context: &Context, command: Cost) -> Result<(), CliError> {
    let core = context.open()?;
    let author = context.author();
    match command {
        Cost::Add { from, to, channel, campaign, link, kind, amount, currency, source, document } => {
            let currency = currency.unwrap_or_else(|| context.config.reporting.currency.code().to_owned());
            let input = CostInput {
                from,
                to,
                channel,
                campaign,
                post: None,
                link,
                kind,
                amount: Some(amount),
                amount_minor: None,
                currency,
                document,
            };
            let source = Source::parse(&source)?;
            let stored = core.db.write_now(|conn| edit_costs::add(conn, &[input], &source, "command line", &author))?;
            let batch = stored.batch.map(|b| b.to_string()).unwrap_or_default();
            context.print(&json!({ "batch": batch }), || format!("added; undo it with: headwater cost undo {batch}"));
        }
        Cost::List => {
            let list = core.db.read_now(|conn| costs::list(conn, 500))?;
            let json: Vec<_> = list.iter().map(|e| json!({
                "id": e.id, "from": e.cost.days.from, "to": e.cost.days.to, "channel": e.cost.channel, "campaign": e.cost.campaign, "link": e.cost.link,
                "kind": e.cost.kind, "amount_minor": e.cost.amount.minor, "currency": e.cost.amount.currency, "source": e.cost.source, "document": e.cost.document,
            })).collect();
            context.print(&json!(json), || {
                table(
                    &["From", "To", "Channel", "Kind", "Amount", "Source", "Document"],
                    list.iter().map(|e| {
                        vec![
                            e.cost.days.from.to_string(),
                            e.cost.days.to.to_string(),
                            e.cost.channel.map(|c| c.to_string()).unwrap_or_default(),
                            e.cost.kind.to_string(),
                            e.cost.amount.to_string(),
                            e.cost.source.as_str().to_owned(),
                            e.cost.document.clone().unwrap_or_default(),
                        ]
                    }),
                )
            });
        }
        Cost::Batches => {
            let list = core.db.read_now(|conn| batches::list(conn, 200))?;
            let json: Vec<_> = list.iter().map(|b| json!({ "id": b.id, "kind": b.kind, "source": b.source, "label": b.label, "rows": b.rows_stored, "undone": b.voided_at.is_some() })).collect();
            context.print(&json!(json), || {
                table(
                    &["Batch", "Kind", "Source", "From", "Rows", ""],
                    list.iter().map(|b| {
                        vec![
                            b.id.to_string(),
                            b.kind.to_string(),
                            b.source.clone(),
                            b.label.clone(),
                            b.rows_stored.to_string(),
                            if b.voided_at.is_some() { "undone".into() } else { String::new() },
                        ]
                    }),
                )
            });
        }
        Cost::Undo { batch } => {
            let id: BatchId = batch.parse()?;
            let undone = core.db.write_now(|conn| batches::undo(conn, id, &author))?;
            context.print(&json!({ "id": id, "rows": undone.rows_stored }), || {
                format!("{} facts of {id} are void from now on", undone.rows_stored)
            });
        }
    }
    Ok(())
}
