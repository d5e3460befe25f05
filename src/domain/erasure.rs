//! Erasure of a person's data: who is meant, and what was erased.
//!
//! Erasure replaces identities by random ones, and counts do not move (design, invariant 4). It is the one exception to
//! facts that are only ever added and voided.

use serde::{Deserialize, Serialize};

use super::fault::{Fault, shown};
use super::ids::PersonId;
use super::intake::IntakeDefaults;
use super::person::{JoinKey, joinable_email};
use super::stage::Subject;

/// The code of an item that asked for an erasure, or that repeats what was erased.
pub const ERASURE: &str = "erasure";
/// The code of an item whose delivery's body went with the data of somebody else who is named in it.
pub const BODY_ERASED: &str = "body-erased";
/// What stands in place of an erased answer. It names no channel, so the answer counts as before.
pub const ANSWER_ERASED: &str = "(erased)";
/// Longest reason, in characters.
const REASON_LEN_MAX: usize = 500;

/// Something by which the person to be erased is named.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Whom {
    /// By our id.
    Person(PersonId),
    /// By a key: an address's hash, a contact id, a click id, a browser, a subject.
    Key(JoinKey),
}

impl Whom {
    /// What kind of name it is, for the record of the erasure.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Person(_) => "person",
            Self::Key(key) => key.kind(),
        }
    }
}

/// Names of one person as somebody wrote them. Empty texts name nobody.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Named {
    /// An address; it becomes a keyed hash and goes no further.
    pub email: Option<String>,
    /// `per_…`
    pub person: Option<String>,
    /// A contact id, `namespace:id` or bare with the receiver's default namespace.
    pub contact: Option<String>,
    /// A click id, in any dress.
    pub click: Option<String>,
    /// A browser, `vis_…`.
    pub visitor: Option<String>,
    /// A deal, an order, a form response, `namespace:id`.
    pub subject: Option<String>,
}

impl Named {
    /// Reads the names; every fault names its field, and no fault holds an address.
    pub fn whom(&self, defaults: &IntakeDefaults, hash: &dyn Fn(&str) -> String) -> Result<Vec<Whom>, Vec<Fault>> {
        let mut faults = Vec::new();
        let nobody = |field: &str| {
            Fault::new(
                field,
                "names-nobody",
                "the value is a placeholder, which stands for nobody; give one of a person",
            )
        };
        let email = |text: &str| match joinable_email(text)? {
            Some(email) => Ok(JoinKey::Email(hash(&email))),
            None => Err(nobody("email")),
        };
        let contact = |text: &str| {
            let (namespace, id) = text.split_once(':').unwrap_or((&defaults.namespace, text));
            JoinKey::contact(namespace, id)?.ok_or_else(|| nobody("contact"))
        };
        let keys = [
            read("email", self.email.as_deref(), email, &mut faults),
            read("contact", self.contact.as_deref(), contact, &mut faults),
            read("click", self.click.as_deref(), |t| t.parse().map(JoinKey::Click), &mut faults),
            read("visitor", self.visitor.as_deref(), |t| t.parse().map(JoinKey::Visitor), &mut faults),
            read("subject", self.subject.as_deref(), |t| Subject::parse(t).map(JoinKey::Subject), &mut faults),
        ];
        let person = read("person", self.person.as_deref(), str::parse, &mut faults);
        let whom: Vec<Whom> =
            person.map(Whom::Person).into_iter().chain(keys.into_iter().flatten().map(Whom::Key)).collect();
        if whom.is_empty() && faults.is_empty() {
            let why = "say whose data is to be erased: an email address, a contact id, a click id, a browser, a subject or \
                       a person's id";
            faults.push(Fault::new("person", "missing", why));
        }
        if faults.is_empty() { Ok(whom) } else { Err(faults) }
    }
}

fn read<T>(
    field: &str,
    text: Option<&str>,
    parse: impl FnOnce(&str) -> Result<T, Fault>,
    faults: &mut Vec<Fault>,
) -> Option<T> {
    let text = text.map(str::trim).filter(|t| !t.is_empty())?;
    parse(text).map_err(|fault| faults.push(fault.named(field))).ok()
}

/// Checks the reason that somebody gives. It is kept as a proof for years, so it must not name whom it is about.
pub fn checked_reason(text: Option<&str>) -> Result<Option<String>, Fault> {
    let Some(text) = text.map(str::trim).filter(|t| !t.is_empty()) else { return Ok(None) };
    if text.contains('@') {
        let why = "the reason holds an @: it is kept for good and must not name the person; give a case number instead";
        return Err(Fault::new("reason", "reason-names-address", why));
    }
    if text.chars().count() > REASON_LEN_MAX || text.chars().any(char::is_control) {
        let why = format!("{} is longer than {REASON_LEN_MAX} characters or holds control characters", shown(text));
        return Err(Fault::new("reason", "reason-malformed", why));
    }
    Ok(Some(text.to_owned()))
}

/// How much an erasure took, or would take, by kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Counts {
    /// Persons of the cluster that got another id.
    pub persons: u64,
    /// Keys that got another value: address hashes, contact ids, click ids, browsers, subjects.
    pub keys: u64,
    /// Identity facts that held them.
    pub identity_facts: u64,
    /// Stage events: sender's id, subject, parent, content hash and answer.
    pub stage_events: u64,
    /// Touches: click id, browser, network click ids, page, imported id.
    pub touches: u64,
    /// Deliveries of which body and headers were removed.
    pub deliveries: u64,
    /// Items in those deliveries that are somebody else's and cannot be read again now.
    pub unreadable_items: u64,
    /// Answers of vendors that went with them.
    pub lookups: u64,
    /// Uploaded files that waited to be imported.
    pub uploads: u64,
}

impl Counts {
    /// Whether there was nothing to erase.
    pub fn is_nothing(&self) -> bool {
        let held = [self.persons, self.identity_facts, self.stage_events, self.touches, self.deliveries];
        held.iter().all(|n| *n == 0)
    }

    /// Each count with its words, for people.
    pub fn lines(&self) -> [(&'static str, u64); 9] {
        [
            ("persons", self.persons),
            ("keys (addresses, contacts, clicks, browsers, subjects)", self.keys),
            ("identity facts", self.identity_facts),
            ("stage events", self.stage_events),
            ("touches", self.touches),
            ("delivery bodies", self.deliveries),
            ("items of others that cannot be read again", self.unreadable_items),
            ("answers of vendors", self.lookups),
            ("waiting uploads", self.uploads),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn defaults() -> IntakeDefaults {
        IntakeDefaults { currency: None, namespace: "crm".into(), zone: None }
    }

    #[test]
    fn names_become_keys_and_an_address_a_hash() {
        let named = Named { email: Some(" Ana@Example.com".into()), contact: Some("51".into()), ..Named::default() };
        let whom = named.whom(&defaults(), &|email| format!("hash of {email}")).expect("whom");
        let keys = [JoinKey::Email("hash of ana@example.com".into()), JoinKey::Contact("crm:51".into())];
        assert_eq!(whom, keys.map(Whom::Key));
    }

    #[test]
    fn faults_name_fields_and_hold_no_address() {
        let of = |named: Named| named.whom(&defaults(), &str::to_owned).expect_err("faults").remove(0);
        assert_eq!(of(Named::default()).code, "missing");
        let fault = of(Named { email: Some("ana at example".into()), ..Named::default() });
        assert_eq!(fault.field, "email");
        assert!(!fault.to_string().contains("ana"), "{fault}");
        assert_eq!(of(Named { email: Some("noreply@example.com".into()), ..Named::default() }).code, "names-nobody");
        assert_eq!(of(Named { click: Some("abc".into()), ..Named::default() }).field, "click");
        assert_eq!(of(Named { contact: Some("ana@example.com".into()), ..Named::default() }).field, "contact");
    }

    #[test]
    fn a_reason_names_nobody() {
        assert_eq!(checked_reason(Some(" case 7 ")).expect("reason").as_deref(), Some("case 7"));
        assert_eq!(checked_reason(Some("  ")).expect("none"), None);
        assert_eq!(checked_reason(Some("ana@example.com asked")).expect_err("address").code, "reason-names-address");
        assert_eq!(checked_reason(Some(&"x".repeat(501))).expect_err("long").code, "reason-malformed");
    }
}
