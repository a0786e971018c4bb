//! WIRE 4.3, X-1 to X-6, X-20 to X-24, S-5: orders, times, specimens in their places.

use super::*;
use crate::core::clinical::observation::{OrderNumber, TimeSource};
use crate::core::extract::Understood;

fn filler(text: &str) -> OrderNumber {
    OrderNumber::Filler(text.to_owned().into())
}

fn orders(extraction: &Extraction) -> Vec<String> {
    only_patient(extraction)
        .observations
        .iter()
        .map(|o| format!("{} {}", o.id.analyte.name(), o.shown.order.expose()))
        .collect()
}

fn oul(event: &str, body: &[&str]) -> Extraction {
    let head = [MSH, PID].concat().replace("ORU^R01^ORU_R01", event);
    read(&(head + &body.concat()))
}

#[test]
fn x1_unknown_segments_end_nothing() {
    let read = read(
        &[
            MSH,
            "ZZ1|x\r",
            PID,
            "ZPI|1\rPD1|1\r",
            ORC,
            "ZOR|1\rNTE|1\r",
            OBR,
            "ZRE|1\r",
            IGM,
            "PRT|1\r",
            IGG,
        ]
        .concat(),
    );
    assert_eq!(orders(&read), vec!["IgM F1", "IgG F1"]);
}

#[test]
fn x1_what_stands_before_the_first_pid_is_no_group() {
    for before in ["NTE|1|L|to all\r", "PV1|1\r", "SFT|x\rNTE|1\r", "DG1|1\r"] {
        let read = read(&[MSH, before, PID, OBR, IGM].concat());
        assert!(read.refusals.is_empty(), "{before}");
        assert_eq!(orders(&read), vec!["IgM F1"]);
    }
    let orphan = read(&[MSH, OBR, IGG, PID, OBR, IGM].concat());
    assert_eq!(refused(&orphan).0, Reason::MissingSegment);
    assert_eq!(orders(&orphan), vec!["IgM F1"]);
}

#[test]
fn x2_oru_takes_the_orc_before() {
    let read = read(
        &[
            MSH,
            PID,
            "ORC|RE|P1|F1\rOBR|1||\r",
            IGM,
            "ORC|RE|P2|F2\rTQ1|1\rOBR|2||\r",
            IGG,
        ]
        .concat(),
    );
    assert_eq!(orders(&read), vec!["IgM F1", "IgG F2"]);
}

#[test]
fn x2_an_orc_without_obr_behind_belongs_to_the_obr_before() {
    let read = read(&[MSH, PID, "OBR|1||\rORC|RE|P1|F1\r", IGM].concat());
    assert_eq!(orders(&read), vec!["IgM F1"]);
}

#[test]
fn x2_oul_takes_the_orc_behind() {
    let read = oul(
        "OUL^R22^OUL_R22",
        &[
            "SPM|1|||SER\rSAC|1\r",
            "OBR|1|\"\"\rORC|RE|P1|F1\r",
            IGM,
            "OBR|2\rORC|RE|P2|F2\r",
            IGG,
        ],
    );
    assert_eq!(orders(&read), vec!["IgM F1", "IgG F2"]);
    let both_fit = oul("OUL^R22", &["OBR|1\rORC|RE|P1|F1\rOBR|2\r", IGM]);
    assert_eq!(orders(&both_fit), vec!["IgM "]);
    let in_oru = super::read(&[MSH, PID, "OBR|1\rORC|RE|P1|F1\rOBR|2\r", IGM].concat());
    assert_eq!(orders(&in_oru), vec!["IgM F1"]);
}

#[test]
fn x3_one_orc_before_several_obr() {
    let read = read(
        &[
            MSH,
            PID,
            "ORC|RE|P1|F1\rOBR|1\r",
            IGM,
            "OBR|2\r",
            IGG,
            "OBR|3||F3\r",
            IGA,
        ]
        .concat(),
    );
    assert_eq!(orders(&read), vec!["IgM F1", "IgG F1", "IgA F3"]);
}

#[test]
fn x4_specimens_of_oru_and_oul() {
    let csf = "SPM|1|||CSF\r";
    let serum = "SPM|2|||SER\r";
    let oru = read(&[MSH, PID, OBR, IGM, csf, OBR, IGG, serum].concat());
    assert_eq!(orders(&oru), vec!["IgG F1"], "after the OBX");
    let first = oul("OUL^R22", &[csf, OBR, IGM, OBR, IGA, serum, OBR, IGG]);
    assert_eq!(
        orders(&first),
        vec!["IgG F1"],
        "before the OBR, until the next"
    );
    let between = super::read(&[MSH, PID, OBR, csf, IGM, OBR, serum, IGG].concat());
    assert_eq!(orders(&between), vec!["IgG F1"], "between OBR and OBX");
    let last = oul("OUL^R24", &[OBR, "ORC|RE\r", serum, IGM, OBR, csf, IGG]);
    assert_eq!(orders(&last), vec!["IgM F1"]);
}

#[test]
fn x5_an_obx_of_the_specimen_is_no_result() {
    let oru = read(&[MSH, PID, OBR, IGM, "SPM|1|||SER\r", IGG, OBR, IGA].concat());
    assert_eq!(orders(&oru), vec!["IgM F1", "IgA F1"]);
    let oul = oul("OUL^R22", &["SPM|1|||SER\r", IGG, OBR, IGM]);
    assert_eq!(orders(&oul), vec!["IgM F1"]);
}

#[test]
fn x5_an_obx_of_the_patient_counts_if_the_map_names_it() {
    let read = read(&[MSH, PID, "OBX|1|NM|8302-2^Height^LN||172|cm\r", IGM].concat());
    let part = only_patient(&read);
    assert_eq!(part.observations.len(), 1);
    assert!(matches!(
        part.observations.first().expect("one").id.order,
        OrderNumber::Unnumbered { .. }
    ));
    assert!(read.refusals.is_empty());
}

#[test]
fn x6_a_bad_group_does_not_stop_the_others() {
    let bad = "PID|1||||DOE\rOBR|1||F9\r";
    let read = read(&(m1() + bad + IGM + &PID.replace("1234", "5678") + OBR + IGM));
    let keys: Vec<_> = read.patients.iter().map(|p| p.key.exposed()).collect();
    assert_eq!(keys, vec!["HOSP:1234", "HOSP:5678"]);
    assert_eq!(
        refused(&read),
        (
            Reason::NoPatientId,
            "PID[2]-3 patient identifier list".to_owned()
        )
    );
}

#[test]
fn x20_order_numbers() {
    let number = |orc: &str, obr: &str| {
        let read = read(&[MSH, PID, orc, obr, IGM].concat());
        igm(&read).id.order.clone()
    };
    assert_eq!(
        number("ORC|RE|P1|F1\r", "OBR|1|P2|F2^LAB\r"),
        filler("F2^LAB")
    );
    assert_eq!(
        number("ORC|RE|P1|F1^LAB^^\r", "OBR|1|P2|\r"),
        filler("F1^LAB")
    );
    assert_eq!(
        number("ORC|RE|P1|\r", "OBR|1|P2|\"\"\r"),
        OrderNumber::Placer("P1".to_owned().into())
    );
    assert_eq!(
        number("", "OBR|1|P2\r"),
        OrderNumber::Placer("P2".to_owned().into())
    );
    assert_eq!(
        number("", "OBR|1|||IG^Ig^L|||20260301\r"),
        OrderNumber::Unnumbered {
            code: "IG^Ig^L".to_owned(),
            observed: "20260301".to_owned(),
            at: "20260301".to_owned(),
        }
    );
}

#[test]
fn x21_sources_of_the_observation_time() {
    let observed = |obx14: &str, spm17: &str, obr7: &str, obr14: &str| {
        let obr = format!("OBR|1|P1|F1|IG|||{obr7}|||||||{obr14}\r");
        let obx = format!("OBX|1|NM|2472-9^IgM^LN||0.21|g/L|0.4-2.3|L|||F|||{obx14}\r");
        let spm = format!("SPM|1|||SER|||||||||||||{spm17}\r");
        let read = read(&[MSH, PID, &obr, &obx, &spm].concat());
        let found = igm(&read).observed.clone();
        (found.map(|o| (o.source, o.text)), read)
    };
    let source = |times: [&str; 4]| observed(times[0], times[1], times[2], times[3]).0;
    let all = ["20260301", "20260228^20260301", "20260227", "20260226"];
    assert_eq!(
        source(all),
        Some((TimeSource::Obx14, "20260301".to_owned()))
    );
    assert_eq!(
        source(["", all[1], all[2], all[3]]),
        Some((TimeSource::Spm17, "20260228".to_owned()))
    );
    assert_eq!(
        source(["20261341", "\"\"", all[2], all[3]]),
        Some((TimeSource::Obr7, "20260227".to_owned())),
        "what is no time is passed over"
    );
    assert_eq!(
        source(["19891231", "19791231", "00000000", all[3]]),
        Some((TimeSource::Obr14, "20260226".to_owned())),
        "so is a time before 1990 or before birth"
    );
    assert_eq!(source(["", "", "", ""]), None, "never OBR-22 or MSH-7");
    let (_, read) = observed("20261341", "", "2026-03-01", "");
    assert_eq!(
        (count(&read, "time_invalid"), count(&read, "time_form")),
        (1, 1)
    );
}

#[test]
fn x21_sources_of_the_version_time() {
    let version = |obr22: &str, obx19: &str, orc9: &str, msh7: &str| {
        let msh = MSH.replace("20260301101500+0000", msh7);
        let orc = format!("ORC|RE|P1|F1||||||{orc9}\r");
        let obr = format!("OBR|1|P1|F1|IG|||20260101{}{obr22}\r", "|".repeat(15));
        let obx = format!("OBX|1|NM|2472-9^IgM^LN||0.21|g/L|0.4-2.3|L|||F||||||||{obx19}\r");
        igm(&read(&[&msh, PID, &orc, &obr, &obx].concat())).version_at
    };
    assert_eq!(
        version("20260204", "20260203", "20260202", "20260201"),
        at("2026-02-04T00:00:00Z")
    );
    assert_eq!(
        version("", "20260203", "20260202", "20260201"),
        at("2026-02-03T00:00:00Z")
    );
    assert_eq!(
        version("", "", "20260202", "20260201"),
        at("2026-02-02T00:00:00Z")
    );
    assert_eq!(version("", "", "", "20260201"), at("2026-02-01T00:00:00Z"));
    assert_eq!(
        version("", "", "", ""),
        at("2026-03-01T13:00:00Z"),
        "receipt"
    );
    assert_eq!(
        version("19700101", "20260203", "", ""),
        at("2026-02-03T00:00:00Z")
    );
}

#[test]
fn t3_msh_7_gives_the_offset_and_dates_do_not_shift() {
    let text = m1()
        .replace("20260301101500+0000", "20260301101500-0500")
        .replace("20260301090000+0000", "20260301230000");
    let late = read(&text);
    let observed = igm(&late).observed.clone().expect("a time");
    assert_eq!(observed.at, at("2026-03-02T04:00:00Z"));
    assert_eq!(observed.date, jiff::civil::date(2026, 3, 1));
}

#[test]
fn t8_future_times_are_clamped_to_receipt() {
    let text = m1()
        .replace("20260301090000+0000", "20990101")
        .replace("20260301101000+0000", "20990101");
    let read = read(&text);
    let igm = igm(&read);
    let receipt = at("2026-03-01T13:00:00Z");
    assert_eq!(igm.version_at, receipt);
    let observed = igm.observed.as_ref().expect("a time");
    assert_eq!((observed.at, observed.clamped), (receipt, true));
    assert_eq!(observed.date, jiff::civil::date(2026, 3, 1));
    assert_eq!(observed.text, "20990101");
    assert_eq!(count(&read, "clock_future"), 6, "two for each result");
    let mut later = received(text.as_bytes());
    later.received_at = at("2026-03-05T13:00:00Z");
    let again = extract(&later, JournalPosition(9), &Policy::built_in());
    assert_eq!(
        super::igm(&again).content_hash,
        igm.content_hash,
        "the hash does not depend on receipt"
    );
}

#[test]
fn s5_when_an_order_is_withdrawn() {
    let withdrawn = |orc1: &str, obr25: &str, obx: &str| {
        let orc = format!("ORC|{orc1}|P1|F1\r");
        let obr = format!("OBR|1|P1|F1|IG|||20260301{}{obr25}\r", "|".repeat(18));
        let read = read(&[MSH, PID, &orc, &obr, obx].concat());
        let part = only_patient(&read);
        part.group_withdrawals
            .iter()
            .map(|w| w.order.clone())
            .collect::<Vec<_>>()
            == [filler("F1")]
    };
    for orc1 in ["CA", "OC", "CR", "ca"] {
        assert!(withdrawn(orc1, "", ""), "{orc1}");
    }
    for orc1 in ["RE", "XO", "XR", "SC", "SN", "NW", "OK", ""] {
        assert!(!withdrawn(orc1, "F", ""), "{orc1}");
        assert!(withdrawn(orc1, "X", ""), "{orc1}");
    }
    assert!(withdrawn("RE", "X", "OBX|1|NM|718-7^Hb^LN||||||||X\r"));
    assert!(
        withdrawn("RE", "X", "OBX|1|NM|718-7^Hb^LN\r"),
        "the order's X is the OBX's"
    );
    assert!(withdrawn(
        "CA",
        "",
        "OBX|1|NM|718-7^Hb^LN||||||||D\rOBX|2|NM|1^x||||||||W\r"
    ));
    assert!(!withdrawn(
        "CA",
        "",
        "OBX|1|NM|718-7^Hb^LN||||||||D\rOBX|2|NM|1^x||||||||F\r"
    ));
    assert!(!withdrawn("CA", "", "OBX|1|NM|718-7^Hb^LN\r"));
}

#[test]
fn x30_cancellations_in_order_messages() {
    let order =
        |body: &str| read(&([MSH, PID].concat().replace("ORU^R01^ORU_R01", "ORM^O01") + body));
    let cancelled = order("ORC|CA|P1|F1\rOBR|1|P1|F1|IG\rORC|OC|P2|F2\rORC|NW|P3|F3\rOBR|2\r");
    assert_eq!(cancelled.understood, Understood::Order);
    let part = only_patient(&cancelled);
    let numbers: Vec<_> = part
        .group_withdrawals
        .iter()
        .map(|w| w.order.clone())
        .collect();
    assert_eq!(numbers, vec![filler("F1"), filler("F2")]);
    assert!(part.demographics.is_none() && cancelled.refusals.is_empty());
    assert!(order("ORC|CA|P1\r").patients.is_empty(), "no filler number");
    assert!(order("ORC|NW|P1|F1\rOBR|1\r").patients.is_empty());
    let unnamed = read(&(MSH.replace("ORU^R01^ORU_R01", "OML^O21") + "PID|1\rORC|CA|P1|F1\r"));
    assert_eq!(refused(&unnamed).0, Reason::NoPatientId);
}

#[test]
fn x24_diagnoses_reasons_and_drugs() {
    let pid = format!(
        "{PID}PV1|1\rPV2|||R16.1^Splenomegaly^I10\rDG1|1||C90.0^Myeloma^I10^203.0^^I9||20250105|\r\
         DG1|2|I9|279.02||\rDG1|3||D80.4^^I10{}D\rDG1|4|||free text\r",
        "|".repeat(18)
    );
    let obr = format!(
        "OBR|1|P1|F1|IG|||20260301{}M05^^I10~J13^^I10\r",
        "|".repeat(24)
    );
    let text = [
        MSH,
        &pid,
        "ORC|RE|P1|F1|||||||||||||K50^^I10\r",
        &obr,
        IGM,
        "RXA|0|1|20260101||L01FA01^Rituximab^ATC\rRXE||^Methotrexate\r",
    ]
    .concat();
    let read = read(&text);
    let seen: Vec<_> = only_patient(&read)
        .associations
        .iter()
        .map(|a| {
            (
                a.code.expose().as_str(),
                a.system.as_str(),
                a.field.as_str(),
                a.removed,
            )
        })
        .collect();
    assert_eq!(
        seen,
        vec![
            ("C90.0", "I10", "DG1-3", false),
            ("203.0", "I9", "DG1-3", false),
            ("279.02", "I9", "DG1-3", false),
            ("D80.4", "I10", "DG1-3", true),
            ("R16.1", "I10", "PV2-3", false),
            ("M05", "I10", "OBR-31", false),
            ("J13", "I10", "OBR-31", false),
            ("K50", "I10", "ORC-16", false),
            ("L01FA01", "ATC", "RXA-5", false),
            ("", "", "RXE-2", false),
        ]
    );
    let first = only_patient(&read).associations.first().expect("one");
    assert_eq!(first.at, at("2025-01-05T00:00:00Z"));
    let reason = only_patient(&read).associations.get(5).expect("OBR-31");
    assert_eq!(reason.at, at("2026-03-01T10:15:00Z"));
    let adt = [MSH, &pid].concat().replace("ORU^R01^ORU_R01", "ADT^A08");
    assert_eq!(only_patient(&super::read(&adt)).associations.len(), 5);
}
