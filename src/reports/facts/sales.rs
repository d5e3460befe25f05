//! Which purchases are revenue facts, and how refunds find them.

use std::collections::{HashMap, HashSet};

use super::Who;
use crate::domain::ids::StageEventId;
use crate::domain::stage::{Source, StageEvent, Subject};

/// What a refund's parent may be: a subject or our own id, unique everywhere, or an event id, unique within its source.
#[derive(Debug, PartialEq, Eq, Hash)]
enum SaleName {
    Everywhere(String),
    Within(Source, String),
}

/// Which purchases are revenue facts, and by which names refunds find them.
#[derive(Debug, Default)]
pub(super) struct Sales {
    pub(super) revenue: HashSet<StageEventId>,
    by_name: HashMap<SaleName, StageEventId>,
    pub(super) owner: HashMap<StageEventId, Who>,
}

impl Sales {
    /// Reads the purchases in their order: one revenue fact per (source, order, invoice or deal), the first that was told.
    /// They need names where some refund asks by name: those are half of what reading them costs.
    pub(super) fn read(&mut self, purchases: &[&StageEvent], needs_names: bool) {
        let mut told: HashMap<(&Source, &Subject), StageEventId> = HashMap::new();
        for event in purchases.iter().filter(|e| e.counts_revenue && e.value.is_some_and(|m| m.minor != 0)) {
            let fact = match &event.subject {
                Some(subject) => *told.entry((&event.source, subject)).or_insert(event.id),
                None => event.id,
            };
            if fact == event.id {
                self.revenue.insert(fact);
            }
            if needs_names {
                self.name(event, fact);
            }
        }
        if !needs_names {
            return;
        }
        // What tells no money names its sale only where nothing better does.
        for event in purchases {
            let key = event.subject.as_ref().map(|subject| (&event.source, subject));
            self.name(event, key.and_then(|k| told.get(&k).copied()).unwrap_or(event.id));
        }
    }

    fn name(&mut self, event: &StageEvent, fact: StageEventId) {
        let names = [
            Some(SaleName::Within(event.source.clone(), event.event_id.clone())),
            Some(SaleName::Everywhere(event.id.to_string())),
            event.subject.as_ref().map(|s| SaleName::Everywhere(s.as_str().to_owned())),
        ];
        for name in names.into_iter().flatten() {
            self.by_name.entry(name).or_insert(fact);
        }
    }

    pub(super) fn of_refund(&self, refund: &StageEvent) -> Option<StageEventId> {
        let parent = refund.parent.as_ref()?;
        // A subject may be written in another case than it is stored in.
        let subject = Subject::parse(parent).ok().map(|s| SaleName::Everywhere(s.as_str().to_owned()));
        let names = [
            Some(SaleName::Everywhere(parent.clone())),
            subject,
            Some(SaleName::Within(refund.source.clone(), parent.clone())),
        ];
        names.into_iter().flatten().find_map(|name| self.by_name.get(&name).copied())
    }
}
