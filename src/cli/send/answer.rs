//! Answers as they come back: frames of bytes, the MSA segments in them.

use bytes::{Buf as _, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt};

/// What MSA-1 said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Code {
    /// AA.
    Aa,
    /// CA.
    Ca,
    /// AE.
    Ae,
    /// AR.
    Ar,
    /// CE.
    Ce,
    /// CR.
    Cr,
    /// Anything else.
    Other,
}

impl Code {
    fn read(text: &[u8]) -> Self {
        match text {
            b"AA" => Self::Aa,
            b"CA" => Self::Ca,
            b"AE" => Self::Ae,
            b"AR" => Self::Ar,
            b"CE" => Self::Ce,
            b"CR" => Self::Cr,
            _ => Self::Other,
        }
    }

    /// As it is shown.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Aa => "AA",
            Self::Ca => "CA",
            Self::Ae => "AE",
            Self::Ar => "AR",
            Self::Ce => "CE",
            Self::Cr => "CR",
            Self::Other => "other",
        }
    }

    /// AA or CA.
    pub const fn is_positive(self) -> bool {
        matches!(self, Self::Aa | Self::Ca)
    }
}

/// One MSA segment.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Answer {
    /// MSA-1.
    pub code: Code,
    /// MSA-2, the bytes of the control id that is answered.
    pub control_id: Bytes,
}

/// Every MSA of a frame, in order; a batch answer has several.
pub(super) fn answers(frame: &Bytes) -> Vec<Answer> {
    frame
        .split(|byte| matches!(byte, b'\r' | b'\n'))
        .filter_map(|segment| {
            let fields = segment.strip_prefix(b"MSA")?;
            let (separator, fields) = fields.split_first()?;
            let mut fields = fields.split(|byte| byte == separator);
            let code = Code::read(fields.next()?);
            let control_id = Bytes::copy_from_slice(fields.next().unwrap_or_default());
            Some(Answer { code, control_id })
        })
        .collect()
}

/// No acknowledgement is longer; a peer that sends more speaks another protocol.
const LONGEST: usize = 4 << 20;

/// Reads frames off a connection.
pub(super) struct Frames<R> {
    from: R,
    buffer: BytesMut,
}

impl<R: AsyncRead + Unpin> Frames<R> {
    pub fn new(from: R) -> Self {
        Self {
            from,
            buffer: BytesMut::new(),
        }
    }

    /// The next frame's content; `None` when the peer closed. Nothing is lost when the future is dropped.
    pub async fn next(&mut self) -> std::io::Result<Option<Bytes>> {
        loop {
            if let Some(frame) = self.take() {
                return Ok(Some(frame));
            }
            if self.buffer.len() > LONGEST {
                return Err(std::io::Error::other("the answer has no end"));
            }
            if self.from.read_buf(&mut self.buffer).await? == 0 {
                return Ok(None);
            }
        }
    }

    fn take(&mut self) -> Option<Bytes> {
        let start = memchr::memchr(0x0b, &self.buffer)?;
        let length = memchr::memchr(0x1c, self.buffer.get(start..)?)?;
        self.buffer.advance(start + 1);
        let frame = self.buffer.split_to(length - 1).freeze();
        self.buffer.advance(1);
        Some(frame)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_msa_of_a_batch_is_found() {
        let frame = Bytes::from_static(
            b"BHS|^~\\&\rMSH|^~\\&|A\rMSA|AA|1\rMSH|^~\\&|A\rMSA|AR|2|text\rMSA\rMSA|XX\r",
        );
        let found: Vec<(&str, Bytes)> = answers(&frame)
            .into_iter()
            .map(|answer| (answer.code.word(), answer.control_id))
            .collect();
        let id = Bytes::from_static;
        assert_eq!(
            found,
            [("AA", id(b"1")), ("AR", id(b"2")), ("other", id(b""))]
        );
    }

    #[tokio::test]
    async fn frames_come_whole_however_they_were_cut() {
        let bytes = b"junk\x0bone\x1c\r\x0b\x1c\r\x0btwo\x1c\rx".as_slice();
        for cut in 1..bytes.len() {
            let (first, second) = bytes.split_at(cut);
            let mut frames = Frames::new(AsyncReadExt::chain(first, second));
            for expected in [&b"one"[..], b"", b"two"] {
                assert_eq!(
                    frames.next().await.expect("read").expect("a frame"),
                    expected
                );
            }
            assert!(frames.next().await.expect("read").is_none());
        }
    }
}
