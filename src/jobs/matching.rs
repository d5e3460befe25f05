//! Matching by hand: what somebody says no key could, checked against what is known and recorded as one fact.

use crate::domain::fault::Fault;
use crate::domain::ids::{MatchId, PersonId};
use crate::domain::matching::{Basis, Target, Unmatched, contradiction};
use crate::domain::person::{IdentityFact, JoinKey, People};
use crate::domain::time::{DAY_MS, UtcMillis};
use crate::reports;
use crate::store::identity::{self, Recording};
use crate::store::labels::Author;
use crate::store::touches::Wanted;
use crate::store::{Conn, Moments, StoreError, ledger, matches, stage_events, touches};

/// A match that somebody wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wish {
    /// What is unmatched.
    pub item: Unmatched,
    /// Who or what it belongs to.
    pub to: Target,
    /// What it rests on.
    pub basis: Basis,
}

/// A recorded match.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recorded {
    /// Its id.
    pub id: MatchId,
    /// Whether it is new; saying the same again adds nothing.
    pub is_new: bool,
}

/// Records a match, or refuses it with the reason: what it names must be known, and it must contradict nothing.
pub fn record(conn: &mut Conn, wish: &Wish, author: &Author) -> Result<Recorded, StoreError> {
    ledger::lock(conn)?;
    let fact = fact_of(conn, wish)?;
    if let Some(id) = matches::standing(conn, &fact)? {
        return Ok(Recorded { id, is_new: false });
    }
    require_sound(conn, &fact)?;
    let recording = recording(conn, author)?;
    let id = matches::insert(conn, &fact, wish.basis, &recording)?;
    Ok(Recorded { id, is_new: true })
}

/// What a wish says, once all that it names is found.
fn fact_of(conn: &mut Conn, wish: &Wish) -> Result<IdentityFact, StoreError> {
    let key = match (&wish.item, &wish.to) {
        (Unmatched::Person(one), Target::Person(_) | Target::Contact(_)) => {
            known(conn, *one)?;
            return Ok(IdentityFact::Merge { a: *one, b: person(conn, &wish.to)? });
        }
        (Unmatched::Person(one), Target::Click(click)) => {
            known(conn, *one)?;
            return Ok(IdentityFact::Join { person: *one, key: JoinKey::Click(*click) });
        }
        (Unmatched::Person(one), Target::Visitor(visitor)) => {
            known(conn, *one)?;
            return Ok(IdentityFact::Join { person: *one, key: JoinKey::Visitor(*visitor) });
        }
        (Unmatched::Subject(_) | Unmatched::Event(_), Target::Click(_) | Target::Visitor(_)) => {
            let why = "a deal or an event belongs to a person; give a person or a contact id";
            return Err(refused("to", "target-unfit", why.into()));
        }
        (Unmatched::Subject(subject), _) => JoinKey::Subject(subject.clone()),
        (Unmatched::Event(id), _) => {
            let event = stage_events::get(conn, *id)?;
            if event.person.is_some() || event.subject.is_some() {
                let what = event.subject.map_or_else(|| "its person".to_owned(), |s| format!("`{}`", s.as_str()));
                return Err(refused(
                    "item",
                    "event-named",
                    format!("the event says whose it is; match {what} instead"),
                ));
            }
            JoinKey::Event(*id)
        }
    };
    Ok(IdentityFact::Join { person: person(conn, &wish.to)?, key })
}

/// Refuses a match that contradicts what is known, or that names a touch that is not.
fn require_sound(conn: &mut Conn, fact: &IdentityFact) -> Result<(), StoreError> {
    let horizon = Moments::all(ledger::horizon(conn)?);
    match fact {
        IdentityFact::Merge { a, b } | IdentityFact::Unmerge { a, b } => {
            let people = reports::people(conn, &horizon)?;
            require_no_contradiction(conn, &people, *a, *b)
        }
        IdentityFact::Join { person, key: JoinKey::Click(click) } => {
            if touches::by_ids(conn, &[*click], &horizon)?.is_empty() {
                return Err(refused(
                    "to",
                    "touch-unknown",
                    format!("no touch {click} is known; copy the click id whole"),
                ));
            }
            let people = reports::people(conn, &horizon)?;
            require_free(&people, *person, people.click_owner(*click), "the click")
        }
        IdentityFact::Join { person, key: JoinKey::Visitor(visitor) } => {
            // A touch may lie a little ahead of the last fact.
            let wanted = Wanted { visitor: *visitor, from: UtcMillis(0), to: horizon.touches.plus_ms(DAY_MS) };
            if touches::by_visitors(conn, &[wanted], None, &horizon)?.is_empty() {
                let why = format!("no touch of the browser {visitor} is known; copy its id whole");
                return Err(refused("to", "touch-unknown", why));
            }
            let people = reports::people(conn, &horizon)?;
            let owner = people.clusters().find(|c| people.visitors(*c).any(|v| v == *visitor));
            require_free(&people, *person, owner, "the browser")
        }
        IdentityFact::Join { .. } => Ok(()),
    }
}

/// A person in somebody's words: ours, or a contact id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Named {
    /// By our id.
    Person(PersonId),
    /// By a contact id of one source, which may be new to us.
    Contact(JoinKey),
}

/// Records that two persons are one, or are not: the word of a CRM, or of somebody who knows. It is not weighed against
/// what contact ids say, as it is what changes them.
pub fn judge(conn: &mut Conn, pair: &[Named; 2], merged: bool, author: &Author) -> Result<MatchId, StoreError> {
    ledger::lock(conn)?;
    for named in pair {
        if let Named::Person(person) = named {
            known(conn, *person)?;
        }
    }
    let [first, second] = pair;
    if first == second {
        return Err(refused("other", "same-person", "both ids name the same person; give two".into()));
    }
    let recording = recording(conn, author)?;
    let mut person_of = |named: &Named| match named {
        Named::Person(person) => Ok(*person),
        Named::Contact(key) => identity::of_contact(conn, key, &recording),
    };
    let (a, b) = (person_of(first)?, person_of(second)?);
    if a == b {
        return Err(refused("other", "same-person", "both ids name the same person already; give two".into()));
    }
    let fact = if merged { IdentityFact::Merge { a, b } } else { IdentityFact::Unmerge { a, b } };
    matches::insert(conn, &fact, Basis::Told, &recording)
}

fn recording(conn: &mut Conn, author: &Author) -> Result<Recording, StoreError> {
    Ok(Recording { at: ledger::stamp(conn, author.now)?, event: None, batch: None, by: author.name.clone() })
}

fn known(conn: &mut Conn, person: PersonId) -> Result<(), StoreError> {
    if identity::exists(conn, person)? { Ok(()) } else { Err(StoreError::NotFound(format!("person {person}"))) }
}

/// The person that a target names.
fn person(conn: &mut Conn, target: &Target) -> Result<PersonId, StoreError> {
    match target {
        Target::Person(id) => known(conn, *id).map(|()| *id),
        Target::Contact(key) => identity::holders(conn, key)?.into_iter().min().ok_or_else(|| {
            let why = format!("no event has told of the contact `{}` yet; check its namespace and id", key.value());
            refused("to", "contact-unknown", why)
        }),
        Target::Click(_) | Target::Visitor(_) => Err(refused("to", "target-unfit", "it names no person".into())),
    }
}

fn require_no_contradiction(
    conn: &mut Conn,
    people: &People,
    one: PersonId,
    other: PersonId,
) -> Result<(), StoreError> {
    let (our_cluster, their_cluster) = (people.cluster(one), people.cluster(other));
    if our_cluster == their_cluster {
        return Err(refused("to", "same-person", "both are known to be the same person already".into()));
    }
    let (ours, theirs) = (people.members(our_cluster), people.members(their_cluster));
    if let Some(word) = matches::parting(conn, ours, theirs)? {
        let why = format!("`{}` said that they are not one ({}); undo that first", word.recorded_by, word.id);
        return Err(refused("to", "kept-apart", why));
    }
    let keys = |persons: &[PersonId], conn: &mut Conn| -> Result<Vec<JoinKey>, StoreError> {
        Ok(identity::keys_of(conn, persons)?.into_iter().map(|(_, key)| key).collect())
    };
    let (our_keys, their_keys) = (keys(ours, conn)?, keys(theirs, conn)?);
    match contradiction(&our_keys, &their_keys) {
        Some((a, b)) => Err(refused(
            "to",
            "contacts-differ",
            format!(
                "they are two contacts of one source, `{a}` and `{b}`; merge them there, or with /api/v1/people/merge"
            ),
        )),
        None => Ok(()),
    }
}

/// Refuses a click or browser of somebody else: it would be shared, and move nothing.
fn require_free(people: &People, person: PersonId, owner: Option<PersonId>, what: &str) -> Result<(), StoreError> {
    match owner {
        None => Ok(()),
        Some(owner) if owner == people.cluster(person) => {
            Err(refused("to", "same-person", format!("{what} is this person's already")))
        }
        Some(owner) => {
            Err(refused("to", "taken", format!("{what} is {owner}'s; match the two persons instead, if they are one")))
        }
    }
}

fn refused(field: &str, code: &str, why: String) -> StoreError {
    StoreError::refused(Fault::new(field, code, why))
}
