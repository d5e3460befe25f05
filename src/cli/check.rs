//! `headwater check`

use serde_json::json;

use super::{CliError, Context};
use crate::store::{access, ledger};

pub(super) fn run(context: &Context) -> Result<(), CliError> {
    let core = context.open()?;
    let (horizon, any_user) = core.db.read_now(|conn| Ok((ledger::horizon(conn)?, access::any_user(conn)?)))?;
    let config = &context.config;
    let database = if config.database.url.is_empty() { "sqlite in the data directory" } else { "as database.url says" };
    let json = json!({
        "bind": config.server.bind, "public_url": config.server.public_url, "data_dir": config.data.dir, "database": database,
        "horizon": horizon.0, "has_administrator": any_user, "currency": config.reporting.currency, "zone": config.reporting.zone,
    });
    context.print(&json, || format!(
        "The configuration is valid and the database answers.\n  listens on    {}\n  public address {}\n  data          {}\n  database      {database}\n  last fact     {horizon}\n  administrator {}\n  reports in    {}, {}",
        config.server.bind, config.server.public_url, config.data.dir.display(), if any_user { "yes" } else { "not yet" },
        config.reporting.currency, config.reporting.zone.name()));
    Ok(())
}
