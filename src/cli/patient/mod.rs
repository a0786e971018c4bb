//! `pentamer patient`: a patient as the running daemon has it, and the undo of a merge.

mod client;
mod text;

use super::{Exit, after_help, complain, environment, print};
use crate::config;
pub(super) use client::{Answer, Server, path_part};
use serde_json::{Value, json};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;

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
    /// Print the API's JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    daemon: DaemonArgs,
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
    /// Print the API's JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    daemon: DaemonArgs,
}

/// Which daemon is asked.
#[derive(Debug, clap::Args)]
pub(super) struct DaemonArgs {
    /// Where the daemon's HTTP is; without it the configuration's `[http] bind`
    #[arg(long, value_name = "URL")]
    server: Option<String>,
    /// The daemon's configuration file; without it /etc/pentamer/pentamer.toml if there, else http://127.0.0.1:8025
    #[arg(long, value_name = "FILE", conflicts_with = "server")]
    config: Option<PathBuf>,
    /// File with a token of `[http] tokens`, where the daemon knows users
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
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
    let (server, answer) = match ask(&args.daemon, &path, None) {
        Ok(answered) => answered,
        Err(exit) => return exit,
    };
    if answer.status != 200 {
        return refused(&server, &answer);
    }
    tell(&answer, args.json, text::patient)
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
    let (server, answer) = match ask(&args.daemon, &path, Some(body.to_string())) {
        Ok(answered) => answered,
        Err(exit) => return exit,
    };
    if !matches!(answer.status, 200 | 202) {
        return refused(&server, &answer);
    }
    tell(&answer, args.json, text::undone)
}

/// The answer as it came, or as text.
pub(super) fn tell(answer: &Answer, as_json: bool, text: fn(&Value) -> String) -> Exit {
    let Ok(value) = serde_json::from_slice::<Value>(&answer.body) else {
        complain(
            "the answer is not JSON",
            "the daemon's HTTP",
            "is it Pentamer that answers there?",
        );
        return Exit::Failed;
    };
    if as_json {
        print(&format!("{value:#}\n"));
    } else {
        print(&text(&value));
    }
    Exit::Done
}

pub(super) fn ask(
    daemon: &DaemonArgs,
    path: &str,
    body: Option<String>,
) -> Result<(Server, Answer), Exit> {
    let server = server(daemon)?.with_token(token(daemon)?);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| {
            complain(
                &format!("cannot start the runtime: {error}"),
                "this process",
                "the machine is out of threads or memory",
            );
            Exit::CannotStart
        })?;
    match runtime.block_on(server.ask(path, body)) {
        Ok(answer) => Ok((server, answer)),
        Err(error) => {
            complain(
                &format!("cannot ask the daemon: {error}"),
                &format!("http://{}", server.shown()),
                "is it running? name its HTTP address with `--server` or its `--config`",
            );
            Err(Exit::TryAgain)
        }
    }
}

/// The token of `--token-file`.
fn token(daemon: &DaemonArgs) -> Result<Option<String>, Exit> {
    let Some(path) = &daemon.token_file else {
        return Ok(None);
    };
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text.trim().to_owned())),
        Err(error) => {
            complain(
                &format!("cannot read the token: {error}"),
                &format!("`--token-file {}`", path.display()),
                "`pentamer hash-password --token` makes a token: keep its first line there",
            );
            Err(Exit::Usage)
        }
    }
}

fn server(daemon: &DaemonArgs) -> Result<Server, Exit> {
    if let Some(url) = &daemon.server {
        return Server::parse(url).ok_or_else(|| {
            complain(
                "not a server that can be asked",
                "`--server`",
                "write `http://host:port`, such as http://127.0.0.1:8025",
            );
            Exit::Usage
        });
    }
    let loaded = config::load(daemon.config.as_deref(), environment()).map_err(|problems| {
        eprint!("{problems}");
        Exit::Usage
    })?;
    let bind = loaded.config.http.bind;
    if bind.port() == 0 {
        complain(
            "the daemon takes a free port, which one is not known here",
            "`[http] bind`",
            "name it with `--server`; the daemon logs it and `run --print-ports` writes it",
        );
        return Err(Exit::Usage);
    }
    let url = format!("http://{}", reachable(bind));
    Server::parse(&url).ok_or(Exit::Usage)
}

/// Where something bound to this address is reached from this machine.
fn reachable(bind: SocketAddr) -> SocketAddr {
    let ip = match bind.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, bind.port())
}

/// What the daemon said against it.
pub(super) fn refused(server: &Server, answer: &Answer) -> Exit {
    let help = "`pentamer explain` on a message of the patient shows its key";
    refused_with(server, answer, help)
}

/// The same, with what helps where something is not there.
pub(super) fn refused_with(server: &Server, answer: &Answer, not_there: &str) -> Exit {
    let problem: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let told = |name: &str| problem.get(name).and_then(Value::as_str);
    let help = match answer.status {
        503 => "`/readyz` of the daemon says how far it is",
        404 => not_there,
        _ => "see `--help`",
    };
    complain(
        told("detail").unwrap_or("the daemon refused without a reason"),
        &format!("http://{}, status {}", server.shown(), answer.status),
        help,
    );
    match answer.status {
        400 | 422 => Exit::Usage,
        503 => Exit::TryAgain,
        _ => Exit::Failed,
    }
}
