//! The writer's loading rate: its own benchmark, run here so that its figures stand beside the others.

use std::path::Path;
use std::process::Command;

use super::process::run_to_end;
use super::report::Report;
use super::{Outcome, say};

/// Runs `cargo bench --bench loading` and adds what it prints.
pub(super) fn measure(report: &mut Report) -> Outcome<()> {
    if !Path::new("benches/loading.rs").exists() {
        report.remark("The loading rate is left out: there is no benches/loading.rs.".to_owned());
        return Ok(());
    }
    say("the loading rate");
    let text = run_to_end(Command::new(env!("CARGO")).args(["bench", "--quiet", "--bench", "loading"]))?;
    report.block("Loading rate", "As `cargo bench --bench loading` prints it.", &text);
    Ok(())
}
