//! Import: a file is uploaded, looked at, and recorded when somebody has seen what it does.
//!
//! Between the steps the file waits encrypted in the database under a token of its own, for its user and an hour.

use std::collections::HashMap;

use actix_web::HttpRequest;
use actix_web::web::{Data, Path, Payload, Query};
use askama::Template;

use super::costs::gap_words;
use super::forms::{Choice, Fields, Form};
use super::import_done;
use super::links::label_choices;
use super::page::{PageError, PageResult, Shell, count, money, ok, see, thousands, unprocessable, when};
use super::session::{Posted, SignedIn, require_own_form};
use crate::domain::fault::Fault;
use crate::domain::money::{Currency, Money};
use crate::domain::time::{DAY_MS, DayRange};
use crate::http::api::reports::{Pairs, joined};
use crate::http::problem::Problem;
use crate::http::state::State;
use crate::http::upload as body;
use crate::imports::preset;
use crate::jobs::edit_platforms;
use crate::jobs::platform_import::{
    self, AccountView, CampaignView, Imported, Options, Preview, Read, Remembered, SheetView, Words, own_presets,
};
use crate::reports::rate_gaps;
use crate::secret::{random_token, sha256};
use crate::store::batches::{self, Batch, BatchKind};
use crate::store::labels::Author;
use crate::store::uploads::{self, Upload};
use crate::store::{Conn, StoreError};

/// Imports on the first page.
const RECENT: usize = 20;

#[derive(Template)]
#[template(path = "import.html")]
struct StartPage {
    shell: Shell,
    form: Form,
    presets: Vec<(String, Vec<String>)>,
    own: Vec<String>,
    recent: Vec<RecentRow>,
    megabytes: usize,
}

struct RecentRow {
    id: String,
    recorded: String,
    label: String,
    source: String,
    rows: String,
    undone: bool,
}

/// The flash code of what was done before.
#[derive(Debug, Default, serde::Deserialize)]
pub(super) struct Done {
    done: Option<String>,
}

/// `GET /app/import`
pub(super) async fn start(who: SignedIn, state: Data<State>, query: Query<Done>) -> PageResult {
    let mut page = start_page(&who, &state, Form::default()).await?;
    page.shell = page.shell.after(query.done.as_deref());
    ok(&page)
}

async fn start_page(who: &SignedIn, state: &State, form: Form) -> Result<StartPage, PageError> {
    let (own, recent) = state.db.read(|conn| Ok((own_presets(conn)?, batches::list(conn, 200)?))).await?;
    let mut presets: Vec<(String, Vec<String>)> = Vec::new();
    for (kind, words) in [("spend", "Spend"), ("posts", "Posts"), ("days", "Accounts by day")] {
        let of_kind = preset::built_in().iter().filter(|p| p.kind.as_str() == kind);
        presets.push((words.to_owned(), of_kind.map(|p| p.title.clone()).collect()));
    }
    let row = |b: Batch| RecentRow {
        id: b.id.to_string(),
        recorded: when(b.recorded_at),
        label: b.label,
        source: b.source,
        rows: count(b.rows_stored),
        undone: b.voided_at.is_some(),
    };
    Ok(StartPage {
        shell: Shell::new("import", "Import", &who.session),
        form,
        presets,
        own: own.into_iter().map(|p| p.title).collect(),
        recent: recent.into_iter().filter(is_listed).take(RECENT).map(row).collect(),
        megabytes: state.config.imports.file_bytes_max >> 20,
    })
}

/// Whether a batch came in as a file of spend or counts. Schedules and hourly rates are costs without a file: their
/// source stands in brackets.
pub(super) fn is_listed(batch: &Batch) -> bool {
    let is_file = batch.label != "by hand" && !batch.source.starts_with('(');
    is_file && matches!(batch.kind, BatchKind::Costs | BatchKind::Metrics)
}

/// `POST /app/import`: takes a file.
pub(super) async fn upload(who: SignedIn, state: Data<State>, request: HttpRequest, payload: Payload) -> PageResult {
    let uploaded = body::read(&request, payload, state.config.imports.file_bytes_max, body::SPLIT).await?;
    require_own_form(&request, &state, uploaded.fields.get("csrf").map_or("", String::as_str), &who)?;
    let Some(file) = uploaded.file else {
        let fault = Fault::new("file", "missing", "choose a file that is not empty");
        return unprocessable(&start_page(&who, &state, Form::refused(Fields::default(), vec![fault])).await?);
    };
    let name = if uploaded.name.is_empty() { "upload".to_owned() } else { uploaded.name };
    let token = random_token();
    let hash = sha256(token.as_bytes());
    let (secret, author) = (state.secret.clone(), who.author);
    let expires_at = author.now.plus_ms((state.config.imports.keep_minutes * 60_000).clamp(60_000, DAY_MS));
    let put = move |conn: &mut Conn| {
        let upload = Upload { name, sealed: secret.seal(&file)? };
        uploads::put(conn, &hash, &upload, expires_at, &author)
    };
    state.db.write(put).await?;
    Ok(see(&format!("/app/import/file/{token}")))
}

/// A waiting file.
pub(super) struct Waiting {
    pub(super) name: String,
    pub(super) bytes: Vec<u8>,
}

/// The waiting file of a token.
pub(super) async fn waiting(state: &State, token: &str, author: &Author) -> Result<Waiting, PageError> {
    let (hash, author, secret) = (sha256(token.as_bytes()), author.clone(), state.secret.clone());
    let get = move |conn: &mut Conn| {
        let upload = uploads::get(conn, &hash, &author)?;
        Ok(Waiting { name: upload.name, bytes: secret.open(&upload.sealed)? })
    };
    Ok(state.db.read(get).await?)
}

#[derive(Template)]
#[template(path = "import_file.html")]
struct FilePage {
    shell: Shell,
    form: Form,
    token: String,
    name: String,
    preview: Option<Preview>,
    /// What the file itself left open, so the form must ask it.
    asks: Vec<String>,
    presets: Vec<Choice>,
    channels: Vec<Choice>,
    campaigns: Vec<Choice>,
    orders: Vec<Choice>,
    marks: Vec<Choice>,
    scopes: Vec<Choice>,
    needs_channel: bool,
    can_import: bool,
    /// Whether nobody has answered yet what the file leaves open: that is a question, not a mistake.
    is_question: bool,
    rate_gaps: Vec<String>,
}

impl FilePage {
    /// Whether some sum of the file's own is that of its rows.
    fn agrees(&self, sheet: &SheetView) -> bool {
        sheet.totals.iter().any(|t| t.agrees)
    }

    fn asks(&self, field: &str) -> bool {
        self.asks.iter().any(|f| f == field)
    }

    fn money(&self, minor: &i64, currency: &str) -> String {
        currency.parse::<Currency>().map_or_else(|_| count(*minor), |currency| money(Money { minor: *minor, currency }))
    }

    /// A sum as the file writes it, in the currency that all of it is in.
    fn total(&self, text: &str, sheet: &SheetView) -> String {
        let mut currencies: Vec<&str> =
            self.preview.iter().flat_map(|p| &p.accounts).map(|a| a.currency.as_str()).collect();
        currencies.dedup();
        match currencies.as_slice() {
            [only] if sheet.kind == "spend" => format!("{} {only}", thousands(text)),
            _ => thousands(text),
        }
    }

    fn number(&self, n: &usize) -> String {
        count(i64::try_from(*n).unwrap_or(i64::MAX))
    }

    fn metric(&self, name: &str) -> String {
        name.trim_end_matches("_micro").replace('_', " ")
    }

    fn metric_sum(&self, name: &str, n: &i64) -> String {
        if name.ends_with("_micro") { crate::domain::money::decimal(i128::from(*n) / 10_000, 2) } else { count(*n) }
    }

    fn campaign_name(&self, campaign: &CampaignView) -> String {
        let id = || campaign.key.external_id.clone().unwrap_or_else(|| "(whole account)".to_owned());
        if campaign.key.name.is_empty() { id() } else { campaign.key.name.clone() }
    }

    /// What is chosen for a campaign: what was sent, else what its name suggests.
    fn chosen(&self, account: &usize, campaign: &usize, view: &CampaignView, value: &str) -> bool {
        let sent = self.form.value(&format!("campaign-{account}-{campaign}"));
        let is_sent = !self.form.value("sent").is_empty();
        if is_sent { sent == value } else { view.campaign_suggestion.as_deref() == Some(value) }
    }

    fn chosen_channel(&self, account: &usize, campaign: &usize, value: &str) -> bool {
        self.form.value(&format!("channel-{account}-{campaign}")) == value
    }

    /// How many campaigns of an account are listed at most.
    fn listed<'a>(&self, account: &'a AccountView) -> &'a [CampaignView] {
        account.campaigns.get(..account.campaigns.len().min(CAMPAIGNS_SHOWN)).unwrap_or(&[])
    }
}

/// What the page asks, if the file leaves it open.
const ASKED: &[&str] = &[
    "preset",
    "currency",
    "account",
    "dates",
    "decimal",
    "exported_on",
    "scope",
    "days",
    "spread",
    "accept_difference",
];
/// Faults that ask for something which the file itself does not say.
const QUESTIONS: &[&str] =
    &["currency-missing", "account-ambiguous", "preset-ambiguous", "preset-unknown-file", "period-total"];
/// What may also be said without being asked.
const OPTIONAL: &[&str] = &["preset", "account", "exported_on"];

/// Campaigns that the page lists; all others are mapped on the page of platforms.
const CAMPAIGNS_SHOWN: usize = 100;

/// `GET /app/import/file/{token}`: what the file is.
pub(super) async fn show(who: SignedIn, state: Data<State>, token: Path<String>, query: Query<Pairs>) -> PageResult {
    let given = joined(query.into_inner());
    let fields = Fields::new(given.into_iter().collect());
    let page = file_page(&who, &state, &token, fields, Vec::new()).await?;
    ok(&page)
}

/// `POST /app/import/file/{token}`: looks again with what was said, or imports.
pub(super) async fn act(posted: Posted, state: Data<State>, token: Path<String>) -> PageResult {
    let Posted { who, fields } = posted;
    if fields.get("do") != "import" {
        let page = file_page(&who, &state, &token, fields, Vec::new()).await?;
        return if page.form.is_refused() { unprocessable(&page) } else { ok(&page) };
    }
    match import(&who, &state, &token, &fields).await? {
        Ok(done) => Ok(see(&import_done::href(&done))),
        Err(faults) => unprocessable(&file_page(&who, &state, &token, fields, faults).await?),
    }
}

type Refused<T> = Result<T, Vec<Fault>>;

async fn import(who: &SignedIn, state: &State, token: &str, fields: &Fields) -> Result<Refused<Imported>, PageError> {
    let file = waiting(state, token, &who.author).await?;
    let read = match read(state, &who.author, file, fields).await? {
        Ok(read) => read,
        Err(faults) => return Ok(Err(faults)),
    };
    let (zone, author) = (state.config.reporting.zone.clone(), who.author.clone());
    let (hash, fields) = (sha256(token.as_bytes()), fields.clone());
    let write = move |conn: &mut Conn| {
        let preview = platform_import::preview(conn, &read, &zone)?;
        let words = words(conn, &preview, &fields)?;
        let done = platform_import::import(conn, &read, &words, &zone, &author)?;
        uploads::remove(conn, &hash)?;
        Ok(done)
    };
    match state.db.write(write).await {
        Ok(done) => Ok(Ok(done)),
        Err(StoreError::Refused(faults)) => Ok(Err(faults)),
        Err(other) => Err(other.into()),
    }
}

/// What the form says of each campaign.
fn words(conn: &mut Conn, preview: &Preview, fields: &Fields) -> Result<Words, StoreError> {
    let mut words = Words::new();
    for (a, account) in preview.accounts.iter().enumerate() {
        for (c, campaign) in account.campaigns.iter().enumerate() {
            let (channel, ours) = (fields.some(&format!("channel-{a}-{c}")), fields.some(&format!("campaign-{a}-{c}")));
            if channel.is_some() || ours.is_some() {
                let mapping = edit_platforms::mapping(conn, channel.as_deref(), ours.as_deref())?;
                words.insert((account.account.clone(), campaign.key.clone()), mapping);
            }
        }
    }
    Ok(words)
}

/// Where the file's spend lacks a rate to the currency of reports, in words.
fn gaps(conn: &mut Conn, to: Currency, preview: &Preview) -> Result<Vec<String>, StoreError> {
    let days = |a: &AccountView| Some((a.currency.parse().ok()?, DayRange { from: a.days.0, to: a.days.1 }));
    let costs: Vec<(Currency, DayRange)> = preview.accounts.iter().filter_map(days).collect();
    Ok(rate_gaps(conn, to, &costs)?.iter().map(gap_words).collect())
}

async fn read(state: &State, author: &Author, file: Waiting, fields: &Fields) -> Result<Refused<Read>, PageError> {
    let given: HashMap<String, String> = Options::NAMES.iter().map(|n| ((*n).to_owned(), fields.text(n))).collect();
    let options = match Options::read(&given) {
        Ok(options) => options.exported(&file.name, author.now),
        Err(faults) => return Ok(Err(faults)),
    };
    let read = move |conn: &mut Conn| Ok(Read::new(&file.name, &file.bytes, &Remembered::load(conn)?, options));
    Ok(state.db.read(read).await?)
}

async fn file_page(
    who: &SignedIn,
    state: &State,
    token: &str,
    fields: Fields,
    refused: Vec<Fault>,
) -> Result<FilePage, PageError> {
    let file = waiting(state, token, &who.author).await?;
    let name = file.name.clone();
    let (preview, mut faults, rate_gaps) = match read(state, &who.author, file, &fields).await? {
        Err(faults) => (None, faults, Vec::new()),
        Ok(read) => {
            let (zone, to) = (state.config.reporting.zone.clone(), state.config.reporting.currency);
            let look = move |conn: &mut Conn| {
                let preview = platform_import::preview(conn, &read, &zone)?;
                Ok((gaps(conn, to, &preview)?, preview))
            };
            let (gaps, preview) = state.db.read(look).await?;
            let faults = preview.faults.clone();
            (Some(preview), faults, gaps)
        }
    };
    let can_import = preview.is_some() && faults.is_empty();
    let is_question = !fields.is_on("sent") && faults.iter().all(|f| QUESTIONS.contains(&f.code.as_str()));
    faults.extend(refused.into_iter().filter(|f| !faults.contains(f)).collect::<Vec<_>>());
    let mut asks: Vec<String> =
        faults.iter().map(|f| f.field.clone()).filter(|f| ASKED.contains(&f.as_str())).collect();
    // What was said once can be changed.
    asks.extend(ASKED.iter().filter(|n| !OPTIONAL.contains(n) && fields.is_on(n)).map(|n| (*n).to_owned()));
    let (own, (channels, campaigns)) = state.db.read(|conn| Ok((own_presets(conn)?, label_choices(conn)?))).await?;
    let all = own.iter().chain(preset::built_in()).map(|p| Choice::new(&p.name, &p.title));
    let accounts = preview.iter().flat_map(|p| &p.accounts);
    let suggestion = accounts.clone().find_map(|a| a.channel_suggestion.clone());
    let needs_channel = accounts.clone().any(|a| a.channel.is_none()) || fields.is_on("channel");
    let mut fields = fields;
    if !fields.is_on("sent") && !fields.is_on("channel") {
        fields.set("channel", suggestion.unwrap_or_default());
    }
    Ok(FilePage {
        shell: Shell::new("import", name.clone(), &who.session),
        form: if faults.is_empty() { Form::new(fields) } else { Form::refused(fields, faults) },
        token: token.to_owned(),
        name,
        preview,
        asks,
        presets: all.collect(),
        channels,
        campaigns,
        orders: vec![Choice::new("mdy", "month first (10/31/2026)"), Choice::new("dmy", "day first (31/10/2026)")],
        marks: vec![Choice::new(".", "1,234.50"), Choice::new(",", "1.234,50")],
        scopes: vec![
            Choice::new("account", "vanishes: the file is whole"),
            Choice::new("campaigns", "stays: the file is an extract"),
        ],
        needs_channel,
        can_import,
        is_question,
        rate_gaps,
    })
}

impl From<Vec<Fault>> for PageError {
    fn from(faults: Vec<Fault>) -> Self {
        Problem::invalid(faults).into()
    }
}
