//! Classifies stored touches again: by rules that have changed, or that somebody thinks of changing.
//!
//! Touches are read in the order of time, a page at a time, each page on a snapshot of its own, and judged by what is
//! stored of them. New classes are recorded a transaction at a time, so a run that is cut off is mended by the next:
//! what has its class already is left alone.
//!
//! # The repeat rule in a new light
//!
//! Whether a click is a repeat depends on the last human click before it, and that may be another one now: who becomes
//! human may make the next click a repeat, who is human no longer leaves the next one human, and so on along the line.
//! So the run carries for each visitor and link the last click that is human by its own verdicts, never by the stored
//! ones. It begins a window before its period, with the classes that stand there; within its period every verdict
//! follows from the rules, those classes and nothing else, so a second run says the same. The end of the period is a
//! hard one: clicks behind it keep their classes, though a click just before it may have become human.
//!
//! Of clicks of one millisecond the one that is human already counts as the first: the order in which they came is not
//! stored.
//!
//! # What cannot be done again
//!
//! Addresses are gone: a touch keeps the labels of ranges it had, and those are asked what they mean today. Which touches
//! came from one source is not known any more: a scanner found by what it did stays one, unless something stronger says
//! otherwise, even where its class was another one in between. Imported touches have no evidence at all and stay.

mod effect;

use std::collections::HashMap;

use effect::Channels;
pub use effect::{Effect, Human, Kept, Move};

use crate::domain::client::Signals;
use crate::domain::ids::{BatchId, LinkId, VisitorId};
use crate::domain::time::{UtcMillis, Zone};
use crate::domain::touch::{TouchClass, TouchKind};
use crate::store::touches::{self, Classified, Correction, Pages, Reclassified};
use crate::store::{Db, StoreError};
use crate::tracking::classify::{Classifier, StoredTouch, Verdict};

/// Touches of one read.
const PAGE: i64 = 10_000;
/// New classes of one transaction, during which nobody else writes.
const PER_WRITE: usize = 10_000;
/// Last clicks in memory before the old ones are forgotten.
const CLICKS_MAX: usize = 100_000;
/// The rules of behaviour.
const BEHAVIOUR: [&str; 2] = ["burst", "head-then-get"];

/// What is to be done.
#[derive(Debug, Clone)]
pub struct Task<'a> {
    /// From here on.
    pub from: UtcMillis,
    /// Up to here, not included.
    pub to: UtcMillis,
    /// Whose days the effect is told by.
    pub zone: &'a Zone,
    /// The run under which new classes are recorded, at which time; `None` to record none.
    pub record: Option<(BatchId, UtcMillis)>,
}

/// Does it. `progress` is told the time up to which touches are judged.
pub fn run(
    db: &Db,
    classifier: &mut Classifier,
    task: &Task<'_>,
    progress: &mut dyn FnMut(UtcMillis),
) -> Result<Effect, StoreError> {
    let channels = db.read_now(Channels::load)?;
    let window_ms = classifier.repeat_window_ms().max(0);
    let mut pages = Pages::new(task.from.plus_ms(-window_ms), task.to);
    let mut judge = Judge { classifier, humans: HashMap::new(), kept: 0, window_ms };
    let mut effect = Effect::new(task.zone.clone());
    let mut due: Vec<Correction> = Vec::new();
    loop {
        let mut page = db.read_now(|conn| pages.read(conn, PAGE))?;
        let Some(last) = page.last().map(|t| t.occurred_at) else { break };
        page.sort_by_key(|t| (t.occurred_at, t.class != TouchClass::Human, t.id));
        for touch in &page {
            if touch.occurred_at < task.from {
                judge.remember(touch, touch.class);
                continue;
            }
            let verdict = judge.judge(touch);
            effect.add(touch, &verdict, &channels);
            if verdict.class != touch.class || *verdict.rule != *touch.rule {
                due.push(correction(touch, verdict));
            }
        }
        while due.len() >= PER_WRITE {
            let rest = due.split_off(PER_WRITE);
            record(db, task, &due, &mut effect)?;
            due = rest;
        }
        progress(last);
    }
    record(db, task, &due, &mut effect)?;
    Ok(effect)
}

fn record(db: &Db, task: &Task<'_>, due: &[Correction], effect: &mut Effect) -> Result<(), StoreError> {
    if let Some((run, now)) = task.record
        && !due.is_empty()
    {
        effect.recorded += db.write_now(|conn| touches::correct(conn, due, run, now))?.recorded;
    }
    Ok(())
}

/// What was judged from must still hold when it is recorded: the server may have corrected it meanwhile.
fn correction(touch: &Classified, verdict: Verdict) -> Correction {
    Correction {
        to: Reclassified { touch: touch.id, class: verdict.class, rule: verdict.rule.into_owned() },
        from: Some((touch.class, touch.rule.to_string())),
    }
}

struct Judge<'a> {
    classifier: &'a mut Classifier,
    /// The last human click of each visitor and link, by the verdicts of this run.
    humans: HashMap<(VisitorId, LinkId), UtcMillis>,
    /// How many there were when the old ones were last forgotten.
    kept: usize,
    window_ms: i64,
}

impl Judge<'_> {
    fn judge(&mut self, touch: &Classified) -> Verdict {
        let behaviour = behaviour_of(touch);
        let (class, rule) = behaviour.map_or((touch.class, &*touch.rule), |rule| (TouchClass::Scanner, rule));
        let verdict = if touch.is_imported {
            Verdict { class, rule: rule.to_owned().into() }
        } else {
            self.classifier.classify_again(&StoredTouch {
                kind: touch.kind,
                occurred_at: touch.occurred_at,
                user_agent: touch.user_agent.as_deref(),
                signals: touch.signals.unwrap_or_else(|| likely_signals(touch)),
                range_labels: touch.range_labels.as_deref(),
                class,
                rule,
                previous_human: pair_of(touch).and_then(|pair| self.humans.get(&pair).copied()),
            })
        };
        self.remember(touch, verdict.class);
        verdict
    }

    /// Takes note of a human click.
    fn remember(&mut self, touch: &Classified, class: TouchClass) {
        let Some(pair) = pair_of(touch).filter(|_| class == TouchClass::Human) else { return };
        self.humans.insert(pair, touch.occurred_at);
        if self.humans.len() > 2 * self.kept.max(CLICKS_MAX) {
            let oldest = touch.occurred_at.plus_ms(-self.window_ms);
            self.humans.retain(|_, clicked| *clicked >= oldest);
            self.kept = self.humans.len();
        }
    }
}

/// Whose click on what; `None` for what cannot be a repeat or be repeated.
fn pair_of(touch: &Classified) -> Option<(VisitorId, LinkId)> {
    touch.visitor.zip(touch.link).filter(|_| touch.kind == TouchKind::Click)
}

/// The rule of behaviour by which a touch was a scanner's once, if any: that it did so does not become untrue.
fn behaviour_of(touch: &Classified) -> Option<&str> {
    let rules = touch.earlier_rules.iter().chain([&touch.rule]).rev();
    rules.map(|rule| &**rule).find(|rule| BEHAVIOUR.contains(rule))
}

/// The headers of a touch that was loaded before they were kept, as far as its first rule tells.
fn likely_signals(touch: &Classified) -> Signals {
    match &**touch.earlier_rules.first().unwrap_or(&touch.rule) {
        "head" => Signals::HEAD.with(Signals::ACCEPT_LANGUAGE),
        "prefetch" => Signals::PREFETCH.with(Signals::ACCEPT_LANGUAGE),
        "headers-bare" => Signals::default(),
        _ => Signals::ACCEPT_LANGUAGE.with(Signals::NAVIGATION),
    }
}
