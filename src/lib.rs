//! Headwater: what each lead and each customer cost, and which channel, campaign and link it came from.

pub mod domain;
pub mod tracking;
