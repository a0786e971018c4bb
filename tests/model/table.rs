//! The numbers of CLINICAL 2, 5.1 and 6.7, written down a second time.

use super::person::Age;
use pentamer::core::clinical::Limits;
use pentamer::core::clinical::observation::Analyte;
use rust_decimal::Decimal;

/// From an age, below an age (calendar months and days): IgG, IgA, IgM in g/L.
type Row = (
    (i64, i64),
    Option<(i64, i64)>,
    [(&'static str, &'static str); 3],
);

/// CLINICAL 5.1, without cord blood.
const ROWS: [Row; 14] = [
    (
        (0, 0),
        Some((0, 14)),
        [("5.0", "17.0"), ("0.01", "0.08"), ("0.05", "0.20")],
    ),
    (
        (0, 14),
        Some((0, 42)),
        [("3.9", "13.0"), ("0.02", "0.15"), ("0.08", "0.40")],
    ),
    (
        (0, 42),
        Some((3, 0)),
        [("2.1", "7.7"), ("0.05", "0.40"), ("0.15", "0.70")],
    ),
    (
        (3, 0),
        Some((6, 0)),
        [("2.4", "8.8"), ("0.10", "0.50"), ("0.20", "1.00")],
    ),
    (
        (6, 0),
        Some((9, 0)),
        [("3.0", "9.0"), ("0.15", "0.70"), ("0.40", "1.60")],
    ),
    (
        (9, 0),
        Some((12, 0)),
        [("3.0", "10.9"), ("0.20", "0.70"), ("0.60", "2.10")],
    ),
    (
        (12, 0),
        Some((24, 0)),
        [("3.1", "13.8"), ("0.30", "1.20"), ("0.50", "2.20")],
    ),
    (
        (24, 0),
        Some((36, 0)),
        [("3.7", "15.8"), ("0.30", "1.30"), ("0.50", "2.20")],
    ),
    (
        (36, 0),
        Some((72, 0)),
        [("4.9", "16.1"), ("0.40", "2.00"), ("0.50", "2.00")],
    ),
    (
        (72, 0),
        Some((108, 0)),
        [("5.4", "16.1"), ("0.50", "2.40"), ("0.50", "1.80")],
    ),
    (
        (108, 0),
        Some((144, 0)),
        [("5.4", "16.1"), ("0.70", "2.50"), ("0.50", "1.80")],
    ),
    (
        (144, 0),
        Some((180, 0)),
        [("5.4", "16.1"), ("0.80", "2.80"), ("0.50", "1.80")],
    ),
    (
        (180, 0),
        Some((216, 0)),
        [("5.4", "16.1"), ("0.80", "2.80"), ("0.50", "1.90")],
    ),
    (
        (216, 0),
        None,
        [("7.0", "16.0"), ("0.70", "4.00"), ("0.40", "2.30")],
    ),
];

pub fn decimal(text: &str) -> Decimal {
    text.parse().expect("a number")
}

/// The built-in interval in g/L at an age; of an age between two the row with the lower low limit,
/// of an unknown one the adult's (6.7, 6.3).
pub fn built_in(analyte: Analyte, age: &Age) -> Option<Limits> {
    let column = match analyte {
        Analyte::IgG => 0,
        Analyte::IgA => 1,
        Analyte::IgM => 2,
        Analyte::IgG1 | Analyte::IgG2 | Analyte::IgG3 | Analyte::IgG4 => return None,
    };
    let limits = |row: &Row| Limits {
        low: Some(decimal(row.2[column].0)),
        high: Some(decimal(row.2[column].1)),
    };
    let row_of = |reached: &dyn Fn((i64, i64)) -> bool| {
        ROWS.iter()
            .find(|row| reached(row.0) && row.1.is_none_or(|end| !reached(end)))
            .map(limits)
    };
    match age {
        Age::BeforeBirth => None,
        Age::Unknown => ROWS.last().map(limits),
        Age::Between { .. } => {
            let youngest = row_of(&|(months, days)| age.youngest_has_reached(months, days))?;
            let oldest = row_of(&|(months, days)| age.oldest_has_reached(months, days))?;
            Some(if oldest.low < youngest.low {
                oldest
            } else {
                youngest
            })
        }
    }
}

/// What a code says, of those that the histories hold (CLINICAL 2): class letters, and the age in
/// months below which the row holds.
pub fn classes(code: &str) -> (&'static str, Option<i64>) {
    match code {
        "D80.4" => ("K", None),
        "C90.0" => ("SP", None),
        "M06.9" => ("S", None),
        "R16.1" => ("P", None),
        "A40.3" => ("U", None),
        "R62.8" => ("U", Some(60)),
        "J45" => ("C", None),
        "J06BA02" => ("T", None),
        other => panic!("{other} is not in the model's table"),
    }
}
