//! Reading messages: a glance at each, and a whole look at those that say something.

use super::gather::Gathering;
use super::record::{Kept, Key, Unread};
use super::tally::Tally;
use crate::archive::{Chunk, Part, kept, messages};
use crate::core::clinical::analyte::AnalyteMap;
use crate::core::clinical::observation::{Analyte, DemographicsReport, PatientKey};
use crate::core::extract::{
    Extraction, Place, Refusal, Routine, Understood, extract_routine, extract_whole, glance_asking,
    remedy, sent_at, whose,
};
use crate::core::fact::{JournalPosition, Origin, Reason, Received};
use crate::core::policy::Policy;
use crate::core::time::Timestamp;
use bytes::Bytes;
use hashbrown::{HashMap, HashSet};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Feeds that are told apart before they are counted.
const MOST_HEARD: usize = 10_000;

/// The longest key by which a message is remembered: who a patient is takes some hundred bytes, and longer ones
/// may not make the memory that so many patients take a matter of what is sent.
const LONGEST_KEY: usize = 1_024;

/// Codes (OBX-3), as sent, that the analyte map cannot know: a laboratory has some hundreds. However many there are,
/// and however long, they take no more than some megabytes.
#[derive(Default)]
struct Foreign(HashSet<Box<[u8]>>);

impl Foreign {
    const MOST: usize = 10_000;
    const LONGEST: usize = 256;

    /// What the map says of a code, which is asked only once for most.
    fn may_match(&mut self, code: &[u8], analytes: &AnalyteMap) -> bool {
        if self.0.contains(code) {
            return false;
        }
        let may_match = analytes.bytes_may_match(code);
        if !may_match && code.len() <= Self::LONGEST && self.0.len() < Self::MOST {
            self.0.insert(code.into());
        }
        may_match
    }
}

/// One worker's reading. What it says of a patient goes to the common pile.
pub(super) struct Reader<'g> {
    gathering: &'g Gathering<'g>,
    /// Messages that are read like one that was read before, by what reading depends on.
    known: HashMap<Vec<u8>, Known>,
    most_known: usize,
    /// Messages like these, by feed as sent and whether they carry results.
    heard: HashMap<Vec<u8>, Heard>,
    foreign: Foreign,
    /// The keys of the message at hand.
    key: Vec<u8>,
    feed: Vec<u8>,
    pub(super) tally: Tally,
    /// Bytes of the last chunk that are no message, for who knows its file.
    pub(super) no_messages: Vec<Reason>,
}

/// Messages that say only who their patient is, and say the same.
struct Known {
    who: Who,
    /// The latest time that one of them was for.
    said: Timestamp,
}

/// What they say.
enum Who {
    /// What is plain, and to be read should it be asked for.
    Plain(Unread),
    /// What was read.
    Read(Box<(PatientKey, DemographicsReport)>),
}

/// How many messages of a feed were like one that is known.
struct Heard {
    name: String,
    has_results: bool,
    times: u64,
    sent: (Timestamp, Timestamp),
}

impl<'g> Reader<'g> {
    pub(super) fn new(gathering: &'g Gathering<'g>, most_known: usize) -> Self {
        Self {
            gathering,
            known: HashMap::new(),
            most_known,
            heard: HashMap::new(),
            foreign: Foreign::default(),
            key: Vec::new(),
            feed: Vec::new(),
            tally: Tally::default(),
            no_messages: Vec::new(),
        }
    }

    /// Reads every message of a chunk; how many there were.
    pub(super) fn chunk(&mut self, chunk: &Chunk) -> io::Result<u64> {
        let before = self.tally.messages;
        let mut failed = None;
        let frames = messages(chunk, |part| match part {
            Part::Message(raw) if failed.is_none() => {
                if let Err(error) = self.message(chunk, raw) {
                    failed = Some(error);
                }
            }
            Part::Message(_) => {}
            Part::Refused(reason) => self.no_messages.push(reason),
        });
        self.tally.frames.add(&frames);
        self.tally.bytes += chunk.bytes.len() as u64;
        match failed {
            Some(error) => Err(error),
            None => Ok(self.tally.messages - before),
        }
    }

    fn message(&mut self, chunk: &Chunk, raw: &[u8]) -> io::Result<()> {
        self.tally.messages += 1;
        let Gathering {
            policy,
            listener,
            now,
            ..
        } = self.gathering;
        let foreign = &mut self.foreign;
        let may_match = |code: &[u8]| foreign.may_match(code, &policy.analytes);
        let Some(routine) = glance_asking(raw, listener, *now, policy, may_match) else {
            let extraction = self.read(kept(chunk, raw), None)?;
            return extraction.map_or(Ok(()), |(extraction, at)| self.take(extraction, at));
        };
        Unread::key_into(&mut self.key, &routine.what());
        self.feed.clear();
        self.feed.push(u8::from(routine.has_results));
        for part in routine.feed {
            self.feed.extend_from_slice(part);
            self.feed.push(b'\r');
        }
        if let Some(heard) = self.heard.get_mut(self.feed.as_slice()) {
            let is_known = match self.known.get_mut(self.key.as_slice()) {
                Some(known) => {
                    known.said = known.said.max(routine.said);
                    true
                }
                None => {
                    self.key.len() <= LONGEST_KEY
                        && self.known.len() < self.most_known
                        && know(&mut self.known, &self.key, &routine, policy)
                }
            };
            if is_known {
                heard.times += 1;
                heard.sent.0 = heard.sent.0.min(routine.sent);
                heard.sent.1 = heard.sent.1.max(routine.sent);
                return Ok(());
            }
        }
        let Some((extraction, at)) = self.read(kept(chunk, raw), Some(&routine))? else {
            return Ok(());
        };
        self.learn(extraction, at)
    }

    /// Remembers what a message was read as, where that is who the patient is and nothing else.
    fn learn(&mut self, extraction: Extraction, at: Timestamp) -> io::Result<()> {
        let plain = self.key.len().max(self.feed.len()) <= LONGEST_KEY
            && extraction.refusals.is_empty()
            && extraction.identity.is_empty()
            && extraction.counts.is_empty();
        let Some((patient, report)) = only_demographics(&extraction).filter(|_| plain) else {
            return self.take(extraction, at);
        };
        if self.known.len() >= self.most_known || self.heard.len() >= MOST_HEARD {
            self.forget()?;
        }
        let heard = self
            .heard
            .entry(self.feed.clone())
            .or_insert_with(|| Heard {
                name: extraction.feed,
                has_results: extraction.understood == Understood::Results,
                times: 0,
                sent: (at, at),
            });
        heard.times += 1;
        heard.sent = (heard.sent.0.min(at), heard.sent.1.max(at));
        let said = report.at;
        let known = self.known.entry(self.key.clone());
        let known = known.or_insert_with(|| Known {
            who: Who::Read(Box::new((patient, report))),
            said,
        });
        known.said = known.said.max(said);
        Ok(())
    }

    /// Reads a message as the daemon does; `None` for a part of one, which waits for the rest.
    fn read(
        &mut self,
        raw: Bytes,
        routine: Option<&Routine<'_>>,
    ) -> io::Result<Option<(Extraction, Timestamp)>> {
        self.tally.read += 1;
        let sent = routine.map(|routine| routine.sent);
        let received = self.gathering.received(raw, sent);
        let extraction = read_safely(&received, routine, self.gathering.policy);
        let is_part = |refusal: &Refusal| refusal.reason == Reason::Continuation;
        if extraction.refusals.iter().any(is_part) {
            self.gathering.part(received);
            return Ok(None);
        }
        Ok(Some((extraction, received.received_at)))
    }

    /// Takes what a message says.
    pub(super) fn take(&mut self, extraction: Extraction, at: Timestamp) -> io::Result<()> {
        let observations = || {
            extraction
                .patients
                .iter()
                .flat_map(|part| &part.observations)
        };
        let has_ours = observations().next().is_some();
        let has_igm = observations().any(|one| one.id.analyte == Analyte::IgM);
        self.tally.with_results += u64::from(extraction.understood == Understood::Results);
        self.tally.with_ours += u64::from(has_ours);
        self.tally.with_igm += u64::from(has_igm);
        self.tally.identity_events += extraction.identity.len() as u64;
        let feed = self.tally.feed(&extraction.feed);
        feed.hear(1, at, at);
        feed.with_ours += u64::from(has_ours);
        feed.note(&extraction.counts, 1);
        self.tally.note(&extraction);
        for part in extraction.patients {
            let key = part.key;
            for observation in part.observations {
                self.keep(Kept::Observation(Box::new(observation)))?;
            }
            for withdrawal in part.group_withdrawals {
                self.keep(Kept::Withdrawal(key.clone(), withdrawal))?;
            }
            for association in part.associations {
                self.keep(Kept::Association(key.clone(), association))?;
            }
            if let Some(report) = part.demographics {
                self.keep(Kept::Demographics(key, report))?;
            }
        }
        self.gathering.identify(extraction.identity);
        Ok(())
    }

    fn keep(&self, kept: Kept) -> io::Result<()> {
        self.gathering.pile.keep(&kept)
    }

    /// Gives what is remembered to the pile.
    pub(super) fn forget(&mut self) -> io::Result<()> {
        for heard in std::mem::take(&mut self.heard).into_values() {
            if heard.has_results {
                self.tally.with_results += heard.times;
            }
            let (first, last) = heard.sent;
            self.tally.feed(&heard.name).hear(heard.times, first, last);
        }
        let mut record = Vec::new();
        for (key, known) in self.known.drain() {
            match known.who {
                Who::Plain(unread) => {
                    unread.encode_into(&mut record, &key, known.said);
                    self.gathering.pile.push(unread.place, &record)?;
                }
                Who::Read(read) => {
                    let (patient, mut report) = *read;
                    report.at = known.said;
                    let kept = Kept::Demographics(patient, report);
                    self.gathering.pile.keep(&kept)?;
                }
            }
        }
        Ok(())
    }
}

/// Remembers a message by its key without reading it, where it is plain enough for that; whether it is.
fn know(
    known: &mut HashMap<Vec<u8>, Known>,
    key: &[u8],
    routine: &Routine<'_>,
    policy: &Policy,
) -> bool {
    let Some(patient) = whose(routine, policy) else {
        return false;
    };
    let unread = Unread {
        place: Key::of(&patient),
        sent: routine.sent,
    };
    let one = Known {
        who: Who::Plain(unread),
        said: routine.said,
    };
    known.insert(key.to_vec(), one);
    true
}

/// Who the patient is, where a message says no more.
fn only_demographics(extraction: &Extraction) -> Option<(PatientKey, DemographicsReport)> {
    let [part] = extraction.patients.as_slice() else {
        return None;
    };
    let nothing_else = part.observations.is_empty()
        && part.group_withdrawals.is_empty()
        && part.associations.is_empty();
    let report = part.demographics.clone().filter(|_| nothing_else)?;
    Some((part.key.clone(), report))
}

impl Gathering<'_> {
    /// A message as if it had come when it was sent; where it does not say when, now. So what would have
    /// been told, and when, does not depend on when the archive is read.
    fn received(&self, raw: Bytes, sent: Option<Timestamp>) -> Received {
        let sent = sent.or_else(|| sent_at(&raw, self.policy));
        Received {
            origin: Origin {
                listener: self.listener.clone(),
                peer: "archive".to_owned(),
            },
            received_at: sent.map_or(self.now, |sent| sent.min(self.now)),
            part: (0, 1),
            raw,
        }
    }
}

/// Reads a message; where our reader fails, that is what it says.
pub(super) fn read_safely(
    received: &Received,
    routine: Option<&Routine<'_>>,
    policy: &Policy,
) -> Extraction {
    let read = || match routine {
        Some(routine) => extract_routine(routine, received, JournalPosition::START, policy),
        None => extract_whole(received, JournalPosition::START, policy),
    };
    catch_unwind(AssertUnwindSafe(read)).unwrap_or_else(|_| Extraction {
        refusals: vec![Refusal {
            reason: Reason::Internal,
            place: Place {
                segment: "MSH".to_owned(),
                occurrence: 1,
                field: 0,
                name: "message".to_owned(),
            },
            result: false,
            remedy: remedy(Reason::Internal).to_owned(),
        }],
        ..Extraction::default()
    })
}

#[cfg(test)]
mod tests {
    use super::super::pile::Pile;
    use super::*;
    use crate::core::extract::{extract, glance, who};
    use crate::generate::hospital::{Mix, year};
    use crate::generate::random::Random;
    use std::collections::BTreeMap;

    const LISTENER: &str = "lab";
    const NOW: Timestamp = Timestamp::from_micros(1_800_000_000_000_000);

    /// What was read of messages that a glance calls alike.
    type Alike = HashMap<
        (Vec<Vec<u8>>, bool),
        (PatientKey, DemographicsReport, BTreeMap<&'static str, u64>),
    >;

    /// Holds a glance against reading; whether it said anything.
    fn check(raw: &[u8], policy: &Policy, alike: &mut Alike) -> bool {
        let Some(routine) = glance(raw, LISTENER, NOW, policy) else {
            return false;
        };
        let shown = || String::from_utf8_lossy(raw).replace('\r', "\n");
        let received = Received {
            origin: Origin {
                listener: LISTENER.to_owned(),
                peer: String::new(),
            },
            received_at: routine.sent,
            part: (0, 1),
            raw: Bytes::copy_from_slice(raw),
        };
        assert_eq!(sent_at(raw, policy), Some(routine.sent), "{}", shown());
        let extraction = extract_whole(&received, JournalPosition::START, policy);
        let glanced = extract_routine(&routine, &received, JournalPosition::START, policy);
        assert_eq!(glanced, extraction, "{}", shown());
        let quick = extract(&received, JournalPosition::START, policy);
        assert_eq!(quick, extraction, "{}", shown());
        // What is remembered without being read would say that and no more.
        if let Some(patient) = whose(&routine, policy) {
            let said = (extraction.refusals.len(), extraction.counts.len());
            assert_eq!(said, (0, 0), "{}", shown());
            let read = only_demographics(&extraction);
            assert_eq!(
                read.as_ref().map(|(key, _)| key),
                Some(&patient),
                "{}",
                shown()
            );
            assert_eq!(who(&routine.what(), policy), read, "{}", shown());
            let (mut key, mut record) = (Vec::new(), Vec::new());
            Unread::key_into(&mut key, &routine.what());
            let unread = Unread {
                place: Key::of(&patient),
                sent: routine.sent,
            };
            unread.encode_into(&mut record, &key, routine.said);
            let kept = Kept::decode(&record, policy).expect("decoded");
            let (patient, report) = read.unwrap_or_else(|| panic!("{}", shown()));
            assert_eq!(kept, Kept::Demographics(patient, report), "{}", shown());
        }
        // Control material is no patient's; a reader finds that out and remembers nothing.
        if extraction.patients.is_empty() && extraction.counts.contains_key("control_material") {
            return true;
        }
        let only = only_demographics(&extraction);
        if extraction
            .refusals
            .iter()
            .all(|one| one.reason == Reason::NoPatientId)
            && !extraction.refusals.is_empty()
        {
            return true;
        }
        assert!(
            extraction.refusals.is_empty(),
            "{:?} {}",
            extraction.refusals,
            shown()
        );
        assert!(extraction.identity.is_empty(), "{}", shown());
        let (key, mut report) = only.unwrap_or_else(|| panic!("more than a patient: {}", shown()));
        assert_eq!(report.at, routine.said, "{}", shown());
        report.at = Timestamp::default();
        let same = routine.same.iter().map(|part| part.to_vec()).collect();
        let read = (key, report, extraction.counts);
        let before = alike
            .entry((same, routine.is_utf8))
            .or_insert_with(|| read.clone());
        assert_eq!(*before, read, "{}", shown());
        true
    }

    #[test]
    fn codes_of_others_are_remembered_up_to_a_number_and_a_length() {
        let map = AnalyteMap::built_in();
        let mut foreign = Foreign::default();
        for _ in 0..2 {
            assert!(!foreign.may_match(b"2345-7^Glucose^LN", &map));
            assert!(foreign.may_match(b"2472-9^IgM^LN", &map));
            assert!(foreign.may_match(b"GLU\\T\\X", &map));
            assert!(!foreign.may_match(&[b'x'; Foreign::LONGEST + 1], &map));
        }
        assert_eq!(foreign.0.len(), 1);
        for number in 0..2 * Foreign::MOST {
            assert!(!foreign.may_match(format!("X{number}").as_bytes(), &map));
        }
        assert_eq!(foreign.0.len(), Foreign::MOST);
    }

    #[test]
    fn patients_are_remembered_up_to_a_length() {
        let policy = Policy::built_in();
        let spill = tempfile::tempdir().unwrap();
        let pile = Pile::new(1 << 20, spill.path());
        let gathering = Gathering::new(&policy, LISTENER.to_owned(), NOW, pile);
        let mut reader = Reader::new(&gathering, 1_000);
        let mut read = |street: usize| {
            let raw = format!(
                "MSH|^~\\&|LAB|HOSP|||20250102||ORU^R01|1|P|2.5\r\
                 PID|1||{street}^^^HOSP^MR||DOE^JANE||19800101|F|||{}\r\
                 OBR|1||F1|GLU^Glucose\rOBX|1|NM|GLU^Glucose^L||5.1|mmol/L|||||F\r",
                "x".repeat(street)
            );
            let bytes = Bytes::from(raw);
            let chunk = Chunk {
                bytes: bytes.clone(),
                framed: false,
            };
            reader.message(&chunk, &bytes).unwrap();
            (reader.known.len(), reader.tally.messages)
        };
        assert_eq!(read(20), (1, 1));
        assert_eq!(
            read(2 * LONGEST_KEY),
            (1, 2),
            "a long one is read, not remembered"
        );
        assert_eq!(read(30), (2, 3));
    }

    #[test]
    fn a_glance_says_what_reading_says() {
        let policy = Policy::built_in();
        let mix = Mix {
            results: 400,
            planted: 80,
            traps: 80,
            immunology: 200,
            ..Mix::default()
        };
        let messages = year(11, mix).events;
        let mut alike = Alike::new();
        let glances = messages
            .iter()
            .filter(|event| check(&event.raw, &policy, &mut alike))
            .count();
        assert!(
            glances * 2 > messages.len(),
            "{glances} of {}",
            messages.len()
        );
        // Messages with a fault, or anything else that is out of the ordinary.
        let mut random = Random::new(5);
        let odd = b"|^~\\&\r\n\"XQ0D \0\xc3L";
        for _ in 0..20_000 {
            let event = &messages[random.below(messages.len() as u64) as usize];
            let mut raw = event.raw.clone();
            for _ in 0..=random.below(2) {
                let place = random.below(raw.len() as u64) as usize;
                let byte = random.pick(odd);
                if random.chance(0.5) {
                    raw[place] = byte;
                } else {
                    raw.insert(place, byte);
                }
            }
            check(&raw, &policy, &mut alike);
        }
    }
}
