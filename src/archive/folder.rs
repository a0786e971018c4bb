//! The files of a folder.

use std::io;
use std::path::{Path, PathBuf};

/// All files in a folder and the folders in it, in the order of their names. What cannot be listed
/// gives its error; links to folders are not followed, as they may lead back.
pub fn files(folder: &Path) -> Vec<io::Result<PathBuf>> {
    let mut files = Vec::new();
    let mut open = vec![folder.to_path_buf()];
    while let Some(path) = open.pop() {
        let linked = path.is_symlink() && path != folder;
        match (path.is_dir(), linked) {
            (false, _) => files.push(Ok(path)),
            (true, true) => {}
            (true, false) => match entries(&path) {
                Ok(entries) => open.extend(entries.into_iter().rev()),
                Err(error) => files.push(Err(error)),
            },
        }
    }
    files
}

fn entries(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.path()));
    let mut entries = entries.collect::<io::Result<Vec<_>>>()?;
    entries.sort();
    Ok(entries)
}
