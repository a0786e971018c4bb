//! Reading facts of the stream by position, on threads that may wait.

use super::link::{Link, LinkError};
use super::tail::Tail;
use crate::clock;
use crate::core::fact::JournalPosition;
use crate::journal::{DecodeError, Log, LogReader, ReadError, Record};
use futures_util::{StreamExt as _, stream};
use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;
use tokio::runtime::Handle;

/// Messages fetched ahead.
const AHEAD: u64 = 256;
/// Of these, asked for at a time.
const AT_ONCE: usize = 64;
/// How long a stream that does not answer is asked again before the caller is told.
const PATIENCE: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(200);

/// The stream as a log.
pub(super) struct StreamLog {
    link: Arc<Link>,
    tail: Arc<Tail>,
    runtime: Handle,
}

impl StreamLog {
    pub(super) fn new(link: Arc<Link>, tail: Arc<Tail>, runtime: Handle) -> Self {
        Self {
            link,
            tail,
            runtime,
        }
    }
}

impl Log for StreamLog {
    fn reader(&self, after: JournalPosition) -> Box<dyn LogReader> {
        Box::new(StreamReader {
            link: Arc::clone(&self.link),
            tail: Arc::clone(&self.tail),
            runtime: self.runtime.clone(),
            wanted: after.next(),
            fetched: VecDeque::new(),
        })
    }

    fn oldest(&self) -> Option<JournalPosition> {
        Some(JournalPosition(self.tail.first()))
    }
}

/// What stands at a sequence.
enum Place {
    Here(Record),
    Gone,
    Unreadable,
}

type Places = VecDeque<(u64, Place)>;

struct StreamReader {
    link: Arc<Link>,
    tail: Arc<Tail>,
    runtime: Handle,
    wanted: JournalPosition,
    fetched: Places,
}

impl StreamReader {
    /// Fetches what comes next; on the stream's own threads, whoever waits here.
    fn fetch(&mut self, through: JournalPosition) -> Result<(), LinkError> {
        let from = self.wanted.0;
        if let Some(record) = self.tail.recent(from) {
            self.fetched.push_back((from, Place::Here(record)));
            return Ok(());
        }
        let through = through.0.min(from.saturating_add(AHEAD));
        let (link, tail) = (Arc::clone(&self.link), Arc::clone(&self.tail));
        let (give, fetched) = mpsc::channel();
        self.runtime.spawn(async move {
            let _ = give.send(fetch(&link, &tail, from, through).await);
        });
        let gone = |_| LinkError::Away("the link is closed".to_owned());
        self.fetched = fetched.recv().map_err(gone)??;
        Ok(())
    }
}

async fn fetch(link: &Link, tail: &Tail, from: u64, through: u64) -> Result<Places, LinkError> {
    let all = stream::iter(from..=through).map(|sequence| async move {
        if let Some(record) = tail.recent(sequence) {
            return Ok((sequence, Place::Here(record)));
        }
        match link.record(sequence).await {
            Ok(Some(record)) => Ok((sequence, Place::Here(record))),
            Ok(None) => Ok((sequence, Place::Gone)),
            Err(LinkError::Unreadable { .. }) => Ok((sequence, Place::Unreadable)),
            Err(error) => Err(error),
        }
    });
    let mut all = std::pin::pin!(all.buffered(AT_ONCE));
    let mut places = Places::new();
    while let Some(one) = all.next().await {
        match one {
            Ok(one) => places.push_back(one),
            // What came before it is good.
            Err(error) if places.is_empty() => return Err(error),
            Err(_) => break,
        }
    }
    Ok(places)
}

impl LogReader for StreamReader {
    fn next(&mut self, through: JournalPosition) -> Result<Option<Record>, ReadError> {
        if self.wanted > through {
            return Ok(None);
        }
        let first = self.tail.first();
        if self.wanted.0 < first {
            let last = JournalPosition(first - 1).min(through);
            let from = self.wanted;
            self.wanted = last.next();
            self.fetched.clear();
            return Err(ReadError::Dropped {
                from,
                through: last,
            });
        }
        let begun = clock::monotonic();
        while self.fetched.is_empty() {
            let Err(error) = self.fetch(through) else {
                continue;
            };
            if begun.elapsed() >= PATIENCE {
                let source = io::Error::other(error);
                return Err(ReadError::Io { segment: 0, source });
            }
            std::thread::park_timeout(PAUSE);
        }
        let Some((sequence, place)) = self.fetched.pop_front() else {
            return Ok(None);
        };
        let position = JournalPosition(sequence);
        self.wanted = position.next();
        match place {
            Place::Here(record) => Ok(Some(record)),
            Place::Gone => {
                let mut last = position;
                while let Some((next, Place::Gone)) = self.fetched.front() {
                    last = JournalPosition(*next);
                    self.fetched.pop_front();
                }
                self.wanted = last.next();
                Err(ReadError::Dropped {
                    from: position,
                    through: last,
                })
            }
            Place::Unreadable => Err(ReadError::NotUnderstood {
                position,
                source: DecodeError::Meta { kind: "message" },
            }),
        }
    }

    fn position(&self) -> JournalPosition {
        JournalPosition(self.wanted.0.saturating_sub(1))
    }
}
