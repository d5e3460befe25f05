//! Who is who: the identity graph, computed from join, merge and unmerge facts.
//!
//! Only a shared email hash, a shared contact id of one source, a shared lead id
//! of a network, or an explicit merge makes two persons one. A click id or visitor id is a *weak* key: it
//! gives touches to the person who brought it first, and never fuses two people
//! whom other keys already tell apart (design section 6, *Who is who*).

mod clusters;
mod lists;
mod numbered;

use std::collections::{BTreeSet, HashMap};
use std::fmt;

use clusters::Clusters;
use lists::Lists;
use numbered::Numbered;

use super::fault::{Fault, shown};
use super::ids::{PersonId, StageEventId, TouchId, VisitorId};
use super::platform::platform_of;
use super::stage::Subject;
use super::time::UtcMillis;

/// A key shared by more persons than this joins nothing: it is an office address or a placeholder.
pub const PERSONS_PER_KEY_MAX: usize = 5;

/// Namespaces of contact ids that are those of networks' lead ids.
pub const LEAD_NAMESPACES: &[&str] = &["facebook", "instagram", "meta", "linkedin"];

/// Something by which a person is known.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum JoinKey {
    /// HMAC-SHA-256 of the trimmed, lower-cased address, in hex.
    Email(String),
    /// A contact id of one source: `hubspot:51`.
    Contact(String),
    /// A network's own id of a lead that was given inside it, by platform: `meta:1459076748710713`. It names one answer to
    /// one form, not a contact, so a person has as many as they gave leads.
    Lead(String),
    /// A click id that came back; or the id of a touch that the person's own event made.
    Click(TouchId),
    /// A browser.
    Visitor(VisitorId),
    /// A deal, an order, a form response that the person belongs to. Gathers journeys, merges nobody.
    Subject(Subject),
    /// A stage event that names neither person nor subject, and that somebody matched. Merges nobody.
    Event(StageEventId),
}

impl JoinKey {
    /// A contact key from its namespace and id; `None` for an empty or placeholder id. In the namespace of a network
    /// ([`LEAD_NAMESPACES`]) it is the network's id of a lead.
    pub fn contact(namespace: &str, id: &str) -> Result<Option<Self>, Fault> {
        if is_placeholder(id) {
            return Ok(None);
        }
        let network = namespace.trim().to_lowercase();
        if LEAD_NAMESPACES.contains(&network.as_str()) && !id.contains('@') {
            return Self::lead(&network, id).map_err(|f| f.named("person"));
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

    /// The key of a network's own id of a lead; `None` for an empty or placeholder id.
    ///
    /// Facebook and Instagram are one, as Meta's ids are, and behind the last colon of a URN or of a prefix (`l:` in Meta's
    /// own files) stands the id, so that it does not matter how a sender writes it.
    pub fn lead(network: &str, id: &str) -> Result<Option<Self>, Fault> {
        let id = id.rsplit(':').next().unwrap_or(id);
        if is_placeholder(id) {
            return Ok(None);
        }
        let key = Subject::parse(&format!("{}:{id}", platform_of(&network.trim().to_lowercase())));
        key.map(|key| Some(Self::Lead(key.as_str().to_owned()))).map_err(|_long| {
            let why = format!(
                "{} is no id of a lead; send it as the network has it, at most 200 bytes without control characters",
                shown(id)
            );
            Fault::new("network_lead", "network-lead-malformed", why)
        })
    }

    /// The stored name of the kind of key.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Email(_) => "email",
            Self::Contact(_) => "contact",
            Self::Lead(_) => "lead",
            Self::Click(_) => "click",
            Self::Visitor(_) => "visitor",
            Self::Subject(_) => "subject",
            Self::Event(_) => "event",
        }
    }

    /// The stored value.
    pub fn value(&self) -> String {
        match self {
            Self::Email(v) | Self::Contact(v) | Self::Lead(v) => v.clone(),
            Self::Click(id) => id.to_string(),
            Self::Visitor(id) => id.to_string(),
            Self::Subject(s) => s.as_str().to_owned(),
            Self::Event(id) => id.to_string(),
        }
    }

    /// A key as it was stored; `None` if no such kind is known.
    pub fn stored(kind: &str, value: String) -> Option<Self> {
        match kind {
            "email" => Some(Self::Email(value)),
            "contact" => Some(Self::Contact(value)),
            "lead" => Some(Self::Lead(value)),
            "click" => value.parse().ok().map(Self::Click),
            "visitor" => value.parse().ok().map(Self::Visitor),
            "subject" => Some(Self::Subject(Subject::stored(value))),
            "event" => value.parse().ok().map(Self::Event),
            _ => None,
        }
    }

    /// Whether sharing the key makes two persons one.
    pub fn is_strong(&self) -> bool {
        matches!(self, Self::Email(_) | Self::Contact(_) | Self::Lead(_))
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
    cluster_of: Lists<PersonId, PersonId>,
    members: Lists<PersonId, PersonId>,
    clicks: Lists<PersonId, TouchId>,
    visitors: Lists<PersonId, VisitorId>,
    click_owner: Lists<TouchId, PersonId>,
    subjects: HashMap<Subject, BTreeSet<PersonId>>,
    events: HashMap<StageEventId, BTreeSet<PersonId>>,
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
        let facts = Numbered::of(facts);
        let (mut clusters, over_shared) = Clusters::by_strong_keys(&facts);
        let mut people = Self { over_shared, ..Self::default() };
        let owners = people.first_holders(&facts);
        join_by_weak_keys(&facts, &owners, &mut clusters);
        people.give_keys(&facts, &owners, &mut clusters);
        people.name_clusters(&facts, &mut clusters);
        people
    }

    /// The cluster a person belongs to, named by its oldest person.
    pub fn cluster(&self, person: PersonId) -> PersonId {
        self.cluster_of.of(&person).first().copied().unwrap_or(person)
    }

    /// Every cluster, by name.
    pub fn clusters(&self) -> impl Iterator<Item = PersonId> + '_ {
        self.members.keys().chunk_by(|a, b| a == b).filter_map(|same| same.first().copied())
    }

    /// Every browser that belongs to some cluster.
    pub fn known_visitors(&self) -> impl Iterator<Item = VisitorId> + '_ {
        self.visitors.values().iter().copied()
    }

    /// Click ids that a cluster brought itself.
    pub fn clicks(&self, cluster: PersonId) -> impl Iterator<Item = TouchId> + '_ {
        self.clicks.of(&cluster).iter().copied()
    }

    /// Browsers that belong to a cluster.
    pub fn visitors(&self, cluster: PersonId) -> impl Iterator<Item = VisitorId> + '_ {
        self.visitors.of(&cluster).iter().copied()
    }

    /// Who first brought a click id.
    pub fn click_owner(&self, click: TouchId) -> Option<PersonId> {
        self.click_owner.of(&click).first().copied()
    }

    /// The persons of a cluster, oldest first: what an unmerge is told about.
    pub fn members(&self, cluster: PersonId) -> &[PersonId] {
        self.members.of(&cluster)
    }

    /// Clusters that belong to a subject, oldest first.
    pub fn of_subject(&self, subject: &Subject) -> impl Iterator<Item = PersonId> + '_ {
        self.subjects.get(subject).into_iter().flatten().copied()
    }

    /// Every subject that somebody belongs to, with the clusters, oldest first; in no order of subjects.
    pub fn subjects(&self) -> impl Iterator<Item = (&Subject, &BTreeSet<PersonId>)> {
        self.subjects.iter()
    }

    /// The oldest cluster that an event without person and subject was matched to.
    pub fn of_event(&self, event: StageEventId) -> Option<PersonId> {
        self.events.get(&event).and_then(|clusters| clusters.first()).copied()
    }

    /// Who brought each weak key first, by the number of the key; keys that too many persons brought belong to nobody and are listed.
    fn first_holders(&mut self, facts: &Numbered<'_>) -> Vec<Option<usize>> {
        let mut owners = vec![None; facts.keys.len()];
        for (number, key, holders) in facts.holders().filter(|(_, key, _)| key.is_weak()) {
            if holders.len() > PERSONS_PER_KEY_MAX {
                self.over_shared.push(key.clone());
            } else if let Some(owner) = owners.get_mut(number) {
                *owner = holders.first().copied();
            }
        }
        self.over_shared.sort();
        owners
    }

    /// Gives keys to clusters: weak ones to the first who brought them; later known people may use the click, not the
    /// browser.
    fn give_keys(&mut self, facts: &Numbered<'_>, owners: &[Option<usize>], clusters: &mut Clusters) {
        let (mut clicks, mut visitors, mut click_owner) = (Vec::new(), Vec::new(), Vec::new());
        for join in &facts.joins {
            let Some(key) = facts.keys.get(join.key) else { continue };
            let root = clusters.find(join.person);
            let Some(cluster) = facts.persons.get(root).copied() else { continue };
            match key {
                JoinKey::Subject(subject) => drop(self.subjects.entry(subject.clone()).or_default().insert(cluster)),
                JoinKey::Event(event) => drop(self.events.entry(*event).or_default().insert(cluster)),
                _ => {}
            }
            let first = owners.get(join.key).copied().flatten().map(|p| clusters.find(p));
            let Some(first) = first.and_then(|p| facts.persons.get(p).copied()) else { continue };
            if first != cluster {
                self.shared.push(SharedKey { key: (*key).clone(), owner: first, other: cluster });
            }
            match key {
                JoinKey::Click(id) => {
                    clicks.push((cluster, *id));
                    click_owner.push((*id, first));
                }
                JoinKey::Visitor(id) if first == cluster => visitors.push((cluster, *id)),
                _ => {}
            }
        }
        self.clicks = Lists::of_pairs(clicks);
        self.visitors = Lists::of_pairs(visitors);
        self.click_owner = Lists::of_pairs(click_owner);
        self.shared.sort();
        self.shared.dedup();
    }

    fn name_clusters(&mut self, facts: &Numbered<'_>, clusters: &mut Clusters) {
        let root_of = |(number, person): (usize, &PersonId)| {
            let root = facts.persons.get(clusters.find(number)).copied();
            (*person, root.unwrap_or(*person))
        };
        let cluster_of: Vec<(PersonId, PersonId)> = facts.persons.iter().enumerate().map(root_of).collect();
        self.members = Lists::of_pairs(cluster_of.iter().map(|(person, root)| (*root, *person)).collect());
        self.cluster_of = Lists::of_pairs(cluster_of);
    }
}

/// Whoever is known by a weak key alone is whoever else brought it.
fn join_by_weak_keys(facts: &Numbered<'_>, owners: &[Option<usize>], clusters: &mut Clusters) {
    for join in &facts.joins {
        let Some(first) = owners.get(join.key).copied().flatten() else { continue };
        let (a, b) = (clusters.find(first), clusters.find(join.person));
        if !(clusters.is_known(a) && clusters.is_known(b)) {
            clusters.join(a, b);
        }
    }
}

#[cfg(test)]
mod tests;
