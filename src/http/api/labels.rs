//! Channels, campaigns and posts by API.

use actix_web::HttpResponse;
use actix_web::web::{Data, Json, Path};
use serde::{Deserialize, Serialize};

use super::Listed;
use crate::domain::channel::{CampaignCodes, CampaignLabels, ChannelCodes, ChannelLabels, Effect, PostLabels};
use crate::domain::fault::Fault;
use crate::domain::ids::{CampaignId, ChannelId, PostId};
use crate::domain::time::UtcMillis;
use crate::http::auth::{Can, LinksRead, LinksWrite};
use crate::http::problem::Problem;
use crate::http::state::State;
use crate::store::labels::{self, Campaign, Channel, Post, Similar};

/// A channel to be made.
#[derive(Debug, Clone, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChannelDraft {
    /// What reports, imports and the API call it.
    #[schema(example = "linkedin-organic")]
    pub code: String,
    /// `utm_source` of its links.
    #[schema(example = "linkedin")]
    pub utm_source: String,
    /// `utm_medium` of its links.
    #[schema(example = "social")]
    pub utm_medium: String,
    /// The name people read; the code if not given.
    #[serde(default)]
    pub name: String,
    /// The network.
    #[serde(default)]
    pub network: String,
    /// Whether it is direct traffic.
    #[serde(default)]
    pub direct: bool,
    /// Accept names that resemble ones in use.
    #[serde(default)]
    pub allow_similar: bool,
}

impl ChannelDraft {
    /// Checks the codes; all faults at once.
    pub fn check(&self) -> Result<(ChannelCodes, ChannelLabels), Vec<Fault>> {
        let mut faults = Vec::new();
        let mut read = |text: &str, field: &str| text.parse().map_err(|f: Fault| faults.push(f.named(field))).ok();
        let codes =
            (read(&self.code, "code"), read(&self.utm_source, "utm_source"), read(&self.utm_medium, "utm_medium"));
        let (Some(code), Some(utm_source), Some(utm_medium)) = codes else { return Err(faults) };
        let name = if self.name.trim().is_empty() { self.code.clone() } else { self.name.trim().to_owned() };
        let labels = ChannelLabels { name, network: self.network.clone(), direct: self.direct, archived: false };
        Ok((ChannelCodes { code, utm_source, utm_medium }, labels))
    }

    /// What to do about similar names.
    pub fn similar(&self) -> Similar {
        if self.allow_similar { Similar::Accept } else { Similar::Refuse }
    }
}

/// A change of a channel's label; what is absent stays.
#[derive(Debug, Clone, Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChannelChange {
    /// The name people read.
    pub name: Option<String>,
    /// The network.
    pub network: Option<String>,
    /// Whether it is direct traffic.
    pub direct: Option<bool>,
    /// Whether it is out of use.
    pub archived: Option<bool>,
    /// `from_now_on` or `correction`.
    #[serde(default)]
    #[schema(value_type = String, example = "from_now_on")]
    pub effect: Effect,
}

impl ChannelChange {
    /// The label after the change.
    pub fn apply(self, mut labels: ChannelLabels) -> ChannelLabels {
        labels.name = self.name.unwrap_or(labels.name);
        labels.network = self.network.unwrap_or(labels.network);
        labels.direct = self.direct.unwrap_or(labels.direct);
        labels.archived = self.archived.unwrap_or(labels.archived);
        labels
    }
}

/// A channel.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct ChannelView {
    #[schema(value_type = String, example = "chn_1")]
    id: ChannelId,
    code: String,
    utm_source: String,
    utm_medium: String,
    name: String,
    network: String,
    direct: bool,
    archived: bool,
}

impl From<Channel> for ChannelView {
    fn from(c: Channel) -> Self {
        let ChannelLabels { name, network, direct, archived } = c.labels;
        Self {
            id: c.id,
            code: c.code,
            utm_source: c.utm_source,
            utm_medium: c.utm_medium,
            name,
            network,
            direct,
            archived,
        }
    }
}

/// Lists channels by code.
#[utoipa::path(get, path = "/api/v1/channels", tag = "links", responses((status = 200, body = Listed<ChannelView>)))]
pub(crate) async fn list_channels(
    _caller: Can<LinksRead>,
    state: Data<State>,
) -> Result<Json<Listed<ChannelView>>, Problem> {
    let list = state.db.read(labels::list_channels).await?;
    Ok(Json(Listed::whole(list.into_iter().map(Into::into).collect())))
}

/// Makes a channel.
#[utoipa::path(post, path = "/api/v1/channels", tag = "links", request_body = ChannelDraft,
    responses((status = 201, body = ChannelView), (status = 409, body = crate::http::problem::ProblemBody), (status = 422, body = crate::http::problem::ProblemBody)))]
pub(crate) async fn create_channel(
    Can { author, input: body, .. }: Can<LinksWrite, Json<ChannelDraft>>,
    state: Data<State>,
) -> Result<HttpResponse, Problem> {
    let draft = body.into_inner();
    let (codes, label) = draft.check().map_err(Problem::invalid)?;
    let channel = state
        .db
        .write(move |conn| {
            let id = labels::create_channel(conn, &codes, &label, draft.similar(), &author)?;
            labels::channel(conn, id)
        })
        .await?;
    Ok(HttpResponse::Created().json(ChannelView::from(channel)))
}

/// Relabels or archives a channel, from now on or as a correction. Codes and UTM values never change.
#[utoipa::path(patch, path = "/api/v1/channels/{id}", tag = "links", request_body = ChannelChange, params(("id" = String, Path)),
    responses((status = 200, body = ChannelView), (status = 404, body = crate::http::problem::ProblemBody)))]
pub(crate) async fn change_channel(
    Can { author, input: body, .. }: Can<LinksWrite, Json<ChannelChange>>,
    state: Data<State>,
    path: Path<String>,
) -> Result<Json<ChannelView>, Problem> {
    let (id, change): (ChannelId, _) = (path.parse()?, body.into_inner());
    let channel = state
        .db
        .write(move |conn| {
            labels::revise_channel(conn, id, change.effect, &author, |was| change.clone().apply(was.clone()))?;
            labels::channel(conn, id)
        })
        .await?;
    Ok(Json(channel.into()))
}

/// A campaign to be made.
#[derive(Debug, Clone, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CampaignDraft {
    /// `utm_campaign` of its links.
    #[schema(example = "spring-2026")]
    pub code: String,
    /// `utm_id` of its links.
    #[serde(default)]
    pub utm_id: Option<String>,
    /// The name people read; the code if not given.
    #[serde(default)]
    pub name: String,
    /// Accept a code that resembles one in use.
    #[serde(default)]
    pub allow_similar: bool,
}

impl CampaignDraft {
    /// Checks the codes; all faults at once.
    pub fn check(&self) -> Result<(CampaignCodes, CampaignLabels), Vec<Fault>> {
        let mut faults = Vec::new();
        let code = self.code.parse().map_err(|f: Fault| faults.push(f.named("code"))).ok();
        let utm_id = self
            .utm_id
            .as_deref()
            .filter(|t| !t.is_empty())
            .and_then(|t| t.parse().map_err(|f: Fault| faults.push(f.named("utm_id"))).ok());
        let Some(code) = code.filter(|_| faults.is_empty()) else { return Err(faults) };
        let name = if self.name.trim().is_empty() { self.code.clone() } else { self.name.trim().to_owned() };
        Ok((CampaignCodes { code, utm_id }, CampaignLabels { name, archived: false }))
    }

    /// What to do about similar codes.
    pub fn similar(&self) -> Similar {
        if self.allow_similar { Similar::Accept } else { Similar::Refuse }
    }
}

/// A change of a campaign's label; what is absent stays.
#[derive(Debug, Clone, Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CampaignChange {
    /// The name people read.
    pub name: Option<String>,
    /// Whether it is out of use.
    pub archived: Option<bool>,
    /// `from_now_on` or `correction`.
    #[serde(default)]
    #[schema(value_type = String, example = "from_now_on")]
    pub effect: Effect,
}

/// A campaign.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct CampaignView {
    #[schema(value_type = String, example = "cmp_1")]
    id: CampaignId,
    code: String,
    utm_id: Option<String>,
    name: String,
    archived: bool,
}

impl From<Campaign> for CampaignView {
    fn from(c: Campaign) -> Self {
        Self { id: c.id, code: c.code, utm_id: c.utm_id, name: c.labels.name, archived: c.labels.archived }
    }
}

/// Lists campaigns by code.
#[utoipa::path(get, path = "/api/v1/campaigns", tag = "links", responses((status = 200, body = Listed<CampaignView>)))]
pub(crate) async fn list_campaigns(
    _caller: Can<LinksRead>,
    state: Data<State>,
) -> Result<Json<Listed<CampaignView>>, Problem> {
    let list = state.db.read(labels::list_campaigns).await?;
    Ok(Json(Listed::whole(list.into_iter().map(Into::into).collect())))
}

/// Makes a campaign.
#[utoipa::path(post, path = "/api/v1/campaigns", tag = "links", request_body = CampaignDraft,
    responses((status = 201, body = CampaignView), (status = 409, body = crate::http::problem::ProblemBody), (status = 422, body = crate::http::problem::ProblemBody)))]
pub(crate) async fn create_campaign(
    Can { author, input: body, .. }: Can<LinksWrite, Json<CampaignDraft>>,
    state: Data<State>,
) -> Result<HttpResponse, Problem> {
    let draft = body.into_inner();
    let (codes, label) = draft.check().map_err(Problem::invalid)?;
    let campaign = state
        .db
        .write(move |conn| {
            let id = labels::create_campaign(conn, &codes, &label, draft.similar(), &author)?;
            labels::campaign(conn, id)
        })
        .await?;
    Ok(HttpResponse::Created().json(CampaignView::from(campaign)))
}

/// Relabels or archives a campaign, from now on or as a correction.
#[utoipa::path(patch, path = "/api/v1/campaigns/{id}", tag = "links", request_body = CampaignChange, params(("id" = String, Path)),
    responses((status = 200, body = CampaignView), (status = 404, body = crate::http::problem::ProblemBody)))]
pub(crate) async fn change_campaign(
    Can { author, input: body, .. }: Can<LinksWrite, Json<CampaignChange>>,
    state: Data<State>,
    path: Path<String>,
) -> Result<Json<CampaignView>, Problem> {
    let (id, change): (CampaignId, _) = (path.parse()?, body.into_inner());
    let campaign = state
        .db
        .write(move |conn| {
            labels::revise_campaign(conn, id, change.effect, &author, |was| CampaignLabels {
                name: change.name.clone().unwrap_or_else(|| was.name.clone()),
                archived: change.archived.unwrap_or(was.archived),
            })?;
            labels::campaign(conn, id)
        })
        .await?;
    Ok(Json(campaign.into()))
}

/// A post to be made.
#[derive(Debug, Clone, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PostDraft {
    /// `utm_content` of its links.
    #[schema(example = "how-we-cut-cpl")]
    pub code: String,
    /// Its label.
    #[serde(flatten)]
    pub labels: PostFields,
}

/// The label of a post; on a change, what is absent stays.
#[derive(Debug, Clone, Default, Deserialize, utoipa::ToSchema)]
pub struct PostFields {
    /// The name people read.
    pub name: Option<String>,
    /// The network it was published on.
    pub network: Option<String>,
    /// The network's own id of it.
    pub external_id: Option<String>,
    /// Where it can be read.
    pub permalink: Option<String>,
    /// When it was published, RFC 3339.
    pub published_at: Option<String>,
    /// Whom it speaks to.
    pub persona: Option<String>,
    /// Question, answer, announcement, repurposed, story, offer.
    pub content_style: Option<String>,
    /// Whether it is out of use.
    pub archived: Option<bool>,
}

impl PostFields {
    fn published_at(&self) -> Result<Option<UtcMillis>, Fault> {
        self.published_at.as_deref().map(|at| UtcMillis::parse(at).map_err(|f| f.named("published_at"))).transpose()
    }

    fn apply(self, mut labels: PostLabels, published_at: Option<UtcMillis>) -> PostLabels {
        labels.published_at = published_at.or(labels.published_at);
        labels.name = self.name.unwrap_or(labels.name);
        labels.network = self.network.unwrap_or(labels.network);
        labels.external_id = self.external_id.unwrap_or(labels.external_id);
        labels.permalink = self.permalink.unwrap_or(labels.permalink);
        labels.persona = self.persona.unwrap_or(labels.persona);
        labels.content_style = self.content_style.unwrap_or(labels.content_style);
        labels.archived = self.archived.unwrap_or(labels.archived);
        labels
    }
}

/// A change of a post's label.
#[derive(Debug, Clone, Default, Deserialize, utoipa::ToSchema)]
pub struct PostChange {
    /// What changes.
    #[serde(flatten)]
    pub labels: PostFields,
    /// `from_now_on` or `correction`.
    #[serde(default)]
    #[schema(value_type = String, example = "from_now_on")]
    pub effect: Effect,
}

/// A post.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct PostView {
    #[schema(value_type = String, example = "pst_1")]
    id: PostId,
    code: String,
    name: String,
    network: String,
    external_id: String,
    permalink: String,
    published_at: Option<String>,
    persona: String,
    content_style: String,
    archived: bool,
}

impl From<Post> for PostView {
    fn from(p: Post) -> Self {
        let PostLabels { name, network, external_id, permalink, published_at, persona, content_style, archived } =
            p.labels;
        Self {
            id: p.id,
            code: p.code,
            name,
            network,
            external_id,
            permalink,
            published_at: published_at.map(|t| t.to_string()),
            persona,
            content_style,
            archived,
        }
    }
}

/// Lists posts by code.
#[utoipa::path(get, path = "/api/v1/posts", tag = "links", responses((status = 200, body = Listed<PostView>)))]
pub(crate) async fn list_posts(_caller: Can<LinksRead>, state: Data<State>) -> Result<Json<Listed<PostView>>, Problem> {
    let list = state.db.read(labels::list_posts).await?;
    Ok(Json(Listed::whole(list.into_iter().map(Into::into).collect())))
}

/// Makes a post.
#[utoipa::path(post, path = "/api/v1/posts", tag = "links", request_body = PostDraft,
    responses((status = 201, body = PostView), (status = 409, body = crate::http::problem::ProblemBody), (status = 422, body = crate::http::problem::ProblemBody)))]
pub(crate) async fn create_post(
    Can { author, input: body, .. }: Can<LinksWrite, Json<PostDraft>>,
    state: Data<State>,
) -> Result<HttpResponse, Problem> {
    let draft = body.into_inner();
    let code = draft.code.parse().map_err(|f: Fault| Problem::from(f.named("code")))?;
    let published_at = draft.labels.published_at()?;
    let mut label = draft.labels.apply(PostLabels::default(), published_at);
    if label.name.is_empty() {
        label.name = draft.code;
    }
    let post = state
        .db
        .write(move |conn| {
            let id = labels::create_post(conn, &code, &label, &author)?;
            labels::post(conn, id)
        })
        .await?;
    Ok(HttpResponse::Created().json(PostView::from(post)))
}

/// Relabels or archives a post, from now on or as a correction.
#[utoipa::path(patch, path = "/api/v1/posts/{id}", tag = "links", request_body = PostChange, params(("id" = String, Path)),
    responses((status = 200, body = PostView), (status = 404, body = crate::http::problem::ProblemBody)))]
pub(crate) async fn change_post(
    Can { author, input: body, .. }: Can<LinksWrite, Json<PostChange>>,
    state: Data<State>,
    path: Path<String>,
) -> Result<Json<PostView>, Problem> {
    let (id, change): (PostId, _) = (path.parse()?, body.into_inner());
    let post = state
        .db
        .write(move |conn| {
            let published_at = change.labels.published_at()?;
            labels::revise_post(conn, id, change.effect, &author, |was| {
                change.labels.clone().apply(was.clone(), published_at)
            })?;
            labels::post(conn, id)
        })
        .await?;
    Ok(Json(post.into()))
}
