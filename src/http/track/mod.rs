//! Tracking paths: `/{slug}`, the pixel, hw.js.
//!
//! `front` stands before actix-web on the same port and answers the redirect of a known link and the pixel itself:
//! routing, extractors and middleware cost as much as the redirect. All else goes on to the routes, where
//! `missing` answers slugs that the front does not know and `collect` takes the reports of hw.js.
//! Both sides read a request by `request`, answer by `answer`, and record by `turn`.

mod answer;
pub(super) mod collect;
mod front;
pub(super) mod missing;
mod request;
mod turn;

pub use front::in_front_of;
pub use missing::Misses;
pub use turn::Turn;
