//! The quick test on an OBX-3 as it came.

use super::Row;
use aho_corasick::{AhoCorasick, AhoCorasickKind};
use memchr::memchr;

/// What every name that [`only_named`](super::name::only_named) takes has in it.
const NAMES: [&str; 5] = ["igm", "igg", "iga", "munoglobulin", "munglobulin"];

/// Characters of all texts of a map that is sought in by a table, the fastest way; one takes some hundred bytes.
const SMALL: usize = 16_384;

/// All codes and texts of an analyte map, sought for at once.
#[derive(Debug, Clone)]
pub(super) enum Screen {
    /// Something in the map may look different before it is decoded, so any field may match.
    Everything,
    /// A field that has none of these has nothing of ours.
    Texts(AhoCorasick),
}

impl Screen {
    /// With the names of immunoglobulins, by which a code that is not mapped is noticed.
    pub(super) fn new(rows: &[Row]) -> Self {
        let texts = || {
            rows.iter()
                .map(|row| &row.row)
                .flat_map(|row| std::iter::once(row.code.as_str()).chain(row.match_text.as_deref()))
                .map(str::trim)
                .filter(|text| !text.is_empty())
        };
        if texts().any(|text| !text.is_ascii()) {
            return Self::Everything;
        }
        let small = texts().map(str::len).sum::<usize>() < SMALL;
        AhoCorasick::builder()
            .ascii_case_insensitive(true)
            .kind(small.then_some(AhoCorasickKind::DFA))
            .build(texts().chain(NAMES))
            // Too many texts for it: slower, and never wrong.
            .map_or(Self::Everything, Self::Texts)
    }

    /// What is escaped is decoded first, so it may match.
    pub(super) fn may_match(&self, raw_obx3: &[u8]) -> bool {
        match self {
            Self::Everything => true,
            Self::Texts(texts) => memchr(b'\\', raw_obx3).is_some() || texts.is_match(raw_obx3),
        }
    }
}

/// That of a map without rows.
impl Default for Screen {
    fn default() -> Self {
        Self::new(&[])
    }
}
