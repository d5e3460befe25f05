//! Secrets of senders, ready for use. Printed nowhere: their `Debug` hides them.

use std::fmt;

use base64::Engine as _;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use ed25519_dalek::VerifyingKey;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};

use super::scheme::KeyForm;
use crate::domain::fault::Fault;

/// Fewest bytes of a decoded signing key; Standard Webhooks asks for 24, and some senders make shorter ones.
const SIGNING_KEY_MIN: usize = 16;
/// Fewest characters of a token or of a secret used as it is written: shorter ones can be guessed.
const TOKEN_MIN: usize = 12;
/// Longest secret.
const SECRET_MAX: usize = 1_024;
/// Block of SHA-256, to which HMAC pads its key.
const BLOCK: usize = 64;
/// What a Standard Webhooks public key begins with.
const PUBLIC_PREFIX: &str = "whpk_";

/// Senders print secrets with and without `=` at the end.
pub(super) const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A key that signs deliveries.
#[derive(Clone)]
pub struct SigningSecret([u8; BLOCK]);

impl SigningSecret {
    /// Reads `whsec_…` or bare base64, as Standard Webhooks has it.
    pub fn parse(text: &str) -> Result<Self, Fault> {
        Self::read(text, &KeyForm::Base64After("whsec_".to_owned()))
    }

    /// Reads a secret in a vendor's form.
    pub(super) fn read(text: &str, form: &KeyForm) -> Result<Self, Fault> {
        let fault = |why: &str, remedy: &str| {
            Fault::new(
                "secret",
                "secret-malformed",
                format!("the signing secret {why}; copy it from the sender, as {remedy}"),
            )
        };
        let text = text.trim();
        if text.len() > SECRET_MAX {
            return Err(fault("is longer than 1024 characters", "it is"));
        }
        let key = match form {
            KeyForm::Utf8 if text.len() < TOKEN_MIN => return Err(fault("has fewer than 12 characters", "it is")),
            KeyForm::Utf8 => text.as_bytes().to_vec(),
            KeyForm::Hex => unhexed(text).ok_or_else(|| fault("is not hex", "it is, in hex"))?,
            KeyForm::Base64After(prefix) => LENIENT
                .decode(text.strip_prefix(prefix.as_str()).unwrap_or(text))
                .map_err(|_detail| fault("is not base64", &format!("{prefix} and base64")))?,
        };
        if key.len() < SIGNING_KEY_MIN && *form != KeyForm::Utf8 {
            return Err(fault("has fewer than 16 bytes", "it is"));
        }
        Ok(Self::of_bytes(&key))
    }

    fn of_bytes(key: &[u8]) -> Self {
        // HMAC's own preparation of its key, done once here so that signing cannot fail later.
        let mut block = [0; BLOCK];
        let digest = Sha256::digest(key);
        let short = if key.len() > BLOCK { digest.as_slice() } else { key };
        block.iter_mut().zip(short).for_each(|(to, from)| *to = *from);
        Self(block)
    }

    /// HMAC-SHA-256 over the parts, one after another.
    pub(super) fn tag<'p>(&self, parts: impl IntoIterator<Item = &'p [u8]>) -> [u8; 32] {
        let mut mac = <Hmac<Sha256> as KeyInit>::new(&self.0.into());
        parts.into_iter().for_each(|part| mac.update(part));
        mac.finalize().into_bytes().into()
    }
}

impl fmt::Debug for SigningSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningSecret(hidden)")
    }
}

/// A token that a sender repeats. Only its digest is held.
#[derive(Clone)]
pub(super) struct Token([u8; 32]);

impl Token {
    /// Takes 12 to 1024 printable ASCII characters without spaces, and `suffix` behind them as the sender writes it.
    pub(super) fn parse(text: &str, suffix: &str) -> Result<Self, Fault> {
        let trimmed = text.trim();
        let legal = trimmed.bytes().all(|b| b.is_ascii_graphic());
        if !legal || !(TOKEN_MIN..=SECRET_MAX).contains(&trimmed.len()) {
            return Err(Fault::new(
                "secret",
                "token-malformed",
                "the token needs 12 to 1024 printable ASCII characters without spaces; let the server make one",
            ));
        }
        Ok(Self(Sha256::digest(format!("{trimmed}{suffix}")).into()))
    }

    /// Whether this is the token, in a time that does not depend on where they differ.
    pub(super) fn is(&self, given: &[u8]) -> Choice {
        let digest: [u8; 32] = Sha256::digest(given).into();
        digest.ct_eq(&self.0)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(hidden)")
    }
}

/// A secret that is part of a plain digest.
#[derive(Clone)]
pub(super) struct PlainSecret(pub(super) Vec<u8>);

impl PlainSecret {
    pub(super) fn parse(text: &str) -> Result<Self, Fault> {
        SigningSecret::read(text, &KeyForm::Utf8).map(|_fits| Self(text.trim().as_bytes().to_vec()))
    }
}

impl fmt::Debug for PlainSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PlainSecret(hidden)")
    }
}

/// A public key, `whpk_` and base64; `None` for a text that is none of these.
pub(super) fn public_key(text: &str) -> Option<Result<VerifyingKey, Fault>> {
    let encoded = text.trim().strip_prefix(PUBLIC_PREFIX)?;
    let fault = || {
        Fault::new("secret", "secret-malformed", "the public key is not whpk_ and 32 bytes in base64; copy it again")
    };
    let bytes = LENIENT.decode(encoded).ok().and_then(|b| <[u8; 32]>::try_from(b).ok());
    Some(bytes.and_then(|b| VerifyingKey::from_bytes(&b).ok()).ok_or_else(fault))
}

/// Bytes of a text in hex, in any case.
pub(super) fn unhexed(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(text.get(at..at + 2)?, 16).ok()).collect()
}

/// Bytes in lower-case hex.
pub(super) fn hexed(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
