//! Logging. Messages are readable alone, ids stand as fields; never an address, a click id or a body.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;

use crate::config::{Log, LogFormat};
use crate::domain::fault::Fault;

/// Starts logging to standard error. A second call in one process changes nothing.
pub fn start(log: &Log) -> Result<(), Fault> {
    // One line for each malformed request would let anybody fill the disk.
    let filter = EnvFilter::try_new(format!("actix_http=off,{}", log.level)).map_err(|e| {
        Fault::new(
            "log.level",
            "config-value",
            format!("it is not a filter ({e}); use error, warn, info, debug or trace"),
        )
    })?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false)
        // Else a standard error that cannot be written to, as on a full disk, makes the thread that logs panic.
        .log_internal_errors(false);
    let started = match log.format {
        LogFormat::Text => builder.try_init(),
        LogFormat::Json => builder.json().try_init(),
    };
    // Tests start several servers in one process; the first one's logging serves them all.
    let _already = started;
    Ok(())
}
