//! Where one field is in a body: a pointer, several in turn, or a constant.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::scalar::text_at;
use crate::domain::fault::{Fault, shown};

/// Most candidates of one field.
const CANDIDATES_MAX: usize = 20;
/// Longest pointer or constant, in bytes.
const POINTER_MAX: usize = 500;

/// One place where a value may be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    untagged,
    deny_unknown_fields,
    expecting = "expected a JSON pointer such as \"/data/email\" or {\"const\": \"lead\"}"
)]
pub enum Candidate {
    /// A JSON pointer, `/data/email`.
    Pointer(String),
    /// A value that is the same for every delivery.
    Constant {
        /// The value.
        #[serde(rename = "const")]
        value: String,
    },
}

/// Where a field is: one place, or several of which the first that holds something wins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    untagged,
    expecting = "expected a JSON pointer such as \"/data/email\", a list of them, or {\"const\": \"lead\"}"
)]
pub enum Pick {
    /// One place.
    One(Candidate),
    /// Several, in the order in which they are tried.
    FirstOf(Vec<Candidate>),
}

impl Pick {
    fn candidates(&self) -> &[Candidate] {
        match self {
            Self::One(one) => std::slice::from_ref(one),
            Self::FirstOf(many) => many,
        }
    }
}

/// Checks what can be known of a pick before a delivery comes.
pub(super) fn check_pick(field: &str, pick: &Pick, constant_makes_sense: bool) -> Result<(), Fault> {
    let fault = |code: &str, why: String| Err(Fault::new(field, code, why));
    let candidates = pick.candidates();
    if candidates.is_empty() || candidates.len() > CANDIDATES_MAX {
        return fault(
            "mapping-empty",
            format!("a list holds 1 to {CANDIDATES_MAX} pointers; leave the field out to read nothing"),
        );
    }
    for candidate in candidates {
        match candidate {
            Candidate::Pointer(p) if !is_pointer(p) => {
                return fault("pointer-malformed", format!("{} is no JSON pointer; write it as /data/email", shown(p)));
            }
            Candidate::Constant { .. } if !constant_makes_sense => {
                return fault(
                    "constant-misplaced",
                    "a constant here would make all events the same one or the same person; point to a value"
                        .to_owned(),
                );
            }
            Candidate::Constant { value } if value.trim().is_empty() || value.len() > POINTER_MAX => {
                return fault("constant-malformed", format!("a constant has 1 to {POINTER_MAX} bytes"));
            }
            _ => {}
        }
    }
    Ok(())
}

/// The first of the places that holds something.
pub(super) fn first_of(body: &Value, pick: &Pick) -> Result<Option<String>, Fault> {
    for candidate in pick.candidates() {
        let found = match candidate {
            Candidate::Pointer(pointer) => text_at(body, pointer)?,
            Candidate::Constant { value } => Some(value.clone()),
        };
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(None)
}

/// The fault of a required field that was found nowhere.
pub(super) fn missing(field: &str, pick: Option<&Pick>) -> Fault {
    let tried: Vec<&str> = pick
        .map_or(&[][..], Pick::candidates)
        .iter()
        .filter_map(|c| match c {
            Candidate::Pointer(pointer) => Some(pointer.as_str()),
            Candidate::Constant { .. } => None,
        })
        .collect();
    let places = if tried.is_empty() { "any place, as the mapping names none".to_owned() } else { tried.join(", ") };
    Fault::new(
        field,
        "missing",
        format!("it is required and there is nothing at {places}; send it or mend the mapping"),
    )
}

/// RFC 6901, without the empty pointer, which names the whole body and never a single value.
fn is_pointer(text: &str) -> bool {
    text.starts_with('/')
        && text.len() <= POINTER_MAX
        && text.split('~').skip(1).all(|after| after.starts_with(['0', '1']))
}
