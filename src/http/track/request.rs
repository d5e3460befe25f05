//! What a tracking request says, read in one pass over its headers.

use actix_http::RequestHead;
use actix_http::header::{HeaderMap, HeaderValue};
use actix_web::http::Method;

use crate::http::client_address::client_address;
use crate::http::state::State;
use crate::tracking::facts::{Client, Random};

/// The visitor cookie.
pub(super) const VISITOR_COOKIE: &str = "hw_visitor";

/// The turn of the worker that a request is on, as handlers ask for it.
pub(super) type ThisTurn = actix_web::web::ThinData<std::rc::Rc<super::Turn>>;

/// Random bytes for the ids of one request.
pub(super) fn random() -> Random {
    Random { touch: rand::random(), visitor: rand::random() }
}

/// Reads a request's headers. A header that is no UTF-8 text reads as absent.
pub(super) fn client<'a>(head: &'a RequestHead, state: &State) -> Client<'a> {
    let mut client = Client {
        user_agent: None,
        referrer: None,
        address: client_address(head, &state.config.server.trusted_proxies),
        head: head.method == Method::HEAD,
        gpc: false,
        dnt: false,
        prefetch: false,
        accept_language: false,
        navigation: false,
        visitor_cookie: None,
        cookies: state.cookie_policy(),
    };
    for (name, value) in head.headers() {
        match name.as_str() {
            "user-agent" => client.user_agent = text(value),
            "referer" => client.referrer = text(value),
            "accept-language" => client.accept_language = true,
            "cookie" => client.visitor_cookie = client.visitor_cookie.or_else(|| visitor(value)),
            "sec-gpc" => client.gpc = value == "1",
            "dnt" => client.dnt = value == "1",
            "sec-fetch-dest" => client.navigation |= value == "document",
            "sec-fetch-mode" => client.navigation |= value == "navigate",
            "sec-purpose" | "purpose" | "x-moz" | "x-purpose" => {
                client.prefetch |= says(value, &["prefetch", "preview", "prerender"]);
            }
            _ => {}
        }
    }
    client
}

/// A header's text, if it has one.
pub(super) fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(text)
}

fn text(value: &HeaderValue) -> Option<&str> {
    // Not `to_str`, which looks at each byte by itself; what a record keeps is cleaned of control characters later.
    std::str::from_utf8(value.as_bytes()).ok()
}

fn says(value: &HeaderValue, words: &[&str]) -> bool {
    text(value).is_some_and(|v| words.iter().any(|word| v.contains(word)))
}

/// The visitor cookie among all of a header's.
fn visitor(cookies: &HeaderValue) -> Option<&str> {
    let mut pairs = text(cookies)?.split(';').filter_map(|pair| pair.trim_start().split_once('='));
    pairs.find(|(name, _)| *name == VISITOR_COOKIE).map(|(_, value)| value.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_visitor_is_found_among_other_cookies() {
        for (header, found) in [
            ("hw_visitor=a", Some("a")),
            ("x=1; hw_visitor=a ; y=2", Some("a")),
            ("x=1;hw_visitor=a;hw_visitor=b", Some("a")),
            ("not_hw_visitor=a", None),
            ("hw_visitor", None),
            ("", None),
        ] {
            assert_eq!(visitor(&HeaderValue::from_static(header)), found, "{header}");
        }
    }
}
