//! `pentamer generate`: a synthetic feed, the same for the same seed.

use super::send::{Sending, send_made};
use super::{Exit, after_help, complain};
use crate::core::time::Timestamp;
use crate::generate::feed::Feed;
use crate::generate::hospital::{DAYS, Mix, YEAR};
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

/// Make a synthetic feed of a hospital, the same for the same seed: for pilots, tests and benchmarks
#[derive(Debug, clap::Args)]
#[command(after_help = after_help(
    "pentamer generate --messages 100000 --out year.hl7.zst\n  \
     pentamer generate --messages 2000 --format files --out messages/\n  \
     pentamer generate --messages 5000 --send 127.0.0.1:2575 --rate 50/s"
))]
#[command(mut_group("sending", |group| group.requires("send")))]
pub struct Args {
    /// What chance begins with: the same seed gives the same bytes
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// So many messages
    #[arg(long, value_name = "N", conflicts_with = "bytes")]
    messages: Option<u64>,
    /// So many bytes, before compression: messages until there are as many
    #[arg(long, value_name = "SIZE", value_parser = size)]
    bytes: Option<u64>,
    /// The day on which the year of each hospital begins
    #[arg(long, value_name = "DATE")]
    from: Option<jiff::civil::Date>,
    /// How long it is; courses take up to 200 days of it
    #[arg(long, value_name = "N", default_value_t = DAYS, value_parser = clap::value_parser!(i64).range(240..=36_500))]
    days: i64,
    /// Patients of a hospital's year, as messages with results; then comes another hospital
    #[arg(long, value_name = "N", default_value_t = 20_000, value_parser = clap::value_parser!(u32).range(100..=2_000_000))]
    hospital: u32,
    /// Of a thousand patients so many have an isolated low IgM; 1 is the rate of hospital patients
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(0..=1000))]
    low: u64,
    /// How it is written
    #[arg(long, value_name = "FORM", value_enum, default_value_t = Form::Lines)]
    format: Form,
    /// File to write, compressed where its name ends in `.gz` or `.zst`; a folder for `files`; without it stdout
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Send it over MLLP to these addresses and wait for the answers; what one sending system sends goes
    /// all to the same address, in order
    #[arg(long, value_name = "ADDR", value_delimiter = ',', conflicts_with_all = ["out", "format"])]
    send: Vec<String>,
    #[command(flatten)]
    sending: Sending,
}

/// Forms of an archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Form {
    /// One message after the other
    Lines,
    /// MLLP frames
    Mllp,
    /// One batch (FHS, BHS) with all of them
    Batch,
    /// A file a message
    Files,
}

fn size(text: &str) -> Result<u64, String> {
    text.parse::<bytesize::ByteSize>()
        .map(|size| size.as_u64())
        .map_err(|_| "expected a size such as `10GB` or `512 MiB`".to_owned())
}

/// Generates; [`Exit::Failed`] where it cannot be written, or a message was not accepted.
pub fn run(args: &Args) -> Exit {
    if args.format == Form::Files && args.out.is_none() {
        complain(
            "files need a folder",
            "`--format files`",
            "name a folder with --out",
        );
        return Exit::Usage;
    }
    let from = args.from.map_or(Some(YEAR), |date| {
        let at =
            jiff::tz::Offset::UTC.to_timestamp(date.to_datetime(jiff::civil::Time::midnight()));
        at.ok().map(Timestamp::from_jiff)
    });
    let Some(from) = from else {
        complain(
            "the day cannot be used",
            "`--from`",
            "name a day such as 2025-01-01",
        );
        return Exit::Usage;
    };
    let mix = Mix {
        results: args.hospital as usize,
        planted: args.low,
        from,
        days: args.days,
        ..Mix::default()
    };
    if !args.send.is_empty() {
        let mut enough = Enough::of(args);
        let ways = args.send.len();
        let messages = Feed::new(args.seed, mix)
            .take_while(move |event| enough.takes(event.raw.len()))
            .map(move |event| (event.feed % ways, event.raw));
        let count = Enough::of(args).messages;
        let count = args.bytes.is_none().then_some(count);
        return send_made(messages, &args.send, count, &args.sending);
    }
    let written = match (&args.out, args.format) {
        (Some(folder), Form::Files) => write_files(folder, args, mix),
        (Some(path), _) => create(path).and_then(|mut out| {
            write(&mut out, args, mix)?;
            out.finish()
        }),
        (None, _) => {
            let mut out = BufWriter::with_capacity(1 << 20, io::stdout().lock());
            write(&mut out, args, mix).and_then(|()| out.flush())
        }
    };
    match written {
        // A reader that went away is no fault.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Exit::Done,
        Ok(()) => Exit::Done,
        Err(error) => {
            let place = args.out.as_deref().unwrap_or(Path::new("standard output"));
            complain(
                &format!("cannot write: {error}"),
                &place.display().to_string(),
                "name a place that can be written, with room for it",
            );
            Exit::Failed
        }
    }
}

/// Whether there is enough of it.
struct Enough {
    messages: u64,
    bytes: u64,
}

impl Enough {
    fn of(args: &Args) -> Self {
        let unbounded = args.messages.is_none() && args.bytes.is_none();
        Self {
            messages: args
                .messages
                .unwrap_or(if unbounded { 10_000 } else { u64::MAX }),
            bytes: args.bytes.unwrap_or(u64::MAX),
        }
    }

    /// Takes one more; false where there was enough.
    fn takes(&mut self, bytes: usize) -> bool {
        let more = self.messages > 0 && self.bytes > 0;
        if more {
            self.messages -= 1;
            self.bytes = self.bytes.saturating_sub(bytes as u64);
        }
        more
    }
}

fn write(out: &mut impl Write, args: &Args, mix: Mix) -> io::Result<()> {
    let mut enough = Enough::of(args);
    if args.format == Form::Batch {
        out.write_all(b"FHS|^~\\&|PENTAMER|SYNTHETIC\rBHS|^~\\&|PENTAMER|SYNTHETIC\r")?;
    }
    let mut count = 0_u64;
    for event in Feed::new(args.seed, mix) {
        if !enough.takes(event.raw.len()) {
            break;
        }
        count += 1;
        if args.format == Form::Mllp {
            out.write_all(b"\x0b")?;
            out.write_all(&event.raw)?;
            out.write_all(b"\x1c\r")?;
        } else {
            out.write_all(&event.raw)?;
        }
    }
    if args.format == Form::Batch {
        out.write_all(format!("BTS|{count}\rFTS|1\r").as_bytes())?;
    }
    Ok(())
}

/// A thousand files to a folder, so that no folder has too many.
fn write_files(folder: &Path, args: &Args, mix: Mix) -> io::Result<()> {
    let mut enough = Enough::of(args);
    for (number, event) in Feed::new(args.seed, mix).enumerate() {
        if !enough.takes(event.raw.len()) {
            break;
        }
        let part = folder.join(format!("{:06}", number / 1_000));
        if number % 1_000 == 0 {
            std::fs::create_dir_all(&part)?;
        }
        std::fs::write(part.join(format!("{number:09}.hl7")), &event.raw)?;
    }
    Ok(())
}

/// A file, compressed by the end of its name.
enum Out {
    Plain(BufWriter<File>),
    Gzip(flate2::write::GzEncoder<BufWriter<File>>),
    Zstd(zstd::stream::write::Encoder<'static, BufWriter<File>>),
}

fn create(path: &Path) -> io::Result<Out> {
    let file = BufWriter::with_capacity(1 << 20, File::create(path)?);
    let ending = path.extension().and_then(|ending| ending.to_str());
    Ok(match ending {
        Some("gz") => Out::Gzip(flate2::write::GzEncoder::new(
            file,
            flate2::Compression::default(),
        )),
        Some("zst") => Out::Zstd(zstd::stream::write::Encoder::new(file, 3)?),
        _ => Out::Plain(file),
    })
}

impl Out {
    fn finish(self) -> io::Result<()> {
        match self {
            Self::Plain(mut out) => out.flush(),
            Self::Gzip(out) => out.finish()?.flush(),
            Self::Zstd(out) => out.finish()?.flush(),
        }
    }
}

impl Write for Out {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(out) => out.write(bytes),
            Self::Gzip(out) => out.write(bytes),
            Self::Zstd(out) => out.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(out) => out.flush(),
            Self::Gzip(out) => out.flush(),
            Self::Zstd(out) => out.flush(),
        }
    }
}
