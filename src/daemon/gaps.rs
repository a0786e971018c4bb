//! What relays passed on without keeping it, as a notice (WIRE P-6).

use crate::clock;
use crate::core::fact::{Gap, GapCause};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long a gap is told of. The quarantine shows it for longer.
const TOLD: Duration = Duration::from_secs(86_400);

/// The last gap.
#[derive(Default)]
pub(super) struct Gaps(Mutex<Option<(String, Instant)>>);

impl Gaps {
    /// Messages pass unseen, so far these.
    pub(super) fn note(&self, gap: &Gap) {
        let (what, why) = match gap.cause {
            GapCause::Crash => (
                "may have passed on messages".to_owned(),
                ", for the last run did not end in order",
            ),
            GapCause::Spill => (
                format!("passed on messages ({} bytes)", gap.bytes),
                ", for what waited for the journal in `tap/` cannot be read",
            ),
            _ => (
                format!("passed on {} messages ({} bytes)", gap.messages, gap.bytes),
                "",
            ),
        };
        let text = format!(
            "relay `{}` {what} between {} and {} that are not kept{why}: have them sent again; see `tap_gap` in the quarantine",
            gap.origin.listener,
            gap.from.to_rfc3339(),
            gap.to.to_rfc3339(),
        );
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *last = Some((text, clock::monotonic()));
    }

    /// What is to be told still.
    pub(super) fn told(&self, now: Instant) -> Option<String> {
        let last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (text, at) = last.as_ref()?;
        (now.saturating_duration_since(*at) < TOLD).then(|| text.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::fact::Origin;
    use crate::core::time::Timestamp;

    #[test]
    fn a_gap_is_told_of_for_a_day() {
        let gaps = Gaps::default();
        assert_eq!(gaps.told(clock::monotonic()), None);
        gaps.note(&Gap {
            origin: Origin {
                listener: "lab".to_owned(),
                peer: "10.0.0.1:1".to_owned(),
            },
            cause: GapCause::Overflow,
            from: Timestamp::from_micros(0),
            to: Timestamp::from_micros(1_000_000),
            messages: 3,
            bytes: 99,
            control_ids: Vec::new(),
        });
        let now = clock::monotonic();
        let text = gaps.told(now).expect("a text");
        assert!(text.starts_with("relay `lab` passed on 3 messages (99 bytes) between 1970-"));
        assert_eq!(gaps.told(now + TOLD), None);
    }
}
