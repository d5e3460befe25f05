//! Ring 2, pure: files that people bring, read into the domain's types.
//!
//! What platforms export is recognised by its column names: [`platform::read`] finds the [`preset`] and answers spend
//! and counts with all that a preview shows. What users keep in a form of their own is mapped by them:
//!
//! A file is decoded into a [`Sheet`](decode::Sheet); an
//! [`ImportMapping`](mapping::ImportMapping), written by the user in TOML or
//! built in, says which column is which field; [`touches`], [`conversions`] and
//! [`costs`] answer row by row. A bad row is an error with its line number and
//! never stops the rest. Codes of channels, campaigns and links stay text: only
//! the store can look them up.
//!
//! ```
//! use headwater::imports::{costs, decode::Sheet, mapping::ImportMapping};
//!
//! let mapping = ImportMapping::parse(
//!     "kind = 'costs'
//!     source = 'ads'
//!     currency = 'EUR'
//!     [columns]
//!     day = 'Day'
//!     amount = 'Cost'",
//! ).unwrap();
//! let sheet = Sheet::read(b"Day;Cost\n2025-01-31;12.50\n").unwrap();
//! let (line, cost) = costs::rows(&sheet, &mapping).unwrap().next().unwrap().unwrap();
//! assert_eq!((line, cost.amount.minor), (2, 1250));
//! ```

mod bind;
pub mod conversions;
pub mod costs;
pub mod counts;
pub mod dates;
pub mod decode;
pub mod ecb;
pub mod grid;
pub mod mapping;
pub mod numbers;
pub mod platform;
pub mod preset;
pub mod recognise;
pub mod spend;
pub mod table;
mod template;
pub mod touches;
mod values;
pub mod workbook;

#[cfg(test)]
mod export_tests;
#[cfg(test)]
mod tests;
