//! A body as people read it: JSON indented, forms one field to a line, anything else as it is.
//!
//! JSON is laid out without being parsed into numbers, so that an id beyond 2^53 or an amount of many digits stands
//! there as it was sent.

use serde::de::IgnoredAny;

/// Deepest indentation, in levels: deeper ones stand at its edge, so that nesting cannot multiply the size.
const DEPTH_MAX: usize = 32;

/// The text of a body; `None` where it is no text.
pub fn readable(content_type: Option<&str>, body: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(body).ok()?;
    if serde_json::from_str::<IgnoredAny>(text).is_ok() {
        return Some(indented(text));
    }
    if content_type.is_some_and(|t| t.to_ascii_lowercase().starts_with("application/x-www-form-urlencoded")) {
        let lines = url::form_urlencoded::parse(body).map(|(name, value)| format!("{name} = {value}"));
        return Some(lines.collect::<Vec<_>>().join("\n"));
    }
    Some(text.to_owned())
}

/// Valid JSON, a member or element to a line.
fn indented(json: &str) -> String {
    let mut out = String::with_capacity(json.len() * 2);
    let mut depth: usize = 0;
    let mut is_text = false;
    let mut is_escaped = false;
    let mut is_open = false;
    for c in json.chars() {
        if is_text {
            out.push(c);
            is_text = is_escaped || c != '"';
            is_escaped = c == '\\' && !is_escaped;
            continue;
        }
        if c.is_ascii_whitespace() {
            continue;
        }
        if is_open && !matches!(c, ']' | '}') {
            line(&mut out, depth);
        }
        match c {
            '{' | '[' => depth += 1,
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                if !is_open {
                    line(&mut out, depth);
                }
            }
            _ => {}
        }
        out.push(c);
        match c {
            '"' => is_text = true,
            ',' => line(&mut out, depth),
            ':' => out.push(' '),
            _ => {}
        }
        is_open = matches!(c, '{' | '[');
    }
    out
}

fn line(out: &mut String, depth: usize) {
    out.push('\n');
    out.extend(std::iter::repeat_n("  ", depth.min(DEPTH_MAX)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_laid_out_and_its_numbers_are_left_alone() {
        let body =
            br#"{"id":9007199254740993,"sum":0.10000000000000000001,"a":[],"b":{},"t":"x\",{\\","l":[1,{"m":null}]}"#;
        let wanted = "{\n  \"id\": 9007199254740993,\n  \"sum\": 0.10000000000000000001,\n  \"a\": [],\n  \"b\": {},\n  \"t\": \"x\\\",{\\\\\",\n  \"l\": [\n    1,\n    {\n      \"m\": null\n    }\n  ]\n}";
        assert_eq!(readable(None, body).as_deref(), Some(wanted));
        assert_eq!(readable(None, wanted.as_bytes()).as_deref(), Some(wanted), "laid out already");
    }

    #[test]
    fn what_is_no_json_is_shown_as_far_as_it_is_text() {
        let form = Some("application/x-www-form-urlencoded; charset=utf-8");
        assert_eq!(readable(form, b"a%5Bb%5D=1&c=x+y").as_deref(), Some("a[b] = 1\nc = x y"));
        assert_eq!(readable(None, b"{\"half\":").as_deref(), Some("{\"half\":"));
        assert_eq!(readable(None, &[0xff, 0xfe]), None);
        let deep = "[".repeat(100) + &"]".repeat(100);
        assert!(readable(None, deep.as_bytes()).is_some_and(|t| t.len() < 20_000));
    }
}
