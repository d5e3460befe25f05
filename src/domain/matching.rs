//! Matching: what no key joined, why, and who somebody says it is.
//!
//! A match is an identity fact that no event told: recorded with its author, and undone by voiding it. A suggestion
//! never joins by itself (design section 6, *Who is who*).

use std::fmt;
use std::str::FromStr;

use super::fault::{Fault, shown};
use super::ids::{PersonId, StageEventId, TouchId, VisitorId};
use super::named_enum::named_enum;
use super::person::JoinKey;
use super::stage::Subject;

named_enum!(
    /// Why stage events are unmatched.
    UnmatchedReason, "reason", "reason-unknown" {
        /// They name a deal, an order or an invoice, and nobody is known to belong to it.
        NoPerson = "no-person",
        /// They name a parent alone, and nothing that is known is called so.
        ParentUnknown = "parent-unknown",
        /// Their person came with neither click id nor browser.
        NoKey = "no-key",
        /// Their person brought a click id, and no touch is known by it.
        ClickUnknown = "click-unknown",
        /// Their person's browser is known, and no touch of it.
        BrowserUnknown = "browser-unknown",
        /// All touches of their person are of a class that does not count.
        NotCounted = "not-counted",
        /// All touches of their person are later than the events, or earlier than the look-back.
        OutOfReach = "out-of-reach",
    }
);

impl UnmatchedReason {
    /// The reason as a sentence for people, with its remedy.
    pub fn words(self) -> &'static str {
        match self {
            Self::NoPerson => {
                "nobody is known to belong to it; match it to a person, or have the CRM send who is on it"
            }
            Self::ParentUnknown => {
                "it names only a parent that no event and no subject is called; match it to a person, or send the parent"
            }
            Self::NoKey => {
                "neither click id nor browser came with it; check that the form hands on the click id, or match it"
            }
            Self::ClickUnknown => {
                "no touch is known by its click id; it joins by itself if the touch arrives, and may have been cut short"
            }
            Self::BrowserUnknown => "no touch of its browser is known; it joins by itself if one arrives",
            Self::NotCounted => "all its touches are of bots, previews or repeats, or are views",
            Self::OutOfReach => "its touches are later than its events, or further back than the look-back",
        }
    }
}

named_enum!(
    /// How much speaks for a suggestion.
    Strength, "strength", "strength-unknown" {
        /// The senders' own ids say it.
        Strong = "strong",
        /// One candidate fits and no other does.
        Likely = "likely",
        /// Something speaks for it; look at the journey first.
        Weak = "weak",
    }
);

named_enum!(
    /// What a match rests on.
    Basis, "basis", "basis-unknown" {
        /// Somebody knew it.
        ByHand = "by-hand",
        /// Another system told it without a stage event, such as a CRM's association or merge.
        Told = "told",
        /// Another event of the same parent is the person's.
        SameParent = "same-parent",
        /// The same id under another namespace is the person's.
        SameId = "same-id",
        /// The same email hash is held by another person who is kept apart.
        SameEmail = "same-email",
        /// It is the only form, landing or click of an unknown browser in the half hour before.
        OnlyTouch = "only-touch",
    }
);

/// What is unmatched.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Unmatched {
    /// A deal, an order, an invoice.
    Subject(Subject),
    /// A stage event that names neither person nor subject.
    Event(StageEventId),
    /// A person without a touch in reach.
    Person(PersonId),
}

/// Whether a text begins as ids of this kind do, in any case.
fn begins(text: &str, prefix: &str) -> bool {
    text.get(..prefix.len()).is_some_and(|head| head.eq_ignore_ascii_case(prefix))
}

impl FromStr for Unmatched {
    type Err = Fault;

    fn from_str(text: &str) -> Result<Self, Fault> {
        let text = text.trim();
        if begins(text, PersonId::PREFIX) {
            return text.parse().map(Self::Person);
        }
        if begins(text, StageEventId::PREFIX) {
            return text.parse().map(Self::Event);
        }
        Subject::parse(text).map(Self::Subject).map_err(|_no_subject| {
            Fault::new(
                "item",
                "item-malformed",
                format!(
                    "{} names nothing unmatched; give a subject such as deal:4711, or an id per_… or evt_…",
                    shown(text)
                ),
            )
        })
    }
}

impl fmt::Display for Unmatched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Subject(subject) => f.write_str(subject.as_str()),
            Self::Event(id) => id.fmt(f),
            Self::Person(id) => id.fmt(f),
        }
    }
}

/// Who somebody says it is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Target {
    /// A person.
    Person(PersonId),
    /// A contact id of one source.
    Contact(JoinKey),
    /// A touch, by its click id.
    Click(TouchId),
    /// A browser.
    Visitor(VisitorId),
}

impl FromStr for Target {
    type Err = Fault;

    fn from_str(text: &str) -> Result<Self, Fault> {
        let text = text.trim();
        if begins(text, PersonId::PREFIX) {
            return text.parse().map(Self::Person);
        }
        if begins(text, TouchId::PREFIX) {
            return text.parse().map(Self::Click);
        }
        if begins(text, VisitorId::PREFIX) {
            return text.parse().map(Self::Visitor);
        }
        let contact = text.split_once(':').and_then(|(namespace, id)| JoinKey::contact(namespace, id).ok().flatten());
        contact.map(Self::Contact).ok_or_else(|| {
            Fault::new(
                "to",
                "target-malformed",
                format!(
                    "{} names nobody; give a person per_…, a contact id such as crm:51, a click id clk_… or a browser vis_…",
                    shown(text)
                ),
            )
        })
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Person(id) => id.fmt(f),
            Self::Contact(key) => f.write_str(&key.value()),
            Self::Click(id) => id.fmt(f),
            Self::Visitor(id) => id.fmt(f),
        }
    }
}

/// Two contact ids of one source that a match would make one person, if there are such: the source itself tells them
/// apart, so that only the source may say otherwise.
pub fn contradiction<'k>(one: &'k [JoinKey], other: &'k [JoinKey]) -> Option<(&'k str, &'k str)> {
    let contacts = |keys: &'k [JoinKey]| {
        keys.iter().filter_map(|key| match key {
            JoinKey::Contact(id) => Some(id.as_str()),
            _ => None,
        })
    };
    let source = |id: &'k str| id.split_once(':').map_or(id, |(namespace, _)| namespace);
    let ours: Vec<&str> = contacts(one).collect();
    let theirs: Vec<&str> = contacts(other).collect();
    ours.iter().find_map(|a| {
        // Both may know a contact that was merged before.
        let clash = theirs.iter().find(|b| source(a) == source(b) && !ours.contains(*b) && !theirs.contains(a));
        clash.map(|b| (*a, *b))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contact(id: &str) -> JoinKey {
        JoinKey::Contact(id.into())
    }

    #[test]
    fn what_and_who_are_known_by_how_they_begin() {
        let person = "per_00000000000000000000000001";
        assert!(matches!(person.parse(), Ok(Unmatched::Person(_))));
        assert!(matches!("PER_00000000000000000000000001".parse(), Ok(Target::Person(_))));
        assert!(matches!("evt_00000000000000000000000001".parse(), Ok(Unmatched::Event(_))));
        assert!(matches!("clk_00000000000000000000000001".parse(), Ok(Target::Click(_))));
        assert_eq!("Deal:7".parse::<Unmatched>().expect("a subject").to_string(), "deal:7");
        assert_eq!("CRM:51".parse::<Target>().expect("a contact").to_string(), "crm:51");
        assert_eq!("seven".parse::<Unmatched>().expect_err("nothing").code, "item-malformed");
        for nobody in ["51", "crm:null", "crm:ana@example.com", ""] {
            assert_eq!(nobody.parse::<Target>().expect_err(nobody).code, "target-malformed");
        }
        assert_eq!("per_7".parse::<Target>().expect_err("cut short").code, "id-malformed");
    }

    #[test]
    fn two_contacts_of_one_source_contradict() {
        let (a, b, other) = ([contact("crm:1")], [contact("crm:2")], [contact("shop:2"), JoinKey::Email("e".into())]);
        assert_eq!(contradiction(&a, &b), Some(("crm:1", "crm:2")));
        assert_eq!(contradiction(&a, &other), None);
        assert_eq!(contradiction(&a, &[contact("crm:1"), contact("crm:2")]), None, "one of them is the same");
    }
}
