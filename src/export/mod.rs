//! Reports in the forms people take away: JSON, CSV, a terminal table, an SVG chart.

pub mod csv;
pub mod json;
pub mod sheet;
pub mod svg;
pub mod terminal;
