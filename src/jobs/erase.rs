//! Erasure of a person's data: who is meant, all that is held of them, and random values in its place.
//!
//! The hard part is that no figure moves, whatever the `as_of`, and that nothing brings the person back. The first is a
//! renaming over the whole database ([`crate::store::erasure`]); the second needs order: what waits to be read is read
//! before, and what comes again later is known by keyed hashes.
//!
//! An erasure is one transaction: all of it is done, with its record, or nothing.

mod naming;

use std::collections::{BTreeSet, HashSet};
use std::time::Duration;

use super::intake::{self, IntakeContext, Reading};
use crate::domain::erasure::{Counts, Whom};
use crate::domain::fault::Fault;
use crate::domain::ids::{DeliveryId, ErasureId, PersonId, StageEventId, TouchId};
use crate::domain::person::{JoinKey, People};
use crate::domain::stage::Source;
use crate::domain::time::UtcMillis;
use crate::reports;
use crate::secret::{SecretKey, sha256};
use crate::store::erasure::{self, Erasure, Held, Meant, Renaming, ReturnedKind};
use crate::store::identity;
use crate::store::labels::Author;
use crate::store::{Conn, Db, Moments, StoreError, deliveries, fact_id, ledger, touches};
use naming::Names;

/// Deliveries read in one transaction before an erasure, and bytes of their bodies.
const READ_AT_ONCE: (i64, i64) = (200, 16 << 20);
/// How often another process is waited for that reads the inbox, and for how long each time.
const WAITS: (u32, Duration) = (100, Duration::from_millis(100));

/// An erasure that somebody wants.
#[derive(Debug, Clone)]
pub struct Wish {
    /// By what the person is named; all of it is one person's.
    pub whom: Vec<Whom>,
    /// Why, in words that name nobody.
    pub reason: Option<String>,
    /// The webhook that asks for it.
    pub delivery: Option<DeliveryId>,
}

/// What an erasure did.
#[derive(Debug, Clone)]
pub struct Erased {
    /// Its record.
    pub record: Erasure,
    /// Deliveries whose bodies are gone.
    pub deliveries: BTreeSet<DeliveryId>,
}

/// Erases, after reading what is stored and not read yet: read later, it would make the person again.
pub fn run(db: &Db, context: &IntakeContext, wish: &Wish, author: &Author) -> Result<Erasure, StoreError> {
    read_pending(db, context, author.now)?;
    let record = db.write_now(|conn| {
        let at = ledger::stamp(conn, author.now)?;
        Ok(erase(conn, context, wish, author, at)?.record)
    })?;
    // It is done and recorded; what the log still holds goes with the next checkpoint, too.
    if let Err(error) = db.empty_log() {
        tracing::warn!(%error, erasure.id = %record.id, "the database's log was not emptied after an erasure");
    }
    Ok(record)
}

/// Counts what an erasure would take. Nothing is changed.
pub fn look(conn: &mut Conn, context: &IntakeContext, whom: &[Whom]) -> Result<Counts, StoreError> {
    let held = held(conn, context, whom)?;
    erasure::count(conn, &held)
}

/// Erases in the caller's transaction. The caller holds the ledger, and `at` is the time of this transaction's facts.
pub fn erase(
    conn: &mut Conn,
    context: &IntakeContext,
    wish: &Wish,
    author: &Author,
    at: UtcMillis,
) -> Result<Erased, StoreError> {
    let mut held = held(conn, context, &wish.whom)?;
    // The delivery that asks goes with the rest, and is not counted: it was not held before.
    held.deliveries.retain(|id| Some(*id) != wish.delivery);
    let counts = erasure::count(conn, &held)?;
    held.deliveries.extend(wish.delivery);
    let hash = |kind: ReturnedKind, id: &str| match kind {
        ReturnedKind::Touch => touch_hash(id),
        ReturnedKind::Event | ReturnedKind::Import => context.secret.erased_hash(kind.as_str(), id),
    };
    erasure::rename(conn, &Renaming { held: &held, at, by: &author.name, hash: &hash })?;
    erasure::remember_messages(conn, &held.deliveries, at, &hash)?;
    erasure::remove_deliveries(conn, &held.deliveries, author.now)?;
    erasure::remove_uploads(conn)?;
    let mut asked: Vec<&str> = wish.whom.iter().map(Whom::kind).collect();
    asked.sort_unstable();
    asked.dedup();
    let record = Erasure {
        id: ErasureId(fact_id(at)),
        recorded_at: at,
        recorded_by: author.name.clone(),
        reason: wish.reason.clone(),
        asked: asked.join(" "),
        delivery: wish.delivery,
        counts,
    };
    erasure::insert(conn, &record)?;
    tracing::info!(erasure.id = %record.id, by = %record.recorded_by, "a person's data was erased");
    Ok(Erased { record, deliveries: held.deliveries })
}

/// Whether somebody who was erased is told of again under this id; and the event, if it had become one.
pub fn told_again(
    conn: &mut Conn,
    secret: &SecretKey,
    source: &Source,
    event_id: &str,
) -> Result<Option<Option<StageEventId>>, StoreError> {
    let value = format!("{}\n{event_id}", source.as_str());
    erasure::event_of(conn, &secret.erased_hash(ReturnedKind::Event.as_str(), &value))
}

/// Those of some touches that are erased ones, read from a journal again.
pub fn touches_again(conn: &mut Conn, ids: &[TouchId]) -> Result<HashSet<TouchId>, StoreError> {
    if !erasure::any_returned(conn, ReturnedKind::Touch)? {
        return Ok(HashSet::new());
    }
    let hashes: Vec<Vec<u8>> = ids.iter().map(|id| touch_hash(&id.to_string())).collect();
    let erased = erasure::those_returned(conn, &hashes)?;
    Ok(ids.iter().zip(&hashes).filter(|(_, hash)| erased.contains(*hash)).map(|(id, _)| *id).collect())
}

/// A click id has 74 random bits, so its hash needs no key: nobody finds the id by trying.
fn touch_hash(id: &str) -> Vec<u8> {
    sha256(format!("erased touch\n{id}").as_bytes()).to_vec()
}

/// Those of a source's own ids that are of erased touches, imported again.
pub fn imports_again(
    conn: &mut Conn,
    secret: &SecretKey,
    source: &str,
    ids: &[String],
) -> Result<HashSet<String>, StoreError> {
    if !erasure::any_returned(conn, ReturnedKind::Import)? {
        return Ok(HashSet::new());
    }
    let hash = |id: &String| secret.erased_hash(ReturnedKind::Import.as_str(), &format!("{source}\n{id}"));
    let hashes: Vec<Vec<u8>> = ids.iter().map(hash).collect();
    let erased = erasure::those_returned(conn, &hashes)?;
    Ok(ids.iter().zip(&hashes).filter(|(_, hash)| erased.contains(*hash)).map(|(id, _)| id.clone()).collect())
}

/// Reads what is stored and pending, or waits for the process that reads it.
fn read_pending(db: &Db, context: &IntakeContext, now: UtcMillis) -> Result<(), StoreError> {
    let mut waits = 0;
    loop {
        let ids = db.read_now(|conn| deliveries::pending(conn, READ_AT_ONCE.0, READ_AT_ONCE.1))?;
        if ids.is_empty() {
            return Ok(());
        }
        let is_ours = db.write_now(|conn| {
            let is_ours = deliveries::lease_reading(conn)?;
            if is_ours {
                intake::read_deliveries(conn, context, &ids, Reading::First, now)?;
            }
            Ok(is_ours)
        })?;
        if !is_ours {
            waits += 1;
            if waits > WAITS.0 {
                return Err(StoreError::Busy("the inbox still reads deliveries; try again in a minute".into()));
            }
            std::thread::park_timeout(WAITS.1);
        }
    }
}

/// Everything that is held of whom these names mean.
fn held(conn: &mut Conn, context: &IntakeContext, whom: &[Whom]) -> Result<Held, StoreError> {
    let horizon = Moments::all(ledger::horizon(conn)?);
    let people = reports::people(conn, &horizon)?;
    let meant = meant(conn, &people, whom, &horizon)?;
    let mut held = erasure::gather(conn, &meant)?;
    let names = Names::of(held.keys.iter().chain(&meant.named));
    held.deliveries.extend(naming::deliveries(conn, context, &names)?);
    Ok(held)
}

/// Whom some names mean. A key that several persons have means the one whom another name means, too.
fn meant(conn: &mut Conn, people: &People, whom: &[Whom], horizon: &Moments) -> Result<Meant, StoreError> {
    let (mut clusters, mut several, mut named) = (BTreeSet::new(), Vec::new(), Vec::new());
    for one in whom {
        match one {
            Whom::Person(id) => {
                if !identity::exists(conn, *id)? {
                    return Err(StoreError::NotFound(format!("person {id}")));
                }
                clusters.insert(people.cluster(*id));
            }
            Whom::Key(key) => {
                let found = clusters_of(conn, people, key, horizon, &mut named)?;
                if found.len() > 1 {
                    several.push((key, found));
                } else {
                    clusters.extend(found);
                    named.push(key.clone());
                }
            }
        }
    }
    if let Some((key, found)) = several.iter().find(|(_, found)| found.is_disjoint(&clusters)) {
        return Err(ambiguous(key, found));
    }
    let of_cluster = |cluster: &PersonId| match people.members(*cluster) {
        [] => vec![*cluster],
        members => members.to_vec(),
    };
    Ok(Meant {
        persons: clusters.iter().flat_map(of_cluster).collect(),
        visitors: clusters.iter().flat_map(|c| people.visitors(*c)).collect(),
        named,
        over_shared: people.over_shared.iter().filter(|key| key.is_strong()).cloned().collect(),
    })
}

/// The clusters that have a key: one, nobody, or several that are kept apart. A click or a browser is its first owner's;
/// a browser of nobody is noted among the names, as it is erased all the same.
fn clusters_of(
    conn: &mut Conn,
    people: &People,
    key: &JoinKey,
    horizon: &Moments,
    named: &mut Vec<JoinKey>,
) -> Result<BTreeSet<PersonId>, StoreError> {
    let of_browser = |visitor| people.clusters().find(|c| people.visitors(*c).any(|v| v == visitor));
    let owner = match key {
        JoinKey::Click(click) => match people.click_owner(*click) {
            Some(owner) => Some(owner),
            None => {
                let browser = touches::browsers_of(conn, &[*click], horizon)?.first().map(|(_, browser)| *browser);
                named.extend(browser.map(JoinKey::Visitor));
                browser.and_then(of_browser)
            }
        },
        JoinKey::Visitor(visitor) => of_browser(*visitor),
        _ => None,
    };
    match owner {
        Some(owner) => Ok(BTreeSet::from([owner])),
        None => Ok(erasure::holders_ever(conn, key)?.into_iter().map(|p| people.cluster(p)).collect()),
    }
}

fn ambiguous(key: &JoinKey, clusters: &BTreeSet<PersonId>) -> StoreError {
    let shown: Vec<String> = clusters.iter().take(5).map(ToString::to_string).collect();
    let why = format!(
        "it is known of {} persons ({}{}); look at their journeys and name the one that is meant by its id",
        clusters.len(),
        shown.join(", "),
        if clusters.len() > shown.len() { ", …" } else { "" }
    );
    StoreError::refused(Fault::new(key.kind(), "erasure-ambiguous", why))
}
