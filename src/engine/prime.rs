//! Messages out of an archive as facts: what they say counts, and pages nobody by itself.

use crate::core::fact::{Fact, Origin, Received};
use crate::core::hl7::envelope::{self, Opened};
use crate::core::lookback::{PEER, Primed};
use crate::core::time::Timestamp;
use crate::journal::{Draft, Fingerprint};
use bytes::Bytes;

/// Messages of one group at most.
pub const AT_ONCE: usize = 500;

/// How an archive is brought in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms {
    /// The listener whose settings its messages are read with, and whose duplicates they may be.
    pub listener: String,
    /// What is found may page, by the rules of the feed.
    pub page: bool,
    /// Who brings it in.
    pub by: String,
}

/// One group of messages as facts.
#[derive(Debug)]
pub struct Group {
    /// To be stored together, in this order.
    pub drafts: Vec<Draft>,
    /// Messages among them.
    pub messages: usize,
    /// Contents that hold no message.
    pub unreadable: usize,
}

/// The facts of some contents, each one message or several, received at `now`.
///
/// A message that the journal has already is known by the same fingerprint as on its listener, and is recorded
/// as another copy: so an archive can be brought in twice.
pub fn group(contents: Vec<Bytes>, terms: &Terms, now: Timestamp) -> Group {
    let mut made = Group {
        drafts: Vec::new(),
        messages: 0,
        unreadable: 0,
    };
    for content in contents {
        let Opened::Messages(frame) = envelope::open(&content) else {
            made.unreadable = made.unreadable.saturating_add(1);
            continue;
        };
        let parts = u32::try_from(frame.messages.len()).unwrap_or(u32::MAX);
        for (part, message) in (0_u32..).zip(&frame.messages) {
            let received = Received {
                origin: Origin {
                    listener: terms.listener.clone(),
                    peer: PEER.to_owned(),
                },
                received_at: now,
                part: (part, parts),
                raw: content.slice_ref(message.raw),
            };
            made.messages = made.messages.saturating_add(1);
            made.drafts.push(Draft {
                fact: Fact::Received(received),
                fingerprint: Some(Fingerprint::of_message(&terms.listener, message)),
            });
        }
    }
    if !made.drafts.is_empty() {
        let quiet = if terms.page { 0 } else { made.drafts.len() };
        let primed = Primed {
            facts: u32::try_from(quiet).unwrap_or(u32::MAX),
            by: terms.by.clone(),
            at: now,
        };
        made.drafts.insert(0, Draft::from(Fact::Primed(primed)));
    }
    made
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terms(page: bool) -> Terms {
        Terms {
            listener: "lab".to_owned(),
            page,
            by: "me".to_owned(),
        }
    }

    #[test]
    fn messages_follow_the_fact_that_says_that_they_are_of_an_archive() {
        let one = Bytes::from_static(b"MSH|^~\\&|A|B|||2026||ORU^R01|1|P|2.5\rPID|1\r");
        let batch = Bytes::from_static(
            b"BHS|^~\\&|A\rMSH|^~\\&|A|B|||2026||ORU^R01|2|P|2.5\rMSH|^~\\&|A|B|||2026||ORU^R01|3|P|2.5\rBTS|2\r",
        );
        let contents = vec![one, Bytes::from_static(b"hello"), batch];
        let made = group(contents.clone(), &terms(false), Timestamp::from_micros(5));
        assert_eq!((made.messages, made.unreadable), (3, 1));
        let Fact::Primed(primed) = &made.drafts[0].fact else {
            panic!("it comes first");
        };
        assert_eq!((primed.facts, made.drafts.len()), (3, 4));
        let paging = group(contents, &terms(true), Timestamp::from_micros(5));
        let Fact::Primed(primed) = &paging.drafts[0].fact else {
            panic!("it comes first");
        };
        assert_eq!((primed.facts, paging.drafts.len()), (0, 4));
        let nothing = group(vec![Bytes::new()], &terms(false), Timestamp::from_micros(5));
        assert!(nothing.drafts.is_empty());
    }
}
