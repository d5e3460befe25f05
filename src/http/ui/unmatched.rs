//! What no key joined, with who it may be: matched by one press, undone by another.

use std::collections::HashMap;

use actix_web::web::{Data, Path, Query};
use askama::Template;

use super::conversions::short;
use super::forms::{Choice, Fields, Form};
use super::page::{
    Marked, PageError, PageResult, Shell, count, faults_of, marked, money, ok, see, sentence, unprocessable, when,
};
use super::session::{Posted, SignedIn};
use crate::domain::fault::Fault;
use crate::domain::ids::MatchId;
use crate::domain::matching::{Basis, Strength, Unmatched, UnmatchedReason};
use crate::domain::stage::{Source, Stage, StageEvent};
use crate::http::api::matching::question;
use crate::http::api::reports::{Pairs, joined};
use crate::http::state::State;
use crate::jobs::matching::{self, Wish};
use crate::reports::unmatched::{self, Page, Row, Suggestion};
use crate::store::matches::{self, Match};
use crate::store::{StoreError, endpoints};

/// What a match's `to` is called beside the filter's last day, which has the same name.
const MATCHED_TO: &str = "match_with";
/// Matches below the list.
const MATCHES: i64 = 20;

struct EventLine {
    at: String,
    stage: &'static str,
    value: String,
    source: String,
    event_id: String,
}

struct SuggestionLine {
    to: String,
    /// What a person reads; a link where there is something to look at.
    name: String,
    href: Option<String>,
    strength: Strength,
    basis: &'static str,
    words: Marked,
}

struct Case {
    item: String,
    name: String,
    href: Option<String>,
    what: &'static str,
    reason: &'static str,
    words: Marked,
    events: Vec<EventLine>,
    earlier: usize,
    suggestions: Vec<SuggestionLine>,
    takes_click: bool,
}

struct MatchLine {
    id: String,
    at: String,
    what: String,
    basis: &'static str,
    by: String,
    undone: Option<String>,
}

struct Tab {
    href: String,
    label: &'static str,
    count: String,
    is_current: bool,
}

#[derive(Template)]
#[template(path = "unmatched.html")]
struct UnmatchedPage {
    shell: Shell,
    form: Form,
    stages: Vec<Choice>,
    sources: Vec<Choice>,
    tabs: Vec<Tab>,
    cases: Vec<Case>,
    older: Option<String>,
    /// The page's own query string, which a form sends back to come here again.
    query: String,
    matches: Vec<MatchLine>,
}

/// `GET /app/unmatched`
pub(super) async fn list(who: SignedIn, state: Data<State>, query: Query<Pairs>) -> PageResult {
    let given = joined(query.into_inner());
    match question(&given, &state.config, state.clock.now()) {
        Ok(_) => ok(&page(&who, &state, &given, Vec::new()).await?),
        Err(faults) => unprocessable(&page(&who, &state, &given, faults).await?),
    }
}

/// `POST /app/matches`
pub(super) async fn record(posted: Posted, state: Data<State>) -> PageResult {
    let Posted { who, fields } = posted;
    let given = came_from(&fields);
    let recorded = match wish(&fields) {
        Ok(wish) => {
            let author = who.author.clone();
            state.db.write(move |conn| matching::record(conn, &wish, &author)).await
        }
        Err(fault) => Err(fault.into()),
    };
    match recorded {
        Ok(_) => Ok(see(&back(&given, "matched", "#matches"))),
        Err(StoreError::NotFound(what)) => {
            let fault = Fault::new(MATCHED_TO, "not-found", format!("{what} does not exist; nothing was matched"));
            unprocessable(&page(&who, &state, &given, vec![fault]).await?)
        }
        Err(error) => {
            let faults = faults_of(error)?.into_iter().map(|f| if f.field == "to" { f.named(MATCHED_TO) } else { f });
            unprocessable(&page(&who, &state, &given, faults.collect()).await?)
        }
    }
}

/// `POST /app/matches/{id}/undo`
pub(super) async fn undo(posted: Posted, state: Data<State>, path: Path<String>) -> PageResult {
    let id: MatchId = path.parse()?;
    let author = posted.who.author.clone();
    state.db.write(move |conn| matches::void(conn, id, &author)).await?;
    Ok(see(&back(&came_from(&posted.fields), "match-undone", "#matches")))
}

fn wish(fields: &Fields) -> Result<Wish, Fault> {
    let basis = fields.some("basis").map_or(Ok(Basis::ByHand), |b| b.parse())?;
    Ok(Wish { item: fields.text("item").parse()?, to: fields.text("to").parse()?, basis })
}

/// The query string of the page on which a form stood.
fn came_from(fields: &Fields) -> HashMap<String, String> {
    joined(url::form_urlencoded::parse(fields.get("query").as_bytes()).into_owned().collect())
}

fn back(given: &HashMap<String, String>, done: &str, place: &str) -> String {
    let mut given = given.clone();
    given.insert("done".to_owned(), done.to_owned());
    format!("/app/unmatched?{}{place}", written(&given, &[]))
}

/// A query string of what is given, but some names.
fn written(given: &HashMap<String, String>, without: &[&str]) -> String {
    let mut pairs: Vec<(&String, &String)> =
        given.iter().filter(|(name, value)| !value.is_empty() && !without.contains(&name.as_str())).collect();
    pairs.sort();
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

async fn page(
    who: &SignedIn,
    state: &State,
    given: &HashMap<String, String>,
    faults: Vec<Fault>,
) -> Result<UnmatchedPage, PageError> {
    // What cannot be read is left out, so that the rest of the page still helps.
    let now = state.clock.now();
    let asked = question(given, &state.config, now).or_else(|_faults| question(&HashMap::new(), &state.config, now));
    let asked = asked.map_err(|_defaults| PageError::not_found("the list has no valid defaults"))?;
    let filter = asked.filter.clone();
    let (listed, recent, names) = state
        .db
        .read(move |conn| {
            let names: HashMap<String, String> = endpoints::list(conn)?
                .into_iter()
                .map(|e| (Source::endpoint(e.id).as_str().to_owned(), e.name))
                .collect();
            Ok((unmatched::list(conn, &asked), matches::list(conn, MATCHES)?, names))
        })
        .await?;
    let listed = listed?;
    let fields = Fields::new(vec![
        ("from".to_owned(), filter.days.from.to_string()),
        ("to".to_owned(), filter.days.to.to_string()),
        ("stage".to_owned(), filter.stage.map_or("", Stage::as_str).to_owned()),
        ("source".to_owned(), filter.source.as_ref().map_or("", Source::as_str).to_owned()),
        ("reason".to_owned(), filter.reason.map_or("", UnmatchedReason::as_str).to_owned()),
    ]);
    let mut sources: Vec<Choice> = names.iter().map(|(id, name)| Choice::new(id.clone(), name.clone())).collect();
    sources.sort_by(|a, b| a.label.cmp(&b.label));
    sources.insert(0, Choice::new("api", "API"));
    let kept = written(given, &["cursor", "done"]);
    Ok(UnmatchedPage {
        shell: Shell::new("conversions", "Unmatched", &who.session).after(given.get("done").map(String::as_str)),
        form: Form::refused(fields, faults),
        stages: Stage::ALL.iter().map(|s| Choice::new(s.as_str(), s.as_str())).collect(),
        sources,
        tabs: tabs(&listed, given, filter.reason),
        older: listed.next.map(|cursor| format!("/app/unmatched?{}&cursor={cursor}", kept)),
        cases: listed.rows.into_iter().map(|row| case(row, &names)).collect(),
        query: written(given, &["done"]),
        matches: recent.into_iter().map(match_line).collect(),
    })
}

fn tabs(listed: &Page, given: &HashMap<String, String>, current: Option<UnmatchedReason>) -> Vec<Tab> {
    let rest = written(given, &["cursor", "done", "reason"]);
    let all = Tab {
        href: format!("/app/unmatched?{rest}"),
        label: "All",
        count: number(listed.counts.values().sum()),
        is_current: current.is_none(),
    };
    let of_reason = |reason: &UnmatchedReason| Tab {
        href: format!("/app/unmatched?{rest}&reason={reason}"),
        label: label(*reason),
        count: number(listed.counts.get(reason).copied().unwrap_or(0)),
        is_current: current == Some(*reason),
    };
    std::iter::once(all).chain(UnmatchedReason::ALL.iter().map(of_reason)).collect()
}

fn number(n: usize) -> String {
    count(i64::try_from(n).unwrap_or(i64::MAX))
}

fn label(reason: UnmatchedReason) -> &'static str {
    match reason {
        UnmatchedReason::NoPerson => "No person",
        UnmatchedReason::ParentUnknown => "Parent unknown",
        UnmatchedReason::NoKey => "No click id",
        UnmatchedReason::ClickUnknown => "Click unknown",
        UnmatchedReason::BrowserUnknown => "Browser unknown",
        UnmatchedReason::NotCounted => "Not human",
        UnmatchedReason::OutOfReach => "Out of reach",
    }
}

fn case(row: Row, names: &HashMap<String, String>) -> Case {
    /// Stage events shown of one case.
    const EVENTS: usize = 3;
    let item = row.item.to_string();
    let (what, name, href) = match &row.item {
        Unmatched::Subject(_) => ("", item.clone(), None),
        Unmatched::Event(_) => ("Event ", short(&item), None),
        Unmatched::Person(_) => ("Person ", short(&item), Some(format!("/app/people/{item}"))),
    };
    let earlier = row.events.len().saturating_sub(EVENTS);
    Case {
        takes_click: matches!(row.item, Unmatched::Person(_)),
        what,
        name,
        href,
        item,
        reason: label(row.reason),
        words: marked(&sentence(row.reason.words())),
        // The newest first, as the cases are.
        events: row.events.into_iter().rev().take(EVENTS).map(|e| event_line(e, names)).collect(),
        earlier,
        suggestions: row.suggestions.into_iter().map(suggestion_line).collect(),
    }
}

fn event_line(e: StageEvent, names: &HashMap<String, String>) -> EventLine {
    EventLine {
        at: when(e.occurred_at),
        stage: e.stage.as_str(),
        value: e.value.map(money).unwrap_or_default(),
        source: names.get(e.source.as_str()).cloned().unwrap_or_else(|| e.source.as_str().to_owned()),
        event_id: e.event_id,
    }
}

fn suggestion_line(s: Suggestion) -> SuggestionLine {
    let to = s.to.to_string();
    let is_person = matches!(s.to, crate::domain::matching::Target::Person(_));
    SuggestionLine {
        name: short(&to),
        href: is_person.then(|| format!("/app/people/{to}")),
        to,
        strength: s.strength,
        basis: s.basis.as_str(),
        words: marked(&sentence(&s.detail)),
    }
}

fn match_line(m: Match) -> MatchLine {
    let (kind, item, to) = m.described();
    let name = |id: &str| if id.contains(':') { id.to_owned() } else { short(id) };
    let (item, to) = (name(&item), name(&to));
    MatchLine {
        id: m.id.to_string(),
        at: when(m.recorded_at),
        what: match kind {
            "merge" => format!("{item} and {to} are one person"),
            "unmerge" => format!("{item} and {to} are two people"),
            _ => format!("{item} belongs to {to}"),
        },
        basis: m.basis.as_str(),
        by: m.recorded_by.strip_prefix("user:").unwrap_or(&m.recorded_by).to_owned(),
        undone: m.voided_at.map(when),
    }
}
