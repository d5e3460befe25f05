//! One integration binary: a real server on a real port, a database per test, a driven clock.
//!
//! Every behaviour that touches a database runs on SQLite and on PostgreSQL
//! ([`support::Backend`]); `make test` brings the PostgreSQL server.

#[cfg(test)]
#[macro_use]
mod support;

#[cfg(test)]
mod acceptance;
#[cfg(test)]
mod as_of;
#[cfg(test)]
mod browser;
#[cfg(test)]
mod classes;
#[cfg(test)]
mod connectors;
#[cfg(test)]
mod conversions;
#[cfg(test)]
mod costs;
#[cfg(test)]
mod demo_figures;
#[cfg(test)]
mod doctor;
#[cfg(test)]
mod durability;
#[cfg(test)]
mod endpoints;
#[cfg(test)]
mod erasure;
#[cfg(test)]
mod evidence;
#[cfg(test)]
mod exports;
#[cfg(test)]
mod forms;
#[cfg(test)]
mod hooks;
#[cfg(test)]
mod identity;
#[cfg(test)]
mod inbox;
#[cfg(test)]
mod limits;
#[cfg(test)]
mod links;
#[cfg(test)]
mod matching;
#[cfg(test)]
mod models_page;
#[cfg(test)]
mod moments;
#[cfg(test)]
mod money;
#[cfg(test)]
mod path_evidence;
#[cfg(test)]
mod path_report;
#[cfg(test)]
mod paths;
#[cfg(test)]
mod plans;
#[cfg(test)]
mod postgres_tls;
#[cfg(test)]
mod reclassify;
#[cfg(test)]
mod redirect;
#[cfg(test)]
mod report;
#[cfg(test)]
mod report_chance;
#[cfg(test)]
mod report_engine;
#[cfg(test)]
mod restatement;
#[cfg(test)]
mod rollups;
#[cfg(test)]
mod schema;
#[cfg(test)]
mod second;
#[cfg(test)]
mod self_reported;
#[cfg(test)]
mod start_up;
#[cfg(test)]
mod surface;
#[cfg(test)]
mod torture;
#[cfg(test)]
mod tracking;
#[cfg(test)]
mod ui;
