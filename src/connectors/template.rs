//! Texts put together from several places: `hubspot:{/portalId}:{/eventId}`.

use super::moment;
use super::place::{Place, Scope, TEXT_MAX};
use crate::domain::fault::{Fault, shown};
use crate::domain::person::is_placeholder;

/// Literals and places in turn. Where one place holds nothing, the whole is nothing: half an id names something else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Template(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Literal(String),
    Place(Place, Vec<Filter>),
}

/// What is done to a value on its way into a template.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Filter {
    /// A time in any offset as UTC, to the second: the same instant makes the same id.
    Utc,
    /// What follows the last colon, `123` of `urn:li:sponsoredCampaign:123`.
    Last,
    /// Lower case.
    Lower,
    /// Percent-encoded as one segment of a path or one value of a query.
    Url,
    /// Only an address.
    Email,
    /// Anything but an address: what people use as user ids.
    NotEmail,
    /// A Salesforce id in its 18 characters, as some senders give 15.
    SalesforceId,
    /// What stands in where the place holds nothing.
    Or(String),
}

impl Template {
    /// Whether a text is meant as a template.
    pub(super) fn looks_like(text: &str) -> bool {
        text.contains('{')
    }

    pub(super) fn parse(text: &str) -> Result<Self, Fault> {
        let malformed = || {
            Fault::new(
                "pointer",
                "template-malformed",
                format!("{} is no template; write places in braces, as deal:{{/id}}", shown(text)),
            )
        };
        if text.len() > TEXT_MAX {
            return Err(malformed());
        }
        let (mut parts, mut rest) = (Vec::new(), text);
        while let Some((literal, after)) = rest.split_once('{') {
            let (inside, tail) = after.split_once('}').ok_or_else(malformed)?;
            let mut words = inside.split('|');
            let place = Place::parse(words.next().unwrap_or_default())?;
            let filters = words.map(|w| filter(w).ok_or_else(malformed)).collect::<Result<_, _>>()?;
            parts.push(Part::Literal(literal.to_owned()));
            parts.push(Part::Place(place, filters));
            rest = tail;
        }
        if rest.contains('}') || parts.is_empty() {
            return Err(malformed());
        }
        parts.push(Part::Literal(rest.to_owned()));
        Ok(Self(parts))
    }

    pub(super) fn places(&self) -> impl Iterator<Item = &Place> {
        self.0.iter().filter_map(|part| match part {
            Part::Literal(_) => None,
            Part::Place(place, _) => Some(place),
        })
    }

    pub(super) fn text(&self, scope: &Scope<'_>) -> Result<Option<String>, Fault> {
        let mut text = String::new();
        for part in &self.0 {
            match part {
                Part::Literal(literal) => text.push_str(literal),
                Part::Place(place, filters) => {
                    let mut values = place.texts(scope)?.into_iter();
                    let value = values.find(|v| !is_placeholder(v));
                    match filters.iter().try_fold(value, filtered)? {
                        Some(value) => text.push_str(&value),
                        None => return Ok(None),
                    }
                }
            }
        }
        Ok(Some(text).filter(|t| !t.is_empty()))
    }
}

fn filter(word: &str) -> Option<Filter> {
    match word {
        "utc" => Some(Filter::Utc),
        "last" => Some(Filter::Last),
        "lower" => Some(Filter::Lower),
        "url" => Some(Filter::Url),
        "email" => Some(Filter::Email),
        "not-email" => Some(Filter::NotEmail),
        "salesforce-id" => Some(Filter::SalesforceId),
        _ => word.strip_prefix("or:").map(|text| Filter::Or(text.to_owned())),
    }
}

fn filtered(value: Option<String>, filter: &Filter) -> Result<Option<String>, Fault> {
    let Some(text) = value else {
        return Ok(match filter {
            Filter::Or(text) => Some(text.clone()),
            _ => None,
        });
    };
    let is_address = text.contains('@');
    Ok(Some(match filter {
        Filter::Email if !is_address => return Ok(None),
        Filter::NotEmail if is_address => return Ok(None),
        Filter::Email | Filter::NotEmail => text,
        Filter::Utc => moment::utc_second(&text)?,
        Filter::Last => text.rsplit(':').next().unwrap_or_default().to_owned(),
        Filter::Lower => text.to_lowercase(),
        Filter::Url => url_segment(&text),
        Filter::SalesforceId => salesforce_id(&text),
        Filter::Or(_) => text,
    }))
}

/// Percent-encodes everything but unreserved characters (RFC 3986), so that an id cannot leave its place in a path.
fn url_segment(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_~".contains(&byte) || (byte == b'.' && text != "." && text != "..") {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

/// The 18-character form of a Salesforce id: three check characters, each the base32 of which of five are capitals.
fn salesforce_id(text: &str) -> String {
    const DIGITS: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ012345";
    if text.len() != 15 || !text.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return text.to_owned();
    }
    let check = text.as_bytes().chunks(5).map(|five| {
        let bits = five.iter().rev().fold(0_usize, |bits, b| bits << 1 | usize::from(b.is_ascii_uppercase()));
        DIGITS.get(bits).copied().map_or('A', char::from)
    });
    text.chars().chain(check).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::connectors::request::Request;
    use crate::domain::time::UtcMillis;

    fn text(template: &str, item: &Value) -> Option<String> {
        let request = Request { method: "POST", url: "", headers: &[], body: b"", received_at: UtcMillis(0) };
        let scope = Scope { item, root: item, request: &request, message_id: None, delivered: None };
        Template::parse(template).unwrap_or_else(|f| panic!("{f}")).text(&scope).unwrap_or_else(|f| panic!("{f}"))
    }

    #[test]
    fn templates_are_whole_or_nothing() {
        let item = json!({ "id": 9_007_199_254_740_993_u64, "urn": "urn:li:x:12", "at": "2026-10-05T04:14:00-05:00", "bad": "../a b", "sf": "00Q5f00000AbCdE", "none": null });
        for (template, expected) in [
            ("deal:{/id}", Some("deal:9007199254740993")),
            ("{/urn|last}:{/at|utc}", Some("12:2026-10-05T09:14:00Z")),
            ("/x/{/bad|url}", Some("/x/..%2Fa%20b")),
            ("{/sf|salesforce-id}", Some("00Q5f00000AbCdEEAV")),
            ("{/none|or:0}", Some("0")),
            ("{/none}:{/id}", None),
        ] {
            assert_eq!(text(template, &item).as_deref(), expected, "{template}");
        }
        for bad in ["{/a", "a}", "{/a|sideways}", "{a}", "}{"] {
            assert!(Template::parse(bad).is_err(), "{bad}");
        }
    }
}
