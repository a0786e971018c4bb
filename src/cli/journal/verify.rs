//! `pentamer journal verify`: every record, and what is wrong where.

use super::super::{Exit, print};
use super::place::Place;
use crate::core::fact::{Fact, JournalPosition};
use crate::journal::{Inspection, ReadError};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    place: Place,
}

/// [`Exit::Failed`] where anything is damaged or not understood.
pub(super) fn run(args: &Args) -> Exit {
    let read = || -> Result<(String, bool), Exit> {
        let dir = args.place.dir()?;
        let journal = args.place.inspect(&dir)?;
        Ok(report(&args.place, &dir, &journal))
    };
    match read() {
        Ok((text, good)) => {
            print(&text);
            if good { Exit::Done } else { Exit::Failed }
        }
        Err(exit) => exit,
    }
}

/// What a kind of fact is called in the count.
const fn word(fact: &Fact) -> &'static str {
    match fact {
        Fact::Received(_) => "received",
        Fact::SeenAgain { .. } => "seen_again",
        Fact::Refused(_) => "refused",
        Fact::Decided(_) => "decided",
        Fact::Attempted { .. } => "attempted",
        Fact::Delivered { .. } => "delivered",
        Fact::Dead { .. } => "dead",
        Fact::PolicyChanged { .. } => "policy_changed",
        Fact::Started { .. } => "started",
        Fact::MergeUndone(_) => "merge_undone",
        Fact::Deadline { .. } => "deadline",
        Fact::Gap(_) => "gap",
        Fact::LisAnswered { .. } => "lis_answered",
        Fact::Audited(_) => "audited",
        Fact::Noted(_) => "noted",
        Fact::Retried(_) => "retried",
        Fact::Primed(_) => "primed",
        Fact::Reassessed(_) => "reassessed",
        Fact::Acknowledged(_) => "acknowledged",
        Fact::Muted(_) => "muted",
        Fact::Unmuted(_) => "unmuted",
        Fact::SinksSeen(_) => "sinks_seen",
        Fact::Requeued(_) => "requeued",
        Fact::Replayed(_) => "replayed",
        Fact::Passed(_) => "passed",
        Fact::Escalated(_) => "escalated",
        Fact::Held(_) => "held",
    }
}

/// The count and the faults, and whether there are none.
fn report(place: &Place, dir: &Path, journal: &Inspection) -> (String, bool) {
    let recovery = &journal.recovery;
    let (counts, not_understood) = read_all(place, journal);
    let mut text = format!(
        "segments    {}\nrecords     {}\nlast        {}\n",
        recovery.segments, recovery.records, recovery.last
    );
    if let Some(since) = recovery.since {
        let _ = writeln!(
            text,
            "kept        from position {} on, begun {}",
            recovery.oldest,
            since.to_rfc3339()
        );
    }
    for good in &journal.checkpoints.good {
        let _ = writeln!(
            text,
            "checkpoint  at position {}: {} entries, {} bytes",
            good.position,
            good.entries(),
            good.bytes
        );
    }
    for (kind, count) in counts {
        let _ = writeln!(text, "  {kind:<16}{count}");
    }
    if let Some(torn) = &recovery.torn {
        let _ = writeln!(
            text,
            "unfinished  {} bytes at byte {} of the last segment {:010}.seg: a write that was under way, nobody was answered for it",
            torn.bytes, torn.offset, torn.segment
        );
    }
    for damage in &recovery.damage {
        let _ = writeln!(
            text,
            "damaged     {damage}\n            {} from byte {}",
            dir.join("journal").join(damage.file_name()).display(),
            damage.offset
        );
    }
    for unfit in &journal.checkpoints.unfit {
        let _ = writeln!(text, "damaged     {unfit}");
    }
    for fault in &not_understood {
        let _ = writeln!(text, "unreadable  {fault}");
    }
    let faults = recovery.damage.len() + journal.checkpoints.unfit.len() + not_understood.len();
    let _ = match faults {
        0 => writeln!(text, "good        every record and checkpoint is whole"),
        _ => writeln!(
            text,
            "faults      {faults}: keep a copy of the directory and see docs/operating.md; what is whole can be read"
        ),
    };
    (text, faults == 0)
}

/// How many facts of each kind, and those whose meaning is not known.
fn read_all(place: &Place, journal: &Inspection) -> (BTreeMap<&'static str, u64>, Vec<String>) {
    let last = journal.recovery.last;
    let bar = place.bar(last.0, "checking {bar:40} {pos}/{len} records  {eta} left");
    let mut reader = journal.reader(JournalPosition::START);
    let mut counts = BTreeMap::new();
    let mut faults = Vec::new();
    loop {
        match reader.next(last) {
            Ok(Some((position, fact))) => {
                *counts.entry(word(&fact)).or_insert(0) += 1;
                bar.set_position(position.0);
            }
            Ok(None) => break,
            // Named already.
            Err(ReadError::Damaged { .. } | ReadError::Dropped { .. }) => {}
            Err(ReadError::NotUnderstood { position, source }) => {
                faults.push(format!("position {position}: {source}"));
            }
            Err(error @ ReadError::Io { .. }) => {
                faults.push(error.to_string());
                break;
            }
        }
    }
    bar.finish_and_clear();
    (counts, faults)
}
