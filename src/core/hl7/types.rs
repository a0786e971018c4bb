//! Which messages are ours (WIRE 4.1).

/// What a message is taken for by MSH-9 alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MessageKind {
    /// ORU and OUL with an event of ours.
    Results,
    /// ORU or OUL with another event.
    ResultsUnknownEvent,
    /// ADT that gives demographics.
    Demographics,
    /// ADT about identities.
    Identity,
    /// ADT with an event without meaning for us.
    AdtUnknownEvent,
    /// ORM, OML: only cancellations count.
    Order,
    /// ACK, MCF, NMD.
    Acknowledgement,
    /// MSH-9 is empty.
    NoType,
    /// Everything else.
    Other,
}

/// The longest word that means something to us.
const LONGEST: usize = 3;

/// A word in capitals; longer ones are none of ours.
fn upper<'b>(word: &str, letters: &'b mut [u8; LONGEST]) -> &'b str {
    match letters.get_mut(..word.len()) {
        Some(letters) => {
            letters.copy_from_slice(word.as_bytes());
            letters.make_ascii_uppercase();
            std::str::from_utf8(letters).unwrap_or("?")
        }
        None => "?",
    }
}

/// MSH-9.1 and MSH-9.2, without case.
pub fn kind_of(code: &str, event: &str) -> MessageKind {
    let (mut code_letters, mut event_letters) = ([0; LONGEST], [0; LONGEST]);
    let code = upper(code.trim(), &mut code_letters);
    let event = upper(event.trim(), &mut event_letters);
    match (code, event) {
        ("ORU", "" | "R01" | "R03" | "R30" | "R31" | "R32" | "R40")
        | ("OUL", "R21" | "R22" | "R23" | "R24") => MessageKind::Results,
        ("ORU" | "OUL", _) => MessageKind::ResultsUnknownEvent,
        (
            "ADT",
            "A18" | "A23" | "A24" | "A29" | "A30" | "A34" | "A35" | "A36" | "A37" | "A39" | "A40"
            | "A41" | "A42" | "A43" | "A44" | "A45" | "A46" | "A47" | "A48" | "A49" | "A50" | "A51",
        ) => MessageKind::Identity,
        ("ADT", event) if is_adt_event(event) => MessageKind::Demographics,
        ("ADT", _) => MessageKind::AdtUnknownEvent,
        ("ORM" | "OML", _) => MessageKind::Order,
        ("ACK" | "MCF" | "NMD", _) => MessageKind::Acknowledgement,
        ("", _) => MessageKind::NoType,
        _ => MessageKind::Other,
    }
}

/// Types of 4.1 that are not read and still no strangers: strict mode does not refuse them.
pub fn is_listed(code: &str) -> bool {
    matches!(
        code.trim().to_ascii_uppercase().as_str(),
        "ORL" | "ORR" | "OMG" | "OSU" | "BAR" | "PPR" | "DFT"
    )
}

/// A01 to A62: all of them carry PID.
fn is_adt_event(event: &str) -> bool {
    event
        .strip_prefix('A')
        .filter(|digits| digits.len() == 2)
        .and_then(|digits| digits.parse::<u8>().ok())
        .is_some_and(|number| (1..=62).contains(&number))
}

#[cfg(test)]
mod tests {
    use super::{MessageKind, kind_of};

    #[test]
    fn by_type_and_event() {
        for (code, event, kind) in [
            ("ORU", "R01", MessageKind::Results),
            ("oru", "", MessageKind::Results),
            ("ORU", "R99", MessageKind::ResultsUnknownEvent),
            ("OUL", "R22", MessageKind::Results),
            ("ADT", "A08", MessageKind::Demographics),
            ("ADT", "A40", MessageKind::Identity),
            ("ADT", "Z99", MessageKind::AdtUnknownEvent),
            ("ORM", "O01", MessageKind::Order),
            ("ACK", "R01", MessageKind::Acknowledgement),
            ("", "", MessageKind::NoType),
            ("SIU", "S12", MessageKind::Other),
        ] {
            assert_eq!(kind_of(code, event), kind, "{code}^{event}");
        }
    }
}
