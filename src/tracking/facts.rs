//! What is kept of a request: bounded, cleaned, and no more than the join needs (invariant 8).
//!
//! Every text that a stranger sends is cut to a length and freed of control
//! characters here: a database may refuse a zero byte, and one such record would
//! make the writer take its batch apart.

use std::borrow::Cow;
use std::net::IpAddr;

use crate::domain::destination::VISITOR_QUERY_LEN_MAX;
use crate::domain::ids::VisitorId;
use crate::domain::time::UtcMillis;
use crate::domain::touch::{ClientFacts, NETWORK_CLICK_ID_PARAMS, NetworkClickId};

/// Longest user agent that is kept, in bytes.
pub const USER_AGENT_LEN_MAX: usize = 512;
/// Longest host name.
pub const HOST_LEN_MAX: usize = 255;
/// Longest network click id; a longer one would be useless cut, so it is left out.
pub const NETWORK_ID_LEN_MAX: usize = 500;

/// Whether the domain keeps a visitor cookie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CookiePolicy {
    /// No cookie is set, and none that a browser still has is read.
    Off,
    /// A first-party cookie names the browser.
    On,
}

/// Which privacy signals are honoured. All are, unless the operator decides otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PrivacyPolicy {
    /// `Sec-GPC: 1`.
    pub honours_gpc: bool,
    /// `DNT: 1`.
    pub honours_dnt: bool,
}

impl Default for PrivacyPolicy {
    fn default() -> Self {
        Self { honours_gpc: true, honours_dnt: true }
    }
}

/// Random bytes for the ids of one request; the caller brings them, so that this ring stays testable.
#[derive(Debug, Clone, Copy)]
pub struct Random {
    /// For the touch id.
    pub touch: [u8; 10],
    /// For the visitor id, should one be made.
    pub visitor: [u8; 10],
}

/// One request's headers, as far as tracking reads them.
#[derive(Debug, Clone, Copy)]
pub struct Client<'a> {
    /// `User-Agent`.
    pub user_agent: Option<&'a str>,
    /// `Referer`.
    pub referrer: Option<&'a str>,
    /// Who asks, by the configured proxies.
    pub address: Option<IpAddr>,
    /// The method is HEAD.
    pub head: bool,
    /// `Sec-GPC: 1`.
    pub gpc: bool,
    /// `DNT: 1`.
    pub dnt: bool,
    /// `Sec-Purpose`, `Purpose` or `X-Moz` says prefetch or preview.
    pub prefetch: bool,
    /// There is an `Accept-Language`.
    pub accept_language: bool,
    /// `Sec-Fetch-Dest: document` or `Sec-Fetch-Mode: navigate`.
    pub navigation: bool,
    /// Value of the visitor cookie.
    pub visitor_cookie: Option<&'a str>,
    /// Whether the domain keeps one.
    pub cookies: CookiePolicy,
}

/// Which browser it was, and whether it has to be told.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Visitor {
    /// The visitor of the record.
    pub(super) id: Option<VisitorId>,
    /// The cookie to set: only a new one. One that is known keeps its end, so no visit prolongs it.
    pub(super) set: Option<VisitorId>,
}

impl<'a> Client<'a> {
    /// Whether the browser asked for privacy and the policy honours it.
    pub fn is_private(&self, policy: PrivacyPolicy) -> bool {
        (self.gpc && policy.honours_gpc) || (self.dnt && policy.honours_dnt)
    }

    /// What classification reads.
    pub fn facts(&self) -> ClientFacts<'a> {
        ClientFacts {
            user_agent: self.user_agent.and_then(|ua| clean(ua, USER_AGENT_LEN_MAX)),
            referrer_host: self.referrer.and_then(host_of),
            address: self.address,
            head: self.head,
            prefetch: self.prefetch,
            accept_language: self.accept_language,
            navigation: self.navigation,
        }
    }

    /// The visitor by its cookie; a new one where the cookie is missing or malformed and `may_set`.
    pub(super) fn visitor(&self, private: bool, may_set: bool, now: UtcMillis, random: [u8; 10]) -> Visitor {
        if private || self.cookies == CookiePolicy::Off {
            return Visitor::default();
        }
        if let Some(known) = self.visitor_cookie.and_then(|value| value.parse().ok()) {
            return Visitor { id: Some(known), set: None };
        }
        let made = may_set.then(|| VisitorId::new(now, random));
        Visitor { id: made, set: made }
    }
}

/// Text without control characters and surrounding space, cut to `max` bytes; `None` if nothing is left.
pub(super) fn clean(text: &str, max: usize) -> Option<Cow<'_, str>> {
    let trimmed = text.trim();
    let kept = trimmed.get(..trimmed.floor_char_boundary(max)).unwrap_or_default();
    // Nearly all is plain ASCII; that is a pass over bytes and no copy. To its end in any case: the processor then looks
    // at many bytes at once.
    let is_plain = kept.bytes().fold(true, |is_plain, b| is_plain & (b' '..0x7f).contains(&b));
    let clean = if is_plain { Cow::Borrowed(kept) } else { kept.chars().filter(|c| !c.is_control()).collect() };
    (!clean.is_empty()).then_some(clean)
}

/// The lower-case host of an address, without credentials and port; also of `android-app://…`.
pub(super) fn host_of(address: &str) -> Option<Cow<'_, str>> {
    split_address(address).map(|(host, _)| host)
}

/// Host and path of an address, without its query.
pub(super) fn page_of(address: &str, max: usize) -> Option<String> {
    let (host, path) = split_address(address)?;
    clean(&(host + path), max).map(Cow::into_owned)
}

/// Host and path of an address.
fn split_address(address: &str) -> Option<(Cow<'_, str>, &str)> {
    // By bytes: all that is sought is ASCII, and every click passes here.
    let bytes = address.as_bytes();
    let start = bytes.windows(3).position(|w| w == b"://")? + 3;
    let end_of = |from: usize, ends: &[u8]| {
        bytes.iter().skip(from).position(|b| ends.contains(b)).map_or(bytes.len(), |len| from + len)
    };
    let path_at = end_of(start, b"/?#\\");
    let path = address.get(path_at..end_of(path_at, b"?#"))?;
    let authority = address.get(start..path_at)?;
    let host_at = authority.bytes().rposition(|b| b == b'@').map_or(0, |at| at + 1);
    let host_and_port = authority.get(host_at..)?;
    let host_end = match host_and_port.as_bytes().first() {
        Some(b'[') => host_and_port.bytes().position(|b| b == b']')?,
        _ => host_and_port.bytes().position(|b| b == b':').unwrap_or(host_and_port.len()),
    };
    let host = host_and_port.get(..host_end)?.trim_start_matches('[');
    let is_plain = host.bytes().all(|b| b.is_ascii_graphic());
    let legal = (1..=HOST_LEN_MAX).contains(&host.len())
        && (is_plain || !host.chars().any(|c| c.is_control() || c.is_whitespace()));
    let is_lower = !host.bytes().any(|b| b.is_ascii_uppercase());
    legal.then(|| (if is_lower { host.into() } else { host.to_ascii_lowercase().into() }, path))
}

/// Network click ids in a query, the first of each name, under the network's own spelling.
pub(super) fn network_ids(query: &str) -> Vec<NetworkClickId> {
    let mut found: Vec<NetworkClickId> = Vec::new();
    if query.len() > VISITOR_QUERY_LEN_MAX {
        return found;
    }
    for pair in query.split('&') {
        let name = pair.split('=').next().unwrap_or_default();
        let Some(param) = NETWORK_CLICK_ID_PARAMS.iter().find(|p| p.eq_ignore_ascii_case(name)) else { continue };
        let Some((_, value)) = url::form_urlencoded::parse(pair.as_bytes()).next() else { continue };
        let legal = (1..=NETWORK_ID_LEN_MAX).contains(&value.len()) && !value.chars().any(char::is_control);
        if legal && !found.iter().any(|id| id.param == *param) {
            found.push(NetworkClickId { param: (*param).to_owned(), value: value.into_owned() });
        }
    }
    found
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A browser that clicks.
    pub(in crate::tracking) fn browser() -> Client<'static> {
        Client {
            user_agent: Some("Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"),
            referrer: Some("https://www.linkedin.com/feed/?id=1"),
            address: Some(IpAddr::from([192, 0, 2, 1])),
            head: false,
            gpc: false,
            dnt: false,
            prefetch: false,
            accept_language: true,
            navigation: true,
            visitor_cookie: None,
            cookies: CookiePolicy::On,
        }
    }

    #[test]
    fn text_is_cut_at_a_character_and_has_no_control_characters() {
        let long = "é".repeat(300);
        assert_eq!(clean(&long, 511).map(|t| t.len()), Some(510));
        assert_eq!(clean(" a\0b\r\n\u{85}c ", 10).as_deref(), Some("abc"));
        assert_eq!(clean("  \0 ", 10), None);
        let facts = Client { user_agent: Some(&long), ..browser() }.facts();
        assert_eq!(facts.user_agent.map(|t| t.len()), Some(512));
    }

    #[test]
    fn hosts_are_read_from_any_address() {
        for (address, host) in [
            ("https://WWW.LinkedIn.com/feed?x=1", Some("www.linkedin.com")),
            ("https://user:secret@example.com:8443/a", Some("example.com")),
            ("android-app://com.linkedin.android/", Some("com.linkedin.android")),
            ("http://[2001:DB8::1]:80/x", Some("2001:db8::1")),
            ("https://example.com?q=https://other.example/", Some("example.com")),
            ("https://example.com", Some("example.com")),
            ("about:blank", None),
            ("https:///path", None),
            ("https://a b/", None),
            ("https://a\0b/", None),
        ] {
            assert_eq!(host_of(address).as_deref(), host, "{address}");
        }
        assert_eq!(host_of(&format!("https://{}/", "a".repeat(256))), None);
    }

    #[test]
    fn network_ids_are_bounded_and_spelled_as_the_network_does() {
        let ids = network_ids("a=1&FBCLID=Iw%2BX&fbclid=second&sccid=s&gclid=&li_fat_id=a%00b&ttclid&msclkid=m");
        let pairs: Vec<_> = ids.iter().map(|id| (id.param.as_str(), id.value.as_str())).collect();
        assert_eq!(pairs, [("fbclid", "Iw+X"), ("ScCid", "s"), ("msclkid", "m")]);
        assert_eq!(network_ids(&format!("fbclid={}", "x".repeat(500))).len(), 1);
        assert!(network_ids(&format!("fbclid={}", "x".repeat(501))).is_empty());
        assert!(network_ids(&format!("fbclid=x&a={}", "x".repeat(4_096))).is_empty());
    }
}
