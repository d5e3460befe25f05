//! Later classes: a touch that other rules would have classed otherwise.
//!
//! The class of a touch at an `as_of` is the last one recorded by then, else the one it was stored with. The stored one
//! is never changed, so that a report of an earlier `as_of` stays what it was.

use std::collections::{BTreeSet, HashMap};

use diesel::prelude::*;

use super::{Key, Words, again, class_code, class_of};
use crate::domain::ids::{BatchId, TouchId};
use crate::domain::time::UtcMillis;
use crate::domain::touch::TouchClass;
use crate::store::schema::touch_classes;
use crate::store::{Conn, ROWS_PER_STATEMENT, StoreError, bytes, ledger, rollups};

/// What a touch is from now on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reclassified {
    /// Which touch.
    pub touch: TouchId,
    /// Its new class.
    pub class: TouchClass,
    /// By which rule.
    pub rule: String,
}

/// A new class of a touch, where the touch is still what its finder saw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Correction {
    /// What it is from now on.
    pub to: Reclassified,
    /// The class and rule it must have for that; `None` for whichever it has.
    pub from: Option<(TouchClass, String)>,
}

/// What [`correct`] did to the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Corrected {
    /// How many new classes were recorded.
    pub recorded: usize,
    /// Where the ledger stood before.
    pub before: UtcMillis,
    /// Where it stands now; the same if nothing was recorded.
    pub after: UtcMillis,
}

/// Records new classes of touches, in a transaction that does nothing else. Passed over are touches that have the class
/// and rule already, that are not what they must be for it, that are void or do not exist; where that leaves none, the
/// ledger stays where it is.
///
/// `run` is that of [`reclassify`].
pub fn correct(conn: &mut Conn, list: &[Correction], run: BatchId, now: UtcMillis) -> Result<Corrected, StoreError> {
    // The ledger first: what is read then holds until it is changed here.
    ledger::lock(conn)?;
    let before = ledger::horizon(conn)?;
    let ids: Vec<TouchId> = list.iter().map(|c| c.to.touch).collect();
    let standing: HashMap<TouchId, (TouchClass, _)> =
        again::of_ids(conn, &ids)?.into_iter().map(|t| (t.id, (t.class, t.rule))).collect();
    let is_due = |c: &&Correction| {
        standing.get(&c.to.touch).is_some_and(|(class, rule)| {
            let is_expected = c.from.as_ref().is_none_or(|(c, r)| c == class && **r == **rule);
            is_expected && (c.to.class != *class || *c.to.rule != **rule)
        })
    };
    let due: Vec<Reclassified> = list.iter().filter(is_due).map(|c| c.to.clone()).collect();
    if due.is_empty() {
        return Ok(Corrected { recorded: 0, before, after: before });
    }
    let after = ledger::stamp(conn, now)?;
    Ok(Corrected { recorded: reclassify(conn, &due, run, after)?, before, after })
}

/// Records new classes of touches at one ledger time, and their difference in the rollups. The caller holds the ledger
/// and has stamped `recorded_at`; a transaction classifies each touch once and does nothing else to touches.
///
/// `run` names the run that the changes belong to; a long one takes several transactions. Touches that do not exist or
/// are void are passed over. Answers how many were recorded.
pub fn reclassify(
    conn: &mut Conn,
    list: &[Reclassified],
    run: BatchId,
    recorded_at: UtcMillis,
) -> Result<usize, StoreError> {
    use touch_classes as t;
    let rules: BTreeSet<&str> = list.iter().map(|r| r.rule.as_str()).collect();
    let rules: Vec<String> = rules.into_iter().map(str::to_owned).collect();
    let mut words = Words::default();
    words.remember(Words::add(conn, &rules)?);
    let wanted: HashMap<TouchId, &Reclassified> = list.iter().map(|r| (r.touch, r)).collect();
    let standing = rollups::reclassified(conn, &wanted, recorded_at)?;
    for chunk in standing.chunks(ROWS_PER_STATEMENT) {
        let mut rows = Vec::with_capacity(chunk.len());
        for change in chunk.iter().filter_map(|id| wanted.get(id)) {
            rows.push((
                t::touch_id.eq(bytes(change.touch.0)),
                t::recorded_at.eq(recorded_at.0),
                t::class.eq(class_code(change.class)),
                t::class_rule_id.eq(words.number(&change.rule)?),
                t::run_id.eq(bytes(run.0)),
            ));
        }
        on!(conn, c => diesel::insert_into(t::table).values(&rows).execute(c))?;
    }
    Ok(standing.len())
}

/// Whether any touch has a later class: mostly none has, and then nobody need look.
pub(super) fn any(conn: &mut Conn) -> Result<bool, StoreError> {
    let one: Option<i64> =
        on!(conn, c => touch_classes::table.select(touch_classes::recorded_at).limit(1).first(c).optional())?;
    Ok(one.is_some())
}

/// The later classes of some touches that an `as_of` sees.
pub(in crate::store) fn of_touches(
    conn: &mut Conn,
    ids: impl Iterator<Item = Key>,
    as_of: UtcMillis,
) -> Result<HashMap<Key, TouchClass>, StoreError> {
    use touch_classes as t;
    let mut found = HashMap::new();
    if !any(conn)? {
        return Ok(found);
    }
    let ids: Vec<Key> = ids.collect();
    for chunk in ids.chunks(ROWS_PER_STATEMENT) {
        // In the order of recording, so that the last one stays.
        let rows: Vec<(Key, i16)> = on!(conn, c => t::table
            .filter(t::touch_id.eq_any(chunk.iter().map(|k| &k.0[..]))).filter(t::recorded_at.le(as_of.0))
            .order((t::touch_id, t::recorded_at)).select((t::touch_id, t::class)).load(c))?;
        for (id, class) in rows {
            found.insert(id, class_of(class)?);
        }
    }
    Ok(found)
}

/// The later classes of the touches in a range of ids that an `as_of` sees; the second bound is out.
pub(in crate::store) fn in_range(
    conn: &mut Conn,
    (from, to): (&[u8], &[u8]),
    as_of: UtcMillis,
) -> Result<HashMap<Key, TouchClass>, StoreError> {
    use touch_classes as t;
    if !any(conn)? {
        return Ok(HashMap::new());
    }
    let rows: Vec<(Key, i16)> = on!(conn, c => t::table
        .filter(t::touch_id.ge(from)).filter(t::touch_id.lt(to)).filter(t::recorded_at.le(as_of.0))
        .order((t::touch_id, t::recorded_at)).select((t::touch_id, t::class)).load(c))?;
    rows.into_iter().map(|(id, class)| Ok((id, class_of(class)?))).collect()
}
