//! Names of fields, for people who read a message (HL7 2.5.1, chapters 2 to 7 and 10).

/// The names of a segment's fields from field 1 on; empty where the segment is not known.
pub fn fields(segment: &str) -> &'static [&'static str] {
    match segment {
        "MSH" => &[
            "field separator", "encoding characters", "sending application", "sending facility",
            "receiving application", "receiving facility", "date/time of message", "security",
            "message type", "message control id", "processing id", "version id", "sequence number",
            "continuation pointer", "accept acknowledgement type", "application acknowledgement type",
            "country code", "character set", "principal language", "alternate character set handling",
            "message profile",
        ],
        "EVN" => &[
            "event type code", "recorded date/time", "planned date/time", "event reason", "operator",
            "event occurred", "event facility",
        ],
        "PID" => &[
            "set id", "patient id (external)", "patient identifiers", "alternate patient id", "name",
            "mother's maiden name", "date of birth", "sex", "alias", "race", "address", "county",
            "phone (home)", "phone (business)", "language", "marital status", "religion",
            "account number", "SSN", "driver's licence", "mother's identifier", "ethnic group",
            "birth place", "multiple birth", "birth order", "citizenship", "veterans status",
            "nationality", "death date/time", "death indicator", "identity unknown",
            "identity reliability",
        ],
        "MRG" => &[
            "prior patient identifiers", "prior alternate patient id", "prior account number",
            "prior patient id", "prior visit number", "prior alternate visit id", "prior name",
        ],
        "PV1" => &[
            "set id", "patient class", "assigned location", "admission type", "preadmit number",
            "prior location", "attending doctor", "referring doctor", "consulting doctor",
            "hospital service", "temporary location", "preadmit test", "re-admission", "admit source",
            "ambulatory status", "VIP", "admitting doctor", "patient type", "visit number",
        ],
        "PV2" => &["prior pending location", "accommodation code", "admit reason"],
        "ORC" => &[
            "order control", "placer order number", "filler order number", "placer group number",
            "order status", "response flag", "quantity/timing", "parent", "transaction date/time",
            "entered by", "verified by", "ordering provider", "enterer's location", "call back phone",
            "effective date/time", "order control reason",
        ],
        "OBR" => &[
            "set id", "placer order number", "filler order number", "service", "priority",
            "requested date/time", "observation date/time", "observation end", "collection volume",
            "collector", "specimen action", "danger code", "clinical information",
            "specimen received", "specimen source", "ordering provider", "call back phone",
            "placer field 1", "placer field 2", "filler field 1", "filler field 2",
            "results reported", "charge", "diagnostic section", "result status", "parent result",
            "quantity/timing", "copies to", "parent", "transportation", "reason for study",
        ],
        "OBX" => &[
            "set id", "value type", "observation identifier", "sub-id", "observation value", "units",
            "reference range", "abnormal flags", "probability", "nature of abnormal test",
            "result status", "effective date of range", "access checks", "date/time of observation",
            "producer", "responsible observer", "method", "equipment", "date/time of analysis",
            "", "", "", "performing organisation", "performing address", "performing director",
        ],
        "SPM" => &[
            "set id", "specimen id", "parent ids", "specimen type", "type modifier", "additives",
            "collection method", "source site", "site modifier", "collection site", "role",
            "collection amount", "grouped count", "description", "handling", "risk",
            "collection date/time", "received date/time",
        ],
        "NTE" => &["set id", "source", "comment", "comment type"],
        "DG1" => &[
            "set id", "coding method", "diagnosis", "description", "diagnosis date/time", "type", "",
            "", "", "", "", "", "", "", "priority", "clinician", "classification", "confidential",
            "attestation", "identifier", "action code",
        ],
        "RXA" => &[
            "give sub-id", "administration sub-id", "start", "end", "administered code", "amount",
            "units", "dosage form",
        ],
        "MSA" => &["acknowledgement code", "message control id", "text message"],
        "ERR" => &["code and location", "error location", "HL7 error code", "severity"],
        "DSC" => &["continuation pointer", "continuation style"],
        _ => &[],
    }
}

/// The name of a segment.
pub fn segment(name: &str) -> &'static str {
    match name {
        "MSH" => "message header",
        "EVN" => "event",
        "PID" => "patient",
        "PD1" => "patient, additional",
        "MRG" => "merge",
        "NK1" => "next of kin",
        "PV1" => "visit",
        "PV2" => "visit, additional",
        "ORC" => "common order",
        "OBR" => "order",
        "OBX" => "result",
        "SPM" => "specimen",
        "NTE" => "notes",
        "DG1" => "diagnosis",
        "AL1" => "allergy",
        "RXA" => "administration",
        "RXE" => "encoded order",
        "RXO" => "pharmacy order",
        "MSA" => "acknowledgement",
        "ERR" => "error",
        "DSC" => "continuation",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::fields;

    #[test]
    fn the_fields_that_decide_stand_at_their_numbers() {
        let name = |segment: &str, number: usize| fields(segment)[number - 1];
        assert_eq!(name("MSH", 10), "message control id");
        assert_eq!(name("MSH", 18), "character set");
        assert_eq!(name("PID", 3), "patient identifiers");
        assert_eq!(name("PID", 31), "identity unknown");
        assert_eq!(name("PV1", 19), "visit number");
        assert_eq!(name("OBR", 25), "result status");
        assert_eq!(name("OBR", 31), "reason for study");
        assert_eq!(name("OBX", 5), "observation value");
        assert_eq!(name("OBX", 11), "result status");
        assert_eq!(name("OBX", 23), "performing organisation");
        assert_eq!(name("SPM", 4), "specimen type");
        assert_eq!(name("DG1", 21), "action code");
        assert!(fields("ZZZ").is_empty());
    }
}
