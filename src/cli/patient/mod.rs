//! `pentamer patient`: a patient as the running daemon has it, and the undo of a merge.

mod text;

use super::api::{Common, call, path_part};
use super::{Exit, after_help, complain};
use serde_json::json;

const NOT_THERE: &str = "`pentamer explain` on a message of the patient shows its key";

const EXAMPLE: &str = "\
pentamer patient HOSP:4711
  pentamer patient HOSP:4711 --json
  pentamer patient unmerge HOSP:4711 --from HOSP:4712 --comment \"two persons, see ticket 17\"

A key is `authority:id` as the messages have them (PID-3); an id that was merged away finds the
patient that it was merged into.";

/// Show a patient as the running daemon has it: identities, episodes, every result and why it
/// counts or does not
#[derive(Debug, clap::Args)]
#[command(
    after_help = after_help(EXAMPLE),
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true
)]
pub struct Args {
    /// The patient, `authority:id`
    #[arg(value_name = "KEY", required = true)]
    key: Option<String>,
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Take back the merge that joins two ids; it is recorded, and both are assessed anew
    #[command(after_help = after_help(
        "pentamer patient unmerge HOSP:4711 --from HOSP:4712 --comment \"two persons, see ticket 17\""
    ))]
    Unmerge(UnmergeArgs),
}

#[derive(Debug, clap::Args)]
struct UnmergeArgs {
    /// One of the two ids, `authority:id`
    #[arg(value_name = "KEY")]
    key: String,
    /// The id to part from it
    #[arg(long, value_name = "KEY")]
    from: String,
    /// Why the merge was wrong; kept with the undo
    #[arg(long, value_name = "TEXT")]
    comment: String,
    /// Who takes it back
    #[arg(long, value_name = "NAME")]
    by: Option<String>,
    #[command(flatten)]
    common: Common,
}

/// Shows or parts; [`Exit::Failed`] where there is no such patient or merge, [`Exit::TryAgain`] where
/// the daemon is not reachable or not ready.
pub fn run(args: &Args) -> Exit {
    match (&args.action, &args.key) {
        (Some(Action::Unmerge(args)), _) => unmerge(args),
        (None, Some(key)) => show(key, args),
        (None, None) => Exit::Usage,
    }
}

fn show(key: &str, args: &Args) -> Exit {
    let path = format!("/api/v1/patients/{}", path_part(key));
    call(&args.common, &path, None, text::patient, NOT_THERE)
}

fn unmerge(args: &UnmergeArgs) -> Exit {
    if args.comment.trim().is_empty() {
        complain(
            "the comment is blank",
            "`--comment`",
            "say why the merge was wrong: it is kept with the undo",
        );
        return Exit::Usage;
    }
    let path = format!("/api/v1/patients/{}/unmerge", path_part(&args.key));
    let body = json!({"from": args.from, "comment": args.comment, "by": args.by});
    call(&args.common, &path, Some(body), text::undone, NOT_THERE)
}
