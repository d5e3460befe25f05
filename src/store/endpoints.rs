//! Endpoints: configured receivers of webhooks.

use diesel::prelude::*;

use super::schema::endpoints;
use super::{Conn, StoreError, stored};
use crate::domain::fault::{Fault, shown};
use crate::domain::ids::EndpointId;
use crate::domain::money::Currency;
use crate::domain::named_enum::named_enum;
use crate::domain::time::UtcMillis;

named_enum!(
    /// How a sender proves itself.
    VerificationKind, "verification", "verification-unknown" {
        /// Standard Webhooks: HMAC-SHA-256 over id, timestamp and body.
        StandardWebhooks = "standard-webhooks",
        /// `Authorization: Bearer …`.
        Bearer = "bearer",
    }
);

/// An endpoint as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Its id.
    pub id: EndpointId,
    /// The name people read.
    pub name: String,
    /// The unguessable part of its URL.
    pub token: String,
    /// How senders prove themselves.
    pub verification: VerificationKind,
    /// Their secret, encrypted.
    pub sealed_secret: Vec<u8>,
    /// Where the fields are, as JSON.
    pub mapping: String,
    /// Currency of amounts that name none.
    pub currency: Option<Currency>,
    /// Whether its money counts as revenue.
    pub counts_revenue: bool,
    /// When it was taken out of use.
    pub archived_at: Option<UtcMillis>,
}

type Row = (i64, String, String, String, Vec<u8>, String, Option<String>, bool, i64, Option<i64>);

fn endpoint_of(row: Row) -> Result<Endpoint, StoreError> {
    let (id, name, token, verification, sealed_secret, mapping, currency, counts_revenue, _created_at, archived_at) =
        row;
    Ok(Endpoint {
        id: EndpointId(id),
        name,
        token,
        verification: stored(&verification)?,
        sealed_secret,
        mapping,
        currency: currency.as_deref().map(stored).transpose()?,
        counts_revenue,
        archived_at: archived_at.map(UtcMillis),
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
            t::name.eq(&endpoint.name), t::token.eq(&endpoint.token), t::verification.eq(endpoint.verification.as_str()),
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

/// Takes an endpoint out of use; its sender is refused from then on.
pub fn archive(conn: &mut Conn, id: EndpointId, now: UtcMillis) -> Result<(), StoreError> {
    use endpoints as t;
    let changed =
        on!(conn, c => diesel::update(t::table.filter(t::id.eq(id.0))).set(t::archived_at.eq(now.0)).execute(c))?;
    if changed == 0 { Err(StoreError::NotFound(format!("endpoint {id}"))) } else { Ok(()) }
}

/// One endpoint.
pub fn get(conn: &mut Conn, id: EndpointId) -> Result<Endpoint, StoreError> {
    let row: Option<Row> = on!(conn, c => endpoints::table.filter(endpoints::id.eq(id.0)).first(c).optional())?;
    row.map(endpoint_of).transpose()?.ok_or_else(|| StoreError::NotFound(format!("endpoint {id}")))
}

/// The endpoint behind a URL token.
pub fn by_token(conn: &mut Conn, token: &str) -> Result<Option<Endpoint>, StoreError> {
    let row: Option<Row> = on!(conn, c => endpoints::table.filter(endpoints::token.eq(token)).first(c).optional())?;
    row.map(endpoint_of).transpose()
}

/// Every endpoint, by name.
pub fn list(conn: &mut Conn) -> Result<Vec<Endpoint>, StoreError> {
    let rows: Vec<Row> = on!(conn, c => endpoints::table.load(c))?;
    let mut list = rows.into_iter().map(endpoint_of).collect::<Result<Vec<_>, _>>()?;
    list.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(list)
}
