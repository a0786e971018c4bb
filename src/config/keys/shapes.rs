//! Every section and key there is.

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

pub(in crate::config) const LISTENER: Shape = Shape {
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
pub(in crate::config) const TLS: Shape = Shape {
    name: "listener.tls",
    repeated: false,
    keys: &["cert_file", "key_file", "client_ca_file", "client_names"],
    planned: &[],
};

/// `relay_tls` of a listener; not a section of its own.
pub(in crate::config) const RELAY_TLS: Shape = Shape {
    name: "listener.relay_tls",
    repeated: false,
    keys: &["ca_file", "server_name", "cert_file", "key_file"],
    planned: &[],
};

pub(in crate::config) const STORAGE: Shape = Shape {
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

pub(in crate::config) const SITE: Shape = Shape {
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
pub(in crate::config) const IDENTIFIER: Shape = Shape {
    name: "site.patient_id",
    repeated: false,
    keys: &["authority", "type"],
    planned: &[],
};

pub(in crate::config) const DETECTION: Shape = Shape {
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

pub(in crate::config) const ANALYTE: Shape = Shape {
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

pub(in crate::config) const INTERVAL: Shape = Shape {
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

pub(in crate::config) const ASSOCIATION: Shape = Shape {
    name: "association",
    repeated: true,
    keys: &["label", "system", "code", "class", "kind", "source"],
    planned: &[],
};

pub(in crate::config) const SINK: Shape = Shape {
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
pub(in crate::config) const RETRY: Shape = Shape {
    name: "sink.retry",
    repeated: false,
    keys: &["initial", "max", "give_up_after"],
    planned: &[],
};

/// `digest` of a `[[sink]]`; not a section of its own.
pub(in crate::config) const DIGEST: Shape = Shape {
    name: "sink.digest",
    repeated: false,
    keys: &["above", "within"],
    planned: &[],
};

/// `tls` of a `[[sink]]`; not a section of its own.
pub(in crate::config) const SINK_TLS: Shape = Shape {
    name: "sink.tls",
    repeated: false,
    keys: &["ca_file"],
    planned: &[],
};

pub(in crate::config) const ESCALATION: Shape = Shape {
    name: "escalation",
    repeated: true,
    keys: &["name", "after", "minimum_severity", "sinks", "quiet"],
    planned: &[],
};

pub(in crate::config) const HTTP: Shape = Shape {
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
pub(in crate::config) const HTTP_TLS: Shape = Shape {
    name: "http.tls",
    repeated: false,
    keys: &["cert_file", "key_file"],
    planned: &[],
};

/// One of `users` of `[http]`; not a section of its own.
pub(in crate::config) const USER: Shape = Shape {
    name: "http.users",
    repeated: false,
    keys: &["name", "password_hash", "roles"],
    planned: &[],
};

/// One of `tokens` of `[http]`; not a section of its own.
pub(in crate::config) const TOKEN: Shape = Shape {
    name: "http.tokens",
    repeated: false,
    keys: &["name", "hash", "roles", "expires"],
    planned: &[],
};

pub(in crate::config) const LIMITS: Shape = Shape {
    name: "limits",
    repeated: false,
    keys: &["frame_memory", "tap_queue", "tap_spill"],
    planned: &[],
};

pub(in crate::config) const CLUSTER: Shape = Shape {
    name: "cluster",
    repeated: false,
    keys: &[
        "url",
        "stream",
        "replicas",
        "domain",
        "instance",
        "credentials_file",
        "username",
        "password_file",
        "ca_file",
        "lease",
        "timeout",
        "role",
        "spool",
        "spread",
        "weight",
    ],
    planned: &[],
};

pub(in crate::config) const LOG: Shape = Shape {
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
pub(super) const PLANNED_SECTIONS: &[&str] = &[];
