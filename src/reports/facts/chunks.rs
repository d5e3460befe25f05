//! Journeys of many owners, a chunk at a time, the next one read ahead.

use std::sync::mpsc::sync_channel;
use std::thread;

use super::journeys::{Journeys, Read};
use super::touches::Eligibility;
use super::{Facts, Owner};
use crate::reports::ReportError;
use crate::store::Conn;

/// People whose touches are in memory at a time; two more such chunks wait or are being read.
const OWNERS_AT_A_TIME: usize = 5_000;

/// Does some work for each chunk of owners, in their order.
///
/// A thread reads the touches of the next chunk meanwhile, at the priority of this one: on one core that costs what
/// reading and working cost one after the other, and on two it takes as long as the longer of both.
pub(in crate::reports) fn for_each_chunk<'a>(
    conn: &mut Conn,
    facts: &'a Facts,
    owners: &[Owner<'a>],
    eligibility: &Eligibility,
    mut work: impl FnMut(&[Owner<'a>], &Journeys<'a>) -> Result<(), ReportError>,
) -> Result<(), ReportError> {
    let chunks = || owners.chunks(OWNERS_AT_A_TIME);
    thread::scope(|scope| {
        let (sender, receiver) = sync_channel(1);
        scope.spawn(move || {
            for chunk in chunks() {
                let read = Read::of_owners(conn, facts, chunk, eligibility);
                let is_last = read.is_err();
                if sender.send(read).is_err() || is_last {
                    return;
                }
            }
        });
        // Whatever ends this loop drops the receiver, at which the thread ends, too.
        for (chunk, read) in chunks().zip(receiver) {
            work(chunk, &read?.into_journeys(eligibility))?;
        }
        Ok(())
    })
}
