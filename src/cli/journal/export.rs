//! `pentamer journal export`: messages as they came, chosen and in the form that is wanted.

use super::super::{Exit, complain};
use super::place::Place;
use super::selection::Selection;
use super::writing::{Format, Item, Output};
use crate::core::fact::{Fact, JournalPosition, Received, Refused};
use crate::core::hl7::envelope::RawMessage;
use crate::journal::{Inspection, ReadError};
use std::io;
use std::path::PathBuf;

pub(super) const EXAMPLE: &str = "\
pentamer journal export --data /var/lib/pentamer --from 2026-11-24 --out november.jsonl
  pentamer journal export --type ORU --format mllp --out results.mllp
  pentamer send 127.0.0.1:2575 results.mllp

What is written holds patients' data; files are readable by their owner only.";

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    selection: Selection,
    /// How messages are written
    #[arg(long, value_enum, default_value = "lines")]
    format: Format,
    /// File, or folder with `--format files`; without it stdout
    #[arg(long, value_name = "PATH")]
    out: Option<PathBuf>,
    /// Fragments and frames that are no messages, too
    #[arg(long)]
    quarantine: bool,
}

/// [`Exit::Failed`] where something is damaged: what is whole is written all the same.
pub(super) fn run(args: &Args) -> Exit {
    if args.format == Format::Files && args.out.is_none() {
        complain(
            "`--format files` writes a folder",
            "the command line",
            "name it: `--out DIR`",
        );
        return Exit::Usage;
    }
    let opened = args.place.dir().and_then(|dir| args.place.inspect(&dir));
    let journal = match opened {
        Ok(journal) => journal,
        Err(exit) => return exit,
    };
    let place = || match &args.out {
        Some(out) => out.display().to_string(),
        None => "stdout".to_owned(),
    };
    let written = Output::open(args.format, args.out.as_deref()).and_then(|mut output| {
        let sum = write_all(args, &journal, &mut output)?;
        output.finish()?;
        Ok(sum)
    });
    match written {
        Ok(sum) => sum.tell(&journal),
        // Whoever read it has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Exit::Done,
        Err(error) => {
            complain(
                &format!("cannot write: {error}"),
                &place(),
                "name a place that can be written and has the space",
            );
            Exit::Failed
        }
    }
}

/// What became of the facts.
#[derive(Default)]
struct Sum {
    written: u64,
    faults: Vec<String>,
}

impl Sum {
    fn tell(&self, journal: &Inspection) -> Exit {
        eprintln!("written: {} messages", self.written);
        for damage in &journal.recovery.damage {
            eprintln!("damaged: {damage}");
        }
        for fault in &self.faults {
            eprintln!("unreadable: {fault}");
        }
        if journal.recovery.damage.is_empty() && self.faults.is_empty() {
            Exit::Done
        } else {
            Exit::Failed
        }
    }
}

fn write_all(args: &Args, journal: &Inspection, output: &mut Output) -> io::Result<Sum> {
    let last = journal.recovery.last;
    let template = "writing  {bar:40} {pos}/{len} records  {eta} left";
    let bar = args.place.bar(last.0, template);
    let mut reader = journal.reader(JournalPosition::START);
    let mut sum = Sum::default();
    loop {
        match reader.next(last) {
            Ok(Some((position, fact))) => {
                bar.set_position(position.0);
                sum.written += u64::from(write(args, output, position, &fact)?);
            }
            Ok(None) => break,
            // Told of by what the inspection found.
            Err(ReadError::Damaged { .. } | ReadError::Dropped { .. }) => {}
            Err(ReadError::NotUnderstood { position, source }) => {
                sum.faults.push(format!("position {position}: {source}"));
            }
            Err(ReadError::Io { source, .. }) => return Err(source),
        }
    }
    bar.finish_and_clear();
    Ok(sum)
}

/// Writes a fact if it is wanted.
fn write(
    args: &Args,
    output: &mut Output,
    position: JournalPosition,
    fact: &Fact,
) -> io::Result<bool> {
    let wanted = &args.selection;
    let item = match fact {
        Fact::Received(received) if wanted.holds(received) => message(position, received),
        Fact::Refused(refused)
            if args.quarantine
                && !wanted.asks_header()
                && wanted.holds_time(refused.received_at) =>
        {
            fragment(position, refused)
        }
        _ => return Ok(false),
    };
    output.write(&item)?;
    Ok(true)
}

fn message(position: JournalPosition, received: &Received) -> Item<'_> {
    let header = RawMessage::read(&received.raw);
    let control_id = header.map(|header| String::from_utf8_lossy(header.control_id()).into_owned());
    Item {
        position: position.0,
        received_at: received.received_at.to_rfc3339(),
        listener: &received.origin.listener,
        peer: &received.origin.peer,
        control_id,
        // The messages of a frame are stored one behind the other.
        frame: Some(position.0.saturating_sub(u64::from(received.part.0))),
        reason: None,
        total_len: None,
        raw: &received.raw,
    }
}

fn fragment(position: JournalPosition, refused: &Refused) -> Item<'_> {
    Item {
        position: position.0,
        received_at: refused.received_at.to_rfc3339(),
        listener: &refused.origin.listener,
        peer: &refused.origin.peer,
        control_id: None,
        frame: None,
        reason: Some(refused.reason.word()),
        total_len: Some(refused.total_len),
        raw: &refused.raw,
    }
}
