//! What the bench does to segment files between a death and the next start, and the ids that it finds in bytes.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

use uuid::Uuid;

use super::draw::Draw;
use crate::support::faults::Synced;

/// Bytes of a segment's header, and of a record's length and checksum: the format that the journal documents.
const HEADER: usize = 32;
const HEAD: usize = 8;
const RECORD_MAX: usize = 4 << 20;

/// One blow to the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Damage {
    /// Bits of records flip, behind their checksums.
    Payload,
    /// Bits of checksums flip.
    Checksum,
    /// Bits of a length flip.
    Length,
    /// Bits of a segment's header flip.
    Header,
    /// Half a record, a record that fits nowhere, noise or zeros behind the last record.
    Tail,
    /// The end of the last segment is gone.
    Cut,
    /// The checkpoint is gone.
    CheckpointGone,
    /// The checkpoint is noise.
    CheckpointNoise,
    /// A segment that was just begun.
    HalfSegment,
}

pub(super) const ALL_DAMAGE: [Damage; 9] = [
    Damage::Payload,
    Damage::Checksum,
    Damage::Length,
    Damage::Header,
    Damage::Tail,
    Damage::Cut,
    Damage::CheckpointGone,
    Damage::CheckpointNoise,
    Damage::HalfSegment,
];

/// What the bench has destroyed, so that the account knows whose doing a loss is.
#[derive(Debug, Default)]
pub(super) struct Destroyed {
    /// Records of which the bench took bytes away: they may be gone.
    pub(super) gone: Vec<Vec<u8>>,
    /// Records as they were written, and as they stand now that the bench has flipped bits: they must be in quarantine.
    pub(super) flipped: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Destroyed {
    /// Takes a stretch of records away. One whose id had been flipped before is known by what it was.
    fn take(&mut self, stretch: &[u8]) {
        let was = self.flipped.iter().filter(|(_, now)| place_of(stretch, now).is_some()).map(|(was, _)| was.clone());
        self.gone.extend(was);
        self.gone.push(stretch.to_vec());
    }

    /// Flips bits of a record, perhaps of one that had been hit before.
    fn flip(&mut self, before: &[u8], after: &[u8]) {
        for (_, now) in &mut self.flipped {
            if let Some(at) = place_of(before, now) {
                let len = now.len();
                *now = after[at..at + len].to_vec();
            }
        }
        self.flipped.push((before.to_vec(), after.to_vec()));
    }
}

fn place_of(stretch: &[u8], part: &[u8]) -> Option<usize> {
    if part.len() > stretch.len() { None } else { stretch.windows(part.len()).position(|w| w == part) }
}

/// Segments, oldest first.
pub(super) fn segments(journal: &Path) -> Vec<PathBuf> {
    let mut list: Vec<PathBuf> =
        fs::read_dir(journal).map(|entries| entries.map(|e| e.expect("entry").path()).collect()).unwrap_or_default();
    list.retain(|p| p.extension().is_some_and(|e| e == "seg"));
    list.sort();
    list
}

/// Where the records of a segment stand: from, to.
fn frames(bytes: &[u8]) -> Vec<(usize, usize)> {
    let (mut at, mut list) = (HEADER, Vec::new());
    while let Some(length) = bytes.get(at..at + 4) {
        let body = u32::from_le_bytes(length.try_into().expect("4 bytes")) as usize;
        let end = at + HEAD + body;
        if body == 0 || body > RECORD_MAX || end > bytes.len() {
            break;
        }
        list.push((at, end));
        at = end;
    }
    list
}

/// Strikes once.
pub(super) fn damage(journal: &Path, blow: Damage, draw: &mut Draw, destroyed: &mut Destroyed) {
    let segments = segments(journal);
    match blow {
        Damage::CheckpointGone => drop(fs::remove_file(journal.join("checkpoint"))),
        Damage::CheckpointNoise => fs::write(journal.join("checkpoint"), draw.bytes(40)).expect("checkpoint"),
        Damage::HalfSegment => {
            let last = segments.last().and_then(|p| p.file_stem()?.to_str()?.parse::<u64>().ok()).unwrap_or(0);
            // Far ahead, as a number that the journal may give again would be refused by it.
            fs::write(journal.join(format!("{:020}.seg", last + 1)), b"HWJOURNL\x01\0").expect("segment");
        }
        Damage::Tail => {
            let Some(path) = segments.last() else { return };
            let mut bytes = fs::read(path).expect("segment");
            bytes.extend(tail(&bytes, draw));
            fs::write(path, bytes).expect("segment");
        }
        Damage::Cut => {
            let Some(path) = segments.last() else { return };
            let bytes = fs::read(path).expect("segment");
            let Some(&(from, _)) = draw.one(&frames(&bytes)) else { return };
            let at = from + draw.below(HEAD as u64 + 20) as usize;
            keep_until(path, &bytes, at, destroyed);
        }
        Damage::Payload | Damage::Checksum | Damage::Length | Damage::Header => {
            let Some(path) = draw.one(&segments) else { return };
            flip(path, blow, draw, destroyed);
        }
    }
}

/// What a death in mid-write, or a file system after one, may leave behind the last record.
fn tail(bytes: &[u8], draw: &mut Draw) -> Vec<u8> {
    let whole = frames(bytes).last().map(|&(from, to)| bytes[from..to].to_vec());
    match (draw.below(4), whole) {
        (0, Some(record)) => record[..1 + draw.below(record.len() as u64 - 1) as usize].to_vec(),
        (1, Some(mut record)) => {
            let last = record.len() - 1;
            record[last] ^= 0x55;
            record
        }
        (2, _) => vec![0; 1 + draw.below(5_000) as usize],
        _ => {
            let len = 1 + draw.below(300) as usize;
            draw.bytes(len)
        }
    }
}

/// Truncates; what the cut runs through or leaves out is gone.
fn keep_until(path: &Path, bytes: &[u8], at: usize, destroyed: &mut Destroyed) {
    destroyed.take(&bytes[begin_of(&frames(bytes), at)..]);
    fs::write(path, &bytes[..at.min(bytes.len())]).expect("segment");
}

/// Where the record begins that has a byte at `at`.
fn begin_of(frames: &[(usize, usize)], at: usize) -> usize {
    frames.iter().find(|f| f.0 <= at && at < f.1).map_or(at, |f| f.0)
}

fn flip(path: &Path, blow: Damage, draw: &mut Draw, destroyed: &mut Destroyed) {
    let mut bytes = fs::read(path).expect("segment");
    let list = frames(&bytes);
    if blow == Damage::Header {
        // A header alone, with no record behind it, cannot be told from noise.
        if !list.is_empty() {
            bytes[draw.below(HEADER as u64) as usize] ^= 1 << draw.below(8);
        }
        fs::write(path, bytes).expect("segment");
        return;
    }
    let hits = if blow == Damage::Length { 1 } else { 3 };
    for _ in 0..hits {
        let Some(&(from, to)) = draw.one(&list) else { return };
        let before = bytes[from..to].to_vec();
        let at = match blow {
            Damage::Length => from + draw.below(4) as usize,
            Damage::Checksum => from + 4 + draw.below(4) as usize,
            _ => from + HEAD + draw.below((to - from - HEAD) as u64) as usize,
        };
        bytes[at] ^= 1 << draw.below(8);
        destroyed.flip(&before, &bytes[from..to]);
    }
    fs::write(path, bytes).expect("segment");
}

/// What a power cut leaves: everything that was synced, and of the rest nothing, zeros or a part.
pub(super) fn cut_power(journal: &Path, synced: &BTreeMap<String, Synced>, draw: &mut Draw, destroyed: &mut Destroyed) {
    for path in segments(journal) {
        let name = path.file_name().and_then(|n| n.to_str()).expect("name").to_owned();
        let known = synced.get(&name).cloned().unwrap_or_default();
        let mut bytes = fs::read(&path).expect("segment");
        let list = frames(&bytes);
        let len = bytes.len();
        let end = usize::try_from(known.end).expect("fits").min(len);
        let mut ranges: Vec<(usize, usize)> =
            known.lost.iter().map(|&(a, b)| (a as usize, (b as usize).min(len))).collect();
        ranges.push((end, len));
        for &(from, to) in &ranges {
            let last = list.iter().find(|f| f.0 < to && to <= f.1).map_or(to, |f| f.1);
            destroyed.take(&bytes[begin_of(&list, from)..last]);
        }
        for (from, to) in &ranges {
            bytes[*from..*to].fill(0);
        }
        match draw.below(3) {
            0 => {}
            1 => bytes.truncate(end),
            _ => bytes.truncate(end + draw.below((len - end) as u64 + 1) as usize),
        }
        fs::write(&path, bytes).expect("segment");
    }
}

/// The forms in which bytes on disk may spell a click id.
fn spellings(id: Uuid) -> [Vec<u8>; 3] {
    let number = id.as_u128();
    let varint = postcard::to_stdvec(&number).expect("encodes");
    [varint, number.to_be_bytes().to_vec(), number.to_le_bytes().to_vec()]
}

/// Finds ids in bytes, wherever they stand.
pub(super) struct Finder {
    by_length: BTreeMap<usize, HashMap<Vec<u8>, Uuid>>,
}

impl Finder {
    pub(super) fn of(ids: impl Iterator<Item = Uuid>) -> Self {
        let mut by_length: BTreeMap<usize, HashMap<Vec<u8>, Uuid>> = BTreeMap::new();
        for id in ids {
            for spelling in spellings(id) {
                by_length.entry(spelling.len()).or_default().insert(spelling, id);
            }
        }
        Self { by_length }
    }

    pub(super) fn in_bytes(&self, bytes: &[u8]) -> BTreeSet<Uuid> {
        let mut found = BTreeSet::new();
        for (len, known) in &self.by_length {
            found.extend(bytes.windows(*len).filter_map(|w| known.get(w)));
        }
        found
    }
}
