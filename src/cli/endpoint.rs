//! `headwater endpoint`

use std::path::PathBuf;

use clap::Subcommand;
use serde_json::json;

use super::{CliError, Context, table};
use crate::connectors::presets;
use crate::domain::fault::Fault;
use crate::domain::ids::EndpointId;
use crate::jobs::edit_endpoints::{self, EndpointDraft};
use crate::jobs::intake::IntakeContext;
use crate::store::deliveries::Verdict;
use crate::store::endpoints;

#[derive(Debug, Subcommand)]
pub(super) enum EndpointCommand {
    /// Make an endpoint; its secret is shown this once
    Create {
        /// The name people read
        name: String,
        /// The connector preset, such as hubspot; `headwater endpoint presets` lists them
        #[arg(long, alias = "verification", default_value = "standard-webhooks")]
        preset: String,
        /// The sender's secret; made up if not given
        #[arg(long)]
        secret: Option<String>,
        /// JSON file that says where the fields are; our own field names if not given
        #[arg(long, value_name = "FILE")]
        mapping: Option<PathBuf>,
        /// Currency of amounts that name none
        #[arg(long)]
        currency: Option<String>,
        /// Its money is no revenue: another source tells it
        #[arg(long)]
        no_revenue: bool,
    },
    /// List endpoints
    List,
    /// List the connector presets
    Presets,
    /// Replace an endpoint's mapping
    Map {
        /// The endpoint's id, such as `end_1`
        id: String,
        /// JSON file that says where the fields are
        mapping: PathBuf,
    },
    /// Read every quarantined delivery again, as after a mapping change
    Replay,
    /// Take an endpoint out of use
    Archive {
        /// The endpoint's id, such as `end_1`
        id: String,
    },
}

pub(super) fn run(context: &Context, command: EndpointCommand) -> Result<(), CliError> {
    let core = context.open()?;
    let now = context.clock.now();
    let intake =
        IntakeContext { secret: core.secret.clone(), person_namespace: context.config.intake.person_namespace.clone() };
    let url = |token: &str| format!("{}/hooks/{token}", context.config.server.public_url);
    match command {
        EndpointCommand::Create { name, preset, secret, mapping, currency, no_revenue } => {
            let draft = EndpointDraft {
                name,
                preset,
                secret,
                mapping: mapping.map(std::fs::read_to_string).transpose()?,
                currency: currency.map(|c| c.parse()).transpose().map_err(|f: Fault| f.named("currency"))?,
                counts_revenue: !no_revenue,
                ..EndpointDraft::default()
            };
            let made = core.db.write_now(|conn| edit_endpoints::create(conn, &draft, &intake, now))?;
            let url = url(&made.endpoint.token);
            context.print(&json!({ "id": made.endpoint.id, "url": url, "secret": made.secret }), || {
                format!(
                    "{} ({}) takes POST at\n  {url}\nIts secret, not shown again:\n  {}",
                    made.endpoint.name, made.endpoint.id, made.secret
                )
            });
        }
        EndpointCommand::List => {
            let list = core.db.read_now(endpoints::list)?;
            let json: Vec<_> = list.iter().map(|e| json!({ "id": e.id, "name": e.name, "url": url(&e.token), "preset": e.preset, "archived": e.archived_at.is_some() })).collect();
            context.print(&json!(json), || {
                table(
                    &["Id", "Name", "Preset", "URL", ""],
                    list.iter().map(|e| {
                        vec![
                            e.id.to_string(),
                            e.name.clone(),
                            e.preset.clone(),
                            url(&e.token),
                            if e.archived_at.is_some() { "archived".into() } else { String::new() },
                        ]
                    }),
                )
            });
        }
        EndpointCommand::Presets => {
            let json: Vec<_> = presets::all().iter().map(|p| json!({ "preset": p.name, "title": p.title })).collect();
            context.print(&json!(json), || {
                table(&["Preset", "Title"], presets::all().iter().map(|p| vec![p.name.clone(), p.title.clone()]))
            });
        }
        EndpointCommand::Map { id, mapping } => {
            let (id, text): (EndpointId, String) = (id.parse()?, std::fs::read_to_string(mapping)?);
            core.db.write_now(|conn| edit_endpoints::set_mapping(conn, id, &text))?;
            context.print(&json!({ "id": id }), || {
                format!("{id} has a new mapping; `headwater endpoint replay` reads what is quarantined again")
            });
        }
        EndpointCommand::Replay => {
            let items = core.db.write_now(|conn| edit_endpoints::replay_quarantined(conn, &intake, now))?;
            let stored = items.iter().filter(|i| i.verdict == Verdict::Stored).count();
            let left = items.iter().filter(|i| i.verdict == Verdict::Quarantined).count();
            context.print(&json!({ "stored": stored, "quarantined": left }), || {
                format!("{stored} stored, {left} still quarantined")
            });
        }
        EndpointCommand::Archive { id } => {
            let id: EndpointId = id.parse()?;
            core.db.write_now(|conn| endpoints::archive(conn, id, now))?;
            context.print(&json!({ "id": id, "archived": true }), || format!("{id} is archived"));
        }
    }
    Ok(())
}
