//! The inbox: items of deliveries with what became of them, filters, and reading them again.

mod delivery;

use std::collections::HashMap;

use actix_web::HttpRequest;
use actix_web::web::{Data, Query};
use askama::Template;
use serde::{Deserialize, Serialize};

use super::forms::{Choice, Fields, Form};
use super::once;
use super::page::{Marked, PageResult, Shell, count, marked, ok, see, when};
use super::session::{Posted, SignedIn};
use super::sign_in::set;
use crate::domain::ids::DeliveryId;
use crate::domain::stage::Source;
use crate::http::api::inbox::{cursor_of, cursor_text, next_of, run};
use crate::http::problem::Problem;
use crate::http::state::State;
use crate::jobs::find_deliveries::Asked;
use crate::jobs::replay::Replayed;
use crate::store::deliveries::{self, InboxRow, Verdict};
use crate::store::endpoints;

pub(super) use delivery::{replay, show};

/// Items on a page.
const PAGE: i64 = 100;
/// Deliveries that one press of the button reads again at most.
const REPLAY_MAX: i64 = 1_000;
/// What the value of a replay is called between two pages.
const REPLAYED: &str = "inbox";

/// The query string of the list.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Filter {
    endpoint: String,
    status: String,
    code: String,
    from: String,
    to: String,
    q: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    below: String,
    #[serde(skip_serializing)]
    done: Option<String>,
}

impl Filter {
    fn of(fields: &Fields) -> Self {
        let text = |name| fields.text(name);
        Self {
            endpoint: text("endpoint"),
            status: text("status"),
            code: text("code"),
            from: text("from"),
            to: text("to"),
            q: text("q"),
            ..Self::default()
        }
    }

    fn asked(&self) -> Asked {
        Asked {
            endpoint: self.endpoint.clone(),
            status: self.status.clone(),
            code: self.code.clone(),
            from: self.from.clone(),
            to: self.to.clone(),
            q: self.q.clone(),
        }
    }

    fn fields(&self) -> [(&'static str, &str); 6] {
        [
            ("endpoint", &self.endpoint),
            ("status", &self.status),
            ("code", &self.code),
            ("from", &self.from),
            ("to", &self.to),
            ("q", &self.q),
        ]
    }

    /// The address of the list with this filter and more.
    fn href(&self, more: &[(&str, &str)]) -> String {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        for (name, value) in self.fields() {
            let value = more.iter().find(|(n, _)| *n == name).map_or(value, |(_, v)| v);
            if !value.is_empty() {
                query.append_pair(name, value);
            }
        }
        let fields = self.fields();
        let others = more.iter().filter(|(n, _)| fields.iter().all(|(name, _)| name != n));
        query.extend_pairs(others);
        format!("/app/inbox?{}", query.finish())
    }
}

struct ItemRow {
    received: String,
    delivery: String,
    source: String,
    event_id: String,
    verdict: &'static str,
    reason: Marked,
    code: String,
}

/// One verdict of the filter.
struct Tab {
    href: String,
    label: &'static str,
    count: String,
    is_current: bool,
}

/// What a replay told, and where the next one goes on.
#[derive(Serialize, Deserialize)]
struct Told {
    words: String,
    after: String,
}

#[derive(Template)]
#[template(path = "inbox.html")]
struct InboxPage {
    shell: Shell,
    form: Form,
    endpoints: Vec<Choice>,
    verdicts: Vec<Choice>,
    items: Vec<ItemRow>,
    tabs: Vec<Tab>,
    kept: Vec<(&'static str, String)>,
    told: Option<Told>,
    put_aside: u64,
    can_replay: bool,
    has_any: bool,
    older: Option<String>,
}

/// `GET /app/inbox`
pub(super) async fn list(who: SignedIn, state: Data<State>, request: HttpRequest, query: Query<Filter>) -> PageResult {
    let query = query.into_inner();
    let asked = query.asked();
    let (filter, form) = match asked.filter(&state.secret) {
        Ok(filter) => (Some(filter), Form::new(Fields::of(query.fields()))),
        Err(faults) => (None, Form::refused(Fields::of(query.fields()), faults)),
    };
    let below = if query.below.is_empty() { None } else { Some(cursor_of(&query.below)?) };
    let (rows, counts, list) = state
        .db
        .read(move |conn| {
            let rows = match &filter {
                Some(filter) => deliveries::list(conn, filter, below, PAGE)?,
                None => Vec::new(),
            };
            Ok((rows, deliveries::counts(conn)?, endpoints::list(conn)?))
        })
        .await?;
    let told: Option<Told> = once::take(&request, &state, &who.session, REPLAYED);
    let names: HashMap<String, String> =
        list.iter().map(|e| (Source::endpoint(e.id).as_str().to_owned(), e.name.clone())).collect();
    let is_refused = form.is_refused();
    let page = InboxPage {
        shell: Shell::new("inbox", "Inbox", &who.session).after(query.done.as_deref()),
        form,
        endpoints: list.iter().map(|e| Choice::new(e.id.to_string(), e.name.clone())).collect(),
        verdicts: Verdict::ALL.iter().map(|v| Choice::new(v.as_str(), verdict_label(*v))).collect(),
        older: next_of(&rows, PAGE).map(|at| query.href(&[("below", &cursor_text(at))])),
        items: rows.into_iter().map(|r| item_row(r, &names)).collect(),
        tabs: tabs(&query, &counts),
        kept: query.fields().iter().map(|(name, value)| (*name, (*value).to_owned())).collect(),
        told,
        put_aside: state.deliveries_put_aside().await.unwrap_or_default(),
        can_replay: !asked.is_empty() && !is_refused,
        has_any: counts.iter().any(|(_, n)| *n > 0),
    };
    let mut response = ok(&page)?;
    set(&mut response, &once::gone(&state))?;
    Ok(response)
}

fn tabs(query: &Filter, counts: &[(Verdict, i64)]) -> Vec<Tab> {
    let all = Tab {
        href: query.href(&[("status", "")]),
        label: "All",
        count: count(counts.iter().map(|(_, n)| n).sum()),
        is_current: query.status.is_empty(),
    };
    let of = |v: &Verdict| Tab {
        href: query.href(&[("status", v.as_str())]),
        label: verdict_label(*v),
        count: count(counts.iter().find(|(k, _)| k == v).map_or(0, |(_, n)| *n)),
        is_current: query.status == v.as_str(),
    };
    std::iter::once(all).chain(Verdict::ALL.iter().map(of)).collect()
}

/// `POST /app/inbox/replay`
pub(super) async fn replay_all(posted: Posted, state: Data<State>) -> PageResult {
    let Posted { who, fields } = posted;
    let query = Filter::of(&fields);
    let asked = query.asked();
    if asked.is_empty() {
        return Ok(see("/app/inbox"));
    }
    let filter = asked.filter(&state.secret).map_err(Problem::invalid)?;
    let after: Option<DeliveryId> = fields.some("after").map(|text| text.parse()).transpose()?;
    let (replayed, next) = run(&state, filter, after, REPLAY_MAX).await?;
    let told =
        Told { words: in_words(&replayed, next.is_some()), after: next.map(|id| id.to_string()).unwrap_or_default() };
    let mut response = see(&query.href(&[]));
    set(&mut response, &once::keep(&state, &who.session, REPLAYED, told)?)?;
    Ok(response)
}

fn in_words(r: &Replayed, has_more: bool) -> String {
    let counts = [
        (r.stored, "stored"),
        (r.changed, "changed"),
        (r.duplicate, "as before"),
        (r.quarantined, "quarantined"),
        (r.ignored, "ignored"),
        (r.needs_enrichment, "waiting for a look-up"),
    ];
    let items: Vec<String> = counts.iter().filter(|(n, _)| *n > 0).map(|(n, words)| format!("{n} {words}")).collect();
    let mut words = match r.deliveries {
        0 => "The filter names no delivery.".to_owned(),
        1 => "One delivery was read again.".to_owned(),
        n => format!("{n} deliveries were read again."),
    };
    if !items.is_empty() {
        words.push_str(&format!(" Items: {}.", items.join(", ")));
    }
    if r.without_body > 0 {
        words.push_str(&format!(" The bodies of {} were removed; those are as they were.", r.without_body));
    }
    if r.refused > 0 {
        words.push_str(&format!(" The database refused {}; those are as they were.", r.refused));
    }
    if has_more {
        words.push_str(" There are more: press the button again.");
    }
    words
}

/// What a verdict is called on pages.
fn verdict_label(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Pending => "Pending",
        Verdict::Stored => "Stored",
        Verdict::Duplicate => "Duplicate",
        Verdict::Quarantined => "Quarantined",
        Verdict::Ignored => "Ignored",
        Verdict::NeedsEnrichment => "Needs a look-up",
    }
}

fn item_row(row: InboxRow, names: &HashMap<String, String>) -> ItemRow {
    ItemRow {
        received: when(row.received_at),
        delivery: row.item.delivery.to_string(),
        source: named(names, &row.source),
        event_id: row.item.event_id.unwrap_or_default(),
        verdict: row.item.verdict.as_str(),
        reason: marked(&row.item.detail.unwrap_or_default()),
        code: row.item.code.unwrap_or_default(),
    }
}

/// An endpoint's name; other sources are called what they are.
fn named(names: &HashMap<String, String>, source: &str) -> String {
    names.get(source).cloned().unwrap_or_else(|| source.to_owned())
}
