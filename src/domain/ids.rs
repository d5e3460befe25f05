//! Identifiers and their wire forms.
//!
//! Events carry 16-byte UUIDv7 values (RFC 9562), so that keys sort by time and
//! indexes append. On the wire they are a prefix and 26 characters of Crockford
//! base32, which every carrier of a click id keeps: CRM properties, form fields,
//! Stripe's `client_reference_id`, spreadsheets. Reference tables have `i64` keys
//! that read `lnk_12` on the wire.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::fault::{Fault, shown};
use super::time::UtcMillis;

const CROCKFORD: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/// Characters of a 128-bit value in base32: 26 × 5 = 130 bits, the first two always 0.
const BASE32_LEN: usize = 26;

/// Builds a UUIDv7 from a time and 10 random bytes; the caller brings both, so that this ring stays pure.
pub fn uuid_v7(at: UtcMillis, random: [u8; 10]) -> Uuid {
    uuid::Builder::from_unix_timestamp_millis(at.0.max(0).unsigned_abs(), &random).into_uuid()
}

/// Value of each byte as a digit; [`NO_DIGIT`] for none. Lower case reads as upper, `I` and `L` as 1, `O` as 0.
const DIGITS: [u8; 256] = digits();
const NO_DIGIT: u8 = u8::MAX;

const fn digits() -> [u8; 256] {
    let mut values = [NO_DIGIT; 256];
    let mut value = 0_u8;
    while value < 32 {
        let digit = CROCKFORD[value as usize];
        values[digit as usize] = value;
        values[digit.to_ascii_lowercase() as usize] = value;
        value += 1;
    }
    let mut likeness = 0;
    while likeness < 6 {
        let (digit, value) = [(b'I', 1), (b'i', 1), (b'L', 1), (b'l', 1), (b'O', 0), (b'o', 0)][likeness];
        values[digit as usize] = value;
        likeness += 1;
    }
    values
}

/// 128 bits as 26 characters of Crockford base32, upper case; on the stack, as every redirect writes some.
fn to_base32(value: u128) -> [u8; BASE32_LEN] {
    let mut text = [b'0'; BASE32_LEN];
    let mut rest = value;
    // Twelve digits are 60 bits: their shifts are those of a machine word.
    for group in text.rchunks_mut(12) {
        let mut word = u64::try_from(rest & ((1 << 60) - 1)).unwrap_or(0);
        for character in group.iter_mut().rev() {
            *character = CROCKFORD[usize::try_from(word & 31).unwrap_or(0)];
            word >>= 5;
        }
        rest >>= 60;
    }
    text
}

/// Reads 26 characters of Crockford base32 in any case; `I` and `L` read as 1, `O` as 0.
fn from_base32(text: &str) -> Option<u128> {
    if text.len() != BASE32_LEN {
        return None;
    }
    let mut value: u128 = 0;
    for (i, character) in text.bytes().enumerate() {
        let digit = DIGITS[usize::from(character)];
        if digit == NO_DIGIT || (i == 0 && digit > 7) {
            return None;
        }
        value = (value << 5) | u128::from(digit);
    }
    Some(value)
}

/// Declares a 16-byte event identifier with its wire prefix.
macro_rules! event_id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub Uuid);

        impl $name {
            /// What the wire form begins with.
            pub const PREFIX: &'static str = $prefix;

            /// A new identifier made at `at` from 10 random bytes.
            pub fn new(at: UtcMillis, random: [u8; 10]) -> Self {
                Self(uuid_v7(at, random))
            }

            /// Bytes of the wire form.
            pub const WIRE_LEN: usize = $prefix.len() + BASE32_LEN;

            /// Writes the wire form, without the machinery of `Display`.
            pub fn write(&self, out: &mut impl fmt::Write) -> fmt::Result {
                out.write_str($prefix)?;
                let text = to_base32(self.0.as_u128());
                out.write_str(std::str::from_utf8(&text).map_err(|_not_ascii| fmt::Error)?)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.write(f)
            }
        }

        impl FromStr for $name {
            type Err = Fault;

            /// Tolerant: any case, with or without the prefix, any 128-bit value.
            fn from_str(text: &str) -> Result<Self, Fault> {
                let trimmed = text.trim();
                let bare = match trimmed.get(..$prefix.len()) {
                    Some(head) if head.eq_ignore_ascii_case($prefix) => trimmed.get($prefix.len()..).unwrap_or(""),
                    _ => trimmed,
                };
                from_base32(bare).map(|v| Self(Uuid::from_u128(v))).ok_or_else(|| {
                    Fault::new("id", "id-malformed", format!(
                        "{} is not an identifier; expected `{}` and 26 characters of base32", shown(text), $prefix))
                })
            }
        }

        impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                if s.is_human_readable() { s.collect_str(self) } else { self.0.as_u128().serialize(s) }
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                if d.is_human_readable() {
                    String::deserialize(d)?.parse().map_err(serde::de::Error::custom)
                } else {
                    u128::deserialize(d).map(|v| Self(Uuid::from_u128(v)))
                }
            }
        }
    };
}

event_id!(
    /// A touch; for a click this is the click id that travels as `hw_id`.
    TouchId, "clk_");
event_id!(
    /// A browser, by first-party id.
    VisitorId, "vis_");
event_id!(
    /// A person as first met; a cluster is named by its oldest one.
    PersonId, "per_");
event_id!(
    /// A stage event.
    StageEventId, "evt_");
event_id!(
    /// One inbound webhook request.
    DeliveryId, "dlv_");
event_id!(
    /// One import or one API batch of facts, the unit of undo.
    BatchId, "bat_");
event_id!(
    /// One cost entry.
    CostEntryId, "cst_");
event_id!(
    /// A match: who is who, as somebody said it and no event did.
    MatchId, "mch_");
event_id!(
    /// One erasure of a person's data, as it was recorded.
    ErasureId, "era_");
event_id!(
    /// A cost that comes back every month.
    ScheduleId, "sch_");

/// Declares an `i64` key of a reference table with its wire prefix.
macro_rules! table_id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub i64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}{}", $prefix, self.0)
            }
        }

        impl FromStr for $name {
            type Err = Fault;

            fn from_str(text: &str) -> Result<Self, Fault> {
                text.strip_prefix($prefix).and_then(|n| n.parse().ok()).map(Self).ok_or_else(|| {
                    Fault::new("id", "id-malformed",
                        format!("{} is not an identifier; expected `{}` and a number", shown(text), $prefix))
                })
            }
        }

        impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                if s.is_human_readable() { s.collect_str(self) } else { self.0.serialize(s) }
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                if d.is_human_readable() {
                    String::deserialize(d)?.parse().map_err(serde::de::Error::custom)
                } else {
                    i64::deserialize(d).map(Self)
                }
            }
        }
    };
}

table_id!(
    /// A channel.
    ChannelId, "chn_");
table_id!(
    /// A campaign.
    CampaignId, "cmp_");
table_id!(
    /// A post.
    PostId, "pst_");
table_id!(
    /// A tracked link.
    LinkId, "lnk_");
table_id!(
    /// An account of an ad platform or a social network.
    PlatformAccountId, "pac_");
table_id!(
    /// A campaign as its platform knows it.
    PlatformCampaignId, "pcm_");
table_id!(
    /// A configured receiver of webhooks.
    EndpointId, "end_");
table_id!(
    /// A person who signs in.
    UserId, "usr_");
table_id!(
    /// An API key.
    KeyId, "key_");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_click_id_is_read_in_any_dress() {
        let id = TouchId(Uuid::from_u128(0x0199_1234_5678_7abc_9def_0011_2233_4455));
        let text = id.to_string();
        assert_eq!(text.len(), 30);
        for form in
            [text.clone(), text.to_lowercase(), text[4..].to_owned(), format!("  {text} "), text.replace('0', "o")]
        {
            assert_eq!(form.parse::<TouchId>().expect(&form), id);
        }
    }

    #[test]
    fn what_is_no_128_bit_value_is_refused_by_name() {
        for bad in ["", "clk_", "clk_123", "clk_8ZZZZZZZZZZZZZZZZZZZZZZZZZ", "clk_U0000000000000000000000000", "évt"] {
            let fault = bad.parse::<TouchId>().expect_err(bad);
            assert_eq!(fault.code, "id-malformed");
        }
    }

    #[test]
    fn version_7_sorts_by_time() {
        let a = TouchId::new(UtcMillis(1_000), [255; 10]);
        let b = TouchId::new(UtcMillis(1_001), [0; 10]);
        assert!(a < b && a.to_string() < b.to_string());
        assert_eq!(a.0.get_version_num(), 7);
    }
}
