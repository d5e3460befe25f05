//! Conversions: the newest stage events.

use std::collections::HashMap;

use actix_web::web::{Data, Query};
use askama::Template;
use serde::Deserialize;

use super::page::{PageResult, Shell, money, ok, when};
use super::session::SignedIn;
use crate::domain::stage::{Source, StageEvent};
use crate::http::state::State;
use crate::store::deliveries::{self, Verdict};
use crate::store::{endpoints, stage_events};

/// Rows of each list.
const ROWS: i64 = 100;

/// The query string of the page.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Filter {
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

#[derive(Template)]
#[template(path = "conversions.html")]
struct ConversionsPage {
    shell: Shell,
    events: Vec<EventRow>,
    has_quarantined: bool,
}

/// `GET /app/conversions`
pub(super) async fn list(who: SignedIn, state: Data<State>, query: Query<Filter>) -> PageResult {
    let (events, counts, names) = state
        .db
        .read(|conn| {
            let names: HashMap<String, String> = endpoints::list(conn)?
                .into_iter()
                .map(|e| (Source::endpoint(e.id).as_str().to_owned(), e.name))
                .collect();
            Ok((stage_events::list(conn, ROWS)?, deliveries::counts(conn)?, names))
        })
        .await?;
    let name = |source: &str| names.get(source).cloned().unwrap_or_else(|| source.to_owned());
    ok(&ConversionsPage {
        shell: Shell::new("conversions", "Conversions", &who.session).after(query.done.as_deref()),
        events: events.into_iter().map(|e| event_row(e, &name)).collect(),
        has_quarantined: counts.iter().any(|(v, n)| *v == Verdict::Quarantined && *n > 0),
    })
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
