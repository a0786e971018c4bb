//! The bytes of a segment: its header and its records. Little endian throughout.

use crate::core::fact::JournalPosition;
use crate::core::time::Timestamp;
use crate::seal::{CIPHER, KeyId, OVERHEAD, Sealer};

/// The newest format version, that of sealed segments.
pub const FORMAT_VERSION: u32 = 2;
/// The version of segments that are not sealed.
const PLAIN_VERSION: u32 = 1;
/// Bytes of a segment before its first record.
pub(crate) const SEGMENT_HEADER: u64 = 64;
/// Bytes of a record before its payload.
pub(crate) const RECORD_HEADER: usize = 40;
/// Records begin at multiples of this.
pub(crate) const ALIGNMENT: u64 = 8;
/// The largest payload: a message of 1 GiB with its meta part.
pub const MAX_PAYLOAD: u64 = (1 << 30) + (16 << 20);

const MAGIC: [u8; 8] = *b"PENTAJNL";
/// Begins with bytes that neither text nor zeros have.
pub(crate) const RECORD_MAGIC: [u8; 4] = [0xF1, b'P', b'J', 0x9C];

/// What a segment says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SegmentHeader {
    /// 1, 2, 3, …; also the file's name.
    pub number: u64,
    /// Every position below was synced before this segment got its name; records of earlier
    /// segments from here on are void.
    pub first: JournalPosition,
    /// When it was begun.
    pub created: Timestamp,
    /// In every record of this segment, so that a message that looks like a record is not one.
    pub salt: u32,
    /// How its records are kept.
    pub kept: Keeping,
}

/// How the payloads of a segment, or of one record, are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Keeping {
    /// As they are.
    #[default]
    Plain,
    /// Each sealed for itself. In a segment's header with the id of the key.
    Sealed {
        /// The cipher's number.
        cipher: u8,
        /// The key's.
        key: KeyId,
    },
    /// As they are, each followed by as many zeros as a seal has bytes: a sealed segment within a
    /// compressed one, whose frames are sealed instead.
    Opened,
}

/// The byte of a record that says how its payload is kept.
pub(crate) const RECORD_PLAIN: u8 = 0;
/// Sealed.
pub(crate) const RECORD_SEALED: u8 = CIPHER;
/// Opened; see [`Keeping::Opened`].
pub(crate) const RECORD_OPENED: u8 = 0xFF;

/// Why there is no header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HeaderFault {
    /// Whole, but of this newer version.
    Newer(u32),
    /// Not a header.
    Garbage,
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    let four = bytes.get(at..at + 4)?;
    Some(u32::from_le_bytes(four.try_into().ok()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    let eight = bytes.get(at..at + 8)?;
    Some(u64::from_le_bytes(eight.try_into().ok()?))
}

impl SegmentHeader {
    /// A header whose salt nobody outside can know.
    pub fn new(number: u64, first: JournalPosition, created: Timestamp) -> Self {
        let seed = crc32c::crc32c(&created.as_micros().to_le_bytes());
        let salt = crc32c::crc32c_append(seed, &number.to_le_bytes());
        Self {
            number,
            first,
            created,
            salt,
            kept: Keeping::Plain,
        }
    }

    /// The same, its records sealed where there is a key.
    pub fn sealed_with(mut self, sealer: Option<&Sealer>) -> Self {
        if let Some(sealer) = sealer {
            self.kept = Keeping::Sealed {
                cipher: CIPHER,
                key: sealer.id(),
            };
        }
        self
    }

    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(64);
        out.extend_from_slice(&MAGIC);
        let version = match self.kept {
            Keeping::Plain => PLAIN_VERSION,
            Keeping::Sealed { .. } | Keeping::Opened => FORMAT_VERSION,
        };
        out.extend_from_slice(&version.to_le_bytes());
        out.extend_from_slice(&self.salt.to_le_bytes());
        out.extend_from_slice(&self.number.to_le_bytes());
        out.extend_from_slice(&self.first.0.to_le_bytes());
        out.extend_from_slice(&self.created.as_micros().to_le_bytes());
        match self.kept {
            Keeping::Plain => {}
            Keeping::Sealed { cipher, key } => {
                out.push(cipher);
                out.extend_from_slice(&key.0);
            }
            Keeping::Opened => out.push(RECORD_OPENED),
        }
        out.resize(60, 0);
        let sum = crc32c::crc32c(&out);
        out.extend_from_slice(&sum.to_le_bytes());
        out
    }

    /// Magic, version and checksum stand at the same places in every version to come, so a newer
    /// one is known for certain and a damaged one is not taken for newer.
    pub fn decode(bytes: &[u8]) -> Result<Self, HeaderFault> {
        Self::read(bytes).unwrap_or(Err(HeaderFault::Garbage))
    }

    fn read(bytes: &[u8]) -> Option<Result<Self, HeaderFault>> {
        let whole =
            bytes.get(..8)? == MAGIC && crc32c::crc32c(bytes.get(..60)?) == u32_at(bytes, 60)?;
        if !whole {
            return None;
        }
        match u32_at(bytes, 8)? {
            0 => None,
            version @ (PLAIN_VERSION | FORMAT_VERSION) => Some(Ok(Self {
                salt: u32_at(bytes, 12)?,
                number: u64_at(bytes, 16)?,
                first: JournalPosition(u64_at(bytes, 24)?),
                created: Timestamp::from_micros(u64_at(bytes, 32)?.cast_signed()),
                kept: match (version, *bytes.get(40)?) {
                    (PLAIN_VERSION, _) => Keeping::Plain,
                    (_, RECORD_OPENED) => Keeping::Opened,
                    (_, cipher) => Keeping::Sealed {
                        cipher,
                        key: KeyId(bytes.get(41..49)?.try_into().ok()?),
                    },
                },
            })),
            newer => Some(Err(HeaderFault::Newer(newer))),
        }
    }
}

/// The 40 bytes before a record's payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RecordHeader {
    pub checksum: u32,
    /// Bytes of meta and raw together, without padding.
    pub payload: u32,
    pub salt: u32,
    pub position: JournalPosition,
    /// The highest position known to be synced when this was written.
    pub durable: JournalPosition,
    pub kind: u8,
    pub version: u8,
    /// How the payload is kept: [`RECORD_PLAIN`], [`RECORD_SEALED`] or [`RECORD_OPENED`].
    pub kept: u8,
    /// Bytes of the meta part, which comes first; before sealing.
    pub meta: u32,
}

/// Bytes of a payload on the disk.
pub(crate) fn kept_size(payload: u64, sealed: bool) -> u64 {
    payload + if sealed { OVERHEAD as u64 } else { 0 }
}

/// Bytes that a record with such a payload takes, padding included.
pub(crate) fn record_size(payload: u64) -> u64 {
    (RECORD_HEADER as u64 + payload).next_multiple_of(ALIGNMENT)
}

impl RecordHeader {
    /// The header with the checksum over itself, `meta` and `raw`.
    pub fn encode(&self, meta: &[u8], raw: &[u8]) -> [u8; RECORD_HEADER] {
        let rest = self.rest();
        let sum = crc32c::crc32c_append(crc32c::crc32c(&rest), meta);
        let sum = crc32c::crc32c_append(sum, raw);
        let mut out = [0; RECORD_HEADER];
        let (magic, after) = out.split_at_mut(4);
        magic.copy_from_slice(&RECORD_MAGIC);
        let (checksum, after) = after.split_at_mut(4);
        checksum.copy_from_slice(&sum.to_le_bytes());
        after.copy_from_slice(&rest);
        out
    }

    /// What a sealed payload belongs to: all that its header says but for checksum and length.
    pub fn belongs_to(&self) -> [u8; RECORD_HEADER] {
        let mut out = [0; RECORD_HEADER];
        let (label, after) = out.split_at_mut(12);
        label.copy_from_slice(b"record\0\0\0\0\0\0");
        after.copy_from_slice(self.rest().get(4..).unwrap_or(&[0; RECORD_HEADER - 12]));
        out
    }

    /// All behind the checksum.
    fn rest(&self) -> [u8; RECORD_HEADER - 8] {
        let mut rest = [0; RECORD_HEADER - 8];
        let mut put = |at: usize, bytes: &[u8]| {
            if let Some(place) = rest.get_mut(at - 8..at - 8 + bytes.len()) {
                place.copy_from_slice(bytes);
            }
        };
        put(8, &self.payload.to_le_bytes());
        put(12, &self.salt.to_le_bytes());
        put(16, &self.position.0.to_le_bytes());
        put(24, &self.durable.0.to_le_bytes());
        put(32, &[self.kind, self.version, self.kept]);
        put(36, &self.meta.to_le_bytes());
        rest
    }

    /// The header if these bytes can be one; its checksum is not yet looked at.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let header = Self {
            checksum: u32_at(bytes, 4)?,
            payload: u32_at(bytes, 8)?,
            salt: u32_at(bytes, 12)?,
            position: JournalPosition(u64_at(bytes, 16)?),
            durable: JournalPosition(u64_at(bytes, 24)?),
            kind: *bytes.get(32)?,
            version: *bytes.get(33)?,
            kept: *bytes.get(34)?,
            meta: u32_at(bytes, 36)?,
        };
        let sealed = header.kept != RECORD_PLAIN;
        let possible = bytes.get(..4)? == RECORD_MAGIC
            && u64::from(header.payload) <= kept_size(MAX_PAYLOAD, sealed)
            && kept_size(u64::from(header.meta), sealed) <= u64::from(header.payload);
        possible.then_some(header)
    }

    /// Whether the checksum is that of this whole record (header and payload, without padding).
    pub fn is_sum_of(&self, record: &[u8]) -> bool {
        record
            .get(8..)
            .is_some_and(|rest| crc32c::crc32c(rest) == self.checksum)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn header() -> SegmentHeader {
        SegmentHeader::new(7, JournalPosition(42), Timestamp::from_micros(-5))
    }

    #[test]
    fn a_segment_header_is_64_bytes_and_comes_back() {
        let bytes = header().encode();
        assert_eq!(bytes.len() as u64, SEGMENT_HEADER);
        assert_eq!(SegmentHeader::decode(&bytes), Ok(header()));
        assert_eq!(SegmentHeader::decode(&[]), Err(HeaderFault::Garbage));
    }

    #[test]
    fn a_newer_version_is_known_only_by_a_right_checksum() {
        let mut bytes = header().encode();
        bytes[8] = 9;
        assert_eq!(SegmentHeader::decode(&bytes), Err(HeaderFault::Garbage));
        let sum = crc32c::crc32c(&bytes[..60]);
        bytes[60..].copy_from_slice(&sum.to_le_bytes());
        assert_eq!(SegmentHeader::decode(&bytes), Err(HeaderFault::Newer(9)));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn any_flipped_bit_of_a_record_is_noticed(
            meta in prop::collection::vec(any::<u8>(), 0..40),
            raw in prop::collection::vec(any::<u8>(), 0..40),
            position: u64,
            bit: prop::sample::Index,
        ) {
            let header = RecordHeader {
                checksum: 0,
                payload: (meta.len() + raw.len()) as u32,
                salt: 3,
                position: JournalPosition(position),
                durable: JournalPosition(9),
                kind: 1,
                version: 2,
                kept: RECORD_PLAIN,
                meta: meta.len() as u32,
            };
            let mut bytes = header.encode(&meta, &raw).to_vec();
            bytes.extend_from_slice(&meta);
            bytes.extend_from_slice(&raw);
            let back = RecordHeader::decode(&bytes).unwrap();
            prop_assert!(back.is_sum_of(&bytes));
            prop_assert_eq!(RecordHeader { checksum: 0, ..back }, header);
            let bit = bit.index(bytes.len() * 8);
            bytes[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(!RecordHeader::decode(&bytes).is_some_and(|h| h.is_sum_of(&bytes)));
        }
    }
}
