//! Every section and key there is, and the nearest one to a key that is not.

use super::layer::Raw;
use super::origin::Origin;
use super::problem::{Problem, Wrong};

/// A section's keys.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    /// Its name.
    pub name: &'static str,
    /// Whether it is written `[[name]]` and may be repeated.
    pub repeated: bool,
    /// Keys that work.
    pub keys: &'static [&'static str],
    /// Keys that later versions will know.
    pub planned: &'static [&'static str],
}

impl Shape {
    /// As it is written: `[site]` or `[[listener]]`.
    pub fn heading(&self) -> String {
        if self.repeated {
            format!("[[{}]]", self.name)
        } else {
            format!("[{}]", self.name)
        }
    }
}

pub(super) const LISTENER: Shape = Shape {
    name: "listener",
    repeated: true,
    keys: &[
        "name",
        "bind",
        "mode",
        "ack",
        "ack_policy",
        "ack_application",
        "ack_facility",
        "batch_ack",
        "charset",
        "decimal",
        "processing",
        "max_message",
        "frame_timeout",
        "idle_timeout",
        "end_grace",
        "max_junk",
        "store_wait",
        "max_connections",
        "max_connections_per_peer",
        "accept_rate",
        "allow",
        "framing",
        "tls",
        "relay_to",
        "relay_tls",
        "on_trouble",
        "drain",
    ],
    planned: &[],
};

/// `tls` of a listener; not a section of its own.
pub(super) const TLS: Shape = Shape {
    name: "listener.tls",
    repeated: false,
    keys: &["cert_file", "key_file", "client_ca_file", "client_names"],
    planned: &[],
};

/// `relay_tls` of a listener; not a section of its own.
pub(super) const RELAY_TLS: Shape = Shape {
    name: "listener.relay_tls",
    repeated: false,
    keys: &["ca_file", "server_name", "cert_file", "key_file"],
    planned: &[],
};

pub(super) const STORAGE: Shape = Shape {
    name: "storage",
    repeated: false,
    keys: &[
        "dir",
        "reserve",
        "segment_size",
        "retention",
        "retention_size",
        "checkpoint_after",
        "checkpoint_every",
        "cache",
        "cache_memory",
        "cache_wait",
        "encryption_key_file",
    ],
    planned: &[],
};

pub(super) const SITE: Shape = Shape {
    name: "site",
    repeated: false,
    keys: &[
        "name",
        "timezone",
        "patient_id",
        "control_ids",
        "immunology_services",
        "placeholder_birth_dates",
        "strip_leading_zeros",
        "default_dx_system",
    ],
    planned: &[],
};

/// One entry of `[site] patient_id`; not a section of its own.
pub(super) const IDENTIFIER: Shape = Shape {
    name: "site.patient_id",
    repeated: false,
    keys: &["authority", "type"],
    planned: &[],
};

pub(super) const DETECTION: Shape = Shape {
    name: "detection",
    repeated: false,
    keys: &[
        "concurrent_window",
        "context_window",
        "confirm_after",
        "confirm_within",
        "reopen_after",
        "max_age_to_page",
        "infant_age",
        "iga_min_age",
        "iga_detectable_above",
        "severe_below",
        "profound_below",
        "use_builtin_intervals",
        "assume_final",
        "page_unconfirmed",
        "page_igm_only",
        "page_infant_agamma",
        "page_other_patterns",
        "page_preliminary",
        "suppress_known",
        "known_for",
        "association_window",
        "urgent_association_window",
        "trend_results",
    ],
    planned: &[],
};

pub(super) const ANALYTE: Shape = Shape {
    name: "analyte",
    repeated: true,
    keys: &[
        "analyte",
        "system",
        "code",
        "feed",
        "specimen",
        "default_unit",
        "match_text",
        "enabled",
    ],
    planned: &[],
};

pub(super) const INTERVAL: Shape = Shape {
    name: "interval",
    repeated: true,
    keys: &[
        "analyte",
        "low",
        "high",
        "unit",
        "from_age",
        "to_age",
        "sex",
        "feed",
        "laboratory",
        "method",
        "valid_from",
        "valid_to",
        "source",
    ],
    planned: &[],
};

pub(super) const ASSOCIATION: Shape = Shape {
    name: "association",
    repeated: true,
    keys: &["label", "system", "code", "class", "kind", "source"],
    planned: &[],
};

pub(super) const SINK: Shape = Shape {
    name: "sink",
    repeated: true,
    keys: &[
        "name",
        "kind",
        "events",
        "minimum_severity",
        "phi",
        "retry",
        "timeout",
        "digest",
        "heartbeat",
        "tls",
        "path",
        "url",
        "secret_file",
        "token_file",
        "preset",
        "headers",
        "template_file",
        "content_type",
        "server",
        "security",
        "username",
        "password_file",
        "from",
        "to",
        "subject",
        "text_file",
        "html_file",
        "address",
        "receiving_application",
        "receiving_facility",
        "exchange",
        "routing_key",
        "credentials_file",
    ],
    planned: &[],
};

/// `retry` of a `[[sink]]`; not a section of its own.
pub(super) const RETRY: Shape = Shape {
    name: "sink.retry",
    repeated: false,
    keys: &["initial", "max", "give_up_after"],
    planned: &[],
};

/// `digest` of a `[[sink]]`; not a section of its own.
pub(super) const DIGEST: Shape = Shape {
    name: "sink.digest",
    repeated: false,
    keys: &["above", "within"],
    planned: &[],
};

/// `tls` of a `[[sink]]`; not a section of its own.
pub(super) const SINK_TLS: Shape = Shape {
    name: "sink.tls",
    repeated: false,
    keys: &["ca_file"],
    planned: &[],
};

pub(super) const ESCALATION: Shape = Shape {
    name: "escalation",
    repeated: true,
    keys: &["name", "after", "minimum_severity", "sinks", "quiet"],
    planned: &[],
};

pub(super) const HTTP: Shape = Shape {
    name: "http",
    repeated: false,
    keys: &[
        "bind",
        "public_url",
        "tls",
        "users",
        "tokens",
        "session",
        "session_idle",
        "trusted_header",
        "trusted_proxies",
        "next_steps",
    ],
    planned: &[],
};

/// `tls` of `[http]`; not a section of its own.
pub(super) const HTTP_TLS: Shape = Shape {
    name: "http.tls",
    repeated: false,
    keys: &["cert_file", "key_file"],
    planned: &[],
};

/// One of `users` of `[http]`; not a section of its own.
pub(super) const USER: Shape = Shape {
    name: "http.users",
    repeated: false,
    keys: &["name", "password_hash", "roles"],
    planned: &[],
};

/// One of `tokens` of `[http]`; not a section of its own.
pub(super) const TOKEN: Shape = Shape {
    name: "http.tokens",
    repeated: false,
    keys: &["name", "hash", "roles", "expires"],
    planned: &[],
};

pub(super) const LIMITS: Shape = Shape {
    name: "limits",
    repeated: false,
    keys: &["frame_memory", "tap_queue", "tap_spill"],
    planned: &[],
};

pub(super) const CLUSTER: Shape = Shape {
    name: "cluster",
    repeated: false,
    keys: &[
        "url",
        "stream",
        "replicas",
        "domain",
        "instance",
        "credentials_file",
        "ca_file",
        "lease",
        "timeout",
    ],
    planned: &[],
};

pub(super) const LOG: Shape = Shape {
    name: "log",
    repeated: false,
    keys: &["format", "level"],
    planned: &[],
};

/// Every section, in the order of the reference `config/pentamer.toml`.
pub const SECTIONS: &[Shape] = &[
    LISTENER,
    STORAGE,
    SITE,
    DETECTION,
    ANALYTE,
    INTERVAL,
    ASSOCIATION,
    SINK,
    ESCALATION,
    HTTP,
    LIMITS,
    CLUSTER,
    LOG,
];

/// Sections that later versions will know.
const PLANNED_SECTIONS: &[&str] = &[];

/// Reports sections that do not exist or stand in the wrong brackets.
pub(super) fn check_sections(raw: &Raw, problems: &mut Vec<Problem>) {
    for (name, value) in raw.top_level() {
        let report = |wrong, help: String| Problem {
            wrong,
            origin: Origin::kept(value.origin().or_else(|| first_origin(value))),
            key: name.clone(),
            help,
        };
        let known = SECTIONS.iter().find(|shape| shape.name == name.as_str());
        match known {
            Some(shape) if shape.repeated => problems.push(repeated_shape(shape, value, report)),
            Some(shape) => {
                if !matches!(value.kind, ::config::ValueKind::Table(_)) {
                    problems.push(report(
                        Wrong::Shape {
                            name: name.clone(),
                            right: shape.heading(),
                        },
                        format!(
                            "write `{}` on a line of its own and the keys below it",
                            shape.heading()
                        ),
                    ));
                }
            }
            None if PLANNED_SECTIONS.contains(&name.as_str()) => problems.push(report(
                Wrong::NotYet(format!("section `{name}`")),
                "remove it".to_owned(),
            )),
            None => {
                let nearest = nearest(name, SECTIONS.iter().map(|shape| shape.name))
                    .and_then(|near| SECTIONS.iter().find(|shape| shape.name == near.key))
                    .map(Shape::heading)
                    .unwrap_or_default();
                let help = match belongs_to(name, "") {
                    Some(shape) => format!(
                        "`{name}` is a key of `{}`: write it below that heading",
                        shape.heading()
                    ),
                    None => format!("the nearest section is `{nearest}`"),
                };
                problems.push(report(
                    Wrong::UnknownSection {
                        name: name.clone(),
                        nearest,
                    },
                    help,
                ));
            }
        }
    }
}

fn repeated_shape(
    shape: &Shape,
    value: &::config::Value,
    report: impl Fn(Wrong, String) -> Problem,
) -> Problem {
    if Origin::kept(value.origin().or_else(|| first_origin(value))).is_variable() {
        report(
            Wrong::Conflict(format!(
                "`{}` cannot be set from the environment",
                shape.heading()
            )),
            "write it in the configuration file or in a file in `conf.d` beside it".to_owned(),
        )
    } else {
        report(
            Wrong::Shape {
                name: shape.name.to_owned(),
                right: shape.heading(),
            },
            format!("use double brackets, `{}`, once for each", shape.heading()),
        )
    }
}

/// The origin of the first value inside a table, which has none of its own once it was layered.
fn first_origin(value: &::config::Value) -> Option<&str> {
    match &value.kind {
        ::config::ValueKind::Table(table) => table
            .values()
            .filter_map(|inner| inner.origin().or_else(|| first_origin(inner)))
            .min(),
        _ => value.origin(),
    }
}

/// A key near to a wrong one.
pub(super) struct Near {
    /// The key.
    pub key: &'static str,
    /// Near enough to be meant.
    pub meant: bool,
}

/// The nearest of some keys.
pub(super) fn nearest(wrong: &str, keys: impl IntoIterator<Item = &'static str>) -> Option<Near> {
    let wrong = wrong.to_lowercase().replace('-', "_");
    keys.into_iter()
        .map(|key| {
            let right = key.to_lowercase();
            let score = strsim::jaro_winkler(&wrong, &right);
            let meant = score > 0.8 || strsim::osa_distance(&wrong, &right) <= 2;
            (score, Near { key, meant })
        })
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, near)| near)
}

/// Another section that has exactly this key.
fn belongs_to(key: &str, section: &str) -> Option<&'static Shape> {
    SECTIONS
        .iter()
        .find(|shape| shape.name != section && shape.keys.contains(&key))
}

/// The problem of a key that its section does not have.
pub(super) fn unknown(shape: &Shape, path: &str, key: &str, value: &::config::Value) -> Problem {
    let origin = Origin::kept(value.origin().or_else(|| first_origin(value)));
    let full = format!("{path}.{key}");
    if shape.planned.contains(&key) {
        return Problem {
            wrong: Wrong::NotYet(format!("`{key}` of `{}`", shape.heading())),
            origin,
            key: full,
            help: "remove the key".to_owned(),
        };
    }
    let near = nearest(key, shape.keys.iter().copied());
    let (nearest, meant) = near.map_or(("", false), |near| (near.key, near.meant));
    // An entry inside a list is not where a key of another section would be looked for.
    let elsewhere = belongs_to(key, shape.name).filter(|_| !shape.name.contains('.'));
    let help = match elsewhere {
        _ if meant => format!("did you mean `{nearest}`?"),
        Some(other) => format!(
            "`{key}` is a key of `{}`, not of `{}`",
            other.heading(),
            shape.heading()
        ),
        None => format!(
            "the nearest key of `{}` is `{nearest}`; its keys are {}",
            shape.heading(),
            shape.keys.join(", ")
        ),
    };
    Problem {
        wrong: Wrong::UnknownKey {
            key: key.to_owned(),
            value: shown(key, value),
            nearest: nearest.to_owned(),
            meant,
        },
        origin,
        key: full,
        help,
    }
}

/// A value as it can be shown; nothing of what may be a secret.
fn shown(key: &str, value: &::config::Value) -> String {
    let secret = ["password", "secret", "token", "key"]
        .iter()
        .any(|word| key.contains(word));
    if secret {
        "…".to_owned()
    } else {
        super::section::written(value)
    }
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn a_slip_finds_its_key_and_nonsense_does_not() {
        let keys = super::LISTENER.keys.iter().copied();
        let near = nearest("frame_timout", keys.clone()).expect("some key");
        assert!(near.meant && near.key == "frame_timeout");
        let near = nearest("Max-Message", keys.clone()).expect("some key");
        assert!(near.meant && near.key == "max_message");
        assert!(!nearest("zzz", keys).expect("some key").meant);
    }
}
