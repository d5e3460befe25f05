//! A delivery: one inbound request, kept as it came in before anybody understands it.
//!
//! The same value goes into the journal and into the database. What may hold personal data or a secret is
//! [`Sealed`] before it gets here; beside it stand only times, sizes and ids.

mod readable;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::ids::{DeliveryId, EndpointId};
use super::time::UtcMillis;

pub use readable::readable;

/// Bytes that only the installation's secret key opens.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Sealed(pub Vec<u8>);

impl std::fmt::Debug for Sealed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Sealed({} bytes)", self.0.len())
    }
}

impl Serialize for Sealed {
    /// Base64 where people may read it, as in the lines of a quarantine, else the bytes.
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        if s.is_human_readable() { s.serialize_str(&STANDARD.encode(&self.0)) } else { s.serialize_bytes(&self.0) }
    }
}

impl<'de> Deserialize<'de> for Sealed {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        if d.is_human_readable() {
            let text = String::deserialize(d)?;
            return STANDARD.decode(text).map(Self).map_err(serde::de::Error::custom);
        }
        struct Bytes;
        impl serde::de::Visitor<'_> for Bytes {
            type Value = Vec<u8>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("bytes")
            }

            fn visit_bytes<E: serde::de::Error>(self, bytes: &[u8]) -> Result<Vec<u8>, E> {
                Ok(bytes.to_vec())
            }
        }
        d.deserialize_bytes(Bytes).map(Self)
    }
}

/// One inbound request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    /// Its id. Ids sort in the order of receipt.
    pub id: DeliveryId,
    /// Who received it; `None` for the API.
    pub endpoint: Option<EndpointId>,
    /// Whose events it holds.
    pub source: String,
    /// When it came in.
    pub received_at: UtcMillis,
    /// The sender's id of the message, as verified.
    pub message_id: Option<String>,
    /// The HTTP method, upper case.
    pub method: String,
    /// The media type, as sent.
    pub content_type: Option<String>,
    /// Bytes of the body as it is kept, before it was sealed.
    pub bytes: u64,
    /// A sealed [`RequestHead`] as JSON; empty where there is none.
    pub sealed_head: Sealed,
    /// The sealed body.
    pub sealed_body: Sealed,
}

/// What stood before the body, but for what is secret.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestHead {
    /// What followed the endpoint's token in the address: a path, a query, or nothing.
    pub target: String,
    /// Kept headers by name, in lower case; those of one name in the order they came.
    pub headers: Vec<(String, String)>,
    /// How many more headers there were than are kept of one request, but for secrets and addresses.
    #[serde(default)]
    pub headers_left_out: u64,
}

impl RequestHead {
    /// The first value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delivery_is_read_back_from_the_journal_and_from_a_quarantine_line() {
        let delivery = Delivery {
            id: DeliveryId::new(UtcMillis(1_700_000_000_000), [7; 10]),
            endpoint: Some(EndpointId(3)),
            source: "end_3".into(),
            received_at: UtcMillis(1_700_000_000_000),
            message_id: Some("msg_1".into()),
            method: "POST".into(),
            content_type: None,
            bytes: 5,
            sealed_head: Sealed::default(),
            sealed_body: Sealed(vec![0, 255, 10, 13]),
        };
        let bytes = postcard::to_stdvec(&delivery).expect("postcard");
        assert_eq!(postcard::from_bytes::<Delivery>(&bytes).expect("postcard"), delivery);
        let line = serde_json::to_string(&delivery).expect("json");
        assert!(line.contains("AP8KDQ=="), "{line}");
        assert_eq!(serde_json::from_str::<Delivery>(&line).expect("json"), delivery);
        assert!(!format!("{delivery:?}").contains("255"), "nothing sealed is printed");
    }
}
