//! The audit: one task that gives each entry its place in the chain and answers when it is durable.
//!
//! While the disk does not answer, looking goes on: the entry waits in memory and is stored when it can be.
//! So many may wait; beyond that nothing is shown that cannot be recorded.

use super::access::Asking;
use super::problem::Problem;
use super::{Seen, query};
use crate::clock;
use crate::core::audit::Audited;
use crate::core::fact::{Fact, JournalPosition};
use crate::core::fold::audit;
use crate::core::fold::state::State as Folded;
use crate::core::fold::values::AuditEntry;
use crate::core::phi::Phi;
use crate::engine::{Progress, StateHandle};
use crate::journal::{Appender, Draft};
use crate::telemetry::events;
use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::timeout;

/// Entries that wait at most, and that go into the journal together.
const WAITING: usize = 1_024;
/// How long a page waits for its entry to be durable before it is shown all the same.
const STORE_WITHIN: Duration = Duration::from_secs(2);
/// Entries looked at for one page.
const LOOK_AT: u64 = 20_000;

const NOT_RECORDED: Problem = Problem::new(
    StatusCode::SERVICE_UNAVAILABLE,
    "this is shown only when it is recorded in the audit, the journal cannot store at present (see /readyz), and too much waits already: try again",
);

struct Entry {
    by: String,
    from: String,
    act: &'static str,
    subject: Phi<String>,
    done: oneshot::Sender<()>,
}

/// The way to the audit.
#[derive(Clone)]
pub struct Auditor(mpsc::Sender<Entry>);

impl Auditor {
    /// Starts the task; it ends with the last auditor.
    pub fn start(
        appender: Appender,
        state: StateHandle,
        progress: watch::Receiver<Progress>,
    ) -> Self {
        let (send, come) = mpsc::channel(WAITING);
        tokio::spawn(run(come, appender, state, progress));
        Self(send)
    }

    /// Records an act. Waits until it is durable, or for two seconds while the disk does not answer.
    pub(super) async fn note(
        &self,
        asking: &Asking,
        act: &'static str,
        subject: impl Into<String>,
    ) -> Result<(), Problem> {
        self.note_of(&asking.who.name, &asking.from, act, subject)
            .await
    }

    /// The same for one who is not signed in (yet).
    pub(super) async fn note_of(
        &self,
        by: &str,
        from: &str,
        act: &'static str,
        subject: impl Into<String>,
    ) -> Result<(), Problem> {
        let (done, answer) = oneshot::channel();
        let entry = Entry {
            by: by.to_owned(),
            from: from.to_owned(),
            act,
            subject: Phi::new(subject.into()),
            done,
        };
        let sent = timeout(STORE_WITHIN, self.0.send(entry)).await;
        sent.map_err(|_| NOT_RECORDED)?.map_err(|_| NOT_RECORDED)?;
        match timeout(STORE_WITHIN, answer).await {
            Ok(answer) => answer.map_err(|_| NOT_RECORDED),
            Err(_) => {
                events::audit_late(act);
                Ok(())
            }
        }
    }
}

/// Where the chain ends as far as it is folded: the newest entry's number, hash and place.
async fn newest(state: &StateHandle) -> (u64, String, JournalPosition) {
    loop {
        match state.read_apart(audit::end_and_place).await {
            Ok((end, place)) => return (end.number, end.hash, place),
            Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
}

async fn run(
    mut come: mpsc::Receiver<Entry>,
    appender: Appender,
    state: StateHandle,
    mut progress: watch::Receiver<Progress>,
) {
    // Only a state that has caught up knows where the chain ends; from then on this task does.
    if progress
        .wait_for(|progress| progress.current)
        .await
        .is_err()
    {
        return;
    }
    let (mut number, mut hash, mut last) = newest(&state).await;
    let mut entries = Vec::new();
    while come.recv_many(&mut entries, WAITING).await > 0 {
        let (next, previous) = loop {
            let (mut next, mut previous) = (number, hash.clone());
            let mut group = Vec::with_capacity(entries.len());
            for entry in &entries {
                next = next.saturating_add(1);
                let audited = Audited {
                    number: next,
                    previous,
                    at: clock::now(),
                    by: entry.by.clone(),
                    from: entry.from.clone(),
                    act: entry.act.to_owned(),
                    subject: entry.subject.clone(),
                };
                previous = audited.hash();
                group.push(Draft::from(Fact::Audited(audited)));
            }
            // Waited for without an end: whether it became durable must be known before the next is linked.
            let stored = match appender.submit_linked(last, group).await {
                Ok(answer) => answer.await,
                Err(_) => return,
            };
            if let Ok(stored) = stored {
                last = stored.last().map_or(last, |stored| stored.position);
                break (next, previous);
            }
            if !appender.is_shared() {
                return;
            }
            // Another instance has added to the chain: it goes on behind that, once that is folded.
            let before = last;
            loop {
                (number, hash, last) = newest(&state).await;
                if last != before {
                    break;
                }
                if progress.changed().await.is_err() {
                    return;
                }
            }
        };
        if number / 100 != next / 100 {
            events::audit_at(next, &previous);
        }
        (number, hash) = (next, previous);
        for entry in entries.drain(..) {
            let _ = entry.done.send(());
        }
    }
    events::audit_at(number, &hash);
}

/// An entry as the API shows it.
#[derive(Serialize)]
struct Item {
    number: u64,
    position: u64,
    at: String,
    by: String,
    from: String,
    act: String,
    subject: Phi<String>,
    hash: String,
    previous: String,
    /// It follows the entry before it.
    follows: bool,
}

fn item(entry: AuditEntry) -> Item {
    let hash = entry.audited.hash();
    let audited = entry.audited;
    Item {
        number: audited.number,
        position: entry.position.0,
        at: audited.at.to_rfc3339(),
        by: audited.by,
        from: audited.from,
        act: audited.act,
        subject: audited.subject,
        hash,
        previous: audited.previous,
        follows: !entry.broken,
    }
}

#[derive(Serialize)]
struct Page {
    items: Vec<Item>,
    next: Option<String>,
    /// How often the chain is broken, over all of it.
    breaks: u64,
}

/// What is asked of the audit.
pub(super) struct Asked {
    pub(super) by: Option<String>,
    pub(super) act: Option<String>,
    pub(super) subject: Option<String>,
}

/// A page of entries, newest first.
pub(super) async fn entries(
    seen: &Seen,
    asked: Asked,
    before: Option<u64>,
    limit: usize,
) -> Result<(Vec<AuditEntry>, Option<u64>, u64), Problem> {
    let read = move |state: &dyn Folded| {
        let wanted = |audited: &Audited| {
            let is = |asked: &Option<String>, found: &str| {
                asked.as_ref().is_none_or(|asked| asked == found)
            };
            is(&asked.by, &audited.by)
                && is(&asked.act, &audited.act)
                && (asked.subject.as_ref())
                    .is_none_or(|asked| audited.subject == Phi::new(asked.clone()))
        };
        let (found, next) = audit::newest_first(state, before, limit, LOOK_AT, &wanted)?;
        Ok((found, next, audit::end(state)?.breaks))
    };
    Ok(seen.state.read_apart(read).await?)
}

/// `GET /api/v1/audit`: newest first, with `limit`, `cursor`, `by`, `act`, `subject`.
pub(super) async fn list(
    State(seen): State<Seen>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let asked = query::read(
        query.as_deref().unwrap_or_default(),
        &["by", "act", "subject"],
    )?;
    let paging = asked.paging()?;
    let text = |name| asked.text(name).map(str::to_owned);
    let asked = Asked {
        by: text("by"),
        act: text("act"),
        subject: text("subject"),
    };
    let (found, next, breaks) = entries(&seen, asked, paging.cursor, paging.limit).await?;
    let page = Page {
        items: found.into_iter().map(item).collect(),
        next: next.map(|next| next.to_string()),
        breaks,
    };
    let body = serde_json::to_vec(&page).unwrap_or_default();
    Ok(super::json(StatusCode::OK, body))
}
