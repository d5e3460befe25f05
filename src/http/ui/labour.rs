//! Labour: hours entered by hand, and what an hour costs.

use actix_web::web::{Data, Query};
use askama::Template;

use super::costs::{Done, ROWS, rule_choices, rule_of, shared, stage_choices};
use super::forms::{Choice, Fields, Form};
use super::links::label_choices;
use super::page::{PageError, PageResult, Shell, faults_of, money, ok, see, unprocessable};
use super::session::{Posted, SignedIn};
use super::typed;
use crate::domain::money::Money;
use crate::domain::stage::Source;
use crate::http::state::State;
use crate::jobs::edit_costs::{self, CostInput, NamedCost};
use crate::jobs::workers::{self, HourlyRateInput};
use crate::store::{hourly_rates, labels};

struct RateRow {
    worker: String,
    from: String,
    hourly: String,
}

struct HoursRow {
    days: String,
    worker: String,
    hours: String,
    hourly: String,
    amount: String,
    label: String,
    note: String,
}

#[derive(Template)]
#[template(path = "labour.html")]
struct LabourPage {
    shell: Shell,
    form: Form,
    rate_form: Form,
    channels: Vec<Choice>,
    campaigns: Vec<Choice>,
    posts: Vec<Choice>,
    rules: Vec<Choice>,
    stages: Vec<Choice>,
    rates: Vec<RateRow>,
    entries: Vec<HoursRow>,
}

/// `GET /app/costs/labour`
pub(super) async fn show(who: SignedIn, state: Data<State>, query: Query<Done>) -> PageResult {
    let mut page = page(&who, &state, blank(&state), blank(&state)).await?;
    page.shell = page.shell.after(query.done.as_deref());
    ok(&page)
}

fn blank(state: &State) -> Form {
    Form::new(Fields::of([("currency", state.config.reporting.currency.code()), ("allocation", "shared")]))
}

async fn page(who: &SignedIn, state: &State, form: Form, rate_form: Form) -> Result<LabourPage, PageError> {
    let rate_form = rate_form.second();
    let (rates, costs, (channels, campaigns), posts) = state
        .db
        .read(|conn| {
            let posts = labels::list_posts(conn)?;
            Ok((hourly_rates::standing(conn)?, edit_costs::list(conn, ROWS)?, label_choices(conn)?, posts))
        })
        .await?;
    let mut rates: Vec<RateRow> = rates
        .into_iter()
        .map(|r| RateRow { worker: r.worker, from: r.effective_from.to_string(), hourly: money(r.hourly) })
        .collect();
    rates.sort_by(|a, b| (&a.worker, &a.from).cmp(&(&b.worker, &b.from)));
    Ok(LabourPage {
        shell: Shell::new("costs", "Labour", &who.session),
        form,
        rate_form,
        channels,
        campaigns,
        posts: posts.into_iter().filter(|p| !p.labels.archived).map(|p| Choice::new(p.code.clone(), p.code)).collect(),
        rules: rule_choices(),
        stages: stage_choices(),
        rates,
        entries: costs.into_iter().filter_map(hours_row).collect(),
    })
}

fn hours_row(named: NamedCost) -> Option<HoursRow> {
    let cost = named.entry.cost;
    let labour = cost.labour?;
    let one = cost.days.from == cost.days.to;
    Some(HoursRow {
        days: if one { cost.days.from.to_string() } else { format!("{} to {}", cost.days.from, cost.days.to) },
        worker: labour.worker,
        hours: labour.hours.to_string(),
        hourly: money(Money { minor: labour.hourly_minor, currency: cost.amount.currency }),
        amount: money(cost.amount),
        label: named.channel.unwrap_or_else(|| shared(&named.allocation)),
        note: cost.note.unwrap_or_default(),
    })
}

/// `POST /app/costs/labour`
pub(super) async fn add(posted: Posted, state: Data<State>) -> PageResult {
    let Posted { who, fields } = posted;
    let rate = fields.some("rate").map(|r| typed::amount(&r));
    let input = CostInput {
        from: fields.text("from"),
        to: fields.text("to"),
        channel: fields.some("channel"),
        campaign: fields.some("campaign"),
        post: fields.some("post"),
        kind: "labour".to_owned(),
        // Without a rate of its own the recorded one counts, in its currency.
        currency: if rate.is_some() { fields.text("currency") } else { String::new() },
        allocation: rule_of(&fields),
        note: fields.some("note"),
        person: fields.some("person"),
        team: fields.some("team"),
        hours: Some(fields.text("hours")),
        rate,
        ..CostInput::default()
    };
    let (source, author) = (Source::parse("app")?, who.author.clone());
    match state.db.write(move |conn| edit_costs::add(conn, &[input], &source, "hours by hand", &author)).await {
        Ok(_) => Ok(see("/app/costs/labour?done=hours-added")),
        Err(error) => {
            let form = Form::refused(fields, faults_of(error)?);
            unprocessable(&page(&who, &state, form, blank(&state)).await?)
        }
    }
}

/// `POST /app/costs/hourly-rates`
pub(super) async fn add_rate(posted: Posted, state: Data<State>) -> PageResult {
    let Posted { who, fields } = posted;
    let input = HourlyRateInput {
        person: fields.some("person"),
        team: fields.some("team"),
        effective_from: fields.text("effective_from"),
        rate: typed::amount(fields.get("rate")),
        currency: fields.text("currency"),
    };
    let author = who.author.clone();
    match state.db.write(move |conn| workers::add_rate(conn, &input, &author)).await {
        Ok(_) => Ok(see("/app/costs/labour?done=hourly-rate-added")),
        Err(error) => {
            let form = Form::refused(fields, faults_of(error)?);
            unprocessable(&page(&who, &state, blank(&state), form).await?)
        }
    }
}
