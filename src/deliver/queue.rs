//! One queue a sink: next alert, `Attempted`, send, `Delivered`, next.

use super::{Choice, Sink, SinkError};
use crate::clock;
use crate::core::fact::{Fact, JournalPosition};
use crate::core::fold::views;
use crate::engine::{Progress, StateHandle};
use crate::failpoints;
use crate::journal::{Appender, Draft};
use crate::telemetry::events;
use std::time::Duration;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// First pause after a failure, and the longest.
const PAUSE: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(60));

/// What a queue needs.
#[derive(Debug)]
pub struct QueueSettings {
    /// The sink's name: its cursor is kept under it.
    pub name: String,
    /// `[site] name`.
    pub site: String,
    /// What the sink gets.
    pub choice: Choice,
}

/// The way of alerts to one sink.
pub struct Queue {
    settings: QueueSettings,
    sink: Sink,
    appender: Appender,
    state: StateHandle,
    progress: watch::Receiver<Progress>,
    stop: CancellationToken,
}

impl Queue {
    /// A queue from the state's outbox to a sink.
    pub const fn new(
        settings: QueueSettings,
        sink: Sink,
        appender: Appender,
        state: StateHandle,
        progress: watch::Receiver<Progress>,
        stop: CancellationToken,
    ) -> Self {
        Self {
            settings,
            sink,
            appender,
            state,
            progress,
            stop,
        }
    }

    /// Delivers until the daemon ends. Never gives an alert up.
    pub async fn run(mut self) {
        let mut pause = PAUSE.0;
        while !self.stop.is_cancelled() {
            match self.deliver_next().await {
                Ok(true) => pause = PAUSE.0,
                Ok(false) => {
                    tokio::select! {
                        () = self.stop.cancelled() => {}
                        changed = self.progress.changed() => if changed.is_err() { return },
                    }
                }
                Err((alert_id, error)) => {
                    events::delivery_failed(
                        &self.settings.name,
                        &alert_id,
                        &error.to_string(),
                        pause,
                    );
                    tokio::select! {
                        () = self.stop.cancelled() => {}
                        () = tokio::time::sleep(pause) => {}
                    }
                    pause = (pause * 2).min(PAUSE.1);
                }
            }
        }
    }

    /// True when an alert was dealt with, false when none waits.
    async fn deliver_next(&mut self) -> Result<bool, (String, SinkError)> {
        let name = self.settings.name.clone();
        // While the state is being built its cursors are old news: a delivered alert would look new.
        if !self.progress.borrow_and_update().current {
            return Ok(false);
        }
        let later = |error: String| (String::new(), SinkError::Later(error));
        let sink = name.clone();
        let next = self
            .state
            .read_apart(move |state| views::next_alert(state, &sink))
            .await
            .map_err(|error| later(error.to_string()))?;
        let Some(next) = next else {
            return Ok(false);
        };
        let alert_id = next.transition.alert_id.0.clone();
        let failed = |error: SinkError| (alert_id.clone(), error);
        if self.settings.choice.wants(&next.transition) {
            let event = self
                .settings
                .choice
                .render(&next.transition, &self.settings.site);
            if !next.attempted {
                self.record(Fact::Attempted {
                    sink: name.clone(),
                    alert_id: alert_id.clone(),
                    at: clock::now(),
                })
                .await
                .map_err(failed)?;
            }
            // The file sink waits for its disk: the connections of this worker must not.
            let sent = tokio::task::block_in_place(|| {
                failpoints::stall("deliver-before-send");
                let sent = self.sink.deliver(&event);
                failpoints::stall("deliver-after-send");
                sent
            });
            sent.map_err(failed)?;
            events::delivered(&name, &alert_id);
        }
        let fact = Fact::Delivered {
            sink: name,
            alert_id: alert_id.clone(),
            at: clock::now(),
        };
        let recorded = self.record(fact).await.map_err(failed)?;
        self.wait_folded(recorded).await;
        Ok(true)
    }

    async fn record(&self, fact: Fact) -> Result<JournalPosition, SinkError> {
        let gone = || SinkError::Later("the journal is closed".to_owned());
        let stored = self
            .appender
            .submit(vec![Draft::from(fact)])
            .await
            .map_err(|_| gone())?
            .await
            .map_err(|_| gone())?;
        stored.last().map(|stored| stored.position).ok_or_else(gone)
    }

    /// Until the cursor has moved: or the same alert would come next again.
    async fn wait_folded(&mut self, position: JournalPosition) {
        let stop = self.stop.clone();
        tokio::select! {
            () = stop.cancelled() => {}
            _ = self.progress.wait_for(|progress| progress.folded >= position) => {}
        }
    }
}
