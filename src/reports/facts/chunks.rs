//! Journeys of many owners, a chunk at a time, the next ones read ahead.

use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::{self, Scope};

use super::journeys::{Journeys, Read};
use super::touches::Eligibility;
use super::{Facts, Owner};
use crate::reports::ReportError;
use crate::store::{Conn, StoreError};

/// People whose touches are in memory at a time; of each connection two more such chunks wait or are being read.
const OWNERS_AT_A_TIME: usize = 5_000;

/// Does some work for each chunk of owners, in their order.
///
/// A thread reads the touches of the next chunk meanwhile, at the priority of this one: on one core that costs what
/// reading and working cost one after the other, and on two it takes as long as the longer of both. Where the database
/// gives a second connection, two threads read every other chunk each.
pub(in crate::reports) fn for_each_chunk<'a>(
    conn: &mut Conn,
    facts: &'a Facts,
    owners: &[Owner<'a>],
    eligibility: &Eligibility,
    mut work: impl FnMut(&[Owner<'a>], &Journeys<'a>) -> Result<(), ReportError>,
) -> Result<(), ReportError> {
    let chunks: Vec<&[Owner<'a>]> = owners.chunks(OWNERS_AT_A_TIME).collect();
    let mut read_all = |conns: Vec<&mut Conn>| {
        thread::scope(|scope| {
            let readers = conns.len();
            let reader = |(first, conn): (usize, _)| {
                let own = chunks.iter().copied().skip(first).step_by(readers);
                read_ahead(scope, conn, own, |conn, chunk| Read::of_owners(conn, facts, chunk, eligibility))
            };
            let mut receivers: Vec<_> = conns.into_iter().enumerate().map(reader).collect();
            for (number, chunk) in chunks.iter().enumerate() {
                // Whatever ends this loop drops the receivers, at which the threads end, too.
                let read = receivers.get_mut(number % readers).and_then(|r| r.recv().ok());
                let read = read.ok_or_else(|| StoreError::Other("journeys ended before their people".into()))??;
                work(chunk, &read.into_journeys(eligibility))?;
            }
            Ok(())
        })
    };
    if chunks.len() < 2 {
        return read_all(vec![conn]);
    }
    conn.with_second(|conn, second| read_all(std::iter::once(conn).chain(second).collect()))
}

/// What a thread reads of each chunk, in their order, until an error or until nobody listens.
fn read_ahead<'scope, C: Copy + Send + 'scope, R: Send + 'scope>(
    scope: &'scope Scope<'scope, '_>,
    conn: &'scope mut Conn,
    chunks: impl Iterator<Item = C> + Send + 'scope,
    read: impl Fn(&mut Conn, C) -> Result<R, StoreError> + Send + 'scope,
) -> Receiver<Result<R, StoreError>> {
    let (sender, receiver) = sync_channel(1);
    scope.spawn(move || {
        for chunk in chunks {
            let read = read(conn, chunk);
            let is_last = read.is_err();
            if sender.send(read).is_err() || is_last {
                return;
            }
        }
    });
    receiver
}
