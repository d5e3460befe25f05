//! `headwater unmatched` and `headwater match`

use std::collections::HashMap;

use clap::{Args, Subcommand};
use serde_json::json;

use super::{CliError, Context, table};
use crate::domain::ids::MatchId;
use crate::domain::matching::Basis;
use crate::http::api::matching::{MatchView, UnmatchedList, question};
use crate::jobs::matching::{self, Wish};
use crate::reports::unmatched;
use crate::store::matches;

#[derive(Debug, Args)]
pub(super) struct UnmatchedArgs {
    /// First day of the newest stage event; the reporting range if not given
    #[arg(long)]
    from: Option<String>,
    /// Last day, included
    #[arg(long)]
    to: Option<String>,
    /// no-person, parent-unknown, no-key, click-unknown, browser-unknown, not-counted or out-of-reach
    #[arg(long)]
    reason: Option<String>,
    /// Those with an event of this stage
    #[arg(long)]
    stage: Option<String>,
    /// Those with an event of this source
    #[arg(long)]
    source: Option<String>,
    /// Continue behind the page that printed it
    #[arg(long)]
    cursor: Option<String>,
    /// Rows, 1 to 200
    #[arg(long)]
    limit: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(super) enum MatchCommand {
    /// Record that something unmatched is somebody's
    Add {
        /// What is unmatched: a subject such as deal:4711, a person per_… or an event evt_…
        item: String,
        /// Who it is: a person per_… or a contact id such as crm:51; for a person also a click id or a browser
        to: String,
        /// What it rests on: by-hand, told, or a suggestion's own word
        #[arg(long, default_value = "by-hand")]
        basis: String,
    },
    /// List the newest matches, merges and unmerges
    List,
    /// Undo a match: from now on nobody said so
    Undo {
        /// The match's id, such as `mch_…`
        id: String,
    },
}

pub(super) fn list_unmatched(context: &Context, asked: UnmatchedArgs) -> Result<(), CliError> {
    let core = context.open()?;
    let UnmatchedArgs { from, to, reason, stage, source, cursor, limit } = asked;
    let names = ["from", "to", "reason", "stage", "source", "cursor", "limit"];
    let values = [from, to, reason, stage, source, cursor, limit];
    let given: HashMap<String, String> =
        names.iter().zip(values).filter_map(|(name, value)| Some(((*name).to_owned(), value?))).collect();
    let question = question(&given, &context.config, context.clock.now())?;
    let page = core.db.read_now(|conn| Ok(unmatched::list(conn, &question)))??;
    let rows: Vec<Vec<String>> = page
        .rows
        .iter()
        .map(|row| {
            let best = row.suggestions.first();
            let newest = row.events.last();
            vec![
                row.item.to_string(),
                newest.map(|e| format!("{} {}", e.occurred_at, e.stage)).unwrap_or_default(),
                row.reason.to_string(),
                best.map(|s| s.to.to_string()).unwrap_or_default(),
                best.map(|s| format!("{}: {}", s.strength, s.detail)).unwrap_or_default(),
            ]
        })
        .collect();
    let next = page.next;
    context.print(&json!(UnmatchedList::from(page)), || {
        let mut text = table(&["What", "Newest event", "Why", "Who it may be", "Because"], rows);
        if let Some(cursor) = next {
            text.push_str(&format!("\nMore: --cursor {cursor}"));
        }
        text
    });
    Ok(())
}

pub(super) fn run(context: &Context, command: MatchCommand) -> Result<(), CliError> {
    let core = context.open()?;
    let author = context.author();
    match command {
        MatchCommand::Add { item, to, basis } => {
            let wish = Wish { item: item.parse()?, to: to.parse()?, basis: basis.parse::<Basis>()? };
            let (recorded, stored) = core.db.write_now(|conn| {
                let recorded = matching::record(conn, &wish, &author)?;
                Ok((recorded, matches::get(conn, recorded.id)?))
            })?;
            context.print(&json!(MatchView::from(stored)), || {
                let state = if recorded.is_new { "is recorded" } else { "was recorded before" };
                format!("{} {state}: {} belongs to {}", recorded.id, wish.item, wish.to)
            });
        }
        MatchCommand::List => {
            let list = core.db.read_now(|conn| matches::list(conn, 200))?;
            let views: Vec<MatchView> = list.iter().cloned().map(Into::into).collect();
            context.print(&json!(views), || {
                table(
                    &["Match", "Kind", "What", "Whose", "Rests on", "By", ""],
                    list.iter().map(|m| {
                        let (kind, item, to) = m.described();
                        let undone = if m.voided_at.is_some() { "undone" } else { "" };
                        vec![
                            m.id.to_string(),
                            kind.to_owned(),
                            item,
                            to,
                            m.basis.to_string(),
                            m.recorded_by.clone(),
                            undone.to_owned(),
                        ]
                    }),
                )
            });
        }
        MatchCommand::Undo { id } => {
            let id: MatchId = id.parse()?;
            let stood = core.db.write_now(|conn| matches::void(conn, id, &author))?;
            context.print(&json!({ "id": id, "undone": stood }), || {
                if stood { format!("{id} is undone from now on") } else { format!("{id} was undone before") }
            });
        }
    }
    Ok(())
}
