//! Laws of frames, envelopes and acknowledgements.

use super::cases;
use super::generate::{damage, damaged, happening};
use jiff::tz::TimeZone;
use pentamer::core::fact::JournalPosition;
use pentamer::core::hl7::ack::{
    AckMode, AckPolicy, AckSettings, AckTime, Answered, BatchAck, Fault, FaultKind, Verdict,
    answers_for_frame, plan,
};
use pentamer::core::hl7::envelope::{Envelope, Opened, RawMessage, open};
use pentamer::core::mllp::{Decoder, Event, Limits};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use std::collections::BTreeSet;

fn framed(content: &[u8]) -> Vec<u8> {
    [b"\x0b", content, b"\x1c\r"].concat()
}

fn message() -> impl Strategy<Value = Vec<u8>> {
    happening(3, 2).prop_map(|happening| happening.raw())
}

/// Frames with what goes wrong between and within them.
fn stream() -> impl Strategy<Value = Vec<u8>> {
    let part = prop_oneof![
        4 => message().prop_map(|content| framed(&content)),
        2 => (message(), damage()).prop_map(|(content, damage)| framed(&damaged(content, &damage))),
        1 => message(),
        1 => vec(select(&b"\x0b\x1c\r\n\xef\xbb\xbfMSH|x\0 "[..]), 0..12),
    ];
    vec(part, 0..6).prop_map(|parts| parts.concat())
}

/// All that a decoder makes of pieces, to the end.
fn decoded(pieces: &[&[u8]], limits: Limits) -> (Vec<Event>, String) {
    let mut decoder = Decoder::new(limits);
    let mut events = Vec::new();
    for piece in pieces {
        decoder.push(piece, &mut events);
    }
    decoder.finish(&mut events);
    (events, format!("{:?}", decoder.take_counts()))
}

fn opened(content: &[u8]) -> Envelope<'_> {
    match open(content) {
        Opened::Messages(envelope) => envelope,
        other => panic!("{other:?}"),
    }
}

fn settings(mode: AckMode, batch: BatchAck) -> AckSettings {
    AckSettings {
        mode,
        policy: AckPolicy::Strict,
        batch,
        ..AckSettings::default()
    }
}

fn now() -> AckTime {
    AckTime::new(super::RECEIVED, &TimeZone::UTC)
}

fn verdict() -> impl Strategy<Value = Verdict> {
    prop_oneof![
        Just(Verdict::Accepted),
        select(
            &[
                FaultKind::MessageType,
                FaultKind::NoControlId,
                FaultKind::SegmentSequence
            ][..]
        )
        .prop_map(|kind| Verdict::Refused(Fault::at_msh(kind, 9))),
    ]
}

fn mode() -> impl Strategy<Value = AckMode> {
    select(
        &[
            AckMode::Auto,
            AckMode::Original,
            AckMode::Commit,
            AckMode::None,
        ][..],
    )
}

/// A message with this MSH-10 and these MSH-15 and MSH-16.
fn asking(control: &[u8], accept: &str, application: &str) -> Vec<u8> {
    let head: &[u8] = b"MSH|^~\\&|LAB|HOSP|PENT|IMM|20260101||ORU^R01|";
    let tail = format!("|P|2.5.1|||{accept}|{application}\rPID|1||1^^^HOSP^MR\r");
    [head, control, tail.as_bytes()].concat()
}

fn ask() -> impl Strategy<Value = &'static str> {
    select(&["", "AL", "NE", "ER", "SU", "x"][..])
}

/// The content of a frame.
fn content(frame: &[u8]) -> &[u8] {
    frame
        .strip_prefix(b"\x0b")
        .and_then(|rest| rest.strip_suffix(b"\x1c\r"))
        .expect("a frame")
}

fn field<'a>(content: &'a [u8], segment: &[u8], number: usize) -> &'a [u8] {
    let line = content
        .split(|byte| *byte == b'\r')
        .find(|line| line.starts_with(segment))
        .expect("the segment");
    line.split(|byte| *byte == b'|')
        .nth(number)
        .expect("the field")
}

proptest! {
    #![proptest_config(cases(96))]

    #[test]
    fn a_stream_cut_anyhow_gives_the_same_events_and_counts(
        stream in stream(),
        cuts in vec(any::<prop::sample::Index>(), 0..12),
        small in any::<bool>(),
    ) {
        let limits = if small { Limits { max_message: 300, kept_head: 64, ..Limits::default() } } else { Limits::default() };
        let mut at: BTreeSet<usize> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).collect();
        at.insert(stream.len());
        let mut from = 0;
        let pieces: Vec<&[u8]> = at.iter().map(|to| &stream[std::mem::replace(&mut from, *to)..*to]).collect();
        let whole = decoded(&[&stream], limits);
        prop_assert_eq!(&decoded(&pieces, limits), &whole);
        let bytes: Vec<&[u8]> = stream.chunks(1).collect();
        prop_assert_eq!(decoded(&bytes, limits), whole);
    }

    #[test]
    fn a_framed_content_comes_out_as_it_was(
        content in vec(any::<u8>().prop_filter("no mark", |byte| !matches!(byte, 0x0b | 0x1c)), 1..300),
    ) {
        let (events, _) = decoded(&[&framed(&content)], Limits::default());
        prop_assert_eq!(events, vec![Event::Frame(content.into())]);
    }

    #[test]
    fn two_streams_of_whole_frames_one_after_the_other_give_the_frames_of_both(
        first in vec(message(), 0..4),
        second in vec(message(), 0..4),
    ) {
        let stream = |messages: &[Vec<u8>]| messages.iter().map(|content| framed(content)).collect::<Vec<_>>().concat();
        let (a, b) = (stream(&first), stream(&second));
        let mut both = decoded(&[&a], Limits::default()).0;
        both.extend(decoded(&[&b], Limits::default()).0);
        prop_assert_eq!(decoded(&[&a, &b], Limits::default()).0, both);
    }

    #[test]
    fn opening_is_total_and_every_raw_is_a_slice_of_the_content_in_order(
        messages in vec(message(), 0..4),
        damage in damage(),
        wrapped in any::<bool>(),
        junk in vec(any::<u8>(), 0..200),
    ) {
        let _ = open(&junk);
        let mut content = messages.concat();
        if wrapped {
            content = [b"FHS|^~\\&\rBHS|^~\\&\r", content.as_slice(), b"BTS|3\rFTS|1\r"].concat();
        }
        for content in [content.clone(), damaged(content, &damage)] {
            let Opened::Messages(envelope) = open(&content) else { continue };
            let span = content.as_ptr_range();
            let mut end = span.start;
            for message in &envelope.messages {
                let raw = message.raw.as_ptr_range();
                prop_assert!(end <= raw.start && raw.end <= span.end, "within, and after the one before");
                end = raw.end;
            }
            for (_, range) in envelope.batch.iter().flat_map(|batch| &batch.batches) {
                prop_assert!(range.start <= range.end && range.end <= envelope.messages.len());
            }
        }
    }

    #[test]
    fn a_single_message_keeps_the_content_whole(message in message(), blanks in "[ \r\n\t]{0,5}", tail in "[\r\n]{0,3}") {
        let content = [blanks.as_bytes(), &message, tail.as_bytes()].concat();
        let envelope = opened(&content);
        prop_assert_eq!(envelope.messages.len(), 1);
        prop_assert_eq!(envelope.messages[0].raw, &content[..]);
    }

    #[test]
    fn several_messages_are_cut_without_loss(messages in vec(message(), 2..5)) {
        let content = messages.concat();
        let envelope = opened(&content);
        let raws: Vec<&[u8]> = envelope.messages.iter().map(|message| message.raw).collect();
        prop_assert_eq!(raws.concat(), content.clone());
        prop_assert_eq!(raws.len(), messages.len());
    }

    #[test]
    fn an_acknowledgement_is_readable_and_names_the_control_id_byte_for_byte(
        control in vec(any::<u8>().prop_filter("no structure", |byte| !matches!(byte, b'|' | b'\r' | b'\n')), 0..24)
            .prop_filter("ends its own frame (F-16)", |id| !id.windows(2).any(|pair| pair == b"\x1c\x0b")),
        accept in ask(),
        application in ask(),
        verdict in verdict(),
        mode in mode(),
    ) {
        let content_sent = asking(&control, accept, application);
        let envelope = opened(&content_sent);
        let settings = settings(mode, BatchAck::Batch);
        let answered = [Answered { verdict: &verdict, position: JournalPosition(5) }];
        for answer in answers_for_frame(&envelope, &answered, &settings, &now()) {
            let (events, _) = decoded(&[&answer], Limits::default());
            prop_assert_eq!(&events, &vec![Event::Frame(content(&answer).to_vec().into())]);
            let back = RawMessage::read(content(&answer)).expect("a readable header");
            prop_assert!(back.is_acknowledgement());
            prop_assert_eq!(field(content(&answer), b"MSA", 2), &control[..]);
        }
    }

    #[test]
    fn control_ids_of_acknowledgements_never_repeat(
        positions in prop::collection::btree_set(any::<u64>(), 1..20),
        accept in ask(),
        application in ask(),
    ) {
        let content_sent = asking(b"42", accept, application);
        let envelope = opened(&content_sent);
        let verdict = Verdict::Accepted;
        let mut ids = BTreeSet::new();
        for position in positions {
            let answered = [Answered { verdict: &verdict, position: JournalPosition(position) }];
            for answer in answers_for_frame(&envelope, &answered, &settings(AckMode::Auto, BatchAck::Batch), &now()) {
                let id = field(content(&answer), b"MSH", 9).to_vec();
                prop_assert!((1..=20).contains(&id.len()), "ST of at most 20");
                prop_assert!(ids.insert(id));
            }
        }
    }

    #[test]
    fn an_acknowledgement_is_never_acknowledged(
        accept in ask(),
        application in ask(),
        first in verdict(),
        second in verdict(),
        modes in (mode(), mode()),
    ) {
        let content_sent = asking(b"42", accept, application);
        let envelope = opened(&content_sent);
        let answered = [Answered { verdict: &first, position: JournalPosition(5) }];
        for answer in answers_for_frame(&envelope, &answered, &settings(modes.0, BatchAck::Batch), &now()) {
            let answer = RawMessage::read(content(&answer)).expect("a readable header");
            let again = plan(&answer, &settings(modes.1, BatchAck::Batch), &second);
            prop_assert_eq!(again.answers, vec![]);
        }
    }

    #[test]
    fn answers_of_any_content_are_whole_frames(
        messages in vec(message(), 1..4),
        damage in damage(),
        verdict in verdict(),
        mode in mode(),
        per_message in any::<bool>(),
        wrapped in any::<bool>(),
    ) {
        let mut content_sent = damaged(messages.concat(), &damage);
        if wrapped {
            content_sent = [b"BHS|^~\\&\r", content_sent.as_slice(), b"\rBTS|1\r"].concat();
        }
        let Opened::Messages(envelope) = open(&content_sent) else { return Ok(()) };
        let answered: Vec<_> = (1..)
            .zip(&envelope.messages)
            .map(|(position, _)| Answered { verdict: &verdict, position: JournalPosition(position) })
            .collect();
        let batch = if per_message { BatchAck::PerMessage } else { BatchAck::Batch };
        let answers = answers_for_frame(&envelope, &answered, &settings(mode, batch), &now());
        let (events, _) = decoded(&[&answers.concat()], Limits::default());
        let expected: Vec<_> = answers.iter().map(|answer| Event::Frame(content(answer).to_vec().into())).collect();
        prop_assert_eq!(events, expected);
    }
}
