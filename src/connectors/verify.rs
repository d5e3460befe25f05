//! Proof that a delivery comes from who it says, over its raw bytes.
//!
//! Verification fails closed (invariant 9): an endpoint without a secret
//! accepts nothing, and nothing here has a default that accepts. Secrets are
//! compared in constant time, and every live secret is tried, so that a sender
//! can change its secret without losing a delivery.

mod sign;

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signature, VerifyingKey};
use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};

pub use self::sign::{Signed, Unsigned, sign};
use super::place::{Place, Scope};
use super::request::Request;
use super::scheme::{Encoding, HeaderForm, How, Scheme, SignedPart};
pub use super::secrets::SigningSecret;
use super::secrets::{PlainSecret, Token, public_key, unhexed};
use crate::domain::fault::Fault;

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
    HeaderMissing(String),
    /// A header cannot be read.
    #[error("the header `{header}` {why}")]
    Malformed {
        /// Which header.
        header: String,
        /// What it should be.
        why: String,
    },
    /// Signed too long ago or too far ahead.
    #[error("the signed time is {skew_s} s behind the server's clock (negative: ahead); {allowed_s} s are allowed")]
    TimestampOutside {
        /// Server's clock minus signed time, in seconds.
        skew_s: i64,
        /// How many may lie between them on that side.
        allowed_s: i64,
    },
    /// No signature is by a live secret.
    #[error(
        "no signature fits the body under any live secret; compare the secrets and the URL, and sign the raw bytes"
    )]
    SignatureMismatch,
    /// The token is none of the live ones.
    #[error("the token is none of this endpoint's")]
    TokenMismatch,
    /// The body does not hold the token that proves it.
    #[error("the body holds no token at `{0}`; send it with every request")]
    TokenMissing(String),
    /// It comes from another account of the same vendor.
    #[error("the delivery comes from another account than this endpoint's; compare the endpoint's `account`")]
    AccountMismatch,
    /// A handshake that was not meant for this endpoint.
    #[error("the handshake does not carry this endpoint's verify token")]
    HandshakeMismatch,
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
            Self::TokenMissing(_) => "token-missing",
            Self::AccountMismatch => "account-mismatch",
            Self::HandshakeMismatch => "handshake-mismatch",
        }
    }
}

/// A way of proof with its live secrets.
#[derive(Debug, Clone)]
pub(super) struct Verifier {
    scheme: Scheme,
    keys: Keys,
}

#[derive(Debug, Clone)]
enum Keys {
    Signing(Vec<SigningSecret>, Vec<VerifyingKey>),
    Plain(Vec<PlainSecret>),
    Tokens(Vec<Token>),
    Body(Vec<Token>, Place),
    Path,
}

impl Verifier {
    /// Reads the secrets as the scheme has them; each one that does not fit is a fault.
    pub(super) fn new(scheme: &Scheme, secrets: &[&str]) -> Result<Self, Vec<Fault>> {
        let tokens = |suffix: &str| all(secrets.iter().map(|s| Token::parse(s, suffix)));
        let keys = match scheme.how {
            How::HmacSha256 => {
                let public = secrets.iter().filter(|_| scheme.ed25519.is_some()).filter_map(|s| public_key(s));
                let shared = secrets.iter().filter(|s| scheme.ed25519.is_none() || public_key(s).is_none());
                Keys::Signing(all(shared.map(|s| SigningSecret::read(s, &scheme.key)))?, all(public)?)
            }
            How::Sha256 => Keys::Plain(all(secrets.iter().map(|s| PlainSecret::parse(s)))?),
            How::Basic | How::Bearer | How::Header => Keys::Tokens(tokens("")?),
            How::BasicUser => Keys::Tokens(tokens(":")?),
            How::BodyToken => Keys::Body(tokens("")?, Place::parse(&scheme.at).map_err(|f| vec![f])?),
            How::Path => Keys::Path,
        };
        Ok(Self { scheme: scheme.clone(), keys })
    }

    fn has_secret(&self) -> bool {
        match &self.keys {
            Keys::Signing(shared, public) => !shared.is_empty() || !public.is_empty(),
            Keys::Plain(secrets) => !secrets.is_empty(),
            Keys::Tokens(tokens) | Keys::Body(tokens, _) => !tokens.is_empty(),
            Keys::Path => true,
        }
    }

    /// Whether the request carries this proof; `strongly`: the proof itself, not just a header beside it.
    fn is_meant(&self, request: &Request<'_>, strongly: bool) -> bool {
        let scheme = &self.scheme;
        if scheme.only_if.as_ref().is_some_and(|c| request.header(&c.header) != Some(c.is.as_str())) {
            return false;
        }
        let auth = |scheme: &str| authorization(request, scheme).is_some();
        match scheme.how {
            How::Basic | How::BasicUser => auth("basic"),
            How::Bearer => auth("bearer"),
            How::Header => request.header(&scheme.header).is_some(),
            How::BodyToken | How::Path => true,
            How::HmacSha256 | How::Sha256 if strongly => request.header(&scheme.header).is_some(),
            How::HmacSha256 | How::Sha256 => scheme.headers().any(|name| request.header(name).is_some()),
        }
    }

    fn verify(&self, request: &Request<'_>) -> Result<(), Refusal> {
        if !self.has_secret() {
            return Err(Refusal::NoSecret);
        }
        let header = |name: &str| request.header(name).ok_or_else(|| Refusal::HeaderMissing(name.to_owned()));
        let fits = match &self.keys {
            Keys::Path => return Ok(()),
            Keys::Signing(shared, public) => return self.signed(request, shared, public),
            Keys::Plain(secrets) => return self.digested(request, secrets),
            Keys::Tokens(tokens) => any(tokens, &self.carried(header(self.token_header())?)?),
            Keys::Body(tokens, place) => any(tokens, &in_body(request, place)?),
        };
        if fits.into() { Ok(()) } else { Err(Refusal::TokenMismatch) }
    }

    fn token_header(&self) -> &str {
        if self.scheme.how == How::Header { &self.scheme.header } else { "authorization" }
    }

    /// The token that a header's value carries.
    fn carried(&self, value: &str) -> Result<Vec<u8>, Refusal> {
        let malformed = |why: &str| Refusal::Malformed { header: self.token_header().to_owned(), why: why.to_owned() };
        let behind = |scheme: &str, why: &str| after_scheme(value, scheme).ok_or_else(|| malformed(why));
        match self.scheme.how {
            How::Header => Ok(value.as_bytes().to_vec()),
            How::Bearer => Ok(behind("bearer", "is not `Bearer` and a token")?.as_bytes().to_vec()),
            _ => {
                let why = "is not `Basic` and base64";
                super::secrets::LENIENT.decode(behind("basic", why)?).map_err(|_detail| malformed(why))
            }
        }
    }

    fn signed(&self, request: &Request<'_>, shared: &[SigningSecret], public: &[VerifyingKey]) -> Result<(), Refusal> {
        let header = self.proof(request)?;
        let time = self.time(request, header)?;
        let parts = self.parts(request, time, b"")?;
        let given = self.signatures(header)?;
        let mut fits = Choice::from(0);
        for secret in shared {
            let tag = secret.tag(parts.iter().map(AsRef::as_ref));
            for candidate in &given.shared {
                fits |= tag.as_slice().ct_eq(candidate);
            }
        }
        let message = || parts.concat();
        let by_public =
            |signature: &Signature| public.iter().any(|key| key.verify_strict(&message(), signature).is_ok());
        if fits.into() || given.public.iter().any(by_public) { Ok(()) } else { Err(Refusal::SignatureMismatch) }
    }

    fn digested(&self, request: &Request<'_>, secrets: &[PlainSecret]) -> Result<(), Refusal> {
        let header = self.proof(request)?;
        let given = self.signatures(header)?;
        let mut fits = Choice::from(0);
        for secret in secrets {
            let digest = self.parts(request, "", &secret.0)?.iter().fold(Sha256::new(), |d, part| d.chain_update(part));
            let digest: [u8; 32] = digest.finalize().into();
            for candidate in &given.shared {
                fits |= digest.as_slice().ct_eq(candidate);
            }
        }
        if fits.into() { Ok(()) } else { Err(Refusal::SignatureMismatch) }
    }

    /// The header with the signature, once every other header that is needed has been found.
    fn proof<'r>(&self, request: &Request<'r>) -> Result<&'r str, Refusal> {
        for name in self.scheme.headers() {
            if request.header(name).is_none() {
                return Err(Refusal::HeaderMissing(name.to_owned()));
            }
        }
        request.header(&self.scheme.header).ok_or_else(|| Refusal::HeaderMissing(self.scheme.header.clone()))
    }

    /// The signed time, once it is near enough.
    fn time<'r>(&self, request: &Request<'r>, proof: &'r str) -> Result<&'r str, Refusal> {
        let Some(spec) = &self.scheme.timestamp else { return Ok("") };
        let header = spec.header.as_deref().unwrap_or(&self.scheme.header);
        let malformed = |why: &str| Refusal::Malformed { header: header.to_owned(), why: why.to_owned() };
        let text = match &spec.header {
            Some(name) => request.header(name).ok_or_else(|| Refusal::HeaderMissing(name.clone()))?,
            None => pair(proof, "t").next().ok_or_else(|| malformed("holds no time as `t=`"))?,
        };
        let unit = if spec.millis { "milliseconds" } else { "seconds" };
        let digits = text.bytes().all(|b| b.is_ascii_digit());
        let number = text.parse::<i64>().ok().filter(|_| digits);
        let number = number.ok_or_else(|| malformed(&format!("is not a whole number of {unit} since 1970")))?;
        let signed_s = if spec.millis { number.div_euclid(1_000) } else { number };
        let skew_s = request.received_at.0.div_euclid(1_000).saturating_sub(signed_s);
        let allowed_s = if skew_s < 0 { spec.ahead_s.unwrap_or(spec.tolerance_s) } else { spec.tolerance_s };
        if skew_s.saturating_abs() > allowed_s {
            Err(Refusal::TimestampOutside { skew_s, allowed_s })
        } else {
            Ok(text)
        }
    }

    fn parts<'p>(&self, request: &Request<'p>, time: &'p str, secret: &'p [u8]) -> Result<Vec<Cow<'p, [u8]>>, Refusal> {
        let part = |part: &SignedPart| {
            Ok(match part {
                SignedPart::Secret => Cow::Borrowed(secret),
                SignedPart::Method => Cow::Owned(request.method.to_ascii_uppercase().into_bytes()),
                SignedPart::Url => Cow::Borrowed(request.url.as_bytes()),
                SignedPart::UrlDecoded => Cow::Owned(decoded(request.url).into_bytes()),
                SignedPart::Body => Cow::Borrowed(request.body),
                SignedPart::Timestamp => Cow::Borrowed(time.as_bytes()),
                SignedPart::Header(name) => {
                    Cow::Borrowed(request.header(name).ok_or_else(|| Refusal::HeaderMissing(name.clone()))?.as_bytes())
                }
                SignedPart::Text(text) => Cow::Owned(text.clone().into_bytes()),
            })
        };
        self.scheme.signed.iter().map(part).collect()
    }

    fn signatures(&self, header: &str) -> Result<Given, Refusal> {
        let texts: Vec<&str> = match &self.scheme.form {
            HeaderForm::Bare => vec![header],
            HeaderForm::Prefix(prefix) => header.strip_prefix(prefix.as_str()).into_iter().collect(),
            HeaderForm::Pairs(name) => pair(header, name).collect(),
            HeaderForm::Entries(prefix) => {
                header.split_ascii_whitespace().filter_map(|entry| entry.strip_prefix(prefix.as_str())).collect()
            }
        };
        let decode = |text: &&str| match self.scheme.encoding {
            Encoding::Hex => unhexed(text.trim()),
            Encoding::Base64 => STANDARD.decode(text.trim()).ok(),
        };
        let shared: Vec<Vec<u8>> = texts.iter().filter_map(decode).filter(|bytes| !bytes.is_empty()).collect();
        let public: Vec<Signature> = self.scheme.ed25519.iter().flat_map(|prefix| public(header, prefix)).collect();
        let has_public_key = matches!(&self.keys, Keys::Signing(_, keys) if !keys.is_empty());
        if shared.is_empty() && (public.is_empty() || !has_public_key) {
            return Err(Refusal::Malformed { header: self.scheme.header.clone(), why: self.scheme.expected() });
        }
        Ok(Given { shared, public })
    }
}

/// The signatures that a header carries.
struct Given {
    shared: Vec<Vec<u8>>,
    public: Vec<Signature>,
}

impl Scheme {
    /// The headers that the proof cannot do without, but for the signature's own.
    pub(super) fn headers(&self) -> impl Iterator<Item = &str> {
        let signed = self.signed.iter().filter_map(|part| match part {
            SignedPart::Header(name) => Some(name.as_str()),
            _ => None,
        });
        signed.chain(self.timestamp.iter().filter_map(|t| t.header.as_deref()))
    }

    /// What the signature's header should be, for its refusal.
    fn expected(&self) -> String {
        let encoding = if self.encoding == Encoding::Hex { "hex" } else { "base64" };
        match &self.form {
            HeaderForm::Bare => format!("is not {encoding}"),
            HeaderForm::Prefix(prefix) | HeaderForm::Entries(prefix) => format!("holds no `{prefix}` and {encoding}"),
            HeaderForm::Pairs(name) => format!("holds no `{name}=` and {encoding}"),
        }
    }
}

/// Decides over one request: the first way of proof that it carries is the one that counts.
pub(super) fn verify(verifiers: &[Verifier], request: &Request<'_>) -> Result<Verified, Refusal> {
    let meant = |strongly: bool| verifiers.iter().find(|v| v.is_meant(request, strongly));
    let verifier = meant(true).or_else(|| meant(false)).or(verifiers.first()).ok_or(Refusal::NoSecret)?;
    verifier.verify(request)?;
    let named = verifier.scheme.message_id.iter().find_map(|name| request.header(name));
    let message_id = named.map(|id| id.trim_matches('"').to_owned()).filter(|id| !id.is_empty());
    Ok(Verified { message_id })
}

/// The header value that signs a message: for tests, test events and our own outgoing events.
pub fn standard_webhooks_signature(secret: &SigningSecret, id: &str, timestamp_s: i64, body: &[u8]) -> String {
    let time = timestamp_s.to_string();
    format!("v1,{}", STANDARD.encode(secret.tag([id.as_bytes(), b".", time.as_bytes(), b".", body])))
}

fn all<T>(results: impl Iterator<Item = Result<T, Fault>>) -> Result<Vec<T>, Vec<Fault>> {
    let (mut good, mut faults) = (Vec::new(), Vec::new());
    for result in results {
        match result {
            Ok(value) => good.push(value),
            Err(fault) => faults.push(fault),
        }
    }
    if faults.is_empty() { Ok(good) } else { Err(faults) }
}

fn any(tokens: &[Token], given: &[u8]) -> Choice {
    tokens.iter().fold(Choice::from(0), |fits, token| fits | token.is(given))
}

fn authorization<'r>(request: &Request<'r>, scheme: &str) -> Option<&'r str> {
    after_scheme(request.header("authorization")?, scheme)
}

fn after_scheme<'v>(value: &'v str, scheme: &str) -> Option<&'v str> {
    let (name, rest) = value.split_once(' ')?;
    Some(rest.trim()).filter(|rest| name.eq_ignore_ascii_case(scheme) && !rest.is_empty())
}

fn in_body(request: &Request<'_>, place: &Place) -> Result<Vec<u8>, Refusal> {
    let missing = || Refusal::TokenMissing(place.text().to_owned());
    let body: serde_json::Value = serde_json::from_slice(request.body).map_err(|_not_json| missing())?;
    let scope = Scope { item: &body, root: &body, request, message_id: None, delivered: None };
    let token = place.texts(&scope).ok().and_then(|texts| texts.into_iter().next());
    token.map(String::into_bytes).ok_or_else(missing)
}

/// The values of one name in `t=1,v1=a,v1=b`.
fn pair<'h>(header: &'h str, name: &'h str) -> impl Iterator<Item = &'h str> {
    header.split(',').filter_map(|p| p.split_once('=')).filter(move |(n, _)| n.trim() == name).map(|(_, v)| v.trim())
}

fn public<'h>(header: &'h str, prefix: &'h str) -> impl Iterator<Item = Signature> {
    let entries = header.split_ascii_whitespace().filter_map(move |entry| entry.strip_prefix(prefix));
    entries.filter_map(|text| Signature::from_slice(&STANDARD.decode(text).ok()?).ok())
}

/// The URL as HubSpot signs it: these escapes are decoded, others stay (its page on validating requests).
fn decoded(url: &str) -> String {
    const TABLE: &[(&str, &str)] = &[
        ("%3A", ":"),
        ("%2F", "/"),
        ("%3F", "?"),
        ("%40", "@"),
        ("%21", "!"),
        ("%24", "$"),
        ("%27", "'"),
        ("%28", "("),
        ("%29", ")"),
        ("%2A", "*"),
        ("%2C", ","),
        ("%3B", ";"),
    ];
    TABLE.iter().fold(url.to_owned(), |url, (escape, plain)| {
        url.replace(escape, plain).replace(&escape.to_ascii_lowercase(), plain)
    })
}

#[cfg(test)]
mod tests;
