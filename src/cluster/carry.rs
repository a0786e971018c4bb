//! Moving a journal into a stream and back: every fact as it is, at the position that it has.

use super::link::{Expects, Link, LinkError};
use super::message::Going;
use crate::core::fact::JournalPosition;
use crate::journal::{AppendError, Appender, Draft, Encoded, ReadError, Reader, Record};
use futures_util::{StreamExt as _, stream};
use std::collections::VecDeque;

/// Messages on their way at a time.
const AT_ONCE: usize = 512;
/// The subject of what was brought in.
const IMPORTED: &str = "imported";

/// A journal cannot be moved.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CarryError {
    /// JetStream.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// The journal.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// There is something in the stream already that is not the beginning of this journal.
    #[error("the stream ends at {end}, and what is to be brought in goes from {from} to {through}")]
    NotEmpty {
        /// The stream's end.
        end: JournalPosition,
        /// The first fact.
        from: JournalPosition,
        /// The last fact.
        through: JournalPosition,
    },
    /// A fact got another place than it had.
    #[error("the fact at {wanted} got place {got}: somebody else writes into the stream")]
    Moved {
        /// Where it was.
        wanted: JournalPosition,
        /// Where it is.
        got: JournalPosition,
    },
    /// The stream has lost facts in its midst.
    #[error("the stream holds no fact at {at}")]
    Hole {
        /// Where.
        at: JournalPosition,
    },
    /// The disk.
    #[error("the journal: {0}")]
    Store(#[from] AppendError),
}

/// What was moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Carried {
    /// Facts.
    pub facts: u64,
    /// Positions that hold none: damaged, or dropped.
    pub missing: u64,
    /// The first position.
    pub from: JournalPosition,
    /// The last one.
    pub through: JournalPosition,
}

/// Brings the facts of a journal into an empty stream, or goes on where it was interrupted.
///
/// Positions that hold no fact any more hold none in the stream either.
///
/// # Errors
/// Whatever ends it; what is in the stream by then stays, and the next try goes on behind it.
pub async fn import(
    link: &Link,
    mut reader: Reader,
    oldest: JournalPosition,
    through: JournalPosition,
    mut told: impl FnMut(JournalPosition),
) -> Result<Carried, CarryError> {
    let (_, end) = link.ends().await?;
    let from = oldest.max(JournalPosition(1));
    let mut carried = Carried {
        from,
        through,
        ..Carried::default()
    };
    let begun = JournalPosition(end) >= from && end > 0;
    if end > through.0 || begun && !is_imported(link, end).await? {
        return Err(CarryError::NotEmpty {
            end: JournalPosition(end),
            from,
            through,
        });
    }
    if !begun && from.0 > end + 1 {
        // An emptied stream goes on at the place that it was emptied up to.
        link.drop_before(from.0).await?;
    }
    let mut next = if begun { end + 1 } else { from.0 };
    let mut waiting = VecDeque::new();
    loop {
        match reader.next_record(through) {
            Ok(None) => break,
            Ok(Some(record)) if record.position.0 < next => carried.facts += 1,
            Ok(Some(record)) => {
                let position = record.position;
                while next < position.0 {
                    settle_all(&mut waiting).await?;
                    leave_out(link, next).await?;
                    carried.missing += 1;
                    next += 1;
                }
                let going = going(record);
                let ack = link.publish(IMPORTED, Expects::Nothing, &going).await?;
                waiting.push_back((position, ack));
                carried.facts += 1;
                next += 1;
                if waiting.len() >= AT_ONCE {
                    settle_all(&mut waiting).await?;
                    told(position);
                }
            }
            Err(ReadError::Damaged { .. } | ReadError::Dropped { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    settle_all(&mut waiting).await?;
    while next <= through.0 {
        leave_out(link, next).await?;
        carried.missing += 1;
        next += 1;
    }
    told(through);
    Ok(carried)
}

async fn is_imported(link: &Link, sequence: u64) -> Result<bool, LinkError> {
    let found = link.get(sequence).await?;
    Ok(found.is_none_or(|found| found.from == IMPORTED))
}

fn going(record: Record) -> Going {
    Going {
        id: format!("i{}", record.position.0),
        encoded: Encoded {
            kind: record.kind,
            version: record.version,
            meta: record.meta.to_vec(),
            raw: record.raw,
        },
        from: IMPORTED.to_owned(),
        epoch: None,
    }
}

type Waiting = VecDeque<(JournalPosition, super::link::Acknowledging)>;

async fn settle_all(waiting: &mut Waiting) -> Result<(), CarryError> {
    while let Some((wanted, ack)) = waiting.pop_front() {
        let got = JournalPosition(ack.done().await?.sequence);
        if got != wanted {
            return Err(CarryError::Moved { wanted, got });
        }
    }
    Ok(())
}

/// A place without a fact: a message that is taken out again.
async fn leave_out(link: &Link, sequence: u64) -> Result<(), CarryError> {
    let nothing = Record {
        position: JournalPosition(sequence),
        kind: 0,
        version: 1,
        meta: bytes::Bytes::new(),
        raw: bytes::Bytes::new(),
    };
    let ack = link
        .publish(IMPORTED, Expects::Nothing, &going(nothing))
        .await?;
    let got = ack.done().await?.sequence;
    if got != sequence {
        return Err(CarryError::Moved {
            wanted: JournalPosition(sequence),
            got: JournalPosition(got),
        });
    }
    let deleted = link.stream.delete_message(sequence).await;
    deleted.map_err(LinkError::away)?;
    Ok(())
}

/// Takes the facts of a stream from behind `after` into a journal that ends there.
///
/// # Errors
/// Whatever ends it; what is in the journal by then stays, and the next try goes on behind it.
pub async fn export(
    link: &Link,
    appender: &Appender,
    after: JournalPosition,
    through: JournalPosition,
) -> Result<Carried, CarryError> {
    let mut carried = Carried {
        from: after.next(),
        through,
        ..Carried::default()
    };
    let all = stream::iter(after.next().0..=through.0);
    let all = all.map(|sequence| async move { (sequence, link.record(sequence).await) });
    let mut all = std::pin::pin!(all.buffered(AT_ONCE).ready_chunks(AT_ONCE));
    while let Some(some) = all.next().await {
        let mut group = Vec::with_capacity(some.len());
        for (sequence, record) in some {
            let at = JournalPosition(sequence);
            let record = record?.ok_or(CarryError::Hole { at })?;
            let fingerprint = record.fingerprint().map(|(fingerprint, _)| fingerprint);
            let fact = record.fact();
            let fact = fact.map_err(|source| ReadError::NotUnderstood {
                position: at,
                source,
            })?;
            group.push(Draft { fact, fingerprint });
        }
        let answer = appender.submit(group).await?;
        let stored = answer.await.map_err(|_| AppendError::Closed)?;
        for one in stored {
            let wanted = JournalPosition(after.0 + carried.facts + 1);
            if one.position != wanted {
                let got = one.position;
                return Err(CarryError::Moved { wanted, got });
            }
            carried.facts += 1;
        }
    }
    Ok(carried)
}

/// First and last position of the stream.
///
/// # Errors
/// As JetStream says.
pub async fn ends(link: &Link) -> Result<(JournalPosition, JournalPosition), LinkError> {
    let (first, last) = link.ends().await?;
    Ok((JournalPosition(first), JournalPosition(last)))
}
