//! What of another configuration can come into force while the daemon runs, and what waits for a
//! restart: by the names of keys.

use super::{Config, Listener, Mode};
use std::collections::BTreeMap;

/// How two configurations differ, by key: `detection.confirm_after`, `listener.lab.allow`, `interval`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// In force at once.
    pub now: Vec<String>,
    /// In force at the next start.
    pub restart: Vec<String>,
}

/// Keys of `[[listener]]` that come into force for the connections from then on; all others describe
/// the port itself.
const OF_CONNECTIONS: &[&str] = &[
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
];

/// Those of them that do for a relay: the rest its tap was begun with.
const OF_RELAYED: &[&str] = &[
    "charset",
    "decimal",
    "processing",
    "max_connections",
    "max_connections_per_peer",
    "accept_rate",
    "allow",
];

/// Whether a key comes into force without a restart; `relays` are the listeners in that mode.
fn at_once(key: &str, relays: &[&str]) -> bool {
    let (section, rest) = key.split_once('.').unwrap_or((key, ""));
    match section {
        "detection" | "analyte" | "interval" | "association" | "sink" | "escalation" => true,
        // Ids of alerts depend on it: two of them must not be in force in one run.
        "site" => rest != "name",
        "log" => rest == "level",
        "http" => matches!(rest, "users" | "tokens" | "session" | "session_idle"),
        "listener" => rest.rsplit_once('.').is_some_and(|(listener, key)| {
            let keys = if relays.contains(&listener) {
                OF_RELAYED
            } else {
                OF_CONNECTIONS
            };
            keys.contains(&key)
        }),
        _ => false,
    }
}

impl Config {
    /// How `new` differs from this one.
    pub fn changes(&self, new: &Self) -> Changes {
        let relays: Vec<&str> = (self.listeners.iter())
            .filter(|listener| listener.mode == Mode::Relay)
            .map(|listener| listener.name.as_str())
            .collect();
        let (old, new) = (keys(self), keys(new));
        let mut changes = Changes::default();
        let mut names: Vec<&String> = old.keys().chain(new.keys()).collect();
        names.sort();
        names.dedup();
        for name in names {
            if old.get(name) == new.get(name) {
                continue;
            }
            let list = if at_once(name, &relays)
                && !is_of_a_listener_that_comes_or_goes(name, &old, &new)
            {
                &mut changes.now
            } else {
                &mut changes.restart
            };
            list.push(name.clone());
        }
        changes
    }

    /// This one with what of `new` comes into force at once.
    #[must_use]
    pub fn taking(&self, new: &Self) -> Self {
        let mut taken = self.clone();
        taken.site = new.site.clone();
        taken.site.name.clone_from(&self.site.name);
        taken.detection = new.detection.clone();
        taken.tables = new.tables.clone();
        taken.sinks.clone_from(&new.sinks);
        // `alerts.jsonl` stays where the data are.
        taken.sinks.retain(|sink| !is_always(sink));
        taken
            .sinks
            .extend(self.sinks.iter().filter(|sink| is_always(sink)).cloned());
        taken.escalations.clone_from(&new.escalations);
        taken.log.level = new.log.level;
        taken.http.users.clone_from(&new.http.users);
        taken.http.tokens.clone_from(&new.http.tokens);
        taken.http.session = new.http.session;
        taken.http.session_idle = new.http.session_idle;
        for listener in &mut taken.listeners {
            let same = new.listeners.iter().find(|one| one.name == listener.name);
            if let Some(new) = same {
                listener.take(new);
            }
        }
        taken
    }
}

fn is_always(sink: &super::Sink) -> bool {
    sink.name == super::sink::ALWAYS
}

impl Listener {
    /// What concerns connections, not the port.
    fn take(&mut self, new: &Self) {
        let new = new.clone();
        self.reading = new.reading;
        self.max_connections = new.max_connections;
        self.max_connections_per_peer = new.max_connections_per_peer;
        self.accept_rate = new.accept_rate;
        self.allow = new.allow;
        if self.mode == Mode::Relay {
            return;
        }
        self.ack = new.ack;
        self.ack_policy = new.ack_policy;
        self.ack_application = new.ack_application;
        self.ack_facility = new.ack_facility;
        self.batch_ack = new.batch_ack;
        self.max_message = new.max_message;
        self.frame_timeout = new.frame_timeout;
        self.idle_timeout = new.idle_timeout;
        self.end_grace = new.end_grace;
        self.max_junk = new.max_junk;
        self.store_wait = new.store_wait;
    }
}

type Keys = BTreeMap<String, String>;

/// A listener is there or not with its port.
fn is_of_a_listener_that_comes_or_goes(key: &str, old: &Keys, new: &Keys) -> bool {
    let Some((listener, _)) = key
        .strip_prefix("listener.")
        .and_then(|rest| rest.rsplit_once('.'))
    else {
        return false;
    };
    let name = format!("listener.{listener}.name");
    old.contains_key(&name) != new.contains_key(&name)
}

/// Every key with its value, as `pentamer check --print` shows them.
fn keys(config: &Config) -> Keys {
    let written: toml::Table = config.to_toml().parse().unwrap_or_default();
    let mut keys = Keys::new();
    for (section, value) in &written {
        match value {
            toml::Value::Table(table) => flatten(section, table, &mut keys),
            toml::Value::Array(rows) if rows.iter().all(|row| row.get("name").is_some()) => {
                for row in rows.iter().filter_map(toml::Value::as_table) {
                    let name = row.get("name").and_then(toml::Value::as_str);
                    flatten(
                        &format!("{section}.{}", name.unwrap_or_default()),
                        row,
                        &mut keys,
                    );
                }
            }
            // Rows without a name of their own are one list.
            other => drop(keys.insert(section.clone(), other.to_string())),
        }
    }
    keys
}

fn flatten(path: &str, table: &toml::Table, keys: &mut Keys) {
    for (key, value) in table {
        let path = format!("{path}.{key}");
        match value {
            toml::Value::Table(inner) => flatten(&path, inner, keys),
            value => drop(keys.insert(path, value.to_string())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::keys::{SECTIONS, Shape};

    fn read(text: &str) -> Config {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pentamer.toml");
        std::fs::write(&path, text).unwrap();
        crate::config::load(Some(&path), []).unwrap().config
    }

    #[test]
    fn what_changes_is_named_by_its_key() {
        let old = read("[detection]\nconfirm_after = \"28d\"\n[log]\nlevel = \"info\"\n");
        let new = read(
            "[detection]\nconfirm_after = \"30d\"\n[log]\nlevel = \"debug\"\nformat = \"json\"\n\
             [storage]\nreserve = \"2 GiB\"\n[site]\nname = \"other\"\ntimezone = \"Europe/Vienna\"\n\
             [[interval]]\nanalyte = \"IgM\"\nlow = 0.5\nhigh = 2.0\nunit = \"g/L\"\n",
        );
        let changes = old.changes(&new);
        let now = [
            "detection.confirm_after",
            "interval",
            "log.level",
            "site.timezone",
        ];
        assert_eq!(changes.now, now);
        assert_eq!(
            changes.restart,
            ["log.format", "site.name", "storage.reserve"]
        );
        let taken = old.taking(&new);
        assert_eq!(
            old.changes(&taken),
            Changes {
                now: changes.now,
                restart: Vec::new()
            }
        );
        assert_eq!(
            taken.changes(&new),
            Changes {
                now: Vec::new(),
                restart: changes.restart
            }
        );
    }

    #[test]
    fn a_listener_keeps_its_port_and_one_more_waits_for_a_restart() {
        let lab = |bind, allow| {
            format!(
                "[[listener]]\nname = \"lab\"\nbind = \"127.0.0.1:{bind}\"\nallow = [{allow}]\n"
            )
        };
        let old = read(&lab(1, ""));
        let new = read(&lab(2, "\"10.0.0.0/8\""));
        let changes = old.changes(&new);
        assert_eq!(changes.now, ["listener.lab.allow"]);
        assert_eq!(changes.restart, ["listener.lab.bind"]);
        let taken = old.taking(&new);
        assert_eq!(taken.listeners[0].bind, old.listeners[0].bind);
        assert_eq!(taken.listeners[0].allow, new.listeners[0].allow);
        let more = format!("{}{}", lab(1, ""), lab(3, "").replace("\"lab\"", "\"two\""));
        let changes = old.changes(&read(&more));
        assert!(changes.now.is_empty(), "{changes:?}");
        assert!(changes.restart.contains(&"listener.two.bind".to_owned()));
    }

    #[test]
    fn of_a_relay_only_what_concerns_who_may_connect_is_taken() {
        let relay = |more: &str| {
            read(&format!(
                "[[listener]]\nname = \"lis\"\nmode = \"relay\"\nrelay_to = \"127.0.0.1:9\"\n{more}"
            ))
        };
        let old = relay("");
        let new = relay("max_message = \"1 MiB\"\nallow = [\"10.0.0.1\"]\n");
        let changes = old.changes(&new);
        assert_eq!(changes.now, ["listener.lis.allow"]);
        assert_eq!(changes.restart, ["listener.lis.max_message"]);
        let taken = old.taking(&new);
        assert_eq!(taken.listeners[0].max_message, old.listeners[0].max_message);
        assert_eq!(taken.listeners[0].allow, new.listeners[0].allow);
    }

    /// A key that is written in one list and forgotten in the other would be told of and not done.
    #[test]
    fn every_key_that_is_said_to_come_into_force_does() {
        let keys = |shape: &Shape| shape.keys.to_vec();
        let listener = SECTIONS
            .iter()
            .find(|shape| shape.name == "listener")
            .unwrap();
        let old = Listener::default();
        let changed = read(
            "[[listener]]\nname = \"default\"\nack = \"commit\"\nack_policy = \"strict\"\n\
             ack_application = \"X\"\nack_facility = \"Y\"\nbatch_ack = \"per_message\"\n\
             charset = \"ISO-8859-1\"\ndecimal = \",\"\nprocessing = \"T\"\nmax_message = \"1 MiB\"\n\
             frame_timeout = \"10s\"\nidle_timeout = \"1h\"\nend_grace = \"1s\"\nmax_junk = \"1 KiB\"\n\
             store_wait = \"1s\"\naccept_rate = 7\nmax_connections = 3\nmax_connections_per_peer = 2\nallow = [\"10.0.0.1\"]\n",
        );
        let mut base = Config::built_in();
        base.listeners = vec![old];
        let changes = base.changes(&changed);
        assert!(changes.restart.is_empty(), "{changes:?}");
        let known = keys(listener);
        for key in OF_CONNECTIONS.iter().filter(|key| known.contains(key)) {
            let name = format!("listener.default.{key}");
            assert!(changes.now.contains(&name), "{name} is not tried here");
        }
        assert_eq!(base.taking(&changed).changes(&changed), Changes::default());
    }
}
