//! API keys: made with scopes, shown once, taken back.

use actix_web::HttpRequest;
use actix_web::web::{Data, Path, Query};
use askama::Template;
use serde::{Deserialize, Serialize};

use super::forms::{Choice, Fields, Form};
use super::once;
use super::page::{PageError, PageResult, Shell, ok, see, unprocessable, when};
use super::session::{Posted, SignedIn};
use super::sign_in::set;
use crate::domain::fault::Fault;
use crate::domain::ids::KeyId;
use crate::http::auth::{Scope, new_key, parse_scopes};
use crate::http::state::State;
use crate::secret::sha256;
use crate::store::access;

/// Longest name of a key.
const NAME_MAX: usize = 100;

/// A flash code.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Done {
    done: Option<String>,
}

/// A new key, shown once.
#[derive(Serialize, Deserialize)]
struct Fresh {
    name: String,
    key: String,
    reads_reports: bool,
}

struct KeyRow {
    id: String,
    name: String,
    hint: String,
    scopes: Vec<String>,
    created: String,
    revoked: Option<String>,
}

#[derive(Template)]
#[template(path = "keys.html")]
struct KeysPage {
    shell: Shell,
    form: Form,
    scopes: Vec<Choice>,
    rows: Vec<KeyRow>,
    fresh: Option<Fresh>,
    report_url: String,
}

/// `GET /app/keys`
pub(super) async fn list(request: HttpRequest, who: SignedIn, state: Data<State>, query: Query<Done>) -> PageResult {
    let mut page = list_page(&who, &state, Form::default()).await?;
    page.shell = page.shell.after(query.done.as_deref());
    page.fresh = once::take(&request, &state, &who.session, "key");
    let mut response = ok(&page)?;
    set(&mut response, &once::gone(&state))?;
    Ok(response)
}

async fn list_page(who: &SignedIn, state: &State, form: Form) -> Result<KeysPage, PageError> {
    let list = state.db.read(access::list_keys).await?;
    let rows = list
        .into_iter()
        .map(|k| KeyRow {
            id: k.id.to_string(),
            name: k.name,
            hint: k.hint,
            scopes: k.scopes.split(' ').map(str::to_owned).collect(),
            created: when(k.created_at),
            revoked: k.revoked_at.map(when),
        })
        .collect();
    let scopes = Scope::ALL.iter().map(|s| Choice::explained(s.as_str(), s.as_str(), meaning(*s))).collect();
    Ok(KeysPage {
        shell: Shell::new("keys", "API keys", &who.session),
        form,
        scopes,
        rows,
        fresh: None,
        report_url: state.url("/api/v1/reports/cost-per-lead?by=channel"),
    })
}

fn meaning(scope: Scope) -> &'static str {
    match scope {
        Scope::LinksWrite => "Make, change and list channels, campaigns, posts and links.",
        Scope::ConversionsWrite => "Post stage events, merges and corrections.",
        Scope::CostsWrite => "Post, list and undo costs.",
        Scope::ReportsRead => "Read reports, journeys and lists.",
        Scope::EndpointsWrite => "Configure endpoints, list and replay deliveries.",
        Scope::DeliveriesRead => "Read deliveries with their headers and bodies, which hold personal data.",
        Scope::PeopleErase => "Erase a person's data, for good.",
        Scope::MetricsRead => "Read /metrics from another machine.",
    }
}

/// `POST /app/keys`
pub(super) async fn create(posted: Posted, state: Data<State>) -> PageResult {
    let Posted { who, fields } = posted;
    let (name, scopes) = match check(&fields) {
        Ok(checked) => checked,
        Err(faults) => return unprocessable(&list_page(&who, &state, Form::refused(fields, faults)).await?),
    };
    let (key, hint) = new_key();
    let (hash, now) = (sha256(key.as_bytes()), state.clock.now());
    let words = scopes.iter().map(|s| s.as_str()).collect::<Vec<_>>().join(" ");
    let fresh = Fresh { name: name.clone(), key, reads_reports: scopes.contains(&Scope::ReportsRead) };
    state.db.write(move |conn| access::create_key(conn, &name, &hint, &hash, &words, now)).await?;
    let mut response = see("/app/keys?done=key-created");
    set(&mut response, &once::keep(&state, &who.session, "key", fresh)?)?;
    Ok(response)
}

fn check(fields: &Fields) -> Result<(String, Vec<Scope>), Vec<Fault>> {
    let mut faults = Vec::new();
    let name = fields.text("name");
    if name.is_empty() || name.chars().count() > NAME_MAX {
        faults.push(Fault::new("name", "name-length", "say in 1 to 100 characters what the key is for"));
    }
    match parse_scopes(&fields.all("scopes").join(" ")) {
        Ok(scopes) if faults.is_empty() => Ok((name, scopes)),
        Ok(_) => Err(faults),
        Err(fault) => {
            faults.push(fault);
            Err(faults)
        }
    }
}

/// `POST /app/keys/{id}/revoke`
pub(super) async fn revoke(_posted: Posted, state: Data<State>, path: Path<String>) -> PageResult {
    let (id, now): (KeyId, _) = (path.parse()?, state.clock.now());
    state.db.write(move |conn| access::revoke_key(conn, id, now)).await?;
    Ok(see("/app/keys?done=key-revoked"))
}
