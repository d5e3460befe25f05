//! Ring 4: HTTP. Adapters between requests and the rings below; [`routes`] is the whole URL table.

pub mod api;
pub mod auth;
mod client_address;
mod connection;
mod health;
mod hooks;
pub mod metrics;
pub mod problem;
pub mod refusals;
pub mod routes;
pub mod server;
pub mod state;
pub mod test_delivery;
pub mod track;
mod ui;
mod upload;
