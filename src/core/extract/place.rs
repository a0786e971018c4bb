//! Names of fields and remedies, for refusals; no patient data is in them.

use crate::core::fact::Reason;

/// The HL7 name of a field; field 0 is the segment itself.
pub(super) fn field_name(segment: &str, field: u32) -> &'static str {
    match (segment, field) {
        ("MSH", 0) => "message header",
        ("MSH", 2) => "encoding characters",
        ("MSH", 9) => "message type",
        ("MSH", 14) => "continuation pointer",
        ("MSH", 18) => "character set",
        ("DSC", 1) => "continuation pointer",
        ("PID", 0) => "patient identification",
        ("PID", 3) => "patient identifier list",
        ("MRG", 0) => "merge patient information",
        ("MRG", 1) => "prior patient identifier list",
        ("MRG", 3) => "prior patient account number",
        ("MRG", 5) => "prior visit number",
        ("OBX", 0) => "observation/result",
        ("OBX", 3) => "observation identifier",
        ("OBX", 5) => "observation value",
        ("OBX", 6) => "units",
        ("OBX", 7) => "references range",
        ("NTE", 3) => "comment",
        ("SPM", 4) => "specimen type",
        ("OBR", 15) => "specimen source",
        (_, 0) => "segment",
        _ => "field",
    }
}

/// What would mend a refusal, for the operator or the laboratory.
pub fn remedy(reason: Reason) -> &'static str {
    match reason {
        Reason::Truncated => "have the sender send the message again; its frame was broken off",
        Reason::TooLarge => {
            "raise `max_message` of the listener, or have the sender split the message"
        }
        Reason::UnreadableMsh => {
            "have the sender begin the message with MSH, its separator and MSH-2"
        }
        Reason::CharsetUtf16 => {
            "have the sender use UTF-8 or a single-byte set, and say so in MSH-18"
        }
        Reason::Xml => "have the sender use delimiters (ER7) instead of XML",
        Reason::Delimiters => {
            "have the sender give MSH-2 as one to five different characters, usually ^~\\&"
        }
        Reason::Event => "if these messages carry results, have the sender use ORU^R01",
        Reason::NoType => "have the sender fill MSH-9, for results with ORU^R01",
        Reason::MissingSegment => "have the sender add the segment named here",
        Reason::NoPatientId => {
            "have the sender fill PID-3, or name the identifier to use in `[site] patient_id`"
        }
        Reason::Internal => "keep the message and report the fault; retry after an update",
        Reason::Continuation => "have the sender send the message whole, without DSC",
        Reason::CodeConflict => {
            "have the laboratory correct the codes, or map one in `[[analyte]]`"
        }
        Reason::CodeTextMismatch => "have the laboratory correct code or text of the observation",
        Reason::RepeatedValue => {
            "have the laboratory send one value per observation, or tell them apart by OBX-4"
        }
        Reason::NoUnit => "have the laboratory fill OBX-6, or set `default_unit` in `[[analyte]]`",
        Reason::UnknownUnit => {
            "have the laboratory send a mass unit such as g/L, or an interval in OBX-7"
        }
        Reason::TextValue => "have the laboratory send a number in OBX-5",
        Reason::AmbiguousNumber => "set `decimal` of the listener to \".\" or \",\"",
        Reason::Implausible => "have the laboratory check value and unit",
        Reason::ValueInNote => "read the note; have the laboratory send the value in OBX-5",
        Reason::TruncatedValue => "have the sender not cut this field off",
        Reason::CharsetDamage => "set `charset` of the listener, or have the sender correct MSH-18",
        Reason::SpecimenAmbiguous => {
            "have the laboratory send one SPM per order, or a specimen code of table 0487"
        }
        Reason::UnknownCode => {
            "map the code in `[[analyte]]`, or leave it out with `enabled = false`; its messages can be read again then"
        }
        Reason::TapGap => "have the sender or its archive send these messages again",
        Reason::WithdrawalOtherPatient => {
            "check under which patient the result belongs; have the laboratory withdraw it there"
        }
    }
}
