//! A delivery signed as its sender would sign it: for test events, by the same schemes that verify.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::super::parse::Format;
use super::super::preset::Preset;
use super::super::request::Request;
use super::super::scheme::{Encoding, HeaderForm, How, Scheme, SignedPart};
use super::super::secrets::{SigningSecret, hexed, public_key};
use super::Verifier;
use crate::domain::fault::Fault;
use crate::domain::time::UtcMillis;

/// A request that an endpoint of the preset accepts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body, with the token where the sender puts one there.
    pub body: Vec<u8>,
}

/// What is to be signed.
#[derive(Debug, Clone, Copy)]
pub struct Unsigned<'a> {
    /// The URL that the sender signs.
    pub url: &'a str,
    /// The body.
    pub body: &'a [u8],
    /// An id of the message, for senders that name one.
    pub message_id: &'a str,
    /// When it is signed.
    pub at: UtcMillis,
}

/// Signs a `POST` with the first way of proof that the secret fits; a fault where only the vendor can.
pub fn sign(preset: &Preset, secret: Option<&str>, unsigned: &Unsigned<'_>) -> Result<Signed, Fault> {
    let fault = |code: &str, why: &str| Fault::new("secret", code, why);
    let mut headers = vec![("content-type".to_owned(), content_type(preset.format, unsigned.body).to_owned())];
    let of_setup = preset.setup.test_headers.iter().map(|(name, value)| (name.to_lowercase(), value.clone()));
    headers.extend(of_setup);
    let mut body = unsigned.body.to_vec();
    if !preset.needs_secret() {
        return Ok(Signed { headers, body });
    }
    let secret =
        secret.ok_or_else(|| fault("no-secret", "the endpoint has no secret yet; give it the vendor's first"))?;
    if public_key(secret).is_some() {
        let why = "only the vendor can sign with this key; send the test from the vendor's screens";
        return Err(fault("secret-public", why));
    }
    let fitting = preset.verify.iter().find_map(|scheme| Some((scheme, Verifier::new(scheme, &[secret]).ok()?)));
    let (scheme, verifier) = fitting.ok_or_else(|| fault("secret-malformed", "the secret fits no way of proof"))?;
    if let Some(name) = scheme.message_id.first() {
        headers.push((name.clone(), unsigned.message_id.to_owned()));
    }
    headers.extend(scheme.only_if.iter().map(|only| (only.header.clone(), only.is.clone())));
    match scheme.how {
        How::Path => {}
        How::Basic => headers.push(("authorization".into(), format!("Basic {}", STANDARD.encode(secret)))),
        How::BasicUser => {
            headers.push(("authorization".into(), format!("Basic {}", STANDARD.encode(format!("{secret}:")))))
        }
        How::Bearer => headers.push(("authorization".into(), format!("Bearer {secret}"))),
        How::Header => headers.push((scheme.header.clone(), secret.to_owned())),
        How::BodyToken => body = with_token(&body, &scheme.at, secret)?,
        How::HmacSha256 | How::Sha256 => add_proof(scheme, &verifier, secret, unsigned, &mut headers)?,
    }
    Ok(Signed { headers, body })
}

fn add_proof(
    scheme: &Scheme,
    verifier: &Verifier,
    secret: &str,
    unsigned: &Unsigned<'_>,
    headers: &mut Vec<(String, String)>,
) -> Result<(), Fault> {
    let refused = |why: &str| Fault::new("secret", "secret-malformed", why.to_owned());
    let millis = scheme.timestamp.as_ref().is_some_and(|t| t.millis);
    let time = if millis { unsigned.at.0 } else { unsigned.at.0.div_euclid(1_000) }.to_string();
    headers.extend(scheme.timestamp.iter().filter_map(|t| Some((t.header.clone()?, time.clone()))));
    for part in &scheme.signed {
        if let SignedPart::Header(name) = part
            && !headers.iter().any(|(n, _)| n == name)
        {
            headers.push((name.clone(), unsigned.message_id.to_owned()));
        }
    }
    let request = Request { method: "POST", url: unsigned.url, headers, body: unsigned.body, received_at: unsigned.at };
    let parts = verifier.parts(&request, &time, secret.trim().as_bytes()).map_err(|why| refused(&why.to_string()))?;
    let digest: [u8; 32] = match scheme.how {
        How::Sha256 => parts.iter().fold(Sha256::new(), |digest, part| digest.chain_update(part)).finalize().into(),
        _ => SigningSecret::read(secret, &scheme.key)?.tag(parts.iter().map(AsRef::as_ref)),
    };
    let proof = match scheme.encoding {
        Encoding::Hex => hexed(&digest),
        Encoding::Base64 => STANDARD.encode(digest),
    };
    let value = match &scheme.form {
        HeaderForm::Bare => proof,
        HeaderForm::Prefix(prefix) | HeaderForm::Entries(prefix) => format!("{prefix}{proof}"),
        HeaderForm::Pairs(name) => format!("t={time},{name}={proof}"),
    };
    headers.push((scheme.header.clone(), value));
    Ok(())
}

fn content_type(format: Format, body: &[u8]) -> &'static str {
    let is_json = body.iter().find(|b| !b.is_ascii_whitespace()).is_some_and(|b| matches!(b, b'{' | b'['));
    match format {
        Format::Json => "application/json",
        Format::JsonOrForm if is_json => "application/json",
        Format::Form | Format::JsonOrForm => "application/x-www-form-urlencoded",
        Format::Soap => "text/xml; charset=utf-8",
    }
}

/// The body with the token at a JSON pointer of one name, which is all that senders have.
fn with_token(body: &[u8], at: &str, secret: &str) -> Result<Vec<u8>, Fault> {
    let unfit = || Fault::new("secret", "token-place", "the token's place in the body is not one that a test can fill");
    let name = at.strip_prefix('/').filter(|name| !name.contains('/')).ok_or_else(unfit)?;
    let mut value: Value = serde_json::from_slice(body).map_err(|_not_json| unfit())?;
    let object = value.as_object_mut().ok_or_else(unfit)?;
    object.insert(name.to_owned(), Value::String(secret.trim().to_owned()));
    serde_json::to_vec(&value).map_err(|_unwritable| unfit())
}

#[cfg(test)]
mod tests {
    use super::super::super::overrides::Overrides;
    use super::super::super::{Connector, presets};
    use super::*;

    /// A secret that fits a preset's first way of proof.
    fn secret(preset: &Preset) -> &'static str {
        use super::super::super::scheme::KeyForm;
        match preset.verify.first().map(|s| (s.how, &s.key)) {
            Some((How::HmacSha256, KeyForm::Base64After(_))) => "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX",
            Some((How::HmacSha256, KeyForm::Hex)) => "000102030405060708090a0b0c0d0e0f1011121314151617",
            Some((How::Basic, _)) => "headwater:a-long-password",
            _ => "a-secret-of-enough-letters",
        }
    }

    #[test]
    fn what_is_signed_is_accepted_and_means_something_for_every_preset() {
        let at = UtcMillis(1_800_000_000_000);
        for preset in presets::all() {
            let name = &preset.name;
            let url = "https://t.example/hooks/token";
            let unsigned = Unsigned { url, body: preset.setup.test_event.as_bytes(), message_id: "msg-1", at };
            let secret = secret(preset);
            let signed = sign(preset, Some(secret), &unsigned).unwrap_or_else(|fault| panic!("{name}: {fault}"));
            let connector = Connector::new(preset, &Overrides::default(), &[secret]).expect(name);
            let request = |body| Request { method: "POST", url, headers: &signed.headers, body, received_at: at };
            connector.verify(&request(&signed.body)).unwrap_or_else(|refusal| panic!("{name}: {refusal}"));
            if preset.needs_secret() {
                let stranger = sign(preset, Some(secret), &Unsigned { body: b"{}", ..unsigned }).expect(name);
                let strange = secret.replace('a', "b").replace("AAEC", "BBEC").replace("00", "11");
                assert_ne!(strange, secret, "{name}");
                let other = Connector::new(preset, &Overrides::default(), &[&strange]);
                let forged =
                    Request { method: "POST", url, headers: &stranger.headers, body: &stranger.body, received_at: at };
                if let Ok(other) = other {
                    assert!(other.verify(&forged).is_err(), "{name} takes another's secret");
                }
            }
            for reading in connector.read(&request(&signed.body), None) {
                use super::super::super::reading::ReadingOutcome as O;
                assert!(!matches!(reading.outcome, O::Fault(_)), "{name}: {:?}", reading.outcome);
            }
        }
    }

    #[test]
    fn without_a_secret_there_is_nothing_to_sign_with() {
        let preset = presets::by_name("bearer").expect("preset");
        let unsigned = Unsigned { url: "", body: b"{}", message_id: "m", at: UtcMillis(0) };
        assert_eq!(sign(preset, None, &unsigned).expect_err("no secret").code, "no-secret");
    }
}
