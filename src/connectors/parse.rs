//! Bodies into one form: JSON as it stands, forms with brackets and SOAP messages as nested objects.
//!
//! Everything is bounded: depth, members, items. What is beyond is a fault, never cut off in silence.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::request::Request;
use super::soap;
use crate::domain::fault::Fault;

/// Deepest nesting of a form's keys or of a SOAP message.
pub(super) const DEPTH_MAX: usize = 32;
/// Most fields of a form, most elements of a SOAP message.
pub(super) const MEMBERS_MAX: usize = 20_000;
/// Most items that one delivery may hold; the largest batch of a vendor we know is Meta's, of 1,000.
pub(super) const ITEMS_MAX: usize = 2_000;

/// How a body is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// JSON.
    #[default]
    Json,
    /// `application/x-www-form-urlencoded` with keys such as `contact[fields][x]`.
    Form,
    /// A Salesforce outbound message.
    Soap,
    /// JSON or a form, as its `Content-Type` says.
    JsonOrForm,
}

/// Reads a body into one value.
pub(super) fn parse(format: Format, request: &Request<'_>) -> Result<Value, Fault> {
    let is_form = request
        .header("content-type")
        .is_some_and(|t| t.to_ascii_lowercase().starts_with("application/x-www-form-urlencoded"));
    match format {
        Format::Json => json(request.body),
        Format::JsonOrForm if !is_form => json(request.body),
        Format::Form | Format::JsonOrForm => form(request.body),
        Format::Soap => soap::parse(request.body),
    }
}

fn json(body: &[u8]) -> Result<Value, Fault> {
    // Some senders begin with a byte order mark.
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    serde_json::from_slice(body).map_err(|why| {
        // Only the place: the parser's words may cite the body.
        let (line, column) = (why.line(), why.column());
        Fault::new(
            "body",
            "body-not-json",
            format!("it is not whole, valid JSON at line {line}, column {column}; send one JSON value in UTF-8"),
        )
    })
}

fn form(body: &[u8]) -> Result<Value, Fault> {
    let fault = |why: &str| Fault::new("body", "body-not-form", format!("{why}; send key=value&… in UTF-8"));
    if !body.is_ascii() || body.iter().any(u8::is_ascii_control) {
        return Err(fault("the form holds bytes that should be percent-encoded"));
    }
    let mut root = Map::new();
    for (count, (key, value)) in url::form_urlencoded::parse(body).enumerate() {
        if count >= MEMBERS_MAX {
            return Err(fault("the form has too many fields"));
        }
        let (head, rest) = key.split_once('[').unwrap_or((&key, ""));
        let mut path = vec![head];
        path.extend(rest.split('[').map(|part| part.strip_suffix(']').unwrap_or(part)).filter(|_| !rest.is_empty()));
        if path.len() > DEPTH_MAX {
            return Err(fault("a key of the form is nested too deeply"));
        }
        put(&mut root, &path, value.into_owned());
    }
    if root.is_empty() {
        return Err(fault("the form is empty"));
    }
    Ok(Value::Object(root))
}

/// Puts a value at `path`; an empty key appends to a list. Where a key is both a text and a part, the part stays.
fn put(object: &mut Map<String, Value>, path: &[&str], value: String) {
    let Some((key, rest)) = path.split_first() else { return };
    match rest {
        [] => {
            let slot = object.entry((*key).to_owned()).or_insert(Value::Null);
            if !slot.is_object() && !slot.is_array() {
                *slot = Value::String(value);
            }
        }
        [""] => {
            let slot = object.entry((*key).to_owned()).or_insert_with(|| Value::Array(Vec::new()));
            match slot {
                Value::Array(list) => list.push(Value::String(value)),
                other => *other = Value::Array(vec![Value::String(value)]),
            }
        }
        _ => {
            let slot = object.entry((*key).to_owned()).or_insert_with(|| Value::Object(Map::new()));
            if !slot.is_object() {
                *slot = Value::Object(Map::new());
            }
            if let Value::Object(inner) = slot {
                put(inner, rest, value);
            }
        }
    }
}

/// SHA-256 of a value in hex: the id of a message whose sender gives none.
pub(super) fn hash(value: &Value) -> String {
    let digest = Sha256::digest(value.to_string());
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn forms_nest_by_their_brackets() {
        let parsed =
            form(b"a=1&c%5Bid%5D=7&c%5Bf%5D%5Bx%20y%5D=%C3%B3&t%5B%5D=p&t%5B%5D=q&c=late&empty=").expect("form");
        assert_eq!(parsed, json!({ "a": "1", "c": { "id": "7", "f": { "x y": "ó" } }, "t": ["p", "q"], "empty": "" }));
        for bad in [&b""[..], b"a=\xff", b"a=\x01"] {
            assert_eq!(form(bad).expect_err("bad").code, "body-not-form");
        }
        let deep = format!("a{}=1", "[b]".repeat(100));
        assert!(form(deep.as_bytes()).is_err());
        assert!(form("a=1&".repeat(MEMBERS_MAX + 1).as_bytes()).is_err());
    }

    #[test]
    fn json_is_bounded_in_depth() {
        assert!(json(b"\xef\xbb\xbf{}").is_ok());
        let bomb = "[".repeat(100_000) + &"]".repeat(100_000);
        for bad in ["", "{", "[1] [2]", bomb.as_str()] {
            assert_eq!(json(bad.as_bytes()).expect_err("bad").code, "body-not-json");
        }
    }
}
