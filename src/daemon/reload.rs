//! Another configuration while the daemon runs (SIGHUP): all of it that can come into force does, at
//! once; a wrong one changes nothing.

use super::sinks::Sinks;
use crate::config::{Config, Loaded, LogLevel, Problems};
use crate::core::policy::Policy;
use crate::listen::Reloadable;
use crate::notice::{NoticeKind, Notices};
use crate::telemetry::events;
use crate::web::Access;
use std::sync::Arc;
use tokio::sync::watch;

/// Keys, or problems, that a notice names.
const NAMED: usize = 12;

/// What can be told to go on with another configuration.
pub(super) struct Reload {
    /// In force.
    pub(super) config: Config,
    pub(super) policy: watch::Sender<Arc<Policy>>,
    pub(super) listeners: Vec<Reloadable>,
    pub(super) sinks: Sinks,
    pub(super) notices: Notices,
    pub(super) access: Arc<Access>,
}

impl Reload {
    /// Takes what was read; the level of the log from now on, unless it is wrong.
    pub(super) fn take(&mut self, read: Result<Loaded, Problems>) -> Option<LogLevel> {
        let loaded = match read {
            Ok(loaded) => loaded,
            Err(problems) => {
                self.refuse(&problems);
                return None;
            }
        };
        for warning in &loaded.warnings {
            events::configuration_warning(&warning.to_string());
        }
        let changes = self.config.changes(&loaded.config);
        let taken = self.config.taking(&loaded.config);
        let policy = Arc::new(taken.policy());
        for listener in &self.listeners {
            let config = taken
                .listeners
                .iter()
                .find(|one| one.name == listener.name());
            if let Some(config) = config {
                listener.take(config.clone(), Arc::clone(&policy));
            }
        }
        // The fold reads everything again for it: only where something is different.
        self.policy.send_if_modified(|in_force| {
            let changed = in_force.hash() != policy.hash();
            if changed {
                *in_force = policy;
            }
            changed
        });
        // All of them: what a file of theirs holds may be another secret now.
        self.sinks.take(&taken);
        self.access.take(super::pages::rules(&taken.http));
        self.config = taken;
        events::reloaded(&changes.now.join(", "), &changes.restart.join(", "));
        self.notices.clear(NoticeKind::ConfigurationWrong);
        let waiting = (!changes.restart.is_empty()).then(|| {
            format!(
                "read again, but these come into force at the next start only: {}",
                some_of(changes.restart.iter().map(|key| format!("`{key}`")))
            )
        });
        self.notices.set(NoticeKind::RestartNeeded, waiting);
        Some(self.config.log.level)
    }

    fn refuse(&self, problems: &Problems) {
        for problem in problems.iter() {
            events::reload_refused(&problem.to_string());
        }
        let named = problems
            .iter()
            .map(|problem| format!("{} ({}, `{}`)", problem.wrong, problem.origin, problem.key));
        let text = format!(
            "the configuration was to be read again, and is wrong; nothing has changed: {}; see `pentamer check`",
            some_of(named)
        );
        self.notices.raise(NoticeKind::ConfigurationWrong, text);
    }
}

/// The first of them, and how many more there are.
fn some_of(all: impl Iterator<Item = String>) -> String {
    let all: Vec<String> = all.collect();
    let mut text = all
        .iter()
        .take(NAMED)
        .cloned()
        .collect::<Vec<_>>()
        .join(", ");
    if let Some(more) = all.len().checked_sub(NAMED).filter(|more| *more > 0) {
        text.push_str(&format!(", and {more} more"));
    }
    text
}
