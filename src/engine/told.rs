//! Who hears what the fold has read, so that no message is read a second time for it.

use crate::core::extract::Extraction;
use crate::core::fact::{Fact, JournalPosition, Received};

/// Told by the fold's thread, which waits for it: what it does must be short.
pub trait Told: Send + Sync {
    /// A message, as it came, and what it says. Of a message that came in parts, and of its parts, nothing is told here.
    fn message(&self, position: JournalPosition, received: &Received, extraction: &Extraction);

    /// These facts are in the state: all that there are behind `after`, up to the last of them. It comes before
    /// [`Progress`](super::Progress) says so, and not at all where they were folded and could not be stored.
    fn folded(&self, after: JournalPosition, facts: &[(JournalPosition, Fact)]);
}
