//! The commands: one file each, arguments in and an [`Exit`] out.
//!
//! Data goes to stdout, diagnostics go to stderr. `NO_COLOR` is honoured.

pub mod alerts;
mod api;
pub mod backup;
pub mod check;
pub mod cluster;
pub mod completions;
mod daemon_main;
pub mod demo;
pub mod explain;
pub mod feeds;
pub mod generate;
pub mod hash_password;
pub mod journal;
pub mod manual;
pub mod messages;
pub mod mute;
pub mod patient;
pub mod quarantine;
pub mod queue;
pub mod reassess;
pub mod replay;
pub mod run;
pub mod screen;
pub mod send;
mod story;
pub mod verify_cache;

use clap::{CommandFactory as _, Parser, Subcommand};
use std::ffi::OsString;
use std::process::ExitCode;

/// How a command ended; promised to scripts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Done.
    Done = 0,
    /// Something asked for failed: a message was not accepted, damage was found.
    Failed = 1,
    /// Wrong usage or configuration.
    Usage = 2,
    /// Cannot start: port, lock, disk.
    CannotStart = 3,
    /// Try again.
    TryAgain = 75,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// The exit codes as each `--help` shows them.
const EXIT_CODES: &str = "\
Exit codes:
  0   done
  1   something asked for failed
  2   wrong usage or configuration
  3   cannot start (port, lock, disk)
  75  try again";

/// The end of each command's `--help`: an example and the exit codes.
pub(crate) fn after_help(example: &str) -> String {
    format!("Example:\n  {example}\n\n{EXIT_CODES}")
}

/// Reads a laboratory's HL7 result feed, recognises isolated low IgM, and pages immunology once.
#[derive(Debug, Parser)]
#[command(name = "pentamer", version, after_help = EXIT_CODES, propagate_version = true)]
pub struct Pentamer {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Receive messages, recognise isolated low IgM, and alert
    Run(run::Args),
    /// Watch a throw-away daemon, fed with bundled messages
    Demo(demo::Args),
    /// Show what is read from a message, how it is judged, and why it pages or not
    Explain(explain::Args),
    /// Show a patient as the running daemon has it, or take back a merge
    Patient(patient::Args),
    /// List, show and acknowledge alerts of the running daemon
    Alerts(alerts::Args),
    /// Search the messages of the running daemon, show one with our reading, or send it through again
    Messages(messages::Args),
    /// List what the running daemon did not understand, or have it read again after a change of the tables
    Quarantine(quarantine::Args),
    /// Bring messages of archives into the daemon, to prime what it knows of its patients; pages nobody
    Replay(replay::Args),
    /// Show what the tables in force would find in everything received so far, and have it told
    Reassess(reassess::Args),
    /// Show what waits at each sink, and send, test or give it again
    Queue(queue::Args),
    /// Page nobody for a patient or a rule for some time
    Mute(mute::Args),
    /// List the sending systems: last message, rhythm, clock, framing, and what to look at
    Feeds(feeds::Args),
    /// Check the journal, write messages out of it, or build the cache from it again
    Journal(journal::Args),
    /// Show the instances of the site and its stream, take one out, or move a journal into the stream and back
    Cluster(cluster::Args),
    /// Name every configuration error and what deserves a second look
    Check(check::Args),
    /// Send HL7 messages over MLLP and count the answers
    Send(send::Args),
    /// Look through archives: what would have been found and told
    Screen(screen::Args),
    /// Make a synthetic feed, the same for the same seed
    Generate(generate::Args),
    /// Copy the data directory, while the daemon runs or not, and verify the copy
    Backup(backup::Args),
    /// Make the hash of a password, or a token, for the users of the pages
    HashPassword(hash_password::Args),
    /// Print the completions of a shell
    Completions(completions::Args),
    #[command(hide = true)]
    Manual(manual::Args),
    #[command(hide = true)]
    VerifyCache(verify_cache::Args),
}

/// Runs the command that the arguments name.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> Exit {
    let Pentamer { command } = match Pentamer::try_parse_from(arguments) {
        Ok(parsed) => parsed,
        Err(error) => {
            // Help and version come this way too, to stdout and with code 0. A closed pipe is no fault.
            let _ = error.print();
            return match error.exit_code() {
                0 => Exit::Done,
                _ => Exit::Usage,
            };
        }
    };
    protect();
    match command {
        Command::Run(args) => run::run(&args),
        Command::Demo(args) => demo::run(&args),
        Command::Explain(args) => explain::run(&args),
        Command::Patient(args) => patient::run(&args),
        Command::Alerts(args) => alerts::run(&args),
        Command::Messages(args) => messages::run(&args),
        Command::Quarantine(args) => quarantine::run(&args),
        Command::Replay(args) => replay::run(&args),
        Command::Reassess(args) => reassess::run(&args),
        Command::Cluster(args) => cluster::run(&args),
        Command::Queue(args) => queue::run(&args),
        Command::Mute(args) => mute::run(&args),
        Command::Feeds(args) => feeds::run(&args),
        Command::Journal(args) => journal::run(&args),
        Command::Check(args) => check::run(&args),
        Command::Send(args) => send::run(&args),
        Command::Screen(args) => screen::run(&args),
        Command::Generate(args) => generate::run(&args),
        Command::Backup(args) => backup::run(&args),
        Command::HashPassword(args) => hash_password::run(&args),
        Command::Completions(args) => completions::run(&args),
        Command::Manual(args) => manual::run(&args),
        Command::VerifyCache(args) => verify_cache::run(&args),
    }
}

/// What this process writes is for its user only, and its memory is for nobody: no core dump, no
/// debugger of another process. Where the system refuses, the modes given at each file still hold.
fn protect() {
    use rustix::process::{DumpableBehavior, Resource, Rlimit};
    rustix::process::umask(rustix::fs::Mode::RWXG | rustix::fs::Mode::RWXO);
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    let _ = rustix::process::setrlimit(Resource::Core, none);
    let _ = rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable);
}

/// The command line as clap knows it, for completions and tests.
pub fn command() -> clap::Command {
    Pentamer::command()
}

/// The process's environment, for [`crate::config::load`]; variables that are not Unicode are left out.
#[expect(
    clippy::disallowed_methods,
    reason = "the one place that reads the environment"
)]
pub(crate) fn environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
}

/// Writes data to stdout. A reader that went away (`pentamer … | head`) is no fault.
pub(crate) fn print(data: &str) {
    use std::io::Write as _;
    let mut stdout = std::io::stdout().lock();
    let _ = stdout
        .write_all(data.as_bytes())
        .and_then(|()| stdout.flush());
}

/// Tells a failure in the form of all our messages.
pub(crate) fn complain(what: &str, place: &str, help: &str) {
    eprintln!("error: {what}\n  where: {place}\n  help: {help}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        command().debug_assert();
    }

    #[test]
    fn every_command_has_help_with_an_example_and_exit_codes() {
        for sub in command().get_subcommands() {
            let help = sub.clone().render_long_help().to_string();
            assert!(help.contains("Example"), "{}: {help}", sub.get_name());
            assert!(help.contains("Exit codes:"), "{}: {help}", sub.get_name());
        }
    }

    #[test]
    fn wrong_usage_is_two() {
        let arguments = |text: &str| text.split(' ').map(OsString::from).collect::<Vec<_>>();
        assert_eq!(main(arguments("pentamer nonsense")), Exit::Usage);
        assert_eq!(main(arguments("pentamer send")), Exit::Usage);
        assert_eq!(main(arguments("pentamer completions tcl")), Exit::Usage);
        assert_eq!(
            main(arguments(
                "pentamer check --config tests/configs/wrong/ports.toml"
            )),
            Exit::Usage
        );
        assert_eq!(
            main(arguments(
                "pentamer check --config tests/configs/good/empty.toml"
            )),
            Exit::Done
        );
    }
}
