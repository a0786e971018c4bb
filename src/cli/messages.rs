//! `pentamer messages`: what came, what was made of it, and once more through.

use super::api::{Common, Paging, ask, call, harmless, items, listed, number, refused, text};
use super::{Exit, after_help, complain};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::io::Write as _;

const EXAMPLE: &str = "\
pentamer messages --outcome quarantined --since 2026-01-31
  pentamer messages --control-id 4711
  pentamer messages show 1024
  pentamer messages raw 1024 > message.hl7
  pentamer messages again 1024";

const NOT_THERE: &str = "`pentamer messages` lists the positions of messages";

/// Search the messages of the running daemon, show one with our reading, or send it through again
#[derive(Debug, clap::Args)]
#[command(after_help = after_help(EXAMPLE), args_conflicts_with_subcommands = true)]
pub struct Args {
    #[command(flatten)]
    search: SearchArgs,
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Debug, clap::Args)]
struct SearchArgs {
    /// Received at or after this time
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Received before this time
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// By this listener
    #[arg(long, value_name = "NAME")]
    listener: Option<String>,
    /// From this feed, MSH-3/MSH-4
    #[arg(long, value_name = "FEED")]
    feed: Option<String>,
    /// Of this type: ORU, or ORU^R01
    #[arg(long = "type", value_name = "TYPE")]
    kind: Option<String>,
    /// With this control id (MSH-10)
    #[arg(long, value_name = "ID")]
    control_id: Option<String>,
    /// Of this patient: `authority:id`, or the id alone
    #[arg(long, value_name = "KEY")]
    patient: Option<String>,
    /// What became of it: paged, normal, quarantined, ignored, duplicate
    #[arg(long, value_name = "OUTCOME")]
    outcome: Option<String>,
    #[command(flatten)]
    paging: Paging,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Show a message segment by segment, with our reading beside each field
    #[command(after_help = after_help("pentamer messages show 1024"))]
    Show(OneArgs),
    /// Write the exact bytes of a message to standard output
    #[command(after_help = after_help("pentamer messages raw 1024 > message.hl7"))]
    Raw(OneArgs),
    /// Read a message again by the tables in force, as if it came now
    #[command(after_help = after_help("pentamer messages again 1024"))]
    Again(OneArgs),
}

#[derive(Debug, clap::Args)]
struct OneArgs {
    /// Its position in the journal
    #[arg(value_name = "POSITION")]
    position: u64,
    #[command(flatten)]
    common: Common,
}

/// Searches, shows, writes or sends again; [`Exit::Failed`] where there is no such message,
/// [`Exit::TryAgain`] where the daemon is not reachable or not ready.
pub fn run(args: &Args) -> Exit {
    match &args.action {
        None => search(&args.search),
        Some(Action::Show(args)) => call(&args.common, &path(args, ""), None, whole, NOT_THERE),
        Some(Action::Raw(args)) => raw(args),
        Some(Action::Again(args)) => {
            let body = Some(json!({}));
            call(&args.common, &path(args, "/again"), body, again, NOT_THERE)
        }
    }
}

fn path(args: &OneArgs, end: &str) -> String {
    format!("/api/v1/messages/{}{end}", args.position)
}

fn search(args: &SearchArgs) -> Exit {
    let filters = [
        ("since", args.since.as_deref()),
        ("until", args.until.as_deref()),
        ("listener", args.listener.as_deref()),
        ("feed", args.feed.as_deref()),
        ("type", args.kind.as_deref()),
        ("control_id", args.control_id.as_deref()),
        ("patient", args.patient.as_deref()),
        ("outcome", args.outcome.as_deref()),
    ];
    let path = args.paging.of("/api/v1/messages", &filters);
    call(&args.common, &path, None, rows, NOT_THERE)
}

fn raw(args: &OneArgs) -> Exit {
    let (server, answer) = match ask(&args.common.daemon, &path(args, "/raw"), None) {
        Ok(answered) => answered,
        Err(exit) => return exit,
    };
    if answer.status != 200 {
        return refused(&server, &answer, NOT_THERE);
    }
    match std::io::stdout().write_all(&answer.body) {
        Ok(()) => Exit::Done,
        Err(error) => {
            complain(
                &format!("cannot write the message: {error}"),
                "standard output",
                "write it to a file with room",
            );
            Exit::Failed
        }
    }
}

/// The texts of a list.
fn texts<'v>(value: &'v Value, key: &str) -> impl Iterator<Item = &'v str> {
    let list = value.get(key).and_then(Value::as_array);
    list.into_iter().flatten().filter_map(Value::as_str)
}

/// One line a message.
fn rows(page: &Value) -> String {
    listed(page, "no messages", |out, row| {
        let patients: Vec<&str> = texts(row, "patients").collect();
        let _ = writeln!(
            out,
            "{:>10}  {}  {:11} {:8} {:20} {}  {}",
            number(row, "position"),
            text(row, "received_at"),
            text(row, "outcome"),
            text(row, "type"),
            text(row, "feed"),
            text(row, "control_id"),
            patients.join(" "),
        );
    })
}

/// A message with our reading.
fn whole(message: &Value) -> String {
    let mut out = String::new();
    let _ = writeln!(
        out,
        "{} {} from {} ({}) on {}, {} bytes, received {}",
        text(message, "type"),
        text(message, "control_id"),
        text(message, "feed"),
        text(message, "peer"),
        text(message, "listener"),
        number(message, "bytes"),
        text(message, "received_at"),
    );
    for key in texts(message, "patients") {
        let _ = writeln!(out, "patient {key}");
    }
    let view = message.get("message").unwrap_or(&Value::Null);
    if !text(view, "understood").is_empty() {
        let _ = writeln!(out, "taken for {}", text(view, "understood"));
    }
    let segments = view.get("segments").and_then(Value::as_array);
    for segment in segments.into_iter().flatten() {
        let _ = writeln!(
            out,
            "{}[{}] {}",
            text(segment, "name"),
            number(segment, "occurrence"),
            text(segment, "title")
        );
        for reading in texts(segment, "reading") {
            let _ = writeln!(out, "       = {reading}");
        }
        let fields = segment.get("fields").and_then(Value::as_array);
        for field in fields.into_iter().flatten() {
            let _ = writeln!(
                out,
                "  {:>3}  {}  ({})",
                number(field, "number"),
                text(field, "text"),
                text(field, "name")
            );
            for reading in texts(field, "reading") {
                let _ = writeln!(out, "       = {reading}");
            }
            for refused in texts(field, "refused") {
                let _ = writeln!(out, "       ! {refused}");
            }
        }
    }
    let quarantine = message.get("quarantine").and_then(Value::as_array);
    for entry in quarantine.into_iter().flatten() {
        out.push_str("quarantined: ");
        super::quarantine::refusal(&mut out, entry);
    }
    harmless(&out)
}

/// What became of sending it through again.
pub(super) fn again(answer: &Value) -> String {
    let at = number(answer, "message");
    if answer.get("folded").and_then(Value::as_bool) == Some(true) {
        format!("message {at} was read again\n")
    } else {
        format!("message {at} is recorded and will be read again\n")
    }
}

/// The positions of a page, each once.
pub(super) fn positions(page: &Value) -> Vec<u64> {
    let mut found: Vec<u64> = items(page)
        .iter()
        .map(|row| number(row, "position"))
        .collect();
    found.dedup();
    found
}
