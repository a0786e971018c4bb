//! Byte-exact answers (WIRE 2).

use super::*;
use crate::core::fact::JournalPosition;
use crate::core::hl7::envelope::{Envelope, Opened, RawMessage, open};
use proptest::prelude::*;

fn envelope(content: &[u8]) -> Envelope<'_> {
    match open(content) {
        Opened::Messages(envelope) => envelope,
        other => panic!("{other:?}"),
    }
}

fn now() -> AckTime {
    // 2026-03-01 10:15:01 UTC
    AckTime::new(
        Timestamp::from_micros(1_772_360_101_000_000),
        &TimeZone::UTC,
    )
}

fn answers(content: &str, settings: &AckSettings, verdict: &Verdict) -> Vec<String> {
    let envelope = envelope(content.as_bytes());
    let answered: Vec<Answered<'_>> = (1_u64..)
        .zip(&envelope.messages)
        .map(|(at, _)| Answered {
            verdict,
            position: JournalPosition(at * 100),
        })
        .collect();
    answers_for_frame(&envelope, &answered, settings, &now())
        .into_iter()
        .map(|bytes| String::from_utf8(bytes).expect("ASCII"))
        .collect()
}

fn header(tail: &str) -> String {
    format!("MSH|^~\\&|LAB|HOSP|PENT|IMM|20260301101500+0000||{tail}\rPID|1\r")
}

fn accepted(tail: &str) -> Vec<String> {
    answers(&header(tail), &AckSettings::default(), &Verdict::Accepted)
}

fn codes(settings: &AckSettings, tail: &str, verdict: &Verdict) -> Vec<&'static str> {
    let text = header(tail);
    let envelope = envelope(text.as_bytes());
    plan(&envelope.messages[0], settings, verdict)
        .answers
        .iter()
        .map(|code| code.letters())
        .collect()
}

#[test]
fn the_example_of_a13() {
    let content = "MSH|^~\\&|LAB|HOSP|PENT|IMM|20260301101500||ORU^R01^ORU_R01|42|P|2.5.1|||AL|NE||UNICODE UTF-8\r";
    assert_eq!(
        answers(content, &AckSettings::default(), &Verdict::Accepted),
        [
            "\x0bMSH|^~\\&|PENT|IMM|LAB|HOSP|20260301101501||ACK^R01^ACK|P5K|P|2.5.1|||NE|NE||UNICODE UTF-8\rMSA|CA|42\r\x1c\r"
        ]
    );
}

#[test]
fn message_type_and_version_follow_the_sender() {
    for (tail, expected) in [
        ("ORU^R01|42|P|2.2", "ACK|P5K|P|2.2\r"),
        ("ORU^R01|42|P|2.3", "ACK^R01|P5K|P|2.3\r"),
        ("ORU^R01|42|P|2.3.1", "ACK^R01^ACK|P5K|P|2.3.1\r"),
        ("ORU^R01|42|P|2.5.1^DEU", "ACK^R01^ACK|P5K|P|2.5.1^DEU\r"),
        ("ORU^R30|42|P|2.5", "ACK^R33^ACK|P5K|P|2.5\r"),
        ("ORU|42|P|2.5", "ACK|P5K|P|2.5\r"),
        ("ORU^R01|42|P|odd", "ACK^R01^ACK|P5K|P|odd\r"),
        ("ORU^R01|42", "ACK^R01^ACK|P5K|P|2.5.1\r"),
        ("ORU^R01|42|T^A|2.5", "ACK^R01^ACK|P5K|T^A|2.5\r"),
    ] {
        let answer = accepted(tail);
        assert!(answer[0].contains(expected), "{tail}: {}", answer[0]);
    }
}

#[test]
fn the_time_follows_the_senders_habit() {
    assert!(accepted("ORU^R01|42|P|2.5")[0].contains("|20260301101501+0000||"));
    let plain = "MSH|^~\\&|LAB|HOSP|||202603011015||ORU^R01|42|P|2.5\r";
    assert!(
        answers(plain, &AckSettings::default(), &Verdict::Accepted)[0]
            .contains("|PENTAMER||LAB|HOSP|20260301101501||")
    );
}

#[test]
fn enhanced_mode_row_by_row() {
    let settings = AckSettings::default();
    let refused = Verdict::Refused(Fault::at_msh(FaultKind::Event, 9));
    let error = Verdict::Refused(Fault::at_msh(FaultKind::NoControlId, 10));
    for (ask, good, rejected) in [
        ("AL|NE", vec!["CA"], vec!["CR"]),
        ("AL|", vec!["CA"], vec!["CR"]),
        ("NE|AL", vec!["AA"], vec!["AR"]),
        ("|AL", vec!["AA"], vec!["AR"]),
        ("AL|AL", vec!["CA", "AA"], vec!["CR"]),
        ("ER|NE", vec![], vec!["CR"]),
        ("SU|NE", vec!["CA"], vec![]),
        ("ER|AL", vec!["AA"], vec!["CR"]),
        ("NE|ER", vec![], vec!["AR"]),
        ("NE|NE", vec![], vec![]),
        ("|", vec!["AA"], vec!["AR"]),
        ("\"\"|\"\"", vec!["AA"], vec!["AR"]),
        ("Y|", vec!["AA"], vec!["AR"]),
    ] {
        let tail = format!("ORU^R01|42|P|2.5.1|||{ask}");
        assert_eq!(codes(&settings, &tail, &Verdict::Accepted), good, "{ask}");
        assert_eq!(codes(&settings, &tail, &refused), rejected, "{ask}");
    }
    assert_eq!(
        codes(&settings, "ORU^R01|42|P|2.5.1|||AL|NE", &error),
        ["CE"]
    );
    assert_eq!(codes(&settings, "ORU^R01|42|P|2.5.1", &error), ["AE"]);
}

#[test]
fn the_listener_may_override() {
    let with = |mode| AckSettings {
        mode,
        ..AckSettings::default()
    };
    let tail = "ORU^R01|42|P|2.5.1|||AL|AL";
    assert_eq!(
        codes(&with(AckMode::Original), tail, &Verdict::Accepted),
        ["AA"]
    );
    assert_eq!(
        codes(
            &with(AckMode::Commit),
            "ORU^R01|42|P|2.5.1",
            &Verdict::Accepted
        ),
        ["CA"]
    );
    assert_eq!(
        codes(&with(AckMode::None), tail, &Verdict::Accepted),
        [""; 0]
    );
}

#[test]
fn an_acknowledgement_is_not_acknowledged() {
    let settings = AckSettings::default();
    assert_eq!(
        codes(&settings, "ACK^R01|42|P|2.5.1", &Verdict::Accepted),
        [""; 0]
    );
    assert_eq!(
        codes(&settings, "ACK^R01|42|P|2.5.1|||AL", &Verdict::Accepted),
        ["CA"]
    );
    assert_eq!(
        codes(&settings, "ACK^R01|42|P|2.5.1|||ER", &Verdict::Accepted),
        [""; 0]
    );
}

#[test]
fn err_by_version() {
    let fault = Verdict::Refused(Fault::at_msh(FaultKind::MessageType, 9));
    let answer = |version: &str| {
        answers(
            &header(&format!("SIU^S12|42|P|{version}")),
            &AckSettings::default(),
            &fault,
        )
        .remove(0)
    };
    assert!(answer("2.1").ends_with("MSA|AR|42|message type is not accepted here\r\x1c\r"));
    assert!(answer("2.3").ends_with("MSA|AR|42|message type is not accepted here\rERR|MSH^1^9^200&Unsupported message type&HL70357\r\x1c\r"));
    assert!(answer("2.5.1").ends_with(
        "MSA|AR|42|message type is not accepted here\rERR||MSH^1^9|200^Unsupported message type^HL70357|E|message_type^^L||stored, but refused by ack_policy strict|message type is not accepted here\r\x1c\r"
    ));
    assert!(answer("2.7").contains("MSA|AR|42\rERR||"));
}

#[test]
fn too_large_and_unreadable() {
    let head = header("ORU^R01|42|P|2.5.1");
    let answer = answer_too_large(
        head.as_bytes(),
        1024,
        JournalPosition(100),
        &AckSettings::default(),
        &now(),
    );
    let text = String::from_utf8(answer[0].clone()).expect("ASCII");
    assert!(text.contains("MSA|AR|42|message larger than 1024 bytes\rERR|||207^Application internal error^HL70357|E|too_large^^L||"), "{text}");
    let old = header("ORU^R01|42|P|2.4");
    let answer = answer_too_large(
        old.as_bytes(),
        1024,
        JournalPosition(100),
        &AckSettings::default(),
        &now(),
    );
    assert!(
        String::from_utf8_lossy(&answer[0])
            .contains("ERR|^^^207&Application internal error&HL70357\r")
    );
    let unreadable = answer_unreadable(JournalPosition(100), &now());
    assert_eq!(
        String::from_utf8_lossy(&unreadable),
        "\x0bMSH|^~\\&|PENTAMER||||20260301101501||ACK|P5K|P|2.5.1\rMSA|AR|\rERR|||100^Segment sequence error^HL70357|E|unreadable_msh^^L\r\x1c\r"
    );
    for head in ["xxx".to_owned(), header("ORU^R01||P|2.5.1")] {
        assert_eq!(
            answer_too_large(
                head.as_bytes(),
                9,
                JournalPosition(100),
                &AckSettings::default(),
                &now()
            ),
            std::slice::from_ref(&unreadable)
        );
    }
}

#[test]
fn our_texts_are_escaped_in_odd_delimiters() {
    let fault = Verdict::Refused(Fault::at_msh(FaultKind::MessageType, 9));
    let content = "MSH_^~ &_LAB_HOSP___20260301__SIU^S12_42_P_2.5.1\r";
    let answer = answers(content, &AckSettings::default(), &fault).remove(0);
    assert!(answer.contains("_E_message F type^^L_"), "{answer}");
}

#[test]
fn a_batch_gets_one_batch() {
    let message =
        |id: u8| format!("MSH|^~\\&|LAB|HOSP|PENT|IMM|20260301101500||ORU^R01|{id}|P|2.5.1\r");
    let content = format!(
        "FHS|^~\\&|LAB|HOSP|PENT|IMM|||||FID\rBHS|^~\\&|LAB|HOSP|PENT|IMM|20260301101500||||B1\r{}{}BTS|2\rFTS|1\r",
        message(1),
        message(2)
    );
    let answer = answers(&content, &AckSettings::default(), &Verdict::Accepted);
    let lines: Vec<&str> = answer[0].split('\r').collect();
    assert_eq!(answer.len(), 1);
    assert_eq!(
        lines[0],
        "\x0bFHS|^~\\&|PENT|IMM|LAB|HOSP|20260301101501||||F2S|FID"
    );
    assert_eq!(
        lines[1],
        "BHS|^~\\&|PENT|IMM|LAB|HOSP|20260301101501||||B2S|B1"
    );
    assert_eq!(
        (lines[3], lines[5], lines[6], lines[7]),
        ("MSA|AA|1", "MSA|AA|2", "BTS|2", "FTS|1")
    );
    let per_message = AckSettings {
        batch: BatchAck::PerMessage,
        ..AckSettings::default()
    };
    assert_eq!(answers(&content, &per_message, &Verdict::Accepted).len(), 2);
    let silent = content.replace("2.5.1\r", "2.5.1|||NE|NE\r");
    assert_eq!(
        answers(&silent, &AckSettings::default(), &Verdict::Accepted),
        [""; 0]
    );
}

#[test]
fn strict_faults_of_the_header() {
    for (tail, kind) in [
        ("SIU^S12|42|P|2.5.1", Some(FaultKind::MessageType)),
        ("ORU^R99|42|P|2.5.1", Some(FaultKind::Event)),
        ("|42|P|2.5.1", Some(FaultKind::NoType)),
        ("ORU^R01|42|T|2.5.1", Some(FaultKind::ProcessingId)),
        ("ORU^R01|42|P|2.9.1", Some(FaultKind::Version)),
        ("ORU^R01|42|P|", Some(FaultKind::Version)),
        ("ORU^R01||P|2.5.1", Some(FaultKind::NoControlId)),
        ("ORU^R01|42|P|2.5.1", None),
        ("ORU^R01|42||2.3.1", None),
    ] {
        let text = header(tail);
        let envelope = envelope(text.as_bytes());
        assert_eq!(
            strict_fault(&envelope.messages[0], "P").map(|fault| fault.kind),
            kind,
            "{tail}"
        );
    }
}

#[test]
fn what_the_header_gives_to_count() {
    for (tail, names) in [
        ("ORU^R01|42|P|2.5.1", vec![]),
        (
            "ORU^R01||P|2.5.1|||Y",
            vec!["bad_ack_request", "no_control_id"],
        ),
        ("SIU^S12|42|P|2.5.1", vec!["ignored_type"]),
        ("OML^O21|42|P|2.5.1", vec!["ignored_type"]),
        ("ADT^Z99|42|P|2.5.1", vec![]),
        ("ORU^R01|42|t ^A|2.5.1", vec!["not_production"]),
        ("NMD^N02|42|P|2.5.1", vec!["unexpected_ack"]),
        ("ORU^R01|42|D|2.5.1", vec!["not_production"]),
        ("ACK^R01|42|P|2.5.1", vec!["unexpected_ack"]),
    ] {
        let text = header(tail);
        let counts = request_counts(
            &envelope(text.as_bytes()).messages[0],
            &AckSettings::default(),
            "P",
        );
        assert_eq!(
            counts.iter().map(|(name, _)| *name).collect::<Vec<_>>(),
            names,
            "{tail}"
        );
    }
}

#[test]
fn strict_mode_refuses_what_accept_counts() {
    let settings = AckSettings {
        policy: AckPolicy::Strict,
        ..AckSettings::default()
    };
    for tail in [
        "SIU^S12|42|P|2.5.1",
        "ORU^R01|42|T|2.5.1",
        "ORU^R01||P|2.5.1",
    ] {
        let text = header(tail);
        let envelope = envelope(text.as_bytes());
        assert_eq!(request_counts(&envelope.messages[0], &settings, "P"), []);
        assert!(strict_fault(&envelope.messages[0], "P").is_some());
    }
    for listed in ["OML^O21", "ORL^O22", "DFT^P03"] {
        let text = header(&format!("{listed}|42|P|2.5.1"));
        let envelope = envelope(text.as_bytes());
        assert_eq!(strict_fault(&envelope.messages[0], "P"), None, "{listed}");
    }
}

#[test]
fn only_ne_ne_is_refused_silently() {
    let refused = Verdict::Refused(Fault::too_large(9));
    for (ask, verdict, silent) in [
        ("NE|NE", &refused, true),
        ("NE|", &refused, true),
        ("SU|NE", &refused, false),
        ("NE|NE", &Verdict::Accepted, false),
        ("|", &refused, false),
    ] {
        let text = header(&format!("ORU^R01|42|P|2.5.1|||{ask}"));
        let envelope = envelope(text.as_bytes());
        let plan = plan(&envelope.messages[0], &AckSettings::default(), verdict);
        assert_eq!(plan.refused_silently, silent, "{ask}");
    }
}

#[test]
fn offsets_of_all_forms_are_mirrored_and_dates_are_none() {
    for (theirs, offset) in [
        ("20260301101500", false),
        ("20260301101500.1234", false),
        ("20260301", false),
        ("", false),
        ("2026-03-01", false),
        ("2026-03", false),
        ("2026-03-01T10:15:00", false),
        ("20260301101500-", false),
        ("+0100", false),
        ("20260301101500+0100", true),
        ("20260301101500.1-0500", true),
        ("20260301101500-0500^S", true),
        ("2026+0100", true),
        ("2026-03-01T10:15:00Z", true),
        ("2026-03-01 10:15:00-05:00", true),
        ("20260301101500+01", true),
    ] {
        let content = format!("MSH|^~\\&|LAB|HOSP|||{theirs}||ORU^R01|42|P|2.5\r");
        let answer = answers(&content, &AckSettings::default(), &Verdict::Accepted).remove(0);
        let expected = if offset {
            "|20260301101501+0000||"
        } else {
            "|20260301101501||"
        };
        assert!(answer.contains(expected), "{theirs}: {answer}");
    }
}

#[test]
fn site_time_of_an_answer_has_the_sites_offset() {
    let zone = TimeZone::fixed(jiff::tz::offset(-3));
    let at = AckTime::new(Timestamp::from_micros(1_772_360_101_000_000), &zone);
    assert_eq!(
        (at.plain.as_str(), at.offset.as_str()),
        ("20260301071501", "-0300")
    );
}

#[test]
fn w46_w47_answers_use_the_senders_delimiters() {
    for (content, expected) in [
        (
            "MSH|$~\\&|LAB|HOSP|PENT|IMM|20260301101500+0000||ORU$R01$ORU_R01|42|P|2.5.1\r",
            "\x0bMSH|$~\\&|PENT|IMM|LAB|HOSP|20260301101501+0000||ACK$R01$ACK|P5K|P|2.5.1\rMSA|AA|42\r\x1c\r",
        ),
        (
            "MSH#^~\\&#LAB#HOSP#PENT#IMM#20260301101500+0000##ORU^R01^ORU_R01#42#P#2.5.1\r",
            "\x0bMSH#^~\\&#PENT#IMM#LAB#HOSP#20260301101501+0000##ACK^R01^ACK#P5K#P#2.5.1\rMSA#AA#42\r\x1c\r",
        ),
        (
            "MSH|^~\\&#|LAB^1.2.3^ISO|HOSP|PENT|IMM|20260301101500||ORU^R01^ORU_R01| 42 |P^A|2.7^DEU|0||NE|AL|CHE|UNICODE UTF-8\r",
            "\x0bMSH|^~\\&#|PENT|IMM|LAB^1.2.3^ISO|HOSP|20260301101501||ACK^R01^ACK|P5K|P^A|2.7^DEU|||NE|NE|CHE|UNICODE UTF-8\rMSA|AA| 42 \r\x1c\r",
        ),
        // W44: no MSH-10.
        (
            "MSH|^~\\&|LAB|HOSP|PENT|IMM|20260301101500||ORU^R01||P|2.5.1\r",
            "\x0bMSH|^~\\&|PENT|IMM|LAB|HOSP|20260301101501||ACK^R01^ACK|P5K|P|2.5.1\rMSA|AA|\r\x1c\r",
        ),
    ] {
        let answer = answers(content, &AckSettings::default(), &Verdict::Accepted);
        assert_eq!(answer, [expected]);
    }
}

#[test]
fn w35_two_answers_have_two_ids() {
    assert_eq!(
        accepted("ORU^R01^ORU_R01|42|P|2.5.1|||AL|AL"),
        [
            "\x0bMSH|^~\\&|PENT|IMM|LAB|HOSP|20260301101501+0000||ACK^R01^ACK|P5K|P|2.5.1|||NE|NE\rMSA|CA|42\r\x1c\r",
            "\x0bMSH|^~\\&|PENT|IMM|LAB|HOSP|20260301101501+0000||ACK^R01^ACK|P5L|P|2.5.1|||NE|NE\rMSA|AA|42\r\x1c\r",
        ]
    );
}

#[test]
fn w49_messages_without_wrapper_get_a_frame_each() {
    let content = header("ORU^R01|42|P|2.5.1") + &header("ORU^R01|43|P|2.5.1");
    let answers = answers(&content, &AckSettings::default(), &Verdict::Accepted);
    assert_eq!(answers.len(), 2);
    assert!(answers[0].ends_with("MSA|AA|42\r\x1c\r") && answers[1].ends_with("MSA|AA|43\r\x1c\r"));
}

/// The frame must not end inside: an id that ends in FS would do it together with the CR.
#[test]
fn f20_an_fs_at_the_end_of_a_field_does_not_end_the_answer() {
    let answer = accepted("ORU^R01|42\x1c|P|2.5.1|||||\x1c").remove(0);
    assert!(answer.contains("MSA|AA|42\x1c|\r\x1c\r"), "{answer:?}");
    assert!(answer.contains("2.5.1|||||\x1c|\r"), "{answer:?}");
}

/// Headers of any bytes that a frame can hold.
fn headers() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        4 => Just(b"|".to_vec()),
        2 => Just(b"\x1c".to_vec()),
        1 => Just(b"\x0b".to_vec()),
        1 => Just(b"\n".to_vec()),
        1 => Just(b"MSH".to_vec()),
        1 => Just(b"^R01".to_vec()),
        1 => Just(b"AL".to_vec()),
        1 => Just(b"2.3".to_vec()),
        2 => any::<u8>().prop_map(|byte| vec![byte]),
    ];
    (any::<u8>(), prop::collection::vec(piece, 0..60)).prop_map(|(separator, pieces)| {
        let tail = if separator < 128 { b'|' } else { separator };
        [
            &b"MSH"[..],
            &[tail],
            b"^~\\&",
            &[tail],
            &pieces.concat(),
            b"\rPID|1\r",
        ]
        .concat()
    })
}

/// With a line end as the escape character, what is escaped would put line ends into the header:
/// `PENTAMER` in a message whose component separator is `A` became `PENT`, a line, `MER`.
#[test]
fn an_escape_character_that_ends_lines_escapes_nothing() {
    let content = b"MSH|AL\n|LAB|HOSP|||20260301||ORU|42\rPID|1\r";
    let message = RawMessage::read(content).expect("readable");
    let envelope = envelope(content);
    let verdict = Verdict::Accepted;
    let answered = Answered {
        verdict: &verdict,
        position: JournalPosition(7),
    };
    let frames = answers_for_frame(&envelope, &[answered], &AckSettings::default(), &now());
    let inner = frames[0].get(1..).expect("a frame");
    let read = RawMessage::read(inner).expect("a readable answer");
    assert_eq!(read.header.field(3), b"PENT MER");
    assert_eq!(read.header.field(5), message.header.field(3));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn every_answer_is_one_frame_that_names_its_message(content in headers(), refuse in any::<bool>()) {
        use crate::core::mllp::{Decoder, Event, Limits};
        let decode = |bytes: &[u8]| {
            let mut decoder = Decoder::new(Limits::default());
            let mut events = Vec::new();
            decoder.push(bytes, &mut events);
            decoder.finish(&mut events);
            events
        };
        let verdict = if refuse {
            Verdict::Refused(Fault::at_msh(FaultKind::Event, 9))
        } else {
            Verdict::Accepted
        };
        for event in decode(&[b"\x0b", content.as_slice(), b"\x1c\r"].concat()) {
            let Event::Frame(content) = event else { continue };
            let Opened::Messages(envelope) = open(&content) else { continue };
            let answered = vec![Answered { verdict: &verdict, position: JournalPosition(7) }; envelope.messages.len()];
            let settings = AckSettings { mode: AckMode::Original, ..AckSettings::default() };
            let answers = answers_for_frame(&envelope, &answered, &settings, &now());
            let asking = envelope.messages.iter().filter(|message| !message.is_acknowledgement());
            for (answer, message) in answers.iter().zip(asking) {
                let frames = decode(answer);
                prop_assert_eq!(frames.len(), 1, "{:?}", answer);
                let Event::Frame(inner) = &frames[0] else { return Err(TestCaseError::fail("no frame")) };
                let header = &message.header;
                let s = header.separator();
                let read = RawMessage::read(inner).expect("a readable answer");
                prop_assert_eq!(read.header.field(5), header.field(3));
                prop_assert_eq!(read.header.field(2), header.field(2));
                let code: &[u8] = if refuse { b"AR" } else { b"AA" };
                let msa = [b"\rMSA", &[s][..], code, &[s], message.control_id()].concat();
                prop_assert!(memchr::memmem::find(inner, &msa).is_some(), "{:?} {:?}", inner, msa);
            }
        }
    }

    #[test]
    fn an_answer_can_be_read_and_names_its_message(
        id in "[ -~&&[^|]]{1,40}", version in "[0-9.]{0,6}", event in "[A-Z0-9]{0,4}", separator in "[|#!;]",
    ) {
        let s = separator.as_str();
        prop_assume!(!id.contains(s) && !event.contains(s));
        let content = ["MSH", "^~\\&", "LAB", "HOSP", "PENT", "IMM", "20260301", "", &format!("ORU^{event}"), &id, "P", &version].join(s);
        let message = RawMessage::read(content.as_bytes()).expect("readable");
        let verdict = Verdict::Accepted;
        let answered = Answered { verdict: &verdict, position: JournalPosition(7) };
        let envelope = envelope(content.as_bytes());
        let frames = answers_for_frame(&envelope, &[answered], &AckSettings { mode: AckMode::Original, ..AckSettings::default() }, &now());
        prop_assume!(!message.is_acknowledgement());
        let inner = frames[0].strip_prefix(b"\x0b").and_then(|f| f.strip_suffix(b"\x1c\r")).expect("a frame");
        let answer = RawMessage::read(inner).expect("readable");
        prop_assert!(answer.is_acknowledgement());
        prop_assert!(answer.control_id().len() <= 20);
        let msa = inner.split(|b| *b == b'\r').nth(1).expect("MSA");
        prop_assert_eq!(msa.splitn(3, |b| *b == s.as_bytes()[0]).nth(2), Some(id.as_bytes()));
    }
}
