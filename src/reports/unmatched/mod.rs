//! What no key joined: stage events without a person, and people without a touch in reach, with why and with what speaks
//! for whom. Whoever matches one of them records a fact; nothing here joins by itself.

mod candidates;

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::str::FromStr;

use self::candidates::Candidates;
use super::ReportError;
use super::facts::{Eligibility, Facts, Journeys, Owner, Read, Who};
use crate::domain::attribution::purchases::Book;
use crate::domain::fault::{Fault, shown};
use crate::domain::ids::StageEventId;
use crate::domain::matching::{Basis, Strength, Target, Unmatched, UnmatchedReason};
use crate::domain::stage::{Source, Stage, StageEvent};
use crate::domain::time::{DAY_MS, Day, DayRange, UtcMillis, Zone};
use crate::store::{Conn, Moments, ledger};

/// Owners whose touches are held at a time.
const OWNERS_AT_A_TIME: usize = 5_000;
/// Most rows of one page.
pub const ROWS_MAX: usize = 200;
/// Rows of a page that says no number.
const ROWS: usize = 50;

/// What this installation assumes where a question is silent.
#[derive(Debug, Clone)]
pub struct Defaults {
    /// Days, if none are asked for.
    pub days: DayRange,
    /// The zone of the days.
    pub zone: Zone,
    /// How many days before an event its touches may lie.
    pub lookback_days: i64,
}

/// A question: which rows, and which page of them.
#[derive(Debug, Clone)]
pub struct Question {
    /// Which rows.
    pub filter: Filter,
    /// Behind which row the page begins.
    pub after: Option<Cursor>,
    /// How many rows it has at most, 1 to [`ROWS_MAX`].
    pub limit: usize,
}

/// Which of the unmatched are asked for. Whoever's newest stage event lies in the days is in.
#[derive(Debug, Clone)]
pub struct Filter {
    /// Days of the newest stage event, in `zone`.
    pub days: DayRange,
    /// The zone of the days.
    pub zone: Zone,
    /// How many days before an event its touches may lie.
    pub lookback_days: i64,
    /// One reason alone.
    pub reason: Option<UnmatchedReason>,
    /// Those with an event of this stage.
    pub stage: Option<Stage>,
    /// Those with an event of this source.
    pub source: Option<Source>,
}

/// Where a page begins: behind this newest event of the last row before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cursor(UtcMillis, StageEventId);

impl FromStr for Cursor {
    type Err = Fault;

    fn from_str(text: &str) -> Result<Self, Fault> {
        let parts = text.split_once('.').and_then(|(at, id)| Some((at.parse().ok()?, id.parse().ok()?)));
        parts.map(|(at, id)| Self(UtcMillis(at), id)).ok_or_else(|| {
            Fault::new(
                "cursor",
                "cursor-malformed",
                format!("{} is no cursor; pass `next_cursor` as it came", shown(text)),
            )
        })
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.0.0, self.1)
    }
}

/// Something unmatched.
#[derive(Debug, Clone)]
pub struct Row {
    /// What a match names.
    pub item: Unmatched,
    /// Why it is unmatched.
    pub reason: UnmatchedReason,
    /// Its stage events, oldest first.
    pub events: Vec<StageEvent>,
    /// Who it may be, strongest first.
    pub suggestions: Vec<Suggestion>,
}

/// Who something unmatched may be, and why.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Suggestion {
    /// How much speaks for it.
    pub strength: Strength,
    /// What speaks for it.
    pub basis: Basis,
    /// Who or what it is.
    pub to: Target,
    /// The same in words.
    pub detail: String,
}

/// A page of what is unmatched.
#[derive(Debug)]
pub struct Page {
    /// The horizon at which it was read.
    pub as_of: UtcMillis,
    /// The rows, newest first.
    pub rows: Vec<Row>,
    /// How many of the filter's days, stage and source have each reason.
    pub counts: BTreeMap<UnmatchedReason, usize>,
    /// Where the next page begins, if there is one.
    pub next: Option<Cursor>,
}

impl Question {
    /// Reads a question from its parameters by name: `from`, `to`, `reason`, `stage`, `source`, `cursor`, `limit`. All
    /// faults are told at once; names that are none are left to the caller.
    pub fn read(given: &HashMap<String, String>, defaults: &Defaults) -> Result<Self, Vec<Fault>> {
        let mut faults = Vec::new();
        let from = read(given, "from", &mut faults).unwrap_or(defaults.days.from);
        let to: Day = read(given, "to", &mut faults).unwrap_or(defaults.days.to);
        let days = DayRange::new(from, to).map_err(|fault| faults.push(fault)).unwrap_or(defaults.days);
        let source = given.get("source").map(|s| s.trim()).filter(|s| !s.is_empty());
        let filter = Filter {
            days,
            zone: defaults.zone.clone(),
            lookback_days: defaults.lookback_days,
            reason: read(given, "reason", &mut faults),
            stage: read(given, "stage", &mut faults),
            source: source.map(|s| Source::stored(s.to_owned())),
        };
        let after = read(given, "cursor", &mut faults);
        let limit = read(given, "limit", &mut faults).map_or(ROWS, |Rows(n)| n);
        if faults.is_empty() { Ok(Self { filter, after, limit }) } else { Err(faults) }
    }
}

/// A number of rows.
struct Rows(usize);

impl FromStr for Rows {
    type Err = Fault;

    fn from_str(text: &str) -> Result<Self, Fault> {
        text.parse().ok().filter(|n| (1..=ROWS_MAX).contains(n)).map(Self).ok_or_else(|| {
            Fault::new(
                "limit",
                "limit-out-of-range",
                format!("{} is no number of rows; give 1 to {ROWS_MAX}", shown(text)),
            )
        })
    }
}

fn read<T: FromStr<Err = Fault>>(given: &HashMap<String, String>, name: &str, faults: &mut Vec<Fault>) -> Option<T> {
    let text = given.get(name).map(|t| t.trim()).filter(|t| !t.is_empty())?;
    text.parse().map_err(|fault: Fault| faults.push(fault.named(name))).ok()
}

/// Lists what is unmatched, newest first.
pub fn list(conn: &mut Conn, question: &Question) -> Result<Page, ReportError> {
    let Question { filter, after, limit } = question;
    let as_of = ledger::horizon(conn)?;
    let facts = Facts::load(conn, &Moments::all(as_of))?;
    let mut owners: Vec<(Cursor, Owner<'_>)> = facts
        .owners()
        .into_iter()
        .filter_map(|owner| Some((newest(&owner)?, owner)))
        .filter(|(newest, owner)| filter.takes(*newest, owner))
        .collect();
    owners.sort_unstable_by_key(|(newest, _)| std::cmp::Reverse(*newest));
    let owners: Vec<Owner<'_>> = owners.into_iter().map(|(_, owner)| owner).collect();
    let mut page = Page { as_of, rows: Vec::new(), counts: BTreeMap::new(), next: None };
    for chunk in owners.chunks(OWNERS_AT_A_TIME) {
        let eligibility = Eligibility::usual();
        let journeys = Read::of_owners(conn, &facts, chunk, &eligibility)?.into_journeys(&eligibility);
        for owner in chunk {
            let Some(reason) = reason(&facts, &journeys, owner, filter.lookback_days) else { continue };
            *page.counts.entry(reason).or_default() += 1;
            let is_behind = after.is_none_or(|after| newest(owner).is_some_and(|own| own < after));
            if filter.reason.is_some_and(|wanted| wanted != reason) || !is_behind {
                continue;
            }
            if page.rows.len() < *limit {
                page.rows.push(row(owner, reason));
            } else if page.next.is_none() {
                page.next = page.rows.last().and_then(|r| r.events.last()).map(|e| Cursor(e.occurred_at, e.id));
            }
        }
    }
    let mut candidates = Candidates::of(conn, &facts, &page.rows)?;
    for row in &mut page.rows {
        row.suggestions = candidates.of_row(conn, row)?;
    }
    Ok(page)
}

impl Filter {
    fn takes(&self, newest: Cursor, owner: &Owner<'_>) -> bool {
        let any = |is: &dyn Fn(&StageEvent) -> bool| owner.events.iter().any(|e| is(e));
        let day = self.zone.day_of(newest.0);
        self.days.from <= day
            && day <= self.days.to
            && self.stage.is_none_or(|stage| any(&|e| e.stage == stage))
            && self.source.as_ref().is_none_or(|source| any(&|e| e.source == *source))
    }
}

fn newest(owner: &Owner<'_>) -> Option<Cursor> {
    owner.events.last().map(|e| Cursor(e.occurred_at, e.id))
}

fn row(owner: &Owner<'_>, reason: UnmatchedReason) -> Row {
    let item = match &owner.who {
        Who::Person(person) => Unmatched::Person(*person),
        Who::Subject(subject) => Unmatched::Subject(subject.clone()),
        Who::Event(event) => Unmatched::Event(*event),
    };
    let events = owner.events.iter().map(|e| (*e).clone()).collect();
    Row { item, reason, events, suggestions: Vec::new() }
}

/// Why somebody's events are unmatched; none if one of them has a touch in reach.
fn reason(facts: &Facts, journeys: &Journeys<'_>, owner: &Owner<'_>, lookback_days: i64) -> Option<UnmatchedReason> {
    let person = match &owner.who {
        Who::Person(person) => *person,
        Who::Subject(_) => return Some(UnmatchedReason::NoPerson),
        Who::Event(_) => return Some(UnmatchedReason::ParentUnknown),
    };
    let in_reach = |event: &&&StageEvent| {
        let from = event.occurred_at.plus_ms(-lookback_days * DAY_MS);
        journeys.touches_of(event).iter().any(|t| from <= t.at && t.at <= event.occurred_at)
    };
    if owner.events.iter().find(in_reach).is_some() {
        return None;
    }
    let usual = Eligibility::usual();
    let mut touches = owner.events.iter().flat_map(|e| journeys.all_touches_of(e)).peekable();
    Some(if touches.peek().is_some() {
        let is_counted = touches.any(|t| usual.excludes(t).is_none());
        if is_counted { UnmatchedReason::OutOfReach } else { UnmatchedReason::NotCounted }
    } else if facts.people.clicks(person).next().is_some() {
        UnmatchedReason::ClickUnknown
    } else if facts.people.visitors(person).next().is_some() {
        UnmatchedReason::BrowserUnknown
    } else {
        UnmatchedReason::NoKey
    })
}
