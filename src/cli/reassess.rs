//! `pentamer reassess`: what would be told if everybody were decided about anew, and having it told.

use super::api::{Common, ask, call, harmless, items, refused, text};
use super::{Exit, after_help, complain, print};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Write as _;

const EXAMPLE: &str = "\
pentamer reassess
  pentamer reassess --tell --by jansen --comment \"new limits of the laboratory\"
  pentamer reassess --tell --page --patient HOSP:4711 --by jansen --comment \"missed, see ticket 17\"

Without --tell it only shows what would be told. What was received before a change of tables, or under an older
version, tells nobody by itself.";

const NOT_THERE: &str = "is it a daemon of this version?";

/// Patients of one request.
const AT_ONCE: usize = 1_000;

/// Show what the tables in force would find in everything received so far, and have it told
#[derive(Debug, clap::Args)]
#[command(after_help = after_help(EXAMPLE))]
pub struct Args {
    /// Have it told: on the worklist, with `--page` also to the sinks
    #[arg(long, requires = "comment")]
    tell: bool,
    /// What is found may page, by the rules of the feed; without it nobody is paged for it, now or later
    #[arg(long, requires = "tell")]
    page: bool,
    /// Only these patients, `authority:id`
    #[arg(long = "patient", value_name = "KEY")]
    patients: Vec<String>,
    /// Why; kept with what is told
    #[arg(long, value_name = "TEXT")]
    comment: Option<String>,
    /// Who asks
    #[arg(long, value_name = "NAME")]
    by: Option<String>,
    #[command(flatten)]
    common: Common,
}

/// Previews, and tells where that is asked; [`Exit::TryAgain`] where the daemon is not reachable or not ready.
pub fn run(args: &Args) -> Exit {
    let comment = args.comment.as_deref().unwrap_or_default().trim();
    if args.tell && comment.is_empty() {
        complain(
            "the comment is blank",
            "`--comment`",
            "say why everybody is assessed anew: it is kept with what is told",
        );
        return Exit::Usage;
    }
    let found = match preview(args) {
        Ok(found) => found,
        Err(exit) => return exit,
    };
    if !args.tell {
        print(&shown(args, &found));
        return Exit::Done;
    }
    for group in found.people.chunks(AT_ONCE) {
        let patients: Vec<&str> = group.iter().map(|one| text(one, "patient")).collect();
        let body = json!({
            "patients": patients,
            "page": args.page,
            "comment": comment,
            "by": args.by,
        });
        let exit = call(
            &args.common,
            "/api/v1/reassess",
            Some(body),
            told,
            NOT_THERE,
        );
        if exit != Exit::Done {
            return exit;
        }
    }
    if found.people.is_empty() {
        print("nothing would be told\n");
    }
    Exit::Done
}

/// The whole preview.
struct Found {
    people: Vec<Value>,
    looked_at: u64,
    policy: String,
}

fn preview(args: &Args) -> Result<Found, Exit> {
    let mut found = Found {
        people: Vec::new(),
        looked_at: 0,
        policy: String::new(),
    };
    let mut path = "/api/v1/reassess".to_owned();
    loop {
        let (server, answer) = ask(&args.common.daemon, &path, None)?;
        if answer.status != 200 {
            return Err(refused(&server, &answer, NOT_THERE));
        }
        let page: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        let wanted = |one: &&Value| {
            args.patients.is_empty() || args.patients.iter().any(|key| key == text(one, "patient"))
        };
        found
            .people
            .extend(items(&page).iter().filter(wanted).cloned());
        let looked_at = page.get("looked_at").and_then(Value::as_u64);
        found.looked_at = found
            .looked_at
            .saturating_add(looked_at.unwrap_or_default());
        found.policy = text(&page, "policy").to_owned();
        match page.get("next").and_then(Value::as_str) {
            Some(next) => path = format!("/api/v1/reassess?cursor={next}"),
            None => return Ok(found),
        }
    }
}

fn steps(person: &Value) -> impl Iterator<Item = &Value> {
    let steps = person.get("transitions").and_then(Value::as_array);
    steps.into_iter().flatten()
}

fn shown(args: &Args, found: &Found) -> String {
    if args.common.json {
        let all = json!({
            "items": found.people,
            "looked_at": found.looked_at,
            "policy": found.policy,
        });
        return format!("{all:#}\n");
    }
    let mut out = String::new();
    let mut counts: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for person in &found.people {
        for step in steps(person) {
            let count = counts
                .entry((text(step, "kind"), text(step, "delivery")))
                .or_default();
            *count = count.saturating_add(1);
            let _ = writeln!(
                out,
                "{}  {} {}, {}: {}",
                text(person, "patient"),
                text(step, "severity"),
                text(step, "kind"),
                text(step, "delivery"),
                text(step, "explanation"),
            );
        }
    }
    let _ = writeln!(
        out,
        "{} patients looked at; something would be told of {}",
        found.looked_at,
        found.people.len()
    );
    for ((kind, delivery), count) in counts {
        let word = if delivery == "page" {
            "may page with --page"
        } else {
            "worklist"
        };
        let _ = writeln!(out, "  {kind}: {count} ({word})");
    }
    harmless(&out)
}

fn told(answer: &Value) -> String {
    let count = answer.get("patients").and_then(Value::as_u64);
    format!(
        "{} patients are decided about anew\n",
        count.unwrap_or_default()
    )
}
