//! Messages that look like isolated low IgM and are not (CLINICAL 3.3, 4.2, 4.3, 6.1): each stands
//! beside a normal IgG and IgA of the same order, so that a wrong reading of it would page.

use super::hospital::Making;
use super::message::{Style, immunoglobulin, order};
use crate::core::time::Timestamp;

/// Makes the body of one message about a person and a collection.
type Make = Box<dyn Fn(&mut Making, usize, Timestamp) -> String>;

const ADULT: [(i64, i64); 3] = [(40, 230), (700, 1_600), (70, 400)];

/// OBX-3 of what is not IgM; the value is 0.12 g/L with limits and a flag of IgM.
const OTHER_THINGS: [(&str, &str); 27] = [
    ("HAV IgM", "13950-1^Hepatitis A virus IgM Ab^LN"),
    ("CMV IgM", "5126-8^Cytomegalovirus IgM Ab^LN"),
    ("EBV VCA IgM", "30340-4^EBV VCA IgM^LN"),
    ("EBV VCA IgM, other", "24115-8^IgM^LN"),
    ("SARS-CoV-2 IgM", "94506-3^SARS-CoV-2 IgM^LN"),
    ("SARS-CoV-2 IgM, rapid", "94508-9^IgM^LN"),
    ("mumps IgM in mg/dL", "25418-5^Mumps virus IgM^LN"),
    ("HBc IgM", "31204-1^IgM^LN"),
    ("measles by mnemonic", "IGM^Measles IgM Ab^L"),
    ("rheumatoid factor", "11572-5^Rheumatoid factor^LN"),
    ("rheumatoid factor IgM", "RFM^Rheumatoid factor IgM^L"),
    (
        "rheumatoid factor by mnemonic",
        "IGM^Rheumatoid factor IgM^L",
    ),
    ("cardiolipin IgM", "3182-3^Cardiolipin IgM Ab^LN"),
    ("cardiolipin IgM, local", "ACLAM^Anti-cardiolipin IgM^L"),
    ("cardiolipin by mnemonic", "IGM^anti-Cardiolipin IgM^L"),
    ("Hevylite kappa", "HLMK^IgM kappa^L"),
    ("Hevylite by mnemonic", "IGM^IgM lambda^L"),
    ("paraprotein", "PPM^Paraprotein IgM^L"),
    ("paraprotein by mnemonic", "IGM^IgM monoclonal^L"),
    ("IgM index", "IGM^IgM index^L"),
    ("cryoglobulin", "IGM^Cryoglobulin IgM^L"),
    ("isohaemagglutinin", "IGM^Isohaemagglutinin anti-A IgM^L"),
    ("CSF by mnemonic", "IGM^IgM CSF^L"),
    ("answer list code", "LA12472-9^IgM^LN"),
    ("cord blood IgM", "14002-0^IgM^LN"),
    ("name in another test", "IGE^IgE (see also IgM)^L"),
    ("IgA subclasses", "IGAS^IgA, IgM and subclasses^L"),
];

/// Value, unit, limits and flag (OBX-5 to OBX-8) of a true IgM that cannot be judged low.
const OTHER_VALUES: [(&str, &str, &str); 17] = [
    ("mg/dL called g/L", "NM", "12|g/L|40-230|L"),
    ("mg/dL called g/L, large", "NM", "210|g/L|40-230|"),
    ("g/L called mg/dL", "NM", "0.12|mg/dL|0.4-2.3|L"),
    ("IU/mL alone", "NM", "20|[IU]/mL||"),
    ("molar unit", "NM", "0.12|umol/L||"),
    ("no unit at all", "NM", "0.12|||"),
    ("at most below a higher limit", "ST", "<0.5|g/L|0.4-2.3|"),
    ("flag against interval", "NM", "0.55|g/L|0.4-2.3|L"),
    ("interval against flag", "NM", "0.12|g/L|0.4-2.3|H"),
    ("equal to the limit", "NM", "0.40|g/L|0.40-2.30|L"),
    ("thousands or decimals", "ST", "1,210|g/L|0.4-2.3|"),
    ("words", "ST", "undetectable|g/L|0.4-2.3|"),
    ("not enough", "ST", "QNS|g/L|0.4-2.3|"),
    ("deleted", "NM", "\"\"|g/L|0.4-2.3|"),
    ("two numbers", "NM", "0.12~1.2|g/L|0.4-2.3|"),
    ("negative", "NM", "-0.12|g/L|0.4-2.3|L"),
    ("normal", "NM", "1.12|g/L|0.4-2.3|N"),
];

/// SPM-4 and SPM-11 of IgM in something that is not a patient's serum.
const OTHER_SPECIMENS: [(&str, &str, &str); 6] = [
    ("CSF", "CSF^Cerebrospinal fluid^HL70487", "P"),
    ("urine", "UR^Urine^HL70487", "P"),
    ("saliva", "SAL^Saliva^HL70487", "P"),
    ("milk", "MILK^Breast milk^L", "P"),
    ("cord blood", "CRD^Cord blood^HL70487", "P"),
    ("quality control", "SER^Serum^HL70487", "Q"),
];

fn body(
    making: &mut Making,
    person: usize,
    at: Timestamp,
    status: &str,
    first: &str,
    rest: &str,
) -> String {
    let filler = format!("T{}", making.number());
    let mut text =
        making.pid(person, 0, "") + &order(&filler, "IG^IgM, IgG, IgA^L", at, at, status);
    text += first;
    for analyte in [1, 2] {
        let (low, high) = ADULT[analyte];
        text += &immunoglobulin(
            Style::Loinc,
            analyte + 1,
            analyte,
            (low + high) / 2,
            ADULT[analyte],
            "F",
        );
    }
    text + rest
}

const LOW: &str = "|0.12|g/L|0.40-2.30|L|||F\r";
const TRUE: &str = "2472-9^IgM^LN";

/// Every kind of trap, by name.
pub fn all() -> Vec<(&'static str, Make)> {
    let mut all: Vec<(&'static str, Make)> = Vec::new();
    for (name, code) in OTHER_THINGS {
        let first = if name.contains("mg/dL") {
            format!("OBX|1|NM|{code}||12|mg/dL|40-230|L|||F\r")
        } else {
            format!("OBX|1|NM|{code}|{LOW}")
        };
        all.push((
            name,
            Box::new(move |making, person, at| body(making, person, at, "F", &first, "")),
        ));
    }
    for (name, kind, value) in OTHER_VALUES {
        let first = format!("OBX|1|{kind}|{TRUE}||{value}|||F\r");
        all.push((
            name,
            Box::new(move |making, person, at| body(making, person, at, "F", &first, "")),
        ));
    }
    for (name, kind, role) in OTHER_SPECIMENS {
        all.push((
            name,
            Box::new(move |making, person, at| {
                let spm = format!("SPM|1|||{kind}|||||||{role}\r");
                let first = format!("OBX|1|NM|{TRUE}|{LOW}");
                body(making, person, at, "F", &first, &spm)
            }),
        ));
    }
    let mut plain = |name, first: String, status: &'static str, rest: &'static str| {
        all.push((
            name,
            Box::new(move |making: &mut Making, person, at| {
                body(making, person, at, status, &first, rest)
            }),
        ));
    };
    plain(
        "code and text apart",
        format!("OBX|1|NM|2472-9^IgA^LN|{LOW}"),
        "F",
        "",
    );
    plain(
        "two codes apart",
        format!("OBX|1|NM|2472-9^IgM^LN^2465-3^IgG^LN|{LOW}"),
        "F",
        "",
    );
    plain(
        "preliminary for ever",
        format!("OBX|1|NM|{TRUE}||0.12|g/L|0.4-2.3|L|||P\r"),
        "P",
        "",
    );
    plain(
        "pending",
        format!("OBX|1|NM|{TRUE}||0.12|g/L|0.4-2.3|L|||I\r"),
        "I",
        "",
    );
    plain(
        "withdrawn at birth",
        format!("OBX|1|NM|{TRUE}||0.12|g/L|0.4-2.3|L|||W\r"),
        "F",
        "",
    );
    plain(
        "unknown status",
        format!("OBX|1|NM|{TRUE}||0.12|g/L|0.4-2.3|L|||?\r"),
        "",
        "",
    );
    plain(
        "value in a note",
        format!("OBX|1|ST|{TRUE}||SEE NOTE|g/L|0.4-2.3||||F\rNTE|1||IgM < 0.2 g/L\r"),
        "F",
        "",
    );
    plain(
        "sentence of a report",
        "OBX|1|TX|RPT^Report^L||IgM 0.12 g/L is low||||||F\r".to_owned(),
        "F",
        "",
    );
    plain(
        "code in other fields",
        "OBX|1|NM|2951-2^Sodium^LN|2472-9|0.12|g/L|0.4-2.3|L|||F|||||||2472-9^IgM^LN\r".to_owned(),
        "F",
        "",
    );
    plain(
        "subclasses alone",
        "OBX|1|NM|2466-1^IgG1^LN||0.12|g/L|3.4-8.9|L|||F\r".to_owned(),
        "F",
        "",
    );
    plain("test message", format!("OBX|1|NM|{TRUE}|{LOW}"), "F", "");
    all
}
