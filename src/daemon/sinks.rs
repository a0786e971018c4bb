//! Sinks of the configuration as running queues, what an operator must be told of them, and escalation.

use crate::clock;
use crate::config::{Config, SinkKind};
use crate::core::delivery::SinksSeen;
use crate::core::delivery::escalation::{Rule, due};
use crate::core::fact::Fact;
use crate::core::fold::views;
use crate::deliver::{self, Choice, Handle, Links, Queue, QueueSettings, Signer};
use crate::engine::{Progress, StateHandle};
use crate::journal::{Appender, Draft};
use crate::notice::{NoticeKind, Notices};
use crate::telemetry::events;
use std::time::Duration;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// A way that fails for longer is told of.
const FAILING_FOR: Duration = Duration::from_secs(300);
/// An alert that waits for longer is told of.
const WAITING_FOR: Duration = Duration::from_secs(900);
/// Between two looks at sinks and open pages.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What queues run on.
#[derive(Clone)]
pub(super) struct Ground {
    pub(super) appender: Appender,
    pub(super) state: StateHandle,
    pub(super) progress: watch::Receiver<Progress>,
    pub(super) notices: Notices,
    pub(super) stop: CancellationToken,
}

/// The sinks that this daemon starts with, as a fact: one that is new begins behind the newest alert.
pub(super) fn seen(config: &Config) -> Draft {
    Draft::from(Fact::SinksSeen(SinksSeen {
        sinks: config.sinks.iter().map(|sink| sink.name.clone()).collect(),
        at: clock::now(),
    }))
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

/// The queues of the configured sinks; `alerts.jsonl` is always the last of them.
pub(super) fn queues(
    config: &Config,
    ground: &Ground,
    signer: Option<&Signer>,
) -> Vec<(Queue, Handle)> {
    let site = &config.site.name;
    let made = |sink: &crate::config::Sink| {
        let keeps = matches!(sink.kind, SinkKind::Log | SinkKind::File { .. });
        let choice = Choice {
            events: sink.events.clone(),
            notices: sink.notices,
            minimum_severity: sink.minimum_severity,
            phi: sink.phi,
            worklist: keeps,
        };
        let links = Links {
            base: config.http.public_url.clone(),
            signer: signer.filter(|_| !keeps).cloned(),
        };
        let settings = QueueSettings {
            name: sink.name.clone(),
            kind: sink.kind.word(),
            site: site.clone(),
            choice,
            retry: sink.retry,
            timeout: sink.timeout,
            digest: sink.digest,
            heartbeat: sink.heartbeat,
            links,
        };
        Queue::new(
            settings,
            deliver::sink(&sink.kind, site, sink.timeout),
            ground.appender.clone(),
            ground.state.clone(),
            ground.progress.clone(),
            &ground.notices,
            ground.stop.clone(),
        )
    };
    config.sinks.iter().map(made).collect()
}

/// Raises what an operator must know of the sinks, and sends unacknowledged pages on, until the daemon
/// ends.
pub(super) async fn watch(
    ground: Ground,
    handles: Vec<Handle>,
    rules: Vec<Rule>,
    zone: jiff::tz::TimeZone,
) {
    loop {
        tokio::select! {
            () = ground.stop.cancelled() => return,
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
        ground
            .notices
            .set(NoticeKind::SinkFailing, failing(&handles));
        if !ground.progress.borrow().current {
            continue;
        }
        let waiting = waiting(&ground, &handles).await;
        ground.notices.set(NoticeKind::QueueOld, waiting);
        if !rules.is_empty() {
            escalate(&ground, &rules, &zone).await;
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
async fn escalate(ground: &Ground, rules: &[Rule], zone: &jiff::tz::TimeZone) {
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
    let Ok(stored) = ground.appender.submit(facts.collect()).await else {
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
