//! Telling what opening the journal found.

use crate::clock;
use crate::config::Config;
use crate::core::time::Span;
use crate::journal::{self, ReadError, Recovery};
use crate::notice::{NoticeKind, Notices};
use crate::telemetry::events;
use std::sync::Arc;

/// Damage is told of at the starts of an hour: once is enough, but a daemon that is started again at
/// once must not lose the word. Later `pentamer journal verify` has it.
const TOLD_FOR: Span = Span::seconds(3_600);

/// Log lines, a copy of what is damaged, and notices.
pub(super) fn report(recovery: &Recovery, notices: &Notices, config: &Config) {
    events::journal_opened(recovery.records, recovery.segments, recovery.last.0);
    if let Some(torn) = &recovery.torn {
        events::journal_torn(torn.segment, torn.offset, torn.bytes);
    }
    report_checkpoints(recovery, notices);
    let Some(first) = recovery.damage.first() else {
        return;
    };
    let storage = &config.storage;
    let aside = journal::set_aside(&storage.dir, &recovery.damage, storage.reserve);
    let aside = match aside {
        Ok(aside) => {
            let known_for = clock::now().since(aside.noted);
            if known_for > TOLD_FOR {
                let places = recovery.damage.len();
                let folder = aside.folder.display().to_string();
                return events::journal_damage_known(places, &folder);
            }
            format!("copies are in `{}`", aside.folder.display())
        }
        Err(error) => format!("no copy could be made: {error}"),
    };
    for damage in &recovery.damage {
        events::journal_damaged(&damage.to_string());
    }
    let more = match recovery.damage.len() - 1 {
        0 => String::new(),
        more => format!(", and {more} more places"),
    };
    notices.raise(
        NoticeKind::JournalDamaged,
        format!("{first}{more}; what is whole was read, {aside}; see `pentamer journal verify`"),
    );
}

/// What is to be done about damage that the fold meets: a notice, unless the opening found it already.
pub(super) fn later(
    recovery: &Recovery,
    notices: Notices,
) -> Arc<dyn Fn(&ReadError) + Send + Sync> {
    let lost = recovery.damage.iter().filter_map(|damage| damage.lost);
    let known: Vec<_> = lost.collect();
    Arc::new(move |error| {
        let is_known = match error {
            ReadError::Damaged { from, through, .. } => known
                .iter()
                .any(|(first, last)| first <= through && from <= last),
            _ => false,
        };
        if !is_known {
            let text = format!("{error}; what is whole is read; see `pentamer journal verify`");
            notices.raise(NoticeKind::JournalDamaged, text);
        }
    })
}

fn report_checkpoints(recovery: &Recovery, notices: &Notices) {
    for unfit in &recovery.checkpoints_unfit {
        events::checkpoint_unfit(&unfit.to_string());
    }
    let Some(first) = recovery.checkpoints_unfit.first() else {
        return;
    };
    let served = match recovery.base.0 {
        0 => "the journal was read from its beginning instead".to_owned(),
        at => format!("the one at position {at} served instead"),
    };
    notices.raise(
        NoticeKind::CheckpointDamaged,
        format!("{first}; it is kept as `….damaged`, and {served}; look at the disk"),
    );
}
