//! Facts read together, to be folded together.

use crate::core::fact::{Fact, JournalPosition};
use crate::journal::{ReadError, Reader};

/// Facts folded in one batch at most, and their bytes.
const FACTS: usize = 1_024;
const BYTES: usize = 8 * 1024 * 1024;

/// The next facts up to `through`: none at its end. What is damaged, or was dropped meanwhile, is told of
/// and passed over: what is whole is read on.
///
/// # Errors
/// What is not damage: a fact that is not understood, or a disk that does not read.
pub(crate) fn read_batch(
    reader: &mut Reader,
    through: JournalPosition,
    mut damaged: impl FnMut(&ReadError),
) -> Result<Vec<(JournalPosition, Fact)>, ReadError> {
    let mut facts = Vec::new();
    let mut bytes = 0_usize;
    while facts.len() < FACTS && bytes < BYTES {
        match reader.next(through) {
            Ok(Some((position, fact))) => {
                if let Fact::Received(received) = &fact {
                    bytes = bytes.saturating_add(received.raw.len());
                }
                facts.push((position, fact));
            }
            Ok(None) => break,
            Err(error @ (ReadError::Damaged { .. } | ReadError::Dropped { .. })) => damaged(&error),
            Err(error) => return Err(error),
        }
    }
    Ok(facts)
}
