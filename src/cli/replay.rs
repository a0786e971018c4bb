//! `pentamer replay`: archives into a running or a stopped daemon, to prime what it knows of its patients.

use super::api::{Common, ask, items, reached, refused};
use super::journal::{keys_of, unreadable};
use super::{Exit, after_help, complain, environment, print};
use crate::archive::{self, Chunks, Part, Reading, folder, kept, messages};
use crate::clock;
use crate::cluster;
use crate::config;
use crate::engine::prime::{self, Terms};
use crate::journal::{self, Appender, OsDisk};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

const EXAMPLE: &str = "\
pentamer replay archive/ --listener lab
  zstdcat 2025.zst | pentamer replay - --by jansen
  systemctl stop pentamer && pentamer replay 2024/ --offline && systemctl start pentamer

What is found is told on the worklist and pages nobody, now or later, but with --page. The same archive may be
given again: what is there already counts as another copy, so an interrupted run is simply repeated.";

const NOT_THERE: &str = "is it a daemon of this version?";

/// Bytes of one request, but for a message that is larger.
const BYTES_AT_ONCE: usize = 1 << 20;

/// How long the daemon may take to decide over the last of it.
const DECIDED_WITHIN: Duration = Duration::from_secs(120);

/// Bring messages of archives into the daemon, to prime what it knows of its patients; pages nobody
#[derive(Debug, clap::Args)]
#[command(after_help = after_help(EXAMPLE))]
pub struct Args {
    /// Files with messages, raw, in MLLP frames or batches, also .gz and .zst; folders with all that is
    /// in them; `-` is stdin
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// The listener whose feed the archive is of; without it the configuration's first
    #[arg(long, value_name = "NAME")]
    listener: Option<String>,
    /// What is found may page, by the rules of the feed: also by its age
    #[arg(long)]
    page: bool,
    /// Into the data directory of a daemon that is stopped; it folds and decides when it starts
    #[arg(long, conflicts_with_all = ["server", "token_file"])]
    offline: bool,
    /// Who asks
    #[arg(long, value_name = "NAME")]
    by: Option<String>,
    /// No progress bar
    #[arg(long, short)]
    quiet: bool,
    #[command(flatten)]
    common: Common,
}

/// What became of the messages so far.
#[derive(Debug, Default)]
struct Sum {
    stored: u64,
    again: u64,
    unreadable: u64,
    files_failed: usize,
}

/// Replays; [`Exit::Failed`] where a file or a message could not be read, [`Exit::TryAgain`] where the daemon is not
/// reachable, [`Exit::CannotStart`] where with `--offline` one works on the directory.
pub fn run(args: &Args) -> Exit {
    let begun = clock::now();
    let mut sum = Sum::default();
    let done = if args.offline {
        offline(args, &mut sum)
    } else {
        online(args, &mut sum)
    };
    let told = match done {
        Ok(()) if args.offline => Some(Vec::new()),
        Ok(()) => changes(args, &begun.to_rfc3339()),
        Err(exit) => {
            complain(
                &format!("ended early: {} messages are stored", sum.stored),
                "this archive",
                "give the same command again: what is stored counts as another copy",
            );
            return exit;
        }
    };
    print(&said(args, &sum, told.as_deref()));
    if sum.files_failed > 0 || sum.unreadable > 0 {
        Exit::Failed
    } else {
        Exit::Done
    }
}

/// The listener: that of `--listener`, else the configuration's first.
fn listener(args: &Args) -> Result<String, Exit> {
    match &args.listener {
        Some(name) => Ok(name.clone()),
        None => {
            let config = loaded(args)?;
            let first = config.listeners.first().map(|one| one.name.clone());
            Ok(first.unwrap_or_else(|| "lab".to_owned()))
        }
    }
}

fn loaded(args: &Args) -> Result<config::Config, Exit> {
    match config::load(args.common.daemon.config(), environment()) {
        Ok(loaded) => Ok(loaded.config),
        Err(problems) => {
            eprint!("{problems}");
            Err(Exit::Usage)
        }
    }
}

fn online(args: &Args, sum: &mut Sum) -> Result<(), Exit> {
    let listener = listener(args)?;
    // Whether it is there, before a large archive is opened.
    reached(&args.common.daemon)?;
    each_group(args, sum, &mut |contents, sum| {
        let messages: Vec<String> = contents.iter().map(|one| STANDARD.encode(one)).collect();
        let body = json!({
            "listener": listener,
            "messages": messages,
            "page": args.page,
            "by": args.by,
        });
        let (server, answer) = ask(&args.common.daemon, "/api/v1/replay", Some(body))?;
        if !matches!(answer.status, 200..=202) {
            return Err(refused(&server, &answer, NOT_THERE));
        }
        let value: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        let number = |name: &str| value.get(name).and_then(Value::as_u64).unwrap_or_default();
        sum.stored += number("stored");
        sum.again += number("again");
        sum.unreadable += number("unreadable");
        Ok(())
    })
}

fn offline(args: &Args, sum: &mut Sum) -> Result<(), Exit> {
    let config = loaded(args)?;
    let dir = config.storage.dir.clone();
    let options = journal::Options {
        keys: keys_of(config.storage.encryption_key_file.as_deref())?,
        segment_size: config.storage.segment_size,
        reserve: config.storage.reserve,
        ..journal::Options::new(&dir, clock::now)
    };
    if config.cluster.is_some() || cluster::is_of_a_stream(&dir) {
        complain(
            "the facts of this directory are in a stream",
            &dir.display().to_string(),
            "give the archive to a running instance: without --offline",
        );
        return Err(Exit::Usage);
    }
    let opened = journal::open(Arc::new(OsDisk), options);
    let (journal, _) = opened.map_err(|error| unreadable(&dir, &error))?;
    let (appender, writer) = journal.start();
    let terms = Terms {
        listener: listener(args)?,
        page: args.page,
        by: args.by.clone().unwrap_or_else(|| "local".to_owned()),
    };
    let done = each_group(args, sum, &mut |contents, sum| {
        append(&appender, contents, &terms, &dir, sum)
    });
    drop(appender);
    writer.join();
    done
}

fn append(
    appender: &Appender,
    contents: Vec<Bytes>,
    terms: &Terms,
    dir: &Path,
    sum: &mut Sum,
) -> Result<(), Exit> {
    let group = prime::group(contents, terms, clock::now());
    let messages = group.messages as u64;
    sum.unreadable += group.unreadable as u64;
    let stored = appender.append_blocking(group.drafts).map_err(|error| {
        complain(
            &format!("cannot store: {error}"),
            &dir.display().to_string(),
            "see that the directory can be written and has the space",
        );
        Exit::Failed
    })?;
    let again = stored
        .iter()
        .filter(|one| one.duplicate_of.is_some())
        .count() as u64;
    sum.again += again;
    sum.stored += messages.saturating_sub(again);
    Ok(())
}

type Store<'s> = &'s mut dyn FnMut(Vec<Bytes>, &mut Sum) -> Result<(), Exit>;

/// Gives all messages in groups, file by file.
fn each_group(args: &Args, sum: &mut Sum, store: Store<'_>) -> Result<(), Exit> {
    let mut files = Vec::new();
    for path in &args.files {
        if path.is_dir() {
            files.extend(folder::files(path));
        } else {
            files.push(Ok(path.clone()));
        }
    }
    let bar = bar(&files, args.quiet);
    let read = Reading::default();
    for file in files {
        let path = match file {
            Ok(path) => path,
            Err(error) => {
                failed(sum, &error, "a folder");
                continue;
            }
        };
        match one_file(&path, &read, sum, store, &bar)? {
            Ok(()) => {}
            Err(error) => failed(sum, &error, &format!("`{}`", path.display())),
        }
    }
    bar.finish_and_clear();
    Ok(())
}

fn failed(sum: &mut Sum, error: &std::io::Error, place: &str) {
    complain(
        &format!("cannot read on: {error}"),
        place,
        "the rest goes on; mend it and give it again",
    );
    sum.files_failed += 1;
}

/// One file; the outer error ends all of it.
fn one_file(
    path: &Path,
    read: &Reading,
    sum: &mut Sum,
    store: Store<'_>,
    bar: &ProgressBar,
) -> Result<std::io::Result<()>, Exit> {
    let source = match archive::open(path, read) {
        Ok(source) => source,
        Err(error) => return Ok(Err(error)),
    };
    let mut chunks = Chunks::new(source);
    loop {
        let chunk = match chunks.next_chunk() {
            Ok(Some(chunk)) => chunk,
            Ok(None) => return Ok(Ok(())),
            Err(error) => return Ok(Err(error)),
        };
        let mut found = Vec::new();
        let mut unreadable = 0;
        messages(&chunk, |part| match part {
            Part::Message(raw) => found.push(kept(&chunk, raw)),
            Part::Refused(_) => unreadable += 1,
        });
        sum.unreadable += unreadable;
        let mut group = Vec::new();
        let mut size = 0;
        for message in found {
            if !group.is_empty()
                && (group.len() >= prime::AT_ONCE || size + message.len() > BYTES_AT_ONCE)
            {
                store(std::mem::take(&mut group), sum)?;
                size = 0;
            }
            size += message.len();
            group.push(message);
        }
        if !group.is_empty() {
            store(group, sum)?;
        }
        bar.set_position(read.bytes());
        bar.set_message(format!("{} messages", sum.stored + sum.again));
    }
}

/// A bar on stderr, only where a person looks.
fn bar(files: &[std::io::Result<PathBuf>], quiet: bool) -> ProgressBar {
    use std::io::IsTerminal as _;
    if quiet || !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let known = files.iter().flatten().map(|file| file.metadata());
    let total: std::io::Result<u64> = known.map(|about| about.map(|about| about.len())).sum();
    let (bar, form) = match total {
        Ok(total) => (
            ProgressBar::new(total),
            "{bar:30} {bytes}/{total_bytes}  {bytes_per_sec}  {eta} left  {msg}",
        ),
        Err(_) => (
            ProgressBar::new_spinner(),
            "{spinner} {bytes}  {bytes_per_sec}  {msg}",
        ),
    };
    match ProgressStyle::with_template(form) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

/// What was told since it began, by kind and delivery; `None` where that cannot be known yet.
fn changes(args: &Args, since: &str) -> Option<Vec<((String, String), u64)>> {
    let until = clock::monotonic() + DECIDED_WITHIN;
    loop {
        let (_, answer) = ask(&args.common.daemon, "/metrics", None).ok()?;
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        let zero = |name: &str| text.lines().any(|line| line == format!("{name} 0"));
        if zero("pentamer_fold_lag_records") && zero("pentamer_undecided_patients") {
            break;
        }
        if clock::monotonic() >= until {
            return None;
        }
        std::thread::park_timeout(Duration::from_millis(200));
    }
    let mut counts: BTreeMap<(String, String), u64> = BTreeMap::new();
    let mut path = format!("/api/v1/alerts?limit=1000&since={since}");
    loop {
        let (_, answer) = ask(&args.common.daemon, &path, None).ok()?;
        let page: Value = serde_json::from_slice(&answer.body).ok()?;
        for item in items(&page) {
            let word = |pointer: &str| {
                let found = item.pointer(pointer).and_then(Value::as_str);
                found.unwrap_or_default().to_owned()
            };
            let key = (word("/alert/data/kind"), word("/alert/data/delivery"));
            *counts.entry(key).or_default() += 1;
        }
        match page.get("next").and_then(Value::as_str) {
            Some(next) => {
                path = format!("/api/v1/alerts?limit=1000&since={since}&cursor={next}");
            }
            None => return Some(counts.into_iter().collect()),
        }
    }
}

fn said(args: &Args, sum: &Sum, told: Option<&[((String, String), u64)]>) -> String {
    if args.common.json {
        let told = told.map(|told| {
            let rows = told.iter().map(|((kind, delivery), count)| {
                json!({"kind": kind, "delivery": delivery, "count": count})
            });
            rows.collect::<Vec<_>>()
        });
        let all = json!({
            "stored": sum.stored,
            "again": sum.again,
            "unreadable": sum.unreadable,
            "files_failed": sum.files_failed,
            "told": told,
        });
        return format!("{all:#}\n");
    }
    let mut out = format!(
        "{} messages stored, {} were there already, {} could not be read\n",
        sum.stored, sum.again, sum.unreadable
    );
    match told {
        _ if args.offline => out.push_str("the daemon folds and decides when it starts\n"),
        None => {
            out.push_str("the daemon is still deciding: `pentamer alerts` shows what comes of it\n")
        }
        Some([]) => out.push_str("nothing was told meanwhile\n"),
        Some(told) => {
            out.push_str("told meanwhile:\n");
            for ((kind, delivery), count) in told {
                let _ = writeln!(out, "  {kind}, {delivery}: {count}");
            }
        }
    }
    out
}
