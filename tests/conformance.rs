//! The conformance cases of `wire-cases.json` against the real binary.
//!
//! The file holds input bytes and expected answers (latin-1: one character is one byte). Every case
//! also asserts that counters which it does not name stay 0, that the journal holds the exact bytes,
//! that SIGTERM ends with 0, and that a state rebuilt from the journal equals the live one.

use crate::e2e::harness::{Home, Pentamer, Sender, wait_for};
use pentamer::core::fact::Fact;
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;

mod relay;

fn case(id: &str) -> Value {
    let cases: Vec<Value> =
        serde_json::from_str(include_str!("wire-cases.json")).expect("the cases");
    cases
        .into_iter()
        .find(|case| case["id"] == id)
        .expect("a case of that id")
}

/// One character is one byte.
fn latin1(text: &str) -> Vec<u8> {
    text.chars()
        .map(|c| u8::try_from(u32::from(c)).expect("latin-1"))
        .collect()
}

/// Does the answer match the pattern with `{ts}`, `{id}`, `{any}`?
fn matches(pattern: &[u8], answer: &[u8]) -> bool {
    fn longest(answer: &[u8], allowed: impl Fn(u8) -> bool) -> usize {
        answer.iter().take_while(|byte| allowed(**byte)).count()
    }
    if let Some(rest) = pattern.strip_prefix(b"{ts}") {
        let digits = longest(answer, |byte| byte.is_ascii_digit());
        return digits == 14
            && (matches(rest, &answer[14..])
                || (answer.len() >= 19
                    && matches!(answer[14], b'+' | b'-')
                    && answer[15..19].iter().all(u8::is_ascii_digit)
                    && matches(rest, &answer[19..])));
    }
    if let Some(rest) = pattern.strip_prefix(b"{id}") {
        let length = longest(answer, |byte| {
            byte.is_ascii_digit() || byte.is_ascii_uppercase()
        });
        return (2..=20).contains(&length) && answer[0] == b'P' && matches(rest, &answer[length..]);
    }
    if let Some(rest) = pattern.strip_prefix(b"{any}") {
        let length = longest(answer, |byte| {
            byte.is_ascii() && !matches!(byte, b'|' | b'\r')
        });
        return length > 0 && matches(rest, &answer[length..]);
    }
    match (pattern.split_first(), answer.split_first()) {
        (None, None) => true,
        (Some((p, pattern)), Some((a, answer))) => p == a && matches(pattern, answer),
        _ => false,
    }
}

fn settings(config: &str) -> (&'static str, &'static str) {
    match config {
        "" | "fault: write error 5 s" | "fault: write error" => ("", ""),
        "max_message = 1 KiB" => ("max_message = \"1 KiB\"", ""),
        "ack_policy = strict" => ("ack_policy = \"strict\"", ""),
        "allow = 192.0.2.0/24" => ("allow = [\"192.0.2.0/24\"]", ""),
        other => panic!("a case with a configuration that is not known here: {other}"),
    }
}

struct Outcome {
    daemon: Pentamer,
    answers: Vec<Vec<u8>>,
}

/// Sends a case's input and gathers all that is answered.
fn run_input(case: &Value, daemon: Pentamer) -> Outcome {
    let mut sender = daemon.connect();
    let mut answers = Vec::new();
    let mut closes_itself = false;
    for step in case["input"].as_array().expect("steps") {
        if let Some(text) = step["send"].as_str() {
            sender.send(&latin1(text));
        } else if step["reconnect"] == true {
            answers.extend(std::mem::replace(&mut sender, daemon.connect()).finish());
        } else if step["fin"] == true {
            sender
                .stream
                .shutdown(std::net::Shutdown::Write)
                .expect("FIN");
        } else if step["wait_ms"].is_string() {
            closes_itself = true;
        } else if step["wait_ms"].is_number() {
            // The silence that the case is about ends with our answer.
            answers.extend(sender.answer());
        } else {
            panic!("a step that is not known here: {step}");
        }
    }
    answers.extend(if closes_itself {
        sender.rest()
    } else {
        sender.finish()
    });
    Outcome { daemon, answers }
}

fn check_answers(case: &Value, answers: &[Vec<u8>]) {
    let expected: Vec<Vec<u8>> = case["out"]
        .as_array()
        .expect("out")
        .iter()
        .map(|o| latin1(o.as_str().expect("text")))
        .collect();
    let shown: Vec<String> = answers
        .iter()
        .map(|answer| String::from_utf8_lossy(answer).escape_debug().to_string())
        .collect();
    assert_eq!(
        answers.len(),
        expected.len(),
        "{}: answers {shown:#?}",
        case["id"]
    );
    for ((answer, pattern), shown) in answers.iter().zip(&expected).zip(&shown) {
        assert!(
            matches(pattern, answer),
            "{}: {shown}\n does not match\n{}",
            case["id"],
            String::from_utf8_lossy(pattern).escape_debug()
        );
    }
}

fn check_counts(case: &Value, daemon: &Pentamer) {
    daemon.settle();
    let mut named: BTreeMap<String, String> = case["counters"]
        .as_str()
        .expect("counters")
        .split("; ")
        .filter_map(|one| one.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let id = case["id"].as_str().expect("id");
    for (name, value) in daemon.metrics() {
        let Some(counter) = name
            .split('{')
            .next()
            .and_then(|name| name.strip_prefix("pentamer_wire_"))
            .and_then(|name| name.strip_suffix("_total"))
        else {
            continue;
        };
        match named.remove(counter) {
            Some(expected) => assert_eq!(value.to_string(), expected, "{id}: {counter}"),
            None => assert_eq!(value, 0.0, "{id}: {counter} is not named by the case"),
        }
    }
    named.retain(|_, expected| expected != "0");
    assert!(named.is_empty(), "{id}: not counted: {named:?}");
    assert_eq!(
        daemon.stored(),
        case["stored"].as_f64().expect("stored"),
        "{id}: stored"
    );
    let reason = case["quarantine"].as_str().expect("quarantine");
    let total = daemon.metric("pentamer_quarantine_total", "");
    match reason.split(' ').next().filter(|reason| !reason.is_empty()) {
        None => assert_eq!(total, 0.0, "{id}: something was quarantined"),
        Some(reason) => {
            let label = format!("reason=\"{reason}\"");
            assert_eq!(
                daemon.metric("pentamer_quarantine_total", &label),
                1.0,
                "{id}: {reason}"
            );
            assert_eq!(total, 1.0, "{id}: quarantined for another reason too");
        }
    }
}

/// Ends the daemon and holds the journal against the input, and a rebuild against the cache.
fn check_data(case: &Value, daemon: Pentamer) -> Home {
    let (home, status) = daemon.stop();
    assert!(status.success(), "SIGTERM ends with {status}");
    let id = case["id"].as_str().expect("id");
    let facts = crate::offline::facts(&home.data());
    let messages: Vec<&[u8]> = facts
        .iter()
        .filter_map(|(_, fact)| match fact {
            Fact::Received(received) => Some(received.raw.as_ref()),
            _ => None,
        })
        .collect();
    assert_eq!(
        messages.len() as f64,
        case["stored"].as_f64().expect("stored"),
        "{id}: in the journal"
    );
    let sent: Vec<u8> = case["input"]
        .as_array()
        .expect("steps")
        .iter()
        .filter_map(|step| step["send"].as_str())
        .flat_map(latin1)
        .collect();
    for raw in messages {
        assert!(
            sent.windows(raw.len()).any(|window| window == raw),
            "{id}: the journal holds bytes that were not sent"
        );
    }
    crate::offline::assert_rebuild_equals_cache(&home.data());
    home
}

/// Runs a case whole and gives back what the alerts were.
fn run(id: &str) -> Vec<Value> {
    run_with(id, |_| {})
}

fn run_with(id: &str, also: impl FnOnce(&Pentamer)) -> Vec<Value> {
    let case = case(id);
    let (mut listener, extra) = settings(case["config"].as_str().expect("config"));
    if id == "W19" {
        listener = "frame_timeout = \"1s\"";
    }
    let daemon = Pentamer::start(Home::new(listener, extra));
    let outcome = run_input(&case, daemon);
    check_answers(&case, &outcome.answers);
    check_counts(&case, &outcome.daemon);
    also(&outcome.daemon);
    check_data(&case, outcome.daemon).alerts()
}

fn kinds(alerts: &[Value]) -> Vec<&str> {
    alerts
        .iter()
        .map(|alert| alert["data"]["kind"].as_str().expect("kind"))
        .collect()
}

fn igm(alert: &Value) -> &Value {
    &alert["data"]["evidence"][0]
}

/// The alert of W01: what "same result as W01" means.
fn assert_as_w01(alerts: &[Value]) {
    assert_eq!(kinds(alerts), ["detected"]);
    let data = &alerts[0]["data"];
    assert_eq!(data["classification"], "isolated_low_igm");
    assert_eq!(data["tier"], "complete");
    assert_eq!(data["severity"], "routine");
    // M1 is dated: older than `max_age_to_page` it only shows on the worklist (WIRE 12.5).
    assert_eq!(data["delivery"], "worklist");
    assert_eq!(data["patient"]["id"], "1234");
    assert_eq!(data["patient"]["authority"], "HOSP");
    let rows = data["evidence"].as_array().expect("rows");
    let states: Vec<_> = rows
        .iter()
        .map(|row| {
            (
                row["analyte"].as_str(),
                row["state"].as_str(),
                row["value"].as_str(),
            )
        })
        .collect();
    assert_eq!(
        states,
        [
            (Some("IgM"), Some("low"), Some("0.21")),
            (Some("IgG"), Some("normal"), Some("11")),
            (Some("IgA"), Some("normal"), Some("2")),
        ]
    );
    assert_eq!(igm(&alerts[0])["low"], "0.4");
    assert_eq!(igm(&alerts[0])["high"], "2.3");
    assert_eq!(igm(&alerts[0])["interval_source"], "OBX-7");
}

macro_rules! as_w01 {
    ($($name:ident $id:literal)*) => {$(
        #[test]
        fn $name() {
            assert_as_w01(&run($id));
        }
    )*};
}

as_w01! {
    w01_plain_frame "W01"
    w02_one_byte_per_write "W02"
    w03_junk_before_vt "W03"
    w06_fs_without_cr "W06"
    w08_fs_lf "W08"
    w09_fs_in_text "W09"
    w10_vt_in_text "W10"
    w11_broken_off_then_new "W11"
    w12_lf_segment_ends "W12"
    w13_crlf_segment_ends "W13"
    w14_bare_cr_in_note "W14"
    w17_bom "W17"
    w18_nul "W18"
    w21_half_close "W21"
    w25_resend_after_reconnect "W25"
    w30_version_2_2 "W30"
    w31_version_2_3 "W31"
    w32_version_with_components "W32"
    w33_al_ne "W33"
    w34_ne_al "W34"
    w35_al_al "W35"
    w36_er_ne "W36"
    w37_ne_ne "W37"
    w38_bad_ack_request "W38"
    w44_no_control_id "W44"
    w46_component_separator_changed "W46"
    w47_field_separator_changed "W47"
    w53_latin1 "W53"
    w54_undeclared_utf8 "W54"
    w55_gb18030 "W55"
    w56_escapes "W56"
    w57_empty_obx2 "W57"
    w66_loinc_in_the_alternate_triplet "W66"
    w77_birth_year_only "W77"
}

macro_rules! no_alert {
    ($($name:ident $id:literal)*) => {$(
        #[test]
        fn $name() {
            assert_eq!(kinds(&run($id)), Vec::<&str>::new());
        }
    )*};
}

no_alert! {
    w15_empty_frame "W15"
    w16_frame_of_cr "W16"
    w19_stall_in_body "W19"
    w20_fin_in_body "W20"
    w23_unframed "W23"
    w28_commit_block_on_mllp1 "W28"
    w39_inbound_ack "W39"
    w40_unknown_type "W40"
    w41_unknown_type_strict "W41"
    w42_unknown_type_strict_2_3 "W42"
    w43_training "W43"
    w45_unreadable "W45"
    w59_below_a_value_above_the_limit "W59"
    w62_ambiguous_number "W62"
    w67_preliminary_after_final "W67"
    w72_csf "W72"
    w75_self_merge "W75"
    w76_link "W76"
    w80_no_patient_id "W80"
    w81_value_in_note "W81"
}

/// Several messages that say the same: one episode, one alert.
#[test]
fn w04_w05_w07_w24_w49_many_messages_one_alert() {
    for id in ["W04", "W05", "W07", "W24", "W49"] {
        assert_as_w01(&run(id));
    }
}

#[test]
fn w22_too_large_and_the_next_message_is_served() {
    assert_eq!(kinds(&run("W22")), Vec::<&str>::new());
    let daemon = Pentamer::start(Home::new("max_message = \"1 KiB\"", ""));
    let mut sender = daemon.connect();
    for id in ["W22", "W01"] {
        sender.send(&latin1(
            case(id)["input"][0]["send"].as_str().expect("a frame"),
        ));
    }
    assert!(String::from_utf8_lossy(&sender.answer().expect("AR")).contains("MSA|AR|42|"));
    assert!(String::from_utf8_lossy(&sender.answer().expect("AA")).contains("MSA|AA|42\r"));
}

#[test]
fn w26_same_control_id_other_content() {
    let alerts = run("W26");
    // The second message carries another value of the same result at the same version time.
    assert_eq!(kinds(&alerts), ["detected"]);
}

#[test]
fn w48_batch_with_bhs() {
    let case = case("W48");
    let daemon = Pentamer::start_default();
    let outcome = run_input(&case, daemon);
    assert_eq!(outcome.answers.len(), 1, "one batch answer");
    let answer = String::from_utf8(outcome.answers[0].clone()).expect("ASCII");
    let lines: Vec<&str> = answer
        .trim_matches(['\u{b}', '\u{1c}', '\r'])
        .split('\r')
        .collect();
    let names: Vec<&str> = lines.iter().map(|line| &line[..3]).collect();
    assert_eq!(names, ["BHS", "MSH", "MSA", "MSH", "MSA", "BTS"]);
    let bhs: Vec<&str> = lines[0].split('|').collect();
    assert_eq!(&bhs[2..6], ["PENT", "IMM", "LAB", "HOSP"]);
    assert_eq!(bhs[11], "B1", "BHS-12 is the inbound BHS-11");
    assert!(!bhs[10].is_empty(), "BHS-11");
    assert_eq!(
        (lines[2], lines[4], lines[5]),
        ("MSA|AA|42", "MSA|AA|43", "BTS|2")
    );
    check_counts(&case, &outcome.daemon);
    assert_as_w01(&check_data(&case, outcome.daemon).alerts());
}

#[cfg(feature = "failpoints")]
#[test]
fn w50_journal_fails_for_a_while() {
    let case = case("W50");
    let daemon = Pentamer::start_default();
    daemon.home.switch_fault("journal-write", true);
    let mut sender = daemon.connect();
    sender.send(&latin1(case["input"][0]["send"].as_str().expect("M1")));
    wait_for("/readyz to fail", || {
        (daemon.get("/readyz").0 == 503).then_some(())
    });
    daemon.home.switch_fault("journal-write", false);
    check_answers(&case, &sender.finish());
    check_counts(&case, &daemon);
    assert_as_w01(&check_data(&case, daemon).alerts());
}

#[cfg(feature = "failpoints")]
#[test]
fn w51_journal_fails_for_longer_than_store_wait() {
    let case = case("W51");
    for fault in ["journal-write", "journal-sync"] {
        let daemon = Pentamer::start(Home::new("store_wait = \"1s\"", ""));
        daemon.home.switch_fault(fault, true);
        let mut sender = daemon.connect();
        sender.send(&latin1(case["input"][0]["send"].as_str().expect("M1")));
        assert_eq!(
            sender.rest(),
            Vec::<Vec<u8>>::new(),
            "closed without a byte"
        );
        assert_eq!(daemon.get("/readyz").0, 503);
        assert_eq!(daemon.stored(), 0.0);
        let mut refused = Sender::new(daemon.mllp);
        assert_eq!(
            refused.rest(),
            Vec::<Vec<u8>>::new(),
            "a new connection is closed, too"
        );
        daemon.home.switch_fault(fault, false);
        wait_for("/readyz", || (daemon.get("/readyz").0 == 200).then_some(()));
        let mut again = daemon.connect();
        again.send(&latin1(case["input"][0]["send"].as_str().expect("M1")));
        assert!(String::from_utf8_lossy(&again.answer().expect("AA")).contains("MSA|AA|42\r"));
        daemon.settle();
        assert_eq!(daemon.stored(), 1.0);
    }
}

#[cfg(feature = "failpoints")]
#[test]
fn w52_parser_panic() {
    let case = case("W52");
    let daemon = Pentamer::start_default();
    daemon.home.switch_fault("extract-panic", true);
    let outcome = run_input(&case, daemon);
    check_answers(&case, &outcome.answers);
    check_counts(&case, &outcome.daemon);
    assert!(
        !outcome.daemon.home.log().contains("1234"),
        "the panic told nothing"
    );
}

/// A-40 j with `ack_policy = "strict"`, which reads a message before it answers.
#[cfg(feature = "failpoints")]
#[test]
fn w52_parser_panic_with_strict_policy() {
    let daemon = Pentamer::start(Home::new("ack_policy = \"strict\"", ""));
    daemon.home.switch_fault("extract-panic", true);
    let outcome = run_input(&case("W52"), daemon);
    check_answers(&case("W52"), &outcome.answers);
    check_counts(&case("W52"), &outcome.daemon);
}

#[test]
fn w58_sn_below() {
    let alerts = run("W58");
    assert_eq!(kinds(&alerts), ["detected"]);
    assert_eq!(
        (
            igm(&alerts[0])["comparator"].as_str(),
            igm(&alerts[0])["value"].as_str()
        ),
        (Some("<"), Some("0.2"))
    );
    assert_eq!(alerts[0]["data"]["severity"], "prompt");
}

#[test]
fn w60_w61_w63_w64_w65_values_and_ranges() {
    for (id, low, high) in [
        ("W60", "0.4", Some("2.3")),
        ("W61", "0.4", Some("2.3")),
        ("W63", "0.4", Some("2.3")),
        ("W64", "0.4", Some("2.4")),
        ("W65", "0.4", None),
    ] {
        let alerts = run(id);
        assert_eq!(kinds(&alerts), ["detected"], "{id}");
        let igm = igm(&alerts[0]);
        assert_eq!(
            (igm["value"].as_str(), igm["unit"].as_str()),
            (Some("0.21"), Some("g/L")),
            "{id}"
        );
        assert_eq!(
            (igm["low"].as_str(), igm["high"].as_str()),
            (Some(low), high),
            "{id}"
        );
    }
}

/// Sends the frames of a case one by one, each decided before the next comes.
fn run_stepwise(id: &str) -> Vec<Value> {
    let case = case(id);
    let daemon = Pentamer::start_default();
    let mut sender = daemon.connect();
    let mut answers = Vec::new();
    for step in case["input"].as_array().expect("steps") {
        let bytes = latin1(step["send"].as_str().expect("a send"));
        for frame in bytes.split_inclusive(|byte| *byte == 0x0b).skip(1) {
            let content = frame.strip_suffix(b"\x0b").unwrap_or(frame);
            sender.send(b"\x0b");
            sender.send(content);
            answers.extend(sender.answer());
            daemon.settle();
        }
    }
    check_answers(&case, &answers);
    drop(sender);
    check_counts(&case, &daemon);
    check_data(&case, daemon).alerts()
}

#[test]
fn w68_correction_retracts() {
    let alerts = run_stepwise("W68");
    assert_eq!(kinds(&alerts), ["detected", "retracted"]);
    assert_eq!(alerts[0]["subject"], alerts[1]["subject"]);
    assert_ne!(alerts[0]["id"], alerts[1]["id"]);
}

#[test]
fn w69_w_status_retracts() {
    assert_eq!(kinds(&run_stepwise("W69")), ["detected", "retracted"]);
}

#[test]
fn w70_cancelled_order_retracts() {
    assert_eq!(kinds(&run_stepwise("W70")), ["detected", "retracted"]);
}

#[test]
fn w71_two_patients() {
    assert_as_w01(&run("W71"));
}

#[test]
fn w73_merge_before_the_results() {
    let alerts = run("W73");
    assert_eq!(kinds(&alerts), ["detected"]);
    assert_eq!(alerts[0]["data"]["patient"]["id"], "9999");
}

#[test]
fn w74_merge_cycle() {
    let alerts = run("W74");
    assert_eq!(kinds(&alerts), ["detected"]);
    assert_eq!(alerts[0]["data"]["patient"]["id"], "1234");
}

#[test]
fn w78_w79_birth_date_and_old_identifier() {
    let alerts = run("W78");
    assert_eq!(alerts[0]["data"]["patient"]["age"], Value::Null);
    assert_as_w01(&alerts);
    assert_as_w01(&run("W79"));
}

#[test]
fn w91_denied() {
    let daemon = Pentamer::start(Home::new("allow = [\"192.0.2.0/24\"]", ""));
    assert_eq!(daemon.connect().rest(), Vec::<Vec<u8>>::new());
    wait_for("the count", || (daemon.wire("denied") == 1.0).then_some(()));
}

#[test]
fn w94_drip() {
    // The drip counts from `frame_timeout` on where that is shorter than 30 s.
    let daemon = Pentamer::start(Home::new("frame_timeout = \"1s\"", ""));
    let mut sender = daemon.connect();
    sender.send(b"\x0bMSH|^~\\&|LAB");
    use std::io::Write;
    let closed = wait_for("the close", || {
        std::thread::park_timeout(Duration::from_millis(100));
        sender.stream.write_all(b"x").err()
    });
    assert!(matches!(
        closed.kind(),
        std::io::ErrorKind::BrokenPipe | std::io::ErrorKind::ConnectionReset
    ));
    wait_for("the count", || {
        (daemon.wire("slow_frame") == 1.0).then_some(())
    });
    daemon.settle();
    assert_eq!(daemon.metric("pentamer_quarantine_total", "truncated"), 1.0);
}

#[test]
fn w95_no_patient_data_in_logs_and_metrics() {
    let mut told = String::new();
    let case = case("W95");
    let daemon = Pentamer::start_default();
    let outcome = run_input(&case, daemon);
    check_answers(&case, &outcome.answers);
    outcome.daemon.settle();
    told.push_str(&outcome.daemon.get("/metrics").1);
    let (home, _) = outcome.daemon.stop();
    told.push_str(&home.log());
    assert!(told.contains("detected"), "the log tells of the alert");
    assert!(
        !told.contains("ZZMARKERZZ") && !told.contains("DOE"),
        "a name in the log"
    );
    let words = told.split(|c: char| !c.is_ascii_alphanumeric());
    assert!(
        words
            .clone()
            .all(|word| word != "1234" && word != "19800101"),
        "an identifier in the log"
    );
}

/// Contents of 0 to 4 bytes with all values of the first two: answers or silence, and the daemon lives.
#[test]
fn w96_tiny_contents() {
    let daemon = Pentamer::start_default();
    for first in 0..=255_u8 {
        let mut sender = daemon.connect();
        let mut bytes = Vec::new();
        for second in 0..=255_u8 {
            let rest = [first, second, second ^ 0x55, b'|'];
            let length = usize::from(second) % 5;
            bytes.push(0x0b);
            bytes.extend(rest.iter().take(length.max(2)));
            bytes.extend_from_slice(b"\x1c\r");
        }
        let mut writer = sender.stream.try_clone().expect("cloned");
        let sending = std::thread::spawn(move || {
            use std::io::Write;
            let _ = writer.write_all(&bytes);
            let _ = writer.shutdown(std::net::Shutdown::Write);
        });
        for answer in sender.rest() {
            assert!(
                answer.starts_with(b"\x0bMSH|^~\\&|PENTAMER||||"),
                "A-32: {answer:?}"
            );
        }
        sending.join().expect("sent");
    }
    assert_eq!(
        daemon
            .connect()
            .exchange(&crate::e2e::harness::low_igm("1", "77")),
        "AA"
    );
}
