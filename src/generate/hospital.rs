//! A year of a hospital: every message that its systems send, in the order in which they try to.

use super::message::{
    self, ADT, AUTHORITY, FEEDS, LABORATORIES, Limits, Style, minutes, msh, order, pid, stamp,
};
use super::people::{Fate, Person};
use super::random::Random;
use super::traps;
use crate::core::time::{Span, Timestamp};

/// 2025-01-01T00:00:00Z.
pub const YEAR: Timestamp = Timestamp::from_micros(1_735_689_600_000_000);
/// How long a year of a hospital is.
pub const DAYS: i64 = 365;

/// One message.
pub struct Event {
    /// When its sender first tries.
    pub due: Timestamp,
    /// Its place in [`FEEDS`].
    pub feed: usize,
    /// MSH-10.
    pub control: String,
    /// The bytes.
    pub raw: Vec<u8>,
    /// The person.
    pub person: usize,
    /// What it says.
    pub says: Says,
}

/// What a message says, for the oracle.
#[derive(Clone)]
pub enum Says {
    /// Immunoglobulins.
    Report(Report),
    /// One identifier of the person (by number) is another one.
    Merge {
        /// The one that gives way.
        prior: usize,
        /// The one that stays.
        survivor: usize,
    },
    /// Nothing that matters to immunoglobulins.
    Other,
}

/// Immunoglobulins of one order.
#[derive(Clone)]
pub struct Report {
    /// Which of the person's identifiers.
    pub id: usize,
    /// Filler number.
    pub order: String,
    /// OBR-7.
    pub collected: Timestamp,
    /// OBR-22.
    pub version: Timestamp,
    /// Of IgM, IgG and IgA.
    pub limits: [Limits; 3],
    /// The results.
    pub lines: Vec<Line>,
}

/// One immunoglobulin: which, value in mg/dL, status.
#[derive(Debug, Clone, Copy)]
pub struct Line {
    /// 0 IgM, 1 IgG, 2 IgA.
    pub analyte: usize,
    /// In mg/dL.
    pub value: i64,
    /// OBX-11.
    pub status: &'static str,
}

/// How a year is made up.
#[derive(Clone, Copy)]
pub struct Mix {
    /// Result messages, those sent again not counted.
    pub results: usize,
    /// Of a thousand patients so many have a planted low IgM. 1 would be the rate of hospital
    /// patients (CLINICAL 1.1).
    pub planted: u64,
    /// Of a thousand patients so many are traps.
    pub traps: u64,
    /// Of a thousand other patients so many have immunoglobulins measured.
    pub immunology: u64,
    /// Of a thousand visits so many have a report of microbiology, which is text.
    pub texts: u64,
    /// When the year begins.
    pub from: Timestamp,
    /// How long it is; a course takes up to 200 days.
    pub days: i64,
    /// Numbers of people and messages begin here: years with other beginnings have other people.
    pub numbers: u64,
}

impl Default for Mix {
    /// A year of a small hospital: few have immunoglobulins measured, one in a thousand patients has
    /// an isolated low IgM (CLINICAL 1.1), and one in five hundred is a trap.
    fn default() -> Self {
        Self {
            results: 20_000,
            planted: 1,
            traps: 2,
            immunology: 15,
            texts: 120,
            from: YEAR,
            days: DAYS,
            numbers: 0,
        }
    }
}

/// A year, and how it was made.
pub struct Hospital {
    /// Everybody.
    pub people: Vec<Person>,
    /// In order of time.
    pub events: Vec<Event>,
    /// Result messages without those sent again.
    pub results: usize,
    /// OBX in them.
    pub lines: usize,
}

/// Makes the messages of a year.
pub fn year(seed: u64, mix: Mix) -> Hospital {
    let mut making = Making {
        random: Random::new(seed),
        hospital: Hospital {
            people: Vec::new(),
            events: Vec::new(),
            results: 0,
            lines: 0,
        },
        mix,
        numbers: mix.numbers,
        planted: 0,
        trapped: 0,
    };
    while making.hospital.results < mix.results {
        making.somebody();
    }
    making.noise();
    let mut hospital = making.hospital;
    hospital
        .events
        .sort_by(|a, b| (a.due, &a.control).cmp(&(b.due, &b.control)));
    hospital
}

pub(super) struct Making {
    pub(super) random: Random,
    pub(super) hospital: Hospital,
    pub(super) mix: Mix,
    numbers: u64,
    pub(super) planted: usize,
    trapped: usize,
}

impl Making {
    /// One more number that nothing else has.
    pub(super) fn number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }

    pub(super) fn person(&mut self, prefix: &str, fate: Fate) -> usize {
        let number = self.number();
        let id = format!("{prefix}{number:07}");
        let person = Person::new(&mut self.random, number, id, fate);
        self.hospital.people.push(person);
        self.hospital.people.len() - 1
    }

    pub(super) fn another_id(&mut self, person: usize) -> usize {
        let number = self.number();
        let ids = &mut self.hospital.people[person].ids;
        ids.push(format!("E{number:07}"));
        ids.len() - 1
    }

    /// Some moment of the year, `margin` days before its end.
    pub(super) fn moment(&mut self, margin: i64) -> Timestamp {
        let minute = self.random.between(0, (self.mix.days - margin) * 24 * 60);
        self.mix.from.plus(minutes(minute))
    }

    /// From collection to report.
    pub(super) fn turnaround(&mut self) -> Span {
        minutes(self.random.between(40, 60 * 30))
    }

    pub(super) fn send(
        &mut self,
        due: Timestamp,
        feed: usize,
        person: usize,
        kind: &str,
        body: &str,
        says: Says,
    ) {
        let control = format!("{}{}", FEEDS[feed].application, self.number());
        let text = msh(feed, kind, due, &control) + body;
        let raw = message::bytes(feed, &text);
        self.hospital.events.push(Event {
            due,
            feed,
            control,
            raw,
            person,
            says,
        });
    }

    pub(super) fn pid(&self, person: usize, id: usize, account: &str) -> String {
        let someone = &self.hospital.people[person];
        pid(
            &someone.ids[id],
            &someone.name,
            someone.birth,
            someone.sex,
            account,
        )
    }

    /// Counts and sends a result message; now and then its sender sends it again, to the byte or
    /// under another control id.
    pub(super) fn result(
        &mut self,
        due: Timestamp,
        feed: usize,
        person: usize,
        body: &str,
        says: Says,
    ) {
        self.hospital.results += 1;
        self.hospital.lines += body.matches("\rOBX|").count();
        self.send(due, feed, person, "ORU^R01^ORU_R01", body, says.clone());
        if self.random.chance(0.02) {
            let later = minutes(self.random.between(1, 60 * 24 * 5));
            if self.random.chance(0.5) {
                let event = &self.hospital.events[self.hospital.events.len() - 1];
                let again = Event {
                    due: event.due.plus(later),
                    feed,
                    control: event.control.clone(),
                    raw: event.raw.clone(),
                    person,
                    says,
                };
                self.hospital.events.push(again);
            } else {
                self.send(due.plus(later), feed, person, "ORU^R01^ORU_R01", body, says);
            }
        }
    }

    fn somebody(&mut self) {
        let Mix { planted, traps, .. } = self.mix;
        let chance = self.random.below(1_000);
        if chance < planted {
            self.planted();
        } else if chance < planted + traps {
            self.trap();
        } else {
            self.usual();
        }
    }

    fn trap(&mut self) {
        let kinds = traps::all();
        let (kind, make) = &kinds[self.trapped % kinds.len()];
        let kind = *kind;
        self.trapped += 1;
        let person = self.person("TRAP", Fate::Trap(kind));
        let at = self.moment(40);
        let trap = make(self, person, at);
        let due = at.plus(self.turnaround());
        self.hospital.results += 1;
        self.hospital.lines += trap.matches("\rOBX|").count();
        self.send(due, 0, person, "ORU^R01^ORU_R01", &trap, Says::Other);
        if kind == "test message"
            && let Some(event) = self.hospital.events.last_mut()
        {
            let text = String::from_utf8_lossy(&event.raw).replace("|P|2.5.1|", "|T|2.5.1|");
            event.raw = text.into_bytes();
        }
    }

    pub(super) fn admission(&mut self, person: usize, id: usize, at: Timestamp) {
        let event = self.random.pick(&["A01", "A04", "A08", "A31"]);
        let body = format!(
            "EVN|{event}|{}\r{}PV1|1|I\r",
            stamp(at),
            self.pid(person, id, "")
        );
        self.send(at, ADT, person, &format!("ADT^{event}"), &body, Says::Other);
    }

    pub(super) fn merge(&mut self, person: usize, prior: usize, survivor: usize, at: Timestamp) {
        let event = self.random.pick(&["A40", "A40", "A40", "A47", "A34"]);
        let body = format!(
            "EVN|{event}|{}\r{}MRG|{}^^^{AUTHORITY}^MR\r",
            stamp(at),
            self.pid(person, survivor, ""),
            self.hospital.people[person].ids[prior]
        );
        let says = Says::Merge { prior, survivor };
        self.send(at, ADT, person, &format!("ADT^{event}"), &body, says);
    }

    /// A laboratory whose way of writing can be used for this person.
    pub(super) fn laboratory(&mut self, person: usize, at: Timestamp) -> usize {
        loop {
            let feed = self.random.below(LABORATORIES) as usize;
            if self.hospital.people[person].may_be_read_in(FEEDS[feed].style, at) {
                return feed;
            }
        }
    }

    /// Sends immunoglobulins.
    pub(super) fn report(
        &mut self,
        due: Timestamp,
        feed: usize,
        person: usize,
        account: &str,
        report: Report,
    ) {
        let style = FEEDS[feed].style;
        let Report {
            id,
            order: filler,
            collected,
            version,
            limits,
            lines,
        } = &report;
        let mut body = self.pid(person, *id, account);
        body += &order(filler, "IG^Immunoglobulins^L", *collected, *version, "");
        for (
            number,
            Line {
                analyte,
                value,
                status,
            },
        ) in (1..).zip(lines)
        {
            body +=
                &message::immunoglobulin(style, number, *analyte, *value, limits[*analyte], status);
        }
        if style == Style::Loinc {
            body += &format!(
                "SPM|1|||SER^Serum^HL70487|||||||||||||{}\r",
                stamp(*collected)
            );
        }
        self.result(due, feed, person, &body, Says::Report(report));
    }

    /// A report of all three, final, at a collection.
    pub(super) fn panel(
        &mut self,
        person: usize,
        id: usize,
        collected: Timestamp,
        values: [i64; 3],
    ) -> Report {
        let version = collected.plus(self.turnaround());
        Report {
            id,
            order: format!("I{}", self.number()),
            collected,
            version,
            limits: self.hospital.people[person].limits(collected),
            lines: (0..3)
                .map(|analyte| Line {
                    analyte,
                    value: values[analyte],
                    status: "F",
                })
                .collect(),
        }
    }

    /// What else comes over such a line: orders, acknowledgements, types of no use, and rubbish.
    fn noise(&mut self) {
        let messages = self.hospital.results / 100;
        for _ in 0..messages {
            let person = self.random.below(self.hospital.people.len() as u64) as usize;
            let at = self.moment(0);
            let identified = self.pid(person, 0, "");
            let (kind, body) = match self.random.below(7) {
                0 => ("ORM^O01", identified + "ORC|NW|1\r"),
                1 => ("ACK", "MSA|AA|1\r".to_owned()),
                2 => ("SIU^S12", identified),
                3 => (
                    "ORU^R01",
                    "PID|1||||NOBODY\rOBR|1||1\rOBX|1|NM|2472-9^IgM^LN||0.12|g/L|||||F\r"
                        .to_owned(),
                ),
                4 => ("ORU^R01", "OBX|1|NM|2472-9^IgM^LN||0.12|g/L\r".to_owned()),
                5 => ("ADT^A24", identified.clone() + &identified),
                // The rest never comes.
                _ => ("ORU^R01", identified + "DSC|MORE|F\r"),
            };
            self.send(at, 0, person, kind, &body, Says::Other);
        }
    }
}
