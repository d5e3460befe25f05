//! The pages.

use actix_web::web::ServiceConfig;

/// Registers the pages.
pub(super) fn configure(_service: &mut ServiceConfig) {}
