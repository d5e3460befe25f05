//! `headwater batch`

use clap::Subcommand;
use serde_json::json;

use super::{CliError, Context, table};
use crate::domain::ids::BatchId;
use crate::store::batches;

#[derive(Debug, Subcommand)]
pub(super) enum Batch {
    /// List batches, newest first
    List,
    /// Undo a batch: its facts are void from now on, and costs that it replaced stand again
    Undo {
        /// The batch's id, such as `bat_…`
        id: String,
    },
}

pub(super) fn run(context: &Context, command: Batch) -> Result<(), CliError> {
    let core = context.open()?;
    match command {
        Batch::List => {
            let list = core.db.read_now(|conn| batches::list(conn, 200))?;
            let json: Vec<_> = list
                .iter()
                .map(|b| {
                    json!({ "id": b.id, "kind": b.kind, "source": b.source, "label": b.label,
                        "rows": b.rows_stored, "undone": b.voided_at.is_some() })
                })
                .collect();
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
        Batch::Undo { id } => {
            let id: BatchId = id.parse()?;
            let author = context.author();
            let undone = core.db.write_now(|conn| batches::undo(conn, id, &author))?;
            context.print(&json!({ "id": id, "rows": undone.rows_stored }), || {
                format!("{} facts of {id} are void from now on", undone.rows_stored)
            });
        }
    }
    Ok(())
}
