//! `headwater check`

use serde_json::json;

use super::{CliError, Context};
use crate::app;
use crate::store::{access, ledger};

pub(super) fn run(context: &Context) -> Result<(), CliError> {
    // Ranges, user agents and the country database: a start would stop at them.
    app::classifier(&context.config)?;
    let core = context.open()?;
    let (last_fact, any_user) = core.db.read_now(|conn| Ok((ledger::horizon(conn)?, access::any_user(conn)?)))?;
    let config = &context.config;
    let database = database_name(&config.database.url);
    let last = if last_fact.0 == 0 { "none yet".to_owned() } else { last_fact.to_string() };
    let json = json!({
        "bind": config.server.bind, "public_url": config.server.public_url, "data_dir": config.data.dir, "database": database,
        "last_fact": last_fact.0, "has_administrator": any_user, "currency": config.reporting.currency, "zone": config.reporting.zone,
    });
    context.print(&json, || format!(
        "The configuration is valid and the database answers.\n  listens on    {}\n  public address {}\n  data          {}\n  database      {database}\n  last fact     {last}\n  administrator {}\n  reports in    {}, {}",
        config.server.bind, config.server.public_url, config.data.dir.display(), if any_user { "yes" } else { "not yet" },
        config.reporting.currency, config.reporting.zone.name()));
    Ok(())
}

/// The database without user and password.
pub(super) fn database_name(url: &str) -> String {
    if url.is_empty() {
        return "SQLite in the data directory".into();
    }
    match url::Url::parse(url) {
        Ok(u) if u.has_host() => format!("PostgreSQL at {}{}", u.host_str().unwrap_or(""), u.path()),
        _ => url.to_owned(),
    }
}
