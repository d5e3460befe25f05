//! One segment: what both sides know of it, and the walk over its records.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::format::{self, FRAME_HEAD};
use crate::domain::time::UtcMillis;

/// How much is read at once; a longer record is read whole.
const CHUNK: u64 = 256 * 1024;
const SUFFIX: &str = ".seg";
/// Behind damage only records up to this length are sought: a longer one would mean a checksum of megabytes at every
/// thousandth byte.
const SOUGHT_LEN_MAX: usize = 64 * 1024;

/// The file of a segment; 20 digits, so that names sort by number.
pub(super) fn path_of(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("{number:020}{SUFFIX}"))
}

/// The number in a segment's file name.
pub(super) fn number_of(name: &str) -> Option<u64> {
    name.strip_suffix(SUFFIX).filter(|digits| digits.len() == 20)?.parse().ok()
}

/// What the append side tells the reading side of a segment.
///
/// `end` moves only after a whole record is written, and `sealed` is set only
/// after the last move of `end`. So a reader that loads `sealed` first, then
/// `end`, never sees half a record, and knows a final end when it has one.
#[derive(Debug)]
pub(super) struct SegmentState {
    pub(super) number: u64,
    pub(super) created_at: UtcMillis,
    /// Where reading begins: behind the header, or at the checkpoint.
    pub(super) start: u64,
    /// End of the last whole record.
    pub(super) end: AtomicU64,
    /// Records between `start` and `end`.
    pub(super) records: AtomicU64,
    /// Bytes of its file, which count against the budget.
    pub(super) bytes: AtomicU64,
    /// Nothing will be appended any more.
    pub(super) sealed: AtomicBool,
}

impl SegmentState {
    pub(super) fn end(&self) -> u64 {
        self.end.load(Ordering::SeqCst)
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::SeqCst)
    }

    /// Zeros that are left ahead of its records.
    pub(super) fn reserved(&self) -> u64 {
        self.bytes().saturating_sub(self.end())
    }

    pub(super) fn is_sealed(&self) -> bool {
        self.sealed.load(Ordering::SeqCst)
    }

    pub(super) fn records(&self) -> u64 {
        self.records.load(Ordering::SeqCst)
    }
}

/// What stands at the walk's offset.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step<'a> {
    /// A record that is whole; `len` bytes on disk.
    Record { kind: u8, payload: &'a [u8], len: u64 },
    /// Bytes that are no record, but behind which the walk can go on.
    Damaged { len: u64, reason: &'static str },
    /// Nothing more before the limit.
    End,
    /// A record that the limit cuts off; no record follows.
    Torn,
    /// Damage that no record follows.
    Lost(&'static str),
}

/// A walk over the records of one segment file.
pub(super) struct Walk {
    file: File,
    window: Vec<u8>,
    window_at: u64,
    offset: u64,
}

impl Walk {
    pub(super) fn open(path: &Path, offset: u64) -> io::Result<Self> {
        Ok(Self { file: File::open(path)?, window: Vec::new(), window_at: 0, offset })
    }

    /// Where the next step looks.
    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    /// Goes on behind what the last step showed. Apart from `step`, so that nothing is passed
    /// before its bytes are safe elsewhere.
    pub(super) fn advance(&mut self, len: u64) {
        self.offset += len;
    }

    /// Looks at the record at the offset, reading no byte at or behind `limit`.
    pub(super) fn step(&mut self, limit: u64) -> io::Result<Step<'_>> {
        let (at, rest) = (self.offset, limit.saturating_sub(self.offset));
        if rest == 0 {
            return Ok(Step::End);
        }
        if rest <= FRAME_HEAD as u64 {
            return Ok(Step::Torn);
        }
        let Some(body) = format::plausible_len(self.bytes(at, FRAME_HEAD as u64, limit)?) else {
            return self.damage(None, limit, Step::Lost("no plausible record length"));
        };
        let len = (FRAME_HEAD + body) as u64;
        if len > rest {
            return self.damage(None, limit, Step::Torn);
        }
        if !format::is_intact(self.bytes(at, len, limit)?) {
            return self.damage(Some(len), limit, Step::Lost("checksum fails and no record follows"));
        }
        let (kind, payload) = format::parts(self.bytes(at, len, limit)?);
        Ok(Step::Record { kind, payload, len })
    }

    /// Passes over damage to the next record, wherever that begins: a damaged length must not cost what lies behind it.
    /// `claimed` is the length that the damaged record says it has, `otherwise` what holds where no record follows.
    fn damage(&mut self, claimed: Option<u64>, limit: u64, otherwise: Step<'static>) -> io::Result<Step<'_>> {
        let at = self.offset;
        let next = self.next_intact(at + 1, limit)?;
        // The records in between may be damaged as well. If their lengths lead from one to the other and exactly to the
        // next whole record, they are right, and each is passed by itself.
        let claimed = match claimed {
            Some(len) if self.lengths_lead(at + len, next.unwrap_or(limit), limit)? => Some(len),
            _ => None,
        };
        Ok(match (claimed.or(next.map(|next| next - at)), otherwise) {
            (Some(len), Step::Lost("no plausible record length") | Step::Torn) => {
                Step::Damaged { len, reason: "damaged length" }
            }
            (Some(len), _) => Step::Damaged { len, reason: "checksum fails" },
            (None, otherwise) => otherwise,
        })
    }

    /// Where the next whole record begins, at `from` or later. Chance agrees with a checksum once in four billion.
    fn next_intact(&mut self, from: u64, limit: u64) -> io::Result<Option<u64>> {
        let last = limit.saturating_sub(FRAME_HEAD as u64);
        for at in from..last {
            let body = format::plausible_len(self.bytes(at, FRAME_HEAD as u64, limit)?).unwrap_or(usize::MAX);
            let len = (FRAME_HEAD as u64).saturating_add(body as u64);
            if body <= SOUGHT_LEN_MAX && len <= limit - at && format::is_intact(self.bytes(at, len, limit)?) {
                return Ok(Some(at));
            }
        }
        Ok(None)
    }

    /// The `len` bytes at the offset.
    pub(super) fn peek(&mut self, len: u64, limit: u64) -> io::Result<&[u8]> {
        self.bytes(self.offset, len, limit)
    }

    /// Whether the lengths of records lead from `at` exactly to `goal`.
    fn lengths_lead(&mut self, mut at: u64, goal: u64, limit: u64) -> io::Result<bool> {
        while at < goal {
            if goal - at <= FRAME_HEAD as u64 {
                return Ok(false);
            }
            let Some(body) = format::plausible_len(self.bytes(at, FRAME_HEAD as u64, limit)?) else { return Ok(false) };
            at += (FRAME_HEAD + body) as u64;
        }
        Ok(at == goal)
    }

    /// Behind the last byte before `limit` that is not zero. No record begins there or later, as its length is not zero:
    /// that is space which was reserved ahead of the records, or which a file system gave the file before a power loss.
    pub(super) fn written_end(&mut self, limit: u64) -> io::Result<u64> {
        let mut end = limit;
        while end > 0 {
            let at = end.saturating_sub(CHUNK);
            if let Some(last) = self.bytes(at, end - at, end)?.iter().rposition(|&byte| byte != 0) {
                return Ok(at + last as u64 + 1);
            }
            end = at;
        }
        Ok(0)
    }

    /// Where the record at the offset ends by its length; the offset itself where that can be none.
    pub(super) fn claimed_end(&mut self, limit: u64) -> io::Result<u64> {
        if limit.saturating_sub(self.offset) < FRAME_HEAD as u64 {
            return Ok(self.offset);
        }
        let body = format::plausible_len(self.bytes(self.offset, FRAME_HEAD as u64, limit)?);
        Ok(self.offset + body.map_or(0, |body| (FRAME_HEAD + body) as u64))
    }

    /// Whether the record at the offset, whose checksum fails, was not written to its end: it runs into reserved space.
    pub(super) fn is_cut_off(&mut self, written_end: u64, limit: u64) -> io::Result<bool> {
        let claimed = self.claimed_end(limit)?;
        Ok(written_end < claimed && claimed < limit)
    }

    /// `len` bytes at `at`, from the window or the file.
    fn bytes(&mut self, at: u64, len: u64, limit: u64) -> io::Result<&[u8]> {
        let window_end = self.window_at + self.window.len() as u64;
        if at < self.window_at || at + len > window_end {
            let size = len.max(CHUNK).min(limit.saturating_sub(at));
            self.window.clear();
            self.file.seek(SeekFrom::Start(at))?;
            (&mut self.file).take(size).read_to_end(&mut self.window)?;
            self.window_at = at;
        }
        let from = usize::try_from(at - self.window_at).unwrap_or(usize::MAX);
        let to = from.saturating_add(usize::try_from(len).unwrap_or(usize::MAX));
        self.window.get(from..to).ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }
}
