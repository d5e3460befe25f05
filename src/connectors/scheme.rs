//! How a sender proves itself, as data: which bytes are signed, with which key, and where the proof stands.

use serde::{Deserialize, Serialize};

/// One way of proof. A preset lists several where a vendor has versions; the first whose proof is there decides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scheme {
    /// What kind of proof.
    pub how: How,
    /// The header that carries it; not for `path` and `body-token`.
    #[serde(default)]
    pub header: String,
    /// How the header is written.
    #[serde(default)]
    pub form: HeaderForm,
    /// Only where another header says so: HubSpot names the version of its signature.
    #[serde(default)]
    pub only_if: Option<HeaderIs>,
    /// Where in the body the token is, for `body-token`.
    #[serde(default)]
    pub at: String,
    /// What is signed, in order.
    #[serde(default)]
    pub signed: Vec<SignedPart>,
    /// How the secret becomes the key.
    #[serde(default)]
    pub key: KeyForm,
    /// How the digest is written.
    #[serde(default)]
    pub encoding: Encoding,
    /// The signed time.
    #[serde(default)]
    pub timestamp: Option<Timestamp>,
    /// What ed25519 signatures begin with, beside those by a shared secret.
    #[serde(default)]
    pub ed25519: Option<String>,
    /// Headers with the sender's id of the message, in order.
    #[serde(default)]
    pub message_id: Vec<String>,
}

/// A kind of proof.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum How {
    /// HMAC-SHA-256 over the signed parts.
    HmacSha256,
    /// Plain SHA-256 over the signed parts, the secret among them.
    Sha256,
    /// `Authorization: Basic`, the secret being `user:password`.
    Basic,
    /// `Authorization: Basic` with the secret as user and no password.
    BasicUser,
    /// `Authorization: Bearer`.
    Bearer,
    /// The secret itself in a header.
    Header,
    /// The secret itself in the body.
    BodyToken,
    /// Nothing beside the URL that cannot be guessed, for senders that can do no better.
    Path,
}

impl How {
    /// Whether the proof needs a secret beside the URL.
    pub fn needs_secret(self) -> bool {
        self != Self::Path
    }
}

/// How a header carries signatures.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HeaderForm {
    /// The signature alone.
    #[default]
    Bare,
    /// A prefix and the signature: `sha256=…`.
    Prefix(String),
    /// `t=1,v1=…,v1=…`: those under this name; `t` is the time.
    Pairs(String),
    /// Separated by spaces, those with this prefix: `v1,… v1,…`.
    Entries(String),
}

/// A header that must have a value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeaderIs {
    /// Its name in lower case.
    pub header: String,
    /// Its value.
    pub is: String,
}

/// One part of what is signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SignedPart {
    /// The secret.
    Secret,
    /// The method in capitals.
    Method,
    /// The whole URL.
    Url,
    /// The whole URL with the escapes decoded that HubSpot decodes.
    UrlDecoded,
    /// The raw body.
    Body,
    /// The signed time as it is written.
    Timestamp,
    /// A header's value.
    Header(String),
    /// These characters.
    Text(String),
}

/// How a secret becomes the bytes of a key.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeyForm {
    /// Its own bytes.
    #[default]
    Utf8,
    /// It is hex.
    Hex,
    /// It is base64, behind this prefix or without it.
    Base64After(String),
}

/// How a digest is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Encoding {
    /// Hex, in any case.
    #[default]
    Hex,
    /// Base64.
    Base64,
}

/// The signed time and how far it may lie from ours.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Timestamp {
    /// The header it is in; without one it is `t` of the signature's pairs.
    #[serde(default)]
    pub header: Option<String>,
    /// Whether it counts milliseconds.
    #[serde(default)]
    pub millis: bool,
    /// How far behind our clock it may lie, in seconds.
    pub tolerance_s: i64,
    /// How far ahead it may lie, in seconds; as far as behind if not given.
    #[serde(default)]
    pub ahead_s: Option<i64>,
}
