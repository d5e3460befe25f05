//! `headwater reclassify`

use std::path::PathBuf;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};

use super::{CliError, Context, table};
use crate::app;
use crate::domain::fault::{Fault, shown};
use crate::domain::ids::BatchId;
use crate::domain::time::{Day, UtcMillis, Zone};
use crate::jobs::reclassify::{self, Effect, Human, Task};
use crate::store::touches;

/// Days shown in the terminal; JSON has all.
const DAYS_SHOWN: usize = 31;

#[derive(Debug, Args)]
pub(super) struct Reclassify {
    /// First day, such as 2026-03-01 in reporting.zone, or a time such as 2026-03-01T12:00:00Z
    #[arg(long, value_name = "DAY|TIME")]
    from: String,
    /// Last day, included, or a time, not included; everything from --from on if not given
    #[arg(long, value_name = "DAY|TIME")]
    to: Option<String>,
    /// TOML file with a `classification` section to try; the configuration's own rules if not given
    #[arg(long, value_name = "FILE")]
    rules: Option<PathBuf>,
    /// Record the new classes; without it nothing is written
    #[arg(long)]
    apply: bool,
}

pub(super) fn run(context: &Context, command: &Reclassify) -> Result<(), CliError> {
    let zone = &context.config.reporting.zone;
    let (from, to) = command.period(zone)?;
    let config = match &command.rules {
        Some(file) => context.config.clone().with_rules(file)?,
        None => context.config.clone(),
    };
    let mut classifier = app::classifier(&config)?;
    let core = context.open()?;
    let extent = core.db.read_now(touches::extent)?;
    let now = context.clock.now();
    let run = command.apply.then(|| BatchId::new(now, rand::random()));
    let task = Task { from, to, zone, record: run.map(|run| (run, now)) };
    let bar = progress_bar(&task, extent, context.json);
    let effect = reclassify::run(&core.db, &mut classifier, &task, &mut |at| bar.set_position(seconds(from, at)))?;
    bar.finish_and_clear();
    if effect.judged == 0 {
        return Err(nothing_to_judge(&effect, extent).into());
    }
    let run = run.filter(|_| effect.recorded > 0);
    context.print(&as_json(&task, run, &effect), || as_text(command.apply, run, &effect));
    Ok(())
}

impl Reclassify {
    fn period(&self, zone: &Zone) -> Result<(UtcMillis, UtcMillis), Fault> {
        let from = edge("from", &self.from, zone, 0)?;
        let to = self.to.as_deref().map_or(Ok(UtcMillis(i64::MAX)), |to| edge("to", to, zone, 1))?;
        if from >= to {
            let to = self.to.as_deref().unwrap_or_default();
            let why = format!(
                "the period from {} to {} has no time in it; swap the two, or leave --to out",
                shown(&self.from),
                shown(to)
            );
            return Err(Fault::new("from", "range-reversed", why));
        }
        Ok((from, to))
    }
}

/// An end of the period: the beginning of a day `days_on` days later, or a time.
fn edge(field: &str, text: &str, zone: &Zone, days_on: i32) -> Result<UtcMillis, Fault> {
    if let Ok(day) = text.parse::<Day>() {
        return Ok(zone.day_start(day.plus_days(days_on)));
    }
    zone.parse_time(text).map_err(|_malformed| {
        let why = format!(
            "{} is neither a day nor a time; write 2026-03-01, or 2026-03-01T12:00:00Z; without an offset it is in {}",
            shown(text),
            zone.name()
        );
        Fault::new(field, "time-malformed", why)
    })
}

fn nothing_to_judge(effect: &Effect, extent: Option<(UtcMillis, UtcMillis)>) -> Fault {
    let why = match extent {
        None => "no touches are stored yet".to_owned(),
        Some(_) if effect.kept.imported > 0 => format!(
            "all {} touches of this period were imported, and those keep their class; choose another period",
            effect.kept.imported
        ),
        Some((first, last)) => {
            format!("no touches are stored of this period; the first is of {first}, the last of {last}")
        }
    };
    Fault::new("from", "no-touches", why)
}

/// Seconds from one time to another.
fn seconds(from: UtcMillis, to: UtcMillis) -> u64 {
    u64::try_from(to.0.saturating_sub(from.0) / 1_000).unwrap_or(0)
}

/// A bar that goes along the time of the touches there are.
fn progress_bar(task: &Task<'_>, extent: Option<(UtcMillis, UtcMillis)>, is_quiet: bool) -> ProgressBar {
    let Some((_, last)) = extent.filter(|_| !is_quiet) else { return ProgressBar::hidden() };
    let style = ProgressStyle::with_template("{bar:40} {percent} % of the period, {eta} left")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(seconds(task.from, task.to.min(last)).max(1)).with_style(style)
}

fn human_json(human: &Human) -> Value {
    json!({
        "clicks_before": human.clicks_before, "clicks_after": human.clicks_after,
        "other_touches_before": human.other_before, "other_touches_after": human.other_after,
    })
}

fn as_json(task: &Task<'_>, run: Option<BatchId>, effect: &Effect) -> Value {
    let with = |key: &str, name: Value, human: &Human| {
        let mut row = human_json(human);
        row[key] = name;
        row
    };
    let moves = effect.moves.iter().map(|(m, count)| {
        json!({
            "from": { "class": m.from.0, "rule": m.from.1 }, "to": { "class": m.to.0, "rule": m.to.1 }, "touches": count,
        })
    });
    json!({
        "from": task.from.to_string(),
        "to": (task.to.0 != i64::MAX).then(|| task.to.to_string()),
        "applied": task.record.is_some(),
        "run": run,
        "judged": effect.judged,
        "changed": effect.changed,
        "recorded": effect.recorded,
        "changes": moves.collect::<Vec<_>>(),
        "channels": effect.channels.iter().map(|(code, h)| with("channel", json!(code), h)).collect::<Vec<_>>(),
        "days": effect.days.iter().map(|(day, h)| with("day", json!(day), h)).collect::<Vec<_>>(),
        "total": human_json(&effect.total),
        "kept": {
            "imported": effect.kept.imported, "behaviour": effect.kept.behaviour, "range_labels": effect.kept.labelled,
        },
    })
}

fn as_text(applies: bool, run: Option<BatchId>, effect: &Effect) -> String {
    let mut parts = Vec::new();
    if effect.changed == 0 {
        parts.push(format!("All {} touches have the class that these rules give them.", effect.judged));
    } else {
        parts.push(table(
            &["Class", "by rule", "becomes", "by rule", "Touches"],
            effect.moves.iter().map(|(m, count)| {
                vec![m.from.0.into(), m.from.1.clone(), m.to.0.into(), m.to.1.clone(), count.to_string()]
            }),
        ));
        let mut rows: Vec<Vec<String>> =
            effect.channels.iter().map(|(code, human)| human_row(code.clone(), human)).collect();
        rows.push(human_row("All channels".into(), &effect.total));
        parts.push(table(&["Channel", "Human clicks", "become", "Other human touches", "become"], rows));
        let is_changed = |h: &Human| h.clicks_before != h.clicks_after || h.other_before != h.other_after;
        let days: Vec<_> = effect.days.iter().filter(|(_, human)| is_changed(human)).collect();
        let rows = days.iter().take(DAYS_SHOWN).map(|(day, human)| human_row(day.to_string(), human));
        parts.push(table(&["Day", "Human clicks", "become", "Other human touches", "become"], rows));
        if days.len() > DAYS_SHOWN {
            parts.push(format!("… and {} more days; --json has them", days.len() - DAYS_SHOWN));
        }
    }
    parts.extend(kept_lines(effect));
    parts.push(outcome(applies, run, effect));
    parts.join("\n")
}

fn human_row(name: String, human: &Human) -> Vec<String> {
    let counts = [human.clicks_before, human.clicks_after, human.other_before, human.other_after];
    std::iter::once(name).chain(counts.map(|count| count.to_string())).collect()
}

/// What could not be judged anew, each with the reason.
fn kept_lines(effect: &Effect) -> Vec<String> {
    let kept = effect.kept;
    [
        (kept.imported, "imported or from a network's form: they keep their class"),
        (
            kept.behaviour,
            "scanners by what they did: which touches came from one source is not stored, so they stay that",
        ),
        (
            kept.labelled,
            "in ranges: their addresses are not stored, so the labels they got were asked, and new ranges were not",
        ),
    ]
    .into_iter()
    .filter(|(count, _)| *count > 0)
    .map(|(count, why)| format!("{count} touches {why}."))
    .collect()
}

fn outcome(applies: bool, run: Option<BatchId>, effect: &Effect) -> String {
    let Effect { judged, changed, recorded, .. } = effect;
    if !applies {
        return format!("{changed} of {judged} touches would change. Nothing was written; --apply records it.");
    }
    let missed = changed.saturating_sub(u64::try_from(*recorded).unwrap_or(u64::MAX));
    let mut said = format!("{recorded} of {judged} touches have a new class");
    if let Some(run) = run {
        said.push_str(&format!(" by the run {run}"));
    }
    said.push_str("; reports of an earlier as_of stay what they were.");
    if missed > 0 {
        said.push_str(&format!(" {missed} were changed by somebody else meanwhile; run it again for those."));
    }
    said
}
