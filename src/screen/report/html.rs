//! The report as one HTML file that asks nobody for anything: style and pictures are in it.

use super::json::level_word;
use super::remedies::{self, Code, NotUnderstood};
use super::shown::{Days, Shown, ToldShown};
use super::{Report, chart, funnel, grouped, share};
use crate::core::alert::{PhiLevel, kind_word};
use crate::plot::{Plot, plots};
use crate::screen::{AGES, Findings};
use askama::Template;

/// Cases that are drawn; of more than these the rest is only in the table.
const DRAWN: usize = 500;
/// Files that are named.
const FILES: usize = 50;
/// Codes that are named beside a reason.
const CODES: usize = 8;
/// Cases in the table.
const LISTED: usize = 5_000;

#[derive(Template)]
#[template(path = "screen.html")]
struct Page {
    style: &'static str,
    site: String,
    zone: String,
    level: &'static str,
    policy: String,
    span: String,
    steps: Vec<Step>,
    pages: String,
    alerts: String,
    open: String,
    other_patterns: String,
    chart: String,
    chart_narrow: String,
    kinds: Vec<(String, String, String)>,
    ages: Vec<[String; 4]>,
    sources: Vec<(String, String)>,
    unjudged: Vec<(String, String)>,
    intervals: Option<String>,
    associations: Vec<(String, String, String)>,
    feeds: Vec<FeedRow>,
    frames: Vec<(String, String)>,
    quarantine: Vec<RefusedRow>,
    mending: Vec<Mending>,
    files: Vec<(String, String)>,
    more_files: usize,
    comparison: Option<Compared>,
    cases: Vec<CaseRow>,
    more_cases: String,
    drawn: usize,
}

struct Step {
    label: &'static str,
    count: String,
    share: String,
    /// Width of its bar in percent, on a logarithmic scale.
    bar: u32,
}

struct FeedRow {
    name: String,
    messages: String,
    with_ours: String,
    from: String,
    to: String,
    quirks: String,
}

struct RefusedRow {
    count: String,
    reason: String,
    feed: String,
    place: String,
    remedy: String,
    codes: String,
}

/// Lines for the configuration.
struct Mending {
    what: String,
    lines: String,
}

struct Compared {
    one: String,
    other: String,
    more: String,
    fewer: String,
    changed: String,
    pages: String,
    pages_before: String,
    added: Vec<String>,
    removed: Vec<String>,
}

struct CaseRow {
    number: usize,
    title: String,
    who: String,
    severity: &'static str,
    persistent: bool,
    open: bool,
    opened: String,
    lowest: String,
    pages: usize,
    alerts: usize,
    sentence: Option<String>,
    facts: Vec<(&'static str, String)>,
    told: Vec<ToldShown>,
    plots: Vec<Plot>,
}

/// The report as one HTML file.
///
/// # Errors
/// It cannot be written as text.
pub fn html(report: &Report<'_>) -> Result<String, askama::Error> {
    let (tally, found) = (&report.screened.tally, &report.screened.findings);
    let day = |at| report.day(at);
    let sent = tally.feeds.values().filter_map(|feed| feed.sent);
    let ends = sent.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)));
    let frames: Vec<(String, String)> = tally
        .frames
        .iter()
        .map(|(name, count)| (spaced(name), grouped(count)))
        .collect();
    let mut feeds: Vec<_> = tally.feeds.iter().collect();
    feeds.sort_by_key(|(_, feed)| std::cmp::Reverse(feed.messages));
    let not_understood = remedies::not_understood(report);
    Page {
        style: include_str!("../../../assets/pentamer.css"),
        site: report.policy.site.name.clone(),
        zone: report.policy.site.timezone.clone(),
        level: level_word(report.level),
        policy: report.policy.hash().chars().take(12).collect(),
        span: ends.map_or_else(
            || "no message says when it was sent".to_owned(),
            |(first, last)| format!("sent from {} to {}", day(first), day(last)),
        ),
        steps: steps(report),
        pages: grouped(found.pages()),
        alerts: grouped(found.alerts()),
        open: grouped(found.persons.open),
        other_patterns: grouped(found.persons.other_patterns),
        chart: chart::weeks(&found.weeks, 760.0),
        chart_narrow: chart::weeks(&found.weeks, 380.0),
        kinds: found
            .told
            .iter()
            .map(|(kind, (pages, all))| (spaced(kind_word(*kind)), grouped(*pages), grouped(*all)))
            .collect(),
        ages: ages(found),
        sources: counted(&found.sources),
        unjudged: counted(&found.unjudged),
        intervals: remedies::intervals(found),
        associations: found
            .associations
            .iter()
            .map(|((class, label), cases)| (label.clone(), class.clone(), grouped(*cases)))
            .collect(),
        feeds: feeds
            .into_iter()
            .map(|(name, feed)| FeedRow {
                name: name.clone(),
                messages: grouped(feed.messages),
                with_ours: grouped(feed.with_ours),
                from: feed.sent.map_or_else(String::new, |sent| day(sent.0)),
                to: feed.sent.map_or_else(String::new, |sent| day(sent.1)),
                quirks: feed
                    .quirks
                    .iter()
                    .map(|(name, count)| format!("{} {}", spaced(name), grouped(*count)))
                    .collect::<Vec<_>>()
                    .join(", "),
            })
            .collect(),
        frames,
        quarantine: not_understood.iter().map(refused_row).collect(),
        mending: not_understood.iter().filter_map(mending).collect(),
        files: files(report),
        more_files: (report.screened.unreadable.len() + report.screened.without.len())
            .saturating_sub(FILES),
        comparison: compared(report),
        cases: cases(report),
        more_cases: if found.cases.len() > LISTED {
            grouped((found.cases.len() - LISTED) as u64)
        } else {
            String::new()
        },
        drawn: DRAWN,
    }
    .render()
}

fn refused_row(one: &NotUnderstood) -> RefusedRow {
    let code = |code: &Code| {
        let mut parts = vec![code.code.clone()];
        if !code.system.is_empty() {
            parts.push(format!("({})", code.system));
        }
        parts.extend(code.unit.as_ref().map(|unit| format!("in {unit}")));
        parts.push(grouped(code.count));
        parts.join(" ")
    };
    let mut codes: Vec<String> = one.codes.iter().take(CODES).map(code).collect();
    if one.codes.len() > CODES {
        codes.push(format!("{} more", one.codes.len() - CODES));
    }
    RefusedRow {
        count: grouped(one.count),
        reason: spaced(one.reason),
        feed: one.feed.clone(),
        place: one.place.clone().unwrap_or_default(),
        remedy: one.remedy.clone(),
        codes: codes.join(", "),
    }
}

/// Files that were not good, and why. Their names may be patients'.
fn files(report: &Report<'_>) -> Vec<(String, String)> {
    let name = |path: &std::path::Path| {
        if report.level == PhiLevel::Full {
            path.display().to_string()
        } else {
            "a file".to_owned()
        }
    };
    let screened = report.screened;
    let unreadable = screened
        .unreadable
        .iter()
        .map(|(path, why)| (name(path), format!("not read to its end: {why}")));
    let without = screened.without.iter().map(|one| {
        let why = one
            .why
            .map_or_else(String::new, |why| format!(" ({})", spaced(why.word())));
        (name(&one.path), format!("holds no message{why}"))
    });
    unreadable.chain(without).take(FILES).collect()
}

fn mending(one: &NotUnderstood) -> Option<Mending> {
    let from = if one.feed.is_empty() {
        String::new()
    } else {
        format!(" from {}", one.feed)
    };
    Some(Mending {
        what: format!("{}{from} ({})", spaced(one.reason), grouped(one.count)),
        lines: one.lines.clone()?,
    })
}

fn steps(report: &Report<'_>) -> Vec<Step> {
    let steps = funnel(report);
    let most = steps.iter().map(|(_, count, _)| *count).max().unwrap_or(1);
    let scale = |count: u64| (count as f64 + 1.0).log10();
    steps
        .into_iter()
        .map(|(label, count, of)| Step {
            label,
            count: grouped(count),
            share: of.map_or_else(String::new, |of| share(count, of)),
            bar: (scale(count) / scale(most.max(1)) * 100.0).round() as u32,
        })
        .collect()
}

fn ages(found: &Findings) -> Vec<[String; 4]> {
    AGES.iter()
        .zip(&found.ages)
        .filter(|(_, counts)| counts.iter().any(|count| *count > 0))
        .map(|((_, group), [female, male, unknown])| {
            [
                (*group).to_owned(),
                grouped(*female),
                grouped(*male),
                grouped(*unknown),
            ]
        })
        .collect()
}

fn counted(counts: &std::collections::BTreeMap<&'static str, u64>) -> Vec<(String, String)> {
    let all: u64 = counts.values().sum();
    let mut rows: Vec<_> = counts.iter().collect();
    rows.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
    rows.into_iter()
        .map(|(word, count)| {
            let share = share(*count, all);
            (spaced(word), format!("{} ({share})", grouped(*count)))
        })
        .collect()
}

fn spaced(word: &str) -> String {
    word.replace('_', " ")
}

/// `isolated low IgM`.
fn class_name(word: &str) -> String {
    let names = [("igm", "IgM"), ("igg", "IgG"), ("_iga", " IgA")];
    let named = names
        .into_iter()
        .fold(word.to_owned(), |text, (word, name)| {
            text.replace(word, name)
        });
    spaced(&named)
}

fn who(case: &Shown<'_>) -> String {
    match (case.name, case.key) {
        (Some(name), Some(key)) => format!("{name}, {key}"),
        (None, Some(key)) => key.to_owned(),
        _ => format!("Case {}", case.number),
    }
}

fn compared(report: &Report<'_>) -> Option<Compared> {
    let (other, comparison) = report.screened.other.as_ref()?;
    let found = &report.screened.findings;
    let list = |findings: &Findings, places: &[usize]| {
        places
            .iter()
            .take(LISTED)
            .filter_map(|place| {
                let case = findings.cases.get(*place)?;
                let shown = Shown::of(place + 1, case, report.policy, report.level);
                Some(format!(
                    "{}: {}, {}, IgM {}, since {}",
                    who(&shown),
                    shown.sex,
                    shown.severity,
                    shown.lowest,
                    shown.opened
                ))
            })
            .collect()
    };
    let count = |number: usize| grouped(number as u64);
    Some(Compared {
        one: report.names.0.to_owned(),
        other: report.names.1.unwrap_or_default().to_owned(),
        more: count(comparison.more.len()),
        fewer: count(comparison.fewer.len()),
        changed: count(comparison.changed.len()),
        pages: grouped(other.pages()),
        pages_before: grouped(found.pages()),
        added: list(other, &comparison.more),
        removed: list(found, &comparison.fewer),
    })
}

fn cases(report: &Report<'_>) -> Vec<CaseRow> {
    let cases = report.screened.findings.cases.iter().take(LISTED);
    (1..)
        .zip(cases)
        .map(|(number, case)| {
            let shown = Shown::of(number, case, report.policy, report.level);
            let days = Days::of(case, report.policy, report.level);
            let drawn = if number <= DRAWN {
                plots(shown.trend, &|at| days.show(at))
            } else {
                Vec::new()
            };
            let mut facts = vec![("Sex and age", format!("{}, {}", shown.sex, shown.age))];
            if let Some(birth) = shown.birth_date {
                facts.push(("Born", birth.to_owned()));
            }
            if !shown.ids.is_empty() {
                facts.push(("Identities", shown.ids.join(", ")));
            }
            let tier = shown
                .tier
                .map_or_else(String::new, |tier| format!(", {tier}"));
            facts.push(("At the end", class_name(shown.classification) + &tier));
            facts.push(("IgM results", shown.igm.to_string()));
            if !shown.associations.is_empty() {
                facts.push(("Associations", shown.associations.join("; ")));
            }
            if report.level >= PhiLevel::Minimum
                && let Some(episodes) = shown.episodes
            {
                let ids: Vec<String> = episodes
                    .iter()
                    .map(|one| format!("{} ({})", one.id, spaced(one.standing)))
                    .collect();
                facts.push(("Episodes", ids.join(", ")));
            }
            CaseRow {
                number,
                title: who(&shown),
                who: format!("{}, {}", shown.sex, shown.age),
                severity: shown.severity,
                persistent: shown.persistent,
                open: shown.open,
                opened: shown.opened.clone(),
                lowest: shown.lowest.to_owned(),
                pages: shown.pages,
                alerts: shown.alerts,
                sentence: shown.sentence.map(str::to_owned),
                facts,
                plots: drawn,
                told: shown.told,
            }
        })
        .collect()
}
