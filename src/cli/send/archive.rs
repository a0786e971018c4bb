//! From a file's bytes to frames: raw or framed, one message or many, batches.

use crate::core::hl7::ack::{self, AckSettings, Verdict};
use crate::core::hl7::envelope::RawMessage;
use bytes::Bytes;

/// Content of one frame and what is to be awaited for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Frame {
    /// What goes between `<VT>` and `<FS><CR>`.
    pub content: Bytes,
    /// The messages in it, at least one.
    pub messages: Vec<Message>,
}

impl Frame {
    /// Of what goes between `<VT>` and `<FS><CR>`.
    pub(super) fn of(content: Bytes) -> Self {
        Self {
            messages: messages(&content),
            content,
        }
    }

    /// Whether the header of a message is in it.
    pub(super) fn has_header(&self) -> bool {
        marks(&self.content)
            .iter()
            .any(|(_, is_message)| *is_message)
    }
}

/// One message of a frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Message {
    /// MSH-10 as sent; empty where there is none.
    pub control_id: Bytes,
    /// Answers to a message that is accepted (WIRE A-3).
    pub answers: Answers,
}

/// How many answers a message gets if all is well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answers {
    /// None: MSH-15 and MSH-16 ask for errors only or for nothing, or it is an answer itself.
    None,
    /// One.
    One,
    /// A commit and then an application acknowledgement.
    Two,
}

const VT: u8 = 0x0b;
const FS: u8 = 0x1c;

/// All frames that a file makes. With `whole`, what the file (or each MLLP frame in it) holds stays together.
pub(super) fn frames(file: Bytes, whole: bool) -> Vec<Frame> {
    let framed = file
        .iter()
        .find(|byte| !matches!(byte, b'\r' | b'\n' | b' ' | b'\t' | 0))
        .is_some_and(|byte| *byte == VT);
    let contents = if framed { unframed(&file) } else { vec![file] };
    contents
        .into_iter()
        .filter(|content| !content.iter().all(u8::is_ascii_whitespace))
        .flat_map(|content| {
            if whole {
                vec![content]
            } else {
                split(&content)
            }
        })
        .map(Frame::of)
        .collect()
}

/// What stands between the `<VT>` and the end mark of each frame of a file.
fn unframed(file: &Bytes) -> Vec<Bytes> {
    let mut contents = Vec::new();
    let mut at = 0;
    while let Some(start) = find(file, VT, at) {
        let end = end_of_frame(file, start + 1);
        contents.push(file.slice(start + 1..end));
        at = end;
    }
    contents
}

fn find(bytes: &[u8], byte: u8, from: usize) -> Option<usize> {
    memchr::memchr(byte, bytes.get(from..)?).map(|at| from + at)
}

/// The first `<FS>` that ends a frame: before CR, LF, VT or the end of the file (WIRE F-15 to F-18).
fn end_of_frame(file: &[u8], from: usize) -> usize {
    let mut at = from;
    while let Some(found) = find(file, FS, at) {
        if matches!(file.get(found + 1), None | Some(b'\r' | b'\n' | &VT)) {
            return found;
        }
        at = found + 1;
    }
    file.len()
}

/// Places where a header or trailer begins, and whether it is an MSH.
fn marks(content: &[u8]) -> Vec<(usize, bool)> {
    let line_starts =
        std::iter::once(0).chain(memchr::memchr2_iter(b'\r', b'\n', content).map(|end| end + 1));
    line_starts
        .filter_map(|start| {
            let line = content.get(start..)?;
            let bom = if start == 0 && line.starts_with(b"\xef\xbb\xbf") {
                3
            } else {
                0
            };
            let line = line.get(bom..)?;
            let name = line.get(..3)?;
            let delimited = line.get(3).is_none_or(|byte| !byte.is_ascii_alphanumeric());
            let known = matches!(name, b"MSH" | b"FHS" | b"BHS" | b"BTS" | b"FTS");
            (known && delimited).then_some((start + bom, name == b"MSH"))
        })
        .collect()
}

/// Each message by itself, without the envelope of a batch; content without any MSH as it is.
fn split(content: &Bytes) -> Vec<Bytes> {
    let marks = marks(content);
    let ends = marks
        .iter()
        .skip(1)
        .map(|(at, _)| *at)
        .chain(std::iter::once(content.len()));
    let split: Vec<Bytes> = marks
        .iter()
        .zip(ends)
        .filter(|((_, is_message), _)| *is_message)
        .map(|((start, _), end)| content.slice(*start..end))
        .collect();
    if split.is_empty() {
        vec![content.clone()]
    } else {
        split
    }
}

/// The messages in a frame; content without an MSH counts as one that is answered without a control id.
fn messages(content: &Bytes) -> Vec<Message> {
    let marks = marks(content);
    let ends = marks.iter().skip(1).map(|(at, _)| *at);
    let found: Vec<Message> = marks
        .iter()
        .zip(ends.chain(std::iter::once(content.len())))
        .filter(|((_, is_message), _)| *is_message)
        .map(|((start, _), end)| message(content.get(*start..end).unwrap_or_default()))
        .collect();
    if found.is_empty() {
        vec![message(content)]
    } else {
        found
    }
}

/// What a receiver that keeps to the standard answers; what it cannot read it answers once.
fn message(content: &[u8]) -> Message {
    let Some(message) = RawMessage::read(content) else {
        return Message {
            control_id: Bytes::new(),
            answers: Answers::One,
        };
    };
    let plan = ack::plan(&message, &AckSettings::default(), &Verdict::Accepted);
    Message {
        control_id: Bytes::copy_from_slice(message.control_id()),
        answers: match plan.answers.len() {
            0 => Answers::None,
            1 => Answers::One,
            _ => Answers::Two,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(file: &[u8], whole: bool) -> Vec<Vec<String>> {
        frames(Bytes::copy_from_slice(file), whole)
            .iter()
            .map(|frame| {
                let text = |id: &Bytes| String::from_utf8_lossy(id).into_owned();
                frame
                    .messages
                    .iter()
                    .map(|one| text(&one.control_id))
                    .collect()
            })
            .collect()
    }

    fn contents(file: &[u8], whole: bool) -> Vec<Vec<u8>> {
        frames(Bytes::copy_from_slice(file), whole)
            .into_iter()
            .map(|frame| frame.content.to_vec())
            .collect()
    }

    const ONE: &[u8] = b"MSH|^~\\&|A|B|||2026||ORU^R01|1|P|2.5\rPID|1\r";
    const TWO: &[u8] = b"MSH|^~\\&|A|B|||2026||ORU^R01|2|P|2.5\nPID|1\n";

    #[test]
    fn a_message_is_sent_as_it_is() {
        assert_eq!(contents(ONE, false), [ONE]);
        assert_eq!(contents(TWO, false), [TWO], "line feeds are kept");
        assert_eq!(ids(ONE, false), [["1"]]);
    }

    #[test]
    fn several_messages_are_split_unless_whole() {
        let both = [ONE, TWO].concat();
        assert_eq!(contents(&both, false), [ONE, TWO]);
        assert_eq!(contents(&both, true), [&both[..]]);
        assert_eq!(ids(&both, true), [["1", "2"]]);
    }

    #[test]
    fn the_envelope_of_a_batch_goes_only_with_the_whole() {
        let batch = [
            &b"FHS|^~\\&|A\rBHS|^~\\&|A\r"[..],
            ONE,
            TWO,
            b"BTS|2\rFTS|1\r",
        ]
        .concat();
        assert_eq!(contents(&batch, false), [ONE, TWO]);
        assert_eq!(contents(&batch, true), [&batch[..]]);
    }

    #[test]
    fn frames_of_a_file_are_opened() {
        let file = [
            b"\r\n\x0b",
            ONE,
            b"\x1c\r\n\x0b",
            TWO,
            b"\x1c\x0b",
            ONE,
            b"\x1c",
        ]
        .concat();
        assert_eq!(contents(&file, false), [ONE, TWO, ONE]);
        let odd = b"\x0bMSH|^~\\&|a\x1cb|||||||7\x1c\r";
        assert_eq!(ids(odd, false), [["7"]], "an FS inside is data");
        assert_eq!(
            ids(b"\x0bMSH|^~\\&|||||||ORU|8", false),
            [["8"]],
            "no end mark"
        );
    }

    #[test]
    fn what_is_no_message_is_sent_all_the_same_but_nothing_is_not() {
        assert_eq!(contents(b"hello\r", false), [b"hello\r"]);
        assert_eq!(ids(b"hello\r", false), [[""]]);
        assert!(contents(b" \r\n", false).is_empty());
        assert!(contents(b"\x0b\x1c\r", false).is_empty());
        assert_eq!(ids(b"MSHX|1\r", false), [[""]], "no header");
    }

    #[test]
    fn a_header_in_text_splits_nothing() {
        let note = b"MSH|^~\\&|A|B|||2026||ORU^R01|1|P|2.5\rNTE|1||see MSH|x\r";
        assert_eq!(contents(note, false).len(), 1);
    }

    #[test]
    fn the_header_says_how_many_answers_come() {
        let asked = |commit: &str, application: &str| {
            let text = format!("MSH|^~\\&|A|B|||2026||ORU^R01|1|P|2.5|||{commit}|{application}\r");
            frames(Bytes::from(text), false)[0].messages[0].answers
        };
        assert_eq!(asked("", ""), Answers::One);
        assert_eq!(asked("XX", ""), Answers::One);
        assert_eq!(asked("AL", ""), Answers::One);
        assert_eq!(asked("NE", "AL"), Answers::One);
        assert_eq!(asked("AL", "AL"), Answers::Two);
        assert_eq!(asked("NE", "NE"), Answers::None);
        assert_eq!(asked("ER", ""), Answers::None);
    }

    #[test]
    fn an_answer_is_not_answered() {
        let answer = b"MSH|^~\\&|A|B|||2026||ACK|1|P|2.5\rMSA|AA|9\r";
        let frames = frames(Bytes::from_static(answer), false);
        assert_eq!(frames[0].messages[0].answers, Answers::None);
        assert_eq!(frames[0].messages[0].control_id, "1");
    }
}
