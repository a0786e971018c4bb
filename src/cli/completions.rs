//! `pentamer completions`: what a shell needs to complete our commands.

use super::{Exit, after_help, print};

/// Print the completions of a shell
#[derive(Debug, clap::Args)]
#[command(after_help = after_help("pentamer completions bash > /etc/bash_completion.d/pentamer"))]
pub struct Args {
    /// The shell
    #[arg(value_enum)]
    shell: clap_complete::Shell,
}

/// Prints the completions to stdout.
pub fn run(args: &Args) -> Exit {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut super::command(), "pentamer", &mut script);
    print(&String::from_utf8_lossy(&script));
    Exit::Done
}
