use super::*;
use crate::core::alert::{AlertData, AlertPatient};
use crate::core::clinical::observation::{Analyte, OrderNumber, PatientKey, ResultId, Specimen};
use crate::core::episode::{AlertId, Delivery, EpisodeId, Severity, Transition, TransitionKind};
use crate::core::fact::GapCause;
use crate::core::fact::{JournalPosition, LisAck, Reason};
use crate::core::lookback::{Primed, Reassessed};
use crate::core::phi::Phi;
use proptest::prelude::*;

fn transition(text: &str, number: u32, at: Timestamp) -> Transition {
    let patient = PatientKey {
        authority: "LAB".to_owned(),
        id: Phi::new(text.to_owned()),
    };
    let opening = ResultId {
        patient: patient.clone(),
        order: OrderNumber::Filler(Phi::new(text.to_owned())),
        analyte: Analyte::IgM,
        specimen: Specimen::Serum,
        sub_id: None,
    };
    Transition {
        episode: EpisodeId("e".to_owned()),
        number,
        alert_id: AlertId("a".to_owned()),
        kind: TransitionKind::Detected,
        severity: Severity::Prompt,
        delivery: Delivery::Page,
        filed_under: patient,
        opening: opening.clone(),
        members: vec![opening],
        evidence_through: JournalPosition(u64::from(number)),
        at,
        alert: Phi::new(AlertData {
            alert_id: "a".to_owned(),
            episode_id: "e".to_owned(),
            kind: TransitionKind::Detected,
            severity: Severity::Prompt,
            classification: "isolated_low_igm".to_owned(),
            tier: "complete".to_owned(),
            tier_reason: None,
            qualifiers: vec![text.to_owned()],
            patient: AlertPatient {
                id: Some(text.to_owned()),
                authority: None,
                name: None,
                birth_date: None,
                sex: None,
                age: None,
            },
            evidence: Vec::new(),
            missing: Vec::new(),
            associations: Vec::new(),
            delivery: Delivery::Page,
            explanation: String::new(),
            policy: String::new(),
            supersedes: None,
        }),
        listener: "feed".to_owned(),
    }
}

fn about_delivery(kind: u8, a: String, b: String, at: Timestamp, number: u64) -> Fact {
    use crate::core::delivery::mute::Scope;
    use crate::core::delivery::*;
    match kind {
        13 => Fact::Acknowledged(Acknowledged {
            alert_id: a.clone(),
            by: b.clone(),
            comment: Phi::new(a),
            informed: Phi::new(b),
            known: number.is_multiple_of(2),
            at,
        }),
        14 => Fact::Muted(Muted {
            id: a.clone(),
            scope: if number.is_multiple_of(2) {
                Scope::Rule(a)
            } else {
                Scope::Patient(PatientKey {
                    authority: a,
                    id: Phi::new(b.clone()),
                })
            },
            until: at,
            by: b.clone(),
            reason: Phi::new(b),
            at,
        }),
        15 => Fact::Unmuted(Unmuted { id: a, by: b, at }),
        16 => Fact::SinksSeen(SinksSeen {
            sinks: vec![a, b],
            at,
        }),
        17 => Fact::Requeued(Requeued {
            sink: a.clone(),
            alert_ids: vec![a, b.clone()],
            by: b,
            at,
        }),
        18 => Fact::Replayed(Replayed {
            sink: a,
            after: number,
            by: b,
            at,
        }),
        19 => Fact::Passed(Passed {
            sink: a,
            after: number,
            through: number,
            reason: b,
            at,
        }),
        20 => Fact::Held(crate::core::fact::Held {
            epoch: number,
            holder: a,
            at,
        }),
        _ => Fact::Escalated(Escalated {
            alert_id: a.clone(),
            rule: b.clone(),
            step: 3,
            sinks: vec![a, b],
            at,
        }),
    }
}

fn facts() -> impl Strategy<Value = Fact> {
    let raw = prop::collection::vec(any::<u8>(), 0..200);
    (
        0..27u8,
        ".{0,12}",
        ".{0,12}",
        any::<i64>(),
        any::<u64>(),
        raw,
    )
        .prop_map(|(kind, a, b, at, number, raw)| {
            let at = Timestamp::from_micros(at);
            let origin = Origin {
                listener: a.clone(),
                peer: b.clone(),
            };
            match kind {
                0 => Fact::Received(Received {
                    origin,
                    received_at: at,
                    part: (number as u32, (number >> 32) as u32),
                    raw: raw.into(),
                }),
                1 => Fact::SeenAgain {
                    first: JournalPosition(number),
                    origin,
                    received_at: at,
                },
                2 => Fact::Refused(Refused {
                    origin,
                    received_at: at,
                    reason: Reason::Truncated,
                    total_len: number,
                    raw: raw.into(),
                }),
                3 => Fact::Decided(Decided {
                    through: JournalPosition(number),
                    policy: b.clone(),
                    decided_at: at,
                    transitions: vec![transition(&a, number as u32, at)],
                }),
                4 => Fact::Attempted {
                    sink: a,
                    alert_id: b,
                    at,
                },
                5 => Fact::Delivered {
                    sink: a,
                    alert_id: b,
                    at,
                },
                6 => Fact::Dead {
                    sink: a.clone(),
                    alert_id: b,
                    at,
                    reason: a,
                },
                7 => Fact::PolicyChanged { policy: a, at },
                8 => Fact::Started { version: a, at },
                9 => Fact::MergeUndone(MergeUndone {
                    prior: PatientKey {
                        authority: a.clone(),
                        id: Phi::new(b.clone()),
                    },
                    survivor: PatientKey {
                        authority: b.clone(),
                        id: Phi::new(a.clone()),
                    },
                    through: at,
                    by: b,
                    comment: Phi::new(a),
                    at,
                }),
                10 => Fact::Gap(Gap {
                    origin,
                    cause: GapCause::Overflow,
                    from: at,
                    to: at,
                    messages: number,
                    bytes: number,
                    control_ids: vec![Phi::new(a)],
                }),
                11 => Fact::LisAnswered {
                    message: JournalPosition(number),
                    code: LisAck::Ce,
                    at,
                    after_micros: number,
                },
                12 => Fact::Deadline { at },
                21 => Fact::Audited(Audited {
                    number,
                    previous: a.clone(),
                    at,
                    by: a.clone(),
                    from: a.clone(),
                    act: a.clone(),
                    subject: Phi::new(a),
                }),
                22 => Fact::Noted(Noted {
                    patient: PatientKey {
                        authority: a.clone(),
                        id: Phi::new(a.clone()),
                    },
                    at,
                    by: a.clone(),
                    text: Phi::new(a),
                }),
                24 => Fact::Primed(Primed {
                    facts: number as u32,
                    by: a,
                    at,
                }),
                25 => Fact::Reassessed(Reassessed {
                    patients: vec![PatientKey {
                        authority: a.clone(),
                        id: Phi::new(b.clone()),
                    }],
                    page: number.is_multiple_of(2),
                    by: a,
                    comment: Phi::new(b.clone()),
                    policy: b,
                    at,
                }),
                23 => Fact::Retried(Retried {
                    message: JournalPosition(number),
                    by: a,
                    at,
                }),
                _ => about_delivery(kind, a, b, at, number),
            }
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn every_fact_comes_back_as_it_was(fact in facts(), content: u128, control: Option<u64>) {
        let print = Fingerprint { content, control };
        let record = encode(&fact, Some(&print)).unwrap();
        let back = decode(record.kind, record.version, &record.meta, &record.raw);
        prop_assert_eq!(back.as_ref(), Ok(&fact));
        let known = fingerprint(record.kind, record.version, &record.meta);
        let expected = match &fact {
            Fact::Received(received) => Some((print, received.received_at)),
            _ => None,
        };
        prop_assert_eq!(known, expected);
    }

    #[test]
    fn any_bytes_are_a_fact_or_an_error(
        kind: u8,
        version in 0..3u8,
        meta in prop::collection::vec(any::<u8>(), 0..60),
    ) {
        let _ = decode(kind, version, &meta, &[]);
        let _ = fingerprint(kind, version, &meta);
    }
}

#[test]
fn what_is_not_known_is_named() {
    assert_eq!(
        decode(200, 1, b"{}", b""),
        Err(DecodeError::UnknownKind { kind: 200 })
    );
    assert_eq!(
        decode(Kind::Dead as u8, 9, b"{}", b"")
            .unwrap_err()
            .to_string(),
        "version 9 of the record kind `dead` is not known to this version"
    );
    assert_eq!(
        decode(Kind::Started as u8, 1, b"[", b""),
        Err(DecodeError::Meta { kind: "started" })
    );
}

#[test]
fn meta_parts_may_grow_and_messages_stay_raw() {
    let json = br#"{"listener":"a","peer":"b","at":5,"part":[0,1],"added later":true}"#;
    let fact = decode(Kind::Received as u8, 1, json, b"\xFFMSH").unwrap();
    let Fact::Received(received) = fact else {
        panic!("not a message");
    };
    assert_eq!(received.raw.as_ref(), b"\xFFMSH");
    assert_eq!(fingerprint(Kind::Received as u8, 1, json), None);
}

#[test]
fn a_seen_again_is_small() {
    let fact = Fact::SeenAgain {
        first: JournalPosition(1_000_000),
        origin: Origin {
            listener: "immunology".to_owned(),
            peer: "10.0.0.5:50000".to_owned(),
        },
        received_at: Timestamp::from_micros(1_700_000_000_000_000),
    };
    assert!(encode(&fact, None).unwrap().payload() < 128);
}
