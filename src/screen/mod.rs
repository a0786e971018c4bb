//! Looking back: what Pentamer would have found in archives, without a daemon and without a state.
//!
//! Three stages. [`gather`] reads: one thread cuts files into chunks, all cores glance at the messages and
//! read those that say something, and what they say goes to a [`pile`] by patient. [`people`] puts
//! together what belongs to one person, one part of the pile after the other, and [`person`] lets each
//! live through it by the same core as the daemon's. [`report`] shows the findings.
//!
//! The outcome is a function of the set of messages: no order of files or messages changes it, nor the
//! memory, nor the number of cores.

mod compare;
mod findings;
mod gather;
mod people;
mod person;
mod pile;
mod reader;
mod record;
pub mod report;
mod tally;

pub use compare::Comparison;
pub use findings::{Findings, Persons, Week, place};
pub use person::{AGES, Case, Told};
pub use tally::{Feed, Refused, Tally};

use crate::core::fact::Reason;
use crate::core::policy::Policy;
use crate::core::time::Timestamp;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// What is screened, and with what means.
pub struct Input {
    /// Files in the order in which they are read; `-` is standard input.
    pub files: Vec<PathBuf>,
    /// Messages are read as those of this listener.
    pub listener: String,
    /// Bytes in memory for what is kept of patients.
    pub memory: usize,
    /// Where the rest goes.
    pub spill: PathBuf,
    /// Threads.
    pub jobs: usize,
    /// Now: nothing was sent later.
    pub now: Timestamp,
    /// How far it is.
    pub progress: Arc<Progress>,
}

/// How far a screening is, for others to look at; and whether it is to stop.
#[derive(Debug, Default)]
pub struct Progress {
    /// Bytes of files read, as they lie on the disk.
    pub bytes: AtomicU64,
    /// Messages.
    pub messages: AtomicU64,
    /// Set to end it.
    pub stop: AtomicBool,
}

impl Input {
    fn stopped(&self) -> bool {
        self.progress.stop.load(Ordering::Relaxed)
    }
}

/// The outcome of a screening.
pub struct Screened {
    /// Messages and feeds.
    pub tally: Tally,
    /// What the policy would have found.
    pub findings: Findings,
    /// What another policy would have found, and the difference.
    pub other: Option<(Findings, Comparison)>,
    /// Files that could not be read to their end, and why.
    pub unreadable: Vec<(PathBuf, String)>,
    /// Files without any message.
    pub without: Vec<Without>,
    /// Bytes that did not fit into memory.
    pub spilled: u64,
}

/// A file in which no message was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Without {
    /// Its name.
    pub path: PathBuf,
    /// What it holds instead that may have been messages, such as XML.
    pub why: Option<Reason>,
}

/// Whether two policies read messages alike, so that only what is judged of them can differ.
pub fn reads_alike(one: &Policy, other: &Policy) -> bool {
    let reading = |policy: &Policy| {
        let Policy {
            site,
            detection,
            analytes,
            listeners,
            words,
            ..
        } = policy;
        let parts = (site, detection.assume_final, analytes, listeners, words);
        serde_json::to_string(&parts).ok()
    };
    reading(one) == reading(other)
}

/// Screens; under a second policy too, where one is given. `None` where it was asked to stop.
///
/// # Errors
/// What does not fit into memory cannot be written or read back.
pub fn screen(
    input: &Input,
    policy: &Policy,
    other: Option<&Policy>,
) -> io::Result<Option<Screened>> {
    let Some(gathered) = gather::gather(input, policy)? else {
        return Ok(None);
    };
    let alike = other.filter(|other| reads_alike(policy, other));
    let policies: Vec<&Policy> = std::iter::once(policy).chain(alike).collect();
    let Some(mut found) = people::judge(input, &gathered, policy, &policies)? else {
        return Ok(None);
    };
    let spilled = gathered.pile.spilled();
    if let Some(other) = other.filter(|_| alike.is_none()) {
        // What is read differs, so everything is read again.
        let Some(again) = gather::gather(input, other)? else {
            return Ok(None);
        };
        let Some(more) = people::judge(input, &again, other, &[other])? else {
            return Ok(None);
        };
        found.extend(more);
    }
    found.iter_mut().for_each(Findings::sort);
    let mut found = found.into_iter();
    let findings = found.next().unwrap_or_default();
    let other = found.next().map(|other| {
        let comparison = Comparison::of(&findings, &other);
        (other, comparison)
    });
    Ok(Some(Screened {
        tally: gathered.tally,
        findings,
        other,
        unreadable: gathered.unreadable,
        without: gathered.without,
        spilled,
    }))
}
