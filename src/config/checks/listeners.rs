//! Listeners looked at as a whole: relays that lead nowhere or back to themselves, TLS files that
//! cannot be used, certificates that end.

use super::super::keys::LISTENER;
use super::super::layer::Raw;
use super::super::listener::{Listener, Mode};
use super::super::origin::Origin;
use super::super::problem::{Problem, Warning, Wrong};
use super::super::relay::RelayTo;
use super::super::validate::{Place, in_row, problem};
use super::super::{Config, Framing};
use super::warning;
use crate::clock;
use crate::tls::{TlsFault, Validity, WARN_DAYS};
use ::config::ValueKind;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::path::Path;

/// Reports what cannot work.
pub(super) fn conflicts(config: &Config, raw: &Raw, problems: &mut Vec<Problem>) {
    for (index, listener) in config.listeners.iter().enumerate() {
        direction(listener, index, raw, problems);
        if listener.mode == Mode::Relay
            && let Some(round) = way_back(config, index)
        {
            let wrong = Wrong::Conflict(format!("the relay leads back to itself: {round}"));
            problems.push(problem(
                in_row(raw, &LISTENER, index, "relay_to"),
                wrong,
                "name the laboratory system behind it",
            ));
        }
        if let Some(tls) = &listener.tls
            && let Err(fault) = tls.check()
        {
            let files = [
                ("cert_file", Some(tls.cert_file.as_path())),
                ("key_file", Some(tls.key_file.as_path())),
                ("client_ca_file", tls.client_ca_file.as_deref()),
            ];
            problems.push(faulty(&fault, raw, index, "tls", &files));
        }
        if let Some(tls) = &listener.relay_tls
            && let Err(fault) = tls.check()
        {
            let own = tls.identity.as_ref();
            let files = [
                ("ca_file", Some(tls.ca_file.as_path())),
                ("cert_file", own.map(|(cert, _)| cert.as_path())),
                ("key_file", own.map(|(_, key)| key.as_path())),
            ];
            problems.push(faulty(&fault, raw, index, "relay_tls", &files));
        }
    }
}

/// Keys of a relay without a relay, and the reverse.
fn direction(listener: &Listener, index: usize, raw: &Raw, problems: &mut Vec<Problem>) {
    let place = |key| in_row(raw, &LISTENER, index, key);
    match listener.mode {
        Mode::Relay => {
            let written = raw
                .rows(LISTENER.name)
                .get(index)
                .is_some_and(|row| row.table.contains_key("relay_to"));
            if !written {
                problems.push(problem(
                    place("relay_to"),
                    Wrong::Missing("relay_to".to_owned()),
                    "name the laboratory system, e.g. `relay_to = \"lis.example:2575\"`",
                ));
            }
            if listener.framing == Framing::Mllp2 {
                problems.push(problem(
                    place("framing"),
                    Wrong::Conflict("a relay passes every framing as it is".to_owned()),
                    "leave `framing` out",
                ));
            }
        }
        Mode::Endpoint => {
            for (key, there) in [
                ("relay_to", listener.relay_to.is_some()),
                ("relay_tls", listener.relay_tls.is_some()),
            ] {
                if there {
                    problems.push(problem(
                        place(key),
                        Wrong::Conflict(format!("`{key}` is for `mode = \"relay\"`")),
                        "write `mode = \"relay\"`, or leave the key out",
                    ));
                }
            }
        }
    }
}

/// The problem at the key that names the file at fault.
fn faulty(
    fault: &TlsFault,
    raw: &Raw,
    index: usize,
    table: &str,
    files: &[(&str, Option<&Path>)],
) -> Problem {
    let named = files
        .iter()
        .find(|(_, path)| path.is_some() && *path == fault.path())
        .map_or(fault.key(), |(key, _)| key);
    problem(
        inner_place(raw, index, table, named),
        Wrong::Conflict(fault.to_string()),
        fault.remedy(),
    )
}

/// The place of a key in a table of a listener.
fn inner_place(raw: &Raw, index: usize, table: &str, key: &str) -> Place {
    let (mut origin, path) = in_row(raw, &LISTENER, index, table);
    let inner = raw
        .rows(LISTENER.name)
        .get(index)
        .and_then(|row| row.table.get(table));
    if let Some(ValueKind::Table(keys)) = inner.map(|value| &value.kind) {
        let first = keys.values().filter_map(|value| value.origin()).min();
        let at = keys.get(key).and_then(|value| value.origin()).or(first);
        origin = Origin::kept(at);
    }
    (origin, format!("{path}.{key}"))
}

/// Follows a relay through the listeners of this configuration; the way, where it comes back.
fn way_back(config: &Config, start: usize) -> Option<String> {
    let mut at = start;
    let mut way = vec![config.listeners.get(start)?.name.clone()];
    for _ in 0..config.listeners.len() {
        let to = config.listeners.get(at)?.relay_to.as_ref()?;
        at = config
            .listeners
            .iter()
            .position(|listener| leads_to(to, listener.bind))?;
        way.push(config.listeners.get(at)?.name.clone());
        if at == start {
            return Some(way.join(" → "));
        }
    }
    None
}

/// Whether a host and port is that of a bound port of this machine.
fn leads_to(to: &RelayTo, bind: SocketAddr) -> bool {
    if to.port() != bind.port() {
        return false;
    }
    let ip: Option<IpAddr> = match to.host() {
        "localhost" => Some(IpAddr::from([127, 0, 0, 1])),
        host => host.parse().ok(),
    };
    let Some(ip) = ip.map(|ip| ip.to_canonical()) else {
        return false;
    };
    let bound = bind.ip().to_canonical();
    ip == bound || (bound.is_unspecified() && is_of_this_machine(ip)) || ip.is_unspecified()
}

/// Only an address of this machine can be bound; nothing is sent.
fn is_of_this_machine(ip: IpAddr) -> bool {
    ip.is_loopback() || UdpSocket::bind((ip, 0)).is_ok()
}

/// Certificates that are over, not valid yet, or end soon.
pub(super) fn ending_certificates(config: &Config, raw: &Raw) -> Vec<Warning> {
    let mut warnings = Vec::new();
    for (index, listener) in config.listeners.iter().enumerate() {
        let own = listener.tls.as_ref().and_then(|tls| tls.check().ok());
        let to_lis = listener
            .relay_tls
            .as_ref()
            .and_then(|tls| tls.check().ok().flatten());
        for (table, validity) in [("tls", own), ("relay_tls", to_lis)] {
            if let Some(what) = validity.and_then(ending) {
                warnings.push(warning(
                    inner_place(raw, index, table, "cert_file"),
                    format!("the certificate of listener `{}` {what}", listener.name),
                    "have it renewed and put the new one in its place; SIGHUP takes it over",
                ));
            }
        }
    }
    warnings
}

/// What deserves a word about a certificate's validity.
fn ending(validity: Validity) -> Option<String> {
    let now = clock::now();
    let days = validity.seconds_left(now).div_euclid(86_400);
    if now < validity.from {
        Some(format!(
            "is not valid before {}",
            validity.from.to_rfc3339()
        ))
    } else if !validity.holds(now) {
        Some(format!(
            "ended at {}: peers refuse it",
            validity.to.to_rfc3339()
        ))
    } else if days < WARN_DAYS {
        Some(format!(
            "ends in {days} days, at {}",
            validity.to.to_rfc3339()
        ))
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use crate::config::{Loaded, load};
    use rcgen::{CertificateParams, KeyPair};
    use std::path::{Path, PathBuf};

    /// A certificate that holds from year to year, and its key.
    fn identity(dir: &Path, name: &str, from: i32, to: i32) -> (PathBuf, PathBuf) {
        let mut params = CertificateParams::new(vec![name.to_owned()]).expect("parameters");
        params.not_before = rcgen::date_time_ymd(from, 1, 1);
        params.not_after = rcgen::date_time_ymd(to, 1, 1);
        let key = KeyPair::generate().expect("a key");
        let cert = params.self_signed(&key).expect("a certificate");
        let paths = (
            dir.join(format!("{name}.pem")),
            dir.join(format!("{name}.key")),
        );
        std::fs::write(&paths.0, cert.pem()).expect("written");
        std::fs::write(&paths.1, key.serialize_pem()).expect("written");
        paths
    }

    fn file(dir: &Path, more: &str) -> PathBuf {
        let path = dir.join("pentamer.toml");
        let text = format!("[[listener]]\nname = \"lab\"\nbind = \"127.0.0.1:0\"\n{more}\n");
        std::fs::write(&path, text).expect("written");
        path
    }

    fn warnings(loaded: &Loaded) -> Vec<(String, String)> {
        loaded
            .warnings
            .iter()
            .filter(|warning| warning.key.contains("tls"))
            .map(|warning| (warning.key.clone(), warning.what.clone()))
            .collect()
    }

    #[test]
    fn a_key_that_does_not_fit_is_told_at_the_key() {
        let dir = tempfile::tempdir().expect("a folder");
        let (cert, _) = identity(dir.path(), "one", 2020, 2099);
        let (_, key) = identity(dir.path(), "two", 2020, 2099);
        let tls = format!(
            "tls = {{ cert_file = \"{}\", key_file = \"{}\" }}",
            cert.display(),
            key.display()
        );
        let problems = load(Some(&file(dir.path(), &tls)), []).expect_err("a problem");
        let text = problems.to_string();
        assert!(
            text.contains("two.key` does not fit the certificate"),
            "{text}"
        );
        assert!(
            text.contains(":4, key `listener[0].tls.key_file`"),
            "{text}"
        );
    }

    #[test]
    fn certificates_that_end_are_warnings_and_the_file_holds() {
        let dir = tempfile::tempdir().expect("a folder");
        for (from, to, says) in [
            (2000, 2001, Some("ended at 2001-01-01T00:00:00Z")),
            (2090, 2099, Some("is not valid before 2090-01-01T00:00:00Z")),
            (2000, 2099, None),
        ] {
            let (cert, key) = identity(dir.path(), "lab", from, to);
            let (cert, key) = (cert.display(), key.display());
            let text = format!(
                "mode = \"relay\"\nrelay_to = \"lis.example:1\"\n\
                 tls = {{ cert_file = \"{cert}\", key_file = \"{key}\" }}\n\
                 relay_tls = {{ ca_file = \"{cert}\", cert_file = \"{cert}\", key_file = \"{key}\" }}"
            );
            let loaded = load(Some(&file(dir.path(), &text)), []).expect("good");
            let found = warnings(&loaded);
            let keys: Vec<&str> = found.iter().map(|(key, _)| key.as_str()).collect();
            match says {
                None => assert_eq!(keys, Vec::<&str>::new()),
                Some(says) => {
                    assert_eq!(
                        keys,
                        [
                            "listener[0].tls.cert_file",
                            "listener[0].relay_tls.cert_file"
                        ]
                    );
                    assert!(
                        found.iter().all(|(_, what)| what.contains(says)),
                        "{found:?}"
                    );
                }
            }
            // What is listed is read back as the same.
            let listing = dir.path().join("listing.toml");
            std::fs::write(&listing, loaded.config.to_toml()).expect("written");
            let again = load(Some(&listing), []).expect("good").config;
            assert_eq!(again.listeners, loaded.config.listeners);
        }
    }
}
