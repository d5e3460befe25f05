//! Erasures by API: a person's data erased on request, and the list of what was.

use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::web::{Data, Json};
use serde::{Deserialize, Serialize};

use super::Listed;
use crate::domain::erasure::{Counts, Named, Whom, checked_reason};
use crate::domain::fault::Fault;
use crate::domain::ids::{DeliveryId, ErasureId};
use crate::domain::intake::IntakeDefaults;
use crate::http::auth::{Can, ErasuresRead, PeopleErase};
use crate::http::problem::{Problem, ProblemBody, ProblemKind};
use crate::http::state::State;
use crate::jobs::erase::{self, Wish};
use crate::jobs::intake::IntakeContext;
use crate::store::StoreError;
use crate::store::erasure::{self, Erasure};
use crate::store::labels::Author;

/// Erasures of one list.
const LIST_MAX: i64 = 1_000;
/// How long an erasure waits for what is on its way to the database.
const PATIENCE: Duration = Duration::from_secs(20);

/// Whose data is to be erased: one name at least. All of them are one person's.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ErasureBody {
    /// An email address. It becomes a keyed hash at once and is in no log.
    email: Option<String>,
    /// A person's id, `per_…`.
    person: Option<String>,
    /// A contact id such as `crm:51`.
    contact: Option<String>,
    /// A click id, in any dress.
    click_id: Option<String>,
    /// A browser, `vis_…`.
    visitor_id: Option<String>,
    /// A deal, an order or a form response such as `deal:4711`.
    subject: Option<String>,
    /// Why, such as a case number. It is kept for good and must not name the person.
    reason: Option<String>,
    /// Only count what would be erased.
    #[serde(default)]
    dry_run: bool,
}

impl std::fmt::Debug for ErasureBody {
    /// Without the names: they are what is to be forgotten.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ErasureBody").field("dry_run", &self.dry_run).finish_non_exhaustive()
    }
}

/// How much was erased, or would be, by kind.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct CountsView {
    /// Persons of the cluster that got another id.
    persons: u64,
    /// Address hashes, contact ids, click ids, browsers and subjects that got another value.
    keys: u64,
    /// Identity facts that held them.
    identity_facts: u64,
    /// Stage events: sender's id, subject, parent and answer.
    stage_events: u64,
    /// Touches: click id, browser, network click ids, page.
    touches: u64,
    /// Deliveries of which body and headers were removed.
    deliveries: u64,
    /// Items of those deliveries that are somebody else's and cannot be read again.
    unreadable_items: u64,
    /// Answers of vendors that went with them.
    lookups: u64,
    /// Uploaded files that waited to be imported.
    uploads: u64,
}

impl From<Counts> for CountsView {
    fn from(c: Counts) -> Self {
        Self {
            persons: c.persons,
            keys: c.keys,
            identity_facts: c.identity_facts,
            stage_events: c.stage_events,
            touches: c.touches,
            deliveries: c.deliveries,
            unreadable_items: c.unreadable_items,
            lookups: c.lookups,
            uploads: c.uploads,
        }
    }
}

/// That an erasure happened; of a dry run, what it would take.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct ErasureView {
    /// `era_…`; `null` for a dry run.
    #[schema(value_type = Option<String>)]
    pub id: Option<ErasureId>,
    /// When.
    pub recorded_at: Option<String>,
    /// Who asked for it: a user, a key, the command line, an endpoint.
    pub recorded_by: Option<String>,
    /// Why.
    pub reason: Option<String>,
    /// By what kinds of names: `email`, `contact click`.
    pub asked: String,
    /// The webhook that asked for it.
    #[schema(value_type = Option<String>)]
    pub delivery: Option<DeliveryId>,
    /// How much.
    pub counts: CountsView,
}

impl From<Erasure> for ErasureView {
    fn from(e: Erasure) -> Self {
        Self {
            id: Some(e.id),
            recorded_at: Some(e.recorded_at.to_string()),
            recorded_by: Some(e.recorded_by),
            reason: e.reason,
            asked: e.asked,
            delivery: e.delivery,
            counts: e.counts.into(),
        }
    }
}

impl ErasureView {
    /// What a dry run counted.
    pub fn of_dry_run(whom: &[Whom], counts: Counts) -> Self {
        let asked: Vec<&str> = whom.iter().map(Whom::kind).collect();
        Self {
            id: None,
            recorded_at: None,
            recorded_by: None,
            reason: None,
            asked: asked.join(" "),
            delivery: None,
            counts: counts.into(),
        }
    }
}

/// Reads names by the rules of this installation; the same for the API, the page and the command line.
pub fn whom(named: &Named, context: &IntakeContext) -> Result<Vec<Whom>, Vec<Fault>> {
    let defaults = IntakeDefaults { currency: None, namespace: context.person_namespace.clone(), zone: None };
    named.whom(&defaults, &|email| context.secret.email_hash(email))
}

/// Erases a person's data: identities become random ones, and no figure of any report moves.
///
/// It cannot be undone. What is on its way to the database is loaded before. With `dry_run` it only counts, and
/// answers 200. Somebody of whom nothing is held is recorded as such.
#[utoipa::path(post, path = "/api/v1/erasures", tag = "erasures", request_body = ErasureBody,
    responses((status = 201, body = ErasureView), (status = 200, body = ErasureView), (status = 404, body = ProblemBody), (status = 422, body = ProblemBody), (status = 503, body = ProblemBody)))]
pub(crate) async fn create_erasure(
    Can { author, input: body, .. }: Can<PeopleErase, Json<ErasureBody>>,
    state: Data<State>,
) -> Result<HttpResponse, Problem> {
    let ErasureBody { email, person, contact, click_id, visitor_id, subject, reason, dry_run } = body.into_inner();
    let named = Named { email, person, contact, click: click_id, visitor: visitor_id, subject };
    let context = state.intake();
    let whom = whom(&named, &context).map_err(StoreError::Refused)?;
    let reason = checked_reason(reason.as_deref())?;
    if dry_run {
        let counts = dry(&state, whom.clone()).await?;
        return Ok(HttpResponse::Ok().json(ErasureView::of_dry_run(&whom, counts)));
    }
    let record = run(&state, Wish { whom, reason, delivery: None }, author).await?;
    Ok(HttpResponse::Created().json(ErasureView::from(record)))
}

/// Counts what an erasure would take.
pub(in crate::http) async fn dry(state: &Data<State>, whom: Vec<Whom>) -> Result<Counts, Problem> {
    let context = state.intake();
    Ok(state.db.read(move |conn| erase::look(conn, &context, &whom)).await?)
}

/// Erases, after loading all that was answered before: it must not come in behind the erasure.
pub(in crate::http) async fn run(state: &Data<State>, wish: Wish, author: Author) -> Result<Erasure, Problem> {
    let (state, context) = (state.clone(), state.intake());
    let work = move || {
        if !(state.writer.wait_drained(PATIENCE)
            && state.delivery_writer.wait_drained(PATIENCE)
            && state.inbox.wait_read(PATIENCE))
        {
            let why = "clicks or deliveries that came in before are not loaded yet, and would come in behind the erasure; \
                       try again when the database keeps up";
            return Err(Problem::new(ProblemKind::Unavailable, why));
        }
        erase::run(&state.db, &context, &wish, &author).map_err(Problem::from)
    };
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| Problem::new(ProblemKind::Internal, error.to_string()))?
}

/// Lists the newest erasures, 1,000 at most: when, by whom, why and how much; never who it was.
#[utoipa::path(get, path = "/api/v1/erasures", tag = "erasures", responses((status = 200, body = Listed<ErasureView>)))]
pub(crate) async fn list_erasures(
    _caller: Can<ErasuresRead>,
    state: Data<State>,
) -> Result<Json<Listed<ErasureView>>, Problem> {
    let list = state.db.read(|conn| erasure::list(conn, LIST_MAX)).await?;
    Ok(Json(Listed::whole(list.into_iter().map(Into::into).collect())))
}
