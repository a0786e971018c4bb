//! `pentamer send`: an MLLP client that counts the answers.
//!
//! [`archive`] makes frames of files, [`feed`] hands them out, [`client`] sends them and pairs the answers by
//! MSA-2, [`tally`] counts. Nothing of a message is ever printed.

mod answer;
mod archive;
mod client;
mod feed;
mod tally;

use super::{Exit, after_help, complain, print};
use crate::tls::{Client, ClientFiles, TlsFault};
use archive::Frame;
use client::Plan;
use indicatif::{ProgressBar, ProgressStyle};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tally::{Sum, Tally};
use tokio::runtime::Runtime;

/// Send HL7 messages over MLLP, pair the answers by MSA-2, and sum up
#[derive(Debug, clap::Args)]
#[command(after_help = after_help("pentamer send 127.0.0.1:2575 results.hl7 --connections 4 --rate 200/s"))]
pub struct Args {
    /// Host and port
    #[arg(value_name = "ADDR")]
    address: String,
    /// Files with messages, raw or in MLLP frames, one or many in a file; `-` is stdin; of a
    /// folder, all files with a message, in the order of their names
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// Send everything so many times
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    repeat: u32,
    /// Send what a file or frame holds as one frame, batches with their envelope
    #[arg(long)]
    whole: bool,
    #[command(flatten)]
    sending: Sending,
}

/// How frames are sent, by this command and by others that send.
#[derive(Debug, clap::Args)]
#[group(id = "sending")]
pub(super) struct Sending {
    /// Connections at once
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=4096))]
    connections: u32,
    /// Unanswered frames at once on each connection
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=65_536))]
    in_flight: u32,
    /// Send no faster than this over all connections, e.g. `200/s` or `30/min`
    #[arg(long, value_name = "N/s", value_parser = interval)]
    rate: Option<Duration>,
    /// Longest wait for a connection or an answer
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = humantime::parse_duration)]
    timeout: Duration,
    /// Speak TLS, and trust servers whose certificate leads to one of this PEM file
    #[arg(long, value_name = "FILE")]
    tls_ca: Option<PathBuf>,
    /// Own certificate in PEM, where the server asks for one
    #[arg(long, value_name = "FILE", requires = "tls_ca", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// Its private key in PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// Name in the server's certificate; by default the host of ADDR
    #[arg(long, value_name = "NAME", requires = "tls_ca")]
    tls_name: Option<String>,
    /// Neither progress nor summary
    #[arg(long, short)]
    quiet: bool,
}

impl Sending {
    /// The TLS side that is asked for, if any.
    fn tls(&self, address: &str) -> Result<Option<Client>, TlsFault> {
        let Some(ca_file) = self.tls_ca.clone() else {
            return Ok(None);
        };
        let host = address.rsplit_once(':').map(|(host, _)| host);
        let host = host.unwrap_or(address).trim_matches(['[', ']']);
        Client::new(ClientFiles {
            ca_file,
            server_name: self.tls_name.clone().unwrap_or_else(|| host.to_owned()),
            identity: self.tls_cert.clone().zip(self.tls_key.clone()),
        })
        .map(Some)
    }

    /// What goes to an address; where that is wrong it is told.
    fn plan(&self, address: &str) -> Result<Plan, Exit> {
        let tls = self.tls(address).map_err(|fault| {
            complain(&fault.to_string(), "the options of TLS", fault.remedy());
            Exit::Usage
        })?;
        Ok(Plan {
            address: address.to_owned(),
            tls,
            connections: self.connections,
            in_flight: self.in_flight as usize,
            interval: self.rate,
            timeout: self.timeout,
        })
    }

    /// A bar on stderr, only where a person looks.
    fn progress(&self, messages: Option<u64>) -> ProgressBar {
        use std::io::IsTerminal as _;
        if self.quiet || !std::io::stderr().is_terminal() {
            return ProgressBar::hidden();
        }
        let (bar, form) = match messages {
            Some(messages) => (
                ProgressBar::new(messages),
                "{bar:40} {pos}/{len} messages  {per_sec}  {eta} left",
            ),
            None => (
                ProgressBar::new_spinner(),
                "{spinner} {pos} messages  {per_sec}",
            ),
        };
        match ProgressStyle::with_template(form) {
            Ok(style) => bar.with_style(style),
            Err(_) => bar,
        }
    }
}

/// The pause between two messages of a rate.
fn interval(text: &str) -> Result<Duration, String> {
    let (number, unit) = text.split_once('/').unwrap_or((text, "s"));
    let seconds = match unit.trim() {
        "s" => 1.0,
        "min" | "m" => 60.0,
        "h" => 3600.0,
        _ => return Err("expected a rate such as `200/s`, `30/min` or `10/h`".to_owned()),
    };
    number
        .trim()
        .parse::<f64>()
        .ok()
        .filter(|number| *number > 0.0 && number.is_finite())
        .and_then(|number| Duration::try_from_secs_f64(seconds / number).ok())
        .ok_or_else(|| "expected a number above 0 such as `200/s`".to_owned())
}

/// Sends all files; [`Exit::Failed`] if any message was not accepted.
pub fn run(args: &Args) -> Exit {
    let sending = &args.sending;
    let Some(frames) = read_all(&args.files, args.whole) else {
        return Exit::Failed;
    };
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(exit) => return exit,
    };
    let plan = match sending.plan(&args.address) {
        Ok(plan) => plan,
        Err(exit) => return exit,
    };
    let once: u64 = frames.iter().map(|frame| frame.messages.len() as u64).sum();
    let messages = once * u64::from(args.repeat);
    let tally = Arc::new(Tally::new(sending.progress(Some(messages))));
    let elapsed = runtime.block_on(async {
        let frames = feed::of_files(frames, u64::from(args.repeat));
        client::send_all(plan, frames, &tally).await
    });
    let sum = tally.finish(messages, elapsed);
    complain_of(&sum, &args.address);
    if !sending.quiet {
        print(&sum.to_string());
    }
    if sum.all_accepted() {
        Exit::Done
    } else {
        Exit::Failed
    }
}

/// Sends messages while they are made, each to one of some addresses, and sums up for each;
/// [`Exit::Failed`] if any was not accepted, or not made because nobody took it.
///
/// `count` is how many there will be, where that is known.
pub(super) fn send_made(
    messages: impl Iterator<Item = (usize, Vec<u8>)> + Send + 'static,
    addresses: &[String],
    count: Option<u64>,
    sending: &Sending,
) -> Exit {
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(exit) => return exit,
    };
    let plans: Result<Vec<Plan>, Exit> = addresses.iter().map(|one| sending.plan(one)).collect();
    let plans = match plans {
        Ok(plans) => plans,
        Err(exit) => return exit,
    };
    let bar = sending.progress(count);
    let (doors, takes) = feed::Doors::new(addresses.len());
    let sent = runtime.block_on(async move {
        let making = tokio::task::spawn_blocking(move || doors.spread(messages));
        let mut ways = Vec::new();
        for (plan, take) in plans.into_iter().zip(takes) {
            let tally = Arc::new(Tally::new(bar.clone()));
            let way = async move {
                let elapsed = client::send_all(plan, take, &tally).await;
                (tally, elapsed)
            };
            ways.push(tokio::spawn(way));
        }
        let mut ended = Vec::new();
        for way in ways {
            ended.push(way.await?);
        }
        Ok::<_, tokio::task::JoinError>((making.await?, ended))
    });
    let (spread, ended) = match sent {
        Ok(sent) => sent,
        Err(error) => {
            complain(
                &format!("an internal failure: {error}"),
                "`--send`",
                "report this",
            );
            return Exit::Failed;
        }
    };
    let mut good = spread.whole;
    for ((address, messages), (tally, elapsed)) in addresses.iter().zip(spread.each).zip(ended) {
        let sum = tally.finish(messages, elapsed);
        complain_of(&sum, address);
        good &= sum.all_accepted() && sum.errors.is_empty();
        if !sending.quiet {
            if addresses.len() > 1 {
                print(&format!("{address}\n"));
            }
            print(&sum.to_string());
        }
    }
    if good { Exit::Done } else { Exit::Failed }
}

fn runtime() -> Result<Runtime, Exit> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| {
            complain(
                &format!("cannot start: {error}"),
                "the operating system",
                "close other programs, or raise the limit of threads",
            );
            Exit::CannotStart
        })
}

fn complain_of(sum: &Sum, address: &str) {
    for error in &sum.errors {
        complain(
            error,
            &format!("peer `{address}`"),
            "check the address, and whether the receiver runs and allows this host",
        );
    }
}

/// Frames of all files in order; `None` when one cannot be read or holds nothing, which is told.
fn read_all(named: &[PathBuf], whole: bool) -> Option<Vec<Frame>> {
    let mut frames = Vec::new();
    let mut good = true;
    let mut trouble = |what: &str, path: &Path, remedy: &str| {
        complain(what, &path.display().to_string(), remedy);
        good = false;
    };
    for name in named {
        if !name.is_dir() {
            match read(name).map(|content| archive::frames(content.into(), whole)) {
                Ok(found) if found.is_empty() => trouble(
                    "the file holds no message",
                    name,
                    "name a file with HL7 messages",
                ),
                Ok(found) => frames.extend(found),
                Err(error) => trouble(
                    &format!("cannot read the file: {error}"),
                    name,
                    "name a readable file",
                ),
            }
            continue;
        }
        let before = frames.len();
        let mut passed_over = 0_u64;
        for file in crate::archive::folder::files(name) {
            let found = file.and_then(|file| Ok(archive::frames(read(&file)?.into(), whole)));
            match found {
                // A folder holds other things too; only what a person names must be a message.
                Ok(found) if !found.iter().any(Frame::has_header) => passed_over += 1,
                Ok(found) => frames.extend(found),
                Err(error) => trouble(
                    &format!("cannot read all of the folder: {error}"),
                    name,
                    "make its files and folders readable",
                ),
            }
        }
        if passed_over > 0 {
            eprintln!(
                "passed over: {passed_over} files without a message in {}; name one to send it as it is",
                name.display()
            );
        }
        if frames.len() == before {
            trouble(
                "the folder holds no file with a message",
                name,
                "name a folder or files with HL7 messages",
            );
        }
    }
    good.then_some(frames)
}

fn read(path: &Path) -> std::io::Result<Vec<u8>> {
    if path == Path::new("-") {
        let mut content = Vec::new();
        std::io::stdin().lock().read_to_end(&mut content)?;
        return Ok(content);
    }
    std::fs::read(path)
}

#[cfg(test)]
mod tests;
