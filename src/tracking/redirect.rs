//! What a tracked link answers: decided from values alone, before any I/O.
//!
//! Every request for a live link is redirected and recorded, whoever sends it:
//! bots, HEAD and prefetches are told apart later ([`super::classify`]), when
//! nobody waits. Privacy signals cost the visitor id and the network click ids,
//! never the count and never the click id in the address, which only serves the
//! site's own measurement (invariant 8).

use super::facts::{Client, PrivacyPolicy, Random, network_ids};
use super::link_table::LinkTable;
use crate::domain::ids::{TouchId, VisitorId};
use crate::domain::link::LinkState;
use crate::domain::time::UtcMillis;
use crate::domain::touch::{RecordKind, TouchRecord};

/// A request for `/{slug}`.
#[derive(Debug, Clone, Copy)]
pub struct RedirectRequest<'a> {
    /// The path segment, percent-decoded.
    pub slug: &'a str,
    /// The raw query, without `?`; may be empty.
    pub query: &'a str,
    /// The headers.
    pub client: Client<'a>,
}

/// What to answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RedirectAnswer<'a> {
    /// Append the record to the journal, then answer 302.
    Found(Box<Found<'a>>),
    /// The link was archived by its owner.
    Archived,
    /// The link's time is over.
    Expired,
    /// There is no such link in the table.
    Unknown,
}

/// A redirect and its record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found<'a> {
    /// The `Location`.
    pub location: String,
    /// What goes into the journal.
    pub record: TouchRecord<'a>,
    /// The visitor cookie to set, if any.
    pub set_visitor: Option<VisitorId>,
}

/// Decides what a request is answered.
pub fn decide<'a>(
    request: &RedirectRequest<'a>,
    table: &LinkTable,
    policy: PrivacyPolicy,
    now: UtcMillis,
    random: Random,
) -> RedirectAnswer<'a> {
    let Some(entry) = table.find(request.slug) else { return RedirectAnswer::Unknown };
    match entry.state(now) {
        LinkState::Archived => return RedirectAnswer::Archived,
        LinkState::Expired => return RedirectAnswer::Expired,
        LinkState::Live => {}
    }
    let client = &request.client;
    let private = client.is_private(policy);
    // Who sends HEAD keeps no cookies; a new id would name nobody.
    let visitor = client.visitor(private, !client.head, now, random.visitor);
    let id = TouchId::new(now, random.touch);
    let record = TouchRecord {
        id,
        occurred_at: now,
        kind: RecordKind::Click { link: entry.link },
        visitor: visitor.id,
        private,
        client: client.facts(),
        network_ids: if private { Vec::new() } else { network_ids(request.query) },
    };
    let location = entry.target.location(&id.to_string(), request.query);
    RedirectAnswer::Found(Box::new(Found { location, record, set_visitor: visitor.set }))
}

#[cfg(test)]
mod tests {
    use super::super::facts::CookiePolicy;
    use super::super::facts::tests::browser;
    use super::super::link_table::tests::entry;
    use super::*;
    use crate::domain::ids::LinkId;

    const NOW: UtcMillis = UtcMillis(1_750_000_000_000);
    const RANDOM: Random = Random { touch: [1; 10], visitor: [2; 10] };
    const QUERY: &str = "fbclid=IwAR&utm_source=evil&a=1";

    fn answer<'a>(slug: &'a str, query: &'a str, client: Client<'a>) -> RedirectAnswer<'a> {
        let mut archived = entry("old", 2);
        archived.archived = true;
        let mut expired = entry("late", 3);
        expired.expires_at = Some(NOW);
        let table = LinkTable::new(vec![entry("spring", 1), archived, expired]);
        decide(&RedirectRequest { slug, query, client }, &table, PrivacyPolicy::default(), NOW, RANDOM)
    }

    fn found<'a>(query: &'a str, client: Client<'a>) -> Found<'a> {
        match answer("spring", query, client) {
            RedirectAnswer::Found(found) => *found,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_click_is_redirected_recorded_and_given_a_visitor() {
        let f = found(QUERY, browser());
        let id = TouchId::new(NOW, [1; 10]);
        assert_eq!(f.location, format!("https://example.com/p?utm_source=linkedin&hw_id={id}&fbclid=IwAR&a=1"));
        assert_eq!((f.record.id, f.record.occurred_at), (id, NOW));
        assert_eq!(f.record.kind, RecordKind::Click { link: LinkId(1) });
        assert_eq!(f.set_visitor, Some(VisitorId::new(NOW, [2; 10])));
        assert_eq!(f.record.visitor, f.set_visitor);
        assert_eq!(f.record.client.referrer_host.as_deref(), Some("www.linkedin.com"));
        assert_eq!(f.record.network_ids.len(), 1);
        assert!(!f.record.private);
    }

    #[test]
    fn what_does_not_redirect_says_why() {
        assert_eq!(answer("nothing", "", browser()), RedirectAnswer::Unknown);
        assert_eq!(answer("OLD", "", browser()), RedirectAnswer::Archived);
        assert_eq!(answer("late", "", browser()), RedirectAnswer::Expired);
    }

    #[test]
    fn invariant_8_privacy_signals_keep_no_visitor_and_no_network_id() {
        let known = VisitorId::new(NOW, [3; 10]).to_string();
        for (gpc, dnt) in [(true, false), (false, true)] {
            let f = found(QUERY, Client { gpc, dnt, visitor_cookie: Some(&known), ..browser() });
            assert!(f.record.private && f.record.visitor.is_none() && f.set_visitor.is_none());
            assert!(f.record.network_ids.is_empty());
            assert!(f.location.contains(&format!("hw_id={}", f.record.id)), "the click id stays");
        }
        let request = RedirectRequest { slug: "spring", query: "", client: Client { dnt: true, ..browser() } };
        let table = LinkTable::new(vec![entry("spring", 1)]);
        let lax = PrivacyPolicy { honours_gpc: true, honours_dnt: false };
        match decide(&request, &table, lax, NOW, RANDOM) {
            RedirectAnswer::Found(f) => assert!(!f.record.private && f.set_visitor.is_some()),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn cookies_are_read_tolerantly_and_set_only_when_new() {
        let known = VisitorId::new(NOW, [3; 10]);
        let text = known.to_string().to_lowercase();
        let f = found("", Client { visitor_cookie: Some(&text), ..browser() });
        assert_eq!((f.record.visitor, f.set_visitor), (Some(known), None));
        for malformed in ["", "vis_", "💥", "vis_zzz"] {
            let f = found("", Client { visitor_cookie: Some(malformed), ..browser() });
            assert_eq!(f.set_visitor, Some(VisitorId::new(NOW, [2; 10])), "{malformed}");
        }
        let off = found("", Client { visitor_cookie: Some(&text), cookies: CookiePolicy::Off, ..browser() });
        assert_eq!((off.record.visitor, off.set_visitor), (None, None));
    }

    #[test]
    fn head_is_redirected_and_recorded_but_sets_no_cookie() {
        let f = found(QUERY, Client { head: true, ..browser() });
        assert!(f.record.client.head && f.record.visitor.is_none() && f.set_visitor.is_none());
        assert!(f.location.contains("hw_id="));
    }
}
