//! `pentamer mute`: page nobody for a patient or a rule for some time.

use super::api::{Common, call, harmless, items, path_part};
use super::{Exit, after_help, complain};
use crate::clock;
use crate::core::time::Span;
use serde_json::{Value, json};
use std::fmt::Write as _;

const EXAMPLE: &str = "\
pentamer mute list
  pentamer mute patient HOSP:4711 --for 30d --by jansen --reason \"known, under treatment\"
  pentamer mute rule other_pattern --for 7d --by jansen --reason \"new analyzer, see ticket 17\"
  pentamer mute lift m1700000000000000 --by jansen";

const NOT_THERE: &str = "`pentamer mute list` names the mutes that there are";

/// Page nobody for a patient or a rule for some time; the worklist shows everything meanwhile
#[derive(Debug, clap::Args)]
#[command(after_help = after_help(EXAMPLE))]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// The mutes that there are
    #[command(after_help = after_help("pentamer mute list --json"))]
    List(Common),
    /// Mute a patient, `authority:id`: urgent pages too
    #[command(after_help = after_help(
        "pentamer mute patient HOSP:4711 --for 30d --by jansen --reason \"under treatment\""
    ))]
    Patient(MuteArgs),
    /// Mute a classification or a kind of alert; urgent pages come all the same
    #[command(after_help = after_help(
        "pentamer mute rule other_pattern --for 7d --by jansen --reason \"new analyzer\""
    ))]
    Rule(MuteArgs),
    /// Lift a mute before its time
    #[command(after_help = after_help("pentamer mute lift m1700000000000000 --by jansen"))]
    Lift(LiftArgs),
}

#[derive(Debug, clap::Args)]
struct MuteArgs {
    /// The patient or the rule
    #[arg(value_name = "WHAT")]
    what: String,
    /// For how long, such as 30d
    #[arg(long = "for", value_name = "DURATION")]
    duration: humantime::Duration,
    /// Who wants it
    #[arg(long, value_name = "NAME")]
    by: String,
    /// Why
    #[arg(long, value_name = "TEXT")]
    reason: String,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, clap::Args)]
struct LiftArgs {
    /// The mute's id
    #[arg(value_name = "ID")]
    id: String,
    /// Who lifts it
    #[arg(long, value_name = "NAME")]
    by: Option<String>,
    #[command(flatten)]
    common: Common,
}

/// Lists, mutes or lifts.
pub fn run(args: &Args) -> Exit {
    match &args.action {
        Action::List(common) => request(common, "/api/v1/mutes", None, list),
        Action::Patient(args) => mute("patient", args),
        Action::Rule(args) => mute("rule", args),
        Action::Lift(args) => {
            let path = format!("/api/v1/mutes/{}/lift", path_part(&args.id));
            request(&args.common, &path, Some(json!({"by": args.by})), list)
        }
    }
}

fn mute(scope: &str, args: &MuteArgs) -> Exit {
    if args.reason.trim().is_empty() || args.by.trim().is_empty() {
        complain(
            "the reason or the author is blank",
            "`--reason`, `--by`",
            "say who mutes and why: it is kept with the mute",
        );
        return Exit::Usage;
    }
    let micros = i64::try_from(args.duration.as_micros()).unwrap_or(i64::MAX);
    let until = clock::now().plus(Span::micros(micros));
    let mut body = json!({"until": until.to_rfc3339(), "by": args.by, "reason": args.reason});
    if let Some(body) = body.as_object_mut() {
        body.insert(scope.to_owned(), Value::from(args.what.as_str()));
    }
    request(&args.common, "/api/v1/mutes", Some(body), one)
}

fn request(common: &Common, path: &str, body: Option<Value>, text: fn(&Value) -> String) -> Exit {
    call(common, path, body, text, NOT_THERE)
}

fn list(page: &Value) -> String {
    let mut out: String = items(page).iter().map(one).collect();
    if out.is_empty() {
        out.push_str("no mutes\n");
    }
    out
}

fn one(mute: &Value) -> String {
    let text = |key: &str| mute.get(key).and_then(Value::as_str).unwrap_or_default();
    let mut out = String::new();
    let over = mute.get("over").and_then(Value::as_bool) == Some(true);
    let _ = writeln!(
        out,
        "{}  {}{}  until {}{}  by {}: {}",
        text("id"),
        text("patient"),
        text("rule"),
        text("until"),
        if over { " (over)" } else { "" },
        text("by"),
        text("reason")
    );
    harmless(&out)
}
