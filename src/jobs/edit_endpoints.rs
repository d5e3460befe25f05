//! Making endpoints: secret, URL token and mapping in one go.

use crate::connectors::mapping::Mapping;
use crate::connectors::verify::{BearerToken, SigningSecret};
use crate::domain::fault::Fault;
use crate::domain::ids::EndpointId;
use crate::domain::money::Currency;
use crate::domain::time::UtcMillis;
use crate::jobs::intake::IntakeContext;
use crate::secret::{random_token, random_webhook_secret};
use crate::store::endpoints::{self, Endpoint, VerificationKind};
use crate::store::{Conn, StoreError};

/// An endpoint to be made.
#[derive(Debug, Clone)]
pub struct EndpointDraft {
    /// The name people read.
    pub name: String,
    /// How the sender proves itself.
    pub verification: VerificationKind,
    /// The sender's secret; made up if not given.
    pub secret: Option<String>,
    /// Where the fields are, as JSON; our own field names if not given.
    pub mapping: Option<String>,
    /// Currency of amounts that name none.
    pub currency: Option<Currency>,
    /// Whether its money counts as revenue.
    pub counts_revenue: bool,
}

/// A new endpoint with the secret, which is shown this once.
#[derive(Debug, Clone)]
pub struct NewEndpoint {
    /// The endpoint.
    pub endpoint: Endpoint,
    /// What the sender signs with.
    pub secret: String,
}

/// Makes an endpoint.
pub fn create(
    conn: &mut Conn,
    draft: &EndpointDraft,
    context: &IntakeContext,
    now: UtcMillis,
) -> Result<NewEndpoint, StoreError> {
    let mut faults = Vec::new();
    let name = draft.name.trim();
    if name.is_empty() || name.len() > 100 {
        faults.push(Fault::new("name", "name-length", "give the endpoint a name of 1 to 100 characters"));
    }
    let given = draft.secret.as_deref().map(str::trim).filter(|s| !s.is_empty());
    let secret = match (given, draft.verification) {
        (Some(secret), _) => secret.to_owned(),
        (None, VerificationKind::StandardWebhooks) => random_webhook_secret(),
        (None, VerificationKind::Bearer) => format!("hwb_{}", random_token()),
    };
    let checked = match draft.verification {
        VerificationKind::StandardWebhooks => SigningSecret::parse(&secret).map(drop),
        VerificationKind::Bearer => BearerToken::parse(&secret).map(drop),
    };
    faults.extend(checked.err());
    let mapping = checked_mapping(draft.mapping.as_deref()).unwrap_or_else(|list| {
        faults.extend(list);
        String::new()
    });
    if !faults.is_empty() {
        return Err(StoreError::Refused(faults));
    }
    let mut endpoint = Endpoint {
        id: EndpointId(0),
        name: name.to_owned(),
        token: random_token(),
        verification: draft.verification,
        sealed_secret: context.secret.seal(secret.as_bytes())?,
        mapping,
        currency: draft.currency,
        counts_revenue: draft.counts_revenue,
        archived_at: None,
    };
    endpoint.id = endpoints::create(conn, &endpoint, now)?;
    Ok(NewEndpoint { endpoint, secret })
}

/// Replaces an endpoint's mapping.
pub fn set_mapping(conn: &mut Conn, id: EndpointId, mapping: &str) -> Result<(), StoreError> {
    let mapping = checked_mapping(Some(mapping)).map_err(StoreError::Refused)?;
    endpoints::set_mapping(conn, id, &mapping)
}

/// A mapping as it is stored; without one, our own field names.
fn checked_mapping(json: Option<&str>) -> Result<String, Vec<Fault>> {
    let mapping = match json.map(str::trim).filter(|t| !t.is_empty()) {
        Some(text) => Mapping::from_json(text)?,
        None => Mapping::default(),
    };
    serde_json::to_string(&mapping).map_err(|e| vec![Fault::new("mapping", "mapping-malformed", e.to_string())])
}
