//! Memory, start-up time, and the disk that a click takes.

use std::fs;
use std::path::Path;
use std::time::Duration;

use super::contenders::{self, Sync};
use super::process::Memory;
use super::report::{Report, Spread};
use super::requests::{self, Kind, SLUGS};
use super::tally::Tally;
use super::targets::{self, Unit};
use super::wrk::Wrk;
use super::{Outcome, Run, fixture, say};

const STARTS: usize = 5;
/// From the first answer to the reading of the memory: the threads have started and the pools are filled.
const REST: Duration = Duration::from_millis(1_500);
const DRAIN_MAX: Duration = Duration::from_secs(180);

/// Measures and adds the tables.
pub(super) fn measure(run: &Run, dir: &Path, report: &mut Report) -> Outcome<()> {
    let starts = if run.quick { 1 } else { STARTS };
    let mut rows = Vec::new();
    let mut found = Vec::new();
    for (name, links) in [("rest", 1), ("many", run.links)] {
        say(&format!("memory and start with {links} links"));
        let data = fixture::make(dir, name, links)?;
        let (mut times, mut memories) = (Vec::new(), Vec::new());
        for _ in 0..starts {
            let server = contenders::serve(&data, Sync::Interval)?;
            times.push(u64::try_from(server.start.as_millis())?);
            std::thread::sleep(REST);
            memories.push(server.memory()?);
            server.stop()?;
        }
        fs::remove_dir_all(&data)?;
        let of = |figure: fn(&Memory) -> u64| Spread::of(memories.iter().map(figure).collect());
        let (rss, pss, peak, start) = (of(|m| m.rss), of(|m| m.pss), of(|m| m.peak), Spread::of(times));
        let memory = [rss, pss, peak].map(|s| s.print(Unit::Memory));
        rows.push([vec![links.to_string()], memory.to_vec(), vec![start.print(Unit::Millis)]].concat());
        found.push((links, rss, start));
    }
    let header = ["links", "resident (RSS)", "shared by share (PSS)", "peak", "start to first redirect"];
    report.table("Memory and start", "", &header, rows);
    if let [(few, rest, _), (many, full, start)] = found.as_slice() {
        let bytes = full.median.saturating_sub(rest.median) * 1_024 / (many - few).max(1);
        report.check(&targets::MEMORY_REST, *rest);
        report.check(&targets::MEMORY_LINK, Spread::of(vec![bytes]));
        report.check(&targets::START, *start);
    }
    disk(run, dir, report)
}

/// A second of clicks, loaded, weighed.
fn disk(run: &Run, dir: &Path, report: &mut Report) -> Outcome<()> {
    say("disk per click");
    let data = fixture::make(dir, "disk", SLUGS)?;
    let before = database_bytes(&data)?;
    let server = contenders::serve(&data, Sync::Interval)?;
    let file = requests::write_file(dir, Kind::Redirect)?;
    Wrk::new(dir)?.drive(&server.url("/"), &file, 64, run.seconds)?;
    let drained = Tally::drained(&server, DRAIN_MAX)?.ok_or("the writer did not load a second's clicks in time")?;
    let stored = drained.stored()?;
    server.stop()?;
    let bytes = database_bytes(&data)?.saturating_sub(before) / stored.max(1);
    let row = vec![stored.to_string(), Unit::Bytes.print(bytes)];
    report.table(
        "Disk",
        "The SQLite file's growth, indexes and all.",
        &["clicks stored", "bytes per click"],
        vec![row],
    );
    report.check(&targets::DISK_CLICK, Spread::of(vec![bytes]));
    Ok(())
}

/// The size of the database without its write-ahead log.
fn database_bytes(data: &Path) -> Outcome<u64> {
    // The last connection that closes moves the log into the file.
    drop(fixture::open(data)?);
    Ok(fs::metadata(data.join("headwater.db"))?.len())
}
