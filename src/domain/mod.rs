//! Ring 1: what Headwater means, as pure functions and types.
//!
//! No HTTP, no SQL, no environment, no randomness, no clock except the
//! [`time::Clock`] trait: everything here can be tested with values alone.
//! Every other ring may use this one; it uses none of them
//! (`tests/rules.rs` enforces it).

pub mod allocation;
pub mod attribution;
pub mod calendar;
pub mod channel;
pub mod client;
pub mod cost;
pub mod delivery;
pub mod destination;
pub mod erasure;
pub mod fault;
pub mod fx;
pub mod health;
pub mod ids;
pub mod intake;
pub mod labour;
pub mod link;
pub mod matching;
pub mod money;
pub(crate) mod named_enum;
pub mod person;
pub mod platform;
pub mod schedule;
pub mod slug;
pub mod stage;
pub mod statistics;
pub mod time;
pub mod touch;
pub mod utm;
