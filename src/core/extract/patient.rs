//! Whose results these are, and what is said of that person (WIRE 4.2).

use super::message::Message;
use crate::core::clinical::observation::{BirthDate, DemographicsReport, Given, PatientKey, Sex};
use crate::core::fact::Reason;
use crate::core::hl7::segment::{Field, Segment};
use crate::core::hl7::time::{BirthReading, read_birth_date};
use crate::core::phi::Phi;
use crate::core::policy::{IdentifierChoice, Policy, Site};
use crate::core::time::Timestamp;
use std::borrow::Cow;

/// One identifier as it was sent (CX).
#[derive(Debug, Clone)]
pub(super) struct Identifier<'m> {
    id: Cow<'m, str>,
    namespace: Cow<'m, str>,
    universal: Cow<'m, str>,
    /// CX.5, upper case.
    pub(super) kind: Cow<'m, str>,
    expired: bool,
    flaw: Option<Reason>,
}

/// The identifiers of a PID or an MRG by the field they stand in.
#[derive(Debug, Default)]
pub(super) struct Identifiers<'m> {
    /// PID-3, MRG-1.
    pub(super) list: Vec<Identifier<'m>>,
    /// PID-2, MRG-4.
    pub(super) external: Vec<Identifier<'m>>,
    /// PID-4, MRG-2.
    pub(super) alternate: Vec<Identifier<'m>>,
}

/// Never taken unless the site names them: they change hands or are not of one person.
fn is_excluded(kind: &str) -> bool {
    matches!(
        kind,
        "SS" | "NH" | "NI" | "DL" | "PPN" | "AN" | "VN" | "ANON" | "MRT"
    ) || (kind.len() == 5 && kind.starts_with("NN"))
}

impl<'m> Identifier<'m> {
    /// One whose parts were read already; it has no end, and nothing of it is damaged.
    pub(super) fn of_parts(id: &'m str, namespace: &'m str, kind: &'m str) -> Self {
        let is_upper = kind.bytes().all(|byte| byte.is_ascii_uppercase());
        Self {
            id: id.into(),
            namespace: namespace.into(),
            universal: Cow::Borrowed(""),
            kind: match is_upper {
                true => kind.into(),
                false => kind.to_uppercase().into(),
            },
            expired: false,
            flaw: None,
        }
    }

    /// CX.4: universal id, else namespace; empty where neither is sent.
    pub(super) fn authority(&self) -> &str {
        if self.universal.is_empty() {
            &self.namespace
        } else {
            &self.universal
        }
    }

    fn matches(&self, choice: &IdentifierChoice) -> bool {
        let authority = choice.authority.trim();
        let kind = choice.kind.trim();
        (authority.is_empty() || authority == self.namespace || authority == self.universal)
            && (kind.is_empty() || kind.eq_ignore_ascii_case(&self.kind))
    }

    ///
    pub(super) fn key(&self, message: &Message<'_>) -> PatientKey {
        self.key_of(&message.policy.site, &message.facility)
    }

    /// The same of a message from this facility (MSH-4).
    pub(super) fn key_of(&self, site: &Site, facility: &str) -> PatientKey {
        let authority = match self.authority() {
            "" => facility,
            named => named,
        };
        let authority = authority.to_owned();
        let id = if site.strip_leading_zeros {
            match self.id.trim_start_matches('0') {
                "" => "0",
                stripped => stripped,
            }
        } else {
            &self.id
        };
        PatientKey {
            authority,
            id: Phi::new(id.to_owned()),
        }
    }

    /// May it stand for a person at this site at all?
    pub(super) fn is_usable(&self, message: &Message<'_>) -> bool {
        let choices = &message.policy.site.patient_id;
        if choices.is_empty() {
            !is_excluded(&self.kind)
        } else {
            choices.iter().any(|choice| self.matches(choice))
        }
    }
}

fn read_list(message: &Message<'_>, field: Field<'_, '_>) -> Vec<Identifier<'static>> {
    field
        .repetitions()
        .filter_map(|cx| {
            let id = message.word(cx.component(1).subcomponent(1));
            if id.is_empty() {
                return None;
            }
            let authority = cx.component(4);
            let expired = message
                .time(cx.component(8).raw())
                .is_some_and(|until| until.date() < message.today());
            let kind = message.word(cx.component(5).subcomponent(1));
            Some(Identifier {
                id: id.into(),
                namespace: message.word(authority.subcomponent(1)).into(),
                universal: message.word(authority.subcomponent(2)).into(),
                kind: kind.to_uppercase().into(),
                expired,
                flaw: message
                    .flaw(cx.component(1).raw())
                    .or_else(|| message.flaw(authority.raw())),
            })
        })
        .collect()
}

impl Identifiers<'static> {
    /// Of a PID.
    pub(super) fn of_pid(message: &Message<'_>, pid: &Segment<'_>) -> Self {
        Self {
            list: read_list(message, pid.field(3)),
            external: read_list(message, pid.field(2)),
            alternate: read_list(message, pid.field(4)),
        }
    }

    /// The prior ones, of an MRG.
    pub(super) fn of_mrg(message: &Message<'_>, mrg: &Segment<'_>) -> Self {
        Self {
            list: read_list(message, mrg.field(1)),
            external: read_list(message, mrg.field(4)),
            alternate: read_list(message, mrg.field(2)),
        }
    }
}

impl<'m> Identifiers<'m> {
    /// PID-2 or MRG-4, for A39.
    pub(super) fn external(&self) -> Option<&Identifier<'m>> {
        self.external.first()
    }

    /// PID-3 names control material (`*` at the end of a pattern stands for anything).
    pub(super) fn is_control(&self, site: &Site) -> bool {
        self.list.iter().any(|identifier| {
            site.control_ids
                .iter()
                .any(|pattern| match pattern.strip_suffix('*') {
                    Some(prefix) => identifier.id.starts_with(prefix),
                    None => identifier.id == pattern.as_str(),
                })
        })
    }

    /// the identifier that is the patient's. Expired ones only where no other serves.
    pub(super) fn choose(&self, site: &Site) -> Result<&Identifier<'m>, Reason> {
        let choices = &site.patient_id;
        let chosen = [false, true].into_iter().find_map(|expired| {
            if choices.is_empty() {
                self.by_default(expired)
            } else {
                choices.iter().find_map(|choice| {
                    self.all()
                        .map(|(_, identifier)| identifier)
                        .find(|identifier| {
                            identifier.expired == expired && identifier.matches(choice)
                        })
                })
            }
        });
        let chosen = chosen.ok_or(Reason::NoPatientId)?;
        match chosen.flaw {
            Some(reason) => Err(reason),
            None => Ok(chosen),
        }
    }

    fn all(&self) -> impl Iterator<Item = (u8, &Identifier<'m>)> {
        let of = |field: u8| move |identifier| (field, identifier);
        self.list
            .iter()
            .map(of(3))
            .chain(self.external.iter().map(of(2)))
            .chain(self.alternate.iter().map(of(4)))
    }

    /// MR, PI, no type, PID-2, PID-4, then any other type of PID-3 that is not excluded.
    fn by_default(&self, expired: bool) -> Option<&Identifier<'m>> {
        self.all()
            .filter(|(_, identifier)| {
                identifier.expired == expired && !is_excluded(&identifier.kind)
            })
            .min_by_key(|(field, identifier)| match (field, &*identifier.kind) {
                (3, "MR") => 0,
                (3, "PI") => 1,
                (3, "") => 2,
                (2, _) => 3,
                (4, _) => 4,
                _ => 5,
            })
            .map(|(_, identifier)| identifier)
    }
}

/// PID-18.1 or PV1-19.1, as account and visit moves compare them.
pub(super) fn number_of(message: &Message<'_>, field: Field<'_, '_>) -> String {
    message.word(field.component(1).subcomponent(1))
}

pub(super) fn is_null(leaf: &str) -> bool {
    leaf.trim() == "\"\""
}

/// PID-7, PID-8, PID-5, PID-29 to 32.
pub(super) fn demographics(
    message: &Message<'_>,
    pid: &Segment<'_>,
    at: Timestamp,
    deleted: Given<bool>,
) -> DemographicsReport {
    DemographicsReport {
        at,
        birth: birth(message, pid),
        sex: sex(message, pid),
        name: name(message, pid),
        dead: dead(message, pid),
        unreliable: unreliable(message, pid),
        deleted,
        position: message.position,
    }
}

fn birth(message: &Message<'_>, pid: &Segment<'_>) -> Given<Phi<BirthDate>> {
    let leaf = pid.field(7).component(1).raw();
    if is_null(leaf) {
        return Given::Cleared;
    }
    let placeholders = &message.policy.site.placeholder_birth_dates;
    match read_birth_date(&message.word(leaf), placeholders, message.today()) {
        BirthReading::Empty => Given::Absent,
        BirthReading::Date(date) => Given::Value(Phi::new(date)),
        BirthReading::Invalid => {
            message.tally.add("time_invalid");
            Given::Absent
        }
    }
}

/// U and words that nobody knows say nothing; O, A, N, C and X say that neither interval holds.
fn sex(message: &Message<'_>, pid: &Segment<'_>) -> Given<Phi<Sex>> {
    let leaf = pid.field(8).component(1).subcomponent(1);
    if is_null(leaf) {
        return Given::Cleared;
    }
    sex_called(&message.word(leaf), message.policy)
}

pub(super) fn sex_called(text: &str, policy: &Policy) -> Given<Phi<Sex>> {
    match policy.words.sex(text) {
        Some(sex) => Given::Value(Phi::new(sex)),
        None if matches!(text, "O" | "A" | "N" | "C" | "X") => Given::Cleared,
        None => Given::Absent,
    }
}

/// The legal name, else the first one: `FAMILY, GIVEN MIDDLE`.
fn name(message: &Message<'_>, pid: &Segment<'_>) -> Given<Phi<String>> {
    let field = pid.field(5);
    if is_null(field.raw()) {
        return Given::Cleared;
    }
    let chosen = field
        .repetitions()
        .find(|xpn| message.word(xpn.component(7).raw()) == "L")
        .unwrap_or(field.first());
    let part = |number: usize| message.word(chosen.component(number).subcomponent(1));
    name_of([&part(1), &part(2), &part(3)])
}

/// Of family, given and further names.
pub(super) fn name_of([family, given, further]: [&str; 3]) -> Given<Phi<String>> {
    let between = |a: &str, b: &str, between: &str| match (a.is_empty(), b.is_empty()) {
        (false, false) => [a, b].join(between),
        (_, true) => a.to_owned(),
        (true, false) => b.to_owned(),
    };
    let name = between(family, &between(given, further, " "), ", ");
    match name.is_empty() {
        true => Given::Absent,
        false => Given::Value(Phi::new(name)),
    }
}

fn yes_or_no(message: &Message<'_>, field: Field<'_, '_>) -> Given<bool> {
    let leaf = field.component(1).subcomponent(1);
    if is_null(leaf) {
        return Given::Cleared;
    }
    match message.word(leaf).to_uppercase().as_str() {
        "Y" => Given::Value(true),
        "N" => Given::Value(false),
        _ => Given::Absent,
    }
}

/// PID-30, else the presence of PID-29.
fn dead(message: &Message<'_>, pid: &Segment<'_>) -> Given<bool> {
    let said = yes_or_no(message, pid.field(30));
    let dated = !message.word(pid.field(29).component(1).raw()).is_empty();
    match said {
        Given::Absent | Given::Cleared if dated => Given::Value(true),
        Given::Absent if is_null(pid.field(29).raw()) => Given::Cleared,
        said => said,
    }
}

/// PID-31, or any code in PID-32.
fn unreliable(message: &Message<'_>, pid: &Segment<'_>) -> Given<bool> {
    let doubted = pid
        .field(32)
        .repetitions()
        .any(|code| !message.word(code.component(1).subcomponent(1)).is_empty());
    match yes_or_no(message, pid.field(31)) {
        _ if doubted => Given::Value(true),
        Given::Absent if is_null(pid.field(32).raw()) => Given::Cleared,
        said => said,
    }
}
