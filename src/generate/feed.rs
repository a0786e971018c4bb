//! A stream of messages of any length: a year of a hospital, then the same year of another one.

use super::hospital::{Event, Mix, year};

/// Numbers that one hospital may use.
const NUMBERS: u64 = 10_000_000;

/// An endless stream of messages, in order of time within each hospital. One hospital is in memory at a
/// time.
pub struct Feed {
    seed: u64,
    mix: Mix,
    hospitals: u64,
    ahead: std::vec::IntoIter<Event>,
}

impl Feed {
    /// From a seed; hospitals of `mix` follow each other.
    pub fn new(seed: u64, mix: Mix) -> Self {
        Self {
            seed,
            mix,
            hospitals: 0,
            ahead: Vec::new().into_iter(),
        }
    }
}

impl Iterator for Feed {
    type Item = Event;

    fn next(&mut self) -> Option<Event> {
        if self.ahead.len() == 0 {
            let mix = Mix {
                numbers: self.mix.numbers + self.hospitals * NUMBERS,
                ..self.mix
            };
            // Any step that is odd gives each hospital a chance of its own.
            let seed = self
                .seed
                .wrapping_add(self.hospitals.wrapping_mul(0x9E37_79B9));
            self.hospitals += 1;
            self.ahead = year(seed, mix).events.into_iter();
        }
        self.ahead.next()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn mix() -> Mix {
        Mix {
            results: 300,
            planted: 50,
            traps: 50,
            ..Mix::default()
        }
    }

    fn raws(seed: u64, count: usize) -> Vec<Vec<u8>> {
        Feed::new(seed, mix())
            .take(count)
            .map(|event| event.raw)
            .collect()
    }

    #[test]
    fn the_same_seed_gives_the_same_bytes() {
        assert_eq!(raws(7, 1_000), raws(7, 1_000));
        assert_ne!(raws(7, 100), raws(8, 100));
    }

    #[test]
    fn hospitals_that_follow_have_other_people() {
        let ids = |raws: &[Vec<u8>]| -> BTreeSet<String> {
            let texts = raws
                .iter()
                .map(|raw| String::from_utf8_lossy(raw).into_owned());
            texts
                .filter_map(|text| {
                    let (_, after) = text.split_once("PID|1||")?;
                    Some(after.split('^').next()?.to_owned())
                })
                .collect()
        };
        let first = super::year(1, mix()).events.len();
        let all = raws(1, first * 2);
        let (one, other) = all.split_at(first);
        assert!(ids(one).len() > 50);
        assert!(ids(one).is_disjoint(&ids(other)), "people come twice");
    }

    #[test]
    fn a_default_hospital_is_mostly_of_no_interest() {
        let hospital = super::year(
            3,
            Mix {
                results: 2_000,
                ..Mix::default()
            },
        );
        let bodies = hospital
            .events
            .iter()
            .map(|event| String::from_utf8_lossy(&event.raw));
        let ours = bodies
            .filter(|body| body.contains("2472-9^") || body.contains("|IGM^"))
            .count();
        assert!(ours * 10 < hospital.events.len(), "{ours}");
    }
}
