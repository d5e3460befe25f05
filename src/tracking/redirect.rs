//! What a tracked link answers: decided from values alone, before any I/O.
//!
//! Every request for a live link is redirected and recorded, whoever sends it:
//! bots, HEAD and prefetches are told apart later ([`super::classify`]), when
//! nobody waits. Privacy signals cost the visitor id and the network click ids,
//! never the count and never the click id in the address, which only serves the
//! site's own measurement (invariant 8).

use super::facts::{Client, PrivacyPolicy, Random, network_ids};
use super::link_table::LinkView;
use crate::domain::destination::Target;
use crate::domain::ids::{TouchId, VisitorId};
use crate::domain::link::LinkState;
use crate::domain::time::UtcMillis;
use crate::domain::touch::{RecordKind, TouchRecord};

/// A request for a link.
#[derive(Debug, Clone, Copy)]
pub struct RedirectRequest<'a> {
    /// The raw query, without `?`; may be empty.
    pub query: &'a str,
    /// The headers.
    pub client: Client<'a>,
}

/// What to answer. `'t` is the link table's, `'a` the request's.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "the large one is the usual one, and lives for one call")]
pub enum RedirectAnswer<'t, 'a> {
    /// Append the record to the journal, then answer 302.
    Found(Found<'t, 'a>),
    /// The link was archived by its owner.
    Archived,
    /// The link's time is over.
    Expired,
}

/// A redirect and its record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found<'t, 'a> {
    /// Where it leads; the `Location` is its address for the record's id and the request's query.
    pub target: Target<'t>,
    /// What goes into the journal.
    pub record: TouchRecord<'a>,
    /// The visitor cookie to set, if any.
    pub set_visitor: Option<VisitorId>,
}

/// Decides what a request for a link is answered.
pub fn decide<'t, 'a>(
    request: &RedirectRequest<'a>,
    link: &LinkView<'t>,
    policy: PrivacyPolicy,
    now: UtcMillis,
    random: Random,
) -> RedirectAnswer<'t, 'a> {
    match link.state(now) {
        LinkState::Archived => return RedirectAnswer::Archived,
        LinkState::Expired => return RedirectAnswer::Expired,
        LinkState::Live => {}
    }
    let client = &request.client;
    let private = client.is_private(policy);
    // Who sends HEAD keeps no cookies; a new id would name nobody.
    let visitor = client.visitor(private, !client.head, now, random.visitor);
    let record = TouchRecord {
        id: TouchId::new(now, random.touch),
        occurred_at: now,
        kind: RecordKind::Click { link: link.link },
        visitor: visitor.id,
        private,
        client: client.facts(),
        network_ids: if private { Vec::new() } else { network_ids(request.query) },
    };
    RedirectAnswer::Found(Found { target: link.target, record, set_visitor: visitor.set })
}

#[cfg(test)]
mod tests {
    use super::super::facts::CookiePolicy;
    use super::super::facts::tests::browser;
    use super::super::link_table::tests::{row, table};
    use super::super::link_table::{LinkRow, LinkTable};
    use super::*;
    use crate::domain::ids::LinkId;

    const NOW: UtcMillis = UtcMillis(1_750_000_000_000);
    const RANDOM: Random = Random { touch: [1; 10], visitor: [2; 10] };
    const QUERY: &str = "fbclid=IwAR&utm_source=evil&a=1";

    fn some_links() -> LinkTable {
        let archived = LinkRow { archived: true, ..row("old", 2) };
        table(&[row("spring", 1), archived, LinkRow { expires_at: Some(NOW), ..row("late", 3) }])
    }

    fn decided<'t, 'a>(table: &'t LinkTable, slug: &str, query: &'a str, client: Client<'a>) -> RedirectAnswer<'t, 'a> {
        let link = table.find(slug).expect("link");
        decide(&RedirectRequest { query, client }, &link, PrivacyPolicy::default(), NOW, RANDOM)
    }

    /// A redirect that went through: location, record, cookie.
    fn found<'a>(query: &'a str, client: Client<'a>) -> (String, TouchRecord<'a>, Option<VisitorId>) {
        let table = some_links();
        let RedirectAnswer::Found(found) = decided(&table, "spring", query, client) else { panic!("no redirect") };
        let mut location = String::new();
        found.target.write_location(&mut location, found.record.id, query).expect("written");
        (location, found.record, found.set_visitor)
    }

    #[test]
    fn a_click_is_redirected_recorded_and_given_a_visitor() {
        let (location, record, set_visitor) = found(QUERY, browser());
        let id = TouchId::new(NOW, [1; 10]);
        assert_eq!(location, format!("https://example.com/p?utm_source=linkedin&hw_id={id}&fbclid=IwAR&a=1"));
        assert_eq!((record.id, record.occurred_at), (id, NOW));
        assert_eq!(record.kind, RecordKind::Click { link: LinkId(1) });
        assert_eq!(set_visitor, Some(VisitorId::new(NOW, [2; 10])));
        assert_eq!(record.visitor, set_visitor);
        assert_eq!(record.client.referrer_host.as_deref(), Some("www.linkedin.com"));
        assert_eq!(record.network_ids.len(), 1);
        assert!(!record.private);
    }

    #[test]
    fn what_does_not_redirect_says_why() {
        let table = some_links();
        assert_eq!(decided(&table, "OLD", "", browser()), RedirectAnswer::Archived);
        assert_eq!(decided(&table, "late", "", browser()), RedirectAnswer::Expired);
    }

    #[test]
    fn invariant_8_privacy_signals_keep_no_visitor_and_no_network_id() {
        let known = VisitorId::new(NOW, [3; 10]).to_string();
        for (gpc, dnt) in [(true, false), (false, true)] {
            let client = Client { gpc, dnt, visitor_cookie: Some(&known), ..browser() };
            let (location, record, set_visitor) = found(QUERY, client);
            assert!(record.private && record.visitor.is_none() && set_visitor.is_none());
            assert!(record.network_ids.is_empty());
            assert!(location.contains(&format!("hw_id={}", record.id)), "the click id stays");
        }
        let request = RedirectRequest { query: "", client: Client { dnt: true, ..browser() } };
        let table = some_links();
        let lax = PrivacyPolicy { honours_gpc: true, honours_dnt: false };
        match decide(&request, &table.find("spring").expect("link"), lax, NOW, RANDOM) {
            RedirectAnswer::Found(f) => assert!(!f.record.private && f.set_visitor.is_some()),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn cookies_are_read_tolerantly_and_set_only_when_new() {
        let known = VisitorId::new(NOW, [3; 10]);
        let text = known.to_string().to_lowercase();
        let (_, record, set_visitor) = found("", Client { visitor_cookie: Some(&text), ..browser() });
        assert_eq!((record.visitor, set_visitor), (Some(known), None));
        for malformed in ["", "vis_", "💥", "vis_zzz"] {
            let (_, _, set_visitor) = found("", Client { visitor_cookie: Some(malformed), ..browser() });
            assert_eq!(set_visitor, Some(VisitorId::new(NOW, [2; 10])), "{malformed}");
        }
        let client = Client { visitor_cookie: Some(&text), cookies: CookiePolicy::Off, ..browser() };
        let (_, record, set_visitor) = found("", client);
        assert_eq!((record.visitor, set_visitor), (None, None));
    }

    #[test]
    fn head_is_redirected_and_recorded_but_sets_no_cookie() {
        let (location, record, set_visitor) = found(QUERY, Client { head: true, ..browser() });
        assert!(record.client.head && record.visitor.is_none() && set_visitor.is_none());
        assert!(location.contains("hw_id="));
    }
}
