//! People by API: journeys, merges, and weak keys that two people share.

use actix_web::HttpResponse;
use actix_web::web::{Data, Json, Path};
use serde::{Deserialize, Serialize};

use super::Listed;
use crate::domain::fault::Fault;
use crate::domain::ids::PersonId;
use crate::domain::matching::Target;
use crate::http::auth::{Can, ConversionsWrite, ReportsRead};
use crate::http::problem::{Problem, ProblemBody};
use crate::http::state::State;
use crate::jobs::matching::{self, Named};
use crate::reports;
use crate::reports::journey::{self, PersonJourney, Step};
use crate::store::labels::Author;
use crate::store::{Moments, ledger};

/// A step of a journey.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct StepView {
    at: String,
    /// `touch` or `stage`.
    step: String,
    id: String,
    /// click, landing, form; or the stage.
    kind: String,
    channel: Option<String>,
    link: Option<String>,
    /// Of a lead given inside a network: `form of instagram, ad 44, campaign 22`, by the network's own ids.
    form: Option<String>,
    /// Another person brought the same click id first.
    shared: bool,
    source: Option<String>,
    event_id: Option<String>,
    value_minor: Option<i64>,
    currency: Option<String>,
}

/// A person's journey.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct JourneyView {
    /// The person's name: the oldest person id of the cluster.
    #[schema(value_type = String)]
    person: PersonId,
    /// All persons of the cluster, oldest first: those that unmerge takes.
    #[schema(value_type = Vec<String>)]
    members: Vec<PersonId>,
    steps: Vec<StepView>,
}

impl From<PersonJourney> for JourneyView {
    fn from(j: PersonJourney) -> Self {
        let steps = j
            .steps
            .into_iter()
            .map(|(at, step)| match step {
                Step::Touch { id, kind, channel, link, form, shared } => StepView {
                    at: at.to_string(),
                    step: "touch".into(),
                    id: id.to_string(),
                    kind: kind.as_str().into(),
                    channel,
                    link,
                    form,
                    shared,
                    source: None,
                    event_id: None,
                    value_minor: None,
                    currency: None,
                },
                Step::Stage { id, stage, source, event_id, value } => StepView {
                    at: at.to_string(),
                    step: "stage".into(),
                    id: id.to_string(),
                    kind: stage.as_str().into(),
                    channel: None,
                    link: None,
                    form: None,
                    shared: false,
                    source: Some(source),
                    event_id: Some(event_id),
                    value_minor: value.map(|v| v.minor),
                    currency: value.map(|v| v.currency.code().to_owned()),
                },
            })
            .collect();
        Self { person: j.person, members: j.members, steps }
    }
}

/// Journeys of the people with the newest stage events, 50 at most.
#[utoipa::path(get, path = "/api/v1/people", tag = "people", responses((status = 200, body = Listed<JourneyView>)))]
pub(crate) async fn list_people(
    _caller: Can<ReportsRead>,
    state: Data<State>,
) -> Result<Json<Listed<JourneyView>>, Problem> {
    let list = state.db.read(|conn| Ok(journey::latest(conn, 50))).await??;
    Ok(Json(Listed::whole(list.into_iter().map(Into::into).collect())))
}

/// One person's journey, by any person id of the cluster.
#[utoipa::path(get, path = "/api/v1/people/{id}", tag = "people", params(("id" = String, Path)),
    responses((status = 200, body = JourneyView), (status = 404, body = ProblemBody)))]
pub(crate) async fn get_person(
    _caller: Can<ReportsRead>,
    state: Data<State>,
    path: Path<String>,
) -> Result<Json<JourneyView>, Problem> {
    let id: PersonId = path.parse()?;
    let found = state.db.read(move |conn| Ok(journey::of_person(conn, id))).await??;
    Ok(Json(found.into()))
}

/// Two persons on whom a verdict is given.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PairBody {
    /// One: a person's id, or a contact id such as `crm:51`.
    person: String,
    /// The other, likewise. A contact that no event has told of yet is taken, too.
    other: String,
}

/// Records that two persons are one.
#[utoipa::path(post, path = "/api/v1/people/merge", tag = "people", request_body = PairBody,
    responses((status = 204), (status = 404, body = ProblemBody), (status = 422, body = ProblemBody)))]
pub(crate) async fn merge(
    Can { author, input: body, .. }: Can<ConversionsWrite, Json<PairBody>>,
    state: Data<State>,
) -> Result<HttpResponse, Problem> {
    judge(author, &state, &body, true).await
}

/// Records that two persons are not one, whatever keys they share.
#[utoipa::path(post, path = "/api/v1/people/unmerge", tag = "people", request_body = PairBody,
    responses((status = 204), (status = 404, body = ProblemBody), (status = 422, body = ProblemBody)))]
pub(crate) async fn unmerge(
    Can { author, input: body, .. }: Can<ConversionsWrite, Json<PairBody>>,
    state: Data<State>,
) -> Result<HttpResponse, Problem> {
    judge(author, &state, &body, false).await
}

async fn judge(author: Author, state: &State, body: &PairBody, merged: bool) -> Result<HttpResponse, Problem> {
    let pair = [named(&body.person, "person")?, named(&body.other, "other")?];
    state.db.write(move |conn| matching::judge(conn, &pair, merged, &author)).await?;
    Ok(HttpResponse::NoContent().finish())
}

fn named(text: &str, field: &str) -> Result<Named, Fault> {
    match text.parse().map_err(|f: Fault| f.named(field))? {
        Target::Person(id) => Ok(Named::Person(id)),
        Target::Contact(key) => Ok(Named::Contact(key)),
        Target::Click(_) | Target::Visitor(_) => Err(Fault::new(
            field,
            "target-unfit",
            "a click or a browser is no person; give a person's id or a contact id such as crm:51",
        )),
    }
}

/// A click id or browser that two known people brought. The first keeps it; nobody is fused.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct SharedKeyView {
    kind: String,
    value: String,
    #[schema(value_type = String)]
    owner: PersonId,
    #[schema(value_type = String)]
    other: PersonId,
}

/// Lists weak keys that known people share.
#[utoipa::path(get, path = "/api/v1/people/shared", tag = "people", responses((status = 200, body = Listed<SharedKeyView>)))]
pub(crate) async fn list_shared(
    _caller: Can<ReportsRead>,
    state: Data<State>,
) -> Result<Json<Listed<SharedKeyView>>, Problem> {
    let shared = state
        .db
        .read(|conn| {
            let as_of = ledger::horizon(conn)?;
            Ok(reports::people(conn, &Moments::all(as_of))?.shared)
        })
        .await?;
    Ok(Json(Listed::whole(
        shared
            .into_iter()
            .map(|s| SharedKeyView {
                kind: s.key.kind().to_owned(),
                value: s.key.value(),
                owner: s.owner,
                other: s.other,
            })
            .collect(),
    )))
}
