//! Who is who: the identity graph, computed from join, merge and unmerge facts.
//!
//! Only a shared email hash, a shared contact id of one source, or an explicit
//! merge makes two persons one. A click id or visitor id is a *weak* key: it
//! gives touches to the person who brought it first, and never fuses two people
//! whom other keys already tell apart (design section 6, *Who is who*).

mod clusters;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;

use clusters::Clusters;

use super::fault::{Fault, shown};
use super::ids::{PersonId, TouchId, VisitorId};
use super::stage::Subject;
use super::time::UtcMillis;

/// A key shared by more persons than this joins nothing: it is an office address or a placeholder.
pub const PERSONS_PER_KEY_MAX: usize = 5;

/// Something by which a person is known.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum JoinKey {
    /// HMAC-SHA-256 of the trimmed, lower-cased address, in hex.
    Email(String),
    /// A contact id of one source: `hubspot:51`.
    Contact(String),
    /// A click id that came back.
    Click(TouchId),
    /// A browser.
    Visitor(VisitorId),
    /// A deal, an order, a form response that the person belongs to. Gathers journeys, merges nobody.
    Subject(Subject),
}

impl JoinKey {
    /// A contact key from its namespace and id; `None` for an empty or placeholder id.
    pub fn contact(namespace: &str, id: &str) -> Result<Option<Self>, Fault> {
        if is_placeholder(id) {
            return Ok(None);
        }
        if id.contains('@') {
            // Contact ids are stored as they are; an address must be hashed.
            return Err(Fault::new(
                "person",
                "person-is-email",
                "the contact id is an email address; send it as `email`, which is kept as a hash only",
            ));
        }
        Subject::parse(&format!("{namespace}:{id}")).map(|s| Some(Self::Contact(s.as_str().to_owned()))).map_err(
            |_long| {
                Fault::new(
                    "person",
                    "person-malformed",
                    format!(
                        "{} with namespace {} is no contact id; give 1 to 200 bytes without control characters",
                        shown(id),
                        shown(namespace)
                    ),
                )
            },
        )
    }

    /// The stored name of the kind of key.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Email(_) => "email",
            Self::Contact(_) => "contact",
            Self::Click(_) => "click",
            Self::Visitor(_) => "visitor",
            Self::Subject(_) => "subject",
        }
    }

    /// The stored value.
    pub fn value(&self) -> String {
        match self {
            Self::Email(v) | Self::Contact(v) => v.clone(),
            Self::Click(id) => id.to_string(),
            Self::Visitor(id) => id.to_string(),
            Self::Subject(s) => s.as_str().to_owned(),
        }
    }

    /// A key as it was stored; `None` if no such kind is known.
    pub fn stored(kind: &str, value: String) -> Option<Self> {
        match kind {
            "email" => Some(Self::Email(value)),
            "contact" => Some(Self::Contact(value)),
            "click" => value.parse().ok().map(Self::Click),
            "visitor" => value.parse().ok().map(Self::Visitor),
            "subject" => Some(Self::Subject(Subject::stored(value))),
            _ => None,
        }
    }

    /// Whether sharing the key makes two persons one.
    pub fn is_strong(&self) -> bool {
        matches!(self, Self::Email(_) | Self::Contact(_))
    }

    /// Whether the key gives touches and fuses nobody who is known otherwise.
    pub fn is_weak(&self) -> bool {
        matches!(self, Self::Click(_) | Self::Visitor(_))
    }
}

impl fmt::Display for JoinKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.kind(), self.value())
    }
}

/// Whether a value stands for nothing: empty, `null`, `n/a`, `unknown`, …
pub fn is_placeholder(value: &str) -> bool {
    let v = value.trim().to_ascii_lowercase();
    matches!(
        v.as_str(),
        "" | "null" | "none" | "nil" | "n/a" | "na" | "undefined" | "unknown" | "-" | "0" | "test" | "anonymous"
    )
}

/// The address to hash: trimmed and lower-cased. `None` for one that names nobody
/// (empty, placeholder, `test@…`, `noreply@…`).
pub fn joinable_email(address: &str) -> Result<Option<String>, Fault> {
    let email = address.trim().to_lowercase();
    if is_placeholder(&email) {
        return Ok(None);
    }
    match email.split_once('@') {
        Some((local, host))
            if !local.is_empty()
                && host.contains('.')
                && email.len() <= 254
                && !email.chars().any(|c| c.is_control() || c.is_whitespace()) =>
        {
            let local = local.replace(['-', '_', '.'], "");
            let nobody =
                matches!(local.as_str(), "test" | "noreply" | "donotreply" | "null" | "none" | "nobody" | "unknown");
            Ok((!nobody).then_some(email))
        }
        // The address itself stays out of the message: it is personal data and messages are logged.
        _ => Err(Fault::new(
            "email",
            "email-malformed",
            "the value is not an email address; send it as name@example.com or leave it out",
        )),
    }
}

/// A fact of the identity graph.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IdentityFact {
    /// A person was seen with a key.
    Join {
        /// The person as first met.
        person: PersonId,
        /// The key.
        key: JoinKey,
    },
    /// The CRM, or a user, says that two are one.
    Merge {
        /// One.
        a: PersonId,
        /// The other.
        b: PersonId,
    },
    /// A user, or the CRM, says that two are not one, whatever keys they share.
    Unmerge {
        /// One.
        a: PersonId,
        /// The other.
        b: PersonId,
    },
}

/// A weak key that two people bring: listed, never fused.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct SharedKey {
    /// The key.
    pub key: JoinKey,
    /// Who had it first.
    pub owner: PersonId,
    /// Who brought it later.
    pub other: PersonId,
}

/// The clusters at one `as_of`.
#[derive(Debug, Default)]
pub struct People {
    cluster_of: HashMap<PersonId, PersonId>,
    clicks: BTreeMap<PersonId, BTreeSet<TouchId>>,
    visitors: BTreeMap<PersonId, BTreeSet<VisitorId>>,
    click_owner: HashMap<TouchId, PersonId>,
    members: BTreeMap<PersonId, Vec<PersonId>>,
    subjects: HashMap<Subject, BTreeSet<PersonId>>,
    /// Weak keys that known people share.
    pub shared: Vec<SharedKey>,
    /// Strong keys that too many persons share, and that therefore join nothing.
    pub over_shared: Vec<JoinKey>,
}

impl People {
    /// Computes the clusters from facts in the order of recording.
    ///
    /// A click is its browser's, too: the caller puts a join of the browser behind each join of a click whose touch is known.
    pub fn resolve(facts: &[(UtcMillis, IdentityFact)]) -> Self {
        let mut graph = Clusters::default();
        let forbidden = latest_verdicts(facts);
        let over_shared = graph.join_strong(facts, &forbidden);
        let mut people = Self { over_shared, ..Self::default() };
        let known = known_roots(facts, &mut graph);
        people.give_weak_keys(facts, &mut graph, &known, &forbidden);
        people.name_clusters(&mut graph);
        people
    }

    /// The cluster a person belongs to, named by its oldest person.
    pub fn cluster(&self, person: PersonId) -> PersonId {
        self.cluster_of.get(&person).copied().unwrap_or(person)
    }

    /// Every cluster, by name.
    pub fn clusters(&self) -> impl Iterator<Item = PersonId> + '_ {
        self.members.keys().copied()
    }

    /// Every browser that belongs to some cluster.
    pub fn known_visitors(&self) -> impl Iterator<Item = VisitorId> + '_ {
        self.visitors.values().flatten().copied()
    }

    /// Click ids that a cluster brought itself.
    pub fn clicks(&self, cluster: PersonId) -> impl Iterator<Item = TouchId> + '_ {
        self.clicks.get(&cluster).into_iter().flatten().copied()
    }

    /// Browsers that belong to a cluster.
    pub fn visitors(&self, cluster: PersonId) -> impl Iterator<Item = VisitorId> + '_ {
        self.visitors.get(&cluster).into_iter().flatten().copied()
    }

    /// Who first brought a click id.
    pub fn click_owner(&self, click: TouchId) -> Option<PersonId> {
        self.click_owner.get(&click).copied()
    }

    /// The persons of a cluster, oldest first: what an unmerge is told about.
    pub fn members(&self, cluster: PersonId) -> &[PersonId] {
        self.members.get(&cluster).map_or(&[], Vec::as_slice)
    }

    /// Clusters that belong to a subject, oldest first.
    pub fn of_subject(&self, subject: &Subject) -> impl Iterator<Item = PersonId> + '_ {
        self.subjects.get(subject).into_iter().flatten().copied()
    }

    /// Gives weak keys to the first who brought them; later known people may use the click, not the browser.
    fn give_weak_keys(
        &mut self,
        facts: &[(UtcMillis, IdentityFact)],
        graph: &mut Clusters,
        known: &BTreeSet<PersonId>,
        verdicts: &Verdicts,
    ) {
        let owner = self.first_holders(facts);
        // Whoever is known by a weak key alone is whoever else brought it.
        for (person, key) in joins(facts) {
            let Some(first) = owner.get(key) else { continue };
            let (a, b) = (graph.find(*first), graph.find(person));
            let both_known = graph.touches_known(a, known) && graph.touches_known(b, known);
            if a != b && !both_known && !graph.kept_apart(a, b, verdicts) {
                graph.union(a, b);
            }
        }
        for (person, key) in joins(facts) {
            let cluster = graph.find(person);
            if let JoinKey::Subject(subject) = key {
                self.subjects.entry(subject.clone()).or_default().insert(cluster);
            }
            let Some(first) = owner.get(key).map(|p| graph.find(*p)) else { continue };
            if first != cluster {
                self.shared.push(SharedKey { key: key.clone(), owner: first, other: cluster });
            }
            match key {
                JoinKey::Click(id) => {
                    self.clicks.entry(cluster).or_default().insert(*id);
                    self.click_owner.insert(*id, first);
                }
                JoinKey::Visitor(id) if first == cluster => {
                    self.visitors.entry(cluster).or_default().insert(*id);
                }
                JoinKey::Visitor(_) | JoinKey::Subject(_) | JoinKey::Email(_) | JoinKey::Contact(_) => {}
            }
        }
        self.shared.sort();
        self.shared.dedup();
    }

    /// Who brought each weak key first; keys that too many persons brought belong to nobody and are listed.
    fn first_holders(&mut self, facts: &[(UtcMillis, IdentityFact)]) -> HashMap<JoinKey, PersonId> {
        let mut holders: HashMap<&JoinKey, Vec<PersonId>> = HashMap::new();
        for (person, key) in joins(facts) {
            let list = holders.entry(key).or_default();
            if key.is_weak() && list.len() <= PERSONS_PER_KEY_MAX && !list.contains(&person) {
                list.push(person);
            }
        }
        let (few, many): (Vec<_>, Vec<_>) =
            holders.into_iter().filter(|(k, _)| k.is_weak()).partition(|(_, list)| list.len() <= PERSONS_PER_KEY_MAX);
        self.over_shared.extend(many.into_iter().map(|(key, _)| key.clone()));
        self.over_shared.sort();
        few.into_iter().filter_map(|(key, list)| Some((key.clone(), *list.first()?))).collect()
    }

    fn name_clusters(&mut self, graph: &mut Clusters) {
        let persons: Vec<PersonId> = graph.parent.keys().copied().collect();
        for person in persons {
            let root = graph.find(person);
            self.cluster_of.insert(person, root);
            self.members.entry(root).or_default().push(person);
        }
        for members in self.members.values_mut() {
            members.sort();
        }
    }
}

/// The last word on each pair that one was said about: merged or not.
type Verdicts = BTreeMap<(PersonId, PersonId), bool>;

/// The joins among facts, in order.
fn joins(facts: &[(UtcMillis, IdentityFact)]) -> impl Iterator<Item = (PersonId, &JoinKey)> {
    facts.iter().filter_map(|(_, fact)| match fact {
        IdentityFact::Join { person, key } => Some((*person, key)),
        IdentityFact::Merge { .. } | IdentityFact::Unmerge { .. } => None,
    })
}

/// The last word, merge or unmerge, on each pair that one was said about.
fn latest_verdicts(facts: &[(UtcMillis, IdentityFact)]) -> Verdicts {
    let mut verdicts = BTreeMap::new();
    for (_, fact) in facts {
        let (a, b, merged) = match fact {
            IdentityFact::Merge { a, b } => (*a, *b, true),
            IdentityFact::Unmerge { a, b } => (*a, *b, false),
            IdentityFact::Join { .. } => continue,
        };
        verdicts.insert((a.min(b), a.max(b)), merged);
    }
    verdicts
}

/// Clusters that a strong key names.
fn known_roots(facts: &[(UtcMillis, IdentityFact)], graph: &mut Clusters) -> BTreeSet<PersonId> {
    let mut known = BTreeSet::new();
    for (_, fact) in facts {
        if let IdentityFact::Join { person, key } = fact {
            graph.add(*person);
            if key.is_strong() {
                known.insert(*person);
            }
        }
    }
    known
}

#[cfg(test)]
mod tests;
