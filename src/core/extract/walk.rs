//! The tolerant walk over the segments: patient groups, order groups, specimens (WIRE ).
//!
//! Nothing is parsed here. What decides is scanned out of the raw segment, and an OBX that the
//! analyte map does not name leaves only two marks in its order group.

use super::message::{Line, Message};
use super::status;
use crate::core::hl7::segments::segments;
use std::collections::BTreeMap;

/// Where the ORC stands, and which way an SPM looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    /// ORU, ORM, OML, OUL^R21: ORC before its OBR, SPM after the OBX.
    OrderFirst,
    /// OUL^R22, R23: SPM before, ORC after its OBR.
    SpecimenFirst,
    /// OUL^R24: ORC after its OBR, SPM between it and the OBX.
    ResultLast,
}

/// An OBX that may be ours, with the NTE after it.
#[derive(Debug)]
pub(super) struct ResultLines<'m> {
    pub(super) obx: Line<'m>,
    pub(super) notes: Vec<Line<'m>>,
}

/// One order with its results.
#[derive(Debug, Default)]
pub(super) struct OrderGroup<'m> {
    pub(super) obr: Option<Line<'m>>,
    pub(super) orc: Option<Line<'m>>,
    /// The ORC of an earlier OBR, for order numbers only.
    pub(super) shared_orc: Option<Line<'m>>,
    /// SPM of this group, or the one that holds for it.
    pub(super) specimens: Vec<Line<'m>>,
    pub(super) results: Vec<ResultLines<'m>>,
    /// Any OBX at all.
    pub(super) has_obx: bool,
    /// Any OBX whose own status is not a withdrawal.
    pub(super) has_live_obx: bool,
    /// Any OBX without a status of its own.
    pub(super) has_obx_without_status: bool,
    /// The SPM here was inherited from before the group.
    inherited_specimen: bool,
}

/// All between one PID and the next.
#[derive(Debug, Default)]
pub(super) struct PatientGroup<'m> {
    pub(super) pid: Option<Line<'m>>,
    pub(super) pv1: Option<Line<'m>>,
    pub(super) pv2: Option<Line<'m>>,
    pub(super) merges: Vec<Line<'m>>,
    pub(super) diagnoses: Vec<Line<'m>>,
    /// RXA, RXE, RXO.
    pub(super) drugs: Vec<Line<'m>>,
    pub(super) orders: Vec<OrderGroup<'m>>,
    /// Any OBX, of orders and of specimens.
    pub(super) has_obx: bool,
}

/// A message as groups.
#[derive(Debug, Default)]
pub(super) struct Walk<'m> {
    pub(super) evn: Option<Line<'m>>,
    pub(super) dsc: Option<Line<'m>>,
    pub(super) groups: Vec<PatientGroup<'m>>,
}

/// Where in a patient group the walk stands.
#[derive(Default)]
struct Cursor<'m> {
    /// An ORC that waits for what follows it.
    pending_orc: Option<Line<'m>>,
    /// The ORC of the last OBR that had one before it.
    shared_orc: Option<Line<'m>>,
    /// The SPM that holds for the orders to come.
    specimen: Option<Line<'m>>,
    /// OBX belong to the specimen, not to the order.
    on_specimen: bool,
    /// An order group is open.
    in_order: bool,
    /// NTE belong to the last result of the open group.
    in_result: bool,
}

/// Walks over a message.
pub(super) fn walk<'m>(message: &Message<'m>, text: &'m str, style: Style) -> Walk<'m> {
    let mut walk = Walk::default();
    let mut cursor = Cursor::default();
    let mut occurrences: BTreeMap<&str, u32> = BTreeMap::new();
    let mut all = segments(text, message.delimiters.field);
    for raw in all.by_ref() {
        let seen = occurrences.entry(raw.name).or_default();
        *seen = seen.saturating_add(1);
        let line = Line {
            raw,
            occurrence: *seen,
        };
        walk.take(message, &mut cursor, line, style);
    }
    if let Some(group) = walk.groups.last_mut() {
        group.place_orc(&mut cursor);
    }
    message
        .tally
        .add_many("bare_cr_in_text", all.bare_cr_in_text());
    walk
}

impl<'m> Walk<'m> {
    /// The open patient group; what stands before any PID makes one without.
    fn group(&mut self) -> Option<&mut PatientGroup<'m>> {
        if self.groups.is_empty() {
            self.groups.push(PatientGroup::default());
        }
        self.groups.last_mut()
    }

    fn take(
        &mut self,
        message: &Message<'m>,
        cursor: &mut Cursor<'m>,
        line: Line<'m>,
        style: Style,
    ) {
        match line.raw.name {
            "EVN" => self.evn = self.evn.or(Some(line)),
            "DSC" => self.dsc = Some(line),
            "PID" => {
                if let Some(before) = self.groups.last_mut() {
                    before.place_orc(cursor);
                    if before.pid.is_none() && before.orders.is_empty() && !before.has_obx {
                        // Nothing that a patient is needed for stood before the first PID.
                        self.groups.pop();
                    }
                }
                *cursor = Cursor::default();
                self.groups.push(PatientGroup {
                    pid: Some(line),
                    ..PatientGroup::default()
                });
            }
            "PV1" | "PV2" | "MRG" | "DG1" | "RXA" | "RXE" | "RXO" | "ORC" | "OBR" | "OBX"
            | "SPM" => {
                if let Some(group) = self.group() {
                    group.take(message, cursor, line, style);
                }
            }
            "NTE" => {
                if let Some(group) = self.groups.last_mut() {
                    group.take(message, cursor, line, style);
                }
            }
            // Unknown and Z segments end nothing.
            _ => {}
        }
    }
}

impl<'m> PatientGroup<'m> {
    fn take(
        &mut self,
        message: &Message<'m>,
        cursor: &mut Cursor<'m>,
        line: Line<'m>,
        style: Style,
    ) {
        if line.raw.name != "NTE" {
            cursor.in_result = false;
        }
        match line.raw.name {
            "PV1" => self.pv1 = self.pv1.or(Some(line)),
            "PV2" => self.pv2 = self.pv2.or(Some(line)),
            "MRG" => self.merges.push(line),
            "DG1" => self.diagnoses.push(line),
            "RXA" | "RXE" | "RXO" => self.drugs.push(line),
            "ORC" => self.take_orc(cursor, line, style),
            "OBR" => self.take_obr(cursor, line),
            "SPM" => self.take_spm(cursor, line, style),
            "OBX" => self.take_obx(message, cursor, line),
            "NTE" if cursor.in_result => {
                if let Some(result) = self.orders.last_mut().and_then(|o| o.results.last_mut()) {
                    result.notes.push(line);
                }
            }
            _ => {}
        }
    }

    /// an ORC belongs to the OBR after it, except where the message puts it behind its OBR.
    fn take_orc(&mut self, cursor: &mut Cursor<'m>, line: Line<'m>, style: Style) {
        self.place_orc(cursor);
        cursor.on_specimen = false;
        let behind = style != Style::OrderFirst && cursor.in_order;
        match self.orders.last_mut() {
            Some(order) if behind && order.orc.is_none() && !order.has_obx => {
                order.orc = Some(line);
            }
            _ => cursor.pending_orc = Some(line),
        }
    }

    fn take_obr(&mut self, cursor: &mut Cursor<'m>, line: Line<'m>) {
        let orc = cursor.pending_orc.take();
        cursor.on_specimen = false;
        cursor.in_order = true;
        self.orders.push(OrderGroup {
            obr: Some(line),
            orc,
            shared_orc: if orc.is_some() {
                None
            } else {
                cursor.shared_orc
            },
            specimens: cursor.specimen.into_iter().collect(),
            inherited_specimen: cursor.specimen.is_some(),
            ..OrderGroup::default()
        });
        cursor.shared_orc = orc.or(cursor.shared_orc);
    }

    /// An ORC that no OBR followed belongs to the OBR before it, else it is an order without OBR.
    fn place_orc(&mut self, cursor: &mut Cursor<'m>) {
        let Some(orc) = cursor.pending_orc.take() else {
            return;
        };
        match self.orders.last_mut() {
            Some(order) if cursor.in_order && order.orc.is_none() => order.orc = Some(orc),
            _ => {
                cursor.in_order = true;
                self.orders.push(OrderGroup {
                    orc: Some(orc),
                    specimens: cursor.specimen.into_iter().collect(),
                    inherited_specimen: cursor.specimen.is_some(),
                    ..OrderGroup::default()
                });
            }
        }
    }

    /// before the orders an SPM holds until the next; after the OBX it describes its order.
    fn take_spm(&mut self, cursor: &mut Cursor<'m>, line: Line<'m>, style: Style) {
        self.place_orc(cursor);
        let open = cursor.in_order.then(|| self.orders.last_mut()).flatten();
        match (style, open) {
            (Style::OrderFirst | Style::ResultLast, Some(order)) => {
                if order.inherited_specimen {
                    order.specimens.clear();
                    order.inherited_specimen = false;
                }
                order.specimens.push(line);
                // A sender that puts the SPM between OBR and OBX means results by the OBX.
                cursor.on_specimen = style == Style::OrderFirst && order.has_obx;
            }
            _ => {
                cursor.specimen = Some(line);
                cursor.on_specimen = true;
                cursor.in_order = false;
            }
        }
    }

    fn take_obx(&mut self, message: &Message<'m>, cursor: &mut Cursor<'m>, line: Line<'m>) {
        self.has_obx = true;
        self.place_orc(cursor);
        if cursor.on_specimen {
            return;
        }
        let may_match = may_match(message, message.raw_field(line, 3));
        if !cursor.in_order {
            // before any order it is about the patient, and counts only if the map names it.
            if !may_match {
                return;
            }
            cursor.in_order = true;
            self.orders.push(OrderGroup::default());
        }
        let Some(order) = self.orders.last_mut() else {
            return;
        };
        order.has_obx = true;
        let own = message.first_leaf(message.raw_field(line, 11)).trim();
        if own.is_empty() || own == "\"\"" {
            order.has_obx_without_status = true;
        } else if !status::is_withdrawal(own) {
            order.has_live_obx = true;
        }
        if may_match {
            cursor.in_result = true;
            order.results.push(ResultLines {
                obx: line,
                notes: Vec::new(),
            });
        }
    }
}

/// The quick test on a raw OBX-3, before its segment is parsed. A code behind an escape sequence is
/// not seen by it, so a field with one always counts.
fn may_match(message: &Message<'_>, raw: &str) -> bool {
    let escaped = message
        .delimiters
        .escape
        .is_some_and(|escape| raw.contains(escape));
    escaped || message.policy.analytes.may_match(raw)
}
