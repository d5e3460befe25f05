//! Where in a request one value is: the path language of presets and mappings.
//!
//! A JSON pointer (RFC 6901) with three additions. `[]` steps into a list or
//! stays at a single value, as XML and forms have it; `*` steps into every
//! element or member; `[name=x]` finds the elements of a list whose `name`
//! holds `x`. `/…` is below the item, `$/…` below the whole body, and `^/…`
//! below the delivery's item where a record is read that was looked up for it.

use serde_json::Value;

use super::request::{Request, parameter};
use super::scalar::{checked, text_of};
use crate::domain::fault::{Fault, shown};

/// Longest place, template or constant, in bytes.
pub(super) const TEXT_MAX: usize = 500;
/// Longest URL out of which a parameter is taken, in bytes.
const URL_MAX: usize = 8_192;
/// Most values looked at for one place, so that a hostile body cannot make a search slow.
const NODES_MAX: usize = 5_000;

/// What a place is read from.
#[derive(Clone, Copy)]
pub(super) struct Scope<'a> {
    pub(super) item: &'a Value,
    pub(super) root: &'a Value,
    pub(super) request: &'a Request<'a>,
    pub(super) message_id: Option<&'a str>,
    /// The delivery's item, where `item` is a record that was read for it.
    pub(super) delivered: Option<&'a Value>,
}

/// Where one value, or several of which the first that fits wins, may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    text: String,
    origin: Origin,
    steps: Vec<Step>,
    /// The parameter to take out of the URL that is found.
    parameter: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Origin {
    Item,
    Root,
    Delivered,
    Header(String),
    Query(String),
    PathEnd,
    Message,
    Received,
    Hash,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    /// A member or an element; `raw` is tried first, as names may hold brackets.
    Key { raw: String, key: String, brackets: Option<Bracket> },
    /// Every element of a list or member of an object.
    All,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Bracket {
    /// The elements of a list, or a single value.
    Each,
    /// The elements whose value at a path is the text; `@` is the item.
    Where { path: Vec<String>, is: String },
}

impl Place {
    pub(super) fn parse(text: &str) -> Result<Self, Fault> {
        let place = |origin, pointer: &str, parameter| {
            let steps = steps(pointer).ok_or_else(|| malformed(text))?;
            Ok(Self { text: text.to_owned(), origin, steps, parameter })
        };
        if text.len() > TEXT_MAX {
            return Err(malformed(text));
        }
        if let Some((name, rest)) = text.strip_prefix("query-of:").and_then(|t| t.split_once(':')) {
            let inner = Self::parse(rest)?;
            let parameter = Some(name.to_owned()).filter(|n| !n.is_empty());
            return Ok(Self { text: text.to_owned(), parameter, ..inner });
        }
        let name = |name: &str| (!name.is_empty()).then(|| name.to_ascii_lowercase()).ok_or_else(|| malformed(text));
        match text {
            "path:last" => place(Origin::PathEnd, "", None),
            "message" => place(Origin::Message, "", None),
            "received" => place(Origin::Received, "", None),
            "hash" => place(Origin::Hash, "", None),
            "@" => place(Origin::Item, "", None),
            _ => match (text.strip_prefix("header:"), text.strip_prefix("query:"), text.strip_prefix('$')) {
                (Some(header), _, _) => place(Origin::Header(name(header)?), "", None),
                (_, Some(query), _) if !query.is_empty() => place(Origin::Query(query.to_owned()), "", None),
                (_, _, Some(pointer)) if pointer.starts_with('/') => place(Origin::Root, pointer, None),
                _ if text.starts_with("^/") => place(Origin::Delivered, text.get(1..).unwrap_or_default(), None),
                _ if text.starts_with('/') || text == "[]" => place(Origin::Item, text, None),
                _ => Err(malformed(text)),
            },
        }
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// The header it reads, which then has to be kept.
    pub(super) fn header(&self) -> Option<&str> {
        match &self.origin {
            Origin::Header(name) => Some(name),
            Origin::Query(_) | Origin::PathEnd => Some(super::request::TARGET),
            _ => None,
        }
    }

    /// Whether it is a field of the body with one of these names.
    pub(super) fn ends_in(&self, names: &[&str]) -> bool {
        let is_named =
            |step: &Step| matches!(step, Step::Key { key, brackets: None, .. } if names.contains(&key.as_str()));
        self.parameter.is_none() && self.steps.last().is_some_and(is_named)
    }

    /// Whether it looks through several values, so that those which are no texts are passed over.
    pub(super) fn is_search(&self) -> bool {
        self.steps.iter().any(|s| matches!(s, Step::All | Step::Key { brackets: Some(_), .. }))
    }

    /// Whether it looks into every value of a part, where any text may stand.
    pub(super) fn is_wild(&self) -> bool {
        self.steps.contains(&Step::All)
    }

    /// The JSON values there, in the body's order.
    pub(super) fn values<'v>(&self, scope: &Scope<'v>) -> Vec<&'v Value> {
        self.values_to(scope, NODES_MAX)
    }

    /// The same after looking at `most` values.
    pub(super) fn values_to<'v>(&self, scope: &Scope<'v>, most: usize) -> Vec<&'v Value> {
        let from = match self.origin {
            Origin::Item => Some(scope.item),
            Origin::Root => Some(scope.root),
            Origin::Delivered => scope.delivered,
            _ => None,
        };
        let Some(from) = from else { return Vec::new() };
        let (mut found, mut budget) = (Vec::new(), most);
        walk(from, &self.steps, scope.item, &mut found, &mut budget);
        found
    }

    /// The texts there, as their sender wrote them; faults name the place and never the value, which may be personal.
    pub(super) fn texts(&self, scope: &Scope<'_>) -> Result<Vec<String>, Fault> {
        let outside = |text: Option<String>| Ok(text.into_iter().collect::<Vec<_>>());
        let found: Vec<String> = match &self.origin {
            Origin::Header(name) => outside(scope.request.header(name).map(str::to_owned)),
            Origin::Query(name) => outside(scope.request.query(name)),
            Origin::PathEnd => outside(scope.request.path_end().map(str::to_owned)),
            Origin::Message => outside(scope.message_id.map(str::trim).filter(|m| !m.is_empty()).map(str::to_owned)),
            Origin::Received => outside(Some(scope.request.received_at.to_string())),
            Origin::Hash => outside(Some(super::parse::hash(scope.item))),
            // A URL may be longer than any text that we ask for; only its parameter is one.
            Origin::Item | Origin::Root | Origin::Delivered if self.parameter.is_some() => Ok(self.urls(scope)),
            Origin::Item | Origin::Root | Origin::Delivered => return self.json_texts(scope),
        }?;
        let found = match &self.parameter {
            Some(name) => found.iter().filter_map(|url| parameter(url, name)).collect(),
            None => found,
        };
        // Headers and decoded parameters can hold what no field may.
        let texts = found.iter().filter_map(|text| checked(&self.text, text.trim()).transpose());
        texts.filter(|text| text.is_ok() || !self.is_search()).collect()
    }

    fn urls(&self, scope: &Scope<'_>) -> Vec<String> {
        let values = self.values(scope).into_iter().filter_map(Value::as_str);
        values.filter(|url| url.len() <= URL_MAX).map(str::to_owned).collect()
    }

    fn json_texts(&self, scope: &Scope<'_>) -> Result<Vec<String>, Fault> {
        let mut texts = Vec::new();
        for value in self.values(scope) {
            match text_of(value, &self.text) {
                Ok(text) => texts.extend(text),
                Err(_) if self.is_search() => {}
                Err(fault) => return Err(fault),
            }
        }
        Ok(texts)
    }
}

fn malformed(text: &str) -> Fault {
    Fault::new(
        "pointer",
        "pointer-malformed",
        format!("{} is no JSON pointer; write it as /data/email or /list[name=x]/value", shown(text)),
    )
}

/// The steps of a pointer; an empty one has none and names its origin itself.
fn steps(pointer: &str) -> Option<Vec<Step>> {
    if pointer.is_empty() {
        return Some(Vec::new());
    }
    if pointer == "[]" {
        return Some(vec![Step::Key { raw: String::new(), key: String::new(), brackets: Some(Bracket::Each) }]);
    }
    segments(pointer.strip_prefix('/')?).into_iter().map(step).collect()
}

/// Splits at slashes outside of brackets.
fn segments(text: &str) -> Vec<&str> {
    let (mut list, mut start, mut depth) = (Vec::new(), 0, 0_u32);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'[' => depth += 1,
            b']' => depth = depth.saturating_sub(1),
            b'/' if depth == 0 => {
                list.push(text.get(start..at).unwrap_or_default());
                start = at + 1;
            }
            _ => {}
        }
    }
    list.push(text.get(start..).unwrap_or_default());
    list
}

fn step(segment: &str) -> Option<Step> {
    if segment == "*" {
        return Some(Step::All);
    }
    let whole = unescaped(segment)?;
    let Some((key, inside)) = segment.strip_suffix(']').and_then(|s| s.split_once('[')) else {
        return Some(Step::Key { raw: whole.clone(), key: whole, brackets: None });
    };
    let bracket = match inside.split_once('=') {
        None if inside.is_empty() => Bracket::Each,
        None => return Some(Step::Key { raw: whole.clone(), key: whole, brackets: None }),
        Some((path, is)) => {
            Bracket::Where { path: path.split('/').map(unescaped).collect::<Option<_>>()?, is: is.to_owned() }
        }
    };
    Some(Step::Key { raw: whole, key: unescaped(key)?, brackets: Some(bracket) })
}

/// A pointer's segment with `~1` and `~0` resolved (RFC 6901).
fn unescaped(segment: &str) -> Option<String> {
    let legal = segment.split('~').skip(1).all(|after| after.starts_with(['0', '1']));
    legal.then(|| segment.replace("~1", "/").replace("~0", "~"))
}

fn walk<'v>(from: &'v Value, steps: &[Step], item: &Value, found: &mut Vec<&'v Value>, budget: &mut usize) {
    if *budget == 0 {
        return;
    }
    *budget -= 1;
    let Some((step, rest)) = steps.split_first() else { return found.push(from) };
    match step {
        Step::All => match from {
            Value::Array(list) => list.iter().for_each(|v| walk(v, rest, item, found, budget)),
            Value::Object(object) => object.values().for_each(|v| walk(v, rest, item, found, budget)),
            _ => {}
        },
        Step::Key { raw, key, brackets } => {
            let plain = member(from, raw).filter(|_| !raw.is_empty());
            match (plain, brackets) {
                (Some(value), _) => walk(value, rest, item, found, budget),
                (None, None) => {}
                (None, Some(bracket)) => {
                    let inner = if key.is_empty() { Some(from) } else { member(from, key) };
                    let Some(inner) = inner else { return };
                    let single = std::slice::from_ref(inner);
                    for value in inner.as_array().map_or(single, Vec::as_slice) {
                        if fits(value, bracket, item) {
                            walk(value, rest, item, found, budget);
                        }
                    }
                }
            }
        }
    }
}

fn member<'v>(from: &'v Value, key: &str) -> Option<&'v Value> {
    match from {
        Value::Object(object) => object.get(key),
        // RFC 6901 allows no sign and no leading zero.
        Value::Array(list) if key == "0" || (!key.starts_with(['0', '+'])) => list.get(key.parse::<usize>().ok()?),
        _ => None,
    }
}

fn fits(value: &Value, bracket: &Bracket, item: &Value) -> bool {
    let Bracket::Where { path, is } = bracket else { return true };
    let at = path.iter().try_fold(value, |v, key| if key.is_empty() || key == "." { Some(v) } else { v.get(key) });
    let same = |a: &Value, b: &str| plain_text(a).is_some_and(|a| a == b);
    match (at, is.as_str()) {
        (Some(at), "@") => plain_text(item).is_some_and(|i| same(at, &i)),
        (Some(at), is) => same(at, is),
        (None, _) => false,
    }
}

/// A scalar as a condition compares it.
pub(super) fn plain_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.trim().to_owned()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::time::UtcMillis;

    fn texts(place: &str, item: &Value) -> Vec<String> {
        let request = Request {
            method: "POST",
            url: "https://t.example/h?q=7",
            headers: &[],
            body: b"",
            received_at: UtcMillis(0),
        };
        let root = json!({ "all": { "id": 5 }, "list": [{ "record_id": "r1", "v": "one" }, { "record_id": "r2", "v": "two" }] });
        let scope = Scope { item, root: &root, request: &request, message_id: None, delivered: None };
        Place::parse(place).unwrap_or_else(|f| panic!("{f}")).texts(&scope).unwrap_or_else(|f| panic!("{f}"))
    }

    #[test]
    fn places_find_members_elements_and_named_entries() {
        let item = json!({
            "a/b": { "c": [10, 20] }, "attributes": [{ "name": "x", "value": "1" }, { "name": "y", "value": 2 }],
            "answers": [{ "field": { "ref": "mail" }, "email": "a@b.co" }], "one": { "id": "single" },
            "odd[x=1]": "kept", "landing": "/p?utm=1&click_id=clk_1#f", "custom": { "k1": { "value": "v1" }, "k2": "v2", "k3": 3 },
        });
        for (place, found) in [
            ("/a~1b/c/1", vec!["20"]),
            ("/attributes[name=y]/value", vec!["2"]),
            ("/attributes[]/value", vec!["1", "2"]),
            ("/answers[field/ref=mail]/email", vec!["a@b.co"]),
            ("/one[]/id", vec!["single"]),
            ("/odd[x=1]", vec!["kept"]),
            ("/custom/*", vec!["v2", "3"]),
            ("/custom/*/value", vec!["v1"]),
            ("query-of:click_id:/landing", vec!["clk_1"]),
            ("query:q", vec!["7"]),
            ("path:last", vec!["h"]),
            ("$/all/id", vec!["5"]),
            ("/a~1b/c/01", vec![]),
            ("/nothing[name=x]/value", vec![]),
        ] {
            assert_eq!(texts(place, &item), found, "{place}");
        }
        assert_eq!(texts("$/list[record_id=@]/v", &json!("r2")), ["two"]);
        assert_eq!(texts("@", &json!("r2")), ["r2"]);
        assert_eq!(texts("[]", &json!([1, 2])), ["1", "2"]);
        for bad in ["", "email", "/a~2", "$", "$a", "header:", "query:", "query-of:x:y", "/l[a~2=x]"] {
            assert_eq!(Place::parse(bad).expect_err(bad).code, "pointer-malformed", "{bad}");
        }
    }

    #[test]
    fn a_search_ends_within_its_budget() {
        let wide = Value::Array(vec![json!([1, 2, 3, 4, 5, 6, 7, 8, 9, 0]); 5_000]);
        assert!(texts("/x/*/*/*", &json!({ "x": wide })).len() <= NODES_MAX);
    }
}
