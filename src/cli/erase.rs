//! `headwater erase` and `headwater erasures`

use std::io::{IsTerminal, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use clap::Args;
use serde_json::json;

use super::{CliError, Context, table};
use crate::app::Core;
use crate::domain::delivery::Delivery;
use crate::domain::erasure::{Counts, Named, checked_reason};
use crate::domain::fault::Fault;
use crate::domain::time::UtcMillis;
use crate::domain::touch::TouchRecord;
use crate::http::api::erasures::{ErasureView, whom};
use crate::jobs::erase::{self, Wish};
use crate::jobs::intake::IntakeContext;
use crate::store::erasure;
use crate::tracking::journal::{Record, inspect};

/// How long a server is given to load what waits in its journals.
const PATIENCE: Duration = Duration::from_secs(15);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(100);

#[derive(Args)]
pub(super) struct EraseArgs {
    /// An email address; it becomes a keyed hash and is written nowhere
    #[arg(long)]
    email: Option<String>,
    /// A person's id as the page of the person shows it, `per_…`
    #[arg(long)]
    person: Option<String>,
    /// A contact id such as crm:51
    #[arg(long)]
    contact: Option<String>,
    /// A click id
    #[arg(long)]
    click_id: Option<String>,
    /// A browser, `vis_…`
    #[arg(long)]
    visitor: Option<String>,
    /// A deal, an order or a form response such as deal:4711
    #[arg(long)]
    subject: Option<String>,
    /// Only count what would be erased
    #[arg(long)]
    dry_run: bool,
    /// Why, such as a case number; it is kept and must not name the person
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// Do not ask for confirmation
    #[arg(long)]
    yes: bool,
}

impl std::fmt::Debug for EraseArgs {
    /// Without the names: they are what is to be forgotten.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EraseArgs").finish_non_exhaustive()
    }
}

pub(super) fn run(context: &Context, args: EraseArgs) -> Result<(), CliError> {
    let core = context.open()?;
    let intake =
        IntakeContext { secret: core.secret.clone(), person_namespace: core.config.intake.person_namespace.clone() };
    let EraseArgs { email, person, contact, click_id, visitor, subject, dry_run, reason, yes } = args;
    let named = Named { email, person, contact, click: click_id, visitor, subject };
    let whom = whom(&named, &intake)?;
    let reason = checked_reason(reason.as_deref())?;
    if dry_run || !yes {
        let counts = core.db.read_now(|conn| erase::look(conn, &intake, &whom))?;
        if dry_run {
            context.print(&json!(ErasureView::of_dry_run(&whom, counts)), || words("Would erase", &counts));
            return Ok(());
        }
        confirm(&counts)?;
    }
    wait_for_journals(context, &core)?;
    let wish = Wish { whom, reason, delivery: None };
    let done = erase::run(&core.db, &intake, &wish, &context.author())?;
    let (id, counts) = (done.id, done.counts);
    context.print(&json!(ErasureView::from(done)), || format!("{}\nRecorded as {id}.", words("Erased", &counts)));
    Ok(())
}

pub(super) fn list(context: &Context) -> Result<(), CliError> {
    let core = context.open()?;
    let list = core.db.read_now(|conn| erasure::list(conn, 1_000))?;
    let rows: Vec<Vec<String>> = list
        .iter()
        .map(|e| {
            let counts = e.counts;
            vec![
                e.id.to_string(),
                e.recorded_at.to_string(),
                e.recorded_by.clone(),
                e.asked.clone(),
                e.reason.clone().unwrap_or_default(),
                counts.persons.to_string(),
                counts.touches.to_string(),
                counts.stage_events.to_string(),
                counts.deliveries.to_string(),
            ]
        })
        .collect();
    let views: Vec<ErasureView> = list.into_iter().map(Into::into).collect();
    context.print(&json!(views), || {
        table(&["Erasure", "When (UTC)", "By", "Named by", "Why", "Persons", "Touches", "Events", "Bodies"], rows)
    });
    Ok(())
}

fn words(verb: &str, counts: &Counts) -> String {
    if counts.is_nothing() {
        return "Nothing is held of this person.".to_owned();
    }
    let lines =
        counts.lines().into_iter().filter(|(_, n)| *n > 0).map(|(what, n)| vec![what.to_owned(), n.to_string()]);
    format!("{verb}:\n{}", table(&["What", "How many"], lines))
}

/// Asks on a terminal; without one nobody can answer, so it has to be said before.
#[expect(clippy::print_stderr, reason = "this is what the command line is for")]
fn confirm(counts: &Counts) -> Result<(), CliError> {
    if !std::io::stdin().is_terminal() {
        let why = "an erasure cannot be undone, and there is no terminal to confirm it on; look with --dry-run, then add --yes";
        return Err(Fault::new("yes", "confirmation-missing", why).into());
    }
    eprintln!("{}", words("This erases, for good", counts));
    eprint!("Type `erase` to go on: ");
    std::io::stderr().flush()?;
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    if answer.trim() == "erase" { Ok(()) } else { Err(CliError::Message("nothing was erased".into())) }
}

/// Waits until what stands in the journals of this machine by now is loaded: loaded later, it would bring the person back.
fn wait_for_journals(context: &Context, core: &Core) -> Result<(), CliError> {
    let (began, since) = (context.clock.now(), Instant::now());
    let data = &core.config.data.dir;
    while waits::<TouchRecord<'static>>(&data.join("journal"), began, |r| r.occurred_at)?
        || waits::<Delivery>(&data.join("deliveries"), began, |d| d.received_at)?
    {
        if since.elapsed() > PATIENCE {
            let why = "clicks or deliveries wait in the journal and would come in behind the erasure; start the server, which \
                       loads them, and try again";
            return Err(Fault::new("journal", "journal-waits", why).into());
        }
        std::thread::park_timeout(LOOK);
    }
    Ok(())
}

/// Whether a journal holds something of before `began` that is not loaded.
fn waits<R: Record>(dir: &Path, began: UtcMillis, at: impl Fn(&R) -> UtcMillis) -> Result<bool, CliError> {
    if !dir.exists() {
        return Ok(false);
    }
    let found = inspect::<R>(dir)?;
    // What cannot be read is no reason to think that it came later.
    Ok(found.waiting > 0 && found.oldest.as_ref().is_none_or(|oldest| at(oldest) <= began))
}
