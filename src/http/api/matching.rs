//! What is unmatched, and matches, by API.

use std::collections::{BTreeMap, HashMap};

use actix_web::HttpResponse;
use actix_web::web::{Data, Json, Path, Query};
use serde::{Deserialize, Serialize};

use super::reports::{Pairs, joined};
use super::{Listed, default_range};
use crate::config::Config;
use crate::domain::fault::Fault;
use crate::domain::ids::MatchId;
use crate::domain::matching::{Basis, Strength, UnmatchedReason};
use crate::domain::stage::StageEvent;
use crate::domain::time::UtcMillis;
use crate::http::auth::{Can, ConversionsWrite, ReportsRead};
use crate::http::problem::{Problem, ProblemBody};
use crate::http::state::State;
use crate::jobs::matching::{self, Wish};
use crate::reports::ReportError;
use crate::reports::unmatched::{self, Defaults, Question, Row, Suggestion};
use crate::store::matches::{self, Match};

/// Matches of one list.
const MATCHES_MAX: i64 = 200;
/// What a question may name.
const NAMES: [&str; 7] = ["from", "to", "reason", "stage", "source", "cursor", "limit"];

/// What the list of the unmatched may be asked.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "documents the parameters that reports::unmatched::Question reads")]
pub struct UnmatchedQuery {
    /// First day of the newest stage event; the reporting range if not given.
    from: Option<String>,
    /// Last day, included.
    to: Option<String>,
    /// no-person, parent-unknown, no-key, click-unknown, browser-unknown, not-counted or out-of-reach.
    reason: Option<String>,
    /// Those with an event of this stage.
    stage: Option<String>,
    /// Those with an event of this source: an endpoint's id, `api`, or the name of an import.
    source: Option<String>,
    /// From `next_cursor`.
    cursor: Option<String>,
    /// 1 to 200; 50 if not given.
    limit: Option<i64>,
}

/// A stage event of something unmatched.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct UnmatchedEvent {
    id: String,
    stage: String,
    occurred_at: String,
    source: String,
    event_id: String,
    subject: Option<String>,
    parent: Option<String>,
    value_minor: Option<i64>,
    currency: Option<String>,
}

/// Who it may be. It joins nothing until it is posted to `/api/v1/matches`.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct SuggestionView {
    /// A person, a click id or a browser.
    to: String,
    /// strong, likely or weak.
    #[schema(value_type = String, example = "likely")]
    strength: Strength,
    /// What speaks for it.
    #[schema(value_type = String, example = "same-parent")]
    basis: Basis,
    /// The same in words.
    detail: String,
}

impl From<Suggestion> for SuggestionView {
    fn from(s: Suggestion) -> Self {
        Self { to: s.to.to_string(), strength: s.strength, basis: s.basis, detail: s.detail }
    }
}

/// Something unmatched.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct UnmatchedView {
    /// A subject, a person or an event: what a match names as `item`.
    #[schema(example = "deal:4711")]
    item: String,
    /// Why it is unmatched.
    #[schema(value_type = String, example = "no-person")]
    reason: UnmatchedReason,
    /// The same in words, with the remedy.
    detail: String,
    /// Oldest first.
    events: Vec<UnmatchedEvent>,
    /// Strongest first, three at most.
    suggestions: Vec<SuggestionView>,
}

impl From<Row> for UnmatchedView {
    fn from(row: Row) -> Self {
        Self {
            item: row.item.to_string(),
            reason: row.reason,
            detail: row.reason.words().to_owned(),
            events: row.events.into_iter().map(event_view).collect(),
            suggestions: row.suggestions.into_iter().map(Into::into).collect(),
        }
    }
}

/// A page of what is unmatched.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct UnmatchedList {
    /// Newest first.
    pub items: Vec<UnmatchedView>,
    /// How many of the asked days, stage and source there are for each reason.
    #[schema(value_type = Object)]
    pub counts: BTreeMap<&'static str, usize>,
    /// Facts recorded up to here, in milliseconds.
    pub as_of: i64,
    /// Pass it as `cursor` to get the next page; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

impl From<unmatched::Page> for UnmatchedList {
    fn from(page: unmatched::Page) -> Self {
        Self {
            items: page.rows.into_iter().map(Into::into).collect(),
            counts: page.counts.into_iter().map(|(reason, n)| (reason.as_str(), n)).collect(),
            as_of: page.as_of.0,
            next_cursor: page.next.map(|c| c.to_string()),
        }
    }
}

/// Reads a question by the rules of this installation; the same for the API, the page and the command line.
pub fn question(given: &HashMap<String, String>, config: &Config, now: UtcMillis) -> Result<Question, Vec<Fault>> {
    let defaults = Defaults {
        days: default_range(config, now),
        zone: config.reporting.zone.clone(),
        lookback_days: config.reporting.lookback_days,
    };
    Question::read(given, &defaults)
}

/// Lists stage events without a person, and people without a touch in reach, with why and with who it may be.
#[utoipa::path(get, path = "/api/v1/unmatched", tag = "people", params(UnmatchedQuery),
    responses((status = 200, body = UnmatchedList), (status = 422, body = ProblemBody)))]
pub(crate) async fn list_unmatched(
    Can { input: query, .. }: Can<ReportsRead, Query<Pairs>>,
    state: Data<State>,
) -> Result<Json<UnmatchedList>, Problem> {
    let given = joined(query.into_inner());
    if let Some(name) = given.keys().find(|name| !NAMES.contains(&name.as_str())) {
        let why = format!("it is no parameter of this list; there are {}", NAMES.join(", "));
        return Err(ReportError::from(Fault::new(name.as_str(), "parameter-unknown", why)).into());
    }
    let question = question(&given, &state.config, state.clock.now()).map_err(ReportError::from)?;
    let page = state.db.read(move |conn| Ok(unmatched::list(conn, &question))).await??;
    Ok(Json(page.into()))
}

/// A match to be recorded.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MatchBody {
    /// A subject such as `deal:4711`, a person or an event.
    #[schema(example = "deal:4711")]
    item: String,
    /// A person, a contact id such as `crm:51`; for a person also a click id or a browser.
    #[schema(example = "crm:51")]
    to: String,
    /// What it rests on: `by-hand` if not given, `told` for a CRM's own association, or a suggestion's.
    basis: Option<String>,
}

/// A match as it was recorded.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct MatchView {
    #[schema(value_type = String)]
    id: MatchId,
    /// `join`, `merge` or `unmerge`.
    kind: String,
    /// What was unmatched.
    item: String,
    /// Who or what it belongs to.
    to: String,
    #[schema(value_type = String, example = "by-hand")]
    basis: Basis,
    recorded_at: String,
    recorded_by: String,
    /// When it was undone.
    undone_at: Option<String>,
}

impl From<Match> for MatchView {
    fn from(m: Match) -> Self {
        let (kind, item, to) = m.described();
        Self {
            id: m.id,
            kind: kind.to_owned(),
            item,
            to,
            basis: m.basis,
            recorded_at: m.recorded_at.to_string(),
            recorded_by: m.recorded_by,
            undone_at: m.voided_at.map(|t| t.to_string()),
        }
    }
}

/// Records a match: a deal, order or invoice to a person, a person to another, to a click or to a browser.
///
/// It is refused where it would contradict what is known: two contact ids of one source, a word that keeps the two
/// apart, a click that is somebody else's. Saying the same again adds nothing and answers 200.
#[utoipa::path(post, path = "/api/v1/matches", tag = "people", request_body = MatchBody,
    responses((status = 201, body = MatchView), (status = 200, body = MatchView), (status = 404, body = ProblemBody), (status = 422, body = ProblemBody)))]
pub(crate) async fn create_match(
    Can { author, input: body, .. }: Can<ConversionsWrite, Json<MatchBody>>,
    state: Data<State>,
) -> Result<HttpResponse, Problem> {
    let wish = Wish {
        item: body.item.parse()?,
        to: body.to.parse()?,
        basis: body.basis.as_deref().map_or(Ok(Basis::ByHand), str::parse)?,
    };
    let (recorded, stored) = state
        .db
        .write(move |conn| {
            let recorded = matching::record(conn, &wish, &author)?;
            Ok((recorded, matches::get(conn, recorded.id)?))
        })
        .await?;
    let mut response = if recorded.is_new { HttpResponse::Created() } else { HttpResponse::Ok() };
    Ok(response.json(MatchView::from(stored)))
}

/// Lists the newest matches, merges and unmerges, 200 at most; undone ones too.
#[utoipa::path(get, path = "/api/v1/matches", tag = "people", responses((status = 200, body = Listed<MatchView>)))]
pub(crate) async fn list_matches(
    _caller: Can<ReportsRead>,
    state: Data<State>,
) -> Result<Json<Listed<MatchView>>, Problem> {
    let list = state.db.read(|conn| matches::list(conn, MATCHES_MAX)).await?;
    Ok(Json(Listed::whole(list.into_iter().map(Into::into).collect())))
}

/// Undoes a match: from now on nobody said so. Reports of an earlier `as_of` keep it.
#[utoipa::path(delete, path = "/api/v1/matches/{id}", tag = "people", params(("id" = String, Path)),
    responses((status = 204), (status = 404, body = ProblemBody)))]
pub(crate) async fn undo_match(
    caller: Can<ConversionsWrite>,
    state: Data<State>,
    path: Path<String>,
) -> Result<HttpResponse, Problem> {
    let id: MatchId = path.parse()?;
    state.db.write(move |conn| matches::void(conn, id, &caller.author)).await?;
    Ok(HttpResponse::NoContent().finish())
}

fn event_view(e: StageEvent) -> UnmatchedEvent {
    UnmatchedEvent {
        id: e.id.to_string(),
        stage: e.stage.as_str().to_owned(),
        occurred_at: e.occurred_at.to_string(),
        source: e.source.as_str().to_owned(),
        event_id: e.event_id,
        subject: e.subject.map(|s| s.as_str().to_owned()),
        parent: e.parent,
        value_minor: e.value.map(|v| v.minor),
        currency: e.value.map(|v| v.currency.code().to_owned()),
    }
}
