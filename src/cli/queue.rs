//! `pentamer queue`: what waits at each sink, what was refused, and what to do about it.

use super::api::{
    Common, Paging, ask, call, harmless, items, listed, number, path_part, refused, tell, text,
};
use super::{Exit, after_help, complain, print};
use serde_json::{Value, json};
use std::fmt::Write as _;

const EXAMPLE: &str = "\
pentamer queue
  pentamer queue list pager
  pentamer queue dead pager
  pentamer queue requeue pager --all
  pentamer queue replay pager --since 2026-01-31
  pentamer queue test pager";

const NOT_THERE: &str = "`pentamer queue` names the sinks, `pentamer alerts` the alerts";

/// Show what waits at each sink, and send, test or give it again
#[derive(Debug, clap::Args)]
#[command(after_help = after_help(EXAMPLE), args_conflicts_with_subcommands = true)]
pub struct Args {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// What waits at a sink, in the order in which it goes
    #[command(after_help = after_help("pentamer queue list pager --limit 20"))]
    List(PageArgs),
    /// What a sink refused for good, with the reason
    #[command(after_help = after_help("pentamer queue dead pager"))]
    Dead(PageArgs),
    /// Give dead letters, or alerts by their ids, to a sink again
    #[command(after_help = after_help("pentamer queue requeue pager --reason 410"))]
    Requeue(RequeueArgs),
    /// Give a sink everything decided since a time, in order and with the same ids
    #[command(after_help = after_help("pentamer queue replay pager --since 2026-01-31T08:00:00Z"))]
    Replay(ReplayArgs),
    /// Send a marked test alert to a sink now, and tell how long it took
    #[command(after_help = after_help("pentamer queue test pager"))]
    Test(TestArgs),
}

#[derive(Debug, clap::Args)]
struct PageArgs {
    /// The sink's name
    #[arg(value_name = "SINK")]
    sink: String,
    #[command(flatten)]
    paging: Paging,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, clap::Args)]
struct RequeueArgs {
    /// The sink's name
    #[arg(value_name = "SINK")]
    sink: String,
    /// The alerts
    #[arg(value_name = "ID")]
    ids: Vec<String>,
    /// All dead letters
    #[arg(long, conflicts_with = "ids")]
    all: bool,
    /// Dead letters whose reason holds this text
    #[arg(long, value_name = "TEXT", conflicts_with_all = ["ids", "all"])]
    reason: Option<String>,
    /// Who asks
    #[arg(long, value_name = "NAME")]
    by: Option<String>,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, clap::Args)]
struct ReplayArgs {
    /// The sink's name
    #[arg(value_name = "SINK")]
    sink: String,
    /// From this time on
    #[arg(long, value_name = "TIME")]
    since: String,
    /// Who asks
    #[arg(long, value_name = "NAME")]
    by: Option<String>,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, clap::Args)]
struct TestArgs {
    /// The sink's name
    #[arg(value_name = "SINK")]
    sink: String,
    #[command(flatten)]
    common: Common,
}

/// Shows or acts; [`Exit::Failed`] where there is no such sink or alert or a test does not arrive,
/// [`Exit::TryAgain`] where the daemon is not reachable or not ready.
pub fn run(args: &Args) -> Exit {
    match &args.action {
        None => request(&args.common, "/api/v1/queue", None, sinks),
        Some(Action::List(args)) => page(args, ""),
        Some(Action::Dead(args)) => page(args, "/dead"),
        Some(Action::Requeue(args)) => requeue(args),
        Some(Action::Replay(args)) => {
            let body = json!({"since": args.since, "by": args.by});
            let path = path(&args.sink, "/replay");
            request(&args.common, &path, Some(body), count)
        }
        Some(Action::Test(args)) => test(args),
    }
}

fn path(sink: &str, end: &str) -> String {
    format!("/api/v1/queue/{}{end}", path_part(sink))
}

fn page(args: &PageArgs, end: &str) -> Exit {
    let path = args.paging.of(&path(&args.sink, end), &[]);
    request(&args.common, &path, None, rows)
}

fn requeue(args: &RequeueArgs) -> Exit {
    if args.ids.is_empty() && !args.all && args.reason.is_none() {
        complain(
            "nothing is named to be sent again",
            "`pentamer queue requeue`",
            "name alert ids, or give `--all` or `--reason`",
        );
        return Exit::Usage;
    }
    let body = json!({
        "alert_ids": args.ids,
        "all": args.all,
        "reason": args.reason,
        "by": args.by,
    });
    request(
        &args.common,
        &path(&args.sink, "/requeue"),
        Some(body),
        count,
    )
}

fn test(args: &TestArgs) -> Exit {
    let path = path(&args.sink, "/test");
    let (server, answer) = match ask(&args.common.daemon, &path, Some(json!({}))) {
        Ok(answered) => answered,
        Err(exit) => return exit,
    };
    match answer.status {
        200 => tell(&answer, args.common.json, tested),
        502 => {
            let value: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
            if args.common.json {
                print(&format!("{value:#}\n"));
            }
            complain(
                &format!(
                    "the test did not arrive: {}",
                    harmless(text(&value, "reason"))
                ),
                &format!("sink `{}`", args.sink),
                "mend the way to it and test again; alerts wait meanwhile",
            );
            Exit::Failed
        }
        _ => refused(&server, &answer, NOT_THERE),
    }
}

fn request(common: &Common, path: &str, body: Option<Value>, text: fn(&Value) -> String) -> Exit {
    call(common, path, body, text, NOT_THERE)
}

fn sinks(page: &Value) -> String {
    let mut out = String::new();
    for row in items(page) {
        let _ = write!(
            out,
            "{:20} {:8} {} waiting, {} dead",
            text(row, "sink"),
            text(row, "kind"),
            number(row, "waiting"),
            number(row, "dead")
        );
        if !text(row, "oldest").is_empty() {
            let _ = write!(out, ", oldest {}", text(row, "oldest"));
        }
        if !text(row, "failing_since").is_empty() {
            let since = text(row, "failing_since");
            let _ = write!(out, ", failing since {since}: {}", text(row, "last_error"));
        }
        out.push('\n');
    }
    harmless(&out)
}

fn rows(page: &Value) -> String {
    listed(page, "nothing", |out, row| {
        let _ = write!(
            out,
            "{}  {:9} {:13} {}",
            text(row, "at"),
            text(row, "severity"),
            text(row, "kind"),
            text(row, "alert_id")
        );
        if !text(row, "reason").is_empty() {
            let _ = write!(out, "  {}: {}", text(row, "dead_at"), text(row, "reason"));
        }
        out.push('\n');
    })
}

fn count(answer: &Value) -> String {
    let count = number(answer, "requeued").max(number(answer, "replayed"));
    format!("{count} to be sent again\n")
}

fn tested(answer: &Value) -> String {
    let seconds = answer.get("seconds").and_then(Value::as_f64);
    format!(
        "arrived at `{}` after {:.3} s\n",
        harmless(text(answer, "sink")),
        seconds.unwrap_or_default()
    )
}
