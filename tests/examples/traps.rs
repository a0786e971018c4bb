//! CLINICAL 3.2 to 3.4: what looks like IgM and must never be taken for it.

use super::play::policy;
use pentamer::core::clinical::observation::{Analyte, ReportedValue, Specimen};
use pentamer::core::extract::{Extraction, extract};
use pentamer::core::fact::{JournalPosition, Origin, Reason, Received};
use pentamer::core::policy::Policy;
use pentamer::core::time::Timestamp;

const HEAD: &str = "MSH|^~\\&|LAB|HOSP|PENT|IMM|20260103110000||ORU^R01^ORU_R01|1|P|2.5.1\r\
     PID|1||4711^^^HOSP^MR||DOE^JANE||19800101|F\r";

fn read(lines: &str, policy: &Policy) -> Extraction {
    let received = Received {
        origin: Origin {
            listener: "lab".to_owned(),
            peer: "192.0.2.1:4000".to_owned(),
        },
        received_at: Timestamp::from_micros(1_769_904_000_000_000),
        part: (0, 1),
        raw: (HEAD.to_owned() + lines).into_bytes().into(),
    };
    extract(&received, JournalPosition(1), policy)
}

/// One OBX with a value, unit, interval and flag that would page if it were IgM.
fn low(obx_3: &str) -> String {
    low_in(obx_3, "0.05|g/L")
}

fn low_in(obx_3: &str, value_and_unit: &str) -> String {
    format!(
        "OBR|1||A1|X^Panel^L|||20260103080000\r\
         OBX|1|NM|{obx_3}||{value_and_unit}|0.4-2.3|L|||F\r"
    )
}

fn analytes(read: &Extraction) -> Vec<Analyte> {
    read.patients
        .iter()
        .flat_map(|part| &part.observations)
        .map(|observation| observation.id.analyte)
        .collect()
}

/// Codes of 3.2 and 3.3, with their systems and without.
const CODES: &[(&str, &str)] = &[
    ("13950-1", "Hepatitis A virus IgM Ab [Presence] in Serum"),
    ("5126-8", "Cytomegalovirus IgM Ab [Units/volume] in Serum"),
    (
        "30340-4",
        "Epstein Barr virus capsid IgM Ab [Units/volume] in Serum",
    ),
    (
        "24115-8",
        "Epstein Barr virus capsid IgM Ab [Units/volume] in Serum",
    ),
    (
        "94506-3",
        "SARS-CoV-2 IgM Ab [Units/volume] in Serum or Plasma",
    ),
    ("94508-9", "SARS-CoV-2 IgM Ab [Presence] in Serum or Plasma"),
    (
        "95125-1",
        "SARS-CoV-2 IgA+IgM [Presence] in Serum or Plasma",
    ),
    ("25418-5", "Mumps virus IgM Ab [Units/volume] in Serum"),
    (
        "31204-1",
        "Hepatitis B virus core IgM Ab [Presence] in Serum",
    ),
    (
        "11572-5",
        "Rheumatoid factor [Units/volume] in Serum or Plasma",
    ),
    ("3182-3", "Cardiolipin IgM Ab [Units/volume] in Serum"),
    ("2470-3", "IgM [Mass/volume] in Cerebral spinal fluid"),
    ("14002-0", "IgM [Units/volume] in Cord blood"),
    ("19113-0", "IgE [Units/volume] in Serum or Plasma"),
    ("2462-0", "IgE [Mass/volume] in Serum"),
    ("6886-6", "IgA subclass 1"),
    ("36916-5", "Kappa light chains.free"),
    ("33944-0", "Lambda light chains.free"),
    ("33358-3", "Protein.monoclonal"),
    ("2874-6", "Gamma globulin"),
    ("24351-9", "Protein electrophoresis panel"),
    ("2885-2", "Protein"),
    ("LA12472-9", "IgM"),
    ("12472-9", "IgM"),
    ("2472-99", "IgM"),
    ("2472-8", "IgM"),
];

#[test]
fn codes_that_are_not_igm() {
    let policy = policy("");
    for (code, text) in CODES {
        for system in ["LN", "", "L", "99LAB"] {
            for text in [text, &"IgM", &"Immunoglobulin M", &""] {
                let read = read(&low(&format!("{code}^{text}^{system}")), &policy);
                assert_eq!(analytes(&read), [], "{code} {text} {system}");
            }
        }
    }
}

#[test]
fn local_codes_that_no_site_has_mapped() {
    let policy = policy("");
    for obx_3 in [
        "ACLAM^Cardiolipin IgM^L",
        "ACLAM^IgM^L",
        "HLMK^Hevylite IgM kappa^L",
        "HLML^Hevylite IgM lambda^L",
        "RFIGM^IgM rheumatoid factor^L",
        "IGMIDX^IgM index^L",
        "4711^IgM^L",
        "^IgM^L",
        "^Immunoglobulin M",
        "IGMCSF^IgM^L",
        "CIGM^IgM^L",
        "IGM-CMV^IgM^L",
        "IGM_S^IgM^L",
        "IGMS^IgM^L",
        "44J..^IgM^RCT",
        "IGGS^IgG subclasses^L",
        "IGAS^IgA subclasses^L",
    ] {
        assert_eq!(analytes(&read(&low(obx_3), &policy)), [], "{obx_3}");
    }
}

/// The mnemonic IGM counts only with a unit of mass, and not beside a text that says otherwise.
#[test]
fn texts_that_make_the_mnemonic_something_else() {
    let policy = policy("");
    for text in [
        "IgM Ab",
        "IgM anti-HAV",
        "Anti-HBc IgM",
        "Hepatitis A IgM",
        "Hepatitis B core IgM",
        "Cytomegalovirus IgM",
        "CMV IgM",
        "EBV VCA IgM",
        "Epstein-Barr IgM",
        "SARS-CoV-2 IgM",
        "Coronavirus IgM",
        "Mumps IgM",
        "Measles IgM",
        "Rubella IgM",
        "Varicella zoster IgM",
        "Herpes simplex IgM",
        "Parvo B19 IgM",
        "Toxoplasma gondii IgM",
        "Borrelia IgM",
        "Dengue IgM",
        "Brucella IgM",
        "Leptospira IgM",
        "Rheumatoid factor IgM",
        "IgM RF",
        "Cardiolipin IgM",
        "Phospholipid IgM",
        "beta-2-glycoprotein IgM",
        "IgM kappa",
        "IgM lambda",
        "Hevylite IgM",
        "IgM index",
        "IgM ratio",
        "IgM monoclonal",
        "M-protein IgM paraprotein",
        "Cryoglobulin IgM",
        "Cryoglobulins IgM",
        "Isohaemagglutinin IgM",
        "Isohaemagglutinins IgM",
        "Isohemagglutinins IgM",
        "Allergen IgM",
        "Allergens IgM",
        "IgM CSF",
        "IgM (liquor)",
        "IgM urine",
        "IgM milk",
        "IgM saliva",
        "IgM cord blood",
        "Specific IgM",
        "IgG",
        "IgE",
    ] {
        let read = read(&low(&format!("IGM^{text}^L")), &policy);
        let counted = read
            .patients
            .iter()
            .flat_map(|part| &part.observations)
            // What names another immunoglobulin is kept for a person to look at, without its value.
            .filter(|one| {
                *one.value.expose() != ReportedValue::Unreadable(Reason::CodeTextMismatch)
            });
        assert_eq!(counted.count(), 0, "{text}");
    }
    for unit in [
        "U/mL", "kIU/L", "[IU]/mL", "AU", "index", "%", "titre", "nmol/L", "",
    ] {
        let read = read(&low_in("IGM^IgM^L", &format!("0.05|{unit}")), &policy);
        assert_eq!(analytes(&read), [], "{unit}");
    }
    // The same that does count, so that the others fail for what they say.
    for text in ["IgM", "Immunoglobulin M", "Lab IgM", "IgM, serum", ""] {
        let read = read(&low(&format!("IGM^{text}^L")), &policy);
        assert_eq!(analytes(&read), [Analyte::IgM], "{text}");
    }
}

#[test]
fn a_text_of_another_class_is_quarantined_without_its_value() {
    let policy = policy("");
    for obx_3 in [
        "2472-9^IgA^LN",
        "2472-9^IgG^LN",
        "2472-9^IgE^LN",
        "IGM^IgA^L",
    ] {
        let read = read(&low(obx_3), &policy);
        let values: Vec<_> = read
            .patients
            .iter()
            .flat_map(|part| &part.observations)
            .map(|one| one.value.expose())
            .collect();
        assert_eq!(
            values,
            [&ReportedValue::Unreadable(Reason::CodeTextMismatch)],
            "{obx_3}"
        );
        let reasons: Vec<_> = read.refusals.iter().map(|one| one.reason).collect();
        assert_eq!(reasons, [Reason::CodeTextMismatch], "{obx_3}");
    }
    // An unlisted LOINC code beside the mnemonic: one of them is wrong.
    for code in ["5126-8", "2462-0", "25418-5"] {
        let read = read(&low(&format!("IGM^IgM^L^{code}^IgM^LN")), &policy);
        assert_eq!(analytes(&read), [], "{code}");
        assert_eq!(read.refusals[0].reason, Reason::CodeConflict, "{code}");
    }
}

#[test]
fn igm_of_what_is_not_serum() {
    let policy = policy("");
    let spm = |code: &str| low("2472-9^IgM^LN") + &format!("SPM|1|||{code}\r");
    for code in [
        "CSF^Cerebrospinal fluid^HL70487",
        "UR^Urine^HL70487",
        "MILK^Breast milk^HL70487",
        "SAL^Saliva^HL70487",
        "PLR^Pleural fluid^HL70487",
        "258450006^Cerebrospinal fluid^SCT",
        "LIQ^Liquor^L",
        "X^Urine, 24 h^L",
    ] {
        assert_eq!(analytes(&read(&spm(code), &policy)), [], "{code}");
    }
    for source in ["CSF", "UR", "&Liquor&L"] {
        let lines = format!(
            "OBR|1||A1|X^Panel^L|||20260103080000||||||||{source}\r\
             OBX|1|NM|2472-9^IgM^LN||0.05|g/L|0.4-2.3|L|||F\r"
        );
        assert_eq!(analytes(&read(&lines, &policy)), [], "OBR-15 {source}");
    }
    // Cord blood is kept, and never judged.
    let cord = read(&spm("BLDCO^Cord blood^HL70487"), &policy);
    let specimens: Vec<_> = cord
        .patients
        .iter()
        .flat_map(|part| &part.observations)
        .map(|one| one.id.specimen)
        .collect();
    assert_eq!(specimens, [Specimen::Cord]);
    let serum = read(&spm("SER^Serum^HL70487"), &policy);
    assert_eq!(analytes(&serum), [Analyte::IgM]);
}
