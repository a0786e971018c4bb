//! WIRE 2.5, 2.6.

use super::*;
use proptest::prelude::*;

fn messages(content: &[u8]) -> Envelope<'_> {
    match open(content) {
        Opened::Messages(envelope) => envelope,
        other => panic!("{other:?}"),
    }
}

#[test]
fn one_message_keeps_the_whole_content() {
    for content in [
        &b"MSH|^~\\&|A\rPID|1\r"[..],
        b"\xef\xbb\xbfMSH|^~\\&|A\rPID|1",
        b"\r\n  MSH|^~\\&|A\nPID|1\n",
        b"log line\rMSH|^~\\&|A\rPID|1\r",
    ] {
        let envelope = messages(content);
        assert_eq!(envelope.messages.len(), 1);
        assert_eq!(envelope.messages[0].raw, content);
        assert_eq!(envelope.messages[0].header.field(3), b"A");
    }
    assert_eq!(
        messages(b"log line\rMSH|^~\\&|A\r").counts,
        [("msh_late", 1)]
    );
}

#[test]
fn what_cannot_be_read_says_why() {
    let late = [&[b'x'; 600][..], b"\rMSH|^~\\&|A"].concat();
    for (content, reason) in [
        (&b"hello world"[..], Reason::UnreadableMsh),
        (b"MSH", Reason::UnreadableMsh),
        (b"MSH|^~", Reason::UnreadableMsh),
        (b"PID|1\r", Reason::UnreadableMsh),
        (&late, Reason::UnreadableMsh),
        (b"\xff\xfeM\0S\0H\0", Reason::CharsetUtf16),
        (b"M\0S\0H\0|\0", Reason::CharsetUtf16),
        (b"\0M\0S\0H\0|", Reason::CharsetUtf16),
        (b"<?xml version='1.0'?>", Reason::Xml),
        (b" <ORU_R01 xmlns='urn'>", Reason::Xml),
        (b"BHS|^~\\&|A\rBTS|0\r", Reason::UnreadableMsh),
    ] {
        assert_eq!(open(content), Opened::Refused(reason), "{content:?}");
    }
    assert_eq!(open(b"\xef\xbb\xbf\r\n \0\t"), Opened::Empty);
}

#[test]
fn several_messages_without_wrapper() {
    let envelope = messages(b"MSH|^~\\&|A\rPID|1\rMSH|^~\\&|B\nPID|2\n  MSH|^~\\&|C");
    let raws: Vec<&[u8]> = envelope
        .messages
        .iter()
        .map(|message| message.raw)
        .collect();
    assert_eq!(
        raws,
        [
            &b"MSH|^~\\&|A\rPID|1\r"[..],
            b"MSH|^~\\&|B\nPID|2\n  ",
            b"MSH|^~\\&|C"
        ]
    );
    assert_eq!(envelope.batch, None);
}

#[test]
fn a_broken_header_between_good_ones_takes_nothing_with_it() {
    let envelope = messages(b"MSH|^~\\&|A\rPID|1\rMSH|^~\rPID|2\rMSH|^~\\&|C\rPID|3\r");
    let fields: Vec<&[u8]> = envelope
        .messages
        .iter()
        .map(|message| message.header.field(3))
        .collect();
    assert_eq!(fields, [b"A", b"C"]);
    assert_eq!(envelope.unreadable, [b"MSH|^~\rPID|2\r"]);
}

#[test]
fn a_batch_is_split_and_its_trailer_left_out() {
    let envelope = messages(
        b"FHS|^~\\&|F\rBHS|^~\\&|LAB||||||||B1\rMSH|^~\\&|A\rPID|1\rMSH|^~\\&|B\rBTS|2\rFTS|1\r",
    );
    assert_eq!(envelope.messages.len(), 2);
    assert_eq!(envelope.messages[0].raw, b"MSH|^~\\&|A\rPID|1\r");
    assert_eq!(envelope.messages[1].raw, b"MSH|^~\\&|B\r");
    let batch = envelope.batch.expect("a wrapper");
    assert_eq!(batch.file.expect("FHS").field(3), b"F");
    assert_eq!(batch.batches.len(), 1);
    assert_eq!(batch.batches[0].1, 0..2);
    assert!(envelope.counts.is_empty());
}

#[test]
fn wrong_counts_and_missing_trailers_are_accepted() {
    let wrong = messages(b"BHS|^~\\&|L\rMSH|^~\\&|A\rMSH|^~\\&|B\rBTS|3\r");
    assert_eq!(
        (wrong.messages.len(), wrong.counts),
        (2, vec![("batch_count_mismatch", 1)])
    );
    let open_ended = messages(b"BHS|^~\\&|L\rMSH|^~\\&|A\rPID|1");
    assert_eq!((open_ended.messages.len(), open_ended.counts.len()), (1, 0));
    let no_bhs = messages(b"FHS|^~\\&|L\rMSH|^~\\&|A\rFTS\r");
    assert_eq!(no_bhs.batch.expect("a wrapper").batches, [(None, 0..1)]);
}

#[test]
fn acknowledgements_are_known_by_type_or_by_msa() {
    for (content, is) in [
        (&b"MSH|^~\\&|A||||||ACK^R01|1\rMSA|AA|7\r"[..], true),
        (b"MSH|^~\\&|A||||||ORU^R01|1\rSFT|x\rMSA|AA|7\r", true),
        (b"MSH|^~\\&|A||||||ORU^R01|1\nMSA|AA|7", true),
        (b"MSH|^~\\&|A||||||ORU^R01|1\rPID|1\rMSA|AA|7\r", false),
        (b"MSH|^~\\&|A||||||ORU^R01|1\r", false),
    ] {
        assert_eq!(messages(content).messages[0].is_acknowledgement(), is);
    }
}

#[test]
fn f61_a_line_of_text_is_no_message() {
    for text in [
        "MSH-7 is wrong",
        "MSH is here",
        "MSHX|1",
        "BTS-1 too",
        "BHS said ^~ so",
        "MSH",
    ] {
        let content = format!("MSH|^~\\&|A\rNTE|1|L|see\r{text}\rOBX|1|NM\r");
        let envelope = messages(content.as_bytes());
        assert_eq!(envelope.messages.len(), 1, "{text}");
        assert_eq!(envelope.messages[0].raw, content.as_bytes(), "{text}");
        assert!(envelope.unreadable.is_empty(), "{text}");
        let batch = format!("BHS|^~\\&|L\r{content}BTS|1\r");
        let envelope = messages(batch.as_bytes());
        assert_eq!(envelope.messages[0].raw, content.as_bytes(), "{text}");
        assert!(envelope.counts.is_empty(), "{text}");
    }
}

#[test]
fn messages_of_one_frame_may_differ_in_their_separator() {
    let envelope = messages(b"MSH|^~\\&|A\rPID|1\nMSH#^~\\&#B\nPID#1\rMSH|^~\\&|C");
    let senders: Vec<&[u8]> = envelope
        .messages
        .iter()
        .map(|m| m.header.field(3))
        .collect();
    assert_eq!(senders, [b"A", b"B", b"C"]);
}

#[test]
fn byte_order_marks_and_blanks_in_any_order_are_skipped() {
    for content in [
        &b"\r\n\xef\xbb\xbfMSH|^~\\&|A"[..],
        b"\xef\xbb\xbf\xef\xbb\xbf\0 MSH|^~\\&|A",
    ] {
        let envelope = messages(content);
        assert_eq!((envelope.messages.len(), envelope.counts.len()), (1, 0));
        assert_eq!(envelope.messages[0].raw, content);
    }
    let joined = messages(b"MSH|^~\\&|A\r\xef\xbb\xbfMSH|^~\\&|B\r");
    assert_eq!(joined.messages.len(), 2);
    assert_eq!(open(b"\r\n\xef\xbb\xbf"), Opened::Empty);
}

#[test]
fn a31_a_late_header_is_found_within_512_bytes() {
    let late = |before: usize| [&vec![b'x'; before - 1][..], b"\rMSH|^~\\&|A"].concat();
    assert_eq!(messages(&late(511)).counts, [("msh_late", 1)]);
    assert_eq!(open(&late(512)), Opened::Refused(Reason::UnreadableMsh));
    assert_eq!(
        messages(b"log\n  MSH|^~\\&|A").messages[0].header.field(3),
        b"A"
    );
}

#[test]
fn c1_an_odd_msh_2_is_readable_here() {
    for content in [
        "MSH|^~\\&#!|A",
        "MSH|^^^^|A",
        "MSH|ab|A",
        "MSH|^|A",
        "MSH|\\|A",
    ] {
        assert_eq!(
            messages(content.as_bytes()).messages[0].header.field(3),
            b"A"
        );
    }
}

#[test]
fn c3_a_declared_wide_set_is_refused() {
    let message = |set: &str| format!("MSH|^~\\&|A|||||||42|P|2.5.1||||||{set}\rPID|1\r");
    for set in ["UNICODE UTF-16", "utf-16~ASCII", "UTF-32"] {
        assert_eq!(
            open(message(set).as_bytes()),
            Opened::Refused(Reason::CharsetUtf16),
            "{set}"
        );
    }
    // One among others is that message's own trouble.
    let mixed = message("UTF-16") + &message("UNICODE UTF-8");
    assert_eq!(messages(mixed.as_bytes()).messages.len(), 2);
}

#[test]
fn n5_debug_shows_no_content() {
    let shown = format!(
        "{:?}",
        open(b"BHS|^~\\&|ZZMARKERZZ\rMSH|^~\\&|ZZMARKERZZ\rMSH|^~ZZMARKERZZ\rMSH|^~\\&|A")
    );
    assert!(!shown.contains("MARKER"), "{shown}");
}

/// The first two bytes of the contents of W96 take all values.
#[test]
fn w96_short_contents_are_refused_or_empty() {
    for first in 0..=255_u8 {
        for second in 0..=255_u8 {
            for content in [
                &[][..],
                &[first],
                &[first, second],
                &[first, second, 0],
                &[first, second, b'H', b'|'],
            ] {
                assert!(!matches!(open(content), Opened::Messages(_)), "{content:?}");
            }
        }
    }
}

proptest! {
    #[test]
    fn every_byte_from_the_first_header_on_is_kept(
        parts in prop::collection::vec(prop_oneof![
            Just("MSH|^~\\&|A\r"), Just("MSH|^\r"), Just("PID|1\r"), Just("MSH-7\r"), Just(" \n"), Just("MSH#^~\\&#B\n"),
        ], 0..12)
    ) {
        let content = format!("MSH|^~\\&|first\r{}", parts.concat());
        let envelope = messages(content.as_bytes());
        let kept: usize = envelope.messages.iter().map(|m| m.raw.len()).chain(envelope.unreadable.iter().map(|u| u.len())).sum();
        prop_assert_eq!(kept, content.len());
    }

    #[test]
    fn nothing_panics_and_no_byte_is_made_up(content in prop::collection::vec(
        prop_oneof![
            Just(b"MSH|^~\\&|A".to_vec()), Just(b"BHS|^~\\&|A".to_vec()), Just(b"FHS|".to_vec()), Just(b"BTS|1".to_vec()),
            Just(b"\r".to_vec()), Just(b"\n".to_vec()), Just(b" ".to_vec()), any::<u8>().prop_map(|b| vec![b]),
        ], 0..40).prop_map(|parts| parts.concat()))
    {
        if let Opened::Messages(envelope) = open(&content) {
            let total: usize = envelope.messages.iter().map(|m| m.raw.len()).chain(envelope.unreadable.iter().map(|u| u.len())).sum();
            prop_assert!(total <= content.len());
            for message in &envelope.messages {
                prop_assert!(content.windows(message.raw.len()).any(|window| window == message.raw));
                let _ = (message.is_acknowledgement(), message.version(), message.kind());
            }
            if let Some(batch) = &envelope.batch {
                let covered: usize = batch.batches.iter().map(|(_, range)| range.len()).sum();
                prop_assert_eq!(covered, envelope.messages.len());
            }
        }
    }
}
