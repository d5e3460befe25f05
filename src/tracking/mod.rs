//! Ring 2, the data plane: answers tracked links and pixels, and gets every touch into the store.
//!
//! The way of a click: [`redirect::decide`] looks the slug up in a [`link_table::LinkTable`]
//! and builds the answer and its record from values alone; the record goes into the
//! [`journal`], with one `write` for all that are ready at that moment; the answer is sent; the [`writer`] thread reads the journal
//! in batches and hands them to a sink that `app` binds to the store, which
//! classifies them by [`classify`] and commits them.
//!
//! Nothing here knows HTTP, SQL, the environment or the wall clock. Invariants 1
//! (a redirect never waits for the database), 2 (an answered click is in the
//! journal) and 8 (privacy signals keep no visitor id and no network click id)
//! are kept here.

pub mod classify;
pub mod facts;
pub mod journal;
pub mod link_table;
pub mod pixel;
pub mod redirect;
pub mod writer;
