//! Conversions: the newest stage events, and the inbox with what became of every item.

use std::collections::HashMap;

use actix_web::web::{Data, Path, Query};
use askama::Template;
use serde::Deserialize;

use super::page::{Marked, PageResult, Shell, count, marked, money, ok, see, when};
use super::session::{Posted, SignedIn};
use crate::domain::ids::DeliveryId;
use crate::domain::stage::{Source, StageEvent};
use crate::http::state::State;
use crate::jobs::{edit_endpoints, intake};
use crate::store::deliveries::{self, InboxRow, Verdict};
use crate::store::{endpoints, stage_events};

/// Rows of each list.
const ROWS: i64 = 100;

/// The query string of the page.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Filter {
    #[serde(default)]
    verdict: String,
    done: Option<String>,
}

struct EventRow {
    at: String,
    stage: &'static str,
    person: Option<String>,
    person_short: String,
    subject: String,
    value: String,
    source: String,
    event_id: String,
}

struct ItemRow {
    received: String,
    delivery: String,
    source: String,
    event_id: String,
    verdict: &'static str,
    reason: Marked,
    code: String,
    can_replay: bool,
}

/// One verdict of the filter.
struct Tab {
    value: &'static str,
    label: &'static str,
    count: String,
    is_current: bool,
}

#[derive(Template)]
#[template(path = "conversions.html")]
struct ConversionsPage {
    shell: Shell,
    events: Vec<EventRow>,
    items: Vec<ItemRow>,
    tabs: Vec<Tab>,
    total: String,
    is_all: bool,
    has_quarantined: bool,
    verdict: &'static str,
}

/// `GET /app/conversions`
pub(super) async fn list(who: SignedIn, state: Data<State>, query: Query<Filter>) -> PageResult {
    let verdict: Option<Verdict> = query.verdict.parse().ok();
    let (events, inbox, counts, names) = state
        .db
        .read(move |conn| {
            let names: HashMap<String, String> = endpoints::list(conn)?
                .into_iter()
                .map(|e| (Source::endpoint(e.id).as_str().to_owned(), e.name))
                .collect();
            Ok((
                stage_events::list(conn, ROWS)?,
                deliveries::inbox(conn, verdict, ROWS)?,
                deliveries::counts(conn)?,
                names,
            ))
        })
        .await?;
    let number = |v: Verdict| counts.iter().find(|(k, _)| *k == v).map_or(0, |(_, n)| *n);
    let name = |source: &str| names.get(source).cloned().unwrap_or_else(|| source.to_owned());
    let tabs = Verdict::ALL
        .iter()
        .map(|v| Tab {
            value: v.as_str(),
            label: verdict_label(*v),
            count: count(number(*v)),
            is_current: verdict == Some(*v),
        })
        .collect();
    ok(&ConversionsPage {
        shell: Shell::new("conversions", "Conversions", &who.session).after(query.done.as_deref()),
        events: events.into_iter().map(|e| event_row(e, &name)).collect(),
        items: inbox.into_iter().map(|r| item_row(r, &name)).collect(),
        tabs,
        total: count(counts.iter().map(|(_, n)| n).sum()),
        is_all: verdict.is_none(),
        has_quarantined: number(Verdict::Quarantined) > 0,
        verdict: verdict.map_or("", Verdict::as_str),
    })
}

/// `POST /app/deliveries/{id}/replay`
pub(super) async fn replay(_posted: Posted, state: Data<State>, path: Path<String>) -> PageResult {
    let id: DeliveryId = path.parse()?;
    let (context, now) = (state.intake(), state.clock.now());
    state.db.write(move |conn| intake::read_delivery(conn, &context, id, now)).await?;
    Ok(see("/app/conversions?done=replayed#inbox"))
}

/// `POST /app/deliveries/replay`
pub(super) async fn replay_all(_posted: Posted, state: Data<State>) -> PageResult {
    let (context, now) = (state.intake(), state.clock.now());
    state.db.write(move |conn| edit_endpoints::replay_quarantined(conn, &context, now)).await?;
    Ok(see("/app/conversions?done=replayed-all#inbox"))
}

fn verdict_label(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Pending => "Pending",
        Verdict::Stored => "Stored",
        Verdict::Duplicate => "Duplicate",
        Verdict::Quarantined => "Quarantined",
        Verdict::Ignored => "Ignored",
    }
}

fn event_row(event: StageEvent, name: &impl Fn(&str) -> String) -> EventRow {
    let person = event.person.map(|p| p.to_string());
    EventRow {
        at: when(event.occurred_at),
        stage: event.stage.as_str(),
        person_short: person.as_deref().map(short).unwrap_or_default(),
        person,
        subject: event.subject.map(|s| s.as_str().to_owned()).unwrap_or_default(),
        value: event.value.map(money).unwrap_or_default(),
        source: name(event.source.as_str()),
        event_id: event.event_id,
    }
}

/// The end of an id, which tells two of them apart: their beginnings are times.
pub(super) fn short(id: &str) -> String {
    let (prefix, rest) = id.split_once('_').unwrap_or(("", id));
    let tail: String = rest.chars().skip(rest.chars().count().saturating_sub(6)).collect();
    format!("{prefix}_…{tail}")
}

fn item_row(row: InboxRow, name: &impl Fn(&str) -> String) -> ItemRow {
    ItemRow {
        received: when(row.received_at),
        delivery: row.item.delivery.to_string(),
        source: name(&row.source),
        event_id: row.item.event_id.unwrap_or_default(),
        verdict: row.item.verdict.as_str(),
        reason: marked(&row.item.detail.unwrap_or_default()),
        code: row.item.code.unwrap_or_default(),
        can_replay: row.item.verdict == Verdict::Quarantined,
    }
}
