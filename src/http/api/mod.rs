//! The JSON API. A handler is: permission in its type, parse, one call, view.

pub mod conversions;
pub mod costs;
pub mod endpoint_setup;
pub mod endpoints;
pub mod erasures;
pub mod imports;
pub mod inbox;
pub mod labels;
pub mod links;
pub mod matching;
pub mod openapi;
pub mod people;
pub mod rates;
pub mod reports;
pub mod schedules;

use actix_web::web;
use serde::Serialize;

use super::problem::{Problem, ProblemKind};

pub use reports::default_range;

/// A list, wrapped so that it can grow a cursor.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct Listed<T> {
    /// The items.
    pub items: Vec<T>,
    /// Pass it as `cursor` to get the next page; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

impl<T> Listed<T> {
    /// A list that is whole.
    fn whole(items: Vec<T>) -> Self {
        Self { items, next_cursor: None }
    }
}

/// Tells an absent field (keep) from `null` (clear) in a PATCH.
fn absent_or_null<'de, D, T>(d: D) -> Result<Option<Option<T>>, D::Error>
where
    D: serde::Deserializer<'de>,
    T: serde::Deserialize<'de>,
{
    serde::Deserialize::deserialize(d).map(Some)
}

/// JSON bodies answer problems, too.
pub fn json_config(limit: usize) -> web::JsonConfig {
    web::JsonConfig::default().limit(limit).error_handler(|error, _request| {
        let kind = match &error {
            actix_web::error::JsonPayloadError::Overflow { .. }
            | actix_web::error::JsonPayloadError::OverflowKnownLength { .. } => ProblemKind::TooLarge,
            _ => ProblemKind::Malformed,
        };
        Problem::new(kind, format!("the body is not what this call takes: {error}")).into()
    })
}

/// Paths and queries as well.
pub fn query_config() -> web::QueryConfig {
    web::QueryConfig::default().error_handler(|error, _request| {
        Problem::new(ProblemKind::Malformed, format!("the query string cannot be read: {error}")).into()
    })
}
