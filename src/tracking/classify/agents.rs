//! Which user agents are programs, and what device the others are.
//!
//! Asked in this order; the first answer counts:
//! 1. what the operator says (`classification.agents`), which may also call people people;
//! 2. our own list ([`curated`]): previews, mail scanners, programs;
//! 3. the maintained list ([`crawlers`]);
//! 4. words that only programs have in their names, and names that end in `bot`.

pub(super) mod crawlers;
pub(super) mod curated;
mod needles;

use std::borrow::Cow;
use std::sync::LazyLock;

use super::Verdict;
use crate::domain::fault::{Fault, shown};
use crate::domain::touch::TouchClass;
use needles::{Needle, Needles};

/// What a list says of a user agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Found {
    /// The class.
    pub(super) class: TouchClass,
    /// Which list: the first part of the rule.
    pub(super) source: &'static str,
    /// Which entry: its second part.
    pub(super) name: &'static str,
}

impl Found {
    fn verdict(self) -> Verdict {
        // A pattern that is only a text is shown without its backslashes.
        let text = (self.source == "ua-list").then(|| Needle::of_regex(self.name)).flatten().map(|needle| needle.text);
        Verdict { class: self.class, rule: format!("{}:{}", self.source, text.as_deref().unwrap_or(self.name)).into() }
    }
}

/// The lists that are compiled in.
struct Known {
    curated: Needles,
    curated_finds: Vec<Found>,
    crawlers: crawlers::Crawlers,
    generic: Needles,
    image_proxies: Needles,
}

#[expect(clippy::expect_used, reason = "the lists are compiled in, and every test that classifies builds them")]
static KNOWN: LazyLock<Known> = LazyLock::new(|| Known::build().expect("the compiled-in lists can be built"));

impl Known {
    fn build() -> Result<Self, String> {
        let plain = |list: &[&str]| list.iter().map(|text| Needle::plain(text)).collect::<Vec<_>>();
        let set = |list: &[Needle]| Needles::build(list, true).map_err(|e| e.to_string());
        let tables = [
            (TouchClass::Preview, "ua-preview", curated::PREVIEWS),
            (TouchClass::Scanner, "ua-scanner", curated::SCANNERS),
            (TouchClass::Bot, "ua-bot", curated::BOTS),
        ];
        let curated = tables.iter().flat_map(|(_, _, list)| plain(list)).collect::<Vec<_>>();
        let curated_finds = tables.iter().flat_map(|(class, source, list)| {
            list.iter().map(|text| Found { class: *class, source, name: text.trim_start_matches('^').trim() })
        });
        Ok(Self {
            curated: set(&curated)?,
            curated_finds: curated_finds.collect(),
            crawlers: crawlers::Crawlers::build()?,
            generic: set(&plain(curated::GENERIC))?,
            image_proxies: set(&plain(curated::IMAGE_PROXIES))?,
        })
    }

    fn find(&self, user_agent: &str) -> Option<Found> {
        let generic = |name| Found { class: TouchClass::Bot, source: "ua-word", name };
        self.curated
            .first(user_agent)
            .and_then(|i| self.curated_finds.get(i).copied())
            .or_else(|| self.crawlers.find(user_agent))
            .or_else(|| self.generic.first(user_agent).and_then(|i| curated::GENERIC.get(i)).map(|word| generic(word)))
            .or_else(|| names_a_bot(user_agent).then(|| generic("bot")))
    }
}

/// Whether a word ends in `bot`, except those that people carry.
fn names_a_bot(user_agent: &str) -> bool {
    let lower = user_agent.to_ascii_lowercase();
    lower.match_indices("bot").any(|(at, _)| {
        let through = lower.get(..at + 3).unwrap_or_default();
        let next = lower.get(at + 3..).and_then(|rest| rest.bytes().next());
        !next.is_some_and(|b| b.is_ascii_alphanumeric())
            && !curated::NOT_BOTS.iter().any(|name| through.ends_with(name))
    })
}

/// The program that a user agent names; `None` for browsers.
pub(super) fn program(user_agent: &str) -> Option<Verdict> {
    KNOWN.find(user_agent).map(Found::verdict)
}

/// Whether a user agent is the image proxy of a mail service.
pub(super) fn is_image_proxy(user_agent: &str) -> bool {
    KNOWN.image_proxies.first(user_agent).is_some()
}

/// The version of the maintained list.
pub(super) fn list_version() -> &'static str {
    crawlers::version()
}

/// User agents that the operator has classed.
#[derive(Debug)]
pub(super) struct OwnAgents {
    needles: Needles,
    verdicts: Vec<Verdict>,
}

impl OwnAgents {
    /// Reads entries such as `scanner AcmeCheck/` or `human ^KioskBrowser`.
    pub(super) fn parse(entries: &[String]) -> Result<Self, Fault> {
        let (mut needles, mut verdicts) = (Vec::new(), Vec::new());
        for (number, entry) in entries.iter().enumerate() {
            let fault = |why: String| {
                let form = "write a class (human, bot, preview or scanner), a space and a part of the user agent, \
                            such as `scanner AcmeCheck/`; ^ in front of it means its beginning";
                Fault::new(format!("classification.agents[{number}]"), "agent-malformed", format!("{why}; {form}"))
            };
            let Some((class, text)) = entry.trim().split_once(char::is_whitespace) else {
                return Err(fault(format!("{} has no class or no text", shown(entry))));
            };
            let class =
                super::settable_class(class).ok_or_else(|| fault(format!("{} is no class for it", shown(class))))?;
            let needle = Needle::plain(text.trim());
            if needle.text.len() < TEXT_LEN_MIN {
                return Err(fault(format!("{} is too short to tell anybody apart", shown(text))));
            }
            verdicts.push(Verdict { class, rule: Cow::Owned(format!("ua-own:{}", needle.text)) });
            needles.push(needle);
        }
        let needles = Needles::build(&needles, true).map_err(|e| {
            Fault::new("classification.agents", "agents-too-many", format!("the list cannot be built: {e}; shorten it"))
        })?;
        Ok(Self { needles, verdicts })
    }

    /// What the operator says of a user agent.
    pub(super) fn find(&self, user_agent: &str) -> Option<&Verdict> {
        self.needles.first(user_agent).and_then(|i| self.verdicts.get(i))
    }
}

/// A shorter text of the operator's would be in too many user agents.
const TEXT_LEN_MIN: usize = 3;

#[cfg(test)]
mod tests;
