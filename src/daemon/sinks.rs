//! The configured sinks, each with its queue, and others in their place.

use crate::config::{Config, SinkKind};
use crate::deliver::{Choice, FileSink, LogSink, Queue, QueueSettings, Sink};
use crate::engine::{Progress, StateHandle};
use crate::journal::Appender;
use crate::telemetry::events;
use std::collections::BTreeMap;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// What the queues need.
pub(super) struct Sources {
    pub(super) appender: Appender,
    pub(super) state: StateHandle,
    pub(super) progress: watch::Receiver<Progress>,
    /// Set when the daemon ends.
    pub(super) stop: CancellationToken,
    /// Waits for them then.
    pub(super) tasks: TaskTracker,
}

/// The queues that run.
pub(super) struct Sinks {
    sources: Sources,
    running: Running,
    /// Their names.
    pub(super) names: watch::Sender<Vec<String>>,
}

#[derive(Default)]
struct Running {
    stop: CancellationToken,
    queues: BTreeMap<String, JoinHandle<()>>,
}

impl Sinks {
    /// None runs yet.
    pub(super) fn new(sources: Sources) -> Self {
        Self {
            sources,
            running: Running::default(),
            names: watch::Sender::default(),
        }
    }

    /// Ends those that run, each after the alert that it is about to hand over, and starts the
    /// configured ones, each when the former one of its name has ended: no alert is on its way twice,
    /// and one that hangs holds up no other.
    pub(super) fn replace(&mut self, config: &Config) {
        let stop = self.sources.stop.child_token();
        let next = Running {
            stop: stop.clone(),
            queues: BTreeMap::new(),
        };
        let mut former = std::mem::replace(&mut self.running, next);
        former.stop.cancel();
        for (settings, sink) in sinks(config) {
            let name = settings.name.clone();
            let before = former.queues.remove(&name);
            let queue = Queue::new(
                settings,
                sink,
                self.sources.appender.clone(),
                self.sources.state.clone(),
                self.sources.progress.clone(),
                stop.clone(),
            );
            let status = self.sources.appender.status();
            let mut progress = self.sources.progress.clone();
            let stop = stop.clone();
            let task = self.sources.tasks.spawn(async move {
                if let Some(before) = before {
                    let _ = before.await;
                    // What it recorded last must be folded, or the same alert would come next again.
                    let recorded = status.borrow().synced;
                    tokio::select! {
                        () = stop.cancelled() => return,
                        _ = progress.wait_for(|now| now.folded >= recorded) => {}
                    }
                }
                queue.run().await;
            });
            self.running.queues.insert(name, task);
        }
        for gone in former.queues.keys() {
            if !self.running.queues.contains_key(gone) {
                events::queue(gone, 0, 0.0);
            }
        }
        let names = self.running.queues.keys().cloned().collect();
        self.names.send_replace(names);
    }
}

/// The configured sinks; `alerts.jsonl` is always the last of them.
fn sinks(config: &Config) -> Vec<(QueueSettings, Sink)> {
    let made = |sink: &crate::config::Sink| {
        let choice = Choice {
            events: sink.events.clone(),
            minimum_severity: sink.minimum_severity,
            phi: sink.phi,
            worklist: true,
        };
        let settings = QueueSettings {
            name: sink.name.clone(),
            site: config.site.name.clone(),
            choice,
        };
        let made = match &sink.kind {
            SinkKind::Log => Sink::Log(LogSink),
            SinkKind::File { path } => Sink::File(FileSink::new(path.clone())),
        };
        (settings, made)
    };
    config.sinks.iter().map(made).collect()
}
