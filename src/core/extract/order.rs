//! Order numbers and times (WIRE ).

use super::message::{Line, Message};
use super::walk::OrderGroup;
use crate::core::clinical::observation::{ObservedAt, OrderNumber, TimeSource};
use crate::core::hl7::segment::{Field, Segment};
use crate::core::hl7::time::{clamp_future, is_too_early};
use crate::core::phi::Phi;
use crate::core::time::Timestamp;

/// The segments of one order, parsed.
pub(super) struct Order<'m> {
    obr: Option<Segment<'m>>,
    orc: Option<Segment<'m>>,
    /// Filler number, all components; empty where there is none.
    pub(super) filler: String,
    /// Placer number, likewise.
    pub(super) placer: String,
    /// OBR-25 raw.
    pub(super) status: &'m str,
    /// SPM-17.1 raw, where one specimen holds for the order.
    pub(super) collected: &'m str,
}

/// All components as sent, joined by `^` whatever the message's delimiter is; without those empty at
/// the end.
pub(super) fn entity(message: &Message<'_>, field: Field<'_, '_>) -> String {
    let components: Vec<String> = field
        .first()
        .components()
        .map(|component| message.word(component.raw()))
        .collect();
    components.join("^").trim_end_matches('^').to_owned()
}

impl<'m> Order<'m> {
    /// Parses OBR and ORC of a group.
    pub(super) fn read(message: &Message<'m>, group: &OrderGroup<'m>) -> Self {
        let parse = |line: Option<Line<'m>>| line.map(|line| message.segment(line));
        let (obr, orc, shared) = (parse(group.obr), parse(group.orc), parse(group.shared_orc));
        let number = |segment: &Option<Segment<'m>>, field: usize| {
            segment
                .as_ref()
                .map(|segment| entity(message, segment.field(field)))
                .filter(|text| !text.is_empty())
        };
        let own_filler = number(&obr, 3);
        let own_placer = number(&obr, 2);
        // only an OBR without any number of its own takes those of an earlier ORC.
        let shared = if own_filler.is_none() && own_placer.is_none() {
            shared
        } else {
            None
        };
        let filler = own_filler
            .or_else(|| number(&orc, 3))
            .or_else(|| number(&shared, 3))
            .unwrap_or_default();
        let placer = number(&orc, 2)
            .or(own_placer)
            .or_else(|| number(&shared, 2))
            .unwrap_or_default();
        let status = group.obr.map_or("", |line| message.raw_field(line, 25));
        Self {
            obr,
            orc,
            filler,
            placer,
            status,
            collected: "",
        }
    }

    /// A raw first component of OBR.
    fn obr(&self, field: usize) -> &'m str {
        self.obr
            .as_ref()
            .map_or("", |obr| obr.field(field).component(1).raw())
    }

    /// OBR-15, where the order names its specimen.
    pub(super) fn specimen_source(&self) -> Option<Field<'_, 'm>> {
        self.obr.as_ref().map(|obr| obr.field(15))
    }

    /// filler, else placer, else code and time.
    pub(super) fn number(&self, message: &Message<'m>, observed_text: &str) -> OrderNumber {
        if !self.filler.is_empty() {
            return OrderNumber::Filler(Phi::new(self.filler.clone()));
        }
        if !self.placer.is_empty() {
            return OrderNumber::Placer(Phi::new(self.placer.clone()));
        }
        OrderNumber::Unnumbered {
            code: self
                .obr
                .as_ref()
                .map(|obr| entity(message, obr.field(4)))
                .unwrap_or_default(),
            observed: message.word(self.obr(7)),
            at: observed_text.to_owned(),
        }
    }

    /// The number as sent, for the evidence.
    pub(super) fn shown_number(&self) -> String {
        if self.filler.is_empty() {
            self.placer.clone()
        } else {
            self.filler.clone()
        }
    }

    /// X-21, version time: OBR-22, else OBX-19, else ORC-9, else MSH-7, else receipt; with the text
    /// of a time that had to be clamped.
    pub(super) fn version_at(&self, message: &Message<'m>, obx19: &str) -> (Timestamp, bool) {
        let orc9 = self
            .orc
            .as_ref()
            .map_or("", |orc| orc.field(9).component(1).raw());
        let at = message
            .first_instant([self.obr(22), obx19, orc9])
            .or(message.sent_at.filter(|at| !is_too_early(*at)));
        let Some(at) = at else {
            return (message.received.received_at, true);
        };
        let clamped = message.clamp(at);
        (clamped, clamped != at)
    }

    /// X-21, observation time: OBX-14, else SPM-17.1, else OBR-7, else OBR-14.
    ///
    /// A time before 1990 or before the day of birth is passed over (T-8).
    pub(super) fn observed_at(
        &self,
        message: &Message<'m>,
        obx14: &str,
        born: Option<jiff::civil::Date>,
    ) -> Option<ObservedAt> {
        let sources = [
            (TimeSource::Obx14, obx14),
            (TimeSource::Spm17, self.collected),
            (TimeSource::Obr7, self.obr(7)),
            (TimeSource::Obr14, self.obr(14)),
        ];
        sources.into_iter().find_map(|(source, leaf)| {
            let time = message.time(leaf)?;
            let at = message.instant(&time)?;
            if is_too_early(at) || born.is_some_and(|born| time.date() < born) {
                return None;
            }
            let clamped = clamp_future(at, message.received.received_at);
            let date = if clamped.clamped {
                message.tally.add("clock_future");
                message.today()
            } else {
                time.date()
            };
            Some(ObservedAt {
                at: clamped.at,
                date,
                source,
                text: message.word(leaf),
                clamped: clamped.clamped,
            })
        })
    }
}
