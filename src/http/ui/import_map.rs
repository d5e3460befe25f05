//! Columns of a file that no preset knows: which column is which field, saved as a preset.

use std::collections::BTreeMap;

use actix_web::web::{Data, Path, Query};
use askama::Template;

use super::forms::{Choice, Fields, Form};
use super::import::waiting;
use super::page::{PageError, PageResult, Shell, ok, see, unprocessable};
use super::session::{Posted, SignedIn};
use crate::domain::fault::Fault;
use crate::http::state::State;
use crate::imports::dates::DateOrder;
use crate::imports::grid::Grid;
use crate::imports::platform::{likely_header, look};
use crate::imports::preset::{ExportKind, Preset};
use crate::store::uploads;

/// Rows that are shown below the header.
const ROWS_SHOWN: usize = 5;
/// Columns that can be named.
const COLUMNS_MAX: usize = 150;

#[derive(Template)]
#[template(path = "import_map.html")]
struct MapPage {
    shell: Shell,
    form: Form,
    token: String,
    name: String,
    encoding: &'static str,
    delimiter: String,
    kinds: Vec<Choice>,
    orders: Vec<Choice>,
    marks: Vec<Choice>,
    /// The tabs of a workbook, where there are several.
    sheets: Vec<Choice>,
    headers: Vec<Choice>,
    columns: Vec<Column>,
    choices: Vec<(&'static str, Vec<Choice>)>,
}

struct Column {
    at: usize,
    name: String,
    values: Vec<String>,
    chosen: String,
}

/// What the page asks for before the columns.
#[derive(Debug, Default, serde::Deserialize)]
pub(super) struct Asked {
    header: Option<usize>,
    sheet: Option<usize>,
}

/// `GET /app/import/file/{token}/columns`
pub(super) async fn show(who: SignedIn, state: Data<State>, token: Path<String>, asked: Query<Asked>) -> PageResult {
    let mut fields = Fields::default();
    if let Some(header) = asked.header {
        fields.set("header", header.to_string());
    }
    if let Some(sheet) = asked.sheet {
        fields.set("sheet", sheet.to_string());
    }
    ok(&page(&who, &state, &token, fields, Vec::new()).await?)
}

/// `POST /app/import/file/{token}/columns`: saves the preset and looks at the file with it.
pub(super) async fn save(posted: Posted, state: Data<State>, token: Path<String>) -> PageResult {
    let Posted { who, fields } = posted;
    if fields.get("do") == "header" {
        return ok(&page(&who, &state, &token, fields, Vec::new()).await?);
    }
    let file = waiting(&state, &token, &who.author).await?;
    let grid = looked_at(&file.bytes, &fields)?.grid;
    let header = header_of(&grid, &fields);
    let saved = preset_of(&grid, header, &fields).and_then(|preset| {
        let text = preset.to_toml().map_err(|f| vec![f])?;
        // What is saved must be read again.
        Preset::parse(&text).map(|preset| (preset.name, text))
    });
    match saved {
        Err(faults) => unprocessable(&page(&who, &state, &token, fields, faults).await?),
        Ok((name, text)) => {
            let (author, preset) = (who.author, name.clone());
            state.db.write(move |conn| uploads::save_preset(conn, &preset, &text, &author)).await?;
            Ok(see(&format!("/app/import/file/{}?preset={name}", *token)))
        }
    }
}

/// The table that is asked about.
struct Looked {
    grid: Grid,
    /// The tabs of a workbook, where there are several.
    sheets: Vec<Choice>,
    delimiter: String,
    encoding: &'static str,
}

fn looked_at(bytes: &[u8], fields: &Fields) -> Result<Looked, PageError> {
    let delimiter = fields.get("delimiter").chars().next();
    let (grids, found, encoding) = look(bytes, delimiter)?;
    let tabs = || grids.iter().enumerate().map(|(at, grid)| Choice::new(at.to_string(), grid.name.clone()));
    let sheets = if grids.len() > 1 { tabs().collect() } else { Vec::new() };
    let at = fields.get("sheet").parse::<usize>().unwrap_or(0);
    let grid = grids.into_iter().nth(at).ok_or_else(|| PageError::not_found("The file has no such sheet."))?;
    Ok(Looked { grid, sheets, delimiter: found.map(String::from).unwrap_or_default(), encoding })
}

/// The chosen header, else the likeliest.
fn header_of(grid: &Grid, fields: &Fields) -> usize {
    let line = fields.get("header").parse::<u64>().ok();
    let chosen = line.and_then(|line| grid.rows.iter().position(|r| r.line == line));
    chosen.or_else(|| likely_header(grid)).unwrap_or(0)
}

async fn page(
    who: &SignedIn,
    state: &State,
    token: &str,
    mut fields: Fields,
    faults: Vec<Fault>,
) -> Result<MapPage, PageError> {
    let file = waiting(state, token, &who.author).await?;
    let Looked { grid, sheets, delimiter, encoding } = looked_at(&file.bytes, &fields)?;
    let header = header_of(&grid, &fields);
    let names = grid.rows.get(header).map(|r| r.cells.clone()).unwrap_or_default();
    let column = |(at, name): (usize, &String)| {
        let values = grid.rows.iter().skip(header + 1).take(ROWS_SHOWN).map(|r| r.cell(at).chars().take(40).collect());
        let sent = fields.text(&format!("column-{at}"));
        let chosen = if fields.is_on("sent") { sent } else { guess(name).to_owned() };
        Column { at, name: name.clone(), values: values.collect(), chosen }
    };
    let columns: Vec<Column> =
        names.iter().enumerate().filter(|(_, n)| !n.is_empty()).take(COLUMNS_MAX).map(column).collect();
    let headers = grid.rows.iter().take(20).filter(|r| r.filled().count() > 1);
    let headers = headers.map(|r| {
        let cells: Vec<&str> = r.filled().take(4).collect();
        Choice::new(
            r.line.to_string(),
            format!("Line {}: {}", r.line, cells.join(" · ").chars().take(80).collect::<String>()),
        )
    });
    let headers: Vec<Choice> = headers.collect();
    fields.set("header", grid.rows.get(header).map_or(1, |r| r.line).to_string());
    Ok(MapPage {
        shell: Shell::new("import", "Which column is which", &who.session),
        form: if faults.is_empty() { Form::new(fields) } else { Form::refused(fields, faults) },
        token: token.to_owned(),
        name: file.name,
        encoding,
        delimiter: if delimiter == "\t" { "tab".to_owned() } else { delimiter },
        kinds: vec![
            Choice::new("spend", "Spend by campaign and day"),
            Choice::new("posts", "Posts with their counts"),
            Choice::new("days", "Counts of an account by day"),
        ],
        orders: vec![Choice::new("mdy", "Month first: 10/31/2026"), Choice::new("dmy", "Day first: 31/10/2026")],
        marks: vec![Choice::new(".", "Point: 1,234.50"), Choice::new(",", "Comma: 1.234,50")],
        sheets,
        headers,
        columns,
        choices: choices(),
    })
}

/// Fields and metrics that a column may be.
fn choices() -> Vec<(&'static str, Vec<Choice>)> {
    let list = |pairs: &[(&str, &str)]| pairs.iter().map(|(value, label)| Choice::new(*value, *label)).collect();
    vec![
        (
            "What it is",
            list(&[
                ("day", "Day"),
                ("start", "First day"),
                ("end", "Last day"),
                ("published", "Day of publication"),
                ("spend", "Money spent"),
                ("currency", "Currency"),
                ("account", "Account"),
                ("campaign", "Campaign"),
                ("campaign_id", "Campaign id"),
                ("ad_id", "Ad id"),
                ("post_id", "Post id"),
                ("permalink", "Address of the post"),
                ("title", "Title or text"),
                ("network", "Network"),
            ]),
        ),
        (
            "A count of",
            list(&[
                ("metric:impressions", "Impressions"),
                ("metric:views", "Views"),
                ("metric:reach", "Reach"),
                ("metric:clicks", "Clicks"),
                ("metric:link_clicks", "Link clicks"),
                ("metric:engagements", "Engagements"),
                ("metric:reactions", "Reactions"),
                ("metric:likes", "Likes"),
                ("metric:comments", "Comments"),
                ("metric:shares", "Shares"),
                ("metric:saves", "Saves"),
                ("metric:follows", "Follows"),
                ("metric:followers", "Followers"),
                ("metric:profile_visits", "Profile visits"),
                ("metric:leads_micro", "Leads"),
                ("metric:conversions_micro", "Conversions"),
            ]),
        ),
    ]
}

/// What a column probably is, by its name.
fn guess(name: &str) -> &'static str {
    let name = name.to_lowercase();
    let is = |words: &[&str]| words.iter().any(|w| name.contains(w));
    match () {
        () if is(&["spend", "spent", "cost", "kosten", "coût", "gasto", "betrag"]) && !is(&["per ", "/", "pro "]) => {
            "spend"
        }
        () if is(&["campaign id", "campaign_id"]) => "campaign_id",
        () if is(&["campaign", "kampagne", "campagne", "campaña"]) => "campaign",
        () if is(&["currency", "währung", "devise", "moneda"]) || name == "curr" || name == "ccy" => "currency",
        () if is(&["date", "day", "datum", "tag", "jour", "fecha", "día"]) && !is(&["update"]) => "day",
        () if is(&["impression", "impr."]) => "metric:impressions",
        () if is(&["link click"]) => "metric:link_clicks",
        () if is(&["click", "klick", "clic"]) && !is(&["rate", "ctr", "cost"]) => "metric:clicks",
        () if is(&["permalink", "url"]) => "permalink",
        () if is(&["account", "konto", "compte"]) => "account",
        () => "",
    }
}

/// The preset that the form describes.
fn preset_of(grid: &Grid, header: usize, fields: &Fields) -> Result<Preset, Vec<Fault>> {
    let one = |fault: Fault| vec![fault];
    let names = grid.rows.get(header).map(|r| r.cells.as_slice()).unwrap_or_default();
    let (mut columns, mut metrics): (BTreeMap<String, Vec<String>>, BTreeMap<String, Vec<String>>) = Default::default();
    for (at, name) in names.iter().enumerate().filter(|(_, n)| !n.is_empty()) {
        let field = fields.text(&format!("column-{at}"));
        let (into, field) = match field.strip_prefix("metric:") {
            _ if field.is_empty() => continue,
            Some(metric) => (&mut metrics, metric.to_owned()),
            None => (&mut columns, field),
        };
        if into.insert(field.clone(), vec![name.clone()]).is_some() {
            return Err(one(Fault::new(
                "columns",
                "column-twice",
                format!("two columns are named as `{field}`; choose one of them"),
            )));
        }
    }
    let kind: ExportKind = fields.text("kind").parse().map_err(one)?;
    // What belongs to another kind of file says nothing here.
    columns.retain(|field, _| kind.fields().contains(&field.as_str()));
    let title =
        fields.some("title").ok_or_else(|| one(Fault::new("title", "missing", "name it, such as Agency report")))?;
    let name: String =
        title.to_lowercase().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).take(60).collect();
    let marks = columns.values().chain(metrics.values()).flatten().cloned().collect();
    let dates = fields.some("dates").map(|d| d.parse::<DateOrder>()).transpose().map_err(one)?;
    let preset = Preset {
        name: format!("my-{}", name.trim_matches('-')),
        title,
        platform: fields.text("platform").to_lowercase(),
        kind,
        marks,
        dates,
        decimal: match fields.get("decimal") {
            "." => Some(crate::imports::mapping::DecimalMark::Point),
            "," => Some(crate::imports::mapping::DecimalMark::Comma),
            _ => None,
        },
        currency: fields.some("currency").map(|c| c.parse()).transpose().map_err(one)?,
        zone: None,
        zones: BTreeMap::new(),
        end_is_exclusive: false,
        metric_above: false,
        columns,
        metrics,
        languages: Vec::new(),
    };
    let text = preset.to_toml().map_err(one)?;
    Preset::parse(&text)
}
