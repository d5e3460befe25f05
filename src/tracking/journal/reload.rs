//! Loading again what was put aside, once its cause is mended. The journal may be open meanwhile.
//!
//! The lines are taken out under another name first, so that what is put aside in the meantime goes into a new file. A
//! line that is refused again, or that holds no record, is appended there as it was. The file is removed when all of it
//! is done; if that breaks off, the next run takes it up, so whoever loads must be able to load twice.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::path::Path;

use serde::Deserialize;

use super::format::Record;
use super::quarantine::LINES;
use super::storage::{private, sync_dir};

/// The lines that are being loaded again.
pub(super) const TAKEN: &str = "reloading.jsonl";

/// What loading again did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Reloaded {
    /// Records that were taken.
    pub loaded: u64,
    /// Cases that are in quarantine as before: refused again, or no records.
    pub left: u64,
}

#[derive(Deserialize)]
struct Line<R> {
    record: Option<R>,
}

/// Hands each record in the quarantine of the journal in `dir` to `load`, which says whether it was taken.
///
/// Where `load` fails, as with a database that is away, everything stays and can be tried again.
pub fn reload<R: Record, E: From<io::Error>>(
    dir: &Path,
    mut load: impl FnMut(&R) -> Result<bool, E>,
) -> Result<Reloaded, E> {
    let dir = dir.join("quarantine");
    let (lines, taken) = (dir.join(LINES), dir.join(TAKEN));
    let mut done = Reloaded::default();
    loop {
        // What an earlier run left comes first.
        if !taken.try_exists()? {
            match fs::rename(&lines, &taken) {
                Err(why) if why.kind() == io::ErrorKind::NotFound => return Ok(done),
                renamed => renamed?,
            }
            reload_file(&dir, &mut load, &mut done)?;
            return Ok(done);
        }
        reload_file(&dir, &mut load, &mut done)?;
    }
}

fn reload_file<R: Record, E: From<io::Error>>(
    dir: &Path,
    load: &mut impl FnMut(&R) -> Result<bool, E>,
    done: &mut Reloaded,
) -> Result<(), E> {
    let taken = dir.join(TAKEN);
    let mut reader = BufReader::new(File::open(&taken)?);
    // Who had the file open while it was renamed may have written to it since.
    while reload_lines(dir, &mut reader, load, done)? {}
    fs::remove_file(&taken)?;
    Ok(sync_dir(dir)?)
}

/// Loads lines up to the end; whether there were any.
fn reload_lines<R: Record, E: From<io::Error>>(
    dir: &Path,
    reader: &mut BufReader<File>,
    load: &mut impl FnMut(&R) -> Result<bool, E>,
    done: &mut Reloaded,
) -> Result<bool, E> {
    let (mut line, mut left, before) = (Vec::new(), Vec::new(), *done);
    while reader.read_until(b'\n', &mut line)? > 0 {
        let record = serde_json::from_slice::<Line<R>>(&line).ok().and_then(|line| line.record);
        match record {
            Some(record) if load(&record)? => done.loaded += 1,
            _ => {
                done.left += 1;
                left.append(&mut line);
            }
        }
        line.clear();
    }
    if !left.is_empty() {
        let mut lines = private(OpenOptions::new().append(true).create(true)).open(dir.join(LINES))?;
        lines.write_all(&left)?;
        lines.sync_data()?;
    }
    Ok(*done != before)
}

/// Cases in the quarantine of the journal in `dir`; none where there is no quarantine.
pub fn quarantined(dir: &Path) -> io::Result<u64> {
    let mut cases = 0;
    for name in [LINES, TAKEN] {
        let mut file = match File::open(dir.join("quarantine").join(name)) {
            Err(why) if why.kind() == io::ErrorKind::NotFound => continue,
            file => file?,
        };
        let mut block = vec![0; 64 * 1024];
        loop {
            let part = match file.read(&mut block)? {
                0 => break,
                read => block.get(..read).unwrap_or_default(),
            };
            cases += part.iter().filter(|byte| **byte == b'\n').count() as u64;
        }
    }
    Ok(cases)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::delivery::Delivery;
    use crate::domain::ids::DeliveryId;
    use crate::domain::time::UtcMillis;

    fn line(n: u8) -> String {
        let record = Delivery {
            id: DeliveryId::new(UtcMillis(i64::from(n)), [n; 10]),
            endpoint: None,
            source: format!("s{n}"),
            received_at: UtcMillis(0),
            message_id: None,
            method: "POST".into(),
            content_type: None,
            bytes: 0,
            sealed_head: Default::default(),
            sealed_body: Default::default(),
        };
        format!("{}\n", serde_json::json!({ "reason": "no", "at": 1, "record": record }))
    }

    #[test]
    fn what_is_refused_again_stays_and_what_broke_off_is_taken_up() {
        let dir = tempfile::tempdir().expect("dir");
        let lines = dir.path().join("quarantine").join(LINES);
        assert_eq!(quarantined(dir.path()).expect("none"), 0);
        let load = |wanted: &str| {
            reload::<Delivery, io::Error>(dir.path(), |d| match d.source.as_str() {
                "s9" => Err(io::Error::other("away")),
                source => Ok(wanted.contains(source)),
            })
        };
        fs::create_dir(dir.path().join("quarantine")).expect("dir");
        assert_eq!(load("").expect("nothing"), Reloaded::default());
        let region = "{\"reason\":\"torn\",\"at\":1,\"file\":\"segment-1-0.bin\"}\n";
        fs::write(&lines, line(1) + region + &line(2) + "half a li\n").expect("lines");
        assert_eq!(load("s1").expect("loaded"), Reloaded { loaded: 1, left: 3 });
        assert_eq!(fs::read_to_string(&lines).expect("lines"), region.to_owned() + &line(2) + "half a li\n");
        fs::write(&lines, line(9) + &line(3)).expect("lines");
        load("s3").expect_err("the database is away");
        fs::write(&lines, line(4)).expect("put aside meanwhile");
        assert_eq!(quarantined(dir.path()).expect("lines"), 3, "nothing went");
        fs::write(dir.path().join("quarantine").join(TAKEN), line(3)).expect("s9 is mended");
        assert_eq!(load("s3 s4").expect("loaded"), Reloaded { loaded: 2, left: 0 });
        assert_eq!((quarantined(dir.path()).expect("none"), lines.exists()), (0, false));
    }
}
