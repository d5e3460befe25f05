//! Files of spend and counts by API, and what platforms' accounts and campaigns are.

use std::collections::HashMap;

use actix_web::web::{Data, Json, Path, Payload, Query};
use actix_web::{HttpRequest, HttpResponse};
use serde::{Deserialize, Serialize};

use super::Listed;
use crate::domain::channel::Effect;
use crate::domain::fault::Fault;
use crate::domain::ids::{PlatformAccountId, PlatformCampaignId};
use crate::http::auth::{Can, CostsRead, CostsWrite};
use crate::http::problem::{Problem, ProblemBody};
use crate::http::state::State;
use crate::http::upload;
use crate::imports::preset::{self, Preset};
use crate::jobs::edit_platforms::{self, AccountView};
use crate::jobs::platform_import::{self, Options, Read, Remembered, own_presets};
use crate::store::platforms::Subject;
use crate::store::{Conn, uploads};

/// What may be said about a file; each as a parameter of the address or as a field of the form.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "documents what jobs::platform_import::Options reads")]
pub struct ImportQuery {
    /// `true` answers the preview and records nothing.
    dry_run: Option<bool>,
    /// The file's name, if the body is the file itself; it may tell the day of the export.
    filename: Option<String>,
    /// The preset; without it the column names choose.
    preset: Option<String>,
    /// The account, where no column names it.
    account: Option<String>,
    /// ISO 4217, where nothing in the file names the currency.
    currency: Option<String>,
    /// IANA zone of a new account's days.
    zone: Option<String>,
    /// `mdy` or `dmy`, where every date can be read both ways.
    dates: Option<String>,
    /// `.` or `,`, where every amount can be read both ways.
    decimal: Option<String>,
    /// `true` spreads totals of periods evenly over their days.
    spread: Option<bool>,
    /// The day of the export, such as 2026-10-05; else the file's name says it, else it is today.
    exported_on: Option<String>,
    /// `account`: standing spend that the file lacks vanishes; `campaigns`: it stays, the file is an extract.
    scope: Option<String>,
    /// `true` accepts that the rows differ from the file's own totals.
    accept_difference: Option<bool>,
    /// Code of the channel of accounts that have none yet.
    channel: Option<String>,
}

/// Imports a file of spend or counts as a platform exports it, or answers what the import would do.
///
/// The body is the file itself, or `multipart/form-data` with the file in a part `file`. CSV in any encoding, XLSX and XLS.
/// The answer to `dry_run` holds all that is known about the file; `faults` in it are what an import is refused with.
#[utoipa::path(post, path = "/api/v1/imports", tag = "imports", params(ImportQuery),
    request_body(content = String, description = "The file", content_type = "application/octet-stream"),
    responses((status = 200, description = "The preview, or everything stood already"), (status = 201, description = "Imported, with the batch to undo it"),
        (status = 413, body = ProblemBody), (status = 422, body = ProblemBody)))]
pub(crate) async fn post_import(
    Can { author, .. }: Can<CostsWrite>,
    state: Data<State>,
    request: HttpRequest,
    query: Query<HashMap<String, String>>,
    payload: Payload,
) -> Result<HttpResponse, Problem> {
    let uploaded = upload::read(&request, payload, state.config.imports.file_bytes_max, upload::SPLIT).await?;
    let mut given = query.into_inner();
    given.extend(uploaded.fields);
    let is_dry = given.remove("dry_run").is_some_and(|v| !matches!(v.as_str(), "" | "false" | "0"));
    let told = given.remove("filename").map(|name| upload::plain_name(&name));
    let name = told.or(Some(uploaded.name)).filter(|n| !n.is_empty()).unwrap_or_else(|| "upload".to_owned());
    if let Some(unknown) = given.keys().find(|n| !Options::NAMES.contains(&n.as_str())) {
        let why = format!("there is no parameter of this name; use {}", Options::NAMES.join(", "));
        return Err(Fault::new(unknown.clone(), "parameter-unknown", why).into());
    }
    let file = uploaded.file.ok_or_else(|| Fault::new("file", "missing", "the body holds no file; send one"))?;
    let options = Options::read(&given).map_err(Problem::invalid)?.exported(&name, author.now);
    let zone = state.config.reporting.zone.clone();
    let read = move |conn: &mut Conn| Ok(Read::new(&name, &file, &Remembered::load(conn)?, options));
    let read = state.db.read(read).await?.map_err(Problem::invalid)?;
    if is_dry {
        let preview = state.db.read(move |conn| platform_import::preview(conn, &read, &zone)).await?;
        return Ok(HttpResponse::Ok().json(preview));
    }
    let words = platform_import::Words::new();
    let done = state.db.write(move |conn| platform_import::import(conn, &read, &words, &zone, &author)).await?;
    Ok(if done.batch.is_some() { HttpResponse::Created().json(done) } else { HttpResponse::Ok().json(done) })
}

/// A preset by which files are recognised.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct PresetView {
    name: String,
    title: String,
    platform: String,
    /// spend, posts or days.
    kind: String,
    /// Whether it came with the program.
    is_built_in: bool,
}

fn preset_view(preset: &Preset, is_built_in: bool) -> PresetView {
    PresetView {
        name: preset.name.clone(),
        title: preset.title.clone(),
        platform: preset.platform.clone(),
        kind: preset.kind.as_str().to_owned(),
        is_built_in,
    }
}

/// Lists the presets of imports, those of users first.
#[utoipa::path(get, path = "/api/v1/imports/presets", tag = "imports", responses((status = 200, body = Listed<PresetView>)))]
pub(crate) async fn list_presets(
    _caller: Can<CostsRead>,
    state: Data<State>,
) -> Result<Json<Listed<PresetView>>, Problem> {
    let own = state.db.read(own_presets).await?;
    let own = own.iter().map(|p| preset_view(p, false));
    Ok(Json(Listed::whole(own.chain(preset::built_in().iter().map(|p| preset_view(p, true))).collect())))
}

/// A preset to save.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PresetBody {
    /// The preset as TOML, in the form of the built-in ones (docs/importing.md).
    preset: String,
}

/// Saves a preset of your own; one of the same name is replaced.
#[utoipa::path(post, path = "/api/v1/imports/presets", tag = "imports", request_body = PresetBody,
    responses((status = 201, body = PresetView), (status = 422, body = ProblemBody)))]
pub(crate) async fn save_preset(
    Can { author, input: body, .. }: Can<CostsWrite, Json<PresetBody>>,
    state: Data<State>,
) -> Result<HttpResponse, Problem> {
    let preset = Preset::parse(&body.preset).map_err(Problem::invalid)?;
    let (view, text) = (preset_view(&preset, false), preset.to_toml()?);
    state.db.write(move |conn| uploads::save_preset(conn, &preset.name, &text, &author)).await?;
    Ok(HttpResponse::Created().json(view))
}

/// Removes a preset of your own. What was imported by it stays.
#[utoipa::path(delete, path = "/api/v1/imports/presets/{name}", tag = "imports", params(("name" = String, Path)),
    responses((status = 204), (status = 404, body = ProblemBody)))]
pub(crate) async fn remove_preset(
    _caller: Can<CostsWrite>,
    state: Data<State>,
    path: Path<String>,
) -> Result<HttpResponse, Problem> {
    let name = path.into_inner();
    state.db.write(move |conn| uploads::remove_preset(conn, &name)).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Lists the accounts of platforms with their campaigns, and which channel and campaign of yours they are.
#[utoipa::path(get, path = "/api/v1/platforms", tag = "imports",
    responses((status = 200, description = "`items`: accounts with `id`, `platform`, `name`, `currency`, `zone`, `channel` and their `campaigns`")))]
pub(crate) async fn list_platforms(
    _caller: Can<CostsRead>,
    state: Data<State>,
) -> Result<Json<Listed<AccountView>>, Problem> {
    Ok(Json(Listed::whole(state.db.read(edit_platforms::list).await?)))
}

/// What an account or a campaign of a platform is.
#[derive(Debug, Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MappingBody {
    /// Code of the channel; null takes it back.
    channel: Option<String>,
    /// Code of the campaign; null takes it back.
    campaign: Option<String>,
    /// `from_now_on` or `correction`. The first word of a subject holds from the beginning.
    #[serde(default)]
    #[schema(value_type = String, example = "from_now_on")]
    effect: Effect,
}

/// Whether a mapping changed anything.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct MappingDone {
    changed: bool,
}

async fn map(
    caller: Can<CostsWrite, Json<MappingBody>>,
    state: &State,
    subject: Subject,
) -> Result<Json<MappingDone>, Problem> {
    let (author, body) = (caller.author, caller.input.into_inner());
    let change = move |conn: &mut crate::store::Conn| {
        edit_platforms::map(conn, subject, body.channel.as_deref(), body.campaign.as_deref(), body.effect, &author)
    };
    Ok(Json(MappingDone { changed: state.db.write(change).await? }))
}

/// Says which channel an account of a platform is: all its campaigns that say nothing themselves follow.
#[utoipa::path(put, path = "/api/v1/platforms/accounts/{id}", tag = "imports", params(("id" = String, Path)), request_body = MappingBody,
    responses((status = 200, body = MappingDone), (status = 404, body = ProblemBody), (status = 422, body = ProblemBody)))]
pub(crate) async fn map_account(
    caller: Can<CostsWrite, Json<MappingBody>>,
    state: Data<State>,
    path: Path<String>,
) -> Result<Json<MappingDone>, Problem> {
    let id: PlatformAccountId = path.parse()?;
    map(caller, &state, Subject::Account(id)).await
}

/// Says which channel and campaign a campaign of a platform is.
#[utoipa::path(put, path = "/api/v1/platforms/campaigns/{id}", tag = "imports", params(("id" = String, Path)), request_body = MappingBody,
    responses((status = 200, body = MappingDone), (status = 404, body = ProblemBody), (status = 422, body = ProblemBody)))]
pub(crate) async fn map_campaign(
    caller: Can<CostsWrite, Json<MappingBody>>,
    state: Data<State>,
    path: Path<String>,
) -> Result<Json<MappingDone>, Problem> {
    let id: PlatformCampaignId = path.parse()?;
    map(caller, &state, Subject::Campaign(id)).await
}
