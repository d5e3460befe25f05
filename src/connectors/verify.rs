//! Proof that a delivery comes from who it says, over its raw bytes.
//!
//! Verification fails closed (invariant 9): an endpoint without a secret
//! accepts nothing, and nothing here has a default that accepts. Secrets are
//! compared in constant time, and every live secret is tried, so that a sender
//! can change its secret without losing a delivery.

use std::fmt;

use base64::Engine as _;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};

use crate::domain::fault::Fault;
use crate::domain::time::UtcMillis;

/// How far a signed time may lie from the server's clock, either side, in seconds (the Standard Webhooks default).
pub const TOLERANCE_S: i64 = 300;

/// Fewest bytes of a signing key; the specification asks for 24, and some senders make shorter ones.
const SIGNING_KEY_MIN: usize = 16;
/// Fewest characters of a bearer token: shorter ones can be guessed.
const TOKEN_MIN: usize = 16;
/// Longest signing secret or token.
const SECRET_MAX: usize = 1_024;
/// Block of SHA-256, to which HMAC pads its key.
const BLOCK: usize = 64;

/// Senders print secrets with and without `=` at the end.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A key that signs deliveries. Printed nowhere: its `Debug` hides it.
#[derive(Clone)]
pub struct SigningSecret([u8; BLOCK]);

impl SigningSecret {
    /// Reads `whsec_…` or bare base64.
    pub fn parse(text: &str) -> Result<Self, Fault> {
        let fault = |why: &str| {
            Fault::new(
                "secret",
                "secret-malformed",
                format!("the signing secret {why}; copy it from the sender, as whsec_ and base64"),
            )
        };
        let trimmed = text.trim();
        if trimmed.len() > SECRET_MAX {
            return Err(fault("is longer than 1024 characters"));
        }
        let key = LENIENT
            .decode(trimmed.strip_prefix("whsec_").unwrap_or(trimmed))
            .map_err(|_detail| fault("is not base64"))?;
        if key.len() < SIGNING_KEY_MIN {
            return Err(fault("has fewer than 16 bytes"));
        }
        // HMAC's own preparation of its key, done once here so that signing cannot fail later.
        let mut block = [0; BLOCK];
        let digest = Sha256::digest(&key);
        let short = if key.len() > BLOCK { digest.as_slice() } else { key.as_slice() };
        block.iter_mut().zip(short).for_each(|(to, from)| *to = *from);
        Ok(Self(block))
    }

    fn tag(&self, id: &str, timestamp: &str, body: &[u8]) -> [u8; 32] {
        let mut mac = <Hmac<Sha256> as KeyInit>::new(&self.0.into());
        for part in [id.as_bytes(), b".", timestamp.as_bytes(), b".", body] {
            mac.update(part);
        }
        mac.finalize().into_bytes().into()
    }
}

impl fmt::Debug for SigningSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningSecret(hidden)")
    }
}

/// A token that a sender repeats in `Authorization: Bearer …`. Only its digest is held.
#[derive(Clone)]
pub struct BearerToken([u8; 32]);

impl BearerToken {
    /// Takes a token of 16 to 1024 printable ASCII characters without spaces.
    pub fn parse(text: &str) -> Result<Self, Fault> {
        let trimmed = text.trim();
        let legal = trimmed.bytes().all(|b| b.is_ascii_graphic());
        if !legal || !(TOKEN_MIN..=SECRET_MAX).contains(&trimmed.len()) {
            return Err(Fault::new(
                "token",
                "token-malformed",
                "the token needs 16 to 1024 printable ASCII characters without spaces; let the server make one",
            ));
        }
        Ok(Self(Sha256::digest(trimmed).into()))
    }
}

impl fmt::Debug for BearerToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BearerToken(hidden)")
    }
}

/// How the sender of an endpoint proves itself.
#[derive(Debug, Clone)]
pub enum Verification {
    /// Standard Webhooks and Svix: HMAC-SHA-256 over `id.timestamp.body`.
    StandardWebhooks {
        /// Every secret that is live at present.
        secrets: Vec<SigningSecret>,
    },
    /// `Authorization: Bearer …`, for senders that cannot sign.
    Bearer {
        /// Every token that is live at present.
        tokens: Vec<BearerToken>,
    },
}

/// What a verified delivery told about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// The sender's id of the message, the same on every retry: `webhook-id`, or `Idempotency-Key` beside a token.
    pub message_id: Option<String>,
}

/// Why a delivery was refused. Safe to log and to answer: it holds nothing of the request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The endpoint is not configured.
    #[error("the endpoint has no secret and accepts nothing; give it one")]
    NoSecret,
    /// A header is not there.
    #[error("the header `{0}` is missing; send it with every request")]
    HeaderMissing(&'static str),
    /// A header cannot be read.
    #[error("the header `{header}` {why}")]
    Malformed {
        /// Which header.
        header: &'static str,
        /// What it should be.
        why: &'static str,
    },
    /// Signed too long ago or too far ahead.
    #[error("the signed time is {skew_s} s behind the server's clock (negative: ahead); {TOLERANCE_S} s are allowed")]
    TimestampOutside {
        /// Server's clock minus signed time, in seconds.
        skew_s: i64,
    },
    /// No signature is by a live secret.
    #[error("no signature fits the body under any live secret; compare the secrets, and sign the raw bytes")]
    SignatureMismatch,
    /// The token is none of the live ones.
    #[error("the token is none of this endpoint's")]
    TokenMismatch,
}

impl Refusal {
    /// A stable word for counters and problem types.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoSecret => "no-secret",
            Self::HeaderMissing(_) => "header-missing",
            Self::Malformed { .. } => "header-malformed",
            Self::TimestampOutside { .. } => "timestamp-outside",
            Self::SignatureMismatch => "signature-mismatch",
            Self::TokenMismatch => "token-mismatch",
        }
    }
}

/// Looks up a header by its lower-case name.
pub type Headers<'a, 'h> = &'a dyn Fn(&str) -> Option<&'h str>;

impl Verification {
    /// Decides over one request; `raw_body` are the bytes as they came, before any parsing.
    pub fn verify(&self, headers: Headers<'_, '_>, raw_body: &[u8], now: UtcMillis) -> Result<Verified, Refusal> {
        match self {
            Self::StandardWebhooks { secrets } => signed(secrets, headers, raw_body, now),
            Self::Bearer { tokens } => carried(tokens, headers),
        }
    }
}

/// The header value that signs a message: for tests, test events and our own outgoing events.
pub fn standard_webhooks_signature(secret: &SigningSecret, id: &str, timestamp_s: i64, body: &[u8]) -> String {
    format!("v1,{}", STANDARD.encode(secret.tag(id, &timestamp_s.to_string(), body)))
}

/// The header names of one dialect.
struct Dialect {
    id: &'static str,
    timestamp: &'static str,
    signature: &'static str,
}

const STANDARD_NAMES: Dialect =
    Dialect { id: "webhook-id", timestamp: "webhook-timestamp", signature: "webhook-signature" };
const SVIX_NAMES: Dialect = Dialect { id: "svix-id", timestamp: "svix-timestamp", signature: "svix-signature" };

fn signed(
    secrets: &[SigningSecret],
    headers: Headers<'_, '_>,
    body: &[u8],
    now: UtcMillis,
) -> Result<Verified, Refusal> {
    if secrets.is_empty() {
        return Err(Refusal::NoSecret);
    }
    // The names are never mixed: a request is wholly of one dialect, so that a refusal names the right header.
    let is_svix = [SVIX_NAMES.id, SVIX_NAMES.timestamp, SVIX_NAMES.signature].iter().any(|n| headers(n).is_some())
        && headers(STANDARD_NAMES.id).is_none();
    let names = if is_svix { SVIX_NAMES } else { STANDARD_NAMES };
    let header =
        |name: &'static str| headers(name).map(str::trim).filter(|v| !v.is_empty()).ok_or(Refusal::HeaderMissing(name));
    let (id, timestamp, signature) = (header(names.id)?, header(names.timestamp)?, header(names.signature)?);
    check_time(names.timestamp, timestamp, now)?;
    let given = signatures(names.signature, signature)?;
    let mut fits = Choice::from(0);
    for secret in secrets {
        let tag = secret.tag(id, timestamp, body);
        for candidate in &given {
            fits |= tag.as_slice().ct_eq(candidate);
        }
    }
    if bool::from(fits) { Ok(Verified { message_id: Some(id.to_owned()) }) } else { Err(Refusal::SignatureMismatch) }
}

fn check_time(header: &'static str, text: &str, now: UtcMillis) -> Result<(), Refusal> {
    let digits = text.bytes().all(|b| b.is_ascii_digit());
    let signed_s = text
        .parse::<i64>()
        .ok()
        .filter(|_| digits)
        .ok_or(Refusal::Malformed { header, why: "is not a whole number of seconds since 1970" })?;
    let skew_s = now.0.div_euclid(1_000).saturating_sub(signed_s);
    if skew_s.saturating_abs() > TOLERANCE_S { Err(Refusal::TimestampOutside { skew_s }) } else { Ok(()) }
}

/// The `v1` signatures of a space-separated list; other versions (`v1a`) are passed over.
fn signatures(header: &'static str, text: &str) -> Result<Vec<Vec<u8>>, Refusal> {
    let given: Vec<Vec<u8>> = text
        .split_ascii_whitespace()
        .filter_map(|entry| STANDARD.decode(entry.strip_prefix("v1,")?).ok())
        .filter(|signature| !signature.is_empty())
        .collect();
    if given.is_empty() {
        return Err(Refusal::Malformed { header, why: "holds no `v1,` and base64" });
    }
    Ok(given)
}

fn carried(tokens: &[BearerToken], headers: Headers<'_, '_>) -> Result<Verified, Refusal> {
    if tokens.is_empty() {
        return Err(Refusal::NoSecret);
    }
    let value = headers("authorization").ok_or(Refusal::HeaderMissing("authorization"))?;
    let token = match value.trim().split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => token.trim(),
        _ => return Err(Refusal::Malformed { header: "authorization", why: "is not `Bearer` and a token" }),
    };
    let digest: [u8; 32] = Sha256::digest(token).into();
    let mut fits = Choice::from(0);
    for live in tokens {
        fits |= digest.ct_eq(&live.0);
    }
    if !bool::from(fits) {
        return Err(Refusal::TokenMismatch);
    }
    let key = headers("idempotency-key").map(|k| k.trim().trim_matches('"')).filter(|k| !k.is_empty());
    Ok(Verified { message_id: key.map(str::to_owned) })
}

#[cfg(test)]
mod tests;
