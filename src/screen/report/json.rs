//! The report for programs.

use super::remedies::{self, NotUnderstood};
use super::shown::{Days, Shown};
use super::{Report, funnel};
use crate::core::alert::{PhiLevel, kind_word};
use crate::screen::{AGES, Case, Findings};
use serde_json::{Map, Value, json};

/// The report as JSON; a case has the same number as in the other forms.
pub fn json(report: &Report<'_>) -> Value {
    let (tally, found) = (&report.screened.tally, &report.screened.findings);
    let steps: Vec<Value> = funnel(report)
        .iter()
        .map(|(step, count, _)| json!({"step": step, "count": count}))
        .collect();
    let feeds: Vec<Value> = tally
        .feeds
        .iter()
        .map(|(name, feed)| {
            let sent = |at: Option<crate::core::time::Timestamp>| at.map(|at| report.day(at));
            json!({
                "feed": name,
                "messages": feed.messages,
                "with_immunoglobulins": feed.with_ours,
                "first_sent": sent(feed.sent.map(|sent| sent.0)),
                "last_sent": sent(feed.sent.map(|sent| sent.1)),
                "quirks": feed.quirks,
            })
        })
        .collect();
    let (only_kept, quarantine): (Vec<_>, Vec<_>) = remedies::not_understood(report)
        .into_iter()
        .partition(|one| one.only_kept);
    let listed = |all: &[NotUnderstood]| all.iter().map(not_understood).collect::<Vec<_>>();
    let frames: Map<String, Value> = tally
        .frames
        .iter()
        .map(|(name, count)| (name.to_owned(), json!(count)))
        .collect();
    let mut out = json!({
        "pentamer": env!("CARGO_PKG_VERSION"),
        "site": report.policy.site.name,
        "policy": {"name": report.names.0, "hash": report.policy.hash()},
        "phi": level_word(report.level),
        "files": files(report),
        "messages": {
            "total": tally.messages,
            "bytes": tally.bytes,
            "with_results": tally.with_results,
            "with_immunoglobulins": tally.with_ours,
            "with_igm": tally.with_igm,
            "identity_events": tally.identity_events,
        },
        "funnel": steps,
        "findings": findings(found),
        "feeds": feeds,
        "frames": frames,
        "quarantine": listed(&quarantine),
        "only_kept": listed(&only_kept),
        "cases": cases(report, &found.cases),
    });
    if let (Some((other, comparison)), Some(root)) = (&report.screened.other, out.as_object_mut()) {
        let number = |place: &usize| place + 1;
        let more: Vec<Value> = comparison
            .more
            .iter()
            .filter_map(|place| Some(case(report, number(place), other.cases.get(*place)?)))
            .collect();
        root.insert(
            "comparison".to_owned(),
            json!({
                "name": report.names.1,
                "findings": findings(other),
                "more": more,
                "fewer": comparison.fewer.iter().map(number).collect::<Vec<_>>(),
                "changed": comparison.changed.iter().map(|(one, _)| number(one)).collect::<Vec<_>>(),
            }),
        );
    }
    out
}

/// Files that could not be read to their end, and those without a message. Their names may be patients'.
fn files(report: &Report<'_>) -> Value {
    let screened = report.screened;
    let mut out = json!({
        "unreadable": screened.unreadable.len(),
        "without_message": screened.without.len(),
    });
    if let (Some(out), PhiLevel::Full) = (out.as_object_mut(), report.level) {
        let unreadable = screened.unreadable.iter();
        let unreadable = unreadable.map(|(path, why)| json!({"file": path, "why": why}));
        let without = screened.without.iter();
        let without = without
            .map(|one| json!({"file": one.path, "why": one.why.map(|reason| reason.word())}));
        let all: Vec<Value> = unreadable.chain(without).collect();
        out.insert("named".to_owned(), json!(all));
    }
    out
}

fn not_understood(one: &NotUnderstood) -> Value {
    let codes: Vec<Value> = one
        .codes
        .iter()
        .map(|code| {
            json!({
                "code": code.code,
                "system": code.system,
                "unit": code.unit,
                "count": code.count,
            })
        })
        .collect();
    json!({
        "reason": one.reason,
        "feed": one.feed,
        "count": one.count,
        "where": one.place,
        "remedy": one.remedy,
        "codes": codes,
        "configuration": one.lines,
    })
}

pub(super) const fn level_word(level: PhiLevel) -> &'static str {
    match level {
        PhiLevel::None => "none",
        PhiLevel::Minimum => "minimum",
        PhiLevel::Full => "full",
    }
}

fn findings(found: &Findings) -> Value {
    let persons = &found.persons;
    let told: Map<String, Value> = found
        .told
        .iter()
        .map(|(kind, (pages, all))| {
            let value = json!({"pages": pages, "all": all});
            (kind_word(*kind).to_owned(), value)
        })
        .collect();
    let weeks: Vec<Value> = found
        .weeks
        .iter()
        .map(|(monday, week)| {
            json!({
                "monday": monday.to_string(),
                "pages": severities(&week.pages),
                "worklist": severities(&week.worklist),
            })
        })
        .collect();
    let ages: Vec<Value> = AGES
        .iter()
        .zip(&found.ages)
        .map(|((_, group), [female, male, unknown])| {
            json!({"age": group, "female": female, "male": male, "unknown": unknown})
        })
        .collect();
    let associations: Vec<Value> = found
        .associations
        .iter()
        .map(|((class, label), cases)| json!({"class": class, "label": label, "cases": cases}))
        .collect();
    json!({
        "patients": {
            "with_igm": persons.with_igm,
            "low": persons.low,
            "isolated": persons.isolated,
            "persistent": persons.persistent,
            "open": persons.open,
            "other_patterns": persons.other_patterns,
        },
        "igm": {
            "results": found.igm,
            "low": found.low_igm,
            "interval_sources": found.sources,
            "unjudged": found.unjudged,
            "configuration": remedies::intervals(found),
        },
        "alerts": {"pages": found.pages(), "all": found.alerts(), "by_kind": told, "weeks": weeks},
        "ages": ages,
        "associations": associations,
    })
}

fn severities(counts: &[u64; 3]) -> Value {
    let [routine, prompt, urgent] = counts;
    json!({"routine": routine, "prompt": prompt, "urgent": urgent})
}

fn cases(report: &Report<'_>, cases: &[Case]) -> Vec<Value> {
    (1..)
        .zip(cases)
        .map(|(number, one)| case(report, number, one))
        .collect()
}

/// A case with what may be told of it; keys of what may not be told are not there.
fn case(report: &Report<'_>, number: usize, case: &Case) -> Value {
    let shown = Shown::of(number, case, report.policy, report.level);
    let days = Days::of(case, report.policy, report.level);
    let told: Vec<Value> = shown
        .told
        .iter()
        .map(|told| {
            json!({
                "day": told.day,
                "kind": told.kind,
                "severity": told.severity,
                "delivery": told.delivery,
            })
        })
        .collect();
    let trend: Vec<Value> = case
        .trend
        .iter()
        .map(|point| {
            json!({
                "day": days.show(&point.at),
                "analyte": point.analyte,
                "value": point.value,
                "comparator": point.comparator,
                "unit": point.unit,
                "low": point.low,
                "high": point.high,
                "state": point.state,
            })
        })
        .collect();
    let mut out = json!({
        "case": number,
        "sex": shown.sex,
        "age": shown.age,
        "severity": shown.severity,
        "persistent": shown.persistent,
        "open": shown.open,
        "opened": shown.opened,
        "classification": shown.classification,
        "tier": shown.tier,
        "lowest_igm": shown.lowest,
        "igm_results": shown.igm,
        "associations": shown.associations,
        "told": told,
        "trend": trend,
    });
    if let (Some(key), Some(out)) = (shown.key, out.as_object_mut()) {
        out.insert("patient".to_owned(), json!(key));
        out.insert("ids".to_owned(), json!(case.ids.expose()));
        out.insert("sentence".to_owned(), json!(shown.sentence));
        out.insert("episodes".to_owned(), json!(shown.episodes));
        if report.level == PhiLevel::Full {
            out.insert("name".to_owned(), json!(shown.name));
            out.insert("birth_date".to_owned(), json!(shown.birth_date));
        }
    }
    out
}
