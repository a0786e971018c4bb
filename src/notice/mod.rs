//! Notices: what about Pentamer itself an operator must act on (DESIGN, vocabulary). Never for immunology.
//!
//! A small set, one entry a kind: raised once however often it is said, and cleared when it is over.
//! Each change is one log line and one step of `pentamer_notices{kind}`. Who wants to hand notices on
//! watches [`Notices::subscribe`]; nothing here knows of sinks.

use crate::clock;
use crate::core::time::Timestamp;
use crate::telemetry::events;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::watch;

/// What a notice is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum NoticeKind {
    /// The cache could not be trusted and was built again within the last hour.
    CacheRebuilt,
    /// The state is in memory: the disk, or sled, could not be used for it.
    CacheInMemory,
    /// Acknowledged bytes of the journal cannot be read.
    JournalDamaged,
    /// A checkpoint could not be used at the start; the one before it, or the journal, served.
    CheckpointDamaged,
    /// Little space is left for the journal, or none.
    DiskLow,
    /// Writing or syncing fails, or does not return.
    DiskFailing,
    /// JetStream does not answer: what listeners receive is kept aside and acknowledged.
    Spooling,
    /// The wall clock was set by more than a correction, or stands before what is recorded.
    ClockJumped,
    /// Messages are acknowledged but not looked at yet.
    FoldBehind,
    /// The way to a sink fails.
    SinkFailing,
    /// Alerts wait for long.
    QueueOld,
    /// The configuration was to be read again, and is wrong.
    ConfigurationWrong,
    /// What was read again waits, in part, for a restart.
    RestartNeeded,
    /// Feeds are silent beyond their own rhythm.
    FeedSilent,
    /// The clocks of senders are wrong.
    FeedClock,
    /// A relay passed on messages within the last day that are not kept.
    Gap,
    /// A certificate ends soon or has ended, or new files of one cannot be used.
    Certificate,
    /// The servers of the stream are of a version whose copies of it can come apart.
    ServersOld,
}

impl NoticeKind {
    /// Every kind, in the order in which they are listed.
    pub const ALL: [Self; 18] = [
        Self::CacheRebuilt,
        Self::CacheInMemory,
        Self::JournalDamaged,
        Self::CheckpointDamaged,
        Self::DiskLow,
        Self::DiskFailing,
        Self::Spooling,
        Self::ClockJumped,
        Self::FoldBehind,
        Self::SinkFailing,
        Self::QueueOld,
        Self::ConfigurationWrong,
        Self::RestartNeeded,
        Self::FeedSilent,
        Self::FeedClock,
        Self::Gap,
        Self::Certificate,
        Self::ServersOld,
    ];

    /// The word in logs, metrics and the API.
    pub const fn word(self) -> &'static str {
        match self {
            Self::CacheRebuilt => "cache_rebuilt",
            Self::CacheInMemory => "cache_in_memory",
            Self::JournalDamaged => "journal_damaged",
            Self::CheckpointDamaged => "checkpoint_damaged",
            Self::DiskLow => "disk_low",
            Self::DiskFailing => "disk_failing",
            Self::Spooling => "spooling",
            Self::ClockJumped => "clock_jumped",
            Self::FoldBehind => "fold_behind",
            Self::SinkFailing => "sink_failing",
            Self::QueueOld => "queue_old",
            Self::ConfigurationWrong => "configuration_wrong",
            Self::RestartNeeded => "restart_needed",
            Self::FeedSilent => "feed_silent",
            Self::FeedClock => "feed_clock",
            Self::Gap => "gap",
            Self::Certificate => "certificate",
            Self::ServersOld => "servers_old",
        }
    }
}

/// Something that an operator must act on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// What it is about.
    pub kind: NoticeKind,
    /// Since when.
    pub since: Timestamp,
    /// What happened, where, and what to do; no patient data.
    pub text: String,
}

/// The notices that stand, by kind.
pub type Standing = BTreeMap<NoticeKind, Notice>;

/// The set of notices of one daemon; clones share it.
#[derive(Debug, Clone)]
pub struct Notices(Arc<watch::Sender<Standing>>);

impl Default for Notices {
    fn default() -> Self {
        Self::new()
    }
}

impl Notices {
    /// None stands.
    pub fn new() -> Self {
        for kind in NoticeKind::ALL {
            events::notice_standing(kind.word(), false);
        }
        Self(Arc::new(watch::Sender::new(Standing::new())))
    }

    /// Raises a notice. One of the same kind that stands already keeps its time and takes the text.
    pub fn raise(&self, kind: NoticeKind, text: impl Into<String>) {
        let text = text.into();
        let since = clock::now();
        self.0.send_if_modified(|standing| {
            if let Some(notice) = standing.get_mut(&kind) {
                return std::mem::replace(&mut notice.text, text) != notice.text;
            }
            events::notice_raised(kind.word(), &text);
            standing.insert(kind, Notice { kind, since, text });
            true
        });
    }

    /// Clears a notice, if it stands.
    pub fn clear(&self, kind: NoticeKind) {
        self.0.send_if_modified(|standing| {
            let gone = standing.remove(&kind);
            if gone.is_some() {
                events::notice_cleared(kind.word());
            }
            gone.is_some()
        });
    }

    /// Raises it with this text, or clears it where there is none.
    pub fn set(&self, kind: NoticeKind, text: Option<String>) {
        match text {
            Some(text) => self.raise(kind, text),
            None => self.clear(kind),
        }
    }

    /// Whether one of this kind stands.
    pub fn stands(&self, kind: NoticeKind) -> bool {
        self.0.borrow().contains_key(&kind)
    }

    /// All that stand, by kind.
    pub fn list(&self) -> Vec<Notice> {
        self.0.borrow().values().cloned().collect()
    }

    /// Sees every change from now on: for whoever hands notices on.
    pub fn subscribe(&self) -> watch::Receiver<Standing> {
        self.0.subscribe()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notice_is_raised_once_and_keeps_its_time() {
        let notices = Notices::new();
        let mut seen = notices.subscribe();
        notices.raise(NoticeKind::DiskLow, "little");
        let first = notices.list();
        assert!(seen.has_changed().unwrap());
        seen.mark_unchanged();
        notices.raise(NoticeKind::DiskLow, "little");
        assert!(!seen.has_changed().unwrap(), "nothing new was said");
        assert_eq!(notices.list(), first);
        notices.raise(NoticeKind::DiskLow, "less");
        let [ref now] = notices.list()[..] else {
            panic!("one a kind");
        };
        assert_eq!((now.since, now.text.as_str()), (first[0].since, "less"));
        assert!(notices.stands(NoticeKind::DiskLow) && !notices.stands(NoticeKind::FoldBehind));
    }

    #[test]
    fn it_is_gone_when_it_is_over_and_clearing_twice_says_nothing() {
        let notices = Notices::new();
        notices.set(NoticeKind::FoldBehind, Some("behind".to_owned()));
        let mut seen = notices.subscribe();
        notices.set(NoticeKind::FoldBehind, None);
        assert!(seen.has_changed().unwrap());
        seen.mark_unchanged();
        notices.clear(NoticeKind::FoldBehind);
        assert!(!seen.has_changed().unwrap() && notices.list().is_empty());
    }

    #[test]
    fn every_kind_has_a_word_of_its_own() {
        let words: std::collections::BTreeSet<_> = NoticeKind::ALL.map(NoticeKind::word).into();
        assert_eq!(words.len(), NoticeKind::ALL.len());
    }
}
