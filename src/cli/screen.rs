//! `pentamer screen`: what Pentamer would have found in archives.

use super::{Exit, after_help, complain, environment, print};
use crate::archive::folder;
use crate::clock;
use crate::config::{self, PhiLevel};
use crate::core::policy::Policy;
use crate::screen::report::{self, Report};
use crate::screen::{Input, Progress, Screened, reads_alike, screen};
use indicatif::{ProgressBar, ProgressStyle};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot::Receiver;

/// Look through archives for isolated low IgM, without a daemon: what would have been found and told
#[derive(Debug, clap::Args)]
#[command(after_help = after_help(
    "pentamer screen archive/ --report report.html --report cases.csv\n  \
     zstdcat 2025.zst | pentamer screen - --phi none --report share.html"
))]
pub struct Args {
    /// Files with messages, raw, in MLLP frames or batches, also .gz and .zst; folders with all that is
    /// in them; `-` is stdin
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// Write a report; by its name HTML (`.html`), JSON (`.json`) or CSV (`.csv`), and it may be given
    /// more than once. Without one a summary is printed
    #[arg(long, value_name = "FILE")]
    report: Vec<PathBuf>,
    /// Configuration file with the site's tables; without it /etc/pentamer/pentamer.toml if there, else the defaults
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// A second configuration file: what its `[detection]` and tables would find instead
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// How much of patients a report may tell; `none` for sharing: cases have a number and nothing else
    #[arg(long, value_name = "LEVEL", default_value = "full", value_parser = level)]
    phi: PhiLevel,
    /// Memory for what is kept of patients; the rest goes to files without a name
    #[arg(long, value_name = "SIZE", default_value = "256 MiB", value_parser = size)]
    memory: usize,
    /// Folder for these files; by default the system's for temporary files
    #[arg(long, value_name = "DIR")]
    spill: Option<PathBuf>,
    /// Threads; by default one a core
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    jobs: Option<u16>,
    /// Read the messages as those of this listener
    #[arg(long, value_name = "NAME")]
    listener: Option<String>,
    /// Neither progress nor summary
    #[arg(long, short)]
    quiet: bool,
}

fn level(text: &str) -> Result<PhiLevel, String> {
    match text {
        "full" => Ok(PhiLevel::Full),
        "minimum" => Ok(PhiLevel::Minimum),
        "none" => Ok(PhiLevel::None),
        _ => Err("expected `full`, `minimum` or `none`".to_owned()),
    }
}

fn size(text: &str) -> Result<usize, String> {
    text.parse::<bytesize::ByteSize>()
        .ok()
        .and_then(|size| usize::try_from(size.as_u64()).ok())
        .filter(|size| *size >= 4 << 10)
        .ok_or_else(|| "expected a size of at least 4 KiB, such as `256 MiB`".to_owned())
}

/// The forms of a report, by the end of its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Html,
    Json,
    Csv,
}

impl Form {
    fn of(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
            "html" | "htm" => Some(Self::Html),
            "json" => Some(Self::Json),
            "csv" => Some(Self::Csv),
            _ => None,
        }
    }
}

/// Screens; [`Exit::Failed`] where a file could not be read or holds no message, or it was interrupted.
pub fn run(args: &Args) -> Exit {
    for path in &args.report {
        if Form::of(path).is_none() {
            complain(
                "the form of the report is not known",
                &format!("`{}`", path.display()),
                "end its name in .html, .json or .csv",
            );
            return Exit::Usage;
        }
    }
    let Some((policy, first)) = load(args.config.as_deref()) else {
        return Exit::Usage;
    };
    let other = match &args.policy {
        None => None,
        Some(path) => match load(Some(path)) {
            // Who and where stay the same: a site's name is part of every id.
            Some((other, _)) => Some(Policy {
                site: policy.site.clone(),
                listeners: policy.listeners.clone(),
                ..other
            }),
            None => return Exit::Usage,
        },
    };
    let reads_twice = other
        .as_ref()
        .is_some_and(|other| !reads_alike(&policy, other));
    if reads_twice && args.files.iter().any(|file| file == Path::new("-")) {
        complain(
            "the two policies read messages differently, and standard input can be read only once",
            "`--policy`",
            "put the messages into a file, and name that",
        );
        return Exit::Usage;
    }
    let (files, mut good) = files(&args.files);
    let listener = args.listener.clone().unwrap_or(first);
    let spill = args.spill.clone().unwrap_or_else(std::env::temp_dir);
    let progress = Arc::new(Progress::default());
    let bar = bar(&files, args.quiet, reads_twice);
    let input = Input {
        files,
        listener: listener.clone(),
        memory: args.memory,
        spill: spill.clone(),
        jobs: jobs(args.jobs),
        now: clock::now(),
        progress: Arc::clone(&progress),
    };
    let work = {
        let policy = policy.clone();
        move || screen(&input, &policy, other.as_ref())
    };
    let screened = watched(work, &progress, &bar);
    bar.finish_and_clear();
    let screened = match screened {
        Ok(Some(screened)) => screened,
        Ok(None) => {
            eprintln!("interrupted: no report was made");
            return Exit::Failed;
        }
        Err(error) => {
            complain(
                &format!("what does not fit into memory cannot be kept: {error}"),
                &format!("`{}`", spill.display()),
                "make room there, name another folder with --spill, or raise --memory",
            );
            return Exit::Failed;
        }
    };
    good &= told_of_files(&screened, &args.files);
    let name = |path: &Option<PathBuf>| {
        path.as_ref()
            .and_then(|path| Some(path.file_name()?.to_string_lossy().into_owned()))
    };
    let (one, second) = (
        name(&args.config).unwrap_or_else(|| "the policy in force".to_owned()),
        name(&args.policy),
    );
    let report = Report {
        screened: &screened,
        policy: &policy,
        listener: &listener,
        names: (&one, second.as_deref()),
        level: args.phi,
    };
    for path in &args.report {
        good &= write(path, &report);
    }
    let has_one = !args.report.is_empty();
    if !args.quiet && has_one {
        eprint!("{}", report::summary(&report));
    } else if !args.quiet {
        print(&report::summary(&report));
    }
    if good { Exit::Done } else { Exit::Failed }
}

fn load(path: Option<&Path>) -> Option<(Policy, String)> {
    match config::load(path, environment()) {
        Ok(loaded) => {
            let first = loaded.config.listeners.first();
            let first = first.map(|one| one.name.clone()).unwrap_or_default();
            Some((loaded.config.policy(), first))
        }
        Err(problems) => {
            eprint!("{problems}");
            None
        }
    }
}

fn jobs(asked: Option<u16>) -> usize {
    asked.map_or_else(
        || std::thread::available_parallelism().map_or(1, usize::from),
        usize::from,
    )
}

/// Files of all that is named, and whether all of it could be listed.
fn files(named: &[PathBuf]) -> (Vec<PathBuf>, bool) {
    let (mut files, mut good) = (Vec::new(), true);
    for name in named {
        if !name.is_dir() {
            files.push(name.clone());
            continue;
        }
        for file in folder::files(name) {
            match file {
                Ok(file) => files.push(file),
                Err(error) => {
                    complain(
                        &format!("cannot read all of the folder: {error}"),
                        &name.display().to_string(),
                        "make its files and folders readable",
                    );
                    good = false;
                }
            }
        }
    }
    (files, good)
}

/// Names what could not be read, and what holds no message; whether all of it was good. A folder holds
/// other things too; only what a person names must be an archive.
fn told_of_files(screened: &Screened, named: &[PathBuf]) -> bool {
    for (path, why) in &screened.unreadable {
        complain(
            &format!("cannot read the file to its end: {why}"),
            &path.display().to_string(),
            "what was read before that is in the report; mend the file and screen again",
        );
    }
    let (named, others): (Vec<_>, Vec<_>) = screened
        .without
        .iter()
        .partition(|one| named.contains(&one.path));
    for one in &named {
        let what = match one.why {
            None => "the file holds no message".to_owned(),
            Some(why) => format!(
                "the file holds no message that can be read ({})",
                why.word()
            ),
        };
        complain(
            &what,
            &one.path.display().to_string(),
            "name a file with HL7 messages; of a folder, files without one are passed over",
        );
    }
    match others.as_slice() {
        [] => {}
        [one] => eprintln!("holds no message: {}", one.path.display()),
        [first, ..] => eprintln!(
            "hold no message: {} files, such as {}",
            others.len(),
            first.path.display()
        ),
    }
    screened.unreadable.is_empty() && named.is_empty()
}

/// Writes a report; it is for its owner only.
fn write(path: &Path, report: &Report<'_>) -> bool {
    let content = match Form::of(path) {
        Some(Form::Json) => format!("{:#}\n", report::json(report)),
        Some(Form::Csv) => report::csv(report),
        Some(Form::Html) | None => match report::html(report) {
            Ok(html) => html,
            Err(error) => {
                complain(
                    &error.to_string(),
                    &path.display().to_string(),
                    "report this",
                );
                return false;
            }
        },
    };
    let written = std::fs::File::create(path).and_then(|mut file| {
        file.write_all(content.as_bytes())?;
        file.flush()
    });
    match written {
        Ok(()) => true,
        Err(error) => {
            complain(
                &format!("cannot write the report: {error}"),
                &path.display().to_string(),
                "name a file that can be written",
            );
            false
        }
    }
}

/// A bar on stderr, only where a person looks.
fn bar(files: &[PathBuf], quiet: bool, twice: bool) -> ProgressBar {
    use std::io::IsTerminal as _;
    if quiet || !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let known = files
        .iter()
        .map(|file| file.metadata().map(|about| about.len()));
    let total = known.sum::<std::io::Result<u64>>().ok();
    let (bar, form) = match total {
        Some(total) => (
            ProgressBar::new(if twice { total * 2 } else { total }),
            "{bar:30} {bytes}/{total_bytes}  {bytes_per_sec}  {eta} left  {msg}",
        ),
        None => (
            ProgressBar::new_spinner(),
            "{spinner} {bytes}  {bytes_per_sec}  {msg}",
        ),
    };
    match ProgressStyle::with_template(form) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

/// Does the work on a thread of its own while the bar moves. Where Ctrl-C or SIGTERM asks for an end it
/// is left behind at once, be it waiting for input: what it spilled has no name, and ends with us.
fn watched(
    work: impl FnOnce() -> std::io::Result<Option<Screened>> + Send + 'static,
    progress: &Progress,
    bar: &ProgressBar,
) -> std::io::Result<Option<Screened>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let (done, over) = tokio::sync::oneshot::channel();
    std::thread::Builder::new()
        .name("screen".to_owned())
        .spawn(move || {
            // Nobody waits for it any more where it was interrupted.
            let _ = done.send(work());
        })?;
    runtime.block_on(show(over, progress, bar))
}

async fn show(
    mut over: Receiver<std::io::Result<Option<Screened>>>,
    progress: &Progress,
    bar: &ProgressBar,
) -> std::io::Result<Option<Screened>> {
    let mut ticks = tokio::time::interval(Duration::from_millis(200));
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    loop {
        tokio::select! {
            done = &mut over => {
                return done.unwrap_or_else(|_| Err(std::io::Error::other("an internal failure")));
            }
            _ = interrupt.recv() => break,
            _ = terminate.recv() => break,
            _ = ticks.tick() => {
                bar.set_position(progress.bytes.load(Ordering::Relaxed));
                let messages = progress.messages.load(Ordering::Relaxed);
                bar.set_message(format!("{messages} messages"));
            }
        }
    }
    progress.stop.store(true, Ordering::Relaxed);
    Ok(None)
}
