//! Test events: a delivery as the vendor would send it, made here, and what is said of one that came in.
//!
//! A test is verified, kept, read and checked like any delivery, and then becomes nothing: its item is ignored by the
//! rule `test-event`, with what it would have become. Whoever can send a delivery can mark it as a test, by the header
//! `headwater-test`; so a user sees the vendor's own test arrive without a lead in the books.

use crate::connectors::overrides::Overrides;
use crate::connectors::reading::ReadingOutcome;
use crate::connectors::verify::{Signed, Unsigned, sign};
use crate::domain::fault::Fault;
use crate::domain::intake::{IntakeDefaults, TEST_HEADER, TEST_MESSAGE};
use crate::domain::person::JoinKey;
use crate::domain::stage::StageEventDraft;
use crate::domain::time::UtcMillis;
use crate::jobs::connectors::{live, preset_of, secrets};
use crate::jobs::intake::IntakeContext;
use crate::secret::SecretKey;
use crate::store::StoreError;
use crate::store::endpoints::Endpoint;

/// What a vendor repeats in its handshake is no secret that signs.
const NO_SIGNER: &str = "verify_token:";

/// The message id under which a test is kept that its sender marked with `mark`: what is no plain word is left out of it.
pub fn message_id(mark: &str) -> String {
    let name: String = mark.chars().filter(char::is_ascii_alphanumeric).take(40).collect();
    format!("{TEST_MESSAGE}{name}")
}

/// Whether a delivery is a test.
pub fn is_test(message_id: Option<&str>) -> bool {
    message_id.is_some_and(|id| id.starts_with(TEST_MESSAGE))
}

/// The preset's test event as the vendor would send it to `url`, signed with the newest live secret.
///
/// `url` is the one that the sender signs; `test` is the name under which the delivery will be kept, by [`message_id`].
pub fn request(
    endpoint: &Endpoint,
    url: &str,
    test: &str,
    key: &SecretKey,
    now: UtcMillis,
) -> Result<Signed, StoreError> {
    let mut preset = preset_of(endpoint).map_err(StoreError::Refused)?.into_owned();
    if endpoint.archived_at.is_some() {
        let why = "the endpoint is archived and refuses everything, tests too";
        return Err(StoreError::refused(Fault::new("endpoint", "archived", why)));
    }
    let overrides = Overrides::from_json(&endpoint.mapping).map_err(StoreError::Refused)?;
    let account = overrides.account.as_deref().unwrap_or("example");
    preset.setup.test_headers.values_mut().for_each(|value| *value = value.replace("{account}", account));
    let secrets = live(&secrets(endpoint, key)?, now);
    let secret = secrets.iter().map(String::as_str).find(|s| !s.starts_with(NO_SIGNER));
    let message_id = message_id(test);
    let unsigned = Unsigned { url, body: preset.setup.test_event.as_bytes(), message_id: &message_id, at: now };
    let mut signed = sign(&preset, secret, &unsigned)?;
    signed.headers.push((TEST_HEADER.to_owned(), test.to_owned()));
    Ok(signed)
}

/// What a test would have become, in words.
pub(super) fn would_become(
    outcome: ReadingOutcome,
    context: &IntakeContext,
    defaults: &IntakeDefaults,
    received_at: UtcMillis,
) -> String {
    let words = |faults: &[Fault]| faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
    let outcome = match outcome {
        ReadingOutcome::Event(input) => {
            match input.check(defaults, received_at, &|email| context.secret.email_hash(email)) {
                Ok(draft) => format!("it would have become {}", described(&draft)),
                Err(faults) => format!("it would have been quarantined: {}", words(&faults)),
            }
        }
        ReadingOutcome::Ignored { rule } => format!("the rule `{rule}` would have ignored it"),
        ReadingOutcome::NeedsEnrichment(lookup) => {
            format!("its record ({}) would have been read from the vendor first", lookup.record)
        }
        ReadingOutcome::Fault(faults) => format!("it would have been quarantined: {}", words(&faults)),
    };
    format!("a test: {outcome}; nothing was stored")
}

/// A draft in words, without what is personal in it.
fn described(draft: &StageEventDraft) -> String {
    let kinds: Vec<&str> = draft.keys.iter().filter(|k| !matches!(k, JoinKey::Subject(_))).map(JoinKey::kind).collect();
    let by = if kinds.is_empty() { String::new() } else { format!(", known by {}", kinds.join(" and ")) };
    let about = draft.subject.as_ref().map(|s| format!(" about {}", s.as_str())).unwrap_or_default();
    let worth = draft.value.map(|v| format!(" worth {v}")).unwrap_or_default();
    format!("the `{}` of {}{about}{worth}{by}", draft.stage, draft.occurred_at)
}
