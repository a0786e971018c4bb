use super::*;
use crate::core::extract::{Understood, extract};
use crate::core::fact::{JournalPosition, Origin, Received};
use crate::core::policy::Policy;
use crate::core::time::Timestamp;
use crate::deliver::letter::sample;

const HEADER: Header<'static> = Header {
    site: "HOSP|1",
    receiving_application: "HIS",
    receiving_facility: "WARD",
};

fn text(letter: &Letter) -> String {
    message(letter, &HEADER)
}

#[test]
fn our_own_reader_reads_it_back() {
    let letter = sample("detected", "urgent");
    let raw = text(&letter);
    let received = Received {
        origin: Origin {
            listener: "default".to_owned(),
            peer: "127.0.0.1:1".to_owned(),
        },
        received_at: Timestamp::from_micros(1_772_361_300_000_000),
        part: (0, 1),
        raw: raw.clone().into(),
    };
    let read = extract(&received, JournalPosition(1), &Policy::built_in());
    assert_eq!(read.understood, Understood::Results);
    assert!(
        read.refusals.is_empty() && read.counts.is_empty(),
        "{read:?}\n{raw}"
    );
    assert_eq!(read.control_id, "alert-detected");
    assert_eq!(read.feed, "PENTAMER/HOSP|1");
    let [part] = &read.patients[..] else {
        panic!("one patient: {read:?}");
    };
    assert_eq!(part.key.exposed(), "HOSP:4711");
    let [igm] = &part.observations[..] else {
        panic!("one result of ours: {part:?}");
    };
    assert_eq!(igm.shown.reported.expose(), "0.21 g/L");
    assert_eq!(igm.shown.code, "2472-9");
}

#[test]
fn ids_and_the_sentence_are_there_and_nothing_breaks_out_of_its_field() {
    let raw = text(&sample("confirmed", "prompt"));
    for wanted in [
        "\rOBX|1|ST|ALERT^Alert id^99PENTAMER||alert-confirmed||",
        "\rOBX|2|ST|EPISODE^Episode id^99PENTAMER||episode-1||",
        "\rOBX|3|ST|SEVERITY^Severity^99PENTAMER||prompt||",
        "\rNTE|1|L|IgM is low \\T\\ alone\\F\\.\r",
        "|PENTAMER|HOSP\\F\\1|HIS|WARD|20260301101500+0000||ORU^R01^ORU_R01|alert-confirmed|P|2.5.1|",
    ] {
        assert!(raw.contains(wanted), "{wanted:?} is not in {raw:?}");
    }
    assert_eq!(field("a\rb\u{b}c\nd\\"), "abc\\.br\\d\\E\\");
}

#[test]
fn without_a_patient_it_is_still_a_message() {
    let letter = Letter::test("site", "his", Timestamp::from_micros(0));
    let raw = text(&letter);
    assert!(
        raw.contains("\rPID|1\r") && raw.contains("there is no patient"),
        "{raw}"
    );
    assert!(!raw.contains("\u{1c}") && !raw.contains('\n'));
}
