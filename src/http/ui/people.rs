//! One person's journey: touches and stages in order.

use actix_web::web::{Data, Path};
use askama::Template;

use super::conversions::short;
use super::page::{PageResult, Shell, money, ok, when};
use super::session::SignedIn;
use crate::domain::ids::PersonId;
use crate::http::state::State;
use crate::reports::journey::{self, Step};

struct StepRow {
    at: String,
    is_stage: bool,
    title: String,
    detail: String,
    note: &'static str,
}

#[derive(Template)]
#[template(path = "person.html")]
struct PersonPage {
    shell: Shell,
    person: String,
    steps: Vec<StepRow>,
    touches: usize,
    stages: usize,
}

/// `GET /app/people/{id}`
pub(super) async fn show(who: SignedIn, state: Data<State>, path: Path<String>) -> PageResult {
    let id: PersonId = path.parse()?;
    let found = state.db.read(move |conn| Ok(journey::of_person(conn, id))).await??;
    let person = found.person.to_string();
    let steps: Vec<StepRow> = found.steps.into_iter().map(|(at, step)| step_row(when(at), step)).collect();
    let stages = steps.iter().filter(|s| s.is_stage).count();
    ok(&PersonPage {
        shell: Shell::new("conversions", format!("Journey of {}", short(&person)), &who.session),
        person,
        touches: steps.len() - stages,
        stages,
        steps,
    })
}

fn step_row(at: String, step: Step) -> StepRow {
    match step {
        Step::Touch { kind, channel, link, form, shared, .. } => StepRow {
            at,
            is_stage: false,
            title: channel.unwrap_or_else(|| "(unmapped)".to_owned()),
            detail: form.or(link.map(|slug| format!("{kind} on /{slug}"))).unwrap_or_else(|| kind.to_string()),
            note: if shared { "Another person brought this click id first; nobody is merged by it." } else { "" },
        },
        Step::Stage { stage, source, event_id, value, .. } => StepRow {
            at,
            is_stage: true,
            title: value.map_or_else(|| stage.to_string(), |v| format!("{stage}, {}", money(v))),
            detail: format!("told by {source} as {event_id}"),
            note: "",
        },
    }
}
