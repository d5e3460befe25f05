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
    let of_one_address = [join(1, email("e")), join(2, email("e")), join(3, email("e")), unmerge(1, 2), unmerge(2, 3)];
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
fn a_lead_id_of_a_network_joins_however_it_is_written_and_is_no_contact() {
    let lead = |namespace: &str, id: &str| JoinKey::contact(namespace, id).expect("key").expect("no placeholder");
    let one = lead("facebook", "1459076748710713");
    assert_eq!((one.kind(), one.value().as_str()), ("lead", "meta:1459076748710713"));
    for (namespace, id) in [("instagram", "1459076748710713"), (" Meta", "l:1459076748710713")] {
        assert_eq!(lead(namespace, id), one);
    }
    assert_eq!(lead("linkedin", "urn:li:leadGenFormResponse:1a2b3c-4"), lead("LinkedIn", "1a2b3c-4"));
    assert_eq!(lead("crm.facebook", "1"), contact("crm.facebook:1"), "another's namespace is another's");
    assert_eq!(JoinKey::stored(one.kind(), one.value()), Some(one.clone()));
    assert_eq!(JoinKey::lead("facebook", "null"), Ok(None));
    assert_eq!(JoinKey::contact("linkedin", "ana@example.com").expect_err("an address").code, "person-is-email");
    assert_eq!(JoinKey::lead("tiktok", &"7".repeat(200)).expect_err("too long").code, "network-lead-malformed");
    // Who answers six forms is one person by their address, which is no office's for that.
    let mut facts: Vec<_> = (1..=6).map(|n| join(n, JoinKey::Lead(format!("meta:{n}")))).collect();
    facts.extend((1..=6).map(|n| join(n, email("e"))));
    facts.extend([join(7, contact("crm:1")), join(7, JoinKey::Lead("meta:4".into()))]);
    let people = People::resolve(&facts);
    assert_eq!((people.clusters().count(), people.cluster(p(7)), people.over_shared.len()), (1, p(1), 0));
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
