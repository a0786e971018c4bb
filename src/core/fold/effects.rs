//! What folding gives beside the state: numbers to count and news to pass on.
//!
//! The caller counts them on the first fold of a fact and drops them on a rebuild (WIRE 12.12).

use super::state::Batch;
use crate::core::episode::{AlertId, Delivery, Severity, TransitionKind};
use crate::core::fact::{JournalPosition, Reason};
use crate::core::time::Timestamp;
use std::collections::BTreeMap;

/// The outcome of a fold.
#[derive(Debug, Clone, PartialEq)]
pub struct Applied {
    /// For `State::commit`, together with `through`.
    pub batch: Batch,
    /// The last fact folded; where there was none to fold, the state's own position.
    pub through: JournalPosition,
    /// What to count and tell.
    pub effects: Effects,
}

/// Numbers and news of a fold.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Effects {
    /// `pentamer_wire_*` by listener and name: those of the extraction, and what only the state can
    /// tell: `merge_cycle`, `merge_conflict`, `move_unattributable`, `withdrawal_pending`, and
    /// `quarantined_results` for withdrawals of another patient's order.
    pub counts: BTreeMap<(String, &'static str), u64>,
    /// `pentamer_quarantine_total` by reason: one an entry.
    pub refusals: BTreeMap<Reason, u64>,
    /// `pentamer_messages_total` by listener and the outcomes that reading gives: `quarantined` and
    /// `ignored`. `stored`, `duplicate` and `refused` are told where the message was answered.
    pub messages: BTreeMap<(String, &'static str), u64>,
    /// Alerts that entered the log, in order.
    pub new_alerts: Vec<NewAlert>,
    /// Feeds heard, by listener and `MSH-3/MSH-4`: receipt of the last message, and the sender's
    /// clock (MSH-7) less ours in seconds, where it was readable.
    pub feeds: BTreeMap<(String, String), (Timestamp, Option<f64>)>,
    /// Marks set or renewed on patients about whom something is to be decided.
    pub patients_touched: usize,
}

/// An alert that entered the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewAlert {
    /// Its place in the log, from 1.
    pub place: u64,
    /// Its id.
    pub alert_id: AlertId,
    /// What happened.
    pub kind: TransitionKind,
    /// How pressing.
    pub severity: Severity,
    /// Page or worklist.
    pub delivery: Delivery,
}

impl Effects {
    pub(super) fn count(&mut self, listener: &str, name: &'static str, by: u64) {
        if by > 0 {
            add(&mut self.counts, listener, name, by);
        }
    }

    pub(super) fn message(&mut self, listener: &str, outcome: &'static str) {
        add(&mut self.messages, listener, outcome, 1);
    }

    pub(super) fn refusal(&mut self, reason: Reason) {
        let count = self.refusals.entry(reason).or_default();
        *count = count.saturating_add(1);
    }
}

fn add(
    map: &mut BTreeMap<(String, &'static str), u64>,
    listener: &str,
    name: &'static str,
    by: u64,
) {
    let count = map.entry((listener.to_owned(), name)).or_default();
    *count = count.saturating_add(by);
}
