//! `headwater import`

use std::path::{Path, PathBuf};

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use super::import_export::{self, ExportFlags};
use super::{CliError, Context};
use crate::app::Core;
use crate::domain::fault::Fault;
use crate::domain::stage::Source;
use crate::imports::decode::{RowError, Sheet};
use crate::imports::mapping::{ImportKind, ImportMapping};
use crate::jobs::import::{self, Import, Imported, OnBadRows};
use crate::jobs::intake::IntakeContext;
use crate::store::StoreError;
use crate::store::labels::Author;

/// Largest file: it is read whole.
const FILE_BYTES_MAX: u64 = 200 << 20;

#[derive(Debug, Args)]
pub(super) struct ImportCommand {
    /// What a file with columns of your own holds (touches, conversions or costs), or the export of a platform
    #[arg(value_name = "KIND | FILE")]
    kind: String,
    /// The file with columns of your own: CSV or a workbook
    file: Option<PathBuf>,
    #[command(flatten)]
    export: ExportFlags,
    /// TOML file that says which column is which field; our own field names if not given. See examples/demo/*.toml
    #[arg(long, value_name = "FILE")]
    mapping: Option<PathBuf>,
    /// Whose rows they are, where no mapping file says so
    #[arg(long)]
    source: Option<String>,
    /// Store the good rows and write the bad ones to a file
    #[arg(long)]
    keep_going: bool,
    /// Where the bad rows go; FILE.bad.csv if not given
    #[arg(long, value_name = "FILE", requires = "keep_going")]
    bad_rows: Option<PathBuf>,
    /// The money of these events is no revenue: another source tells it
    #[arg(long)]
    no_revenue: bool,
}

pub(super) fn run(context: &Context, command: &ImportCommand) -> Result<(), CliError> {
    let Some(file) = &command.file else {
        return import_export::run(context, Path::new(&command.kind), &command.export);
    };
    let core = context.open()?;
    let mapping = command.mapping(&context.config.intake.person_namespace, context)?;
    let bytes = read_bounded(file)?;
    let sheet = Sheet::read(&bytes)?;
    let label = file_name(file);
    let import = Import {
        sheet: &sheet,
        mapping: &mapping,
        label: &label,
        on_bad_rows: if command.keep_going { OnBadRows::KeepGoing } else { OnBadRows::StoreNothing },
        counts_revenue: !command.no_revenue,
    };
    let bar = progress_bar(u64::try_from(sheet.row_count()).unwrap_or(0), context.json);
    let done = store(&core, &import, &context.author(), &mut |rows| bar.set_position(rows))?;
    bar.finish_and_clear();
    report(context, command, &sheet, &done)
}

/// Runs an import in one transaction; the demo comes through here, too.
pub(super) fn store(
    core: &Core,
    import: &Import<'_>,
    author: &Author,
    progress: &mut dyn FnMut(u64),
) -> Result<Imported, StoreError> {
    let intake =
        IntakeContext { secret: core.secret.clone(), person_namespace: core.config.intake.person_namespace.clone() };
    core.db.write_now(|conn| import::run(conn, import, &intake, author, progress))
}

impl ImportCommand {
    fn mapping(&self, namespace: &str, context: &Context) -> Result<ImportMapping, CliError> {
        let kind: ImportKind = self.kind.parse()?;
        let mut mapping = match &self.mapping {
            Some(path) => ImportMapping::parse(
                &std::fs::read_to_string(path)
                    .map_err(|e| CliError::Message(format!("cannot read {}: {e}", path.display())))?,
            )?,
            None => {
                let source = self.source.as_deref().ok_or_else(|| Fault::new("source", "missing",
                    "say whose rows these are with --source NAME, or give a mapping file with --mapping; the name is what a re-import replaces by"))?;
                let mut built_in = ImportMapping::builtin(kind, Source::parse(source)?);
                built_in.zone = Some(context.config.reporting.zone.clone());
                built_in.currency = Some(context.config.reporting.currency);
                built_in
            }
        };
        if mapping.kind != kind {
            return Err(CliError::Message(format!("the mapping is for {}, but you import {kind}", mapping.kind)));
        }
        mapping.person_namespace.get_or_insert_with(|| namespace.to_owned());
        Ok(mapping)
    }

    fn bad_rows_file(&self) -> PathBuf {
        self.bad_rows.clone().unwrap_or_else(|| {
            let mut name = self.file.clone().unwrap_or_default().into_os_string();
            name.push(".bad.csv");
            name.into()
        })
    }
}

/// The name that a file's batch is listed by.
pub(super) fn file_name(path: &Path) -> String {
    path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default()
}

pub(super) fn read_bounded(path: &Path) -> Result<Vec<u8>, CliError> {
    let cannot = |e: std::io::Error| CliError::Message(format!("cannot read {}: {e}", path.display()));
    let size = std::fs::metadata(path).map_err(cannot)?.len();
    if size > FILE_BYTES_MAX {
        return Err(CliError::Message(format!(
            "{} has {size} bytes; the limit is {FILE_BYTES_MAX}: split it",
            path.display()
        )));
    }
    std::fs::read(path).map_err(cannot)
}

fn progress_bar(rows: u64, is_quiet: bool) -> ProgressBar {
    if is_quiet {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{bar:40} {human_pos} of {human_len} rows, {eta} left")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(rows).with_style(style)
}

#[expect(clippy::print_stderr, reason = "errors by line are what the user asked for")]
fn report(context: &Context, command: &ImportCommand, sheet: &Sheet<'_>, done: &Imported) -> Result<(), CliError> {
    const SHOWN: usize = 20;
    for error in done.errors.iter().take(SHOWN) {
        eprintln!("{error}");
    }
    if done.errors.len() > SHOWN {
        eprintln!("… and {} more", done.errors.len() - SHOWN);
    }
    if !done.errors.is_empty() && !command.keep_going {
        return Err(CliError::Message(format!(
            "{} of {} rows are bad, so nothing was stored; mend them, or store the good ones with --keep-going",
            done.errors.len(),
            sheet.row_count()
        )));
    }
    if !done.errors.is_empty() {
        let path = command.bad_rows_file();
        write_bad_rows(&path, sheet, &done.errors)?;
        eprintln!("{} bad rows are in {}", done.errors.len(), path.display());
    }
    let json = json!({
        "batch": done.batch, "stored": done.stored, "duplicate": done.duplicate, "replaced": done.replaced, "bad": done.errors.len(),
    });
    context.print(&json, || {
        let undo = done.batch.map(|b| format!("\nUndo it with: headwater batch undo {b}")).unwrap_or_default();
        format!(
            "{} stored, {} stood already, {} replaced, {} bad{undo}",
            done.stored,
            done.duplicate,
            done.replaced,
            done.errors.len()
        )
    });
    Ok(())
}

/// The bad rows as they stood, with line and reason in front, so that they can be mended and imported again.
fn write_bad_rows(path: &Path, sheet: &Sheet<'_>, errors: &[RowError]) -> Result<(), CliError> {
    let failed = |e: csv::Error| CliError::Message(format!("cannot write {}: {e}", path.display()));
    let mut writer = csv::Writer::from_path(path).map_err(failed)?;
    let header = ["line", "reason"].into_iter().chain(sheet.columns().iter().map(String::as_str));
    writer.write_record(header).map_err(failed)?;
    for row in sheet.rows().flatten() {
        let reasons: Vec<String> =
            errors.iter().filter(|e| e.line == row.line).flat_map(|e| &e.faults).map(ToString::to_string).collect();
        if !reasons.is_empty() {
            let (line, reason) = (row.line.to_string(), reasons.join("; "));
            writer
                .write_record([line.as_str(), reason.as_str()].into_iter().chain(row.cells.iter()))
                .map_err(failed)?;
        }
    }
    writer.flush()?;
    Ok(())
}
