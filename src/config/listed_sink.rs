//! Sinks and escalations as TOML.

use super::escalation::show_hours;
use super::listing::Lines;
use super::sink::{ALWAYS, EVENTS, PHI_LEVELS, SEVERITIES, Sink};
use super::sink_kind::{PRESETS, SECURITIES, SinkKind};
use super::template::Template;
use crate::core::delivery::backoff::Retry;
use crate::core::delivery::escalation::Rule;
use std::path::Path;

/// One sink; the built-in file is left out.
pub(super) fn sink(lines: &mut Lines, sink: &Sink) {
    if sink.name == ALWAYS {
        return;
    }
    lines.heading("[[sink]]");
    lines.text("name", &sink.name);
    kind(lines, &sink.kind);
    let events = EVENTS
        .iter()
        .filter(|(_, event)| event.map_or(sink.notices, |event| sink.events.contains(&event)))
        .map(|(word, _)| *word);
    lines.list("events", events);
    lines.word("minimum_severity", SEVERITIES, &sink.minimum_severity);
    lines.word("phi", PHI_LEVELS, &sink.phi);
    lines.duration("timeout", sink.timeout);
    if let Some(digest) = sink.digest {
        lines.bare("digest.above", digest.above);
        lines.duration("digest.within", digest.within);
    }
    if let Some(heartbeat) = sink.heartbeat {
        lines.duration("heartbeat", heartbeat);
    }
    retry(lines, &sink.retry);
}

fn retry(lines: &mut Lines, retry: &Retry) {
    lines.duration("retry.initial", retry.initial);
    lines.duration("retry.max", retry.max);
    if let Some(after) = retry.give_up_after {
        lines.duration("retry.give_up_after", after);
    }
}

fn file(lines: &mut Lines, key: &str, path: Option<&Path>) {
    if let Some(path) = path.filter(|path| !path.as_os_str().is_empty()) {
        lines.text(key, &path.to_string_lossy());
    }
}

fn template(lines: &mut Lines, key: &str, template: Option<&Template>) {
    file(lines, key, template.map(|template| template.file.as_path()));
}

fn kind(lines: &mut Lines, kind: &SinkKind) {
    match kind {
        SinkKind::Log => lines.text("kind", "log"),
        SinkKind::File { path } => {
            lines.text("kind", "file");
            file(lines, "path", Some(path));
        }
        SinkKind::Webhook(webhook) => {
            lines.text("kind", "webhook");
            lines.text("url", &webhook.url);
            if webhook.template.is_none() {
                lines.word("preset", PRESETS, &webhook.preset);
            }
            template(lines, "template_file", webhook.template.as_ref());
            lines.optional("content_type", webhook.content_type.as_deref());
            file(lines, "secret_file", webhook.secret_file.as_deref());
            file(lines, "token_file", webhook.token_file.as_deref());
            file(lines, "tls.ca_file", webhook.ca_file.as_deref());
            for (name, value) in &webhook.headers {
                lines.text(&format!("headers.{}", super::listing::quoted(name)), value);
            }
        }
        SinkKind::Smtp(smtp) => {
            lines.text("kind", "smtp");
            lines.text("server", &host_and_port(&smtp.host, smtp.port));
            lines.word("security", SECURITIES, &smtp.security);
            lines.optional("username", smtp.username.as_deref());
            file(lines, "password_file", smtp.password_file.as_deref());
            lines.text("from", &smtp.from);
            lines.list("to", smtp.to.iter().map(String::as_str));
            lines.text("subject", smtp.subject.source());
            template(lines, "text_file", Some(&smtp.text));
            template(lines, "html_file", Some(&smtp.html));
            file(lines, "tls.ca_file", smtp.ca_file.as_deref());
        }
        SinkKind::Mllp(mllp) => {
            lines.text("kind", "mllp");
            lines.text("address", &host_and_port(&mllp.host, mllp.port));
            match &mllp.ca_file {
                Some(ca) => file(lines, "tls.ca_file", Some(ca)),
                None => lines.bare("tls", mllp.tls),
            }
            lines.text("receiving_application", &mllp.receiving_application);
            lines.text("receiving_facility", &mllp.receiving_facility);
        }
        SinkKind::Amqp(amqp) => {
            lines.text("kind", "amqp");
            lines.text("url", &amqp.url);
            lines.text("exchange", &amqp.exchange);
            lines.text("routing_key", &amqp.routing_key);
            lines.optional("username", amqp.username.as_deref());
            file(lines, "password_file", amqp.password_file.as_deref());
            file(lines, "tls.ca_file", amqp.ca_file.as_deref());
        }
        SinkKind::Nats(nats) => {
            lines.text("kind", "nats");
            lines.text("url", &nats.urls.join(","));
            lines.text("subject", &nats.subject);
            file(lines, "credentials_file", nats.credentials_file.as_deref());
            file(lines, "tls.ca_file", nats.ca_file.as_deref());
        }
    }
}

fn host_and_port(host: &str, port: u16) -> String {
    if host.contains(':') {
        format!("[{host}]:{port}")
    } else {
        format!("{host}:{port}")
    }
}

/// One escalation.
pub(super) fn escalation(lines: &mut Lines, rule: &Rule) {
    lines.heading("[[escalation]]");
    lines.text("name", &rule.name);
    lines.span("after", rule.after);
    lines.word("minimum_severity", SEVERITIES, &rule.minimum_severity);
    lines.list("sinks", rule.sinks.iter().map(String::as_str));
    if let Some(quiet) = rule.quiet {
        lines.text("quiet", &show_hours(quiet));
    }
}
