//! Handshakes: a vendor asks an endpoint by GET to prove that it is meant.

use serde::{Deserialize, Serialize};
use serde_json::json;
use subtle::{Choice, ConstantTimeEq};

use super::request::{Reply, Request};
use super::secrets::{SigningSecret, hexed};
use super::verify::Refusal;

/// Longest challenge that is answered.
const CHALLENGE_MAX: usize = 500;
/// What a verify token that the vendor knows is written behind, among an endpoint's secrets.
pub(super) const VERIFY_TOKEN: &str = "verify_token:";

/// A vendor's handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Handshake {
    /// Meta's: `hub.mode`, `hub.verify_token`, and `hub.challenge`, which is answered as it is.
    MetaHub,
    /// LinkedIn's: `challengeCode`, answered with its HMAC under the client secret, again every two hours.
    LinkedinChallenge,
}

/// What the handshakes of an endpoint are answered with.
#[derive(Debug, Clone)]
pub(super) struct Keys {
    pub(super) secrets: Vec<SigningSecret>,
    /// Tokens that the user gave, beside the one that is made from each secret.
    pub(super) verify_tokens: Vec<String>,
}

impl Keys {
    /// The verify token of a secret: made from it, so that there is one secret to keep, and it stays out of URLs.
    pub(super) fn made(secret: &SigningSecret) -> String {
        let tag = hexed(&secret.tag([b"headwater verify token".as_slice()]));
        tag.chars().take(32).collect()
    }
}

/// Answers a handshake; `None` for a request that is none.
pub(super) fn answer(kind: Handshake, keys: &Keys, request: &Request<'_>) -> Result<Option<Reply>, Refusal> {
    if !request.method.eq_ignore_ascii_case("GET") {
        return Ok(None);
    }
    match kind {
        Handshake::MetaHub => meta(keys, request),
        Handshake::LinkedinChallenge => linkedin(keys, request),
    }
}

fn meta(keys: &Keys, request: &Request<'_>) -> Result<Option<Reply>, Refusal> {
    let (Some(mode), Some(challenge)) = (request.query("hub.mode"), request.query("hub.challenge")) else {
        return Ok(None);
    };
    let given = request.query("hub.verify_token").unwrap_or_default();
    let made = keys.secrets.iter().map(Keys::made);
    let fits = made
        .chain(keys.verify_tokens.iter().cloned())
        .fold(Choice::from(0), |fits, token| fits | token.as_bytes().ct_eq(given.as_bytes()));
    // Only what Meta sends is echoed: digits and letters, never markup.
    let is_plain =
        challenge.len() <= CHALLENGE_MAX && challenge.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
    if mode != "subscribe" || !bool::from(fits) || !is_plain {
        return Err(Refusal::HandshakeMismatch);
    }
    Ok(Some(Reply::ok("text/plain", challenge)))
}

fn linkedin(keys: &Keys, request: &Request<'_>) -> Result<Option<Reply>, Refusal> {
    let Some(code) = request.query("challengeCode") else { return Ok(None) };
    // A code is a UUID. Whatever else would be signed here could be sent as a delivery with that signature.
    if code.len() > 64 || !code.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-') {
        return Err(Refusal::HandshakeMismatch);
    }
    // The newest secret answers: LinkedIn signs with one at a time.
    let secret = keys.secrets.first().ok_or(Refusal::NoSecret)?;
    let response = hexed(&secret.tag([code.as_bytes()]));
    Ok(Some(Reply::ok("application/json", json!({ "challengeCode": code, "challengeResponse": response }).to_string())))
}
