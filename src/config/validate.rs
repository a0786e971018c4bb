//! What only makes sense together, and what works but deserves a second look.

use super::keys::{DETECTION, HTTP, LIMITS, LISTENER, SINK, STORAGE};
use super::layer::Raw;
use super::origin::Origin;
use super::problem::{Problem, Warning, Wrong};
use super::quantity::show_size;
use super::sink_kind::SinkKind;
use super::{Config, Mode, keys::Shape};
use crate::core::hl7::ack::{AckMode, AckPolicy};
use std::net::SocketAddr;
use std::path::Path;

/// A key's place: origin and path.
pub(super) type Place = (Origin, String);

fn in_section(raw: &Raw, shape: &Shape, key: &str) -> Place {
    let origin = raw
        .section(shape.name)
        .and_then(|table| table.get(key))
        .map_or_else(|| Origin::BuiltIn, |value| Origin::kept(value.origin()));
    (origin, format!("{}.{key}", shape.name))
}

/// The place in the row at this index over all layers; a built-in row has none.
pub(super) fn in_row(raw: &Raw, shape: &Shape, index: usize, key: &str) -> Place {
    match raw.rows(shape.name).get(index) {
        Some(row) => {
            let origin = row
                .table
                .get(key)
                .map_or_else(|| row.origin.clone(), |value| Origin::kept(value.origin()));
            (origin, format!("{}[{}].{key}", shape.name, row.number))
        }
        None => (Origin::BuiltIn, format!("{}.{key}", shape.name)),
    }
}

pub(super) fn problem((origin, key): Place, wrong: Wrong, help: &str) -> Problem {
    Problem {
        wrong,
        origin,
        key,
        help: help.to_owned(),
    }
}

/// Reports values that cannot stand together.
pub(super) fn conflicts(config: &Config, raw: &Raw, problems: &mut Vec<Problem>) {
    ports(config, raw, problems);
    files(config, raw, problems);
    frame_memory(config, raw, problems);
    tap_queue(config, raw, problems);
    keys(config, raw, problems);
    detection(config, raw, problems);
}

fn same_port(a: SocketAddr, b: SocketAddr) -> bool {
    a.port() != 0
        && a.port() == b.port()
        && (a.ip() == b.ip() || a.ip().is_unspecified() || b.ip().is_unspecified())
}

fn ports(config: &Config, raw: &Raw, problems: &mut Vec<Problem>) {
    let listeners = config
        .listeners
        .iter()
        .enumerate()
        .map(|(index, listener)| (listener.bind, in_row(raw, &LISTENER, index, "bind")));
    let http = (config.http.bind, in_section(raw, &HTTP, "bind"));
    let bound: Vec<(SocketAddr, Place)> = std::iter::once(http).chain(listeners).collect();
    for (index, (address, place)) in bound.iter().enumerate() {
        let earlier = bound
            .iter()
            .take(index)
            .find(|(other, _)| same_port(*other, *address));
        if let Some((_, (first, _))) = earlier {
            let wrong = Wrong::Repeated {
                name: address.to_string(),
                first: first.clone(),
            };
            problems.push(problem(place.clone(), wrong, "choose another port"));
        }
    }
}

/// The file of keys is read here: what is wrong with it is told before anything is opened with it.
fn keys(config: &Config, raw: &Raw, problems: &mut Vec<Problem>) {
    if let Err(error) = crate::seal::read(config.storage.encryption_key_file.as_deref()) {
        let place = in_section(raw, &STORAGE, "encryption_key_file");
        let wrong = Wrong::Conflict(error.to_string());
        problems.push(problem(place, wrong, &error.remedy()));
    }
}

fn files(config: &Config, raw: &Raw, problems: &mut Vec<Problem>) {
    let mut seen: Vec<(&Path, Origin)> = Vec::new();
    for (index, sink) in config
        .sinks
        .iter()
        .enumerate()
        .take(raw.rows(SINK.name).len())
    {
        let SinkKind::File { path } = &sink.kind else {
            continue;
        };
        if path.as_os_str().is_empty() {
            continue;
        }
        let place = in_row(raw, &SINK, index, "path");
        match seen.iter().find(|(other, _)| other == path) {
            Some((_, first)) => {
                let wrong = Wrong::Repeated {
                    name: path.display().to_string(),
                    first: first.clone(),
                };
                problems.push(problem(place, wrong, "give each sink its own file"));
            }
            None => seen.push((path, place.0)),
        }
    }
}

fn frame_memory(config: &Config, raw: &Raw, problems: &mut Vec<Problem>) {
    let largest = config
        .listeners
        .iter()
        .enumerate()
        .max_by_key(|(_, listener)| listener.max_message);
    let Some((index, listener)) = largest else {
        return;
    };
    if config.limits.frame_memory >= listener.max_message {
        return;
    }
    let mut place = in_section(raw, &LIMITS, "frame_memory");
    if place.0 == Origin::BuiltIn {
        place = in_row(raw, &LISTENER, index, "max_message");
    }
    let wrong = Wrong::Conflict(format!(
        "`frame_memory` of {} cannot hold a message of `max_message` = {} of listener `{}`",
        show_size(config.limits.frame_memory),
        show_size(listener.max_message),
        listener.name,
    ));
    problems.push(problem(
        place,
        wrong,
        "raise `[limits] frame_memory`, or lower `max_message`",
    ));
}

/// A relay's queue must hold one message.
fn tap_queue(config: &Config, raw: &Raw, problems: &mut Vec<Problem>) {
    let largest = config
        .listeners
        .iter()
        .enumerate()
        .filter(|(_, listener)| listener.mode == Mode::Relay)
        .max_by_key(|(_, listener)| listener.max_message);
    let Some((index, listener)) = largest else {
        return;
    };
    if config.limits.tap_queue >= listener.max_message {
        return;
    }
    let mut place = in_section(raw, &LIMITS, "tap_queue");
    if place.0 == Origin::BuiltIn {
        place = in_row(raw, &LISTENER, index, "max_message");
    }
    let wrong = Wrong::Conflict(format!(
        "`tap_queue` of {} cannot hold a message of `max_message` = {} of relay `{}`",
        show_size(config.limits.tap_queue),
        show_size(listener.max_message),
        listener.name,
    ));
    problems.push(problem(
        place,
        wrong,
        "raise `[limits] tap_queue`, or lower `max_message`",
    ));
}

fn detection(config: &Config, raw: &Raw, problems: &mut Vec<Problem>) {
    let detection = &config.detection;
    let ordered = [
        (
            detection.profound_below <= detection.severe_below,
            "profound_below",
            "severe_below",
        ),
        (
            detection.confirm_after <= detection.confirm_within,
            "confirm_after",
            "confirm_within",
        ),
        (
            detection.infant_age <= detection.iga_min_age,
            "infant_age",
            "iga_min_age",
        ),
    ];
    for (_, less, more) in ordered.into_iter().filter(|(right, _, _)| !right) {
        let mut place = in_section(raw, &DETECTION, less);
        if place.0 == Origin::BuiltIn {
            place = in_section(raw, &DETECTION, more);
        }
        let wrong = Wrong::Conflict(format!("`{less}` is above `{more}`"));
        let help = format!("lower `{less}`, or raise `{more}`");
        problems.push(problem(place, wrong, &help));
    }
}

/// What works but deserves a second look.
pub(super) fn warnings(config: &Config, raw: &Raw) -> Vec<Warning> {
    let mut warnings = Vec::new();
    let mut warn = |(origin, key): Place, what: String, help: &str| {
        warnings.push(Warning {
            what,
            origin,
            key,
            help: help.to_owned(),
        });
    };
    for (index, listener) in config.listeners.iter().enumerate() {
        let name = &listener.name;
        let vouched = listener
            .tls
            .as_ref()
            .is_some_and(|tls| tls.client_ca_file.is_some());
        let open = listener.allow.is_empty() && !vouched;
        if !listener.bind.ip().to_canonical().is_loopback() && open {
            warn(
                in_row(raw, &LISTENER, index, "bind"),
                format!(
                    "listener `{name}` on {} lets every host of the network send results",
                    listener.bind
                ),
                "name the senders, e.g. `allow = [\"10.0.0.0/24\"]`",
            );
        }
        if listener.ack_policy == AckPolicy::Strict {
            warn(
                in_row(raw, &LISTENER, index, "ack_policy"),
                format!(
                    "listener `{name}` refuses messages that it has stored (`ack_policy = \"strict\"`)"
                ),
                "use it to validate an interface, and `accept` on a live feed",
            );
        }
        if listener.ack == AckMode::None {
            warn(
                in_row(raw, &LISTENER, index, "ack"),
                format!("listener `{name}` never answers (`ack = \"none\"`)"),
                "a sender that waits for an answer sends again for ever; use `auto` if in doubt",
            );
        }
    }
    if let Some(free) = free_below(&config.storage.dir)
        && free < config.storage.reserve
    {
        warn(
            in_section(raw, &STORAGE, "reserve"),
            format!(
                "the disk of `{}` has {} MiB free, less than the reserve of {}; no message will be accepted",
                config.storage.dir.display(),
                free >> 20,
                show_size(config.storage.reserve),
            ),
            "free some space, choose another `[storage] dir`, or lower `reserve`",
        );
    }
    warnings
}

/// Bytes free for us on the disk of a directory, or of the nearest one above it that is there.
fn free_below(dir: &Path) -> Option<u64> {
    dir.ancestors()
        .map(|above| {
            if above.as_os_str().is_empty() {
                Path::new(".")
            } else {
                above
            }
        })
        .find_map(|above| rustix::fs::statvfs(above).ok())
        .map(|disk| disk.f_bavail.saturating_mul(disk.f_frsize))
}
