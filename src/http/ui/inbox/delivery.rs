//! One delivery: what came in, what became of it, and reading it again.

use actix_web::web::{Data, Path, Query};
use askama::Template;
use serde::Deserialize;

use super::super::page::{Marked, PageResult, Shell, count, marked, money, ok, see, when};
use super::super::session::{Posted, SignedIn};
use crate::domain::delivery::readable;
use crate::domain::ids::{DeliveryId, StageEventId};
use crate::domain::stage::StageEvent;
use crate::http::state::State;
use crate::jobs::{find_deliveries, replay as replay_job};
use crate::store::deliveries::Item;
use crate::store::{endpoints, stage_events};

/// Longest body that a page shows, in characters; the API gives all of it.
const BODY_SHOWN_MAX: usize = 200_000;

/// A flash code.
#[derive(Debug, Default, Deserialize)]
pub(in crate::http::ui) struct Done {
    done: Option<String>,
}

struct ItemRow {
    number: i64,
    event_id: String,
    verdict: &'static str,
    code: String,
    reason: Marked,
    event: Option<EventRow>,
}

/// The event that an item became, repeats or contradicts.
struct EventRow {
    words: String,
    href: Option<String>,
}

#[derive(Template)]
#[template(path = "delivery.html")]
struct DeliveryPage {
    shell: Shell,
    id: String,
    facts: Vec<(&'static str, String)>,
    items: Vec<ItemRow>,
    headers: Vec<(String, String)>,
    headers_left_out: u64,
    body: Option<String>,
    /// Where it came in, whose words can be given another meaning.
    endpoint: Option<String>,
    is_cut: bool,
    is_binary: bool,
    removed: Option<String>,
}

/// `GET /app/inbox/{id}`
pub(in crate::http::ui) async fn show(
    who: SignedIn,
    state: Data<State>,
    path: Path<String>,
    query: Query<Done>,
) -> PageResult {
    let (id, context): (DeliveryId, _) = (path.parse()?, state.intake());
    let (opened, name, events) = state
        .db
        .read(move |conn| {
            let opened = find_deliveries::open(conn, &context, id)?;
            let name = match opened.kept.delivery.endpoint {
                Some(endpoint) => endpoints::get(conn, endpoint)?.name,
                None => opened.kept.delivery.source.clone(),
            };
            let ids: Vec<StageEventId> = opened.items.iter().filter_map(|i| i.stage_event).collect();
            Ok((opened, name, stage_events::get_all(conn, &ids)?))
        })
        .await?;
    let delivery = &opened.kept.delivery;
    let mut facts = vec![
        ("From", name),
        ("Received (UTC)", when(delivery.received_at)),
        ("Request", format!("{} {}", delivery.method, opened.head.target)),
        ("Bytes", count(i64::try_from(delivery.bytes).unwrap_or(i64::MAX))),
    ];
    facts.extend(delivery.content_type.clone().map(|t| ("Content type", t)));
    facts.extend(delivery.message_id.clone().map(|m| ("Message id", m)));
    let text = opened.body.as_deref().map(|body| readable(delivery.content_type.as_deref(), body));
    let is_binary = matches!(text, Some(None));
    let text = text.flatten();
    let is_cut = text.as_ref().is_some_and(|t| t.len() > BODY_SHOWN_MAX);
    ok(&DeliveryPage {
        shell: Shell::new("inbox", "Delivery", &who.session).after(query.done.as_deref()),
        id: delivery.id.to_string(),
        endpoint: delivery.endpoint.map(|e| e.to_string()),
        facts,
        items: opened.items.into_iter().map(|item| item_row(item, &events)).collect(),
        headers: opened.head.headers,
        headers_left_out: opened.head.headers_left_out,
        body: text.map(|t| if is_cut { t.chars().take(BODY_SHOWN_MAX).collect() } else { t }),
        is_cut,
        is_binary,
        removed: opened.kept.removed_at.map(when),
    })
}

/// `POST /app/inbox/{id}/replay`
pub(in crate::http::ui) async fn replay(_posted: Posted, state: Data<State>, path: Path<String>) -> PageResult {
    let id: DeliveryId = path.parse()?;
    let (context, now) = (state.intake(), state.clock.now());
    state.db.write(move |conn| replay_job::one(conn, &context, id, now)).await?;
    Ok(see(&format!("/app/inbox/{id}?done=replayed")))
}

fn item_row(item: Item, events: &[(StageEvent, bool)]) -> ItemRow {
    let event = item.stage_event.and_then(|id| events.iter().find(|(e, _)| e.id == id)).map(event_row);
    ItemRow {
        number: item.item + 1,
        event_id: item.event_id.unwrap_or_default(),
        verdict: item.verdict.as_str(),
        code: item.code.unwrap_or_default(),
        reason: marked(&item.detail.unwrap_or_default()),
        event,
    }
}

fn event_row((event, is_voided): &(StageEvent, bool)) -> EventRow {
    let value = event.value.map(|v| format!(", {}", money(v))).unwrap_or_default();
    let voided = if *is_voided { ", voided" } else { "" };
    EventRow {
        words: format!("{} on {}{value}{voided}", event.stage, when(event.occurred_at)),
        href: event.person.map(|p| format!("/app/people/{p}")),
    }
}
