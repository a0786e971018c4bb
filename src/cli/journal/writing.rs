//! The three forms in which messages are written out.

use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

/// How messages are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Format {
    /// One JSON object a line; `raw` is base64 of the exact bytes
    Lines,
    /// MLLP frames one after another, as `pentamer send` takes them
    Mllp,
    /// One file a message in the folder `--out`, named by position
    Files,
}

/// One message, or a frame that is none, with where it came from.
#[derive(Debug, Serialize)]
pub(super) struct Item<'a> {
    pub(super) position: u64,
    pub(super) received_at: String,
    pub(super) listener: &'a str,
    pub(super) peer: &'a str,
    /// MSH-10; null where there is no header.
    pub(super) control_id: Option<String>,
    /// Position of the first message of the same frame: common to the messages of a batch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) frame: Option<u64>,
    /// Why it is no message (`--quarantine`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reason: Option<&'static str>,
    /// Bytes that it had; `raw` may be only the head.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) total_len: Option<u64>,
    #[serde(serialize_with = "base64")]
    pub(super) raw: &'a [u8],
}

fn base64<S: serde::Serializer>(raw: &&[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&base64::display::Base64Display::new(raw, &STANDARD))
}

/// Where it goes.
pub(super) enum Output {
    /// stdout, or a file that gets its name when it is whole.
    Stream {
        format: Format,
        writer: BufWriter<Box<dyn Write>>,
        file: Option<Part>,
    },
    /// A folder.
    Folder(PathBuf),
}

/// A file that is being written under another name; gone if it does not get its own.
pub(super) struct Part {
    part: PathBuf,
    out: PathBuf,
}

impl Drop for Part {
    fn drop(&mut self) {
        // Where it got its name there is nothing.
        let _ = fs::remove_file(&self.part);
    }
}

impl Output {
    /// Opens the place. Its files are for their owner only.
    pub(super) fn open(format: Format, out: Option<&Path>) -> io::Result<Self> {
        if format == Format::Files {
            let dir = out.ok_or_else(|| io::Error::other("`--format files` needs `--out DIR`"))?;
            fs::create_dir_all(dir)?;
            return Ok(Self::Folder(dir.to_owned()));
        }
        let (writer, file): (Box<dyn Write>, _) = match out.filter(|out| *out != Path::new("-")) {
            None => (Box::new(io::stdout()), None),
            Some(out) => {
                let mut part = out.as_os_str().to_owned();
                part.push(".part");
                let part = PathBuf::from(part);
                let writer = File::create(&part)?;
                let out = out.to_owned();
                (Box::new(writer), Some(Part { part, out }))
            }
        };
        Ok(Self::Stream {
            format,
            writer: BufWriter::new(writer),
            file,
        })
    }

    pub(super) fn write(&mut self, item: &Item<'_>) -> io::Result<()> {
        match self {
            Self::Stream {
                format: Format::Mllp,
                writer,
                ..
            } => {
                writer.write_all(b"\x0b")?;
                writer.write_all(item.raw)?;
                writer.write_all(b"\x1c\r")
            }
            Self::Stream { writer, .. } => {
                serde_json::to_writer(&mut *writer, item)?;
                writer.write_all(b"\n")
            }
            Self::Folder(dir) => {
                let kind = if item.reason.is_some() { "bin" } else { "hl7" };
                fs::write(dir.join(format!("{:012}.{kind}", item.position)), item.raw)
            }
        }
    }

    /// Writes out the rest, and gives a file its name.
    pub(super) fn finish(self) -> io::Result<()> {
        if let Self::Stream {
            mut writer, file, ..
        } = self
        {
            writer.flush()?;
            drop(writer);
            if let Some(file) = file {
                File::open(&file.part)?.sync_all()?;
                fs::rename(&file.part, &file.out)?;
            }
        }
        Ok(())
    }
}
