//! Reading the touches of all browsers, a browser after another: the paths that led to no stage event are among them.

use diesel::prelude::*;

use super::journeys::Loaded;
use super::{Key, Touch, classes, kind_code};
use crate::domain::time::UtcMillis;
use crate::domain::touch::{TouchClass, TouchKind};
use crate::store::schema::touches;
use crate::store::{Conn, Moments, StoreError};

/// The touches of browsers in a stretch of time, a page at a time, sorted by browser and id.
///
/// A touch without a browser belongs to no path and is left out. Each page goes on behind the last row of the one
/// before, along the index of browsers, so that a page costs the rows it passes over and no sort of the rest: SQLite's
/// index holds the id behind the browser, PostgreSQL sorts the few touches of each browser. As the index knows no time,
/// reading all pages costs all touches with a browser, whatever the stretch is.
#[derive(Debug)]
pub struct Paths<'a> {
    from: UtcMillis,
    to: UtcMillis,
    kinds: Vec<i16>,
    classes: &'a [TouchClass],
    moments: Moments,
    /// The browser and the touch that were read last.
    last: (Key, Key),
}

impl<'a> Paths<'a> {
    /// Of the touches of some kinds and classes in `[from, to)` that a report sees, with the classes that it sees.
    pub fn new(
        (from, to): (UtcMillis, UtcMillis),
        kinds: &[TouchKind],
        classes: &'a [TouchClass],
        moments: &Moments,
    ) -> Self {
        let kinds = kinds.iter().map(|k| kind_code(*k)).collect();
        Self { from, to, kinds, classes, moments: *moments, last: (Key([0; 16]), Key([0; 16])) }
    }

    /// The next touches, out of at most `rows` that are read at a time; none at the end. A browser may go on in the next
    /// page.
    pub fn read(&mut self, conn: &mut Conn, rows: i64) -> Result<Vec<Touch>, StoreError> {
        loop {
            let page = self.page(conn, rows)?;
            let Some(end) = page.last() else { return Ok(Vec::new()) };
            self.last = (end.visitor_id.unwrap_or(self.last.0), end.id);
            let later = classes::of_touches(conn, page.iter().map(|r| r.id), self.moments.classes)?;
            let mut found = Vec::with_capacity(page.len());
            for row in page {
                let touch = row.into_touch(&later)?;
                if self.classes.contains(&touch.class) {
                    found.push(touch);
                }
            }
            // A page of nothing but other classes is not the end.
            if !found.is_empty() {
                return Ok(found);
            }
        }
    }

    fn page(&self, conn: &mut Conn, rows: i64) -> Result<Vec<Loaded>, StoreError> {
        use touches as t;
        let (browser, touch) = (&self.last.0.0[..], &self.last.1.0[..]);
        Ok(on!(conn, c => t::table.select(Loaded::as_select())
            .filter(t::visitor_id.ge(browser)).filter(t::visitor_id.gt(browser).or(t::id.gt(touch)))
            // By the time itself: bounds of ids would lead to the table's key, and every page would sort the stretch.
            .filter(t::occurred_at.ge(self.from.0)).filter(t::occurred_at.lt(self.to.0))
            .filter(t::kind.eq_any(&self.kinds)).filter(t::recorded_at.le(self.moments.touches.0))
            .filter(t::voided_at.is_null().or(t::voided_at.gt(self.moments.voids.0)))
            .order((t::visitor_id, t::id)).limit(rows).load(c))?)
    }
}
