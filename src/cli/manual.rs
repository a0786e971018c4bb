//! `pentamer manual`: man pages and completions as files, for whoever makes a package.

use super::{Exit, after_help, complain};
use std::io;
use std::path::{Path, PathBuf};

/// Write man pages and completions into a directory
#[derive(Debug, clap::Args)]
#[command(after_help = after_help("pentamer manual target/manual"))]
pub struct Args {
    /// The directory; it is made
    dir: PathBuf,
}

/// Writes them.
pub fn run(args: &Args) -> Exit {
    match write(&args.dir) {
        Ok(()) => Exit::Done,
        Err(error) => {
            complain(
                &format!("cannot write the manual: {error}"),
                &args.dir.display().to_string(),
                "name a directory that can be written to",
            );
            Exit::Failed
        }
    }
}

fn write(dir: &Path) -> io::Result<()> {
    std::fs::create_dir_all(dir)?;
    clap_mangen::generate_to(super::command(), dir)?;
    for shell in [
        clap_complete::Shell::Bash,
        clap_complete::Shell::Zsh,
        clap_complete::Shell::Fish,
    ] {
        clap_complete::generate_to(shell, &mut super::command(), "pentamer", dir)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_that_is_shown_has_a_page() {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path()).unwrap();
        let there = |name: &str| dir.path().join(name).exists();
        assert!(there("pentamer.1") && there("pentamer-journal-verify.1"));
        for shown in super::super::command().get_subcommands() {
            let page = format!("pentamer-{}.1", shown.get_name());
            assert_eq!(there(&page), !shown.is_hide_set(), "{page}");
        }
        assert!(there("pentamer.bash") && there("_pentamer") && there("pentamer.fish"));
    }
}
