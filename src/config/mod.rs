//! Configuration: from files and environment to one checked value, or to every problem at once.
//!
//! In order: [`layer`] reads each source with the place of every key and stacks them by the `config`
//! crate into a [`Raw`](layer::Raw); the files named after sections read their keys out of it, each
//! reporting what is wrong to one [`Problems`]; [`validate`] looks at what only makes sense together.
//! `pentamer check` and `pentamer run` call the same [`load`].
//!
//! Later layers win: built-in defaults, the file, `conf.d/*.toml` beside it in the order of their
//! names, environment variables `PENTAMER__SECTION__KEY`. Tables written `[[…]]` are not replaced but
//! added; a repeated `name` is an error.

mod checks;
mod cluster;
mod credentials;
mod escalation;
mod http;
mod keys;
mod layer;
mod listed_sink;
mod listener;
mod listing;
mod origin;
mod overview;
mod problem;
mod quantity;
mod relay;
mod reload;
mod secret;
mod section;
mod settings;
mod sink;
mod sink_kind;
mod site;
mod tables;
mod template;
mod validate;

pub use crate::core::alert::PhiLevel;
pub use crate::core::hl7::ack::{AckMode, AckPolicy, BatchAck};
pub use cluster::Cluster;
pub use http::Http;
pub use keys::{SECTIONS, Shape};
pub use listener::{Listener, Mode};
pub use origin::Origin;
pub use problem::{Problem, Problems, Warning, Wrong};
pub use relay::{Framing, OnTrouble, RelayTo};
pub use reload::Changes;
pub use secret::{keep_key, read_secret};
pub use settings::{CacheKind, Limits, Log, LogFormat, LogLevel, Storage};
pub use sink::Sink;
pub use sink_kind::{Amqp, Mllp, Nats, PRESETS, Preset, Security, SinkKind, Smtp, Webhook};
pub use tables::Tables;
pub use template::Template;

use crate::core::delivery::escalation::Rule;
use crate::core::policy::{Detection, Policy, Site};
use std::path::Path;

/// The file that is read where none is named.
pub const DEFAULT_FILE: &str = "/etc/pentamer/pentamer.toml";

/// The configuration in force: every value checked, no string where a type exists.
#[derive(Debug, Clone)]
pub struct Config {
    /// `[[listener]]`; the built-in one where none is configured.
    pub listeners: Vec<Listener>,
    /// `[storage]`.
    pub storage: Storage,
    /// `[site]`.
    pub site: Site,
    /// `[detection]`.
    pub detection: Detection,
    /// `[[analyte]]`, `[[interval]]`, `[[association]]`: rows added to the data files.
    pub tables: Tables,
    /// `[[sink]]`, or the built-in `log`; the last one is always `alerts.jsonl` in the data directory.
    pub sinks: Vec<Sink>,
    /// `[[escalation]]`, in order.
    pub escalations: Vec<Rule>,
    /// `[http]`.
    pub http: Http,
    /// `[limits]`.
    pub limits: Limits,
    /// `[cluster]`; `None` keeps facts in the data directory.
    pub cluster: Option<Cluster>,
    /// `[log]`.
    pub log: Log,
}

/// What [`load`] yields.
#[derive(Debug)]
pub struct Loaded {
    /// The configuration in force.
    pub config: Config,
    /// What works but deserves a second look.
    pub warnings: Vec<Warning>,
    /// What was read, lowest layer first: `built-in defaults`, files, environment variables.
    pub sources: Vec<String>,
}

/// Reads all layers and checks them.
///
/// `path` is `--config`; without it [`DEFAULT_FILE`] is read if it is there. `environment` is all of
/// the process's environment; only variables beginning with `PENTAMER__` are looked at.
///
/// # Errors
/// Every problem of every layer at once.
pub fn load(
    path: Option<&Path>,
    environment: impl IntoIterator<Item = (String, String)>,
) -> Result<Loaded, Problems> {
    let mut problems = Vec::new();
    let default = Path::new(DEFAULT_FILE);
    let file = path.or_else(|| default.exists().then_some(default));
    let (raw, sources) = layer::stack(file, environment, &mut problems);
    let (config, warnings) = read(&raw, &mut problems);
    if problems.is_empty() {
        Ok(Loaded {
            config,
            warnings,
            sources,
        })
    } else {
        Err(Problems::new(problems))
    }
}

/// Reads every section; what is wrong is reported and stands in the result with its default.
fn read(raw: &layer::Raw, problems: &mut Vec<Problem>) -> (Config, Vec<Warning>) {
    keys::check_sections(raw, problems);
    let listeners = listener::read(raw, problems);
    let storage = settings::storage(raw, problems);
    let sinks = sink::read(raw, &storage, problems);
    let escalations = escalation::read(raw, &sinks, problems);
    let site = site::site(raw, problems);
    let config = Config {
        cluster: cluster::cluster(raw, &site.name, problems),
        site,
        detection: site::detection(raw, problems),
        tables: tables::read(raw, problems),
        http: http::http(raw, problems),
        limits: settings::limits(raw, problems),
        log: settings::log(raw, problems),
        listeners,
        storage,
        sinks,
        escalations,
    };
    validate::conflicts(&config, raw, problems);
    checks::conflicts(&config, raw, problems);
    let mut warnings = validate::warnings(&config, raw);
    warnings.extend(checks::warnings(&config, raw));
    (config, warnings)
}

impl Config {
    /// The configuration of a `run` without any file.
    pub fn built_in() -> Self {
        read(&layer::Raw::default(), &mut Vec::new()).0
    }

    /// Tables and thresholds for the core.
    pub fn policy(&self) -> Policy {
        let policy = Policy {
            site: self.site.clone(),
            detection: self.detection.clone(),
            listeners: self
                .listeners
                .iter()
                .map(|listener| (listener.name.clone(), listener.reading.clone()))
                .collect(),
            ..Policy::built_in()
        };
        self.tables.add_to(policy)
    }

    /// The effective configuration as TOML that [`load`] reads back as the same.
    pub fn to_toml(&self) -> String {
        listing::toml(self)
    }
}

#[cfg(test)]
mod tests;
