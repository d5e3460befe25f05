//! `headwater rates`

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::json;

use super::{CliError, Context, table};
use crate::domain::fx::{Rate, RateSource};
use crate::imports::ecb;
use crate::jobs::edit_rates::{self, RateInput};
use crate::store::rates;

#[derive(Debug, Subcommand)]
pub(super) enum RatesCommand {
    /// Import reference rates of the European Central Bank: eurofxref-hist.zip or .csv; again, it adds what is new
    Import {
        /// The file
        file: PathBuf,
    },
    /// Add a rate by hand; it comes before the central bank's of its day
    Add(NewRate),
    /// List the rates that stand, newest first
    List {
        /// Up to this day
        #[arg(long)]
        to: Option<String>,
        /// Most rates
        #[arg(long, default_value_t = 200)]
        limit: u32,
    },
}

#[derive(Debug, Args)]
pub(super) struct NewRate {
    /// The day from which it holds, for seven days at most
    #[arg(long)]
    day: String,
    /// The currency that is priced
    #[arg(long, default_value = "EUR")]
    base: String,
    /// The currency that it is priced in
    #[arg(long)]
    quote: String,
    /// What 1 of the base is worth, such as 1.0956
    #[arg(long)]
    rate: String,
}

pub(super) fn run(context: &Context, command: RatesCommand) -> Result<(), CliError> {
    match command {
        RatesCommand::Import { file } => import(context, &file),
        RatesCommand::Add(new) => add(context, new),
        RatesCommand::List { to, limit } => list(context, to.as_deref(), limit),
    }
}

fn import(context: &Context, file: &std::path::Path) -> Result<(), CliError> {
    let cannot = |e: std::io::Error| CliError::Message(format!("cannot read {}: {e}", file.display()));
    let size = std::fs::metadata(file).map_err(cannot)?.len();
    if size > ecb::BYTES_MAX {
        let (path, most) = (file.display(), ecb::BYTES_MAX);
        return Err(CliError::Message(format!("{path} has {size} bytes; a file of rates has {most} at most")));
    }
    let bytes = std::fs::read(file).map_err(cannot)?;
    let label = file.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    let author = context.author();
    let done = context.open()?.db.write_now(|conn| edit_rates::import_ecb(conn, &bytes, &label, &author))?;
    let stored = done.stored;
    let json = json!({
        "batch": stored.batch, "added": stored.added, "corrected": stored.corrected, "standing": stored.standing,
        "unknown": done.unknown,
    });
    context.print(&json, || {
        let undo = stored.batch.map(|b| format!("\nUndo it with: headwater batch undo {b}")).unwrap_or_default();
        let unknown = match done.unknown.as_slice() {
            [] => String::new(),
            codes => format!("\nNot kept, as they are no currencies of today: {}", codes.join(", ")),
        };
        let (added, corrected, standing) = (stored.added, stored.corrected, stored.standing);
        format!("{added} added, {corrected} of them corrections, {standing} stood already{unknown}{undo}")
    });
    Ok(())
}

fn add(context: &Context, new: NewRate) -> Result<(), CliError> {
    let input = RateInput { day: new.day, base: new.base, quote: new.quote, rate: new.rate };
    let author = context.author();
    let stored = context.open()?.db.write_now(|conn| edit_rates::add(conn, &[input], "command line", &author))?;
    context.print(&json!({ "batch": stored.batch, "added": stored.added }), || match stored.batch {
        Some(batch) => format!("added; undo it with: headwater batch undo {batch}"),
        None => "that rate stood already".into(),
    });
    Ok(())
}

fn list(context: &Context, to: Option<&str>, limit: u32) -> Result<(), CliError> {
    let to = to.map(str::parse).transpose()?;
    let core = context.open()?;
    let (list, extent) =
        core.db.read_now(|conn| Ok((rates::list(conn, to, limit.into())?, rates::extent(conn, RateSource::Ecb)?)))?;
    let one = |r: &Rate| json!({ "day": r.day, "base": r.base, "quote": r.quote, "rate": r.value.to_string(), "source": r.source });
    context.print(&json!(list.iter().map(one).collect::<Vec<_>>()), || {
        let row = |r: &Rate| vec![r.day.to_string(), r.to_string(), r.source.to_string()];
        let known = extent.map_or_else(String::new, |(first, last, count)| {
            format!("\n{count} rates of the European Central Bank, {first} to {last}")
        });
        format!("{}{known}", table(&["Day", "Rate", "Source"], list.iter().map(row)))
    });
    Ok(())
}
