//! Verification by every preset: genuine fixtures, and every mutation of them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signer, SigningKey};

use super::*;
use crate::connectors::overrides::Overrides;
use crate::connectors::{Connector, presets};
use crate::domain::time::UtcMillis;

const SECRET: &str = "whsec_C2FVsBQIhrscChlQIMU+b5sSYspob7oD";
const NOW_S: i64 = 1_791_191_700;

fn connector(preset: &str, secrets: &[&str]) -> Connector {
    let preset = presets::by_name(preset).expect("preset");
    Connector::new(preset, &Overrides::default(), secrets).unwrap_or_else(|faults| panic!("{faults:?}"))
}

fn verify(connector: &Connector, headers: &[(&str, &str)], body: &[u8]) -> Result<Verified, Refusal> {
    let headers: Vec<(String, String)> = headers.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
    let received_at = UtcMillis(NOW_S * 1_000);
    connector.verify(&Request { method: "POST", url: "https://t.example.com/in", headers: &headers, body, received_at })
}

#[test]
fn invariant_9_without_a_secret_nothing_is_accepted() {
    for preset in presets::all().iter().filter(|p| p.needs_secret()) {
        let none = connector(&preset.name, &[]);
        let headers: Vec<(&str, &str)> = preset.verify.iter().map(|s| (s.header.as_str(), "v1=00,t=0")).collect();
        for headers in [&headers[..], &[], &[("authorization", "Bearer ")], &[("authorization", "Basic Og==")]] {
            let refusal = verify(&none, headers, br#"{"token":"","writeKey":""}"#);
            assert_eq!(refusal, Err(Refusal::NoSecret), "{}", preset.name);
        }
    }
    for empty in ["", "  ", "whsec_", "whsec_AAAA", "not base64!"] {
        assert_eq!(SigningSecret::parse(empty).expect_err(empty).code, "secret-malformed");
        assert_eq!(Token::parse(empty, "").expect_err(empty).code, "token-malformed");
    }
}

#[test]
fn several_secrets_and_signatures_overlap() {
    let (body, id) = (b"{}", "msg_1");
    let other = "c29tZSBvdGhlciBzZWNyZXQga2V5";
    let sign =
        |secret: &str| standard_webhooks_signature(&SigningSecret::parse(secret).expect("secret"), id, NOW_S, body);
    let time = NOW_S.to_string();
    let check = |secrets: &[&str], signature: &str| {
        let headers = [("webhook-id", id), ("webhook-timestamp", time.as_str()), ("webhook-signature", signature)];
        verify(&connector("standard-webhooks", secrets), &headers, body)
    };
    assert_eq!(check(&[other], &sign(SECRET)), Err(Refusal::SignatureMismatch));
    for secrets in [[other, SECRET], [SECRET, other]] {
        assert_eq!(check(&secrets, &sign(SECRET)).expect("overlap").message_id.as_deref(), Some(id));
    }
    assert!(check(&[SECRET], &format!("v1a,AAAA {} {}", sign(other), sign(SECRET))).is_ok());
    for bad in ["v1,", "v1,?", "v1a,AAAA", &sign(SECRET)[3..]] {
        assert_eq!(check(&[SECRET], bad).expect_err(bad).code(), "header-malformed", "{bad}");
    }
    let half = format!("v1,{}", STANDARD.encode(&STANDARD.decode(&sign(SECRET)[3..]).expect("base64")[..16]));
    assert_eq!(check(&[SECRET], &half), Err(Refusal::SignatureMismatch));
}

#[test]
fn times_outside_the_window_are_refused_with_their_skew() {
    let check = |signed_s: i64| {
        let secret = SigningSecret::parse(SECRET).expect("secret");
        let signature = standard_webhooks_signature(&secret, "m", signed_s, b"{}");
        let time = signed_s.to_string();
        let headers = [("svix-id", "m"), ("svix-timestamp", time.as_str()), ("svix-signature", &signature)];
        verify(&connector("standard-webhooks", &[SECRET]), &headers, b"{}")
    };
    assert!(check(NOW_S - 300).is_ok() && check(NOW_S + 300).is_ok());
    for skew_s in [301, -301] {
        assert_eq!(check(NOW_S - skew_s), Err(Refusal::TimestampOutside { skew_s, allowed_s: 300 }));
    }
}

#[test]
fn ed25519_signatures_verify_by_their_public_key() {
    let key = SigningKey::from_bytes(&[7; 32]);
    let public = format!("whpk_{}", STANDARD.encode(key.verifying_key().to_bytes()));
    let time = NOW_S.to_string();
    let signature = format!("v1a,{}", STANDARD.encode(key.sign(format!("m.{time}.{{}}").as_bytes()).to_bytes()));
    let check = |secrets: &[&str], signature: &str, body: &[u8]| {
        let headers = [("webhook-id", "m"), ("webhook-timestamp", time.as_str()), ("webhook-signature", signature)];
        verify(&connector("standard-webhooks", secrets), &headers, body)
    };
    assert!(check(&[&public], &signature, b"{}").is_ok());
    assert!(check(&[SECRET, &public], &signature, b"{}").is_ok());
    assert_eq!(check(&[&public], &signature, b"{ }"), Err(Refusal::SignatureMismatch));
    assert_eq!(check(&[SECRET], &signature, b"{}").expect_err("no public key").code(), "header-malformed");
    let other = format!("whpk_{}", STANDARD.encode(SigningKey::from_bytes(&[8; 32]).verifying_key().to_bytes()));
    assert_eq!(check(&[&other], &signature, b"{}"), Err(Refusal::SignatureMismatch));
    assert!(
        Connector::new(presets::by_name("standard-webhooks").expect("preset"), &Overrides::default(), &["whpk_AAAA"])
            .is_err()
    );
}

#[test]
fn bearer_tokens_are_compared_whole() {
    let with = connector("bearer", &["token-number-one-1", "token-number-two-2"]);
    for good in ["Bearer token-number-one-1", "bearer  token-number-two-2 "] {
        assert_eq!(verify(&with, &[("authorization", good)], b"{}"), Ok(Verified { message_id: None }));
    }
    let keyed =
        verify(&with, &[("authorization", "Bearer token-number-one-1"), ("idempotency-key", "\"run-7\"")], b"{}");
    assert_eq!(keyed.expect("keyed").message_id.as_deref(), Some("run-7"));
    assert_eq!(verify(&with, &[], b"{}"), Err(Refusal::HeaderMissing("authorization".into())));
    for (bad, code) in [
        ("Bearer token-number-one-", "token-mismatch"),
        ("Bearer token-number-one-12", "token-mismatch"),
        ("Bearer ", "header-malformed"),
        ("Basic token-number-one-1", "header-malformed"),
        ("token-number-one-1", "header-malformed"),
    ] {
        assert_eq!(verify(&with, &[("authorization", bad)], b"{}").expect_err(bad).code(), code, "{bad}");
    }
}

#[test]
fn long_keys_are_hashed_as_hmac_says() {
    use hmac::{Hmac, KeyInit, Mac};
    let key = [7_u8; 100];
    let secret = SigningSecret::parse(&STANDARD.encode(key)).expect("secret");
    let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(&key).expect("key");
    mac.update(b"m.5.body");
    let expected: [u8; 32] = mac.finalize().into_bytes().into();
    assert_eq!(secret.tag([b"m".as_slice(), b".5.", b"body"]), expected);
}

#[test]
fn secrets_are_not_printed() {
    let printed =
        format!("{:?} {:?}", connector("bearer", &["token-number-one-1"]), connector("standard-webhooks", &[SECRET]));
    assert!(printed.contains("hidden") && !printed.contains("token-number") && !printed.contains("C2FV"), "{printed}");
}
