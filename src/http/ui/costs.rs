//! Costs: one added by hand, those that stand, and batches to undo.

use actix_web::web::{Data, Path, Query};
use askama::Template;
use serde::Deserialize;

use super::forms::{Choice, Fields, Form};
use super::links::label_choices;
use super::page::{PageError, PageResult, Shell, count, faults_of, money, ok, see, unprocessable, when};
use super::session::{Posted, SignedIn};
use super::typed;
use crate::domain::attribution::credit::allocate;
use crate::domain::cost::{CostBasis, CostKind};
use crate::domain::fault::Fault;
use crate::domain::ids::BatchId;
use crate::domain::money::{Currency, decimal};
use crate::domain::stage::Source;
use crate::domain::time::DayRange;
use crate::http::state::State;
use crate::jobs::edit_costs::{self, CostInput, NamedCost};
use crate::reports::cost_per_lead::{self, Figures};
use crate::reports::{Measure, Parameters, RateGap, rate_gaps};
use crate::store::batches::{self, Batch};
use crate::store::{Conn, StoreError, costs};

/// Rows of each list.
pub(super) const ROWS: i64 = 200;

/// A flash code.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Done {
    pub(super) done: Option<String>,
}

struct CostRow {
    days: String,
    label: String,
    detail: String,
    kind: &'static str,
    amount: String,
    document: String,
    source: String,
}

struct BatchRow {
    id: String,
    recorded: String,
    kind: &'static str,
    label: String,
    source: String,
    rows: String,
    by: String,
    undone: Option<String>,
}

#[derive(Template)]
#[template(path = "costs.html")]
struct CostsPage {
    shell: Shell,
    form: Form,
    channels: Vec<Choice>,
    campaigns: Vec<Choice>,
    kinds: Vec<Choice>,
    rules: Vec<Choice>,
    stages: Vec<Choice>,
    costs: Vec<CostRow>,
    rate_gaps: Vec<String>,
    batches: Vec<BatchRow>,
}

#[derive(Template)]
#[template(path = "batch.html")]
struct BatchPage {
    shell: Shell,
    form: Form,
    batch: BatchRow,
    is_costs: bool,
    /// Where its list is, and what that page is called.
    list: (&'static str, &'static str),
}

/// `GET /app/costs`
pub(super) async fn list(who: SignedIn, state: Data<State>, query: Query<Done>) -> PageResult {
    let currency = state.config.reporting.currency.code();
    let mut page =
        list_page(&who, &state, Form::new(Fields::of([("currency", currency), ("allocation", "shared")]))).await?;
    page.shell = page.shell.after(query.done.as_deref());
    ok(&page)
}

async fn list_page(who: &SignedIn, state: &State, form: Form) -> Result<CostsPage, PageError> {
    let currency = state.config.reporting.currency;
    let read = move |conn: &mut Conn| {
        let lists = (edit_costs::list(conn, ROWS)?, batches::list(conn, ROWS)?, label_choices(conn)?);
        Ok((lists, standing_gaps(conn, currency)?))
    };
    let ((costs, batches, (channels, campaigns)), rate_gaps) = state.db.read(read).await?;
    Ok(CostsPage {
        shell: Shell::new("costs", "Costs", &who.session),
        form,
        channels,
        campaigns,
        kinds: kind_choices(),
        rules: rule_choices(),
        stages: stage_choices(),
        costs: costs.into_iter().map(cost_row).collect(),
        rate_gaps,
        batches: batches.into_iter().map(batch_row).collect(),
    })
}

/// Where standing costs lack a rate to the currency of reports, in words.
pub(super) fn standing_gaps(conn: &mut Conn, to: Currency) -> Result<Vec<String>, StoreError> {
    let days = costs::foreign_days(conn, to)?;
    Ok(rate_gaps(conn, to, &days)?.iter().map(gap_words).collect())
}

/// A gap as a page tells it, before the link to the rates.
pub(super) fn gap_words(gap: &RateGap) -> String {
    let RateGap { from, to, first, last, days } = gap;
    let days = match days {
        1 => format!("on {first}"),
        2 => format!("on {first} and {last}"),
        n => format!("on {n} days from {first} to {last}"),
    };
    format!(
        "There is no rate from {from} to {to} {days}. Until there is one, a report in {to} of these costs answers nothing."
    )
}

/// Every kind of cost.
pub(super) fn kind_choices() -> Vec<Choice> {
    CostKind::ALL.iter().map(|k| Choice::new(k.as_str(), kind_label(*k))).collect()
}

/// The rules by which channels share a cost.
pub(super) fn rule_choices() -> Vec<Choice> {
    let rule = Choice::explained;
    vec![
        rule("shared", "Keep it shared", "It stays in the row (shared), and in the total."),
        rule("spend", "By ad spend", "Each day by what the channels spent on media that day, net of credit notes."),
        rule("clicks", "By clicks", "Each day by the human clicks that came by each channel."),
        rule(
            "stage",
            "By entries into a stage",
            "Each day by its leads, say: the channels that touched a person share that lead equally, before any model.",
        ),
        rule("weights", "By fixed weights", "Always in the same proportion, such as 3 to 1."),
    ]
}

/// The stages that may share a cost.
pub(super) fn stage_choices() -> Vec<Choice> {
    let stage = |(value, label): (&'static str, &'static str)| Choice::new(value, label);
    [("lead", "Leads"), ("mql", "MQLs"), ("sql", "SQLs"), ("opportunity", "Opportunities"), ("customer", "Customers")]
        .into_iter()
        .map(stage)
        .collect()
}

/// The rule that a form chose, as the domain reads it.
pub(super) fn rule_of(fields: &Fields) -> Option<String> {
    match fields.get("allocation") {
        "stage" => Some(format!("stage:{}", fields.text("stage"))),
        "weights" => Some(format!("weights:{}", fields.text("weights"))),
        _ => fields.some("allocation"),
    }
}

struct RuleRow {
    channel: String,
    shares: Vec<String>,
}

#[derive(Template)]
#[template(path = "rules.html")]
struct RulesPage {
    shell: Shell,
    from: String,
    to: String,
    rules: Vec<&'static str>,
    rows: Vec<RuleRow>,
}

/// `GET /app/costs/rules`: what each rule would have done lately.
pub(super) async fn rules(who: SignedIn, state: Data<State>) -> PageResult {
    let reporting = &state.config.reporting;
    let today = reporting.zone.day_of(state.clock.now());
    let range = DayRange::new(today.plus_days(-27), today)?;
    let parameters = Parameters {
        models: vec!["linear_distinct".parse()?],
        cost: CostBasis::Media,
        zone: reporting.zone.clone(),
        ..Parameters::new(range, reporting.currency)
    };
    let report = state.db.read(move |conn| Ok(cost_per_lead::run(conn, &parameters))).await??;
    let weights: [fn(&Figures) -> i64; 4] =
        [|f| f.cost_minor, |f| f.clicks, |f| f.get(Measure::Leads), |f| f.get(Measure::Customers)];
    let is_channel = |row: &&cost_per_lead::Row| row.key.parts().iter().all(|part| part.special().is_none());
    let channels: Vec<&cost_per_lead::Row> = report.rows.iter().filter(is_channel).collect();
    let shares = weights.map(|weight| {
        let own: Vec<u128> = channels.iter().map(|r| u128::try_from(weight(r.leading())).unwrap_or(0)).collect();
        allocate(10_000, &own)
    });
    let row = |(n, row): (usize, &&cost_per_lead::Row)| RuleRow {
        channel: row.key.to_string(),
        shares: shares.iter().map(|s| decimal(s.get(n).copied().unwrap_or(0).into(), 2)).collect(),
    };
    let rows = channels.iter().enumerate().map(row).filter(|r| r.shares.iter().any(|s| s != "0.00"));
    ok(&RulesPage {
        shell: Shell::new("costs", "What each rule would have done", &who.session),
        from: range.from.to_string(),
        to: range.to.to_string(),
        rules: vec!["By ad spend", "By clicks", "By leads", "By customers"],
        rows: rows.collect(),
    })
}

fn kind_label(kind: CostKind) -> &'static str {
    match kind {
        CostKind::Media => "Media: ad spend",
        CostKind::Agency => "Agency: fees",
        CostKind::Tools => "Tools: software, subscriptions",
        CostKind::Content => "Content: texts, pictures, films",
        CostKind::Labour => "Labour: hours of people",
    }
}

/// `POST /app/costs`
pub(super) async fn add(posted: Posted, state: Data<State>) -> PageResult {
    let Posted { who, fields } = posted;
    let input = CostInput {
        from: fields.text("from"),
        to: fields.text("to"),
        channel: fields.some("channel"),
        campaign: fields.some("campaign"),
        kind: fields.text("kind"),
        amount: Some(typed::amount(fields.get("amount"))),
        currency: fields.text("currency"),
        document: fields.some("document"),
        allocation: rule_of(&fields),
        note: fields.some("note"),
        ..CostInput::default()
    };
    let (source, author) = (Source::parse("app")?, who.author.clone());
    let stored = state.db.write(move |conn| edit_costs::add(conn, &[input], &source, "by hand", &author)).await;
    match stored {
        Ok(_) => Ok(see("/app/costs?done=cost-added")),
        Err(error) => {
            let form = Form::refused(fields, faults_of(error)?);
            unprocessable(&list_page(&who, &state, form).await?)
        }
    }
}

/// `GET /app/costs/batches/{id}`: asks before it undoes.
pub(super) async fn batch(who: SignedIn, state: Data<State>, path: Path<String>) -> PageResult {
    ok(&batch_page(&who, &state, path.parse()?, Form::default()).await?)
}

async fn batch_page(who: &SignedIn, state: &State, id: BatchId, form: Form) -> Result<BatchPage, PageError> {
    let batch = state.db.read(move |conn| batches::get(conn, id)).await?;
    let list = list_of(&batch);
    let section = if list == IMPORTS { "import" } else { "costs" };
    Ok(BatchPage {
        shell: Shell::new(section, "Undo a batch", &who.session),
        form,
        list,
        is_costs: batch.kind == batches::BatchKind::Costs,
        batch: batch_row(batch),
    })
}

/// `POST /app/costs/batches/{id}/undo`
pub(super) async fn undo(posted: Posted, state: Data<State>, path: Path<String>) -> PageResult {
    let id: BatchId = path.parse()?;
    if !posted.fields.is_on("confirm") {
        let fault = Fault::new("confirm", "missing", "tick the box to confirm; nothing was undone");
        return unprocessable(&batch_page(&posted.who, &state, id, Form::refused(posted.fields, vec![fault])).await?);
    }
    let author = posted.who.author;
    let undo = move |conn: &mut Conn| {
        batches::undo(conn, id, &author)?;
        batches::get(conn, id)
    };
    let batch = state.db.write(undo).await?;
    Ok(see(&format!("{}?done=batch-undone", list_of(&batch).0)))
}

const IMPORTS: (&str, &str) = ("/app/import", "Import");

/// The page that lists a batch: people go back to where they imported.
fn list_of(batch: &Batch) -> (&'static str, &'static str) {
    if super::import::is_listed(batch) { IMPORTS } else { ("/app/costs", "Costs") }
}

fn batch_row(b: Batch) -> BatchRow {
    BatchRow {
        id: b.id.to_string(),
        recorded: when(b.recorded_at),
        kind: match b.kind {
            batches::BatchKind::Touches => "touches",
            batches::BatchKind::Conversions => "stage events",
            batches::BatchKind::Costs => "costs",
            batches::BatchKind::Metrics => "metrics",
            batches::BatchKind::Rates => "exchange rates",
        },
        label: b.label,
        source: b.source,
        rows: count(b.rows_stored),
        by: b.recorded_by.strip_prefix("user:").unwrap_or(&b.recorded_by).to_owned(),
        undone: b.voided_at.map(when),
    }
}

/// What a cost without a channel is listed under.
pub(super) fn shared(allocation: &str) -> String {
    if allocation == "shared" { "(shared)".to_owned() } else { format!("(shared by {allocation})") }
}

fn cost_row(named: NamedCost) -> CostRow {
    let cost = named.entry.cost;
    let detail = [
        named.campaign.map(|c| format!("campaign {c}")),
        named.post.map(|p| format!("post {p}")),
        named.link.map(|l| format!("link {l}")),
        cost.labour.map(|l| format!("{}, {} h", l.worker, l.hours)),
        cost.note,
    ];
    CostRow {
        days: if cost.days.from == cost.days.to {
            cost.days.from.to_string()
        } else {
            format!("{} to {}", cost.days.from, cost.days.to)
        },
        label: named.channel.unwrap_or_else(|| match named.entry.platform {
            // A report does not share it either.
            Some(_) => "(unmapped)".to_owned(),
            None => shared(&named.allocation),
        }),
        detail: detail.into_iter().flatten().collect::<Vec<_>>().join(", "),
        kind: cost.kind.as_str(),
        amount: money(cost.amount),
        document: cost.document.unwrap_or_default(),
        source: cost.source.as_str().to_owned(),
    }
}
