//! The pages of a running daemon that knows a million patients, and what opening them costs the feed.
//!
//! Every patient has a panel of IgM, IgG and IgA; of a thousand, one has isolated low IgM, one a result that is
//! not understood. Then each page is opened a hundred times, and at last messages come at a fixed rate, without
//! and with people who open pages all the time. Searching ten million messages: `cargo bench --bench pages`.
//!
//! `PENTAMER_PATIENTS=100000 cargo bench --bench live` for fewer.

#![expect(clippy::disallowed_methods, reason = "a benchmark measures time")]

mod daemon;

use daemon::Daemon;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Connections that feed, and messages of each that wait for their answers.
const FEEDERS: u64 = 8;
const IN_FLIGHT: u64 = 64;
const ROUNDS: u64 = 100;
/// What a page may take (99 of 100).
const BOUND: Duration = Duration::from_millis(100);
/// Messages a second while pages are opened, and for how long.
const RATE: u64 = 500;
const SECONDS: u64 = 10;
/// People who open pages, one after the other, ten a second each.
const PEOPLE: u64 = 2;

fn message(patient: u64) -> Vec<u8> {
    let now = jiff::Timestamp::now().strftime("%Y%m%d%H%M%S+0000");
    let (igm, unit) = match patient % 1_000 {
        1 => ("0.21", "g/L"),
        2 => ("1.1", "parts"),
        _ => ("1.1", "g/L"),
    };
    let range = if unit == "g/L" { "0.4-2.3" } else { "" };
    format!(
        "\x0bMSH|^~\\&|LAB|HOSP|PENT|IMM|{now}||ORU^R01^ORU_R01|{patient}|P|2.5.1\r\
         PID|1||{patient}^^^HOSP^MR||DOE^JANE||19800101|F\r\
         OBR|1|P{patient}|F{patient}|IG^Immunoglobulins^L|||{now}|||||||||||||||{now}|||F\r\
         OBX|1|NM|2472-9^IgM^LN||{igm}|{unit}|{range}||||F\r\
         OBX|2|NM|2465-3^IgG^LN||11.0|g/L|7.0-16.0||||F\r\
         OBX|3|NM|2458-8^IgA^LN||2.0|g/L|0.7-4.0||||F\r\x1c\r"
    )
    .into_bytes()
}

/// Reads so many answers.
fn answers(stream: &mut TcpStream, wanted: u64) {
    let (mut seen, mut buffer) = (0, [0_u8; 16 * 1024]);
    while seen < wanted {
        let length = stream.read(&mut buffer).expect("read");
        assert!(length > 0, "closed");
        seen += buffer[..length].iter().filter(|b| **b == 0x1c).count() as u64;
    }
}

fn feed(to: SocketAddr, patients: u64) {
    let feeders: Vec<_> = (0..FEEDERS)
        .map(|feeder| {
            std::thread::spawn(move || {
                let mut stream = TcpStream::connect(to).expect("connected");
                let mine: Vec<u64> = (feeder..patients).step_by(FEEDERS as usize).collect();
                for group in mine.chunks(IN_FLIGHT as usize) {
                    let bytes: Vec<u8> = group.iter().flat_map(|n| message(*n)).collect();
                    stream.write_all(&bytes).expect("sent");
                    answers(&mut stream, group.len() as u64);
                }
            })
        })
        .collect();
    for feeder in feeders {
        feeder.join().expect("fed");
    }
}

fn get(http: SocketAddr, path: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(http).expect("connected");
    let request = format!("GET {path} HTTP/1.1\r\nHost: {http}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("sent");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("read");
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let status = answer.split(' ').nth(1).and_then(|code| code.parse().ok());
    let (_, body) = answer.split_once("\r\n\r\n").unwrap_or_default();
    (status.unwrap_or_default(), body.to_owned())
}

fn json(http: SocketAddr, path: &str) -> serde_json::Value {
    serde_json::from_str(&get(http, path).1).unwrap_or_default()
}

/// Half and 99 of 100, in milliseconds.
fn spread(times: &mut [Duration]) -> (f64, f64) {
    times.sort();
    let at = |index: usize| {
        times
            .get(index)
            .map_or(0.0, |time| time.as_secs_f64() * 1e3)
    };
    (at(times.len() / 2), at(times.len() * 99 / 100))
}

/// How long answers take at the rate.
fn paced(daemon: &Daemon, first: u64) -> (f64, f64) {
    let mut stream = TcpStream::connect(daemon.mllp).expect("connected");
    stream.set_nodelay(true).expect("set");
    let begun = Instant::now();
    let mut times: Vec<Duration> = (0..RATE * SECONDS)
        .map(|n| {
            let due = begun + Duration::from_micros(n * 1_000_000 / RATE);
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            let message = message(first + n);
            let sent = Instant::now();
            stream.write_all(&message).expect("sent");
            answers(&mut stream, 1);
            sent.elapsed()
        })
        .collect();
    spread(&mut times)
}

fn main() {
    let patients: u64 = std::env::var("PENTAMER_PATIENTS")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(1_000_000);
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory");
    let daemon = Daemon::start(dir.path(), "max_connections_per_peer = 100");
    let begun = Instant::now();
    feed(daemon.mllp, patients);
    let fed = begun.elapsed();
    let mut behind = f64::MAX;
    while behind > 0.0 || get(daemon.http, "/readyz").0 != 200 {
        std::thread::sleep(Duration::from_millis(500));
        let (_, metrics) = get(daemon.http, "/metrics");
        behind = metrics
            .lines()
            .filter_map(|line| line.split_once(' '))
            .filter(|(name, _)| {
                *name == "pentamer_fold_lag_records" || *name == "pentamer_undecided_patients"
            })
            .filter_map(|(_, value)| value.parse::<f64>().ok())
            .sum();
    }
    println!(
        "{patients} patients acknowledged in {:.0} s ({:.0} a second), folded and decided after {:.0} s; {} MiB resident",
        fed.as_secs_f64(),
        patients as f64 / fed.as_secs_f64(),
        begun.elapsed().as_secs_f64(),
        daemon.resident_kib() >> 10
    );
    let http = daemon.http;
    let alerts = json(http, "/api/v1/alerts?limit=100");
    let alert = |round: u64| {
        let id = &alerts["items"][(round % 100) as usize]["alert"]["id"];
        id.as_str().unwrap_or_default().to_owned()
    };
    let pick = |round: u64| round.wrapping_mul(7_919_993) % patients;
    type Ask<'a> = (&'a str, Box<dyn Fn(u64) -> String + 'a>);
    let pages: Vec<Ask<'_>> = vec![
        ("worklist", Box::new(|_| "/".to_owned())),
        ("review", Box::new(|_| "/?show=review".to_owned())),
        (
            "alert",
            Box::new(|round| format!("/alerts/{}", alert(round))),
        ),
        (
            "patient",
            Box::new(|round| format!("/patients/HOSP%3A{}", pick(round))),
        ),
        ("messages", Box::new(|_| "/messages".to_owned())),
        (
            "messages of a patient",
            Box::new(|round| format!("/messages?patient={}", pick(round))),
        ),
        (
            "messages that paged",
            Box::new(|_| "/messages?outcome=paged".to_owned()),
        ),
        (
            "a message",
            Box::new(|round| format!("/messages/{}", pick(round) / 2 + 10)),
        ),
        ("feeds", Box::new(|_| "/feeds".to_owned())),
        ("queue", Box::new(|_| "/queue".to_owned())),
        ("quarantine", Box::new(|_| "/quarantine".to_owned())),
        ("audit", Box::new(|_| "/audit".to_owned())),
        ("alerts, API", Box::new(|_| "/api/v1/alerts".to_owned())),
        ("worklist, API", Box::new(|_| "/api/v1/worklist".to_owned())),
    ];
    let mut missed = Vec::new();
    for (name, path) in &pages {
        let mut bytes = 0;
        let mut times: Vec<Duration> = (0..ROUNDS)
            .map(|round| {
                let path = path(round);
                let begun = Instant::now();
                let (status, body) = get(http, &path);
                assert!(status == 200, "{path}: {status}");
                bytes = body.len();
                begun.elapsed()
            })
            .collect();
        let (half, most) = spread(&mut times);
        println!(
            "{name}: {half:.1} ms, 99 of 100 within {most:.1} ms ({} KiB)",
            bytes >> 10
        );
        if most > BOUND.as_secs_f64() * 1e3 {
            missed.push(*name);
        }
    }
    let (half, most) = paced(&daemon, 2 * patients);
    println!(
        "{RATE} messages a second: an answer takes {half:.2} ms, 99 of 100 within {most:.2} ms"
    );
    let over = Arc::new(AtomicBool::new(false));
    let opened = Arc::new(AtomicU64::new(0));
    let people: Vec<_> = (0..PEOPLE)
        .map(|person| {
            let (over, opened) = (Arc::clone(&over), Arc::clone(&opened));
            let ids: Vec<String> = (0..100).map(alert).collect();
            std::thread::spawn(move || {
                for (round, id) in (person..).zip(ids.iter().cycle()) {
                    if over.load(Ordering::Relaxed) {
                        break;
                    }
                    let patient = round.wrapping_mul(7_919_993) % patients;
                    let path = match round % 4 {
                        0 => "/".to_owned(),
                        1 => format!("/alerts/{id}"),
                        2 => format!("/patients/HOSP%3A{patient}"),
                        _ => format!("/messages?patient={patient}"),
                    };
                    assert_eq!(get(http, &path).0, 200);
                    opened.fetch_add(1, Ordering::Relaxed);
                    std::thread::sleep(Duration::from_millis(100));
                }
            })
        })
        .collect();
    let (also, at_most) = paced(&daemon, 3 * patients);
    over.store(true, Ordering::Relaxed);
    for person in people {
        person.join().expect("read");
    }
    println!(
        "the same while {PEOPLE} people open pages ({:.0} a second): {also:.2} ms, 99 of 100 within {at_most:.2} ms",
        opened.load(Ordering::Relaxed) as f64 / SECONDS as f64
    );
    assert!(missed.is_empty(), "longer than {BOUND:?}: {missed:?}");
}
