//! `headwater import FILE`: what a platform exports, recognised by its column names.

use std::collections::HashMap;
use std::path::Path;

use clap::Args;

use super::import::{file_name, read_bounded};
use super::{CliError, Context, table};
use crate::domain::money::{Currency, decimal};
use crate::jobs::platform_import::{self, Options, Preview, Read, Remembered, Words};

/// What may be said about the export of a platform.
#[derive(Debug, Args)]
pub(super) struct ExportFlags {
    /// Of an export: print what it would do, and record nothing
    #[arg(long)]
    dry_run: bool,
    /// The preset; without it the column names choose
    #[arg(long, value_name = "NAME")]
    preset: Option<String>,
    /// The account, where no column names it
    #[arg(long, value_name = "NAME")]
    account: Option<String>,
    /// The currency, where nothing in the file names it
    #[arg(long, value_name = "CODE")]
    currency: Option<String>,
    /// IANA zone of a new account's days; reporting.zone if not given
    #[arg(long, value_name = "ZONE")]
    zone: Option<String>,
    /// Order of dates that can be read both ways: mdy or dmy
    #[arg(long, value_name = "ORDER")]
    dates: Option<String>,
    /// Decimal mark of amounts that can be read both ways: . or ,
    #[arg(long, value_name = "MARK")]
    decimal: Option<String>,
    /// Spread totals of periods evenly over their days
    #[arg(long)]
    spread: bool,
    /// Day of the export; else the file's name says it, else it is today
    #[arg(long, value_name = "DAY")]
    exported_on: Option<String>,
    /// Standing spend that the file lacks vanishes (account) or stays (campaigns)
    #[arg(long, value_name = "SCOPE")]
    scope: Option<String>,
    /// Accept that the rows differ from the file's own totals
    #[arg(long)]
    accept_difference: bool,
    /// Code of the channel of accounts that have none yet
    #[arg(long, value_name = "CODE")]
    channel: Option<String>,
}

impl ExportFlags {
    fn options(&self) -> Result<Options, CliError> {
        let flag = |is_on: bool| is_on.then(|| "true".to_owned());
        let given = [
            ("preset", self.preset.clone()),
            ("account", self.account.clone()),
            ("currency", self.currency.clone()),
            ("zone", self.zone.clone()),
            ("dates", self.dates.clone()),
            ("decimal", self.decimal.clone()),
            ("spread", flag(self.spread)),
            ("exported_on", self.exported_on.clone()),
            ("scope", self.scope.clone()),
            ("accept_difference", flag(self.accept_difference)),
            ("channel", self.channel.clone()),
        ];
        let given: HashMap<String, String> =
            given.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect();
        Ok(Options::read(&given)?)
    }
}

pub(super) fn run(context: &Context, file: &Path, flags: &ExportFlags) -> Result<(), CliError> {
    let options = flags.options()?;
    let bytes = read_bounded(file)?;
    let core = context.open()?;
    let (name, author) = (file_name(file), context.author());
    let known = core.db.read_now(Remembered::load)?;
    let read = Read::new(&name, &bytes, &known, options.exported(&name, author.now))?;
    let zone = &context.config.reporting.zone;
    if flags.dry_run {
        let preview = core.db.read_now(|conn| platform_import::preview(conn, &read, zone))?;
        context.print(&json(&preview)?, || shown(&preview));
        return Ok(());
    }
    let done = core.db.write_now(|conn| platform_import::import(conn, &read, &Words::new(), zone, &author))?;
    context.print(&json(&done)?, || {
        let undo = done.batch.map(|b| format!("\nUndo it with: headwater batch undo {b}"));
        let undo = undo.unwrap_or_else(|| "\nEverything stood already; nothing was changed.".to_owned());
        format!(
            "{}\n{} costs and {} counts stored, {} and {} replaced{undo}",
            shown(&done.preview),
            done.stored,
            done.counts,
            done.replaced,
            done.counts_replaced
        )
    });
    Ok(())
}

fn json(value: &impl serde::Serialize) -> Result<serde_json::Value, CliError> {
    serde_json::to_value(value).map_err(|e| CliError::Message(e.to_string()))
}

/// A preview for the terminal.
fn shown(preview: &Preview) -> String {
    let mut text = String::new();
    for sheet in &preview.sheets {
        let days = sheet.days.map(|(from, to)| format!(", {from} to {to}")).unwrap_or_default();
        text.push_str(&format!("{} ({}): {} rows{days}\n", sheet.title, sheet.preset, sheet.rows));
        for total in &sheet.totals {
            let word = if total.agrees { "agrees" } else { "DIFFERS" };
            text.push_str(&format!(
                "  line {}, {}: says {}, rows sum to {}: {word}\n",
                total.line, total.label, total.says, total.rows
            ));
        }
        sheet.notes.iter().for_each(|note| text.push_str(&format!("  {note}\n")));
    }
    for account in &preview.accounts {
        let money = |minor: i64| {
            let exponent = account.currency.parse::<Currency>().map_or(2, Currency::exponent);
            format!("{} {}", decimal(minor.into(), exponent), account.currency)
        };
        text.push_str(&format!(
            "{} account {}{}: {} in {} entries, days of {}; channel {}\n",
            account.platform,
            account.account,
            if account.is_new { " (new)" } else { "" },
            money(account.amount_minor),
            account.entries,
            account.zone,
            account.channel.as_deref().unwrap_or("(unmapped)"),
        ));
        let rows = account.campaigns.iter().map(|c| {
            let text = |t: &Option<String>| t.clone().unwrap_or_default();
            let name = if c.key.name.is_empty() { text(&c.key.external_id) } else { c.key.name.clone() };
            let channel = c.channel.clone().unwrap_or_else(|| "(unmapped)".to_owned());
            vec![name, money(c.amount_minor), channel, text(&c.campaign)]
        });
        text.push_str(&table(&["Its campaign", "Spend", "Channel", "Campaign"], rows));
        text.push('\n');
        if account.replaces > 0 {
            text.push_str(&format!("Replaces {} entries of {}\n", account.replaces, money(account.replaces_minor)));
        }
        for gone in &account.vanishing {
            let (from, to) = gone.days;
            text.push_str(&format!(
                "Not in the file: {}, {from} to {to}, {}\n",
                gone.campaign,
                money(gone.amount_minor)
            ));
        }
    }
    preview.errors.iter().take(20).for_each(|error| text.push_str(&format!("{error}\n")));
    preview.faults.iter().for_each(|fault| text.push_str(&format!("! {fault}\n")));
    text
}
