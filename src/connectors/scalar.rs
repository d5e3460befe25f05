//! One value out of a JSON body, as the text its sender wrote.

use serde_json::{Number, Value};

use crate::domain::fault::Fault;

/// Longest text taken from a body, in bytes; nothing we ask for is longer.
pub(super) const TEXT_MAX: usize = 1_000;

/// Most digits of a decimal number that survive JSON's binary floating point for certain.
const EXACT_DIGITS: usize = 15;

/// A scalar's text: `None` for null or an empty text.
///
/// Faults name the place and never the value, which may be personal.
pub(super) fn text_of(value: &Value, place: &str) -> Result<Option<String>, Fault> {
    let wrong = |what: &str| {
        Err(Fault::new(
            place,
            "type-wrong",
            format!("it holds {what} where one text or number is expected; point to a single value"),
        ))
    };
    match value {
        Value::Null => Ok(None),
        Value::String(text) => checked(place, text.trim()),
        Value::Number(number) => exact(place, number).map(Some),
        Value::Bool(_) => wrong("true or false"),
        Value::Array(_) => wrong("a list"),
        Value::Object(_) => wrong("an object"),
    }
}

/// A text as it may be read: `None` for an empty one.
pub(super) fn checked(pointer: &str, text: &str) -> Result<Option<String>, Fault> {
    if text.len() > TEXT_MAX {
        return Err(Fault::new(
            pointer,
            "text-too-long",
            format!("it holds {} bytes and at most {TEXT_MAX} are read; point to a shorter value", text.len()),
        ));
    }
    // Databases refuse some of these, and none belongs into an id, a time or an amount.
    if text.chars().any(char::is_control) {
        return Err(Fault::new(pointer, "text-control", "it holds control characters; send plain text"));
    }
    Ok((!text.is_empty()).then(|| text.to_owned()))
}

/// The number as text, or a fault where JSON's floating point may have changed it.
fn exact(pointer: &str, number: &Number) -> Result<String, Fault> {
    if let Some(float) = number.as_f64().filter(|_| number.is_f64()) {
        // The shortest text that reads back as this number: with 15 digits or fewer, it is what was sent.
        let text = float.to_string();
        let digits = text.trim_start_matches(['-', '0', '.']).bytes().filter(u8::is_ascii_digit).count();
        if digits > EXACT_DIGITS {
            return Err(Fault::new(
                pointer,
                "number-inexact",
                "it holds a number with more digits than JSON numbers keep for certain; send it as a text",
            ));
        }
        return Ok(text);
    }
    Ok(number.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<Option<String>, String> {
        let body: Value = serde_json::from_str(&format!(r#"{{"a":{{"b/c":[{json}]}}}}"#)).expect(json);
        text_of(body.pointer("/a/b~1c/0").expect("value"), "/a/b~1c/0").map_err(|fault| {
            assert_eq!(fault.field, "/a/b~1c/0");
            fault.code
        })
    }

    #[test]
    fn numbers_keep_their_text_or_are_refused() {
        for (json, text) in [
            ("9007199254740993", "9007199254740993"),
            ("18446744073709551615", "18446744073709551615"),
            ("-9223372036854775808", "-9223372036854775808"),
            ("480.10", "480.1"),
            ("480.0", "480"),
            ("0.1", "0.1"),
            ("0.00000012", "0.00000012"),
            ("1234567890123.45", "1234567890123.45"),
            ("1e3", "1000"),
        ] {
            assert_eq!(read(json), Ok(Some(text.to_owned())), "{json}");
        }
        for json in ["18446744073709551616", "900000000000000.13", "0.30000000000000004", "1e300", "9007199254740993.0"]
        {
            assert_eq!(read(json), Err("number-inexact".to_owned()), "{json}");
        }
    }

    #[test]
    fn what_is_no_single_value_is_refused() {
        for json in ["null", "\"\"", "\" \""] {
            assert_eq!(read(json), Ok(None), "{json}");
        }
        for json in ["true", "[1]", "[]", r#"{"x":1}"#] {
            assert_eq!(read(json), Err("type-wrong".to_owned()), "{json}");
        }
        assert_eq!(read(r#""a\u0000b""#), Err("text-control".to_owned()));
        assert_eq!(read(&format!("\"{}\"", "x".repeat(1_001))), Err("text-too-long".to_owned()));
        assert_eq!(read(r#"" x\n""#), Ok(Some("x".to_owned())));
    }
}
