//! A file of an archive, opened: plain, gzip or Zstandard, by its first bytes and not by its name.

use std::fs::File;
use std::io::{self, BufReader, Chain, Cursor, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Bytes of the file itself that were read so far, also where it is compressed.
#[derive(Debug, Clone, Default)]
pub struct Reading(Arc<AtomicU64>);

impl Reading {
    /// How many.
    pub fn bytes(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Counts what passes.
struct Counted<R> {
    inner: R,
    read: Reading,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.read.0.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

/// Opens a file; `-` is standard input.
///
/// # Errors
/// The file cannot be opened, or its first bytes not be read.
pub fn open(path: &Path, read: &Reading) -> io::Result<Box<dyn Read + Send>> {
    if path == Path::new("-") {
        input(io::stdin(), read)
    } else {
        input(File::open(path)?, read)
    }
}

/// The content of what is perhaps compressed.
///
/// # Errors
/// The first bytes cannot be read.
pub fn input(
    source: impl Read + Send + 'static,
    read: &Reading,
) -> io::Result<Box<dyn Read + Send>> {
    let mut source = Counted {
        inner: source,
        read: read.clone(),
    };
    let mut first = Vec::with_capacity(4);
    (&mut source).take(4).read_to_end(&mut first)?;
    let is_gzip = first.starts_with(&[0x1f, 0x8b]);
    let is_zstd = first == [0x28, 0xb5, 0x2f, 0xfd];
    let whole: Chain<Cursor<Vec<u8>>, _> = Cursor::new(first).chain(source);
    Ok(if is_gzip {
        let buffered = BufReader::with_capacity(256 << 10, whole);
        // Archives are often several members put together.
        Box::new(flate2::bufread::MultiGzDecoder::new(buffered))
    } else if is_zstd {
        Box::new(zstd::stream::read::Decoder::new(whole)?)
    } else {
        Box::new(whole)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    fn content(bytes: Vec<u8>) -> Vec<u8> {
        let mut content = Vec::new();
        input(Cursor::new(bytes), &Reading::default())
            .unwrap()
            .read_to_end(&mut content)
            .unwrap();
        content
    }

    #[test]
    fn what_is_compressed_reads_as_what_is_not() {
        let gzip = |bytes: &[u8]| {
            let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            writer.write_all(bytes).unwrap();
            writer.finish().unwrap()
        };
        assert_eq!(content(b"MSH|a".to_vec()), b"MSH|a");
        assert_eq!(content(b"M".to_vec()), b"M", "shorter than any mark");
        assert_eq!(content(Vec::new()), b"");
        assert_eq!(content([gzip(b"MSH|"), gzip(b"a")].concat()), b"MSH|a");
        assert_eq!(
            content(zstd::encode_all(&b"MSH|a"[..], 1).unwrap()),
            b"MSH|a"
        );
    }

    #[test]
    fn a_broken_file_is_an_error_and_not_an_end() {
        let mut whole = zstd::encode_all(&[b'x'; 9_000][..], 1).unwrap();
        whole.truncate(whole.len() - 3);
        let mut reader = input(Cursor::new(whole), &Reading::default()).unwrap();
        assert!(reader.read_to_end(&mut Vec::new()).is_err());
    }

    #[test]
    fn what_was_read_of_the_file_itself_is_counted() {
        let read = Reading::default();
        let mut reader = input(Cursor::new(vec![b'a'; 100]), &read).unwrap();
        reader.read_to_end(&mut Vec::new()).unwrap();
        assert_eq!(read.bytes(), 100);
    }
}
