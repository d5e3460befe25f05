//! What classifying again would change, counted.

use std::collections::{BTreeMap, HashMap};

use super::{BEHAVIOUR, behaviour_of};
use crate::domain::channel::History;
use crate::domain::ids::{ChannelId, LinkId};
use crate::domain::link::LinkLabels;
use crate::domain::time::{Day, UtcMillis, Zone};
use crate::domain::touch::{TouchClass, TouchKind};
use crate::store::touches::Classified;
use crate::store::{Conn, Moments, StoreError, labels, links};
use crate::tracking::classify::Verdict;

/// A class and rule that touches had, and the ones they get.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Move {
    /// The class and rule until now.
    pub from: (&'static str, String),
    /// The class and rule by the rules that were asked.
    pub to: (&'static str, String),
}

/// Human touches before and after.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Human {
    /// Clicks, as they stand.
    pub clicks_before: i64,
    /// Clicks, by the rules that were asked.
    pub clicks_after: i64,
    /// Other touches, as they stand.
    pub other_before: i64,
    /// Other touches, by the rules that were asked.
    pub other_after: i64,
}

impl Human {
    fn add(&mut self, kind: TouchKind, before: bool, after: bool) {
        let (was, is) = match kind {
            TouchKind::Click => (&mut self.clicks_before, &mut self.clicks_after),
            TouchKind::Landing | TouchKind::View | TouchKind::Form => (&mut self.other_before, &mut self.other_after),
        };
        *was += i64::from(before);
        *is += i64::from(after);
    }
}

/// Touches that could not be judged by everything that their first judgement knew.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Kept {
    /// Imported touches, and leads of networks' forms: they stay what they are.
    pub imported: u64,
    /// Scanners by what they did: they stay that, unless something stronger names them.
    pub behaviour: u64,
    /// Touches with labels of ranges: the labels were asked, not the address.
    pub labelled: u64,
}

/// What classifying a period again changes.
#[derive(Debug, Clone)]
pub struct Effect {
    /// Touches of our own that were judged.
    pub judged: u64,
    /// How many get another class or rule.
    pub changed: u64,
    /// How many new classes were recorded; fewer than changed where somebody else changed one meanwhile.
    pub recorded: usize,
    /// From what to what, and how many.
    pub moves: BTreeMap<Move, u64>,
    /// By code of the channel; `(unmapped)` for none.
    pub channels: BTreeMap<String, Human>,
    /// By local day.
    pub days: BTreeMap<Day, Human>,
    /// Of all together.
    pub total: Human,
    /// What could not be done again.
    pub kept: Kept,
    zone: Zone,
}

impl Effect {
    pub(super) fn new(zone: Zone) -> Self {
        Self {
            judged: 0,
            changed: 0,
            recorded: 0,
            moves: BTreeMap::new(),
            channels: BTreeMap::new(),
            days: BTreeMap::new(),
            total: Human::default(),
            kept: Kept::default(),
            zone,
        }
    }

    pub(super) fn add(&mut self, touch: &Classified, verdict: &Verdict, channels: &Channels) {
        if touch.is_imported || touch.kind == TouchKind::Form {
            self.kept.imported += 1;
        } else {
            self.judged += 1;
            self.kept.labelled += u64::from(touch.range_labels.is_some());
            let stays = behaviour_of(touch).is_some() && BEHAVIOUR.contains(&&*verdict.rule);
            self.kept.behaviour += u64::from(stays);
        }
        if verdict.class != touch.class || *verdict.rule != *touch.rule {
            self.changed += 1;
            let from = (touch.class.as_str(), touch.rule.to_string());
            let to = (verdict.class.as_str(), verdict.rule.clone().into_owned());
            *self.moves.entry(Move { from, to }).or_default() += 1;
        }
        let (before, after) = (touch.class == TouchClass::Human, verdict.class == TouchClass::Human);
        if before || after {
            let day = self.zone.day_of(touch.occurred_at);
            let channel = channels.code_of(touch);
            if !self.channels.contains_key(channel) {
                self.channels.insert(channel.to_owned(), Human::default());
            }
            let of_channel = self.channels.get_mut(channel);
            let counts = [Some(self.days.entry(day).or_default()), of_channel, Some(&mut self.total)];
            counts.into_iter().flatten().for_each(|human| human.add(touch.kind, before, after));
        }
    }
}

/// Whose channel a touch is, by the labels of now.
pub(super) struct Channels {
    codes: HashMap<ChannelId, String>,
    links: HashMap<LinkId, History<LinkLabels>>,
}

impl Channels {
    pub(super) fn load(conn: &mut Conn) -> Result<Self, StoreError> {
        let codes = labels::list_channels(conn)?.into_iter().map(|c| (c.id, c.code)).collect();
        Ok(Self { codes, links: links::histories(conn, &Moments::all(UtcMillis(i64::MAX)))? })
    }

    /// The touch's own channel first, else its link's at that time, as reports have it.
    fn code_of(&self, touch: &Classified) -> &str {
        let of_link = || self.links.get(&touch.link?)?.at(touch.occurred_at).map(|labels| labels.channel);
        let code = touch.channel.or_else(of_link).and_then(|id| self.codes.get(&id));
        code.map_or("(unmapped)", String::as_str)
    }
}
