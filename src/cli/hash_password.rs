//! `pentamer hash-password`: what goes into `[http] users` and `[http] tokens`.

use super::{Exit, after_help, complain, print};
use crate::users::{TokenHash, hash, random};
use std::io::{BufRead as _, IsTerminal as _};

const EXAMPLE: &str = "\
pentamer hash-password
  pentamer hash-password < password.txt
  pentamer hash-password --token";

/// Characters that a password must have.
const SHORTEST: usize = 10;

/// Print the argon2id hash of a password for `[http] users`, or a token and its hash for `[http] tokens`
#[derive(Debug, clap::Args)]
#[command(after_help = after_help(EXAMPLE))]
pub struct Args {
    /// Make a random token instead: the token on the first line, its hash on the second
    #[arg(long)]
    token: bool,
}

/// Reads a password (asked for on a terminal, else the first line of stdin) and prints its hash.
pub fn run(args: &Args) -> Exit {
    let made = if args.token { token() } else { password() };
    match made {
        Ok(text) => {
            print(&text);
            Exit::Done
        }
        Err((what, help)) => {
            complain(&what, "the password", help);
            Exit::Usage
        }
    }
}

type Wrong = (String, &'static str);

const NO_CHANCE: &str = "the system gives no random numbers: try again";

fn token() -> Result<String, Wrong> {
    let token = random().map_err(|error| (error.to_string(), NO_CHANCE))?;
    Ok(format!("{token}\n{}\n", TokenHash::of(&token)))
}

fn password() -> Result<String, Wrong> {
    let given = given()?;
    if given.chars().count() < SHORTEST {
        let what = format!("the password has fewer than {SHORTEST} characters");
        return Err((what, "take a longer one: some words in a row do"));
    }
    let hash = hash(&given).map_err(|error| (error.to_string(), NO_CHANCE))?;
    Ok(format!("{}\n", hash.text()))
}

fn given() -> Result<String, Wrong> {
    const HELP: &str = "type it twice, or give it as the first line of stdin";
    let read = |error: std::io::Error| (format!("cannot read the password: {error}"), HELP);
    if std::io::stdin().is_terminal() {
        let first = rpassword::prompt_password("Password: ").map_err(read)?;
        let again = rpassword::prompt_password("Again: ").map_err(read)?;
        if first != again {
            return Err(("the two are not the same".to_owned(), HELP));
        }
        return Ok(first);
    }
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line).map_err(read)?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}
