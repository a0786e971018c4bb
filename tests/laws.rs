//! The laws of DESIGN.md over the public API: whole synthetic messages, from frames to episodes.

mod clinical;
mod episodes;
mod fold;
mod journeys;
mod text;
mod wire;

use crate::generate::{self, cases};
use pentamer::core::extract::{Extraction, extract};
use pentamer::core::fact::{Fact, JournalPosition, Origin, Received};
use pentamer::core::policy::Policy;
use pentamer::core::time::Timestamp;
use std::sync::LazyLock;

/// Tables and thresholds as built in; reading them takes longer than a case.
static POLICY: LazyLock<Policy> = LazyLock::new(Policy::built_in);

/// After everything that the generators make: 2026-02-01T00:00:00Z.
const RECEIVED: Timestamp = Timestamp::from_micros(1_769_904_000_000_000);

fn received(raw: &[u8]) -> Received {
    Received {
        origin: Origin {
            listener: "lab".to_owned(),
            peer: "192.0.2.1:4000".to_owned(),
        },
        received_at: RECEIVED,
        part: (0, 1),
        raw: raw.to_vec().into(),
    }
}

fn read(raw: &[u8]) -> Extraction {
    extract(&received(raw), JournalPosition(7), &POLICY)
}

/// Messages as facts, from a position on.
fn facts(messages: &[Vec<u8>], from: u64) -> Vec<(JournalPosition, Fact)> {
    (from..)
        .zip(messages)
        .map(|(position, raw)| (JournalPosition(position), Fact::Received(received(raw))))
        .collect()
}
