//! Parents: what an event says that it belongs to, renamed with it.

use std::collections::{BTreeSet, HashMap, HashSet};

use diesel::prelude::*;

use super::gather::Held;
use super::rename::{Names, random_name};
use crate::domain::ids::StageEventId;
use crate::domain::stage::Subject;
use crate::store::schema::{identity_facts, stage_events};
use crate::store::touches::Key;
use crate::store::{Conn, ROWS_PER_STATEMENT, StoreError};

/// Every event of anybody whose parent gets another text, with that text.
pub(super) fn parents(conn: &mut Conn, held: &Held, names: &Names) -> Result<Vec<(StageEventId, String)>, StoreError> {
    use stage_events as t;
    if held.events.is_empty() && names.subjects.is_empty() {
        return Ok(Vec::new());
    }
    let rows: Vec<(Key, String, Option<String>)> =
        on!(conn, c => t::table.filter(t::parent.is_not_null()).select((t::id, t::source, t::parent)).load(c))?;
    let own: HashSet<StageEventId> = held.events.iter().map(|e| e.id).collect();
    let (mut new, mut unknown) = (Vec::new(), Vec::new());
    for (id, source, parent) in rows {
        let (id, parent) = (StageEventId(id.id()), parent.unwrap_or_default());
        match names.parent(&source, &parent) {
            Some(name) => new.push((id, name.clone())),
            // Our own id of an event stays.
            None if own.contains(&id) && parent.parse::<StageEventId>().is_err() => unknown.push((id, parent)),
            None => {}
        }
    }
    let others = named_by_others(conn, &unknown, &own)?;
    let mut random: HashMap<String, String> = HashMap::new();
    for (id, parent) in unknown {
        let subject = Subject::parse(&parent).map_or_else(|_no| parent.clone(), |s| s.as_str().to_owned());
        if !others.contains(&parent) && !others.contains(&subject) {
            new.push((id, random.entry(parent).or_insert_with_key(|old| random_name(old)).clone()));
        }
    }
    Ok(new)
}

/// Those of some parents that are something of somebody else's: their subject, their event, their parent.
fn named_by_others(
    conn: &mut Conn,
    unknown: &[(StageEventId, String)],
    own: &HashSet<StageEventId>,
) -> Result<HashSet<String>, StoreError> {
    use {identity_facts as f, stage_events as t};
    let mut wanted: BTreeSet<String> = unknown.iter().map(|(_, parent)| parent.clone()).collect();
    wanted.extend(unknown.iter().filter_map(|(_, p)| Some(Subject::parse(p).ok()?.as_str().to_owned())));
    let wanted: Vec<String> = wanted.into_iter().collect();
    let mut found = HashSet::new();
    for chunk in wanted.chunks(ROWS_PER_STATEMENT) {
        let some: Vec<Option<&String>> = chunk.iter().map(Some).collect();
        let rows: Vec<(Key, String, Option<String>, Option<String>)> = on!(conn, c => t::table
            .filter(t::event_id.eq_any(chunk)
                .or(t::subject.eq_any(&some).assume_not_null()).or(t::parent.eq_any(&some).assume_not_null()))
            .select((t::id, t::event_id, t::subject, t::parent)).load(c))?;
        for (id, event_id, subject, parent) in rows {
            if !own.contains(&StageEventId(id.id())) {
                found.extend([Some(event_id), subject, parent].into_iter().flatten());
            }
        }
        let keys: Vec<Option<String>> = on!(conn, c => f::table
            .filter(f::key_kind.eq("subject")).filter(f::key_value.eq_any(chunk)).select(f::key_value).load(c))?;
        found.extend(keys.into_iter().flatten());
    }
    Ok(found)
}
