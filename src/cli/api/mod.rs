//! What the commands share that ask the running daemon: which one, as whom, and what became of it.

mod client;

use super::{Exit, complain, environment, print};
use crate::config;
use crate::tls::Trust;
pub(super) use client::path_part;
use client::{Answer, Server};
use serde_json::Value;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};

/// How the answer is shown, and which daemon gives it.
#[derive(Debug, clap::Args)]
pub(super) struct Common {
    /// Print the API's JSON
    #[arg(long)]
    pub(super) json: bool,
    #[command(flatten)]
    pub(super) daemon: DaemonArgs,
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
    /// Authorities that the daemon's certificate must lead to, where `--server` is https; without it the system's
    #[arg(long, value_name = "FILE", requires = "server")]
    ca_file: Option<PathBuf>,
    /// File with a token of `[http] tokens`, where the daemon knows users
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
}

/// Which part of a list.
#[derive(Debug, clap::Args)]
pub(super) struct Paging {
    /// At most so many
    #[arg(long, value_name = "N", default_value_t = 50)]
    limit: usize,
    /// From what `next` of an earlier answer said
    #[arg(long, value_name = "CURSOR")]
    cursor: Option<String>,
}

impl Paging {
    /// A list's path with this part of it, and with the filters that are given.
    pub(super) fn of(&self, list: &str, filters: &[(&str, Option<&str>)]) -> String {
        page(list, self.limit, self.cursor.as_deref(), filters)
    }
}

/// A list's path with up to `limit` items behind a cursor, and with the filters that are given.
pub(super) fn page(
    list: &str,
    limit: usize,
    cursor: Option<&str>,
    filters: &[(&str, Option<&str>)],
) -> String {
    let mut path = format!("{list}?limit={limit}");
    for (name, value) in filters.iter().chain(&[("cursor", cursor)]) {
        if let Some(value) = value {
            path.push_str(&format!("&{name}={}", path_part(value)));
        }
    }
    path
}

/// A text of an object; empty where there is none.
pub(super) fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

/// A number of an object; 0 where there is none.
pub(super) fn number(value: &Value, key: &str) -> u64 {
    value.get(key).and_then(Value::as_u64).unwrap_or_default()
}

/// Asks and shows the answer; `not_there` is what helps where something is not there.
pub(super) fn call(
    common: &Common,
    path: &str,
    body: Option<Value>,
    text: fn(&Value) -> String,
    not_there: &str,
) -> Exit {
    match ask(&common.daemon, path, body) {
        Ok((_, answer)) if matches!(answer.status, 200..=202) => tell(&answer, common.json, text),
        Ok((server, answer)) => refused(&server, &answer, not_there),
        Err(exit) => exit,
    }
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

/// Asks; a complaint is made already where there is no answer.
pub(super) fn ask(
    daemon: &DaemonArgs,
    path: &str,
    body: Option<Value>,
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
    match runtime.block_on(server.ask(path, body.map(|body| body.to_string()))) {
        Ok(answer) => Ok((server, answer)),
        Err(error) => {
            complain(
                &format!("cannot ask the daemon: {error}"),
                &server.shown(),
                "is it running? name its HTTP address with `--server` or its `--config`",
            );
            Err(Exit::TryAgain)
        }
    }
}

impl DaemonArgs {
    /// The configuration file, where one is named.
    pub(super) fn config(&self) -> Option<&Path> {
        self.config.as_deref()
    }
}

/// Whether a daemon answers; a complaint is made already where none does.
pub(super) fn reached(daemon: &DaemonArgs) -> Result<(), Exit> {
    ask(daemon, "/healthz", None).map(drop)
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
        let Some(server) = Server::parse(url) else {
            complain(
                "not a server that can be asked",
                "`--server`",
                "write `http://host:port` or `https://host:port`, such as http://127.0.0.1:8025",
            );
            return Err(Exit::Usage);
        };
        return match &daemon.ca_file {
            None => Ok(server),
            Some(file) if server.has_tls() => Ok(server.with_trust(Trust::Authority(file.clone()))),
            Some(_) => {
                complain(
                    "an authority is named, and the server is not asked over TLS",
                    "`--ca-file`",
                    "write `--server https://…`, or leave `--ca-file` out",
                );
                Err(Exit::Usage)
            }
        };
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
    let server = Server::parse(&url).ok_or(Exit::Usage)?;
    Ok(match loaded.config.http.tls {
        // On this machine it is known which certificate it is.
        Some(files) => server.with_trust(Trust::Certificate(files.cert_file)),
        None => server,
    })
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

/// What the daemon said against it, and what helps where something is not there.
pub(super) fn refused(server: &Server, answer: &Answer, not_there: &str) -> Exit {
    let problem: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let told = |name: &str| problem.get(name).and_then(Value::as_str);
    let help = match answer.status {
        503 => "`/readyz` of the daemon says how far it is",
        404 => not_there,
        _ => "see `--help`",
    };
    complain(
        told("detail").unwrap_or("the daemon refused without a reason"),
        &format!("{}, status {}", server.shown(), answer.status),
        help,
    );
    match answer.status {
        400 | 422 => Exit::Usage,
        503 => Exit::TryAgain,
        _ => Exit::Failed,
    }
}

/// The rows of a page.
pub(super) fn items(page: &Value) -> &[Value] {
    let items = page.get("items").and_then(Value::as_array);
    items.map_or(&[], Vec::as_slice)
}

/// Texts from outside command no terminal.
pub(super) fn harmless(text: &str) -> String {
    let kept = |c: char| c == '\n' || !c.is_control();
    text.chars()
        .map(|c| if kept(c) { c } else { '\u{fffd}' })
        .collect()
}

/// Rows as text: `empty` where there is none, and where the next page begins.
pub(super) fn listed(page: &Value, empty: &str, row: fn(&mut String, &Value)) -> String {
    let mut out = String::new();
    for item in items(page) {
        row(&mut out, item);
    }
    if out.is_empty() {
        out = format!("{empty}\n");
    }
    if let Some(next) = page.get("next").and_then(Value::as_str) {
        out.push_str(&format!("more: --cursor {next}\n"));
    }
    harmless(&out)
}
