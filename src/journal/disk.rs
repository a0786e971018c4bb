//! The only way from here to files: a small trait, so that the whole journal also runs on a model
//! disk that can crash at any call ([`ModelDisk`](super::ModelDisk)).

use std::io;
use std::path::Path;
use std::sync::Arc;

/// A file system as the journal needs it.
pub trait Disk: Send + Sync + 'static {
    /// Makes a directory and its parents, readable by the owner only. Done already is no error.
    fn create_dir(&self, path: &Path) -> io::Result<()>;
    /// The names of the files in a directory, in order.
    fn list(&self, dir: &Path) -> io::Result<Vec<String>>;
    /// A new, empty file, in the place of an old one of that name.
    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>>;
    /// An existing file, for reading and writing.
    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>>;
    /// An existing file, for reading only.
    fn open_read(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>>;
    /// Gives a file another name in the same directory, replacing what had it.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Makes the names in a directory durable.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;
    /// Bytes that this process may still fill.
    fn free_space(&self, dir: &Path) -> io::Result<u64>;
    /// Locks a file (made if it is missing) against every other process, until the value returned
    /// is dropped. [`io::ErrorKind::WouldBlock`] when another one holds it.
    fn lock(&self, path: &Path) -> io::Result<Box<dyn DiskLock>>;
}

/// An open file.
pub trait DiskFile: Send + Sync {
    /// Reads at a place; 0 at the end of the file.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;
    /// Writes at a place, perhaps only a part; the number of bytes written.
    fn write_at(&self, data: &[u8], offset: u64) -> io::Result<usize>;
    /// Makes what was written durable. After an error nothing written since the last success may
    /// be taken for durable, whatever a second call says: the file has to be given up.
    fn sync_data(&self) -> io::Result<()>;
    /// Cuts or lengthens (with zeros).
    fn set_len(&self, len: u64) -> io::Result<()>;
    /// Takes the space for the first `len` bytes; they read as zeros.
    fn preallocate(&self, len: u64) -> io::Result<()>;
    /// The length in bytes.
    fn len(&self) -> io::Result<u64>;
    /// Whether it has no bytes.
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }
}

/// A file in another form, which is only read.
pub(crate) trait OnlyRead: Send + Sync {
    /// As [`DiskFile::read_at`].
    fn bytes_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;
    /// As [`DiskFile::len`].
    fn size(&self) -> io::Result<u64>;
}

impl<F: OnlyRead> DiskFile for F {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.bytes_at(buffer, offset)
    }

    fn write_at(&self, _data: &[u8], _offset: u64) -> io::Result<usize> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn set_len(&self, _len: u64) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn preallocate(&self, _len: u64) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn len(&self) -> io::Result<u64> {
        self.size()
    }
}

/// Holds a lock until dropped.
pub trait DiskLock: Send + Sync {}

/// Writes all of `data`; a file that takes nothing more is an error.
pub(crate) fn write_all_at(
    file: &dyn DiskFile,
    mut data: &[u8],
    mut offset: u64,
) -> io::Result<()> {
    while !data.is_empty() {
        match file.write_at(data, offset) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(n) => {
                data = data.get(n..).unwrap_or_default();
                offset += n as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Reads until the buffer is full or the file ends; the number of bytes read.
pub(crate) fn read_full_at(
    file: &dyn DiskFile,
    buffer: &mut [u8],
    offset: u64,
) -> io::Result<usize> {
    let mut done = 0;
    while done < buffer.len() {
        let Some(rest) = buffer.get_mut(done..) else {
            break;
        };
        match file.read_at(rest, offset + done as u64) {
            Ok(0) => break,
            Ok(n) => done += n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(done)
}
