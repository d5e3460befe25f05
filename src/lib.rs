//! Headwater: what each lead and each customer cost, and which channel, campaign and link it came from.
//!
//! The modules in reading order; arrows mean "may use":
//! `cli, app → http, jobs → reports → store → domain`; `tracking → domain`;
//! `connectors, imports → domain`; `export → reports, domain`. `tests/rules.rs` enforces it, and
//! `docs/architecture.md` walks a click, a webhook and a report through them.

pub mod domain;

pub mod tracking;

pub mod connectors;
pub mod imports;

pub mod store;

pub mod reports;

pub mod export;
pub mod jobs;
pub mod secret;

pub mod http;

pub mod app;
pub mod cli;
pub mod config;
pub mod telemetry;
