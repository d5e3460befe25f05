//! The verdicts on a delivery's items: which facts they become, change, repeat or contradict.
//!
//! A delivery that is read again may say something else than before, as its mapping has changed. Events are matched by
//! sender's id and content, not by their places, as a mapping may also change how many items there are:
//!
//! - an event that is read as before stands, and its item keeps the verdict `stored`;
//! - one that is no longer read as it stands is voided, and what is read in its place is stored at the same time of the
//!   ledger: every report sees both or neither;
//! - an event that somebody voided stays voided;
//! - where any item is at fault now, or waits for a look-up, nothing that stands is changed: a broken mapping
//!   must not take facts away. The item says so.

use std::collections::HashMap;

use super::{IntakeContext, Reading, Says, Told, Understood};
use crate::connectors::reading::Supply;
use crate::domain::delivery::Delivery;
use crate::domain::erasure::{ERASURE, Whom};
use crate::domain::fault::Fault;
use crate::domain::ids::StageEventId;
use crate::domain::intake::TEST_EVENT;
use crate::domain::stage::StageEventDraft;
use crate::domain::time::UtcMillis;
use crate::jobs::erase;
use crate::jobs::reading::supply;
use crate::store::deliveries::{Item, Verdict};
use crate::store::identity::{self, Recording};
use crate::store::stage_events::{self, Outcome};
use crate::store::{Conn, StoreError};

/// One delivery before the facts. The caller holds the ledger, and `at` is the time of this transaction's facts.
pub(super) struct Judge<'a> {
    pub(super) conn: &'a mut Conn,
    pub(super) context: &'a IntakeContext,
    pub(super) at: UtcMillis,
    pub(super) delivery: &'a Delivery,
    pub(super) told: &'a Understood,
    pub(super) before: &'a [Item],
    /// Whether events of erased people may come again.
    pub(super) returns: bool,
}

/// The verdicts, and what is still to be done about them.
pub(super) struct Judged {
    /// The verdicts on all items, in order.
    pub(super) items: Vec<Item>,
    /// Whom items ask to be erased, with their places.
    pub(super) wishes: Vec<(usize, Vec<Whom>)>,
    /// Some item tells again of somebody who was erased.
    pub(super) is_told_again: bool,
}

impl Judged {
    /// Nothing was read.
    pub(super) fn as_before(before: &[Item]) -> Self {
        Self { items: before.to_vec(), wishes: Vec::new(), is_told_again: false }
    }

    /// Whether something is to be forgotten.
    pub(super) fn forgets(&self) -> bool {
        self.is_told_again || !self.wishes.is_empty()
    }
}

/// The events that items of this delivery made, as they are when it is read again.
#[derive(Default)]
struct Owned {
    /// They stand and are read as before, by sender's id and hash.
    unchanged: HashMap<(String, Vec<u8>), StageEventId>,
    /// They stand, and something at fault holds their change up.
    held: Vec<StageEventId>,
    /// Somebody voided them.
    voided: Vec<StageEventId>,
}

impl Judge<'_> {
    /// The verdicts on all items, in order; with facts stored and voided.
    pub(super) fn verdicts(mut self, reading: Reading) -> Result<Judged, StoreError> {
        let mut owned = if reading == Reading::Again { self.owned()? } else { Owned::default() };
        let count = self.told.told.len().max(self.before.len());
        let mut judged = Judged { items: Vec::with_capacity(count), wishes: Vec::new(), is_told_again: false };
        for place in 0..count {
            let known = self.before.get(place);
            let is_read = reading == Reading::Again || known.is_none_or(|item| item.verdict == Verdict::Pending);
            match known {
                Some(known) if !is_read => judged.items.push(known.clone()),
                _ => {
                    let item = self.verdict(place, known, &mut owned, &mut judged)?;
                    judged.items.push(item);
                }
            }
        }
        Ok(judged)
    }

    /// Finds out what stands of what the items made, and voids what is not read any more.
    fn owned(&mut self) -> Result<Owned, StoreError> {
        let made: Vec<StageEventId> =
            self.before.iter().filter(|i| i.owns_event()).filter_map(|i| i.stage_event).collect();
        let standing = stage_events::standing(self.conn, &made)?;
        let mut owned = Owned {
            voided: made.iter().filter(|id| standing.iter().all(|(s, ..)| s != *id)).copied().collect(),
            ..Owned::default()
        };
        let is_told = |event_id: &str, hash: &[u8]| {
            self.told.told.iter().any(|t| matches!(&t.says, Says::Event(d, h) if d.event_id == event_id && h == hash))
        };
        let mut gone = Vec::new();
        for (id, event_id, hash) in standing {
            if is_told(&event_id, &hash) {
                owned.unchanged.insert((event_id, hash), id);
            } else {
                gone.push(id);
            }
        }
        let is_held = self.told.told.iter().any(|t| matches!(t.says, Says::Fault(_) | Says::NeedsEnrichment { .. }));
        if is_held {
            owned.held = gone;
        } else {
            stage_events::void_at(self.conn, &gone, self.at)?;
        }
        Ok(owned)
    }

    fn verdict(
        &mut self,
        place: usize,
        known: Option<&Item>,
        owned: &mut Owned,
        judged: &mut Judged,
    ) -> Result<Item, StoreError> {
        let number = i64::try_from(place).unwrap_or(i64::MAX);
        let mut item = Item::pending(self.delivery.id, number);
        let told = self.told.told.get(place);
        let made = known.filter(|k| k.owns_event()).and_then(|k| Some((k, k.stage_event?)));
        if let Some((known, event)) = made {
            if owned.voided.contains(&event) {
                let why = "the event that it became was voided; it stays so when the delivery is read again";
                return Ok(noted(known, "voided", why.to_owned()));
            }
            if owned.held.contains(&event) {
                return Ok(held(known, told));
            }
        }
        match told {
            Some(told) => match self.told_again(told, owned)? {
                Some(event) => {
                    judged.is_told_again = true;
                    again(&mut item, event);
                }
                None => {
                    self.judge(&mut item, told, known, owned)?;
                    judged.wishes.extend(self.wish(&mut item, told).map(|whom| (place, whom)));
                }
            },
            None => self.untold(&mut item, known),
        }
        Ok(item)
    }

    fn judge(
        &mut self,
        item: &mut Item,
        told: &Told,
        known: Option<&Item>,
        owned: &mut Owned,
    ) -> Result<(), StoreError> {
        item.event_id.clone_from(&told.event_id);
        match &told.says {
            Says::Event(draft, hash) => self.store(item, draft, hash, owned)?,
            Says::Ignored { rule } => {
                item.verdict = Verdict::Ignored;
                item.code = Some(rule.clone());
            }
            Says::NeedsEnrichment { record } => {
                item.verdict = Verdict::NeedsEnrichment;
                item.code = Some(record.clone());
                item.detail = Some(format!("it names a record ({record}) that has to be read from the sender first"));
            }
            Says::Test(words) => {
                item.verdict = Verdict::Ignored;
                item.code = Some(TEST_EVENT.to_owned());
                item.detail = Some(words.clone());
            }
            Says::Fault(faults) => set_faults(item, faults),
        }
        let is_known = known.is_some_and(|k| k.verdict != Verdict::Pending);
        let recording = self.recording();
        let defaults = &self.told.defaults;
        let faults = supply(self.conn, self.context, &told.supplies, defaults, &recording, is_known)?;
        if item.verdict == Verdict::Ignored && !faults.is_empty() {
            set_faults(item, &faults);
        }
        Ok(())
    }

    /// Whether an item tells again of somebody who was erased; and the event, if it had become one. What asks for an erasure
    /// is asked anew.
    fn told_again(&mut self, told: &Told, owned: &Owned) -> Result<Option<Option<StageEventId>>, StoreError> {
        let is_ours = |event_id: &str| owned.unchanged.keys().any(|(own, _)| own == event_id);
        let event_id = match &told.says {
            Says::Event(draft, _) => Some(draft.event_id.as_str()),
            Says::NeedsEnrichment { .. } | Says::Ignored { .. } => told.event_id.as_deref(),
            Says::Test(_) | Says::Fault(_) => None,
        };
        let asks = told.supplies.iter().any(|supply| matches!(supply, Supply::Erase(_)));
        match event_id.filter(|id| self.returns && !asks && !is_ours(id)) {
            Some(id) => erase::told_again(self.conn, &self.context.secret, &self.told.teller.source, id),
            None => Ok(None),
        }
    }

    /// Whom an item asks to be erased. One that names nobody is at fault: it must not look as if it had been done.
    fn wish(&self, item: &mut Item, told: &Told) -> Option<Vec<Whom>> {
        let names = told.supplies.iter().find_map(|supply| match supply {
            Supply::Erase(names) => Some(names),
            _ => None,
        })?;
        if item.verdict != Verdict::Ignored {
            return None;
        }
        match names.check(&self.told.defaults, &|email| self.context.secret.email_hash(email)) {
            Ok(keys) if !keys.is_empty() => return Some(keys.into_iter().map(Whom::Key).collect()),
            Ok(_) => {
                let why = "it asks for an erasure and names nobody; erase by hand, with `headwater erase`";
                set_faults(item, &[Fault::new("person", "erasure-nobody", why)]);
            }
            Err(faults) => set_faults(item, &faults),
        }
        None
    }

    fn recording(&self) -> Recording {
        Recording { at: self.at, event: None, batch: None, by: format!("delivery {}", self.delivery.id) }
    }

    /// An item of which the body says nothing.
    fn untold(&self, item: &mut Item, known: Option<&Item>) {
        let (verdict, code, detail) = match known {
            Some(known) if known.verdict != Verdict::Pending => {
                item.event_id.clone_from(&known.event_id);
                (Verdict::Ignored, "no-longer-read", "the delivery has no such item as it is read now")
            }
            _ if self.told.told.is_empty() => (Verdict::Ignored, "no-items", "the delivery holds no items"),
            _ => (Verdict::Quarantined, "item-missing", "the delivery holds no such item"),
        };
        (item.verdict, item.code, item.detail) = (verdict, Some(code.into()), Some(detail.into()));
    }

    fn store(
        &mut self,
        item: &mut Item,
        draft: &StageEventDraft,
        hash: &[u8],
        owned: &mut Owned,
    ) -> Result<(), StoreError> {
        if let Some(id) = owned.unchanged.remove(&(draft.event_id.clone(), hash.to_vec())) {
            (item.verdict, item.stage_event) = (Verdict::Stored, Some(id));
            return Ok(());
        }
        let recording = self.recording();
        match stage_events::insert(self.conn, draft, &self.told.teller, hash, &recording)? {
            Outcome::Stored(id) => (item.verdict, item.stage_event) = (Verdict::Stored, Some(id)),
            Outcome::Duplicate(id) => (item.verdict, item.stage_event) = (Verdict::Duplicate, Some(id)),
            Outcome::Retold(id, person) => {
                (item.verdict, item.stage_event) = (Verdict::Duplicate, Some(id));
                if let Some(person) = person {
                    let joins: Vec<_> = draft.keys.iter().map(|key| (person, key.clone())).collect();
                    identity::insert_joins(self.conn, &joins, &Recording { event: Some(id), ..recording })?;
                }
            }
            Outcome::Conflict(id) => {
                (item.verdict, item.stage_event) = (Verdict::Quarantined, Some(id));
                item.code = Some("conflict".into());
                item.detail = Some(format!(
                    "the same event id was told before with other content ({id}); void that event and replay, or send a new event id"
                ));
            }
        }
        Ok(())
    }
}

/// An item that tells again of somebody who was erased. It keeps nothing of what it says.
fn again(item: &mut Item, event: Option<StageEventId>) {
    item.verdict = if event.is_some() { Verdict::Duplicate } else { Verdict::Ignored };
    item.stage_event = event;
    item.code = Some(ERASURE.to_owned());
}

/// A stored item whose event stands although the delivery is read differently now.
fn held(known: &Item, told: Option<&Told>) -> Item {
    match told.map(|t| &t.says) {
        Some(Says::Fault(faults)) => {
            let code = faults.first().map_or("fault", |f| f.code.as_str());
            noted(known, code, format!("the event stands as it was read before; now: {}", in_words(faults)))
        }
        _ => {
            let why = "the event stands as it was read before: another item of the delivery cannot be read now";
            noted(known, "held", why.to_owned())
        }
    }
}

fn set_faults(item: &mut Item, faults: &[Fault]) {
    item.verdict = Verdict::Quarantined;
    (item.code, item.detail) = (faults.first().map(|f| f.code.clone()), Some(in_words(faults)));
}

fn noted(known: &Item, code: &str, detail: String) -> Item {
    Item { code: Some(code.to_owned()), detail: Some(detail), ..known.clone() }
}

fn in_words(faults: &[Fault]) -> String {
    faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}
