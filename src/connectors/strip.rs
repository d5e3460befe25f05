//! Secrets that vendors put into JSON bodies, taken out before the body is stored.

use serde_json::Value;

/// The body with an empty text at a JSON pointer; `None` where nothing has to go.
///
/// The bytes around it stay as they are, so that no number and no escape is changed by storing it. A body that is cut or
/// malformed is treated alike, by the member's name.
pub(super) fn without(body: &[u8], pointer: &str) -> Option<Vec<u8>> {
    let name = pointer.rsplit('/').next().unwrap_or_default();
    let spliced = spliced(body, name);
    let text = spliced.as_deref().unwrap_or(body);
    // An escaped name is the same member, written so that a search for its letters does not find it.
    if let Ok(mut parsed) = serde_json::from_slice::<Value>(text) {
        let left = parsed.pointer_mut(pointer).filter(|v| !v.is_null() && v.as_str() != Some(""));
        if let Some(left) = left {
            *left = Value::String(String::new());
            return Some(parsed.to_string().into_bytes());
        }
    }
    spliced
}

/// Empties the texts of every member of this name.
fn spliced(body: &[u8], name: &str) -> Option<Vec<u8>> {
    let wanted = format!("\"{name}\"").into_bytes();
    let (mut kept, mut from, mut cut) = (Vec::new(), 0, false);
    while let Some(at) = body.get(from..)?.windows(wanted.len()).position(|w| w == wanted) {
        let after = from + at + wanted.len();
        let skipped = |start: usize, byte: u8| {
            let rest = body.get(start..)?;
            let blank = rest.iter().take_while(|b| b.is_ascii_whitespace()).count();
            (rest.get(blank) == Some(&byte)).then_some(start + blank + 1)
        };
        let opened = skipped(after, b':').and_then(|colon| skipped(colon, b'"'));
        let Some(start) = opened else {
            kept.extend_from_slice(body.get(from..after)?);
            from = after;
            continue;
        };
        let end = text_end(body, start);
        kept.extend_from_slice(body.get(from..start)?);
        cut |= end > start;
        from = end;
    }
    kept.extend_from_slice(body.get(from..)?);
    cut.then_some(kept)
}

/// Where a JSON text that begins at `start` ends: at its quotation mark, or with the body.
fn text_end(body: &[u8], start: usize) -> usize {
    let mut escaped = false;
    for (offset, byte) in body.get(start..).unwrap_or_default().iter().enumerate() {
        match byte {
            b'\\' if !escaped => escaped = true,
            b'"' if !escaped => return start + offset,
            _ => escaped = false,
        }
    }
    body.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_goes_and_every_other_byte_stays() {
        for (body, kept) in [
            (
                r#"{"n":18446744073709551616.10,"token" : "sec\"ret","z":1}"#,
                Some(r#"{"n":18446744073709551616.10,"token" : "","z":1}"#),
            ),
            (r#"{"a":"\u00e9","token":"cut off"#, Some(r#"{"a":"\u00e9","token":""#)),
            (r#"{"\u0074oken":"secret"}"#, Some(r#"{"token":""}"#)),
            (r#"{"token":5}"#, Some(r#"{"token":""}"#)),
            (r#"{"token":""}"#, None),
            (r#"{"value":"token"}"#, None),
            (r#"not json"#, None),
        ] {
            let without = without(body.as_bytes(), "/token").map(|b| String::from_utf8(b).expect("text"));
            assert_eq!(without.as_deref(), kept, "{body}");
        }
    }
}
