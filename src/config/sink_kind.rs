//! The kinds of `[[sink]]` and the keys of each.

use super::keys::SINK_TLS;
use super::problem::Wrong;
use super::section::Section;
use super::settings::{Storage, path};
use super::sink::ALWAYS;
use super::template::Template;
use std::path::PathBuf;

/// The kind of a sink and what that kind needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SinkKind {
    /// A line in the log.
    Log,
    /// One JSON object a line, appended.
    File {
        /// The file.
        path: PathBuf,
    },
    /// HTTP POST.
    Webhook(Webhook),
    /// Mail.
    Smtp(Smtp),
    /// An HL7 message over MLLP.
    Mllp(Mllp),
    /// A RabbitMQ exchange.
    Amqp(Amqp),
    /// A NATS JetStream subject.
    Nats(Nats),
}

impl SinkKind {
    /// As it is configured.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Log => "log",
            Self::File { .. } => "file",
            Self::Webhook(_) => "webhook",
            Self::Smtp(_) => "smtp",
            Self::Mllp(_) => "mllp",
            Self::Amqp(_) => "amqp",
            Self::Nats(_) => "nats",
        }
    }
}

/// How the body of a webhook is shaped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Preset {
    /// The CloudEvent itself.
    CloudEvents,
    /// PagerDuty Events API v2.
    PagerDuty,
    /// Prometheus Alertmanager API v2.
    Alertmanager,
    /// ntfy.
    Ntfy,
    /// Slack incoming webhook.
    Slack,
    /// Microsoft Teams workflow webhook.
    Teams,
    /// FHIR R4 transaction.
    Fhir,
}

/// `kind = "webhook"`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Webhook {
    /// Where.
    pub url: String,
    /// Shape of the body.
    pub preset: Preset,
    /// Key of the signature.
    pub secret_file: Option<PathBuf>,
    /// Bearer token; with `preset = "pagerduty"` the integration key.
    pub token_file: Option<PathBuf>,
    /// Added to each request.
    pub headers: Vec<(String, String)>,
    /// The body, in place of a preset.
    pub template: Option<Template>,
    /// Of the body that a template makes.
    pub content_type: Option<String>,
    /// Trusted beside the system's own.
    pub ca_file: Option<PathBuf>,
}

/// How a mail server is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Security {
    /// In the clear.
    None,
    /// STARTTLS, required.
    StartTls,
    /// TLS from the first byte.
    Tls,
}

/// `kind = "smtp"`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Smtp {
    /// Host.
    pub host: String,
    /// Port.
    pub port: u16,
    /// TLS or not.
    pub security: Security,
    /// Account.
    pub username: Option<String>,
    /// Its password.
    pub password_file: Option<PathBuf>,
    /// Sender.
    pub from: String,
    /// Recipients.
    pub to: Vec<String>,
    /// Subject line.
    pub subject: Template,
    /// Plain text.
    pub text: Template,
    /// HTML.
    pub html: Template,
    /// Trusted beside the system's own.
    pub ca_file: Option<PathBuf>,
}

/// `kind = "mllp"`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mllp {
    /// Host.
    pub host: String,
    /// Port.
    pub port: u16,
    /// With TLS.
    pub tls: bool,
    /// Trusted beside the system's own.
    pub ca_file: Option<PathBuf>,
    /// MSH-5.
    pub receiving_application: String,
    /// MSH-6.
    pub receiving_facility: String,
}

/// `kind = "amqp"`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Amqp {
    /// `amqp://` or `amqps://`.
    pub url: String,
    /// Exchange; empty is the default one.
    pub exchange: String,
    /// Routing key.
    pub routing_key: String,
    /// Account, in place of that of the URL.
    pub username: Option<String>,
    /// Its password.
    pub password_file: Option<PathBuf>,
    /// Trusted beside the system's own.
    pub ca_file: Option<PathBuf>,
}

/// `kind = "nats"`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nats {
    /// One server or several.
    pub urls: Vec<String>,
    /// Subject of a stream.
    pub subject: String,
    /// JWT and seed.
    pub credentials_file: Option<PathBuf>,
    /// Trusted beside the system's own.
    pub ca_file: Option<PathBuf>,
}

const KINDS: &[(&str, &str)] = &[
    ("log", "log"),
    ("file", "file"),
    ("webhook", "webhook"),
    ("smtp", "smtp"),
    ("mllp", "mllp"),
    ("amqp", "amqp"),
    ("nats", "nats"),
];

/// Words of the configuration for them.
pub const PRESETS: &[(&str, Preset)] = &[
    ("cloudevents", Preset::CloudEvents),
    ("pagerduty", Preset::PagerDuty),
    ("alertmanager", Preset::Alertmanager),
    ("ntfy", Preset::Ntfy),
    ("slack", Preset::Slack),
    ("teams", Preset::Teams),
    ("fhir", Preset::Fhir),
];

pub(super) const SECURITIES: &[(&str, Security)] = &[
    ("none", Security::None),
    ("starttls", Security::StartTls),
    ("tls", Security::Tls),
];

/// Keys that only some kinds have.
const OF_KINDS: &[(&str, &[&str])] = &[
    ("path", &["file"]),
    ("url", &["webhook", "amqp", "nats"]),
    ("secret_file", &["webhook"]),
    ("token_file", &["webhook"]),
    ("preset", &["webhook"]),
    ("headers", &["webhook"]),
    ("template_file", &["webhook"]),
    ("content_type", &["webhook"]),
    ("server", &["smtp"]),
    ("security", &["smtp"]),
    ("username", &["smtp", "amqp"]),
    ("password_file", &["smtp", "amqp"]),
    ("from", &["smtp"]),
    ("to", &["smtp"]),
    ("subject", &["smtp", "nats"]),
    ("text_file", &["smtp"]),
    ("html_file", &["smtp"]),
    ("address", &["mllp"]),
    ("receiving_application", &["mllp"]),
    ("receiving_facility", &["mllp"]),
    ("exchange", &["amqp"]),
    ("routing_key", &["amqp"]),
    ("credentials_file", &["nats"]),
    ("tls", &["webhook", "smtp", "mllp", "amqp", "nats"]),
];

/// The kind of a sink with its keys; those of other kinds are reported.
pub(super) fn read(section: &mut Section<'_>, storage: &Storage) -> SinkKind {
    let Some(kind) = section.choice("kind", KINDS) else {
        return SinkKind::Log;
    };
    for (key, kinds) in OF_KINDS {
        if !kinds.contains(&kind) && section.has(key) {
            let wrong = Wrong::Conflict(format!("a sink of kind `{kind}` has no `{key}`"));
            let quoted: Vec<String> = kinds.iter().map(|one| format!("\"{one}\"")).collect();
            let help = format!(
                "remove the key, or choose `kind = {}`",
                quoted.join("` or `")
            );
            section.report(key, wrong, help);
        }
    }
    match kind {
        "file" => file(section, storage),
        "webhook" => SinkKind::Webhook(webhook(section)),
        "smtp" => SinkKind::Smtp(smtp(section)),
        "mllp" => SinkKind::Mllp(mllp(section)),
        "amqp" => SinkKind::Amqp(amqp(section)),
        "nats" => SinkKind::Nats(nats(section)),
        _ => SinkKind::Log,
    }
}

fn file(section: &mut Section<'_>, storage: &Storage) -> SinkKind {
    section.require("path", "name the file that lines are added to");
    let file = section.parsed(
        "path",
        "a file",
        "name the file that lines are added to",
        path,
    );
    let always = storage.dir.join(ALWAYS);
    if file.as_ref() == Some(&always) {
        section.report(
            "path",
            Wrong::Conflict(format!(
                "`{ALWAYS}` in the data directory is always written"
            )),
            "remove this sink, or choose another file",
        );
    }
    SinkKind::File {
        path: file.unwrap_or_default(),
    }
}

fn url(section: &mut Section<'_>, schemes: &'static [&'static str], example: &str) -> String {
    section.require("url", &format!("name it, e.g. `url = \"{example}\"`"));
    let expected = format!("a URL such as `{example}`");
    let right = |text: &str| {
        let (scheme, rest) = text.split_once("://")?;
        let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let plain = !text.chars().any(|c| c.is_whitespace() || c.is_control());
        (schemes.contains(&scheme) && !host.is_empty() && plain).then(|| text.to_owned())
    };
    let help = format!("it begins with `{}://`", schemes.join("://` or `"));
    section
        .parsed("url", &expected, &help, right)
        .unwrap_or_default()
}

fn secret(section: &mut Section<'_>, key: &str) -> Option<PathBuf> {
    let help = "name the file that holds it";
    section.parsed(key, "a file", help, path)
}

fn ca_file(section: &mut Section<'_>) -> Option<PathBuf> {
    section.table(
        "tls",
        &SINK_TLS,
        "tls.ca_file = \"/etc/ssl/ca.pem\"",
        |tls| tls.parsed("ca_file", "a file", "name the PEM file", path),
    )
}

/// The template in a file, or `built_in`.
fn template(section: &mut Section<'_>, key: &str) -> Option<Template> {
    let file = section.parsed(key, "a file", "name the template's file", path)?;
    match Template::read(&file) {
        Ok(template) => Some(template),
        Err(why) => {
            let help = "see docs/receivers.md for what a template is given";
            section.report(key, Wrong::Conflict(why), help);
            None
        }
    }
}

fn webhook(section: &mut Section<'_>) -> Webhook {
    let preset = section
        .choice("preset", PRESETS)
        .unwrap_or(Preset::CloudEvents);
    if preset == Preset::PagerDuty {
        section.require("token_file", "name the file with the integration key");
    }
    if section.has("template_file") && section.has("preset") {
        let wrong = Wrong::Conflict("a template takes the place of a preset".to_owned());
        section.report("preset", wrong, "remove one of the two");
    }
    let headers = section.pairs("headers", "headers = { X-Team = \"immunology\" }");
    let headers = headers.unwrap_or_default();
    for (name, value) in &headers {
        let token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
        let good = !name.is_empty() && name.chars().all(token);
        if !good || value.chars().any(|c| c.is_control() || !c.is_ascii()) {
            let wrong = Wrong::Conflict(format!("`{name}` is no header that can be sent"));
            section.report("headers", wrong, "names are tokens, values plain ASCII");
        }
    }
    Webhook {
        url: url(section, &["http", "https"], "https://example.org/alerts"),
        preset,
        secret_file: secret(section, "secret_file"),
        token_file: secret(section, "token_file"),
        headers,
        template: template(section, "template_file"),
        content_type: section.text("content_type"),
        ca_file: ca_file(section),
    }
}

/// `host:port`.
fn host_and_port(section: &mut Section<'_>, key: &str, example: &str) -> (String, u16) {
    section.require(key, &format!("name it, e.g. `{key} = \"{example}\"`"));
    let right = |text: &str| {
        let (host, port) = text.rsplit_once(':')?;
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let port: u16 = port.parse().ok().filter(|port| *port > 0)?;
        let plain = !bare.is_empty() && !bare.contains(['/', ' ', '@', '[', ']']);
        (plain && (bare == host) != bare.contains(':')).then(|| (bare.to_owned(), port))
    };
    let help = format!("write it as `{example}`");
    section
        .parsed(key, "a host and a port", &help, right)
        .unwrap_or_default()
}

fn smtp(section: &mut Section<'_>) -> Smtp {
    section.require(
        "from",
        "name the sender, e.g. `from = \"pentamer@example.org\"`",
    );
    section.require(
        "to",
        "name the recipients, e.g. `to = [\"immunology@example.org\"]`",
    );
    let address = |text: &str| {
        let inner = text.rsplit_once('<').map_or(text, |(_, rest)| rest);
        let (local, domain) = inner.trim_end_matches('>').rsplit_once('@')?;
        let plain = |part: &str| !part.is_empty() && !part.contains([' ', '\r', '\n']);
        (plain(local) && plain(domain)).then(|| text.to_owned())
    };
    let to = section.texts("to").unwrap_or_default();
    if section.has("to") && (to.is_empty() || to.iter().any(|one| address(one).is_none())) {
        let wrong = Wrong::Conflict("`to` has to hold mail addresses".to_owned());
        section.report("to", wrong, "write `[\"immunology@example.org\"]`");
    }
    let subject = section.text("subject").map(|text| Template::inline(&text));
    let subject = match subject {
        Some(Err(why)) => {
            let help = "see docs/receivers.md for what a template is given";
            section.report("subject", Wrong::Conflict(why), help);
            None
        }
        Some(Ok(template)) => Some(template),
        None => None,
    };
    if section.has("username") != section.has("password_file") {
        let (has, lacks) = if section.has("username") {
            ("username", "password_file")
        } else {
            ("password_file", "username")
        };
        let wrong = Wrong::Conflict(format!("`{has}` without `{lacks}`"));
        section.report(has, wrong, "give both, or neither");
    }
    let (host, port) = host_and_port(section, "server", "mail.example.org:587");
    Smtp {
        host,
        port,
        security: section
            .choice("security", SECURITIES)
            .unwrap_or(Security::StartTls),
        username: section.text("username"),
        password_file: secret(section, "password_file"),
        from: section
            .parsed(
                "from",
                "a mail address",
                "write `name@example.org`",
                address,
            )
            .unwrap_or_default(),
        to,
        subject: subject.unwrap_or_else(Template::mail_subject),
        text: template(section, "text_file").unwrap_or_else(Template::mail_text),
        html: template(section, "html_file").unwrap_or_else(Template::mail_html),
        ca_file: ca_file(section),
    }
}

fn mllp(section: &mut Section<'_>) -> Mllp {
    let (host, port) = host_and_port(section, "address", "his.example.org:2575");
    let tls = section.flag_or_table("tls");
    Mllp {
        host,
        port,
        tls,
        ca_file: if tls && section.as_written("tls") != "true" {
            ca_file(section)
        } else {
            None
        },
        receiving_application: section.text("receiving_application").unwrap_or_default(),
        receiving_facility: section.text("receiving_facility").unwrap_or_default(),
    }
}

fn amqp(section: &mut Section<'_>) -> Amqp {
    section.require("exchange", "name it; \"\" is the default exchange");
    Amqp {
        url: url(
            section,
            &["amqp", "amqps"],
            "amqps://broker.example.org/%2f",
        ),
        exchange: section.text("exchange").unwrap_or_default(),
        routing_key: section
            .text("routing_key")
            .unwrap_or_else(|| "pentamer.alert".to_owned()),
        username: section.text("username"),
        password_file: secret(section, "password_file"),
        ca_file: ca_file(section),
    }
}

fn nats(section: &mut Section<'_>) -> Nats {
    section.require(
        "subject",
        "name a subject of a stream, e.g. `subject = \"pentamer.alerts\"`",
    );
    let subject = |text: &str| {
        let plain = |part: &str| !part.is_empty() && !part.contains(['*', '>', ' ', '\t']);
        text.split('.').all(plain).then(|| text.to_owned())
    };
    let urls = url(section, &["nats", "tls"], "nats://broker.example.org:4222");
    Nats {
        urls: urls.split(',').map(str::to_owned).collect(),
        subject: section
            .parsed(
                "subject",
                "a subject without wildcards",
                "write `pentamer.alerts`",
                subject,
            )
            .unwrap_or_default(),
        credentials_file: secret(section, "credentials_file"),
        ca_file: ca_file(section),
    }
}
