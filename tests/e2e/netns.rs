//! Network namespaces: processes under test with links of their own, which can be made rough or cut. Where none can
//! be made, whoever asks is told why.

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use std::fs::File;
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::os::fd::AsFd as _;
use std::process::Command;
use std::time::Duration;

/// Runs a command of words without spaces; what it printed, or what is wrong.
pub fn run(line: &str) -> Result<String, String> {
    let mut words = line.split(' ');
    let output = Command::new(words.next().expect("a program"))
        .args(words)
        .output()
        .map_err(|error| format!("`{line}`: {error}"))?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        let why = String::from_utf8_lossy(&output.stderr);
        Err(format!("`{line}`: {}", why.trim()))
    }
}

/// A namespace with its loopback; gone when dropped, and with it the links that end there.
pub struct Namespace {
    pub name: String,
}

impl Namespace {
    pub fn make(name: String) -> Result<Self, String> {
        run(&format!("ip netns add {name}"))?;
        let made = Self { name };
        run(&format!("ip -n {} link set lo up", made.name))?;
        Ok(made)
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = run(&format!("ip netns del {}", self.name));
    }
}

/// Connects as a process in a namespace would, to its loopback too; without one, from here.
pub fn connect(namespace: Option<&str>, to: SocketAddr, limit: Duration) -> io::Result<TcpStream> {
    let Some(name) = namespace else {
        return TcpStream::connect_timeout(&to, limit);
    };
    // A thread moves alone; the socket stays where it was made. (No scope: its end would wake the caller's next
    // `park_timeout` at once.)
    let file = File::open(format!("/run/netns/{name}"))?;
    let there = std::thread::spawn(move || {
        move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network))?;
        TcpStream::connect_timeout(&to, limit)
    });
    there.join().expect("ended")
}
