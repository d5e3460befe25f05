//! The account: every answered click is stored once, in quarantine, or counted as unrecorded.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use headwater::domain::ids::TouchId;
use uuid::Uuid;

use super::bench::{Bench, Life};
use super::load::{Answered, IN_FLIGHT};
use super::segments::Finder;
use crate::durability::stored_clicks;

/// A look-up in the text of `/metrics`.
pub(super) fn values(text: &str) -> impl Fn(&str) -> u64 + use<> {
    let mut known: BTreeMap<String, u64> = BTreeMap::new();
    for line in text.lines().filter(|l| !l.starts_with('#')) {
        if let Some((name, value)) = line.rsplit_once(' ')
            && let Ok(value) = value.parse()
        {
            known.insert(name.trim_start_matches("headwater_").trim_end_matches("_total").to_owned(), value);
        }
    }
    move |name| known.get(name).copied().unwrap_or_else(|| panic!("no {name} at /metrics"))
}

/// What stands in the quarantine.
struct Quarantine {
    /// Ids that a line names.
    named: BTreeSet<Uuid>,
    /// All files one after the other.
    bytes: Vec<u8>,
}

impl Quarantine {
    fn read(bench: &Bench) -> Self {
        let mut bytes = Vec::new();
        for entry in fs::read_dir(bench.journal().join("quarantine")).expect("quarantine") {
            bytes.extend(fs::read(entry.expect("entry").path()).expect("file"));
        }
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let named = text.split("clk_").skip(1).filter_map(|t| t.get(..26)?.parse::<TouchId>().ok()).map(|t| t.0);
        Self { named: named.collect(), bytes }
    }

    fn holds(&self, needle: &[u8]) -> bool {
        !needle.is_empty() && self.bytes.windows(needle.len()).any(|w| w == needle)
    }
}

/// How an epoch ended.
#[derive(Debug, Default, Clone, Copy)]
#[expect(dead_code, reason = "printed by Debug, as the outcome of an epoch")]
pub(super) struct Tally {
    answered: usize,
    stored: usize,
    quarantined: usize,
    unrecorded: usize,
    /// Taken by the bench itself: cut off, or lost with the power before they were synced.
    taken: usize,
}

/// Settles the account, or fails and names what is lost.
pub(super) fn settle(mut bench: Bench) -> Tally {
    let stored = stored_clicks(&bench.site.db());
    let distinct: BTreeSet<Uuid> = stored.iter().copied().collect();
    assert_eq!(distinct.len(), stored.len(), "a click is stored twice");
    let quarantine = Quarantine::read(&bench);
    let lives = bench.lives.clone();
    let (answered, unanswered) = bench.load.finish();
    let destroyed = &bench.destroyed;
    let ids: BTreeSet<Uuid> = answered.iter().map(|a| a.id).collect();
    assert_eq!(ids.len(), answered.len(), "two answers carry one click id");
    let extra = distinct.difference(&ids).count() as u64;
    assert!(extra <= unanswered, "{extra} stored clicks were never asked for; {unanswered} requests broke off");

    let missing: Vec<&Answered> = answered.iter().filter(|a| !distinct.contains(&a.id)).collect();
    let finder = Finder::of(missing.iter().map(|a| a.id));
    let kept = finder.in_bytes(&quarantine.bytes);
    let gone = finder.in_bytes(&destroyed.gone.concat());
    let mut flipped: BTreeMap<Uuid, &[u8]> = BTreeMap::new();
    for (before, after) in &destroyed.flipped {
        flipped.extend(finder.in_bytes(before).into_iter().map(|id| (id, after.as_slice())));
    }
    let mut tally = Tally { answered: answered.len(), stored: distinct.len(), ..Tally::default() };
    let mut unrecorded: BTreeMap<usize, Vec<Uuid>> = BTreeMap::new();
    // By process: clicks that the bench took, whole or as the half record of a write that stopped short.
    let mut taken: BTreeMap<usize, u64> = BTreeMap::new();
    for click in missing {
        let is_kept = kept.contains(&click.id) || quarantine.named.contains(&click.id);
        if gone.contains(&click.id) {
            tally.taken += 1;
            *taken.entry(click.life).or_default() += 1;
        } else if let Some(after) = flipped.get(&click.id) {
            // The id itself may be what flipped: then the bytes tell, or the id that they spell now.
            let is_there = is_kept || quarantine.holds(&after[8..]) || names_flipped(&quarantine, after);
            assert!(is_there, "{} was damaged and is neither stored nor in quarantine", click.id);
            tally.quarantined += 1;
        } else {
            // Also where a torn tail in quarantine bears the id: half of a record whose write stopped short is no record,
            // and its click must have been counted.
            unrecorded.entry(click.life).or_default().push(click.id);
        }
    }
    for (number, life) in lives.iter().enumerate() {
        let ids = unrecorded.remove(&number).unwrap_or_default();
        tally.unrecorded += ids.len();
        assert_unrecorded(number, life, &ids, taken.get(&number).copied().unwrap_or(0));
    }
    tally
}

/// Whether a line names the id that a damaged record spells now.
fn names_flipped(quarantine: &Quarantine, after: &[u8]) -> bool {
    let now = after.get(9..).and_then(|body| postcard::take_from_bytes::<u128>(body).ok());
    now.is_some_and(|(id, _)| quarantine.named.contains(&Uuid::from_u128(id)))
}

/// Answered clicks that are nowhere are exactly those that their process counted as unrecorded. Where it was killed
/// before it could tell, they are at most those whose writes the disk refused.
fn assert_unrecorded(number: usize, life: &Life, ids: &[Uuid], taken: u64) {
    let lost = ids.len() as u64;
    let some = &ids[..ids.len().min(5)];
    let syncs_refused = life.to.syncs_refused - life.from.syncs_refused;
    let is_uncertain = life.sync == "always" && syncs_refused > 0;
    match life.unrecorded {
        // A click whose sync failed is counted as unrecorded, and may survive where only the process died.
        Some(counted) if is_uncertain => assert!(lost <= counted, "life {number}: {lost} > {counted}: {some:?}"),
        Some(counted) => {
            let adds_up = lost <= counted && counted <= lost + taken;
            assert!(
                adds_up,
                "life {number}: {lost} clicks are nowhere, {counted} were counted as unrecorded, {taken} the bench took: \
                    {some:?} {life:?}"
            );
        }
        None => {
            let headers = life.to.headers_at_risk - life.from.headers_at_risk;
            let syncs = if life.sync == "always" { syncs_refused } else { 0 };
            let most = life.to.records_at_risk - life.from.records_at_risk + (headers + syncs) * IN_FLIGHT;
            assert!(lost <= most, "life {number}: {lost} clicks are nowhere, {most} were refused: {some:?} {life:?}");
        }
    }
}
