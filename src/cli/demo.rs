//! `pentamer demo`: a daemon to look at, with bundled messages.

mod states;

use super::daemon_main::{Signals, explain_start, runtime};
use super::{Exit, after_help, complain, print};
use crate::clock;
use crate::config::Config;
use crate::core::alert::{delivery_word, kind_word, severity_word};
use crate::core::clinical::chart::Chart;
use crate::core::clinical::results::Results;
use crate::core::episode::assess::assess;
use crate::core::fact::{Fact, JournalPosition};
use crate::core::fold::views;
use crate::core::mllp::{CR, FS, VT};
use crate::daemon::Daemon;
use crate::engine::extract_caught;
use crate::service::Handed;
use crate::telemetry;
use std::fmt::Write as _;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

/// Run a daemon with a throw-away directory and free ports, fed with bundled messages
#[derive(Debug, clap::Args)]
#[command(after_help = after_help("pentamer demo --pace 3s"))]
pub struct Args {
    /// Pause between two messages
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = humantime::parse_duration)]
    pub pace: Duration,
    /// End after the last message instead of waiting for Ctrl-C
    #[arg(long)]
    pub once: bool,
}

/// The day that the bundled messages are written for; they are sent as of yesterday.
const WRITTEN_FOR: &str = "20261124";
const DIAGNOSED: &str = "20261114";

/// What is sent, and what there is to see.
const STEPS: [(&str, &str); 7] = [
    (
        "An adult with low IgM, normal IgG and IgA.",
        include_str!("../../examples/01-isolated-low-igm.hl7"),
    ),
    (
        "IgM is low, but so is IgG: another pattern, not for this page.",
        include_str!("../../examples/02-low-igm-with-low-igg.hl7"),
    ),
    (
        "The sender repeats the first message.",
        include_str!("../../examples/01-isolated-low-igm.hl7"),
    ),
    (
        "The laboratory corrects the first IgM to a normal value.",
        include_str!("../../examples/03-correction.hl7"),
    ),
    (
        "A measles IgM, low as it should be in health.",
        include_str!("../../examples/04-infection-igm.hl7"),
    ),
    (
        "An IgM of `1,200`: a decimal comma or thousands?",
        include_str!("../../examples/05-unreadable-value.hl7"),
    ),
    (
        "Very low IgM ten days after pneumococcal sepsis.",
        include_str!("../../examples/06-severe-with-sepsis.hl7"),
    ),
];

/// Runs the demo.
pub fn run(args: &Args) -> Exit {
    telemetry::quiet_panics();
    let started = tempfile::tempdir()
        .map_err(|error| error.to_string())
        .and_then(|dir| Ok((dir, telemetry::start_metrics()?)))
        .and_then(|started| Ok((started, runtime().map_err(|error| error.to_string())?)));
    let ((dir, metrics), runtime) = match started {
        Ok(started) => started,
        Err(error) => {
            complain(
                &format!("cannot start: {error}"),
                "this machine",
                "make room in the directory for temporary files",
            );
            return Exit::CannotStart;
        }
    };
    let mut config = Config::built_in();
    config.storage.dir = dir.path().to_owned();
    config.storage.reserve = 0;
    config.storage.segment_size = 4 << 20;
    config.http.bind = SocketAddr::from(([127, 0, 0, 1], 0));
    for listener in &mut config.listeners {
        listener.bind = SocketAddr::from(([127, 0, 0, 1], 0));
    }
    // The log sink would say the same again.
    config
        .sinks
        .retain(|sink| sink.phi != crate::core::alert::PhiLevel::None);
    runtime.block_on(async {
        let daemon =
            match Daemon::start(config, Handed::default(), metrics, CancellationToken::new()).await
            {
                Ok(daemon) => daemon,
                Err(error) => {
                    eprintln!("{}", explain_start(&error));
                    return Exit::CannotStart;
                }
            };
        let exit = match show(&daemon, args).await {
            Ok(()) => Exit::Done,
            Err(error) => {
                complain(
                    &format!("the demo broke off: {error}"),
                    "its own daemon",
                    "report this",
                );
                Exit::Failed
            }
        };
        daemon.stop().await;
        exit
    })
}

async fn show(daemon: &Daemon, args: &Args) -> io::Result<()> {
    let mut signals = Signals::new()?;
    let mllp = daemon
        .ports
        .listeners
        .values()
        .next()
        .copied()
        .unwrap_or(daemon.ports.http);
    print(&format!(
        "A daemon with a throw-away directory, as of today.\n  page    http://{}/\n  MLLP    {mllp}\n\n",
        daemon.ports.http
    ));
    let mut stream = TcpStream::connect(mllp).await?;
    for (number, (title, message)) in (1..).zip(STEPS) {
        let before = daemon.appender.status().borrow().synced;
        let alerts_before = count_alerts(daemon);
        let answer = exchange(&mut stream, &dated(message)).await?;
        settle(daemon).await;
        print(&format!(
            "{number}. {title}\n   answered {answer}\n{}\n",
            told(daemon, before, alerts_before)?
        ));
        tokio::select! {
            () = tokio::time::sleep(args.pace) => {}
            _ = signals.next() => return Ok(()),
        }
    }
    for message in states::messages() {
        exchange(&mut stream, &message).await?;
    }
    settle(daemon).await;
    let acts = states::acts(daemon.state.get().as_ref());
    if let Ok(stored) = daemon.appender.submit(acts).await {
        let _ = stored.await;
    }
    settle(daemon).await;
    print(&format!(
        "Some people more are on the page: a course over a year, one confirmed and acknowledged, one muted,\n\
         one in part, one to review. Open http://{}/\n\n",
        daemon.ports.http
    ));
    if !args.once {
        print("That was all. The daemon goes on until Ctrl-C; its directory goes with it.\n");
        signals.next().await;
    }
    Ok(())
}

/// Moves the message's dates to yesterday, so that its alert is news; LF becomes CR.
fn dated(message: &str) -> String {
    let day = |ago: i64| {
        let micros = clock::now().as_micros() - ago * 86_400_000_000;
        let at = crate::core::time::Timestamp::from_micros(micros);
        at.to_jiff().strftime("%Y%m%d").to_string()
    };
    message
        .replace(WRITTEN_FOR, &day(1))
        .replace(DIAGNOSED, &day(11))
        .replace('\n', "\r")
}

/// Sends a message; MSA-1 of the answer.
async fn exchange(stream: &mut TcpStream, message: &str) -> io::Result<String> {
    let mut frame = vec![VT];
    frame.extend_from_slice(message.as_bytes());
    frame.extend_from_slice(&[FS, CR]);
    stream.write_all(&frame).await?;
    let mut answer = Vec::new();
    while !answer.ends_with(&[FS, CR]) {
        if stream.read_buf(&mut answer).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    let text = String::from_utf8_lossy(&answer);
    let code = text
        .split('\r')
        .find_map(|line| line.strip_prefix("MSA|")?.split('|').next());
    Ok(code.unwrap_or("nothing that can be read").to_owned())
}

/// Until everything sent so far is folded and decided.
async fn settle(daemon: &Daemon) {
    let mut progress = daemon.progress.clone();
    loop {
        let synced = daemon.appender.status().borrow().synced;
        let undecided = views::dirty_count(daemon.state.get().as_ref()).unwrap_or(0);
        if progress.borrow_and_update().folded >= synced && undecided == 0 {
            return;
        }
        let _ = tokio::time::timeout(Duration::from_millis(20), progress.changed()).await;
    }
}

fn count_alerts(daemon: &Daemon) -> u64 {
    views::alerts(daemon.state.get().as_ref(), 0, usize::MAX)
        .map_or(0, |alerts| alerts.len() as u64)
}

/// What became of the message, and why.
fn told(daemon: &Daemon, before: JournalPosition, alerts_before: u64) -> io::Result<String> {
    let other = |error: &dyn std::fmt::Display| io::Error::other(error.to_string());
    let state = daemon.state.get();
    let mut out = String::new();
    let new = views::alerts(state.as_ref(), alerts_before, usize::MAX).map_err(|e| other(&e))?;
    for (_, transition) in &new {
        let _ = writeln!(
            out,
            "   => {} ({}, {}): {}: {}",
            kind_word(transition.kind),
            severity_word(transition.severity),
            delivery_word(transition.delivery),
            transition.alert.expose().classification,
            transition.alert.expose().explanation
        );
    }
    for entry in views::quarantine(state.as_ref(), before, usize::MAX).map_err(|e| other(&e))? {
        let _ = writeln!(
            out,
            "   => quarantined: {} ({}); {}",
            entry.refusal.place,
            entry.refusal.reason.word(),
            entry.refusal.remedy
        );
    }
    let mut reader = daemon.appender.reader(before).map_err(|e| other(&e))?;
    let synced = daemon.appender.status().borrow().synced;
    while let Some((position, fact)) = reader.next(synced).map_err(|e| other(&e))? {
        match fact {
            Fact::SeenAgain { .. } => {
                let _ = writeln!(
                    out,
                    "   => duplicate: the same bytes as before; noted, answered, not read again"
                );
            }
            Fact::Received(received) if new.is_empty() => {
                let read = extract_caught(&received, position, &daemon.policy.borrow());
                if read
                    .patients
                    .iter()
                    .all(|part| part.observations.is_empty())
                {
                    let _ = writeln!(
                        out,
                        "   => no alert: not one of ours, no code of it is on the analyte list"
                    );
                    continue;
                }
                for part in &read.patients {
                    let Ok(Some(patient)) = views::patient(state.as_ref(), &part.key) else {
                        continue;
                    };
                    let policy = daemon.policy.borrow().clone();
                    let results = Results::judge(&patient, &policy);
                    let chart = Chart::read(&results, &policy);
                    let assessed = assess(&chart, &patient, &policy, clock::now());
                    let _ = writeln!(
                        out,
                        "   => no alert: {}: {}",
                        assessed.classification.word(),
                        assessed.sentence.expose()
                    );
                }
            }
            _ => {}
        }
    }
    Ok(out)
}
