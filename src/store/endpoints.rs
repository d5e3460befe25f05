//! Endpoints: configured receivers of webhooks.

use diesel::prelude::*;

use super::schema::endpoints;
use super::{Conn, StoreError, stored};
use crate::domain::fault::{Fault, shown};
use crate::domain::ids::EndpointId;
use crate::domain::money::Currency;
use crate::domain::time::UtcMillis;

/// An endpoint as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Its id.
    pub id: EndpointId,
    /// The name people read.
    pub name: String,
    /// The unguessable part of its URL.
    pub token: String,
    /// The connector preset that it takes deliveries by: a built-in name, or that of `own_preset`.
    pub preset: String,
    /// A preset of the user's own, as TOML.
    pub own_preset: Option<String>,
    /// The sender's secrets, encrypted, one a line; the text after a tab says until when one lives.
    pub sealed_secret: Vec<u8>,
    /// What the user changes of the preset, as JSON.
    pub mapping: String,
    /// Currency of amounts that name none.
    pub currency: Option<Currency>,
    /// Whether its money counts as revenue.
    pub counts_revenue: bool,
    /// The URL that the sender signs, where it is not the public URL and the endpoint's path.
    pub signed_url: Option<String>,
    /// Where the vendor's API is, if not where the preset says.
    pub api_base_url: Option<String>,
    /// The token for the vendor's API, encrypted.
    pub sealed_api_token: Option<Vec<u8>>,
    /// When it was taken out of use.
    pub archived_at: Option<UtcMillis>,
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = endpoints)]
struct Row {
    id: i64,
    name: String,
    token: String,
    secret: Vec<u8>,
    mapping: String,
    currency: Option<String>,
    counts_revenue: bool,
    archived_at: Option<i64>,
    preset: String,
    own_preset: Option<String>,
    signed_url: Option<String>,
    api_base_url: Option<String>,
    api_token: Option<Vec<u8>>,
}

fn endpoint_of(row: Row) -> Result<Endpoint, StoreError> {
    Ok(Endpoint {
        id: EndpointId(row.id),
        name: row.name,
        token: row.token,
        preset: row.preset,
        own_preset: row.own_preset,
        sealed_secret: row.secret,
        mapping: row.mapping,
        currency: row.currency.as_deref().map(stored).transpose()?,
        counts_revenue: row.counts_revenue,
        signed_url: row.signed_url,
        api_base_url: row.api_base_url,
        sealed_api_token: row.api_token,
        archived_at: row.archived_at.map(UtcMillis),
    })
}

/// Adds an endpoint; `endpoint.id` is ignored and the new one answered.
pub fn create(conn: &mut Conn, endpoint: &Endpoint, now: UtcMillis) -> Result<EndpointId, StoreError> {
    use endpoints as t;
    let taken: Option<i64> =
        on!(conn, c => t::table.filter(t::name.eq(&endpoint.name)).select(t::id).first(c).optional())?;
    if taken.is_some() {
        return Err(StoreError::refused(Fault::new(
            "name",
            "name-taken",
            format!("an endpoint is called {} already; choose another name", shown(&endpoint.name)),
        )));
    }
    let id: i64 = on!(conn, c => diesel::insert_into(t::table)
        .values((
            t::name.eq(&endpoint.name), t::token.eq(&endpoint.token), t::preset.eq(&endpoint.preset),
            t::own_preset.eq(&endpoint.own_preset), t::signed_url.eq(&endpoint.signed_url),
            t::api_base_url.eq(&endpoint.api_base_url), t::api_token.eq(&endpoint.sealed_api_token),
            t::secret.eq(&endpoint.sealed_secret), t::mapping.eq(&endpoint.mapping),
            t::currency.eq(endpoint.currency.map(Currency::code)), t::counts_revenue.eq(endpoint.counts_revenue),
            t::created_at.eq(now.0),
        ))
        .returning(t::id).get_result(c))?;
    Ok(EndpointId(id))
}

/// Replaces an endpoint's mapping; quarantined deliveries can be replayed through it.
pub fn set_mapping(conn: &mut Conn, id: EndpointId, mapping: &str) -> Result<(), StoreError> {
    use endpoints as t;
    let changed =
        on!(conn, c => diesel::update(t::table.filter(t::id.eq(id.0))).set(t::mapping.eq(mapping)).execute(c))?;
    if changed == 0 { Err(StoreError::NotFound(format!("endpoint {id}"))) } else { Ok(()) }
}

/// Replaces what is said about an endpoint: name, currency, revenue, signed URL.
pub fn set_about(conn: &mut Conn, endpoint: &Endpoint) -> Result<(), StoreError> {
    use endpoints as t;
    let taken: Option<i64> = on!(conn, c => t::table.filter(t::name.eq(&endpoint.name)).filter(t::id.ne(endpoint.id.0))
        .select(t::id).first(c).optional())?;
    if taken.is_some() {
        return Err(StoreError::refused(Fault::new(
            "name",
            "name-taken",
            format!("an endpoint is called {} already; choose another name", shown(&endpoint.name)),
        )));
    }
    let changed = on!(conn, c => diesel::update(t::table.filter(t::id.eq(endpoint.id.0)))
        .set((
            t::name.eq(&endpoint.name), t::currency.eq(endpoint.currency.map(Currency::code)),
            t::counts_revenue.eq(endpoint.counts_revenue), t::signed_url.eq(&endpoint.signed_url),
        ))
        .execute(c))?;
    if changed == 0 { Err(StoreError::NotFound(format!("endpoint {}", endpoint.id))) } else { Ok(()) }
}

/// Replaces an endpoint's secrets.
pub fn set_secrets(conn: &mut Conn, id: EndpointId, sealed: &[u8]) -> Result<(), StoreError> {
    use endpoints as t;
    let changed = on!(conn, c => diesel::update(t::table.filter(t::id.eq(id.0))).set(t::secret.eq(sealed)).execute(c))?;
    if changed == 0 { Err(StoreError::NotFound(format!("endpoint {id}"))) } else { Ok(()) }
}

/// Replaces where the vendor's API is, and the token for it.
pub fn set_api(
    conn: &mut Conn,
    id: EndpointId,
    base_url: Option<&str>,
    sealed_token: Option<&[u8]>,
) -> Result<(), StoreError> {
    use endpoints as t;
    let changed = on!(conn, c => diesel::update(t::table.filter(t::id.eq(id.0)))
        .set((t::api_base_url.eq(base_url), t::api_token.eq(sealed_token))).execute(c))?;
    if changed == 0 { Err(StoreError::NotFound(format!("endpoint {id}"))) } else { Ok(()) }
}

/// Takes an endpoint out of use; its sender is refused from then on.
pub fn archive(conn: &mut Conn, id: EndpointId, now: UtcMillis) -> Result<(), StoreError> {
    use endpoints as t;
    let changed =
        on!(conn, c => diesel::update(t::table.filter(t::id.eq(id.0))).set(t::archived_at.eq(now.0)).execute(c))?;
    if changed == 0 { Err(StoreError::NotFound(format!("endpoint {id}"))) } else { Ok(()) }
}

/// One endpoint.
pub fn get(conn: &mut Conn, id: EndpointId) -> Result<Endpoint, StoreError> {
    let row: Option<Row> =
        on!(conn, c => endpoints::table.filter(endpoints::id.eq(id.0)).select(Row::as_select()).first(c).optional())?;
    row.map(endpoint_of).transpose()?.ok_or_else(|| StoreError::NotFound(format!("endpoint {id}")))
}

/// The endpoint behind a URL token.
pub fn by_token(conn: &mut Conn, token: &str) -> Result<Option<Endpoint>, StoreError> {
    let row: Option<Row> = on!(conn, c => endpoints::table.filter(endpoints::token.eq(token)).select(Row::as_select()).first(c).optional())?;
    row.map(endpoint_of).transpose()
}

/// Every endpoint, by name.
pub fn list(conn: &mut Conn) -> Result<Vec<Endpoint>, StoreError> {
    let rows: Vec<Row> = on!(conn, c => endpoints::table.select(Row::as_select()).load(c))?;
    let mut list = rows.into_iter().map(endpoint_of).collect::<Result<Vec<_>, _>>()?;
    list.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(list)
}
