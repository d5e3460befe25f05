//! The UTM vocabulary: one spelling per thing, or one campaign becomes three.

use std::fmt;
use std::str::FromStr;

use super::fault::{Fault, shown};

/// Query names that belong to the link's owner; a visitor's own are dropped (invariant 7).
pub const UTM_NAMES: &[&str] = &[
    "utm_id",
    "utm_source",
    "utm_medium",
    "utm_campaign",
    "utm_source_platform",
    "utm_term",
    "utm_content",
    "utm_creative_format",
    "utm_marketing_tactic",
];

/// Short and old names of networks that people mix with the full ones, and the spelling to use.
const ALIASES: &[(&str, &str)] = &[
    ("fb", "facebook"),
    ("ig", "instagram"),
    ("insta", "instagram"),
    ("li", "linkedin"),
    ("lnkd", "linkedin"),
    ("tw", "x"),
    ("twitter", "x"),
    ("yt", "youtube"),
    ("tt", "tiktok"),
    ("pin", "pinterest"),
    ("wa", "whatsapp"),
    ("tg", "telegram"),
    ("adwords", "google"),
    ("googleads", "google"),
    ("mail", "email"),
    ("newsletters", "newsletter"),
];

/// A UTM value or a code: 1 to 100 characters of `a-z 0-9 . _ -`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(transparent)]
pub struct UtmValue(String);

impl UtmValue {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for UtmValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for UtmValue {
    type Err = Fault;

    fn from_str(text: &str) -> Result<Self, Fault> {
        let legal = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '_' | '-');
        if text.is_empty() || text.len() > 100 {
            return Err(Fault::new(
                "utm",
                "utm-length",
                format!("{} has {} characters; a UTM value has 1 to 100", shown(text), text.chars().count()),
            ));
        }
        if !text.chars().all(legal) {
            let fixed: String = text.trim().to_lowercase().chars().map(|c| if legal(c) { c } else { '-' }).collect();
            return Err(Fault::new(
                "utm",
                "utm-illegal",
                format!("{} has characters other than a-z 0-9 . _ - ; use `{fixed}`", shown(text)),
            ));
        }
        Ok(Self(text.to_owned()))
    }
}

impl<'de> serde::Deserialize<'de> for UtmValue {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        <String as serde::Deserialize>::deserialize(d)?.parse().map_err(serde::de::Error::custom)
    }
}

/// The spelling that `candidate` probably means: one in use that differs by case,
/// separators or one letter, or the full name behind a short one.
///
/// `None` when it is in use as it stands, or resembles nothing.
pub fn near_duplicate<'a>(candidate: &str, in_use: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let mut similar = None;
    let wanted = skeleton(candidate);
    for existing in in_use {
        if existing == candidate {
            return None;
        }
        if similar.is_none() && (skeleton(existing) == wanted || is_one_letter_away(existing, candidate)) {
            similar = Some(existing.to_owned());
        }
    }
    similar.or_else(|| alias(candidate).map(str::to_owned))
}

fn alias(text: &str) -> Option<&'static str> {
    ALIASES.iter().find(|(short, _)| text.eq_ignore_ascii_case(short)).map(|(_, full)| *full)
}

/// Lower case without separators, short network names spelled out.
fn skeleton(text: &str) -> String {
    let bare: String = text.to_lowercase().chars().filter(|c| c.is_ascii_alphanumeric()).collect();
    alias(&bare).map_or(bare, str::to_owned)
}

/// One letter inserted, left out or changed in a word of five or more; digits are meaning (`spring-2025`), not typos.
fn is_one_letter_away(a: &str, b: &str) -> bool {
    let (short, long) = if a.len() <= b.len() { (a.as_bytes(), b.as_bytes()) } else { (b.as_bytes(), a.as_bytes()) };
    if short.len() < 5 || long.len() - short.len() > 1 {
        return false;
    }
    let head = short.iter().zip(long).take_while(|(x, y)| x == y).count();
    let skipped = usize::from(short.len() == long.len());
    let rest_agrees = short.get(head + skipped..) == long.get(head + 1..);
    let differs_by_letters = long.get(head).is_some_and(u8::is_ascii_alphabetic)
        && (skipped == 0 || short.get(head).is_some_and(u8::is_ascii_alphabetic));
    rest_agrees && differs_by_letters
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_lower_case_with_a_suggestion() {
        assert!("spring_sale.2025-a".parse::<UtmValue>().is_ok());
        let fault = "Spring Sale".parse::<UtmValue>().expect_err("case");
        assert!(fault.detail.contains("`spring-sale`"), "{fault}");
        assert_eq!("".parse::<UtmValue>().expect_err("empty").code, "utm-length");
    }

    #[test]
    fn variants_of_one_name_are_caught() {
        let in_use = ["facebook", "linkedin", "paid-social", "spring-2025"];
        for (candidate, expected) in [
            ("fb", Some("facebook")),
            ("Facebook", Some("facebook")),
            ("face-book", Some("facebook")),
            ("linkdin", Some("linkedin")),
            ("paid_social", Some("paid-social")),
            ("ig", Some("instagram")),
            ("twitter", Some("x")),
            ("facebook", None),
            ("spring-2026", None),
            ("tiktok", None),
            ("email", None),
        ] {
            assert_eq!(near_duplicate(candidate, in_use).as_deref(), expected, "{candidate}");
        }
    }
}
