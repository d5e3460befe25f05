//! Exchange rates: the list by day, a rate by hand, and the file of the European Central Bank.

use actix_web::HttpRequest;
use actix_web::web::{Data, Payload, Query};
use askama::Template;
use serde::Deserialize;

use super::forms::{Fields, Form};
use super::page::{PageError, PageResult, Shell, count, faults_of, ok, see, unprocessable};
use super::session::{Posted, SignedIn, require_own_form};
use super::typed;
use crate::domain::fx::{Rate, RateSource};
use crate::domain::time::Day;
use crate::http::api::rates::FILE_BYTES_MAX;
use crate::http::state::State;
use crate::http::upload;
use crate::jobs::edit_rates::{self, RateInput};
use crate::store::rates;

/// Rows of the list.
const ROWS: i64 = 200;

/// The query string of the page.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Filter {
    #[serde(default)]
    to: String,
    done: Option<String>,
}

struct RateRow {
    day: String,
    base: &'static str,
    rate: String,
    quote: &'static str,
    source: &'static str,
}

impl From<Rate> for RateRow {
    fn from(r: Rate) -> Self {
        Self {
            day: r.day.to_string(),
            base: r.base.code(),
            rate: r.value.to_string(),
            quote: r.quote.code(),
            source: match r.source {
                RateSource::Manual => "by hand",
                RateSource::Ecb => "European Central Bank",
            },
        }
    }
}

#[derive(Template)]
#[template(path = "rates.html")]
struct RatesPage {
    shell: Shell,
    form: Form,
    known: Option<String>,
    to: String,
    rates: Vec<RateRow>,
}

/// `GET /app/rates`
pub(super) async fn show(who: SignedIn, state: Data<State>, query: Query<Filter>) -> PageResult {
    let form = Form::new(Fields::of([("base", "EUR")]));
    let to = query.to.parse::<Day>().ok();
    let mut page = page(&who, &state, form, to).await?;
    page.shell = page.shell.after(query.done.as_deref());
    ok(&page)
}

async fn page(who: &SignedIn, state: &State, form: Form, to: Option<Day>) -> Result<RatesPage, PageError> {
    let (list, extent) =
        state.db.read(move |conn| Ok((rates::list(conn, to, ROWS)?, rates::extent(conn, RateSource::Ecb)?))).await?;
    let known = extent.map(|(first, last, number)| {
        let stand = if number == 1 { "rate of the bank stands" } else { "rates of the bank stand" };
        format!("{} {stand}, of {first} to {last}.", count(number))
    });
    Ok(RatesPage {
        shell: Shell::new("costs", "Exchange rates", &who.session),
        form,
        known,
        to: to.map(|d| d.to_string()).unwrap_or_default(),
        rates: list.into_iter().map(Into::into).collect(),
    })
}

/// `POST /app/rates`
pub(super) async fn add(posted: Posted, state: Data<State>) -> PageResult {
    let Posted { who, fields } = posted;
    let input = RateInput {
        day: fields.text("day"),
        base: fields.text("base"),
        quote: fields.text("quote"),
        rate: typed::amount(fields.get("rate")),
    };
    let author = who.author.clone();
    match state.db.write(move |conn| edit_rates::add(conn, &[input], "by hand", &author)).await {
        Ok(_) => Ok(see("/app/rates?done=rate-added")),
        Err(error) => {
            let form = Form::refused(fields, faults_of(error)?);
            unprocessable(&page(&who, &state, form, None).await?)
        }
    }
}

/// `POST /app/rates/import`
pub(super) async fn import(who: SignedIn, state: Data<State>, request: HttpRequest, payload: Payload) -> PageResult {
    let uploaded = upload::read(&request, payload, FILE_BYTES_MAX, "check that it is the bank's file").await?;
    require_own_form(&request, &state, uploaded.fields.get("csrf").map_or("", String::as_str), &who)?;
    let (name, bytes, author) = (uploaded.name, uploaded.file.unwrap_or_default(), who.author.clone());
    match state.db.write(move |conn| edit_rates::import_ecb(conn, &bytes, &name, &author)).await {
        Ok(done) if done.stored.batch.is_none() => Ok(see("/app/rates?done=rates-stood")),
        Ok(_) => Ok(see("/app/rates?done=rates-imported")),
        Err(error) => {
            let form = Form::refused(Fields::of([("base", "EUR")]), faults_of(error)?);
            unprocessable(&page(&who, &state, form, None).await?)
        }
    }
}
