//! Where a link leads, and how the tracked address is put together.
//!
//! Invariant 7: the destination is one that an authorised user stored, the
//! owner's UTM wins over the visitor's query, and there is no open redirect.

use std::borrow::Cow;
use std::fmt;

use url::Url;

use super::fault::{Fault, shown};
use super::ids::TouchId;
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
            let why = match why {
                url::ParseError::RelativeUrlWithoutBase => "it does not begin with https://".to_owned(),
                other => other.to_string(),
            };
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
    own.into_iter().map(|pair| decoded_name(pair).into_owned()).collect()
}

fn decoded_name(pair: &str) -> Cow<'_, str> {
    url::form_urlencoded::parse(pair.as_bytes()).next().map(|(name, _)| name).unwrap_or_default()
}

fn is_own_name(name: &str, click_id_param: &str) -> bool {
    UTM_NAMES.iter().any(|own| own.eq_ignore_ascii_case(name)) || name.eq_ignore_ascii_case(click_id_param)
}

/// Tags as they stand in an address: `utm_source=linkedin&utm_medium=social`.
pub fn encode_tags(tags: &[(&str, &str)]) -> String {
    let mut out = String::new();
    for (name, value) in tags {
        out.push_str(if out.is_empty() { "" } else { "&" });
        out.push_str(name);
        out.push('=');
        out.extend(url::form_urlencoded::byte_serialize(value.as_bytes()));
    }
    out
}

/// Where a link leads, as a redirect needs it: views of texts that the link table keeps once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target<'a> {
    /// The stored destination, without our own parameters.
    pub destination: &'a str,
    /// Encoded tags of channel, campaign and post, each empty where there is none ([`encode_tags`]).
    pub tags: [&'a str; 3],
    /// The query parameter of the click id.
    pub click_id_param: &'a str,
    /// Whether the visitor's own query is passed on.
    pub passes_query: bool,
}

impl Target<'_> {
    /// Writes the address for one click: destination, tags, click id, then what the visitor brought and may keep.
    pub fn write_location(&self, out: &mut impl fmt::Write, click_id: TouchId, visitor_query: &str) -> fmt::Result {
        let (base, fragment) = match self.destination.split_once('#') {
            Some((base, fragment)) => (base, Some(fragment)),
            None => (self.destination, None),
        };
        let owner_query = base.split_once('?').map(|(_, query)| query);
        out.write_str(base)?;
        out.write_str(match owner_query {
            None => "?",
            Some("") => "",
            Some(_) => "&",
        })?;
        for tags in self.tags.into_iter().filter(|t| !t.is_empty()) {
            out.write_str(tags)?;
            out.write_char('&')?;
        }
        out.write_str(self.click_id_param)?;
        out.write_char('=')?;
        click_id.write(out)?;
        if self.passes_query && visitor_query.len() <= VISITOR_QUERY_LEN_MAX {
            let may_pass = |pair: &&str| !pair.is_empty() && self.may_pass(pair, owner_query.unwrap_or(""));
            for pair in visitor_query.split('&').filter(may_pass) {
                out.write_char('&')?;
                out.write_str(pair)?;
            }
        }
        if let Some(fragment) = fragment {
            out.write_char('#')?;
            out.write_str(fragment)?;
        }
        Ok(())
    }

    /// Bytes that the address needs at most, but for what the visitor brought.
    pub fn len_max(&self) -> usize {
        let tags: usize = self.tags.iter().map(|t| t.len() + 1).sum();
        self.destination.len() + tags + self.click_id_param.len() + TouchId::WIRE_LEN + 2
    }

    fn may_pass(&self, pair: &str, owner_query: &str) -> bool {
        // The request line cannot carry these; an in-process caller could, and a Location must not.
        if pair.bytes().any(|b| b <= b' ' || b == b'#' || b >= 0x7f) {
            return false;
        }
        let name = decoded_name(pair);
        let is_owners = |own: &str| !own.is_empty() && decoded_name(own) == name;
        !is_own_name(&name, self.click_id_param) && !owner_query.split('&').any(is_owners)
    }
}

#[cfg(test)]
mod tests {
    use super::super::time::UtcMillis;
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
        let id = TouchId::new(UtcMillis(1_750_000_000_000), [1; 10]);
        let location = |destination: &str, tags: [&str; 3], passes_query: bool, query: &str| {
            let target = Target { destination, tags, click_id_param: "hw_id", passes_query };
            let mut out = String::new();
            target.write_location(&mut out, id, query).expect("written");
            assert!(out.len() <= target.len_max() + query.len() + 1);
            out.replace(&id.to_string(), "ID")
        };
        let campaign = encode_tags(&[("utm_campaign", "a&b"), ("utm_id", "7")]);
        let tags = ["utm_source=linkedin", campaign.as_str(), ""];
        let tagged = "utm_source=linkedin&utm_campaign=a%26b&utm_id=7&hw_id=ID";
        assert_eq!(location("https://e.com/p?a=1#top", tags, true, ""), format!("https://e.com/p?a=1&{tagged}#top"));
        let evil = "utm_source=evil&UTM_MEDIUM=evil&utm%5Fsource=evil&hw_id=2&a=9&fbclid=x%20y&&flag";
        assert_eq!(
            location("https://e.com/p?a=1#top", tags, true, evil),
            format!("https://e.com/p?a=1&{tagged}&fbclid=x%20y&flag#top")
        );
        let none = ["", "", ""];
        assert_eq!(location("https://e.com/", none, true, &"q".repeat(16_384)), "https://e.com/?hw_id=ID");
        assert_eq!(location("https://e.com/?", none, false, "x=1"), "https://e.com/?hw_id=ID");
    }
}
