//! The effective configuration as TOML, in the order of the reference.

use super::Config;
use super::cluster::{Cluster, ROLES};
use super::http::Http;
use super::listed_sink::{escalation, sink};
use super::listener::{ACK_MODES, ACK_POLICIES, BATCH_ACKS, Listener, MODES};
use super::quantity::{show_age, show_duration, show_size};
use super::relay::{FRAMINGS, RelayTo, TROUBLES};
use super::settings::{CACHES, LOG_FORMATS};
use super::site::SUPPRESS_KNOWN;
use super::tables::{CLASSES, KINDS, SEXES, SPECIMENS};
use crate::core::clinical::Unit;
use crate::core::clinical::analyte::AnalyteRow;
use crate::core::clinical::association::AssociationRow;
use crate::core::clinical::interval::IntervalRow;
use crate::core::policy::{Detection, Site};
use crate::core::time::Span;
use crate::users::Role;
use std::collections::BTreeSet;
use std::fmt::{Display, Write as _};
use std::time::Duration;

/// Lines of TOML.
#[derive(Default)]
pub(super) struct Lines(String);

impl Lines {
    pub(super) fn heading(&mut self, heading: &str) {
        if !self.0.is_empty() {
            self.0.push('\n');
        }
        let _ = writeln!(self.0, "{heading}");
    }

    /// A value that is TOML as it is.
    pub(super) fn bare(&mut self, key: &str, value: impl Display) {
        let _ = writeln!(self.0, "{key} = {value}");
    }

    pub(super) fn text(&mut self, key: &str, value: &str) {
        self.bare(key, quoted(value));
    }

    fn path(&mut self, key: &str, value: &std::path::Path) {
        self.text(key, &value.to_string_lossy());
    }

    pub(super) fn optional(&mut self, key: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.text(key, value);
        }
    }

    pub(super) fn list<'a>(&mut self, key: &str, values: impl IntoIterator<Item = &'a str>) {
        let values: Vec<String> = values.into_iter().map(quoted).collect();
        self.bare(key, format!("[{}]", values.join(", ")));
    }

    pub(super) fn word<T: PartialEq>(&mut self, key: &str, words: &[(&str, T)], value: &T) {
        let word = words.iter().find(|(_, one)| one == value);
        self.optional(key, word.map(|(word, _)| *word));
    }

    pub(super) fn duration(&mut self, key: &str, value: Duration) {
        self.text(key, &show_duration(value));
    }

    pub(super) fn span(&mut self, key: &str, value: Span) {
        let micros = u64::try_from(value.as_micros()).unwrap_or(0);
        self.duration(key, Duration::from_micros(micros));
    }

    pub(super) fn size(&mut self, key: &str, value: u64) {
        self.text(key, &show_size(value));
    }
}

pub(super) fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

/// The whole configuration.
pub(super) fn toml(config: &Config) -> String {
    let mut lines = Lines::default();
    config
        .listeners
        .iter()
        .for_each(|one| listener(&mut lines, one));
    lines.heading("[storage]");
    lines.text("dir", &config.storage.dir.to_string_lossy());
    lines.size("reserve", config.storage.reserve);
    lines.size("segment_size", config.storage.segment_size);
    lines.duration("retention", config.storage.retention.unwrap_or_default());
    lines.size("retention_size", config.storage.retention_size);
    lines.size("checkpoint_after", config.storage.checkpoint_after);
    lines.duration("checkpoint_every", config.storage.checkpoint_every);
    lines.word("cache", CACHES, &config.storage.cache);
    lines.size("cache_memory", config.storage.cache_memory);
    lines.duration("cache_wait", config.storage.cache_wait);
    if let Some(file) = &config.storage.encryption_key_file {
        lines.text("encryption_key_file", &file.to_string_lossy());
    }
    site(&mut lines, &config.site);
    detection(&mut lines, &config.detection);
    config
        .tables
        .analytes
        .iter()
        .for_each(|one| analyte(&mut lines, one));
    config
        .tables
        .intervals
        .iter()
        .for_each(|one| interval(&mut lines, one));
    config
        .tables
        .associations
        .iter()
        .for_each(|one| association(&mut lines, one));
    config.sinks.iter().for_each(|one| sink(&mut lines, one));
    let escalations = &config.escalations;
    escalations
        .iter()
        .for_each(|one| escalation(&mut lines, one));
    lines.heading("[http]");
    http(&mut lines, &config.http);
    lines.heading("[limits]");
    lines.size("frame_memory", config.limits.frame_memory);
    lines.size("tap_queue", config.limits.tap_queue);
    lines.size("tap_spill", config.limits.tap_spill);
    if let Some(shared) = &config.cluster {
        cluster(&mut lines, shared);
    }
    lines.heading("[log]");
    lines.word("format", LOG_FORMATS, &config.log.format);
    lines.text("level", config.log.level.word());
    lines.0
}

fn cluster(lines: &mut Lines, cluster: &Cluster) {
    lines.heading("[cluster]");
    lines.text("url", &cluster.urls.join(","));
    lines.text("stream", &cluster.stream);
    lines.bare("replicas", cluster.replicas);
    lines.optional("domain", cluster.domain.as_deref());
    lines.optional("instance", cluster.instance.as_deref());
    if let Some(file) = &cluster.credentials_file {
        lines.path("credentials_file", file);
    }
    lines.optional("username", cluster.username.as_deref());
    if let Some(file) = &cluster.password_file {
        lines.path("password_file", file);
    }
    if let Some(file) = &cluster.ca_file {
        lines.path("ca_file", file);
    }
    lines.duration("lease", cluster.lease);
    lines.duration("timeout", cluster.timeout);
    lines.word("role", ROLES, &cluster.only_receives);
    lines.bare("spool", cluster.spool);
    lines.bare("spread", cluster.spread);
    lines.bare("weight", cluster.weight);
}

fn listener(lines: &mut Lines, listener: &Listener) {
    lines.heading("[[listener]]");
    lines.text("name", &listener.name);
    lines.text("bind", &listener.bind.to_string());
    lines.word("mode", MODES, &listener.mode);
    lines.word("ack", ACK_MODES, &listener.ack);
    lines.word("ack_policy", ACK_POLICIES, &listener.ack_policy);
    lines.text("ack_application", &listener.ack_application);
    lines.text("ack_facility", &listener.ack_facility);
    lines.word("batch_ack", BATCH_ACKS, &listener.batch_ack);
    lines.text("charset", &listener.reading.charset);
    lines.optional(
        "decimal",
        listener
            .reading
            .decimal
            .map(|sign| sign.to_string())
            .as_deref(),
    );
    lines.text("processing", &listener.reading.processing);
    lines.size("max_message", listener.max_message);
    lines.duration("frame_timeout", listener.frame_timeout.unwrap_or_default());
    lines.duration("idle_timeout", listener.idle_timeout.unwrap_or_default());
    lines.duration("end_grace", listener.end_grace);
    lines.size("max_junk", listener.max_junk);
    lines.duration("store_wait", listener.store_wait);
    lines.bare("max_connections", listener.max_connections);
    lines.bare(
        "max_connections_per_peer",
        listener.max_connections_per_peer,
    );
    lines.bare("accept_rate", listener.accept_rate);
    let allow: Vec<String> = listener.allow.iter().map(ToString::to_string).collect();
    lines.list("allow", allow.iter().map(String::as_str));
    lines.word("framing", FRAMINGS, &listener.framing);
    if let Some(tls) = &listener.tls {
        lines.path("tls.cert_file", &tls.cert_file);
        lines.path("tls.key_file", &tls.key_file);
        if let Some(ca) = &tls.client_ca_file {
            lines.path("tls.client_ca_file", ca);
        }
        lines.list(
            "tls.client_names",
            tls.client_names.iter().map(String::as_str),
        );
    }
    lines.optional("relay_to", listener.relay_to.as_ref().map(RelayTo::as_str));
    if let Some(tls) = &listener.relay_tls {
        lines.path("relay_tls.ca_file", &tls.ca_file);
        lines.text("relay_tls.server_name", &tls.server_name);
        if let Some((cert, key)) = &tls.identity {
            lines.path("relay_tls.cert_file", cert);
            lines.path("relay_tls.key_file", key);
        }
    }
    lines.word("on_trouble", TROUBLES, &listener.on_trouble);
    lines.duration("drain", listener.drain);
}

fn http(lines: &mut Lines, http: &Http) {
    lines.text("bind", &http.bind.to_string());
    lines.optional("public_url", http.public_url.as_deref());
    if let Some(tls) = &http.tls {
        lines.path("tls.cert_file", &tls.cert_file);
        lines.path("tls.key_file", &tls.key_file);
    }
    let roles = |roles: &BTreeSet<Role>| {
        let words: Vec<String> = roles.iter().map(|role| quoted(role.word())).collect();
        format!("roles = [{}]", words.join(", "))
    };
    let users = http.users.iter().map(|user| {
        let hash = user.password_hash.as_ref().map(|hash| {
            let hash = quoted(hash.text());
            format!("password_hash = {hash}, ")
        });
        let (name, hash) = (quoted(&user.name), hash.unwrap_or_default());
        format!("{{ name = {name}, {hash}{} }}", roles(&user.roles))
    });
    let users: Vec<String> = users.collect();
    lines.bare("users", format!("[{}]", users.join(", ")));
    let tokens = http.tokens.iter().map(|token| {
        let (name, hash) = (quoted(&token.name), quoted(&token.hash.to_string()));
        let expires = token.expires.map(|at| {
            let at = quoted(&at.to_rfc3339());
            format!(", expires = {at}")
        });
        let roles = roles(&token.roles);
        format!(
            "{{ name = {name}, hash = {hash}, {roles}{} }}",
            expires.unwrap_or_default()
        )
    });
    let tokens: Vec<String> = tokens.collect();
    lines.bare("tokens", format!("[{}]", tokens.join(", ")));
    lines.duration("session", http.session);
    lines.duration("session_idle", http.session_idle);
    lines.optional("trusted_header", http.trusted_header.as_deref());
    let proxies: Vec<String> = http
        .trusted_proxies
        .iter()
        .map(ToString::to_string)
        .collect();
    lines.list("trusted_proxies", proxies.iter().map(String::as_str));
    lines.list("next_steps", http.next_steps.iter().map(String::as_str));
}

fn site(lines: &mut Lines, site: &Site) {
    lines.heading("[site]");
    lines.text("name", &site.name);
    lines.text("timezone", &site.timezone);
    let choices: Vec<String> = site
        .patient_id
        .iter()
        .map(|choice| {
            format!(
                "{{ authority = {}, type = {} }}",
                quoted(&choice.authority),
                quoted(&choice.kind)
            )
        })
        .collect();
    lines.bare("patient_id", format!("[{}]", choices.join(", ")));
    lines.list("control_ids", site.control_ids.iter().map(String::as_str));
    lines.list(
        "immunology_services",
        site.immunology_services.iter().map(String::as_str),
    );
    lines.list(
        "placeholder_birth_dates",
        site.placeholder_birth_dates.iter().map(String::as_str),
    );
    lines.bare("strip_leading_zeros", site.strip_leading_zeros);
    lines.text("default_dx_system", &site.default_dx_system);
}

fn detection(lines: &mut Lines, detection: &Detection) {
    lines.heading("[detection]");
    lines.span("concurrent_window", detection.concurrent_window);
    lines.span("context_window", detection.context_window);
    lines.span("confirm_after", detection.confirm_after);
    lines.span("confirm_within", detection.confirm_within);
    lines.span("reopen_after", detection.reopen_after);
    lines.span("max_age_to_page", detection.max_age_to_page);
    lines.text("infant_age", &show_age(detection.infant_age));
    lines.text("iga_min_age", &show_age(detection.iga_min_age));
    lines.text(
        "iga_detectable_above",
        &format!("{} g/L", detection.iga_detectable_above),
    );
    lines.text("severe_below", &format!("{} g/L", detection.severe_below));
    lines.text(
        "profound_below",
        &format!("{} g/L", detection.profound_below),
    );
    lines.bare("use_builtin_intervals", detection.use_builtin_intervals);
    lines.bare("assume_final", detection.assume_final);
    lines.bare("page_unconfirmed", detection.page_unconfirmed);
    lines.bare("page_igm_only", detection.page_igm_only);
    lines.bare("page_infant_agamma", detection.page_infant_agamma);
    lines.bare("page_other_patterns", detection.page_other_patterns);
    lines.bare("page_preliminary", detection.page_preliminary);
    lines.word("suppress_known", SUPPRESS_KNOWN, &detection.suppress_known);
    lines.span("known_for", detection.known_for);
    lines.span("association_window", detection.association_window);
    lines.span(
        "urgent_association_window",
        detection.urgent_association_window,
    );
    lines.bare("trend_results", detection.trend_results);
}

fn analyte(lines: &mut Lines, row: &AnalyteRow) {
    lines.heading("[[analyte]]");
    lines.text("analyte", row.analyte.name());
    lines.text("system", &row.system);
    lines.text("code", &row.code);
    lines.text("feed", &row.feed);
    if let Some(specimen) = &row.specimen {
        lines.word("specimen", SPECIMENS, specimen);
    }
    lines.optional(
        "default_unit",
        row.default_unit.as_ref().map(Unit::shown).as_deref(),
    );
    lines.optional("match_text", row.match_text.as_deref());
    lines.bare("enabled", row.enabled);
}

fn interval(lines: &mut Lines, row: &IntervalRow) {
    lines.heading("[[interval]]");
    lines.text("analyte", row.analyte.name());
    lines.optional("low", row.low.map(|limit| limit.to_string()).as_deref());
    lines.optional("high", row.high.map(|limit| limit.to_string()).as_deref());
    lines.text("unit", &row.unit.shown());
    lines.optional("from_age", row.from_age.map(show_age).as_deref());
    lines.optional("to_age", row.to_age.map(show_age).as_deref());
    if let Some(sex) = &row.sex {
        lines.word("sex", SEXES, sex);
    }
    lines.text("feed", &row.feed);
    lines.text("laboratory", &row.laboratory);
    lines.text("method", &row.method);
    lines.optional(
        "valid_from",
        row.valid_from.map(|day| day.to_string()).as_deref(),
    );
    lines.optional(
        "valid_to",
        row.valid_to.map(|day| day.to_string()).as_deref(),
    );
    lines.text("source", &row.source);
}

fn association(lines: &mut Lines, row: &AssociationRow) {
    lines.heading("[[association]]");
    lines.text("label", &row.label);
    lines.text("system", &row.system);
    lines.text("code", &row.code);
    if let Some(class) = row.classes.first() {
        lines.word("class", CLASSES, class);
    }
    lines.word("kind", KINDS, &row.kind);
    lines.text("source", &row.source);
}
