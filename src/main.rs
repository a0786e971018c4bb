//! The `pentamer` program; all of it is in the library.

#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    pentamer::cli::main(std::env::args_os()).into()
}
