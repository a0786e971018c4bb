//! `/api/v1/stream`: server-sent events. One event an alert, with its place in the log as id, so that a
//! reader that comes back goes on where it was (`Last-Event-ID`); `change` where something else is new.
//!
//! Nothing is queued for a reader: each reads the log of alerts at its own pace, and one that is slow holds
//! up nobody and no memory.

use super::Seen;
use super::access::Asking;
use super::problem::Problem;
use super::query;
use crate::core::alert::{delivery_word, kind_word, severity_word};
use crate::core::episode::Transition;
use crate::core::fold::state::State as Folded;
use crate::core::fold::views;
use axum::Extension;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use serde_json::json;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::time::Duration;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, sleep_until};

/// Streams at once.
pub(super) const MOST: usize = 256;
/// Alerts read at once.
const CHUNK: usize = 64;
/// Between two looks at what else is new.
const PAUSE: Duration = Duration::from_millis(500);
/// A sign of life this often.
const ALIVE: Duration = Duration::from_secs(15);

const TOO_MANY: Problem = Problem::new(
    StatusCode::SERVICE_UNAVAILABLE,
    "too many pages are open on the stream: close some, or ask the lists instead",
);
const NO_PLACE: Problem = Problem::new(
    StatusCode::BAD_REQUEST,
    "`after` and `Last-Event-ID` are places in the log of alerts: whole numbers",
);

struct Reader {
    seen: Seen,
    asking: Asking,
    headers: HeaderMap,
    after: u64,
    waiting: VecDeque<Event>,
    acts: u64,
    next_look: Instant,
    _slot: OwnedSemaphorePermit,
}

/// `GET /api/v1/stream`: `after` is the place of the last alert that is known; without it the stream begins
/// with what comes.
pub(super) async fn stream(
    State(seen): State<Seen>,
    Extension(asking): Extension<Asking>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let asked = query::read(query.as_deref().unwrap_or_default(), &["after"])?;
    let resumed = headers.get("last-event-id");
    let resumed = resumed.and_then(|value| value.to_str().ok());
    let after = match resumed.or_else(|| asked.text("after")) {
        Some(text) => text.parse().map_err(|_| NO_PLACE)?,
        None => seen.state.read_apart(views::last_alert).await?,
    };
    let slot = seen.streams.clone().try_acquire_owned();
    let slot = slot.map_err(|_| TOO_MANY)?;
    let acts = *seen.acts.borrow();
    let reader = Reader {
        acts,
        seen,
        asking,
        headers,
        after,
        waiting: VecDeque::new(),
        next_look: Instant::now(),
        _slot: slot,
    };
    let events = stream::unfold(reader, |mut reader| async move {
        let event = reader.next().await?;
        Some((Ok::<_, Infallible>(event), reader))
    });
    let alive = KeepAlive::new().interval(ALIVE);
    Ok(Sse::new(events).keep_alive(alive).into_response())
}

impl Reader {
    /// The next event; `None` ends the stream: the daemon ends, or the one who listens may not any more.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.waiting.pop_front() {
                return Some(event);
            }
            let mut progress = self.seen.progress.clone();
            let mut acts = self.seen.acts.clone();
            progress.borrow_and_update();
            let pause = sleep_until(self.next_look);
            tokio::select! {
                () = self.seen.stop.cancelled() => return None,
                () = pause => {}
            }
            if !self.still_may() {
                return None;
            }
            self.look().await;
            self.next_look = Instant::now() + PAUSE;
            if self.waiting.is_empty() {
                tokio::select! {
                    () = self.seen.stop.cancelled() => return None,
                    changed = progress.changed() => changed.ok()?,
                    changed = acts.changed() => changed.ok()?,
                    // A session that ends does not hold its stream open.
                    () = tokio::time::sleep(ALIVE) => {}
                }
            }
        }
    }

    fn still_may(&self) -> bool {
        let Ok(peer) = self.asking.from.parse() else {
            return false;
        };
        let asking = self.seen.access.asking(&self.headers, peer);
        asking.is_some_and(|asking| asking.who.name == self.asking.who.name)
    }

    async fn look(&mut self) {
        let after = self.after;
        let read = move |state: &dyn Folded| views::alerts(state, after, CHUNK);
        // What cannot be read now is read at the next look.
        let Ok(found) = self.seen.state.read_apart(read).await else {
            return;
        };
        for (place, transition) in &found {
            self.after = *place;
            self.waiting.push_back(event(*place, transition));
        }
        let acts = *self.seen.acts.borrow();
        if acts != self.acts {
            self.acts = acts;
            self.waiting
                .push_back(Event::default().event("change").data("{}"));
        }
    }
}

/// Without the patient: who wants to see more asks for the alert, which is audited.
fn event(place: u64, transition: &Transition) -> Event {
    let data = json!({
        "place": place,
        "alert_id": transition.alert_id.0,
        "episode_id": transition.episode.0,
        "kind": kind_word(transition.kind),
        "severity": severity_word(transition.severity),
        "delivery": delivery_word(transition.delivery),
        "at": transition.at.to_rfc3339(),
    });
    Event::default()
        .id(place.to_string())
        .event("alert")
        .data(data.to_string())
}
