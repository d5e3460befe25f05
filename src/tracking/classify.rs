//! Who or what made a touch, and by which rule.
//!
//! Pure: from the facts of a record, and the time of the same visitor's last
//! human touch of the same link. Nothing is dropped for its class; reports count
//! humans and can show the rest, so the rule is stored with every touch.
//!
//! Order, from the strongest evidence to the weakest:
//! 1. No user agent: `ua-missing`. Every browser sends one.
//! 2. The user agent names a program (`ua-preview:…`, `ua-scanner:…`, `ua-bot:…`), whatever else the
//!    request says: a crawler that sends a prefetch header is a crawler.
//! 3. `prefetch`: a browser loading ahead of a click says so itself.
//! 4. `head`: browsers navigate by GET; a HEAD is a checker with a borrowed name.
//! 5. `headers-bare`: a click or a landing by a claimed browser with neither `Accept-Language` nor
//!    navigation headers. Either alone is missing in real browsers (plain http has no `Sec-Fetch-*`),
//!    both are not. Views are exempt: mail programs and their image proxies load pictures like that.
//! 6. `repeat`: the same visitor and link within the window.
//! 7. `browser`: a person, as far as can be told.
//!
//! Step 2 is the costly one, and depends on the user agent alone:
//! [`classify_agent`] may be remembered per distinct user agent and given to
//! [`classify_known`].

mod agents;

use std::borrow::Cow;

use crate::domain::time::UtcMillis;
use crate::domain::touch::{ClientFacts, RecordKind, TouchClass};

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

/// The last human touch of the same visitor and link, and what counts as a repeat of it.
#[derive(Debug, Clone, Copy)]
pub struct Repeat {
    /// When it was; `None` without one, or without a visitor id.
    pub previous: Option<UtcMillis>,
    /// When this touch was.
    pub at: UtcMillis,
    /// The window; 0 or less for none.
    pub window_ms: i64,
}

impl Repeat {
    /// No previous touch.
    pub const NONE: Self = Self { previous: None, at: UtcMillis(0), window_ms: 0 };

    fn holds(self) -> bool {
        let since = self.previous.map(|previous| self.at.0.saturating_sub(previous.0));
        self.window_ms > 0 && since.is_some_and(|ms| (0..=self.window_ms).contains(&ms))
    }
}

/// Classifies a touch.
pub fn classify(facts: &ClientFacts<'_>, kind: &RecordKind, repeat: Repeat) -> Verdict {
    let agent = facts.user_agent.as_deref().and_then(classify_agent);
    classify_known(agent, facts, kind, repeat)
}

/// Classifies a touch whose user agent has been looked at with [`classify_agent`].
pub fn classify_known(agent: Option<Verdict>, facts: &ClientFacts<'_>, kind: &RecordKind, repeat: Repeat) -> Verdict {
    let verdict = |class, rule| Verdict { class, rule: Cow::Borrowed(rule) };
    let is_view = matches!(kind, RecordKind::View { .. });
    if facts.user_agent.as_deref().is_none_or(|ua| ua.trim().is_empty()) {
        return verdict(TouchClass::Bot, "ua-missing");
    }
    if let Some(named) = agent {
        return named;
    }
    if facts.prefetch {
        return verdict(TouchClass::Prefetch, "prefetch");
    }
    if facts.head && !facts.navigation {
        return verdict(TouchClass::Bot, "head");
    }
    if !is_view && !facts.accept_language && !facts.navigation {
        return verdict(TouchClass::Bot, "headers-bare");
    }
    if repeat.holds() {
        return verdict(TouchClass::Repeat, "repeat");
    }
    verdict(TouchClass::Human, "browser")
}

/// The program that a user agent names; `None` for browsers.
pub fn classify_agent(user_agent: &str) -> Option<Verdict> {
    let lower = user_agent.trim().to_ascii_lowercase();
    if let Some((class, rule)) = agents::find(&lower) {
        return Some(Verdict { class, rule: Cow::Borrowed(rule) });
    }
    names_a_bot(&lower).then_some(Verdict { class: TouchClass::Bot, rule: Cow::Borrowed("ua-bot:bot") })
}

/// Whether a word ends in `bot`, except those that people carry.
fn names_a_bot(user_agent: &str) -> bool {
    user_agent.match_indices("bot").any(|(at, _)| {
        let through = user_agent.get(..at + 3).unwrap_or_default();
        let next = user_agent.get(at + 3..).and_then(|rest| rest.bytes().next());
        !next.is_some_and(|b| b.is_ascii_alphanumeric()) && !agents::NOT_BOTS.iter().any(|name| through.ends_with(name))
    })
}

#[cfg(test)]
mod tests;
