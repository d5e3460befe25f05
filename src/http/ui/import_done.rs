//! What an import did, with the way to undo it and to the report that shows it.

use actix_web::web::{Data, Path, Query};
use askama::Template;
use serde::Deserialize;

use super::costs::standing_gaps;
use super::page::{PageResult, Shell, count, money, ok};
use super::session::SignedIn;
use crate::domain::ids::BatchId;
use crate::domain::time::Day;
use crate::http::state::State;
use crate::jobs::platform_import::Imported;
use crate::store::batches::{self, BatchKind};
use crate::store::{Conn, costs};

/// The days of the file, for links to the reports that show them.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Days {
    from: Option<Day>,
    to: Option<Day>,
}

/// The page of an import that was made, or of one that changed nothing.
pub(super) fn href(done: &Imported) -> String {
    let Some(batch) = done.batch else { return "/app/import/done/nothing".to_owned() };
    let days = || done.preview.sheets.iter().filter_map(|s| s.days);
    match (days().map(|d| d.0).min(), days().map(|d| d.1).max()) {
        (Some(from), Some(to)) => format!("/app/import/done/{batch}?from={from}&to={to}"),
        _ => format!("/app/import/done/{batch}"),
    }
}

#[derive(Template)]
#[template(path = "import_done.html")]
struct DonePage {
    shell: Shell,
    batch: Option<DoneBatch>,
    /// Asks a report for the days of the file; empty for its usual days.
    period: String,
    rate_gaps: Vec<String>,
}

struct DoneBatch {
    id: String,
    name: String,
    source: String,
    facts: String,
    is_spend: bool,
    sums: Vec<String>,
    is_undone: bool,
}

/// `GET /app/import/done/{batch}`
pub(super) async fn done(who: SignedIn, state: Data<State>, batch: Path<String>, days: Query<Days>) -> PageResult {
    let shell = Shell::new("import", "Imported", &who.session);
    if *batch == "nothing" {
        return ok(&DonePage { shell, batch: None, period: String::new(), rate_gaps: Vec::new() });
    }
    let id: BatchId = batch.parse()?;
    let currency = state.config.reporting.currency;
    let read =
        move |conn: &mut Conn| Ok((batches::get(conn, id)?, costs::sums_of(conn, id)?, standing_gaps(conn, currency)?));
    let (batch, sums, rate_gaps) = state.db.read(read).await?;
    let batch = DoneBatch {
        id: id.to_string(),
        name: batch.label,
        source: batch.source,
        facts: count(batch.rows_stored),
        is_spend: batch.kind == BatchKind::Costs,
        sums: sums.into_iter().map(money).collect(),
        is_undone: batch.voided_at.is_some(),
    };
    let period = days.from.zip(days.to).map(|(from, to)| format!("?from={from}&to={to}"));
    let rate_gaps = if batch.is_spend && !batch.is_undone { rate_gaps } else { Vec::new() };
    ok(&DonePage { shell, batch: Some(batch), period: period.unwrap_or_default(), rate_gaps })
}
