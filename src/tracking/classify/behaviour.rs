//! Mail scanners by what they do: they open the links of a message all at once, or ask for a link's head first.
//!
//! The hard part is whom *not* to take for one. Many people may share an address (an office, a carrier's NAT), and
//! with it, on phones, even the user agent. So:
//! - a source is an address *and* a user agent, and the address has to be a public one: an untrusted proxy's would be
//!   everybody's ([`super::source::is_public`]);
//! - different *links* are counted, not clicks: a crowd clicks the same popular link;
//! - a browser that brings a visitor cookie from an earlier visit is no scanner and no evidence;
//! - an address from which many different user agents come is a crowd, and nobody there is judged by this;
//! - a GET with a navigation's headers is not convicted by a HEAD alone: link checkers of virus scanners and apps
//!   ask for the head just before their user opens the link.
//!
//! What has been seen is kept by touch id. A touch that comes again (a batch that the database refused) gets the
//! answer it got the first time, with the same touches to revise; touches may come in any order, since a window
//! holds when all its touches are there, whichever came last.
//!
//! Bounds: [`TOUCHES_MAX`] touches altogether, [`TOUCHES_PER_ADDRESS`] of one address, none that is more than
//! [`KEPT_MS`] away from the one being judged, by the times of the records. A clock that steps, either way, thereby
//! only empties this memory.

use std::collections::{HashMap, VecDeque};

use crate::domain::ids::{LinkId, TouchId};
use crate::domain::time::UtcMillis;

/// How far a remembered touch may be from the one being judged, in milliseconds.
const KEPT_MS: u64 = 120_000;
/// How many touches are remembered; some 200 bytes each.
const TOUCHES_MAX: usize = 131_072;
/// How many touches of one address are remembered.
const TOUCHES_PER_ADDRESS: usize = 64;

/// From when on behaviour tells a scanner. 0 turns a rule off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Limits {
    /// Different links within the window.
    pub(super) burst_links: usize,
    /// The window, in milliseconds.
    pub(super) burst_window_ms: u64,
    /// How long after a HEAD a GET belongs to it, in milliseconds.
    pub(super) head_then_get_ms: u64,
    /// Different user agents that make an address a crowd.
    pub(super) crowd_agents: usize,
}

/// A click, as behaviour sees it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sighting {
    pub(super) touch: TouchId,
    pub(super) at: UtcMillis,
    /// The keyed hash of the address.
    pub(super) address: u64,
    /// The keyed hash of the user agent.
    pub(super) agent: u64,
    pub(super) link: LinkId,
    pub(super) is_head: bool,
    /// It has a navigation's headers.
    pub(super) is_navigation: bool,
    /// Its visitor cookie is from an earlier visit.
    pub(super) is_known_browser: bool,
}

/// What a click's behaviour tells.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Finding {
    /// The rule by which the click is a scanner's.
    pub(super) rule: Option<&'static str>,
    /// Earlier clicks that turn out to be a scanner's now.
    pub(super) revised: Vec<(TouchId, &'static str)>,
}

/// A remembered click.
#[derive(Debug)]
struct Seen {
    touch: TouchId,
    at: i64,
    agent: u64,
    link: LinkId,
    is_head: bool,
    is_navigation: bool,
    is_known_browser: bool,
    /// The rule by which it is a scanner's, and the touch that showed it.
    convicted: Option<(&'static str, TouchId)>,
}

/// What is remembered of one address.
#[derive(Debug, Default)]
struct Address {
    /// By time.
    seen: Vec<Seen>,
    /// User agents and when they were last seen; no more than make a crowd.
    agents: Vec<(u64, i64)>,
}

/// The memory.
#[derive(Debug)]
pub(super) struct Behaviour {
    limits: Limits,
    addresses: HashMap<u64, Address>,
    /// In the order of coming: address, touch, time.
    arrivals: VecDeque<(u64, TouchId, i64)>,
}

impl Behaviour {
    pub(super) fn new(limits: Limits) -> Self {
        Self { limits, addresses: HashMap::new(), arrivals: VecDeque::new() }
    }

    /// Judges a click and remembers it.
    pub(super) fn judge(&mut self, click: &Sighting) -> Finding {
        self.forget(click.at.0);
        let address = self.addresses.entry(click.address).or_default();
        if let Some(known) = address.seen.iter().find(|seen| seen.touch == click.touch) {
            return address.answer_again(known);
        }
        self.arrivals.push_back((click.address, click.touch, click.at.0));
        address.insert(click);
        if address.is_crowd(click, self.limits.crowd_agents) || click.is_known_browser {
            return Finding::default();
        }
        address.convict_pairs(click, self.limits.head_then_get_ms);
        address.convict_burst(click, self.limits);
        match address.seen.iter().find(|seen| seen.touch == click.touch) {
            Some(seen) => address.answer_again(seen),
            None => Finding::default(),
        }
    }

    /// Drops what is too far away in time, or too much.
    fn forget(&mut self, now: i64) {
        while let Some((address, touch, at)) = self.arrivals.front().copied() {
            if at.abs_diff(now) <= KEPT_MS && self.arrivals.len() < TOUCHES_MAX {
                return;
            }
            self.arrivals.pop_front();
            if let Some(known) = self.addresses.get_mut(&address) {
                known.seen.retain(|seen| seen.touch != touch);
                if known.seen.is_empty() {
                    self.addresses.remove(&address);
                }
            }
        }
    }
}

impl Address {
    /// What was answered when a click came first: later findings about it are not part of that.
    fn answer_again(&self, click: &Seen) -> Finding {
        let shown_by = |seen: &Seen| seen.convicted.filter(|(_, by)| *by == click.touch).map(|(rule, _)| rule);
        let rule = shown_by(click);
        let revised = match rule {
            None => Vec::new(),
            Some(_) => {
                let others = self.seen.iter().filter(|seen| seen.touch != click.touch);
                others.filter_map(|seen| Some((seen.touch, shown_by(seen)?))).collect()
            }
        };
        Finding { rule, revised }
    }

    fn insert(&mut self, click: &Sighting) {
        let (touch, at) = (click.touch, click.at.0);
        let place = self.seen.partition_point(|seen| (seen.at, seen.touch) < (at, touch));
        let seen = Seen {
            touch,
            at,
            agent: click.agent,
            link: click.link,
            is_head: click.is_head,
            is_navigation: click.is_navigation,
            is_known_browser: click.is_known_browser,
            convicted: None,
        };
        self.seen.insert(place, seen);
        if self.seen.len() > TOUCHES_PER_ADDRESS {
            // The end that is farther away in time goes; that is never the new one.
            let far = |end: Option<&Seen>| end.map_or(0, |seen| seen.at.abs_diff(at));
            if far(self.seen.first()) >= far(self.seen.last()) {
                self.seen.remove(0);
            } else {
                self.seen.pop();
            }
        }
    }

    /// Whether many user agents come from here. Notes the click's; of more than make a crowd, the latest are remembered,
    /// so that one rare agent that comes no more does not end it.
    fn is_crowd(&mut self, click: &Sighting, crowd_agents: usize) -> bool {
        self.agents.retain(|(agent, last)| *agent != click.agent && last.abs_diff(click.at.0) <= KEPT_MS);
        if crowd_agents > 0 && self.agents.len() >= crowd_agents {
            self.agents.remove(0);
        }
        if crowd_agents > 0 {
            self.agents.push((click.agent, click.at.0));
        }
        crowd_agents > 0 && self.agents.len() >= crowd_agents
    }

    /// A HEAD and a later GET of the same link convict each other.
    fn convict_pairs(&mut self, click: &Sighting, within_ms: u64) {
        if within_ms == 0 || (!click.is_head && click.is_navigation) {
            return;
        }
        let mut is_paired = false;
        for seen in &mut self.seen {
            let is_other = seen.touch != click.touch
                && seen.agent == click.agent
                && seen.link == click.link
                && !seen.is_known_browser;
            let is_pair = match (seen.is_head, click.is_head) {
                (true, false) => seen.at <= click.at.0,
                (false, true) => click.at.0 <= seen.at && !seen.is_navigation,
                (true, true) | (false, false) => false,
            };
            if is_other && is_pair && seen.at.abs_diff(click.at.0) <= within_ms {
                is_paired = true;
                seen.convicted = seen.convicted.or(Some(("head-then-get", click.touch)));
            }
        }
        if is_paired {
            self.convict(click.touch, "head-then-get", click.touch);
        }
    }

    fn convict(&mut self, touch: TouchId, rule: &'static str, by: TouchId) {
        if let Some(seen) = self.seen.iter_mut().find(|seen| seen.touch == touch) {
            seen.convicted = seen.convicted.or(Some((rule, by)));
        }
    }

    /// Every window with the click in it that has enough different links convicts all its clicks.
    fn convict_burst(&mut self, click: &Sighting, limits: Limits) {
        if limits.burst_links == 0 {
            return;
        }
        let now = click.at.0;
        let near = |seen: &&mut Seen| {
            seen.agent == click.agent && !seen.is_known_browser && seen.at.abs_diff(now) <= limits.burst_window_ms
        };
        let mut near: Vec<&mut Seen> = self.seen.iter_mut().filter(near).collect();
        if near.len() < limits.burst_links {
            return;
        }
        let mut judged_to = 0;
        for from in 0..near.len() {
            let Some(start) = near.get(from).map(|seen| seen.at).filter(|at| *at <= now) else { break };
            let to =
                near.partition_point(|seen| seen.at.saturating_sub(start).unsigned_abs() <= limits.burst_window_ms);
            // A window that ends where an earlier one ended has nothing that the earlier one had not.
            if to == judged_to {
                continue;
            }
            judged_to = to;
            let Some(window) = near.get_mut(from..to) else { break };
            if has_links(window, limits.burst_links) {
                for seen in window {
                    seen.convicted = seen.convicted.or(Some(("burst", click.touch)));
                }
            }
        }
    }
}

/// Whether the window has that many different links.
fn has_links(window: &[&mut Seen], enough: usize) -> bool {
    let mut links: Vec<LinkId> = Vec::with_capacity(enough);
    window.iter().any(|seen| {
        if !links.contains(&seen.link) {
            links.push(seen.link);
        }
        links.len() >= enough
    })
}

#[cfg(test)]
mod tests;
