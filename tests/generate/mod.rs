//! What the tests make up: messages and how they are written, stories of patients, damage, and
//! persons as the fold would pool them.

mod damage;
mod form;
mod person;
mod results;
mod story;

pub use damage::{damage, damaged};
pub use form::{Form, ascii_delimiters, delimiters, write};
pub use person::{Past, past};
pub use story::{
    Happening, Line, PATIENTS, Panel, happening, lines, number, panel, patient_id, shuffled, story,
};

use proptest::prelude::ProptestConfig;

/// So many cases, or as many as `PENTAMER_CASES` (else `PROPTEST_CASES`) asks for. Without a file of
/// past failures: what failed once becomes a test with a name.
pub fn cases(usual: u32) -> ProptestConfig {
    const UNASKED: u32 = 256;
    let asked = ProptestConfig::default();
    let wanted = std::env::var("PENTAMER_CASES")
        .ok()
        .and_then(|text| text.parse().ok());
    let cases = match wanted {
        Some(wanted) => wanted,
        None if asked.cases == UNASKED => usual,
        None => asked.cases,
    };
    ProptestConfig {
        cases,
        failure_persistence: None,
        ..asked
    }
}
