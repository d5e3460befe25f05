//! Which headers of a request are stored with it: all, but for what is secret and for addresses of clients.
//!
//! Never kept, whoever reads it:
//!
//! - headers that carry a proof itself: `authorization`, and what a preset says a token stands in. A signature is no
//!   secret, as it proves one body and nothing else, so it stays;
//! - headers that name a client's address, and lists of addresses under any name (invariant 8);
//! - values that hold a live secret, as it is or in the base64 of Basic authentication, or the token of the endpoint's
//!   own URL, as `referer` and what a proxy rewrites may.
//!
//! Not kept, unless a preset takes the message's id from it: headers of which one whole word, between `-`, `_` and `.`,
//! says that they hold a secret (`SECRET_WORDS`). Whole words, so that `x-tokenized` stays, and so that the rule can be
//! told from a name alone.
//!
//! What a reading or a proof needs is kept, however much it is; the rest as far as the bounds allow, by name, so that the
//! same request is always kept alike: the server hands headers over in no order but that of one name's values.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;

use super::request::TARGET;
use super::secrets::PlainSecret;

/// Most headers that are kept beside those that are needed.
const HEADERS_MAX: usize = 64;
/// Most bytes of their names and values together.
const BYTES_MAX: usize = 16 * 1024;
/// Shortest text that is searched for as a secret: anything may hold a shorter one by chance.
const SECRET_MIN: usize = 8;

/// Words of a header's name that say it holds a secret; those in one piece are written so by their senders.
const SECRET_WORDS: &[&str] = &[
    "accesskey",
    "accesstoken",
    "apikey",
    "auth",
    "authentication",
    "authkey",
    "authorization",
    "authtoken",
    "bearer",
    "cookie",
    "cookie2",
    "cookies",
    "credential",
    "credentials",
    "csrf",
    "csrftoken",
    "jwt",
    "key",
    "keys",
    "otp",
    "passphrase",
    "passwd",
    "password",
    "privatekey",
    "pwd",
    "secret",
    "secretkey",
    "secrets",
    "session",
    "sessionid",
    "sessions",
    "sessiontoken",
    "sid",
    "token",
    "tokens",
    "xsrf",
];
/// Words of a header's name that say it holds the address of a client.
const ADDRESS_WORDS: &[&str] =
    &["addr", "address", "clientip", "ip", "ips", "ipv4", "ipv6", "realip", "remoteip", "socketip", "userip"];

/// The headers of a request that are stored with it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeptHeaders {
    /// Names in lower case and values, by name; those of one name in the order they came.
    pub headers: Vec<(String, String)>,
    /// How many more could have been kept, but for the bounds.
    pub left_out: u64,
}

/// What a connector knows of headers.
#[derive(Debug, Default)]
pub(super) struct Known<'a> {
    /// Those that a reading or a proof needs.
    pub(super) needed: BTreeSet<&'a str>,
    /// Those with the sender's id of the message.
    pub(super) message_ids: BTreeSet<&'a str>,
    /// Those that carry a proof itself.
    pub(super) proofs: BTreeSet<&'a str>,
    /// What no value may hold.
    pub(super) secrets: Vec<&'a [u8]>,
}

/// The headers that are stored of a request which no connector reads: a call of our own API.
pub fn kept_of_call(headers: &[(String, String)]) -> KeptHeaders {
    kept(headers, &Known::default())
}

pub(super) fn kept(headers: &[(String, String)], known: &Known<'_>) -> KeptHeaders {
    let (mut kept, mut left_out) = (Vec::new(), 0);
    let (mut number, mut bytes) = (0, 0);
    let mut told: Vec<_> = headers.iter().filter(|(name, value)| known.may_keep(name, value)).collect();
    told.sort_by_key(|(name, _)| name);
    for (name, value) in told {
        if !known.is_needed(name) {
            let with = bytes + name.len() + value.len();
            if number == HEADERS_MAX || with > BYTES_MAX {
                left_out += 1;
                continue;
            }
            (number, bytes) = (number + 1, with);
        }
        kept.push((name.clone(), value.clone()));
    }
    KeptHeaders { headers: kept, left_out }
}

impl Known<'_> {
    fn is_needed(&self, name: &str) -> bool {
        self.needed.contains(name) || self.message_ids.contains(name)
    }

    fn may_keep(&self, name: &str, value: &str) -> bool {
        let is_secret = self.proofs.contains(name)
            || names_secret(name) && !self.message_ids.contains(name)
            || self.secrets.iter().any(|secret| holds(value.as_bytes(), secret));
        // What follows the token in the URL is kept beside the headers, and the host is our own name.
        let is_address = names_address(name) || (name != "host" && lists_addresses(value));
        name != TARGET && !is_secret && !is_address
    }
}

/// What of a secret could stand in a header: itself, without its prefix, its password, and all of them in base64.
pub(super) fn traces(secret: &str) -> Vec<PlainSecret> {
    let secret = secret.trim();
    let parts = [Some(secret), secret.strip_prefix("whsec_"), secret.split_once(':').map(|(_, password)| password)];
    let mut traces = Vec::new();
    for part in parts.into_iter().flatten().filter(|part| part.len() >= SECRET_MIN) {
        // Whole groups of three bytes: the letters after them depend on what follows the secret.
        let grouped = part.as_bytes().get(..part.len() / 3 * 3).unwrap_or_default();
        traces.extend([part.to_owned(), STANDARD_NO_PAD.encode(grouped)].map(|text| PlainSecret(text.into_bytes())));
    }
    traces
}

/// Whether a value holds a secret; one that is too short to be told from chance is none.
fn holds(value: &[u8], secret: &[u8]) -> bool {
    secret.len() >= SECRET_MIN && value.windows(secret.len()).any(|part| part == secret)
}

fn words(name: &str) -> impl Iterator<Item = &str> {
    name.split(|c: char| !c.is_ascii_alphanumeric())
}

fn names_secret(name: &str) -> bool {
    // The one key of a delivery that is made to be repeated.
    let is_idempotency = words(name).any(|word| word == "idempotency");
    words(name).any(|word| SECRET_WORDS.contains(&word) && !(word == "key" && is_idempotency))
}

fn names_address(name: &str) -> bool {
    let is_forwarded_for = words(name).any(|word| word == "for") || words(name).last() == Some("forwarded");
    is_forwarded_for || words(name).any(|word| ADDRESS_WORDS.contains(&word))
}

/// Whether one of a value's parts between commas and semicolons is an address, with or without a name and a port.
fn lists_addresses(value: &str) -> bool {
    value.split([',', ';']).any(|part| {
        let part = part.rsplit('=').next().unwrap_or_default().trim().trim_matches('"');
        let bare = part.strip_prefix('[').and_then(|p| p.strip_suffix(']')).unwrap_or(part);
        bare.parse::<IpAddr>().is_ok() || part.parse::<SocketAddr>().is_ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
        list.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect()
    }

    fn names(kept: &KeptHeaders) -> Vec<&str> {
        kept.headers.iter().map(|(name, _)| name.as_str()).collect()
    }

    #[test]
    fn secrets_and_addresses_go_by_their_names_and_everything_else_stays() {
        let gone = [
            "authorization",
            "proxy-authorization",
            "x-forwarded-authorization",
            "cookie",
            "set-cookie",
            "x-api-key",
            "api_key",
            "x-apikey",
            "x-auth-token",
            "x-csrf-token",
            "x-hook-secret",
            "x.session.id",
            "x-password",
            "x-client-credentials",
            "x-goog-iap-jwt-assertion",
            "forwarded",
            "x-forwarded-for",
            "x-original-forwarded-for",
            "x-real-ip",
            "cf-connecting-ip",
            "cf-connecting-ipv6",
            "true-client-ip",
            "fastly-client-ip",
            "x-cluster-client-ip",
            "x-azure-clientip",
            "remote-addr",
            "cloudfront-viewer-address",
        ];
        let stays = [
            "host",
            "content-type",
            "user-agent",
            "x-hub-signature-256",
            "x-shopify-hmac-sha256",
            "webhook-timestamp",
            "idempotency-key",
            "x-tokenized",
            "keyboard",
            "x-authored-by",
            "x-forwarded-proto",
            "x-forwarded-host",
            "x-shipping-zip",
            "traceparent",
        ];
        let told: Vec<(&str, &str)> = gone.iter().chain(&stays).map(|name| (*name, "value")).collect();
        let kept = kept(&pairs(&told), &Known::default());
        assert_eq!(names(&kept).into_iter().collect::<BTreeSet<_>>(), BTreeSet::from(stays));
        assert_eq!(kept.left_out, 0, "what is secret is not counted as cut");
        let told = pairs(&[("link", "b"), ("via", "x"), ("link", "a"), ("age", "1")]);
        let by_name = pairs(&[("age", "1"), ("link", "b"), ("link", "a"), ("via", "x")]);
        assert_eq!(kept_of_call(&told).headers, by_name);
    }

    #[test]
    fn a_secret_or_an_address_goes_under_any_name() {
        let secret = traces("user:correct-horse-battery");
        let known = Known { secrets: secret.iter().map(|s| s.0.as_slice()).collect(), ..Known::default() };
        for (name, value) in [
            ("x-note", "user:correct-horse-battery"),
            ("x-note", "it is correct-horse-battery, really"),
            ("x-forwarded-basic", "Basic dXNlcjpjb3JyZWN0LWhvcnNlLWJhdHRlcnk="),
            ("x-peer", "203.0.113.9"),
            ("x-peer", "unknown, 203.0.113.9:4711"),
            ("x-peer", "for=\"[2001:db8::1]:443\";proto=https"),
            ("x-peer", "[2001:db8::1]"),
        ] {
            assert_eq!(names(&kept(&pairs(&[(name, value)]), &known)), [""; 0], "{name}: {value}");
        }
        for (name, value) in [
            ("user-agent", "Mozilla/5.0 (like 1.2.3.4) x/120.0.6099.109"),
            ("host", "203.0.113.9:8080"),
            ("date", "Sun, 22 Nov 2026 10:00:00 GMT"),
            ("x-note", "correct horse battery"),
            ("x-note", ""),
        ] {
            assert_eq!(names(&kept(&pairs(&[(name, value)]), &known)), [name], "{name}: {value}");
        }
        assert!(traces("short").is_empty() && !holds(b"anything", b""));
    }

    #[test]
    fn beyond_the_bounds_what_is_read_stays_and_the_rest_is_counted() {
        let mut told: Vec<(String, String)> = (0..100).map(|n| (format!("x-{n}"), "v".to_owned())).collect();
        told.push(("z-event".to_owned(), "e".repeat(20_000)));
        let known = Known { needed: BTreeSet::from(["z-event"]), ..Known::default() };
        let many = kept(&told, &known);
        assert_eq!((many.headers.len(), many.left_out), (HEADERS_MAX + 1, 36));
        assert_eq!(many.headers.last().map(|(name, _)| name.as_str()), Some("z-event"));
        let long = pairs(&[("x-long", &"l".repeat(BYTES_MAX)), ("x-short", "s")]);
        let kept = kept(&long, &known);
        assert_eq!((names(&kept), kept.left_out), (vec!["x-short"], 1), "a value is never cut in two");
    }
}
