//! Stage events by API.

use actix_web::web::{Data, Json, Path, Payload};
use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;

use crate::connectors::headers;
use crate::domain::delivery::{Delivery, RequestHead, Sealed};
use crate::domain::ids::{DeliveryId, StageEventId};
use crate::http::auth::{Can, ConversionsWrite};
use crate::http::hooks::{headers_of, read_body};
use crate::http::problem::{Problem, ProblemBody};
use crate::http::state::State;
use crate::jobs::intake::{self, ApiBody, Reading};
use crate::store::deliveries::{self, Item, Verdict};
use crate::store::{StoreError, fact_id, stage_events};

/// A stage event as the API takes it.
#[derive(Debug, serde::Deserialize, utoipa::ToSchema)]
#[expect(dead_code, reason = "documents the fields that domain::intake::EventInput reads")]
pub struct ConversionBody {
    /// Your id of the event: the duplicate key within its source.
    #[schema(example = "lead-4711")]
    event_id: String,
    /// lead, mql, sql, opportunity, customer, sale, refund, lost or rejected.
    #[schema(example = "lead")]
    stage: String,
    /// RFC 3339; any time in the past.
    #[schema(example = "2026-03-01T10:00:00Z")]
    occurred_at: String,
    /// The click id (`hw_id`) that came back from the landing page.
    click_id: Option<String>,
    /// The visitor id, where you know it.
    visitor_id: Option<String>,
    /// Only a keyed hash is kept.
    email: Option<String>,
    /// Contact id, `namespace:id`.
    #[schema(example = "crm:51")]
    person: Option<String>,
    /// Deal, order, invoice or form response, `namespace:id`.
    #[schema(example = "deal:7")]
    subject: Option<String>,
    /// What a refund belongs to: the event id or the subject of its sale.
    parent: Option<String>,
    /// Decimal amount.
    #[schema(example = "480.00")]
    value: Option<String>,
    /// The amount in minor units, instead of `value`.
    value_minor: Option<i64>,
    /// ISO 4217.
    #[schema(example = "EUR")]
    currency: Option<String>,
    /// The person's answer to "how did you hear about us", at most 200 characters on one line; kept as it is.
    #[schema(example = "a podcast")]
    self_reported: Option<String>,
    /// A lead given inside a network's own form. With the place of its form it makes a touch of the kind `form`.
    network_lead: Option<NetworkLeadBody>,
}

/// A network's own ids of a lead that was given inside it.
#[derive(Debug, serde::Deserialize, utoipa::ToSchema)]
#[expect(dead_code, reason = "documents the fields that domain::intake::NetworkLead reads")]
pub struct NetworkLeadBody {
    /// facebook, instagram, linkedin, or another network.
    #[schema(example = "instagram")]
    network: String,
    /// The id of the lead; by it alone the person is known, too.
    #[schema(example = "1459076748710713")]
    lead_id: Option<String>,
    /// The ad, or LinkedIn's creative.
    ad_id: Option<String>,
    /// The ad set or ad group.
    adset_id: Option<String>,
    /// The campaign.
    #[schema(example = "120210000000000022")]
    campaign_id: Option<String>,
    /// The form.
    form_id: Option<String>,
}

/// Several events.
#[derive(Debug, serde::Deserialize, utoipa::ToSchema)]
#[expect(dead_code, reason = "documents the fields that jobs::intake::ApiBatch reads")]
pub struct ConversionBatch {
    /// Whose event ids they are; `api` if not given.
    source: Option<String>,
    /// 1 to 1000 events.
    events: Vec<ConversionBody>,
}

/// What became of one event.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct VerdictView {
    /// Its place in the batch.
    item: i64,
    /// stored, duplicate, quarantined, ignored, needs-enrichment or pending (stored raw, read in a moment).
    #[schema(value_type = String, example = "stored")]
    status: Verdict,
    /// Whether it was told before.
    duplicate: bool,
    event_id: Option<String>,
    /// The stage event it became, repeats or contradicts.
    #[schema(value_type = Option<String>)]
    event: Option<StageEventId>,
    /// Why it was quarantined, or the rule by which it was ignored.
    code: Option<String>,
    /// The same in words, with the remedy.
    detail: Option<String>,
}

impl From<Item> for VerdictView {
    fn from(i: Item) -> Self {
        let duplicate = i.verdict == Verdict::Duplicate;
        Self {
            item: i.item,
            status: i.verdict,
            duplicate,
            event_id: i.event_id,
            event: i.stage_event,
            code: i.code,
            detail: i.detail,
        }
    }
}

/// What became of a call.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct Received {
    /// The delivery under which the body is kept.
    #[schema(value_type = String)]
    delivery: DeliveryId,
    /// A verdict for each event, in order.
    items: Vec<VerdictView>,
}

/// Posts one event or a batch.
///
/// The body is stored before it is read. A batch answers 200 with a verdict for each item; a single event
/// answers 201 when new, 200 when it was told before, 409 when it contradicts what was told, 422 when it cannot be read.
#[utoipa::path(post, path = "/api/v1/conversions", tag = "conversions", request_body = ConversionBatch,
    responses((status = 200, body = Received), (status = 201, body = Received), (status = 409, body = Received), (status = 422, body = Received),
        (status = 400, body = ProblemBody), (status = 503, body = ProblemBody)))]
pub(crate) async fn post_conversions(
    _caller: Can<ConversionsWrite>,
    request: HttpRequest,
    state: Data<State>,
    payload: Payload,
) -> Result<HttpResponse, Problem> {
    let body = read_body(payload, state.config.intake.body_bytes_max).await?;
    let (source, events, is_batch) = ApiBody::parse(&body)?;
    let received_at = state.clock.now();
    let id = DeliveryId(fact_id(received_at));
    let kept = headers::kept_of_call(&headers_of(&request));
    let head = RequestHead { target: String::new(), headers: kept.headers, headers_left_out: kept.left_out };
    let delivery = Delivery {
        id,
        endpoint: None,
        source: source.as_str().to_owned(),
        received_at,
        message_id: None,
        method: "POST".to_owned(),
        content_type: Some("application/json".to_owned()),
        bytes: body.len() as u64,
        sealed_head: state.intake().seal_head(&head)?,
        sealed_body: Sealed(state.secret.seal(&body)?),
    };
    let count = i64::try_from(events.len()).unwrap_or(0);
    let items = store_and_read(&state, delivery, count).await?;
    let mut response = match items.first() {
        Some(item) if !is_batch => match (item.verdict, item.code.as_deref()) {
            (Verdict::Stored, _) => HttpResponse::Created(),
            (Verdict::Quarantined, Some("conflict")) => HttpResponse::Conflict(),
            (Verdict::Quarantined, _) => HttpResponse::UnprocessableEntity(),
            _ => HttpResponse::Ok(),
        },
        _ => HttpResponse::Ok(),
    };
    Ok(response.json(Received { delivery: id, items: items.into_iter().map(Into::into).collect() }))
}

/// Stores a delivery in one transaction and reads it in a second. Once the first is committed the sender is told yes,
/// whatever happens to the second: what it leaves pending is read later.
async fn store_and_read(state: &State, delivery: Delivery, items: i64) -> Result<Vec<Item>, StoreError> {
    let id = delivery.id;
    state.db.write(move |conn| deliveries::insert(conn, &[delivery], items)).await?;
    let (context, now) = (state.intake(), state.clock.now());
    match state.db.write(move |conn| intake::read_delivery(conn, &context, id, Reading::First, now)).await {
        Err(error) if error.is_passing() => {
            tracing::warn!(delivery.id = %id, error = %error, "a delivery is stored and will be read later");
            Ok((0..items).map(|item| Item::pending(id, item)).collect())
        }
        Err(error) => {
            tracing::warn!(delivery.id = %id, error = %error, "a delivery is set aside");
            state.db.write(move |conn| intake::set_aside(conn, &[id])).await
        }
        Ok(read) => Ok(read.items),
    }
}

/// Voids a stage event: from now on it never happened. Reports of an earlier `as_of` keep it.
#[utoipa::path(delete, path = "/api/v1/conversions/{id}", tag = "conversions", params(("id" = String, Path)),
    responses((status = 204), (status = 404, body = ProblemBody)))]
pub(crate) async fn void_conversion(
    caller: Can<ConversionsWrite>,
    state: Data<State>,
    path: Path<String>,
) -> Result<HttpResponse, Problem> {
    let id: StageEventId = path.parse()?;
    state.db.write(move |conn| stage_events::void(conn, id, &caller.author)).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// A list of stage events, for `GET /api/v1/conversions`.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct StageEventView {
    #[schema(value_type = String)]
    id: StageEventId,
    source: String,
    event_id: String,
    stage: String,
    occurred_at: String,
    person: Option<String>,
    subject: Option<String>,
    value_minor: Option<i64>,
    currency: Option<String>,
}

/// Lists the newest stage events, 200 at most.
#[utoipa::path(get, path = "/api/v1/conversions", tag = "conversions", responses((status = 200, body = super::Listed<StageEventView>)))]
pub(crate) async fn list_conversions(
    _caller: Can<crate::http::auth::ReportsRead>,
    state: Data<State>,
) -> Result<Json<super::Listed<StageEventView>>, Problem> {
    let list = state.db.read(|conn| stage_events::list(conn, 200)).await?;
    Ok(Json(super::Listed::whole(
        list.into_iter()
            .map(|e| StageEventView {
                id: e.id,
                source: e.source.as_str().to_owned(),
                event_id: e.event_id,
                stage: e.stage.as_str().to_owned(),
                occurred_at: e.occurred_at.to_string(),
                person: e.person.map(|p| p.to_string()),
                subject: e.subject.map(|s| s.as_str().to_owned()),
                value_minor: e.value.map(|v| v.minor),
                currency: e.value.map(|v| v.currency.code().to_owned()),
            })
            .collect(),
    )))
}
