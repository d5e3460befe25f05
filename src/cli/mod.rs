//! The command line: one file per command. Every report of the pages is a command, too, and `--json` works everywhere.

mod batch;
mod channel;
mod check;
mod cost;
mod demo;
mod doctor;
mod endpoint;
mod erase;
mod import;
mod import_export;
mod inbox;
mod key;
mod link;
mod matching;
mod platform;
mod rates;
mod reclassify;
mod report;
mod schedule;
mod serve;
mod settings;
mod user;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Parser, Subcommand};

use crate::app::{Core, StartError};
use crate::config::Config;
use crate::domain::fault::Fault;
use crate::domain::time::{Clock, SystemClock};
use crate::reports::ReportError;
use crate::store::StoreError;
use crate::store::labels::Author;

/// What each lead and each customer cost, and which channel, campaign and link it came from.
///
/// Without a command it serves on server.bind with SQLite in data.dir.
#[derive(Debug, Parser)]
#[command(name = "headwater", version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    global: Global,
}

/// Flags that every command takes.
#[derive(Debug, clap::Args)]
struct Global {
    /// Configuration file; ./headwater.toml if it exists
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Set one key of the configuration, for example --set server.bind=0.0.0.0:8080
    #[arg(long = "set", global = true, value_name = "SECTION.KEY=VALUE", value_parser = key_value)]
    set: Vec<(String, String)>,
    /// Print JSON instead of text
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve redirects, the API and the pages (the default)
    Serve,
    /// Serve a demo database filled with realistic data
    Demo,
    /// Check the configuration and the database, and print what is in force
    Check,
    /// Look for what is wrong, beside a server that runs or not, and change nothing
    ///
    /// Exits with 0 when all is well, 1 with warnings, 2 with a failure.
    Doctor,
    /// People who sign in
    #[command(subcommand)]
    User(user::User),
    /// API keys
    #[command(subcommand)]
    Key(key::Key),
    /// Channels: a network and a medium
    #[command(subcommand)]
    Channel(channel::ChannelCommand),
    /// Campaigns: efforts across channels
    #[command(subcommand)]
    Campaign(channel::CampaignCommand),
    /// Tracked links
    #[command(subcommand)]
    Link(link::Link),
    /// Receivers of webhooks
    #[command(subcommand)]
    Endpoint(endpoint::EndpointCommand),
    /// The inbox: what came in, what became of it, and reading it again
    #[command(subcommand)]
    Inbox(inbox::Inbox),
    /// Import what platforms export, or files with columns of your own
    Import(import::ImportCommand),
    /// Accounts and campaigns of ad platforms, and which channels and campaigns of yours they are
    #[command(subcommand)]
    Platform(platform::Platform),
    /// Costs: what was spent
    #[command(subcommand)]
    Cost(cost::Cost),
    /// Exchange rates, by which reports convert
    #[command(subcommand)]
    Rates(rates::RatesCommand),
    /// Batches: imports and calls that added facts, and can be undone
    #[command(subcommand)]
    Batch(batch::Batch),
    /// List stage events without a person, and people without a touch in reach, with who they may be
    Unmatched(matching::UnmatchedArgs),
    /// Matches: who is who, as somebody said it
    #[command(subcommand)]
    Match(matching::MatchCommand),
    /// Erase a person's data, for good: identities become random ones, and no figure moves
    ///
    /// Name the person by one key or several; all of them are one person's. Look first with --dry-run.
    Erase(erase::EraseArgs),
    /// List what was erased: when, by whom, why and how much; never who it was
    Erasures,
    /// Print a report: cost per lead, stages, cohorts, …
    Report(report::Report),
    /// Classify stored touches again, by the rules of now or those of a file, and show what that changes
    Reclassify(reclassify::Reclassify),
    /// Decisions that are kept in the database
    #[command(subcommand)]
    Settings(settings::Settings),
}

/// Why a command failed, worded for whoever typed it.
#[derive(Debug, thiserror::Error)]
enum CliError {
    #[error("{0}")]
    Fault(#[from] Fault),
    #[error("{}", list(.0))]
    Faults(Vec<Fault>),
    #[error("{0}")]
    Start(#[from] StartError),
    #[error("{0}")]
    Store(StoreError),
    #[error("{0}")]
    Report(#[from] ReportError),
    #[error("{0}")]
    Io(#[from] std::io::Error),
    #[error("{0}")]
    Message(String),
}

impl From<StoreError> for CliError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Refused(faults) => Self::Faults(faults),
            other => Self::Store(other),
        }
    }
}

impl From<Vec<Fault>> for CliError {
    fn from(faults: Vec<Fault>) -> Self {
        Self::Faults(faults)
    }
}

fn list(faults: &[Fault]) -> String {
    faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n       ")
}

/// What a command works with.
struct Context {
    config: Config,
    json: bool,
    clock: Arc<dyn Clock>,
}

impl Context {
    /// Opens the database for a command of the terminal.
    fn open(&self) -> Result<Core, CliError> {
        Ok(Core::open(self.config.clone())?)
    }

    fn author(&self) -> Author {
        Author { name: "cli".into(), now: self.clock.now() }
    }

    /// Prints JSON, or text made from it.
    #[expect(clippy::print_stdout, reason = "this is what the command line is for")]
    fn print(&self, json: &serde_json::Value, text: impl FnOnce() -> String) {
        if self.json {
            println!("{json:#}");
        } else {
            println!("{}", text().trim_end());
        }
    }
}

/// Runs the program; the exit code is 0, 1 for a failure, or 2 for a command line that cannot be read. `doctor` has
/// codes of its own.
pub fn main() -> ExitCode {
    let cli = Cli::parse_from(crate::config::arguments());
    match run(cli) {
        Ok(code) => code,
        Err(error) => {
            report_failure(&error);
            ExitCode::FAILURE
        }
    }
}

#[expect(clippy::print_stderr, reason = "this is what the command line is for")]
fn report_failure(error: &CliError) {
    eprintln!("error: {error}");
}

fn run(cli: Cli) -> Result<ExitCode, CliError> {
    let mut overrides = cli.global.set;
    if matches!(cli.command, Some(Command::Demo)) {
        demo::add_overrides(&mut overrides);
    }
    let config = Config::load(cli.global.config.as_deref(), &overrides);
    if matches!(cli.command, Some(Command::Doctor)) {
        return Ok(doctor::run(config.map_err(CliError::from), &SystemClock, cli.global.json));
    }
    let config = config?;
    crate::telemetry::start(&config.log)?;
    let context = Context { config, json: cli.global.json, clock: Arc::new(SystemClock) };
    match cli.command.unwrap_or(Command::Serve) {
        // It has run: unlike the others it does not stop at a configuration that cannot be read.
        Command::Doctor => Ok(()),
        Command::Serve => serve::run(context),
        Command::Demo => demo::run(context),
        Command::Check => check::run(&context),
        Command::User(command) => user::run(&context, command),
        Command::Key(command) => key::run(&context, command),
        Command::Channel(command) => channel::run(&context, command),
        Command::Campaign(command) => channel::run_campaign(&context, command),
        Command::Link(command) => link::run(&context, command),
        Command::Endpoint(command) => endpoint::run(&context, command),
        Command::Inbox(command) => inbox::run(&context, command),
        Command::Import(command) => import::run(&context, &command),
        Command::Platform(command) => platform::run(&context, command),
        Command::Cost(command) => cost::run(&context, command),
        Command::Rates(command) => rates::run(&context, command),
        Command::Batch(command) => batch::run(&context, command),
        Command::Unmatched(asked) => matching::list_unmatched(&context, asked),
        Command::Match(command) => matching::run(&context, command),
        Command::Erase(args) => erase::run(&context, args),
        Command::Erasures => erase::list(&context),
        Command::Report(command) => report::run(&context, command),
        Command::Reclassify(command) => reclassify::run(&context, &command),
        Command::Settings(command) => settings::run(&context, command),
    }
    .map(|()| ExitCode::SUCCESS)
}

fn key_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if key.contains('.') => Ok((key.trim().to_owned(), value.trim().to_owned())),
        _ => Err("write it as section.key=value".into()),
    }
}

/// A plain table for lists.
fn table(header: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut table = comfy_table::Table::new();
    table.load_style(comfy_table::presets::UTF8_FULL_CONDENSED).set_header(header.to_vec());
    for row in rows {
        table.add_row(row);
    }
    table.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        <Cli as clap::CommandFactory>::command().debug_assert();
    }
}
