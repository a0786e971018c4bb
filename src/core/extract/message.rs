//! One message being read: its text, its header and what its fields mean by themselves.

use super::place;
use super::{Place, Refusal};
use crate::core::fact::{JournalPosition, Reason, Received};
use crate::core::hl7::charset::{self, WideCharset};
use crate::core::hl7::delimiters::Delimiters;
use crate::core::hl7::envelope::start_of;
use crate::core::hl7::escape;
use crate::core::hl7::header::RawHeader;
use crate::core::hl7::segment::Segment;
use crate::core::hl7::segments::RawSegment;
use crate::core::hl7::tally::Tally;
use crate::core::hl7::time::{Hl7Time, TimeReading, clamp_future, is_too_early};
use crate::core::policy::{ListenerReading, Policy};
use crate::core::time::Timestamp;
use encoding_rs::Encoding;
use jiff::tz::Offset;
use std::borrow::Cow;

/// One segment with its place in the message.
#[derive(Debug, Clone, Copy)]
pub(super) struct Line<'m> {
    pub(super) raw: RawSegment<'m>,
    /// From 1, among the segments of this name.
    pub(super) occurrence: u32,
}

/// The decoded text of a message, before its header is read.
pub(super) struct Text<'m> {
    pub(super) text: Cow<'m, str>,
    charset: &'static Encoding,
    damaged: bool,
    pub(super) counts: Tally,
}

/// What the message says of itself, and how its leaves are to be read.
pub(super) struct Message<'m> {
    pub(super) received: &'m Received,
    pub(super) position: JournalPosition,
    pub(super) policy: &'m Policy,
    pub(super) reading: ListenerReading,
    pub(super) tally: Tally,
    pub(super) delimiters: Delimiters,
    charset: &'static Encoding,
    damaged: bool,
    /// MSH-9.1, upper case.
    pub(super) kind: String,
    /// MSH-9.2, upper case.
    pub(super) event: String,
    /// MSH-10.
    pub(super) control_id: String,
    /// `MSH-3/MSH-4`.
    pub(super) feed: String,
    /// MSH-4, the authority of identifiers that name none.
    pub(super) facility: String,
    /// MSH-11.1, upper case.
    pub(super) processing: String,
    /// MSH-12 as far as it has numbers.
    pub(super) version: (u32, u32),
    /// MSH-14.
    pub(super) continues: bool,
    /// MSH-7.
    pub(super) sent_at: Option<Timestamp>,
    offset: Option<Offset>,
}

/// The raw MSH of a message.
pub(super) fn raw_header(raw: &[u8]) -> Option<(usize, RawHeader<'_>)> {
    let start = start_of(raw, b"MSH")?;
    Some((start, RawHeader::read(raw.get(start..)?, b"MSH")?))
}

impl<'m> Text<'m> {
    /// Decodes a message whose header stands at `start`.
    pub(super) fn decode(
        raw: &'m [u8],
        start: usize,
        header: &RawHeader<'_>,
        listener_setting: &str,
    ) -> Result<Self, WideCharset> {
        let repetition = header.encoding(1);
        let msh18: Vec<u8> = header
            .field(18)
            .iter()
            .map(|byte| {
                if Some(*byte) == repetition {
                    b'~'
                } else {
                    *byte
                }
            })
            .collect();
        let decoded = charset::decode(raw.get(start..).unwrap_or(raw), &msh18, listener_setting)?;
        Ok(Self {
            text: decoded.text,
            charset: decoded.charset,
            damaged: decoded.damaged,
            counts: decoded.counts,
        })
    }
}

/// `2.5.1` as (2, 5).
fn version_of(text: &str) -> (u32, u32) {
    let mut numbers = text.split('.').map(|part| part.trim().parse().ok());
    let mut next = || numbers.next().flatten().unwrap_or(0);
    (next(), next())
}

impl<'m> Message<'m> {
    /// Reads the header; `msh` is the first segment of the text.
    pub(super) fn new(
        received: &'m Received,
        position: JournalPosition,
        policy: &'m Policy,
        text: &'m Text<'_>,
        delimiters: Delimiters,
        msh: RawSegment<'_>,
        tally: Tally,
    ) -> Self {
        let mut message = Self {
            received,
            position,
            policy,
            reading: policy.reading(&received.origin.listener),
            tally,
            delimiters,
            charset: text.charset,
            damaged: text.damaged,
            kind: String::new(),
            event: String::new(),
            control_id: String::new(),
            feed: String::new(),
            facility: String::new(),
            processing: String::new(),
            version: (0, 0),
            continues: false,
            sent_at: None,
            offset: None,
        };
        let msh = Segment::parse(msh, &delimiters);
        let name = |number: usize| {
            let field = msh.field(number);
            let namespace = message.word(field.component(1).subcomponent(1));
            if namespace.is_empty() {
                message.word(field.component(2).subcomponent(1))
            } else {
                namespace
            }
        };
        let (application, facility) = (name(3), name(4));
        let upper = |number: usize, component: usize| {
            message
                .word(msh.field(number).component(component).subcomponent(1))
                .to_uppercase()
        };
        let (kind, event, processing) = (upper(9, 1), upper(9, 2), upper(11, 1));
        let control_id = message.word(msh.field(10).raw());
        let version = version_of(&message.word(msh.field(12).component(1).raw()));
        let continues = !message.word(msh.field(14).raw()).is_empty();
        let sent = message.time(msh.field(7).component(1).raw());
        message.offset = sent.and_then(|time| time.offset);
        message.sent_at = sent.and_then(|time| message.instant(&time));
        message.feed = format!("{application}/{facility}");
        message.facility = facility;
        message.kind = kind;
        message.event = event;
        message.processing = processing;
        message.control_id = control_id;
        message.version = version;
        message.continues = continues;
        if message.version < (2, 7) {
            // Truncation is of 2.7; before it a fifth character has no meaning (C-7).
            message.delimiters.truncation = None;
        }
        message
    }

    /// `ORU^R01`, or `ORU` where no event is named.
    pub(super) fn message_type(&self) -> String {
        if self.event.is_empty() {
            self.kind.clone()
        } else {
            format!("{}^{}", self.kind, self.event)
        }
    }

    /// Parses a segment.
    pub(super) fn segment(&self, line: Line<'m>) -> Segment<'m> {
        Segment::parse(line.raw, &self.delimiters)
    }

    /// A raw field by scanning; nothing is parsed.
    pub(super) fn raw_field(&self, line: Line<'m>, number: usize) -> &'m str {
        line.raw.raw_field(number, self.delimiters.field)
    }

    /// First subcomponent of the first component of the first repetition of a raw field.
    pub(super) fn first_leaf<'t>(&self, raw: &'t str) -> &'t str {
        raw.split(|c| self.is_inner_delimiter(c))
            .next()
            .unwrap_or_default()
    }

    fn is_inner_delimiter(&self, c: char) -> bool {
        let d = &self.delimiters;
        [d.component, d.repetition, d.subcomponent].contains(&Some(c))
    }

    /// A leaf, unescaped, as it is shown.
    pub(super) fn text(&self, leaf: &str) -> String {
        escape::unescape(leaf, &self.delimiters, self.charset, &self.tally).into_owned()
    }

    /// A leaf, unescaped and trimmed, as it is compared (C-9); `""` is empty (C-8).
    pub(super) fn word(&self, leaf: &str) -> String {
        let text = escape::unescape(leaf, &self.delimiters, self.charset, &self.tally);
        let trimmed = text.trim();
        if trimmed == "\"\"" {
            String::new()
        } else {
            trimmed.to_owned()
        }
    }

    /// Why a field that decides cannot be trusted: cut off (C-7) or damaged on the way (C-4).
    pub(super) fn flaw(&self, raw: &str) -> Option<Reason> {
        let cut = self.delimiters.truncation.is_some()
            && raw
                .split(|c| self.is_inner_delimiter(c))
                .any(|leaf| escape::is_truncated(leaf, &self.delimiters));
        if cut {
            Some(Reason::TruncatedValue)
        } else if self.damaged && raw.contains('\u{FFFD}') {
            Some(Reason::CharsetDamage)
        } else {
            None
        }
    }

    /// A time field's first component; counts `time_form` and `time_invalid` (T-2, T-5).
    pub(super) fn time(&self, leaf: &str) -> Option<Hl7Time> {
        match Hl7Time::read(&self.word(leaf)) {
            TimeReading::Empty => None,
            TimeReading::Time(time) => Some(time),
            TimeReading::OtherForm(time) => {
                self.tally.add("time_form");
                Some(time)
            }
            TimeReading::Invalid => {
                self.tally.add("time_invalid");
                None
            }
        }
    }

    /// A time as an instant: its own offset, MSH-7's, or the site's zone (T-3).
    pub(super) fn instant(&self, time: &Hl7Time) -> Option<Timestamp> {
        time.to_timestamp(&self.policy.site.zone, self.offset)
    }

    /// An instant for ordering: not later than a day after receipt (T-8), which counts `clock_future`.
    pub(super) fn clamp(&self, at: Timestamp) -> Timestamp {
        let clamped = clamp_future(at, self.received.received_at);
        if clamped.clamped {
            self.tally.add("clock_future");
        }
        clamped.at
    }

    /// The first of the times that is readable and not before 1990 (T-8), as an instant.
    pub(super) fn first_instant<'t>(
        &self,
        leaves: impl IntoIterator<Item = &'t str>,
    ) -> Option<Timestamp> {
        leaves.into_iter().find_map(|leaf| {
            let at = self.instant(&self.time(leaf)?)?;
            (!is_too_early(at)).then_some(at)
        })
    }

    /// The time of the message: MSH-7, else receipt; clamped.
    pub(super) fn sent_or_received(&self) -> Timestamp {
        match self.sent_at {
            Some(at) => self.clamp(at),
            None => self.received.received_at,
        }
    }

    /// The civil date of receipt at the site.
    pub(super) fn today(&self) -> jiff::civil::Date {
        let zone = &self.policy.site.zone;
        zone.to_datetime(self.received.received_at.to_jiff()).date()
    }

    /// A refusal of a message or of a patient group.
    pub(super) fn refuse(
        &self,
        reason: Reason,
        segment: &str,
        occurrence: u32,
        field: u32,
    ) -> Refusal {
        Refusal {
            reason,
            place: Place {
                segment: segment.to_owned(),
                occurrence,
                field,
                name: place::field_name(segment, field).to_owned(),
            },
            result: false,
            remedy: place::remedy(reason).to_owned(),
        }
    }

    /// A refusal of one result; counts `quarantined_results`.
    pub(super) fn refuse_result(&self, reason: Reason, obx: Line<'_>, field: u32) -> Refusal {
        self.tally.add("quarantined_results");
        Refusal {
            result: true,
            ..self.refuse(reason, obx.raw.name, obx.occurrence, field)
        }
    }
}
