//! Tracked links by API.

use actix_web::HttpResponse;
use actix_web::web::{Data, Json, Path, Query};
use serde::{Deserialize, Serialize};

use super::{Listed, absent_or_null};
use crate::domain::channel::Effect;
use crate::domain::fault::Fault;
use crate::domain::ids::LinkId;
use crate::domain::time::UtcMillis;
use crate::http::auth::{Can, LinksRead, LinksWrite};
use crate::http::problem::{Problem, ProblemBody};
use crate::http::state::State;
use crate::jobs::edit_links::{self, LinkChange, LinkDraft, NamedLink};
use crate::store::links::LinkFilter;

/// A link to be made. Channel, campaign and post are named by their codes.
#[derive(Debug, Clone, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LinkBody {
    /// Where it leads.
    #[schema(example = "https://www.example.com/landing")]
    destination: String,
    /// The channel's code.
    #[schema(example = "linkedin-organic")]
    channel: String,
    /// Its path; made up if not given.
    slug: Option<String>,
    /// The campaign's code.
    campaign: Option<String>,
    /// The post's code.
    post: Option<String>,
    /// The name people read.
    #[serde(default)]
    title: String,
    /// Words to find it by.
    #[serde(default)]
    tags: Vec<String>,
    /// Whether the visitor's own query parameters are passed on; yes if not given.
    #[serde(default = "yes")]
    passes_query: bool,
    /// When it stops redirecting, RFC 3339.
    expires_at: Option<String>,
}

fn yes() -> bool {
    true
}

/// A change of a link; what is absent stays, `null` clears.
#[derive(Debug, Clone, Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LinkPatch {
    destination: Option<String>,
    channel: Option<String>,
    #[serde(default, deserialize_with = "absent_or_null")]
    #[schema(value_type = Option<String>)]
    campaign: Option<Option<String>>,
    #[serde(default, deserialize_with = "absent_or_null")]
    #[schema(value_type = Option<String>)]
    post: Option<Option<String>>,
    title: Option<String>,
    tags: Option<Vec<String>>,
    passes_query: Option<bool>,
    archived: Option<bool>,
    #[serde(default, deserialize_with = "absent_or_null")]
    #[schema(value_type = Option<String>)]
    expires_at: Option<Option<String>>,
    /// `from_now_on` or `correction`.
    #[serde(default)]
    #[schema(value_type = String, example = "from_now_on")]
    effect: Effect,
}

/// A link.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct LinkView {
    #[schema(value_type = String, example = "lnk_1")]
    id: LinkId,
    /// The address to put into a post.
    short_url: String,
    slug: String,
    destination: String,
    /// The channel's code.
    channel: String,
    campaign: Option<String>,
    post: Option<String>,
    title: String,
    tags: Vec<String>,
    passes_query: bool,
    archived: bool,
    expires_at: Option<String>,
    created_at: String,
    /// What was changed in what you sent.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    notices: Vec<String>,
}

impl LinkView {
    fn of(named: NamedLink, state: &State, notices: Vec<String>) -> Self {
        let labels = named.link.labels;
        Self {
            short_url: state.url(&format!("/{}", named.link.slug)),
            id: named.link.id,
            slug: named.link.slug,
            destination: labels.destination,
            channel: named.channel,
            campaign: named.campaign,
            post: named.post,
            title: labels.title,
            tags: labels.tags,
            passes_query: labels.passes_query,
            archived: labels.archived,
            expires_at: labels.expires_at.map(|t| t.to_string()),
            created_at: named.link.created_at.to_string(),
            notices,
        }
    }
}

/// Which links to list.
#[derive(Debug, Clone, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct LinkQuery {
    /// Letters of the slug, of a title or of a tag.
    q: Option<String>,
    /// From `next_cursor`.
    cursor: Option<String>,
    /// 1 to 500; 100 if not given.
    limit: Option<i64>,
}

/// Lists links, newest first.
#[utoipa::path(get, path = "/api/v1/links", tag = "links", params(LinkQuery), responses((status = 200, body = Listed<LinkView>)))]
pub(crate) async fn list_links(
    Can { input: query, .. }: Can<LinksRead, Query<LinkQuery>>,
    state: Data<State>,
) -> Result<Json<Listed<LinkView>>, Problem> {
    let query = query.into_inner();
    let limit = query.limit.unwrap_or(100).clamp(1, 500);
    let below = query.cursor.map(|c| c.parse()).transpose().map_err(|f: Fault| f.named("cursor"))?;
    let filter = LinkFilter { below, limit, search: query.q };
    let list = state.db.read(move |conn| edit_links::list(conn, &filter)).await?;
    let is_full = i64::try_from(list.len()).is_ok_and(|n| n == limit);
    let next_cursor = list.last().filter(|_| is_full).map(|l| l.link.id.to_string());
    Ok(Json(Listed { items: list.into_iter().map(|l| LinkView::of(l, &state, Vec::new())).collect(), next_cursor }))
}

/// Makes a link.
#[utoipa::path(post, path = "/api/v1/links", tag = "links", request_body = LinkBody,
    responses((status = 201, body = LinkView), (status = 409, body = ProblemBody), (status = 422, body = ProblemBody)))]
pub(crate) async fn create_link(
    Can { author, input: body, .. }: Can<LinksWrite, Json<LinkBody>>,
    state: Data<State>,
) -> Result<HttpResponse, Problem> {
    let body = body.into_inner();
    let draft = LinkDraft {
        slug: body.slug,
        destination: body.destination,
        channel: body.channel,
        campaign: body.campaign,
        post: body.post,
        title: body.title,
        tags: body.tags,
        passes_query: body.passes_query,
        expires_at: time(body.expires_at)?,
    };
    let param = state.config.tracking.click_id_param.clone();
    let (named, notices) = state.db.write(move |conn| edit_links::create(conn, &draft, &param, &author)).await?;
    state.refresh_links().await;
    Ok(HttpResponse::Created().json(LinkView::of(named, &state, notices)))
}

/// One link.
#[utoipa::path(get, path = "/api/v1/links/{id}", tag = "links", params(("id" = String, Path)),
    responses((status = 200, body = LinkView), (status = 404, body = ProblemBody)))]
pub(crate) async fn get_link(
    _caller: Can<LinksRead>,
    state: Data<State>,
    path: Path<String>,
) -> Result<Json<LinkView>, Problem> {
    let id: LinkId = path.parse()?;
    let named = state.db.read(move |conn| edit_links::get(conn, id)).await?;
    Ok(Json(LinkView::of(named, &state, Vec::new())))
}

/// Changes or archives a link, from now on or as a correction. Its slug never changes.
#[utoipa::path(patch, path = "/api/v1/links/{id}", tag = "links", request_body = LinkPatch, params(("id" = String, Path)),
    responses((status = 200, body = LinkView), (status = 404, body = ProblemBody), (status = 422, body = ProblemBody)))]
pub(crate) async fn change_link(
    Can { author, input: body, .. }: Can<LinksWrite, Json<LinkPatch>>,
    state: Data<State>,
    path: Path<String>,
) -> Result<Json<LinkView>, Problem> {
    let (id, patch): (LinkId, _) = (path.parse()?, body.into_inner());
    let change = LinkChange {
        destination: patch.destination,
        channel: patch.channel,
        campaign: patch.campaign,
        post: patch.post,
        title: patch.title,
        tags: patch.tags,
        passes_query: patch.passes_query,
        archived: patch.archived,
        expires_at: patch.expires_at.map(time).transpose()?,
    };
    let (param, effect) = (state.config.tracking.click_id_param.clone(), patch.effect);
    let (named, notices) =
        state.db.write(move |conn| edit_links::change(conn, id, &change, effect, &param, &author)).await?;
    state.refresh_links().await;
    Ok(Json(LinkView::of(named, &state, notices)))
}

fn time(text: Option<String>) -> Result<Option<UtcMillis>, Fault> {
    text.map(|t| UtcMillis::parse(&t).map_err(|f| f.named("expires_at"))).transpose()
}
