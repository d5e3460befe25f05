//! The pixel, and records of what is not a redirect: views and landings.
//!
//! All of it comes from pages that anyone can write, so every field has a bound.
//! Nothing here can make a stage event or join people; a record is a touch and no more.

use std::borrow::Cow;

use super::facts::{Client, HOST_LEN_MAX, PrivacyPolicy, Random, clean, host_of, network_ids, page_of};
use crate::domain::ids::{LinkId, TouchId, VisitorId};
use crate::domain::time::UtcMillis;
use crate::domain::touch::{Arrival, RecordKind, TouchRecord};

/// Longest host and path of a page that are kept, in bytes.
pub const PAGE_LEN_MAX: usize = 500;
/// Longest UTM value that is kept, in bytes.
pub const UTM_LEN_MAX: usize = 100;

/// A transparent GIF of one pixel, in the 43 bytes that other trackers send as well.
pub const PIXEL_GIF: [u8; 43] = [
    b'G', b'I', b'F', b'8', b'9', b'a', // signature
    1, 0, 1, 0, 0x80, 0, 0, // 1 × 1, two colours, no aspect ratio
    0, 0, 0, 0, 0, 0, // both black
    0x21, 0xf9, 4, 1, 0, 0, 0, 0, // colour 0 is transparent
    0x2c, 0, 0, 0, 0, 1, 0, 1, 0, 0, // the image
    2, 2, 0x44, 1, 0,    // its one pixel, LZW
    0x3b, // end
];

/// What `hw.js` says about an arrival.
#[derive(Debug, Clone, Copy, Default)]
pub struct Landing<'a> {
    /// Address of the page; its query and fragment are not kept.
    pub page: &'a str,
    /// `document.referrer`; its host is kept.
    pub referrer: Option<&'a str>,
    /// `utm_source`.
    pub utm_source: Option<&'a str>,
    /// `utm_medium`.
    pub utm_medium: Option<&'a str>,
    /// `utm_campaign`.
    pub utm_campaign: Option<&'a str>,
    /// The page's query, or its network click ids alone, as `name=value&…`.
    pub query: &'a str,
}

/// The record of a pixel impression. It reads a visitor cookie and never sets one: the pixel stands
/// on pages of others, where the cookie would be a third party's.
pub fn view_record<'a>(
    link: Option<LinkId>,
    client: &Client<'a>,
    policy: PrivacyPolicy,
    now: UtcMillis,
    random: Random,
) -> TouchRecord<'a> {
    let private = client.is_private(policy);
    TouchRecord {
        id: TouchId::new(now, random.touch),
        occurred_at: now,
        kind: RecordKind::View { link },
        visitor: client.visitor(private, false, now, random.visitor).id,
        private,
        client: client.facts(),
        network_ids: Vec::new(),
    }
}

/// The record of an arrival without a redirect of ours, and the visitor cookie to set, if any;
/// `None` where the page's address is none.
pub fn landing_record<'a>(
    landing: &Landing<'_>,
    client: &Client<'a>,
    policy: PrivacyPolicy,
    now: UtcMillis,
    random: Random,
) -> Option<(TouchRecord<'a>, Option<VisitorId>)> {
    let private = client.is_private(policy);
    let visitor = client.visitor(private, true, now, random.visitor);
    let arrival = Arrival {
        page: page_of(landing.page, PAGE_LEN_MAX)?,
        referrer_host: landing.referrer.and_then(host_of).map(Cow::into_owned),
        utm_source: landing.utm_source.and_then(utm),
        utm_medium: landing.utm_medium.and_then(utm),
        utm_campaign: landing.utm_campaign.and_then(utm),
    };
    let record = TouchRecord {
        id: TouchId::new(now, random.touch),
        occurred_at: now,
        kind: RecordKind::Landing(arrival),
        visitor: visitor.id,
        private,
        client: client.facts(),
        network_ids: if private { Vec::new() } else { network_ids(landing.query) },
    };
    Some((record, visitor.set))
}

/// A UTM value in the one spelling that reports group by.
fn utm(value: &str) -> Option<String> {
    // Cut first, so that a hostile length costs nothing; lower case can be longer than upper case.
    let cut = clean(value, UTM_LEN_MAX)?;
    clean(&cut.to_lowercase(), UTM_LEN_MAX).map(Cow::into_owned)
}

const _: () = assert!(HOST_LEN_MAX < PAGE_LEN_MAX, "a page keeps its whole host");

#[cfg(test)]
mod tests {
    use base64::Engine;

    use super::super::facts::tests::browser;
    use super::*;

    const NOW: UtcMillis = UtcMillis(1_750_000_000_000);
    const RANDOM: Random = Random { touch: [1; 10], visitor: [2; 10] };

    fn land<'a>(landing: Landing<'_>, client: Client<'a>) -> Option<(TouchRecord<'a>, Option<VisitorId>)> {
        landing_record(&landing, &client, PrivacyPolicy::default(), NOW, RANDOM)
    }

    #[test]
    fn the_pixel_is_the_known_one() {
        let known = "R0lGODlhAQABAIAAAAAAAAAAACH5BAEAAAAALAAAAAABAAEAAAICRAEAOw==";
        assert_eq!(base64::engine::general_purpose::STANDARD.encode(PIXEL_GIF), known);
    }

    #[test]
    fn a_view_reads_a_cookie_and_sets_none() {
        fn view(client: Client<'_>) -> TouchRecord<'_> {
            view_record(Some(LinkId(4)), &client, PrivacyPolicy::default(), NOW, RANDOM)
        }
        let known = VisitorId::new(NOW, [3; 10]);
        let text = known.to_string();
        assert_eq!(view(browser()).visitor, None);
        assert_eq!(view(Client { visitor_cookie: Some(&text), ..browser() }).visitor, Some(known));
        let private = view(Client { visitor_cookie: Some(&text), gpc: true, ..browser() });
        assert!(private.private && private.visitor.is_none());
        assert_eq!(private.kind, RecordKind::View { link: Some(LinkId(4)) });
    }

    #[test]
    fn a_landing_is_bounded_in_every_field() {
        let long = "X".repeat(5_000);
        let page = format!("https://Example.com/{long}?email=a@b.c#f");
        let (record, set) = land(
            Landing {
                page: &page,
                referrer: Some("https://T.co/abc"),
                utm_source: Some(" LinkedIn\0 "),
                utm_medium: Some(&long),
                utm_campaign: Some("  "),
                query: "gclid=g1&email=a@b.c",
            },
            browser(),
        )
        .expect("landing");
        let RecordKind::Landing(arrival) = record.kind else { panic!("kind") };
        assert_eq!(arrival.page.len(), PAGE_LEN_MAX);
        assert!(arrival.page.starts_with("example.com/XXX") && !arrival.page.contains('?'));
        assert_eq!(arrival.referrer_host.as_deref(), Some("t.co"));
        assert_eq!(arrival.utm_source.as_deref(), Some("linkedin"));
        assert_eq!(arrival.utm_medium, Some("x".repeat(UTM_LEN_MAX)));
        assert_eq!(arrival.utm_campaign, None);
        assert_eq!(record.network_ids.len(), 1);
        assert_eq!((record.visitor, set), (set, Some(VisitorId::new(NOW, [2; 10]))));
    }

    #[test]
    fn a_page_keeps_no_query_and_must_have_a_host() {
        let page = |address: &str| {
            land(Landing { page: address, ..Landing::default() }, browser()).map(|(record, _)| record.kind)
        };
        let kept = |page: &str| Some(RecordKind::Landing(Arrival { page: page.into(), ..Arrival::default() }));
        assert_eq!(page("https://example.com?token=1"), kept("example.com"));
        assert_eq!(page("https://u:p@example.com:444/a/b?c#d"), kept("example.com/a/b"));
        assert_eq!(page("/relative"), None);
        assert_eq!(page(""), None);
    }

    #[test]
    fn invariant_8_a_private_landing_has_no_visitor_and_no_network_id() {
        let landing = Landing { page: "https://example.com/", query: "gclid=g1", ..Landing::default() };
        let (record, set) = land(landing, Client { dnt: true, ..browser() }).expect("landing");
        assert!(record.private && record.visitor.is_none() && set.is_none() && record.network_ids.is_empty());
    }
}
