//! Ring 3: work on facts that is neither a request nor a report. Each job is
//! idempotent: a crash in the middle is mended by running it again.

pub mod connectors;
pub mod edit_costs;
pub mod edit_endpoints;
pub mod edit_links;
pub mod edit_platforms;
pub mod edit_rates;
pub mod edit_schedules;
pub mod endpoint_table;
pub mod enrich;
pub mod erase;
pub mod find_deliveries;
pub mod import;
pub mod inbox;
pub mod intake;
pub mod load_deliveries;
pub mod load_touches;
pub mod matching;
pub mod platform_import;
pub mod reading;
pub mod reclassify;
pub mod replay;
pub mod test_event;
pub mod workers;
