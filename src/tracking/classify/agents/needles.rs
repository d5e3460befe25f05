//! Many texts sought in one user agent at once; the first of them in their order counts.

use aho_corasick::{AhoCorasick, BuildError};

/// A text to seek.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Needle {
    /// The text.
    pub(super) text: String,
    /// Only at the beginning of the user agent.
    pub(super) at_start: bool,
    /// Only at its end.
    pub(super) at_end: bool,
}

impl Needle {
    /// A needle as our own list and the configuration write it: `^` for the beginning, all else as it stands.
    pub(super) fn plain(text: &str) -> Self {
        let bare = text.strip_prefix('^');
        Self { text: bare.unwrap_or(text).to_owned(), at_start: bare.is_some(), at_end: false }
    }

    /// A regular expression that is only a text, perhaps with `^` or `$`; `None` for a real one.
    pub(super) fn of_regex(pattern: &str) -> Option<Self> {
        let (at_start, rest) = pattern.strip_prefix('^').map_or((false, pattern), |rest| (true, rest));
        let (at_end, rest) = rest.strip_suffix('$').map_or((false, rest), |rest| (true, rest));
        let mut text = String::with_capacity(rest.len());
        let mut chars = rest.chars();
        while let Some(c) = chars.next() {
            match c {
                '\\' => text.push(chars.next().filter(|escaped| !escaped.is_ascii_alphanumeric())?),
                '.' | '^' | '$' | '*' | '+' | '?' | '(' | ')' | '[' | ']' | '{' | '}' | '|' => return None,
                plain => text.push(plain),
            }
        }
        (!text.is_empty()).then_some(Self { text, at_start, at_end })
    }
}

/// A set of needles.
#[derive(Debug)]
pub(super) struct Needles {
    automaton: AhoCorasick,
    /// Of each needle, whether it is bound to the beginning and to the end.
    bounds: Vec<(bool, bool)>,
}

impl Needles {
    /// Builds the set; `any_case` for ASCII letters.
    pub(super) fn build(needles: &[Needle], any_case: bool) -> Result<Self, BuildError> {
        let automaton = AhoCorasick::builder()
            .ascii_case_insensitive(any_case)
            // A full DFA is a little faster and several times as large; most user agents are looked at once.
            .kind(Some(aho_corasick::AhoCorasickKind::ContiguousNFA))
            .build(needles.iter().map(|n| &n.text))?;
        Ok(Self { automaton, bounds: needles.iter().map(|n| (n.at_start, n.at_end)).collect() })
    }

    /// The first needle, in the order they were given, that the text contains.
    pub(super) fn first(&self, text: &str) -> Option<usize> {
        let fits = |index: usize, start: usize, end: usize| {
            self.bounds
                .get(index)
                .is_some_and(|(at_start, at_end)| (!at_start || start == 0) && (!at_end || end == text.len()))
        };
        self.automaton
            .find_overlapping_iter(text)
            .filter(|m| fits(m.pattern().as_usize(), m.start(), m.end()))
            .map(|m| m.pattern().as_usize())
            .min()
    }
}
