//! How far a journal has been loaded: one line in the file `checkpoint`.
//!
//! Moved only after the database commit, so it is never ahead of the database.
//! It may be behind (a crash between commit and move, a rename lost with the
//! power): then records are read twice, and the sink, which is idempotent by
//! record id, counts them as duplicates. So it needs no fdatasync of its own, and
//! one that cannot be read is as good as none.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

use super::Position;
use super::storage::private;

const NAME: &str = "checkpoint";
const NAME_NEW: &str = "checkpoint.new";
const WORD: &str = "headwater-checkpoint-1";

/// Reads the checkpoint; `None` when there is none or it does not hold.
pub(super) fn read(dir: &Path) -> io::Result<Option<Position>> {
    let text = match fs::read(dir.join(NAME)) {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(why) if why.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(why) => return Err(why),
    };
    let position = parse(&text);
    if position.is_none() {
        tracing::warn!(dir = %dir.display(), "journal checkpoint is unreadable; everything that is left is read again");
    }
    Ok(position)
}

/// Replaces the checkpoint in one step.
pub(super) fn write(dir: &Path, position: Position) -> io::Result<()> {
    let temporary = dir.join(NAME_NEW);
    let mut file = private(OpenOptions::new().write(true).create(true).truncate(true)).open(&temporary)?;
    file.write_all(line(position).as_bytes())?;
    fs::rename(temporary, dir.join(NAME))
}

fn line(position: Position) -> String {
    let body = format!("{WORD} {} {}", position.segment, position.offset);
    format!("{body} {:08x}\n", crc32fast::hash(body.as_bytes()))
}

fn parse(text: &str) -> Option<Position> {
    let mut words = text.split_ascii_whitespace();
    let (_, segment, offset) = (words.next()?, words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    let position = Position { segment, offset };
    (text == line(position)).then_some(position)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_what_is_damaged_is_not() {
        let dir = tempfile::tempdir().expect("dir");
        assert_eq!(read(dir.path()).expect("none"), None);
        let position = Position { segment: 3, offset: 4_711 };
        write(dir.path(), position).expect("write");
        assert_eq!(read(dir.path()).expect("read"), Some(position));
        let good = line(position);
        for bad in ["", "\0\0\0\0", "garbage", &good.replace("4711", "4712"), good.trim_end(), &good[..10]] {
            assert_eq!(parse(bad), None, "{bad:?}");
        }
    }
}
