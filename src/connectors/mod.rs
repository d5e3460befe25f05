//! Ring 2, pure: what other systems send us.
//!
//! A [`preset::Preset`] is a vendor as data: how it proves itself, how its
//! bodies are written, what in them means what. A [`Connector`] is a preset with
//! a user's changes and live secrets; it decides over raw bytes whether a
//! delivery comes from who it says, and reads it into the domain's
//! [`EventInput`](crate::domain::intake::EventInput), item by item. Nothing here
//! knows the network, the database or the clock.

mod amount;
mod compiled;
mod connector;
mod event;
mod handshake;
pub mod headers;
mod layer;
mod moment;
pub mod overrides;
mod parse;
mod pick;
mod place;
pub mod preset;
pub mod presets;
pub mod reading;
pub mod request;
mod rule;
mod scalar;
pub mod scheme;
mod secrets;
mod soap;
mod strip;
mod template;
pub mod verify;

pub use connector::Connector;

#[cfg(test)]
mod tests;
