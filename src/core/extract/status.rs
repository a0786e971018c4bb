//! What became of a result or an order (WIRE 4.7, X-22, S-5).

use super::message::Message;
use super::walk::OrderGroup;
use crate::core::clinical::observation::{ResultStatus, StatusClass};

/// True for X, D and W (table 0085): the result is withdrawn.
pub(super) fn is_withdrawal(letter: &str) -> bool {
    matches!(letter, "X" | "D" | "W" | "x" | "d" | "w")
}

/// OBX-11 by its letter (table 0085); unknown letters are preliminary (CLINICAL 9.10).
fn class_of(letter: &str) -> StatusClass {
    match letter {
        "F" | "C" | "A" | "B" | "V" => StatusClass::Final,
        "U" => StatusClass::Promotion,
        "I" | "O" | "N" => StatusClass::NoResult,
        "X" | "D" | "W" => StatusClass::Withdrawal,
        _ => StatusClass::Preliminary,
    }
}

/// The status of one result: OBX-11, else OBR-25, else `assume_final`, which counts `no_status`.
///
/// `action` is OBX-31 of 2.8 and later, where D means that the result is deleted (S-6).
pub(super) fn result_status(
    message: &Message<'_>,
    obx11: &str,
    obr25: &str,
    action: &str,
) -> ResultStatus {
    let own = message.word(message.first_leaf(obx11)).to_uppercase();
    let of_order = message.word(message.first_leaf(obr25)).to_uppercase();
    let status = |class, letter: String| ResultStatus {
        class,
        letter,
        assumed: false,
    };
    if message.version >= (2, 8) && message.word(action).eq_ignore_ascii_case("D") {
        return status(StatusClass::Withdrawal, "D".to_owned());
    }
    if !own.is_empty() {
        return status(class_of(&own), own);
    }
    match of_order.as_str() {
        // Table 0123: R stored, not verified; P preliminary; A some results; M corrected, not final.
        "P" | "R" | "A" | "M" => status(StatusClass::Preliminary, of_order),
        "C" | "F" => status(StatusClass::Final, of_order),
        "X" => status(StatusClass::Withdrawal, of_order),
        // O order received, S scheduled, I in process, N results pending.
        "O" | "S" | "I" | "N" => status(StatusClass::NoResult, of_order),
        _ => {
            let assume_final = message.policy.detection.assume_final;
            if assume_final {
                message.tally.add("no_status");
            }
            ResultStatus {
                class: if assume_final {
                    StatusClass::Final
                } else {
                    StatusClass::Preliminary
                },
                letter: of_order,
                assumed: assume_final,
            }
        }
    }
}

/// S-5: the whole order is withdrawn.
///
/// OBR-25 = X or ORC-1 in {CA, OC, CR}, and no OBX that says otherwise.
pub(super) fn withdraws_order(message: &Message<'_>, order: &OrderGroup<'_>) -> bool {
    let first = |line: Option<super::message::Line<'_>>, field: usize| {
        line.map(|line| {
            let raw = line.raw.raw_field(field, message.delimiters.field);
            message.word(message.first_leaf(raw)).to_uppercase()
        })
        .unwrap_or_default()
    };
    let cancelled_by_obr = first(order.obr, 25) == "X";
    let cancelled_by_orc = matches!(first(order.orc, 1).as_str(), "CA" | "OC" | "CR");
    let only_withdrawals =
        !order.has_live_obx && (cancelled_by_obr || !order.has_obx_without_status);
    (cancelled_by_obr || cancelled_by_orc) && only_withdrawals
}
