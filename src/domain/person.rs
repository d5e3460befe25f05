//! Who is who: the identity graph, computed from join, merge and unmerge facts.
//!
//! Only a shared email hash, a shared contact id of one source, or an explicit
//! merge makes two persons one. A click id or visitor id is a *weak* key: it
//! gives touches to the person who brought it first, and never fuses two people
//! whom other keys already tell apart (design section 6, *Who is who*).

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;

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

/// A union-find whose root is always the oldest (smallest) person of its cluster.
#[derive(Debug, Default)]
struct Clusters {
    parent: HashMap<PersonId, PersonId>,
    members: HashMap<PersonId, Vec<PersonId>>,
}

impl Clusters {
    fn add(&mut self, person: PersonId) {
        self.parent.entry(person).or_insert(person);
        self.members.entry(person).or_insert_with(|| vec![person]);
    }

    fn find(&mut self, person: PersonId) -> PersonId {
        let mut root = person;
        while let Some(&up) = self.parent.get(&root).filter(|&&up| up != root) {
            root = up;
        }
        let mut at = person;
        while let Some(&up) = self.parent.get(&at).filter(|&&up| up != root && up != at) {
            self.parent.insert(at, root);
            at = up;
        }
        root
    }

    fn union(&mut self, a: PersonId, b: PersonId) {
        self.add(a);
        self.add(b);
        let (a, b) = (self.find(a), self.find(b));
        if a == b {
            return;
        }
        let (root, child) = (a.min(b), a.max(b));
        self.parent.insert(child, root);
        let moved = self.members.remove(&child).unwrap_or_default();
        self.members.entry(root).or_default().extend(moved);
    }

    /// Whether any member of a cluster is known by a strong key.
    fn touches_known(&mut self, root: PersonId, known: &BTreeSet<PersonId>) -> bool {
        self.members.get(&root).is_some_and(|m| m.iter().any(|p| known.contains(p)))
    }

    /// Joins persons by strong keys and merges, except pairs that an unmerge keeps apart; answers the over-shared keys.
    fn join_strong(&mut self, facts: &[(UtcMillis, IdentityFact)], verdicts: &Verdicts) -> Vec<JoinKey> {
        let mut holders: BTreeMap<&JoinKey, Vec<PersonId>> = BTreeMap::new();
        for (_, fact) in facts {
            let IdentityFact::Join { person, key } = fact else { continue };
            self.add(*person);
            let list = holders.entry(key).or_default();
            if key.is_strong() && !list.contains(person) {
                list.push(*person);
            }
        }
        let mut edges: Vec<(PersonId, PersonId)> =
            verdicts.iter().filter(|(_, m)| **m).map(|(pair, _)| *pair).collect();
        let with_contact: BTreeSet<PersonId> =
            joins(facts).filter(|(_, k)| matches!(k, JoinKey::Contact(_))).map(|(p, _)| p).collect();
        let mut over_shared = Vec::new();
        for (key, list) in holders {
            // A form that knows an address alone is no further person of it.
            let contacts = list.iter().filter(|p| with_contact.contains(p)).count();
            if contacts > PERSONS_PER_KEY_MAX {
                over_shared.push(key.clone());
                continue;
            }
            // Every pair, so that two who are kept apart do not part a third from both.
            for (i, a) in list.iter().enumerate() {
                edges.extend(list.iter().skip(i + 1).map(|b| (*a, *b)));
            }
        }
        for (a, b) in edges {
            if !self.kept_apart(a, b, verdicts) {
                self.union(a, b);
            }
        }
        over_shared
    }

    /// Whether joining the clusters of `a` and `b` would put an unmerged pair together again.
    fn kept_apart(&mut self, a: PersonId, b: PersonId, verdicts: &Verdicts) -> bool {
        self.add(a);
        self.add(b);
        let (left, right) = (self.find(a), self.find(b));
        verdicts.iter().filter(|(_, merged)| !**merged).any(|((x, y), _)| {
            let (x, y) = (self.find(*x), self.find(*y));
            (x == left && y == right) || (x == right && y == left)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    fn p(n: u128) -> PersonId {
        PersonId(Uuid::from_u128(n))
    }

    fn join(person: u128, key: JoinKey) -> (UtcMillis, IdentityFact) {
        (UtcMillis(0), IdentityFact::Join { person: p(person), key })
    }

    fn email(s: &str) -> JoinKey {
        JoinKey::Email(s.into())
    }

    fn contact(s: &str) -> JoinKey {
        JoinKey::Contact(s.into())
    }

    fn click(n: u128) -> JoinKey {
        JoinKey::Click(TouchId(Uuid::from_u128(n)))
    }

    fn visitor(n: u128) -> JoinKey {
        JoinKey::Visitor(VisitorId(Uuid::from_u128(n)))
    }

    #[test]
    fn strong_keys_join_and_the_oldest_person_names_the_cluster() {
        let people = People::resolve(&[
            join(2, contact("crm:1")),
            join(2, email("e")),
            join(1, email("e")),
            join(3, contact("crm:2")),
        ]);
        assert_eq!(people.cluster(p(2)), p(1));
        assert_eq!(people.cluster(p(3)), p(3));
    }

    #[test]
    fn weak_keys_never_fuse_two_known_people() {
        let people = People::resolve(&[
            join(1, contact("crm:1")),
            join(1, click(9)),
            join(2, contact("crm:2")),
            join(2, click(9)),
            join(2, visitor(5)),
            join(1, visitor(5)),
        ]);
        assert_ne!(people.cluster(p(1)), people.cluster(p(2)));
        assert_eq!(people.clicks(p(2)).count(), 1, "the second may use the touch");
        assert_eq!(people.click_owner(TouchId(Uuid::from_u128(9))), Some(p(1)));
        assert_eq!(people.visitors(p(1)).count(), 0, "the browser stays with who had it first");
        assert_eq!(people.shared.len(), 2);
    }

    #[test]
    fn a_weak_key_joins_someone_unknown_to_someone_known() {
        let people = People::resolve(&[join(1, click(9)), join(2, contact("crm:2")), join(2, click(9))]);
        assert_eq!(people.cluster(p(2)), p(1));
        assert!(people.shared.is_empty());
    }

    #[test]
    fn two_known_people_are_not_fused_through_an_unknown_one() {
        let people = People::resolve(&[
            join(1, click(9)),
            join(1, click(8)),
            join(2, contact("crm:2")),
            join(2, click(9)),
            join(3, contact("crm:3")),
            join(3, click(8)),
        ]);
        assert_eq!(people.cluster(p(2)), p(1));
        assert_eq!(people.cluster(p(3)), p(3));
        assert_eq!(people.shared.len(), 1);
    }

    #[test]
    fn over_shared_keys_join_nothing() {
        let five: Vec<_> =
            (1..=5).flat_map(|n| [join(n, contact(&format!("crm:{n}"))), join(n, email("office"))]).collect();
        assert_eq!(People::resolve(&five).cluster(p(5)), p(1));
        let mut six = five;
        six.extend([join(6, contact("crm:6")), join(6, email("office"))]);
        let people = People::resolve(&six);
        assert_eq!(people.cluster(p(5)), p(5));
        assert_eq!(people.over_shared, [email("office")]);
    }

    #[test]
    fn an_unmerge_holds_against_weak_keys_and_parts_nobody_else() {
        let unmerge = |a, b| (UtcMillis(9), IdentityFact::Unmerge { a: p(a), b: p(b) });
        let weak = People::resolve(&[join(1, contact("crm:1")), join(1, click(9)), join(2, click(9)), unmerge(1, 2)]);
        assert_ne!(weak.cluster(p(1)), weak.cluster(p(2)));
        let of_one_address =
            [join(1, email("e")), join(2, email("e")), join(3, email("e")), unmerge(1, 2), unmerge(2, 3)];
        let people = People::resolve(&of_one_address);
        assert_eq!((people.cluster(p(3)), people.cluster(p(2))), (p(1), p(2)));
        assert_eq!(people.members(p(1)), [p(1), p(3)]);
    }

    #[test]
    fn a_form_without_contact_id_is_no_sixth_person() {
        let mut facts: Vec<_> =
            (1..=5).flat_map(|n| [join(n, contact(&format!("crm:{n}"))), join(n, email("e"))]).collect();
        facts.push(join(6, email("e")));
        assert_eq!(People::resolve(&facts).cluster(p(6)), p(1));
    }

    #[test]
    fn a_click_id_that_everybody_brings_is_nobodys() {
        let facts: Vec<_> = (1..=6).flat_map(|n| [join(n, contact(&format!("crm:{n}"))), join(n, click(9))]).collect();
        let people = People::resolve(&facts);
        assert_eq!(people.clicks(p(1)).count(), 0);
        assert_eq!(people.over_shared, [click(9)]);
    }

    #[test]
    fn merges_join_and_unmerges_keep_apart_whatever_keys_say() {
        let merge = (UtcMillis(1), IdentityFact::Merge { a: p(1), b: p(2) });
        let unmerge = (UtcMillis(2), IdentityFact::Unmerge { a: p(2), b: p(1) });
        let base = [join(1, contact("crm:1")), join(2, contact("crm:2")), join(2, email("e")), join(1, email("e"))];
        let with = |facts: &[(UtcMillis, IdentityFact)]| {
            let mut all = base.to_vec();
            all.extend_from_slice(facts);
            People::resolve(&all).cluster(p(2))
        };
        assert_eq!(with(std::slice::from_ref(&merge)), p(1));
        assert_eq!(with(&[merge.clone(), unmerge.clone()]), p(2));
        assert_eq!(with(&[unmerge.clone(), merge]), p(1), "the last word counts");
        assert_eq!(with(&[unmerge]), p(2));
    }

    #[test]
    fn placeholder_addresses_join_nothing() {
        assert_eq!(joinable_email(" Ana.Lopez@Example.com ").expect("ok").as_deref(), Some("ana.lopez@example.com"));
        for nobody in ["", "null", "test@example.com", "No-Reply@example.com"] {
            assert_eq!(joinable_email(nobody).expect(nobody), None);
        }
        for bad in ["ana", "a b@example.com", "@example.com"] {
            assert_eq!(joinable_email(bad).expect_err(bad).code, "email-malformed");
        }
        assert_eq!(JoinKey::contact("crm", "N/A").expect("ok"), None);
        assert_eq!(JoinKey::contact("crm", "a@b.co").expect_err("address").code, "person-is-email");
    }
}
