//! `headwater settings`

use clap::{Subcommand, ValueEnum};
use serde_json::json;

use super::{CliError, Context};
use crate::http::state::VISITOR_COOKIE_SETTING;
use crate::store::ledger;

#[derive(Debug, Subcommand)]
pub(super) enum Settings {
    /// Whether visitors get a first-party cookie, where `tracking.visitor_cookie` is `ask`
    ///
    /// A cookie that recognises visitors needs their consent in the EU and UK (ePrivacy). Without it
    /// clicks are counted all the same, and journeys join by click id only.
    VisitorCookie {
        /// The decision
        decision: Decision,
    },
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum Decision {
    /// Set it
    On,
    /// Set none
    Off,
}

pub(super) fn run(context: &Context, command: Settings) -> Result<(), CliError> {
    let Settings::VisitorCookie { decision } = command;
    let core = context.open()?;
    let value = match decision {
        Decision::On => "on",
        Decision::Off => "off",
    };
    core.db.write_now(|conn| ledger::set_meta_value(conn, VISITOR_COOKIE_SETTING, value))?;
    context.print(&json!({ "visitor_cookie": value }), || format!("visitor cookie: {value}"));
    Ok(())
}
