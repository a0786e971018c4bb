//! Blood counts, chemistry and microbiology: most of what a laboratory sends, and nothing of ours.

use super::hospital::{Making, Says};
use super::message::order;
use super::people::usual_value;
use crate::core::time::Timestamp;

/// Chemistry and haematology: code, name, unit, limits (in tenths).
const CHEMISTRY: [(&str, &str, &str, i64, i64); 10] = [
    ("2951-2", "Sodium", "mmol/L", 1_350, 1_450),
    ("2823-3", "Potassium", "mmol/L", 35, 51),
    ("2160-0", "Creatinine", "umol/L", 450, 1_050),
    ("2345-7", "Glucose", "mmol/L", 39, 61),
    ("1988-5", "CRP", "mg/L", 1, 50),
    ("1742-6", "ALT", "U/L", 70, 450),
    ("2885-2", "Protein", "g/L", 640, 830),
    ("1751-7", "Albumin", "g/L", 350, 520),
    ("2532-0", "LDH", "U/L", 1_200, 2_500),
    ("19113-0", "IgE", "kU/L", 10, 1_000),
];
const HAEMATOLOGY: [(&str, &str, &str, i64, i64); 6] = [
    ("718-7", "Haemoglobin", "g/L", 1_200, 1_700),
    ("6690-2", "Leucocytes", "10*9/L", 40, 100),
    ("777-3", "Platelets", "10*9/L", 1_500, 4_000),
    ("787-2", "MCV", "fL", 800, 1_000),
    ("731-0", "Lymphocytes", "10*9/L", 10, 40),
    ("751-8", "Neutrophils", "10*9/L", 18, 75),
];

impl Making {
    /// One order of routine tests.
    pub(super) fn chemistry(&mut self, person: usize, id: usize, at: Timestamp) {
        let feed = self.random.below(3) as usize;
        let is_count = self.random.chance(0.5);
        let (service, rows): (_, &[_]) = if is_count {
            ("CBC^Blood count^L", &HAEMATOLOGY)
        } else {
            ("CHEM^Chemistry^L", &CHEMISTRY)
        };
        let filler = format!("C{}", self.number());
        let due = at.plus(self.turnaround());
        let mut body = self.pid(person, id, "") + &order(&filler, service, at, due, "F");
        for (number, (code, name, unit, low, high)) in (1..).zip(rows) {
            let value = usual_value(&mut self.random, (*low, *high));
            body += &format!(
                "OBX|{number}|NM|{code}^{name}^LN||{}.{}|{unit}|{}.{}-{}.{}||||F\r",
                value / 10,
                value % 10,
                low / 10,
                low % 10,
                high / 10,
                high % 10
            );
        }
        self.result(due, feed, person, &body, Says::Other);
    }

    /// A report of microbiology: sentences, one a line.
    pub(super) fn microbiology(&mut self, person: usize, id: usize, at: Timestamp) {
        let filler = format!("M{}", self.number());
        let due = at.plus(self.turnaround());
        let mut body = self.pid(person, id, "") + &order(&filler, "MICRO^Culture^L", at, due, "F");
        let lines = 3 + self.random.below(12);
        for number in 1..=lines {
            let sentence = self.random.pick(&SENTENCES);
            body += &format!("OBX|{number}|TX|600-7^Blood culture^LN||{sentence}||||||F\r");
        }
        self.result(due, 0, person, &body, Says::Other);
    }
}

/// Of reports of microbiology; that IgM stands in one is no result.
const SENTENCES: [&str; 8] = [
    "No growth after five days of incubation, aerobic and anaerobic bottle.",
    "Staphylococcus epidermidis in one of two bottles; contamination is likely.",
    "Escherichia coli, sensitive to cefuroxime, ciprofloxacin and meropenem.",
    "Gram stain: no leucocytes, no microorganisms seen in twenty fields.",
    "Mycoplasma pneumoniae IgM antibodies not detected, IgG antibodies detected.",
    "Please send a second sample from another site if fever goes on.",
    "The result was told to the ward by telephone and read back.",
    "Candida albicans, sensitive to fluconazole; minimal inhibitory concentration 0.25 mg/L.",
];
