//! The bytes of a segment: its header and the frame around each record.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::AppendError;
use crate::domain::time::UtcMillis;

/// Bytes of a segment header.
pub(super) const HEADER_LEN: u64 = 32;
/// Bytes before the part of a frame that its length counts: length and checksum.
pub(super) const FRAME_HEAD: usize = 8;
/// Longest kind + payload. A longer length in a file is damage, not data.
pub const RECORD_LEN_MAX: usize = 4 * 1024 * 1024;
/// Version that this code writes, and the newest it reads.
pub(super) const FORMAT: u32 = 1;

const MAGIC: [u8; 8] = *b"HWJOURNL";

/// Something a journal can keep, as postcard.
///
/// Postcard does not describe itself: a record whose shape changes takes a new
/// `KIND`, so that a journal written before an upgrade is never misread after it.
pub trait Record: Serialize + DeserializeOwned {
    /// The byte that tells this record from others on disk.
    const KIND: u8;

    /// The record as quarantine may keep it (invariant 8).
    fn without_personal_data(self) -> Self;
}

impl Record for crate::domain::touch::TouchRecord<'_> {
    // 1 was a touch without address, in versions before the first release.
    const KIND: u8 = 2;

    fn without_personal_data(mut self) -> Self {
        self.client.address = None;
        self.network_ids.clear();
        self
    }
}

/// The first 32 bytes of a segment; every later format keeps them, checksum included, so that an
/// older program can tell a newer journal from a damaged one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SegmentHeader {
    pub(super) number: u64,
    pub(super) created_at: UtcMillis,
}

/// Why a header is not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HeaderFault {
    /// Magic, checksum or number do not hold.
    Damaged,
    /// Written by a newer program.
    Newer(u32),
}

impl SegmentHeader {
    pub(super) fn encode(self) -> [u8; 32] {
        let mut out = [0_u8; 32];
        out[..8].copy_from_slice(&MAGIC);
        out[8..12].copy_from_slice(&FORMAT.to_le_bytes());
        out[12..20].copy_from_slice(&self.number.to_le_bytes());
        out[20..28].copy_from_slice(&self.created_at.0.to_le_bytes());
        let crc = crc32fast::hash(&out[..28]);
        out[28..].copy_from_slice(&crc.to_le_bytes());
        out
    }

    /// Reads a header that stands in the file named after `number`.
    pub(super) fn decode(bytes: &[u8; 32], number: u64) -> Result<Self, HeaderFault> {
        if bytes[..8] != MAGIC {
            return Err(HeaderFault::Damaged);
        }
        let intact = read_u32(bytes, 28) == crc32fast::hash(&bytes[..28]);
        let format = read_u32(bytes, 8);
        if intact && format > FORMAT {
            return Err(HeaderFault::Newer(format));
        }
        let header = Self {
            number: u64::from_le_bytes(array(bytes, 12)),
            created_at: UtcMillis(i64::from_le_bytes(array(bytes, 20))),
        };
        if intact && header.number == number { Ok(header) } else { Err(HeaderFault::Damaged) }
    }
}

fn array<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut out = [0; N];
    if let Some(part) = bytes.get(at..at + N) {
        out.copy_from_slice(part);
    }
    out
}

fn read_u32(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(array(bytes, at))
}

impl Record for crate::domain::delivery::Delivery {
    const KIND: u8 = 3;

    /// All of it: what is personal is sealed, and a delivery that is put aside must stay whole (invariant 3).
    fn without_personal_data(self) -> Self {
        self
    }
}

/// Encoded records, ready to be written together. Its memory is kept for the next ones.
#[derive(Debug, Default)]
pub struct Frames {
    pub(super) bytes: Vec<u8>,
    pub(super) count: u64,
}

impl Frames {
    /// Encodes a record behind the others. After an error nothing of it is left.
    pub fn push<R: Record>(&mut self, record: &R) -> Result<(), AppendError> {
        let at = self.bytes.len();
        let pushed = self.encode(record, at);
        if pushed.is_err() {
            self.bytes.truncate(at);
        }
        pushed
    }

    fn encode<R: Record>(&mut self, record: &R, at: usize) -> Result<(), AppendError> {
        self.bytes.extend_from_slice(&[0; FRAME_HEAD]);
        self.bytes.push(R::KIND);
        postcard::to_io(record, &mut self.bytes).map_err(AppendError::Encode)?;
        let (head, body) = self.bytes.get_mut(at..).unwrap_or_default().split_at_mut(FRAME_HEAD);
        let (len, crc) = (body.len(), crc32fast::hash(body));
        let counted = u32::try_from(len).ok().filter(|_| len <= RECORD_LEN_MAX).ok_or(AppendError::TooLong { len })?;
        head[..4].copy_from_slice(&counted.to_le_bytes());
        head[4..].copy_from_slice(&crc.to_le_bytes());
        self.count += 1;
        Ok(())
    }

    /// How many records they are.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// How many bytes they are.
    pub fn len_bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Empties it.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.count = 0;
    }
}

/// The length that a frame's first bytes claim for kind + payload, if it can be one.
pub(super) fn plausible_len(head: &[u8]) -> Option<usize> {
    let len = usize::try_from(read_u32(head, 0)).ok()?;
    (1..=RECORD_LEN_MAX).contains(&len).then_some(len)
}

/// Whether the checksum of a whole frame holds.
pub(super) fn is_intact(frame: &[u8]) -> bool {
    frame.get(FRAME_HEAD..).is_some_and(|body| crc32fast::hash(body) == read_u32(frame, 4))
}

/// Kind and payload of a whole frame; an empty one has kind 0, which no record has.
pub(super) fn parts(frame: &[u8]) -> (u8, &[u8]) {
    frame.get(FRAME_HEAD..).and_then(<[u8]>::split_first).map_or((0, &[]), |(kind, payload)| (*kind, payload))
}

/// Decodes a payload that must hold one record and nothing after it.
pub(super) fn decode<R: Record>(kind: u8, payload: &[u8]) -> Result<R, String> {
    if kind != R::KIND {
        return Err(format!("record kind {kind} instead of {}", R::KIND));
    }
    match postcard::take_from_bytes(payload) {
        Ok((record, [])) => Ok(record),
        Ok((_, rest)) => Err(format!("{} bytes follow the record", rest.len())),
        Err(why) => Err(format!("undecodable: {why}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_read_back_and_checked() {
        let header = SegmentHeader { number: 7, created_at: UtcMillis(1_700_000_000_000) };
        let bytes = header.encode();
        assert_eq!(SegmentHeader::decode(&bytes, 7), Ok(header));
        assert_eq!(SegmentHeader::decode(&bytes, 8), Err(HeaderFault::Damaged), "a renamed file");
        for at in 0..32 {
            let mut flipped = bytes;
            flipped[at] ^= 0x10;
            assert_eq!(SegmentHeader::decode(&flipped, 7), Err(HeaderFault::Damaged), "byte {at}");
        }
        let mut newer = bytes;
        newer[8] = 2;
        let crc = crc32fast::hash(&newer[..28]);
        newer[28..].copy_from_slice(&crc.to_le_bytes());
        assert_eq!(SegmentHeader::decode(&newer, 7), Err(HeaderFault::Newer(2)));
    }

    /// Fails to encode after some bytes.
    struct Stubborn;

    impl Serialize for Stubborn {
        fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            use serde::ser::{Error as _, SerializeSeq as _};
            serializer.serialize_seq(Some(1))?.serialize_element("some")?;
            Err(S::Error::custom("no more"))
        }
    }

    impl<'de> serde::Deserialize<'de> for Stubborn {
        fn deserialize<D: serde::Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
            Ok(Self)
        }
    }

    impl Record for Stubborn {
        const KIND: u8 = 202;

        fn without_personal_data(self) -> Self {
            self
        }
    }

    #[test]
    fn a_record_that_cannot_be_encoded_leaves_the_others_as_they_are() {
        let mut frames = Frames::default();
        let touch = crate::domain::touch::TouchRecord {
            id: crate::domain::ids::TouchId::new(UtcMillis(1), [1; 10]),
            occurred_at: UtcMillis(1),
            kind: crate::domain::touch::RecordKind::View { link: None },
            visitor: None,
            private: false,
            client: crate::domain::touch::ClientFacts::default(),
            network_ids: Vec::new(),
        };
        frames.push(&touch).expect("encode");
        let before = frames.bytes.clone();
        assert!(matches!(frames.push(&Stubborn), Err(AppendError::Encode(_))));
        assert_eq!((frames.count(), &frames.bytes), (1, &before));
        assert!(is_intact(&frames.bytes));
    }

    #[test]
    fn a_length_outside_the_bounds_is_implausible() {
        assert_eq!(plausible_len(&0_u32.to_le_bytes()), None);
        assert_eq!(plausible_len(&1_u32.to_le_bytes()), Some(1));
        let over = u32::try_from(RECORD_LEN_MAX).expect("fits") + 1;
        assert_eq!(plausible_len(&over.to_le_bytes()), None);
    }
}
