//! `pentamer quarantine`: what was not understood, why, what would mend it, and reading it again.

use super::api::{Common, Paging, ask, call, listed, page, refused, tell, text};
use super::messages::{again, positions};
use super::{Exit, after_help, complain, print};
use serde_json::{Value, json};
use std::fmt::Write as _;

const EXAMPLE: &str = "\
pentamer quarantine
  pentamer quarantine --reason unknown_code --feed LAB/HOSP
  pentamer quarantine retry 1024
  pentamer quarantine retry --all --reason unknown_code";

const NOT_THERE: &str = "`pentamer quarantine` lists the ids of what is in it";

const LIST: &str = "/api/v1/quarantine";

/// Entries of a page while all are retried.
const AT_ONCE: usize = 200;

/// List what the running daemon did not understand, or have it read again after a change of the tables
#[derive(Debug, clap::Args)]
#[command(after_help = after_help(EXAMPLE), args_conflicts_with_subcommands = true)]
pub struct Args {
    #[command(flatten)]
    list: ListArgs,
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Debug, clap::Args)]
struct Filter {
    /// Only for this reason, such as `no_unit` or `unknown_code`
    #[arg(long, value_name = "REASON")]
    reason: Option<String>,
    /// Only from this listener
    #[arg(long, value_name = "NAME")]
    listener: Option<String>,
    /// Only from this feed, MSH-3/MSH-4
    #[arg(long, value_name = "FEED")]
    feed: Option<String>,
    /// Received at or after this time
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Received before this time
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
}

impl Filter {
    fn named(&self) -> [(&str, Option<&str>); 5] {
        [
            ("reason", self.reason.as_deref()),
            ("listener", self.listener.as_deref()),
            ("feed", self.feed.as_deref()),
            ("since", self.since.as_deref()),
            ("until", self.until.as_deref()),
        ]
    }
}

#[derive(Debug, clap::Args)]
struct ListArgs {
    #[command(flatten)]
    filter: Filter,
    #[command(flatten)]
    paging: Paging,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Read messages again by the tables in force, as if they came now
    #[command(after_help = after_help("pentamer quarantine retry --all --reason unknown_code"))]
    Retry(RetryArgs),
}

#[derive(Debug, clap::Args)]
struct RetryArgs {
    /// Ids of what is in the quarantine
    #[arg(value_name = "ID", conflicts_with_all = ["all", "reason", "listener", "feed", "since", "until"])]
    ids: Vec<u64>,
    /// Everything that the filters let through
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    filter: Filter,
    #[command(flatten)]
    common: Common,
}

/// Lists or retries; [`Exit::Failed`] where there is no such entry, [`Exit::TryAgain`] where the daemon is not
/// reachable or not ready.
pub fn run(args: &Args) -> Exit {
    match &args.action {
        None => {
            let list = &args.list;
            let path = list.paging.of(LIST, &list.filter.named());
            call(&list.common, &path, None, rows, NOT_THERE)
        }
        Some(Action::Retry(args)) => retry(args),
    }
}

fn retry(args: &RetryArgs) -> Exit {
    let ids = if args.all {
        match found(args) {
            Ok(ids) => ids,
            Err(exit) => return exit,
        }
    } else if args.ids.is_empty() {
        complain(
            "nothing is named to be read again",
            "`pentamer quarantine retry`",
            "name ids, or give `--all` with or without filters",
        );
        return Exit::Usage;
    } else {
        args.ids.clone()
    };
    if ids.is_empty() {
        print("nothing to read again\n");
        return Exit::Done;
    }
    for id in ids {
        let path = format!("/api/v1/quarantine/{id}/retry");
        let exit = match ask(&args.common.daemon, &path, Some(json!({}))) {
            Ok((_, answer)) if matches!(answer.status, 200..=202) => {
                tell(&answer, args.common.json, again)
            }
            Ok((server, answer)) => refused(&server, &answer, NOT_THERE),
            Err(exit) => exit,
        };
        if exit != Exit::Done {
            return exit;
        }
    }
    Exit::Done
}

/// All ids that the filters let through, oldest first: in the order in which they came.
fn found(args: &RetryArgs) -> Result<Vec<u64>, Exit> {
    let mut ids = Vec::new();
    let mut cursor: Option<String> = None;
    loop {
        let path = page(LIST, AT_ONCE, cursor.as_deref(), &args.filter.named());
        let (server, answer) = ask(&args.common.daemon, &path, None)?;
        if answer.status != 200 {
            return Err(refused(&server, &answer, NOT_THERE));
        }
        let page: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        ids.extend(positions(&page));
        match page.get("next").and_then(Value::as_str) {
            Some(next) => cursor = Some(next.to_owned()),
            None => break,
        }
    }
    ids.sort_unstable();
    ids.dedup();
    Ok(ids)
}

/// Why, where, and what would mend it.
pub(super) fn refusal(out: &mut String, entry: &Value) {
    let _ = writeln!(
        out,
        "{} at {}: {}",
        text(entry, "reason"),
        text(entry, "place"),
        text(entry, "remedy")
    );
}

fn rows(page: &Value) -> String {
    listed(page, "everything was understood", |out, row| {
        let _ = write!(
            out,
            "{:>10}  {}  {:20} {}  ",
            text(row, "id"),
            text(row, "received_at"),
            text(row, "feed"),
            text(row, "control_id"),
        );
        refusal(out, row);
    })
}

#[cfg(test)]
mod tests {
    use super::{Filter, LIST, page, rows};
    use serde_json::json;

    #[test]
    fn filters_become_a_query_and_rows_say_what_would_help() {
        let filter = Filter {
            reason: Some("no_unit".to_owned()),
            listener: None,
            feed: Some("LAB/HOSP".to_owned()),
            since: None,
            until: None,
        };
        assert_eq!(
            page(LIST, 50, Some("7"), &filter.named()),
            "/api/v1/quarantine?limit=50&reason=no_unit&feed=LAB%2FHOSP&cursor=7"
        );
        let row = json!({"id": "9", "reason": "no_unit", "place": "OBX[1]-6 units", "remedy": "fill\u{1b}[2J it"});
        let shown = rows(&json!({"items": [row], "next": null}));
        assert!(
            shown.contains("no_unit at OBX[1]-6 units: fill\u{fffd}[2J it"),
            "{shown}"
        );
        assert_eq!(rows(&json!({"items": []})), "everything was understood\n");
    }
}
