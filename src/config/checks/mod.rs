//! Listeners and the site's tables looked at as a whole: relays that lead nowhere, TLS files that cannot
//! be used; rows that contradict, hide or overlap each other, ages that none covers, limits that look
//! like another unit.

mod analytes;
mod associations;
mod gaps;
mod intervals;
mod listeners;
mod units;

use super::Config;
use super::layer::Raw;
use super::problem::{Problem, Warning};
use super::validate::Place;

/// Reports rows that contradict each other.
pub(super) fn conflicts(config: &Config, raw: &Raw, problems: &mut Vec<Problem>) {
    listeners::conflicts(config, raw, problems);
    analytes::contradictions(config, raw, problems);
}

/// What works but deserves a second look.
pub(super) fn warnings(config: &Config, raw: &Raw) -> Vec<Warning> {
    let mut warnings = listeners::ending_certificates(config, raw);
    warnings.extend(analytes::hidden(config, raw));
    warnings.extend(intervals::overlaps(config, raw));
    warnings.extend(gaps::gaps(config, raw));
    warnings.extend(units::slips(config, raw));
    warnings.extend(intervals::odd_feeds(config, raw));
    warnings.extend(associations::odd_systems(config, raw));
    warnings
}

fn warning((origin, key): Place, what: String, help: impl Into<String>) -> Warning {
    Warning {
        what,
        origin,
        key,
        help: help.into(),
    }
}

/// Whether a row's `feed` can be that of a message: `MSH-3/MSH-4` always has its `/`.
fn is_feed(feed: &str) -> bool {
    feed.trim().is_empty() || feed.contains('/')
}

/// The warning of a `feed` that no message can have.
fn odd_feed(place: Place, feed: &str) -> Warning {
    warning(
        place,
        format!("`feed` = `{feed}` matches no message: a feed is `MSH-3/MSH-4`"),
        format!("write both with a `/` between them, e.g. `{feed}/HOSP`"),
    )
}
