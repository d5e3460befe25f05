//! Salesforce outbound messages: SOAP 1.1 as nested objects, under the elements' local names.
//!
//! A document type is refused, as entities are how XML bites; depth and size are bounded.

use quick_xml::events::{BytesRef, BytesStart, Event};
use quick_xml::reader::Reader;
use serde_json::{Map, Value};

use super::parse::{DEPTH_MAX, MEMBERS_MAX};
use crate::domain::fault::Fault;

/// An element that is open.
struct Open {
    name: String,
    text: String,
    members: Map<String, Value>,
    is_nil: bool,
}

/// Reads a message; repeated elements become lists, `xsi:type` the member `@type`, `xsi:nil` null.
pub(super) fn parse(body: &[u8]) -> Result<Value, Fault> {
    let text = std::str::from_utf8(body).map_err(|_bytes| fault("it is not UTF-8"))?;
    let mut reader = Reader::from_str(text.trim_start_matches('\u{feff}').trim_start());
    reader.config_mut().expand_empty_elements = true;
    let mut stack = vec![Open::new(String::new(), false)];
    for _event in 0..MEMBERS_MAX * 4 {
        // The parser's words may cite the body, so they are left out.
        match reader.read_event().map_err(|_cites| fault("it is not well-formed"))? {
            Event::DocType(_) => return Err(fault("it declares a document type")),
            Event::Start(start) if stack.len() > DEPTH_MAX => {
                drop(start);
                return Err(fault("it is nested too deeply"));
            }
            Event::Start(start) => stack.push(opened(&start)?),
            Event::Text(part) => append(&mut stack, &part),
            Event::CData(part) => append(&mut stack, &part),
            Event::GeneralRef(name) => append(&mut stack, &resolved(&name)?),
            Event::End(_) => close(&mut stack)?,
            Event::Eof => return finished(stack),
            Event::Empty(_) | Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
        }
    }
    Err(fault("it has too many elements"))
}

impl Open {
    fn new(name: String, is_nil: bool) -> Self {
        Self { name, text: String::new(), members: Map::new(), is_nil }
    }
}

fn fault(why: &str) -> Fault {
    Fault::new("body", "body-not-soap", format!("{why}; send the outbound message as Salesforce writes it"))
}

fn opened(start: &BytesStart<'_>) -> Result<Open, Fault> {
    let mut open = Open::new(start.local_name().as_ref().to_owned(), false);
    for attribute in start.attributes() {
        let attribute = attribute.map_err(|_cites| fault("it is not well-formed"))?;
        let value = &attribute.value;
        match attribute.key.local_name().as_ref() {
            "nil" => open.is_nil = value == "true" || value == "1",
            "type" => {
                let name = value.rsplit(':').next().unwrap_or_default().to_owned();
                open.members.insert("@type".into(), Value::String(name));
            }
            _ => {}
        }
    }
    Ok(open)
}

fn append(stack: &mut [Open], part: &str) {
    if let Some(open) = stack.last_mut() {
        open.text.push_str(part);
    }
}

/// A character reference or one of XML's own five entities; others would need a document type.
fn resolved(name: &BytesRef<'_>) -> Result<String, Fault> {
    if let Some(character) = name.resolve_char_ref().map_err(|_cites| fault("it is not well-formed"))? {
        return Ok(character.to_string());
    }
    let known = match name.as_ref() {
        "amp" => "&",
        "lt" => "<",
        "gt" => ">",
        "quot" => "\"",
        "apos" => "'",
        _ => return Err(fault("it uses an entity")),
    };
    Ok(known.to_owned())
}

fn close(stack: &mut Vec<Open>) -> Result<(), Fault> {
    let (Some(done), Some(parent)) = (stack.pop(), stack.last_mut()) else {
        return Err(fault("it is not well-formed"));
    };
    let value = if done.is_nil {
        Value::Null
    } else if done.members.is_empty() {
        Value::String(done.text)
    } else {
        Value::Object(done.members)
    };
    match parent.members.get_mut(&done.name) {
        None => {
            parent.members.insert(done.name, value);
        }
        Some(Value::Array(list)) => list.push(value),
        Some(first) => *first = Value::Array(vec![first.take(), value]),
    }
    Ok(())
}

fn finished(mut stack: Vec<Open>) -> Result<Value, Fault> {
    match (stack.pop(), stack.pop()) {
        (Some(root), None) if !root.members.is_empty() => Ok(Value::Object(root.members)),
        _ => Err(fault("it is not whole")),
    }
}

/// The message without what stands in elements called `name`, for storage.
///
/// Works on the bytes, so that a message that is cut or malformed keeps its secret to itself as well.
pub(super) fn without(body: &[u8], name: &str) -> Option<Vec<u8>> {
    let (mut kept, mut from, mut cut) = (Vec::new(), 0, false);
    while let Some(found) = find(body, name.as_bytes(), from) {
        let before = body.get(..found).unwrap_or_default();
        let tag = before.iter().rposition(|b| *b == b'<').unwrap_or(0);
        let prefix = before.get(tag + 1..).unwrap_or_default();
        let after = body.get(found + name.len()..).unwrap_or_default();
        let is_tag = prefix.is_empty()
            || (prefix.ends_with(b":") && prefix.iter().all(|b| b.is_ascii_alphanumeric() || b":._-".contains(b)));
        let ends = after.first().is_none_or(|b| b" />\t\r\n".contains(b));
        let Some(open_end) = after.iter().position(|b| *b == b'>').filter(|_| is_tag && ends) else {
            kept.extend_from_slice(body.get(from..found + name.len()).unwrap_or_default());
            from = found + name.len();
            continue;
        };
        let inside = found + name.len() + open_end + 1;
        kept.extend_from_slice(body.get(from..inside).unwrap_or_default());
        from = inside;
        if after.get(..open_end).is_some_and(|tag| !tag.ends_with(b"/")) {
            let end = find(body, b"</", inside).unwrap_or(body.len());
            cut |= end > inside;
            from = end;
            // Past the closing tag's name, which would be found as an opening one otherwise.
            let close = body
                .get(end..)
                .and_then(|rest| rest.iter().position(|b| *b == b'>'))
                .map_or(body.len(), |p| end + p + 1);
            kept.extend_from_slice(body.get(end..close).unwrap_or_default());
            from = from.max(close);
        }
    }
    kept.extend_from_slice(body.get(from..).unwrap_or_default());
    cut.then_some(kept)
}

fn find(body: &[u8], wanted: &[u8], from: usize) -> Option<usize> {
    body.get(from..)?.windows(wanted.len()).position(|w| w == wanted).map(|at| from + at)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn elements_become_members_and_repeated_ones_lists() {
        let xml = "\u{feff}<?xml version=\"1.0\"?><a xmlns:x='u'><x:b x:type=\"sf:Lead\"><c>L&#243;pez &amp; H</c><d/></x:b><e>1</e><e>2</e><n xsi:nil='true'/><t><![CDATA[<>]]></t></a>";
        assert_eq!(
            parse(xml.as_bytes()).expect("xml"),
            json!({ "a": { "b": { "@type": "Lead", "c": "López & H", "d": "" }, "e": ["1", "2"], "n": null, "t": "<>" } })
        );
    }

    #[test]
    fn what_is_dangerous_or_broken_is_refused() {
        let deep = "<a>".repeat(1_000) + &"</a>".repeat(1_000);
        let wide = format!("<a>{}</a>", "<b/>".repeat(MEMBERS_MAX * 4));
        let bomb = "<!DOCTYPE l [<!ENTITY x \"boom\">]><a>&x;</a>";
        for bad in ["", "text", "<a>", "<a></b>", "<a>&x;</a>", bomb, &deep, &wide, "<a><b></a></b>"] {
            assert_eq!(parse(bad.as_bytes()).expect_err("bad").code, "body-not-soap", "{}", &bad[..bad.len().min(40)]);
        }
    }

    #[test]
    fn a_session_is_taken_out_of_whole_and_of_broken_messages() {
        let without = |xml: &str| without(xml.as_bytes(), "SessionId").map(|b| String::from_utf8(b).expect("text"));
        assert_eq!(
            without("<a><SessionId>00D!secret</SessionId><b>1</b></a>").as_deref(),
            Some("<a><SessionId></SessionId><b>1</b></a>")
        );
        assert_eq!(
            without("<s:SessionId x='1'>se&lt;cret</s:SessionId>").as_deref(),
            Some("<s:SessionId x='1'></s:SessionId>")
        );
        assert_eq!(without("<SessionId>cut off").as_deref(), Some("<SessionId>"));
        assert_eq!(
            without("<SessionId>1</SessionId><SessionId>2</SessionId>").as_deref(),
            Some("<SessionId></SessionId><SessionId></SessionId>")
        );
        for same in [
            "<SessionId xsi:nil=\"true\"/><b>text</b>",
            "<b>SessionId</b>",
            "<MySessionId>kept</MySessionId>",
            "<SessionId></SessionId>",
        ] {
            assert_eq!(without(same), None, "{same}");
        }
    }
}
