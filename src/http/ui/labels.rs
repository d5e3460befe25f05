//! Channels and campaigns: codes that never change, names that may.

use actix_web::web::{Data, Path, Query};
use askama::Template;
use serde::Deserialize;

use super::forms::{Fields, Form};
use super::page::{PageError, PageResult, Shell, faults_of, ok, see, unprocessable};
use super::session::{Posted, SignedIn};
use crate::domain::channel::{CampaignLabels, ChannelLabels, Effect};
use crate::domain::fault::Fault;
use crate::domain::ids::{CampaignId, ChannelId};
use crate::http::api::labels::{CampaignDraft, ChannelDraft};
use crate::http::state::State;
use crate::store::StoreError;
use crate::store::labels::{self, Campaign, Channel};

/// A flash code.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Done {
    done: Option<String>,
}

#[derive(Template)]
#[template(path = "channels.html")]
struct ChannelsPage {
    shell: Shell,
    form: Form,
    list: Vec<Channel>,
}

#[derive(Template)]
#[template(path = "campaigns.html")]
struct CampaignsPage {
    shell: Shell,
    form: Form,
    list: Vec<Campaign>,
}

/// One channel or campaign.
#[derive(Template)]
#[template(path = "label.html")]
struct LabelPage {
    shell: Shell,
    form: Form,
    what: &'static str,
    path: String,
    back: &'static str,
    facts: Vec<(&'static str, String)>,
    is_channel: bool,
    is_archived: bool,
}

/// `GET /app/channels`
pub(super) async fn channels(who: SignedIn, state: Data<State>, query: Query<Done>) -> PageResult {
    let mut page = channels_page(&who, &state, Form::default()).await?;
    page.shell = page.shell.after(query.done.as_deref());
    ok(&page)
}

async fn channels_page(who: &SignedIn, state: &State, form: Form) -> Result<ChannelsPage, PageError> {
    let list = state.db.read(labels::list_channels).await?;
    Ok(ChannelsPage { shell: Shell::new("channels", "Channels", &who.session), form, list })
}

/// `POST /app/channels`
pub(super) async fn create_channel(posted: Posted, state: Data<State>) -> PageResult {
    let Posted { who, fields } = posted;
    let draft = ChannelDraft {
        code: fields.text("code"),
        utm_source: fields.text("utm_source"),
        utm_medium: fields.text("utm_medium"),
        name: fields.text("name"),
        network: fields.text("network"),
        direct: fields.is_on("direct"),
        allow_similar: fields.is_on("allow_similar"),
    };
    let made = match draft.check() {
        Ok((codes, label)) => {
            let (similar, author) = (draft.similar(), who.author.clone());
            state.db.write(move |conn| labels::create_channel(conn, &codes, &label, similar, &author)).await
        }
        Err(faults) => Err(StoreError::Refused(faults)),
    };
    match made {
        Ok(_) => Ok(see("/app/channels?done=channel-created")),
        Err(error) => {
            let form = Form::refused(fields, faults_of(error)?);
            unprocessable(&channels_page(&who, &state, form).await?)
        }
    }
}

/// `GET /app/channels/{id}`
pub(super) async fn channel(who: SignedIn, state: Data<State>, path: Path<String>, query: Query<Done>) -> PageResult {
    let mut page = channel_page(&who, &state, path.parse()?, None).await?;
    page.shell = page.shell.after(query.done.as_deref());
    ok(&page)
}

async fn channel_page(
    who: &SignedIn,
    state: &State,
    id: ChannelId,
    form: Option<Form>,
) -> Result<LabelPage, PageError> {
    let channel = state.db.read(move |conn| labels::channel(conn, id)).await?;
    let l = &channel.labels;
    let form = form.unwrap_or_else(|| {
        let direct = if l.direct { "on" } else { "" };
        Form::new(Fields::of([("name", l.name.as_str()), ("network", l.network.as_str()), ("direct", direct)]))
    });
    Ok(LabelPage {
        shell: Shell::new("channels", format!("Channel {}", channel.code), &who.session),
        form,
        what: "channel",
        path: format!("/app/channels/{id}"),
        back: "/app/channels",
        is_archived: l.archived,
        facts: vec![
            ("Code", channel.code.clone()),
            ("utm_source", channel.utm_source.clone()),
            ("utm_medium", channel.utm_medium.clone()),
        ],
        is_channel: true,
    })
}

/// `POST /app/channels/{id}`
pub(super) async fn change_channel(posted: Posted, state: Data<State>, path: Path<String>) -> PageResult {
    let Posted { who, fields } = posted;
    let id: ChannelId = path.parse()?;
    let (effect, faults) = checked(&fields);
    if !faults.is_empty() {
        return unprocessable(&channel_page(&who, &state, id, Some(Form::refused(fields, faults))).await?);
    }
    let author = who.author.clone();
    state
        .db
        .write(move |conn| {
            labels::revise_channel(conn, id, effect, &author, |was| ChannelLabels {
                name: fields.text("name"),
                network: fields.text("network"),
                direct: fields.is_on("direct"),
                archived: was.archived,
            })
        })
        .await?;
    Ok(see(&format!("/app/channels/{id}?done=label-changed")))
}

/// `POST /app/channels/{id}/archive`: archives, or with `restore` brings back.
pub(super) async fn archive_channel(posted: Posted, state: Data<State>, path: Path<String>) -> PageResult {
    let (id, is_restore): (ChannelId, bool) = (path.parse()?, posted.fields.is_on("restore"));
    let author = posted.who.author;
    state
        .db
        .write(move |conn| {
            labels::revise_channel(conn, id, Effect::FromNowOn, &author, |was| ChannelLabels {
                archived: !is_restore,
                ..was.clone()
            })
        })
        .await?;
    Ok(see(&format!("/app/channels/{id}?done={}", archived_code(is_restore))))
}

/// `GET /app/campaigns`
pub(super) async fn campaigns(who: SignedIn, state: Data<State>, query: Query<Done>) -> PageResult {
    let mut page = campaigns_page(&who, &state, Form::default()).await?;
    page.shell = page.shell.after(query.done.as_deref());
    ok(&page)
}

async fn campaigns_page(who: &SignedIn, state: &State, form: Form) -> Result<CampaignsPage, PageError> {
    let list = state.db.read(labels::list_campaigns).await?;
    Ok(CampaignsPage { shell: Shell::new("campaigns", "Campaigns", &who.session), form, list })
}

/// `POST /app/campaigns`
pub(super) async fn create_campaign(posted: Posted, state: Data<State>) -> PageResult {
    let Posted { who, fields } = posted;
    let draft = CampaignDraft {
        code: fields.text("code"),
        utm_id: fields.some("utm_id"),
        name: fields.text("name"),
        allow_similar: fields.is_on("allow_similar"),
    };
    let made = match draft.check() {
        Ok((codes, label)) => {
            let (similar, author) = (draft.similar(), who.author.clone());
            state.db.write(move |conn| labels::create_campaign(conn, &codes, &label, similar, &author)).await
        }
        Err(faults) => Err(StoreError::Refused(faults)),
    };
    match made {
        Ok(_) => Ok(see("/app/campaigns?done=campaign-created")),
        Err(error) => {
            let form = Form::refused(fields, faults_of(error)?);
            unprocessable(&campaigns_page(&who, &state, form).await?)
        }
    }
}

/// `GET /app/campaigns/{id}`
pub(super) async fn campaign(who: SignedIn, state: Data<State>, path: Path<String>, query: Query<Done>) -> PageResult {
    let mut page = campaign_page(&who, &state, path.parse()?, None).await?;
    page.shell = page.shell.after(query.done.as_deref());
    ok(&page)
}

async fn campaign_page(
    who: &SignedIn,
    state: &State,
    id: CampaignId,
    form: Option<Form>,
) -> Result<LabelPage, PageError> {
    let campaign = state.db.read(move |conn| labels::campaign(conn, id)).await?;
    let form = form.unwrap_or_else(|| Form::new(Fields::of([("name", campaign.labels.name.as_str())])));
    Ok(LabelPage {
        shell: Shell::new("campaigns", format!("Campaign {}", campaign.code), &who.session),
        form,
        what: "campaign",
        path: format!("/app/campaigns/{id}"),
        back: "/app/campaigns",
        is_archived: campaign.labels.archived,
        facts: vec![
            ("Code (utm_campaign)", campaign.code.clone()),
            ("utm_id", campaign.utm_id.clone().unwrap_or_else(|| "none".to_owned())),
        ],
        is_channel: false,
    })
}

/// `POST /app/campaigns/{id}`
pub(super) async fn change_campaign(posted: Posted, state: Data<State>, path: Path<String>) -> PageResult {
    let Posted { who, fields } = posted;
    let id: CampaignId = path.parse()?;
    let (effect, faults) = checked(&fields);
    if !faults.is_empty() {
        return unprocessable(&campaign_page(&who, &state, id, Some(Form::refused(fields, faults))).await?);
    }
    let author = who.author.clone();
    state
        .db
        .write(move |conn| {
            labels::revise_campaign(conn, id, effect, &author, |was| CampaignLabels {
                name: fields.text("name"),
                archived: was.archived,
            })
        })
        .await?;
    Ok(see(&format!("/app/campaigns/{id}?done=label-changed")))
}

/// `POST /app/campaigns/{id}/archive`: archives, or with `restore` brings back.
pub(super) async fn archive_campaign(posted: Posted, state: Data<State>, path: Path<String>) -> PageResult {
    let (id, is_restore): (CampaignId, bool) = (path.parse()?, posted.fields.is_on("restore"));
    let author = posted.who.author;
    state
        .db
        .write(move |conn| {
            labels::revise_campaign(conn, id, Effect::FromNowOn, &author, |was| CampaignLabels {
                archived: !is_restore,
                ..was.clone()
            })
        })
        .await?;
    Ok(see(&format!("/app/campaigns/{id}?done={}", archived_code(is_restore))))
}

/// From when a change holds, and what is wrong with it.
fn checked(fields: &Fields) -> (Effect, Vec<Fault>) {
    let mut faults = Vec::new();
    if fields.text("name").is_empty() {
        faults.push(Fault::new("name", "missing", "give it a name that people recognise"));
    }
    let effect = fields.effect().map_err(|f| faults.push(f)).unwrap_or_default();
    (effect, faults)
}

fn archived_code(is_restore: bool) -> &'static str {
    if is_restore { "label-restored" } else { "label-archived" }
}
