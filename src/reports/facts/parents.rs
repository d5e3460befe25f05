//! Which events are named as parents, for those that nothing else says whose they are: an invoice belongs to whom its
//! subscription belongs to.

use std::collections::{HashMap, HashSet};

use crate::domain::ids::StageEventId;
use crate::domain::stage::{Source, StageEvent};

/// Events by the names that their children use: an event id within the child's source, or our own id.
#[derive(Debug, Default)]
pub(super) struct Parents {
    by_name: HashMap<(Source, String), usize>,
    by_id: HashMap<StageEventId, usize>,
}

impl Parents {
    /// Reads the events that others without a person name. Nearly always there are none.
    pub(super) fn of(events: &[StageEvent]) -> Self {
        let orphans = events.iter().filter(|e| e.person.is_none());
        let wanted: HashSet<&str> = orphans.filter_map(|e| e.parent.as_deref()).collect();
        if wanted.is_empty() {
            return Self::default();
        }
        let wanted_ids: HashSet<StageEventId> = wanted.iter().filter_map(|name| name.parse().ok()).collect();
        let mut parents = Self::default();
        for (place, event) in events.iter().enumerate() {
            if wanted.contains(event.event_id.as_str()) {
                parents.by_name.entry((event.source.clone(), event.event_id.clone())).or_insert(place);
            }
            if wanted_ids.contains(&event.id) {
                parents.by_id.insert(event.id, place);
            }
        }
        parents
    }

    /// The place of the event that a child's parent names.
    pub(super) fn of_child(&self, child: &StageEvent) -> Option<usize> {
        let name = child.parent.as_ref()?;
        let by_name = || self.by_name.get(&(child.source.clone(), name.clone()));
        by_name().or_else(|| self.by_id.get(&name.parse().ok()?)).copied()
    }
}
