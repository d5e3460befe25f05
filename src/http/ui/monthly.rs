//! Monthly costs: subscriptions and fees.

use actix_web::web::{Data, Query};
use askama::Template;

use super::costs::{Done, kind_choices, rule_choices, rule_of, shared, stage_choices};
use super::forms::{Choice, Fields, Form};
use super::links::label_choices;
use super::page::{PageError, PageResult, Shell, faults_of, money, ok, see, unprocessable};
use super::session::{Posted, SignedIn};
use super::typed;
use crate::domain::fault::Fault;
use crate::domain::ids::ScheduleId;
use crate::http::state::State;
use crate::jobs::edit_schedules::{self, NamedSchedule, ScheduleChange, ScheduleInput};
use crate::store::StoreError;

struct MonthlyRow {
    name: String,
    kind: &'static str,
    from: String,
    until: String,
    amount: String,
    label: String,
}

#[derive(Template)]
#[template(path = "monthly.html")]
struct MonthlyPage {
    shell: Shell,
    form: Form,
    change_form: Form,
    channels: Vec<Choice>,
    campaigns: Vec<Choice>,
    kinds: Vec<Choice>,
    rules: Vec<Choice>,
    stages: Vec<Choice>,
    schedules: Vec<Choice>,
    rows: Vec<MonthlyRow>,
}

/// `GET /app/costs/monthly`
pub(super) async fn show(who: SignedIn, state: Data<State>, query: Query<Done>) -> PageResult {
    let mut page = page(&who, &state, blank(&state), Form::default()).await?;
    page.shell = page.shell.after(query.done.as_deref());
    ok(&page)
}

fn blank(state: &State) -> Form {
    Form::new(Fields::of([
        ("currency", state.config.reporting.currency.code()),
        ("kind", "tools"),
        ("allocation", "shared"),
    ]))
}

async fn page(who: &SignedIn, state: &State, form: Form, change_form: Form) -> Result<MonthlyPage, PageError> {
    let change_form = change_form.second();
    let (list, (channels, campaigns)) =
        state.db.read(|conn| Ok((edit_schedules::list(conn)?, label_choices(conn)?))).await?;
    let choice = |named: &NamedSchedule| {
        let name = named.latest().map_or("", |s| s.name.as_str());
        Choice::new(named.id.to_string(), name)
    };
    Ok(MonthlyPage {
        shell: Shell::new("costs", "Monthly costs", &who.session),
        form,
        change_form,
        channels,
        campaigns,
        kinds: kind_choices(),
        rules: rule_choices(),
        stages: stage_choices(),
        schedules: list.iter().map(choice).collect(),
        rows: list.iter().flat_map(rows).collect(),
    })
}

fn rows(named: &NamedSchedule) -> Vec<MonthlyRow> {
    let label = || named.channel.clone().unwrap_or_else(|| shared(&named.allocation));
    let row = |revision: &crate::domain::schedule::ScheduleRevision| MonthlyRow {
        name: revision.schedule.name.clone(),
        kind: revision.schedule.kind.as_str(),
        from: revision.effective_from.to_string(),
        until: revision.schedule.last_day.map(|d| d.to_string()).unwrap_or_default(),
        amount: money(revision.schedule.amount),
        label: label(),
    };
    named.revisions.iter().map(row).collect()
}

/// `POST /app/costs/monthly`
pub(super) async fn add(posted: Posted, state: Data<State>) -> PageResult {
    let Posted { who, fields } = posted;
    let input = ScheduleInput {
        name: fields.text("name"),
        kind: fields.text("kind"),
        first_day: fields.text("first_day"),
        last_day: fields.some("last_day"),
        channel: fields.some("channel"),
        campaign: fields.some("campaign"),
        amount: typed::amount(fields.get("amount")),
        currency: fields.text("currency"),
        allocation: rule_of(&fields),
        document: fields.some("document"),
    };
    let author = who.author.clone();
    match state.db.write(move |conn| edit_schedules::create(conn, &input, &author)).await {
        Ok(_) => Ok(see("/app/costs/monthly?done=monthly-added")),
        Err(error) => {
            let form = Form::refused(fields, faults_of(error)?);
            unprocessable(&page(&who, &state, form, Form::default()).await?)
        }
    }
}

/// `POST /app/costs/monthly/change`
pub(super) async fn change(posted: Posted, state: Data<State>) -> PageResult {
    let Posted { who, fields } = posted;
    let change = ScheduleChange {
        from: fields.text("from"),
        amount: fields.some("amount").map(|a| typed::amount(&a)),
        last_day: fields.some("last_day"),
        allocation: None,
    };
    let author = who.author.clone();
    let id = fields.get("schedule").parse::<ScheduleId>();
    let done = match id.map_err(|_none| Fault::new("schedule", "missing", "choose which one to change")) {
        Ok(id) => state.db.write(move |conn| edit_schedules::change(conn, id, &change, &author)).await,
        Err(fault) => Err(StoreError::refused(fault)),
    };
    match done {
        Ok(_) => Ok(see("/app/costs/monthly?done=monthly-changed")),
        Err(error) => {
            let form = Form::refused(fields, faults_of(error)?);
            unprocessable(&page(&who, &state, blank(&state), form).await?)
        }
    }
}
