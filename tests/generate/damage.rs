//! Small damage to bytes: cut, doubled, replaced, inserted.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

/// Small damage to bytes: cut, doubled, replaced, inserted.
#[derive(Debug, Clone)]
pub enum Damage {
    Cut(Index, Index),
    Doubled(Index, Index),
    Byte(Index, u8),
    Inserted(Index, Vec<u8>),
}

pub fn damage() -> impl Strategy<Value = Vec<Damage>> {
    let special = select(&b"|^~\\&\r\n\0\x0b\x1c\"<>-.0A\xff\xc3"[..]);
    let one = prop_oneof![
        (any::<Index>(), any::<Index>()).prop_map(|(a, b)| Damage::Cut(a, b)),
        (any::<Index>(), any::<Index>()).prop_map(|(a, b)| Damage::Doubled(a, b)),
        (any::<Index>(), special).prop_map(|(a, b)| Damage::Byte(a, b)),
        (any::<Index>(), vec(any::<u8>(), 0..6)).prop_map(|(a, b)| Damage::Inserted(a, b)),
    ];
    vec(one, 1..5)
}

pub fn damaged(mut raw: Vec<u8>, damage: &[Damage]) -> Vec<u8> {
    let range = |a: &Index, b: &Index, length: usize| {
        let (a, b) = (a.index(length), b.index(length));
        a.min(b)..a.max(b).min(a.min(b) + 40)
    };
    for one in damage {
        if raw.is_empty() {
            return raw;
        }
        match one {
            Damage::Cut(a, b) => drop(raw.drain(range(a, b, raw.len()))),
            Damage::Doubled(a, b) => {
                let range = range(a, b, raw.len());
                let copy = raw[range.clone()].to_vec();
                raw.splice(range.start..range.start, copy);
            }
            Damage::Byte(a, byte) => {
                let at = a.index(raw.len());
                raw[at] = *byte;
            }
            Damage::Inserted(a, bytes) => {
                let at = a.index(raw.len());
                raw.splice(at..at, bytes.iter().copied());
            }
        }
    }
    raw
}
