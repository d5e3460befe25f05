//! Verification against the fixtures that the Standard Webhooks libraries signed, and against every mutation of them.

use std::collections::BTreeMap;

use super::*;

/// A fixture: a body, and the sidecar with its headers, clock and secret.
struct Fixture {
    body: &'static [u8],
    headers: BTreeMap<String, String>,
    clock_s: i64,
    secret: SigningSecret,
    expected: String,
}

fn fixture(body: &'static [u8], meta: &str) -> Fixture {
    let meta: serde_json::Value = serde_json::from_str(meta).expect("sidecar");
    let text = |v: &serde_json::Value| v.as_str().expect("text").to_owned();
    let secret = STANDARD.decode(text(&meta["signature"]["secret_base64"])).expect("base64");
    let headers = meta["request"]["headers"].as_object().expect("headers");
    Fixture {
        body,
        headers: headers.iter().map(|(k, v)| (k.to_lowercase(), text(v))).collect(),
        clock_s: meta["clock_unix"].as_i64().expect("clock"),
        secret: SigningSecret::parse(std::str::from_utf8(&secret).expect("utf8")).expect("secret"),
        expected: text(&meta["signature"]["expected"]),
    }
}

macro_rules! fixture {
    ($name:literal) => {
        fixture(
            include_bytes!(concat!("../../../tests/fixtures/standard_webhooks/", $name, ".json")),
            include_str!(concat!("../../../tests/fixtures/standard_webhooks/", $name, ".meta.json")),
        )
    };
}

fn fixtures() -> [Fixture; 3] {
    [fixture!("contact-converted"), fixture!("contact-converted-svix-headers"), fixture!("official-rust-vector")]
}

impl Fixture {
    fn verify(&self) -> Result<Verified, Refusal> {
        self.verify_at(self.clock_s, self.body)
    }

    fn verify_at(&self, clock_s: i64, body: &[u8]) -> Result<Verified, Refusal> {
        let with = Verification::StandardWebhooks { secrets: vec![self.secret.clone()] };
        with.verify(&|name| self.headers.get(name).map(String::as_str), body, UtcMillis(clock_s * 1_000))
    }

    /// The full name of the header that ends in `end`, in this fixture's dialect.
    fn name(&self, end: &str) -> String {
        self.headers.keys().find(|k| k.ends_with(end)).expect("header").clone()
    }
}

#[test]
fn genuine_messages_verify_and_name_themselves() {
    for f in fixtures() {
        let id = f.headers[&f.name("-id")].clone();
        assert_eq!(f.verify(), Ok(Verified { message_id: Some(id.clone()) }));
        assert_eq!(standard_webhooks_signature(&f.secret, &id, f.clock_s, f.body), f.expected);
    }
}

#[test]
fn invariant_9_without_a_secret_nothing_is_accepted() {
    for f in fixtures() {
        let mut headers = f.headers.clone();
        headers.insert("authorization".into(), "Bearer ".into());
        let look_up = |name: &str| headers.get(name).map(String::as_str);
        for with in [Verification::StandardWebhooks { secrets: vec![] }, Verification::Bearer { tokens: vec![] }] {
            assert_eq!(with.verify(&look_up, f.body, UtcMillis(f.clock_s * 1_000)), Err(Refusal::NoSecret));
        }
    }
    for empty in ["", "  ", "whsec_", "whsec_AAAA", "not base64!"] {
        assert_eq!(SigningSecret::parse(empty).expect_err(empty).code, "secret-malformed");
        assert_eq!(BearerToken::parse(empty).expect_err(empty).code, "token-malformed");
    }
}

#[test]
fn a_changed_body_is_refused() {
    for f in fixtures() {
        for at in 0..f.body.len() {
            let mut body = f.body.to_vec();
            body[at] ^= 1;
            assert_eq!(f.verify_at(f.clock_s, &body), Err(Refusal::SignatureMismatch), "byte {at}");
        }
        assert_eq!(f.verify_at(f.clock_s, &f.body[..f.body.len() - 1]), Err(Refusal::SignatureMismatch));
        assert_eq!(f.verify_at(f.clock_s, b""), Err(Refusal::SignatureMismatch));
    }
}

#[test]
fn changed_headers_are_refused_for_their_own_reason() {
    for f in fixtures() {
        let (id, time, signature) = (f.name("-id"), f.name("-timestamp"), f.name("-signature"));
        let outcome = |name: &str, value: Option<&str>| {
            let mut changed =
                Fixture { headers: f.headers.clone(), secret: f.secret.clone(), expected: String::new(), ..f };
            match value {
                Some(v) => changed.headers.insert(name.to_owned(), v.to_owned()),
                None => changed.headers.remove(name),
            };
            changed.verify().expect_err(name)
        };
        for name in [&id, &time, &signature] {
            for gone in [None, Some(" ")] {
                assert!(
                    matches!(outcome(name, gone), Refusal::HeaderMissing(n) if n.ends_with(&name[name.len() - 3..])),
                    "{name}"
                );
            }
        }
        assert_eq!(outcome(&id, Some("msg_other")), Refusal::SignatureMismatch);
        assert_eq!(outcome(&time, Some(&(f.clock_s + 1).to_string())), Refusal::SignatureMismatch);
        for bad in ["yesterday", "-5", "+5", "1.5", "99999999999999999999"] {
            assert_eq!(outcome(&time, Some(bad)).code(), "header-malformed", "{bad}");
        }
        let mut flipped = STANDARD.decode(&f.expected[3..]).expect("base64");
        flipped[31] ^= 1;
        assert_eq!(outcome(&signature, Some(&format!("v1,{}", STANDARD.encode(&flipped)))), Refusal::SignatureMismatch);
        let half = STANDARD.encode(&STANDARD.decode(&f.expected[3..]).expect("base64")[..16]);
        assert_eq!(outcome(&signature, Some(&format!("v1,{half}"))), Refusal::SignatureMismatch);
        for bad in ["v1,", &f.expected[3..], &f.expected[..20], &format!("v1a,{}", &f.expected[3..]), "v1,?"] {
            assert_eq!(outcome(&signature, Some(bad)).code(), "header-malformed", "{bad}");
        }
    }
}

#[test]
fn old_and_future_times_are_refused_with_their_skew() {
    for f in fixtures() {
        for (shift, outcome) in [
            (300, None),
            (-300, None),
            (301, Some(Refusal::TimestampOutside { skew_s: 301 })),
            (-301, Some(Refusal::TimestampOutside { skew_s: -301 })),
        ] {
            assert_eq!(f.verify_at(f.clock_s + shift, f.body).err(), outcome, "{shift}");
        }
    }
}

#[test]
fn several_secrets_and_signatures_overlap() {
    let mut f = fixture!("contact-converted");
    let other = SigningSecret::parse("c29tZSBvdGhlciBzZWNyZXQga2V5").expect("secret");
    let genuine = f.secret.clone();
    let now = UtcMillis(f.clock_s * 1_000);
    let verify = |secrets: &[&SigningSecret], f: &Fixture| {
        let secrets = secrets.iter().map(|s| (*s).clone()).collect();
        Verification::StandardWebhooks { secrets }.verify(&|n| f.headers.get(n).map(String::as_str), f.body, now)
    };
    assert_eq!(verify(&[&other], &f), Err(Refusal::SignatureMismatch));
    assert!(verify(&[&other, &genuine], &f).is_ok());
    assert!(verify(&[&genuine, &other], &f).is_ok());
    let by_other = standard_webhooks_signature(&other, &f.headers["webhook-id"], f.clock_s, f.body);
    f.headers.insert("webhook-signature".into(), format!("v1a,AAAA {by_other} {}", f.expected));
    assert!(verify(&[&genuine], &f).is_ok());
    f.headers.insert("webhook-signature".into(), format!("{} {by_other}", f.expected));
    assert!(verify(&[&genuine], &f).is_ok());
    // Some senders send both dialects; the standard one is then read whole.
    f.headers.insert("svix-signature".into(), "v1,AAAA".into());
    assert!(verify(&[&genuine], &f).is_ok());
}

#[test]
fn long_keys_are_hashed_as_hmac_says() {
    let key = [7_u8; 100];
    let secret = SigningSecret::parse(&STANDARD.encode(key)).expect("secret");
    let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(&key).expect("key");
    mac.update(b"m.5.body");
    let expected: [u8; 32] = mac.finalize().into_bytes().into();
    assert_eq!(secret.tag("m", "5", b"body"), expected);
}

#[test]
fn bearer_tokens_are_compared_whole() {
    let tokens = ["token-number-one-1", "token-number-two-2"].map(|t| BearerToken::parse(t).expect(t)).to_vec();
    let with = Verification::Bearer { tokens };
    let verify = |auth: Option<&'static str>, key: Option<&'static str>| {
        with.verify(
            &|n| if n == "authorization" { auth } else { key.filter(|_| n == "idempotency-key") },
            b"{}",
            UtcMillis(0),
        )
    };
    for good in ["Bearer token-number-one-1", "bearer  token-number-two-2 "] {
        assert_eq!(verify(Some(good), None), Ok(Verified { message_id: None }));
    }
    let keyed = verify(Some("Bearer token-number-one-1"), Some("\"run-7\""));
    assert_eq!(keyed.expect("keyed").message_id.as_deref(), Some("run-7"));
    assert_eq!(verify(None, None), Err(Refusal::HeaderMissing("authorization")));
    for (bad, code) in [
        ("Bearer token-number-one-", "token-mismatch"),
        ("Bearer token-number-one-12", "token-mismatch"),
        ("Bearer ", "header-malformed"),
        ("Basic token-number-one-1", "header-malformed"),
        ("token-number-one-1", "header-malformed"),
    ] {
        assert_eq!(verify(Some(bad), None).expect_err(bad).code(), code, "{bad}");
    }
}

#[test]
fn secrets_are_not_printed() {
    let printed = format!(
        "{:?}",
        Verification::Bearer { tokens: vec![BearerToken::parse("token-number-one-1").expect("token")] }
    ) + &format!("{:?}", SigningSecret::parse("whsec_C2FVsBQIhrscChlQIMU+b5sSYspob7oD").expect("secret"));
    assert!(printed.contains("hidden") && !printed.contains("token-number") && !printed.contains("C2FV"), "{printed}");
}
