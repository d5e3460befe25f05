//! Tracked links: made in seconds, found again, changed with their past in mind.

use actix_web::HttpRequest;
use actix_web::web::{Data, Path, Query};
use askama::Template;
use serde::Deserialize;

use super::forms::{Choice, Fields, Form};
use super::once;
use super::page::{PageResult, Shell, count, faults_of, ok, see, unprocessable, when};
use super::session::{Posted, SignedIn};
use super::sign_in::set;
use crate::domain::channel::Effect;
use crate::domain::fault::Fault;
use crate::domain::ids::LinkId;
use crate::domain::link::LinkState;
use crate::domain::time::UtcMillis;
use crate::http::state::State;
use crate::jobs::edit_links::{self, LinkChange, LinkDraft, NamedLink};
use crate::store::links::LinkFilter;
use crate::store::{Conn, StoreError, labels, touches};

/// Links on a page.
const PAGE: i64 = 50;

/// The query string of the list.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Search {
    #[serde(default)]
    q: String,
    #[serde(default)]
    below: String,
    done: Option<String>,
}

/// A flash code.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Done {
    done: Option<String>,
}

struct LinkRow {
    id: String,
    short_url: String,
    short: String,
    slug: String,
    title: String,
    channel: String,
    campaign: String,
    human: String,
    other: String,
    destination: String,
    state: &'static str,
}

/// What a form of links chooses from.
#[derive(Default)]
struct Choices {
    channels: Vec<Choice>,
    campaigns: Vec<Choice>,
}

#[derive(Template)]
#[template(path = "links.html")]
struct LinksPage {
    shell: Shell,
    form: Form,
    choices: Choices,
    rows: Vec<LinkRow>,
    search: String,
    older: Option<String>,
}

#[derive(Template)]
#[template(path = "link.html")]
struct LinkPage {
    shell: Shell,
    form: Form,
    choices: Choices,
    row: LinkRow,
    created: String,
    is_new: bool,
    notices: Vec<String>,
}

/// `GET /app/links`
pub(super) async fn list(who: SignedIn, state: Data<State>, query: Query<Search>) -> PageResult {
    let form = Form::new(Fields::of([("passes_query", "on")]));
    ok(&list_page(&who, &state, form, query.into_inner()).await?)
}

async fn list_page(
    who: &SignedIn,
    state: &State,
    form: Form,
    query: Search,
) -> Result<LinksPage, super::page::PageError> {
    let search = query.q.trim().to_owned();
    let filter = LinkFilter {
        below: query.below.parse().ok(),
        limit: PAGE,
        search: Some(search.clone()).filter(|q| !q.is_empty()),
    };
    let (list, counts, choices) = state
        .db
        .read(move |conn| {
            let list = edit_links::list(conn, &filter)?;
            let ids: Vec<LinkId> = list.iter().map(|l| l.link.id).collect();
            Ok((list, touches::counts_by_link(conn, &ids)?, choices(conn)?))
        })
        .await?;
    let is_full = i64::try_from(list.len()).is_ok_and(|n| n == PAGE);
    let older = list.last().filter(|_| is_full).map(|l| {
        let q: String = url::form_urlencoded::byte_serialize(search.as_bytes()).collect();
        format!("/app/links?q={q}&below={}", l.link.id)
    });
    let now = state.clock.now();
    let rows = list
        .into_iter()
        .map(|l| {
            let counted = counts.get(&l.link.id).copied().unwrap_or_default();
            row(l, counted, state, now)
        })
        .collect();
    let shell = Shell::new("links", "Links", &who.session).after(query.done.as_deref());
    Ok(LinksPage { shell, form, choices, rows, search, older })
}

/// `POST /app/links`
pub(super) async fn create(posted: Posted, state: Data<State>) -> PageResult {
    let Posted { who, fields } = posted;
    let made = match draft(&fields) {
        Ok(draft) => {
            let (param, author) = (state.config.tracking.click_id_param.clone(), who.author.clone());
            state.db.write(move |conn| edit_links::create(conn, &draft, &param, &author)).await
        }
        Err(faults) => Err(StoreError::Refused(faults)),
    };
    match made {
        Ok((named, notices)) => {
            state.refresh_links().await;
            let mut response = see(&format!("/app/links/{}?done=link-created", named.link.id));
            if !notices.is_empty() {
                set(&mut response, &once::keep(&state, &who.session, "link", notices)?)?;
            }
            Ok(response)
        }
        Err(error) => {
            let form = Form::refused(fields, faults_of(error)?);
            unprocessable(&list_page(&who, &state, form, Search::default()).await?)
        }
    }
}

/// `GET /app/links/{id}`
pub(super) async fn show(
    request: HttpRequest,
    who: SignedIn,
    state: Data<State>,
    path: Path<String>,
    query: Query<Done>,
) -> PageResult {
    let id: LinkId = path.parse()?;
    let kept: Option<Vec<String>> = once::take(&request, &state, &who.session, "link");
    let is_new = query.done.as_deref() == Some("link-created");
    let mut page = link_page(&who, &state, id, None).await?;
    page.shell = page.shell.after(query.done.as_deref());
    page.is_new = is_new;
    page.notices = kept.unwrap_or_default();
    let mut response = ok(&page)?;
    set(&mut response, &once::gone(&state))?;
    Ok(response)
}

async fn link_page(
    who: &SignedIn,
    state: &State,
    id: LinkId,
    form: Option<Form>,
) -> Result<LinkPage, super::page::PageError> {
    let (named, counts, mut choices) = state
        .db
        .read(move |conn| Ok((edit_links::get(conn, id)?, touches::counts_by_link(conn, &[id])?, choices(conn)?)))
        .await?;
    keep_choice(&mut choices.channels, Some(&named.channel));
    keep_choice(&mut choices.campaigns, named.campaign.as_deref());
    let form = form.unwrap_or_else(|| Form::new(fields_of(&named)));
    let created = when(named.link.created_at);
    let title = format!("Link {}", named.link.slug);
    let row = row(named, counts.get(&id).copied().unwrap_or_default(), state, state.clock.now());
    let shell = Shell::new("links", title, &who.session);
    Ok(LinkPage { shell, form, choices, row, created, is_new: false, notices: Vec::new() })
}

/// `POST /app/links/{id}`
pub(super) async fn change(posted: Posted, state: Data<State>, path: Path<String>) -> PageResult {
    let Posted { who, fields } = posted;
    let id: LinkId = path.parse()?;
    let changed = match change_of(&fields) {
        Ok((change, effect)) => {
            let (param, author) = (state.config.tracking.click_id_param.clone(), who.author.clone());
            state.db.write(move |conn| edit_links::change(conn, id, &change, effect, &param, &author)).await
        }
        Err(faults) => Err(StoreError::Refused(faults)),
    };
    match changed {
        Ok((_, notices)) => {
            state.refresh_links().await;
            let mut response = see(&format!("/app/links/{id}?done=link-changed"));
            if !notices.is_empty() {
                set(&mut response, &once::keep(&state, &who.session, "link", notices)?)?;
            }
            Ok(response)
        }
        Err(error) => {
            let form = Form::refused(fields, faults_of(error)?);
            unprocessable(&link_page(&who, &state, id, Some(form)).await?)
        }
    }
}

/// `POST /app/links/{id}/archive`: archives, or with `restore` brings back.
pub(super) async fn archive(posted: Posted, state: Data<State>, path: Path<String>) -> PageResult {
    let id: LinkId = path.parse()?;
    let is_restore = posted.fields.is_on("restore");
    let change = LinkChange { archived: Some(!is_restore), ..LinkChange::default() };
    let (param, author) = (state.config.tracking.click_id_param.clone(), posted.who.author);
    state.db.write(move |conn| edit_links::change(conn, id, &change, Effect::FromNowOn, &param, &author)).await?;
    state.refresh_links().await;
    Ok(see(&format!("/app/links/{id}?done={}", if is_restore { "link-restored" } else { "link-archived" })))
}

fn draft(fields: &Fields) -> Result<LinkDraft, Vec<Fault>> {
    Ok(LinkDraft {
        slug: fields.some("slug"),
        destination: fields.text("destination"),
        channel: fields.text("channel"),
        campaign: fields.some("campaign"),
        post: None,
        title: fields.text("title"),
        tags: vec![fields.text("tags")],
        passes_query: fields.is_on("passes_query"),
        expires_at: expiry(fields).map_err(|f| vec![f])?,
    })
}

fn change_of(fields: &Fields) -> Result<(LinkChange, Effect), Vec<Fault>> {
    let change = LinkChange {
        destination: Some(fields.text("destination")),
        channel: fields.some("channel"),
        campaign: Some(fields.some("campaign")),
        post: None,
        title: Some(fields.text("title")),
        tags: Some(vec![fields.text("tags")]),
        passes_query: Some(fields.is_on("passes_query")),
        archived: None,
        expires_at: Some(expiry(fields).map_err(|f| vec![f])?),
    };
    Ok((change, fields.effect().map_err(|f| vec![f])?))
}

/// The end of a link: `2026-12-31T18:00`, as browsers send it, in UTC.
fn expiry(fields: &Fields) -> Result<Option<UtcMillis>, Fault> {
    fields
        .some("expires_at")
        .map(|text| {
            let with_seconds = if text.len() == 16 { format!("{text}:00Z") } else { format!("{text}Z") };
            UtcMillis::parse(&with_seconds).map_err(|_malformed| {
                Fault::new("expires_at", "time-malformed", "write the end as 2026-12-31T18:00, in UTC")
            })
        })
        .transpose()
}

fn fields_of(named: &NamedLink) -> Fields {
    let l = &named.link.labels;
    Fields::of([
        ("destination", l.destination.clone()),
        ("channel", named.channel.clone()),
        ("campaign", named.campaign.clone().unwrap_or_default()),
        ("title", l.title.clone()),
        ("tags", l.tags.join(" ")),
        ("passes_query", if l.passes_query { "on".to_owned() } else { String::new() }),
        ("expires_at", l.expires_at.map(|t| t.to_string().chars().take(16).collect()).unwrap_or_default()),
    ])
}

fn row(named: NamedLink, (human, other): (i64, i64), state: &State, now: UtcMillis) -> LinkRow {
    let short_url = state.url(&format!("/{}", named.link.slug));
    let labels = named.link.labels;
    let link_state = labels.state(now);
    LinkRow {
        id: named.link.id.to_string(),
        short: short_url.split_once("://").map_or(short_url.as_str(), |(_, rest)| rest).to_owned(),
        short_url,
        slug: named.link.slug,
        title: labels.title,
        channel: named.channel,
        campaign: named.campaign.unwrap_or_default(),
        human: count(human),
        other: count(other),
        destination: labels.destination,
        state: match link_state {
            LinkState::Live => "live",
            LinkState::Archived => "archived",
            LinkState::Expired => "expired",
        },
    }
}

/// Offers what a link has even when it is archived, so that storing another change does not relabel the link.
fn keep_choice(choices: &mut Vec<Choice>, code: Option<&str>) {
    if let Some(code) = code.filter(|code| choices.iter().all(|c| c.value != *code)) {
        choices.push(Choice::new(code, format!("{code} (archived)")));
    }
}

/// Channels and campaigns in use, for the selects.
fn choices(conn: &mut Conn) -> Result<Choices, StoreError> {
    let (channels, campaigns) = label_choices(conn)?;
    Ok(Choices { channels, campaigns })
}

/// Channels and campaigns in use, for any form that names them.
pub(super) fn label_choices(conn: &mut Conn) -> Result<(Vec<Choice>, Vec<Choice>), StoreError> {
    let named = |code: String, name: String| {
        let label = if name.is_empty() || name == code { code.clone() } else { format!("{name} ({code})") };
        Choice::new(code, label)
    };
    let channels = labels::list_channels(conn)?;
    let campaigns = labels::list_campaigns(conn)?;
    Ok((
        channels.into_iter().filter(|c| !c.labels.archived).map(|c| named(c.code, c.labels.name)).collect(),
        campaigns.into_iter().filter(|c| !c.labels.archived).map(|c| named(c.code, c.labels.name)).collect(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_archived_channel_stays_a_choice_of_its_links() {
        let mut choices = vec![Choice::new("a", "A")];
        for code in [None, Some("a"), Some("old")] {
            keep_choice(&mut choices, code);
        }
        assert_eq!(choices.iter().map(|c| c.value.as_str()).collect::<Vec<_>>(), ["a", "old"]);
    }
}
