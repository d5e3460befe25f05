//! `headwater inbox`

use clap::{Args, Subcommand};
use serde_json::json;

use super::{CliError, Context, table};
use crate::domain::delivery::{Delivery, readable};
use crate::domain::fault::Fault;
use crate::domain::ids::DeliveryId;
use crate::jobs::find_deliveries::{self, Asked, Opened};
use crate::jobs::intake::IntakeContext;
use crate::jobs::load_deliveries;
use crate::jobs::replay::{self, Replayed};
use crate::store::deliveries::{self, InboxRow, Item};
use crate::tracking::journal;

/// Deliveries read again between two looks for more.
const REPLAY_PART: i64 = 1_000;

/// Which items.
#[derive(Debug, Args)]
pub(super) struct Which {
    /// Of one endpoint, such as `end_1`
    #[arg(long)]
    endpoint: Option<String>,
    /// With this verdict: stored, duplicate, quarantined, ignored, needs-enrichment or pending
    #[arg(long)]
    status: Option<String>,
    /// With this code of a reason, such as conflict
    #[arg(long)]
    code: Option<String>,
    /// First day (UTC) or time of receipt
    #[arg(long)]
    from: Option<String>,
    /// Last day (UTC) or time of receipt
    #[arg(long)]
    to: Option<String>,
    /// An id of a delivery, a stage event or a person, a sender's id of an event or a message, or an email address
    #[arg(long, value_name = "ID")]
    find: Option<String>,
}

impl Which {
    fn asked(self) -> Asked {
        let text = |t: Option<String>| t.unwrap_or_default();
        Asked {
            endpoint: text(self.endpoint),
            status: text(self.status),
            code: text(self.code),
            from: text(self.from),
            to: text(self.to),
            q: text(self.find),
        }
    }
}

#[derive(Debug, Subcommand)]
pub(super) enum Inbox {
    /// List items of deliveries, newest first
    List {
        #[command(flatten)]
        which: Which,
        /// Items at most
        #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(i64).range(1..=10_000))]
        limit: i64,
    },
    /// Show one delivery with its headers and its body
    Show {
        /// The delivery's id, such as `dlv_…`
        id: String,
    },
    /// Read deliveries again, as after a mapping change: one, or all that have an item like this
    ///
    /// An event that reads differently now is voided and stored anew at one moment; one that reads as before stands. Where
    /// an item of a delivery cannot be read now, nothing of it that stands is changed.
    Replay {
        /// The delivery's id
        #[arg(conflicts_with_all = ["endpoint", "status", "code", "from", "to", "find"])]
        id: Option<String>,
        #[command(flatten)]
        which: Which,
    },
    /// Load deliveries that were accepted and that the database did not take (`deliveries/quarantine` in the data directory)
    ///
    /// A server may run meanwhile; it reads them in a moment. What is refused again stays where it is.
    Reload,
}

pub(super) fn run(context: &Context, command: Inbox) -> Result<(), CliError> {
    match command {
        Inbox::List { which, limit } => list(context, which, limit),
        Inbox::Show { id } => show(context, &id),
        Inbox::Replay { id: Some(id), .. } => replay_one(context, &id),
        Inbox::Replay { id: None, which } => replay_many(context, which),
        Inbox::Reload => reload(context),
    }
}

fn reload(context: &Context) -> Result<(), CliError> {
    let core = context.open()?;
    let dir = core.config.data.dir.join("deliveries");
    let mut reasons = Vec::new();
    let done = journal::reload(&dir, |delivery: &Delivery| {
        match load_deliveries::load(&core.db, std::slice::from_ref(delivery)) {
            Ok(_) => Ok(true),
            Err(why) if why.is_passing() => Err(CliError::from(why)),
            Err(why) => {
                reasons.push(format!("{}: {why}", delivery.id));
                Ok(false)
            }
        }
    })?;
    let json = json!({ "loaded": done.loaded, "left": done.left, "reasons": reasons });
    context.print(&json, || {
        let mut lines =
            vec![format!("{} loaded, {} left in {}", done.loaded, done.left, dir.join("quarantine").display())];
        lines.append(&mut reasons);
        lines.join("\n")
    });
    Ok(())
}

fn list(context: &Context, which: Which, limit: i64) -> Result<(), CliError> {
    let core = context.open()?;
    let filter = which.asked().filter(&core.secret)?;
    let rows = core.db.read_now(|conn| deliveries::list(conn, &filter, None, limit))?;
    let json: Vec<_> = rows.iter().map(row_json).collect();
    context.print(&json!(json), || {
        table(
            &["Received (UTC)", "Delivery", "From", "Event id", "Verdict", "Reason"],
            rows.iter().map(|r| {
                let mut line = vec![r.received_at.to_string(), r.item.delivery.to_string(), r.source.clone()];
                line.extend(item_cells(&r.item));
                line
            }),
        )
    });
    Ok(())
}

fn row_json(row: &InboxRow) -> serde_json::Value {
    let mut json = item_json(&row.item);
    json["delivery"] = json!(row.item.delivery);
    json["received_at"] = json!(row.received_at.to_string());
    json["source"] = json!(row.source);
    json["bytes"] = json!(row.bytes);
    json
}

fn item_json(item: &Item) -> serde_json::Value {
    json!({ "item": item.item, "status": item.verdict, "event_id": item.event_id, "event": item.stage_event,
        "code": item.code, "detail": item.detail })
}

fn item_cells(item: &Item) -> [String; 3] {
    let reason = [item.code.as_deref(), item.detail.as_deref()];
    let reason: Vec<&str> = reason.into_iter().flatten().collect();
    [item.event_id.clone().unwrap_or_default(), item.verdict.to_string(), reason.join(": ")]
}

fn show(context: &Context, id: &str) -> Result<(), CliError> {
    let core = context.open()?;
    let id: DeliveryId = id.parse()?;
    let intake = IntakeContext { secret: core.secret.clone(), person_namespace: core.config.intake.person_namespace };
    let Opened { kept, head, body, items } = core.db.read_now(|conn| find_deliveries::open(conn, &intake, id))?;
    let delivery = kept.delivery;
    let text = body.as_deref().and_then(|body| readable(delivery.content_type.as_deref(), body));
    let removed_at = kept.removed_at.map(|at| at.to_string());
    let list: Vec<_> = items.iter().map(item_json).collect();
    let json = json!({
        "delivery": id, "received_at": delivery.received_at.to_string(), "source": delivery.source,
        "endpoint": delivery.endpoint, "message_id": delivery.message_id, "method": delivery.method,
        "content_type": delivery.content_type, "bytes": delivery.bytes, "removed_at": removed_at, "items": list,
        "target": head.target, "headers": head.headers, "headers_left_out": head.headers_left_out,
        "body": body.as_deref().map(String::from_utf8_lossy),
    });
    context.print(&json, || {
        let items = table(&["Event id", "Verdict", "Reason"], items.iter().map(|i| item_cells(i).to_vec()));
        let left_out = Some(head.headers_left_out).filter(|n| *n > 0).map(|n| format!("(and {n} more, not kept)"));
        let headers = head.headers.iter().map(|(name, value)| format!("{name}: {value}"));
        let headers: Vec<String> = headers.chain(left_out).collect();
        let body = match (&removed_at, text) {
            (Some(at), _) => format!("body and headers were removed on {at}"),
            (None, Some(text)) => text,
            (None, None) => "the body is no text".to_owned(),
        };
        format!(
            "{id} from {} at {}\n{items}\n{} {}\n{}\n\n{body}",
            delivery.source,
            delivery.received_at,
            delivery.method,
            head.target,
            headers.join("\n")
        )
    });
    Ok(())
}

fn replay_one(context: &Context, id: &str) -> Result<(), CliError> {
    let core = context.open()?;
    let id: DeliveryId = id.parse()?;
    let intake = IntakeContext { secret: core.secret.clone(), person_namespace: core.config.intake.person_namespace };
    let now = context.clock.now();
    let read = core.db.write_now(|conn| replay::one(conn, &intake, id, now))?;
    let mut replayed = Replayed::default();
    replayed.add(&read);
    print(context, &replayed);
    Ok(())
}

fn replay_many(context: &Context, which: Which) -> Result<(), CliError> {
    let asked = which.asked();
    if asked.is_empty() {
        let why = "name a delivery, or which ones by --endpoint, --status, --code, --from, --to or --find";
        return Err(Fault::new("filter", "filter-missing", why).into());
    }
    let core = context.open()?;
    let filter = asked.filter(&core.secret)?;
    let intake = IntakeContext { secret: core.secret.clone(), person_namespace: core.config.intake.person_namespace };
    let (mut all, mut after) = (Replayed::default(), None);
    loop {
        let now = || context.clock.now();
        let (part, next) = replay::many(&core.db, &intake, &filter, after, REPLAY_PART, &now)?;
        all.sum(&part);
        if next.is_none() {
            break;
        }
        after = next;
    }
    print(context, &all);
    Ok(())
}

fn print(context: &Context, replayed: &Replayed) {
    let json = serde_json::to_value(replayed).unwrap_or_default();
    context.print(&json, || {
        let counts = json.as_object().into_iter().flatten();
        counts.map(|(name, n)| format!("{n} {}", name.replace('_', " "))).collect::<Vec<_>>().join(", ")
    });
}
