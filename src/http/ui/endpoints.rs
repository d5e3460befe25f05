//! Endpoints: where CRMs and forms post to.

use actix_web::web::{Data, Path, Query};
use askama::Template;
use serde::Deserialize;

use super::endpoint::Fresh;
use super::forms::{Choice, Fields, Form};
use super::once;
use super::page::{PageError, PageResult, Shell, faults_of, ok, see, sentence, unprocessable, when};
use super::session::{Posted, SignedIn};
use super::sign_in::set;
use crate::connectors::presets;
use crate::domain::fault::Fault;
use crate::domain::health::{self, RULE, Traffic};
use crate::domain::ids::EndpointId;
use crate::domain::time::UtcMillis;
use crate::http::state::State;
use crate::jobs::edit_endpoints::{self, EndpointDraft};
use crate::store::endpoints::{self, Endpoint};
use crate::store::{StoreError, endpoint_traffic};

/// A flash code.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Done {
    done: Option<String>,
}

struct EndpointRow {
    id: String,
    name: String,
    preset: String,
    light: &'static str,
    reason: String,
    last: String,
    is_archived: bool,
}

#[derive(Template)]
#[template(path = "endpoints.html")]
struct EndpointsPage {
    shell: Shell,
    form: Form,
    presets: Vec<Choice>,
    rows: Vec<EndpointRow>,
    rule: &'static str,
}

/// `GET /app/endpoints`
pub(super) async fn list(who: SignedIn, state: Data<State>, query: Query<Done>) -> PageResult {
    let form = Form::new(Fields::of([("preset", "standard-webhooks"), ("counts_revenue", "on")]));
    let mut page = list_page(&who, &state, form).await?;
    page.shell = page.shell.after(query.done.as_deref());
    ok(&page)
}

async fn list_page(who: &SignedIn, state: &State, form: Form) -> Result<EndpointsPage, PageError> {
    let now = state.clock.now();
    state.flush_refusals().await;
    let list = state.db.read(move |conn| endpoint_traffic::of_all(conn, now)).await?;
    let mut presets: Vec<Choice> =
        presets::all().iter().map(|p| Choice::new(p.name.clone(), p.title.clone())).collect();
    presets.sort_by_key(|choice| choice.label.to_lowercase());
    Ok(EndpointsPage {
        shell: Shell::new("endpoints", "Endpoints", &who.session),
        form,
        presets,
        rows: list.into_iter().map(|(endpoint, traffic)| endpoint_row(endpoint, &traffic, now)).collect(),
        rule: RULE,
    })
}

fn endpoint_row(endpoint: Endpoint, traffic: &Traffic, now: UtcMillis) -> EndpointRow {
    let judged = health::judge(traffic, now);
    EndpointRow {
        id: endpoint.id.to_string(),
        name: endpoint.name,
        preset: presets::by_name(&endpoint.preset).map_or(endpoint.preset, |p| p.title.clone()),
        light: judged.light.as_str(),
        reason: judged.reasons.first().map(|r| sentence(r)).unwrap_or_default(),
        last: traffic.last_at.map(when).unwrap_or_default(),
        is_archived: endpoint.archived_at.is_some(),
    }
}

/// `POST /app/endpoints`
pub(super) async fn create(posted: Posted, state: Data<State>) -> PageResult {
    let Posted { who, fields } = posted;
    let made = match draft(&fields) {
        Ok(draft) => {
            let (context, now) = (state.intake(), state.clock.now());
            state.db.write(move |conn| edit_endpoints::create(conn, &draft, &context, now)).await
        }
        Err(faults) => Err(StoreError::Refused(faults)),
    };
    match made {
        Ok(made) => {
            state.refresh_endpoints().await;
            let mut response = see(&format!("/app/endpoints/{}?done=endpoint-created", made.endpoint.id));
            let fresh = Fresh { secret: made.secret, is_new: true };
            set(&mut response, &once::keep(&state, &who.session, "endpoint", fresh)?)?;
            Ok(response)
        }
        Err(error) => {
            // A secret that was typed is not sent back.
            let names = ["name", "preset", "own_preset", "mapping", "currency", "counts_revenue", "signed_url"];
            let kept = Fields::of(names.map(|n| (n, fields.get(n))));
            unprocessable(&list_page(&who, &state, Form::refused(kept, faults_of(error)?)).await?)
        }
    }
}

/// `POST /app/endpoints/{id}/archive`
pub(super) async fn archive(_posted: Posted, state: Data<State>, path: Path<String>) -> PageResult {
    let (id, now): (EndpointId, _) = (path.parse()?, state.clock.now());
    state.db.write(move |conn| endpoints::archive(conn, id, now)).await?;
    state.refresh_endpoints().await;
    Ok(see("/app/endpoints?done=endpoint-archived"))
}

fn draft(fields: &Fields) -> Result<EndpointDraft, Vec<Fault>> {
    let mut faults = Vec::new();
    let currency = fields
        .some("currency")
        .map(|c| c.parse())
        .transpose()
        .map_err(|f: Fault| faults.push(f.named("currency")))
        .unwrap_or(None);
    if !faults.is_empty() {
        return Err(faults);
    }
    Ok(EndpointDraft {
        name: fields.text("name"),
        preset: fields.text("preset"),
        own_preset: fields.some("own_preset"),
        signed_url: fields.some("signed_url"),
        secret: fields.some("secret"),
        mapping: fields.some("mapping"),
        currency,
        counts_revenue: fields.is_on("counts_revenue"),
        ..EndpointDraft::default()
    })
}

/// A command that posts one lead and works as it stands; for senders that people write themselves.
pub(super) fn example(preset: &str, url: &str, secret: &str, has_own_fields: bool) -> Option<String> {
    let (url, secret) = (quoted(url), quoted(secret));
    let body = if has_own_fields {
        "body=$(cat event.json)   # one event of the sender, as your mapping reads it".to_owned()
    } else {
        "body=\"{\\\"event_id\\\":\\\"test-$(date +%s)\\\",\\\"stage\\\":\\\"lead\\\",\
         \\\"occurred_at\\\":\\\"$(date -u +%Y-%m-%dT%H:%M:%SZ)\\\",\\\"person\\\":\\\"crm:test-person\\\"}\""
            .to_owned()
    };
    match preset {
        "bearer" => Some(format!(
            "{body}\ncurl -sS -w '\\n' {url} \\\n  -H 'Content-Type: application/json' \\\n  -H 'Authorization: Bearer '{secret} \\\n  -d \"$body\""
        )),
        "standard-webhooks" => Some(format!(
            "secret={secret}\n{body}\n\
             id=msg_$(date +%s) time=$(date +%s)\n\
             key=$(printf %s \"${{secret#whsec_}}\" | openssl base64 -d -A | od -An -v -tx1 | tr -d ' \\n')\n\
             sign=$(printf %s \"$id.$time.$body\" | openssl dgst -sha256 -mac HMAC -macopt \"hexkey:$key\" -binary | openssl base64 -A)\n\
             curl -sS -w '\\n' {url} \\\n  -H 'Content-Type: application/json' \\\n  -H \"webhook-id: $id\" \\\n  \
             -H \"webhook-timestamp: $time\" \\\n  -H \"webhook-signature: v1,$sign\" \\\n  -d \"$body\""
        )),
        _ => None,
    }
}

/// A word of the shell, whatever it holds.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}
