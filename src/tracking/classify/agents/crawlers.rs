//! Programs by name: the maintained list `crawler-user-agents` (MIT; its licence lies beside the data).
//!
//! The data is the list's own: patterns and tags, one a line, made by `ci/crawler-patterns.sh`. Nearly all patterns
//! are plain texts and become needles; the few real regular expressions become one set. A pattern that would also
//! find people is narrowed or left out by [`CORRECTIONS`], each with its reason.

use regex::bytes::{RegexSet, RegexSetBuilder};

use super::Found;
use super::needles::{Needle, Needles};
use crate::domain::touch::TouchClass;

/// The list as it was taken over.
const DATA: &str = include_str!("../crawler-user-agents/patterns.tsv");

/// Patterns that also find people: the pattern, what stands in its place (empty: nothing), and why.
pub(super) const CORRECTIONS: &[(&str, &str, &str)] = &[
    ("MetaIAB Facebook", "", "Facebook's in-app browser: a person reads"),
    ("Fluid", "", "a wrapper around Safari for one web site: a person reads"),
    ("WhatsApp", "^WhatsApp", "the preview fetcher begins with it; in-app browsers end with it"),
    ("Viber", "^Viber$", "the preview fetcher is this word alone; in-app browsers end with Viber/ and a version"),
    ("Bluesky\\/", "^Bluesky\\/", "in-app browsers may end with it"),
    ("Tumblr\\/", "^Tumblr\\/", "the in-app browser ends with it"),
    ("Notion\\/", "^Notion\\/", "the desktop program names it amid a browser's user agent"),
    ("Goodreads", "compatible; Goodreads", "the in-app browser ends with Goodreads/ and a version"),
];

/// One pattern of the list.
struct Pattern {
    /// As the list has it, or as corrected.
    pattern: &'static str,
    found: Found,
}

/// The list, ready to be asked.
#[derive(Debug)]
pub(super) struct Crawlers {
    texts: Needles,
    text_finds: Vec<Found>,
    expressions: RegexSet,
    expression_finds: Vec<Found>,
}

impl Crawlers {
    /// Reads the compiled-in list.
    pub(super) fn build() -> Result<Self, String> {
        let (mut needles, mut text_finds) = (Vec::new(), Vec::new());
        let (mut expressions, mut expression_finds) = (Vec::new(), Vec::new());
        for Pattern { pattern, found } in patterns() {
            match Needle::of_regex(pattern) {
                Some(needle) => {
                    needles.push(needle);
                    text_finds.push(found);
                }
                None => {
                    expressions.push(pattern);
                    expression_finds.push(found);
                }
            }
        }
        let texts = Needles::build(&needles, false).map_err(|e| e.to_string())?;
        // Bytes: `\s` and `\d` need no Unicode tables then.
        let expressions = RegexSetBuilder::new(expressions).unicode(false).build().map_err(|e| e.to_string())?;
        Ok(Self { texts, text_finds, expressions, expression_finds })
    }

    /// The first pattern that finds the user agent: texts before expressions, each in the list's order.
    pub(super) fn find(&self, user_agent: &str) -> Option<Found> {
        let by_text = self.texts.first(user_agent).and_then(|i| self.text_finds.get(i));
        by_text
            .or_else(|| self.expression_finds.get(self.expressions.matches(user_agent.as_bytes()).iter().next()?))
            .copied()
    }
}

/// The version of the list, such as `1.67.0`.
pub(super) fn version() -> &'static str {
    DATA.split_ascii_whitespace().nth(2).unwrap_or_default().trim_end_matches(';')
}

fn patterns() -> impl Iterator<Item = Pattern> {
    DATA.lines().filter(|line| !line.starts_with('#')).filter_map(|line| {
        let (pattern, tags) = line.split_once('\t')?;
        let corrected = CORRECTIONS.iter().find(|(wrong, ..)| *wrong == pattern).map(|(_, right, _)| *right);
        let class =
            if tags.split(',').any(|tag| tag == "social-preview") { TouchClass::Preview } else { TouchClass::Bot };
        // The rule names the list's own pattern, so that whoever asks finds it there.
        let found = Found { class, source: "ua-list", name: pattern };
        Some(Pattern { pattern: corrected.unwrap_or(pattern), found }).filter(|p| !p.pattern.is_empty())
    })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Every example of the list with its pattern.
    pub(in crate::tracking::classify) fn instances() -> impl Iterator<Item = (&'static str, &'static str)> {
        include_str!("../../../../tests/fixtures/crawler-user-agents/instances.tsv")
            .lines()
            .filter(|line| !line.starts_with('#'))
            .filter_map(|line| line.split_once('\t'))
    }

    #[test]
    fn the_list_is_whole_and_of_one_version() {
        let all: Vec<_> = patterns().collect();
        assert!(all.len() > 1_400, "{}", all.len());
        let examples = include_str!("../../../../tests/fixtures/crawler-user-agents/instances.tsv");
        assert!(examples.starts_with(&format!("# crawler-user-agents {};", version())), "{}", version());
        let real: Vec<_> = all.iter().filter(|p| Needle::of_regex(p.pattern).is_none()).collect();
        assert!(real.len() < 60, "{} patterns are no plain texts", real.len());
    }

    #[test]
    fn every_correction_is_still_needed() {
        for (wrong, _, _) in CORRECTIONS {
            assert!(DATA.lines().any(|line| line.split('\t').next() == Some(wrong)), "{wrong} has left the list");
        }
    }
}
