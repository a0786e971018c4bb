//! The bytes of answers, field by field (WIRE 2.2), frame included (F-1, F-2).

use super::{AckSettings, AckTime, AnswerCode, BatchAck, Fault, Verdict, plan};
use crate::core::fact::JournalPosition;
use crate::core::hl7::envelope::{BatchFrame, Envelope, RawMessage};
use crate::core::hl7::header::RawHeader;
use crate::core::mllp::{CR, FS, VT};
use std::borrow::Cow;

/// Most answers are shorter.
const USUAL: usize = 256;

/// A message's verdict, and where it was stored.
#[derive(Debug, Clone, Copy)]
pub struct Answered<'a> {
    /// What it is told.
    pub verdict: &'a Verdict,
    /// Where it stands in the journal: makes MSH-10 unique.
    pub position: JournalPosition,
}

/// All answers of a frame, each a frame of its own, in the order of the messages. `answered` has
/// one entry a message of the envelope.
pub fn answers_for_frame(
    envelope: &Envelope<'_>,
    answered: &[Answered<'_>],
    settings: &AckSettings,
    now: &AckTime,
) -> Vec<Vec<u8>> {
    let answers: Vec<Vec<Vec<u8>>> = envelope
        .messages
        .iter()
        .zip(answered)
        .map(|(message, answered)| contents(message, answered, settings, now))
        .collect();
    match &envelope.batch {
        Some(batch) if settings.batch == BatchAck::Batch => {
            batch_answer(batch, &answers, answered, settings, now)
                .into_iter()
                .collect()
        }
        _ => answers
            .iter()
            .flatten()
            .map(|content| frame(content))
            .collect(),
    }
}

/// The answers of one message, without frames.
fn contents(
    message: &RawMessage<'_>,
    answered: &Answered<'_>,
    settings: &AckSettings,
    now: &AckTime,
) -> Vec<Vec<u8>> {
    let plan = plan(message, settings, answered.verdict);
    (0_u8..)
        .zip(&plan.answers)
        .map(|(number, code)| {
            let id = control_id(answered.position, number);
            answer(
                message,
                *code,
                answered.verdict,
                plan.enhanced,
                &id,
                settings,
                now,
            )
        })
        .collect()
}

fn answer(
    message: &RawMessage<'_>,
    code: AnswerCode,
    verdict: &Verdict,
    enhanced: bool,
    id: &str,
    settings: &AckSettings,
    now: &AckTime,
) -> Vec<u8> {
    let header = &message.header;
    let version = message.version().unwrap_or_else(|| vec![2, 5, 1]);
    let ne: &[u8] = if enhanced { b"NE" } else { b"" };
    // Our own name, where the message does not say how it calls us.
    let named = |number: usize, name: &str| match header.field(number) {
        b"" => Cow::Owned(safe(header, name)),
        given => Cow::Borrowed(given),
    };
    let application = named(5, &settings.application);
    let facility = named(6, &settings.facility);
    let message_type = message_type(message, &version);
    let time = time(header, now);
    let fields: [&[u8]; 17] = [
        header.field(2),
        &application,
        &facility,
        header.field(3),
        header.field(4),
        &time,
        b"",
        &message_type,
        id.as_bytes(),
        or(header.field(11), b"P"),
        or(header.field(12), b"2.5.1"),
        b"",
        b"",
        ne,
        ne,
        header.field(17),
        header.field(18),
    ];
    let mut content = Vec::with_capacity(USUAL);
    content.extend_from_slice(b"MSH");
    push_fields(&mut content, header.separator(), &fields);
    let separator = header.separator();
    content.extend_from_slice(b"MSA");
    content.push(separator);
    content.extend_from_slice(code.letters().as_bytes());
    content.push(separator);
    content.extend_from_slice(message.control_id());
    if let Verdict::Refused(fault) = verdict {
        // MSA-3 was withdrawn with 2.7.
        if version.as_slice() < [2, 7].as_slice() {
            content.push(separator);
            content.extend_from_slice(&safe(header, &fault.text()));
        }
        end_segment(&mut content, separator);
        if version.as_slice() >= [2, 2].as_slice() {
            push_err(&mut content, header, fault, &version);
        }
    } else {
        end_segment(&mut content, separator);
    }
    content
}

/// F-2. A field of the sender's that ends in `<FS>` must not end our frame with the `<CR>`: an empty
/// field stands between them.
fn end_segment(content: &mut Vec<u8>, separator: u8) {
    if content.last() == Some(&FS) {
        content.push(separator);
    }
    content.push(CR);
}

/// Fields from number 2 on, trailing empties cut, segment ended.
fn push_fields(content: &mut Vec<u8>, separator: u8, fields: &[&[u8]]) {
    let used = fields
        .iter()
        .rposition(|field| !field.is_empty())
        .map_or(0, |last| last + 1);
    for field in fields.iter().take(used) {
        content.push(separator);
        content.extend_from_slice(field);
    }
    end_segment(content, separator);
}

/// A-10 and A-11.
fn push_err(content: &mut Vec<u8>, header: &RawHeader<'_>, fault: &Fault, version: &[u32]) {
    let separator = header.separator();
    let component = header.encoding(0).unwrap_or(b'^');
    let subcomponent = header.encoding(3).unwrap_or(b'&');
    let (code, text) = fault.condition();
    let location = fault.place.as_ref().map(|(segment, occurrence, field)| {
        let mut place = segment.clone().into_bytes();
        place.push(component);
        place.extend_from_slice(occurrence.to_string().as_bytes());
        if *field > 0 {
            place.push(component);
            place.extend_from_slice(field.to_string().as_bytes());
        }
        place
    });
    let join = |parts: &[&[u8]], by: u8| parts.join(&by);
    content.extend_from_slice(b"ERR");
    content.push(separator);
    if version < [2, 5].as_slice() {
        let mut place = location.unwrap_or_default();
        let seen = place.iter().filter(|byte| **byte == component).count();
        place.extend(std::iter::repeat_n(component, 3_usize.saturating_sub(seen)));
        content.extend_from_slice(&place);
        content.extend_from_slice(&join(
            &[code.as_bytes(), text.as_bytes(), b"HL70357"],
            subcomponent,
        ));
    } else {
        let condition = join(&[code.as_bytes(), text.as_bytes(), b"HL70357"], component);
        let word = safe(header, fault.word());
        let application = join(&[&word, b"", b"L"], component);
        let fields: [&[u8]; 8] = [
            b"",
            &location.unwrap_or_default(),
            &condition,
            b"E",
            &application,
            b"",
            &safe(header, fault.diagnostic()),
            &safe(header, &fault.text()),
        ];
        content.extend_from_slice(&fields.join(&separator));
    }
    content.push(CR);
}

/// MSH-9 of the answer: by version, with the sender's component separator.
fn message_type(message: &RawMessage<'_>, version: &[u32]) -> Vec<u8> {
    let component = message.header.encoding(0).unwrap_or(b'^');
    let event: &[u8] = match message.header.component(9, 2) {
        // Point-of-care results are answered with R33.
        b"R30" | b"R31" | b"R32" => b"R33",
        event => event,
    };
    if event.is_empty() || version < [2, 3].as_slice() {
        return b"ACK".to_vec();
    }
    let mut text = b"ACK".to_vec();
    text.push(component);
    text.extend_from_slice(event);
    if version >= [2, 3, 1].as_slice() {
        text.push(component);
        text.extend_from_slice(b"ACK");
    }
    text
}

/// MSH-7 in the sender's habit: with an offset if it uses one, never with a fraction.
fn time(header: &RawHeader<'_>, now: &AckTime) -> Vec<u8> {
    let offset = if has_offset(header.component(7, 1)) {
        now.offset.as_str()
    } else {
        ""
    };
    format!("{}{offset}", now.plain).into_bytes()
}

/// T-1 and T-2: `+hhmm`, `-hh:mm`, `+hh` or `Z` after a time; the dashes of a date are none.
fn has_offset(time: &[u8]) -> bool {
    let time = time.trim_ascii();
    if time.len() > 4 && matches!(time, [.., b'Z' | b'z']) {
        return true;
    }
    let Some(at) = time.iter().rposition(|byte| matches!(byte, b'+' | b'-')) else {
        return false;
    };
    let (before, sign_and_zone) = time.split_at(at);
    let (hours, minutes) = match sign_and_zone {
        [_, hours @ ..] if hours.len() == 2 => (hours, &b"00"[..]),
        [_, a, b, b':', minutes @ ..] if minutes.len() == 2 => (&[*a, *b][..], minutes),
        [_, a, b, minutes @ ..] if minutes.len() == 2 => (&[*a, *b][..], minutes),
        _ => return false,
    };
    let digits = |bytes: &[u8]| bytes.iter().all(u8::is_ascii_digit);
    // `2026-03-01`: what has dashes before has an offset only after a time of day.
    let dashed_date = before.contains(&b'-') || sign_and_zone.len() == 3 && before.len() == 4;
    before.len() >= 4
        && digits(hours)
        && digits(minutes)
        && (!dashed_date || before.contains(&b':'))
}

/// Our own text in the sender's delimiters: they are escaped, or become spaces where nothing escapes.
/// A control character as the escape would put line ends or frame bytes into the header.
fn safe(header: &RawHeader<'_>, text: &str) -> Vec<u8> {
    let escape = header.encoding(2).filter(|byte| !byte.is_ascii_control());
    let mut out = Vec::with_capacity(text.len());
    for byte in text.bytes() {
        let letter = if byte == header.separator() {
            Some(b'F')
        } else {
            header
                .field(2)
                .iter()
                .position(|delimiter| *delimiter == byte)
                .map(|place| match place {
                    0 => b'S',
                    1 => b'R',
                    2 => b'E',
                    3 => b'T',
                    _ => b'P',
                })
        };
        match (letter, escape) {
            (Some(letter), Some(escape)) => out.extend_from_slice(&[escape, letter, escape]),
            (Some(_), None) => out.push(b' '),
            (None, _) if byte.is_ascii_control() => out.push(b' '),
            (None, _) => out.push(byte),
        }
    }
    out
}

fn or<'a>(field: &'a [u8], instead: &'a [u8]) -> &'a [u8] {
    if field.is_empty() { instead } else { field }
}

/// `P` and base 36 of position × 2 + answer number: at most 14 characters.
fn control_id(position: JournalPosition, answer: u8) -> String {
    format!(
        "P{}",
        base36(u128::from(position.0) * 2 + u128::from(answer))
    )
}

fn base36(mut number: u128) -> String {
    let mut digits = Vec::new();
    loop {
        let digit = u32::try_from(number % 36).unwrap_or(0);
        digits.push(
            char::from_digit(digit, 36)
                .unwrap_or('0')
                .to_ascii_uppercase(),
        );
        number /= 36;
        if number == 0 {
            return digits.iter().rev().collect();
        }
    }
}

fn frame(content: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(content.len() + 3);
    bytes.push(VT);
    bytes.extend_from_slice(content);
    bytes.extend_from_slice(&[FS, CR]);
    bytes
}

/// A-51: one frame with a batch of the answers; none where no message asks for one.
fn batch_answer(
    batch: &BatchFrame<'_>,
    answers: &[Vec<Vec<u8>>],
    answered: &[Answered<'_>],
    settings: &AckSettings,
    now: &AckTime,
) -> Option<Vec<u8>> {
    if answers.iter().all(Vec::is_empty) {
        return None;
    }
    let first = answered
        .first()
        .map_or(JournalPosition::START, |answered| answered.position);
    let mut content = Vec::new();
    if let Some(file) = &batch.file {
        push_wrapper(
            &mut content,
            b"FHS",
            file,
            &format!("F{}", base36(first.0.into())),
            settings,
            now,
        );
    }
    for (header, range) in &batch.batches {
        let mine: Vec<&Vec<u8>> = answers
            .get(range.clone())
            .into_iter()
            .flatten()
            .flatten()
            .collect();
        let position = answered
            .get(range.start)
            .map_or(first, |answered| answered.position);
        if let Some(header) = header {
            push_wrapper(
                &mut content,
                b"BHS",
                header,
                &format!("B{}", base36(position.0.into())),
                settings,
                now,
            );
        }
        for answer in &mine {
            content.extend_from_slice(answer);
        }
        if let Some(header) = header {
            push_trailer(&mut content, b"BTS", header.separator(), mine.len());
        }
    }
    if let Some(file) = &batch.file {
        let batches = batch
            .batches
            .iter()
            .filter(|(header, _)| header.is_some())
            .count();
        push_trailer(&mut content, b"FTS", file.separator(), batches);
    }
    Some(frame(&content))
}

/// BHS or FHS of the answer: 3 to 6 swapped, 11 a new id, 12 the inbound 11.
fn push_wrapper(
    content: &mut Vec<u8>,
    name: &[u8; 3],
    header: &RawHeader<'_>,
    id: &str,
    settings: &AckSettings,
    now: &AckTime,
) {
    // Our own name, where the message does not say how it calls us.
    let named = |number: usize, name: &str| match header.field(number) {
        b"" => Cow::Owned(safe(header, name)),
        given => Cow::Borrowed(given),
    };
    let application = named(5, &settings.application);
    let facility = named(6, &settings.facility);
    let time = time(header, now);
    let fields: [&[u8]; 11] = [
        header.field(2),
        &application,
        &facility,
        header.field(3),
        header.field(4),
        &time,
        b"",
        b"",
        b"",
        id.as_bytes(),
        header.field(11),
    ];
    content.extend_from_slice(name);
    push_fields(content, header.separator(), &fields);
}

fn push_trailer(content: &mut Vec<u8>, name: &[u8; 3], separator: u8, count: usize) {
    content.extend_from_slice(name);
    content.push(separator);
    content.extend_from_slice(count.to_string().as_bytes());
    content.push(CR);
}

/// A-32: the answer to what has no readable header.
pub fn answer_unreadable(position: JournalPosition, now: &AckTime) -> Vec<u8> {
    let id = control_id(position, 0);
    frame(
        format!(
            "MSH|^~\\&|PENTAMER||||{}||ACK|{id}|P|2.5.1\rMSA|AR|\r\
             ERR|||100^Segment sequence error^HL70357|E|unreadable_msh^^L\r",
            now.plain
        )
        .as_bytes(),
    )
}

/// F-50, F-51: the answer to a message of which only the head was kept.
pub fn answer_too_large(
    head: &[u8],
    limit: usize,
    position: JournalPosition,
    settings: &AckSettings,
    now: &AckTime,
) -> Vec<Vec<u8>> {
    let Some(message) = RawMessage::read(head).filter(|message| !message.control_id().is_empty())
    else {
        return vec![answer_unreadable(position, now)];
    };
    let verdict = Verdict::Refused(Fault::too_large(limit));
    let answered = Answered {
        verdict: &verdict,
        position,
    };
    contents(&message, &answered, settings, now)
        .iter()
        .map(|content| frame(content))
        .collect()
}
