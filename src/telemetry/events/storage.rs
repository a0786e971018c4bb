//! What the journal and its checkpoints have to tell.

use metrics::{counter, gauge, histogram};
use std::time::Duration;
use tracing::{error, info, warn};

/// One fdatasync.
pub fn synced(took: Duration) {
    counter!("pentamer_journal_syncs_total").increment(1);
    histogram!("pentamer_journal_sync_seconds").record(took.as_secs_f64());
}

/// The journal cannot store.
pub fn storing_failed(why: &str) {
    error!(
        event = "storing_failed",
        why, "cannot store: reading stopped, retried every second; see docs/operating.md"
    );
}

/// The journal stores again.
pub fn storing_again() {
    info!(event = "storing_again", "storing again");
}

/// The stream of facts does not answer yet.
pub fn stream_awaited(stream: &str, why: &str) {
    warn!(
        event = "stream_awaited",
        stream, why, "waiting for the stream of facts: nothing is received before it answers"
    );
}

/// An instance without a checkpoint of its own begins with one of the deciding instance's.
pub fn checkpoint_fetched(position: u64) {
    info!(
        event = "checkpoint_fetched",
        position, "begins with a checkpoint of another instance"
    );
}

/// JetStream does not answer, and what listeners receive is kept aside.
pub fn spooling(why: &str) {
    warn!(
        event = "spooling",
        why, "JetStream does not answer: messages are kept in the data directory and acknowledged"
    );
}

/// So many facts are kept aside.
pub fn spooled(facts: u64) {
    gauge!("pentamer_cluster_spooled").set(facts as f64);
}

/// All that was kept aside is in the stream.
pub fn spool_emptied() {
    info!(
        event = "spool_emptied",
        "what was kept aside while JetStream did not answer is in the stream"
    );
}

/// Something that was kept aside cannot be read, or cannot be put into the stream.
pub fn spool_damaged(why: &str) {
    error!(
        event = "spool_damaged",
        why, "what was kept aside for the stream of facts is damaged, or cannot be kept"
    );
}

/// An answer of a laboratory system to a message whose place in the stream is not known any more.
pub fn spool_unrelated() {
    warn!(
        event = "spool_unrelated",
        "an answer of a laboratory system is not recorded: it is not known any more which message it is about"
    );
}

/// Who decides, as this instance sees it.
pub fn lease(is_ours: bool, epoch: u64, holder: &str, drained: bool) {
    gauge!("pentamer_cluster_holds").set(if is_ours { 1.0 } else { 0.0 });
    gauge!("pentamer_cluster_epoch").set(epoch as f64);
    gauge!("pentamer_cluster_drained").set(if drained { 1.0 } else { 0.0 });
    info!(
        event = "lease",
        holds = is_ours,
        epoch,
        holder,
        drained,
        "who decides and delivers"
    );
}

/// The journal was opened.
pub fn journal_opened(records: u64, segments: usize, last: u64) {
    info!(
        event = "journal_opened",
        records, segments, last, "journal opened"
    );
}

/// The end of the journal was cut by a crash; nothing of it had been acknowledged.
pub fn journal_torn(segment: u64, offset: u64, bytes: u64) {
    warn!(
        event = "journal_torn",
        segment, offset, bytes, "unfinished write at the end of the journal left out"
    );
}

/// A place of the journal is damaged.
pub fn journal_damaged(detail: &str) {
    error!(
        event = "journal_damaged",
        detail, "the journal is damaged; what is whole was read"
    );
}

/// What is damaged was told of at an earlier start.
pub fn journal_damage_known(places: usize, folder: &str) {
    warn!(
        event = "journal_damage_known",
        places,
        folder,
        "the journal is damaged as it was before; `pentamer journal verify` names the places"
    );
}

/// A checkpoint was taken.
pub fn checkpoint(position: u64, entries: u64, bytes: u64, took: Duration) {
    gauge!("pentamer_checkpoint_position").set(position as f64);
    gauge!("pentamer_checkpoint_bytes").set(bytes as f64);
    let seconds = took.as_secs_f64();
    info!(
        event = "checkpoint",
        position, entries, bytes, seconds, "checkpoint taken"
    );
}

/// A checkpoint could not be taken; the ones before stay, and it is tried again.
pub fn checkpoint_failed(why: &str) {
    warn!(event = "checkpoint_failed", why, "no checkpoint was taken");
}

/// A checkpoint cannot be used and was set aside; the one before it or the journal serves.
pub fn checkpoint_unfit(detail: &str) {
    error!(
        event = "checkpoint_unfit",
        detail, "a checkpoint is damaged and was set aside; see docs/operating.md"
    );
}

/// The state was filled from a checkpoint.
pub fn checkpoint_loaded(position: u64, entries: u64, took: Duration) {
    let seconds = took.as_secs_f64();
    info!(
        event = "checkpoint_loaded",
        position, entries, seconds, "the state was filled from a checkpoint"
    );
}

/// Tables have changed, and the messages before `oldest` are not kept: what was read of them stays as
/// it was read.
pub fn checkpoint_other_policy(oldest: u64) {
    warn!(
        event = "checkpoint_other_policy",
        oldest,
        "tables have changed: messages older than what is kept are not read again with them"
    );
}

/// What of the journal is kept; `since` in seconds since 1970.
pub fn journal_kept(bytes: u64, oldest: u64, since: f64) {
    gauge!("pentamer_journal_bytes").set(bytes as f64);
    gauge!("pentamer_journal_oldest_position").set(oldest as f64);
    gauge!("pentamer_journal_oldest_seconds").set(since);
}

/// Closed segments were compressed or dropped; facts are kept from `since` on.
pub fn journal_tidied(packed: usize, dropped: usize, bytes: u64, oldest: u64, since: &str) {
    info!(
        event = "journal_tidied",
        packed, dropped, bytes, oldest, since, "closed segments compressed or dropped"
    );
}

/// Closed segments could not be compressed or dropped; it is tried again.
pub fn journal_untidy(why: &str) {
    warn!(
        event = "journal_untidy",
        why, "closed segments cannot be compressed or dropped"
    );
}
