//! Where a link leads, and how the tracked address is put together.
//!
//! Invariant 7: the destination is one that an authorised user stored, the
//! owner's UTM wins over the visitor's query, and there is no open redirect.

use url::Url;

use super::fault::{Fault, shown};
use super::utm::UTM_NAMES;

/// Longest destination and longest visitor query that is passed on, in bytes.
pub const DESTINATION_LEN_MAX: usize = 2_048;
/// A visitor's query beyond this is not passed on; the redirect goes through all the same.
pub const VISITOR_QUERY_LEN_MAX: usize = 4_096;

/// A checked destination, with what was taken out of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Destination {
    /// The address without our own parameters.
    pub url: String,
    /// Names of our own parameters that were stripped; the caller tells the user.
    pub stripped: Vec<String>,
}

impl Destination {
    /// Checks an address: http or https, a host, no credentials, no control characters, at most 2048 bytes.
    pub fn parse(text: &str, click_id_param: &str) -> Result<Self, Fault> {
        let fault = |code: &str, why: String| Fault::new("destination", code, why);
        let trimmed = text.trim();
        if trimmed.len() > DESTINATION_LEN_MAX {
            return Err(fault(
                "destination-too-long",
                format!("it has {} bytes; the limit is {DESTINATION_LEN_MAX}", trimmed.len()),
            ));
        }
        if trimmed.chars().any(char::is_control) {
            return Err(fault(
                "destination-control-characters",
                "it holds a control character (a line break or a tab); paste the address again on one line".into(),
            ));
        }
        let mut url = Url::parse(trimmed).map_err(|why| {
            fault(
                "destination-malformed",
                format!(
                    "{} is not a web address ({why}); write it in full, such as https://example.com/page",
                    shown(trimmed)
                ),
            )
        })?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(fault(
                "destination-scheme",
                format!("the scheme `{}` is not allowed; use https or http", url.scheme()),
            ));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(fault(
                "destination-credentials",
                "it carries a user name or password, which every visitor would see; remove the part before the @"
                    .into(),
            ));
        }
        let stripped = strip_own(&mut url, click_id_param);
        Ok(Self { url: url.into(), stripped })
    }
}

/// Removes `utm_*` and the click id parameter, keeping the rest of the query byte for byte.
fn strip_own(url: &mut Url, click_id_param: &str) -> Vec<String> {
    let Some(query) = url.query().map(str::to_owned) else { return Vec::new() };
    let (own, kept): (Vec<&str>, Vec<&str>) =
        query.split('&').partition(|pair| is_own_name(&decoded_name(pair), click_id_param));
    if !own.is_empty() {
        let rest = kept.join("&");
        url.set_query(if rest.is_empty() { None } else { Some(&rest) });
    }
    own.into_iter().map(decoded_name).collect()
}

fn decoded_name(pair: &str) -> String {
    url::form_urlencoded::parse(pair.as_bytes()).next().map(|(name, _)| name.into_owned()).unwrap_or_default()
}

fn is_own_name(name: &str, click_id_param: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    UTM_NAMES.contains(&lower.as_str()) || lower == click_id_param
}

/// A destination prepared for redirects: everything but the click id and the visitor's own query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PreparedTarget {
    /// The address up to and including `hw_id=`.
    head: String,
    /// `#fragment`, or nothing.
    fragment: String,
    /// Query names of the destination itself, which a visitor cannot override.
    owner_names: Vec<String>,
    click_id_param: String,
    passes_query: bool,
}

impl PreparedTarget {
    /// Joins a stored destination with the link's tags, in the given order.
    pub fn new(destination: &str, tags: &[(&str, &str)], click_id_param: &str, passes_query: bool) -> Self {
        let (base, fragment) = match destination.split_once('#') {
            Some((base, fragment)) => (base, format!("#{fragment}")),
            None => (destination, String::new()),
        };
        let owner_names = base
            .split_once('?')
            .map_or_else(Vec::new, |(_, query)| query.split('&').filter(|p| !p.is_empty()).map(decoded_name).collect());
        let mut head = base.to_owned();
        head.push(match base.split_once('?') {
            None => '?',
            Some((_, "")) => '\0',
            Some(_) => '&',
        });
        let mut head = head.replace('\0', "");
        for (name, value) in tags {
            head.push_str(name);
            head.push('=');
            head.extend(url::form_urlencoded::byte_serialize(value.as_bytes()));
            head.push('&');
        }
        head.push_str(click_id_param);
        head.push('=');
        Self { head, fragment, owner_names, click_id_param: click_id_param.to_owned(), passes_query }
    }

    /// The address for one click: destination, tags, click id, then what the visitor brought and may keep.
    pub fn location(&self, click_id: &str, visitor_query: &str) -> String {
        let passed = if self.passes_query && visitor_query.len() <= VISITOR_QUERY_LEN_MAX { visitor_query } else { "" };
        let mut out = String::with_capacity(self.head.len() + click_id.len() + passed.len() + self.fragment.len() + 1);
        out.push_str(&self.head);
        out.push_str(click_id);
        for pair in passed.split('&').filter(|p| !p.is_empty() && self.may_pass(p)) {
            out.push('&');
            out.push_str(pair);
        }
        out.push_str(&self.fragment);
        out
    }

    fn may_pass(&self, pair: &str) -> bool {
        // The request line cannot carry these; an in-process caller could, and a Location must not.
        if pair.bytes().any(|b| b <= b' ' || b == b'#' || b >= 0x7f) {
            return false;
        }
        let name = decoded_name(pair);
        !is_own_name(&name, &self.click_id_param) && !self.owner_names.contains(&name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_checked_with_the_reason() {
        for (text, code) in [
            ("javascript:alert(1)", "destination-scheme"),
            ("ftp://example.com/", "destination-scheme"),
            ("https://user:pw@example.com/", "destination-credentials"),
            ("example.com", "destination-malformed"),
            ("https://exa\nmple.com/", "destination-control-characters"),
            ("https://", "destination-malformed"),
        ] {
            assert_eq!(Destination::parse(text, "hw_id").expect_err(text).code, code);
        }
        let long = format!("https://example.com/{}", "a".repeat(3_000));
        assert_eq!(Destination::parse(&long, "hw_id").expect_err("long").code, "destination-too-long");
    }

    #[test]
    fn our_own_parameters_are_stripped_and_named() {
        let d = Destination::parse("https://example.com/p?a=1&utm_source=x&b=%20&HW_ID=1#f", "hw_id").expect("ok");
        assert_eq!(d.url, "https://example.com/p?a=1&b=%20#f");
        assert_eq!(d.stripped, ["utm_source", "HW_ID"]);
        assert!(Destination::parse("https://example.com/?a=1", "hw_id").expect("ok").stripped.is_empty());
    }

    #[test]
    fn locations_keep_query_and_fragment_and_never_lose_the_owners_tags() {
        let tags = [("utm_source", "linkedin"), ("utm_campaign", "a&b")];
        let t = PreparedTarget::new("https://e.com/p?a=1#top", &tags, "hw_id", true);
        assert_eq!(
            t.location("clk_1", ""),
            "https://e.com/p?a=1&utm_source=linkedin&utm_campaign=a%26b&hw_id=clk_1#top"
        );
        assert_eq!(
            t.location("clk_1", "utm_source=evil&UTM_MEDIUM=evil&utm%5Fsource=evil&hw_id=2&a=9&fbclid=x%20y&&flag"),
            "https://e.com/p?a=1&utm_source=linkedin&utm_campaign=a%26b&hw_id=clk_1&fbclid=x%20y&flag#top"
        );
        let bare = PreparedTarget::new("https://e.com/", &[], "hw_id", true);
        assert_eq!(bare.location("c", &"q".repeat(16_384)), "https://e.com/?hw_id=c");
        let closed = PreparedTarget::new("https://e.com/?", &[], "hw_id", false);
        assert_eq!(closed.location("c", "x=1"), "https://e.com/?hw_id=c");
    }
}
