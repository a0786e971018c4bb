//! `pentamer alerts`: what was told, and taking note of it.

use super::api::{Common, Paging, call, harmless, listed, path_part};
use super::{Exit, after_help, complain};
use serde_json::{Value, json};
use std::fmt::Write as _;

const EXAMPLE: &str = "\
pentamer alerts
  pentamer alerts --open --minimum-severity prompt --json
  pentamer alerts show 3f0c…
  pentamer alerts ack 3f0c… --comment \"seen, clinic on Tuesday\" --informed \"Dr Jansen\"";

const NOT_THERE: &str = "`pentamer alerts` lists the ids of alerts";

/// List, show and acknowledge alerts of the running daemon
#[derive(Debug, clap::Args)]
#[command(after_help = after_help(EXAMPLE), args_conflicts_with_subcommands = true)]
pub struct Args {
    #[command(flatten)]
    list: ListArgs,
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Debug, clap::Args)]
struct ListArgs {
    /// Only those that nobody has acknowledged
    #[arg(long)]
    open: bool,
    /// Only this kind: detected, confirmed, progressed, resolved, retracted, acknowledged, other_pattern
    #[arg(long, value_name = "KIND")]
    kind: Option<String>,
    /// At least this pressing: routine, prompt, urgent
    #[arg(long, value_name = "SEVERITY")]
    minimum_severity: Option<String>,
    /// Only pages, or only what is on the worklist: page, worklist
    #[arg(long, value_name = "WHICH")]
    delivery: Option<String>,
    /// Decided at or after this time
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    #[command(flatten)]
    paging: Paging,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Show one alert with its evidence and its episode
    #[command(after_help = after_help("pentamer alerts show 3f0c…"))]
    Show(ShowArgs),
    /// Acknowledge an alert: for its episode, escalation ends
    #[command(after_help = after_help(
        "pentamer alerts ack 3f0c… --comment \"seen, clinic on Tuesday\" --informed \"Dr Jansen\""
    ))]
    Ack(AckArgs),
}

#[derive(Debug, clap::Args)]
struct ShowArgs {
    /// The alert's id
    #[arg(value_name = "ID")]
    id: String,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, clap::Args)]
struct AckArgs {
    /// The alert's id
    #[arg(value_name = "ID")]
    id: String,
    /// What was made of it; kept with the acknowledgement
    #[arg(long, value_name = "TEXT")]
    comment: String,
    /// Who was told
    #[arg(long, value_name = "TEXT")]
    informed: Option<String>,
    /// Immunology knows the patient: routine and prompt findings page no more (`suppress_known`)
    #[arg(long)]
    known: bool,
    /// Who acknowledges
    #[arg(long, value_name = "NAME")]
    by: Option<String>,
    #[command(flatten)]
    common: Common,
}

/// Lists, shows or acknowledges; [`Exit::Failed`] where there is no such alert, [`Exit::TryAgain`] where
/// the daemon is not reachable or not ready.
pub fn run(args: &Args) -> Exit {
    match &args.action {
        None => list(&args.list),
        Some(Action::Show(args)) => show(args),
        Some(Action::Ack(args)) => acknowledge(args),
    }
}

fn list(args: &ListArgs) -> Exit {
    let filters = [
        ("acknowledged", args.open.then_some("false")),
        ("kind", args.kind.as_deref()),
        ("minimum_severity", args.minimum_severity.as_deref()),
        ("delivery", args.delivery.as_deref()),
        ("since", args.since.as_deref()),
    ];
    let path = args.paging.of("/api/v1/alerts", &filters);
    call(&args.common, &path, None, rows, NOT_THERE)
}

fn show(args: &ShowArgs) -> Exit {
    let path = format!("/api/v1/alerts/{}", path_part(&args.id));
    call(&args.common, &path, None, whole, NOT_THERE)
}

fn acknowledge(args: &AckArgs) -> Exit {
    if args.comment.trim().is_empty() {
        complain(
            "the comment is blank",
            "`--comment`",
            "say what was made of the alert: it is kept with the acknowledgement",
        );
        return Exit::Usage;
    }
    let path = format!("/api/v1/alerts/{}/ack", path_part(&args.id));
    let body = json!({
        "comment": args.comment,
        "informed": args.informed,
        "by": args.by,
        "known": args.known,
    });
    call(&args.common, &path, Some(body), whole, NOT_THERE)
}

fn at<'v>(value: &'v Value, pointer: &str) -> &'v str {
    let found = value.pointer(pointer).and_then(Value::as_str);
    found.unwrap_or_default()
}

/// One line an alert.
fn rows(page: &Value) -> String {
    listed(page, "no alerts", line)
}

/// Without more of the patient than the id.
fn line(out: &mut String, item: &Value) {
    let acknowledged = match at(item, "/acknowledged/by") {
        "" => "open".to_owned(),
        by => format!("acknowledged by {by}"),
    };
    let _ = writeln!(
        out,
        "{}  {:9} {:13} {:8} {}  {}:{}  {acknowledged}",
        at(item, "/alert/time"),
        at(item, "/alert/data/severity"),
        at(item, "/alert/data/kind"),
        at(item, "/alert/data/delivery"),
        at(item, "/alert/id"),
        at(item, "/alert/data/patient/authority"),
        at(item, "/alert/data/patient/id"),
    );
}

fn whole(item: &Value) -> String {
    let mut out = String::new();
    line(&mut out, item);
    let _ = writeln!(out, "{}", at(item, "/alert/data/explanation"));
    let evidence = item
        .pointer("/alert/data/evidence")
        .and_then(Value::as_array);
    for row in evidence.into_iter().flatten() {
        let _ = writeln!(
            out,
            "  {:5} {:8} {}  collected {}",
            at(row, "/analyte"),
            at(row, "/state"),
            at(row, "/reported"),
            at(row, "/observed_at"),
        );
    }
    let steps = item
        .pointer("/episode/transitions")
        .and_then(Value::as_array);
    for step in steps.into_iter().flatten() {
        let _ = writeln!(
            out,
            "  step {} {} {} {}",
            step.get("n").unwrap_or(&Value::Null),
            at(step, "/kind"),
            at(step, "/at"),
            at(step, "/alert_id"),
        );
    }
    if !at(item, "/acknowledged/by").is_empty() {
        let _ = writeln!(
            out,
            "acknowledged by {} at {}: {}",
            at(item, "/acknowledged/by"),
            at(item, "/acknowledged/at"),
            at(item, "/acknowledged/comment"),
        );
    }
    harmless(&out)
}
