//! Ring 2, pure: what other systems send us.
//!
//! [`verify`] decides over the raw bytes whether a delivery comes from who it
//! says; [`mapping`] reads a verified body into the domain's
//! [`EventInput`](crate::domain::intake::EventInput). Neither knows HTTP, the
//! database or the clock: headers come as a look-up function, the time as an
//! argument.

pub mod mapping;
mod pick;
mod scalar;
pub mod verify;
