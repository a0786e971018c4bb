//! `pentamer explain`: what one message says and what it amounts to, without any state.

use super::story::{Person, Story, messages};
use super::{Exit, after_help, complain, environment, print};
use crate::clock;
use crate::config;
use crate::core::alert::{Evidence, severity_word};
use crate::core::extract::{Extraction, Understood};
use bytes::Bytes;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

/// Show what is read from a message, how each value is judged, and why it pages or not
#[derive(Debug, clap::Args)]
#[command(after_help = after_help("pentamer explain result.hl7"))]
pub struct Args {
    /// A message or an archive of messages; `-` is stdin
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Configuration file with the site's tables; without it /etc/pentamer/pentamer.toml if there, else the defaults
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Read the messages as those of this listener
    #[arg(long, value_name = "NAME")]
    pub listener: Option<String>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Explains a file; [`Exit::Failed`] where it cannot be read or holds no message.
pub fn run(args: &Args) -> Exit {
    let loaded = match config::load(args.config.as_deref(), environment()) {
        Ok(loaded) => loaded,
        Err(problems) => {
            eprint!("{problems}");
            return Exit::Usage;
        }
    };
    let place = format!("`{}`", args.file.display());
    let file = match read(&args.file) {
        Ok(file) => file,
        Err(error) => {
            complain(
                &format!("cannot read: {error}"),
                &place,
                "name a file that can be read, or `-`",
            );
            return Exit::Failed;
        }
    };
    let (raws, unreadable) = messages(Bytes::from(file));
    if raws.is_empty() {
        complain(
            "no message found: nothing begins with a readable MSH segment",
            &place,
            "a message begins with `MSH`, a field separator and encoding characters, such as `MSH|^~\\&|`",
        );
        return Exit::Failed;
    }
    if unreadable > 0 {
        eprintln!("warning: {unreadable} part(s) without a readable MSH were left out");
    }
    let policy = loaded.config.policy();
    let first = loaded
        .config
        .listeners
        .first()
        .map(|listener| listener.name.clone());
    let listener = args.listener.clone().or(first).unwrap_or_default();
    let now = clock::now();
    let mut story = Story::new(&policy);
    let told = raws
        .into_iter()
        .map(|raw| story.take(raw, &listener, now))
        .collect::<Result<Vec<_>, _>>()
        .and_then(|read| {
            story
                .decide()
                .and_then(|()| story.people(now))
                .map(|people| (read, people))
        });
    let (read, people) = match told {
        Ok(told) => told,
        Err(error) => {
            complain(&error.to_string(), &place, "report this");
            return Exit::Failed;
        }
    };
    if args.json {
        let json = json!({
            "messages": read.iter().map(message_json).collect::<Vec<_>>(),
            "patients": people.iter().map(person_json).collect::<Vec<_>>(),
        });
        print(&format!("{json:#}\n"));
    } else {
        print(&text(&read, &people));
    }
    Exit::Done
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    if path == Path::new("-") {
        let mut bytes = Vec::new();
        io::stdin().read_to_end(&mut bytes)?;
        return Ok(bytes);
    }
    std::fs::read(path)
}

const fn understood_word(understood: Understood) -> &'static str {
    match understood {
        Understood::Results => "results",
        Understood::Demographics => "demographics",
        Understood::Identity => "identity event",
        Understood::Order => "order (only cancellations count)",
        Understood::Ignored => "not one of ours, ignored",
        Understood::NotProduction => "test or training message, not assessed",
        Understood::Acknowledgement => "acknowledgement, ignored",
    }
}

fn message_json(read: &Extraction) -> Value {
    let refusals: Vec<Value> = read
        .refusals
        .iter()
        .map(|refusal| {
            json!({
                "reason": refusal.reason.word(),
                "where": refusal.place.to_string(),
                "remedy": refusal.remedy,
            })
        })
        .collect();
    json!({
        "type": read.message_type,
        "control_id": read.control_id,
        "feed": read.feed,
        "understood": understood_word(read.understood),
        "observations": observations(read),
        "identity_events": read.identity.len(),
        "refused": refusals,
        "counts": read.counts,
    })
}

fn observations(read: &Extraction) -> usize {
    read.patients
        .iter()
        .map(|part| part.observations.len())
        .sum()
}

fn person_json(person: &Person) -> Value {
    let assessment = &person.assessment;
    let results: Vec<Value> = person
        .results
        .iter()
        .map(|result| {
            let mut row = serde_json::to_value(&result.row).unwrap_or_default();
            if let (Some(row), Some(reason)) = (row.as_object_mut(), &result.reason) {
                row.insert("reason".to_owned(), json!(reason.expose()));
            }
            row
        })
        .collect();
    json!({
        "key": person.key.exposed(),
        "classification": assessment.classification.word(),
        "tier": assessment.tier.word(),
        "tier_reason": assessment.tier_reason,
        "rule": assessment.rule.word(),
        "severity": assessment.severity.map(severity_word),
        "review": assessment.review,
        "qualifiers": assessment.qualifiers,
        "missing": assessment.missing,
        "associations": assessment.associations,
        "sentence": assessment.sentence.expose(),
        "results": results,
        "alerts": person.alerts,
    })
}

fn text(read: &[Extraction], people: &[Person]) -> String {
    let mut out = String::new();
    for (number, message) in (1..).zip(read) {
        tell_message(&mut out, number, message);
    }
    for person in people {
        tell_person(&mut out, person);
    }
    out
}

fn tell_message(out: &mut String, number: usize, read: &Extraction) {
    let _ = writeln!(
        out,
        "message {number}: {} {} from {}: {}",
        read.message_type,
        read.control_id,
        read.feed,
        understood_word(read.understood)
    );
    if read.understood == Understood::Results && observations(read) == 0 {
        let _ = writeln!(
            out,
            "  no immunoglobulin result: no code of it is on the analyte list"
        );
    }
    for event in &read.identity {
        let _ = writeln!(
            out,
            "  identity: {} gives way to {}",
            event.prior.exposed(),
            event.survivor.exposed()
        );
    }
    for refusal in &read.refusals {
        let _ = writeln!(
            out,
            "  not understood: {} ({})",
            refusal.place,
            refusal.reason.word()
        );
        let _ = writeln!(out, "    remedy: {}", refusal.remedy);
    }
    for (name, times) in &read.counts {
        let _ = writeln!(out, "  counted: {name} {times}");
    }
}

fn tell_person(out: &mut String, person: &Person) {
    let assessment = &person.assessment;
    let _ = writeln!(out, "\npatient {}", person.key.exposed());
    for result in &person.results {
        let _ = writeln!(out, "  {}", row(result.row.expose()));
        if let Some(reason) = &result.reason {
            let _ = writeln!(out, "      {}", reason.expose());
        }
    }
    let reason = assessment
        .tier_reason
        .map_or_else(String::new, |reason| format!(": {reason}"));
    let severity = assessment
        .severity
        .map_or_else(String::new, |s| format!(", {}", severity_word(s)));
    let _ = writeln!(
        out,
        "  verdict: {} ({}{reason}{severity}), rule {}",
        assessment.classification.word(),
        assessment.tier.word(),
        assessment.rule.word()
    );
    if let Some(review) = assessment.review {
        let _ = writeln!(out, "  for review: {review}");
    }
    let _ = writeln!(out, "  {}", assessment.sentence.expose());
    if person.alerts.is_empty() {
        let _ = writeln!(out, "  alert: none");
    }
    for alert in &person.alerts {
        let word = |key: &str| alert.get(key).and_then(Value::as_str).unwrap_or_default();
        let _ = writeln!(
            out,
            "  alert: {} ({}, {})",
            word("kind"),
            word("severity"),
            word("delivery")
        );
    }
}

/// One result on one line.
fn row(row: &Evidence) -> String {
    let limits = match (&row.low, &row.high) {
        (Some(low), Some(high)) => format!("{low}-{high}"),
        (Some(low), None) => format!("from {low}"),
        (None, Some(high)) => format!("to {high}"),
        (None, None) => "no interval".to_owned(),
    };
    let converted = row.value.as_ref().map_or_else(String::new, |value| {
        format!(" = {}{value} {}", row.comparator, row.unit)
    });
    format!(
        "{:<5} {:<8} {}{converted}; {limits} ({}); {} {}, status {}, collected {}",
        row.analyte,
        row.state,
        row.reported,
        row.interval_source.as_deref().unwrap_or("none"),
        row.code,
        row.system,
        row.status,
        row.observed_at.as_deref().unwrap_or("unknown"),
    )
}
