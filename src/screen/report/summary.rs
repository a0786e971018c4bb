//! The findings in a few lines.

use super::shown::Shown;
use super::{Report, funnel, grouped, remedies, share};
use crate::screen::{Comparison, Findings};
use std::fmt::Write as _;

/// Cases of a comparison that are named on the terminal.
const NAMED: usize = 20;

/// A short text for the terminal.
pub fn summary(report: &Report<'_>) -> String {
    let screened = report.screened;
    let mut out = String::new();
    for (label, count, of) in funnel(report) {
        let share = of.map_or_else(String::new, |of| share(count, of));
        let _ = writeln!(out, "{:>15}  {label:<36}{share:>10}", grouped(count));
    }
    let found = &screened.findings;
    let _ = writeln!(
        out,
        "{:>15}  alerts, of these {} pages, over {} weeks",
        grouped(found.alerts()),
        grouped(found.pages()),
        weeks(found)
    );
    understood(&mut out, report);
    if let Some((other, comparison)) = &screened.other {
        compare(&mut out, report, other, comparison);
    }
    out
}

fn weeks(found: &Findings) -> i64 {
    let ends = found
        .weeks
        .keys()
        .next()
        .zip(found.weeks.keys().next_back());
    ends.and_then(|(first, last)| last.since(*first).ok())
        .map_or(0, |span| i64::from(span.get_days()) / 7 + 1)
}

fn understood(out: &mut String, report: &Report<'_>) {
    let (only_kept, refused): (Vec<_>, Vec<_>) = remedies::not_understood(report)
        .into_iter()
        .partition(|one| one.only_kept);
    for (title, all) in [("not understood", refused), ("not read", only_kept)] {
        let count: u64 = all.iter().map(|one| one.count).sum();
        if count == 0 {
            continue;
        }
        let _ = writeln!(out, "\n{title}: {}", grouped(count));
        for one in all.iter().take(8) {
            let of = if one.feed.is_empty() {
                String::new()
            } else {
                format!(" from {}", one.feed)
            };
            let count = grouped(one.count);
            let _ = writeln!(out, "{count:>15}  {}{of}: {}", one.reason, one.remedy);
        }
        if all.iter().any(|one| one.lines.is_some()) {
            let _ = writeln!(
                out,
                "                 lines for the configuration are in the report (--report)"
            );
        }
    }
}

fn compare(out: &mut String, report: &Report<'_>, other: &Findings, comparison: &Comparison) {
    let (one_name, other_name) = (report.names.0, report.names.1.unwrap_or("the other"));
    let found = &report.screened.findings;
    let _ = writeln!(
        out,
        "\nwith {other_name} instead of {one_name}: {} more, {} fewer, {} with another verdict; \
         {} pages instead of {}",
        grouped(comparison.more.len() as u64),
        grouped(comparison.fewer.len() as u64),
        grouped(comparison.changed.len() as u64),
        grouped(other.pages()),
        grouped(found.pages())
    );
    let mut list = |label: &str, findings: &Findings, places: &[usize]| {
        for place in places.iter().take(NAMED) {
            let Some(case) = findings.cases.get(*place) else {
                continue;
            };
            let shown = Shown::of(place + 1, case, report.policy, report.level);
            let _ = writeln!(
                out,
                "  {label}: {}{}, {}, IgM {}, since {}",
                shown
                    .key
                    .map_or_else(|| format!("case {}", place + 1), str::to_owned),
                shown
                    .name
                    .map_or_else(String::new, |name| format!(" {name}")),
                shown.severity,
                shown.lowest,
                shown.opened
            );
        }
        if places.len() > NAMED {
            let _ = writeln!(out, "  {label}: and {} further", places.len() - NAMED);
        }
    };
    list("more", other, &comparison.more);
    list("fewer", found, &comparison.fewer);
}
