//! The pages and the API as browsers and programs see them.

mod access;
mod browser;
mod commands;
mod pages;
mod stream;

use super::harness::{Pentamer, command};
use serde_json::Value;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::Stdio;

/// What was answered.
pub struct Reply {
    pub status: u16,
    /// In small letters.
    pub head: String,
    pub body: String,
}

impl Reply {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }

    /// A header's first value.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head
            .lines()
            .find_map(|line| line.strip_prefix(&format!("{name}: ")))
    }
}

/// One request, written by hand: what is sent is what is tested.
pub fn ask(daemon: &Pentamer, method: &str, path: &str, headers: &str, body: &str) -> Reply {
    ask_at(daemon.http, method, path, headers, body)
}

fn ask_at(http: SocketAddr, method: &str, path: &str, headers: &str, body: &str) -> Reply {
    let mut stream = TcpStream::connect(http).expect("connected");
    let host = if headers.to_ascii_lowercase().contains("host:") {
        String::new()
    } else {
        format!("Host: {http}\r\n")
    };
    let length = body.len();
    let request = format!(
        "{method} {path} HTTP/1.1\r\n{host}Connection: close\r\nContent-Length: {length}\r\n{headers}\r\n{body}"
    );
    // A server that refuses a body may close before all of it is sent.
    let _ = stream.write_all(request.as_bytes());
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok());
    Reply {
        status: status.unwrap_or_default(),
        head: head.replace("\r\n", "\n").to_ascii_lowercase(),
        body: body.to_owned(),
    }
}

pub fn get(daemon: &Pentamer, path: &str) -> Reply {
    ask(daemon, "GET", path, "", "")
}

pub fn get_at(http: SocketAddr, path: &str) -> Reply {
    ask_at(http, "GET", path, "", "")
}

pub const JSON: &str = "Content-Type: application/json\r\n";
pub const FORM: &str = "Content-Type: application/x-www-form-urlencoded\r\n";

/// The hidden field of a page's forms.
pub fn csrf(page: &str) -> String {
    let (_, rest) = page.split_once("name=\"csrf\" value=\"").expect("a form");
    rest.split('"').next().expect("a value").to_owned()
}

/// What `pentamer hash-password` makes of a password.
pub fn hash_of(password: &str) -> String {
    let mut child = command()
        .arg("hash-password")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("started");
    let mut stdin = child.stdin.take().expect("stdin");
    stdin.write_all(password.as_bytes()).expect("given");
    drop(stdin);
    let output = child.wait_with_output().expect("ended");
    assert!(output.status.success());
    String::from_utf8(output.stdout)
        .expect("text")
        .trim()
        .to_owned()
}

/// A token and its hash.
pub fn token() -> (String, String) {
    let output = command()
        .args(["hash-password", "--token"])
        .output()
        .expect("ended");
    let text = String::from_utf8(output.stdout).expect("text");
    let (token, hash) = text.trim().split_once('\n').expect("two lines");
    (token.to_owned(), hash.to_owned())
}

pub const PASSWORD: &str = "correct horse battery";

/// `[http]` keys for a viewer, a clinician and an operator by password and by token; the tokens.
pub fn users() -> (String, [String; 3]) {
    let hash = hash_of(PASSWORD);
    let roles = ["viewer", "clinician", "operator"];
    let users: Vec<String> = roles
        .iter()
        .map(|role| {
            format!("{{ name = \"{role}\", password_hash = \"{hash}\", roles = [\"{role}\"] }}")
        })
        .collect();
    let made = roles.map(|_| token());
    let tokens: Vec<String> = roles
        .iter()
        .zip(&made)
        .map(|(role, (_, hash))| {
            format!("{{ name = \"t-{role}\", hash = \"{hash}\", roles = [\"{role}\"] }}")
        })
        .collect();
    let keys = format!(
        "users = [{}]\ntokens = [{}]\n",
        users.join(", "),
        tokens.join(", ")
    );
    (keys, made.map(|(token, _)| token))
}

/// Signs in; the cookie to send along.
pub fn sign_in(daemon: &Pentamer, name: &str) -> String {
    let body = format!("name={name}&password={}", PASSWORD.replace(' ', "+"));
    let reply = ask(daemon, "POST", "/sign-in", FORM, &body);
    assert_eq!(reply.status, 303, "{}", reply.body);
    let cookie = reply.header("set-cookie").expect("a cookie");
    let pair = cookie.split(';').next().expect("a pair");
    format!("Cookie: {pair}\r\n")
}
