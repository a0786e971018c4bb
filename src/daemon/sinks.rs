//! Sinks of the configuration as running queues, others in their place, what an operator must be told of
//! them, and escalation.

use crate::clock;
use crate::config::{Config, Sink, SinkKind};
use crate::core::delivery::SinksSeen;
use crate::core::delivery::escalation::{Rule, due};
use crate::core::fact::Fact;
use crate::core::fold::views;
use crate::deliver::{self, Choice, Ground, Handle, Kept, Links, Queue, QueueSettings, Signer};
use crate::journal::{AppendError, Draft, Hold};
use crate::notice::NoticeKind;
use crate::telemetry::events;
use jiff::tz::TimeZone;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Mutex, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// A way that fails for longer is told of.
const FAILING_FOR: Duration = Duration::from_secs(300);
/// An alert that waits for longer is told of.
const WAITING_FOR: Duration = Duration::from_secs(900);
/// Between two looks at sinks and open pages.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The queues that run.
pub(super) struct Sinks {
    ground: Ground,
    signer: Option<Signer>,
    /// Waits for them when the daemon ends.
    tasks: TaskTracker,
    stop: CancellationToken,
    running: BTreeMap<String, Running>,
    /// How each is reached.
    pub(super) handles: watch::Sender<Vec<Handle>>,
    /// What sends unacknowledged pages on.
    pub(super) escalations: watch::Sender<Escalations>,
}

struct Running {
    handle: Handle,
    config: Sink,
    /// Held by the queue while it runs.
    kept: Arc<Mutex<Kept>>,
}

/// `[[escalation]]`, and the clock on the wall that its quiet hours go by.
#[derive(Debug, Clone)]
pub(super) struct Escalations {
    rules: Vec<Rule>,
    zone: TimeZone,
}

impl Sinks {
    /// None runs yet.
    pub(super) fn new(ground: Ground, signer: Option<Signer>, tasks: TaskTracker) -> Self {
        let none = Escalations {
            rules: Vec::new(),
            zone: TimeZone::UTC,
        };
        Self {
            stop: ground.stop.child_token(),
            ground,
            signer,
            tasks,
            running: BTreeMap::new(),
            handles: watch::Sender::default(),
            escalations: watch::Sender::new(none),
        }
    }

    /// Goes on with those of another configuration. Those that are new begin behind the newest alert.
    pub(super) fn take(&mut self, config: &Config) {
        let is_new = |sink: &Sink| !self.running.contains_key(&sink.name);
        // In the journal before whatever is received from now on. Until it is folded they are given nothing.
        if config.sinks.iter().any(is_new)
            && matches!(
                self.ground.appender.try_submit(vec![seen(config)]),
                Err(AppendError::Full)
            )
        {
            let (appender, seen) = (self.ground.appender.clone(), seen(config));
            self.tasks.spawn(async move {
                let _ = appender.submit(vec![seen]).await;
            });
        }
        self.replace(config);
    }

    /// Ends those that run, each after the alert that it is about to hand over, and starts the
    /// configured ones, each when the former one of its name has ended: no alert is on its way twice,
    /// and one that hangs holds up no other.
    pub(super) fn replace(&mut self, config: &Config) {
        self.stop.cancel();
        self.stop = self.ground.stop.child_token();
        let mut former = std::mem::take(&mut self.running);
        for sink in &config.sinks {
            let before = former.remove(&sink.name);
            let running = self.start(config, sink, before);
            self.running.insert(sink.name.clone(), running);
        }
        for gone in former.keys() {
            events::queue(gone, 0, 0.0);
        }
        let handles = self.running.values().map(|one| one.handle.clone());
        self.handles.send_replace(handles.collect());
        self.escalations.send_replace(Escalations {
            rules: config.escalations.clone(),
            zone: config.policy().site.zone,
        });
    }

    fn start(&self, config: &Config, sink: &Sink, before: Option<Running>) -> Running {
        let settings = self.settings(config, sink);
        let site = config.site.name.clone();
        let same = before.as_ref().is_some_and(|before| before.config == *sink);
        let (handle, kept) = match before {
            Some(before) => (before.handle.of_kind(settings.kind), before.kept),
            None => {
                let (handle, kept) = Handle::new(&settings);
                (handle, Arc::new(Mutex::new(kept)))
            }
        };
        let ground = Ground {
            stop: self.stop.clone(),
            ..self.ground.clone()
        };
        let (sink, lent) = (sink.clone(), Arc::clone(&kept));
        let config = sink.clone();
        self.tasks.spawn(async move {
            let mut kept = lent.lock_owned().await;
            if !same {
                kept.forget_what_was_told();
            }
            let made = deliver::sink(&sink.kind, &site, sink.timeout);
            Queue::new(settings, made, ground, kept).run().await;
        });
        Running {
            handle,
            config,
            kept,
        }
    }

    fn settings(&self, config: &Config, sink: &Sink) -> QueueSettings {
        let keeps = matches!(sink.kind, SinkKind::Log | SinkKind::File { .. });
        QueueSettings {
            name: sink.name.clone(),
            kind: sink.kind.word(),
            site: config.site.name.clone(),
            choice: Choice {
                events: sink.events.clone(),
                notices: sink.notices,
                minimum_severity: sink.minimum_severity,
                phi: sink.phi,
                worklist: keeps,
            },
            retry: sink.retry,
            timeout: sink.timeout,
            digest: sink.digest,
            heartbeat: sink.heartbeat,
            links: Links {
                base: config.http.public_url.clone(),
                signer: self.signer.clone().filter(|_| !keeps),
            },
        }
    }
}

/// The sinks that this daemon starts with, as a fact: one that is new begins behind the newest alert.
pub(super) fn seen(config: &Config) -> Draft {
    Draft::from(Fact::SinksSeen(SinksSeen {
        sinks: config.sinks.iter().map(|sink| sink.name.clone()).collect(),
        at: clock::now(),
    }))
}

/// Their names.
pub(super) fn names(config: &Config) -> Vec<String> {
    config.sinks.iter().map(|sink| sink.name.clone()).collect()
}

/// Signs links, where there are any: with a key of the data directory, made at the first start.
pub(super) fn signer(config: &Config) -> Option<Signer> {
    config.http.public_url.as_ref()?;
    let file = config.storage.dir.join("links.key");
    let mut random = [0_u8; 32];
    let provider = rustls::crypto::ring::default_provider();
    provider.secure_random.fill(&mut random).ok()?;
    match crate::config::keep_key(&file, &random) {
        Ok(key) => Some(Signer::new(key)),
        Err(error) => {
            events::configuration_warning(&format!("no links to acknowledge by: {error}"));
            None
        }
    }
}

/// Raises what an operator must know of the sinks, and sends unacknowledged pages on, until the daemon
/// ends.
pub(super) async fn watch(
    ground: Ground,
    handles: watch::Receiver<Vec<Handle>>,
    escalations: watch::Receiver<Escalations>,
) {
    loop {
        tokio::select! {
            () = ground.stop.cancelled() => return,
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
        let handles = handles.borrow().clone();
        ground
            .notices
            .set(NoticeKind::SinkFailing, failing(&handles));
        if !ground.progress.borrow().current {
            continue;
        }
        let waiting = waiting(&ground, &handles).await;
        ground.notices.set(NoticeKind::QueueOld, waiting);
        let Escalations { rules, zone } = escalations.borrow().clone();
        let hold = ground.appender.hold();
        if let Some(hold) = hold.filter(|_| !rules.is_empty())
            && ground.progress.borrow().folded >= hold.since
        {
            escalate(&ground, hold, &rules, &zone).await;
        }
    }
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

fn failing(handles: &[Handle]) -> Option<String> {
    let now = clock::now();
    let long = |handle: &&Handle| {
        let since = handle.status.borrow().failing_since;
        since.is_some_and(|since| now.since(since).as_micros() >= micros(FAILING_FOR))
    };
    let told: Vec<String> = handles
        .iter()
        .filter(long)
        .map(|handle| {
            let status = handle.status.borrow();
            let why = status.last_error.as_deref().unwrap_or("no reason");
            format!("`{}`: {why}", handle.name)
        })
        .collect();
    (!told.is_empty()).then(|| {
        format!(
            "alerts do not get through to {}; they wait and are tried again; see `pentamer queue`",
            told.join(", ")
        )
    })
}

async fn waiting(ground: &Ground, handles: &[Handle]) -> Option<String> {
    let names: Vec<String> = handles.iter().map(|handle| handle.name.clone()).collect();
    let read = move |state: &dyn crate::core::fold::state::State| {
        let mut old = Vec::new();
        for name in names {
            let (_, oldest) = views::queue_depth(state, &name)?;
            if oldest.is_some_and(|at| clock::now().since(at).as_micros() >= micros(WAITING_FOR)) {
                old.push(format!("`{name}`"));
            }
        }
        Ok(old)
    };
    let old = ground.state.read_apart(read).await.ok()?;
    (!old.is_empty()).then(|| {
        let names = old.join(", ");
        format!("alerts have waited for more than 15 minutes for {names}; see `pentamer queue`")
    })
}

/// Records what is due: from there the queues send it.
async fn escalate(ground: &Ground, hold: Hold, rules: &[Rule], zone: &TimeZone) {
    let Ok(pages) = ground.state.read_apart(views::open_pages).await else {
        return;
    };
    let due = due(&pages, rules, clock::now(), zone);
    if due.is_empty() {
        return;
    }
    for one in &due {
        events::escalated(&one.rule, &one.alert_id, one.step);
    }
    let facts = due.into_iter().map(|one| Draft::from(Fact::Escalated(one)));
    let Ok(stored) = ground.appender.submit_held(hold, facts.collect()).await else {
        return;
    };
    let Ok(stored) = stored.await else { return };
    let Some(last) = stored.last().map(|stored| stored.position) else {
        return;
    };
    // Before the next look: or it would be due again.
    let mut progress = ground.progress.clone();
    tokio::select! {
        () = ground.stop.cancelled() => {}
        _ = progress.wait_for(|progress| progress.folded >= last) => {}
    }
}
