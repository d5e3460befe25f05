//! Erasing a person's data from their page, and the list of what was erased.

use actix_web::web::{Data, Path, Query};
use askama::Template;
use serde::Deserialize;

use super::conversions::short;
use super::forms::{Fields, Form};
use super::page::{PageResult, Shell, count, faults_of, ok, see, unprocessable, when};
use super::session::{Posted, SignedIn};
use crate::domain::erasure::{Counts, Whom, checked_reason};
use crate::domain::fault::Fault;
use crate::domain::ids::PersonId;
use crate::http::api::erasures::run;
use crate::http::state::State;
use crate::jobs::erase::{self, Wish};
use crate::store::erasure::{self as store, Erasure};

/// Erasures on the page.
const LIST_MAX: i64 = 200;

/// A flash code.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Done {
    done: Option<String>,
}

/// A count beside its words.
struct Line {
    what: &'static str,
    number: String,
}

#[derive(Template)]
#[template(path = "erase.html")]
struct ErasePage {
    shell: Shell,
    person: String,
    name: String,
    lines: Vec<Line>,
    form: Form,
}

struct ErasureRow {
    id: String,
    at: String,
    by: String,
    asked: String,
    reason: String,
    delivery: Option<String>,
    lines: Vec<Line>,
}

#[derive(Template)]
#[template(path = "erasures.html")]
struct ErasuresPage {
    shell: Shell,
    rows: Vec<ErasureRow>,
}

/// `GET /app/people/{id}/erase`
pub(super) async fn ask(who: SignedIn, state: Data<State>, path: Path<String>) -> PageResult {
    let page = ask_page(&who, &state, path.parse()?, Form::default()).await?;
    ok(&page)
}

/// `POST /app/people/{id}/erase`
pub(super) async fn erase(posted: Posted, state: Data<State>, path: Path<String>) -> PageResult {
    let Posted { who, fields } = posted;
    let id: PersonId = path.parse()?;
    let mut faults = Vec::new();
    let reason = checked_reason(fields.some("reason").as_deref()).map_err(|fault| faults.push(fault)).ok().flatten();
    if !fields.is_on("confirm") {
        let why = "an erasure cannot be undone; tick the box if you mean it";
        faults.push(Fault::new("confirm", "confirmation-missing", why));
    }
    if !faults.is_empty() {
        let page = ask_page(&who, &state, id, Form::refused(fields, faults)).await?;
        return unprocessable(&page);
    }
    let wish = Wish { whom: vec![Whom::Person(id)], reason, delivery: None };
    run(&state, wish, who.author).await?;
    Ok(see("/app/erasures?done=erased"))
}

async fn ask_page(
    who: &SignedIn,
    state: &Data<State>,
    id: PersonId,
    form: Form,
) -> Result<ErasePage, super::page::PageError> {
    let context = state.intake();
    let looked = state.db.read(move |conn| erase::look(conn, &context, &[Whom::Person(id)])).await;
    let (counts, form) = match looked {
        Ok(counts) => (counts, form),
        Err(error) => (Counts::default(), Form::refused(Fields::default(), faults_of(error)?)),
    };
    let person = id.to_string();
    let name = short(&person);
    let shell = Shell::new("conversions", format!("Erase {name}"), &who.session);
    Ok(ErasePage { shell, person, name, lines: lines(&counts), form })
}

/// `GET /app/erasures`
pub(super) async fn list(who: SignedIn, state: Data<State>, query: Query<Done>) -> PageResult {
    let list = state.db.read(|conn| store::list(conn, LIST_MAX)).await?;
    let shell = Shell::new("conversions", "Erasures", &who.session).after(query.done.as_deref());
    ok(&ErasuresPage { shell, rows: list.into_iter().map(row).collect() })
}

fn row(e: Erasure) -> ErasureRow {
    ErasureRow {
        id: e.id.to_string(),
        at: when(e.recorded_at),
        by: e.recorded_by.strip_prefix("user:").unwrap_or(&e.recorded_by).to_owned(),
        asked: e.asked,
        reason: e.reason.unwrap_or_default(),
        delivery: e.delivery.map(|d| d.to_string()),
        lines: lines(&e.counts),
    }
}

fn lines(counts: &Counts) -> Vec<Line> {
    let line = |(what, n): (&'static str, u64)| Line { what, number: count(i64::try_from(n).unwrap_or(i64::MAX)) };
    counts.lines().into_iter().filter(|(_, n)| *n > 0).map(line).collect()
}
