//! `headwater endpoint`

use std::path::PathBuf;

use clap::Subcommand;
use serde_json::json;

use super::{CliError, Context, table};
use crate::app::Core;
use crate::connectors::preset::Preset;
use crate::connectors::presets;
use crate::domain::fault::Fault;
use crate::domain::health::{self, Traffic};
use crate::domain::ids::EndpointId;
use crate::http::api::endpoint_setup::overlap;
use crate::http::test_delivery::post;
use crate::jobs::connectors::{self, preset_of};
use crate::jobs::edit_endpoints::{self, EndpointDraft};
use crate::jobs::intake::IntakeContext;
use crate::jobs::test_event;
use crate::secret::{SecretKey, random_token};
use crate::store::deliveries;
use crate::store::endpoint_traffic;
use crate::store::endpoints::{self, Endpoint};

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
        /// TOML file of a preset of your own, in place of --preset
        #[arg(long, value_name = "FILE")]
        own_preset: Option<PathBuf>,
        /// The URL that the sender signs, if not `server.public_url` and the endpoint's path
        #[arg(long, value_name = "URL")]
        signed_url: Option<String>,
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
    /// Show an endpoint: where to paste its address, its secrets, its health
    Show {
        /// The endpoint's id, such as `end_1`
        id: String,
    },
    /// Send the vendor's test event to an endpoint of the server that runs on `server.public_url`
    Test {
        /// The endpoint's id, such as `end_1`
        id: String,
    },
    /// Give an endpoint a new secret; the one before is taken a while longer
    Rotate {
        /// The endpoint's id, such as `end_1`
        id: String,
        /// The vendor's secret; made up if not given, where the vendor takes ours
        #[arg(long)]
        secret: Option<String>,
        /// For how many hours the secrets before it are still taken; 0 ends them at once
        #[arg(long, default_value_t = 24)]
        overlap_hours: i64,
    },
    /// List the connector presets
    Presets,
    /// Replace an endpoint's mapping
    Map {
        /// The endpoint's id, such as `end_1`
        id: String,
        /// JSON file that says where the fields are
        mapping: PathBuf,
    },
    /// Take an endpoint out of use
    Archive {
        /// The endpoint's id, such as `end_1`
        id: String,
    },
}

pub(super) fn run(context: &Context, command: EndpointCommand) -> Result<(), CliError> {
    let core = context.open()?;
    let now = context.clock.now();
    match command {
        EndpointCommand::Create { name, preset, secret, own_preset, signed_url, mapping, currency, no_revenue } => {
            let draft = EndpointDraft {
                name,
                preset,
                secret,
                mapping: mapping.map(std::fs::read_to_string).transpose()?,
                currency: currency.map(|c| c.parse()).transpose().map_err(|f: Fault| f.named("currency"))?,
                counts_revenue: !no_revenue,
                own_preset: own_preset.map(std::fs::read_to_string).transpose()?,
                signed_url,
                ..EndpointDraft::default()
            };
            create(context, &core, &draft)?;
        }
        EndpointCommand::Show { id } => {
            let id: EndpointId = id.parse()?;
            let (endpoint, traffic) =
                core.db.read_now(|conn| Ok((endpoints::get(conn, id)?, endpoint_traffic::read(conn, id, now)?)))?;
            show(context, &core.secret, &endpoint, &traffic, &url(context, &endpoint.token))?;
        }
        EndpointCommand::Test { id } => test(context, &core, id.parse()?)?,
        EndpointCommand::Rotate { id, secret, overlap_hours } => {
            let id: EndpointId = id.parse()?;
            let overlap_ms = overlap(Some(overlap_hours))?;
            let intake = intake(context, &core);
            let secret = core.db.write_now(|conn| {
                edit_endpoints::rotate_secret(conn, id, secret.as_deref(), overlap_ms, &intake, now)
            })?;
            context.print(&json!({ "id": id, "secret": secret }), || {
                format!("{id} takes this secret from now on, not shown again:\n  {secret}\nThose before it end in {overlap_hours} hours.")
            });
        }
        EndpointCommand::List => list(context, &core)?,
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
                format!("{id} has a new mapping; `headwater inbox replay --endpoint {id} --status quarantined` reads again what did not fit")
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

fn intake(context: &Context, core: &Core) -> IntakeContext {
    IntakeContext { secret: core.secret.clone(), person_namespace: context.config.intake.person_namespace.clone() }
}

fn url(context: &Context, token: &str) -> String {
    format!("{}/hooks/{token}", context.config.server.public_url)
}

fn create(context: &Context, core: &Core, draft: &EndpointDraft) -> Result<(), CliError> {
    let made =
        core.db.write_now(|conn| edit_endpoints::create(conn, draft, &intake(context, core), context.clock.now()))?;
    let url = url(context, &made.endpoint.token);
    let preset = preset_of(&made.endpoint)?;
    let json = json!({ "id": made.endpoint.id, "url": url, "secret": made.secret, "setup": preset.setup });
    context.print(&json, || {
        let secret = if made.secret.is_empty() {
            format!("No secret yet. {}", preset.setup.secret_help)
        } else {
            format!("Its secret, not shown again:\n  {}\n{}", made.secret, preset.setup.secret_help)
        };
        let (name, id) = (&made.endpoint.name, made.endpoint.id);
        format!("{name} ({id}) takes POST at\n  {url}\n{secret}\n\n{}", steps(&preset))
    });
    Ok(())
}

fn test(context: &Context, core: &Core, id: EndpointId) -> Result<(), CliError> {
    let endpoint = core.db.read_now(|conn| endpoints::get(conn, id))?;
    let url = url(context, &endpoint.token);
    let signed_url = endpoint.signed_url.clone().unwrap_or_else(|| url.clone());
    let test: String = random_token().chars().filter(char::is_ascii_alphanumeric).take(20).collect();
    let signed = test_event::request(&endpoint, &signed_url, &test, &core.secret, context.clock.now())?;
    let (status, text) = post(&url, &signed)
        .map_err(|why| CliError::Message(format!("{url} cannot be reached: {why}; is the server running?")))?;
    if !(200..300).contains(&status) {
        return Err(CliError::Message(format!("the test was refused with {status}: {text}")));
    }
    let found = core.db.read_now(|conn| deliveries::by_message(conn, id, &test_event::message_id(&test)))?;
    let items = found.map_or(Ok(Vec::new()), |d| core.db.read_now(|conn| deliveries::items(conn, &[d])))?;
    let words: Vec<String> = items.iter().filter_map(|i| i.detail.clone()).collect();
    context.print(&json!({ "status": status, "test": test, "items": words }), || {
        if words.is_empty() {
            format!("accepted with {status}; the inbox shows it in a moment")
        } else {
            words.join("\n")
        }
    });
    Ok(())
}

fn list(context: &Context, core: &Core) -> Result<(), CliError> {
    let now = context.clock.now();
    let list = core.db.read_now(|conn| endpoint_traffic::of_all(conn, now))?;
    let light = |traffic: &Traffic| health::judge(traffic, now).light;
    let json: Vec<_> = list
        .iter()
        .map(|(e, traffic)| {
            json!({ "id": e.id, "name": e.name, "url": url(context, &e.token), "preset": e.preset,
                "light": light(traffic), "archived": e.archived_at.is_some() })
        })
        .collect();
    context.print(&json!(json), || {
        table(
            &["Id", "Name", "Preset", "URL", "Health"],
            list.iter().map(|(e, traffic)| {
                vec![
                    e.id.to_string(),
                    e.name.clone(),
                    e.preset.clone(),
                    url(context, &e.token),
                    if e.archived_at.is_some() { "archived".into() } else { light(traffic).to_string() },
                ]
            }),
        )
    });
    Ok(())
}

/// What to do in the vendor's screens.
fn steps(preset: &Preset) -> String {
    let steps: Vec<String> = preset.setup.steps.iter().enumerate().map(|(n, s)| format!("{}. {s}", n + 1)).collect();
    format!("{}\nThe click id: {}", steps.join("\n"), preset.setup.click_id_property)
}

fn show(context: &Context, key: &SecretKey, endpoint: &Endpoint, traffic: &Traffic, url: &str) -> Result<(), CliError> {
    let preset = preset_of(endpoint)?;
    let judged = health::judge(traffic, context.clock.now());
    let secrets: Vec<_> = connectors::secrets(endpoint, key)?
        .iter()
        .map(|s| json!({ "hint": s.hint(), "ends_at": s.until.map(|t| t.to_string()) }))
        .collect();
    let json = json!({ "id": endpoint.id, "name": endpoint.name, "preset": endpoint.preset, "url": url,
        "signed_url": endpoint.signed_url, "setup": preset.setup, "secrets": secrets, "light": judged.light,
        "reasons": judged.reasons, "last_delivery_at": traffic.last_at.map(|t| t.to_string()) });
    context.print(&json, || {
        let last = traffic.last_at.map_or_else(|| "none yet".to_owned(), |at| at.to_string());
        let reasons = judged.reasons.join("; ");
        format!(
            "{} ({}), {}\n  {url}\nHealth: {} {reasons}\nLast delivery: {last}\nSecrets: {}\n\n{}",
            endpoint.name,
            endpoint.id,
            preset.title,
            judged.light,
            secrets.len(),
            steps(&preset)
        )
    });
    Ok(())
}
