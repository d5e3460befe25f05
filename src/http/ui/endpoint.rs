//! One endpoint: where to paste its address, its secret, a test to watch arrive, its health, and what it means by what.

use actix_web::HttpRequest;
use actix_web::web::{Data, Path, Query};
use askama::Template;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::endpoints::example;
use super::forms::{Fields, Form};
use super::once;
use super::page::{
    Marked, PageError, PageResult, Shell, count, faults_of, marked, ok, see, sentence, unprocessable, when,
};
use super::session::{Posted, SignedIn};
use super::sign_in::set;
use crate::connectors::preset::{Preset, SecretOrigin};
use crate::connectors::presets;
use crate::domain::fault::{Fault, shown};
use crate::domain::health::{self, RULE, span};
use crate::domain::ids::EndpointId;
use crate::http::api::endpoint_setup::overlap;
use crate::http::state::State;
use crate::http::test_delivery;
use crate::jobs::connectors::{self, preset_of};
use crate::jobs::edit_endpoints::{self, About};
use crate::jobs::test_event;
use crate::store::deliveries::{self, Item};
use crate::store::endpoint_traffic::{self, Refused};
use crate::store::endpoints::{self, Endpoint};
use crate::store::{Conn, StoreError};

/// The query string of the page.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Done {
    done: Option<String>,
    /// The name of a test that was sent.
    test: Option<String>,
}

/// A secret that is shown once.
#[derive(Serialize, Deserialize)]
pub(super) struct Fresh {
    /// The secret; empty where the vendor makes it.
    pub secret: String,
    /// Whether the endpoint is new, too.
    pub is_new: bool,
}

struct TestItem {
    verdict: &'static str,
    words: Marked,
}

/// What became of a test.
struct TestShown {
    refusal: Option<Marked>,
    has_arrived: bool,
    items: Vec<TestItem>,
}

struct SecretRow {
    hint: String,
    ends: Option<String>,
}

#[derive(Template)]
#[template(path = "endpoint.html")]
struct EndpointPage {
    shell: Shell,
    form: Form,
    id: String,
    name: String,
    preset: String,
    preset_name: String,
    url: String,
    signed_url: Option<String>,
    verify_token: Option<String>,
    is_archived: bool,
    steps: Vec<Marked>,
    click_id: Marked,
    secret_help: Marked,
    notes: Vec<Marked>,
    fresh: Option<Fresh>,
    example: Option<String>,
    test: Option<TestShown>,
    test_name: String,
    light: &'static str,
    reasons: Vec<Marked>,
    rule: &'static str,
    figures: Vec<(&'static str, String)>,
    refusals: Vec<(String, String, String)>,
    secrets: Vec<SecretRow>,
    takes_secret: bool,
    makes_secret: bool,
    has_api: bool,
    api_help: String,
    has_api_token: bool,
    preset_stages: Vec<(String, String)>,
    source: String,
}

/// All that the page reads.
struct Loaded {
    endpoint: Endpoint,
    traffic: health::Traffic,
    refusals: Vec<Refused>,
    test: Option<(bool, Vec<Item>)>,
}

fn load(conn: &mut Conn, id: EndpointId, test: Option<&str>, state: &State) -> Result<Loaded, StoreError> {
    let now = state.clock.now();
    let test = match test {
        Some(name) => {
            let delivery = deliveries::by_message(conn, id, &test_event::message_id(name))?;
            let items = delivery.map(|d| deliveries::items(conn, &[d])).transpose()?;
            Some((delivery.is_some(), items.unwrap_or_default()))
        }
        None => None,
    };
    Ok(Loaded {
        endpoint: endpoints::get(conn, id)?,
        traffic: endpoint_traffic::read(conn, id, now)?,
        refusals: endpoint_traffic::refusals(conn, id, now)?,
        test,
    })
}

/// `GET /app/endpoints/{id}`
pub(super) async fn show(
    request: HttpRequest,
    who: SignedIn,
    state: Data<State>,
    path: Path<String>,
    query: Query<Done>,
) -> PageResult {
    let id: EndpointId = path.parse()?;
    let mut page = page(&who, &state, id, query.test.clone(), None).await?;
    page.shell = page.shell.after(query.done.as_deref());
    let fresh: Option<Fresh> = once::take(&request, &state, &who.session, "endpoint");
    page.example = fresh
        .as_ref()
        .filter(|f| f.is_new && !f.secret.is_empty())
        .and_then(|f| example(&page.preset_name, &page.url, &f.secret, page.form.value("mapping") != "{}"));
    page.fresh = fresh;
    let mut response = ok(&page)?;
    set(&mut response, &once::gone(&state))?;
    Ok(response)
}

async fn page(
    who: &SignedIn,
    state: &Data<State>,
    id: EndpointId,
    test: Option<String>,
    refused: Option<(Fields, Vec<Fault>)>,
) -> Result<EndpointPage, PageError> {
    state.flush_refusals().await;
    let (shared, name) = (state.clone(), test.clone());
    let loaded = state.db.read(move |conn| load(conn, id, name.as_deref(), &shared)).await?;
    let Loaded { endpoint, traffic, refusals, test: arrived } = loaded;
    let now = state.clock.now();
    let preset = preset_of(&endpoint).map_err(StoreError::Refused)?;
    let judged = health::judge(&traffic, now);
    let secrets = connectors::secrets(&endpoint, &state.secret)?;
    let form = match refused {
        Some((fields, faults)) => Form::refused(fields, faults),
        None => Form::new(fields_of(&endpoint)),
    };
    let silent_after = judged.silence_limit_ms.map_or("unknown yet".to_owned(), span);
    Ok(EndpointPage {
        shell: Shell::new("endpoints", endpoint.name.clone(), &who.session),
        form,
        id: id.to_string(),
        url: state.url(&format!("/hooks/{}", endpoint.token)),
        verify_token: connectors::of(&endpoint, &state.secret, now)?.verify_token(),
        preset: preset.title.clone(),
        preset_name: preset.name.clone(),
        signed_url: endpoint.signed_url.clone(),
        is_archived: endpoint.archived_at.is_some(),
        steps: preset.setup.steps.iter().map(|s| marked(s)).collect(),
        click_id: marked(&preset.setup.click_id_property),
        secret_help: marked(&preset.setup.secret_help),
        notes: preset.setup.notes.iter().map(|s| marked(s)).collect(),
        fresh: None,
        example: None,
        test_name: test.unwrap_or_default(),
        test: arrived.map(|(has_arrived, items)| TestShown {
            refusal: None,
            has_arrived: has_arrived && !items.iter().any(|i| i.verdict == deliveries::Verdict::Pending),
            items: items.into_iter().map(test_item).collect(),
        }),
        light: judged.light.as_str(),
        reasons: judged.reasons.iter().map(|r| marked(&sentence(r))).collect(),
        rule: RULE,
        figures: vec![
            ("Last delivery", traffic.last_at.map_or_else(|| "none yet".to_owned(), when)),
            ("Items in 7 days", count(traffic.items)),
            ("Quarantined", count(traffic.quarantined)),
            ("Refused", count(traffic.refused)),
            ("Longer than usual after", silent_after),
        ],
        refusals: refusals.into_iter().map(|r| (r.code, count(r.count), when(r.last_at))).collect(),
        secrets: secrets.iter().map(|s| SecretRow { hint: s.hint(), ends: s.until.map(when) }).collect(),
        takes_secret: preset.needs_secret(),
        makes_secret: preset.setup.secret == SecretOrigin::WeMake,
        has_api: preset.api.is_some(),
        api_help: preset.api.as_ref().map(|api| api.token.clone()).unwrap_or_default(),
        has_api_token: endpoint.sealed_api_token.is_some(),
        preset_stages: stages_of(&preset),
        source: endpoint
            .own_preset
            .clone()
            .or_else(|| presets::source(&preset.name).map(str::to_owned))
            .unwrap_or_default(),
        name: endpoint.name,
    })
}

fn test_item(item: Item) -> TestItem {
    let words = item.detail.or(item.code).unwrap_or_default();
    TestItem { verdict: item.verdict.as_str(), words: marked(&sentence(&words)) }
}

/// The preset's words for stages, as text.
fn stages_of(preset: &Preset) -> Vec<(String, String)> {
    let text = |word| serde_json::to_value(word).ok().and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default();
    preset.stages.iter().map(|(word, stage)| (word.clone(), text(stage))).collect()
}

/// What the forms of the page begin with.
fn fields_of(endpoint: &Endpoint) -> Fields {
    let mapping: Value = serde_json::from_str(&endpoint.mapping).unwrap_or_default();
    let words = mapping.get("stages").and_then(Value::as_object).cloned().unwrap_or_default();
    let lines: Vec<String> =
        words.iter().map(|(word, stage)| format!("{word} = {}", stage.as_str().unwrap_or_default())).collect();
    let text = |name: &str| mapping.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    Fields::of([
        ("name", endpoint.name.clone()),
        ("currency", endpoint.currency.map(|c| c.code().to_owned()).unwrap_or_default()),
        ("counts_revenue", if endpoint.counts_revenue { "on".to_owned() } else { String::new() }),
        ("signed_url", endpoint.signed_url.clone().unwrap_or_default()),
        ("stages", lines.join("\n")),
        ("click_id_property", text("click_id_property")),
        ("account", text("account")),
        (
            "mapping",
            if mapping.as_object().is_none_or(Map::is_empty) { "{}".to_owned() } else { format!("{mapping:#}") },
        ),
        ("overlap_hours", "24".to_owned()),
        ("api_base_url", endpoint.api_base_url.clone().unwrap_or_default()),
    ])
}

/// Answers a form of the page: on to the page when it worked, the page with the faults when not.
async fn answer(posted: Posted, state: &Data<State>, id: EndpointId, outcome: Result<&str, StoreError>) -> PageResult {
    match outcome {
        Ok(done) => {
            state.refresh_endpoints().await;
            Ok(see(&format!("/app/endpoints/{id}?done={done}")))
        }
        Err(error) => {
            let faults = faults_of(error)?;
            let known = state.db.read(move |conn| endpoints::get(conn, id)).await?;
            // A secret that was typed is not sent back; what this form does not have is as it stands.
            let standing = fields_of(&known);
            let names = ["name", "currency", "counts_revenue", "signed_url", "stages", "click_id_property", "account"];
            let is_sent = |name: &str| !posted.fields.all(name).is_empty();
            let is_about = is_sent("name");
            let kept = names.into_iter().chain(["mapping", "overlap_hours", "api_base_url"]).map(|name| {
                let is_unticked = name == "counts_revenue" && is_about;
                let from = if is_sent(name) || is_unticked { &posted.fields } else { &standing };
                (name, from.get(name).to_owned())
            });
            let fields = Fields::of(kept);
            unprocessable(&page(&posted.who, state, id, None, Some((fields, faults))).await?)
        }
    }
}

/// `POST /app/endpoints/{id}`: name, currency, revenue, signed URL.
pub(super) async fn change(posted: Posted, state: Data<State>, path: Path<String>) -> PageResult {
    let id: EndpointId = path.parse()?;
    let fields = &posted.fields;
    let currency = fields.some("currency").map(|c| c.parse()).transpose().map_err(|f: Fault| f.named("currency"));
    let outcome = match currency {
        Ok(currency) => {
            let about = About {
                name: fields.text("name"),
                currency,
                counts_revenue: fields.is_on("counts_revenue"),
                signed_url: fields.some("signed_url"),
            };
            state.db.write(move |conn| edit_endpoints::set_about(conn, id, &about)).await
        }
        Err(fault) => Err(fault.into()),
    };
    answer(posted, &state, id, outcome.map(|()| "endpoint-changed")).await
}

/// `POST /app/endpoints/{id}/stages`: the sender's words for stages, its click id property and its account.
pub(super) async fn set_stages(posted: Posted, state: Data<State>, path: Path<String>) -> PageResult {
    let id: EndpointId = path.parse()?;
    let outcome = match stage_words(&posted.fields.text("stages")) {
        Ok(words) => {
            let texts = ["click_id_property", "account"].map(|name| (name, posted.fields.some(name)));
            state
                .db
                .write(move |conn| {
                    let mut mapping: Map<String, Value> =
                        serde_json::from_str(&endpoints::get(conn, id)?.mapping).unwrap_or_default();
                    mapping.insert("stages".to_owned(), Value::Object(words));
                    for (name, text) in texts {
                        mapping.remove(name);
                        mapping.extend(text.map(|text| (name.to_owned(), Value::String(text))));
                    }
                    edit_endpoints::set_mapping(conn, id, &Value::Object(mapping).to_string())
                })
                .await
        }
        Err(fault) => Err(fault.into()),
    };
    answer(posted, &state, id, outcome.map(|()| "endpoint-mapped")).await
}

/// Lines of `Closed Won = customer`.
fn stage_words(text: &str) -> Result<Map<String, Value>, Fault> {
    let mut words = Map::new();
    for line in text.lines().map(str::trim).filter(|l| !l.is_empty()) {
        let pair = line.rsplit_once('=').map(|(word, stage)| (word.trim(), stage.trim()));
        let Some((word, stage)) = pair.filter(|(word, stage)| !word.is_empty() && !stage.is_empty()) else {
            let why = format!("{} is not a word and its stage; write it as Closed Won = customer", shown(line));
            return Err(Fault::new("stages", "stage-line", why));
        };
        words.insert(word.to_owned(), Value::String(stage.to_lowercase()));
    }
    Ok(words)
}

/// `POST /app/endpoints/{id}/mapping`: the whole of what is changed of the preset, as JSON.
pub(super) async fn set_mapping(posted: Posted, state: Data<State>, path: Path<String>) -> PageResult {
    let id: EndpointId = path.parse()?;
    let mapping = posted.fields.some("mapping").unwrap_or_else(|| "{}".to_owned());
    let outcome = state.db.write(move |conn| edit_endpoints::set_mapping(conn, id, &mapping)).await;
    answer(posted, &state, id, outcome.map(|()| "endpoint-mapped")).await
}

/// `POST /app/endpoints/{id}/api`: the token for the vendor's API.
pub(super) async fn set_api(posted: Posted, state: Data<State>, path: Path<String>) -> PageResult {
    let id: EndpointId = path.parse()?;
    let (base, token) = (posted.fields.some("api_base_url"), posted.fields.some("api_token"));
    let (context, now) = (state.intake(), state.clock.now());
    let outcome = state
        .db
        .write(move |conn| edit_endpoints::set_api(conn, id, base.as_deref(), token.as_deref(), &context, now))
        .await;
    answer(posted, &state, id, outcome.map(|()| "endpoint-changed")).await
}

/// `POST /app/endpoints/{id}/secrets`
pub(super) async fn add_secret(posted: Posted, state: Data<State>, path: Path<String>) -> PageResult {
    let id: EndpointId = path.parse()?;
    let (secret, context, now) = (posted.fields.some("secret"), state.intake(), state.clock.now());
    let hours = posted.fields.some("overlap_hours").map(|h| h.parse()).transpose();
    let hours = hours.map_err(|_no_number| {
        Fault::new("overlap_hours", "number-malformed", "give a whole number of hours; 0 ends the old secret at once")
    });
    let is_typed = secret.is_some();
    let outcome = match hours.and_then(overlap) {
        Ok(overlap_ms) => {
            let rotate = move |conn: &mut Conn| {
                edit_endpoints::rotate_secret(conn, id, secret.as_deref(), overlap_ms, &context, now)
            };
            state.db.write(rotate).await
        }
        Err(fault) => Err(fault.into()),
    };
    match outcome {
        Ok(secret) => {
            state.refresh_endpoints().await;
            let mut response = see(&format!("/app/endpoints/{id}?done=secret-added"));
            if !is_typed {
                let fresh = Fresh { secret, is_new: false };
                set(&mut response, &once::keep(&state, &posted.who.session, "endpoint", fresh)?)?;
            }
            Ok(response)
        }
        Err(error) => answer(posted, &state, id, Err(error)).await,
    }
}

/// `POST /app/endpoints/{id}/secrets/end`
pub(super) async fn end_secrets(_posted: Posted, state: Data<State>, path: Path<String>) -> PageResult {
    let (id, context): (EndpointId, _) = (path.parse()?, state.intake());
    state.db.write(move |conn| edit_endpoints::end_old_secrets(conn, id, &context)).await?;
    state.refresh_endpoints().await;
    Ok(see(&format!("/app/endpoints/{id}?done=secrets-ended")))
}

/// `POST /app/endpoints/{id}/test`
pub(super) async fn test(posted: Posted, state: Data<State>, path: Path<String>) -> PageResult {
    let id: EndpointId = path.parse()?;
    let sent = test_delivery::send(&state, id).await;
    match sent {
        Ok(answer) if answer.refusal.is_none() => Ok(see(&format!("/app/endpoints/{id}?test={}#test", answer.test))),
        Ok(answer) => {
            let mut page = page(&posted.who, &state, id, None, None).await?;
            let why = format!("refused with {}: {}", answer.status, answer.refusal.unwrap_or_default());
            let refusal = Some(marked(&sentence(&why)));
            page.test = Some(TestShown { refusal, has_arrived: false, items: Vec::new() });
            ok(&page)
        }
        Err(problem) => {
            let mut page = page(&posted.who, &state, id, None, None).await?;
            let refusal = Some(marked(&sentence(&problem.detail())));
            page.test = Some(TestShown { refusal, has_arrived: false, items: Vec::new() });
            ok(&page)
        }
    }
}
