//! Who or what made a touch, by which rule, and what else is kept of the request.
//!
//! Off the hot path, in the journal writer's thread: a [`Classifier`] is built once from the configuration and asked
//! record by record. Nothing is dropped for its class; reports count humans and can show the rest, so the rule is
//! stored with every touch. `docs/classification.md` tells the same to people, rule by rule.
//!
//! Order, from the strongest evidence to the weakest:
//! 1. No user agent: `ua-missing`. Every browser sends one.
//! 2. The user agent names a program (`agents`), whatever else the request says: a crawler that sends a prefetch
//!    header is a crawler.
//! 3. `head`: browsers navigate by GET; a HEAD is a checker with a borrowed name.
//! 4. `prefetch`: a browser loading ahead of a click says so itself.
//! 5. `headers-bare`: a click or a landing by a claimed browser with neither `Accept-Language` nor navigation
//!    headers. Either alone is missing in real browsers (plain http has no `Sec-Fetch-*`), both are not. Views are
//!    exempt: mail programs and their image proxies load pictures like that.
//! 6. `range:LABEL`: the operator knows the address (`ranges`). Where that says `human`, step 7 is left out.
//! 7. `head-then-get`, `burst`: a mail scanner by what it does (`behaviour`), also where only `head` was known.
//! 8. `repeat`: the same visitor and link within the window.
//! 9. `browser`: a person, as far as can be told.
//!
//! Asked again about the same touches (a batch that the database refused, whole or in halves), a classifier answers
//! the same. It has no clock: all its times are those of the records.

mod agents;
mod behaviour;
mod country;
mod device;
mod ranges;
mod remembered;
mod settings;
mod source;

use std::borrow::Cow;
use std::sync::Arc;

use crate::domain::client::{Country, Device, Signals};
use crate::domain::fault::Fault;
use crate::domain::ids::{TouchId, VisitorId};
use crate::domain::time::UtcMillis;
use crate::domain::touch::{RecordKind, TouchClass, TouchKind, TouchRecord};
use behaviour::{Behaviour, Finding, Sighting};
use ranges::{Place, number_of};

pub use settings::ClassificationSettings;
pub use source::KeySource;

/// Default window in which the same visitor and link is a repeat, in milliseconds.
pub const REPEAT_WINDOW_MS: i64 = 10_000;

/// A class and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// The class.
    pub class: TouchClass,
    /// The rule, such as `ua-bot:googlebot`.
    pub rule: Cow<'static, str>,
}

impl Verdict {
    fn of(class: TouchClass, rule: &'static str) -> Self {
        Self { class, rule: Cow::Borrowed(rule) }
    }
}

/// What a record becomes: all that is stored of a request beside what the record itself says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Enriched {
    /// The class.
    pub class: TouchClass,
    /// The rule that gave it.
    pub rule: Cow<'static, str>,
    /// The country of the address, where a database was given and knows it.
    pub country: Option<Country>,
    /// The device; `other` for programs.
    pub device: Device,
    /// Labels of the configured ranges that the address is in, narrowest first, with a comma and no space between.
    pub range_labels: Option<Arc<str>>,
    /// A hash of the address under a key of its day, never negative; none where privacy was asked for.
    pub source_hash: Option<i64>,
    /// The signals, so that the touch can be classified again.
    pub signals: Signals,
    /// Earlier touches, of this batch or stored, that have another class by what is known now.
    pub revised: Vec<Revised>,
}

/// An earlier touch that has another class by what is known now. Its loader finds it in the batch at hand or among
/// the stored ones, and passes over it where it has this class already or is in neither.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revised {
    /// Which touch.
    pub touch: TouchId,
    /// Its class from now on.
    pub class: TouchClass,
    /// The rule that gives it.
    pub rule: Cow<'static, str>,
}

/// A stored touch, to be classified again. Its address is long gone; its labels and its hash are not.
#[derive(Debug, Clone, Copy)]
pub struct StoredTouch<'a> {
    /// What it was.
    pub kind: TouchKind,
    /// When it was.
    pub occurred_at: UtcMillis,
    /// The user agent.
    pub user_agent: Option<&'a str>,
    /// The signals.
    pub signals: Signals,
    /// The labels of ranges.
    pub range_labels: Option<&'a str>,
    /// Its class until now.
    pub class: TouchClass,
    /// Its rule until now.
    pub rule: &'a str,
    /// The last earlier human click of the same visitor on the same link.
    pub previous_human: Option<UtcMillis>,
}

/// What is known of a user agent.
#[derive(Debug, Clone)]
struct Agent {
    /// The program it names.
    program: Option<Verdict>,
    is_image_proxy: bool,
    device: Device,
    /// A hash that is only compared in memory.
    key: u64,
}

/// Classifies and enriches records, in the order in which the journal has them.
#[expect(missing_debug_implementations, reason = "holds keys")]
pub struct Classifier {
    own_agents: agents::OwnAgents,
    known_agents: remembered::Remembered<Arc<Agent>>,
    ranges: ranges::Ranges,
    countries: Option<country::Countries>,
    keys: source::Keys,
    behaviour: Behaviour,
    repeat_window_ms: i64,
}

impl Classifier {
    /// Builds a classifier; reads the files that the settings name. `keys` gives 16 random bytes whenever it is
    /// asked. A fault names the setting or the line that is wrong.
    pub fn new(settings: &ClassificationSettings, keys: KeySource) -> Result<Self, Fault> {
        Ok(Self {
            own_agents: settings.own_agents()?,
            known_agents: remembered::Remembered::new(),
            ranges: settings.ranges()?,
            countries: settings.countries()?,
            keys: source::Keys::new(keys),
            behaviour: Behaviour::new(settings.limits()?),
            repeat_window_ms: settings.repeat_window_ms,
        })
    }

    /// Milliseconds in which a second click of a visitor on a link is a repeat; 0 or less for no such rule.
    pub fn repeat_window_ms(&self) -> i64 {
        self.repeat_window_ms
    }

    /// The version of the maintained list of programs, such as `crawler-user-agents 1.67.0`.
    pub fn list_version() -> String {
        format!("crawler-user-agents {}", agents::list_version())
    }

    /// Classifies and enriches a record. `previous_human` is the last earlier human click of the same visitor on the
    /// same link, as the caller knows it; `None` where there is no visitor, no link or no such click.
    pub fn classify(&mut self, record: &TouchRecord<'_>, previous_human: Option<UtcMillis>) -> Enriched {
        let facts = &record.client;
        let signals = Signals::of(facts);
        let agent = self.agent(facts.user_agent.as_deref());
        let address = facts.address.map(number_of);
        let place = address.and_then(|number| self.ranges.find(number)).cloned();
        let by_range = place.as_ref().and_then(|place| place.class.as_ref()).map(|(class, label)| (*class, &**label));
        let by_request = by_request(agent.as_deref(), kind_of(&record.kind), signals);
        let behaviour = match by_range {
            Some(_) => None,
            None => address.and_then(|number| self.sighting(record, agent.as_deref(), by_request.as_ref(), number)),
        };
        let Finding { rule, revised } = behaviour.map(|seen| self.behaviour.judge(&seen)).unwrap_or_default();
        let repeat = Repeat { previous: previous_human, at: record.occurred_at, window_ms: self.repeat_window_ms };
        let verdict = match rule {
            Some(rule) => Verdict::of(TouchClass::Scanner, rule),
            None => by_request.unwrap_or_else(|| by_rest(by_range, repeat)),
        };
        let private = record.private;
        Enriched {
            class: verdict.class,
            rule: verdict.rule,
            country: self.countries.as_ref().and_then(|countries| countries.find(facts.address?)),
            device: agent.map_or(Device::Other, |agent| agent.device),
            range_labels: place.map(|Place { labels, .. }| labels),
            source_hash: facts.address.filter(|_| !private).map(|a| self.keys.of_day(a, record.occurred_at)),
            signals,
            revised: revised
                .into_iter()
                .map(|(touch, rule)| Revised { touch, class: TouchClass::Scanner, rule: Cow::Borrowed(rule) })
                .collect(),
        }
    }

    /// Classifies a stored touch by the rules of today. What came from elsewhere (imports, forms) keeps its class. A
    /// scanner found by its behaviour stays one unless stronger evidence names it: the touches around it, which
    /// showed it, are not at hand.
    pub fn classify_again(&mut self, touch: &StoredTouch<'_>) -> Verdict {
        let kept = || Verdict { class: touch.class, rule: Cow::Owned(touch.rule.to_owned()) };
        if touch.kind == TouchKind::Form || touch.rule == "imported" {
            return kept();
        }
        let agent = self.agent(touch.user_agent);
        let by_range = touch.range_labels.and_then(|labels| self.ranges.by_labels(labels));
        let by_request = by_request(agent.as_deref(), touch.kind, touch.signals);
        let is_weak = by_request.as_ref().is_none_or(|verdict| verdict.rule == "head");
        if is_weak && by_range.is_none() && matches!(touch.rule, "burst" | "head-then-get") {
            return kept();
        }
        let repeat = Repeat { previous: touch.previous_human, at: touch.occurred_at, window_ms: self.repeat_window_ms };
        by_request.unwrap_or_else(|| by_rest(by_range, repeat))
    }

    /// What is known of a user agent; `None` for none.
    fn agent(&mut self, user_agent: Option<&str>) -> Option<Arc<Agent>> {
        let user_agent = user_agent.map(str::trim).filter(|ua| !ua.is_empty())?;
        let (own, keys) = (&self.own_agents, &self.keys);
        Some(self.known_agents.get(user_agent, || {
            let (program, is_image_proxy) = match own.find(user_agent) {
                Some(own) => ((own.class != TouchClass::Human).then(|| own.clone()), false),
                None => (agents::program(user_agent), agents::is_image_proxy(user_agent)),
            };
            Arc::new(Agent {
                device: if program.is_some() { Device::Other } else { device::of(user_agent) },
                is_image_proxy,
                program,
                key: keys.in_memory(user_agent.as_bytes()),
            })
        }))
    }

    /// A click whose behaviour may tell something: undecided or only a HEAD, from one public address.
    fn sighting(
        &self,
        record: &TouchRecord<'_>,
        agent: Option<&Agent>,
        by_request: Option<&Verdict>,
        address: u128,
    ) -> Option<Sighting> {
        let RecordKind::Click { link } = record.kind else { return None };
        let is_open = by_request.is_none_or(|verdict| verdict.rule == "head");
        (is_open && source::is_public(address)).then_some(Sighting {
            touch: record.id,
            at: record.occurred_at,
            address: self.keys.sender(address),
            agent: agent?.key,
            link,
            is_head: record.client.head,
            is_navigation: record.client.navigation,
            is_known_browser: record.visitor.is_some_and(|v| is_from_an_earlier_visit(v, record.occurred_at)),
        })
    }
}

/// A visitor id older than this was not made by the message that is being scanned.
const EARLIER_VISIT_MS: i64 = 60_000;

/// Whether a visitor id was made well before a request: its browser keeps cookies. The id says when it was made.
fn is_from_an_earlier_visit(visitor: VisitorId, at: UtcMillis) -> bool {
    let made = i64::try_from(visitor.0.as_u128() >> 80).unwrap_or(i64::MAX);
    visitor.0.get_version_num() == 7 && at.0.saturating_sub(made) > EARLIER_VISIT_MS
}

/// The classes that a person may give by hand; the others are found, not known.
fn settable_class(name: &str) -> Option<TouchClass> {
    match name.parse() {
        Ok(class @ (TouchClass::Human | TouchClass::Bot | TouchClass::Preview | TouchClass::Scanner)) => Some(class),
        Ok(TouchClass::Prefetch | TouchClass::Repeat) | Err(_) => None,
    }
}

fn kind_of(kind: &RecordKind) -> TouchKind {
    match kind {
        RecordKind::Click { .. } => TouchKind::Click,
        RecordKind::View { .. } => TouchKind::View,
        RecordKind::Landing(_) => TouchKind::Landing,
    }
}

/// Steps 1 to 5: what the request itself says.
fn by_request(agent: Option<&Agent>, kind: TouchKind, signals: Signals) -> Option<Verdict> {
    let is_view = kind == TouchKind::View;
    let Some(agent) = agent else { return Some(Verdict::of(TouchClass::Bot, "ua-missing")) };
    if let Some(program) = &agent.program
        && !(is_view && agent.is_image_proxy)
    {
        return Some(program.clone());
    }
    if signals.has(Signals::HEAD) {
        return Some(Verdict::of(TouchClass::Bot, "head"));
    }
    if signals.has(Signals::PREFETCH) {
        return Some(Verdict::of(TouchClass::Prefetch, "prefetch"));
    }
    let is_bare = !signals.has(Signals::ACCEPT_LANGUAGE) && !signals.has(Signals::NAVIGATION);
    (is_bare && !is_view).then(|| Verdict::of(TouchClass::Bot, "headers-bare"))
}

/// Steps 6, 8 and 9: what is known beside the request.
fn by_rest(by_range: Option<(TouchClass, &str)>, repeat: Repeat) -> Verdict {
    let of_range = by_range.map(|(class, label)| Verdict { class, rule: format!("range:{label}").into() });
    match of_range {
        Some(known) if known.class != TouchClass::Human => known,
        _ if repeat.holds() => Verdict::of(TouchClass::Repeat, "repeat"),
        Some(known) => known,
        None => Verdict::of(TouchClass::Human, "browser"),
    }
}

/// The last human touch of the same visitor and link, and what counts as a repeat of it.
#[derive(Debug, Clone, Copy)]
struct Repeat {
    /// When it was; `None` without one, or without a visitor id.
    previous: Option<UtcMillis>,
    /// When this touch was.
    at: UtcMillis,
    /// The window; 0 or less for none.
    window_ms: i64,
}

impl Repeat {
    fn holds(self) -> bool {
        let since = self.previous.map(|previous| self.at.0.saturating_sub(previous.0));
        self.window_ms > 0 && since.is_some_and(|ms| (0..=self.window_ms).contains(&ms))
    }
}

#[cfg(test)]
mod tests;
