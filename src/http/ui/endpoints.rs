//! Endpoints: where CRMs and forms post to.

use actix_web::HttpRequest;
use actix_web::web::{Data, Path, Query};
use askama::Template;
use serde::{Deserialize, Serialize};

use super::forms::{Choice, Fields, Form};
use super::once;
use super::page::{PageError, PageResult, Shell, faults_of, ok, see, unprocessable};
use super::session::{Posted, SignedIn};
use super::sign_in::set;
use crate::domain::fault::Fault;
use crate::domain::ids::EndpointId;
use crate::http::state::State;
use crate::jobs::edit_endpoints::{self, EndpointDraft};
use crate::store::StoreError;
use crate::store::endpoints;

/// A flash code.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Done {
    done: Option<String>,
}

/// A new endpoint, shown once.
#[derive(Serialize, Deserialize)]
struct Fresh {
    name: String,
    url: String,
    secret: String,
    is_signed: bool,
    has_own_fields: bool,
}

struct EndpointRow {
    id: String,
    name: String,
    url: String,
    verification: String,
    currency: String,
    counts_revenue: bool,
    is_archived: bool,
}

#[derive(Template)]
#[template(path = "endpoints.html")]
struct EndpointsPage {
    shell: Shell,
    form: Form,
    proofs: Vec<Choice>,
    rows: Vec<EndpointRow>,
    fresh: Option<(Fresh, String)>,
}

/// `GET /app/endpoints`
pub(super) async fn list(request: HttpRequest, who: SignedIn, state: Data<State>, query: Query<Done>) -> PageResult {
    let form = Form::new(Fields::of([("verification", "standard-webhooks"), ("counts_revenue", "on")]));
    let mut page = list_page(&who, &state, form).await?;
    page.shell = page.shell.after(query.done.as_deref());
    let fresh: Option<Fresh> = once::take(&request, &state, &who.session, "endpoint");
    page.fresh = fresh.map(|f| {
        let example = example(&f);
        (f, example)
    });
    let mut response = ok(&page)?;
    set(&mut response, &once::gone(&state))?;
    Ok(response)
}

async fn list_page(who: &SignedIn, state: &State, form: Form) -> Result<EndpointsPage, PageError> {
    let list = state.db.read(endpoints::list).await?;
    let rows = list
        .into_iter()
        .map(|e| EndpointRow {
            id: e.id.to_string(),
            url: state.url(&format!("/hooks/{}", e.token)),
            name: e.name,
            verification: e.preset,
            currency: e.currency.map(|c| c.code().to_owned()).unwrap_or_default(),
            counts_revenue: e.counts_revenue,
            is_archived: e.archived_at.is_some(),
        })
        .collect();
    let proofs = vec![
        Choice::explained(
            "standard-webhooks",
            "Signed (Standard Webhooks)",
            "The sender signs each delivery with the secret. Choose this wherever the sender can.",
        ),
        Choice::explained(
            "bearer",
            "Bearer token",
            "The sender repeats the secret in the Authorization header. For senders that cannot sign.",
        ),
    ];
    Ok(EndpointsPage { shell: Shell::new("endpoints", "Endpoints", &who.session), form, proofs, rows, fresh: None })
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
            let fresh = Fresh {
                url: state.url(&format!("/hooks/{}", made.endpoint.token)),
                name: made.endpoint.name,
                secret: made.secret,
                is_signed: made.endpoint.preset == "standard-webhooks",
                has_own_fields: fields.some("mapping").is_some(),
            };
            let mut response = see("/app/endpoints?done=endpoint-created");
            set(&mut response, &once::keep(&state, &who.session, "endpoint", fresh)?)?;
            Ok(response)
        }
        Err(error) => {
            // A secret that was typed is not sent back.
            let names = ["name", "verification", "mapping", "currency", "counts_revenue"];
            let kept = Fields::of(names.map(|n| (n, fields.get(n))));
            unprocessable(&list_page(&who, &state, Form::refused(kept, faults_of(error)?)).await?)
        }
    }
}

/// `POST /app/endpoints/{id}/archive`
pub(super) async fn archive(_posted: Posted, state: Data<State>, path: Path<String>) -> PageResult {
    let (id, now): (EndpointId, _) = (path.parse()?, state.clock.now());
    state.db.write(move |conn| endpoints::archive(conn, id, now)).await?;
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
        preset: fields.text("verification"),
        secret: fields.some("secret"),
        mapping: fields.some("mapping"),
        currency,
        counts_revenue: fields.is_on("counts_revenue"),
        ..EndpointDraft::default()
    })
}

/// A command that posts one lead and works as it stands.
fn example(fresh: &Fresh) -> String {
    let url = quoted(&fresh.url);
    let secret = quoted(&fresh.secret);
    let body = if fresh.has_own_fields {
        "body=$(cat event.json)   # one event of the sender, as your mapping reads it".to_owned()
    } else {
        "body=\"{\\\"event_id\\\":\\\"test-$(date +%s)\\\",\\\"stage\\\":\\\"lead\\\",\
         \\\"occurred_at\\\":\\\"$(date -u +%Y-%m-%dT%H:%M:%SZ)\\\",\\\"person\\\":\\\"crm:test-person\\\"}\""
            .to_owned()
    };
    if !fresh.is_signed {
        return format!(
            "{body}\ncurl -sS -w '\\n' {url} \\\n  -H 'Content-Type: application/json' \\\n  -H 'Authorization: Bearer '{secret} \\\n  -d \"$body\""
        );
    }
    format!(
        "secret={secret}\n{body}\n\
         id=msg_$(date +%s) time=$(date +%s)\n\
         key=$(printf %s \"${{secret#whsec_}}\" | openssl base64 -d -A | od -An -v -tx1 | tr -d ' \\n')\n\
         sign=$(printf %s \"$id.$time.$body\" | openssl dgst -sha256 -mac HMAC -macopt \"hexkey:$key\" -binary | openssl base64 -A)\n\
         curl -sS -w '\\n' {url} \\\n  -H 'Content-Type: application/json' \\\n  -H \"webhook-id: $id\" \\\n  \
         -H \"webhook-timestamp: $time\" \\\n  -H \"webhook-signature: v1,$sign\" \\\n  -d \"$body\""
    )
}

/// A word of the shell, whatever it holds.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}
