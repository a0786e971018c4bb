//! The `file` sink: one CloudEvent a line, synced before it counts as delivered.

use super::{Letter, Sending, Sink, SinkError};
use serde_json::Value;
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

/// Appends alerts to a file of JSON lines.
#[derive(Debug)]
pub struct FileSink {
    path: PathBuf,
    open: Option<File>,
}

impl FileSink {
    /// A sink on this file; it is made when the first alert comes, readable by its owner only.
    pub const fn new(path: PathBuf) -> Self {
        Self { path, open: None }
    }

    fn append(&mut self, event: &Value) -> Result<(), SinkError> {
        // A rotated or deleted file must not swallow alerts: the path counts, not the old handle.
        if self.open.is_some() && !self.still_there() {
            self.open = None;
        }
        let written = self.write(event);
        written.map_err(|error| {
            self.open = None;
            SinkError::later(format!("cannot write `{}`: {error}", self.path.display()))
        })
    }

    fn still_there(&self) -> bool {
        use std::os::unix::fs::MetadataExt;
        let inode = |found: std::io::Result<std::fs::Metadata>| {
            found.ok().map(|found| (found.dev(), found.ino()))
        };
        self.open.as_ref().is_some_and(|file| {
            inode(file.metadata())
                .is_some_and(|mine| inode(std::fs::metadata(&self.path)) == Some(mine))
        })
    }

    fn write(&mut self, event: &Value) -> std::io::Result<()> {
        let mut file = match self.open.take() {
            Some(file) => file,
            None => open(&self.path)?,
        };
        file.write_all(format!("{event}\n").as_bytes())?;
        file.sync_data()?;
        self.open = Some(file);
        Ok(())
    }
}

impl Sink for FileSink {
    fn deliver<'a>(&'a mut self, letter: &'a Letter) -> Sending<'a> {
        // It waits for its disk: the connections of this worker must not.
        Box::pin(async move { tokio::task::block_in_place(|| self.append(letter.event())) })
    }
}

/// Opens for appending. A line that a crash left unfinished is ended, so that the next stands alone.
fn open(path: &std::path::Path) -> std::io::Result<File> {
    let mut file = OpenOptions::new()
        .read(true)
        .append(true)
        .create(true)
        .mode(0o600)
        .open(path)?;
    if file.seek(SeekFrom::End(0))? > 0 {
        file.seek(SeekFrom::End(-1))?;
        let mut last = [0_u8];
        file.read_exact(&mut last)?;
        if last != *b"\n" {
            file.write_all(b"\n")?;
        }
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::FileSink;
    use serde_json::json;

    #[test]
    fn an_unfinished_line_is_ended_and_a_moved_file_is_made_anew() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("alerts.jsonl");
        std::fs::write(&path, "{\"half").expect("written");
        let mut sink = FileSink::new(path.clone());
        sink.append(&json!({"id": "1"})).expect("delivered");
        sink.append(&json!({"id": "2"})).expect("delivered");
        let text = std::fs::read_to_string(&path).expect("read");
        assert_eq!(text, "{\"half\n{\"id\":\"1\"}\n{\"id\":\"2\"}\n");
        std::fs::rename(&path, dir.path().join("alerts.1")).expect("moved");
        sink.append(&json!({"id": "3"})).expect("delivered");
        assert_eq!(
            std::fs::read_to_string(&path).expect("read"),
            "{\"id\":\"3\"}\n"
        );
    }

    #[test]
    fn a_missing_folder_is_an_error_for_later() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("gone").join("alerts.jsonl");
        let mut sink = FileSink::new(path.clone());
        assert!(sink.append(&json!({})).is_err());
        std::fs::create_dir(dir.path().join("gone")).expect("made");
        sink.append(&json!({})).expect("delivered");
    }
}
