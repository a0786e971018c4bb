//! Looking back: every form of an archive, any order, any memory; the same as the daemon; and what a
//! report may tell.

use super::harness::{Home, Pentamer, command, wait_for};
use pentamer::generate::feed::Feed;
use pentamer::generate::hospital::Mix;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

/// In every place where a patient's data can stand.
const MARKER: &str = "ZZPHIZZ";

/// Many planted courses and traps, in order of time.
pub fn messages(seed: u64, results: usize) -> Vec<Vec<u8>> {
    let mix = Mix {
        results,
        planted: 120,
        traps: 120,
        immunology: 200,
        ..Mix::default()
    };
    let year = pentamer::generate::hospital::year(seed, mix);
    year.events.into_iter().map(|event| event.raw).collect()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

struct Desk {
    dir: tempfile::TempDir,
}

impl Desk {
    fn new() -> Self {
        Self {
            dir: tempfile::tempdir().expect("a directory"),
        }
    }

    fn put(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.dir.path().join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        fs::write(&path, bytes).expect("written");
        path
    }

    fn run(&self, files: &[&Path], more: &[&str], stdin: Option<&[u8]>) -> Output {
        let mut command = command();
        command.arg("screen").args(files).args(more);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("started");
        let mut pipe = child.stdin.take().expect("a pipe");
        if let Some(bytes) = stdin {
            pipe.write_all(bytes).expect("written");
        }
        drop(pipe);
        child.wait_with_output().expect("ended")
    }

    /// The report as JSON of a screening that goes well.
    fn json(&self, files: &[&Path], more: &[&str], stdin: Option<&[u8]>) -> Value {
        let report = self.dir.path().join("report.json");
        let mut args = vec!["--report", report.to_str().expect("text")];
        args.extend(more);
        let output = self.run(files, &args, stdin);
        assert!(output.status.success(), "{}", text(&output.stderr));
        serde_json::from_slice(&fs::read(report).expect("read")).expect("JSON")
    }
}

/// What does not depend on the form of the archive.
pub fn outcome(report: &Value) -> Value {
    serde_json::json!([
        report["funnel"],
        report["findings"],
        report["feeds"],
        report["quarantine"],
        report["cases"],
    ])
}

#[test]
fn every_form_of_an_archive_gives_the_same() {
    let desk = Desk::new();
    let messages = messages(3, 300);
    let lines = messages.concat();
    let report = desk.json(&[&desk.put("plain", &lines)], &[], None);
    let expected = outcome(&report);
    assert_eq!(report["messages"]["total"], messages.len());
    assert!(report["cases"].as_array().expect("cases").len() > 3);

    let frames: Vec<u8> = messages
        .iter()
        .flat_map(|message| [&b"\x0b"[..], message, b"\x1c\r"].concat())
        .collect();
    let batch = [
        &b"FHS|^~\\&|A\rBHS|^~\\&|A\r"[..],
        &lines,
        b"BTS|1\rFTS|1\r",
    ]
    .concat();
    let feeds = text_lines(&lines);
    for (number, message) in messages.iter().enumerate() {
        let name = format!("folder/{}/{number:05}.hl7", number % 7);
        desk.put(&name, message);
    }
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&frames).expect("packed");
    let zstd = zstd::encode_all(&lines[..], 1).expect("packed");
    let forms = [
        ("frames", frames.clone()),
        ("batch", batch),
        ("line feeds", feeds),
        ("gzip", gzip.finish().expect("packed")),
        ("zstd", zstd),
    ];
    for (name, bytes) in forms {
        let found = desk.json(&[&desk.put(name, &bytes)], &[], None);
        assert_eq!(outcome(&found), expected, "{name}");
    }
    let folder = desk.dir.path().join("folder");
    assert_eq!(
        outcome(&desk.json(&[&folder], &[], None)),
        expected,
        "a folder"
    );
    let dash = Path::new("-");
    let found = desk.json(&[dash], &["--jobs", "1"], Some(&lines));
    assert_eq!(outcome(&found), expected, "standard input");
    // Spilled after a few records, and read back.
    let plain = desk.dir.path().join("plain");
    let found = desk.json(&[&plain], &["--memory", "4 KiB"], None);
    assert_eq!(outcome(&found), expected, "spilled");
}

fn text_lines(bytes: &[u8]) -> Vec<u8> {
    let ends = |byte: &u8| if *byte == b'\r' { b'\n' } else { *byte };
    bytes.iter().map(ends).collect()
}

/// Standing, opening and id of a patient's episodes that were not taken back.
pub fn episodes(patient: &Value) -> Vec<(String, String, String)> {
    let word = |one: &Value, key: &str| one[key].as_str().unwrap_or_default().to_owned();
    let mut found: Vec<_> = patient["episodes"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|one| one["standing"] == "open" || one["standing"] == "resolved")
        .map(|one| {
            (
                word(one, "opened_at"),
                word(one, "standing"),
                word(one, "id"),
            )
        })
        .collect();
    found.sort();
    found
}

#[test]
fn three_orders_and_the_daemon_find_the_same() {
    let desk = Desk::new();
    let messages = messages(5, 1_500);
    let in_order = desk.put("in-order", &messages.concat());
    let backwards: Vec<u8> = messages.iter().rev().flatten().copied().collect();
    let mut mixed: Vec<&Vec<u8>> = messages.iter().collect();
    mixed.sort_by_key(|message| crc32c::crc32c(message));
    let mixed: Vec<u8> = mixed.into_iter().flatten().copied().collect();
    let report = desk.json(&[&in_order], &[], None);
    let (half, other) = backwards.split_at(boundary(&backwards));
    let halves = [desk.put("a", half), desk.put("b", other)];
    let found = desk.json(&[&halves[1], &halves[0]], &[], None);
    assert_eq!(outcome(&found), outcome(&report), "backwards");
    let found = desk.json(&[&desk.put("mixed", &mixed)], &[], None);
    assert_eq!(outcome(&found), outcome(&report), "mixed");

    let daemon = Pentamer::start(Home::new("", ""));
    let sent = command()
        .args(["send", &daemon.mllp.to_string()])
        .arg(&in_order)
        .args(["--in-flight", "16", "--quiet"])
        .status()
        .expect("sent");
    assert!(sent.code().is_some());
    daemon.settle();
    let mut cases: BTreeMap<String, Vec<(String, String, String)>> = BTreeMap::new();
    for case in report["cases"].as_array().expect("cases") {
        let key = case["patient"].as_str().expect("a key").to_owned();
        cases.insert(key, episodes(case));
    }
    assert!(cases.len() > 10);
    let alerts = daemon.home.alerts();
    let told = alerts.iter().map(|alert| &alert["data"]["patient"]);
    let told = told.map(|who| {
        let part = |key: &str| who[key].as_str().unwrap_or_default().to_owned();
        format!("{}:{}", part("authority"), part("id"))
    });
    let everybody: std::collections::BTreeSet<String> = cases.keys().cloned().chain(told).collect();
    for key in everybody {
        let (status, body) = daemon.get(&format!("/api/v1/patients/{}", key.replace(':', "%3A")));
        assert_eq!(status, 200, "{key}");
        let patient: Value = serde_json::from_str(&body).expect("JSON");
        let survivor = patient["key"].as_str().expect("a key");
        let ours = cases.get(survivor).cloned().unwrap_or_default();
        let opened = |of: &[(String, String, String)]| -> Vec<(String, String)> {
            of.iter()
                .map(|one| (one.0.clone(), one.1.clone()))
                .collect()
        };
        let theirs = episodes(&patient);
        assert_eq!(opened(&ours), opened(&theirs), "{survivor}");
        // Where ids were merged on the way, the daemon told of an id that gave way first.
        let merged = patient["identities"]
            .as_array()
            .is_some_and(|ids| ids.len() > 1);
        if !merged {
            assert_eq!(ours, theirs, "{survivor}");
        }
    }
}

/// Where a message begins, about in the middle.
fn boundary(bytes: &[u8]) -> usize {
    let half = bytes.len() / 2;
    let found = bytes[half..].windows(5).position(|four| four == b"\rMSH|");
    half + found.expect("a message") + 1
}

/// IgM, IgG and IgA of somebody, with the marker wherever a patient's data can stand.
fn panel(number: u32, date: &str, igm: &str, range: &str) -> String {
    format!(
        "MSH|^~\\&|LAB|HOSP|P|I|{date}120000+0000||ORU^R01^ORU_R01|{MARKER}{number}{date}|P|2.5.1\r\
         PID|1||{MARKER}{number}^^^HOSP^MR||{MARKER}^JANE||19710203|F||||||||||{MARKER}acc\r\
         PV1|1|I|||||||||||||||||{MARKER}visit\r\
         DG1|1||D80.4^{MARKER}^I10\r\
         OBR|1|P|{MARKER}F{number}{date}|IG^Ig^L|||{date}080000+0000|||||||||||||||{date}110000+0000|||F\r\
         OBX|1|NM|2472-9^IgM^LN||{igm}|g/L|{range}||||F\r\
         NTE|1||{MARKER} told\r\
         OBX|2|NM|2465-3^IgG^LN||11.0|g/L|7.0-16.0||||F\r\
         OBX|3|NM|2458-8^IgA^LN||2.0|g/L|0.7-4.0||||F\r"
    )
}

#[test]
fn a_report_for_sharing_names_nobody() {
    let desk = Desk::new();
    let archive = [
        panel(1, "20250301", "0.21", "0.4-2.3"),
        panel(1, "20250501", "0.22", "0.4-2.3"),
        panel(2, "20250401", "0.12", "0.4-2.3"),
    ]
    .concat();
    let archive = desk.put("archive", archive.as_bytes());
    let at = |name: &str| {
        desk.dir
            .path()
            .join(name)
            .to_str()
            .expect("text")
            .to_owned()
    };
    let reports = [at("r.html"), at("r.json"), at("r.csv")];
    let with = |level: &str| {
        let mut args = vec!["--phi", level];
        for report in &reports {
            args.extend(["--report", report]);
        }
        let output = desk.run(&[&archive], &args, None);
        assert!(output.status.success(), "{}", text(&output.stderr));
        let told = [text(&output.stdout), text(&output.stderr)].concat();
        let files = reports
            .iter()
            .map(|file| fs::read_to_string(file).expect("read"));
        files.chain([told]).collect::<Vec<_>>()
    };
    for report in with("none") {
        assert!(!report.contains(MARKER), "{report}");
        for secret in ["1971", "2025-03-01", "2025-05-01", "JANE"] {
            assert!(!report.contains(secret), "{secret}: {report}");
        }
    }
    let full = with("full");
    assert!(full[..3].iter().all(|report| report.contains(MARKER)));
    let minimum = with("minimum");
    for report in &minimum[..3] {
        assert!(!report.contains("JANE"), "{report}");
        assert!(!report.contains("1971"), "{report}");
        assert!(report.contains(&format!("HOSP:{MARKER}1")), "{report}");
    }
    let html = &full[0];
    assert!(html.contains("default-src 'none'") && html.contains("<svg"));
    for outside in ["src=", "href=\"http", "url(", "<script", "@import"] {
        assert!(!html.contains(outside), "{outside}");
    }
    let lines: Vec<&str> = full[2].lines().collect();
    assert_eq!(lines.len(), 3, "a line of names and one a case");
}

/// One message for each way not to be understood, each of a feed of its own.
fn misunderstood() -> Vec<String> {
    let ways = [
        ("UNKNOWN", "2472-9^IgM^LN", "IMMM^Immunoglobulin M^L"),
        ("CONFLICT", "2472-9^IgM^LN", "IGM^IgM^L^2345-7^Glucose^LN"),
        ("MISMATCH", "2472-9^IgM^LN", "2472-9^Immunoglobulin G^LN"),
        ("NOUNIT", "0.21|g/L|", "0.21||"),
        ("IU", "0.21|g/L|", "21|[IU]/mL|"),
        ("COMMA", "0.21|g/L|", "1,200|mg/L|"),
        ("TOOBIG", "0.21|g/L|", "9999999999|g/L|"),
        ("TESTS", "|P|2.5.1", "|T|2.5.1"),
        ("NOBODY", "|ZZPHIZZ9^^^HOSP^MR|", "||"),
    ];
    let message = |(number, (feed, from, to)): (u32, (&str, &str, &str))| {
        let message = panel(number, "20250301", "0.21", "");
        assert!(message.contains(from), "{from}");
        let named = message.replace("|LAB|HOSP|", &format!("|{feed}|HOSP|"));
        named.replacen(from, to, 1)
    };
    (1..).zip(ways).map(message).collect()
}

#[test]
fn what_a_configuration_would_mend_comes_with_its_lines() {
    let desk = Desk::new();
    let archive = desk.put("archive", misunderstood().concat().as_bytes());
    let report = desk.json(&[&archive], &["--phi", "none"], None);
    let kinds = |report: &Value| -> BTreeMap<(String, String), Value> {
        let lists = ["quarantine", "only_kept"].map(|key| report[key].as_array().expect("a list"));
        let text = |one: &Value, key: &str| one[key].as_str().expect("text").to_owned();
        let all = lists.into_iter().flatten();
        all.map(|one| ((text(one, "reason"), text(one, "feed")), one.clone()))
            .collect()
    };
    let found = kinds(&report);
    let reasons: Vec<&str> = found.keys().map(|(reason, _)| reason.as_str()).collect();
    assert_eq!(
        reasons,
        [
            "ambiguous_number",
            "code_conflict",
            "code_text_mismatch",
            "implausible",
            "no_patient_id",
            "no_unit",
            "other_processing_id",
            "unknown_code",
            "unknown_unit"
        ],
        "{report}"
    );
    for (kind, one) in &found {
        let Some(lines) = one["configuration"].as_str() else {
            // No configuration converts a unit that nobody can convert, or makes a value plausible.
            let none = ["implausible", "unknown_unit"].contains(&kind.0.as_str());
            assert!(none, "{one}");
            continue;
        };
        assert!(!lines.contains(MARKER), "{lines}");
        let config = desk.put(&format!("{}.toml", kind.0), lines.as_bytes());
        let config = config.to_str().expect("text");
        let checked = command().args(["check", "--config", config]).output();
        let checked = checked.expect("ran");
        assert!(checked.status.success(), "{lines}{}", text(&checked.stderr));
        // Which identifier the patient's is, only the site can say.
        if kind.0 == "no_patient_id" {
            continue;
        }
        let mended = kinds(&desk.json(&[&archive], &["--config", config], None));
        assert!(!mended.contains_key(kind), "{lines}{mended:?}");
    }
    let code = &found[&("unknown_unit".to_owned(), "IU/HOSP".to_owned())]["codes"][0];
    assert_eq!(
        (&code["code"], &code["unit"]),
        (&"2472-9".into(), &"[IU]/mL".into())
    );
    let row = "[[analyte]]\nanalyte = \"IgM\"\nsystem = \"L\"\ncode = \"IMMM\"\nfeed = \"UNKNOWN/HOSP\"\n";
    let path = desk.dir.path().join("report.html");
    let path = path.to_str().expect("text");
    let args = ["--report", path, "--phi", "none"];
    assert!(desk.run(&[&archive], &args, None).status.success());
    let html = fs::read_to_string(path).expect("read");
    let shown = html.replace("&#34;", "\"");
    assert!(shown.contains(&format!("<pre>{row}")), "{html}");
    assert!(!html.contains(MARKER), "{html}");
}

#[test]
fn results_without_limits_come_with_the_place_for_them() {
    let desk = Desk::new();
    let archive = desk.put("archive", panel(1, "20250301", "0.21", "").as_bytes());
    let without = "[detection]\nuse_builtin_intervals = false\n";
    let igm = |config: &str| {
        let config = desk.put("config.toml", config.as_bytes());
        let args = ["--config", config.to_str().expect("text")];
        desk.json(&[&archive], &args, None)["findings"]["igm"].clone()
    };
    let found = igm(without);
    assert_eq!(found["unjudged"]["no_interval"], 1, "{found}");
    let lines = found["configuration"].as_str().expect("lines");
    let found = igm(&format!("{without}{lines}"));
    assert_eq!(found["interval_sources"]["site"], 1, "{found}");
    assert_eq!(found["configuration"], Value::Null);
}

#[test]
fn two_policies_are_compared_and_the_cases_named() {
    let desk = Desk::new();
    // No interval of the laboratory: the tables judge.
    let archive = [
        panel(1, "20250301", "0.45", ""),
        panel(2, "20250301", "0.21", ""),
        panel(3, "20250301", "0.90", ""),
    ]
    .concat();
    let archive = desk.put("archive", archive.as_bytes());
    let other = desk.put(
        "half.toml",
        b"[[interval]]\nanalyte = \"IgM\"\nlow = 0.5\nhigh = 2.3\nunit = \"g/L\"\n",
    );
    let other = other.to_str().expect("text");
    let output = desk.run(&[&archive], &["--policy", other], None);
    let told = text(&output.stdout);
    assert!(
        told.contains("with half.toml instead of the policy in force: 1 more, 0 fewer"),
        "{told}"
    );
    assert!(told.contains(&format!("more: HOSP:{MARKER}1")), "{told}");
    // The other way round, from a policy that finds more.
    let config = desk.put("none.toml", b"");
    let args = [
        "--config",
        other,
        "--policy",
        config.to_str().expect("text"),
    ];
    let report = desk.json(&[&archive], &args, None);
    let comparison = &report["comparison"];
    assert_eq!(comparison["more"].as_array().map(Vec::len), Some(0));
    assert_eq!(comparison["fewer"].as_array().map(Vec::len), Some(1));
    // Another list of analytes reads other results, which takes a second reading.
    let codes = desk.put(
        "codes.toml",
        b"[[analyte]]\nanalyte = \"IgM\"\nsystem = \"LN\"\ncode = \"2472-9\"\nenabled = false\n",
    );
    let codes = codes.to_str().expect("text");
    let report = desk.json(&[&archive], &["--policy", codes], None);
    assert_eq!(
        report["comparison"]["fewer"].as_array().map(Vec::len),
        Some(1)
    );
    let dash = Path::new("-");
    let output = desk.run(&[dash], &["--policy", codes], Some(b""));
    assert_eq!(output.status.code(), Some(2), "{}", text(&output.stderr));
}

#[test]
fn a_broken_file_is_named_and_the_rest_goes_on() {
    let desk = Desk::new();
    let good = desk.put("good", panel(1, "20250301", "0.21", "0.4-2.3").as_bytes());
    let mut packed = zstd::encode_all(&messages(1, 100).concat()[..], 1).expect("packed");
    packed.truncate(packed.len() / 2);
    let broken = desk.put("broken.zst", &packed);
    let missing = desk.dir.path().join("missing");
    let picture = desk.put("picture", b"\x89PNG\r\n\x1a\n");
    let output = desk.run(&[&missing, &broken, &picture, &good], &[], None);
    assert_eq!(output.status.code(), Some(1));
    let told = text(&output.stderr);
    for name in ["missing", "broken.zst", "picture"] {
        assert!(told.contains(name), "{name}: {told}");
    }
    let summary = text(&output.stdout);
    assert!(summary.contains("with isolated low IgM"), "{summary}");
    assert!(
        !summary.contains("              0  with isolated"),
        "{summary}"
    );
    let output = desk.run(&[&good], &["--report", "report.pdf"], None);
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn a_file_without_a_message_is_no_message_that_was_not_understood() {
    let desk = Desk::new();
    let good = desk.put(
        "all/good",
        panel(1, "20250301", "0.21", "0.4-2.3").as_bytes(),
    );
    // Of several chunks, so that it would be counted several times.
    let picture = desk.put("all/picture", &[0xab; 3 << 20]);
    let empty = desk.put("all/empty", b"");
    let folder = desk.dir.path().join("all");
    let report = desk.json(&[&folder], &[], None);
    assert_eq!(report["quarantine"], serde_json::json!([]), "{report}");
    assert_eq!(report["files"]["without_message"], 2, "{report}");
    let named = report["files"]["named"].to_string();
    assert!(
        named.contains("all/picture") && named.contains("all/empty"),
        "{named}"
    );
    let report = desk.json(&[&folder], &["--phi", "none"], None);
    assert!(!report.to_string().contains("picture"), "{report}");
    // What a person names must be an archive.
    for file in [&picture, &empty] {
        let output = desk.run(&[&good, file], &[], None);
        assert_eq!(output.status.code(), Some(1));
        let told = text(&output.stderr);
        assert!(told.contains("holds no message"), "{told}");
        assert!(text(&output.stdout).contains("with isolated low IgM"));
        assert!(!text(&output.stdout).contains("unreadable_msh"));
    }
    // XML is messages, in a form that is not read; rubbish between messages is told as ever.
    let xml = desk.put("xml", b"<?xml version=\"1.0\"?><ORU_R01/>");
    let output = desk.run(&[&xml], &[], None);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("(xml)"));
    assert!(text(&output.stdout).contains("1  xml: "));
    let mixed = panel(1, "20250301", "0.21", "0.4-2.3");
    let mixed = desk.put("mixed", format!("rubbish\r{mixed}").as_bytes());
    let report = desk.json(&[&mixed], &[], None);
    assert_eq!(report["quarantine"][0]["reason"], "unreadable_msh");
}

#[test]
fn an_interrupt_ends_it_at_once() {
    let mut child = command()
        .args(["screen", "-"])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("started");
    // It waits for input that does not come.
    let status = format!("/proc/{}/status", child.id());
    wait_for("a handler of SIGINT", || {
        let status = fs::read_to_string(&status).ok()?;
        let caught = status
            .lines()
            .find_map(|line| line.strip_prefix("SigCgt:"))?;
        let caught = u64::from_str_radix(caught.trim(), 16).ok()?;
        (caught & 0b10 != 0).then_some(())
    });
    let id = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(id, rustix::process::Signal::INT).expect("signalled");
    let status = wait_for("the end", || child.try_wait().ok().flatten());
    assert_eq!(status.code(), Some(1));
    let output = child.wait_with_output().expect("read");
    assert!(text(&output.stderr).contains("interrupted"));
}

#[test]
fn what_is_generated_is_the_same_for_the_same_seed_in_every_form() {
    let desk = Desk::new();
    let generate = |name: &str, more: &[&str]| {
        let out = desk.dir.path().join(name);
        let status = command()
            .args([
                "generate",
                "--seed",
                "9",
                "--messages",
                "400",
                "--hospital",
                "200",
                "--out",
            ])
            .arg(&out)
            .args(more)
            .status()
            .expect("ran");
        assert!(status.success());
        out
    };
    let plain = generate("plain.hl7", &[]);
    let again = generate("again.hl7", &[]);
    assert_eq!(
        fs::read(&plain).expect("read"),
        fs::read(&again).expect("read")
    );
    let bytes: Vec<u8> = Feed::new(
        9,
        Mix {
            results: 200,
            ..Mix::default()
        },
    )
    .take(400)
    .flat_map(|event| event.raw)
    .collect();
    assert_eq!(fs::read(&plain).expect("read"), bytes);
    let expected = outcome(&desk.json(&[&plain], &[], None));
    for (name, form) in [
        ("packed.zst", "lines"),
        ("packed.gz", "mllp"),
        ("batch", "batch"),
        ("files", "files"),
    ] {
        let out = generate(name, &["--format", form]);
        assert_eq!(outcome(&desk.json(&[&out], &[], None)), expected, "{name}");
    }
}
