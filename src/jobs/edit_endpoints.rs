//! Making endpoints and changing them: preset, secrets, URL token and mapping.

use crate::connectors::Connector;
use crate::connectors::overrides::Overrides;
use crate::connectors::preset::{Preset, SecretOrigin};
use crate::connectors::presets;
use crate::domain::fault::Fault;
use crate::domain::ids::EndpointId;
use crate::domain::money::Currency;
use crate::domain::time::UtcMillis;
use crate::jobs::connectors::{self, LiveSecret, preset_of};
use crate::jobs::intake::IntakeContext;
use crate::secret::{random_token, random_webhook_secret};
use crate::store::endpoints::{self, Endpoint};
use crate::store::{Conn, StoreError, lookups};

/// How long the secret before the last goes on being taken after a change, unless said otherwise: a day.
pub const OVERLAP_MS: i64 = 86_400_000;

/// An endpoint to be made.
#[derive(Debug, Clone, Default)]
pub struct EndpointDraft {
    /// The name people read.
    pub name: String,
    /// The name of a built-in connector preset.
    pub preset: String,
    /// A preset of the user's own, as TOML, in place of a built-in one.
    pub own_preset: Option<String>,
    /// The sender's secret. Without one it is made, or, where the vendor makes it, given later: until then the endpoint
    /// accepts nothing.
    pub secret: Option<String>,
    /// What the user changes of the preset, as JSON.
    pub mapping: Option<String>,
    /// Currency of amounts that name none.
    pub currency: Option<Currency>,
    /// Whether its money counts as revenue.
    pub counts_revenue: bool,
    /// The URL that the sender signs, where it is not the public URL and the endpoint's path.
    pub signed_url: Option<String>,
    /// Where the vendor's API is, if not where the preset says.
    pub api_base_url: Option<String>,
    /// The token for the vendor's API.
    pub api_token: Option<String>,
}

/// A new endpoint with the secret, which is shown this once.
#[derive(Debug, Clone)]
pub struct NewEndpoint {
    /// The endpoint.
    pub endpoint: Endpoint,
    /// What the sender signs with; empty where the vendor makes it later or has none.
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
    faults.extend(name_fault(name));
    let given = |text: &Option<String>| text.as_deref().map(str::trim).filter(|t| !t.is_empty()).map(str::to_owned);
    let own_preset = given(&draft.own_preset);
    let preset = match &own_preset {
        Some(text) => Preset::from_toml(text),
        None => presets::by_name(draft.preset.trim()).cloned().map_err(|fault| vec![fault]),
    };
    let preset = preset.map_err(|list| faults.extend(list)).ok();
    let (signed_url, api_base_url) = (given(&draft.signed_url), given(&draft.api_base_url));
    faults.extend(url_fault("signed_url", signed_url.as_deref()));
    faults.extend(url_fault("api_base_url", api_base_url.as_deref()));
    let overrides = checked_mapping(draft.mapping.as_deref()).map_err(|list| faults.extend(list)).ok();
    let (Some(preset), Some(overrides)) = (preset, overrides) else { return Err(StoreError::Refused(faults)) };
    let secret = given(&draft.secret).unwrap_or_else(|| made_secret(&preset));
    let live: Vec<&str> = Some(secret.as_str()).filter(|s| !s.is_empty()).into_iter().collect();
    faults.extend(Connector::new(&preset, &overrides, &live).err().into_iter().flatten());
    if !faults.is_empty() {
        return Err(StoreError::Refused(faults));
    }
    let secrets = [LiveSecret { text: secret.clone(), until: None }];
    let seal = |token: String| context.secret.seal(token.as_bytes());
    let mut endpoint = Endpoint {
        id: EndpointId(0),
        name: name.to_owned(),
        token: random_token(),
        preset: preset.name.clone(),
        own_preset,
        sealed_secret: connectors::seal(&secrets, &context.secret)?,
        mapping: overrides.to_json(),
        currency: draft.currency,
        counts_revenue: draft.counts_revenue,
        signed_url,
        api_base_url,
        sealed_api_token: given(&draft.api_token).map(seal).transpose()?,
        archived_at: None,
    };
    endpoint.id = endpoints::create(conn, &endpoint, now)?;
    Ok(NewEndpoint { endpoint, secret })
}

/// Replaces an endpoint's mapping.
pub fn set_mapping(conn: &mut Conn, id: EndpointId, mapping: &str) -> Result<(), StoreError> {
    let overrides = checked_mapping(Some(mapping)).map_err(StoreError::Refused)?;
    let preset = preset_of(&endpoints::get(conn, id)?).map_err(StoreError::Refused)?;
    Connector::new(&preset, &overrides, &[]).map_err(StoreError::Refused)?;
    endpoints::set_mapping(conn, id, &overrides.to_json())
}

/// Gives an endpoint a new secret, made if not given, and answers it. Those before it are taken for `overlap_ms` more, so
/// that the sender can change over without losing a delivery; 0 ends them at once, as after a leak.
pub fn rotate_secret(
    conn: &mut Conn,
    id: EndpointId,
    secret: Option<&str>,
    overlap_ms: i64,
    context: &IntakeContext,
    now: UtcMillis,
) -> Result<String, StoreError> {
    let endpoint = endpoints::get(conn, id)?;
    let preset = preset_of(&endpoint).map_err(StoreError::Refused)?;
    let text = secret.map(str::trim).filter(|s| !s.is_empty()).map_or_else(|| made_secret(&preset), str::to_owned);
    if text.is_empty() {
        let why = "the vendor makes this secret, or there is none; copy it from the vendor";
        return Err(StoreError::refused(Fault::new("secret", "missing", why)));
    }
    Connector::new(&preset, &Overrides::default(), &[&text]).map_err(StoreError::Refused)?;
    let ends = now.plus_ms(overlap_ms.max(0));
    let mut secrets = vec![LiveSecret { text: text.clone(), until: None }];
    for old in connectors::secrets(&endpoint, &context.secret)? {
        let until = old.until.map_or(ends, |until| until.min(ends));
        secrets.extend(Some(LiveSecret { until: Some(until), ..old }).filter(|s| now < until && s.text != text));
    }
    endpoints::set_secrets(conn, id, &connectors::seal(&secrets, &context.secret)?)?;
    Ok(text)
}

/// Ends every secret but the newest at once.
pub fn end_old_secrets(conn: &mut Conn, id: EndpointId, context: &IntakeContext) -> Result<(), StoreError> {
    let endpoint = endpoints::get(conn, id)?;
    let newest: Vec<LiveSecret> =
        connectors::secrets(&endpoint, &context.secret)?.into_iter().filter(|s| s.until.is_none()).collect();
    endpoints::set_secrets(conn, id, &connectors::seal(&newest, &context.secret)?)
}

/// What is said about an endpoint, as it shall be.
#[derive(Debug, Clone, Default)]
pub struct About {
    /// The name people read.
    pub name: String,
    /// Currency of amounts that name none.
    pub currency: Option<Currency>,
    /// Whether the money of events that come from now on counts as revenue.
    pub counts_revenue: bool,
    /// The URL that the sender signs, where it is not the public URL and the endpoint's path.
    pub signed_url: Option<String>,
}

/// Changes what is said about an endpoint.
pub fn set_about(conn: &mut Conn, id: EndpointId, about: &About) -> Result<(), StoreError> {
    let mut faults = Vec::new();
    faults.extend(name_fault(about.name.trim()));
    let signed_url = about.signed_url.as_deref().map(str::trim).filter(|u| !u.is_empty());
    faults.extend(url_fault("signed_url", signed_url));
    if !faults.is_empty() {
        return Err(StoreError::Refused(faults));
    }
    let endpoint = Endpoint {
        name: about.name.trim().to_owned(),
        currency: about.currency,
        counts_revenue: about.counts_revenue,
        signed_url: signed_url.map(str::to_owned),
        ..endpoints::get(conn, id)?
    };
    endpoints::set_about(conn, &endpoint)
}

fn name_fault(name: &str) -> Option<Fault> {
    let is_fit = !name.is_empty() && name.len() <= 100;
    (!is_fit).then(|| Fault::new("name", "name-length", "give the endpoint a name of 1 to 100 characters"))
}

/// Sets the vendor's API of an endpoint; without a token, thin deliveries wait to be completed.
pub fn set_api(
    conn: &mut Conn,
    id: EndpointId,
    base_url: Option<&str>,
    token: Option<&str>,
    context: &IntakeContext,
    now: UtcMillis,
) -> Result<(), StoreError> {
    let base_url = base_url.map(str::trim).filter(|u| !u.is_empty());
    if let Some(fault) = url_fault("api_base_url", base_url) {
        return Err(StoreError::refused(fault));
    }
    let token = token.map(str::trim).filter(|t| !t.is_empty());
    if token.is_some_and(|t| t.len() > 4_096 || !t.bytes().all(|b| b.is_ascii_graphic())) {
        let why = "a token has printable ASCII characters without spaces, at most 4096; copy it again";
        return Err(StoreError::refused(Fault::new("api_token", "token-malformed", why)));
    }
    let sealed = token.map(|t| context.secret.seal(t.as_bytes())).transpose()?;
    endpoints::set_api(conn, id, base_url, sealed.as_deref())?;
    // What waited for a token, or for another one, is asked for now.
    lookups::postpone_all(conn, id, now)
}

/// A secret for senders that take ours; empty where the vendor makes it or there is none.
fn made_secret(preset: &Preset) -> String {
    use crate::connectors::scheme::{How, KeyForm};
    let how = preset.verify.first().map(|scheme| (scheme.how, &scheme.key));
    match (preset.setup.secret, how) {
        (SecretOrigin::WeMake, Some((How::HmacSha256, KeyForm::Base64After(_)))) => random_webhook_secret(),
        (SecretOrigin::WeMake, Some((How::Basic, _))) => format!("headwater:{}", random_token()),
        (SecretOrigin::WeMake, _) => format!("hwb_{}", random_token()),
        (SecretOrigin::VendorGives | SecretOrigin::PathIsSecret, _) => String::new(),
    }
}

fn url_fault(field: &str, text: Option<&str>) -> Option<Fault> {
    let is_web =
        |text: &str| url::Url::parse(text).is_ok_and(|u| matches!(u.scheme(), "http" | "https") && u.has_host());
    let bad = text.filter(|t| t.len() > 1_000 || !is_web(t))?;
    let why =
        format!("{} is no address; write it whole, as https://example.com/path", crate::domain::fault::shown(bad));
    Some(Fault::new(field, "url-malformed", why))
}

/// A user's mapping; without one, the preset stands as it is.
fn checked_mapping(json: Option<&str>) -> Result<Overrides, Vec<Fault>> {
    match json.map(str::trim).filter(|t| !t.is_empty()) {
        Some(text) => Overrides::from_json(text),
        None => Ok(Overrides::default()),
    }
}
