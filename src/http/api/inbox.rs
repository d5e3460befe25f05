//! The inbox by API: what came in, what became of it, and reading it again.

use actix_web::web::{Data, Json, Path, Query};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use super::Listed;
use super::conversions::VerdictView;
use crate::domain::fault::Fault;
use crate::domain::ids::DeliveryId;
use crate::http::auth::{Can, EndpointsWrite, InboxRead, Scope};
use crate::http::problem::{Problem, ProblemBody};
use crate::http::state::State;
use crate::jobs::find_deliveries::{self, Asked, Opened};
use crate::jobs::replay::{self, Replayed};
use crate::store::deliveries::{self, Cursor, InboxRow};

/// Deliveries that one call reads again at most.
const REPLAY_MAX: i64 = 1_000;

/// Which items to list.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct InboxQuery {
    /// An endpoint's id, such as `end_1`.
    endpoint: Option<String>,
    /// stored, duplicate, quarantined, ignored, needs-enrichment or pending; all if not given.
    status: Option<String>,
    /// The code of a reason, such as conflict.
    code: Option<String>,
    /// First day (UTC) or time of receipt.
    from: Option<String>,
    /// Last day (UTC) or time of receipt.
    to: Option<String>,
    /// An id of a delivery, a stage event or a person, the sender's id of an event or a message, or an email address.
    q: Option<String>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
    /// 1 to 1000; 100 if not given.
    limit: Option<i64>,
}

/// Which deliveries to read again; one of the fields at least.
#[derive(Debug, Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ReplayBody {
    /// An endpoint's id.
    #[schema(example = "end_1")]
    endpoint: Option<String>,
    /// Deliveries with an item of this verdict.
    #[schema(example = "quarantined")]
    status: Option<String>,
    /// Deliveries with an item of this code.
    code: Option<String>,
    /// First day (UTC) or time of receipt.
    from: Option<String>,
    /// Last day (UTC) or time of receipt.
    to: Option<String>,
    /// As in the list.
    q: Option<String>,
    /// `next_cursor` of the call before.
    cursor: Option<String>,
    /// 1 to 1000 deliveries in one call; 1000 if not given.
    limit: Option<i64>,
}

/// One item of a delivery.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct DeliveryView {
    #[schema(value_type = String)]
    delivery: DeliveryId,
    received_at: String,
    source: String,
    /// Bytes of the delivery's body.
    bytes: i64,
    #[serde(flatten)]
    verdict: VerdictView,
}

impl From<InboxRow> for DeliveryView {
    fn from(row: InboxRow) -> Self {
        Self {
            delivery: row.item.delivery,
            received_at: row.received_at.to_string(),
            source: row.source,
            bytes: row.bytes,
            verdict: row.item.into(),
        }
    }
}

/// A header as it came in.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct HeaderView {
    name: String,
    value: String,
}

/// One delivery.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct OpenedView {
    #[schema(value_type = String)]
    delivery: DeliveryId,
    received_at: String,
    source: String,
    /// The endpoint; absent for the API.
    endpoint: Option<String>,
    /// The sender's id of the message.
    message_id: Option<String>,
    method: String,
    content_type: Option<String>,
    /// Bytes of the body.
    bytes: u64,
    /// When body and headers were removed.
    removed_at: Option<String>,
    /// What became of the items.
    items: Vec<VerdictView>,
    /// What followed the endpoint's address; only to keys with deliveries:read.
    target: Option<String>,
    /// Headers without secrets and addresses; only to keys with deliveries:read.
    headers: Option<Vec<HeaderView>>,
    /// Headers beyond what is kept of one request; only to keys with deliveries:read.
    headers_left_out: Option<u64>,
    /// The body where it is text; only to keys with deliveries:read.
    body: Option<String>,
    /// The body in base64 where it is no text; only to keys with deliveries:read.
    body_base64: Option<String>,
}

impl OpenedView {
    fn of(opened: Opened, shows_content: bool) -> Self {
        let Opened { kept, head, body, items } = opened;
        let delivery = kept.delivery;
        let (mut text, mut encoded) = (None, None);
        match body.filter(|_| shows_content).map(String::from_utf8) {
            Some(Ok(body)) => text = Some(body),
            Some(Err(bytes)) => encoded = Some(STANDARD.encode(bytes.as_bytes())),
            None => {}
        }
        let headers = head.headers.into_iter().map(|(name, value)| HeaderView { name, value }).collect();
        Self {
            delivery: delivery.id,
            received_at: delivery.received_at.to_string(),
            source: delivery.source,
            endpoint: delivery.endpoint.map(|e| e.to_string()),
            message_id: delivery.message_id,
            method: delivery.method,
            content_type: delivery.content_type,
            bytes: delivery.bytes,
            removed_at: kept.removed_at.map(|at| at.to_string()),
            items: items.into_iter().map(Into::into).collect(),
            target: shows_content.then_some(head.target),
            headers: shows_content.then_some(headers),
            headers_left_out: shows_content.then_some(head.headers_left_out),
            body: text,
            body_base64: encoded,
        }
    }
}

/// What a replay did.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct ReplayedView {
    /// Deliveries that were read again.
    deliveries: u64,
    /// Of them, those whose body has been removed: they are as they were.
    without_body: u64,
    /// Of them, those that the database refused to have read: they are as they were.
    refused: u64,
    /// Items that became events.
    stored: u64,
    /// Items whose event was voided and stored anew, as it reads differently now.
    changed: u64,
    /// Items that read as before, or repeat another's event.
    duplicate: u64,
    quarantined: u64,
    ignored: u64,
    needs_enrichment: u64,
    /// Send it as `cursor` to go on; absent when all are done.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

impl ReplayedView {
    fn of(r: Replayed, next: Option<DeliveryId>) -> Self {
        Self {
            deliveries: r.deliveries,
            without_body: r.without_body,
            refused: r.refused,
            stored: r.stored,
            changed: r.changed,
            duplicate: r.duplicate,
            quarantined: r.quarantined,
            ignored: r.ignored,
            needs_enrichment: r.needs_enrichment,
            next_cursor: next.map(|id| id.to_string()),
        }
    }
}

/// Writes a cursor: delivery and item.
pub(in crate::http) fn cursor_text(at: Cursor) -> String {
    format!("{}.{}", at.delivery, at.item)
}

/// Reads a cursor.
pub(in crate::http) fn cursor_of(text: &str) -> Result<Cursor, Fault> {
    let parts = text.split_once('.').and_then(|(d, i)| Some((d.parse().ok()?, i.parse().ok()?)));
    let (delivery, item) = parts.ok_or_else(|| {
        Fault::new("cursor", "cursor-malformed", "it is not the `next_cursor` of a page; begin again without it")
    })?;
    Ok(Cursor { delivery, item })
}

/// The last of a full page.
pub(in crate::http) fn next_of(rows: &[InboxRow], limit: i64) -> Option<Cursor> {
    let is_full = i64::try_from(rows.len()).is_ok_and(|n| n >= limit);
    rows.last().filter(|_| is_full).map(|r| Cursor { delivery: r.item.delivery, item: r.item.item })
}

/// Lists items of deliveries, newest first.
#[utoipa::path(get, path = "/api/v1/deliveries", tag = "inbox", params(InboxQuery),
    responses((status = 200, body = Listed<DeliveryView>), (status = 422, body = ProblemBody)))]
pub(crate) async fn list_deliveries(
    Can { input: query, .. }: Can<InboxRead, Query<InboxQuery>>,
    state: Data<State>,
) -> Result<Json<Listed<DeliveryView>>, Problem> {
    let query = query.into_inner();
    let asked = asked([query.endpoint, query.status, query.code, query.from, query.to, query.q]);
    let filter = asked.filter(&state.secret).map_err(Problem::invalid)?;
    let after = query.cursor.as_deref().map(cursor_of).transpose()?;
    let limit = query.limit.unwrap_or(100).clamp(1, 1_000);
    let rows = state.db.read(move |conn| deliveries::list(conn, &filter, after, limit)).await?;
    let next_cursor = next_of(&rows, limit).map(cursor_text);
    Ok(Json(Listed { items: rows.into_iter().map(Into::into).collect(), next_cursor }))
}

fn asked([endpoint, status, code, from, to, q]: [Option<String>; 6]) -> Asked {
    let text = |t: Option<String>| t.unwrap_or_default();
    Asked {
        endpoint: text(endpoint),
        status: text(status),
        code: text(code),
        from: text(from),
        to: text(to),
        q: text(q),
    }
}

/// Shows one delivery; what may hold personal data only to keys with deliveries:read.
#[utoipa::path(get, path = "/api/v1/deliveries/{id}", tag = "inbox", params(("id" = String, Path)),
    responses((status = 200, body = OpenedView), (status = 404, body = ProblemBody)))]
pub(crate) async fn get_delivery(
    caller: Can<InboxRead>,
    state: Data<State>,
    path: Path<String>,
) -> Result<Json<OpenedView>, Problem> {
    let (id, context): (DeliveryId, _) = (path.parse()?, state.intake());
    let opened = state.db.read(move |conn| find_deliveries::open(conn, &context, id)).await?;
    let shows_content = caller.require(Scope::DeliveriesRead).is_ok();
    Ok(Json(OpenedView::of(opened, shows_content)))
}

/// Reads a delivery again, as after a mapping change.
///
/// An event that reads differently now is voided and stored anew at one moment; one that reads as before stands. Where an
/// item cannot be read now, nothing that stands is changed.
#[utoipa::path(post, path = "/api/v1/deliveries/{id}/replay", tag = "inbox", params(("id" = String, Path)),
    responses((status = 200, body = Listed<VerdictView>), (status = 404, body = ProblemBody), (status = 422, body = ProblemBody)))]
pub(crate) async fn replay_delivery(
    _caller: Can<EndpointsWrite>,
    state: Data<State>,
    path: Path<String>,
) -> Result<Json<Listed<VerdictView>>, Problem> {
    let id: DeliveryId = path.parse()?;
    let (context, now) = (state.intake(), state.clock.now());
    let read = state.db.write(move |conn| replay::one(conn, &context, id, now)).await?;
    Ok(Json(Listed::whole(read.items.into_iter().map(Into::into).collect())))
}

/// Reads every delivery again that has an item which the filter names, oldest first.
#[utoipa::path(post, path = "/api/v1/deliveries/replay", tag = "inbox", request_body = ReplayBody,
    responses((status = 200, body = ReplayedView), (status = 422, body = ProblemBody)))]
pub(crate) async fn replay_deliveries(
    Can { input: body, .. }: Can<EndpointsWrite, Json<ReplayBody>>,
    state: Data<State>,
) -> Result<Json<ReplayedView>, Problem> {
    let body = body.into_inner();
    let asked = asked([body.endpoint, body.status, body.code, body.from, body.to, body.q]);
    if asked.is_empty() {
        let why = "name an endpoint, a status, a code, a time or an id: without any, everything would be read again";
        return Err(Fault::new("filter", "filter-missing", why).into());
    }
    let filter = asked.filter(&state.secret).map_err(Problem::invalid)?;
    let after: Option<DeliveryId> = body.cursor.as_deref().map(str::parse).transpose()?;
    let limit = body.limit.unwrap_or(REPLAY_MAX).clamp(1, REPLAY_MAX);
    let (replayed, next) = run(&state, filter, after, limit).await?;
    Ok(Json(ReplayedView::of(replayed, next)))
}

/// Reads deliveries again on a thread of its own: it takes several transactions.
pub(in crate::http) async fn run(
    state: &Data<State>,
    filter: deliveries::Filter,
    after: Option<DeliveryId>,
    limit: i64,
) -> Result<(Replayed, Option<DeliveryId>), Problem> {
    let shared = state.clone();
    let work = move || replay::many(&shared.db, &shared.intake(), &filter, after, limit, &|| shared.clock.now());
    let done = tokio::task::spawn_blocking(work).await;
    let done = done.map_err(|why| crate::store::StoreError::Other(format!("a replay: {why}")))?;
    Ok(done?)
}
