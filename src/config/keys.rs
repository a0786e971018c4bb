//! Keys and sections as they are written against those that there are, and the nearest one to a key that
//! is not.

mod shapes;

pub(super) use shapes::{
    ANALYTE, ASSOCIATION, CLUSTER, DETECTION, DIGEST, ESCALATION, HTTP, HTTP_TLS, IDENTIFIER,
    INTERVAL, LIMITS, LISTENER, LOG, RELAY_TLS, RETRY, SINK, SINK_TLS, SITE, STORAGE, TLS, TOKEN,
    USER,
};
pub use shapes::{SECTIONS, Shape};

use super::layer::Raw;
use super::origin::Origin;
use super::problem::{Problem, Wrong};
use shapes::PLANNED_SECTIONS;

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
