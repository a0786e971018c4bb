//! `/api/v1/stream`: alerts as they come, resumed where they were left, at the reader's own pace.

use super::super::harness::{DEADLINE, Pentamer, low_igm};
use super::get;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;

struct Events(BufReader<TcpStream>);

impl Events {
    fn open(daemon: &Pentamer, path: &str, headers: &str) -> Self {
        let mut stream = TcpStream::connect(daemon.http).expect("connected");
        stream.set_read_timeout(Some(DEADLINE)).expect("set");
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {}\r\n{headers}\r\n",
            daemon.http
        );
        stream.write_all(request.as_bytes()).expect("sent");
        let mut events = Self(BufReader::new(stream));
        assert!(events.line().contains("200"), "a stream");
        events
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).expect("a line");
        line.trim_end().to_owned()
    }

    /// The next alert: its id in the stream and its kind.
    fn alert(&mut self) -> (String, String) {
        let mut id = String::new();
        loop {
            let line = self.line();
            if let Some(found) = line.strip_prefix("id: ") {
                found.clone_into(&mut id);
            }
            if let Some(data) = line.strip_prefix("data: ")
                && data.contains("alert_id")
            {
                let data: serde_json::Value = serde_json::from_str(data).expect("JSON");
                return (id, data["kind"].as_str().expect("a kind").to_owned());
            }
        }
    }
}

#[test]
fn alerts_come_as_they_are_decided_and_again_from_where_one_was() {
    let daemon = Pentamer::start_default();
    let mut events = Events::open(&daemon, "/api/v1/stream", "");
    let mut sender = daemon.connect();
    assert_eq!(sender.exchange(&low_igm("SSE1", "1")), "AA");
    let (first, kind) = events.alert();
    assert_eq!(kind, "detected");
    drop(events);
    assert_eq!(sender.exchange(&low_igm("SSE2", "2")), "AA");
    daemon.settle();
    let last = format!("Last-Event-ID: {first}\r\n");
    let mut resumed = Events::open(&daemon, "/api/v1/stream", &last);
    let (second, _) = resumed.alert();
    assert_ne!(first, second);
    let mut all = Events::open(&daemon, "/api/v1/stream?after=0", "");
    assert_eq!((all.alert().0, all.alert().0), (first, second));
    assert_eq!(get(&daemon, "/api/v1/stream?after=x").status, 400);
}

#[test]
fn readers_that_do_not_read_hold_up_nobody() {
    let daemon = Pentamer::start_default();
    let slow: Vec<Events> = (0..50)
        .map(|_| Events::open(&daemon, "/api/v1/stream?after=0", ""))
        .collect();
    let before = daemon.resident_kib();
    let mut sender = daemon.connect();
    for n in 0..200 {
        assert_eq!(
            sender.exchange(&low_igm(&format!("S{n}"), &n.to_string())),
            "AA"
        );
    }
    daemon.settle();
    let mut quick = Events::open(&daemon, "/api/v1/stream?after=199", "");
    assert_eq!(quick.alert().0, "200");
    assert!(
        daemon.resident_kib() < before + 64 * 1024,
        "nothing is queued for them"
    );
    drop(slow);
    let (_, status) = daemon.stop();
    assert!(status.success(), "an open stream does not keep the daemon");
}
